//! Events of teams in the current calendar month (UTC), as far as their plans limit them.
//!
//! - The intake's task decides and counts, one event after the other, so no team ever has one too many.
//! - Counts are written with the group of events that they count.

use chrono::{DateTime, Datelike as _};
use rustc_hash::FxHashMap;
use uuid::Uuid;

/// Months since the year 0 of an instant in milliseconds since 1970 UTC.
#[must_use]
pub fn month_of(ms: i64) -> i64 {
    let at = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

/// Counts of teams in one month.
#[derive(Debug, Default)]
pub struct TeamEvents {
    month: i64,
    counts: FxHashMap<Uuid, u64>,
}

impl TeamEvents {
    /// The stored counts of a month.
    #[must_use]
    pub fn new(month: i64, counts: impl IntoIterator<Item = (Uuid, u64)>) -> Self {
        Self { month, counts: counts.into_iter().collect() }
    }

    /// Begins the month of an instant, if it is a later one.
    pub fn advance(&mut self, now_ms: i64) {
        let month = month_of(now_ms);
        if month > self.month {
            *self = Self::new(month, []);
        }
    }

    /// Whether the team may send no more this month.
    #[must_use]
    pub fn is_full(&self, team: Uuid, limit: u64) -> bool {
        self.counts.get(&team).copied().unwrap_or(0) >= limit
    }

    /// Counts an event.
    pub fn add(&mut self, team: Uuid) {
        *self.counts.entry(team).or_default() += 1;
    }

    /// Takes back an event that was not written.
    pub fn undo(&mut self, team: Uuid) {
        if let Some(count) = self.counts.get_mut(&team) {
            *count = count.saturating_sub(1);
        }
    }

    /// The counts of these teams, to be written: team, month, events.
    #[must_use]
    pub fn of(&self, teams: &[Uuid]) -> Vec<(Uuid, i64, u64)> {
        let mut teams = teams.to_vec();
        teams.sort_unstable();
        teams.dedup();
        let count = |team: Uuid| (team, self.month, self.counts.get(&team).copied().unwrap_or(0));
        teams.into_iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_midnight_utc_with_no_events() {
        let at = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        let team = Uuid::from_u128(1);
        let mut events = TeamEvents::new(month_of(at("2026-12-31T23:59:59.999Z")), [(team, 9)]);
        events.add(team);
        assert!(events.is_full(team, 10) && !events.is_full(team, 11));
        events.advance(at("2026-12-01T00:00:00Z"));
        assert!(events.is_full(team, 10));
        events.advance(at("2027-01-01T00:00:00Z"));
        assert!(!events.is_full(team, 10));
        events.add(team);
        events.undo(team);
        assert_eq!(events.of(&[team, team]), [(team, 2027 * 12, 0)]);
    }
}
