//! Delivery: from the journal to the event store, in order, each row once.
//!
//! - A slow or unavailable store only makes the journal grow.
//! - Events are delivered when a query needs them, when there are many, and at the latest after a few seconds.
//! - The store keeps the position with the events, so that a crash between the two cannot happen.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use schema::{
    analytics::event::Event,
    error::Result,
    ports::{Clock, RecentEvent, Sink},
};

use super::{journal::Reader, progress::State};
use crate::jobs::supervisor::{Run, Stop};

/// Approximate size of one delivery, in bytes of the journal. Short events take about six times as much in memory.
const BATCH: usize = 3 << 20;

/// How long events wait without a query, so that low traffic does not become one transaction per event.
const LAZY: Duration = Duration::from_secs(3);

/// Time before a second attempt.
const SOON: Duration = Duration::from_millis(400);

/// Longest time between two attempts.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a start delivers what an earlier process left; the rest is delivered beside the running server.
const AT_START: Duration = Duration::from_secs(1);

/// Maximum size of undelivered events restored at start, in bytes, the newest.
const RECALLED_BYTES: u64 = 32 << 20;

/// Maximum length of a path restored at start, in bytes.
const RECALLED_PATH: usize = 256;

/// Maximum lateness of an event that is not exceptional, in milliseconds.
const LATE_MS: i64 = 60_000;

/// Delivers rows.
pub struct Delivery {
    /// The event store.
    pub sink: Arc<dyn Sink>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The journal.
    pub journal: Reader,
    /// Progress shared with the intake.
    pub state: Arc<State>,
}

/// The parts of an event restored at start; without the path if it is unusually long.
fn recent_of(event: &Event) -> RecentEvent {
    let path = if event.path.len() <= RECALLED_PATH { &*event.path } else { "" };
    RecentEvent {
        website: event.website,
        visitor: event.visitor,
        time_ms: event.time_ms,
        kind: event.kind,
        country: event.place.country.clone(),
        path: path.to_owned(),
        is_bot: !event.bot.is_empty(),
        channel: event.acquisition.channel.clone(),
        goals: event.goals,
        scroll: event.scroll,
    }
}

impl Delivery {
    /// Delivers everything that waits. Returns the position reached.
    ///
    /// # Errors
    /// Errors of the store or the journal; what was delivered before stays.
    pub async fn catch_up(&mut self) -> Result<i64> {
        self.reach(i64::MAX, None).await
    }

    /// Like [`Delivery::catch_up`], for about a second: senders determine how much waits, but must not determine how
    /// long a start takes.
    ///
    /// # Errors
    /// As [`Delivery::catch_up`].
    pub async fn begin(&mut self) -> Result<i64> {
        self.reach(i64::MAX, Some(Instant::now() + AT_START)).await
    }

    /// Live visitors from the newest undelivered events since a moment, because a start does not wait for all of them.
    ///
    /// # Errors
    /// Errors of the journal.
    pub async fn newest_left(&mut self, since_ms: i64) -> Result<Vec<RecentEvent>> {
        let delivered = self.state.delivered.load(Ordering::Acquire);
        let (mut at, mut recent) = (self.journal.before_newest(delivered, RECALLED_BYTES).await?, Vec::new());
        loop {
            let entries = self.journal.after(at, BATCH).await?;
            let Some(last) = entries.last() else { return Ok(recent) };
            at = last.position;
            let events = entries.iter().flat_map(|entry| &entry.events);
            recent.extend(events.filter(|event| event.time_ms >= since_ms).map(recent_of));
        }
    }

    /// Delivers at least up to a position, or until the deadline. Returns the position reached.
    async fn reach(&mut self, position: i64, until: Option<Instant>) -> Result<i64> {
        loop {
            let from = self.state.delivered.load(Ordering::Acquire);
            if from >= position || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(from);
            }
            let mut entries = self.state.relay.after(from);
            if entries.is_empty() {
                entries = self.journal.after(from, BATCH).await?;
            }
            let Some(last) = entries.last().map(|entry| entry.position) else { return Ok(from) };
            let bytes = entries.iter().map(|entry| entry.bytes).sum();
            let mut events = Vec::with_capacity(entries.iter().map(|entry| entry.events.len()).sum());
            events.extend(entries.into_iter().flat_map(|entry| entry.events));
            let settled_ms = self.clock.now().timestamp_millis() - LATE_MS;
            self.sink.deliver(events, settled_ms, last).await?;
            self.state.reached(last, bytes);
        }
    }

    /// Delivers until it is stopped.
    pub async fn run(&mut self, run: &mut Run) {
        while run.watch.turn("delivery", self.deliver(&mut run.stop)).await.is_none() {
            tokio::time::sleep(SOON).await;
            // What a run that panicked did not deliver is still in the journal.
            self.state.written.notify_one();
            self.state.wanted.notify_one();
        }
    }

    async fn deliver(&mut self, stop: &mut Stop) {
        loop {
            tokio::select! {
                () = self.state.written.notified() => {}
                () = stop.requested() => return,
            }
            tokio::select! {
                () = self.state.wanted.notified() => {}
                () = tokio::time::sleep(LAZY) => {}
                () = stop.requested() => return,
            }
            let mut pause = SOON;
            // Events committed in the meantime belong to the next delivery.
            while let Err(error) = self.reach(self.state.committed.load(Ordering::Acquire), None).await {
                self.state.is_away.store(true, Ordering::Release);
                tracing::warn!(
                    error.code = error.code(),
                    "the event store accepts no events; they wait in the journal"
                );
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PATIENCE),
                    () = stop.requested() => return,
                }
            }
            self.state.is_away.store(false, Ordering::Release);
        }
    }
}
