//! Runs that end well, fail and panic, and a stop.

use std::sync::atomic::AtomicUsize;

use schema::error::{Error, Result};
use tokio::sync::Notify;

use super::*;

#[derive(Default)]
struct Steps {
    begun: AtomicUsize,
    done: Notify,
    told: Mutex<Vec<&'static str>>,
    broken: Mutex<Vec<Vec<&'static str>>>,
    jobs: Jobs,
}

const PERIODIC: &[Job<Arc<Steps>>] = &[Job {
    name: "counts",
    description: "Counts its runs",
    schedule: Schedule::Every(Duration::from_millis(1)),
    run: |steps, _| count(Arc::clone(&steps)).boxed(),
}];

async fn count(steps: Arc<Steps>) -> Result<()> {
    steps.broken.lock().unwrap().push(steps.jobs.broken());
    match steps.begun.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Error::broken("the first run fails")),
        1 => panic!("the second run panics"),
        3 => {
            steps.done.notify_one();
            std::future::pending().await
        }
        _ => Ok(()),
    }
}

#[tokio::test]
async fn an_error_and_a_panic_end_one_run_and_are_counted() {
    let steps = Arc::new(Steps::default());
    steps.jobs.start(PERIODIC, Arc::clone(&steps));
    steps.done.notified().await;
    assert_eq!(*steps.broken.lock().unwrap(), [vec![], vec![], vec!["counts"], vec![]]);
    let reports = steps.jobs.reports();
    let [report] = &*reports else { panic!("{reports:?}") };
    assert_eq!((report.name, report.runs, report.failures), ("counts", 3, 2));
    assert!(report.period_seconds == Some(0) && report.ended_seconds_ago.is_some(), "{report:?}");
}

const CONTINUOUS: &[Job<Arc<Steps>>] = &[Job {
    name: "runs",
    description: "Panics once, then runs",
    schedule: Schedule::Always,
    run: |steps, mut run| {
        async move {
            match steps.begun.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("the first run panics"),
                _ => steps.done.notify_one(),
            }
            run.stop.requested().await;
            Ok(())
        }
        .boxed()
    },
}];

#[tokio::test]
async fn a_continuous_job_that_panics_is_started_again() {
    let (steps, jobs) = (Arc::new(Steps::default()), Jobs::default());
    jobs.start(CONTINUOUS, Arc::clone(&steps));
    steps.done.notified().await;
    assert_eq!((steps.begun.load(Ordering::SeqCst), jobs.broken()), (2, vec![]));
    assert_eq!((jobs.reports()[0].runs, jobs.reports()[0].period_seconds), (1, None));
    jobs.stop().await;
}

const STOPPING: &[Job<Arc<Steps>>] = &[
    Job {
        name: "first",
        description: "Ends when it is told",
        schedule: Schedule::Always,
        run: |steps, mut run| {
            async move {
                steps.done.notify_one();
                run.stop.requested().await;
                // The others go on meanwhile.
                tokio::task::yield_now().await;
                steps.told.lock().unwrap().push("first ended");
                Ok(())
            }
            .boxed()
        },
    },
    Job {
        name: "last",
        description: "Runs at the stop",
        schedule: Schedule::EveryAndAtStop(Duration::from_secs(3_600)),
        run: |steps, _| {
            async move {
                steps.told.lock().unwrap().push("last ran");
                Ok(())
            }
            .boxed()
        },
    },
];

#[tokio::test]
async fn a_stop_ends_jobs_in_order_and_runs_what_is_due_at_the_stop() {
    let (steps, jobs) = (Arc::new(Steps::default()), Jobs::default());
    jobs.start(STOPPING, Arc::clone(&steps));
    steps.done.notified().await;
    assert_eq!(*steps.told.lock().unwrap(), Vec::<&str>::new());
    jobs.stop().await;
    assert_eq!(*steps.told.lock().unwrap(), ["first ended", "last ran"]);
}
