//! The second half of an import: page views in chronological order, with their visitors, in batches for the event
//! store.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use rustc_hash::FxHashMap;
use schema::{
    analytics::event::{Agent, Event, EventKind, Place},
    error::{Error, Result},
    ports::{ImportBatch, ImportedPageView, StoredVisit},
};

use super::{
    Target,
    intern::Shared,
    line_id,
    reading::Reading,
    spill::UNNUMBERED,
    visitors::{Client, Visitors},
};
use crate::ingest::{
    channel::{Campaign, acquire},
    enrich::Enricher,
    identity::DAY_MS,
};

/// Number of page views in a batch: large enough for a column store, small enough to build while the last one is
/// stored.
const BATCH: usize = 25_000;

/// Builds all batches and sends each; stops early when `send` reports that the receiver is gone. Returns the number of
/// page views without a country.
///
/// `recall` returns the store's visits between two times, in milliseconds since 1970 UTC.
pub(super) fn build(
    reading: Reading,
    target: &Target,
    mut visitors: Visitors,
    enricher: &Enricher,
    recall: impl Fn((i64, i64)) -> Result<Vec<StoredVisit>>,
    mut send: impl FnMut(ImportBatch) -> bool,
) -> Result<u64> {
    let Reading { mut views, user_agents, arrivals, log, .. } = reading;
    let hostname: Arc<str> = target.domain.to_lowercase().into();
    let mut places = Places::default();
    let mut agents = Agents { numbered: vec![None; user_agents.len()], known: FxHashMap::default() };
    let mut paths = Shared::default();
    let mut instant = Instant::default();
    let clients = RandomState::new();
    let (mut now_ms, mut today) = (i64::MIN, i64::MIN);
    let mut without_country = 0;
    let mut page_views = Vec::new();

    while let Some(view) = views.next()? {
        if view.time_ms != now_ms {
            let day = view.time_ms.div_euclid(DAY_MS);
            if day != today {
                visitors.recall(day, recall(Visitors::window(day))?);
                today = day;
            }
            now_ms = view.time_ms;
            instant.begin();
        }
        let user_agent = match view.user_agent {
            UNNUMBERED => view.user_agent_text,
            number => &get(&user_agents, number)?.text,
        };
        let number = clients.hash_one((view.address, view.user_agent, view.user_agent_text));
        let visitor = visitors.visitor(Client { number, address: view.address, user_agent }, view.time_ms);
        let (equal_before, at_once_before) = instant.count(view.digest, number);
        let id = line_id::new(&view.digest, log.log, equal_before, at_once_before);
        let place = places.of(view.address, enricher);
        without_country += u64::from(place.country.is_empty());
        let acquisition = match view.arrival {
            UNNUMBERED => Arc::new(acquire(view.referrer.to_owned(), Campaign::of_query(view.query))),
            number => Arc::clone(get(&arrivals, number)?),
        };
        let event = Event {
            hostname: Arc::clone(&hostname),
            path: paths.text(view.path),
            acquisition,
            place,
            agent: agents.of(view.user_agent, user_agent, enricher),
            ..Event::new(target.website, id, view.time_ms, visitor, EventKind::Pageview)
        };
        page_views.push(ImportedPageView { line: line_id::line(id), event, equal_before });
        if page_views.len() == BATCH {
            let full = std::mem::replace(&mut page_views, Vec::with_capacity(BATCH));
            if !send(ImportBatch { page_views: full, moves: visitors.moves(), settled_ms: now_ms }) {
                return Ok(without_country);
            }
        }
    }
    if !page_views.is_empty() {
        send(ImportBatch { page_views, moves: visitors.moves(), settled_ms: now_ms });
    }
    Ok(without_country)
}

/// Counts within one instant: equal lines have equal times, so the counts can be dropped afterwards.
#[derive(Default)]
struct Instant {
    lines: FxHashMap<[u8; 16], u64>,
    clients: FxHashMap<u64, u64>,
}

impl Instant {
    fn begin(&mut self) {
        self.lines.clear();
        self.clients.clear();
    }

    /// Adds a page view. Returns how many with the same line, and with the same client, preceded it.
    fn count(&mut self, line: [u8; 16], client: u64) -> (u64, u64) {
        let (line, client) = (self.lines.entry(line).or_insert(0), self.clients.entry(client).or_insert(0));
        let before = (*line, *client);
        (*line, *client) = (*line + 1, *client + 1);
        before
    }
}

/// Places of addresses. A million addresses map to a few hundred places.
#[derive(Default)]
struct Places {
    by_address: HashMap<Box<str>, Arc<Place>>,
    known: FxHashMap<Place, Arc<Place>>,
}

impl Places {
    /// Maximum number of remembered addresses and places.
    const MAX: usize = 32_768;

    fn of(&mut self, address: &str, enricher: &Enricher) -> Arc<Place> {
        if let Some(place) = self.by_address.get(address) {
            return Arc::clone(place);
        }
        if self.by_address.len() >= Self::MAX {
            self.by_address.clear();
        }
        if self.known.len() >= Self::MAX {
            self.known.clear();
        }
        let found = enricher.place(address);
        let place = Arc::clone(self.known.entry((*found).clone()).or_insert(found));
        self.by_address.insert(address.into(), Arc::clone(&place));
        place
    }
}

/// Parsed user agents. A hundred thousand strings map to a few thousand browsers.
struct Agents {
    numbered: Vec<Option<Arc<Agent>>>,
    known: FxHashMap<Agent, Arc<Agent>>,
}

impl Agents {
    /// Maximum number of remembered browsers.
    const MAX: usize = 32_768;

    fn of(&mut self, number: u32, text: &str, enricher: &Enricher) -> Arc<Agent> {
        if let Some(Some(agent)) = self.numbered.get(number as usize) {
            return Arc::clone(agent);
        }
        if self.known.len() >= Self::MAX {
            self.known.clear();
        }
        let found = enricher.known(text).agent;
        let agent = Arc::clone(self.known.entry((*found).clone()).or_insert(found));
        if let Some(slot) = self.numbered.get_mut(number as usize) {
            *slot = Some(Arc::clone(&agent));
        }
        agent
    }
}

fn get<T>(list: &[T], number: u32) -> Result<&T> {
    list.get(number as usize).ok_or_else(|| Error::broken("an import record contains an unknown number"))
}
