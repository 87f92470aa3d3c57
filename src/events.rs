//! The event store behind the `Events` port: questions are compiled, run on a few readers, and remembered until the
//! website's data changes.

mod ddl;
mod dialect;
pub mod duckdb;
mod interrupt;
mod rows;
pub mod sql;
mod visits;
mod weight;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::duckdb::{Connection, Row, params_from_iter};
use async_trait::async_trait;
use schema::{
    analytics::{
        event::{Event, EventKind, VISIT_GAP_MS},
        plan::{Answer, Basis, KeyedSums, MetricSet, PageRow, Panel, Plan, Sums, VisitorRow},
        query::{Dimension, FilterOperator, Scope},
    },
    error::{Error, Result},
    ports::{Appended, Events, OpenVisit, Sink},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use self::{
    duckdb::{Budget, Database},
    interrupt::{Interrupt, Interruptible},
    rows::{EVENT_COLUMNS, event_of},
    sql::{Compiler, Rows, Sources, Statement},
};

/// Readers that run questions at the same time; each question uses several threads.
const READERS: usize = 2;

/// Events that a start recalls at most.
const RECALLED: u32 = 100_000;

/// Memory that remembered answers may take.
const REMEMBERED_BYTES: u64 = 32 << 20;

/// Remembered answers: the basis, the panel, and the version of the website's data that they hold for.
type Remembered = moka::sync::Cache<(Basis, Panel, u64), Answer>;

/// The embedded event store.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    readers: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    remembered: Remembered,
    time_limit: Duration,
}

impl Store {
    /// Opens the store in a file, or in memory (`None`).
    ///
    /// # Errors
    /// When the file is no DuckDB database, is held by another process, or cannot be written.
    pub fn open(path: Option<&Path>, budget: Budget, time_limit: Duration) -> ::duckdb::Result<Self> {
        Ok(Self {
            database: Arc::new(Database::open(path, budget)?),
            readers: Arc::new(Semaphore::new(READERS)),
            idle: Arc::default(),
            remembered: moka::sync::Cache::builder()
                .weigher(|(basis, panel, _): &(Basis, Panel, u64), answer| weight::of(basis, panel, answer))
                .max_capacity(REMEMBERED_BYTES)
                .time_to_idle(Duration::from_secs(600))
                .build(),
            time_limit,
        })
    }

    /// A connection of its own, for questions in SQL.
    ///
    /// # Errors
    /// When the database has been closed by a fatal error.
    pub fn reader(&self) -> ::duckdb::Result<Connection> {
        self.database.reader()
    }

    /// Refuses patterns that the engine cannot read, before they stand in a question.
    async fn check_patterns(&self, basis: &Basis) -> Result<()> {
        let filters = basis.filters.iter().filter(|filter| filter.operator == FilterOperator::Matches);
        for pattern in filters.flat_map(|filter| &filter.values) {
            let (shown, pattern) = (pattern.clone(), pattern.clone());
            let text = format!("SELECT {}", dialect::matches("''", "$1"));
            self.read(move |_, reader| reader.query_row(&text, [&pattern], |row| row.get::<_, bool>(0)))
                .await
                .map_err(|_| {
                    Error::invalid(
                        "filters",
                        format!("{shown:?} is not a regular expression; MATCHES takes RE2 syntax such as ^/blog/"),
                    )
                })?;
        }
        Ok(())
    }

    /// Runs `question` on a reader, on a blocking thread, interrupted at the time limit or when the caller goes away.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Database, &Connection) -> ::duckdb::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.mend().await?;
        let permit = self.readers.clone().acquire_owned().await.map_err(Error::internal)?;
        let running = Arc::new(Interruptible::default());
        let guard = Interrupt::of(&running);
        let (store, seconds) = (self.clone(), self.time_limit.as_secs());
        let running = tokio::task::spawn_blocking(move || {
            let outcome = store.answer(&running, question);
            drop(permit);
            outcome
        });
        let outcome = tokio::time::timeout(self.time_limit, running).await;
        drop(guard);
        match outcome {
            Ok(finished) => finished.map_err(Error::internal)?.map_err(refused),
            Err(_) => Err(Error::TimedOut { seconds }),
        }
    }

    /// Stores a batch, all or none.
    async fn write(&self, events: Vec<Event>, settled_ms: i64, journal: Option<i64>) -> Result<Appended> {
        self.mend().await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || {
            database.append(events, settled_ms, journal).inspect_err(|error| database.noticed(error))
        })
        .await
        .map_err(Error::internal)?
        .map_err(refused)
    }

    /// Asks on an idle reader, or a new one, which is idle again afterwards unless the database broke.
    fn answer<T>(
        &self,
        running: &Interruptible,
        question: impl FnOnce(&Database, &Connection) -> ::duckdb::Result<T>,
    ) -> ::duckdb::Result<T> {
        let idle = locked(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.database.reader().inspect_err(|error| self.database.noticed(error))?,
        };
        running.begins(&connection);
        let outcome = question(&self.database, &connection).inspect_err(|error| self.database.noticed(error));
        running.ended();
        // Ends the question's transaction, also after a failure; a connection without one says so, harmlessly.
        let _ = connection.execute_batch("ROLLBACK");
        if !self.database.is_broken() {
            locked(&self.idle).push(connection);
        }
        outcome
    }

    /// Closes a database that a fatal error broke, once no question runs; the next use opens it again.
    async fn mend(&self) -> Result<()> {
        if !self.database.is_broken() {
            return Ok(());
        }
        let all = u32::try_from(READERS).unwrap_or(1);
        let _nobody_asks = self.readers.acquire_many(all).await.map_err(Error::internal)?;
        if self.database.is_broken() {
            tracing::warn!("the event store is opened again after a fatal error");
            locked(&self.idle).clear();
            let database = self.database.clone();
            tokio::task::spawn_blocking(move || database.close()).await.map_err(Error::internal)?;
        }
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sorts what the engine refuses: a full disk passes, the rest is ours.
fn refused(error: ::duckdb::Error) -> Error {
    let text = error.to_string();
    let lower = text.to_lowercase();
    if lower.contains("no space left") || lower.contains("could not write") || lower.contains("disk full") {
        tracing::error!(error.source = %text, "the event store cannot write");
        return Error::Unavailable {
            retry_after: 30,
            why: "The event store cannot write now (the disk may be full).".into(),
        };
    }
    if duckdb::is_fatal(&error) {
        tracing::error!(error.source = %text, "the event store broke and is opened again");
        return Error::Unavailable { retry_after: 1, why: "The event store is being opened again.".into() };
    }
    if lower.contains("out of memory error") {
        tracing::warn!(error.source = %text, "a question needs more memory than the event store may use");
        let limit = "the event store has too little memory for this question; a shorter range or fewer panels fit, and the operator may raise FOOTFALL_MEMORY_MIB";
        return Error::TooLarge { limit: limit.into() };
    }
    Error::internal(error)
}

#[async_trait]
impl Events for Store {
    async fn ask(&self, plan: &Plan) -> Result<Vec<Answer>> {
        let version = self.database.version(plan.basis.website);
        let known = |panel: &Panel| self.remembered.get(&(plan.basis.clone(), panel.clone(), version));
        let mut answers: Vec<Option<Answer>> = plan.panels.iter().map(known).collect();
        let missing: Vec<Panel> = plan
            .panels
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none())
            .map(|(panel, _)| panel.clone())
            .collect();
        if missing.is_empty() {
            return Ok(answers.into_iter().flatten().collect());
        }
        self.check_patterns(&plan.basis).await?;
        let (basis, panels) = (plan.basis.clone(), missing.clone());
        let (version, fresh) = self.read(move |database, reader| answer_all(database, reader, &basis, &panels)).await?;
        let mut fresh = missing.into_iter().zip(fresh);
        for slot in answers.iter_mut().filter(|slot| slot.is_none()) {
            if let Some((panel, answer)) = fresh.next() {
                self.remembered.insert((plan.basis.clone(), panel, version), answer.clone());
                *slot = Some(answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    async fn first_event(&self, website: Uuid) -> Result<Option<i64>> {
        let text = format!("SELECT min(time_ms) FROM events WHERE website_id = {}::UHUGEINT", website.as_u128());
        self.read(move |_, reader| reader.query_row(&text, [], |row| row.get(0))).await
    }

    async fn count_since(&self, websites: &[Uuid], since_ms: i64) -> Result<u64> {
        if websites.is_empty() {
            return Ok(0);
        }
        let list: Vec<String> = websites.iter().map(|website| format!("{}::UHUGEINT", website.as_u128())).collect();
        let text = format!(
            "SELECT count(*) FROM events WHERE website_id IN ({}) AND time_ms >= {since_ms} AND kind <> {} AND bot = ''",
            list.join(", "),
            EventKind::Heartbeat.number(),
        );
        self.read(move |_, reader| reader.query_row(&text, [], |row| row.get(0))).await
    }

    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended> {
        self.write(events, settled_ms, None).await
    }

    async fn visits_open_at(&self, website: Uuid, at_ms: i64) -> Result<Vec<OpenVisit>> {
        self.read(move |database, reader| {
            database.begin(reader, website)?;
            let mut statement = reader.prepare(&format!(
                "SELECT visitor, start_ms, end_ms FROM (FROM visits UNION ALL FROM open_visits) WHERE website_id = {}::UHUGEINT \
                 AND end_ms >= {} AND start_ms <= {at_ms}",
                website.as_u128(),
                at_ms.saturating_sub(VISIT_GAP_MS)
            ))?;
            statement
                .query_map([], |row| Ok(OpenVisit { visitor: row.get(0)?, start_ms: row.get(1)?, end_ms: row.get(2)? }))?
                .collect()
        })
        .await
    }
}

#[async_trait]
impl Sink for Store {
    async fn deliver(&self, events: Vec<Event>, settled_ms: i64, position: i64) -> Result<Appended> {
        self.write(events, settled_ms, Some(position)).await
    }

    async fn delivered(&self) -> Result<i64> {
        self.read(|_, reader| reader.query_row("SELECT journal FROM progress", [], |row| row.get(0))).await
    }

    async fn erase(&self, website: Uuid) -> Result<u64> {
        self.mend().await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || database.erase(website).inspect_err(|error| database.noticed(error)))
            .await
            .map_err(Error::internal)?
            .map_err(refused)
    }

    async fn since(&self, time_ms: i64) -> Result<Vec<Event>> {
        // The latest ones, so that a start after a busy hour keeps its memory small.
        let text = format!(
            "SELECT {EVENT_COLUMNS} FROM events WHERE time_ms >= {time_ms} ORDER BY time_ms DESC, rowid DESC LIMIT {RECALLED}"
        );
        let mut events: Vec<Event> =
            self.read(move |_, reader| reader.prepare(&text)?.query_map([], event_of)?.collect()).await?;
        events.reverse();
        Ok(events)
    }
}

/// Answers panels of one basis in one snapshot. Answers also the version that the snapshot has.
fn answer_all(
    database: &Database,
    reader: &Connection,
    basis: &Basis,
    panels: &[Panel],
) -> ::duckdb::Result<(u64, Vec<Answer>)> {
    let (open, version) = database.begin(reader, basis.website)?;
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
    ) -> ::duckdb::Result<Self> {
        let compiler = Compiler::new(basis, edges);
        let mut dimensions: BTreeSet<Dimension> = BTreeSet::new();
        let mut metrics = MetricSet::NONE;
        let mut uses_slices = false;
        for panel in panels {
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

    fn answer(&self, panel: &Panel) -> ::duckdb::Result<Answer> {
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
                let statement = self.compiler.pages(paths, self.sources.open);
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

    fn breakdown(&self, asked: &Rows<'_>, metrics: MetricSet, other: bool) -> ::duckdb::Result<Answer> {
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

fn execute(reader: &Connection, statement: &Statement) -> ::duckdb::Result<()> {
    reader.execute(&statement.text, params_from_iter(&statement.values)).map(|_| ())
}

fn rows<T>(
    reader: &Connection,
    statement: &Statement,
    mut row: impl FnMut(&Row<'_>) -> ::duckdb::Result<T>,
) -> ::duckdb::Result<Vec<T>> {
    tracing::trace!(sql = %statement.text, "asking the event store");
    let mut prepared = reader.prepare(&statement.text)?;
    prepared.query_map(params_from_iter(&statement.values), |found| row(found))?.collect()
}

/// Reads sums from eleven columns, in the order of the compiler's facts.
fn sums_of(row: &Row<'_>, first: usize) -> ::duckdb::Result<Sums> {
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
    })
}

fn visitor_of(row: &Row<'_>) -> ::duckdb::Result<VisitorRow> {
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
        score: row.get(12)?,
        interacted: row.get(13)?,
    })
}

#[cfg(test)]
mod tests;
