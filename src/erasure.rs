//! Erasing what was sent to a website that is gone: from memory, from the journal and its ledger, from the event store.
//!
//! - The intake comes first: once it has forgotten the website, no row of the journal that follows holds an event of it. What the
//!   journal held by then is delivered, and then goes with the rest. So a crash at any point leaves nothing that comes back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use schema::{
    Ports,
    access::Operator,
    error::{Error, Result},
    ports::{Erasure, Sink},
    website::deletion,
};
use uuid::Uuid;

use crate::ingest::{intake::Intake, journal::Writer};

/// How long delivery may take to reach what the journal held.
const PATIENCE: Duration = Duration::from_secs(3);

/// Erases while the server takes events in.
pub struct Eraser {
    /// Where events come in.
    pub intake: Intake,
    /// Where they end up.
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
}

impl Eraser {
    /// Waits until the event store has everything up to a position of the journal.
    async fn delivered(&self, position: i64) -> Result<()> {
        let why = "The event store does not take what was sent before.".to_owned();
        tokio::time::timeout(PATIENCE, self.intake.state().until(position))
            .await
            .map_err(|_| Error::Unavailable { retry_after: 5, why })
    }
}

/// Carries out, before anything is taken in, what an earlier process left over. `position`: everything up to it is delivered.
///
/// # Errors
/// Whatever a store refuses; the next start tries again.
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
        tracing::info!(website.id = %website, events, "erased what was sent to a deleted website");
    }
    Ok(())
}
