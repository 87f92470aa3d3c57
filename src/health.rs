//! The `/health` endpoint: whether ingest, delivery, the stores and the background jobs make progress.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use schema::{Ports, error::Result, ports::Sink};
use serde_json::{Map, Value, json};

use crate::{ingest::intake::Intake, jobs::supervisor::Jobs};

/// How long work may wait without any progress.
pub const STUCK: Duration = Duration::from_secs(20);

/// Time limit for a store to respond to the check itself; a busy one gets [`STUCK`].
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a result is cached.
const HOLDS: Duration = Duration::from_secs(1);

/// A store whose responsiveness is checked.
#[derive(Default)]
struct Probe {
    /// Since when it has not responded.
    silent: Mutex<Option<Instant>>,
}

impl Probe {
    /// Whether it responds, or is only busy.
    async fn is_well<T>(&self, asking: impl Future<Output = Result<T>>) -> bool {
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(Ok(_)) => {
                *silent = None;
                true
            }
            Ok(Err(_)) => {
                silent.get_or_insert_with(Instant::now);
                false
            }
            Err(_) => silent.get_or_insert_with(Instant::now).elapsed() < STUCK,
        }
    }
}

type Answer = (StatusCode, Value);

/// Monitors a server.
pub struct Health {
    ports: Ports,
    sink: Arc<dyn Sink>,
    intake: Intake,
    jobs: Jobs,
    event_store: Probe,
    control_plane: Probe,
    journal: Probe,
    last: tokio::sync::Mutex<Option<(Instant, Answer)>>,
}

impl Health {
    /// Monitors a server with these parts.
    #[must_use]
    pub fn new(ports: Ports, sink: Arc<dyn Sink>, intake: Intake, jobs: Jobs) -> Self {
        Self {
            ports,
            sink,
            intake,
            jobs,
            event_store: Probe::default(),
            control_plane: Probe::default(),
            journal: Probe::default(),
            last: tokio::sync::Mutex::default(),
        }
    }

    /// 200 while everything makes progress, otherwise 503; reports for each part what is wrong.
    pub async fn answer(&self) -> Response {
        // One request checks, the others wait for its result.
        let mut last = self.last.lock().await;
        let (status, body) = match &*last {
            Some((at, answer)) if at.elapsed() < HOLDS => answer.clone(),
            _ => {
                let answer = self.look().await;
                *last = Some((Instant::now(), answer.clone()));
                answer
            }
        };
        drop(last);
        (status, Json(body)).into_response()
    }

    async fn look(&self) -> Answer {
        let (ingest, event_store, control_plane) =
            futures_util::join!(self.ingest(), self.event_store(), self.control_plane());
        let broken = self.jobs.broken();
        let tasks = (!broken.is_empty()).then(|| format!("panicked: {}", broken.join(", ")));
        let parts = [
            ("ingest", ingest),
            ("delivery", self.delivery()),
            ("event_store", event_store),
            ("control_plane", control_plane),
            ("tasks", tasks),
        ];
        let is_well = parts.iter().all(|(_, fault)| fault.is_none());
        let checks: Map<String, Value> = parts
            .into_iter()
            .map(|(part, fault)| (part.to_owned(), fault.unwrap_or_else(|| "ok".into()).into()))
            .collect();
        let (status, word) =
            if is_well { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
        (status, json!({ "status": word, "checks": checks, "jobs": self.jobs.reports() }))
    }

    async fn ingest(&self) -> Option<String> {
        if self.intake.is_stuck(STUCK) {
            return Some("events are waiting and none is being written".to_owned());
        }
        // Without traffic, nothing else would notice that the disk has room again.
        let refuses = self.intake.state().refuses.load(Ordering::Acquire);
        if refuses && !self.journal.is_well(self.intake.probe()).await {
            return Some("the journal is not writable (the disk may be full)".to_owned());
        }
        None
    }

    fn delivery(&self) -> Option<String> {
        let state = self.intake.state();
        let is_stuck = state.waiting_for(STUCK).is_some() && state.progress.age() >= STUCK;
        is_stuck.then(|| "events are waiting in the journal and the event store accepts none".to_owned())
    }

    async fn event_store(&self) -> Option<String> {
        let is_well = self.event_store.is_well(self.sink.delivered()).await;
        (!is_well).then(|| "the event store does not respond".to_owned())
    }

    async fn control_plane(&self) -> Option<String> {
        let asking = self.ports.database.check();
        let is_well = self.control_plane.is_well(asking).await;
        (!is_well).then(|| "the control plane does not respond".to_owned())
    }
}
