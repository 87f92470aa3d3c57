//! Delivers messages to webhooks: takes them over from the outbox, sends those that are due, and records what happened.
//!
//! - At least once, under one ID, in order per visitor. A message is attempted eight times over about a day.
//! - Webhooks are independent: each has requests of its own, limited in number, and one that is slow or failing delays no other.
//! - What is sent at a stop and not recorded yet is sent again after the next start.

mod endpoint;
mod retry;
mod signature;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use schema::{Ports, access::Operator, error::Result, webhook::sending};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    ingest::{journal::outbox::OutboxReader, progress::State},
    jobs::supervisor::Run,
    outgoing::Outgoing,
};

use self::endpoint::Worker;

/// Messages that are taken over at a time.
const TAKEN: u32 = 500;

/// How often due webhooks are looked for while something waits for its time.
const TICK: Duration = Duration::from_millis(100);

/// Pause after an error of a database.
const PAUSE: Duration = Duration::from_secs(1);

/// Maximum number of concurrent requests.
const MAX_REQUESTS: usize = 256;

/// How long requests may still run at a stop.
const GRACE: Duration = Duration::from_secs(5);

/// Takes messages over from the outbox.
pub struct Relay {
    /// The outbox.
    pub outbox: OutboxReader,
    /// Progress shared with the intake.
    pub state: Arc<State>,
}

impl Relay {
    /// Takes messages over until the job is to end.
    pub async fn run(&mut self, ports: &Ports, operator: &Operator, run: &mut Run) {
        loop {
            let pause = match self.take_over(ports, operator).await {
                Ok(true) => continue,
                Ok(false) => None,
                Err(error) => {
                    tracing::warn!(error.code = error.code(), error.source = ?error, "messages to webhooks stay in the outbox");
                    Some(PAUSE)
                }
            };
            let wait = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => self.state.reported.notified().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = run.stop.requested() => return,
            }
        }
    }

    /// Takes the oldest messages over. Returns whether there were some.
    async fn take_over(&mut self, ports: &Ports, operator: &Operator) -> Result<bool> {
        let (messages, last) = self.outbox.oldest(TAKEN).await?;
        if last == 0 {
            return Ok(false);
        }
        let webhooks = sending::take_over(ports, operator, messages).await?;
        // If this fails, they are taken over again, which changes nothing.
        let deleted = self.outbox.delete_until(last).await?;
        let _ = self
            .state
            .outbox
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| Some(left.saturating_sub(deleted)));
        ports.deliveries.wake(webhooks);
        Ok(true)
    }
}

/// Sends messages.
pub struct Sender {
    /// The schema's ports.
    pub ports: Ports,
    /// Proof that this process has locked the data folder.
    pub operator: Operator,
    /// What may be connected to.
    pub outgoing: Outgoing,
    /// Limits the number of concurrent requests.
    requests: Arc<Semaphore>,
    is_stopping: Arc<AtomicBool>,
    /// When to look at webhooks that wait.
    due: HashMap<Uuid, DateTime<Utc>>,
}

impl Sender {
    /// A sender for an installation.
    #[must_use]
    pub fn new(ports: Ports, operator: Operator, outgoing: Outgoing) -> Self {
        let requests = Arc::new(Semaphore::new(MAX_REQUESTS));
        Self { ports, operator, outgoing, requests, is_stopping: Arc::default(), due: HashMap::new() }
    }

    /// Sends until the job is to end.
    ///
    /// # Errors
    /// The control plane cannot be read at the start.
    pub async fn run(&mut self, run: &mut Run) -> Result<()> {
        self.ports.deliveries.wake(sending::waiting(&self.ports, &self.operator).await?);
        let deliveries = Arc::clone(&self.ports.deliveries);
        let (mut running, mut busy) = (FuturesUnordered::new(), HashSet::new());
        loop {
            self.start(&mut running, &mut busy);
            tokio::select! {
                () = run.stop.requested() => break,
                webhooks = deliveries.woken() => {
                    let now = self.ports.now();
                    self.due.extend(webhooks.into_iter().map(|webhook| (webhook, now)));
                }
                Some((webhook, next)) = running.next() => {
                    busy.remove(&webhook);
                    if let Some(next) = next {
                        let at = self.due.entry(webhook).or_insert(next);
                        *at = next.min(*at);
                    }
                }
                () = tokio::time::sleep(TICK), if !self.due.is_empty() => {}
            }
        }
        self.is_stopping.store(true, Ordering::Release);
        let _ = tokio::time::timeout(GRACE, async { while running.next().await.is_some() {} }).await;
        self.is_stopping.store(false, Ordering::Release);
        Ok(())
    }

    /// Starts to work on the webhooks that are due.
    fn start(&mut self, running: &mut FuturesUnordered<BoxFuture<'static, Looked>>, busy: &mut HashSet<Uuid>) {
        let now = self.ports.now();
        let is_due = |webhook: &Uuid, at: &DateTime<Utc>| *at <= now && !busy.contains(webhook);
        let due: Vec<Uuid> = self.due.iter().filter(|(webhook, at)| is_due(webhook, at)).map(|(id, _)| *id).collect();
        for webhook in due {
            self.due.remove(&webhook);
            busy.insert(webhook);
            let worker = Worker {
                ports: self.ports.clone(),
                operator: self.operator,
                outgoing: self.outgoing,
                requests: Arc::clone(&self.requests),
                is_stopping: Arc::clone(&self.is_stopping),
                webhook,
            };
            running.push(look(worker).boxed());
        }
    }
}

/// A webhook and when to look at it again.
type Looked = (Uuid, Option<DateTime<Utc>>);

async fn look(worker: Worker) -> Looked {
    let next = match worker.run().await {
        Ok(next) => next,
        Err(error) => {
            tracing::warn!(webhook.id = %worker.webhook, error.code = error.code(), error.source = ?error, "messages to a webhook wait");
            Some(worker.ports.now() + PAUSE)
        }
    };
    (worker.webhook, next)
}
