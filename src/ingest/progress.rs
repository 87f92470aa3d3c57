//! Progress shared by intake, delivery and queries: how far the event store is, since when something waits, and whether
//! a query needs it.
//!
//! - Delivery waits as long as no query needs it: many events in one transaction cost a fraction of few.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{handoff_buffer::HandoffBuffer, journal::Entry};
use crate::jobs::supervisor::Beat;

/// Memory of events that triggers delivery without a query: more would delay the next query too much.
const ENOUGH: usize = 5 << 20;

/// Commits within this time are one mark.
const TOGETHER: Duration = Duration::from_millis(50);

/// Maximum number of marks, however long the store is unavailable.
const MARKS: usize = 200;

/// Commits that the event store does not have yet.
struct Mark {
    /// When the first of them was committed.
    since: Instant,
    /// Position of the last of them.
    last: i64,
}

/// The shared state.
#[derive(Default)]
pub struct State {
    /// There is something to deliver.
    pub written: Notify,
    /// A query needs it now.
    pub wanted: Notify,
    /// Something was delivered.
    pub stored: Notify,
    /// There are messages in the outbox.
    pub reported: Notify,
    /// Messages in the outbox that are not taken over yet.
    pub outbox: AtomicU64,
    /// Messages that were dropped because the outbox was full.
    pub outbox_dropped: AtomicU64,
    /// The position up to which the event store has everything.
    pub delivered: AtomicI64,
    /// The position of the last commit.
    pub committed: AtomicI64,
    /// Whether the event store refused the last delivery.
    pub is_away: AtomicBool,
    /// Bytes written to the journal since the start.
    pub committed_bytes: AtomicU64,
    /// Those of them that were delivered.
    delivered_bytes: AtomicU64,
    /// Committed and undelivered events, as far as they fit.
    pub relay: HandoffBuffer,
    /// When the intake last finished a turn, with any result.
    pub turned: Beat,
    /// Whether the journal refused the last group.
    pub refuses: AtomicBool,
    /// When something was last delivered.
    pub progress: Beat,
    /// Since when something waits.
    marks: Mutex<VecDeque<Mark>>,
}

impl State {
    /// The event store has everything up to this position.
    #[must_use]
    pub fn after(position: i64) -> Self {
        Self { delivered: position.into(), committed: position.into(), ..Self::default() }
    }

    /// An earlier process left this many undelivered bytes in the journal, up to a position.
    pub fn left(&self, position: i64, bytes: u64) {
        self.committed.store(position, Ordering::Release);
        self.committed_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.mark(position, Instant::now());
        self.written.notify_one();
        self.wanted.notify_one();
    }

    fn marks(&self) -> MutexGuard<'_, VecDeque<Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the journal that wait for delivery.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        let delivered = self.delivered_bytes.load(Ordering::Acquire);
        self.committed_bytes.load(Ordering::Acquire).saturating_sub(delivered)
    }

    /// Passes a committed group to delivery.
    pub fn give(&self, entry: Entry) {
        self.committed.store(entry.position, Ordering::Release);
        self.mark(entry.position, Instant::now());
        if self.relay.give(entry) >= ENOUGH {
            self.wanted.notify_one();
        }
        self.written.notify_one();
    }

    fn mark(&self, last: i64, now: Instant) {
        let mut marks = self.marks();
        let is_full = marks.len() >= MARKS;
        match marks.back_mut() {
            Some(mark) if is_full || now - mark.since < TOGETHER => mark.last = last,
            _ => marks.push_back(Mark { since: now, last }),
        }
    }

    /// The event store has everything up to this position: this many more bytes of the journal.
    pub fn reached(&self, position: i64, bytes: u64) {
        self.delivered.store(position, Ordering::Release);
        self.delivered_bytes.fetch_add(bytes, Ordering::AcqRel);
        let mut marks = self.marks();
        while marks.front().is_some_and(|mark| mark.last <= position) {
            marks.pop_front();
        }
        drop(marks);
        self.progress.tick();
        self.stored.notify_waiters();
    }

    /// The last position that was committed at least this long ago and is not in the event store.
    #[must_use]
    pub fn waiting_for(&self, long: Duration) -> Option<i64> {
        self.waiting_at(Instant::now(), long)
    }

    fn waiting_at(&self, now: Instant, long: Duration) -> Option<i64> {
        self.marks().iter().rev().find(|mark| now - mark.since >= long).map(|mark| mark.last)
    }

    /// Waits until the event store has everything up to a position. The caller bounds the time.
    pub async fn until(&self, position: i64) {
        loop {
            // Armed before the position is read, so that no delivery falls between.
            let stored = self.stored.notified();
            if self.delivered.load(Ordering::Acquire) >= position {
                return;
            }
            self.written.notify_one();
            self.wanted.notify_one();
            stored.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_known_by_its_age() {
        let (state, begin) = (State::after(10), Instant::now());
        let waiting = |ms, long| state.waiting_at(begin + Duration::from_millis(ms), Duration::from_millis(long));
        assert_eq!(waiting(0, 0), None);
        state.mark(11, begin);
        let later = begin + Duration::from_millis(100);
        state.mark(12, later);
        state.mark(13, later + TOGETHER / 2);
        assert_eq!(waiting(100, 101), None);
        assert_eq!(waiting(100, 100), Some(11));
        assert_eq!(waiting(100, 0), Some(13));
        state.reached(12, 0);
        assert_eq!(waiting(100, 0), Some(13), "one of two that came together is not there yet");
        state.reached(13, 0);
        assert_eq!(waiting(500, 0), None);
    }

    #[test]
    fn what_an_earlier_process_left_waits_and_has_its_bytes() {
        let state = State::after(3);
        state.left(5, 100);
        assert_eq!((state.waiting_bytes(), state.waiting_for(Duration::ZERO)), (100, Some(5)));
        state.reached(5, 100);
        assert_eq!((state.waiting_bytes(), state.waiting_for(Duration::ZERO)), (0, None));
    }

    #[test]
    fn a_store_that_is_away_for_long_costs_no_more() {
        let (state, mut now) = (State::after(0), Instant::now());
        for position in 1..=1_000 {
            now += TOGETHER;
            state.mark(position, now);
        }
        assert_eq!(state.marks().len(), MARKS);
        assert_eq!(state.waiting_at(now, Duration::ZERO), Some(1_000));
        state.reached(1_000, 0);
        assert_eq!(state.waiting_at(now, Duration::ZERO), None);
    }
}
