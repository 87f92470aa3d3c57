//! Outcomes of a website's events: counts from the ledger, and configuration warnings.

use async_graphql::{Context, Object, SimpleObject};

use crate::{
    access::{Reach as _, Site, Viewer},
    cost::first_of,
    error::{Error, Result},
    list::List,
    ports::Ports,
    realtime::last_event_at,
    scalars::{BigInt, Instant},
    traffic::{Outcome, SetUp},
};

// Vocabulary

/// Default number of minutes: a day.
pub const DEFAULT_MINUTES: i32 = 1_440;

/// Maximum number of minutes: the 30 days that the ledger keeps.
pub const MAX_MINUTES: i32 = 43_200;

/// Maximum number of reasons and warnings. A reason added beyond that does not compile.
const MAX_REASONS: u32 = 20;
const _: () = assert!(Outcome::ALL.len() <= MAX_REASONS as usize);
const MAX_WARNINGS: u32 = 20;

/// Outcomes of all events received for a website.
#[derive(Debug, Clone)]
pub struct Ingest {
    site: Site<Viewer>,
    counts: Vec<(Outcome, u64)>,
}

/// A reason why events were not counted, and how often it occurred.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Reason.
    pub reason: Outcome,
    /// Number of occurrences in the period; never 0.
    pub count: BigInt,
}

// Rules

impl Ingest {
    /// The counts of the last minutes; `None` means a day. Errors: `Invalid` for `lastMinutes`.
    pub(crate) async fn load(ports: &Ports, site: &Site<Viewer>, last_minutes: Option<i32>) -> Result<Self> {
        let minutes = last_minutes.unwrap_or(DEFAULT_MINUTES);
        if !(1..=MAX_MINUTES).contains(&minutes) {
            return Err(Error::invalid("lastMinutes", format!("must be between 1 and {MAX_MINUTES} (got {minutes})")));
        }
        let since_ms = ports.now().timestamp_millis().saturating_sub(i64::from(minutes) * 60_000);
        // The ledger counts whole minutes.
        let since_ms = since_ms.div_euclid(60_000).saturating_mul(60_000);
        Ok(Self { site: site.clone(), counts: ports.ledger.counts(site.id(), since_ms).await? })
    }

    fn count(&self, wanted: impl Fn(Outcome) -> bool) -> BigInt {
        BigInt::from_u64(self.counts.iter().filter(|(outcome, _)| wanted(*outcome)).map(|(_, count)| count).sum())
    }

    /// Drop counts by reason, in descending order, then in the order of the reasons.
    fn reasons(&self) -> Vec<Dropped> {
        let is_counted = |outcome| matches!(outcome, Outcome::Accepted | Outcome::Duplicate);
        let dropped = Outcome::ALL.into_iter().filter(|outcome| !is_counted(*outcome));
        let mut dropped: Vec<Dropped> = dropped
            .map(|reason| Dropped { reason, count: self.count(|outcome| outcome == reason) })
            .filter(|dropped| dropped.count.0 > 0)
            .collect();
        dropped.sort_by_key(|dropped| std::cmp::Reverse(dropped.count));
        dropped
    }
}

// Graph

/// Outcomes of all events received for a website: page views, events and heartbeats.
#[Object]
impl Ingest {
    /// Number of all received events, whatever their outcome.
    async fn received(&self) -> BigInt {
        self.count(|_| true)
    }

    /// Number of events that were stored or durably queued for storage.
    async fn accepted(&self) -> BigInt {
        self.count(|outcome| outcome == Outcome::Accepted)
    }

    /// Number of duplicates of events counted before.
    async fn duplicates(&self) -> BigInt {
        self.count(|outcome| outcome == Outcome::Duplicate)
    }

    /// Counts of events that were not counted, by reason, in descending order. Reasons that did not occur are omitted.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_REASONS), None))]
    async fn dropped(&self) -> List<Dropped> {
        self.reasons().into()
    }

    /// Time of the last accepted event, UTC; null if there was none within 30 days.
    async fn last_event_at(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<Instant>> {
        let answer: async_graphql::Result<Option<Instant>> =
            async { Ok(last_event_at(ctx.cx()?.ports(), self.site.id()).await?) }.await;
        answer.transpose()
    }

    /// Warnings about the website's configuration; empty if there are none.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_WARNINGS), None))]
    async fn warnings(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<String>> {
        let row = self.site.website();
        let set_up = SetUp { senders: row.into(), is_active: row.is_active };
        Ok(first_of(ctx.cx()?.ports().ledger.warnings(self.site.id(), &set_up).await?, MAX_WARNINGS))
    }
}
