//! Idempotency keys: with a `clientMutationId`, a mutation that creates a row creates it once, however often it is sent.
//!
//! - A key belongs to one caller and one mutation, and is kept for [`KEPT_HOURS`].
//! - It is written in the transaction that creates the row: both are committed or neither. Concurrent repetitions wait.
//! - The ID of the row and a hash of the input are kept, so no secret is.

use chrono::{DateTime, Duration, Utc};
use entity::idempotency_key;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, TryInsertResult,
};
use uuid::Uuid;

use crate::{
    constraint::Constraint,
    error::{Error, Result},
    text,
};

/// Hours for which a key is kept.
const KEPT_HOURS: i64 = 24;

/// What a key may be.
pub(crate) const KEY: Constraint = Constraint::name(200);

/// Name of the field, as errors show it.
const FIELD: &str = "clientMutationId";

/// A key of one request.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// The account or API key.
    caller: Uuid,
    mutation: String,
    client_mutation_id: String,
    input_hash: String,
    now: DateTime<Utc>,
}

impl IdempotencyKey {
    /// A key that a caller sent with a mutation now. Errors: `Invalid` if it is none.
    pub(crate) fn new(
        caller: Uuid,
        mutation: &str,
        client_mutation_id: &str,
        input_hash: String,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        text::name(FIELD, client_mutation_id, KEY)?;
        let (mutation, client_mutation_id) = (mutation.to_owned(), client_mutation_id.to_owned());
        Ok(Self { caller, mutation, client_mutation_id, input_hash, now })
    }

    fn id(&self) -> (Uuid, String, String) {
        (self.caller, self.mutation.clone(), self.client_mutation_id.clone())
    }

    fn oldest_kept(&self) -> DateTime<Utc> {
        self.now - Duration::hours(KEPT_HOURS)
    }

    /// The row that an earlier request with this key created. Errors: `Invalid` if that request had another input.
    pub(crate) async fn earlier(&self, db: &impl ConnectionTrait) -> Result<Option<Uuid>> {
        let row = idempotency_key::Entity::find_by_id(self.id()).one(db).await?;
        let Some(row) = row.filter(|row| row.created_at > self.oldest_kept()) else { return Ok(None) };
        if row.input_hash != self.input_hash {
            let why = format!("was already used for {} with another input; use a new one", self.mutation);
            return Err(Error::invalid(FIELD, why));
        }
        Ok(row.created_row_id)
    }

    /// Takes the key in the transaction that creates the row. Errors: `Conflict` if another request has taken it.
    pub(crate) async fn take(&self, txn: &impl ConnectionTrait) -> Result<()> {
        idempotency_key::Entity::delete_by_id(self.id())
            .filter(idempotency_key::Column::CreatedAt.lte(self.oldest_kept()))
            .exec(txn)
            .await?;
        let row = idempotency_key::ActiveModel {
            caller_id: Set(self.caller),
            mutation: Set(self.mutation.clone()),
            client_mutation_id: Set(self.client_mutation_id.clone()),
            input_hash: Set(self.input_hash.clone()),
            created_row_id: Set(None),
            created_at: Set(self.now),
        };
        // PostgreSQL waits here for another transaction that is taking the same key; SQLite has one writer.
        let insert = idempotency_key::Entity::insert(row).on_conflict_do_nothing();
        match insert.exec_without_returning(txn).await? {
            TryInsertResult::Inserted(1..) => Ok(()),
            _ => Err(Error::conflict("Another request with this clientMutationId has just been executed.")),
        }
    }

    /// Notes which row was created.
    pub(crate) async fn note(&self, txn: &impl ConnectionTrait, created: Uuid) -> Result<()> {
        let row = idempotency_key::ActiveModel {
            caller_id: Unchanged(self.caller),
            mutation: Unchanged(self.mutation.clone()),
            client_mutation_id: Unchanged(self.client_mutation_id.clone()),
            created_row_id: Set(Some(created)),
            ..Default::default()
        };
        row.update(txn).await?;
        Ok(())
    }
}

/// Deletes the keys that are no longer kept. Returns their number.
pub async fn sweep(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64> {
    let old = idempotency_key::Column::CreatedAt.lte(now - Duration::hours(KEPT_HOURS));
    Ok(idempotency_key::Entity::delete_many().filter(old).exec(db).await?.rows_affected)
}
