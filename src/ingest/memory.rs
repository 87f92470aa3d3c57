//! Memory of events and visitors: the size of an event, and what the intake remembers of visitors.
//!
//! - There may be millions of visitors within half an hour, so each one costs a number and a time.

use schema::analytics::event::{Event, VISIT_GAP_MS};
use uuid::Uuid;

use crate::visitor_map::VisitorMap;

/// Page views of one visitor and URL within this time are merged, in milliseconds (CONTRACT 9.4).
const COLLAPSE_MS: i64 = 5_000;

/// Interval of the cleanup of visitors who have gone, in milliseconds.
const SWEEP_MS: u64 = 60_000;

/// Approximate memory of an event, in bytes: its structure and the sender's texts.
#[must_use]
pub fn memory_of<V>(event: &Event<V>) -> usize {
    600 + event.bytes()
}

/// The visitor of an event in one number: a human and a bot with the same ID are two.
#[must_use]
pub fn visitor_key(website: Uuid, visitor: u64, is_bot: bool) -> u64 {
    // The visitor is a hash that is keyed by the website already.
    (visitor ^ website.as_u64_pair().1).rotate_left(u32::from(is_bot))
}

/// State before a change, to roll back when a group is not written.
#[derive(Default)]
pub struct Before {
    open: Vec<(u64, Option<i64>)>,
    viewed: Vec<(u64, Option<i64>)>,
}

/// Last activity of visitors and of the pages they viewed.
#[derive(Default)]
pub struct Visitors {
    open: VisitorMap<i64>,
    swept_ms: i64,
    /// Page views of the last five seconds, by arrival.
    viewed: VisitorMap<i64>,
    /// Those of the five seconds before.
    viewed_before: VisitorMap<i64>,
    turned_ms: i64,
}

impl Visitors {
    /// Whether a visit of a visitor ([`visitor_key`]) continues with an event of this time (milliseconds since 1970
    /// UTC).
    #[must_use]
    pub fn is_open(&self, key: u64, time_ms: i64) -> bool {
        let last = self.open.get(key);
        last.is_some_and(|last| (time_ms - last).abs() <= VISIT_GAP_MS)
    }

    /// Records activity of a visitor.
    pub fn heard(&mut self, key: u64, time_ms: i64, before: &mut Before) {
        let last = self.open.get(key).copied();
        before.open.push((key, last));
        self.open.insert(key, last.map_or(time_ms, |last| last.max(time_ms)));
    }

    /// Whether this view of a page (its hash) repeats one of about the same time; records it otherwise.
    pub fn repeats(&mut self, visitor: u64, page: u64, time_ms: i64, before: &mut Before) -> bool {
        let key = visitor.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) ^ page;
        let last = self.viewed.get(key).copied();
        let known = last.or_else(|| self.viewed_before.get(key).copied());
        if known.is_some_and(|known| (time_ms - known).abs() < COLLAPSE_MS) {
            return true;
        }
        before.viewed.push((key, last));
        self.viewed.insert(key, time_ms);
        false
    }

    /// Forgets a visitor.
    pub fn forget(&mut self, key: u64) {
        self.open.remove(key);
    }

    /// Rolls back what was not written.
    pub fn undo(&mut self, before: Before) {
        for (memory, before) in [(&mut self.open, before.open), (&mut self.viewed, before.viewed)] {
            for (key, last) in before.into_iter().rev() {
                match last {
                    Some(last) => memory.insert(key, last),
                    None => memory.remove(key),
                };
            }
        }
    }

    /// Drops what has expired. Returns whether a minute has passed since the last time.
    pub fn sweep(&mut self, now_ms: i64) -> bool {
        if now_ms.abs_diff(self.turned_ms) >= COLLAPSE_MS.unsigned_abs() {
            self.turned_ms = now_ms;
            self.viewed_before = std::mem::take(&mut self.viewed);
        }
        if now_ms.abs_diff(self.swept_ms) < SWEEP_MS {
            return false;
        }
        self.swept_ms = now_ms;
        self.open.retain(|last| now_ms - *last <= VISIT_GAP_MS);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(visitor: u64) -> u64 {
        visitor_key(Uuid::from_u128(3), visitor, false)
    }

    #[test]
    fn a_page_viewed_twice_within_five_seconds_is_one_view() {
        let (mut visitors, mut before) = (Visitors::default(), Before::default());
        let mut view = |visitor, page, time_ms, now_ms| {
            visitors.sweep(now_ms);
            visitors.repeats(key(visitor), page, time_ms, &mut before)
        };
        assert!(!view(1, 1, 100_000, 100_000));
        assert!(!view(2, 1, 100_000, 100_000) && !view(1, 2, 100_000, 100_000));
        assert!(view(1, 1, 104_999, 104_999) && view(1, 1, 95_001, 104_999));
        assert!(!view(1, 1, 105_000, 105_000));
        assert!(view(1, 1, 106_000, 111_000), "what came late is compared by its own time");
        assert!(!view(1, 1, 106_000, 130_000), "and is forgotten after a while");
    }

    #[test]
    fn what_is_undone_was_not_heard() {
        let (mut visitors, mut kept) = (Visitors::default(), Before::default());
        visitors.heard(key(1), 1_000, &mut kept);
        visitors.repeats(key(1), 9, 1_000, &mut kept);
        let mut undone = Before::default();
        for (visitor, time_ms) in [(1, VISIT_GAP_MS * 2), (2, 1_000), (2, 20_000)] {
            visitors.heard(key(visitor), time_ms, &mut undone);
            assert!(!visitors.repeats(key(visitor), 9, time_ms + 10_000, &mut undone));
        }
        visitors.undo(undone);
        assert!(visitors.is_open(key(1), 1_000 + VISIT_GAP_MS) && !visitors.is_open(key(1), 1_001 + VISIT_GAP_MS));
        assert!(!visitors.is_open(key(2), 1_000));
        assert!(visitors.repeats(key(1), 9, 1_000, &mut kept));
    }

    #[test]
    fn who_has_gone_is_forgotten_once_a_minute() {
        let (mut visitors, mut before) = (Visitors::default(), Before::default());
        assert!(visitors.sweep(10_000_000));
        visitors.heard(key(1), 10_000_000, &mut before);
        assert!(!visitors.sweep(10_059_999) && visitors.sweep(10_060_000));
        assert_eq!(visitors.open.values().count(), 1);
        visitors.sweep(10_000_001 + VISIT_GAP_MS);
        assert_eq!(visitors.open.values().count(), 0);
    }
}
