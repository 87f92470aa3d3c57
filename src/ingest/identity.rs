//! Who somebody is without a cookie: a keyed hash of address and user agent that changes with the UTC day.
//!
//! - The address goes in and does not come out: without the installation's secret nobody can try addresses against it.
//! - A visit that crosses midnight keeps the visitor it began with, over any number of midnights up to [`CHAIN_DAYS`].

use hmac::{Hmac, KeyInit, Mac};
use rustc_hash::FxHashMap;
use schema::{analytics::event::VISIT_GAP_MS, ports::OpenVisit};
use sha2::Sha256;
use uuid::Uuid;

/// Length of a UTC day, in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How many days back a visit that is still open may have begun.
pub const CHAIN_DAYS: i64 = 30;

/// The installation's secret: 32 random bytes of the data folder. Shows nothing of itself.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes the bytes that the data folder keeps.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A keyed hash for one purpose; hashes of different purposes say nothing about each other.
    #[must_use]
    pub fn keyed(&self, purpose: &str) -> Hmac<Sha256> {
        // HMAC pads a short key with zeros to its block of 64 bytes; done here, it cannot fail.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut keyed = Hmac::<Sha256>::new(&block.into());
        keyed.update(purpose.as_bytes());
        keyed.update(&[0]);
        keyed
    }
}

/// Makes visitor keys of one website.
#[derive(Clone)]
pub struct Identity {
    keyed: Hmac<Sha256>,
}

impl Identity {
    /// Keys by the secret and the website, so that one person on two websites is two visitors.
    #[must_use]
    pub fn new(secret: &Secret, website: Uuid) -> Self {
        // HMAC pads a short key with zeros to its block of 64 bytes; done here, it cannot fail.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&secret.0);
        let mut keyed = Hmac::<Sha256>::new(&block.into());
        keyed.update(website.as_bytes());
        Self { keyed }
    }

    /// The visitor's key on a UTC day (days since 1970).
    #[must_use]
    pub fn visitor(&self, address: &str, user_agent: &str, day: i64) -> u64 {
        let mut keyed = self.keyed.clone();
        // The length keeps "1.2.3.4" + "5 Mozilla" apart from "1.2.3.45" + " Mozilla".
        keyed.update(&(address.len() as u64).to_le_bytes());
        keyed.update(address.as_bytes());
        keyed.update(user_agent.as_bytes());
        keyed.update(&day.to_le_bytes());
        let digest: [u8; 32] = keyed.finalize().into_bytes().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Identity {
    /// The key of a visitor whose sender keeps an id, the same on every day.
    #[must_use]
    pub fn known(&self, id: &str) -> u64 {
        // No day is the least one, so this meets no cookieless visitor.
        self.visitor(id, "", i64::MIN)
    }
}

/// Follows visitors through events in order of time.
pub struct Visits {
    identity: Identity,
    /// By the caller's number of (address, user agent): when it was last seen, and as whom.
    seen: Vec<Option<(i64, u64)>>,
    /// Visits of the store that an event may continue.
    stored: FxHashMap<u64, OpenVisit>,
}

impl Visits {
    /// Begins without memory of earlier visits.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity, seen: Vec::new(), stored: FxHashMap::default() }
    }

    /// Tells which visits the store held open at an instant (milliseconds since 1970 UTC); replaces what was told before.
    ///
    /// A visit that goes on with the key of an earlier day has been open since midnight, so telling this for the
    /// first event and again for every midnight passed is enough.
    pub fn recall(&mut self, at_ms: i64, open: Vec<OpenVisit>) {
        // Of one visitor at most one visit is open at an instant; what began later has its own day's key anyway.
        let open = open.into_iter().filter(|visit| visit.start_ms <= at_ms);
        self.stored = open.map(|visit| (visit.visitor, visit)).collect();
    }

    /// Whose event this is. Events come in order of time; `number` is the caller's for this address and user agent.
    pub fn visitor(&mut self, number: usize, address: &str, user_agent: &str, time_ms: i64) -> u64 {
        if self.seen.len() <= number {
            self.seen.resize(number + 1, None);
        }
        let before = self.seen.get(number).copied().flatten();
        let visitor = match before {
            Some((last_ms, visitor)) if time_ms - last_ms <= VISIT_GAP_MS => visitor,
            _ => {
                let today = time_ms.div_euclid(DAY_MS);
                self.continued(address, user_agent, time_ms, today)
                    .unwrap_or_else(|| self.identity.visitor(address, user_agent, today))
            }
        };
        if let Some(seen) = self.seen.get_mut(number) {
            *seen = Some((time_ms, visitor));
        }
        visitor
    }

    /// The stored visit that this event continues under the key of an earlier day.
    fn continued(&self, address: &str, user_agent: &str, time_ms: i64, today: i64) -> Option<u64> {
        let reaches = |visit: &&OpenVisit| visit.start_ms <= time_ms && time_ms - visit.end_ms <= VISIT_GAP_MS;
        let oldest = self.stored.values().filter(reaches).map(|visit| visit.start_ms.div_euclid(DAY_MS)).min()?;
        (oldest.max(today - CHAIN_DAYS)..today).rev().find_map(|day| {
            let visitor = self.identity.visitor(address, user_agent, day);
            let visit = self.stored.get(&visitor).filter(reaches)?;
            // The key must be the one that visit began with.
            (visit.start_ms.div_euclid(DAY_MS) == day).then_some(visitor)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn identity() -> Identity {
        Identity::new(&Secret::new([7; 32]), Uuid::from_u128(1))
    }

    #[test]
    fn keys_differ_by_secret_website_address_agent_and_day_and_by_nothing_else() {
        let base = identity().visitor("192.0.2.1", "Firefox", 20_000);
        assert_eq!(base, identity().visitor("192.0.2.1", "Firefox", 20_000));
        let others = [
            Identity::new(&Secret::new([8; 32]), Uuid::from_u128(1)).visitor("192.0.2.1", "Firefox", 20_000),
            Identity::new(&Secret::new([7; 32]), Uuid::from_u128(2)).visitor("192.0.2.1", "Firefox", 20_000),
            identity().visitor("192.0.2.2", "Firefox", 20_000),
            identity().visitor("192.0.2.1", "Chrome", 20_000),
            identity().visitor("192.0.2.1", "Firefox", 20_001),
            identity().visitor("192.0.2.1F", "irefox", 20_000),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn it_is_plain_hmac_sha256() {
        // Computed with Python's hmac: key 07 * 32, website 1, then length, address, agent and day.
        let message_order = identity().visitor("192.0.2.1", "Firefox", 20_000);
        assert_eq!(format!("{message_order:016x}"), "38c76f22192a7579");
    }

    fn follow(visits: &mut Visits, minutes: &[i64]) -> Vec<u64> {
        minutes.iter().map(|minute| visits.visitor(0, "a", "b", minute * MINUTE)).collect()
    }

    #[test]
    fn a_visit_keeps_its_visitor_over_midnights_and_a_gap_ends_it() {
        let day = 24 * 60;
        let mut visits = Visits::new(identity());
        let keys = follow(&mut visits, &[day - 20, day + 10, day + 40, day + 71]);
        assert_eq!(keys[0], identity().visitor("a", "b", 0));
        assert_eq!(keys[1], keys[0], "across midnight");
        assert_eq!(keys[2], keys[0], "exactly thirty minutes go on");
        assert_eq!(keys[3], identity().visitor("a", "b", 1), "thirty-one minutes begin a new visit, of the new day");

        // A machine that never pauses: every 25 minutes for three days.
        let mut visits = Visits::new(identity());
        let minutes: Vec<i64> = (0..3 * day / 25).map(|step| step * 25).collect();
        let keys = follow(&mut visits, &minutes);
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_stored_visit_is_continued_under_its_own_key() {
        let day = 24 * 60 * MINUTE;
        let visitor = identity().visitor("a", "b", 0);
        let open = OpenVisit { visitor, start_ms: day - 50 * MINUTE, end_ms: 2 * day - 5 * MINUTE };
        let at = |time_ms: i64, open: OpenVisit| {
            let mut visits = Visits::new(identity());
            let later = OpenVisit { start_ms: 2 * day + MINUTE, end_ms: 2 * day + MINUTE, ..open };
            visits.recall(2 * day, vec![open, later]);
            visits.visitor(0, "a", "b", time_ms)
        };
        assert_eq!(at(2 * day + 10 * MINUTE, open), visitor, "begun two days ago");
        assert_eq!(at(2 * day + 25 * MINUTE, open), visitor, "the gap is thirty minutes, counted from its end");
        assert_ne!(at(2 * day + 26 * MINUTE, open), visitor);
        let stranger = OpenVisit { visitor: visitor ^ 1, ..open };
        assert_eq!(at(2 * day + 10 * MINUTE, stranger), identity().visitor("a", "b", 2));
        let misdated = OpenVisit { start_ms: day + MINUTE, ..open };
        assert_eq!(at(2 * day + 10 * MINUTE, misdated), identity().visitor("a", "b", 2));
    }
}
