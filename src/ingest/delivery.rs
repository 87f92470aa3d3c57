//! Delivery: from the journal to the event store, in order, each row once.
//!
//! - A slow or absent store only lengthens the journal.
//! - Events are carried over when somebody asks, when there are many, and at the latest after a few seconds.
//! - The store keeps the position with the events, so that a crash between the two cannot happen.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use schema::{
    error::Result,
    ports::{Clock, Sink},
};

use tokio::sync::oneshot;

use super::{journal::Reader, state::State};

/// Bytes of one delivery from the journal, about.
const BATCH: usize = 8 << 20;

/// How long events wait where nobody asks, so that a trickle does not become a transaction per event.
const LAZY: Duration = Duration::from_secs(3);

/// Time before a second attempt.
const SOON: Duration = Duration::from_millis(400);

/// Longest time between two attempts.
const PATIENCE: Duration = Duration::from_secs(5);

/// How late an event may come and still be no exception, in milliseconds.
const LATE_MS: i64 = 60_000;

/// Carries rows over.
pub struct Delivery {
    /// Where to.
    pub sink: Arc<dyn Sink>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where from.
    pub journal: Reader,
    /// What intake is told.
    pub state: Arc<State>,
}

impl Delivery {
    /// Delivers everything that waits. Answers the position reached.
    ///
    /// # Errors
    /// Whatever the store or the journal refuses; what was delivered before stays so.
    pub async fn catch_up(&mut self) -> Result<i64> {
        self.reach(i64::MAX).await
    }

    /// Delivers what waits up to a position, at least. Answers the position reached.
    async fn reach(&mut self, position: i64) -> Result<i64> {
        loop {
            let from = self.state.delivered.load(Ordering::Acquire);
            if from >= position {
                return Ok(from);
            }
            let mut entries = self.state.relay.after(from);
            if entries.is_empty() {
                entries = self.journal.after(from, BATCH).await?;
            }
            let Some(last) = entries.last().map(|entry| entry.position) else { return Ok(from) };
            let bytes = entries.iter().map(|entry| entry.bytes).sum();
            let events: Vec<_> = entries.into_iter().flat_map(|entry| entry.events).collect();
            let settled_ms = self.clock.now().timestamp_millis() - LATE_MS;
            self.sink.deliver(events, settled_ms, last).await?;
            self.state.reached(last, bytes);
        }
    }

    /// Delivers until `stop` is told or dropped.
    pub async fn run(&mut self, stop: &mut oneshot::Receiver<()>) {
        let watch = self.state.delivery.clone();
        while watch.turn("delivery", self.deliver(stop)).await.is_none() {
            tokio::time::sleep(SOON).await;
            // What a turn that panicked did not deliver is still in the journal.
            self.state.written.notify_one();
            self.state.wanted.notify_one();
        }
    }

    async fn deliver(&mut self, stop: &mut oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                () = self.state.written.notified() => {}
                _ = &mut *stop => return,
            }
            tokio::select! {
                () = self.state.wanted.notified() => {}
                () = tokio::time::sleep(LAZY) => {}
                _ = &mut *stop => return,
            }
            let mut pause = SOON;
            // What is committed meanwhile is the next delivery's.
            while let Err(error) = self.reach(self.state.committed.load(Ordering::Acquire)).await {
                self.state.is_away.store(true, Ordering::Release);
                tracing::warn!(
                    error.code = error.code(),
                    "the event store takes no events now; they wait in the journal"
                );
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PATIENCE),
                    _ = &mut *stop => return,
                }
            }
            self.state.is_away.store(false, Ordering::Release);
        }
    }
}
