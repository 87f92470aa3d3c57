//! Rate limits of callers without an API key, and the headers that show every caller its limits.
//!
//! - API keys are counted by `schema::key_usage`. People are counted by account, anonymous callers by address (IPv6 by
//!   /64), in memory only.
//! - The unit is one request. A GraphQL document spends one for each [`POINTS_PER_REQUEST`] of its cost.
//! - Callers without a key have no monthly quota. Their monthly count is what this process has seen.

mod headers;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::HeaderMap,
    middleware::{Next, from_fn},
};
use chrono::{DateTime, Datelike as _, Utc};
use schema::{
    Ports,
    api_key::usage::{Standing, next_month},
    error::Error,
    plan::PlanName,
    ports::{Clock, Limits},
    rate_window::{self, Window},
};
use uuid::Uuid;

use crate::{
    ingest::{
        address::{Proxies, household},
        enrich::Enricher,
        limiter::Limiter,
    },
    rest::envelope,
};

use self::headers::Unspent;
pub use self::headers::{EXPOSED, Meter};

/// Cost of a GraphQL document that spends one request. Each started one spends another.
pub const POINTS_PER_REQUEST: u64 = 1_000;

/// Requests of one person per minute, while plans limit something: a dashboard asks several at once.
const PERSON_PER_MINUTE: u32 = 600;

/// Requests of one address without a credential per minute, while plans limit something. Many people share one.
const ADDRESS_PER_MINUTE: u32 = 300;

/// Callers that are remembered. With more, those of earlier minutes are forgotten; with more in one minute, the others
/// are not counted.
const MAX_CALLERS: usize = 1_000_000;

/// Locks that share the callers.
const SHARDS: usize = 16;

/// The requests that a document of this cost spends.
#[must_use]
pub fn requests_of(cost: u64) -> u32 {
    u32::try_from(cost.div_ceil(POINTS_PER_REQUEST)).unwrap_or(u32::MAX).max(1)
}

/// A caller without an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Person {
    /// A signed-in user.
    User(Uuid),
    /// Whoever is behind an address; `None` without a network.
    Address(Option<IpAddr>),
}

impl Person {
    const fn per_minute(self) -> u32 {
        match self {
            Self::User(_) => PERSON_PER_MINUTE,
            Self::Address(_) => ADDRESS_PER_MINUTE,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    window: Window,
    month: u32,
    monthly: u32,
}

impl Counts {
    fn advance(&mut self, now: DateTime<Utc>) {
        self.window.advance(rate_window::minute(now));
        let month = month_of(now);
        if month != self.month {
            (self.month, self.monthly) = (month, 0);
        }
    }
}

fn month_of(now: DateTime<Utc>) -> u32 {
    u32::try_from(now.year()).unwrap_or(0) * 12 + now.month0()
}

/// The counts of callers without an API key.
pub struct Callers {
    limits: Limits,
    clock: Arc<dyn Clock>,
    proxies: Proxies,
    /// The rate limit of ingest, whose state beacons are shown.
    ingest: Arc<Limiter>,
    places: Option<Arc<Enricher>>,
    keys: RandomState,
    shards: [Mutex<HashMap<u64, Counts>>; SHARDS],
    unspent: Unspent,
}

impl Callers {
    /// Counts nobody so far.
    #[must_use]
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, proxies: Proxies, ingest: Arc<Limiter>) -> Self {
        Self {
            limits,
            clock,
            proxies,
            ingest,
            places: None,
            keys: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            unspent: Unspent::default(),
        }
    }

    /// The client's address, as reported by trusted proxies.
    #[must_use]
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        Some(self.proxies.client(peer?, headers))
    }

    /// The address of a request's sender.
    #[must_use]
    pub fn sender<B>(&self, request: &axum::http::Request<B>) -> Option<IpAddr> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        self.client(peer, request.headers())
    }

    /// The same, with the countries of addresses, for the last use of API keys.
    #[must_use]
    pub fn with_places(self, places: Arc<Enricher>) -> Self {
        Self { places: Some(places), ..self }
    }

    /// Notes the country that an API key is used from.
    pub fn note_country(&self, ports: &Ports, key: Uuid, client: Option<IpAddr>) {
        if let (Some(places), Some(client)) = (&self.places, client) {
            ports.key_usage.used_from(key, &places.place_of(client).country);
        }
    }

    /// Counts `units` requests. Returns the counts for the headers, and the error of a caller over its limit.
    pub fn spend(&self, person: Person, units: u32) -> (Meter, Option<Error>) {
        let now = self.clock.now();
        let (limit, is_limited) = self.limit_of(person);
        let key = self.key(person);
        let mut shard = self.shard(key);
        if !shard.contains_key(&key) && shard.len() >= MAX_CALLERS / SHARDS {
            let minute = rate_window::minute(now);
            shard.retain(|_, counts| counts.window.minute >= minute);
            if shard.len() >= MAX_CALLERS / SHARDS {
                return (Meter::new(limit, Window::default(), 0, now), None);
            }
        }
        let new = Counts { window: Window::default(), month: 0, monthly: 0 };
        let counts = shard.entry(key).or_insert(new);
        counts.advance(now);
        let is_over = is_limited && !counts.window.allows(units, limit);
        if !is_over {
            counts.window.spend(units);
            counts.monthly = counts.monthly.saturating_add(units);
        }
        let meter = Meter::new(limit, counts.window, counts.monthly, now);
        let error = is_over.then(|| Error::RateLimited { retry_after: meter.seconds_left(), limit: limit.into() });
        (meter, error)
    }

    /// Writes the headers of a response to an address that spends nothing.
    pub fn write_unspent(&self, address: Option<IpAddr>, is_ingest: bool, headers: &mut HeaderMap) {
        let now = self.clock.now();
        let (limit, _) = self.limit_of(Person::Address(None));
        if is_ingest && self.ingest.most() > 0 {
            let spent = address.map_or(0, |address| self.ingest.counted(address, now.timestamp_millis()));
            let window = Window { minute: rate_window::minute(now), spent: u32::try_from(spent).unwrap_or(u32::MAX) };
            let limit = u32::try_from(self.ingest.most()).unwrap_or(u32::MAX);
            return Meter::new(limit, window, window.spent, now).write(headers);
        }
        let key = self.key(Person::Address(address));
        let known = self.shard(key).get(&key).copied();
        match known {
            None => self.unspent.write(limit, now, headers),
            Some(mut counts) => {
                counts.advance(now);
                Meter::new(limit, counts.window, counts.monthly, now).write(headers);
            }
        }
    }

    /// The limit to show, and whether it is enforced.
    fn limit_of(&self, person: Person) -> (u32, bool) {
        match self.limits {
            Limits::Off => (enterprise(), false),
            Limits::Plans => (person.per_minute(), true),
        }
    }

    fn key(&self, person: Person) -> u64 {
        self.keys.hash_one(match person {
            Person::Address(address) => Person::Address(address.map(household)),
            user => user,
        })
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, Counts>> {
        let at = usize::try_from(key % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes, for anonymous callers within their limit. Those over it get 429.
pub fn limited(routes: Router, callers: Arc<Callers>) -> Router {
    routes.layer(from_fn(move |request: Request, next: Next| {
        let refused = callers.spend(Person::Address(callers.sender(&request)), 1).1;
        let now = callers.clock.now();
        async move {
            match refused {
                None => next.run(request).await,
                Some(error) => envelope::refuse(&envelope::Fault::from_error(&error), now),
            }
        }
    }))
}

/// Requests per minute of the plan Enterprise, which are shown while nothing is limited.
fn enterprise() -> u32 {
    u32::try_from(PlanName::Enterprise.limits().requests_per_minute).unwrap_or(u32::MAX)
}

impl Meter {
    /// The counts of a caller without an API key.
    fn new(limit: u32, window: Window, monthly: u32, now: DateTime<Utc>) -> Self {
        Self {
            limit: limit.into(),
            remaining: limit.saturating_sub(window.spent).into(),
            resets_at: rate_window::end(Ord::max(window.minute, rate_window::minute(now))),
            monthly: monthly.into(),
            monthly_limit: u64::try_from(PlanName::Enterprise.limits().requests_per_month.0).unwrap_or(0),
            monthly_resets_at: next_month(now),
            total: monthly.into(),
            now,
        }
    }

    /// The counts of an API key.
    #[must_use]
    pub fn of_key(standing: &Standing, now: DateTime<Utc>) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let limit = u64::from(standing.requests_per_minute.unsigned_abs());
        Self {
            limit,
            remaining: limit.saturating_sub(standing.window.spent.into()),
            resets_at: rate_window::end(Ord::max(standing.window.minute, rate_window::minute(now))),
            monthly: count(standing.monthly_requests),
            monthly_limit: count(standing.monthly_limit),
            monthly_resets_at: standing.resets_at,
            total: count(standing.total_requests),
            now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemClock;

    fn callers(limits: Limits) -> Callers {
        Callers::new(limits, Arc::new(SystemClock), Proxies::default(), Arc::default())
    }

    fn address(text: &str) -> Person {
        Person::Address(Some(text.parse().unwrap()))
    }

    #[test]
    fn a_document_spends_a_request_for_each_started_thousand() {
        assert_eq!([0, 1, 1_000, 1_001, 5_000, 50_000].map(requests_of), [1, 1, 1, 2, 5, 50]);
    }

    #[test]
    fn addresses_of_one_household_and_one_user_each_share_a_limit() {
        let callers = callers(Limits::Plans);
        let spent = |person| callers.spend(person, ADDRESS_PER_MINUTE).1.is_none();
        assert!(spent(address("2001:db8::1")));
        assert!(!spent(address("2001:db8::ffff:2")), "of the same /64");
        assert!(spent(address("2001:db8:0:1::1")), "of another /64");
        assert!(spent(address("192.0.2.1")) && spent(address("192.0.2.2")));
        assert!(!spent(address("::ffff:192.0.2.1")), "the same address in IPv6");
        let user = Person::User(Uuid::from_u128(1));
        assert!(spent(user) && spent(user) && !spent(user), "a user has twice as many");
    }

    #[test]
    fn without_limits_the_remaining_requests_fall_and_nothing_is_refused() {
        let callers = callers(Limits::Off);
        let all: Vec<_> = (0..130).map(|_| callers.spend(address("192.0.2.1"), 1)).collect();
        assert!(all.iter().all(|(meter, refused)| refused.is_none() && meter.limit == 120));
        assert!(
            all.windows(2)
                .filter(|pair| pair[0].0.resets_at == pair[1].0.resets_at)
                .all(|pair| { pair[1].0.remaining == pair[0].0.remaining.saturating_sub(1) })
        );
    }

    #[test]
    fn a_million_addresses_take_bounded_memory() {
        let callers = callers(Limits::Plans);
        for number in 0..1_200_000_u32 {
            callers.spend(Person::Address(Some(IpAddr::V4(number.into()))), 1);
        }
        let places: usize = callers.shards.iter().map(|shard| shard.lock().unwrap().capacity()).sum();
        let bytes = places * 8 / 7 * (size_of::<(u64, Counts)>() + 1);
        assert!(bytes <= 60_000_000, "{bytes}");
    }
}
