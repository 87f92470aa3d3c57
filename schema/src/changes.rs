//! Versions of the control plane, which invalidate what was read from it; and the cache of API keys that depends on
//! them.
//!
//! - A transaction advances the versions of what it changed when it commits, before its response is sent, so that a
//!   request after the response sees the change. A transaction that fails, or only adds data that is never cached (a
//!   sign-in), advances none.
//! - Other processes (the command line beside a running server) do not advance versions here, so nothing is cached for
//!   longer than a second.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use entity::api_key;
use uuid::Uuid;

/// Maximum number of cached keys; when it is exceeded, the cache is cleared.
const MAX_KEYS: usize = 10_000;

/// Maximum number of teams whose last changes are recorded; with more, all teams count as changed.
const MAX_TEAMS: usize = 10_000;

/// Maximum number of changed websites that are recorded; a reader that missed more reads all websites.
const MAX_WEBSITES: usize = 1_024;

/// Validity of data read from the control plane. Equal moments mean equal rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    version: u64,
    second: i64,
    live: u64,
}

impl Moment {
    /// The moment for a result that also contains live figures of this version.
    #[must_use]
    pub const fn with_live(self, live: u64) -> Self {
        Self { live, ..self }
    }
}

/// An API key that works, with its team's plan.
pub(crate) type KnownKey = (api_key::Model, String);

/// The time of a read. Later changes invalidate it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadAt {
    version: u64,
    second: i64,
}

#[derive(Debug)]
struct Remembered {
    at: ReadAt,
    key: Arc<KnownKey>,
}

#[derive(Debug, Default)]
struct Teams {
    changed: HashMap<Uuid, u64>,
    /// The version of every team that is not listed.
    others: u64,
}

#[derive(Debug, Default)]
struct Websites {
    changed: VecDeque<(u64, Uuid)>,
    /// The version of the last change that was dropped from the list.
    forgotten: u64,
}

/// Counts changes to the control plane by this process.
#[derive(Debug, Default)]
pub struct Changes {
    /// The number of changes so far: the source of every version.
    count: AtomicU64,
    access: AtomicU64,
    any_team: AtomicU64,
    any_website: AtomicU64,
    teams: Mutex<Teams>,
    websites: Mutex<Websites>,
    keys: Mutex<HashMap<String, Remembered>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Changes {
    /// Records a change to these teams and websites, and to access rights that depend on them.
    pub fn mark(&self, teams: &[Uuid], websites: &[Uuid]) {
        // Locked before the version is made, so that the list of websites has no gap behind its last version.
        let mut changed_websites = locked(&self.websites);
        let version = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if !teams.is_empty() {
            let mut known = locked(&self.teams);
            if known.changed.len() + teams.len() > MAX_TEAMS {
                known.changed.clear();
                known.others = version;
            }
            known.changed.extend(teams.iter().map(|team| (*team, version)));
            self.any_team.fetch_max(version, Ordering::SeqCst);
        }
        if !websites.is_empty() {
            let known = &mut *changed_websites;
            known.changed.extend(websites.iter().map(|website| (version, *website)));
            while known.changed.len() > MAX_WEBSITES {
                known.forgotten = known.changed.pop_front().map_or(version, |(version, _)| version);
            }
            self.any_website.fetch_max(version, Ordering::SeqCst);
        }
        drop(changed_websites);
        self.access.fetch_max(version, Ordering::SeqCst);
    }

    /// Advances with every change of access rights. Equal versions mean equal rights, as far as this process changes
    /// them.
    #[must_use]
    pub fn access_version(&self) -> u64 {
        self.access.load(Ordering::SeqCst)
    }

    /// The moment for data of a team that is read now; without a team, any team's change invalidates it.
    #[must_use]
    pub fn moment(&self, team: Option<Uuid>, now: DateTime<Utc>) -> Moment {
        let version = team.map_or_else(|| self.any_team.load(Ordering::SeqCst), |team| self.team_version(team));
        Moment { version, second: now.timestamp(), live: 0 }
    }

    fn team_version(&self, team: Uuid) -> u64 {
        let teams = locked(&self.teams);
        teams.changed.get(&team).copied().unwrap_or(teams.others)
    }

    /// Advances with every change of a website.
    #[must_use]
    pub fn websites_version(&self) -> u64 {
        self.any_website.load(Ordering::SeqCst)
    }

    /// The websites that changed after a version, possibly with duplicates; `None` if too many changed to tell.
    #[must_use]
    pub fn websites_after(&self, version: u64) -> Option<Vec<Uuid>> {
        let known = locked(&self.websites);
        let later = known.changed.iter().rev().take_while(|(changed, _)| *changed > version);
        (known.forgotten <= version).then(|| later.map(|(_, website)| *website).collect())
    }

    /// Starts a read: later changes invalidate it.
    pub(crate) fn reading(&self, now: DateTime<Utc>) -> ReadAt {
        ReadAt { version: self.count.load(Ordering::SeqCst), second: now.timestamp() }
    }

    /// The key with this digest, if it was read within the current second and its team has not changed since.
    pub(crate) fn known_key(&self, digest: &str, now: DateTime<Utc>) -> Option<Arc<KnownKey>> {
        let known = {
            let keys = locked(&self.keys);
            let known = keys.get(digest).filter(|known| known.at.second == now.timestamp())?;
            (known.at.version, Arc::clone(&known.key))
        };
        let (version, key) = known;
        (self.team_version(key.0.team_id) <= version).then_some(key)
    }

    /// Caches a key that was read at this time.
    pub(crate) fn remember_key(&self, digest: String, at: ReadAt, key: Arc<KnownKey>) {
        let mut keys = locked(&self.keys);
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.insert(digest, Remembered { at, key });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [Uuid; 3] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];

    #[test]
    fn a_change_moves_the_versions_of_what_it_concerns() {
        let (changes, now) = (Changes::default(), DateTime::<Utc>::UNIX_EPOCH);
        let moments = || ID.map(|team| changes.moment(Some(team), now));
        let (before, access) = (moments(), changes.access_version());
        changes.mark(&[], &[]);
        assert_ne!(changes.access_version(), access);
        assert_eq!((moments(), changes.websites_version()), (before, 0));
        let any = changes.moment(None, now);
        changes.mark(&[ID[0]], &[ID[2]]);
        let after = moments();
        assert_ne!(after[0], before[0]);
        assert_eq!(after[1..], before[1..]);
        assert_ne!(changes.moment(None, now), any);
        assert_eq!(changes.websites_after(0).unwrap(), [ID[2]]);
        assert!(changes.websites_after(changes.websites_version()).unwrap().is_empty());
    }

    #[test]
    fn with_too_many_teams_or_websites_all_count_as_changed() {
        let (changes, now) = (Changes::default(), DateTime::<Utc>::UNIX_EPOCH);
        let before = changes.moment(Some(ID[0]), now);
        for number in 0..=MAX_TEAMS as u128 {
            changes.mark(&[Uuid::from_u128(100 + number)], &[Uuid::from_u128(100 + number)]);
        }
        assert_ne!(changes.moment(Some(ID[0]), now), before);
        assert_eq!(changes.websites_after(0), None);
        let last = changes.websites_version();
        assert_eq!(changes.websites_after(last - 1).unwrap().len(), 1);
    }
}
