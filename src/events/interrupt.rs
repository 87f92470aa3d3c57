//! Interrupting a question whose caller gave up, and never the next one on the same connection.

use std::sync::{Arc, Mutex};

use duckdb::Connection;

use super::locked;

/// How the question that runs can be interrupted, for as long as it runs.
#[derive(Default)]
pub(super) struct Interruptible(Mutex<Running>);

#[derive(Default)]
enum Running {
    #[default]
    NotYet,
    On(Arc<duckdb::InterruptHandle>),
    Ended,
    GivenUp,
}

impl Interruptible {
    /// The question begins on this connection; at once interrupted where the caller has given up.
    pub(super) fn begins(&self, connection: &Connection) {
        let mut running = locked(&self.0);
        match *running {
            Running::GivenUp => connection.interrupt_handle().interrupt(),
            _ => *running = Running::On(connection.interrupt_handle()),
        }
    }

    /// The question has ended: its connection may serve another.
    pub(super) fn ended(&self) {
        *locked(&self.0) = Running::Ended;
    }
}

/// Interrupts the question when dropped, unless it has ended: its connection may serve another by then.
pub(super) struct Interrupt(Arc<Interruptible>);

impl Interrupt {
    /// Guards this question.
    pub(super) fn of(running: &Arc<Interruptible>) -> Self {
        Self(Arc::clone(running))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let mut running = locked(&self.0.0);
        match &*running {
            Running::On(handle) => handle.interrupt(),
            Running::NotYet => *running = Running::GivenUp,
            Running::Ended | Running::GivenUp => {}
        }
    }
}
