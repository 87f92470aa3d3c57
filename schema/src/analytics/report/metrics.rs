//! The numbers of a period, a bucket or a row.

use std::sync::Arc;

use async_graphql::{Lookahead, Object, SimpleObject};

use crate::{
    analytics::{
        plan::{MetricSet, Sums},
        query::Metric,
    },
    scalars::BigInt,
};

/// An amount of money.
#[derive(SimpleObject, Debug, Clone)]
pub struct Money {
    /// Amount in major units, such as 49.9 dollars.
    pub amount: f64,
    /// ISO 4217 code.
    pub currency: String,
}

impl Money {
    /// An amount in millionths of the currency.
    #[must_use]
    pub fn from_micros(micros: i128, currency: &str) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "millionths up to 2^53 are nine billion in major units")]
        let amount = micros as f64 / 1e6;
        Self { amount, currency: currency.to_owned() }
    }
}

/// The numbers of a period, a bucket or a row. Each has one definition, whatever else is asked for.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(super) sums: Sums,
    /// `None`: money is not shown.
    pub(super) currency: Option<Arc<str>>,
}

/// The numbers of a period, a bucket or a row. Each has one definition, whatever else is asked for.
#[Object]
impl Metrics {
    /// Distinct visitors with an event in the period. Exact. Where identity is cookieless a visitor is new each UTC day, so
    /// that a count over several days is of visitor-days.
    async fn visitors(&self) -> BigInt {
        BigInt(self.sums.visitors)
    }

    /// Visits (sessions) that start in the period. A visit ends after 30 minutes without an event, and for no other reason.
    async fn visits(&self) -> BigInt {
        BigInt(self.sums.visits)
    }

    /// Page views in the period, repeats counted.
    async fn pageviews(&self) -> BigInt {
        BigInt(self.sums.pageviews)
    }

    /// Events in the period other than page views and heartbeats.
    async fn events(&self) -> BigInt {
        BigInt(self.sums.events)
    }

    /// Share of visits with one page view and no interaction event, 0 to 1; null without visits. Scroll milestones are no
    /// interaction.
    async fn bounce_rate(&self) -> Option<f64> {
        self.sums.bounce_rate()
    }

    /// Mean time from a visit's first to its last event in seconds, bounces included; null without visits.
    async fn visit_duration_seconds(&self) -> Option<f64> {
        self.sums.visit_duration_seconds()
    }

    /// Page views of the visits divided by the visits; null without visits.
    async fn views_per_visit(&self) -> Option<f64> {
        self.sums.views_per_visit()
    }

    /// Goal completions in the period.
    async fn conversions(&self) -> BigInt {
        BigInt(self.sums.conversions)
    }

    /// Share of visits with at least one goal completion, 0 to 1; null without visits.
    async fn conversion_rate(&self) -> Option<f64> {
        self.sums.conversion_rate()
    }

    /// Money received in the period in the website's currency, from revenue events and the values of goals, less what was paid
    /// back; other currencies are left out. Null without such events, and always for the public of a website that is open to it.
    async fn revenue(&self) -> Option<Money> {
        let currency = self.currency.as_deref()?;
        (self.sums.payments > 0).then(|| Money::from_micros(self.sums.revenue_micros, currency))
    }

    /// Mean value score of the visits, 0 to 100; null without visits.
    async fn average_score(&self) -> Option<f64> {
        self.sums.average_score()
    }
}

/// The metrics that a selection of [`Metrics`] names.
pub(super) fn metrics_in(selection: &Lookahead<'_>) -> MetricSet {
    [
        ("visitors", Metric::Visitors),
        ("visits", Metric::Visits),
        ("pageviews", Metric::Pageviews),
        ("events", Metric::Events),
        ("bounceRate", Metric::BounceRate),
        ("visitDurationSeconds", Metric::VisitDuration),
        ("viewsPerVisit", Metric::ViewsPerVisit),
        ("conversions", Metric::Conversions),
        ("conversionRate", Metric::ConversionRate),
        ("revenue", Metric::Revenue),
        ("averageScore", Metric::AverageScore),
    ]
    .into_iter()
    .filter(|(field, _)| selection.field(field).exists())
    .map(|(_, metric)| metric)
    .collect()
}
