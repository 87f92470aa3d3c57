//! The background jobs of a server: one table, run and watched by [`supervisor`].
//!
//! - A panic or an error ends one run of a job and never the job. `/health` shows both.
//! - At a stop, jobs end one after the other in the order of the table, each after its current run.

pub mod supervisor;

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use schema::{
    Ports,
    access::Operator,
    api_key::usage,
    error::Result,
    idempotency,
    team::warnings,
    webhook::sending,
    website::{deletion, retention},
};
use tokio::{net::UnixListener, sync::Mutex};

use crate::{
    import::{Importer, handover, target::ByIdOrDomain},
    ingest::{delivery::Delivery, intake},
    webhooks::{Relay, Sender},
};

use self::supervisor::Run;

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// From the start of the server until its stop.
    Always,
    /// With this pause before each run.
    Every(Duration),
    /// With this pause before each run, and once more at the stop.
    EveryAndAtStop(Duration),
}

/// A background job that works with `W`.
pub struct Job<W> {
    /// Name in the log and in `/health`.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// When it runs.
    pub schedule: Schedule,
    /// One run. A job that runs always returns when a stop is requested.
    pub run: fn(Arc<W>, Run) -> BoxFuture<'static, Result<()>>,
}

/// What the jobs of a server work with.
pub struct Work {
    /// The schema's ports.
    pub ports: Ports,
    /// Proof that this process has locked the data folder.
    pub operator: Operator,
    /// Log import, and the socket over which logs arrive.
    pub imports: (UnixListener, Importer),
    /// The end of intake that writes.
    pub intake: Mutex<intake::Task>,
    /// Delivery from the journal to the event store.
    pub delivery: Mutex<Delivery>,
    /// Takes messages to webhooks over from the outbox.
    pub relay: Mutex<Relay>,
    /// Sends messages to webhooks.
    pub sender: Mutex<Sender>,
}

/// All background jobs, in the order in which they stop.
pub const JOBS: &[Job<Work>] = &[
    Job {
        name: "imports",
        description: "Imports the logs that `footfall import` hands over",
        schedule: Schedule::Always,
        run: |work, run| imports(work, run).boxed(),
    },
    Job {
        name: "erasure",
        description: "Erases the events of deleted websites",
        schedule: Schedule::Every(Duration::from_secs(5)),
        run: |work, _| async move { deletion::carry_out(&work.ports, &work.operator).await.map(drop) }.boxed(),
    },
    Job {
        name: "usage_warnings",
        description: "Warns teams that have used 80 or 95 percent of their plan",
        schedule: Schedule::Every(Duration::from_secs(60)),
        run: |work, _| async move { warnings::raise(&work.ports, &work.operator).await.map(drop) }.boxed(),
    },
    Job {
        name: "retention",
        description: "Deletes events that were kept for as long as the plan or the website's owner says",
        schedule: Schedule::Every(Duration::from_secs(600)),
        run: |work, _| async move { retention::carry_out(&work.ports, &work.operator).await.map(drop) }.boxed(),
    },
    Job {
        name: "idempotency_keys",
        description: "Deletes idempotency keys a day after they were sent",
        schedule: Schedule::Every(Duration::from_secs(600)),
        run: |work, _| async move { sweep(&work).await }.boxed(),
    },
    Job {
        name: "api_key_usage",
        description: "Writes the counted requests of API keys",
        schedule: Schedule::EveryAndAtStop(Duration::from_secs(5)),
        run: |work, _| async move { usage::flush(&work.ports, &work.operator).await.map(drop) }.boxed(),
    },
    Job {
        name: "webhook_log",
        description: "Deletes old messages to webhooks",
        schedule: Schedule::Every(Duration::from_secs(60)),
        run: |work, _| async move { sending::prune(&work.ports, &work.operator).await.map(drop) }.boxed(),
    },
    Job {
        name: "webhooks",
        description: "Sends messages to webhooks",
        schedule: Schedule::Always,
        run: |work, run| webhooks(work, run).boxed(),
    },
    Job {
        name: "outbox",
        description: "Takes messages to webhooks over from the journal",
        schedule: Schedule::Always,
        run: |work, run| outbox(work, run).boxed(),
    },
    Job {
        name: "intake",
        description: "Orders events and writes them to the journal",
        schedule: Schedule::Always,
        run: |work, run| intake(work, run).boxed(),
    },
    Job {
        name: "delivery",
        description: "Moves events from the journal to the event store",
        schedule: Schedule::Always,
        run: |work, run| delivery(work, run).boxed(),
    },
];

async fn sweep(work: &Work) -> Result<()> {
    idempotency::sweep(work.ports.database.writer(&work.operator), work.ports.now()).await.map(drop)
}

async fn imports(work: Arc<Work>, mut run: Run) -> Result<()> {
    let (socket, importer) = &work.imports;
    let websites = Arc::new(ByIdOrDomain { ports: work.ports.clone(), operator: work.operator });
    tokio::select! {
        () = handover::serve(socket, importer.clone(), websites) => {}
        () = run.stop.requested() => {}
    }
    Ok(())
}

async fn intake(work: Arc<Work>, mut run: Run) -> Result<()> {
    work.intake.lock().await.run(&mut run).await;
    Ok(())
}

async fn webhooks(work: Arc<Work>, mut run: Run) -> Result<()> {
    work.sender.lock().await.run(&mut run).await
}

async fn outbox(work: Arc<Work>, mut run: Run) -> Result<()> {
    work.relay.lock().await.run(&work.ports, &work.operator, &mut run).await;
    Ok(())
}

/// Errors: what was accepted cannot be delivered at the stop; the next start delivers it.
async fn delivery(work: Arc<Work>, mut run: Run) -> Result<()> {
    let mut delivery = work.delivery.lock().await;
    delivery.run(&mut run).await;
    delivery.catch_up().await.map(drop)
}
