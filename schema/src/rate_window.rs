//! Fixed windows of one minute, aligned to the clock. The unit is one request.

use chrono::{DateTime, Utc};

/// Length of a window, in seconds.
pub const SECONDS: i64 = 60;

/// Minutes by which an earlier clock is taken for a late request. A larger step back is a clock that was set.
const LATE_MINUTES: u32 = 2;

/// The minute of an instant, since 1970 UTC.
#[must_use]
pub fn minute(at: DateTime<Utc>) -> u32 {
    u32::try_from(at.timestamp().div_euclid(SECONDS)).unwrap_or(0)
}

/// The instant at which a minute ends, UTC.
#[must_use]
pub fn end(minute: u32) -> DateTime<Utc> {
    DateTime::from_timestamp((i64::from(minute) + 1) * SECONDS, 0).unwrap_or_default()
}

/// What one caller has spent in its current minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// The minute, since 1970 UTC.
    pub minute: u32,
    /// Requests spent in it.
    pub spent: u32,
}

impl Window {
    /// Begins the minute of `now`, if it is a new one. A request that is late by a moment counts in the newer minute.
    pub fn advance(&mut self, now: u32) {
        if now > self.minute || now.saturating_add(LATE_MINUTES) < self.minute {
            *self = Self { minute: now, spent: 0 };
        }
    }

    /// Whether `units` more are within `limit`. A single request that costs more than the limit is allowed in a minute
    /// of its own, so that no document is unreachable.
    #[must_use]
    pub const fn allows(&self, units: u32, limit: u32) -> bool {
        self.spent == 0 || self.spent.saturating_add(units) <= limit
    }

    /// Spends `units`.
    pub const fn spend(&mut self, units: u32) {
        self.spent = self.spent.saturating_add(units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_used_up_and_the_next_one_is_new() {
        let mut window = Window::default();
        window.advance(7);
        for _ in 0..10 {
            assert!(window.allows(1, 10));
            window.spend(1);
        }
        assert!(!window.allows(1, 10));
        window.advance(8);
        assert_eq!(window, Window { minute: 8, spent: 0 });
    }

    #[test]
    fn a_late_request_opens_no_earlier_minute_and_a_clock_that_was_set_back_does() {
        let mut window = Window { minute: 8, spent: 10 };
        window.advance(7);
        assert_eq!(window, Window { minute: 8, spent: 10 });
        window.advance(1);
        assert_eq!(window, Window { minute: 1, spent: 0 });
    }

    #[test]
    fn a_request_above_the_limit_has_a_minute_of_its_own() {
        let mut window = Window { minute: 1, spent: 0 };
        assert!(window.allows(50, 10));
        window.spend(50);
        assert!(!window.allows(1, 10));
    }

    #[test]
    fn a_minute_ends_where_the_next_one_begins() {
        let at: DateTime<Utc> = "2026-03-04T05:06:59.999Z".parse().unwrap();
        assert_eq!(end(minute(at)), "2026-03-04T05:07:00Z".parse::<DateTime<Utc>>().unwrap());
    }
}
