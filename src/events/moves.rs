//! Visits whose visitor gets another key, because an import finds that they continue from the day before.

use std::collections::BTreeMap;

use duckdb::{Connection, params};
use schema::ports::VisitMove;

use super::{
    by_visitor::Who,
    replay::{Window, joined},
};

/// Gives the events of these visits their new visitors. Returns the runs to rebuild, with their time windows.
///
/// # Errors
/// Errors of the store.
pub fn move_visits(connection: &Connection, moves: &[VisitMove]) -> duckdb::Result<BTreeMap<Who, Window>> {
    let mut touched: BTreeMap<Who, Window> = BTreeMap::new();
    if moves.is_empty() {
        return Ok(touched);
    }
    connection.execute_batch(
        "CREATE OR REPLACE TEMP TABLE moved (website_id UHUGEINT, visitor UBIGINT, from_ms BIGINT, until_ms BIGINT, next_visitor UBIGINT)",
    )?;
    let mut appender = connection.appender_to_catalog_and_db("moved", "temp", "main")?;
    let mut whole = (i64::MAX, i64::MIN);
    for VisitMove { website, visit, visitor } in moves {
        appender.append_row(params![website.as_u128(), visit.visitor, visit.start_ms, visit.end_ms, visitor])?;
        let window = (visit.start_ms, visit.end_ms);
        whole = joined(whole, window);
        for key in [visit.visitor, *visitor] {
            let touched = touched.entry((*website, key, false)).or_insert(window);
            *touched = joined(*touched, window);
        }
    }
    appender.flush()?;
    drop(appender);
    connection.execute_batch(&format!(
        "UPDATE events e SET visitor = m.next_visitor FROM temp.moved m WHERE e.website_id = m.website_id AND e.visitor = m.visitor \
         AND e.bot = '' AND e.time_ms BETWEEN m.from_ms AND m.until_ms AND e.time_ms BETWEEN {} AND {}; DROP TABLE temp.moved",
        whole.0, whole.1
    ))?;
    Ok(touched)
}
