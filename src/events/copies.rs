//! Detects page views of an import that are already stored: from the same log, and copies of lines from others.
//!
//! - A page view whose ID is stored is the same line of the same log.
//! - A line equal to a stored one of another log is a separate request, as logged by servers behind a load balancer;
//!   within a run where nearly all are stored it is a copy, as in files that were split or joined.

use std::collections::HashMap;

use duckdb::{Connection, params};
use rustc_hash::{FxHashMap, FxHashSet};
use schema::{analytics::event::Event, ports::ImportedPageView};
use uuid::Uuid;

use crate::import::line_id::{LINE_MASK, line};

/// Number of consecutive page views examined together.
const STRETCH: usize = 50;

/// How many of a run must be stored for it to be a copy.
const STORED: usize = 45;

/// The stored parts of a batch.
#[derive(Debug, Default)]
pub struct Stored {
    /// Ids.
    pub ids: FxHashSet<(Uuid, i64, Uuid)>,
    /// How many equal lines, by website, instant and [`line`].
    pub lines: FxHashMap<(Uuid, i64, u64), u64>,
}

impl Stored {
    /// Adds a stored event.
    pub fn add(&mut self, website: Uuid, time_ms: i64, id: Uuid) {
        self.ids.insert((website, time_ms, id));
        *self.lines.entry((website, time_ms, line(id))).or_default() += 1;
    }

    /// The page views that are not stored, in the same order.
    #[must_use]
    pub fn leave_out(&self, page_views: Vec<ImportedPageView>) -> Vec<Event> {
        let all = page_views.len();
        let is_stored = |event: &Event| self.ids.contains(&(event.website, event.time_ms, event.id));
        let others: Vec<ImportedPageView> = page_views.into_iter().filter(|view| !is_stored(&view.event)).collect();
        let is_equal = |view: &ImportedPageView| {
            let stored = self.lines.get(&(view.event.website, view.event.time_ms, view.line));
            stored.is_some_and(|stored| view.equal_before < *stored)
        };
        // The few lines by which a log has grown are not enough evidence.
        let are_few = others.len() < all && others.len() < STRETCH;
        let equal: Vec<bool> = others.iter().map(|view| !are_few && is_equal(view)).collect();
        others.into_iter().zip(copied(&equal)).filter(|(_, is_copy)| !is_copy).map(|(view, _)| view.event).collect()
    }
}

/// Which of the page views are copies, given whether an equal one is stored: those in a run where nearly all are
/// stored.
fn copied(equal: &[bool]) -> Vec<bool> {
    let length = STRETCH.min(equal.len());
    let enough = (length * STORED).div_ceil(STRETCH);
    let mut copied = vec![false; equal.len()];
    if length == 0 || !equal.contains(&true) {
        return copied;
    }
    let mut marked = 0;
    let mut stored = 0;
    for end in 1..=equal.len() {
        stored += usize::from(equal.get(end - 1) == Some(&true));
        if let Some(from) = end.checked_sub(length) {
            if stored >= enough {
                for at in marked.max(from)..end {
                    if let (Some(copied), Some(equal)) = (copied.get_mut(at), equal.get(at)) {
                        *copied = *equal;
                    }
                }
                marked = end;
            }
            stored -= usize::from(equal.get(from) == Some(&true));
        }
    }
    copied
}

/// The stored ones among these page views and lines equal to theirs.
///
/// # Errors
/// Errors of the store.
pub fn stored(connection: &Connection, page_views: &[ImportedPageView]) -> duckdb::Result<Stored> {
    let mut stored = Stored::default();
    let times = || page_views.iter().map(|view| view.event.time_ms);
    let (Some(from), Some(until)) = (times().min(), times().max()) else { return Ok(stored) };
    let websites: HashMap<Uuid, ()> = page_views.iter().map(|view| (view.event.website, ())).collect();
    let websites: Vec<String> = websites.keys().map(|website| format!("{}::UHUGEINT", website.as_u128())).collect();
    let within = format!("website_id IN ({}) AND time_ms BETWEEN {from} AND {until}", websites.join(", "));
    // Most imports contain only events newer than the stored ones.
    let any: bool =
        connection.query_row(&format!("SELECT EXISTS (FROM events WHERE {within})"), [], |row| row.get(0))?;
    if !any {
        return Ok(stored);
    }
    connection
        .execute_batch("CREATE OR REPLACE TEMP TABLE sent (website_id UHUGEINT, time_ms BIGINT, line UHUGEINT)")?;
    let mut appender = connection.appender_to_catalog_and_db("sent", "temp", "main")?;
    for view in page_views {
        appender.append_row(params![view.event.website.as_u128(), view.event.time_ms, u128::from(view.line)])?;
    }
    appender.flush()?;
    drop(appender);
    // Only what is there twice leaves the engine, however many events lie between the first and the last of the batch.
    let mut statement = connection.prepare(&format!(
        "SELECT website_id, time_ms, event_id FROM \
         (SELECT website_id, time_ms, event_id, (event_id >> 64) & {LINE_MASK}::UHUGEINT AS line FROM events WHERE {within}) \
         SEMI JOIN temp.sent USING (website_id, time_ms, line)"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        stored.add(Uuid::from_u128(row.get(0)?), row.get(1)?, Uuid::from_u128(row.get(2)?));
    }
    drop(rows);
    drop(statement);
    connection.execute_batch("DROP TABLE temp.sent")?;
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1` for page views with an equal stored one, and which of them are copies.
    fn copies(equal: &str) -> String {
        let equal: Vec<bool> = equal.bytes().map(|byte| byte == b'1').collect();
        copied(&equal).into_iter().map(|is_copy| if is_copy { '1' } else { '0' }).collect()
    }

    #[test]
    fn equal_lines_are_copies_where_nearly_all_are_stored() {
        let (stored, new) = ("1".repeat(60), "0".repeat(60));
        for copied in [stored.clone(), format!("{stored}{new}"), format!("{new}{stored}{new}"), "1".into(), "".into()] {
            assert_eq!(copies(&copied), copied, "a whole stretch, and nothing beside it");
        }
        for own in ["10", "0110", &"10".repeat(50), &"1110".repeat(50), &format!("{new}1{new}"), &"11110".repeat(50)] {
            assert_eq!(copies(own), "0".repeat(own.len()), "{own}");
        }
        // One in twelve is not stored.
        let thinned = "111111111110".repeat(10);
        assert_eq!(copies(&thinned), thinned);
    }

    #[test]
    fn marks_are_those_of_a_plain_count() {
        let mut state = 7_u64;
        for _ in 0..200 {
            let equal: Vec<bool> = (0..180)
                .map(|at| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) % 100 < if at % 90 < 60 { 95 } else { 10 }
                })
                .collect();
            let mut plain = vec![false; equal.len()];
            for window in 0..=equal.len() - 50 {
                if equal[window..window + 50].iter().filter(|equal| **equal).count() >= 45 {
                    plain[window..window + 50].copy_from_slice(&equal[window..window + 50]);
                }
            }
            assert_eq!(copied(&equal), plain);
        }
    }
}
