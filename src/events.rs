//! The event store behind the `Events` port: queries are compiled, run on a few readers, and cached until the website's
//! data changes.

mod by_visitor;
mod cache_size;
mod columns;
pub(crate) mod copies;
mod ddl;
mod dialect;
pub mod duckdb;
mod duplicates;
mod incoming;
mod interrupt;
mod logs;
mod moves;
mod panels;
mod payer;
mod people;
mod replay;
pub mod sql;
mod visits;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::duckdb::{Connection, Row, params_from_iter};
use async_trait::async_trait;
use schema::{
    analytics::{
        event::{Event, EventKind},
        plan::{Answer, Asker, Basis, Panel, Plan},
        query::FilterOperator,
    },
    error::{Error, Result},
    ports::{
        Appended, Events, Forgotten, Payer, PayerQuery, PeoplePage, PeopleQuery, PersonEvents, RecentEvent, Sink,
        Subject,
    },
};
use tokio::sync::RwLock;
use uuid::Uuid;

use self::{
    duckdb::{Budget, Database},
    interrupt::{Interrupt, Interruptible},
    panels::answer_all,
    sql::kinds,
};
use crate::fair_queue::{FairQueue, Places};

/// Maximum number of concurrent queries, each with several threads. Anonymous callers count as one team.
const READERS: Places = Places { total: 3, alone: 2, beside_others: 1 };

/// Queries of the server itself, such as at start.
const ITSELF: Asker = Asker::Team(Uuid::nil());

/// Maximum number of events restored at start.
const RECALLED: u32 = 100_000;

/// Maximum length of a path restored at start, in bytes.
const RECALLED_PATH: u32 = 256;

/// Memory limit of the result cache.
const REMEMBERED_BYTES: u64 = 32 << 20;

/// Cache key: the basis, the panel, and the version of the website's data.
type Remembered = moka::sync::Cache<(Basis, Panel, u64), Answer>;

/// The embedded event store.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    readers: FairQueue<Asker>,
    /// Held shared by each running query, and exclusively to close the database.
    in_use: Arc<RwLock<()>>,
    idle: Arc<Mutex<Vec<Connection>>>,
    remembered: Remembered,
    time_limit: Duration,
}

impl Store {
    /// Opens the store in a file, or in memory (`None`).
    ///
    /// # Errors
    /// When the file is not a DuckDB database, is held by another process, or is not writable.
    pub fn open(path: Option<&Path>, budget: Budget, time_limit: Duration) -> ::duckdb::Result<Self> {
        Ok(Self {
            database: Arc::new(Database::open(path, budget)?),
            readers: FairQueue::new(READERS),
            in_use: Arc::default(),
            idle: Arc::default(),
            remembered: moka::sync::Cache::builder()
                .weigher(|(basis, panel, _): &(Basis, Panel, u64), answer| cache_size::cache_size(basis, panel, answer))
                .max_capacity(REMEMBERED_BYTES)
                .time_to_idle(Duration::from_secs(600))
                .build(),
            time_limit,
        })
    }

    /// A separate connection for SQL queries.
    ///
    /// # Errors
    /// When the database has been closed by a fatal error.
    pub fn reader(&self) -> ::duckdb::Result<Connection> {
        self.database.reader()
    }

    /// Refuses regular expressions that the engine cannot compile, before they are used in a query.
    async fn check_patterns(&self, asker: Asker, field: &str, patterns: Vec<String>) -> Result<()> {
        if patterns.is_empty() {
            return Ok(());
        }
        let refused = self.read(asker, move |_, reader| first_refused(reader, patterns)).await?;
        refused.map_or(Ok(()), |shown| {
            Err(Error::invalid(
                field,
                format!("values of MATCHES must be regular expressions in RE2 syntax, such as ^/blog/ (got {shown:?})"),
            ))
        })
    }

    /// Runs `question` on a reader in a blocking thread. It is interrupted at the time limit or when the caller
    /// disconnects.
    async fn read<T: Send + 'static>(
        &self,
        asker: Asker,
        question: impl FnOnce(&Database, &Connection) -> ::duckdb::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.mend().await?;
        let turn = self.readers.turn(asker).await;
        let in_use = Arc::clone(&self.in_use).read_owned().await;
        let running = Arc::new(Interruptible::default());
        let guard = Interrupt::new(&running);
        let (store, seconds) = (self.clone(), self.time_limit.as_secs());
        let running = tokio::task::spawn_blocking(move || {
            let outcome = store.answer(&running, question);
            drop((in_use, turn));
            outcome
        });
        let outcome = tokio::time::timeout(self.time_limit, running).await;
        drop(guard);
        match outcome {
            Ok(finished) => finished.map_err(Error::internal)?.map_err(refused),
            Err(_) => Err(Error::TimedOut { seconds, is_mutation: false }),
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

    /// Uses an idle reader or a new one, and returns it to the pool unless the database failed.
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
        // If the caller has disconnected, the error is dropped.
        let outcome = match running.begins(&connection) {
            true => question(&self.database, &connection).inspect_err(|error| self.database.noticed(error)),
            false => Err(::duckdb::Error::QueryReturnedNoRows),
        };
        running.ended();
        // Ends the query's transaction, also after a failure; without a transaction the statement fails harmlessly.
        let _ = connection.execute_batch("ROLLBACK");
        if !self.database.is_broken() {
            locked(&self.idle).push(connection);
        }
        outcome
    }

    /// Closes a database after a fatal error, once no query is running; the next use reopens it.
    async fn mend(&self) -> Result<()> {
        if !self.database.is_broken() {
            return Ok(());
        }
        let _alone = self.in_use.write().await;
        if self.database.is_broken() {
            tracing::warn!("the event store was reopened after a fatal error");
            locked(&self.idle).clear();
            let database = self.database.clone();
            tokio::task::spawn_blocking(move || database.close()).await.map_err(Error::internal)?;
        }
        Ok(())
    }
}

/// The first invalid regular expression.
fn first_refused(reader: &Connection, mut patterns: Vec<String>) -> ::duckdb::Result<Option<String>> {
    let compile = |patterns: &[String]| {
        let terms: Vec<String> =
            (1..=patterns.len()).map(|number| dialect::matches("''", &format!("${number}"))).collect();
        let all = format!("SELECT {}", terms.join(" AND "));
        reader.query_row(&all, params_from_iter(patterns), |row| row.get::<_, bool>(0))
    };
    if compile(&patterns).is_ok() {
        return Ok(None);
    }
    let refused = patterns.iter().position(|pattern| compile(std::slice::from_ref(pattern)).is_err());
    Ok(refused.map(|place| patterns.swap_remove(place)))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Classifies engine errors: a full disk is temporary, the rest is internal.
fn refused(error: ::duckdb::Error) -> Error {
    let text = error.to_string();
    let lower = text.to_lowercase();
    if lower.contains("no space left") || lower.contains("could not write") || lower.contains("disk full") {
        tracing::error!(error.source = %text, "the event store is not writable");
        return Error::Unavailable {
            retry_after: 30,
            why: "The event store cannot write data; the disk may be full.".into(),
        };
    }
    if duckdb::is_fatal(&error) {
        tracing::error!(error.source = %text, "the event store failed and is being reopened");
        return Error::Unavailable { retry_after: 1, why: "The event store is being reopened.".into() };
    }
    if lower.contains("out of memory error") {
        tracing::warn!(error.source = %text, "a query exceeded the event store's memory limit");
        let limit = "the query exceeds the event store's memory limit; request a shorter range or fewer fields, or ask the operator to raise FOOTFALL_MEMORY_MIB";
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
        let matches = plan.basis.filters.iter().filter(|filter| filter.operator == FilterOperator::Matches);
        self.check_patterns(plan.asker, "filters", matches.flat_map(|filter| &filter.values).cloned().collect())
            .await?;
        let (basis, panels) = (plan.basis.clone(), missing.clone());
        let (version, fresh) =
            self.read(plan.asker, move |database, reader| answer_all(database, reader, &basis, &panels)).await?;
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
        self.read(Asker::Team(website), move |_, reader| reader.query_row(&text, [], |row| row.get(0))).await
    }

    async fn count_since(&self, websites: &[Uuid], since_ms: i64) -> Result<u64> {
        if websites.is_empty() {
            return Ok(0);
        }
        let list: Vec<String> = websites.iter().map(|website| format!("{}::UHUGEINT", website.as_u128())).collect();
        let text = format!(
            "SELECT count(*) FROM events WHERE website_id IN ({}) AND time_ms >= {since_ms} AND {} AND bot = ''",
            list.join(", "),
            kinds(EventKind::is_activity),
        );
        self.read(ITSELF, move |_, reader| reader.query_row(&text, [], |row| row.get(0))).await
    }

    async fn people(&self, query: &PeopleQuery) -> Result<PeoplePage> {
        let matches = query.conditions.iter().filter(|condition| condition.operator == FilterOperator::Matches);
        self.check_patterns(query.asker, "filter", matches.flat_map(|condition| &condition.values).cloned().collect())
            .await?;
        let query = query.clone();
        self.read(query.asker, move |database, reader| people::page(database, reader, &query)).await
    }

    async fn website_of_person(&self, person: Uuid) -> Result<Option<Uuid>> {
        self.read(ITSELF, move |_, reader| people::website_of(reader, person)).await
    }

    async fn events_of_person(
        &self,
        website: Uuid,
        person: Uuid,
        after: Option<(i64, u128)>,
        limit: u32,
    ) -> Result<PersonEvents> {
        self.read(ITSELF, move |_, reader| people::events_of(reader, website, person, after, limit)).await
    }

    async fn payer(&self, query: &PayerQuery) -> Result<Option<Payer>> {
        let query = query.clone();
        self.read(ITSELF, move |database, reader| payer::find(database, reader, &query)).await
    }

    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended> {
        self.write(events, settled_ms, None).await
    }
}

#[async_trait]
impl Sink for Store {
    async fn deliver(&self, events: Vec<Event>, settled_ms: i64, position: i64) -> Result<Appended> {
        self.write(events, settled_ms, Some(position)).await
    }

    async fn delivered(&self) -> Result<i64> {
        self.read(ITSELF, |_, reader| reader.query_row("SELECT journal FROM progress", [], |row| row.get(0))).await
    }

    async fn erase(&self, website: Uuid) -> Result<u64> {
        self.mend().await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || database.erase(website).inspect_err(|error| database.noticed(error)))
            .await
            .map_err(Error::internal)?
            .map_err(refused)
    }

    async fn forget(&self, website: Uuid, subject: &Subject) -> Result<Forgotten> {
        self.mend().await?;
        let alone = Arc::clone(&self.in_use).write_owned().await;
        // Their temporary tables hold parts of earlier queries.
        locked(&self.idle).clear();
        let (database, subject) = (self.database.clone(), subject.clone());
        let forgotten = tokio::task::spawn_blocking(move || {
            let forgotten = database.forget(website, &subject).inspect_err(|error| database.noticed(error));
            drop(alone);
            forgotten
        })
        .await
        .map_err(Error::internal)?
        .map_err(refused);
        self.remembered.invalidate_all();
        forgotten
    }

    async fn expire(&self, website: Uuid, before_ms: i64) -> Result<u64> {
        self.mend().await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || {
            database.expire(website, before_ms).inspect_err(|error| database.noticed(error))
        })
        .await
        .map_err(Error::internal)?
        .map_err(refused)
    }

    async fn compact(&self) -> Result<u64> {
        self.mend().await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || database.compact().inspect_err(|error| database.noticed(error)))
            .await
            .map_err(Error::internal)?
            .map_err(refused)
    }

    async fn since(&self, time_ms: i64) -> Result<Vec<RecentEvent>> {
        // The latest ones, without long texts, so that a start after a busy hour keeps its memory small.
        let text = format!(
            "SELECT website_id, visitor, time_ms, kind, country, if(strlen(path) <= {RECALLED_PATH}, path, ''), bot <> '', channel, goals, scroll FROM events \
             WHERE time_ms >= {time_ms} ORDER BY time_ms DESC, rowid DESC LIMIT {RECALLED}"
        );
        let recent = |row: &Row<'_>| {
            Ok(RecentEvent {
                website: Uuid::from_u128(row.get(0)?),
                visitor: row.get(1)?,
                time_ms: row.get(2)?,
                kind: EventKind::from_number(row.get(3)?),
                country: row.get(4)?,
                path: row.get(5)?,
                is_bot: row.get(6)?,
                channel: row.get(7)?,
                goals: row.get(8)?,
                scroll: row.get(9)?,
            })
        };
        let mut events: Vec<RecentEvent> =
            self.read(ITSELF, move |_, reader| reader.prepare(&text)?.query_map([], recent)?.collect()).await?;
        events.reverse();
        Ok(events)
    }
}

#[cfg(test)]
mod edge_tests;
#[cfg(test)]
mod goal_tests;
#[cfg(test)]
mod people_tests;
#[cfg(test)]
mod recount;
#[cfg(test)]
mod tests;
