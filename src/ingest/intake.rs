//! The intake: submissions wait here for the one task that puts them in order, and hear when they are on disk.
//!
//! - Memory of waiting submissions is bounded in bytes: in the queue, in a group, and in the journal.

mod task;

use std::{sync::Arc, time::Duration};

use schema::{
    error::{Error, Result},
    traffic::Outcome,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use uuid::Uuid;

pub use self::task::{Sequencer, Task};
use super::{memory::memory_of, progress::State, submission::Submission};

/// Maximum number of waiting submissions.
const WAITING: usize = 8_192;

/// Memory limit of waiting events, in bytes.
const WAITING_BYTES: usize = 16 << 20;

/// A message to the task.
enum Message {
    /// Accept this submission.
    Take(Waiting),
    /// Reject further events of this website, and drop its state. Returns the last position of the journal that may contain some of
    /// them.
    Forget(Uuid, oneshot::Sender<Result<i64>>),
    /// Drop the state of these visitors of a website.
    ForgetVisitors(Uuid, Vec<u64>, oneshot::Sender<Result<()>>),
    /// The last position of the journal.
    Last(oneshot::Sender<Result<i64>>),
    /// Trim what the event store has, and overwrite its bytes in the file.
    Scrub(oneshot::Sender<Result<()>>),
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
    send: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    state: Arc<State>,
}

impl Intake {
    /// Submits. The response comes when the submission is on disk.
    ///
    /// # Errors
    /// `Unavailable` when too much waits; nothing of the submission was accepted then.
    pub fn submit(&self, submission: Submission) -> Result<Answer> {
        let bytes: usize = submission.events.iter().map(|enriched| memory_of(&enriched.event)).sum();
        // A submission larger than the whole limit is admitted alone.
        let permits = u32::try_from(bytes.min(WAITING_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits).map_err(|_| busy())?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { submission, bytes, room: Some(room), answer: Some(answer) };
        self.send.try_send(Message::Take(waiting)).map_err(|_| busy())?;
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
        let _ = self.send.try_send(Message::Take(Waiting { submission, bytes: 0, room: None, answer: None }));
    }

    /// Rejects further events of a website, and drops its counts and live figures. Returns the last position of the journal that
    /// may contain its events.
    ///
    /// # Errors
    /// `Unavailable` when too much waits, or the disk is full.
    pub async fn forget(&self, website: Uuid) -> Result<i64> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Message::Forget(website, answer)).await.map_err(|_| busy())?;
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
        self.send.try_send(Message::Probe(answer)).map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// Trims what the event store has from the journal.
    ///
    /// # Errors
    /// As [`Intake::forget`].
    pub async fn trim(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Message::Trim(answer)).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// Drops what is remembered of these visitors of a website, and messages about them that are not taken over yet. Their next
    /// event starts a visit.
    ///
    /// # Errors
    /// As [`Intake::forget`].
    pub async fn forget_visitors(&self, website: Uuid, visitors: Vec<u64>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Message::ForgetVisitors(website, visitors, answer)).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// The last position of the journal.
    ///
    /// # Errors
    /// As [`Intake::forget`].
    pub async fn last(&self) -> Result<i64> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Message::Last(answer)).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// Trims what the event store has from the journal, and removes its bytes from the file.
    ///
    /// # Errors
    /// As [`Intake::forget`].
    pub async fn scrub(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send.send(Message::Scrub(answer)).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// Progress shared by intake and delivery.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
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
