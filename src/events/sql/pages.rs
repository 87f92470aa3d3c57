//! Page details: title, entries, exits, time on page.

use schema::analytics::event::{EventKind, VISIT_GAP_MS};

use super::{Compiler, Statement, kinds};

impl Compiler<'_> {
    /// The latest end of the visits that continue after the range; the range's end without such visits.
    #[must_use]
    pub fn last_end(&self, open: bool) -> Statement {
        let end = self.basis.span.end_ms;
        let text = format!(
            "SELECT coalesce(max(end_ms), {end}) FROM {} WHERE {} AND start_ms < {end} AND end_ms >= {end}",
            self.visits(open),
            self.of_website()
        );
        Statement { text, values: Vec::new() }
    }

    /// One row per page, in the order of `paths`: title, entries, exits, mean milliseconds until the visit's next
    /// event, searched until `last_end_ms`.
    #[must_use]
    pub fn pages(&self, paths: &[String], last_end_ms: i64, open: bool) -> Statement {
        let mut statement = Statement::default();
        let span = self.basis.span;
        let visits = self.visits_in_question(open, &mut statement);
        let keys: Vec<String> = paths.iter().map(|path| statement.bind(path)).collect();
        let rows = (0..keys.len()).zip(&keys).map(|(at, key)| format!("({at}, {key})")).collect::<Vec<_>>().join(", ");
        let keys = keys.join(", ");
        let narrowed = if self.basis.filters.is_empty() {
            String::new()
        } else {
            format!(" SEMI JOIN v ON {}", self.in_visit("v"))
        };
        // The next event of the same visit is the visitor's next one within the gap that ends visits, or a later one that
        // heartbeats lead to, in a visit that is longer than the gap.
        statement.text = format!(
            "WITH v AS MATERIALIZED ({visits}), \
             wanted(number, path) AS (VALUES {rows}), \
             e AS (SELECT e.visitor, e.bot <> '' AS by_bot, path, title, kind, time_ms, lead(time_ms) OVER (PARTITION BY e.visitor, e.bot <> '' ORDER BY time_ms, rowid) - time_ms AS until_ms \
               FROM (SELECT rowid, visitor, bot, path, title, kind, time_ms FROM events \
                 WHERE {website} AND time_ms >= {start} AND time_ms <= {last_end_ms} AND {is_activity}) e{narrowed}), \
             long AS (SELECT visitor AS of, bot <> '' AS of_bot, start_ms, end_ms FROM v WHERE end_ms - start_ms > {VISIT_GAP_MS}), \
             views AS (SELECT path, arg_max(title, time_ms) FILTER (title <> '') AS title, \
                 avg(until_ms) FILTER (until_ms <= {VISIT_GAP_MS} OR of IS NOT NULL) AS until_ms \
               FROM e LEFT JOIN long ON until_ms > {VISIT_GAP_MS} AND of = visitor AND of_bot = by_bot AND time_ms >= start_ms AND time_ms + until_ms <= end_ms \
               WHERE {is_pageview} AND time_ms < {end} AND path IN ({keys}) GROUP BY path), \
             entries AS (SELECT entry_page AS path, count(*) AS count FROM v WHERE start_ms >= {start} AND start_ms < {end} AND entry_page IN ({keys}) GROUP BY ALL), \
             exits AS (SELECT exit_page AS path, count(*) AS count FROM v WHERE start_ms >= {start} AND start_ms < {end} AND exit_page IN ({keys}) GROUP BY ALL) \
             SELECT coalesce(views.title, ''), coalesce(entries.count, 0), coalesce(exits.count, 0), views.until_ms FROM wanted \
               LEFT JOIN views USING (path) LEFT JOIN entries USING (path) LEFT JOIN exits USING (path) ORDER BY wanted.number",
            is_activity = kinds(EventKind::is_activity),
            is_pageview = kinds(EventKind::is_pageview),
            website = self.of_website(),
            start = span.start_ms,
            end = span.end_ms,
        );
        statement
    }
}
