//! The journal: acknowledged events that may not be in the event store yet, on disk, in one SQLite file beside the
//! ledger.
//!
//! - A group of events is one row and one transaction with its ledger counts and its senders' IDs; the response waits
//!   for its commit.
//! - Messages to webhooks about the events are rows of the same transaction (`outbox`), until they are taken over by the
//!   control plane.
//! - The event store remembers the last row it has taken in the same transaction as the events, so that replay after a
//!   crash neither loses nor doubles. Rows at or before that position are trimmed.

mod encoding;
pub mod outbox;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use schema::{
    analytics::event::Event,
    error::{Error, Result},
    occurrence::OutboxMessage,
    traffic::Outcome,
};
use sea_orm::sqlx::{
    self, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use uuid::Uuid;

use self::encoding::{decoded, encoded};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS journal (position INTEGER PRIMARY KEY AUTOINCREMENT, events BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (
    website BLOB NOT NULL, minute INTEGER NOT NULL, outcome INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (website, minute, outcome)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS team_events (
    team BLOB NOT NULL, month INTEGER NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (team, month)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recent_ids (position INTEGER PRIMARY KEY AUTOINCREMENT, day INTEGER NOT NULL, ids BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, webhook BLOB NOT NULL, website BLOB NOT NULL,
    visitor INTEGER NOT NULL, event INTEGER NOT NULL, time_ms INTEGER NOT NULL, body TEXT NOT NULL
);
";

/// Counts of a group: website, minute since 1970, outcome.
pub type Counts = rustc_hash::FxHashMap<(Uuid, i64, Outcome), u64>;

/// Data that is written together.
#[derive(Default)]
pub struct Group<'a> {
    /// Events, one row.
    pub events: &'a [Event],
    /// Keys of the event IDs given by senders.
    pub ids: &'a [u64],
    /// The UTC day of their arrival, in days since 1970.
    pub day: i64,
    /// Counts of the ledger.
    pub counts: Counts,
    /// Events of teams in a month, including those of the group: team, months since the year 0, events.
    pub team_events: Vec<(Uuid, i64, u64)>,
    /// Rows of events up to this position may be trimmed; 0 for none.
    pub delivered: i64,
    /// Rows of IDs up to this position may be trimmed; 0 for none.
    pub sealed: i64,
    /// Messages about the events.
    pub outbox: &'a [OutboxMessage],
}

/// A row that was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Its position; 0 for a group without events.
    pub position: i64,
    /// Its bytes.
    pub bytes: u64,
}

/// Rows of events as they are read back.
pub struct Entry {
    /// Its position.
    pub position: i64,
    /// Its events.
    pub events: Vec<Event>,
    /// Its bytes in the journal.
    pub bytes: u64,
}

async fn connect(path: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Every commit reaches the disk before it is answered.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        // Deleted content is overwritten if that needs no extra write.
        .pragma("secure_delete", "FAST")
        .pragma("journal_size_limit", "67108864");
    SqliteConnection::connect_with(&options).await
}

/// Classifies SQLite errors: a full disk is temporary, the rest is internal.
fn refused(error: sqlx::Error) -> Error {
    let text = error.to_string();
    if ["disk is full", "disk I/O error", "No space left"].iter().any(|sign| text.contains(sign)) {
        tracing::error!(error.source = %text, "the journal is not writable");
        return Error::Unavailable {
            retry_after: 10,
            why: "Cannot write to the journal; the disk may be full.".into(),
        };
    }
    Error::internal(error)
}

/// The writing end. One per process.
pub struct Writer {
    path: PathBuf,
    /// `None` after a failure, until the next use: reopening the file reveals what became of an unfinished transaction.
    connection: Option<SqliteConnection>,
    /// The last position that was written.
    last: i64,
}

/// The end from which delivery reads.
pub struct Reader(SqliteConnection);

/// Opens the file and creates its tables.
///
/// # Errors
/// When it is not an SQLite database or is not writable.
pub async fn open(path: &Path) -> Result<(Writer, Reader)> {
    let mut writer = connect(path).await.map_err(refused)?;
    sqlx::raw_sql(TABLES).execute(&mut writer).await.map_err(refused)?;
    let reader = connect(path).await.map_err(refused)?;
    Ok((Writer { path: path.to_path_buf(), connection: Some(writer), last: 0 }, Reader(reader)))
}

/// A connection that reads the ledger.
///
/// # Errors
/// As [`open`].
pub async fn ledger(path: &Path) -> Result<SqliteConnection> {
    connect(path).await.map_err(refused)
}

impl Writer {
    /// Writes a group, all or nothing. It is on disk when this returns.
    ///
    /// # Errors
    /// `Unavailable` for a full disk; nothing is written then.
    pub async fn commit(&mut self, group: &Group<'_>) -> Result<Written> {
        let events = encoded(group.events)?;
        let before = self.last;
        let connection = self.connected().await?;
        let outcome = write(connection, &events, group).await;
        let done = |position| Written { position, bytes: events.len() as u64 };
        let error = match outcome {
            Ok(position) => {
                self.last = position.max(before);
                return Ok(done(position));
            }
            Err(error) => error,
        };
        // A failed commit may still have reached the disk. There is no other writer, so a new row is this one.
        self.connection = None;
        let newest = newest(self.connected().await?).await?;
        if !events.is_empty() && newest > before {
            self.last = newest;
            return Ok(done(newest));
        }
        Err(refused(error))
    }

    /// The stored IDs, by row: day and keys.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn recent_ids(&mut self) -> Result<Vec<(i64, Vec<u64>)>> {
        let connection = self.connected().await?;
        let rows = sqlx::query("SELECT day, ids FROM recent_ids ORDER BY position")
            .fetch_all(connection)
            .await
            .map_err(refused)?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let (keys, _) = row.try_get::<&[u8], _>(1)?.as_chunks();
            Ok((row.try_get(0)?, keys.iter().copied().map(u64::from_le_bytes).collect()))
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(refused)
    }

    /// The events of all teams in a month (months since the year 0), as far as they were limited.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn team_events(&mut self, month: i64) -> Result<Vec<(Uuid, u64)>> {
        team_events(self.connected().await?, month).await
    }

    /// The position of the last row of IDs.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn last_ids(&mut self) -> Result<i64> {
        let connection = self.connected().await?;
        let row = sqlx::query("SELECT coalesce(max(position), 0) FROM recent_ids")
            .fetch_one(connection)
            .await
            .map_err(refused)?;
        row.try_get(0).map_err(refused)
    }

    /// After a panic: whether the group being written is on disk.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn recover(&mut self) -> Result<bool> {
        self.connection = None;
        let newest = newest(self.connected().await?).await?;
        let is_written = newest > self.last;
        self.last = self.last.max(newest);
        Ok(is_written)
    }

    /// Writes a meaningless value to check whether the disk accepts writes.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn probe(&mut self) -> Result<()> {
        let connection = self.connected().await?;
        // The ledger deletes such an old minute in its next cleanup.
        let probed = sqlx::query(
            "INSERT INTO ledger VALUES (x'00000000000000000000000000000000', 0, 0, 1) \
             ON CONFLICT (website, minute, outcome) DO UPDATE SET count = count + 1",
        )
        .execute(connection)
        .await;
        if let Err(error) = probed {
            self.connection = None;
            return Err(refused(error));
        }
        Ok(())
    }

    async fn connected(&mut self) -> Result<&mut SqliteConnection> {
        if self.connection.is_none() {
            self.connection = Some(connect(&self.path).await.map_err(refused)?);
        }
        self.connection.as_mut().ok_or_else(|| Error::broken("the journal has no connection"))
    }

    /// Trims rows that the event store has.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn trim(&mut self, position: i64) -> Result<()> {
        let connection = self.connected().await?;
        sqlx::query("DELETE FROM journal WHERE position <= ?")
            .bind(position)
            .execute(connection)
            .await
            .map_err(refused)?;
        Ok(())
    }

    /// Trims rows that the event store has, and rewrites the file without their bytes.
    ///
    /// # Errors
    /// As [`Writer::commit`]; `Unavailable` if a reader keeps the write-ahead log busy.
    pub async fn scrub(&mut self, position: i64) -> Result<()> {
        self.trim(position).await?;
        let connection = self.connected().await?;
        sqlx::raw_sql("VACUUM").execute(&mut *connection).await.map_err(refused)?;
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await.map_err(refused)?;
        match row.try_get::<i64, _>(0).map_err(refused)? {
            0 => Ok(()),
            _ => Err(Error::Unavailable { retry_after: 1, why: "The journal is being read.".into() }),
        }
    }

    /// Deletes counts older than a minute (since 1970).
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn forget(&mut self, before_minute: i64) -> Result<()> {
        let connection = self.connected().await?;
        sqlx::query("DELETE FROM ledger WHERE minute < ?")
            .bind(before_minute)
            .execute(connection)
            .await
            .map_err(refused)?;
        Ok(())
    }

    /// Deletes the counts of a website, and messages about its visitors that are not taken over yet.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn forget_website(&mut self, website: Uuid) -> Result<()> {
        let connection = self.connected().await?;
        for delete in ["DELETE FROM ledger WHERE website = ?", "DELETE FROM outbox WHERE website = ?"] {
            let website = website.as_bytes().as_slice();
            sqlx::query(delete).bind(website).execute(&mut *connection).await.map_err(refused)?;
        }
        Ok(())
    }

    /// Deletes messages about visitors of a website that are not taken over yet.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn forget_messages(&mut self, website: Uuid, visitors: &[u64]) -> Result<()> {
        let connection = self.connected().await?;
        for visitor in visitors {
            sqlx::query("DELETE FROM outbox WHERE website = ? AND visitor = ?")
                .bind(website.as_bytes().as_slice())
                .bind(visitor.cast_signed())
                .execute(&mut *connection)
                .await
                .map_err(refused)?;
        }
        Ok(())
    }

    /// The last position that was written.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.last
    }

    /// Makes positions continue after one named by the event store, even if the journal file is newer than the store's.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub async fn begin_after(&mut self, position: i64) -> Result<()> {
        let connection = self.connected().await?;
        sqlx::query(
            "INSERT INTO journal (position, events) SELECT ?, x'' \
             WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'journal' AND seq >= ?)",
        )
        .bind(position)
        .bind(position)
        .execute(&mut *connection)
        .await
        .map_err(refused)?;
        self.last = newest(connection).await?;
        self.trim(position).await
    }
}

/// The events of all teams in a month (months since the year 0), as far as they were limited.
///
/// # Errors
/// Errors of SQLite.
pub async fn team_events(connection: &mut SqliteConnection, month: i64) -> Result<Vec<(Uuid, u64)>> {
    let rows = sqlx::query("SELECT team, events FROM team_events WHERE month = ?")
        .bind(month)
        .fetch_all(connection)
        .await
        .map_err(refused)?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let (team, events): (&[u8], i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok((Uuid::from_slice(team).unwrap_or_default(), u64::try_from(events).unwrap_or(0)))
    };
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(refused)
}

/// The highest position that was ever written.
async fn newest(connection: &mut SqliteConnection) -> Result<i64> {
    let row = sqlx::query("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'journal'")
        .fetch_one(connection)
        .await
        .map_err(refused)?;
    row.try_get(0).map_err(refused)
}

/// One transaction. Returns the position of its row of events, 0 without one.
async fn write(connection: &mut SqliteConnection, events: &[u8], group: &Group<'_>) -> sqlx::Result<i64> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut position = 0;
    if !events.is_empty() {
        let insert = sqlx::query("INSERT INTO journal (events) VALUES (?)").bind(events);
        position = insert.execute(&mut *transaction).await?.last_insert_rowid();
    }
    if !group.ids.is_empty() {
        let ids: Vec<u8> = group.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let insert = sqlx::query("INSERT INTO recent_ids (day, ids) VALUES (?, ?)").bind(group.day).bind(ids);
        insert.execute(&mut *transaction).await?;
    }
    for ((website, minute, outcome), count) in &group.counts {
        sqlx::query(
            "INSERT INTO ledger VALUES (?, ?, ?, ?) ON CONFLICT (website, minute, outcome) DO UPDATE SET count = count + excluded.count",
        )
        .bind(website.as_bytes().as_slice())
        .bind(minute)
        .bind(i64::from(outcome.number()))
        .bind(i64::try_from(*count).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
    }
    outbox::insert(&mut transaction, group.outbox).await?;
    for (team, month, events) in &group.team_events {
        sqlx::query(
            "INSERT INTO team_events VALUES (?, ?, ?) ON CONFLICT (team, month) DO UPDATE SET events = excluded.events",
        )
        .bind(team.as_bytes().as_slice())
        .bind(month)
        .bind(i64::try_from(*events).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
    }
    let trims = [
        ("DELETE FROM journal WHERE position <= ?", group.delivered),
        ("DELETE FROM recent_ids WHERE position <= ?", group.sealed),
    ];
    for (delete, until) in trims.into_iter().filter(|(_, until)| *until > 0) {
        sqlx::query(delete).bind(until).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(position)
}

impl Reader {
    /// Bytes of the rows after a position.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub async fn bytes_after(&mut self, position: i64) -> Result<u64> {
        let row = sqlx::query("SELECT coalesce(sum(length(events)), 0) FROM journal WHERE position > ?")
            .bind(position)
            .fetch_one(&mut self.0)
            .await
            .map_err(refused)?;
        Ok(u64::try_from(row.try_get::<i64, _>(0).map_err(refused)?).unwrap_or(0))
    }

    /// The position that precedes the newest rows of at most this many bytes; no earlier than `position`.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub async fn before_newest(&mut self, position: i64, bytes: u64) -> Result<i64> {
        let row = sqlx::query(
            "SELECT coalesce(max(position), ?1) FROM (SELECT position, sum(length(events)) OVER (ORDER BY position DESC) AS bytes \
             FROM journal WHERE position > ?1) WHERE bytes > ?2",
        )
        .bind(position)
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .fetch_one(&mut self.0)
        .await
        .map_err(refused)?;
        row.try_get(0).map_err(refused)
    }

    /// The rows after a position, in order, of at most this many bytes; a longer row is returned alone.
    ///
    /// # Errors
    /// Errors of SQLite; a row that cannot be decoded.
    pub async fn after(&mut self, position: i64, bytes: usize) -> Result<Vec<Entry>> {
        let lengths =
            sqlx::query("SELECT position, length(events) FROM journal WHERE position > ? ORDER BY position LIMIT 1000")
                .bind(position)
                .fetch_all(&mut self.0)
                .await
                .map_err(refused)?;
        let (mut until, mut taken) = (None, 0_usize);
        for row in lengths {
            let length: i64 = row.try_get(1).map_err(refused)?;
            taken = taken.saturating_add(usize::try_from(length).unwrap_or(0));
            if until.is_some() && taken > bytes {
                break;
            }
            until = Some(row.try_get::<i64, _>(0).map_err(refused)?);
        }
        let Some(until) = until else { return Ok(Vec::new()) };
        let rows =
            sqlx::query("SELECT position, events FROM journal WHERE position > ? AND position <= ? ORDER BY position")
                .bind(position)
                .bind(until)
                .fetch_all(&mut self.0)
                .await
                .map_err(refused)?;
        let read = |row: sqlx::sqlite::SqliteRow| {
            let events: &[u8] = row.try_get(1).map_err(refused)?;
            Ok(Entry {
                position: row.try_get(0).map_err(refused)?,
                events: decoded(events)?,
                bytes: events.len() as u64,
            })
        };
        rows.into_iter().map(read).collect()
    }
}
