//! What a connection waits for, and what its task is told to do.

use std::{
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
    task::Context,
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

/// Time limits for connections that wait for the client.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    pub(super) header: Duration,
    pub(super) body: Duration,
    pub(super) idle: Duration,
}

impl Waits {
    /// The shortest of them.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        self.header.min(self.body).min(self.idle)
    }
}

/// A command to the task of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Close at once to make room.
    Close,
    /// Close after the current request.
    Finish,
}

/// What a connection waits for.
const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BODY: u8 = 2;
/// For the server.
const ANSWER: u8 = 3;

const NO_ORDER: u8 = 0;
const CLOSE: u8 = 1;
const FINISH: u8 = 2;

/// State of a connection, from its socket and its requests.
#[derive(Debug)]
pub struct Activity {
    begun: Instant,
    phase: AtomicU8,
    /// Milliseconds after `begun` at which the phase began, or the last part of the body came.
    since_ms: AtomicU64,
    /// The same for the first part of the body that did not come at once.
    body_ms: AtomicU64,
    order: AtomicU8,
    task: AtomicWaker,
}

impl Activity {
    /// Of a connection that has just been accepted.
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            phase: AtomicU8::new(IDLE),
            since_ms: AtomicU64::new(0),
            body_ms: AtomicU64::new(0),
            order: AtomicU8::new(NO_ORDER),
            task: AtomicWaker::new(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn enter(&self, phase: u8) {
        if phase != ANSWER {
            self.since_ms.store(self.now_ms(), Ordering::Relaxed);
        }
        self.phase.store(phase, Ordering::Release);
    }

    /// Bytes came.
    pub(super) fn heard(&self) {
        if self.phase.load(Ordering::Acquire) == IDLE {
            self.enter(HEAD);
        }
    }

    /// A request's head is complete, or a part of its body has come.
    pub(super) fn answering(&self) {
        self.enter(ANSWER);
    }

    /// The next part of a body has not come yet.
    pub(super) fn awaits_body(&self, is_first: bool) {
        self.enter(BODY);
        if is_first {
            self.body_ms.store(self.since_ms.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The answer is written.
    pub(super) fn answered(&self) {
        self.enter(IDLE);
    }

    /// The connection was upgraded or has ended: it is not to be closed.
    pub(super) fn was_upgraded(&self) {
        self.enter(ANSWER);
    }

    /// The command to the task; wakes it when that changes.
    pub(super) fn order(&self, cx: &Context<'_>) -> Option<Order> {
        self.task.register(cx.waker());
        match self.order.swap(NO_ORDER, Ordering::AcqRel) {
            CLOSE => Some(Order::Close),
            FINISH => Some(Order::Finish),
            _ => None,
        }
    }

    /// Gives the task a command.
    pub(super) fn ask(&self, order: Order) {
        let order = match order {
            Order::Close => CLOSE,
            Order::Finish => FINISH,
        };
        self.order.store(order, Ordering::Release);
        self.task.wake();
    }

    /// Since when the connection has waited for the client.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let is_waiting = self.phase.load(Ordering::Acquire) != ANSWER;
        is_waiting.then(|| self.begun + Duration::from_millis(self.since_ms.load(Ordering::Relaxed)))
    }

    /// Remaining time to wait for the client; `None` while it does not.
    pub(super) fn left(&self, waits: &Waits) -> Option<Duration> {
        let now = self.now_ms();
        let since = |at: &AtomicU64| Duration::from_millis(now.saturating_sub(at.load(Ordering::Relaxed)));
        let waited = since(&self.since_ms);
        match self.phase.load(Ordering::Acquire) {
            IDLE => Some(waits.idle.saturating_sub(waited)),
            HEAD => Some(waits.header.saturating_sub(waited)),
            BODY => {
                let whole = waits.body.saturating_sub(since(&self.body_ms));
                Some(whole.min(waits.header.saturating_sub(waited)))
            }
            _ => None,
        }
    }
}
