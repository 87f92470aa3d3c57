//! Fair sharing of a few slots: each client has its own queue, and the queues take turns.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Number of recent turns that determine whether a client is alone.
const MAX_RECENT: usize = 64;

/// Maximum number of concurrent turns.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Over all clients.
    pub total: usize,
    /// For one client while it is alone. Less than `total`, so that the next one finds a slot.
    pub alone: usize,
    /// For one client while others are active.
    pub beside_others: usize,
}

/// The queue, by client.
pub struct FairQueue<K: Copy + Eq + Hash>(Arc<Mutex<State<K>>>);

impl<K: Copy + Eq + Hash> Clone for FairQueue<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct State<K: Copy + Eq + Hash> {
    places: Places,
    running: HashMap<K, usize>,
    /// Waiting turns, the next one first.
    waiting: VecDeque<(K, VecDeque<oneshot::Sender<Turn<K>>>)>,
    /// The clients of the most recent turns.
    recent: VecDeque<K>,
}

/// A turn, until dropped.
pub struct Turn<K: Copy + Eq + Hash> {
    queue: FairQueue<K>,
    of: K,
}

impl<K: Copy + Eq + Hash> FairQueue<K> {
    /// An empty queue with these slots.
    #[must_use]
    pub fn new(places: Places) -> Self {
        let (running, waiting, recent) = (HashMap::new(), VecDeque::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(State { places, running, waiting, recent })))
    }

    /// Waits for a turn. Leaves the queue when dropped.
    pub async fn turn(&self, of: K) -> Turn<K> {
        let granted = {
            let mut state = self.state();
            if state.waiting.is_empty() && state.has_place(of) {
                state.begin(of);
                return Turn { queue: self.clone(), of };
            }
            let (send, granted) = oneshot::channel();
            match state.waiting.iter_mut().find(|(other, _)| *other == of) {
                Some((_, waiting)) => waiting.push_back(send),
                None => state.waiting.push_back((of, VecDeque::from([send]))),
            }
            granted
        };
        self.grant();
        // The sender stays in the queue until it sends.
        granted.await.unwrap_or_else(|_| Turn { queue: self.clone(), of })
    }

    /// Gives free slots to the next in turn.
    fn grant(&self) {
        while let Some((of, send)) = self.next() {
            // If the caller is gone, the turn comes back and is dropped, which grants the next one.
            drop(send.send(Turn { queue: self.clone(), of }));
        }
    }

    fn next(&self) -> Option<(K, oneshot::Sender<Turn<K>>)> {
        let mut state = self.state();
        let place = state.waiting.iter().position(|(of, _)| state.has_place(*of))?;
        let (of, mut waiting) = state.waiting.remove(place)?;
        let send = waiting.pop_front()?;
        if !waiting.is_empty() {
            state.waiting.push_back((of, waiting));
        }
        state.begin(of);
        Some((of, send))
    }

    /// A panic elsewhere leaves no partial state.
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> State<K> {
    fn has_place(&self, of: K) -> bool {
        let running = self.running.get(&of).copied().unwrap_or(0);
        self.running.values().sum::<usize>() < self.places.total && running < self.limit(of)
    }

    fn limit(&self, of: K) -> usize {
        let others = self.waiting.iter().map(|(other, _)| other).chain(self.running.keys()).chain(&self.recent);
        let is_alone = others.into_iter().all(|other| *other == of);
        if is_alone { self.places.alone } else { self.places.beside_others }
    }

    fn begin(&mut self, of: K) {
        *self.running.entry(of).or_default() += 1;
        self.recent.push_back(of);
        if self.recent.len() > MAX_RECENT {
            self.recent.pop_front();
        }
    }
}

impl<K: Copy + Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        {
            let mut state = self.queue.state();
            if let Some(running) = state.running.get_mut(&self.of) {
                *running = running.saturating_sub(1);
                if *running == 0 {
                    state.running.remove(&self.of);
                }
            }
        }
        self.queue.grant();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn queue() -> FairQueue<u8> {
        FairQueue::new(Places { total: 3, alone: 2, beside_others: 1 })
    }

    #[test]
    fn who_asks_alone_leaves_a_place_for_the_next() {
        let queue = queue();
        let first = queue.turn(1).now_or_never().unwrap();
        let second = queue.turn(1).now_or_never().unwrap();
        let mut third = Box::pin(queue.turn(1));
        assert!((&mut third).now_or_never().is_none());
        let other = queue.turn(2).now_or_never().unwrap();
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "another asks: one at a time");
        drop((second, other));
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn all_take_turns_however_many_questions_each_has() {
        let queue = queue();
        let mut running: Vec<Turn<u8>> =
            [1, 2, 3].map(|number| queue.turn(number).now_or_never().unwrap()).into_iter().collect();
        let mut flood: Vec<_> = (0..8).map(|_| Box::pin(queue.turn(9))).collect();
        assert!(flood.iter_mut().all(|turn| turn.now_or_never().is_none()));
        let mut late = Box::pin(queue.turn(4));
        assert!((&mut late).now_or_never().is_none());
        running.truncate(1);
        let mut held = Vec::new();
        for turn in &mut flood {
            held.extend(turn.now_or_never());
        }
        assert_eq!(held.len(), 1, "one of the flood");
        assert!(late.now_or_never().is_some(), "and the one that came after all of it");
        drop(flood.remove(0));
        // Callers that disconnect leave the queue.
        flood.truncate(1);
        held.clear();
        assert!(flood.remove(0).now_or_never().is_some());
    }
}
