//! Rebuilds visits from stored events: those that were open when the process ended, and those around late events.
//!
//! - Only the columns that visits need are read, in parts of bounded size.
//! - A start leaves no visit open: it closes those it finds, and the visitor's next event reopens its visit.

use std::{borrow::Borrow, collections::BTreeMap};

use duckdb::{Connection, params};
use rustc_hash::FxHashSet as HashSet;
use schema::analytics::event::VISIT_GAP_MS;
use uuid::Uuid;

use super::{
    by_visitor::{Groups, Who, who},
    columns::{append_visit, read_event, visit_event_bytes, visit_event_columns},
    visits::Visit,
};

/// Approximate memory of the events that are read at once.
const PART_BYTES: u64 = 8 << 20;

/// Approximate memory of an event without its texts.
const EVENT_BYTES: u64 = 300;

/// A time span in milliseconds since 1970 UTC, inclusive.
pub type Window = (i64, i64);

/// Closes the visits that were open at the last commit.
///
/// # Errors
/// Errors of the store.
pub fn close_interrupted(connection: &Connection) -> duckdb::Result<()> {
    connection.execute_batch(
        "INSERT INTO progress (open_since_ms, journal) SELECT 9223372036854775807, 0 WHERE NOT EXISTS (FROM progress)",
    )?;
    let since: i64 = connection.query_row("SELECT open_since_ms FROM progress", [], |row| row.get(0))?;
    if since == i64::MAX {
        return Ok(());
    }
    let from = format!(
        "events e WHERE time_ms >= {since} AND NOT EXISTS (SELECT 1 FROM visits v WHERE v.website_id = e.website_id \
         AND v.visitor = e.visitor AND (v.bot <> '') = (e.bot <> '') AND e.time_ms >= v.start_ms AND e.time_ms <= v.end_ms AND v.end_ms >= {since})"
    );
    // Each part is committed separately: after an interrupted start, the next one continues with the rest.
    replay(connection, &from, |visits| append_visits(connection, &visits))?;
    connection.execute_batch("UPDATE progress SET open_since_ms = 9223372036854775807")
}

/// Stores closed visits.
///
/// # Errors
/// Errors of the store, such as a full disk.
pub fn append_visits(connection: &Connection, visits: &[impl Borrow<Visit>]) -> duckdb::Result<()> {
    if visits.is_empty() {
        return Ok(());
    }
    let mut appender = connection.appender("visits")?;
    for visit in visits {
        append_visit(&mut appender, visit.borrow())?;
    }
    appender.flush()
}

/// The runs of the batch with an event that may fall into a closed visit. `closed_until` is the end of the last closed
/// visit of each website.
///
/// # Errors
/// Errors of the store.
pub fn visits_touched(
    connection: &Connection,
    closed_until: impl Fn(Uuid) -> Option<i64>,
    groups: &Groups<'_>,
) -> duckdb::Result<HashSet<Who>> {
    let windows: BTreeMap<Who, Window> = groups
        .iter()
        .filter_map(|(who, events)| {
            let (first, last) = (events.first()?.time_ms, events.last()?.time_ms);
            let reached = closed_until(who.0).is_some_and(|until| first <= until.saturating_add(VISIT_GAP_MS));
            reached.then_some((who, widened((first, last))))
        })
        .collect();
    if windows.is_empty() {
        return Ok(HashSet::default());
    }
    let whole = write_windows(connection, "reached", &windows)?;
    let touched = connection
        .prepare(&format!(
            "SELECT DISTINCT r.website_id, r.visitor, r.is_bot FROM temp.reached r JOIN visits v ON v.website_id = r.website_id \
             AND v.visitor = r.visitor AND (v.bot <> '') = r.is_bot AND v.end_ms >= r.from_ms AND v.start_ms <= r.until_ms \
             WHERE v.end_ms >= {} AND v.start_ms <= {}",
            whole.0, whole.1
        ))?
        .query_map([], |row| Ok((Uuid::from_u128(row.get(0)?), row.get(1)?, row.get(2)?)))?
        .collect::<duckdb::Result<HashSet<Who>>>()?;
    connection.execute_batch("DROP TABLE temp.reached")?;
    Ok(touched)
}

/// Rebuilds the visits within these windows from the stored events; closed visits that overlap a window are removed
/// whole. Emits the visits; those of one visitor are consecutive, in chronological order.
///
/// # Errors
/// Errors of the store.
pub fn rebuild(
    connection: &Connection,
    windows: &BTreeMap<Who, Window>,
    mut each: impl FnMut(Vec<Visit>),
) -> duckdb::Result<()> {
    let whole = write_windows(connection, "late", windows)?;
    let within = format!("v.end_ms >= {} AND v.start_ms <= {}", whole.0, whole.1);
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE widened AS SELECT l.website_id, l.visitor, l.is_bot, least(min(l.from_ms), min(v.start_ms)) AS from_ms, \
           greatest(max(l.until_ms), max(v.end_ms)) AS until_ms FROM temp.late l LEFT JOIN (FROM visits v WHERE {within}) v \
           ON v.website_id = l.website_id AND v.visitor = l.visitor AND (v.bot <> '') = l.is_bot AND v.end_ms >= l.from_ms AND v.start_ms <= l.until_ms \
           GROUP BY l.website_id, l.visitor, l.is_bot; \
         DELETE FROM visits v USING temp.widened w WHERE v.website_id = w.website_id AND v.visitor = w.visitor AND (v.bot <> '') = w.is_bot \
           AND v.start_ms >= w.from_ms AND v.end_ms <= w.until_ms AND {within}"
    ))?;
    let (from, until): Window = connection.query_row(
        "SELECT coalesce(min(from_ms), 0), coalesce(max(until_ms), -1) FROM temp.widened",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let from = format!(
        "events e JOIN temp.widened w ON w.website_id = e.website_id AND w.visitor = e.visitor AND w.is_bot = (e.bot <> '') \
         AND e.time_ms >= w.from_ms AND e.time_ms <= w.until_ms WHERE e.time_ms >= {from} AND e.time_ms <= {until}"
    );
    replay(connection, &from, |visits| {
        each(visits);
        Ok(())
    })?;
    connection.execute_batch("DROP TABLE temp.late; DROP TABLE temp.widened")
}

/// The window around both.
pub fn joined(one: Window, other: Window) -> Window {
    (one.0.min(other.0), one.1.max(other.1))
}

/// A window and the gap on both sides.
pub const fn widened((from, until): Window) -> Window {
    (from.saturating_sub(VISIT_GAP_MS), until.saturating_add(VISIT_GAP_MS))
}

/// Writes windows to a temporary table. Returns the window around all of them.
fn write_windows(connection: &Connection, table: &str, windows: &BTreeMap<Who, Window>) -> duckdb::Result<Window> {
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE {table} (website_id UHUGEINT, visitor UBIGINT, is_bot BOOLEAN, from_ms BIGINT, until_ms BIGINT)"
    ))?;
    let mut appender = connection.appender_to_catalog_and_db(table, "temp", "main")?;
    let mut whole = (i64::MAX, i64::MIN);
    for ((website, visitor, is_bot), (from, until)) in windows {
        appender.append_row(params![website.as_u128(), visitor, is_bot, from, until])?;
        whole = (whole.0.min(*from), whole.1.max(*until));
    }
    appender.flush()?;
    Ok(whole)
}

/// Emits, in parts, the visits of the events `from` (a FROM clause with its WHERE); those of one visitor are in one
/// part, consecutive, in chronological order.
fn replay(
    connection: &Connection,
    from: &str,
    mut each: impl FnMut(Vec<Visit>) -> duckdb::Result<()>,
) -> duckdb::Result<()> {
    let bytes: u64 = connection.query_row(
        &format!("SELECT coalesce(sum({EVENT_BYTES} + {}), 0)::UBIGINT FROM {from}", visit_event_bytes()),
        [],
        |row| row.get(0),
    )?;
    if bytes == 0 {
        return Ok(());
    }
    // The engine hands results over whole; visitors' keys are hashes, so these parts are about equal.
    let (parts, columns) = (bytes / PART_BYTES + 1, visit_event_columns());
    for part in 0..parts {
        let mut statement = connection.prepare(&format!(
            "SELECT {columns} FROM {from} AND e.visitor % {parts} = {part} \
             ORDER BY e.website_id, e.visitor, e.bot <> '', e.time_ms, e.rowid"
        ))?;
        let mut rows = statement.query([])?;
        let mut visits: Vec<Visit> = Vec::new();
        while let Some(row) = rows.next()? {
            let event = read_event(row)?;
            match visits.last_mut() {
                Some(visit) if visit.who() == who(&event) && visit.reaches(event.time_ms) => visit.add(&event),
                _ => visits.push(Visit::begun_by(&event)),
            }
        }
        // The engine's memory is free again before more of it is needed.
        drop(rows);
        drop(statement);
        each(visits)?;
    }
    Ok(())
}
