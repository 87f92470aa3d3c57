//! The control plane's database: its handles are given out for a proof only.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait as _,
};

use crate::{changes::Changes, error::Result, idempotency::IdempotencyKey, transaction::Transaction};

/// Evidence of what its holder may do. The types of [`access`](crate::access) are the only ones, and only that module makes them.
///
/// A bare id is none:
///
/// ```compile_fail
/// # async fn f(database: footfall_schema::database::Database, website: uuid::Uuid) {
/// let transaction = database.begin(&website).await;
/// # }
/// ```
///
/// A role on the website is one:
///
/// ```
/// # use footfall_schema::access::{Editor, Site};
/// # async fn f(database: footfall_schema::database::Database, site: Site<Editor>) {
/// let transaction = database.begin(&site).await;
/// # }
/// ```
///
/// No other crate can add one:
///
/// ```compile_fail
/// struct Trusted;
/// impl footfall_schema::database::Proof for Trusted {}
/// ```
pub trait Proof: sealed::Sealed {}

impl<T: sealed::Sealed> Proof for T {}

pub(crate) mod sealed {
    /// Implemented below `access` alone; `tests/it/tidy` holds that.
    pub trait Sealed {}
}

/// The database. Its connections cannot be reached beside the methods:
///
/// ```compile_fail
/// # fn f(database: footfall_schema::database::Database) {
/// let connection = database.writer;
/// # }
/// ```
#[derive(Clone)]
pub struct Database {
    /// One connection.
    writer: DatabaseConnection,
    /// Several. They lag behind the writer by nothing that has been answered.
    reader: DatabaseConnection,
    changes: Arc<Changes>,
    /// The idempotency key that each transaction takes.
    key: Option<IdempotencyKey>,
}

impl Database {
    /// A database whose changes are counted.
    #[must_use]
    pub fn new(writer: DatabaseConnection, reader: DatabaseConnection, changes: Arc<Changes>) -> Self {
        Self { writer, reader, changes, key: None }
    }

    /// The database for one mutation with an idempotency key: its transaction takes the key.
    pub(crate) fn taking(&self, key: IdempotencyKey) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    /// The connections that read.
    #[must_use]
    pub fn reader(&self, _proof: &impl Proof) -> &DatabaseConnection {
        &self.reader
    }

    /// The connection that writes, for a single statement.
    #[must_use]
    pub fn writer(&self, _proof: &impl Proof) -> &DatabaseConnection {
        &self.writer
    }

    /// Moves SQLite's write-ahead log into its file, whose deleted bytes are overwritten, and empties the log.
    pub async fn empty_log(&self, proof: &impl Proof) -> Result<()> {
        if self.writer.get_database_backend() == DbBackend::Sqlite {
            self.writer(proof).execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        Ok(())
    }

    /// Begins a transaction on the writer. It takes the write lock at once, so that what it reads stays true until it commits.
    pub async fn begin(&self, _proof: &impl Proof) -> Result<Transaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.writer.get_database_backend() == DbBackend::Sqlite)
                .then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.writer.begin_with_options(options).await?;
        lock_writes(&transaction).await?;
        Transaction::begin(transaction, Arc::clone(&self.changes), self.key.clone()).await
    }

    /// Whether the database answers. Errors: whatever keeps it from answering.
    pub async fn check(&self) -> Result<()> {
        self.reader.execute_unprepared("SELECT 1").await?;
        Ok(())
    }
}

/// Takes the write lock of PostgreSQL until the transaction ends, so that transactions of several processes follow each
/// other as they do in SQLite, whose transactions hold it from their beginning. Errors: another one held it for five seconds.
pub async fn lock_writes(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        // The number stands for this lock in the whole database: "footfall" in ASCII.
        let sql = "SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(7381240860008082540)";
        transaction.execute_unprepared(sql).await?;
    }
    Ok(())
}
