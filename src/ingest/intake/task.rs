//! The intake's task: orders submissions, detects duplicates, decides visitors, and answers when a group is on disk.
//!
//! - Submissions that arrive while a group is written become the next group: one sync serves them all.
//! - A repeated ID or page view is a duplicate. Its response waits until the first one is on disk.
//! - No event is published that could still be lost: the hub and delivery come after the commit.

use std::sync::{Arc, atomic::Ordering};

use rustc_hash::FxHashSet;
use schema::{
    analytics::event::Event,
    error::{Error, Result},
    occurrence::{Outbox, OutboxMessage},
    ports::{Clock, RecentEvent},
    traffic::Outcome,
};
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use super::{Intake, Message, WAITING, WAITING_BYTES, Waiting};
use crate::{
    ingest::{
        identity::DAY_MS,
        journal::{Counts, Entry, Group, Writer, Written},
        memory::{Before, Visitors, visitor_key},
        occurrences::occurrences,
        open_visit::Sign,
        progress::State,
        quotas::TeamEvents,
        seen::{Seen, key_of},
        submission::{Enriched, VisitorKey},
    },
    jobs::supervisor::Run,
    live::Hub,
};

/// Approximate memory of the events in one group.
const GROUP_BYTES: usize = 6 << 20;

/// Maximum number of messages in the outbox. They are taken over at once, unless the control plane does not accept writes.
const MAX_OUTBOX: u64 = 100_000;

/// Days that the ledger keeps.
const LEDGER_DAYS: i64 = 30;

/// Orders events, and remembers what it needs for that.
pub struct Sequencer {
    clock: Arc<dyn Clock>,
    hub: Hub,
    state: Arc<State>,
    /// Maximum number of bytes that wait for delivery.
    most_bytes: u64,
    seen: Seen,
    visitors: Visitors,
    /// Deleted websites. Beacons in flight may still arrive.
    gone: FxHashSet<Uuid>,
    team_events: TeamEvents,
}

impl Sequencer {
    /// A sequencer that remembers the visitors of these events.
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
            visitors.heard(key, &Sign::from(event), &mut Before::default());
        }
        let gone = FxHashSet::default();
        let team_events = TeamEvents::default();
        (Self { clock, hub, state: Arc::clone(&state), most_bytes, seen, visitors, gone, team_events }, state)
    }

    /// The same, with the stored counts of limited teams.
    #[must_use]
    pub fn with_team_events(self, team_events: TeamEvents) -> Self {
        Self { team_events, ..self }
    }

    /// The handle for endpoints, and the task that writes what they submit.
    #[must_use]
    pub fn open(self, journal: Writer) -> (Intake, Task) {
        let (send, waiting) = mpsc::channel(WAITING);
        let room = Arc::new(Semaphore::new(WAITING_BYTES));
        let intake = Intake { send, room, state: Arc::clone(&self.state) };
        (intake, Task { sequencer: self, journal, waiting })
    }

    async fn run(&mut self, journal: &mut Writer, waiting: &mut mpsc::Receiver<Message>, run: &mut Run) {
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
            while let Some(message) = next.take() {
                match message {
                    Message::Take(waiting) => {
                        size += waiting.bytes;
                        group.push(waiting);
                    }
                    // Requested after the group, and done after it.
                    message => other = Some(message),
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
            if let Some(message) = other {
                run.watch.turn("intake", self.attend(message, journal)).await;
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
    async fn attend(&mut self, message: Message, journal: &mut Writer) {
        match message {
            Message::Forget(website, answer) => {
                let _ = answer.send(self.forget_website(website, journal).await);
            }
            Message::ForgetVisitors(website, visitors, answer) => {
                self.hub.forget_visitors(website, &visitors);
                let forgotten = journal.forget_messages(website, &visitors).await;
                for (visitor, is_bot) in visitors.into_iter().flat_map(|visitor| [(visitor, false), (visitor, true)]) {
                    self.visitors.forget(visitor_key(website, visitor, is_bot));
                }
                let _ = answer.send(forgotten);
            }
            Message::Last(answer) => {
                let _ = answer.send(Ok(journal.last()));
            }
            Message::Scrub(answer) => {
                let _ = answer.send(journal.scrub(self.state.delivered.load(Ordering::Acquire)).await);
            }
            Message::Trim(answer) => {
                let _ = answer.send(journal.trim(self.state.delivered.load(Ordering::Acquire)).await);
            }
            Message::Probe(answer) => {
                let probed = journal.probe().await;
                self.state.refuses.store(probed.is_err(), Ordering::Release);
                let _ = answer.send(probed);
            }
            // Taken with its group.
            Message::Take(_) => {}
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
        self.team_events.advance(now_ms);
        let minute = now_ms.div_euclid(60_000);
        let mut counts = Counts::default();
        let mut stored = Stored::default();
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
            for enriched in submission.events {
                let website = enriched.event.website;
                if self.gone.contains(&website) {
                    // The website was deleted; drop silently.
                    outcomes.push(Outcome::Paused);
                    continue;
                }
                let outcome = self.decide(enriched, undo, &mut stored);
                *counts.entry((website, minute, outcome)).or_default() += 1;
                outcomes.push(outcome);
            }
            if let Some(answer) = answer {
                answers.push((answer, outcomes));
            }
        }
        let Stored { events, outbox } = stored;
        let outbox = self.with_room(outbox.messages());
        let (day, sealed) = (self.seen.day(), self.seen.sealed_row());
        let team_events = self.team_events.of(&undo.teams);
        let group =
            Group { events: &events, ids: &undo.seen, day, counts, team_events, delivered: trim, sealed, outbox };
        let committed = journal.commit(&group).await;
        self.state.refuses.store(committed.is_err(), Ordering::Release);
        match committed {
            Ok(Written { position, bytes }) => {
                if !std::mem::take(undo).seen.is_empty() {
                    self.seen.written();
                }
                self.seen.trimmed(sealed);
                if !outbox.is_empty() {
                    self.state.outbox.fetch_add(outbox.len() as u64, Ordering::AcqRel);
                    self.state.reported.notify_one();
                }
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

    fn decide(&mut self, enriched: Enriched, undo: &mut Undo, stored: &mut Stored) -> Outcome {
        let Enriched { event, collapse, is_named, completed, subscriptions, quota } = enriched;
        let (website, is_bot) = (event.website, !event.bot.is_empty());
        let id = match event.visitor {
            VisitorKey::Known(visitor) => visitor,
            VisitorKey::Cookieless { that_day, day_before } => {
                let goes_on =
                    |visitor: u64| self.visitors.is_open(visitor_key(website, visitor, is_bot), event.time_ms);
                if !goes_on(that_day) && goes_on(day_before) { day_before } else { that_day }
            }
        };
        let visitor = visitor_key(website, id, is_bot);
        let key = key_of(event.id);
        if is_named && self.seen.has(key) {
            return Outcome::Duplicate;
        }
        if !event.kind.is_activity() && !self.visitors.is_open(visitor, event.time_ms) {
            return Outcome::NoVisit;
        }
        // Bots and heartbeats are no part of a plan's events.
        let quota = quota.filter(|_| !is_bot && event.kind.is_activity());
        if quota.is_some_and(|(team, limit)| self.team_events.is_full(team, limit)) {
            return Outcome::OverQuota;
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
        let heard = self.visitors.heard(visitor, &Sign::from(&event), &mut undo.visitors);
        if let Some((team, _)) = quota {
            self.team_events.add(team);
            undo.teams.push(team);
        }
        let outcome = if is_bot { Outcome::Bot } else { Outcome::Accepted };
        let event = event.with_visitor(id);
        if let Some(subscriptions) = subscriptions {
            for occurrence in occurrences(&event, completed, heard) {
                stored.outbox.report(&event, &occurrence, &subscriptions);
            }
        }
        stored.events.push(event);
        outcome
    }

    /// The messages that the outbox has room for.
    fn with_room<'a>(&self, messages: &'a [OutboxMessage]) -> &'a [OutboxMessage] {
        let room = MAX_OUTBOX.saturating_sub(self.state.outbox.load(Ordering::Acquire));
        let (kept, dropped) = messages.split_at(messages.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
        if !dropped.is_empty() {
            let before = self.state.outbox_dropped.fetch_add(dropped.len() as u64, Ordering::AcqRel);
            if before == 0 {
                tracing::error!(
                    "the outbox of webhooks is full: messages are dropped until the control plane accepts writes"
                );
            }
        }
        kept
    }

    /// Rolls back the memory of events that were not written.
    fn forget(&mut self, undo: Undo) {
        for key in undo.seen {
            self.seen.remove(key);
        }
        self.visitors.undo(undo.visitors);
        undo.teams.into_iter().for_each(|team| self.team_events.undo(team));
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
    sequencer: Sequencer,
    journal: Writer,
    waiting: mpsc::Receiver<Message>,
}

impl Task {
    /// Writes until it is stopped. Then it rejects further submissions, and returns when everything accepted before is on disk.
    pub async fn run(&mut self, run: &mut Run) {
        self.sequencer.run(&mut self.journal, &mut self.waiting, run).await;
    }
}

/// What a group stores.
#[derive(Default)]
struct Stored {
    events: Vec<Event>,
    /// Messages about these events.
    outbox: Outbox,
}

/// Changes of a group to the task's memory.
#[derive(Default)]
struct Undo {
    /// Keys of IDs, as stored in the journal.
    seen: Vec<u64>,
    visitors: Before,
    /// The team of each counted event.
    teams: Vec<Uuid>,
}
