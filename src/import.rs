//! Import of access logs: a file or stream of lines in, page views with their original times out.
//!
//! - The format and its columns are determined once, from the first lines; lines that do not fit are reported by
//!   number.
//! - Memory does not grow with the log: page views that do not fit wait in an unnamed file of the data folder.
//! - Everything is read and checked before the first event is stored, so an incomplete file stores nothing.
//! - Importing the same file twice changes nothing: a line is identified by its log, its text and its number among
//!   equal lines. A log is identified by its first page views, so it may have grown, been compressed or renamed.
//! - The order in which logs are imported changes nothing: visits are joined across midnight in both directions.
//! - The origin rule and the collapse of repeated page views do not apply here.

mod alb;
mod clf;
mod format;
pub mod handover;
mod intern;
mod json;
pub(crate) mod line_id;
mod logs;
#[cfg(test)]
pub(crate) mod memory;
mod reading;
mod record;
mod source;
mod spill;
mod storing;
mod summary;
pub mod target;
pub mod terminal;
mod time;
mod visitors;
mod w3c;

use std::{io::Read, path::PathBuf, sync::Arc, time::Instant};

use schema::{
    error::{Error, Result},
    ports::{Clock, ImportBatch, Imports},
};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::{Mutex, mpsc},
    task::spawn_blocking,
};
use uuid::Uuid;

pub use self::summary::{BrokenLine, Dropped, Reason, Summary, Warning};
use crate::ingest::{
    enrich::Enricher,
    identity::{Identity, Secret},
};
use visitors::Visitors;

/// The website to import into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub website: Uuid,
    /// Its domain: the host of every imported page view; referrers on it or its subdomains are ignored.
    pub domain: String,
}

/// Options of the operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Include bot traffic.
    pub keep_bots: bool,
}

/// Progress of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes read from the source, as compressed.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Page views found; 0 until all lines are read.
    pub page_views: u64,
    /// Page views passed to the event store.
    pub handled: u64,
}

/// Imports logs into the event store.
#[derive(Clone)]
pub struct Importer {
    /// The event store.
    pub events: Arc<dyn Imports>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Lookup of user agents and places.
    pub enricher: Arc<Enricher>,
    /// The installation's secret.
    pub secret: Secret,
    /// The folder of temporary files: page views wait in an unnamed one until they are sorted.
    pub scratch: PathBuf,
    /// Held by the import that stores: what is stored must be known to the next one.
    pub turn: Arc<Mutex<()>>,
}

impl Importer {
    /// Reads a log, plain or gzip, and stores its page views.
    ///
    /// Errors: `Invalid` with field `file` for a file that is not an access log or is incomplete (nothing is stored
    /// then); errors of the event store (earlier batches stay stored; importing again continues).
    pub async fn import(
        &self,
        source: impl Read + Send + 'static,
        target: Target,
        options: Options,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Summary> {
        let begun = Instant::now();
        let progress = Arc::new(progress);
        let website = target.website;
        let logs = self.events.imported_logs(website).await?;
        let reading = {
            let (progress, domain, scratch) = (Arc::clone(&progress), target.domain.clone(), self.scratch.clone());
            spawn_blocking(move || {
                let task = reading::Task { website, domain: &domain, options, logs: &logs, scratch: &scratch };
                reading::read(source, &task, progress.as_ref())
            })
            .await
            .map_err(Error::internal)??
        };
        let mut summary = reading.summary.clone();
        let mut at = reading.progress;

        let _turn = self.turn.lock().await;
        if reading.is_new {
            self.events.remember_log(website, reading.log).await?;
        }
        // An empty website has no visits to continue, and most imports are the first.
        let recalls = self.events.first_event(website).await?.is_some();
        let (send, mut batches) = mpsc::channel(1);
        let building = {
            let (events, enricher) = (Arc::clone(&self.events), Arc::clone(&self.enricher));
            let visitors = Visitors::new(Identity::new(&self.secret, website), website);
            let runtime = Handle::current();
            spawn_blocking(move || {
                let recall = |(from_ms, until_ms)| match recalls {
                    true => runtime.block_on(events.visits_between(website, from_ms, until_ms)),
                    false => Ok(Vec::new()),
                };
                storing::build(reading, &target, visitors, &enricher, recall, |batch| send.blocking_send(batch).is_ok())
            })
        };
        while let Some(batch) = batches.recv().await {
            at.handled += batch.page_views.len() as u64;
            let appended = self.events.import(batch).await?;
            summary.stored += appended.stored;
            summary.duplicates += appended.duplicates;
            progress(at);
        }
        let without_country = building.await.map_err(Error::internal)??;
        summary.warn(Warning::NoCountry, without_country, at.page_views);
        // No older events can follow, so the file's last visits close as well.
        let settled_ms = self.clock.now().timestamp_millis();
        self.events.import(ImportBatch { settled_ms, ..ImportBatch::default() }).await?;
        summary.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(summary)
    }
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "import/recount_tests.rs"]
mod recount_tests;

#[cfg(test)]
#[path = "import/order_tests.rs"]
mod order_tests;
