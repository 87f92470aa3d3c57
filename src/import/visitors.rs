//! Assigns visitors to the page views of a log: visits that cross midnight keep the visitor of their first day, even if
//! the days are in several logs, in any import order.

use std::mem;

use rustc_hash::FxHashMap;
use schema::{
    analytics::event::VISIT_GAP_MS,
    ports::{StoredVisit, VisitMove},
};
use uuid::Uuid;

use crate::ingest::identity::{DAY_MS, Identity};

/// Maximum number of remembered visitors before those whose visit has ended are dropped.
const MIN_ROOM: usize = 32_768;

/// An address and a user agent.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    /// The caller's number for the pair.
    pub(super) number: u64,
    pub(super) address: &'a str,
    pub(super) user_agent: &'a str,
}

/// A visit in progress: its last page view, its visitor, and the day of its first page view.
#[derive(Clone, Copy)]
struct Current {
    last_ms: i64,
    visitor: u64,
    day: i64,
}

/// Tracks visitors through page views in chronological order.
pub(super) struct Visitors {
    website: Uuid,
    identity: Identity,
    /// By the client's number. Visitors whose visit has ended are dropped.
    current: FxHashMap<u64, Current>,
    /// How many are remembered before the next cleanup.
    room: usize,
    stored: Stored,
    moves: Vec<VisitMove>,
}

/// The store's visits that overlap a day.
#[derive(Default)]
struct Stored {
    /// Those that began on an earlier day.
    earlier: FxHashMap<u64, StoredVisit>,
    /// The days on which those began, the latest first.
    days: Vec<i64>,
    /// The end of the last of those.
    until_ms: i64,
    /// All others, by visitor and time.
    later: Vec<StoredVisit>,
}

impl Visitors {
    /// Begins without memory of earlier visits.
    pub(super) fn new(identity: Identity, website: Uuid) -> Self {
        let (current, stored, moves) = (FxHashMap::default(), Stored::default(), Vec::new());
        Self { website, identity, current, room: MIN_ROOM, stored, moves }
    }

    /// The time window in which stored visits matter to a day's page views, in milliseconds since 1970 UTC.
    pub(super) const fn window(day: i64) -> (i64, i64) {
        (day * DAY_MS - VISIT_GAP_MS, (day + 1) * DAY_MS + VISIT_GAP_MS)
    }

    /// Provides the store's visits in the [`Visitors::window`] of the day whose page views come next.
    pub(super) fn recall(&mut self, day: i64, visits: Vec<StoredVisit>) {
        let (earlier, mut later): (Vec<_>, Vec<_>) =
            visits.into_iter().partition(|visit| visit.start_ms < day * DAY_MS);
        let mut days: Vec<i64> = earlier.iter().map(|visit| day_of(visit.start_ms)).collect();
        days.sort_unstable_by(|one, other| other.cmp(one));
        days.dedup();
        later.sort_unstable_by_key(|visit| (visit.visitor, visit.start_ms));
        let until_ms = earlier.iter().map(|visit| visit.end_ms).max().unwrap_or(i64::MIN);
        let earlier = earlier.into_iter().map(|visit| (visit.visitor, visit)).collect();
        self.stored = Stored { earlier, days, until_ms, later };
    }

    /// The client's visitor at this time. Page views come in chronological order.
    pub(super) fn visitor(&mut self, client: Client<'_>, time_ms: i64) -> u64 {
        if self.current.len() >= self.room {
            self.current.retain(|_, current| time_ms - current.last_ms <= VISIT_GAP_MS);
            self.room = (self.current.len() * 2).max(MIN_ROOM);
        }
        let known = self.current.get(&client.number).filter(|current| time_ms - current.last_ms <= VISIT_GAP_MS);
        let mut current = known.copied().unwrap_or_else(|| self.begun(client, time_ms));
        if current.last_ms <= time_ms {
            current.last_ms = time_ms;
            self.join_later(client, &mut current);
        }
        self.current.insert(client.number, current);
        current.visitor
    }

    /// The visits found to continue from an earlier day since the last call.
    pub(super) fn moves(&mut self) -> Vec<VisitMove> {
        mem::take(&mut self.moves)
    }

    /// The stored visit of an earlier day that continues now, or a new one.
    fn begun(&self, client: Client<'_>, time_ms: i64) -> Current {
        let key = |day| self.identity.visitor(client.address, client.user_agent, day);
        let reaches = |visit: &StoredVisit| visit.start_ms <= time_ms && time_ms - visit.end_ms <= VISIT_GAP_MS;
        let days = if time_ms.saturating_sub(self.stored.until_ms) <= VISIT_GAP_MS {
            self.stored.days.as_slice()
        } else {
            &[]
        };
        let going_on = days.iter().find_map(|day| {
            let visit = self.stored.earlier.get(&key(*day))?;
            // The key must be the one that the visit began with.
            (reaches(visit) && day_of(visit.start_ms) == *day).then_some((visit.visitor, *day))
        });
        let today = day_of(time_ms);
        let (visitor, day) = going_on.unwrap_or_else(|| (key(today), today));
        Current { last_ms: time_ms, visitor, day }
    }

    /// Joins the stored visit of a later day that this one continues into, which gets this one's visitor.
    fn join_later(&mut self, client: Client<'_>, current: &mut Current) {
        let (from_ms, until_ms) = (current.last_ms, current.last_ms + VISIT_GAP_MS);
        if self.stored.later.is_empty() || day_of(until_ms) == current.day {
            return;
        }
        for day in day_of(from_ms).max(current.day + 1)..=day_of(until_ms) {
            let visitor = self.identity.visitor(client.address, client.user_agent, day);
            let at = self.stored.later.partition_point(|visit| (visit.visitor, visit.start_ms) < (visitor, from_ms));
            let next = self.stored.later.get(at).filter(|visit| visit.visitor == visitor && visit.start_ms <= until_ms);
            if let Some(visit) = next.copied().filter(|visit| day_of(visit.start_ms) == day) {
                self.moves.push(VisitMove { website: self.website, visit, visitor: current.visitor });
                current.last_ms = visit.end_ms;
                return;
            }
        }
    }
}

const fn day_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::identity::Secret;

    const MINUTE: i64 = 60_000;
    const WEBSITE: Uuid = Uuid::from_u128(1);
    const CLIENT: Client<'static> = Client { number: 0, address: "a", user_agent: "b" };

    fn identity() -> Identity {
        Identity::new(&Secret::new([7; 32]), WEBSITE)
    }

    fn key(day: i64) -> u64 {
        identity().visitor("a", "b", day)
    }

    fn follow(visitors: &mut Visitors, minutes: &[i64]) -> Vec<u64> {
        minutes.iter().map(|minute| visitors.visitor(CLIENT, minute * MINUTE)).collect()
    }

    #[test]
    fn a_visit_keeps_its_visitor_over_midnights_and_a_gap_ends_it() {
        let day = 24 * 60;
        let mut visitors = Visitors::new(identity(), WEBSITE);
        let keys = follow(&mut visitors, &[day - 20, day + 10, day + 40, day + 71]);
        assert_eq!(keys[0], key(0));
        assert_eq!(keys[1], keys[0], "across midnight");
        assert_eq!(keys[2], keys[0], "exactly thirty minutes go on");
        assert_eq!(keys[3], key(1), "thirty-one minutes begin a new visit, of the new day");

        // A machine that never pauses: every 25 minutes for three days.
        let mut visitors = Visitors::new(identity(), WEBSITE);
        let minutes: Vec<i64> = (0..3 * day / 25).map(|step| step * 25).collect();
        let keys = follow(&mut visitors, &minutes);
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_stored_visit_is_continued_under_its_own_key() {
        let day = 24 * 60 * MINUTE;
        let visitor = key(0);
        let open = StoredVisit { visitor, start_ms: day - 50 * MINUTE, end_ms: 2 * day - 5 * MINUTE };
        let at = |time_ms: i64, open: StoredVisit| {
            let mut visitors = Visitors::new(identity(), WEBSITE);
            let later = StoredVisit { start_ms: 2 * day + MINUTE, end_ms: 2 * day + MINUTE, ..open };
            visitors.recall(2, vec![open, later]);
            visitors.visitor(CLIENT, time_ms)
        };
        assert_eq!(at(2 * day + 10 * MINUTE, open), visitor, "begun two days ago");
        assert_eq!(at(2 * day + 25 * MINUTE, open), visitor, "the gap is thirty minutes, counted from its end");
        assert_ne!(at(2 * day + 26 * MINUTE, open), visitor);
        let stranger = StoredVisit { visitor: visitor ^ 1, ..open };
        assert_eq!(at(2 * day + 10 * MINUTE, stranger), key(2));
        let misdated = StoredVisit { start_ms: day + MINUTE, ..open };
        assert_eq!(at(2 * day + 10 * MINUTE, misdated), key(2));
    }

    #[test]
    fn a_stored_visit_of_the_next_day_is_joined_once_and_gone_on_from() {
        let day = 24 * 60;
        let visit = |start: i64, end: i64| StoredVisit {
            visitor: key(1),
            start_ms: (day + start) * MINUTE,
            end_ms: (day + end) * MINUTE,
        };
        let (morning, noon) = (visit(5, 50), visit(720, 730));
        let mut visitors = Visitors::new(identity(), WEBSITE);
        visitors.recall(0, vec![noon, morning]);
        assert_eq!(follow(&mut visitors, &[day - 26, day - 20, day - 1]), [key(0); 3]);
        assert_eq!(visitors.moves(), [VisitMove { website: WEBSITE, visit: morning, visitor: key(0) }]);
        visitors.recall(1, vec![noon, morning]);
        assert_eq!(follow(&mut visitors, &[day + 40, day + 80, day + 111]), [key(0), key(0), key(1)], "from its end");
        assert_eq!(visitors.moves(), [], "joined once");
        // By way of the log's own page views, long after midnight.
        assert_eq!(follow(&mut visitors, &[day + 715]), [key(1)]);
        assert_eq!(visitors.moves(), [], "a visit of the same day needs no other key");
    }
}
