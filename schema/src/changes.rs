//! What was read of the control plane may be remembered until something changes: versions that say so, and the API keys
//! that are remembered by them.
//!
//! - A transaction moves the versions of what it changed when it commits, before its answer is sent: what follows an answer
//!   sees its change. One that fails, or adds what nothing remembered depends on (a sign-in), moves none.
//! - Other processes (the command line beside a running server) move no version here: nothing is remembered for longer
//!   than a second.

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

/// Keys remembered at once; more begin anew.
const MAX_KEYS: usize = 10_000;

/// Teams whose last changes are remembered at once; with more, all count as changed.
const MAX_TEAMS: usize = 10_000;

/// Changed websites that are remembered at once; a reader that has missed more reads all websites.
const MAX_WEBSITES: usize = 1_024;

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

/// When something was read: what changes later does not hold for it.
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
    /// The version of the last change that was forgotten.
    forgotten: u64,
}

/// Counts changes of the control plane by this process.
#[derive(Debug, Default)]
pub struct Changes {
    /// Changes so far: the source of every version.
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
    /// These teams and websites were changed, and with them, or beside them, who may see what.
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

    /// Moves with every change of who may see what: equal versions, equal rights, as far as this process changes them.
    #[must_use]
    pub fn access_version(&self) -> u64 {
        self.access.load(Ordering::SeqCst)
    }

    /// The moment that what is read now of a team holds for; of no team in particular, until any team changes.
    #[must_use]
    pub fn moment(&self, team: Option<Uuid>, now: DateTime<Utc>) -> Moment {
        let version = team.map_or_else(|| self.any_team.load(Ordering::SeqCst), |team| self.team_version(team));
        Moment { version, second: now.timestamp(), live: 0 }
    }

    fn team_version(&self, team: Uuid) -> u64 {
        let teams = locked(&self.teams);
        teams.changed.get(&team).copied().unwrap_or(teams.others)
    }

    /// Moves with every change of a website.
    #[must_use]
    pub fn websites_version(&self) -> u64 {
        self.any_website.load(Ordering::SeqCst)
    }

    /// The websites that changed after a version, some of them perhaps twice; `None` when they are too many to tell.
    #[must_use]
    pub fn websites_after(&self, version: u64) -> Option<Vec<Uuid>> {
        let known = locked(&self.websites);
        let later = known.changed.iter().rev().take_while(|(changed, _)| *changed > version);
        (known.forgotten <= version).then(|| later.map(|(_, website)| *website).collect())
    }

    /// What is read from now on was read then.
    pub(crate) fn reading(&self, now: DateTime<Utc>) -> ReadAt {
        ReadAt { version: self.count.load(Ordering::SeqCst), second: now.timestamp() }
    }

    /// The key with this digest, where it was read in this second and its team has not changed since.
    pub(crate) fn known_key(&self, digest: &str, now: DateTime<Utc>) -> Option<Arc<KnownKey>> {
        let known = {
            let keys = locked(&self.keys);
            let known = keys.get(digest).filter(|known| known.at.second == now.timestamp())?;
            (known.at.version, Arc::clone(&known.key))
        };
        let (version, key) = known;
        (self.team_version(key.0.team_id) <= version).then_some(key)
    }

    /// Remembers a key that was read at this time.
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
