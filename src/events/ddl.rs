//! Tables of the event store.

use duckdb::Connection;

use super::{columns, people};

/// Tables whose columns are not those of events and visits.
const OTHERS: &str = "
CREATE TABLE IF NOT EXISTS imported_logs (
    website_id UHUGEINT NOT NULL,
    log UBIGINT NOT NULL,
    page_views UBIGINT NOT NULL,
    digest UHUGEINT NOT NULL
);
CREATE TABLE IF NOT EXISTS progress (open_since_ms BIGINT NOT NULL, journal BIGINT NOT NULL DEFAULT 0);
ALTER TABLE progress ADD COLUMN IF NOT EXISTS journal BIGINT DEFAULT 0;
ALTER TABLE progress ADD COLUMN IF NOT EXISTS must_rewrite BOOLEAN DEFAULT false;
";

/// Tables with rows of websites; `events` is the first.
pub const OF_WEBSITES: [&str; 5] = ["events", "visits", "imported_logs", "people", "identities"];

/// Creates what is missing, also in a file of an earlier version. Safe to run at each start.
///
/// # Errors
/// Errors of the store, such as a full disk.
pub fn create(connection: &Connection) -> duckdb::Result<()> {
    columns::create(connection)?;
    connection.execute_batch(people::TABLES)?;
    connection.execute_batch(OTHERS)
}

/// Per reader connection: the website's open visits, copied from memory before a query, and the parts of visits that
/// cross a boundary of the query.
pub const TEMPORARY: &str = "CREATE TEMP TABLE IF NOT EXISTS open_visits AS FROM visits LIMIT 0;";
