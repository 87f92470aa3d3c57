//! The ports of the event store.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    analytics::{
        event::{Event, EventKind},
        plan::{Answer, Plan},
    },
    error::Result,
};

use super::people::{Forgotten, Payer, PayerQuery, PeoplePage, PeopleQuery, PersonEvents, Subject};

/// The event store.
#[async_trait]
pub trait Events: Send + Sync {
    /// Runs each panel of the plan and returns results in order. Errors: `TimedOut` past the statement time limit.
    async fn ask(&self, plan: &Plan) -> Result<Vec<Answer>>;

    /// Time of the website's first event, in milliseconds since 1970 UTC; `None` if it has none.
    async fn first_event(&self, website: Uuid) -> Result<Option<i64>>;

    /// Number of events on these websites since an instant (milliseconds since 1970 UTC), without bots and heartbeats.
    async fn count_since(&self, websites: &[Uuid], since_ms: i64) -> Result<u64>;

    /// People of a website, the last identified first. A store that keeps no people has none.
    async fn people(&self, _query: &PeopleQuery) -> Result<PeoplePage> {
        Ok(PeoplePage::default())
    }

    /// The website of a person.
    async fn website_of_person(&self, _person: Uuid) -> Result<Option<Uuid>> {
        Ok(None)
    }

    /// Everything stored about a person's visitors, an event at a time, the oldest first: only events after a position
    /// (time and event ID).
    async fn events_of_person(
        &self,
        _website: Uuid,
        _person: Uuid,
        _after: Option<(i64, u128)>,
        _limit: u32,
    ) -> Result<PersonEvents> {
        Ok(PersonEvents::default())
    }

    /// The visitor that a payment is attributed to; `None` if there is none.
    async fn payer(&self, _query: &PayerQuery) -> Result<Option<Payer>> {
        Ok(None)
    }

    /// Stores events, all or none. An event whose ID is already stored for the same time and website is skipped.
    ///
    /// `settled_ms`: no event older than this is expected; visits that ended 30 minutes before it are closed.
    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended>;
}

/// Log import on the event store.
#[async_trait]
pub trait Imports: Events {
    /// The logs imported into the website, once for each length that was imported.
    async fn imported_logs(&self, website: Uuid) -> Result<Vec<ImportedLog>>;

    /// Records a log before the first of its page views is stored.
    async fn remember_log(&self, website: Uuid, log: ImportedLog) -> Result<()>;

    /// Visits without bots that have a first event at `until_ms` or before and a last event at `from_ms` or later.
    async fn visits_between(&self, website: Uuid, from_ms: i64, until_ms: i64) -> Result<Vec<StoredVisit>>;

    /// Stores page views of a log and moves visits, all or none. Page views that are already stored are skipped.
    async fn import(&self, batch: ImportBatch) -> Result<Appended>;
}

/// A log, identified by its first page views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedLog {
    /// The log's number, which it keeps as it grows.
    pub log: u64,
    /// Number of page views it had.
    pub page_views: u64,
    /// Digest of all page views, in file order.
    pub digest: [u8; 16],
}

/// Page views of one log, in chronological order.
#[derive(Debug, Default)]
pub struct ImportBatch {
    /// The page views.
    pub page_views: Vec<ImportedPageView>,
    /// Visits that turn out to continue from an earlier day.
    pub moves: Vec<VisitMove>,
    /// As in [`Events::append`].
    pub settled_ms: i64,
}

/// A page view of a log.
#[derive(Debug)]
pub struct ImportedPageView {
    /// The page view.
    pub event: Event,
    /// Identifies equal lines: lines with the same instant, website and number are equal.
    pub line: u64,
    /// Number of equal lines that precede it in the log.
    pub equal_before: u64,
}

/// A stored visit whose visitor gets a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitMove {
    /// The website.
    pub website: Uuid,
    /// The visit as it is stored.
    pub visit: StoredVisit,
    /// The new key.
    pub visitor: u64,
}

/// The target of the ingest journal.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Stores events as [`Events::append`] does and, in the same transaction, that the journal is delivered up to
    /// `position`.
    async fn deliver(&self, events: Vec<Event>, settled_ms: i64, position: i64) -> Result<Appended>;

    /// The position of the last delivery.
    async fn delivered(&self) -> Result<i64>;

    /// Erases events and visits of a website, and rejects further ones until the process ends. Returns the number of
    /// events erased since the process started.
    async fn erase(&self, website: Uuid) -> Result<u64>;

    /// Removes one person's events, visits and traits, and their bytes from the file. Waits for running queries;
    /// later ones wait meanwhile.
    async fn forget(&self, website: Uuid, subject: &Subject) -> Result<Forgotten>;

    /// Deletes some of a website's events before an instant (milliseconds since 1970 UTC), oldest first, and visits that
    /// ended before it. Returns the number of events; 0 when none are left.
    async fn expire(&self, website: Uuid, before_ms: i64) -> Result<u64>;

    /// Makes the space of deleted events available on disk again, as far as it can. Returns the size of the file, in bytes.
    async fn compact(&self) -> Result<u64>;

    /// The events of all websites since an instant (milliseconds since 1970 UTC), in chronological order; the latest
    /// 100,000.
    async fn since(&self, time_ms: i64) -> Result<Vec<RecentEvent>>;
}

/// The parts of an event that are restored at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentEvent {
    /// ID of the website.
    pub website: Uuid,
    /// The actor.
    pub visitor: u64,
    /// Time of the event, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Type of the event.
    pub kind: EventKind,
    /// ISO 3166-1 alpha-2; empty where unknown.
    pub country: String,
    /// Path of the page; empty if it is unusually long.
    pub path: String,
    /// Whether the event is bot traffic.
    pub is_bot: bool,
    /// Channel of its acquisition; empty for none.
    pub channel: String,
    /// Number of goals that it completed.
    pub goals: u8,
    /// Deepest scroll position that it reports, in percent.
    pub scroll: u8,
}

/// Result of storing a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events stored.
    pub stored: u64,
    /// Events skipped because they were already stored.
    pub duplicates: u64,
}

/// The first and last event of a stored visit, and its visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredVisit {
    /// The visitor's key.
    pub visitor: u64,
    /// Time of the first event, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// Time of the last event, in milliseconds since 1970 UTC.
    pub end_ms: i64,
}
