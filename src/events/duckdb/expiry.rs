//! Deleting events that were kept long enough, in steps, and giving their blocks back.

use std::{fs, sync::PoisonError};

use uuid::Uuid;

use super::{Database, literal, locked};

/// Events that are deleted in one transaction because they are old: a tenth of a second of work.
const EXPIRE_STEP: u32 = 50_000;

impl Database {
    /// Deletes the oldest of a website's events before an instant, and visits that ended before it; see
    /// [`schema::ports::Sink::expire`]. The writer is held for one step only.
    ///
    /// # Errors
    /// Errors of the store; nothing is changed then.
    pub fn expire(&self, website: Uuid, before_ms: i64) -> duckdb::Result<u64> {
        let mut writer = locked(&self.writer);
        let connection = self.connected(&mut writer)?;
        let site = literal(website);
        let until: Option<i64> = connection.query_row(
            &format!(
                "SELECT max(time_ms) FROM (SELECT time_ms FROM events WHERE website_id = {site} AND time_ms < {before_ms} \
                 ORDER BY time_ms LIMIT {EXPIRE_STEP})"
            ),
            [],
            |row| row.get(0),
        )?;
        // Events of one instant are deleted together.
        let until = until.map_or(before_ms, |until| until.saturating_add(1).min(before_ms));
        connection.execute_batch("BEGIN TRANSACTION")?;
        let deleted = ["events WHERE time_ms", "visits WHERE end_ms"]
            .map(|rows| connection.execute(&format!("DELETE FROM {rows} < {until} AND website_id = {site}"), []));
        let [Ok(events), Ok(visits)] = deleted else {
            let _ = connection.execute_batch("ROLLBACK");
            let [events, visits] = deleted;
            return events.and(visits).map(|count| count as u64);
        };
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        connection.execute_batch("COMMIT")?;
        if events + visits > 0 {
            *open.versions.entry(website).or_default() += 1;
        }
        drop(open);
        self.checkpoint(connection);
        Ok(events as u64)
    }

    /// Moves the write-ahead log into the file, which frees the blocks of deleted rows; see
    /// [`schema::ports::Sink::compact`].
    ///
    /// # Errors
    /// Errors of the store.
    pub fn compact(&self) -> duckdb::Result<u64> {
        let mut writer = locked(&self.writer);
        let connection = self.connected(&mut writer)?;
        connection.execute_batch("CHECKPOINT")?;
        Ok(self.path.as_ref().and_then(|path| fs::metadata(path).ok()).map_or(0, |file| file.len()))
    }
}
