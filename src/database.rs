//! Opens the control plane, SQLite in a file or PostgreSQL by URL, and runs the migrations.
//!
//! - Both have one writer connection and several readers, so that two writes of this process never collide, and a write
//!   that waits never takes the connection that another one reads with.
//! - Another process (the command line beside a running server) may write too; each waits for the other's lock.

use std::{fmt, path::Path, time::Duration};

use migration::{Migrator, Steps as _};
use schema::database::lock_writes;
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr, TransactionTrait as _,
    sqlx::sqlite::SqliteJournalMode,
};

/// Number of reader connections to a SQLite file.
const READERS: u32 = 4;

/// Number of reader connections to PostgreSQL.
const POSTGRES_READERS: u32 = 9;

/// How long a statement waits for another process's write lock, and a request for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the control plane could not be opened, as a message for the person who starts the program.
#[derive(Debug)]
pub struct OpenError {
    place: String,
    cause: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot open the database {}: {}", self.place, self.cause)
    }
}

impl std::error::Error for OpenError {}

/// Opens the control plane and runs pending migrations. Returns writer and reader.
///
/// `url_or_path` is a `postgres://` URL, or the path of a SQLite file, which is created with mode 0600 if it does not
/// exist.
pub async fn open(url_or_path: &str) -> Result<(DatabaseConnection, DatabaseConnection), OpenError> {
    if url_or_path.starts_with("postgres://") || url_or_path.starts_with("postgresql://") {
        // The URL may contain a password, so it is not repeated.
        let failed = |cause: DbErr| OpenError { place: "at the configured URL".to_owned(), cause: cause.to_string() };
        let writer = postgres(url_or_path, 1).await.map_err(failed)?;
        migrate_postgres(&writer).await.map_err(failed)?;
        let reader = postgres(url_or_path, POSTGRES_READERS).await.map_err(failed)?;
        return Ok((writer, reader));
    }
    let path = Path::new(url_or_path);
    let failed = |cause: String| OpenError { place: path.display().to_string(), cause };
    make_private(path).map_err(|cause| failed(cause.to_string()))?;
    let writer = sqlite(path, 1, false).await.map_err(|cause| failed(cause.to_string()))?;
    Migrator::up(&writer, None).await.map_err(|cause| failed(cause.to_string()))?;
    let reader = sqlite(path, READERS, true).await.map_err(|cause| failed(cause.to_string()))?;
    Ok((writer, reader))
}

/// Statements are not logged: their values include addresses and hashes.
fn quiet(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).acquire_timeout(PATIENCE);
    options
}

async fn postgres(url: &str, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = quiet(url);
    options.max_connections(connections);
    Database::connect(options).await
}

/// Runs pending migrations under the write lock: of two processes that start at once, one waits.
async fn migrate_postgres(writer: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = writer.begin().await?;
    lock_writes(&transaction).await?;
    // It looks for its own table by creating it, which PostgreSQL notes each time.
    transaction.execute_unprepared("SET LOCAL client_min_messages = warning").await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}

async fn sqlite(path: &Path, connections: u32, only_reads: bool) -> Result<DatabaseConnection, DbErr> {
    let path = path.to_owned();
    let mut options = quiet("sqlite://control.db");
    options.max_connections(connections).min_connections(1).idle_timeout(None).max_lifetime(None);
    // A file does not go away like a server does: asking before each use would double the statements.
    options.test_before_acquire(false);
    options.map_sqlx_sqlite_opts(move |options| {
        let options = options.filename(&path).foreign_keys(true).busy_timeout(PATIENCE);
        if only_reads {
            return options.pragma("query_only", "ON");
        }
        // What is deleted is overwritten.
        options.journal_mode(SqliteJournalMode::Wal).pragma("secure_delete", "ON")
    });
    Database::connect(options).await
}

/// Creates the file before SQLite does, so that other users cannot read password hashes. SQLite gives its side files
/// the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

    use super::*;

    #[tokio::test]
    async fn a_file_opens_twice_and_readers_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a file with % and ?.db");
        let path = path.to_str().unwrap();
        let (writer, reader) = open(path).await.unwrap();
        let (second, _) = open(path).await.unwrap();
        let insert =
            "INSERT INTO teams (id, name, plan, created_at) VALUES (x'00', 'a', 'free', '2026-01-01T00:00:00+00:00')";
        reader.execute_unprepared(insert).await.unwrap_err();
        let txn = writer.begin().await.unwrap();
        txn.execute_unprepared(insert).await.unwrap();
        txn.commit().await.unwrap();
        let gone = second.execute_unprepared("DELETE FROM teams").await.unwrap();
        assert_eq!(gone.rows_affected(), 1, "the second process sees what the first committed");
        second
            .execute_unprepared(
                "INSERT INTO memberships (id, team_id, user_id, role, created_at) VALUES (x'01', x'02', x'03', 1, '')",
            )
            .await
            .unwrap_err();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_reads_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.db");
        let _open = open(path.to_str().unwrap()).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "not a database, but long enough to have a header of its own ".repeat(20)).unwrap();
        let error = open(path.to_str().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("notes.txt"), "{error}");
    }
}
