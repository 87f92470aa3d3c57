//! The panels of one query, run on one snapshot: which slices they share, and their results.

use std::{collections::BTreeSet, sync::Arc};

use duckdb::{Connection, Row, params_from_iter};
use schema::{
    analytics::{
        plan::{Answer, Basis, KeyedSums, MetricSet, PageRow, Panel, Sums, VisitorRow},
        query::{Dimension, Scope},
    },
    score,
};

use super::{
    duckdb::Database,
    sql::{Compiler, Rows, Sources, Statement},
};

/// Runs panels of one basis on one snapshot. Also returns the snapshot's version.
///
/// # Errors
/// Errors of the store.
pub fn answer_all(
    database: &Database,
    reader: &Connection,
    basis: &Basis,
    panels: &[Panel],
) -> duckdb::Result<(u64, Vec<Answer>)> {
    let (open, version) = database.begin(reader, basis.website, (basis.span.start_ms, basis.span.end_ms))?;
    // Slices are cut at the edges of one series: panels with other edges get slices of their own.
    let mut edges: Vec<Option<Arc<[i64]>>> = Vec::new();
    for panel in panels {
        if let Panel::Series { edges: of_panel, .. } = panel
            && !edges.iter().flatten().any(|known| known == of_panel)
        {
            edges.push(Some(of_panel.clone()));
        }
    }
    if edges.is_empty() {
        edges.push(None);
    }
    let mut answers: Vec<Option<Answer>> = panels.iter().map(|_| None).collect();
    for (round, edges) in edges.iter().enumerate() {
        let belongs = |panel: &Panel| match panel {
            Panel::Series { edges: of_panel, .. } => edges.as_ref() == Some(of_panel),
            _ => round == 0,
        };
        let mine: Vec<usize> = (0..panels.len()).filter(|index| panels.get(*index).is_some_and(belongs)).collect();
        let pass =
            Pass::begin(reader, basis, edges.as_deref(), mine.iter().filter_map(|index| panels.get(*index)), open > 0)?;
        for index in mine {
            if let (Some(panel), Some(slot)) = (panels.get(index), answers.get_mut(index)) {
                *slot = Some(pass.answer(panel)?);
            }
        }
    }
    Ok((version, answers.into_iter().flatten().collect()))
}

/// One set of slices and the panels that it serves.
struct Pass<'a> {
    reader: &'a Connection,
    compiler: Compiler<'a>,
    sources: Sources,
}

impl<'a> Pass<'a> {
    fn begin<'p>(
        reader: &'a Connection,
        basis: &'a Basis,
        edges: Option<&'a [i64]>,
        panels: impl Iterator<Item = &'p Panel>,
        open: bool,
    ) -> duckdb::Result<Self> {
        let mut by = Vec::new();
        let mut dimensions: BTreeSet<Dimension> = BTreeSet::new();
        let mut metrics = MetricSet::NONE;
        let mut uses_slices = false;
        let mut all = MetricSet::NONE;
        for panel in panels {
            all = all.union(metrics_of(panel));
            if let Panel::Breakdown { by: dimension, .. } = panel {
                by.push(*dimension);
            }
            match panel {
                Panel::Totals { metrics: of_panel } | Panel::Series { metrics: of_panel, .. } => {
                    uses_slices = true;
                    metrics = metrics.union(*of_panel);
                }
                Panel::Breakdown { by, metrics: of_panel, order, .. } if by.scope() == Scope::Visit => {
                    uses_slices = true;
                    dimensions.insert(*by);
                    metrics = metrics.union(*of_panel).with(*order);
                }
                Panel::Breakdown { .. } | Panel::Visitors { .. } | Panel::Pages { .. } => {}
            }
        }
        let mut compiler = Compiler::new(basis, edges, &by);
        if compiler.needs_converted(all) {
            execute(reader, &compiler.converted(last_end_ms(reader, &compiler, open)?, open))?;
            compiler = compiler.with_converted();
        }
        let mut sources = Sources { open, slices: false, bucket_slices: false };
        if uses_slices {
            let dimensions: Vec<Dimension> = dimensions.into_iter().collect();
            let statement = compiler.slices(&dimensions, metrics, open);
            execute(reader, &statement)?;
            (sources.slices, sources.bucket_slices) = reader.query_row(
                "SELECT count(*) FILTER (NOT whole) > 0, count(*) FILTER (whole) > 0 FROM slices",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
        }
        Ok(Self { reader, compiler, sources })
    }

    fn answer(&self, panel: &Panel) -> duckdb::Result<Answer> {
        match panel {
            Panel::Totals { metrics } => {
                let statement = self.compiler.totals(*metrics, self.sources);
                Ok(Answer::Totals(rows(self.reader, &statement, |row| sums_of(row, 0))?.pop().unwrap_or_default()))
            }
            Panel::Series { metrics, .. } => {
                let statement = self.compiler.series(*metrics, self.sources);
                let bucket =
                    |row: &Row<'_>| Ok((usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0), sums_of(row, 1)?));
                Ok(Answer::Series(rows(self.reader, &statement, bucket)?))
            }
            Panel::Breakdown { by, property, metrics, order, direction, after, limit, search, other } => {
                let asked = Rows {
                    by: *by,
                    property: property.as_deref(),
                    order: *order,
                    direction: *direction,
                    after: after.as_ref(),
                    limit: *limit,
                    search: search.as_deref(),
                };
                self.breakdown(&asked, *metrics, *other)
            }
            Panel::Pages { paths } => {
                let last_end_ms = last_end_ms(self.reader, &self.compiler, self.sources.open)?;
                let statement = self.compiler.pages(paths, last_end_ms, self.sources.open);
                let page = |row: &Row<'_>| {
                    Ok(PageRow {
                        title: row.get(0)?,
                        entries: row.get(1)?,
                        exits: row.get(2)?,
                        time_on_page_ms: row.get(3)?,
                    })
                };
                Ok(Answer::Pages(rows(self.reader, &statement, page)?))
            }
            Panel::Visitors { offset, after, limit } => {
                let statement = self.compiler.visitors(*offset, *after, *limit, self.sources.open);
                let mut visitors = rows(self.reader, &statement, visitor_of)?;
                let more = visitors.len() > *limit as usize;
                visitors.truncate(*limit as usize);
                Ok(Answer::Visitors { rows: visitors, more })
            }
        }
    }

    fn breakdown(&self, asked: &Rows<'_>, metrics: MetricSet, other: bool) -> duckdb::Result<Answer> {
        let statement = self.compiler.breakdown(asked, metrics, self.sources);
        let row = |row: &Row<'_>| Ok(KeyedSums { key: row.get(0)?, order: row.get(1)?, sums: sums_of(row, 2)? });
        let mut page = rows(self.reader, &statement, row)?;
        let limit = asked.limit as usize;
        let more = page.len() > limit;
        page.truncate(limit);
        let other = if other {
            let keys: Vec<&str> = page.iter().map(|row| row.key.as_str()).collect();
            let statement = self.compiler.other(asked, &keys, metrics, self.sources);
            Some(rows(self.reader, &statement, |row| sums_of(row, 0))?.pop().unwrap_or_default())
        } else {
            None
        };
        Ok(Answer::Breakdown { rows: page, more, other })
    }
}

/// The metrics that a panel shows or is ordered by.
fn metrics_of(panel: &Panel) -> MetricSet {
    match panel {
        Panel::Totals { metrics } | Panel::Series { metrics, .. } => *metrics,
        Panel::Breakdown { metrics, order, .. } => metrics.with(*order),
        Panel::Pages { .. } | Panel::Visitors { .. } => MetricSet::NONE,
    }
}

/// The latest end of the visits that continue after the range.
fn last_end_ms(reader: &Connection, compiler: &Compiler<'_>, open: bool) -> duckdb::Result<i64> {
    let ends = rows(reader, &compiler.last_end(open), |row| row.get(0))?;
    Ok(ends.first().copied().unwrap_or(i64::MIN))
}

fn execute(reader: &Connection, statement: &Statement) -> duckdb::Result<()> {
    reader.execute(&statement.text, params_from_iter(&statement.values)).map(|_| ())
}

fn rows<T>(
    reader: &Connection,
    statement: &Statement,
    mut row: impl FnMut(&Row<'_>) -> duckdb::Result<T>,
) -> duckdb::Result<Vec<T>> {
    tracing::trace!(sql = %statement.text, "querying the event store");
    let mut prepared = reader.prepare(&statement.text)?;
    prepared.query_map(params_from_iter(&statement.values), |found| row(found))?.collect()
}

/// Reads sums from fifteen columns, in the order of the compiler's facts.
fn sums_of(row: &Row<'_>, first: usize) -> duckdb::Result<Sums> {
    Ok(Sums {
        visitors: row.get(first)?,
        visits: row.get(first + 1)?,
        pageviews: row.get(first + 2)?,
        events: row.get(first + 3)?,
        bounces: row.get(first + 4)?,
        duration_ms: row.get(first + 5)?,
        visit_pageviews: row.get(first + 6)?,
        conversions: row.get(first + 7)?,
        converted: row.get(first + 8)?,
        revenue_micros: row.get(first + 9)?,
        score: row.get(first + 10)?,
        payments: row.get(first + 11)?,
        goal_value_micros: row.get(first + 12)?,
        orders: row.get(first + 13)?,
        order_micros: row.get(first + 14)?,
    })
}

fn visitor_of(row: &Row<'_>) -> duckdb::Result<VisitorRow> {
    Ok(VisitorRow {
        visitor: row.get(0)?,
        visited_ms: row.get(1)?,
        last_ms: row.get(2)?,
        visits: row.get(3)?,
        pageviews: row.get(4)?,
        country: row.get(5)?,
        city: row.get(6)?,
        device: row.get(7)?,
        browser: row.get(8)?,
        os: row.get(9)?,
        entry_page: row.get(10)?,
        referrer: row.get(11)?,
        score: score::total(row.get(12)?, score::of_history(row.get(14)?, row.get(15)?)),
        interacted: row.get(13)?,
    })
}
