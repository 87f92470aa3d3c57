//! Requests of API keys, counted in memory until they are written, and the limits that are checked with them.
//!
//! - A request costs no write. A key that was used is kept here until its counts are written and its minute is over.
//! - Checking and counting is one step under one lock, so concurrent requests never let one too many through.
//! - A failed write loses nothing: counts leave memory only after the commit.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Datelike as _, Utc};
use entity::api_key;
use uuid::Uuid;

use crate::rate_window::{self, Window};

/// The UTC month of an instant, `YYYY-MM`.
#[must_use]
pub fn month(at: DateTime<Utc>) -> String {
    at.format("%Y-%m").to_string()
}

/// Months since the year 0.
fn month_number(at: DateTime<Utc>) -> u32 {
    u32::try_from(at.year()).unwrap_or(0) * 12 + at.month0()
}

fn month_text(number: u32) -> String {
    format!("{:04}-{:02}", number / 12, number % 12 + 1)
}

/// Minutes for which an unused key without unwritten counts is kept: longer than any read of its row takes.
const IDLE_MINUTES: u32 = 2;

/// Locks that share the keys.
const SHARDS: usize = 16;

/// Requests of one key, written and unwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// In the current UTC month.
    pub monthly: i64,
    /// Since the key was created.
    pub total: i64,
    /// In the current minute.
    pub window: Window,
}

/// Maximum number of requests of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLimits {
    /// Per minute.
    pub minute: u32,
    /// Per UTC month.
    pub month: i64,
}

/// The limit that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// That of the minute.
    Minute,
    /// That of the month.
    Month,
}

/// Unwritten counts of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) id: Uuid,
    /// Requests that are not in the row's total.
    pub(crate) total: i64,
    /// Of them, those in `month`.
    pub(crate) monthly: i64,
    /// The month of the last request, `YYYY-MM`.
    pub(crate) month: String,
    pub(crate) last_at: DateTime<Utc>,
    pub(crate) window: Window,
    /// Country of the sender, if it was looked up since the last write.
    pub(crate) country: Option<String>,
}

/// The counts of one key. Every count but the last two includes what is written.
#[derive(Debug, Clone, Copy)]
struct Entry {
    total: i64,
    last_ms: i64,
    window: Window,
    month: u32,
    monthly: u32,
    /// Unwritten requests, in `month` and before it.
    unwritten: u32,
    unwritten_before: u32,
    plan: u8,
    /// Two capital letters; zeros if the country was not looked up since the last write.
    country: [u8; 2],
}

impl Entry {
    fn new(row: &api_key::Model, plan: u8, now: DateTime<Utc>) -> Self {
        let month = month_number(now);
        let monthly = if row.month == month_text(month) { row.monthly_requests } else { 0 };
        let minute = u32::try_from(row.window_minute).unwrap_or(0);
        let spent = u32::try_from(row.window_requests).unwrap_or(0);
        Self {
            total: row.total_requests,
            last_ms: 0,
            window: Window { minute, spent },
            month,
            monthly: u32::try_from(monthly).unwrap_or(u32::MAX),
            unwritten: 0,
            unwritten_before: 0,
            plan,
            country: [0; 2],
        }
    }

    /// Begins the minute and the month of `now`. A clock that was set back changes no month.
    fn advance(&mut self, now: DateTime<Utc>) {
        self.window.advance(rate_window::minute(now));
        let month = month_number(now);
        if month > self.month {
            self.unwritten_before = self.unwritten_before.saturating_add(self.unwritten);
            (self.month, self.monthly, self.unwritten) = (month, 0, 0);
        }
    }

    fn counted(mut self, now: DateTime<Utc>) -> Counted {
        self.advance(now);
        Counted { monthly: i64::from(self.monthly), total: self.total, window: self.window }
    }

    fn is_written(&self) -> bool {
        self.unwritten == 0 && self.unwritten_before == 0
    }

    fn spend(&mut self, units: u32, now: DateTime<Utc>) {
        self.window.spend(units);
        self.monthly = self.monthly.saturating_add(units);
        self.unwritten = self.unwritten.saturating_add(units);
        self.total = self.total.saturating_add(i64::from(units));
        self.last_ms = Ord::max(self.last_ms, now.timestamp_millis());
    }
}

/// Requests of API keys that were used lately.
#[derive(Debug)]
pub struct KeyUsage([Mutex<HashMap<Uuid, Entry>>; SHARDS]);

impl Default for KeyUsage {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl KeyUsage {
    // Counts stay sound whatever a panicking thread did between two statements: each statement leaves the map whole.
    fn shard(&self, id: Uuid) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        // The last bytes of an ID are random.
        let at = usize::from(id.as_bytes()[15]) % SHARDS;
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a key whose row was just read, with the number of its plan. Counts that are in memory stay.
    pub(crate) fn learn(&self, row: &api_key::Model, plan: u8, now: DateTime<Utc>) {
        let mut shard = self.shard(row.id);
        let entry = shard.entry(row.id).or_insert_with(|| Entry::new(row, plan, now));
        entry.plan = plan;
        // A key of this minute is not dropped before its request is counted.
        entry.advance(now);
    }

    /// Counts `units` requests of a key that was taken up before, unless a limit does not allow them. Returns the
    /// counts, and what was exceeded; `None` for an unknown key.
    pub(crate) fn spend(
        &self,
        id: Uuid,
        units: u32,
        limits: impl Fn(u8) -> Option<KeyLimits>,
        now: DateTime<Utc>,
    ) -> Option<(u8, Counted, Option<Exceeded>)> {
        let mut shard = self.shard(id);
        let entry = shard.get_mut(&id)?;
        entry.advance(now);
        let exceeded = match limits(entry.plan) {
            Some(limits) if i64::from(entry.monthly) + i64::from(units) > limits.month => Some(Exceeded::Month),
            Some(limits) if !entry.window.allows(units, limits.minute) => Some(Exceeded::Minute),
            _ => None,
        };
        if exceeded.is_none() {
            entry.spend(units, now);
        }
        Some((entry.plan, entry.counted(now), exceeded))
    }

    /// Notes the country that a key is used from, ISO 3166-1 alpha-2; ignores any other text.
    pub fn used_from(&self, id: Uuid, country: &str) {
        if let (Some(entry), Ok(country)) = (self.shard(id).get_mut(&id), country.as_bytes().try_into()) {
            entry.country = country;
        }
    }

    /// The requests of a key, from memory or from its row.
    pub(crate) fn counted_with(&self, row: &api_key::Model, now: DateTime<Utc>) -> Counted {
        let known = self.shard(row.id).get(&row.id).copied();
        known.unwrap_or_else(|| Entry::new(row, 0, now)).counted(now)
    }

    /// The requests of a key that was taken up before, and the number of its plan.
    pub(crate) fn counted(&self, id: Uuid, now: DateTime<Utc>) -> Option<(u8, Counted)> {
        let entry = *self.shard(id).get(&id)?;
        Some((entry.plan, entry.counted(now)))
    }

    /// The unwritten counts. Drops keys that have none and were not used lately.
    pub(crate) fn pending(&self, now: DateTime<Utc>) -> Vec<Pending> {
        let minute = rate_window::minute(now);
        let mut pending = Vec::new();
        for shard in &self.0 {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, entry| !entry.is_written() || entry.window.minute.saturating_add(IDLE_MINUTES) >= minute);
            if shard.len() * 4 < shard.capacity() {
                shard.shrink_to_fit();
            }
            let unwritten = shard.iter().filter(|(_, entry)| !entry.is_written());
            pending.extend(unwritten.map(|(id, entry)| Pending {
                id: *id,
                total: i64::from(entry.unwritten) + i64::from(entry.unwritten_before),
                monthly: i64::from(entry.unwritten),
                month: month_text(entry.month),
                last_at: DateTime::from_timestamp_millis(entry.last_ms).unwrap_or_default(),
                window: entry.window,
                country: str::from_utf8(&entry.country).ok().filter(|text| !text.contains('\0')).map(str::to_owned),
            }));
        }
        pending
    }

    /// Records that these requests were written.
    pub(crate) fn were_written(&self, written: &[Pending]) {
        for written in written {
            let mut shard = self.shard(written.id);
            let Some(entry) = shard.get_mut(&written.id) else { continue };
            // Requests of a month that has ended since are counted before it.
            let total = u32::try_from(written.total).unwrap_or(u32::MAX);
            let before = Ord::min(entry.unwritten_before, total);
            entry.unwritten_before -= before;
            entry.unwritten = entry.unwritten.saturating_sub(total - before);
        }
    }

    /// Number of keys in memory, and the bytes that they occupy.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let shards = self.0.iter().map(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            // The table has a byte of its own for each place, and leaves an eighth of them empty.
            let places = (shard.capacity() * 8 / 7).next_power_of_two();
            (shard.len(), places * (size_of::<(Uuid, Entry)>() + 1))
        });
        shards.fold((0, 0), |(keys, bytes), (more, size)| (keys + more, bytes + size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn row(number: u128) -> api_key::Model {
        let now = at("2026-03-01T00:00:00Z");
        api_key::Model {
            id: Uuid::from_u128(number),
            team_id: Uuid::nil(),
            website_id: None,
            name: String::new(),
            prefix: String::new(),
            hash: String::new(),
            created_by: None,
            created_at: now,
            last_used_at: None,
            revoked_at: None,
            total_requests: 100,
            monthly_requests: 40,
            month: "2026-03".into(),
            expires_at: None,
            window_minute: 0,
            window_requests: 0,
            scopes: 3,
            allowed_origins: serde_json::json!([]),
            allowed_networks: serde_json::json!([]),
            rotated_at: None,
            last_used_country: None,
        }
    }

    const FREE: KeyLimits = KeyLimits { minute: 10, month: 1_000 };

    #[test]
    fn a_month_ends_at_midnight_utc() {
        assert_eq!(month(at("2026-03-31T23:59:59.999Z")), "2026-03");
        assert_eq!(month(at("2026-04-01T00:00:00Z")), "2026-04");
        for text in ["2026-03-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"] {
            assert_eq!(month_text(month_number(at(text))), month(at(text)));
        }
    }

    #[test]
    fn of_concurrent_requests_exactly_those_within_the_limit_are_counted() {
        let (usage, row, now) = (KeyUsage::default(), row(1), at("2026-03-04T05:06:07Z"));
        usage.learn(&row, 0, now);
        let ask = || usage.spend(row.id, 1, |_| Some(FREE), now).unwrap().2.is_none();
        let allowed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..500).filter(|_| ask()).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(allowed, 10);
        let counted = usage.counted(row.id, now).unwrap().1;
        assert_eq!((counted.monthly, counted.total, counted.window.spent), (50, 110, 10));
    }

    #[test]
    fn the_quota_of_the_month_is_exact_and_ends_with_it() {
        let (usage, row) = (KeyUsage::default(), row(1));
        let limits = KeyLimits { minute: u32::MAX, month: 42 };
        let ask = |now| usage.spend(row.id, 1, |_| Some(limits), at(now)).unwrap().2;
        usage.learn(&row, 0, at("2026-03-31T23:59:58Z"));
        assert_eq!([(); 3].map(|()| ask("2026-03-31T23:59:59Z")), [None, None, Some(Exceeded::Month)]);
        assert_eq!(ask("2026-04-01T00:00:00Z"), None);
        let pending = usage.pending(at("2026-04-01T00:00:01Z"));
        assert_eq!((pending[0].total, pending[0].monthly, pending[0].month.as_str()), (3, 1, "2026-04"));
        usage.were_written(&pending);
        assert_eq!(usage.pending(at("2026-04-01T00:00:02Z")), []);
    }

    #[test]
    fn the_minute_of_a_row_goes_on_after_a_restart() {
        let (usage, now) = (KeyUsage::default(), at("2026-03-04T05:06:07Z"));
        let row = api_key::Model { window_minute: rate_window::minute(now).into(), window_requests: 9, ..row(1) };
        usage.learn(&row, 0, now);
        let ask = |now| usage.spend(row.id, 1, |_| Some(FREE), now).unwrap().2;
        assert_eq!([ask(now), ask(now)], [None, Some(Exceeded::Minute)]);
        assert_eq!(ask(at("2026-03-04T05:07:00Z")), None);
    }

    #[test]
    fn a_million_keys_take_bounded_memory_and_leave_when_they_are_written() {
        let (usage, now) = (KeyUsage::default(), at("2026-03-04T05:06:07Z"));
        let mut row = row(0);
        for number in 0..1_000_000_u128 {
            // The bytes of a UUIDv7 that choose the lock are random.
            row.id = Uuid::from_u128(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
            usage.learn(&row, 0, now);
            usage.spend(row.id, 1, |_| Some(FREE), now).unwrap();
        }
        let (keys, bytes) = usage.size();
        assert_eq!(keys, 1_000_000);
        assert!(bytes <= 200_000_000, "{bytes}");
        let pending = usage.pending(now);
        assert_eq!(pending.len(), 1_000_000);
        usage.were_written(&pending);
        assert!(usage.pending(at("2026-03-04T05:10:00Z")).is_empty());
        let (keys, bytes) = usage.size();
        assert!(keys == 0 && bytes < 10_000, "{keys} {bytes}");
    }
}
