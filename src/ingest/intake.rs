//! The intake: one task that puts all submissions in order, detects duplicates, and responds when they are on disk.
//!
//! - Submissions that arrive while a group is written become the next group: one sync serves them all.
//! - A repeated ID or page view is a duplicate. Its response waits until the first one is on disk.
//! - Memory of waiting submissions is bounded in bytes: in the queue, in a group, and in the journal.
//! - No event is published that could still be lost: the hub and delivery come after the commit.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rustc_hash::FxHashSet;
use schema::{
    analytics::event::{Event, EventKind},
    error::{Error, Result},
    ports::{Clock, RecentEvent},
    traffic::Outcome,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use uuid::Uuid;

use super::{
    identity::DAY_MS,
    journal::{Counts, Entry, Group, Writer, Written},
    memory::{Before, Visitors, memory_of, visitor_key},
    progress::State,
    seen::{Seen, key_of},
    submission::{Incoming, Submission, Who},
};
use crate::{jobs::supervisor::Run, live::Hub};

/// Maximum number of waiting submissions.
const WAITING: usize = 8_192;

/// Memory limit of waiting events, in bytes.
const WAITING_BYTES: usize = 32 << 20;

/// Approximate memory of the events in one group.
const GROUP_BYTES: usize = 12 << 20;

/// Days that the ledger keeps.
const LEDGER_DAYS: i64 = 30;

/// A message to the task.
enum Asked {
    /// Accept this submission.
    Take(Waiting),
    /// Reject further events of this website, and drop its state. Returns the last position of the journal that may contain some of
    /// them.
    Forget(Uuid, oneshot::Sender<Result<i64>>),
    /// Trim what the event store has.
    Trim(oneshot::Sender<Result<()>>),
    /// Check whether the journal is writable.
    Probe(oneshot::Sender<Result<()>>),
}

struct Waiting {
    submission: Submission,
    /// Memory of its events.
    bytes: usize,
    /// Its share of [`WAITING_BYTES`].
    room: Option<OwnedSemaphorePermit>,
    /// `None`: no response is needed.
    answer: Option<oneshot::Sender<Result<Vec<Outcome>>>>,
}

/// The handle for endpoints.
#[derive(Clone)]
pub struct Intake {
    send: mpsc::Sender<Asked>,
    room: Arc<Semaphore>,
    state: Arc<State>,
}

impl Intake {
    /// Submits. The response comes when the submission is on disk.
    ///
    /// # Errors
    /// `Unavailable` when too much waits; nothing of the submission was accepted then.
    pub fn submit(&self, submission: Submission) -> Result<Answer> {
        let bytes: usize = submission.events.iter().map(|incoming| memory_of(&incoming.event)).sum();
        // A submission larger than the whole limit is admitted alone.
        let permits = u32::try_from(bytes.min(WAITING_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits).map_err(|_| busy())?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { submission, bytes, room: Some(room), answer: Some(answer) };
        self.send.try_send(Asked::Take(waiting)).map_err(|_| busy())?;
        Ok(Answer(answered))
    }

    /// Submits and waits until the submission is on disk. Returns an outcome for each event, in order.
    ///
    /// # Errors
    /// `Unavailable` when too much waits, or the disk is full; nothing of the submission was accepted then.
    pub async fn take(&self, submission: Submission) -> Result<Vec<Outcome>> {
        self.submit(submission)?.outcomes().await
    }

    /// Counts an outcome without waiting.
    pub fn count(&self, website: Uuid, outcome: Outcome) {
        let submission = Submission { events: Vec::new(), dropped: vec![(website, outcome)] };
        // If even the count would have to wait, it is dropped: the response is an error anyway.
        let _ = self.send.try_send(Asked::Take(Waiting { submission, bytes: 0, room: None, answer: None }));
    }

    /// Rejects further events of a website, and drops its counts and live figures. Returns the last position of the journal that
    /// may contain its events.
    ///
    /// # Errors
    /// `Unavailable` when too much waits, or the disk is full.
    pub async fn forget(&self, website: Uuid) -> Result<i64> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Asked::Forget(website, answer)).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// Whether something waits and there was no progress for this long.
    #[must_use]
    pub fn is_stuck(&self, long: Duration) -> bool {
        let waits = self.send.capacity() < self.send.max_capacity();
        self.send.is_closed() || (waits && self.state.turned.age() >= long)
    }

    /// Checks whether the journal is writable.
    ///
    /// # Errors
    /// `Unavailable` when it is not, or too much waits.
    pub async fn probe(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send.try_send(Asked::Probe(answer)).map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// Trims what the event store has from the journal.
    ///
    /// # Errors
    /// As [`Intake::forget`].
    pub async fn trim(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Asked::Trim(answer)).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }
}

/// The future outcome of a submission.
pub struct Answer(oneshot::Receiver<Result<Vec<Outcome>>>);

impl Answer {
    /// An outcome for each event, in order, when they are on disk.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full; nothing of the submission was accepted then.
    pub async fn outcomes(self) -> Result<Vec<Outcome>> {
        self.0.await.map_err(|_| busy())?
    }
}

fn busy() -> Error {
    Error::Unavailable { retry_after: 1, why: "The server is overloaded.".into() }
}

/// State of the task that writes.
pub struct Desk {
    clock: Arc<dyn Clock>,
    hub: Hub,
    state: Arc<State>,
    /// Maximum number of bytes that wait for delivery.
    most_bytes: u64,
    seen: Seen,
    visitors: Visitors,
    /// Deleted websites. Beacons in flight may still arrive.
    gone: FxHashSet<Uuid>,
}

impl Desk {
    /// A writer that remembers the visitors of these events.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        hub: Hub,
        most_bytes: u64,
        recent: &[RecentEvent],
        seen: Seen,
        position: i64,
    ) -> (Self, Arc<State>) {
        let state = Arc::new(State::after(position));
        let mut visitors = Visitors::default();
        visitors.sweep(clock.now().timestamp_millis());
        for event in recent {
            let key = visitor_key(event.website, event.visitor, event.is_bot);
            visitors.heard(key, event.time_ms, &mut Before::default());
        }
        let gone = FxHashSet::default();
        (Self { clock, hub, state: Arc::clone(&state), most_bytes, seen, visitors, gone }, state)
    }

    /// The handle for endpoints, and the task that writes what they submit.
    #[must_use]
    pub fn open(self, journal: Writer) -> (Intake, Task) {
        let (send, waiting) = mpsc::channel(WAITING);
        let room = Arc::new(Semaphore::new(WAITING_BYTES));
        let intake = Intake { send, room, state: Arc::clone(&self.state) };
        (intake, Task { desk: self, journal, waiting })
    }

    async fn run(&mut self, journal: &mut Writer, waiting: &mut mpsc::Receiver<Asked>, run: &mut Run) {
        let mut trimmed = self.state.delivered.load(Ordering::Acquire);
        let mut is_stopping = false;
        loop {
            let first = tokio::select! {
                first = waiting.recv() => first,
                () = run.stop.requested(), if !is_stopping => {
                    is_stopping = true;
                    // New submissions are refused; waiting ones are still written.
                    waiting.close();
                    continue;
                }
            };
            let Some(first) = first else { break };
            let (mut group, mut size, mut next) = (Vec::new(), 0, Some(first));
            let mut other = None;
            while let Some(asked) = next.take() {
                match asked {
                    Asked::Take(waiting) => {
                        size += waiting.bytes;
                        group.push(waiting);
                    }
                    // Requested after the group, and done after it.
                    asked => other = Some(asked),
                }
                if size < GROUP_BYTES && other.is_none() {
                    next = waiting.try_recv().ok();
                }
            }
            let mut undo = Undo::default();
            let step = self.step(group, &mut trimmed, journal, &mut undo);
            // The senders of a group that panicked are told to retry: what is not on disk was not accepted.
            if run.watch.turn("intake", step).await.is_none() && !journal.recover().await.unwrap_or(false) {
                self.forget(undo);
            }
            if let Some(asked) = other {
                run.watch.turn("intake", self.attend(asked, journal)).await;
            }
            self.state.turned.tick();
        }
        let delivered = self.state.delivered.load(Ordering::Acquire);
        if let Err(error) = journal.trim(delivered).await {
            tracing::warn!(error.code = error.code(), "cannot trim the journal");
        }
        self.seen.settle(true).await;
    }

    /// Moves IDs from memory and journal to a file, when due.
    async fn turn(&mut self, now_ms: i64, journal: &mut Writer) -> Result<()> {
        self.seen.settle(false).await;
        let today = now_ms.div_euclid(DAY_MS);
        if self.seen.is_due(today) {
            let position = journal.last_ids().await?;
            self.seen.seal(today, position).await;
        }
        Ok(())
    }

    /// Does what is due, then writes the group.
    async fn step(&mut self, group: Vec<Waiting>, trimmed: &mut i64, journal: &mut Writer, undo: &mut Undo) {
        let now_ms = self.clock.now().timestamp_millis();
        if let Err(error) = self.turn(now_ms, journal).await {
            tracing::warn!(error.code = error.code(), "event IDs stay in the journal");
        }
        self.sweep(now_ms, journal).await;
        let delivered = self.state.delivered.load(Ordering::Acquire);
        let trim = if delivered > *trimmed { delivered } else { 0 };
        match self.group(group, now_ms, trim, journal, undo).await {
            Ok(()) if trim > 0 => *trimmed = trim,
            Ok(()) => {}
            Err(error) => tracing::warn!(error.code = error.code(), "a group of events was rejected"),
        }
    }

    /// Handles a message that is not a submission.
    async fn attend(&mut self, asked: Asked, journal: &mut Writer) {
        match asked {
            Asked::Forget(website, answer) => {
                let _ = answer.send(self.forget_website(website, journal).await);
            }
            Asked::Trim(answer) => {
                let _ = answer.send(journal.trim(self.state.delivered.load(Ordering::Acquire)).await);
            }
            Asked::Probe(answer) => {
                let probed = journal.probe().await;
                self.state.refuses.store(probed.is_err(), Ordering::Release);
                let _ = answer.send(probed);
            }
            // Taken with its group.
            Asked::Take(_) => {}
        }
    }

    /// Rejects further events of a website.
    async fn forget_website(&mut self, website: Uuid, journal: &mut Writer) -> Result<i64> {
        self.gone.insert(website);
        self.hub.forget(website);
        journal.forget_website(website).await?;
        Ok(journal.last())
    }

    /// Processes a group: determines outcomes, writes, responds, and publishes.
    async fn group(
        &mut self,
        group: Vec<Waiting>,
        now_ms: i64,
        trim: i64,
        journal: &mut Writer,
        undo: &mut Undo,
    ) -> Result<()> {
        let mut waits = self.state.waiting_bytes();
        let minute = now_ms.div_euclid(60_000);
        let mut counts = Counts::default();
        let mut events: Vec<Event> = Vec::new();
        let mut answers = Vec::with_capacity(group.len());
        let mut rooms = Vec::with_capacity(group.len());
        for Waiting { submission, bytes, room, answer } in group {
            rooms.push(room);
            for (website, outcome) in submission.dropped.into_iter().filter(|(website, _)| !self.gone.contains(website))
            {
                *counts.entry((website, minute, outcome)).or_default() += 1;
            }
            if !submission.events.is_empty() {
                // A group larger than the whole journal is admitted alone.
                let is_full = waits > 0 && waits.saturating_add(bytes as u64) > self.most_bytes;
                if is_full || self.seen.is_full() {
                    if let Some(answer) = answer {
                        let why = if is_full {
                            "The journal is full because the event store does not accept events."
                        } else {
                            "Cannot write event IDs; the disk may be full."
                        };
                        let _ = answer.send(Err(Error::Unavailable { retry_after: 10, why: why.into() }));
                    }
                    continue;
                }
                waits += bytes as u64;
            }
            let mut outcomes = Vec::with_capacity(submission.events.len());
            for incoming in submission.events {
                let website = incoming.event.website;
                if self.gone.contains(&website) {
                    // The website was deleted; drop silently.
                    outcomes.push(Outcome::Paused);
                    continue;
                }
                let outcome = self.decide(incoming, undo, &mut events);
                *counts.entry((website, minute, outcome)).or_default() += 1;
                outcomes.push(outcome);
            }
            if let Some(answer) = answer {
                answers.push((answer, outcomes));
            }
        }
        let (day, sealed) = (self.seen.day(), self.seen.sealed_row());
        let group = Group { events: &events, ids: &undo.seen, day, counts, delivered: trim, sealed };
        let committed = journal.commit(&group).await;
        self.state.refuses.store(committed.is_err(), Ordering::Release);
        match committed {
            Ok(Written { position, bytes }) => {
                if !std::mem::take(undo).seen.is_empty() {
                    self.seen.written();
                }
                self.seen.trimmed(sealed);
                if position > 0 {
                    self.state.committed_bytes.fetch_add(bytes, Ordering::AcqRel);
                    self.hub.take(&events);
                }
                for (answer, outcomes) in answers {
                    // A client that disconnected gets no response; its events still count.
                    let _ = answer.send(Ok(outcomes));
                }
                if position > 0 {
                    self.state.give(Entry { position, events, bytes });
                }
                if self.state.waiting_bytes() > self.most_bytes / 4 {
                    self.state.wanted.notify_one();
                }
                Ok(())
            }
            Err(error) => {
                self.forget(std::mem::take(undo));
                for (answer, _) in answers {
                    let _ = answer.send(Err(error.clone()));
                }
                Err(error)
            }
        }
    }

    fn decide(&mut self, incoming: Incoming, undo: &mut Undo, events: &mut Vec<Event>) -> Outcome {
        let Incoming { mut event, who, collapse, is_named } = incoming;
        let (website, is_bot) = (event.website, !event.bot.is_empty());
        event.visitor = match who {
            Who::Known(visitor) => visitor,
            Who::Cookieless { that_day, day_before } => {
                let goes_on =
                    |visitor: u64| self.visitors.is_open(visitor_key(website, visitor, is_bot), event.time_ms);
                if !goes_on(that_day) && goes_on(day_before) { day_before } else { that_day }
            }
        };
        let visitor = visitor_key(website, event.visitor, is_bot);
        let key = key_of(event.id);
        if is_named && self.seen.has(key) {
            return Outcome::Duplicate;
        }
        if event.kind == EventKind::Heartbeat && !self.visitors.is_open(visitor, event.time_ms) {
            return Outcome::NoVisit;
        }
        if is_named {
            // Also for events that are duplicates for another reason: sent again, they still are.
            self.seen.insert(key);
            undo.seen.push(key);
        }
        let time_ms = event.time_ms;
        if collapse.is_some_and(|page| self.visitors.repeats(visitor, page, time_ms, &mut undo.visitors)) {
            return Outcome::Duplicate;
        }
        self.visitors.heard(visitor, time_ms, &mut undo.visitors);
        let outcome = if is_bot { Outcome::Bot } else { Outcome::Accepted };
        events.push(event);
        outcome
    }

    /// Rolls back the memory of events that were not written.
    fn forget(&mut self, undo: Undo) {
        for key in undo.seen {
            self.seen.remove(key);
        }
        self.visitors.undo(undo.visitors);
    }

    /// Drops visitors who have gone and, once a minute, counts that are too old.
    async fn sweep(&mut self, now_ms: i64, journal: &mut Writer) {
        if !self.visitors.sweep(now_ms) {
            return;
        }
        if let Err(error) = journal.forget(now_ms.div_euclid(60_000) - LEDGER_DAYS * 24 * 60).await {
            tracing::warn!(error.code = error.code(), "cannot delete old counts from the ledger");
        }
    }
}

/// The one task that writes what is submitted.
pub struct Task {
    desk: Desk,
    journal: Writer,
    waiting: mpsc::Receiver<Asked>,
}

impl Task {
    /// Writes until it is stopped. Then it rejects further submissions, and returns when everything accepted before is on disk.
    pub async fn run(&mut self, run: &mut Run) {
        self.desk.run(&mut self.journal, &mut self.waiting, run).await;
    }
}

/// Changes of a group to the writer's memory.
#[derive(Default)]
struct Undo {
    /// Keys of IDs, as stored in the journal.
    seen: Vec<u64>,
    visitors: Before,
}

impl Intake {
    /// Progress shared by intake and delivery.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }
}
