//! Requests of API keys, counted in memory until they are written.
//!
//! - A request costs no write. Counts not yet written are added to those of the rows.
//! - A failed write loses nothing: counts leave memory only after the commit.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use entity::api_key;
use uuid::Uuid;

/// The UTC month of an instant, `YYYY-MM`.
#[must_use]
pub fn month(at: DateTime<Utc>) -> String {
    at.format("%Y-%m").to_string()
}

/// A key and a month.
pub(crate) type KeyMonth = (Uuid, String);

/// Requests of one key in one month that are not yet written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) requests: i64,
    pub(crate) last_at: DateTime<Utc>,
}

/// Requests of one key, written and unwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// In the current UTC month.
    pub(crate) monthly: i64,
    /// Since the key was created.
    pub(crate) total: i64,
}

/// The counts in a key's row when it was last read.
#[derive(Debug, Clone)]
struct Seen {
    total: i64,
    monthly: i64,
    month: String,
    plan: String,
}

impl Seen {
    fn new(row: &api_key::Model, plan: &str) -> Self {
        Self {
            total: row.total_requests,
            monthly: row.monthly_requests,
            month: row.month.clone(),
            plan: plan.to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    pending: HashMap<KeyMonth, Pending>,
    seen: HashMap<Uuid, Seen>,
}

impl Counts {
    fn add(&mut self, id: Uuid, now: DateTime<Utc>) {
        let entry = self.pending.entry((id, month(now))).or_insert(Pending { requests: 0, last_at: now });
        entry.requests = entry.requests.saturating_add(1);
        entry.last_at = Ord::max(entry.last_at, now);
    }

    fn counted(&self, id: Uuid, seen: &Seen, now: DateTime<Utc>) -> Counted {
        let this_month = month(now);
        let pending = |of: &str| self.pending.get(&(id, of.to_owned())).map_or(0, |pending| pending.requests);
        let all: i64 = self.pending.iter().filter(|((key, _), _)| *key == id).map(|(_, each)| each.requests).sum();
        let written = if seen.month == this_month { seen.monthly } else { 0 };
        Counted { monthly: written.saturating_add(pending(&this_month)), total: seen.total.saturating_add(all) }
    }
}

/// Requests of API keys that are counted but not yet written.
#[derive(Debug, Default)]
pub struct KeyUsage(Mutex<Counts>);

impl KeyUsage {
    // Counts stay sound whatever a panicking thread did between two statements: each statement leaves the maps whole.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one request of a key.
    pub(crate) fn count(&self, row: &api_key::Model, plan: &str, now: DateTime<Utc>) {
        let mut counts = self.counts();
        counts.add(row.id, now);
        counts.seen.insert(row.id, Seen::new(row, plan));
    }

    /// Counts one more request of a key whose row was read before.
    pub(crate) fn count_again(&self, id: Uuid, now: DateTime<Utc>) {
        self.counts().add(id, now);
    }

    /// The requests of a key, from its row.
    pub(crate) fn counted_with(&self, row: &api_key::Model, now: DateTime<Utc>) -> Counted {
        self.counts().counted(row.id, &Seen::new(row, ""), now)
    }

    /// The requests of a key whose row was read before, and its team's plan at that time.
    pub(crate) fn counted(&self, id: Uuid, now: DateTime<Utc>) -> Option<(String, Counted)> {
        let counts = self.counts();
        let seen = counts.seen.get(&id)?;
        Some((seen.plan.clone(), counts.counted(id, seen, now)))
    }

    /// The unwritten counts, older months first.
    pub(crate) fn pending(&self) -> Vec<(KeyMonth, Pending)> {
        let mut pending: Vec<(KeyMonth, Pending)> =
            self.counts().pending.iter().map(|(key, pending)| (key.clone(), *pending)).collect();
        pending.sort_by(|(a, _), (b, _)| a.1.cmp(&b.1));
        pending
    }

    /// Records that these requests were written.
    pub(crate) fn were_written(&self, written: &[(KeyMonth, Pending)]) {
        let mut counts = self.counts();
        for (key, written) in written {
            if let Some(pending) = counts.pending.get_mut(key) {
                pending.requests = pending.requests.saturating_sub(written.requests);
            }
            let (id, month) = key;
            if let Some(seen) = counts.seen.get_mut(id) {
                seen.total = seen.total.saturating_add(written.requests);
                seen.monthly = if seen.month == *month { seen.monthly } else { 0 }.saturating_add(written.requests);
                seen.month.clone_from(month);
            }
        }
        counts.pending.retain(|_, pending| pending.requests > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_at_midnight_utc() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(month(at("2026-03-31T23:59:59.999Z")), "2026-03");
        assert_eq!(month(at("2026-04-01T00:00:00Z")), "2026-04");
    }
}
