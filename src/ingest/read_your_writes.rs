//! Read-your-writes: queries include every event acknowledged before them, because delivery runs first.
//!
//! - Events younger than [`YOUNG`] are exempt, so that many queries do not become as many transactions.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use schema::{
    analytics::{
        event::Event,
        plan::{Answer, Plan},
    },
    error::Result,
    ports::{Appended, Events, Payer, PayerQuery, PeoplePage, PeopleQuery, PersonEvents},
};
use uuid::Uuid;

use super::progress::State;

/// How long a committed event may be missing from results.
pub const YOUNG: Duration = Duration::from_millis(400);

/// How long a query waits for the events before it; then it runs without them.
const PATIENCE: Duration = Duration::from_secs(2);

/// The event store, brought up to date before each query.
pub struct ReadYourWrites {
    /// The store.
    pub events: Arc<dyn Events>,
    /// Progress of delivery.
    pub state: Arc<State>,
}

impl ReadYourWrites {
    async fn freshen(&self) {
        self.freshen_until(YOUNG).await;
    }

    /// Waits for what was committed at least this long ago.
    async fn freshen_until(&self, age: Duration) {
        // A store that refuses events still runs queries.
        if self.state.is_away.load(Ordering::Acquire) {
            return;
        }
        if let Some(position) = self.state.waiting_for(age)
            && tokio::time::timeout(PATIENCE, self.state.until(position)).await.is_err()
        {
            tracing::warn!("a query ran without the events of the last seconds because the event store is slow");
        }
    }
}

#[async_trait]
impl Events for ReadYourWrites {
    async fn ask(&self, plan: &Plan) -> Result<Vec<Answer>> {
        self.freshen().await;
        self.events.ask(plan).await
    }

    async fn first_event(&self, website: Uuid) -> Result<Option<i64>> {
        self.freshen().await;
        self.events.first_event(website).await
    }

    async fn count_since(&self, websites: &[Uuid], since_ms: i64) -> Result<u64> {
        self.freshen().await;
        self.events.count_since(websites, since_ms).await
    }

    async fn people(&self, query: &PeopleQuery) -> Result<PeoplePage> {
        self.freshen().await;
        self.events.people(query).await
    }

    async fn website_of_person(&self, person: Uuid) -> Result<Option<Uuid>> {
        self.freshen().await;
        self.events.website_of_person(person).await
    }

    async fn events_of_person(
        &self,
        website: Uuid,
        person: Uuid,
        after: Option<(i64, u128)>,
        limit: u32,
    ) -> Result<PersonEvents> {
        self.freshen().await;
        self.events.events_of_person(website, person, after, limit).await
    }

    async fn payer(&self, query: &PayerQuery) -> Result<Option<Payer>> {
        // What it answers is stored, so it waits for the youngest identification too.
        self.freshen_until(Duration::ZERO).await;
        self.events.payer(query).await
    }

    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended> {
        self.events.append(events, settled_ms).await
    }
}
