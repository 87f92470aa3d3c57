//! The open connections: their number by address and in total, and which can be closed to make
//! room.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;

use super::activity::{Activity, Order, Waits};
use crate::ingest::address::{Proxies, household};

/// At a limit, one in this many connections is closed beyond what is needed, so that the search for them is rare.
const SHARE: usize = 16;

/// Maximum number of files reserved for databases, mails and lookups.
const RESERVED_FILES: usize = 256;

/// Interval between log lines about refused connections.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Limits of connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first byte of a request to the end of its head, and between two parts of its body.
    pub header: Duration,
    /// For the whole body of a request.
    pub body: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Maximum number of connections; `None`: as many as the limit of open files allows.
    pub connections: Option<usize>,
    /// Maximum number of connections per address (IPv6: per /64 network).
    pub per_address: usize,
    /// Addresses without a limit of their own.
    pub proxies: Proxies,
}

/// The limit that refused a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// That of its address.
    Address,
    /// That of all.
    Total,
}

impl Full {
    /// The setting that raises it.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Address => "max_connections_per_address",
            Self::Total => "max_connections",
        }
    }
}

#[derive(Debug)]
struct Seat {
    address: Option<IpAddr>,
    activity: Arc<Activity>,
}

#[derive(Debug, Default)]
struct Open {
    seats: FxHashMap<u64, Seat>,
    by_address: FxHashMap<IpAddr, usize>,
    next: u64,
    logged: Option<Instant>,
}

impl Open {
    fn remove(&mut self, id: u64) {
        let Some(seat) = self.seats.remove(&id) else { return };
        let Some(address) = seat.address else { return };
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// Closes the connections that have waited longest, of one address or of all. Returns whether there were any.
    fn make_room(&mut self, address: Option<IpAddr>, limit: usize) -> bool {
        let of_address = |seat: &&Seat| address.is_none() || seat.address == address;
        let mut waiting: Vec<(Instant, u64)> = self
            .seats
            .iter()
            .filter(|(_, seat)| of_address(seat))
            .filter_map(|(id, seat)| Some((seat.activity.waiting_since()?, *id)))
            .collect();
        let count = (1 + limit / SHARE).min(waiting.len());
        if count > 0 {
            waiting.select_nth_unstable(count - 1);
        }
        for (_, id) in waiting.iter().take(count) {
            if let Some(seat) = self.seats.get(id) {
                seat.activity.ask(Order::Close);
            }
            self.remove(*id);
        }
        count > 0
    }
}

/// The open connections of a server.
#[derive(Debug)]
pub struct Connections {
    open: Mutex<Open>,
    waits: Waits,
    total: usize,
    per_address: usize,
    proxies: Proxies,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let Limits { header, body, idle, connections, per_address, proxies } = limits;
        let total = connections.unwrap_or_else(|| {
            // Where the limit cannot be read, the usual one is assumed.
            let files = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1_024, |(soft, _)| soft);
            let files = usize::try_from(files).unwrap_or(usize::MAX);
            files - (files / 4).min(RESERVED_FILES)
        });
        Self { open: Mutex::default(), waits: Waits { header, body, idle }, total, per_address, proxies }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection of this peer, until it is dropped. Errors: the limit that refuses it, if no other connection
    /// can make room.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Connection, Full> {
        let address = (!self.proxies.trusts(peer)).then(|| household(peer));
        let mut open = self.open();
        let of_address = address.and_then(|address| open.by_address.get(&address).copied()).unwrap_or(0);
        if of_address >= self.per_address && !open.make_room(address, self.per_address) {
            return Err(Full::Address);
        }
        if open.seats.len() >= self.total && !open.make_room(None, self.total) {
            return Err(Full::Total);
        }
        let id = open.next;
        open.next += 1;
        let activity = Arc::new(Activity::new());
        open.seats.insert(id, Seat { address, activity: Arc::clone(&activity) });
        if let Some(address) = address {
            *open.by_address.entry(address).or_default() += 1;
        }
        Ok(Connection { id, activity, all: Arc::clone(self) })
    }

    /// Closes some of the connections that have waited longest.
    pub(super) fn make_room(&self) {
        self.open().make_room(None, self.total);
    }

    /// Closes each connection after its current request.
    pub(super) fn finish(&self) {
        for seat in self.open().seats.values() {
            seat.activity.ask(Order::Finish);
        }
    }

    /// Whether the last log line about refused connections is old enough.
    pub(super) fn may_log(&self) -> bool {
        let (mut open, now) = (self.open(), Instant::now());
        let may = open.logged.is_none_or(|last| now - last >= LOG_PAUSE);
        if may {
            open.logged = Some(now);
        }
        may
    }
}

/// An open connection; it counts until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    activity: Arc<Activity>,
    all: Arc<Connections>,
}

impl Connection {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    pub(super) fn limits(&self) -> Waits {
        self.all.waits
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.open().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(total: usize, per_address: usize) -> Arc<Connections> {
        let second = Duration::from_secs(1);
        Arc::new(Connections::new(Limits {
            header: second,
            body: second,
            idle: second,
            connections: Some(total),
            per_address,
            proxies: Proxies::read(&["10.0.0.1".to_owned()]).unwrap(),
        }))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ordered(connection: &Connection) -> Option<Order> {
        connection.activity.order(&std::task::Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn the_longest_waiting_connection_of_the_address_makes_room() {
        let all = connections(100, 2);
        let (first, second) = (all.admit(ip("192.0.2.1")).unwrap(), all.admit(ip("192.0.2.1")).unwrap());
        let other = all.admit(ip("192.0.2.2")).unwrap();
        first.activity.answering();
        let third = all.admit(ip("192.0.2.1")).unwrap();
        assert_eq!([&first, &second, &other, &third].map(ordered), [None, Some(Order::Close), None, None]);
        third.activity.answering();
        assert_eq!(all.admit(ip("192.0.2.1")).unwrap_err(), Full::Address, "none of its connections waits");
        drop(first);
        all.admit(ip("192.0.2.1")).unwrap();
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_trusted_proxy_has_no_limit() {
        let all = connections(100, 1);
        let first = all.admit(ip("2001:db8::1")).unwrap();
        first.activity.answering();
        assert_eq!(all.admit(ip("2001:db8::2")).unwrap_err(), Full::Address);
        all.admit(ip("2001:db8:0:1::2")).unwrap();
        let many: Vec<_> = (0..10).map(|_| all.admit(ip("10.0.0.1")).unwrap()).collect();
        assert_eq!(all.open().seats.len(), 11);
        drop((many, first));
        assert!(all.open().seats.is_empty() && all.open().by_address.is_empty());
    }

    #[test]
    fn at_the_limit_of_all_those_that_wait_make_room() {
        let all = connections(32, 100);
        let held: Vec<_> = (0..32).map(|number| all.admit(ip(&format!("192.0.2.{number}"))).unwrap()).collect();
        let _new = all.admit(ip("198.51.100.1")).unwrap();
        assert_eq!(held.iter().filter(|connection| ordered(connection) == Some(Order::Close)).count(), 1 + 32 / SHARE);
        drop(held);
        let busy: Vec<_> = (0..31).map(|number| all.admit(ip(&format!("192.0.2.{number}"))).unwrap()).collect();
        busy.iter().for_each(|connection| connection.activity.answering());
        _new.activity.answering();
        assert_eq!(all.admit(ip("198.51.100.2")).unwrap_err(), Full::Total);
    }

    #[test]
    fn each_phase_has_its_time() {
        let waits =
            Waits { header: Duration::from_secs(10), body: Duration::from_secs(30), idle: Duration::from_secs(70) };
        let left = |activity: &Activity| activity.left(&waits).map(|left| left.as_secs_f64().ceil() as u64);
        let activity = Activity::new();
        assert_eq!(left(&activity), Some(70));
        activity.heard();
        assert_eq!(left(&activity), Some(10));
        activity.answering();
        assert_eq!(left(&activity), None);
        activity.heard();
        assert_eq!(left(&activity), None, "a body's bytes begin no request");
        activity.awaits_body(true);
        assert_eq!(left(&activity), Some(10));
        activity.answered();
        assert_eq!(left(&activity), Some(70));
    }
}
