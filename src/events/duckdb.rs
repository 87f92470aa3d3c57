//! Embedded DuckDB: opening, one writer, a few readers, and how a batch becomes events and visits in one transaction.
//!
//! - A visit becomes a row of `visits` once no event can extend it; until then it is in [`Open`] and is joined in at
//!   query time. If too many are open, those idle for longest become rows early, which bounds memory and query time.
//! - A batch changes the tables and `Open` together: readers see both before or both after.
//! - An event that falls into a closed visit rebuilds that visitor's visits around it, in the batch's transaction.
//! - After a fatal error (a partial write) DuckDB refuses everything; the file is then closed and reopened.

mod connecting;
mod expiry;
mod forgetting;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use duckdb::{Connection, params};
use rustc_hash::FxHashMap as HashMap;
use schema::{
    analytics::event::{Event, VISIT_GAP_MS},
    ports::{Appended, ImportBatch, ImportedLog, VisitMove},
};
use uuid::Uuid;

use self::connecting::connect;
use super::{
    by_visitor::{Groups, Who},
    columns::{append_event, append_visit},
    ddl,
    incoming::Incoming,
    logs,
    moves::move_visits,
    people,
    replay::{Window, append_visits, close_interrupted, joined, rebuild, visits_touched, widened},
    visits::Visit,
};

/// Size at which the write-ahead log is moved into the file, in bytes; the engine's own default.
const LOG_BYTES: u64 = 16 << 20;

/// Maximum number of open visits after a batch.
const MAX_OPEN: usize = 30_000;

/// Approximate memory limit of open visits after a batch.
const MAX_OPEN_BYTES: usize = 32 << 20;

/// Visits that a next event can still extend.
#[derive(Debug, Default)]
pub struct Open {
    /// Shared with the change of a batch, which may replace them.
    visits: HashMap<Who, Arc<Visit>>,
    /// Last event of any closed visit, per website: an event more than a gap later cannot fall into a closed visit.
    closed_until: HashMap<Uuid, i64>,
    /// Commits per website since the start.
    versions: HashMap<Uuid, u64>,
    /// Deleted websites, and how many of their events were erased: nothing more is stored for them.
    gone: HashMap<Uuid, u64>,
    /// How often the file was reopened.
    reopened: u64,
}

impl Open {
    /// The website's open visits.
    pub fn of(&self, website: Uuid) -> impl Iterator<Item = &Arc<Visit>> {
        self.visits.values().filter(move |visit| visit.website == website)
    }

    /// When the website's last closed visit ended.
    fn closed_until(&self, website: Uuid) -> Option<i64> {
        self.closed_until.get(&website).copied()
    }

    /// Advances with each commit that affects the website.
    #[must_use]
    pub fn version(&self, website: Uuid) -> u64 {
        self.versions.get(&website).copied().unwrap_or(0) + self.reopened
    }
}

/// Resource limits of the store.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Memory of DuckDB's buffers, in MiB.
    pub memory_mib: u32,
    /// Threads of one query.
    pub threads: u32,
}

/// The database file, or memory.
pub struct Database {
    path: Option<PathBuf>,
    budget: Budget,
    /// `None` after a fatal error, until the next use.
    writer: Mutex<Option<Connection>>,
    open: RwLock<Open>,
    broken: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the engine refuses everything until the file is reopened.
#[must_use]
pub fn is_fatal(error: &duckdb::Error) -> bool {
    let text = error.to_string();
    text.contains("FATAL Error") || text.contains("database has been invalidated")
}

impl Database {
    /// Opens the file (`None`: memory) and creates its tables. Open visits are rebuilt from the events since the oldest
    /// of them.
    ///
    /// # Errors
    /// When the file is not a DuckDB database, is held by another process, or is not writable.
    pub fn open(path: Option<&Path>, budget: Budget) -> duckdb::Result<Self> {
        let database = Self {
            path: path.map(Path::to_path_buf),
            budget,
            writer: Mutex::new(None),
            open: RwLock::default(),
            broken: AtomicBool::new(false),
        };
        database.connected(&mut locked(&database.writer))?;
        Ok(database)
    }

    /// The writer's connection; reopens the file if it is closed.
    fn connected<'w>(&self, writer: &'w mut Option<Connection>) -> duckdb::Result<&'w Connection> {
        if writer.is_none() {
            let mut connection = connect(self.path.as_deref(), self.budget)?;
            close_interrupted(&connection)?;
            if self.holds_removed(&connection)? {
                connection.execute_batch("CHECKPOINT")?;
                drop(connection);
                if let Err(error) = self.rewrite() {
                    tracing::warn!(error.source = %error, "the bytes of a forgotten person are still in the event store");
                }
                connection = connect(self.path.as_deref(), self.budget)?;
            }
            let closed_until = last_ends(&connection)?;
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            // The last commit is uncertain, so all cached results become invalid.
            let (versions, gone) = (std::mem::take(&mut open.versions), std::mem::take(&mut open.gone));
            *open = Open { visits: HashMap::default(), closed_until, versions, gone, reopened: open.reopened + 1 };
            *writer = Some(connection);
        }
        writer.as_ref().ok_or(duckdb::Error::InvalidQuery)
    }

    /// Records whether this error requires reopening the file.
    pub fn noticed(&self, error: &duckdb::Error) {
        if is_fatal(error) && self.path.is_some() {
            self.broken.store(true, Ordering::Release);
        }
    }

    /// Whether [`Database::close`] is due.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Closes a failed database; the next use reopens it. The caller has dropped every reader: the engine lives as long
    /// as one of its connections.
    pub fn close(&self) {
        if self.broken.swap(false, Ordering::AcqRel) {
            *locked(&self.writer) = None;
        }
    }

    /// A connection for queries.
    ///
    /// # Errors
    /// When the database cannot be reopened after a fatal error.
    pub fn reader(&self) -> duckdb::Result<Connection> {
        let connection = self.connected(&mut locked(&self.writer))?.try_clone()?;
        connection.execute_batch(ddl::TEMPORARY)?;
        Ok(connection)
    }

    /// The number of visits in memory.
    #[cfg(test)]
    pub fn open_visits(&self) -> usize {
        self.open.read().unwrap_or_else(PoisonError::into_inner).visits.len()
    }

    /// Advances with each commit that affects the website.
    pub fn version(&self, website: Uuid) -> u64 {
        self.open.read().unwrap_or_else(PoisonError::into_inner).version(website)
    }

    /// Starts a read transaction in which tables and open visits are consistent; `open_visits` contains those of the
    /// website that overlap the window. Returns their number, and the website's version. The caller ends the
    /// transaction.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn begin(&self, reader: &Connection, website: Uuid, window: Window) -> duckdb::Result<(usize, u64)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        reader.execute_batch("BEGIN TRANSACTION")?;
        // The snapshot is taken by the first statement that reads the database.
        reader.query_row("SELECT count(*) FROM progress", [], |row| row.get::<_, i64>(0))?;
        let version = open.version(website);
        let overlaps = |visit: &&Arc<Visit>| visit.start_ms <= window.1 && visit.end_ms >= window.0;
        let visits: Vec<Arc<Visit>> = open.of(website).filter(overlaps).cloned().collect();
        drop(open);
        reader.execute_batch("TRUNCATE temp.open_visits")?;
        if !visits.is_empty() {
            let mut appender = reader.appender_to_catalog_and_db("open_visits", "temp", "main")?;
            for visit in &visits {
                append_visit(&mut appender, visit)?;
            }
            appender.flush()?;
        }
        Ok((visits.len(), version))
    }

    /// Stores a batch, all or none; see [`schema::ports::Events::append`].
    ///
    /// # Errors
    /// Errors of the store, such as a full disk; nothing is changed then.
    pub fn append(&self, mut events: Vec<Event>, settled_ms: i64, journal: Option<i64>) -> duckdb::Result<Appended> {
        events.sort_by_key(|event| (event.website, event.time_ms));
        let incoming = match journal {
            Some(position) => Incoming::Journal(position, events),
            None => Incoming::Sent(events),
        };
        self.store(incoming, settled_ms, &[])
    }

    /// Stores page views of a log; see [`schema::ports::Imports::import`].
    ///
    /// # Errors
    /// As [`Database::append`].
    pub fn import(&self, mut batch: ImportBatch) -> duckdb::Result<Appended> {
        batch.page_views.sort_by_key(|view| (view.event.website, view.event.time_ms));
        self.store(Incoming::Log(batch.page_views), batch.settled_ms, &batch.moves)
    }

    fn store(&self, incoming: Incoming, settled_ms: i64, moves: &[VisitMove]) -> duckdb::Result<Appended> {
        let mut writer = locked(&self.writer);
        let connection = self.connected(&mut writer)?;
        connection.execute_batch("BEGIN TRANSACTION")?;
        let outcome = self.change(connection, incoming, settled_ms, moves);
        let change = match outcome {
            Ok(change) => change,
            Err(error) => {
                // A failed statement may have ended the transaction already.
                let _ = connection.execute_batch("ROLLBACK");
                return Err(error);
            }
        };
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        connection.execute_batch("COMMIT")?;
        let appended = change.apply(&mut open);
        drop(open);
        self.checkpoint(connection);
        Ok(appended)
    }

    /// Moves a long write-ahead log into the file while readers continue. Commits are kept if this fails; the next
    /// commit tries again.
    ///
    /// The engine's own checkpoint at a commit waits for its threads by spinning, a tenth of the server's time under
    /// load (measured with 1.5.6, `TaskExecutor::WorkOnTasks`), so it runs with one thread.
    fn checkpoint(&self, connection: &Connection) {
        let Some(log) = self.path.as_ref().map(|path| PathBuf::from(format!("{}.wal", path.display()))) else { return };
        if fs::metadata(log).map_or(0, |log| log.len()) < LOG_BYTES {
            return;
        }
        let moved = connection.execute_batch("SET threads = 1").and_then(|()| connection.execute_batch("CHECKPOINT"));
        let restored = connection.execute_batch(&format!("SET threads = {}", self.budget.threads));
        if let Err(error) = moved.and(restored) {
            tracing::warn!(error.source = %error, "cannot move the event store's write-ahead log into its file");
            self.noticed(&error);
        }
    }

    /// Records an imported log, unless its website was deleted; see [`schema::ports::Imports::remember_log`].
    ///
    /// # Errors
    /// Errors of the store.
    pub fn remember_log(&self, website: Uuid, log: &ImportedLog) -> duckdb::Result<()> {
        let mut writer = locked(&self.writer);
        let connection = self.connected(&mut writer)?;
        let is_gone = self.open.read().unwrap_or_else(PoisonError::into_inner).gone.contains_key(&website);
        if is_gone { Ok(()) } else { logs::remember(connection, website, log) }
    }

    /// Erases a website's events and visits; see [`schema::ports::Sink::erase`].
    ///
    /// # Errors
    /// Errors of the store; nothing is changed then.
    pub fn erase(&self, website: Uuid) -> duckdb::Result<u64> {
        let mut writer = locked(&self.writer);
        let connection = self.connected(&mut writer)?;
        connection.execute_batch("BEGIN TRANSACTION")?;
        let erase = |table: &str| {
            connection.execute(&format!("DELETE FROM {table} WHERE website_id = {}", literal(website)), [])
        };
        let erased = ddl::OF_WEBSITES.iter().map(|table| erase(table)).collect::<duckdb::Result<Vec<usize>>>();
        let events = match erased {
            Ok(rows) => rows.first().map_or(0, |events| *events as u64),
            Err(error) => {
                let _ = connection.execute_batch("ROLLBACK");
                return Err(error);
            }
        };
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        connection.execute_batch("COMMIT")?;
        open.visits.retain(|(of, _, _), _| *of != website);
        open.closed_until.remove(&website);
        *open.versions.entry(website).or_default() += 1;
        let total = open.gone.entry(website).or_default();
        *total += events;
        Ok(*total)
    }

    fn change(
        &self,
        connection: &Connection,
        mut incoming: Incoming,
        settled_ms: i64,
        moves: &[VisitMove],
    ) -> duckdb::Result<Change> {
        let mut change = Change::default();
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        incoming.retain(|event| !open.gone.contains_key(&event.website));
        let (before, journal) = (incoming.len(), incoming.position());
        let events = incoming.new_events(connection)?;
        let moved = move_visits(connection, moves)?;
        change.appended = Appended { stored: events.len() as u64, duplicates: (before - events.len()) as u64 };
        if !events.is_empty() {
            let mut appender = connection.appender("events")?;
            for event in &events {
                append_event(&mut appender, event)?;
            }
            appender.flush()?;
            drop(appender);
            people::write(connection, &events)?;
        }

        let mut late: BTreeMap<Who, Window> = BTreeMap::new();
        for (who, window) in moved {
            let visit = open.visits.get(&who).map(|visit| (visit.start_ms, visit.end_ms));
            late.insert(who, widened(visit.map_or(window, |visit| joined(window, visit))));
            // The rest of it is rebuilt from its events.
            change.opened.insert(who, None);
        }
        let groups = Groups::new(&events);
        let touching = visits_touched(connection, |website| open.closed_until(website), &groups)?;
        for (who, events) in groups.iter() {
            let span = (events.first(), events.last());
            let (first, last) =
                (span.0.map_or(i64::MAX, |event| event.time_ms), span.1.map_or(0, |event| event.time_ms));
            if let Some(window) = late.get_mut(&who) {
                *window = joined(*window, widened((first, last)));
                continue;
            }
            let visit = open.visits.get(&who);
            let precedes = visit.is_some_and(|visit| first < visit.start_ms.saturating_sub(VISIT_GAP_MS));
            if precedes || touching.contains(&who) {
                let from = visit.map_or(first, |visit| visit.start_ms.min(first));
                let until = visit.map_or(last, |visit| visit.end_ms.max(last));
                late.insert(who, widened((from, until)));
                continue;
            }
            let mut current = visit.cloned();
            for event in events {
                match &mut current {
                    Some(visit) if visit.reaches(event.time_ms) => Arc::make_mut(visit).add(event),
                    _ => change.closed.extend(current.replace(Arc::new(Visit::begun_by(event)))),
                }
            }
            change.opened.insert(who, current);
        }
        if !late.is_empty() {
            rebuild(connection, &late, |visits| {
                for visit in visits {
                    // The last one of a visitor may go on; what follows closes it if not.
                    let earlier = change.opened.insert(visit.who(), Some(Arc::new(visit)));
                    change.closed.extend(earlier.flatten());
                }
            })?;
        }

        // Close visits that no event can extend any more.
        let horizon = settled_ms.saturating_sub(VISIT_GAP_MS);
        for (who, visit) in &open.visits {
            if visit.end_ms < horizon && !change.opened.contains_key(who) {
                change.opened.insert(*who, Some(Arc::clone(visit)));
            }
        }
        for slot in change.opened.values_mut() {
            if slot.as_ref().is_some_and(|visit| visit.end_ms < horizon) {
                change.closed.extend(slot.take());
            }
        }
        make_room(&open, &mut change);
        change.closed.sort_by_key(|visit| (visit.website, visit.start_ms));
        append_visits(connection, &change.closed)?;
        let still_open =
            open.visits.iter().filter(|(who, _)| !change.opened.contains_key(*who)).map(|(_, visit)| visit);
        let since =
            still_open.chain(change.opened.values().flatten()).map(|visit| visit.start_ms).min().unwrap_or(i64::MAX);
        match journal {
            Some(position) => {
                connection.execute("UPDATE progress SET open_since_ms = ?, journal = ?", params![since, position])?;
            }
            None => {
                connection.execute("UPDATE progress SET open_since_ms = ?", params![since])?;
            }
        }
        Ok(change)
    }
}

/// The changes of a batch to [`Open`] once it is committed.
#[derive(Debug, Default)]
struct Change {
    opened: HashMap<Who, Option<Arc<Visit>>>,
    closed: Vec<Arc<Visit>>,
    appended: Appended,
}

impl Change {
    fn apply(self, open: &mut Open) -> Appended {
        for (who, visit) in self.opened {
            match visit {
                Some(visit) => open.visits.insert(who, visit),
                None => open.visits.remove(&who),
            };
            *open.versions.entry(who.0).or_default() += 1;
        }
        for visit in self.closed {
            let until = open.closed_until.entry(visit.website).or_insert(i64::MIN);
            *until = (*until).max(visit.end_ms);
            *open.versions.entry(visit.website).or_default() += 1;
        }
        self.appended
    }
}

fn literal(website: Uuid) -> String {
    format!("{}::UHUGEINT", website.as_u128())
}

/// End of the last closed visit of each website.
fn last_ends(connection: &Connection) -> duckdb::Result<HashMap<Uuid, i64>> {
    connection
        .prepare("SELECT website_id, max(end_ms) FROM visits GROUP BY website_id")?
        .query_map([], |row| Ok((Uuid::from_u128(row.get(0)?), row.get(1)?)))?
        .collect()
}

/// Closes the visits idle for longest if too many are open; an event that falls into one of them reopens it.
fn make_room(open: &Open, change: &mut Change) {
    let still_open = open.visits.iter().filter(|(who, _)| !change.opened.contains_key(*who)).map(|(_, visit)| visit);
    let visits = still_open.chain(change.opened.values().flatten());
    let mut oldest: Vec<(i64, Who, usize)> = visits.map(|visit| (visit.end_ms, visit.who(), visit.memory())).collect();
    let (mut count, mut bytes) = (oldest.len(), oldest.iter().map(|(_, _, bytes)| bytes).sum::<usize>());
    if count <= MAX_OPEN && bytes <= MAX_OPEN_BYTES {
        return;
    }
    oldest.sort_unstable_by_key(|(end_ms, _, _)| *end_ms);
    for (_, who, memory) in oldest {
        // A quarter more than needed, so that not every batch has to.
        if count <= MAX_OPEN / 4 * 3 && bytes <= MAX_OPEN_BYTES / 4 * 3 {
            break;
        }
        (count, bytes) = (count - 1, bytes.saturating_sub(memory));
        let visit = change.opened.insert(who, None).unwrap_or_else(|| open.visits.get(&who).cloned());
        change.closed.extend(visit);
    }
}
