//! Goals as conditions on a row of `events`.
//!
//! - A website without goals keeps the counts that visits carry; one with goals counts completions event by event.
//! - `converted` is a temporary table: the visits that start in the range and complete a goal, whenever they do.

use schema::{
    analytics::{
        event::EventKind,
        plan::MetricSet,
        query::{Dimension, FilterInput, Metric},
    },
    goal_rule::{GoalDefinition, PropertyRule, Rule, is_named_event, path_pattern::PathPattern},
};

use super::{
    Compiler, Statement,
    facts::Fact,
    sql_terms::{compared, condition, holders, kinds},
};
use crate::events::dialect;

/// One way to complete a goal: the condition on a row of `events`, and the goal; `None` for calls that no goal is about.
struct Way<'g> {
    condition: String,
    goal: Option<&'g GoalDefinition>,
}

impl Way<'_> {
    /// Name of the goal.
    fn name(&self, statement: &mut Statement) -> String {
        self.goal.map_or_else(|| "name".to_owned(), |goal| statement.bind(&goal.name))
    }

    /// Value of a completion in a currency.
    fn value(&self, currency: &str, statement: &mut Statement) -> String {
        match self.goal.and_then(|goal| goal.value.as_ref()) {
            Some(value) if *value.currency == *currency => value.micros.to_string(),
            Some(_) => "0".to_owned(),
            None => format!("CASE WHEN currency = {} THEN amount_micros ELSE 0 END", statement.bind(currency)),
        }
    }
}

impl Compiler<'_> {
    /// Whether the website has goals, so that completions are counted event by event.
    pub(super) fn has_goals(&self) -> bool {
        !self.basis.goals.is_empty()
    }

    /// Whether panels with these metrics need the events that complete goals.
    pub(super) fn counts_completions(&self, metrics: MetricSet) -> bool {
        metrics.has(Metric::GoalValue) || (self.has_goals() && metrics.has(Metric::Conversions))
    }

    /// Whether panels with these metrics need the table `converted`.
    #[must_use]
    pub fn needs_converted(&self, metrics: MetricSet) -> bool {
        self.has_goals() && metrics.has(Metric::ConversionRate)
    }

    /// The same compiler, reading from visits whose `conversions` tell whether they are in `converted`.
    #[must_use]
    pub fn with_converted(self) -> Self {
        Self { reads_converted: true, ..self }
    }

    const fn stored_visits(open: bool) -> &'static str {
        if open { "(FROM visits UNION ALL FROM open_visits)" } else { "visits" }
    }

    /// The visits, open ones included; with the values of the visitor's first one, if the plan asks for them.
    pub(super) fn visits(&self, open: bool) -> String {
        let stored = Self::stored_visits(open);
        let visits = if self.reads_converted {
            format!(
                "(SELECT s.* REPLACE ((c.visitor IS NOT NULL)::INTEGER AS conversions) FROM {stored} s \
                 LEFT JOIN converted c ON c.visitor = s.visitor AND c.start_ms = s.start_ms AND c.is_bot = (s.bot <> ''))"
            )
        } else {
            stored.to_owned()
        };
        if self.uses_first { self.with_first(&visits, stored) } else { visits }
    }

    /// Visits with the values of the visitor's first one, ever.
    fn with_first(&self, visits: &str, stored: &str) -> String {
        let website = self.website();
        format!(
            "(SELECT v.*, first_channel, first_source FROM {visits} v JOIN (SELECT visitor, bot <> '' AS is_bot, \
               arg_min(channel, start_ms) AS first_channel, arg_min(source, start_ms) AS first_source \
               FROM {stored} WHERE website_id = {website}::UHUGEINT GROUP BY ALL) f \
             ON f.visitor = v.visitor AND f.is_bot = (v.bot <> '') WHERE v.website_id = {website}::UHUGEINT)"
        )
    }

    /// What a whole visit contributes to a fact. Completions are counted by event if the website has goals.
    pub(super) fn of_visit(&self, fact: &Fact) -> &'static str {
        if fact.column == "conversions" && self.has_goals() { "0" } else { fact.of_visit }
    }

    fn ways(&self, statement: &mut Statement) -> Vec<Way<'_>> {
        let goals = self.basis.goals.enabled();
        let mut ways: Vec<Way<'_>> =
            goals.map(|goal| Way { condition: completes(goal, statement), goal: Some(goal) }).collect();
        ways.push(Way { condition: self.other_calls(statement), goal: None });
        ways
    }

    /// Condition for goal calls that no goal is about.
    fn other_calls(&self, statement: &mut Statement) -> String {
        let calls = kinds(EventKind::is_conversion);
        let names: Vec<String> = self.basis.goals.calls().map(|name| statement.bind(name)).collect();
        if names.is_empty() { calls } else { format!("{calls} AND name NOT IN ({})", names.join(", ")) }
    }

    /// Condition for events that complete a goal.
    pub(super) fn completes_any(&self, statement: &mut Statement) -> String {
        let (mut pages, mut events, mut parts) = (Vec::new(), Vec::new(), vec![self.other_calls(statement)]);
        for goal in self.basis.goals.enabled() {
            match &goal.rule {
                // Lists are looked up, whatever their length.
                Rule::Page(PathPattern::Exact(path)) => pages.push(statement.bind(path)),
                Rule::Event { name, properties } if properties.is_empty() => events.push(statement.bind(name)),
                _ => parts.push(completes(goal, statement)),
            }
        }
        for (is, column, values) in
            [(EventKind::is_pageview as fn(EventKind) -> bool, "path", pages), (is_named_event, "name", events)]
        {
            if !values.is_empty() {
                parts.push(format!("{} AND {column} IN ({})", kinds(is), values.join(", ")));
            }
        }
        format!("({})", parts.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(" OR "))
    }

    /// The columns `completions` and `goal_value` of events, with a leading comma.
    pub(super) fn completion_columns(&self, statement: &mut Statement) -> String {
        let (mut count, mut value) = (Vec::new(), Vec::new());
        for way in self.ways(statement) {
            let worth = way.value(&self.basis.currency, statement);
            count.push(format!("({})::INTEGER", way.condition));
            value.push(format!("(CASE WHEN {} THEN {worth} ELSE 0 END)::HUGEINT", way.condition));
        }
        // Most events complete nothing, which the lists tell at once.
        let any = self.completes_any(statement);
        format!(
            ", CASE WHEN {any} THEN {} ELSE 0 END AS completions, CASE WHEN {any} THEN {} ELSE 0 END AS goal_value",
            count.join(" + "),
            value.join(" + ")
        )
    }

    /// The events that complete a goal, one row for each goal they complete: `key`, these columns, `completions`, `goal_value`.
    pub(super) fn events_by_goal(&self, columns: &str, conditions: &str, statement: &mut Statement) -> String {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for way in self.ways(statement) {
            names.push(format!("CASE WHEN {} THEN {} END", way.condition, way.name(statement)));
            values.push(format!("({})::HUGEINT", way.value(&self.basis.currency, statement)));
        }
        format!(
            "(SELECT * FROM (SELECT unnest([{}]) AS key, {columns}, 1 AS completions, unnest([{}]) AS goal_value \
               FROM events WHERE {} AND {}{conditions}) WHERE key IS NOT NULL)",
            names.join(", "),
            values.join(", "),
            self.events_in_range(),
            self.completes_any(statement)
        )
    }

    /// Condition on a row of `events` of a filter by goal: the event completes one whose name matches.
    fn goal_condition(&self, filter: &FilterInput, statement: &mut Statement) -> String {
        let mut parts = Vec::new();
        for way in self.ways(statement) {
            let name = way.name(statement);
            let matches = compared(&name, filter.operator, &filter.values, statement);
            parts.push(format!("({} AND {matches})", way.condition));
        }
        format!("({})", parts.join(" OR "))
    }

    /// Condition of an event filter, for events that have a value of its dimension.
    pub(super) fn event_condition(&self, filter: &FilterInput, statement: &mut Statement) -> String {
        match filter.dimension {
            Dimension::Goal if self.has_goals() => self.goal_condition(filter, statement),
            dimension => format!("({}{})", condition(filter, statement), holders(dimension)),
        }
    }

    /// Fills the temporary table `converted`; `last_end_ms` is the latest end of the visits of the range.
    #[must_use]
    pub fn converted(&self, last_end_ms: i64, open: bool) -> Statement {
        let mut statement = Statement::default();
        let span = self.basis.span;
        let visits = format!(
            "SELECT visitor, bot, start_ms, end_ms FROM {} WHERE {} AND start_ms >= {} AND start_ms < {}{}",
            self.visits(open),
            self.of_website(),
            span.start_ms,
            span.end_ms,
            self.visit_conditions(&mut statement)
        );
        let completes = self.completes_any(&mut statement);
        statement.text = format!(
            "CREATE OR REPLACE TEMP TABLE converted AS SELECT DISTINCT v.visitor, v.bot <> '' AS is_bot, v.start_ms \
             FROM (SELECT visitor, bot, time_ms FROM events WHERE {} AND time_ms >= {} AND time_ms <= {last_end_ms} AND {completes}) e \
             JOIN ({visits}) v ON {}",
            self.of_website(),
            span.start_ms,
            self.in_visit("v")
        );
        statement
    }
}

/// Condition for events that complete a goal.
fn completes(goal: &GoalDefinition, statement: &mut Statement) -> String {
    match &goal.rule {
        Rule::Page(pattern) => {
            let is_pageview = kinds(EventKind::is_pageview);
            let matches = match pattern {
                PathPattern::Exact(path) => format!("path = {}", statement.bind(path)),
                PathPattern::Prefix(start) => dialect::starts_with("path", &statement.bind(start)),
                PathPattern::Glob(pattern) => dialect::matches("path", &statement.bind(&expression_of(pattern))),
                PathPattern::Regex(regex) => dialect::matches("path", &statement.bind(regex.text())),
            };
            format!("{is_pageview} AND {matches}")
        }
        Rule::Event { name, properties } => {
            let name = statement.bind(name);
            properties.iter().fold(format!("{} AND name = {name}", kinds(is_named_event)), |text, rule| {
                format!("{text} AND {}", holds(rule, statement))
            })
        }
        Rule::Call(name) => format!("{} AND name = {}", kinds(EventKind::is_conversion), statement.bind(name)),
    }
}

fn holds(rule: &PropertyRule, statement: &mut Statement) -> String {
    let pointer = statement.bind(&dialect::pointer_to(&rule.property));
    compared(&dialect::property(&pointer), rule.operator, &rule.values, statement)
}

/// The regular expression of a pattern in which `*` stands for any text. It is linear, which LIKE is not.
fn expression_of(pattern: &str) -> String {
    let parts: Vec<String> = pattern.split('*').map(escaped).collect();
    format!("^{}$", parts.join(".*"))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"\.+?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
