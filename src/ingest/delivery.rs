//! Delivery: from the journal to the event store, in order, each row once.
//!
//! - A slow or absent store only lengthens the journal.
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

use super::{intake::State, journal::Reader};

/// Bytes of one delivery from the journal, about.
const BATCH: usize = 8 << 20;

/// Time between two deliveries, so that a trickle does not become a transaction per event.
const PACE: Duration = Duration::from_millis(400);

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
        loop {
            let from = self.state.delivered.load(Ordering::Acquire);
            let mut entries = self.state.relay.after(from);
            if entries.is_empty() {
                entries = self.journal.after(from, BATCH).await?;
            }
            let Some(last) = entries.last().map(|entry| entry.position) else {
                self.state.waiting_bytes.store(0, Ordering::Release);
                return Ok(from);
            };
            let events: Vec<_> = entries.into_iter().flat_map(|entry| entry.events).collect();
            let settled_ms = self.clock.now().timestamp_millis() - LATE_MS;
            self.sink.deliver(events, settled_ms, last).await?;
            self.state.delivered.store(last, Ordering::Release);
            let waiting = self.journal.waiting(last).await?;
            self.state.waiting_bytes.store(waiting, Ordering::Release);
            self.state.stored.notify_waiters();
        }
    }

    /// Delivers until `stop` is told or dropped.
    pub async fn run(&mut self, stop: &mut oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                () = self.state.written.notified() => {}
                _ = &mut *stop => return,
            }
            let mut pause = PACE;
            while let Err(error) = self.catch_up().await {
                tracing::warn!(
                    error.code = error.code(),
                    "the event store takes no events now; they wait in the journal"
                );
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PATIENCE),
                    _ = &mut *stop => return,
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PACE) => {}
                _ = &mut *stop => return,
            }
        }
    }
}
