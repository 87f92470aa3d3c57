//! The metrics of a period, bucket or row.

use std::sync::Arc;

use async_graphql::{Lookahead, Object, SimpleObject};

use crate::{
    analytics::{
        plan::{MetricSet, Sums},
        query::Metric,
    },
    scalars::{BigInt, Decimal},
};

/// An amount of money.
#[derive(SimpleObject, Debug, Clone)]
pub struct Money {
    /// Amount in major units, such as `49.9` dollars; exact to the millionth.
    pub amount: Decimal,
    /// ISO 4217 code.
    pub currency: String,
}

impl Money {
    /// The amount for a number of millionths of the currency.
    #[must_use]
    pub fn from_micros(micros: i128, currency: &str) -> Self {
        Self { amount: Decimal::from_millionths(micros), currency: currency.to_owned() }
    }
}

/// The metrics of a period, bucket or row. The definition of each metric does not depend on which others are requested.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(super) sums: Sums,
    /// `None`: revenue is hidden.
    pub(super) currency: Option<Arc<str>>,
    /// In a row of a goal: all visits of the query, of which `conversionRate` is a share.
    pub(super) visits_of_all: Option<i64>,
}

impl Metrics {
    /// The metrics of these sums.
    pub(super) fn new(sums: Sums, currency: Option<&Arc<str>>) -> Self {
        Self { sums, currency: currency.cloned(), visits_of_all: None }
    }
}

/// The metrics of a period, bucket or row. The definition of each metric does not depend on which others are requested.
#[Object]
impl Metrics {
    /// Exact number of distinct visitors with an event in the period. On cookieless websites a visitor gets a new
    /// identity each UTC day, so a count over several days is a count of visitor-days.
    async fn visitors(&self) -> BigInt {
        BigInt(self.sums.visitors)
    }

    /// Visits (sessions) that start in the period. A visit ends after 30 minutes without an event.
    async fn visits(&self) -> BigInt {
        BigInt(self.sums.visits)
    }

    /// Page views in the period, including repeated views.
    async fn pageviews(&self) -> BigInt {
        BigInt(self.sums.pageviews)
    }

    /// Events in the period other than page views and heartbeats.
    async fn events(&self) -> BigInt {
        BigInt(self.sums.events)
    }

    /// Share of visits with one page view and no interaction event, 0 to 1. Scroll milestones are not interactions.
    /// Null if there are no visits.
    async fn bounce_rate(&self) -> Option<f64> {
        self.sums.bounce_rate()
    }

    /// Mean time from the first to the last event of a visit in seconds, including bounces. Null if there are no
    /// visits.
    async fn visit_duration_seconds(&self) -> Option<f64> {
        self.sums.visit_duration_seconds()
    }

    /// Page views per visit. Null if there are no visits.
    async fn views_per_visit(&self) -> Option<f64> {
        self.sums.views_per_visit()
    }

    /// Goal completions in the period. An event that completes two goals counts twice.
    async fn conversions(&self) -> BigInt {
        BigInt(self.sums.conversions)
    }

    /// Share of visits with at least one goal completion, 0 to 1. In a breakdown by GOAL: share of all visits of the query
    /// with a completion of that goal. Null if there are no visits.
    async fn conversion_rate(&self) -> Option<f64> {
        match self.visits_of_all {
            Some(visits) => Sums { visits, ..self.sums }.conversion_rate(),
            None => self.sums.conversion_rate(),
        }
    }

    /// Value of the goal completions in the period in the website's currency: the goal's fixed value or, without one, the
    /// amount of the event. Amounts in other currencies are excluded. Null for anonymous callers.
    async fn goal_value(&self) -> Option<Money> {
        Some(Money::from_micros(self.sums.goal_value_micros, self.currency.as_deref()?))
    }

    /// Revenue in the period in the website's currency, from revenue events and goal values, less refunds. Amounts in
    /// other currencies are excluded. Null if there are no such events, and for anonymous callers.
    async fn revenue(&self) -> Option<Money> {
        let currency = self.currency.as_deref()?;
        (self.sums.payments > 0).then(|| Money::from_micros(self.sums.revenue_micros, currency))
    }

    /// Orders in the period: revenue events with an amount above 0 in the website's currency. Events with the same
    /// `order_id` are one order. Null for anonymous callers.
    async fn orders(&self) -> Option<BigInt> {
        self.currency.as_ref().map(|_| BigInt(self.sums.orders))
    }

    /// Mean amount of an order, refunds not deducted, rounded to the millionth. Null if there are no orders, and for
    /// anonymous callers.
    async fn average_order_value(&self) -> Option<Money> {
        let currency = self.currency.as_deref()?;
        Some(Money::from_micros(self.sums.average_order_micros()?, currency))
    }

    /// Mean value score of the visits, 0 to 100. Null if there are no visits.
    async fn average_score(&self) -> Option<f64> {
        self.sums.average_score()
    }
}

/// The metrics that a selection of [`Metrics`] requests.
pub(super) fn metrics_in(selection: &Lookahead<'_>) -> MetricSet {
    [
        ("visitors", Metric::Visitors),
        ("visits", Metric::Visits),
        ("pageviews", Metric::Pageviews),
        ("events", Metric::Events),
        ("bounceRate", Metric::BounceRate),
        ("visitDurationSeconds", Metric::VisitDurationSeconds),
        ("viewsPerVisit", Metric::ViewsPerVisit),
        ("conversions", Metric::Conversions),
        ("conversionRate", Metric::ConversionRate),
        ("revenue", Metric::Revenue),
        ("averageScore", Metric::AverageScore),
        ("goalValue", Metric::GoalValue),
        ("orders", Metric::Orders),
        ("averageOrderValue", Metric::AverageOrderValue),
    ]
    .into_iter()
    .filter(|(field, _)| selection.field(field).exists())
    .map(|(_, metric)| metric)
    .collect()
}
