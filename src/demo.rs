//! Three realistic websites with 90 days of traffic, identical for a given seed, and live visitors afterwards.
//!
//! - No other randomness is used: seed, day and website determine every visit.
//! - Demo events pass through the same port as real ones.

mod crowd;
mod live;
mod random;
mod sites;
mod traffic;
mod visit;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use schema::{
    error::Result,
    ports::{Appended, Events},
};
use uuid::Uuid;

pub use self::{live::trickle, sites::Website, traffic::generate};

/// Days of traffic that [`generate`] creates.
pub const DAYS: i64 = 90;

/// The seed of `footfall demo`.
pub const SEED: u64 = 20_150_517;

/// Events in one batch of [`fill`].
const BATCH: usize = 50_000;

/// The websites of the demo: a shop, a product with documentation, a blog.
#[must_use]
pub fn websites() -> &'static [Website] {
    sites::ALL
}

/// Stores the website's 90 days before `until`. Errors: those of the event store.
pub async fn fill(
    site: &'static Website,
    website: Uuid,
    seed: u64,
    until: DateTime<Utc>,
    events: &Arc<dyn Events>,
) -> Result<Appended> {
    let mut traffic = generate(site, website, seed, until).peekable();
    let mut sum = Appended::default();
    while traffic.peek().is_some() {
        let batch: Vec<_> = traffic.by_ref().take(BATCH).collect();
        let settled_ms = batch.last().map_or(0, |event| event.time_ms);
        let appended = events.append(batch, settled_ms).await?;
        sum.stored += appended.stored;
        sum.duplicates += appended.duplicates;
    }
    Ok(sum)
}

#[cfg(test)]
#[path = "demo/tests.rs"]
mod tests;
