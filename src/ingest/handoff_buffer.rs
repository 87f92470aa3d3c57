//! Handoff buffer: passes committed groups from the writer to delivery in memory, so that delivery need not read and
//! decode them again.
//!
//! - What delivery misses (because it was slow or the process is new) it reads from the journal: nothing here has to be
//!   kept.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{journal::Entry, memory::memory_of};

/// Memory limit of the buffered events, in bytes, which bounds the cost of a slow store.
const HELD: usize = 12 << 20;

/// Approximate memory of the events in one delivery.
const BATCH: usize = 8 << 20;

/// Committed groups to deliver.
#[derive(Default)]
pub struct HandoffBuffer(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// In the order of their positions.
    entries: VecDeque<(Entry, usize)>,
    bytes: usize,
}

impl HandoffBuffer {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a group, and returns the number of buffered bytes. If that is too much, all groups are dropped, and
    /// delivery reads the journal.
    pub fn give(&self, entry: Entry) -> usize {
        let bytes = entry.events.iter().map(memory_of).sum();
        let mut held = self.held();
        if held.bytes.saturating_add(bytes) > HELD {
            *held = Held::default();
            return HELD;
        }
        held.bytes += bytes;
        held.entries.push_back((entry, bytes));
        held.bytes
    }

    /// The groups that follow a position without a gap; none if the next one is not buffered.
    pub fn after(&self, position: i64) -> Vec<Entry> {
        let mut held = self.held();
        let (mut run, mut taken, mut at) = (Vec::new(), 0, position);
        while let Some((entry, bytes)) = held.entries.pop_front() {
            if entry.position > at + 1 || taken >= BATCH {
                held.entries.push_front((entry, bytes));
                break;
            }
            held.bytes -= bytes;
            if entry.position == at + 1 {
                at = entry.position;
                taken += bytes;
                run.push(entry);
            }
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::tests::event;

    /// A group that takes so many MiB.
    fn entry(position: i64, mib: usize) -> Entry {
        let mut event = event(1);
        event.properties = "x".repeat((1 << 20) - memory_of(&event)).into();
        Entry { position, events: vec![event; mib], bytes: 0 }
    }

    fn positions(run: &[Entry]) -> Vec<i64> {
        run.iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn a_run_ends_at_a_gap_and_what_was_reached_otherwise_goes() {
        let relay = HandoffBuffer::default();
        assert!(relay.after(0).is_empty());
        for position in [3, 4, 6] {
            relay.give(entry(position, 1));
        }
        assert!(relay.after(1).is_empty(), "2 is in the journal only");
        assert_eq!(positions(&relay.after(2)), [3, 4]);
        assert!(relay.after(4).is_empty(), "5 is in the journal only");
        relay.give(entry(7, 1));
        assert_eq!(positions(&relay.after(6)), [7], "6 came from the journal");
        assert_eq!(relay.held().bytes, 0);
    }

    #[test]
    fn what_is_too_much_is_left_to_the_journal() {
        let relay = HandoffBuffer::default();
        for position in 1..=3 {
            relay.give(entry(position, 5));
        }
        assert!(relay.after(0).is_empty());
        relay.give(entry(4, 3));
        assert_eq!(relay.give(entry(5, 3)), 6 << 20);
        assert!(relay.after(0).is_empty(), "the first ones are in the journal");
        assert_eq!(positions(&relay.after(3)), [4, 5]);
        relay.give(entry(6, 8));
        relay.give(entry(7, 1));
        assert_eq!(positions(&relay.after(5)), [6], "a delivery has its bound");
        assert_eq!(positions(&relay.after(6)), [7]);
    }
}
