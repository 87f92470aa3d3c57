//! What was read of the control plane may be remembered until something changes: the version that says so, and the API keys
//! that are remembered by it.
//!
//! - Every mutation moves the version when it has run, before its answer is sent: what follows an answer sees its change.
//! - Other processes (the command line beside a running server) move no version here: nothing is remembered for longer
//!   than a second.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use entity::api_key;

/// Keys remembered at once; more begin anew.
const MOST_KEYS: usize = 10_000;

/// Until when something read of the control plane holds: equal moments, equal rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    version: u64,
    second: i64,
    live: u64,
}

impl Moment {
    /// The moment for an answer that also shows live figures, which have this version.
    #[must_use]
    pub const fn with_live(self, live: u64) -> Self {
        Self { live, ..self }
    }
}

/// An API key that works, with its team's plan.
pub(crate) type KnownKey = (api_key::Model, String);

/// Counts changes of the control plane by this process.
#[derive(Debug, Default)]
pub struct Changes {
    version: AtomicU64,
    keys: Mutex<HashMap<String, (Moment, Arc<KnownKey>)>>,
}

impl Changes {
    /// Something was changed.
    pub fn mark(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Moves with every change: equal versions, equal rows, as far as this process changes them.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// The moment that what is read now holds for.
    #[must_use]
    pub fn moment(&self, now: DateTime<Utc>) -> Moment {
        Moment { version: self.version(), second: now.timestamp(), live: 0 }
    }

    /// The key with this digest, where it was read in the same moment.
    pub(crate) fn known_key(&self, digest: &str, moment: Moment) -> Option<Arc<KnownKey>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(digest).filter(|(known, _)| *known == moment).map(|(_, key)| Arc::clone(key))
    }

    /// Remembers a key that was read in this moment.
    pub(crate) fn remember_key(&self, digest: String, moment: Moment, key: Arc<KnownKey>) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MOST_KEYS {
            keys.clear();
        }
        keys.insert(digest, (moment, key));
    }
}
