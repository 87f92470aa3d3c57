//! The intake: one task that puts everything sent into one order, decides what is new, and answers when it is on disk.
//!
//! - What waits while a group is being written becomes the next group: one sync answers them all.
//! - An id, or a page view, that was seen before is a duplicate; it is answered no sooner than the first one.
//! - Nobody hears of an event that could still be lost: the hub and delivery come after the commit.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rustc_hash::{FxHashMap as HashMap, FxHashSet};
use schema::{
    analytics::event::{Event, EventKind, VISIT_GAP_MS},
    error::{Error, Result},
    ports::Clock,
    traffic::Outcome,
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    journal::{Counts, Entry, Writer},
    state::State,
};
use crate::live::Hub;

/// Submissions that may wait.
const WAITING: usize = 8_192;

/// Events of one group, about.
const GROUP: usize = 20_000;

/// How long an id is remembered at least, in milliseconds.
pub const SEEN_MS: i64 = 60 * 60 * 1000;

/// Ids of one generation at most: they bound the memory where much is sent.
const GENERATION: usize = 500_000;

/// Page views of one visitor and address within this time are one, in milliseconds (CONTRACT 9.4).
const COLLAPSE_MS: i64 = 5_000;

/// Days that the ledger keeps.
const LEDGER_DAYS: i64 = 30;

/// Whose event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The sender keeps an id of the visitor.
    Known(u64),
    /// The hash of this day, and of the day before where its salt is known: a visit that crosses midnight keeps the latter.
    Cookieless {
        /// Of this UTC day.
        today: u64,
        /// Of the day before.
        yesterday: Option<u64>,
    },
}

/// An event on its way in; its visitor is decided in order.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The event, without its visitor.
    pub event: Event,
    /// Whose it is.
    pub who: Who,
    /// Hash of a page view's full address, where repetitions collapse.
    pub collapse: Option<u64>,
    /// Whether its id is the sender's, who may send it again.
    pub is_named: bool,
}

/// What somebody sent: events, and outcomes that are settled already and are only counted.
#[derive(Debug, Default)]
pub struct Submission {
    /// Events to decide on.
    pub events: Vec<Incoming>,
    /// Counted with the next group.
    pub dropped: Vec<(Uuid, Outcome)>,
}

/// What the task is asked for.
enum Asked {
    /// Take this in.
    Take(Waiting),
    /// Take nothing of this website in any more, and forget it. Answers the last position of the journal that may hold something of it.
    Forget(Uuid, oneshot::Sender<Result<i64>>),
    /// Trim what the event store has.
    Trim(oneshot::Sender<Result<()>>),
}

struct Waiting {
    submission: Submission,
    /// `None`: nobody waits.
    answer: Option<oneshot::Sender<Result<Vec<Outcome>>>>,
}

/// The end that endpoints hold.
#[derive(Clone)]
pub struct Intake {
    send: mpsc::Sender<Asked>,
    state: Arc<State>,
}

impl Intake {
    /// Takes a submission in. The answer comes when it is on disk.
    ///
    /// # Errors
    /// `Unavailable` when too much waits: nothing of the submission was taken then.
    pub fn submit(&self, submission: Submission) -> Result<Answer> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { submission, answer: Some(answer) };
        self.send.try_send(Asked::Take(waiting)).map_err(|_| busy())?;
        Ok(Answer(answered))
    }

    /// Takes a submission in and waits until it is on disk. Answers an outcome for each event, in order.
    ///
    /// # Errors
    /// `Unavailable` when too much waits, or the disk is full: nothing of the submission was taken then.
    pub async fn take(&self, submission: Submission) -> Result<Vec<Outcome>> {
        self.submit(submission)?.outcomes().await
    }

    /// Counts an outcome; nobody waits for it.
    pub fn count(&self, website: Uuid, outcome: Outcome) {
        let submission = Submission { events: Vec::new(), dropped: vec![(website, outcome)] };
        // Where even counting would have to wait, a count is missing: the answer is a refusal anyway.
        let _ = self.send.try_send(Asked::Take(Waiting { submission, answer: None }));
    }

    /// Takes nothing of a website in any more, and forgets its counts and who is there. Answers the last position of the journal that
    /// may hold something of it.
    ///
    /// # Errors
    /// `Unavailable` when too much waits, or the disk is full.
    pub async fn forget(&self, website: Uuid) -> Result<i64> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Asked::Forget(website, answer)).await.map_err(|_| busy())?;
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

/// What becomes of a submission, once that is known.
pub struct Answer(oneshot::Receiver<Result<Vec<Outcome>>>);

impl Answer {
    /// An outcome for each event, in order, when they are on disk.
    ///
    /// # Errors
    /// `Unavailable` when the disk is full: nothing of the submission was taken then.
    pub async fn outcomes(self) -> Result<Vec<Outcome>> {
        self.0.await.map_err(|_| busy())?
    }
}

fn busy() -> Error {
    Error::Unavailable { retry_after: 1, why: "More is being sent than can be written.".into() }
}

/// The task's memory.
pub struct Desk {
    clock: Arc<dyn Clock>,
    hub: Hub,
    state: Arc<State>,
    /// Most bytes that may wait for delivery.
    most_bytes: u64,
    seen: Seen,
    /// When each visitor was last heard of, by website.
    open: HashMap<(Uuid, u64), i64>,
    /// When each page was last viewed.
    viewed: HashMap<(Uuid, u64, u64), i64>,
    /// Websites that are gone. A beacon that was on its way when its website went may still arrive.
    gone: FxHashSet<Uuid>,
    swept_ms: i64,
}

/// Senders' ids of the last hour or two, in two generations. (The event store finds older ones, by id and time.)
#[derive(Default)]
struct Seen {
    new: FxHashSet<Uuid>,
    old: FxHashSet<Uuid>,
    turned_ms: i64,
}

impl Seen {
    fn turn(&mut self, now_ms: i64) {
        if now_ms - self.turned_ms >= SEEN_MS || self.new.len() >= GENERATION {
            self.old = std::mem::take(&mut self.new);
            self.turned_ms = now_ms;
        }
    }

    fn has(&self, id: Uuid) -> bool {
        self.new.contains(&id) || self.old.contains(&id)
    }
}

impl Desk {
    /// A desk that remembers these events of the last hour.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        hub: Hub,
        most_bytes: u64,
        recent: &[Event],
        position: i64,
    ) -> (Self, Arc<State>) {
        let state = Arc::new(State::after(position));
        let now_ms = clock.now().timestamp_millis();
        let mut desk = Self {
            clock,
            hub,
            state: Arc::clone(&state),
            most_bytes,
            seen: Seen { turned_ms: now_ms, ..Seen::default() },
            open: HashMap::default(),
            viewed: HashMap::default(),
            gone: FxHashSet::default(),
            swept_ms: now_ms,
        };
        for event in recent {
            desk.seen.new.insert(event.id);
            desk.heard(event);
        }
        (desk, state)
    }

    /// Starts the task.
    #[must_use]
    pub fn start(self, journal: Writer) -> (Intake, Running) {
        let (send, waiting) = mpsc::channel(WAITING);
        let (stop, stopped) = oneshot::channel();
        let state = Arc::clone(&self.state);
        let task = tokio::spawn(self.run(journal, waiting, stopped));
        (Intake { send, state }, Running { stop, task })
    }

    async fn run(mut self, mut journal: Writer, mut waiting: mpsc::Receiver<Asked>, mut stop: oneshot::Receiver<()>) {
        let mut trimmed = self.state.delivered.load(Ordering::Acquire);
        let mut is_stopping = false;
        loop {
            let first = tokio::select! {
                first = waiting.recv() => first,
                _ = &mut stop, if !is_stopping => {
                    is_stopping = true;
                    // What comes from now on is refused; what waits is still written.
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
                        size += waiting.submission.events.len();
                        group.push(waiting);
                    }
                    // Asked for after the group, and done after it.
                    asked => other = Some(asked),
                }
                if size < GROUP && other.is_none() {
                    next = waiting.try_recv().ok();
                }
            }
            let now_ms = self.clock.now().timestamp_millis();
            self.seen.turn(now_ms);
            self.sweep(now_ms, &mut journal).await;
            let delivered = self.state.delivered.load(Ordering::Acquire);
            let trim = if delivered > trimmed { delivered } else { 0 };
            match self.group(group, now_ms, trim, &mut journal).await {
                Ok(()) if trim > 0 => trimmed = trim,
                Ok(()) => {}
                Err(error) => tracing::warn!(error.code = error.code(), "a group of events was refused"),
            }
            match other {
                Some(Asked::Forget(website, answer)) => {
                    let _ = answer.send(self.forget_website(website, &mut journal).await);
                }
                Some(Asked::Trim(answer)) => {
                    let _ = answer.send(journal.trim(self.state.delivered.load(Ordering::Acquire)).await);
                }
                Some(Asked::Take(_)) | None => {}
            }
        }
        let delivered = self.state.delivered.load(Ordering::Acquire);
        if let Err(error) = journal.trim(delivered).await {
            tracing::warn!(error.code = error.code(), "the journal was not trimmed");
        }
    }

    /// Takes nothing of a website in any more.
    async fn forget_website(&mut self, website: Uuid, journal: &mut Writer) -> Result<i64> {
        self.gone.insert(website);
        self.open.retain(|(of, _), _| *of != website);
        self.viewed.retain(|(of, _, _), _| *of != website);
        self.hub.forget(website);
        journal.forget_website(website).await?;
        Ok(journal.last())
    }

    /// Decides on a group, writes it, answers, and tells.
    async fn group(&mut self, group: Vec<Waiting>, now_ms: i64, trim: i64, journal: &mut Writer) -> Result<()> {
        let full = self.state.waiting_bytes.load(Ordering::Acquire) > self.most_bytes;
        let minute = now_ms.div_euclid(60_000);
        let mut counts = Counts::default();
        let mut events: Vec<Event> = Vec::new();
        let mut undo = Undo::default();
        let mut answers = Vec::with_capacity(group.len());
        for Waiting { submission, answer } in group {
            for (website, outcome) in submission.dropped.into_iter().filter(|(website, _)| !self.gone.contains(website))
            {
                *counts.entry((website, minute, outcome)).or_default() += 1;
            }
            if full && !submission.events.is_empty() {
                if let Some(answer) = answer {
                    let why = "The journal is full, as the event store does not take what was sent before.".to_owned();
                    let _ = answer.send(Err(Error::Unavailable { retry_after: 10, why }));
                }
                continue;
            }
            let mut outcomes = Vec::with_capacity(submission.events.len());
            for incoming in submission.events {
                let website = incoming.event.website;
                if self.gone.contains(&website) {
                    // Nobody counts it, and nobody is there to be told more.
                    outcomes.push(Outcome::Paused);
                    continue;
                }
                let outcome = self.decide(incoming, &mut undo, &mut events);
                *counts.entry((website, minute, outcome)).or_default() += 1;
                outcomes.push(outcome);
            }
            if let Some(answer) = answer {
                answers.push((answer, outcomes));
            }
        }
        match journal.commit(&events, &counts, trim).await {
            Ok(position) => {
                if position > 0 {
                    // An event takes about so many bytes in the journal.
                    self.state.waiting_bytes.fetch_add(events.len() as u64 * 300, Ordering::AcqRel);
                    self.hub.take(&events);
                }
                for (answer, outcomes) in answers {
                    // A client that went away is not told; its events count all the same.
                    let _ = answer.send(Ok(outcomes));
                }
                if position > 0 {
                    self.state.give(Entry { position, events });
                }
                Ok(())
            }
            Err(error) => {
                self.forget(undo);
                for (answer, _) in answers {
                    let _ = answer.send(Err(error.clone()));
                }
                Err(error)
            }
        }
    }

    fn decide(&mut self, incoming: Incoming, undo: &mut Undo, events: &mut Vec<Event>) -> Outcome {
        let Incoming { mut event, who, collapse, is_named } = incoming;
        let website = event.website;
        event.visitor = match who {
            Who::Known(visitor) => visitor,
            Who::Cookieless { today, yesterday } => {
                let goes_on = |visitor: &u64| self.is_open(website, *visitor, event.time_ms);
                yesterday.filter(|visitor| !goes_on(&today) && goes_on(visitor)).unwrap_or(today)
            }
        };
        if event.kind == EventKind::Heartbeat && !self.is_open(website, event.visitor, event.time_ms) {
            return Outcome::NoVisit;
        }
        if is_named && self.seen.has(event.id) {
            return Outcome::Duplicate;
        }
        if let Some(page) = collapse {
            let key = (website, event.visitor, page);
            let last = self.viewed.get(&key).copied();
            if last.is_some_and(|last| (event.time_ms - last).abs() < COLLAPSE_MS) {
                return Outcome::Duplicate;
            }
            self.viewed.insert(key, event.time_ms);
            undo.viewed.push((key, last));
        }
        if is_named {
            self.seen.new.insert(event.id);
            undo.seen.push(event.id);
        }
        let who = (website, event.visitor);
        undo.open.push((who, self.open.get(&who).copied()));
        self.heard(&event);
        let outcome = if event.bot.is_empty() { Outcome::Accepted } else { Outcome::Bot };
        events.push(event);
        outcome
    }

    fn is_open(&self, website: Uuid, visitor: u64, time_ms: i64) -> bool {
        self.open.get(&(website, visitor)).is_some_and(|last| (time_ms - last).abs() <= VISIT_GAP_MS)
    }

    fn heard(&mut self, event: &Event) {
        let last = self.open.entry((event.website, event.visitor)).or_insert(event.time_ms);
        *last = (*last).max(event.time_ms);
    }

    /// What was not written was not seen.
    fn forget(&mut self, undo: Undo) {
        for id in undo.seen {
            self.seen.new.remove(&id);
        }
        for (key, last) in undo.viewed.into_iter().rev() {
            match last {
                Some(last) => self.viewed.insert(key, last),
                None => self.viewed.remove(&key),
            };
        }
        for (who, last) in undo.open.into_iter().rev() {
            match last {
                Some(last) => self.open.insert(who, last),
                None => self.open.remove(&who),
            };
        }
    }

    /// Once a minute: forgets who has gone, and counts that are too old.
    async fn sweep(&mut self, now_ms: i64, journal: &mut Writer) {
        if now_ms - self.swept_ms < 60_000 {
            return;
        }
        self.swept_ms = now_ms;
        self.open.retain(|_, last| now_ms - *last <= VISIT_GAP_MS);
        self.viewed.retain(|_, last| now_ms - *last <= COLLAPSE_MS);
        if let Err(error) = journal.forget(now_ms.div_euclid(60_000) - LEDGER_DAYS * 24 * 60).await {
            tracing::warn!(error.code = error.code(), "old counts of the ledger stay");
        }
    }
}

/// The task that writes.
pub struct Running {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Refuses what comes from now on, and returns when everything taken in before is on disk.
    pub async fn stop(self) {
        drop(self.stop);
        // A task that panicked has written what it answered.
        let _ = self.task.await;
    }
}

/// What a group changed in the desk's memory, in order.
#[derive(Default)]
struct Undo {
    seen: Vec<Uuid>,
    viewed: Vec<((Uuid, u64, u64), Option<i64>)>,
    open: Vec<((Uuid, u64), Option<i64>)>,
}

impl Intake {
    /// What intake and delivery tell each other.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }
}

/// How long a clean stop waits for delivery.
pub const DRAIN: Duration = Duration::from_secs(20);
