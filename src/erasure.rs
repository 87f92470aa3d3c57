//! Erasing the data of a deleted website or of one person: from memory, from the journal and its ledger, from the event store;
//! and deleting events that were kept long enough.
//!
//! - The intake comes first: once it drops the website, no later row of the journal contains its events. What the
//!   journal contains up to then is delivered, and then erased with the rest, so that no crash brings events back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use schema::{
    Ports,
    access::Operator,
    error::{Error, Result},
    ports::{Erasure, Forgotten, Sink, Subject},
    website::deletion,
};
use uuid::Uuid;

use crate::ingest::{intake::Intake, journal::Writer};

/// Steps of one run; the next run goes on.
const MAX_STEPS: u32 = 60;

/// Pause between two steps of deleting old events.
const PAUSE: Duration = Duration::from_millis(50);

/// Time limit for delivery to catch up with the journal.
const PATIENCE: Duration = Duration::from_secs(3);

/// Erases while the server accepts events.
pub struct Eraser {
    /// The intake.
    pub intake: Intake,
    /// The event store.
    pub sink: Arc<dyn Sink>,
}

#[async_trait]
impl Erasure for Eraser {
    async fn erase(&self, website: Uuid) -> Result<u64> {
        let position = self.intake.forget(website).await?;
        self.delivered(position).await?;
        let events = self.sink.erase(website).await?;
        self.intake.trim().await?;
        Ok(events)
    }

    /// What the person sends meanwhile is new, and stays. IDs of events are kept as hashes, so that an event that was
    /// forgotten is not stored when it is sent again.
    async fn forget(&self, website: Uuid, subject: &Subject) -> Result<Forgotten> {
        let position = self.intake.last().await?;
        self.delivered(position).await?;
        let forgotten = self.sink.forget(website, subject).await?;
        self.intake.forget_visitors(website, forgotten.visitors.clone()).await?;
        self.intake.scrub().await?;
        Ok(forgotten)
    }

    async fn expire(&self, website: Uuid, before_ms: i64) -> Result<u64> {
        let mut total = 0;
        for _ in 0..MAX_STEPS {
            let events = self.sink.expire(website, before_ms).await?;
            if events == 0 {
                break;
            }
            total += events;
            // Deliveries and other writers come between two steps.
            tokio::time::sleep(PAUSE).await;
        }
        if total > 0 {
            let bytes = self.sink.compact().await?;
            tracing::info!(website.id = %website, events = total, file.bytes = bytes, "deleted events that were kept long enough");
        }
        Ok(total)
    }
}

impl Eraser {
    /// Waits until the event store has everything up to a position of the journal.
    async fn delivered(&self, position: i64) -> Result<()> {
        let why = "The event store does not accept earlier events.".to_owned();
        tokio::time::timeout(PATIENCE, self.intake.state().until(position))
            .await
            .map_err(|_| Error::Unavailable { retry_after: 5, why })
    }
}

/// Completes erasures left over by an earlier process, before events are accepted. `position`: everything up to it is
/// delivered.
///
/// # Errors
/// Errors of a store; the next start tries again.
pub async fn at_start(
    ports: &Ports,
    operator: &Operator,
    sink: &dyn Sink,
    journal: &mut Writer,
    position: i64,
) -> Result<()> {
    for website in deletion::pending(ports, operator).await? {
        let events = sink.erase(website).await?;
        journal.forget_website(website).await?;
        journal.trim(position).await?;
        deletion::done(ports, operator, website).await?;
        tracing::info!(website.id = %website, events, "erased the events of a deleted website");
    }
    Ok(())
}
