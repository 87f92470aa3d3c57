//! Interrupts a query whose caller gave up, and never the next one on the same connection.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use duckdb::Connection;

use super::locked;

/// Interval between interruptions of one query: the engine ignores one that comes between two statements.
const AGAIN: Duration = Duration::from_millis(5);

/// Handle to interrupt the running query.
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
    /// Starts the query on this connection. Returns whether it may run: not if the caller has given up.
    pub(super) fn begins(&self, connection: &Connection) -> bool {
        let mut running = locked(&self.0);
        let is_wanted = !matches!(*running, Running::GivenUp);
        if is_wanted {
            *running = Running::On(connection.interrupt_handle());
        }
        is_wanted
    }

    /// Ends the query: its connection may serve another.
    pub(super) fn ended(&self) {
        *locked(&self.0) = Running::Ended;
    }

    /// Interrupts the query, or prevents it from starting. Returns whether it is still running.
    fn give_up(&self) -> bool {
        let mut running = locked(&self.0);
        match &*running {
            Running::On(handle) => {
                handle.interrupt();
                return true;
            }
            Running::NotYet => *running = Running::GivenUp,
            Running::Ended | Running::GivenUp => {}
        }
        false
    }
}

/// Interrupts the query when dropped, unless it has ended: its connection may serve another by then.
pub(super) struct Interrupt(Arc<Interruptible>);

impl Interrupt {
    /// Guards this query.
    pub(super) fn new(running: &Arc<Interruptible>) -> Self {
        Self(Arc::clone(running))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        if self.0.give_up()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let question = Arc::clone(&self.0);
            runtime.spawn(async move {
                while question.give_up() {
                    tokio::time::sleep(AGAIN).await;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use schema::analytics::plan::Asker;
    use tokio::sync::oneshot;

    use super::*;
    use crate::events::tests::store;

    /// Takes minutes.
    const ENDLESS: &str = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b";

    #[tokio::test]
    async fn a_question_ends_when_its_caller_goes_away_between_statements_too() {
        let store = store(None);
        for statements in [1, 3] {
            let (begun, begins) = oneshot::channel();
            let (told, ended) = oneshot::channel();
            let question = store.read(Asker::Anonymous, move |_, reader| {
                let _ = begun.send(());
                // The engine forgets an interruption that comes before a statement begins.
                let outcomes: Vec<bool> = (0..statements).map(|_| reader.execute_batch(ENDLESS).is_ok()).collect();
                let _ = told.send(outcomes);
                Ok(())
            });
            tokio::select! {
                _ = question => panic!("it takes minutes"),
                begun = begins => begun.expect("it begins"),
            }
            assert_eq!(ended.await.expect("it ends"), vec![false; statements]);
        }
        let answer =
            store.read(Asker::Anonymous, |_, reader| reader.query_row("SELECT 7", [], |row| row.get::<_, i32>(0)));
        assert_eq!(answer.await.expect("the next question on the connection is not interrupted"), 7);
    }

    #[tokio::test]
    async fn a_question_whose_caller_left_before_it_began_does_not_begin() {
        let store = store(None);
        let connection = store.reader().expect("a connection");
        let running = Arc::new(Interruptible::default());
        drop(Interrupt::new(&running));
        assert!(!running.begins(&connection));
        let fresh = Arc::new(Interruptible::default());
        assert!(fresh.begins(&connection));
        fresh.ended();
        drop(Interrupt::new(&fresh));
        assert!(connection.execute_batch("SELECT 1").is_ok());
    }
}
