//! User agents of sessions behind a first-party proxy that sends its own.
//!
//! - A heartbeat without a `user_agent` gets the one of its session's page view.
//! - In memory only, bounded in bytes; the tracker's own heartbeats do not need it.

use moka::sync::Cache;
use uuid::Uuid;

use super::chain::id_of;

/// Approximate memory limit, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Remembers user agents by website and session.
pub struct SessionAgents(Cache<Uuid, Box<str>>);

impl Default for SessionAgents {
    fn default() -> Self {
        #[expect(clippy::borrowed_box, reason = "the cache hands over its own keys and values")]
        let weigher = |_: &Uuid, text: &Box<str>| u32::try_from(text.len() + 150).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weigher).max_capacity(MAX_BYTES).build())
    }
}

impl SessionAgents {
    /// Records the user agent in the body of a session's beacon.
    pub fn remember(&self, website: Uuid, session: &str, user_agent: &str) {
        let key = id_of(website, session);
        if self.0.get(&key).is_none_or(|known| *known != *user_agent) {
            self.0.insert(key, user_agent.into());
        }
    }

    /// The recorded user agent of a session, if its requests have a different one.
    #[must_use]
    pub fn of(&self, website: Uuid, session: &str) -> Option<Box<str>> {
        self.0.get(&id_of(website, session))
    }
}
