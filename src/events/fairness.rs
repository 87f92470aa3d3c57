//! Readers shared between teams: questions queue per team, and the teams take turns.
//!
//! - While several teams ask, each runs one question at a time; anonymous callers count as one team.
//! - A team that has been asking alone may run two; one reader is always left for the next team.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use schema::analytics::plan::Asker;
use tokio::sync::oneshot;

use super::locked;

/// Questions that run at the same time; each uses several threads.
const MAX_RUNNING: usize = 3;

/// Questions of a team that run at the same time while no other team asks.
const MAX_RUNNING_ALONE: usize = 2;

/// Questions that were begun last and decide whether a team has been asking alone.
const MAX_RECENT: usize = 64;

/// The queue for readers.
#[derive(Clone, Default)]
pub struct FairQueue(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    running: HashMap<Asker, usize>,
    /// Those who wait, the next team first.
    waiting: VecDeque<(Asker, VecDeque<oneshot::Sender<Turn>>)>,
    /// Whose questions were begun last.
    recent: VecDeque<Asker>,
}

/// A reader, until dropped.
pub struct Turn {
    queue: FairQueue,
    asker: Asker,
}

impl FairQueue {
    /// Waits for a reader. Leaves the queue when dropped.
    pub async fn turn(&self, asker: Asker) -> Turn {
        let (send, granted) = oneshot::channel();
        {
            let mut state = locked(&self.0);
            match state.waiting.iter_mut().find(|(of, _)| *of == asker) {
                Some((_, waiting)) => waiting.push_back(send),
                None => state.waiting.push_back((asker, VecDeque::from([send]))),
            }
        }
        self.grant();
        // The sender stays in the queue until it sends.
        granted.await.unwrap_or_else(|_| Turn { queue: Self::default(), asker })
    }

    /// Hands free readers to those whose turn it is.
    fn grant(&self) {
        while let Some((asker, send)) = self.next() {
            // Where the caller has gone, the turn comes back and is dropped: that grants again.
            drop(send.send(Turn { queue: self.clone(), asker }));
        }
    }

    fn next(&self) -> Option<(Asker, oneshot::Sender<Turn>)> {
        let mut state = locked(&self.0);
        if state.running.values().sum::<usize>() >= MAX_RUNNING {
            return None;
        }
        let place = state.waiting.iter().position(|(asker, _)| {
            let running = state.running.get(asker).copied().unwrap_or(0);
            running < state.limit(*asker)
        })?;
        let (asker, mut waiting) = state.waiting.remove(place)?;
        let send = waiting.pop_front()?;
        if !waiting.is_empty() {
            state.waiting.push_back((asker, waiting));
        }
        *state.running.entry(asker).or_default() += 1;
        state.recent.push_back(asker);
        if state.recent.len() > MAX_RECENT {
            state.recent.pop_front();
        }
        Some((asker, send))
    }
}

impl State {
    fn limit(&self, asker: Asker) -> usize {
        let others = self.waiting.iter().map(|(of, _)| of).chain(self.running.keys()).chain(&self.recent);
        if others.into_iter().all(|of| *of == asker) { MAX_RUNNING_ALONE } else { 1 }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = locked(&self.queue.0);
            if let Some(running) = state.running.get_mut(&self.asker) {
                *running = running.saturating_sub(1);
                if *running == 0 {
                    state.running.remove(&self.asker);
                }
            }
        }
        self.queue.grant();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    fn team(number: u128) -> Asker {
        Asker::Team(Uuid::from_u128(number))
    }

    #[test]
    fn a_team_that_asks_alone_leaves_a_reader_for_the_next() {
        let queue = FairQueue::default();
        let first = queue.turn(team(1)).now_or_never().unwrap();
        let second = queue.turn(team(1)).now_or_never().unwrap();
        let mut third = Box::pin(queue.turn(team(1)));
        assert!((&mut third).now_or_never().is_none());
        let other = queue.turn(team(2)).now_or_never().unwrap();
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "another team asks: one at a time");
        drop((second, other));
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn teams_take_turns_however_many_questions_each_has() {
        let queue = FairQueue::default();
        let mut running: Vec<Turn> =
            [1, 2, 3].map(|number| queue.turn(team(number)).now_or_never().unwrap()).into_iter().collect();
        let mut flood: Vec<_> = (0..8).map(|_| Box::pin(queue.turn(Asker::Anonymous))).collect();
        assert!(flood.iter_mut().all(|turn| turn.now_or_never().is_none()));
        let mut late = Box::pin(queue.turn(team(4)));
        assert!((&mut late).now_or_never().is_none());
        running.truncate(1);
        let mut held = Vec::new();
        for turn in &mut flood {
            held.extend(turn.now_or_never());
        }
        assert_eq!(held.len(), 1, "one of the flood");
        assert!(late.now_or_never().is_some(), "and the team that came after all of it");
        drop(flood.remove(0));
        // Those who go away leave the queue.
        flood.truncate(1);
        held.clear();
        assert!(flood.remove(0).now_or_never().is_some());
    }
}
