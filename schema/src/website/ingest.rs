//! What became of what was sent to a website: counts of the ledger, and what looks wrong in the set-up.

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

/// Minutes that are counted unless the caller says otherwise: a day.
pub const DEFAULT_MINUTES: i32 = 1_440;

/// Minutes that are counted at most: the 30 days that the ledger keeps.
pub const MAX_MINUTES: i32 = 43_200;

/// Reasons and warnings at most. A reason that is added beyond that does not compile.
const MAX_REASONS: u32 = 20;
const _: () = assert!(Outcome::ALL.len() <= MAX_REASONS as usize);
const MAX_WARNINGS: u32 = 20;

/// What became of everything that was sent to a website.
#[derive(Debug, Clone)]
pub struct Ingest {
    site: Site<Viewer>,
    counts: Vec<(Outcome, u64)>,
}

/// Why something was not counted, and how often.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Why.
    pub reason: Outcome,
    /// How often in the time that was asked for; never 0.
    pub count: BigInt,
}

// Rules

impl Ingest {
    /// The counts of the last minutes; `None` means a day. Errors: `Invalid` for `lastMinutes`.
    pub(crate) async fn load(ports: &Ports, site: &Site<Viewer>, last_minutes: Option<i32>) -> Result<Self> {
        let minutes = last_minutes.unwrap_or(DEFAULT_MINUTES);
        if !(1..=MAX_MINUTES).contains(&minutes) {
            return Err(Error::invalid(
                "lastMinutes",
                format!("is {minutes}; 1 to {MAX_MINUTES} is right (30 days are kept)"),
            ));
        }
        let since_ms = ports.now().timestamp_millis().saturating_sub(i64::from(minutes) * 60_000);
        // The ledger counts whole minutes.
        let since_ms = since_ms.div_euclid(60_000).saturating_mul(60_000);
        Ok(Self { site: site.clone(), counts: ports.ledger.counts(site.id(), since_ms).await? })
    }

    fn count(&self, wanted: impl Fn(Outcome) -> bool) -> BigInt {
        BigInt::from_u64(self.counts.iter().filter(|(outcome, _)| wanted(*outcome)).map(|(_, count)| count).sum())
    }

    /// What was not counted by reason, the most frequent first, then in the order of the reasons.
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

/// What became of everything that was sent to a website: page views, events and heartbeats alike.
#[Object]
impl Ingest {
    /// Everything that was sent, whatever became of it.
    async fn received(&self) -> BigInt {
        self.count(|_| true)
    }

    /// What was stored, or is on its way to the store and can no longer be lost.
    async fn accepted(&self) -> BigInt {
        self.count(|outcome| outcome == Outcome::Accepted)
    }

    /// What had been sent before and was counted then.
    async fn duplicates(&self) -> BigInt {
        self.count(|outcome| outcome == Outcome::Duplicate)
    }

    /// What was not counted, by reason, the most frequent first; reasons that did not occur are left out.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_REASONS), None))]
    async fn dropped(&self) -> List<Dropped> {
        self.reasons().into()
    }

    /// When the last event was accepted, UTC; null when none was within 30 days.
    async fn last_event_at(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<Instant>> {
        let answer: async_graphql::Result<Option<Instant>> =
            async { Ok(last_event_at(ctx.cx()?.ports(), self.site.id()).await?) }.await;
        answer.transpose()
    }

    /// What looks wrong in the set-up, in sentences; empty when nothing does.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_WARNINGS), None))]
    async fn warnings(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<String>> {
        let row = self.site.website();
        let set_up = SetUp { senders: row.into(), is_active: row.is_active };
        Ok(first_of(ctx.cx()?.ports().ledger.warnings(self.site.id(), &set_up).await?, MAX_WARNINGS))
    }
}
