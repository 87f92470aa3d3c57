//! The second half of an import: page views in order of time, with their visitors, in batches for the event store.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use rustc_hash::FxHashMap;
use schema::{
    analytics::event::{Agent, Event, EventKind, Place},
    error::{Error, Result},
    ports::OpenVisit,
};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::{Target, intern::Shared, reading::Reading, spill::UNNUMBERED};
use crate::ingest::{
    channel::{Campaign, acquire},
    enrich::Enricher,
    identity::{DAY_MS, Visits},
};

/// Events in a batch: large enough for a column store, small enough to build while the last one is stored.
const BATCH: usize = 25_000;

/// Events to store, and the time before which none will follow.
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) settled_ms: i64,
}

/// Builds all batches and sends each; stops early when `send` answers that nobody listens any more. Answers how many page views
/// have no country.
///
/// `recall` tells the visits that the store held open at an instant, in milliseconds since 1970 UTC.
pub(super) fn build(
    reading: Reading,
    target: &Target,
    mut visits: Visits,
    enricher: &Enricher,
    recall: impl Fn(i64) -> Result<Vec<OpenVisit>>,
    mut send: impl FnMut(Batch) -> bool,
) -> Result<u64> {
    let Reading { mut views, user_agents, arrivals, .. } = reading;
    let empty: Arc<str> = "".into();
    let hostname: Arc<str> = target.domain.to_lowercase().into();
    let mut places = Places::default();
    let mut agents = Agents { numbered: vec![None; user_agents.len()], known: FxHashMap::default() };
    let mut paths = Shared::default();
    // Equal lines have equal times, so they are counted within one instant and forgotten after it.
    let mut equal: FxHashMap<[u8; 16], u64> = FxHashMap::default();
    let clients = RandomState::new();
    let (mut now_ms, mut today) = (i64::MIN, i64::MIN);
    let mut without_country = 0;
    let mut events = Vec::new();

    while let Some(view) = views.next()? {
        if view.time_ms != now_ms {
            let day = view.time_ms.div_euclid(DAY_MS);
            if day != today {
                // The first line's instant, and from then on each midnight.
                let at_ms = if today == i64::MIN { view.time_ms } else { day * DAY_MS };
                visits.recall(at_ms, recall(at_ms)?);
                today = day;
            }
            now_ms = view.time_ms;
            equal.clear();
        }
        let before = equal.entry(view.digest).or_insert(0);
        let id = event_id(view.digest, *before);
        *before += 1;

        let user_agent = match view.user_agent {
            UNNUMBERED => view.user_agent_text,
            number => &get(&user_agents, number)?.text,
        };
        let client = clients.hash_one((view.address, view.user_agent, view.user_agent_text));
        let visitor = visits.visitor(client, view.address, user_agent, view.time_ms);
        let place = places.of(view.address, enricher);
        without_country += u64::from(place.country.is_empty());
        let acquisition = match view.arrival {
            UNNUMBERED => Arc::new(acquire(view.referrer.to_owned(), Campaign::of_query(view.query))),
            number => Arc::clone(get(&arrivals, number)?),
        };
        events.push(Event {
            website: target.website,
            id,
            time_ms: view.time_ms,
            visitor,
            kind: EventKind::Pageview,
            name: Arc::clone(&empty),
            hostname: Arc::clone(&hostname),
            path: paths.text(view.path),
            title: Arc::clone(&empty),
            acquisition,
            place,
            agent: agents.of(view.user_agent, user_agent, enricher),
            screen: Arc::clone(&empty),
            language: Arc::clone(&empty),
            properties: Arc::clone(&empty),
            amount_micros: 0,
            currency: Arc::clone(&empty),
            bot: Arc::clone(&empty),
        });
        if events.len() == BATCH {
            let full = std::mem::replace(&mut events, Vec::with_capacity(BATCH));
            if !send(Batch { events: full, settled_ms: now_ms }) {
                return Ok(without_country);
            }
        }
    }
    if !events.is_empty() {
        send(Batch { events, settled_ms: now_ms });
    }
    Ok(without_country)
}

/// Places of addresses. A million addresses are in some hundred places.
#[derive(Default)]
struct Places {
    by_address: HashMap<Box<str>, Arc<Place>>,
    known: FxHashMap<Place, Arc<Place>>,
}

impl Places {
    /// Addresses, and places, that are remembered at most.
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

/// What user agents tell. A hundred thousand of them are some thousand browsers.
struct Agents {
    numbered: Vec<Option<Arc<Agent>>>,
    known: FxHashMap<Agent, Arc<Agent>>,
}

impl Agents {
    /// Browsers that are remembered at most.
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

/// The identity of a line: its text (by digest) and how many equal lines came before it.
fn event_id(digest: [u8; 16], before: u64) -> Uuid {
    let bytes = if before == 0 {
        digest
    } else {
        let whole: [u8; 32] = Sha256::new_with_prefix(digest).chain_update(before.to_le_bytes()).finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&whole[..16]);
        bytes
    };
    Builder::from_custom_bytes(bytes).into_uuid()
}

fn get<T>(list: &[T], number: u32) -> Result<&T> {
    list.get(number as usize).ok_or_else(|| Error::broken("a record of the import names a number that nobody gave"))
}
