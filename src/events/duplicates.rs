//! Detects events of a batch that are already stored: batches of imports overlap and are sent again, and orders are reported
//! by several senders.

use duckdb::{Connection, params};
use rustc_hash::{FxBuildHasher, FxHashSet as HashSet};
use schema::analytics::event::{Event, EventKind};
use uuid::Uuid;

use super::sql::kinds;

/// Removes events whose ID is stored for the same time and website, and later copies within the batch.
///
/// # Errors
/// Errors of the store.
pub fn leave_out_stored(connection: &Connection, events: &mut Vec<Event>) -> duckdb::Result<()> {
    let (Some(from), Some(until)) =
        (events.iter().map(|event| event.time_ms).min(), events.iter().map(|event| event.time_ms).max())
    else {
        return Ok(());
    };
    connection
        .execute_batch("CREATE OR REPLACE TEMP TABLE sent (website_id UHUGEINT, event_id UHUGEINT, time_ms BIGINT)")?;
    let mut appender = connection.appender_to_catalog_and_db("sent", "temp", "main")?;
    for event in events.iter() {
        appender.append_row(params![event.website.as_u128(), event.id.as_u128(), event.time_ms])?;
    }
    appender.flush()?;
    drop(appender);
    // Only what is there twice leaves the engine, however many events lie between the first and the last of the batch.
    let mut statement = connection.prepare(&format!(
        "SELECT website_id, event_id, time_ms FROM events SEMI JOIN temp.sent USING (website_id, event_id, time_ms) \
         WHERE time_ms BETWEEN {from} AND {until}"
    ))?;
    let stored = statement
        .query_map([], |row| Ok((Uuid::from_u128(row.get(0)?), Uuid::from_u128(row.get(1)?), row.get::<_, i64>(2)?)))?;
    let mut seen: HashSet<(Uuid, Uuid, i64)> = HashSet::with_capacity_and_hasher(events.len(), FxBuildHasher);
    for known in stored {
        seen.insert(known?);
    }
    events.retain(|event| seen.insert((event.website, event.id, event.time_ms)));
    connection.execute_batch("DROP TABLE temp.sent")
}

/// Removes orders and refunds that are stored, whenever that was, and later copies within the batch: their IDs follow from the
/// order.
///
/// # Errors
/// Errors of the store.
pub fn leave_out_stored_orders(connection: &Connection, events: &mut Vec<Event>) -> duckdb::Result<()> {
    let is_order = |event: &Event| event.kind == EventKind::Revenue && event.properties.contains("\"order_id\"");
    if !events.iter().any(is_order) {
        return Ok(());
    }
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE ordered (website_id UHUGEINT, event_id UHUGEINT)")?;
    let mut appender = connection.appender_to_catalog_and_db("ordered", "temp", "main")?;
    for event in events.iter().filter(|event| is_order(event)) {
        appender.append_row(params![event.website.as_u128(), event.id.as_u128()])?;
    }
    appender.flush()?;
    drop(appender);
    let mut statement = connection.prepare(&format!(
        "SELECT website_id, event_id FROM events SEMI JOIN temp.ordered USING (website_id, event_id) WHERE {}",
        kinds(|kind| kind == EventKind::Revenue)
    ))?;
    let stored = statement.query_map([], |row| Ok((Uuid::from_u128(row.get(0)?), Uuid::from_u128(row.get(1)?))))?;
    let mut seen = stored.collect::<duckdb::Result<HashSet<(Uuid, Uuid)>>>()?;
    events.retain(|event| !is_order(event) || seen.insert((event.website, event.id)));
    connection.execute_batch("DROP TABLE temp.ordered")
}
