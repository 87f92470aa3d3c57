//! Sends the messages of one webhook that are due.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use chrono::{DateTime, Duration, Utc};
use futures_util::{StreamExt as _, stream};
use hyper::body::Bytes;
use schema::{
    Ports,
    access::Operator,
    error::{Error, Result},
    webhook::{
        delivery::Attempt,
        sending::{self, Batch, Endpoint, Message, Next, Recorded},
    },
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{retry, signature};
use crate::outgoing::{Connection, Outgoing, Response, Target};

/// Concurrent requests to one webhook.
const MAX_REQUESTS: usize = 8;

/// Attempts that are recorded at a time, at the latest.
const RECORDED: usize = 64;

/// Pause of a webhook that does not respond, at least and at most, in seconds.
const COOL_DOWN: (i64, i64) = (1, 60);

/// Works on one webhook until nothing is due.
pub(super) struct Worker {
    pub(super) ports: Ports,
    pub(super) operator: Operator,
    pub(super) outgoing: Outgoing,
    pub(super) requests: Arc<Semaphore>,
    pub(super) is_stopping: Arc<AtomicBool>,
    pub(super) webhook: Uuid,
}

/// What a batch shares.
struct Sending {
    endpoint: Endpoint,
    target: std::result::Result<Target, String>,
    idle: Mutex<Vec<Connection>>,
    attempts: Mutex<Vec<Recorded>>,
    /// Until when nothing more is sent, because the webhook does not respond or asked for a pause.
    paused_until: Mutex<Option<DateTime<Utc>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of a request.
type Outcome = std::result::Result<Response, String>;

impl Worker {
    /// Returns when to look again; `None` if nothing waits.
    pub(super) async fn run(&self) -> Result<Option<DateTime<Utc>>> {
        let mut idle = Vec::new();
        loop {
            let Batch { endpoint, mut lanes, next } = sending::batch(&self.ports, &self.operator, self.webhook).await?;
            let Some(endpoint) = endpoint.filter(|_| !lanes.is_empty()) else { return Ok(next) };
            let is_failing = endpoint.failing_since.is_some();
            if is_failing {
                // One message finds out whether it responds again.
                lanes.truncate(1);
                lanes.iter_mut().for_each(|lane| lane.truncate(1));
            }
            let sending = Sending {
                target: self.outgoing.target(&endpoint.url),
                endpoint,
                idle: Mutex::new(idle),
                attempts: Mutex::default(),
                paused_until: Mutex::default(),
            };
            let results = stream::iter(lanes).map(|lane| self.send_lane(&sending, lane));
            let results: Vec<Result<()>> = results.buffer_unordered(MAX_REQUESTS).collect().await;
            self.record(&sending).await?;
            results.into_iter().collect::<Result<()>>()?;
            if let Some(until) = *locked(&sending.paused_until) {
                return Ok(Some(until));
            }
            if self.is_stopping.load(Ordering::Acquire) {
                return Ok(Some(self.ports.now()));
            }
            idle = std::mem::take(&mut *locked(&sending.idle));
        }
    }

    /// Sends the messages of one visitor one after the other, as long as each is delivered.
    async fn send_lane(&self, sending: &Sending, lane: Vec<Message>) -> Result<()> {
        for message in lane {
            if self.is_stopping.load(Ordering::Acquire) || locked(&sending.paused_until).is_some() {
                return Ok(());
            }
            let _permit = self.requests.acquire().await.map_err(Error::internal)?;
            let (began, now) = (Instant::now(), self.ports.now());
            let outcome = self.send(sending, &message, now).await;
            let attempt = Attempt {
                at_ms: now.timestamp_millis(),
                status: outcome.as_ref().ok().map(|response| response.status),
                duration_ms: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
                error: outcome.as_ref().err().cloned(),
            };
            let recorded = self.judge(sending, message, attempt, &outcome);
            let goes_on = recorded.next == Next::Delivered;
            let is_enough = {
                let mut attempts = locked(&sending.attempts);
                attempts.push(recorded);
                attempts.len() >= RECORDED
            };
            if is_enough {
                self.record(sending).await?;
            }
            if !goes_on {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn record(&self, sending: &Sending) -> Result<()> {
        let attempts = std::mem::take(&mut *locked(&sending.attempts));
        sending::record(&self.ports, &self.operator, &sending.endpoint, &attempts).await
    }

    /// Sends over an open connection if there is one, else over a new one.
    async fn send(&self, sending: &Sending, message: &Message, now: DateTime<Utc>) -> Outcome {
        let target = sending.target.as_ref().map_err(|why| format!("The URL {why}."))?;
        let headers = signature::headers(message, &sending.endpoint.secrets, now.timestamp());
        let body = Bytes::copy_from_slice(message.body.as_bytes());
        let idle = locked(&sending.idle).pop();
        if let Some(mut connection) = idle
            && let Ok(response) = connection.post(target, &headers, body.clone()).await
        {
            return Ok(self.kept(sending, connection, response));
        }
        let mut connection = self.outgoing.connect(target).await?;
        let response = connection.post(target, &headers, body).await?;
        Ok(self.kept(sending, connection, response))
    }

    fn kept(&self, sending: &Sending, connection: Connection, response: Response) -> Response {
        if response.is_reusable {
            locked(&sending.idle).push(connection);
        }
        response
    }

    /// What follows from a request.
    fn judge(&self, sending: &Sending, message: Message, attempt: Attempt, outcome: &Outcome) -> Recorded {
        let now = self.ports.now();
        let (is_delivered, is_gone) = match outcome {
            Ok(response) => ((200..300).contains(&response.status), response.status == 410),
            Err(_) => (false, false),
        };
        let asked = outcome.as_ref().ok().filter(|response| matches!(response.status, 429 | 500..=599));
        let asked = asked.and_then(|response| retry::allowed_at(response.retry_after.as_deref()?, now));
        if outcome.is_err() || asked.is_some() || is_gone {
            let failing = sending.endpoint.failing_since.map_or(0, |since| (now - since).num_seconds());
            let pause = Duration::seconds((failing / 4).clamp(COOL_DOWN.0, COOL_DOWN.1));
            *locked(&sending.paused_until) = Some(asked.unwrap_or(now + pause));
        }
        let tries = message.tries.saturating_add(1);
        let next = if is_delivered {
            Next::Delivered
        } else if tries >= retry::MAX_TRIES || is_gone {
            Next::Failed
        } else {
            let at = now + retry::pause(tries, self.random());
            Next::Retry(asked.map_or(at, |asked| asked.max(at)))
        };
        Recorded { message, attempt, next, is_gone }
    }

    /// A number between 0 and 1.
    fn random(&self) -> f64 {
        let (_, low) = self.ports.ids.uuid().as_u64_pair();
        f64::from(u32::try_from(low & 0xffff_ffff).unwrap_or(0)) / f64::from(u32::MAX)
    }
}
