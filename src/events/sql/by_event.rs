//! The facts of breakdowns by a dimension of events.

use std::fmt::Write as _;

use schema::analytics::{
    plan::MetricSet,
    query::{Dimension, Metric},
};

use super::{
    Compiler, Rows, Sources, Statement,
    facts::{VISIT_FACTS, needed, of_event, of_money},
    sql_terms::{expression, holders},
};
use crate::events::dialect;

impl Compiler<'_> {
    /// The facts aggregated by a breakdown of an event's dimension: of the rows whose key matches `on_key`, each visit once in each
    /// row it belongs to, or once over all of them `together`.
    pub(super) fn event_facts(
        &self,
        rows: &Rows<'_>,
        (on_key, together): (&str, bool),
        metrics: MetricSet,
        sources: Sources,
        statement: &mut Statement,
    ) -> String {
        let key = match rows.property {
            Some(property) => {
                let pointer = statement.bind(&dialect::pointer_to(property));
                dialect::property(&pointer)
            }
            None => expression(rows.by),
        };
        let conditions = self.event_conditions(statement).iter().fold(String::new(), |mut text, condition| {
            let _ = write!(text, " AND {condition}");
            text
        });
        let of_events = |prefix: &str, statement: &mut Statement| {
            needed(metrics)
                .map(|fact| {
                    let currency = if fact.is_money() { statement.bind(&self.basis.currency) } else { String::new() };
                    match (of_money(fact.column, &currency), fact.column) {
                        (Some(money), column) => format!("{money} AS {column}"),
                        (None, "visitor") => format!("{prefix}visitor AS visitor"),
                        (None, column) => format!("{} AS {column}", of_event(column)),
                    }
                })
                .collect::<Vec<_>>()
                .join(", ")
        };
        let range = self.events_in_range();
        let of_visits = needed(metrics).any(|fact| VISIT_FACTS.contains(&fact.column));
        let columns = "visitor, bot, time_ms, kind, amount_micros, currency";
        let mut events = if rows.by == Dimension::Goal && self.has_goals() {
            self.events_by_goal(columns, &conditions, statement)
        } else {
            let counts = metrics.has(Metric::Conversions) || metrics.has(Metric::GoalValue);
            let completions = if counts { self.completion_columns(statement) } else { String::new() };
            let holders = holders(rows.by);
            format!("(SELECT {key} AS key, {columns}{completions} FROM events WHERE {range}{holders}{conditions})")
        };
        if !on_key.is_empty() {
            events = format!("(SELECT * FROM {events} WHERE true{on_key})");
        }
        if self.on_visits.is_empty() && !of_visits {
            return format!("SELECT key, {} FROM {events}", of_events("", statement));
        }
        let span = self.basis.span;
        let visits = format!(
            "SELECT visitor, bot, start_ms, end_ms, pageviews, interactions, conversions, score FROM {} WHERE {} AND start_ms < {} AND end_ms >= {}{}",
            self.visits(sources.open),
            self.of_website(),
            span.end_ms,
            span.start_ms,
            self.visit_conditions(statement)
        );
        let joined = format!("{events} e JOIN ({visits}) v ON {}", self.in_visit("v"));
        let mut facts = format!("SELECT key, {} FROM {joined}", of_events("e.", statement));
        if of_visits {
            let columns = needed(metrics)
                .map(|fact| match fact.column {
                    "visitor" => "NULL::UBIGINT AS visitor".to_owned(),
                    column if VISIT_FACTS.contains(&column) => format!("{} AS {column}", fact.of_visit),
                    column => format!("0 AS {column}"),
                })
                .collect::<Vec<_>>()
                .join(", ");
            let (key, once_per) = if together { ("NULL::VARCHAR", "") } else { ("key", "key, ") };
            let _ = write!(
                facts,
                " UNION ALL SELECT {key} AS key, {columns} FROM (SELECT DISTINCT {once_per}v.visitor, v.bot <> '', start_ms, end_ms, pageviews, interactions, \
                 conversions, score FROM {joined} WHERE v.start_ms >= {} AND v.start_ms < {})",
                span.start_ms, span.end_ms
            );
        }
        facts
    }
}
