//! Background tasks: a panic ends one run of a task and never the task.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;

/// Pause after a panic.
const REST: Duration = Duration::from_secs(1);

/// Whether the last run of a task panicked.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Runs the task with this name once. `None`: it panicked.
    pub async fn turn<T>(&self, name: &'static str, turn: impl Future<Output = T>) -> Option<T> {
        let outcome = AssertUnwindSafe(turn).catch_unwind().await;
        self.0.store(outcome.is_err(), Ordering::Release);
        if outcome.is_err() {
            tracing::error!(task = name, "a background task panicked; it continues with its next run");
        }
        outcome.ok()
    }
}

/// The tasks of a server, by name.
#[derive(Debug, Clone, Default)]
pub struct Tasks(Arc<Mutex<Vec<(&'static str, Watch)>>>);

impl Tasks {
    /// Adds a task that monitors itself.
    pub fn add(&self, name: &'static str, watch: Watch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, watch));
    }

    /// The tasks whose last run panicked.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().filter(|(_, watch)| watch.0.load(Ordering::Acquire)).map(|(name, _)| *name).collect()
    }

    /// Runs a task at an interval, until it is dropped.
    pub async fn repeat<F: Future<Output = ()>>(&self, name: &'static str, every: Duration, turn: impl Fn() -> F) {
        let watch = Watch::default();
        self.add(name, watch.clone());
        loop {
            tokio::time::sleep(every).await;
            watch.turn(name, turn()).await;
        }
    }

    /// Runs a task that should never end, and restarts it if it does, until it is dropped.
    pub async fn keep_running<F: Future<Output = ()>>(&self, name: &'static str, run: impl Fn() -> F) {
        let watch = Watch::default();
        self.add(name, watch.clone());
        loop {
            watch.turn(name, run()).await;
            tokio::time::sleep(REST).await;
            watch.0.store(false, Ordering::Release);
        }
    }
}

/// Time of the last progress.
#[derive(Debug)]
pub struct Beat {
    begun: Instant,
    last_ms: AtomicU64,
}

impl Default for Beat {
    fn default() -> Self {
        Self { begun: Instant::now(), last_ms: AtomicU64::new(0) }
    }
}

impl Beat {
    /// Now.
    pub fn tick(&self) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Release);
    }

    /// Time since the last progress.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Acquire)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_one_turn_and_is_told_until_the_next_one_is_through() {
        let (tasks, turns, done) = (Tasks::default(), AtomicUsize::new(0), Notify::new());
        let told = std::sync::Mutex::new(Vec::new());
        let running = tasks.repeat("the task", Duration::from_millis(1), async || {
            told.lock().unwrap().push(tasks.broken());
            match turns.fetch_add(1, Ordering::SeqCst) {
                1 => panic!("the second turn fails"),
                3 => done.notify_one(),
                _ => {}
            }
        });
        tokio::select! {
            () = done.notified() => {}
            () = running => {}
        }
        assert_eq!(*told.lock().unwrap(), [vec![], vec![], vec!["the task"], vec![]]);
    }

    #[tokio::test]
    async fn what_ends_is_begun_again() {
        let (tasks, runs, done) = (Tasks::default(), AtomicUsize::new(0), Notify::new());
        let running = tasks.keep_running("the task", async || match runs.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("the first run fails"),
            _ => done.notify_one(),
        });
        tokio::select! {
            () = done.notified() => {}
            () = running => {}
        }
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }
}
