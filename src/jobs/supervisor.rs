//! Runs jobs, keeps them running, and counts what they do.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use serde::Serialize;
use tokio::{sync::watch, task::JoinHandle};

use super::{Job, Schedule};

/// Pause before a job that should run always is started again.
const REST: Duration = Duration::from_secs(1);

/// Tells a job that it is to end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<()>);

impl Stop {
    /// A signal that is given when the sender is dropped.
    #[must_use]
    pub fn new() -> (watch::Sender<()>, Self) {
        let (send, receive) = watch::channel(());
        (send, Self(receive))
    }

    /// Resolves once the job is to end, and at once from then on.
    pub async fn requested(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// Resolves after this time, or earlier with `true` once the job is to end.
    async fn within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.requested()).await.is_ok()
    }
}

/// Whether the last run of a job panicked.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Runs a part of the job with this name. `None`: it panicked.
    pub async fn turn<T>(&self, name: &'static str, turn: impl Future<Output = T>) -> Option<T> {
        let outcome = AssertUnwindSafe(turn).catch_unwind().await;
        self.0.store(outcome.is_err(), Ordering::Release);
        if outcome.is_err() {
            tracing::error!(job = name, "a background job panicked; it continues with its next run");
        }
        outcome.ok()
    }
}

/// What a run of a job is given.
#[derive(Debug, Clone)]
pub struct Run {
    /// The end of the job.
    pub stop: Stop,
    /// For a job that runs always: what notices panics of its parts.
    pub watch: Watch,
}

/// State and counts of a job, as `/health` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Name of the job.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Seconds between two runs; null for a job that runs always.
    pub period_seconds: Option<u64>,
    /// Runs that ended.
    pub runs: u64,
    /// Those of them that ended with an error or a panic.
    pub failures: u64,
    /// Seconds since the last run ended; null before that.
    pub ended_seconds_ago: Option<u64>,
}

struct Status {
    report: Mutex<(Report, Option<Instant>)>,
    watch: Watch,
}

impl Status {
    fn new<W>(job: &Job<W>) -> Self {
        let period_seconds = match job.schedule {
            Schedule::Always => None,
            Schedule::Every(period) | Schedule::EveryAndAtStop(period) => Some(period.as_secs()),
        };
        let (name, description) = (job.name, job.description);
        let report = Report { name, description, period_seconds, runs: 0, failures: 0, ended_seconds_ago: None };
        Self { report: Mutex::new((report, None)), watch: Watch::default() }
    }

    fn report(&self) -> MutexGuard<'_, (Report, Option<Instant>)> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run<W>(&self, job: &Job<W>, work: &Arc<W>, stop: &Stop) {
        let begun = Instant::now();
        let run = Run { stop: stop.clone(), watch: self.watch.clone() };
        let outcome = self.watch.turn(job.name, (job.run)(Arc::clone(work), run)).await;
        let now = Instant::now();
        let has_failed = !matches!(outcome, Some(Ok(())));
        if let Some(Err(error)) = &outcome {
            let code = error.code();
            tracing::warn!(job = job.name, error.code = code, error.source = ?error, "a background job failed; it continues with its next run");
        }
        let elapsed_ms = u64::try_from((now - begun).as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(job = job.name, elapsed_ms, has_failed, "a run of a background job ended");
        let mut report = self.report();
        report.0.runs += 1;
        report.0.failures += u64::from(has_failed);
        report.1 = Some(now);
    }
}

struct Running {
    status: Arc<Status>,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

/// The running jobs.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<Vec<Running>>>);

impl Jobs {
    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every job of a table.
    pub fn start<W: Send + Sync + 'static>(&self, jobs: &'static [Job<W>], work: W) {
        let work = Arc::new(work);
        for job in jobs {
            let (status, (send, stop)) = (Arc::new(Status::new(job)), Stop::new());
            let task = tokio::spawn(supervise(job, Arc::clone(&work), Arc::clone(&status), stop));
            self.running().push(Running { status, stop: send, task });
        }
    }

    /// Stops the jobs one after the other, and returns when the last one has ended.
    pub async fn stop(&self) {
        let running = std::mem::take(&mut *self.running());
        for Running { stop, task, .. } in running {
            drop(stop);
            // Panics of its runs are caught.
            let _ = task.await;
        }
    }

    /// The jobs whose last run panicked.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        let running = self.running();
        let broken = running.iter().filter(|running| running.status.watch.0.load(Ordering::Acquire));
        broken.map(|running| running.status.report().0.name).collect()
    }

    /// State and counts of each job.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let read = |running: &Running| {
            let (report, ended) = &*running.status.report();
            Report { ended_seconds_ago: ended.map(|ended| ended.elapsed().as_secs()), ..report.clone() }
        };
        self.running().iter().map(read).collect()
    }
}

async fn supervise<W>(job: &'static Job<W>, work: Arc<W>, status: Arc<Status>, mut stop: Stop) {
    let pause = match job.schedule {
        Schedule::Always => Duration::ZERO,
        Schedule::Every(period) | Schedule::EveryAndAtStop(period) => period,
    };
    let is_continuous = job.schedule == Schedule::Always;
    while !stop.within(pause).await {
        status.run(job, &work, &stop).await;
        if is_continuous {
            if stop.within(REST).await {
                break;
            }
            status.watch.0.store(false, Ordering::Release);
        }
    }
    if matches!(job.schedule, Schedule::EveryAndAtStop(_)) {
        status.run(job, &work, &stop).await;
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
mod tests;
