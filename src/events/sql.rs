//! The compiler from query plans to SQL.
//!
//! Most numbers come from `visits`, one row per visit. A visit that crosses a boundary of the query (an end of the range, or of a
//! bucket) is first cut into *slices*, from its events: one row for the visit where it starts, and rows for its page views and
//! events where they happened. A condition on events turns every visit into slices. Panels then aggregate *facts*: whole visits and
//! slices, in one shape.
//!
//! - Numbers and the website ID are written into the text; every text value is bound.
//! - A metric has one definition (in `facts`), whichever panel uses it.

mod buckets;
mod by_event;
mod facts;
mod goals;
mod pages;
mod sql_terms;
mod visitors;

use std::fmt::Write as _;

use schema::analytics::{
    event::EventKind,
    plan::{After, Basis, MetricSet},
    query::{Dimension, FilterInput, Metric, Scope, SortDirection},
};

pub use self::sql_terms::{Statement, compared, kinds};
use self::{
    buckets::Buckets,
    facts::{is_money, is_order, needed, order_value, sums},
    sql_terms::{column, condition, expression},
};
use super::dialect;

/// The rows of a breakdown.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The dimension.
    pub by: Dimension,
    /// With dimension EVENT: the event property whose values are the keys.
    pub property: Option<&'a str>,
    /// The metric that orders the rows.
    pub order: Metric,
    /// Sort direction.
    pub direction: SortDirection,
    /// Start of the page.
    pub after: Option<&'a After>,
    /// Maximum number of rows.
    pub limit: u32,
    /// Only keys that contain this text; case and accents are ignored.
    pub search: Option<&'a str>,
}

/// What a statement about facts needs besides its basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// Whether some of the website's visits are open and are in `open_visits`.
    pub open: bool,
    /// Whether `slices` has rows that every panel includes.
    pub slices: bool,
    /// Whether `slices` has rows of visits that only cross buckets.
    pub bucket_slices: bool,
}

/// Compiles the parts of one plan.
pub struct Compiler<'a> {
    basis: &'a Basis,
    /// Buckets of the plan's series, if there is one.
    edges: Option<&'a [i64]>,
    /// Whether a panel or a filter is about the visitor's first visit.
    uses_first: bool,
    on_visits: Vec<&'a FilterInput>,
    on_events: Vec<&'a FilterInput>,
    reads_converted: bool,
}

impl<'a> Compiler<'a> {
    /// A compiler for panels over this basis; series among them have these edges, breakdowns these dimensions.
    #[must_use]
    pub fn new(basis: &'a Basis, edges: Option<&'a [i64]>, by: &[Dimension]) -> Self {
        let filtered = basis.filters.iter().map(|filter| filter.dimension);
        let uses_first = filtered.chain(by.iter().copied()).any(Dimension::is_of_first_visit);
        let (on_events, on_visits) = basis.filters.iter().partition(|filter| filter.dimension.scope() == Scope::Event);
        Self { basis, edges, uses_first, on_visits, on_events, reads_converted: false }
    }

    /// Whether every visit is cut into slices.
    #[must_use]
    pub fn is_sliced(&self) -> bool {
        !self.on_events.is_empty()
    }

    fn website(&self) -> u128 {
        self.basis.website.as_u128()
    }

    fn of_website(&self) -> String {
        let people = if self.basis.bots { "" } else { " AND bot = ''" };
        format!("website_id = {}::UHUGEINT{people}", self.website())
    }

    /// Whether the event `e` belongs to the visit of this name. If bots are included, a human and a bot with one visitor's key may
    /// be active at once.
    fn in_visit(&self, visit: &str) -> String {
        let same = if self.basis.bots { format!(" AND (e.bot <> '') = ({visit}.bot <> '')") } else { String::new() };
        format!("e.visitor = {visit}.visitor AND e.time_ms >= {visit}.start_ms AND e.time_ms <= {visit}.end_ms{same}")
    }

    /// Conditions on a row of `visits`, with a leading AND.
    fn visit_conditions(&self, statement: &mut Statement) -> String {
        self.on_visits.iter().fold(String::new(), |mut text, filter| {
            let _ = write!(text, " AND {}", condition(filter, statement));
            text
        })
    }

    /// One condition per event filter, each on a row of `events`.
    fn event_conditions(&self, statement: &mut Statement) -> Vec<String> {
        self.on_events.iter().map(|filter| self.event_condition(filter, statement)).collect()
    }

    /// Visits that overlap the range, match the conditions on visits, and have an event for each condition on events.
    fn visits_in_question(&self, open: bool, statement: &mut Statement) -> String {
        let span = self.basis.span;
        let visits = format!(
            "SELECT v.* FROM {} v WHERE {} AND start_ms < {} AND end_ms >= {}{}",
            self.visits(open),
            self.of_website(),
            span.end_ms,
            span.start_ms,
            self.visit_conditions(statement)
        );
        let conditions = self.event_conditions(statement);
        let (range, in_visit) = (self.events_in_range(), self.in_visit("v"));
        match &conditions[..] {
            [] => visits,
            [condition] => format!(
                "SELECT v.* FROM ({visits}) v SEMI JOIN (SELECT visitor, time_ms, bot FROM events WHERE {range} AND {condition}) e ON {in_visit}"
            ),
            // One pass over the events, however many conditions there are.
            _ => {
                let columns: Vec<String> =
                    conditions.iter().zip(0..).map(|(condition, number)| format!("{condition} AS c{number}")).collect();
                let did: Vec<String> = (0..conditions.len()).map(|number| format!("bool_or(c{number})")).collect();
                format!(
                    "SELECT v.* FROM ({visits}) v SEMI JOIN (SELECT v.visitor, v.bot <> '' AS is_bot, v.start_ms FROM ({visits}) v \
                       JOIN (SELECT visitor, time_ms, bot, {} FROM events WHERE {range} AND ({})) e ON {in_visit} \
                       GROUP BY v.visitor, v.bot <> '', v.start_ms HAVING {}) did \
                     ON did.visitor = v.visitor AND did.is_bot = (v.bot <> '') AND did.start_ms = v.start_ms",
                    columns.join(", "),
                    conditions.join(" OR "),
                    did.join(" AND ")
                )
            }
        }
    }

    fn events_in_range(&self) -> String {
        let span = self.basis.span;
        format!("{} AND time_ms >= {} AND time_ms < {}", self.of_website(), span.start_ms, span.end_ms)
    }

    /// Fills the temporary table `slices`: `at_ms`, `whole`, the facts, and a column per dimension in `dimensions`.
    #[must_use]
    pub fn slices(&self, dimensions: &[Dimension], metrics: MetricSet, open: bool) -> Statement {
        let mut statement = Statement::default();
        let span = self.basis.span;
        let buckets = self.edges.map(Buckets::new);
        let keys = |prefix: &str| {
            dimensions.iter().fold(String::new(), |mut text, dimension| {
                let _ = write!(text, ", {prefix}{}", column(*dimension));
                text
            })
        };
        let values = dimensions.iter().fold(String::new(), |mut text, dimension| {
            let _ = write!(text, ", {} AS {}", expression(*dimension), column(*dimension));
            text
        });
        let counts_completions = self.counts_completions(metrics);
        let has_money = needed(metrics).any(facts::Fact::is_money);
        let every = self.is_sliced() || counts_completions || has_money;
        let visits = self.visits_in_question(open, &mut statement);
        let crosses = match &buckets {
            Some(_) => format!("(start_ms < {0} OR end_ms >= {1} OR end_ms >= b.until_ms)", span.start_ms, span.end_ms),
            None => format!("(start_ms < {0} OR end_ms >= {1})", span.start_ms, span.end_ms),
        };
        let bucketed = |time: &str| match &buckets {
            Some(buckets) => format!(" LEFT JOIN b ON {}", buckets.joins(time)),
            None => String::new(),
        };
        let at = if buckets.is_some() { "b.from_ms".to_owned() } else { span.start_ms.to_string() };
        let conditions = self.event_conditions(&mut statement);
        let (any, all) = if conditions.is_empty() {
            (String::new(), "true".to_owned())
        } else {
            (format!(" AND ({})", conditions.join(" OR ")), conditions.join(" AND "))
        };
        let cut = if self.is_sliced() { "true".to_owned() } else { crosses.clone() };
        let whole = if self.is_sliced() {
            "false".to_owned()
        } else {
            format!("(start_ms >= {} AND end_ms < {})", span.start_ms, span.end_ms)
        };
        let revenue = if has_money {
            let currency = statement.bind(&self.basis.currency);
            format!(
                " UNION ALL SELECT at_ms, false, NULL, 0, 0, 0, 0, 0, 0, 0, 0, amount_micros, 0, 1, 0, ({is_order})::INTEGER, \
                   CASE WHEN {is_order} THEN amount_micros ELSE 0 END{keys} FROM happened WHERE {is_money} AND matches_all",
                is_order = is_order(&currency),
                is_money = is_money(&currency),
                keys = keys("")
            )
        } else {
            String::new()
        };
        let (completions, completed) = match counts_completions {
            true => (self.completion_columns(&mut statement), ", e.completions, e.goal_value"),
            false => (String::new(), ""),
        };
        // Visits carry the completions of a website without goals.
        let counted = if self.has_goals() { "completions" } else { "0" };
        let valued = match counts_completions {
            true => format!(
                " UNION ALL SELECT at_ms, false, NULL, 0, 0, 0, 0, 0, 0, {counted}, 0, 0, 0, 0, goal_value, 0, 0{keys} FROM happened \
                 WHERE completions > 0 AND matches_all",
                keys = keys("")
            ),
            false => String::new(),
        };
        let candidates = if every { "true".to_owned() } else { crosses };
        let b =
            buckets.as_ref().map(|buckets| format!("b AS MATERIALIZED ({}), ", buckets.table())).unwrap_or_default();
        statement.text = format!(
            "CREATE OR REPLACE TEMP TABLE slices AS WITH {b}\
             x AS MATERIALIZED (SELECT v.visitor, v.bot, start_ms, end_ms, pageviews, interactions, conversions, score, {whole} AS whole, {cut} AS cut{values} \
               FROM ({visits}) v{join_start} WHERE {candidates}), \
             e AS (SELECT visitor, bot, time_ms, kind, amount_micros, currency, {all} AS matches_all{completions} FROM events WHERE {range}{any}), \
             happened AS (SELECT {at} AS at_ms, x.visitor, x.start_ms, x.whole, x.cut, e.kind, e.amount_micros, e.currency, e.matches_all{completed}{x_keys} \
               FROM e JOIN x ON {in_visit}{join_time}) \
             SELECT at_ms, whole, visitor, 0 AS visits, count(*) FILTER ({is_pageview} AND matches_all) AS pageviews, \
               count(*) FILTER ({is_counted} AND matches_all) AS events, 0 AS bounces, 0 AS duration_ms, 0 AS visit_pageviews, \
               count(*) FILTER ({is_conversion} AND matches_all) AS conversions, 0 AS converted, 0 AS revenue_micros, 0 AS score, 0 AS payments, 0 AS goal_value_micros, 0 AS orders, 0 AS order_micros{keys} \
               FROM happened WHERE cut GROUP BY at_ms, whole, visitor, start_ms{keys} \
             UNION ALL SELECT start_ms, whole, NULL, 1, 0, 0, (pageviews = 1 AND interactions = 0)::INTEGER, end_ms - start_ms, pageviews, \
               0, (conversions > 0)::INTEGER, 0, score, 0, 0, 0, 0{keys} FROM x WHERE cut AND start_ms >= {start} AND start_ms < {end}{revenue}{valued}",
            is_pageview = kinds(EventKind::is_pageview),
            is_counted = kinds(EventKind::is_counted),
            is_conversion = if self.has_goals() { "false".to_owned() } else { kinds(EventKind::is_conversion) },
            in_visit = self.in_visit("x"),
            join_start = bucketed("v.start_ms"),
            join_time = bucketed("e.time_ms"),
            x_keys = keys("x."),
            keys = keys(""),
            range = self.events_in_range(),
            start = span.start_ms,
            end = span.end_ms,
        );
        statement
    }

    /// The facts aggregated by totals and by breakdowns of a visit's dimension.
    fn visit_facts(
        &self,
        key: Option<Dimension>,
        metrics: MetricSet,
        sources: Sources,
        statement: &mut Statement,
    ) -> String {
        let span = self.basis.span;
        let columns = |key_text: Option<String>, visit: bool| {
            key_text
                .map(|text| format!("{text} AS key"))
                .into_iter()
                .chain(needed(metrics).map(|fact| {
                    if visit { format!("{} AS {}", self.of_visit(fact), fact.column) } else { fact.column.to_owned() }
                }))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut parts = Vec::new();
        if !self.is_sliced() {
            parts.push(format!(
                "SELECT {} FROM {} WHERE {} AND start_ms >= {} AND start_ms < {} AND end_ms < {}{}",
                columns(key.map(expression), true),
                self.visits(sources.open),
                self.of_website(),
                span.start_ms,
                span.end_ms,
                span.end_ms,
                self.visit_conditions(statement)
            ));
        }
        if self.is_sliced() || sources.slices {
            parts.push(format!("SELECT {} FROM slices WHERE NOT whole", columns(key.map(column), false)));
        }
        parts.join(" UNION ALL ")
    }

    /// One row: the sums.
    #[must_use]
    pub fn totals(&self, metrics: MetricSet, sources: Sources) -> Statement {
        let mut statement = Statement::default();
        let facts = self.visit_facts(None, metrics, sources, &mut statement);
        statement.text = format!("SELECT {} FROM ({facts})", sums(metrics));
        statement
    }

    /// Rows of bucket index and sums, ascending.
    #[must_use]
    pub fn series(&self, metrics: MetricSet, sources: Sources) -> Statement {
        let mut statement = Statement::default();
        let buckets = Buckets::new(self.edges.unwrap_or(&[]));
        let span = self.basis.span;
        let columns =
            |visit: bool| {
                needed(metrics)
                    .map(|fact| {
                        if visit {
                            format!("{} AS {}", self.of_visit(fact), fact.column)
                        } else {
                            fact.column.to_owned()
                        }
                    })
                    .collect::<Vec<_>>()
                    .join(", ")
            };
        let mut parts = Vec::new();
        if !self.is_sliced() {
            parts.push(format!(
                "SELECT b.bucket, {} FROM {} v JOIN b ON {} WHERE {} AND start_ms >= {} AND start_ms < {} AND end_ms < {} AND end_ms < b.until_ms{}",
                columns(true),
                self.visits(sources.open),
                buckets.joins("start_ms"),
                self.of_website(),
                span.start_ms,
                span.end_ms,
                span.end_ms,
                self.visit_conditions(&mut statement)
            ));
        }
        if self.is_sliced() || sources.slices || sources.bucket_slices {
            parts.push(format!("SELECT b.bucket, {} FROM slices JOIN b ON {}", columns(false), buckets.joins("at_ms")));
        }
        statement.text = format!(
            "WITH b AS MATERIALIZED ({}) SELECT bucket::BIGINT, {} FROM ({}) GROUP BY bucket ORDER BY bucket",
            buckets.table(),
            sums(metrics),
            parts.join(" UNION ALL ")
        );
        statement
    }

    /// The facts of a breakdown's rows; with `except`, those of all other rows, together.
    fn keyed_facts(
        &self,
        rows: &Rows<'_>,
        except: Option<&[&str]>,
        metrics: MetricSet,
        sources: Sources,
        statement: &mut Statement,
    ) -> String {
        let mut on_key = String::new();
        if let Some(search) = rows.search {
            let part = dialect::folded(&statement.bind(search));
            let text = if rows.by.is_path() { dialect::folded_path("key") } else { dialect::folded("key") };
            let _ = write!(on_key, " AND {}", dialect::contains(&text, &part));
        }
        if let Some(keys) = except.filter(|keys| !keys.is_empty()) {
            let keys: Vec<String> = keys.iter().map(|key| statement.bind(key)).collect();
            let _ = write!(on_key, " AND key NOT IN ({})", keys.join(", "));
        }
        match rows.by.scope() {
            Scope::Visit => {
                let facts = self.visit_facts(Some(rows.by), metrics, sources, statement);
                if on_key.is_empty() { facts } else { format!("SELECT * FROM ({facts}) WHERE true{on_key}") }
            }
            Scope::Event => self.event_facts(rows, (&on_key, except.is_some()), metrics, sources, statement),
        }
    }

    /// Rows of key, order value and sums, one more than requested if there are more.
    #[must_use]
    pub fn breakdown(&self, rows: &Rows<'_>, metrics: MetricSet, sources: Sources) -> Statement {
        let mut statement = Statement::default();
        let (way, beyond) = match rows.direction {
            SortDirection::Desc => ("DESC", "<"),
            SortDirection::Asc => ("ASC", ">"),
        };
        let having = match rows.after {
            Some(after) => {
                let (order, key) = (statement.bind(&after.order.to_string()), statement.bind(&after.key));
                format!(" HAVING o {beyond} {order}::HUGEINT OR (o = {order}::HUGEINT AND key > {key})")
            }
            None => String::new(),
        };
        let limit = u64::from(rows.limit) + 1;
        let order = order_value(rows.order, rows.by);
        let ranking = MetricSet::NONE.with(rows.order);
        let page = format!("{having} ORDER BY o {way}, key LIMIT {limit}");
        let all = metrics.union(ranking);
        // Counting distinct visitors is the most expensive part: unless they determine the order, only the rows of the
        // page count them.
        statement.text = if metrics.has(Metric::Visitors) && rows.order != Metric::Visitors {
            let ranked = self.keyed_facts(rows, None, ranking, sources, &mut statement);
            let facts = self.keyed_facts(rows, None, all, sources, &mut statement);
            format!(
                "WITH page AS MATERIALIZED (SELECT key, {order} AS o FROM ({ranked}) GROUP BY key{page}) \
                 SELECT key, {order} AS o, {} FROM ({facts}) WHERE key IN (SELECT key FROM page) GROUP BY key ORDER BY o {way}, key",
                sums(metrics)
            )
        } else {
            let facts = self.keyed_facts(rows, None, all, sources, &mut statement);
            format!("SELECT key, {order} AS o, {} FROM ({facts}) GROUP BY key{page}", sums(metrics))
        };
        statement
    }

    /// The sums of all rows whose key is not among `keys`, together: a visit or visitor that belongs to several counts once.
    #[must_use]
    pub fn other(&self, rows: &Rows<'_>, keys: &[&str], metrics: MetricSet, sources: Sources) -> Statement {
        let mut statement = Statement::default();
        let facts = self.keyed_facts(rows, Some(keys), metrics, sources, &mut statement);
        statement.text = format!("SELECT {} FROM ({facts})", sums(metrics));
        statement
    }
}
