//! Tables of the event store, and the columns that rows are written to and read from, in order.
//!
//! - No indexes: the fact tables are scanned by column, pruned by the zone maps that time order gives.
//! - Text is never NULL; the empty string means "none".

/// Creates what is missing, also in a file of an earlier version. Safe to run at each start.
pub const TABLES: &str = "
CREATE TABLE IF NOT EXISTS events (
    website_id UHUGEINT NOT NULL,
    time_ms BIGINT NOT NULL,
    event_id UHUGEINT NOT NULL,
    visitor UBIGINT NOT NULL,
    kind UTINYINT NOT NULL,
    name VARCHAR NOT NULL,
    hostname VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    referrer VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    utm_source VARCHAR NOT NULL,
    utm_medium VARCHAR NOT NULL,
    utm_campaign VARCHAR NOT NULL,
    utm_term VARCHAR NOT NULL,
    utm_content VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    region VARCHAR NOT NULL,
    city VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    os_version VARCHAR NOT NULL,
    screen VARCHAR NOT NULL,
    language VARCHAR NOT NULL,
    properties VARCHAR NOT NULL,
    amount_micros BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    bot VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS visits (
    website_id UHUGEINT NOT NULL,
    visitor UBIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    pageviews INTEGER NOT NULL,
    events INTEGER NOT NULL,
    interactions INTEGER NOT NULL,
    conversions INTEGER NOT NULL,
    score UTINYINT NOT NULL,
    entry_page VARCHAR NOT NULL,
    exit_page VARCHAR NOT NULL,
    referrer VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    utm_source VARCHAR NOT NULL,
    utm_medium VARCHAR NOT NULL,
    utm_campaign VARCHAR NOT NULL,
    utm_term VARCHAR NOT NULL,
    utm_content VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    region VARCHAR NOT NULL,
    city VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    os_version VARCHAR NOT NULL,
    screen VARCHAR NOT NULL,
    language VARCHAR NOT NULL,
    bot VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS imported_logs (
    website_id UHUGEINT NOT NULL,
    log UBIGINT NOT NULL,
    page_views UBIGINT NOT NULL,
    digest UHUGEINT NOT NULL
);
CREATE TABLE IF NOT EXISTS progress (open_since_ms BIGINT NOT NULL, journal BIGINT NOT NULL DEFAULT 0);
ALTER TABLE events ADD COLUMN IF NOT EXISTS bot VARCHAR DEFAULT '';
ALTER TABLE visits ADD COLUMN IF NOT EXISTS bot VARCHAR DEFAULT '';
ALTER TABLE progress ADD COLUMN IF NOT EXISTS journal BIGINT DEFAULT 0;
";

/// Per reader connection: the website's open visits, copied from memory before a query, and the parts of visits that
/// cross a boundary of the query.
pub const TEMPORARY: &str = "CREATE TEMP TABLE IF NOT EXISTS open_visits AS FROM visits LIMIT 0;";
