//! The buckets of a series, as a table that maps time to buckets.

use super::super::dialect;

/// The buckets of a series as a table that maps slots of time to buckets.
pub(super) struct Buckets<'a> {
    edges: &'a [i64],
    unit_ms: i64,
}

impl<'a> Buckets<'a> {
    pub(super) fn new(edges: &'a [i64]) -> Self {
        let unit_ms = edges.iter().fold(0, |unit, edge| gcd(unit, edge.unsigned_abs()));
        Self { edges, unit_ms: i64::try_from(unit_ms).unwrap_or(1).max(1) }
    }

    /// Edges on odd seconds (zones before standard time) would need too many slots.
    fn is_slotted(&self) -> bool {
        let span = self.edges.last().unwrap_or(&0) - self.edges.first().unwrap_or(&0);
        span / self.unit_ms <= 200_000
    }

    /// `bucket, from_ms, until_ms` and, where slotted, `slot`.
    pub(super) fn table(&self) -> String {
        let list = |edges: &[i64]| edges.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let count = self.edges.len().saturating_sub(1);
        let (starts, ends) = (list(self.edges.get(..count).unwrap_or(&[])), list(self.edges.get(1..).unwrap_or(&[])));
        let rows = format!(
            "SELECT unnest(range({count})) AS bucket, unnest([{starts}]::BIGINT[]) AS from_ms, unnest([{ends}]::BIGINT[]) AS until_ms"
        );
        if self.is_slotted() {
            let unit = self.unit_ms;
            format!(
                "SELECT bucket, from_ms, until_ms, unnest(range(from_ms // {unit}, until_ms // {unit})) AS slot FROM ({rows})"
            )
        } else {
            rows
        }
    }

    pub(super) fn joins(&self, time: &str) -> String {
        if self.is_slotted() {
            format!("{} = b.slot", dialect::slot(time, self.unit_ms))
        } else {
            format!("{time} >= b.from_ms AND {time} < b.until_ms")
        }
    }
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
