//! Facts and metrics: what a visit or an event contributes to each column, and how metrics are computed from the sums.

use schema::analytics::{
    event::EventKind,
    plan::MetricSet,
    query::{Dimension, Metric},
};

use super::{super::dialect, kinds};

/// A column shared by all facts: the metrics that need it, and what a whole visit contributes.
pub(super) struct Fact {
    pub(super) column: &'static str,
    pub(super) of_visit: &'static str,
    pub(super) metrics: &'static [Metric],
}

impl Fact {
    /// Whether the column is about amounts in the basis's currency.
    pub(super) fn is_money(&self) -> bool {
        self.metrics.iter().any(|metric| matches!(metric, Metric::Revenue | Metric::Orders | Metric::AverageOrderValue))
    }
}

pub(super) const FACTS: &[Fact] = &[
    Fact { column: "visitor", of_visit: "visitor", metrics: &[Metric::Visitors] },
    Fact {
        column: "visits",
        of_visit: "1",
        metrics: &[
            Metric::Visits,
            Metric::BounceRate,
            Metric::VisitDurationSeconds,
            Metric::ViewsPerVisit,
            Metric::ConversionRate,
            Metric::AverageScore,
        ],
    },
    Fact { column: "pageviews", of_visit: "pageviews", metrics: &[Metric::Pageviews] },
    Fact { column: "events", of_visit: "events", metrics: &[Metric::Events] },
    Fact {
        column: "bounces",
        of_visit: "(pageviews = 1 AND interactions = 0)::INTEGER",
        metrics: &[Metric::BounceRate],
    },
    Fact { column: "duration_ms", of_visit: "end_ms - start_ms", metrics: &[Metric::VisitDurationSeconds] },
    Fact { column: "visit_pageviews", of_visit: "pageviews", metrics: &[Metric::ViewsPerVisit] },
    Fact { column: "conversions", of_visit: "conversions", metrics: &[Metric::Conversions] },
    Fact { column: "converted", of_visit: "(conversions > 0)::INTEGER", metrics: &[Metric::ConversionRate] },
    Fact { column: "revenue_micros", of_visit: "0", metrics: &[Metric::Revenue] },
    Fact { column: "score", of_visit: "score", metrics: &[Metric::AverageScore] },
    Fact { column: "payments", of_visit: "0", metrics: &[Metric::Revenue] },
    Fact { column: "goal_value_micros", of_visit: "0", metrics: &[Metric::GoalValue] },
    Fact { column: "orders", of_visit: "0", metrics: &[Metric::Orders, Metric::AverageOrderValue] },
    Fact { column: "order_micros", of_visit: "0", metrics: &[Metric::AverageOrderValue] },
];

/// Condition for events with revenue in the currency.
pub(super) fn is_money(currency: &str) -> String {
    format!("{} AND currency = {currency}", kinds(EventKind::is_revenue))
}

/// Condition for orders in the currency.
pub(super) fn is_order(currency: &str) -> String {
    format!("{} AND amount_micros > 0 AND currency = {currency}", kinds(|kind| kind == EventKind::Revenue))
}

/// What an event contributes to the columns of money; `None` for other columns.
pub(super) fn of_money(column: &str, currency: &str) -> Option<String> {
    Some(match column {
        "revenue_micros" => format!("CASE WHEN {} THEN amount_micros ELSE 0 END", is_money(currency)),
        "payments" => format!("({})::INTEGER", is_money(currency)),
        "orders" => format!("({})::INTEGER", is_order(currency)),
        "order_micros" => format!("CASE WHEN {} THEN amount_micros ELSE 0 END", is_order(currency)),
        _ => return None,
    })
}

/// Columns that belong to the visit as a whole and sit in the slice where it starts.
pub(super) const VISIT_FACTS: &[&str] = &["visits", "bounces", "duration_ms", "visit_pageviews", "converted", "score"];

/// What an event contributes to the column; `0` for the columns of [`VISIT_FACTS`].
pub(super) fn of_event(column: &str) -> String {
    let one_of = |kinds: String| format!("({kinds})::INTEGER");
    match column {
        "visitor" => "visitor".to_owned(),
        "pageviews" => one_of(kinds(EventKind::is_pageview)),
        "events" => one_of(kinds(EventKind::is_counted)),
        "conversions" => "completions".to_owned(),
        "goal_value_micros" => "goal_value".to_owned(),
        _ => "0".to_owned(),
    }
}

pub(super) fn needed(metrics: MetricSet) -> impl Iterator<Item = &'static Fact> {
    FACTS.iter().filter(move |fact| fact.metrics.iter().any(|metric| metrics.has(*metric)))
}

/// The sums of a row, in the order of [`FACTS`]; what was not requested is 0.
pub(super) fn sums(metrics: MetricSet) -> String {
    FACTS
        .iter()
        .map(|fact| {
            let wanted = fact.metrics.iter().any(|metric| metrics.has(*metric));
            match (wanted, fact.column) {
                // Any number of amounts fits, so that no event can make the query fail.
                (true, column @ ("revenue_micros" | "goal_value_micros" | "order_micros")) => {
                    format!("coalesce(sum({column}), 0)::HUGEINT")
                }
                (false, "revenue_micros" | "goal_value_micros" | "order_micros") => "0::HUGEINT".to_owned(),
                (false, _) => "0::BIGINT".to_owned(),
                (true, "visitor") => dialect::distinct("visitor"),
                (true, column) => format!("coalesce(sum({column}), 0)::BIGINT"),
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// The value that orders rows by a metric, an integer (see [`schema::analytics::plan::KeyedSums::order`]); a ratio of nothing comes
/// last in descending order.
pub(super) fn order_value(metric: Metric, by: Dimension) -> String {
    const ONE: i64 = 1 << 62;
    let sum = |column: &str| format!("sum({column})::HUGEINT");
    let ratio = |part: &str| {
        format!("coalesce((sum({part})::HUGEINT * {ONE}::HUGEINT) // nullif(sum(visits), 0)::HUGEINT, -1)::HUGEINT")
    };
    match metric {
        Metric::Visitors => format!("{}::HUGEINT", dialect::distinct("visitor")),
        Metric::Visits => sum("visits"),
        Metric::Pageviews => sum("pageviews"),
        Metric::Events => sum("events"),
        Metric::BounceRate => ratio("bounces"),
        Metric::VisitDurationSeconds => ratio("duration_ms"),
        Metric::ViewsPerVisit => ratio("visit_pageviews"),
        Metric::Conversions => sum("conversions"),
        // All rows are shares of the same visits.
        Metric::ConversionRate if by == Dimension::Goal => sum("converted"),
        Metric::ConversionRate => ratio("converted"),
        Metric::Revenue => sum("revenue_micros"),
        Metric::AverageScore => ratio("score"),
        Metric::GoalValue => sum("goal_value_micros"),
        Metric::Orders => sum("orders"),
        Metric::AverageOrderValue => {
            "coalesce(sum(order_micros)::HUGEINT // nullif(sum(orders), 0)::HUGEINT, -1)::HUGEINT".to_owned()
        }
    }
}
