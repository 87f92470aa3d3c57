//! The statement that lists visitors.

use schema::score::HISTORY_MS;

use super::{Compiler, sql_terms::Statement};

impl Compiler<'_> {
    /// Visitors by their latest visit in the range, one more than requested if there are more.
    #[must_use]
    pub fn visitors(&self, offset: u64, after: Option<(i64, u64)>, limit: u32, open: bool) -> Statement {
        let mut statement = Statement::default();
        let span = self.basis.span;
        let visits = self.visits_in_question(open, &mut statement);
        let having = after
            .map(|(ms, visitor)| {
                format!(" HAVING max(start_ms) < {ms} OR (max(start_ms) = {ms} AND visitor > {visitor}::UBIGINT)")
            })
            .unwrap_or_default();
        // A visit that spans the whole range may have no event inside it.
        let inside = format!(
            "(start_ms >= {0} OR end_ms < {1} OR visitor IN (SELECT visitor FROM events WHERE {2}))",
            span.start_ms,
            span.end_ms,
            self.events_in_range()
        );
        statement.text = format!(
            "WITH v AS (SELECT * FROM ({visits}) WHERE {inside}), \
             page AS MATERIALIZED (SELECT visitor, max(start_ms) AS latest, count(*) AS visits, sum(pageviews) AS pageviews FROM v GROUP BY visitor{having} \
               ORDER BY latest DESC, visitor LIMIT {} OFFSET {offset}), \
             earlier AS (SELECT e.visitor, count(*) AS visits, max(e.end_ms) AS end_ms FROM page JOIN {} e \
               ON e.visitor = page.visitor AND e.start_ms < page.latest AND e.start_ms >= page.latest - {HISTORY_MS} WHERE e.{} GROUP BY e.visitor) \
             SELECT DISTINCT ON (page.latest, page.visitor) page.visitor, page.latest, v.end_ms, page.visits::BIGINT, page.pageviews::BIGINT, v.country, v.city, v.device, v.browser, v.os, \
               v.entry_page, v.referrer, v.score, v.interactions > 0, coalesce(earlier.visits, 0)::UBIGINT, coalesce(page.latest - earlier.end_ms, -1)::BIGINT \
             FROM page JOIN v ON v.visitor = page.visitor AND v.start_ms = page.latest LEFT JOIN earlier ON earlier.visitor = page.visitor ORDER BY page.latest DESC, page.visitor",
            u64::from(limit) + 1,
            self.visits(open),
            self.of_website(),
        );
        statement
    }
}
