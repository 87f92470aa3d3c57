//! The second half of an import: page views in order of time, with their visitors, in batches for the event store.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use schema::{
    analytics::event::{Agent, Event, EventKind, Place},
    error::{Error, Result},
    ports::OpenVisit,
};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::{Target, reading::Reading};
use crate::ingest::{
    enrich::Enricher,
    identity::{DAY_MS, Visits},
};

/// Events in a batch: large enough for a column store, small enough to build while the last one is stored.
const BATCH: usize = 50_000;

/// Events to store, and the time before which none will follow.
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) settled_ms: i64,
}

/// Builds all batches and sends each; stops early when `send` answers that nobody listens any more.
///
/// `recall` tells the visits that the store held open at an instant, in milliseconds since 1970 UTC.
pub(super) fn build(
    reading: Reading,
    target: &Target,
    mut visits: Visits,
    enricher: &Enricher,
    recall: impl Fn(i64) -> Result<Vec<OpenVisit>>,
    mut send: impl FnMut(Batch) -> bool,
) -> Result<()> {
    let Reading { mut views, clients, addresses, user_agents, paths, arrivals, .. } = reading;
    // Stable: ties stay in order of the file.
    views.sort_by_key(|view| view.time_ms);

    let empty: Arc<str> = "".into();
    let hostname: Arc<str> = target.domain.to_lowercase().into();
    let mut places: Vec<Option<Arc<Place>>> = vec![None; addresses.len()];
    // A million addresses are in some hundred places.
    let mut known: FxHashMap<Place, Arc<Place>> = FxHashMap::default();
    let mut agents: Vec<Option<Arc<Agent>>> = vec![None; user_agents.len()];
    // Equal lines have equal times, so they are counted within one instant and forgotten after it.
    let mut equal: FxHashMap<[u8; 16], u64> = FxHashMap::default();
    let (mut now_ms, mut today) = (i64::MIN, i64::MIN);
    let mut events = Vec::with_capacity(BATCH.min(views.len()));

    for view in views {
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

        let client = *get(&clients, view.client)?;
        let address = get(&addresses, client.address)?;
        let user_agent = get(&user_agents, client.user_agent)?;
        let visitor = visits.visitor(view.client as usize, address, user_agent, view.time_ms);
        let place = once(&mut places, client.address, || {
            let place = enricher.place(address);
            Arc::clone(known.entry((*place).clone()).or_insert(place))
        })?;
        let agent = once(&mut agents, client.user_agent, || enricher.known(user_agent).agent)?;
        events.push(Event {
            website: target.website,
            id,
            time_ms: view.time_ms,
            visitor,
            kind: EventKind::Pageview,
            name: Arc::clone(&empty),
            hostname: Arc::clone(&hostname),
            path: Arc::clone(get(&paths, view.path)?),
            title: Arc::clone(&empty),
            acquisition: Arc::clone(get(&arrivals, view.arrival)?),
            place,
            agent,
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
                return Ok(());
            }
        }
    }
    if !events.is_empty() {
        send(Batch { events, settled_ms: now_ms });
    }
    Ok(())
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

fn once<T>(known: &mut [Option<Arc<T>>], number: u32, find: impl FnOnce() -> Arc<T>) -> Result<Arc<T>> {
    let slot = known
        .get_mut(number as usize)
        .ok_or_else(|| Error::broken("a record of the import names a number that nobody gave"))?;
    Ok(Arc::clone(slot.get_or_insert_with(find)))
}
