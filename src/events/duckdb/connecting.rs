//! Connections to the engine, with its settings.

use std::path::Path;

use duckdb::{Config, Connection};

use super::Budget;
use crate::events::ddl;

/// The engine's settings for a database file (`None`: memory).
pub(super) fn config(path: Option<&Path>, budget: Budget) -> duckdb::Result<Config> {
    let config = Config::default()
        .max_memory(&format!("{}MiB", budget.memory_mib))?
        .threads(i64::from(budget.threads))?
        .enable_autoload_extension(false)?
        .with("autoinstall_known_extensions", "false")?
        // Rows of one appender keep their order all the same; this one lets large results take less memory.
        .with("preserve_insertion_order", "false")?
        // Done by hand, see `Database::checkpoint`.
        .with("checkpoint_threshold", "1TiB")?
        // The engine's allocator keeps freed pages beyond its memory limit; by default hundreds of megabytes of them.
        .with("allocator_background_threads", "true")?
        .with("allocator_flush_threshold", "4MiB")?
        .with("allocator_bulk_deallocation_flush_threshold", "16MiB")?
        .with("default_null_order", "nulls_last")?;
    match path {
        Some(path) => config.with("temp_directory", path.with_extension("tmp").to_string_lossy()),
        None => Ok(config),
    }
}

/// Opens the file (`None`: memory) and creates what is missing in it.
pub(super) fn connect(path: Option<&Path>, budget: Budget) -> duckdb::Result<Connection> {
    let config = config(path, budget)?;
    let connection = match path {
        Some(path) => Connection::open_with_flags(path, config)?,
        None => Connection::open_in_memory_with_flags(config)?,
    };
    ddl::create(&connection)?;
    connection.execute_batch("SET enable_external_access = false")?;
    Ok(connection)
}
