//! Identity without a cookie: a keyed hash of IP address and user agent that changes with the UTC day.
//!
//! - The IP address is not kept, and without the installation's secret addresses cannot be tested against the hash.
//! - A visit that crosses midnight keeps its first visitor, over any number of midnights.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// Length of a UTC day, in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The installation's secret: 32 random bytes of the data folder. `Debug` does not reveal it.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Creates it from the bytes in the data folder.
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
    /// The key of a visitor with a sender ID, the same on every day.
    #[must_use]
    pub fn known(&self, id: &str) -> u64 {
        // No day is the least one, so this meets no cookieless visitor.
        self.visitor(id, "", i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
