//! Memory of events and visitors: the size of an event, and what the intake remembers of visitors.
//!
//! - There may be millions of visitors within half an hour, so each one costs 24 bytes.

use schema::analytics::event::{Event, VISIT_GAP_MS};
use uuid::Uuid;

use super::open_visit::{Heard, OpenVisit, Sign};
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
    open: Vec<(u64, Option<OpenVisit>)>,
    viewed: Vec<(u64, Option<i64>)>,
}

/// Last activity of visitors and of the pages they viewed.
#[derive(Default)]
pub struct Visitors {
    open: VisitorMap<OpenVisit>,
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
        last.is_some_and(|visit| (time_ms - visit.last_ms()).abs() <= VISIT_GAP_MS)
    }

    /// Records activity of a visitor. Returns what it changed in the visit.
    pub fn heard(&mut self, key: u64, sign: &Sign, before: &mut Before) -> Heard {
        let last = self.open.get(key).copied();
        before.open.push((key, last));
        let (visit, heard) = match last {
            Some(mut visit) if visit.is_before_end(sign.time_ms) => {
                let heard = visit.add(sign);
                (visit, heard)
            }
            _ => OpenVisit::begun_by(sign),
        };
        self.open.insert(key, visit);
        heard
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
        restore(&mut self.open, before.open);
        restore(&mut self.viewed, before.viewed);
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
        self.open.retain(|visit| now_ms - visit.last_ms() <= VISIT_GAP_MS);
        true
    }
}

/// Puts back values, the latest change first.
fn restore<V>(memory: &mut VisitorMap<V>, before: Vec<(u64, Option<V>)>) {
    for (key, value) in before.into_iter().rev() {
        match value {
            Some(value) => memory.insert(key, value),
            None => memory.remove(key),
        };
    }
}

#[cfg(test)]
mod tests {
    use schema::analytics::event::EventKind;

    use super::*;

    fn key(visitor: u64) -> u64 {
        visitor_key(Uuid::from_u128(3), visitor, false)
    }

    fn view(time_ms: i64) -> Sign {
        Sign::from(&Event::new(Uuid::nil(), Uuid::nil(), time_ms, 0, EventKind::Pageview))
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
        visitors.heard(key(1), &view(1_000), &mut kept);
        visitors.repeats(key(1), 9, 1_000, &mut kept);
        let mut undone = Before::default();
        for (visitor, time_ms) in [(1, VISIT_GAP_MS * 2), (2, 1_000), (2, 20_000)] {
            visitors.heard(key(visitor), &view(time_ms), &mut undone);
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
        visitors.heard(key(1), &view(10_000_000), &mut before);
        assert!(!visitors.sweep(10_059_999) && visitors.sweep(10_060_000));
        assert_eq!(visitors.open.values().count(), 1);
        visitors.sweep(10_000_001 + VISIT_GAP_MS);
        assert_eq!(visitors.open.values().count(), 0);
    }
}
