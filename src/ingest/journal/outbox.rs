//! The outbox: messages to webhooks, stored with the events that they report, until the control plane has taken them over.

use std::path::Path;

use schema::{
    error::Result,
    occurrence::{OutboxMessage, WebhookEvent},
};
use sea_orm::sqlx::{self, Row as _, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::{connect, refused};

/// Stores messages in the transaction of a group.
pub(super) async fn insert(transaction: &mut Transaction<'_, Sqlite>, messages: &[OutboxMessage]) -> sqlx::Result<()> {
    for message in messages {
        let OutboxMessage { id, webhook, website, visitor, event, time_ms, body } = message;
        sqlx::query(
            "INSERT OR IGNORE INTO outbox (id, webhook, website, visitor, event, time_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(id.as_bytes().as_slice())
        .bind(webhook.as_bytes().as_slice())
        .bind(website.as_bytes().as_slice())
        .bind(visitor.cast_signed())
        .bind(event.number())
        .bind(time_ms)
        .bind(body)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// The end that takes messages over.
pub struct OutboxReader(SqliteConnection);

impl OutboxReader {
    /// Opens the journal's file, whose tables exist.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self> {
        Ok(Self(connect(path).await.map_err(refused)?))
    }

    /// The oldest messages, in order, with their positions; also the last position, 0 without messages.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub async fn oldest(&mut self, most: u32) -> Result<(Vec<(i64, OutboxMessage)>, i64)> {
        let rows = sqlx::query("SELECT position, id, webhook, website, visitor, event, time_ms, body FROM outbox ORDER BY position LIMIT ?")
            .bind(most)
            .fetch_all(&mut self.0)
            .await
            .map_err(refused)?;
        let last = rows.last().map(|row| row.try_get(0)).transpose().map_err(refused)?.unwrap_or(0);
        let messages = rows.iter().filter_map(|row| message(row).transpose()).collect::<sqlx::Result<_>>();
        Ok((messages.map_err(refused)?, last))
    }

    /// Number of messages.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub async fn count(&mut self) -> Result<u64> {
        let row = sqlx::query("SELECT count(*) FROM outbox").fetch_one(&mut self.0).await.map_err(refused)?;
        Ok(u64::try_from(row.try_get::<i64, _>(0).map_err(refused)?).unwrap_or(0))
    }

    /// Deletes the messages up to a position. Returns their number.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub async fn delete_until(&mut self, position: i64) -> Result<u64> {
        let delete = sqlx::query("DELETE FROM outbox WHERE position <= ?").bind(position);
        Ok(delete.execute(&mut self.0).await.map_err(refused)?.rows_affected())
    }
}

/// A row; `None` for an event of a later version.
fn message(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Option<(i64, OutboxMessage)>> {
    let id =
        |column: usize| Ok::<_, sqlx::Error>(Uuid::from_slice(row.try_get::<&[u8], _>(column)?).unwrap_or_default());
    let Some(event) = WebhookEvent::from_number(row.try_get(5)?) else { return Ok(None) };
    let message = OutboxMessage {
        id: id(1)?,
        webhook: id(2)?,
        website: id(3)?,
        visitor: row.try_get::<i64, _>(4)?.cast_unsigned(),
        event,
        time_ms: row.try_get(6)?,
        body: row.try_get(7)?,
    };
    Ok(Some((row.try_get(0)?, message)))
}
