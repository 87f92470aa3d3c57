//! The system's time and randomness behind their ports: no other code may use them directly.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use schema::ports::{Clock, Ids};
use uuid::{Builder, Uuid};

/// The system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port that everybody else asks")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Requests so far.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// A key of this process, from the system.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The operating system's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemIds;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the port that everybody else asks")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn request(&self) -> Uuid {
        // Requests come too often to ask the system for each: a keyed hash of a counter is as good for an id that opens nothing.
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let half = |half: u8| KEY.hash_one((number, half));
        Builder::from_random_bytes(Uuid::from_u64_pair(half(0), half(1)).into_bytes()).into_uuid()
    }

    fn secret(&self, length: usize) -> String {
        // Bytes above the last full multiple of 62 are drawn again, so that every letter is equally likely.
        let mut secret = String::with_capacity(length);
        while secret.len() < length {
            let mut bytes = [0_u8; 64];
            if getrandom::fill(&mut bytes).is_err() {
                // Without randomness there is no secret; the system has none to give only while it boots.
                std::thread::yield_now();
                continue;
            }
            let letters =
                bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
            secret.extend(letters.take(length.saturating_sub(secret.len())).map(|letter| char::from(*letter)));
        }
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_ids_of_their_own() {
        let ids: std::collections::HashSet<Uuid> = (0..1_000).map(|_| SystemIds.request()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }

    #[test]
    fn secrets_have_the_length_and_use_every_letter() {
        let secret = SystemIds.secret(20_000);
        assert_eq!(secret.len(), 20_000);
        for letter in ALPHABET {
            assert!(secret.bytes().filter(|byte| byte == letter).count() > 200, "{}", char::from(*letter));
        }
        assert_ne!(SystemIds.secret(40), SystemIds.secret(40));
        assert_eq!(SystemIds.secret(0), "");
    }
}
