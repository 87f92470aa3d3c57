//! Limits on attempts to authenticate, counted before the credential is checked so that a burst is refused instead of
//! queued; and hourly limits by account and by address.
//!
//! - Three bounds apply: one address on one account, one address on all accounts, and all addresses on one account.
//! - An address from which the account has signed in before is not affected by failures of others on the account.
//! - Counts are kept in memory under keyed hashes, so that neither IP addresses nor e-mail addresses can be recovered
//!   from them.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher as _, Hash},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    caller::AddressHash,
    error::{Error, Result},
};

/// Minutes after which a count starts over.
const WINDOW_MINUTES: i64 = 5;

/// Maximum number of failures of one address on one account.
const OF_PAIR: u32 = 10;

/// Maximum number of failures of one address on any account. Lower than the queue for password hashing.
const OF_ADDRESS: u32 = 30;

/// Maximum number of failures on one account from any address.
const OF_ACCOUNT: u32 = 100;

/// Minutes after which an hourly limit starts over.
const HOUR_MINUTES: i64 = 60;

/// Actions with an hourly limit by account and by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Quota {
    /// Accounts created.
    SignUp,
    /// E-mail addresses changed and confirmations mailed again.
    AddressChange,
    /// Invitations to a team or to sign up.
    Invitation,
}

impl Quota {
    /// Name of the action, and its limits per account and per address.
    fn limits(self) -> (&'static str, u32, u32) {
        match self {
            Self::SignUp => ("sign-ups", 1, 50),
            Self::AddressChange => ("changes of an e-mail address", 10, 50),
            Self::Invitation => ("invitations", 50, 100),
        }
    }
}

/// Maximum number of counts kept. Above it, expired counts are dropped, then the half with the fewest failures.
const MAX_REMEMBERED: usize = 100_000;

#[derive(Debug, Clone, Copy)]
struct Window {
    ends_at: DateTime<Utc>,
    count: u32,
}

/// Counts failed attempts of the last minutes. One per process.
#[derive(Debug, Default)]
pub struct Attempts {
    keys: RandomState,
    windows: Mutex<HashMap<u64, Window>>,
}

/// An attempt that was admitted and counts as failed until reported otherwise.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt<'a> {
    book: &'a Attempts,
    pair: Option<u64>,
    others: Vec<u64>,
}

impl Attempts {
    // Each statement leaves the map whole, whatever a panicking thread did before.
    fn windows(&self) -> MutexGuard<'_, HashMap<u64, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, of: impl Hash) -> u64 {
        self.keys.hash_one(of)
    }

    /// Counts an attempt on an account (as named by the caller, existing or not) from an address, as far as both are
    /// known. Errors: `TooManyAttempts`, which is not counted.
    pub(crate) fn begin(
        &self,
        account: Option<&str>,
        from: Option<AddressHash>,
        now: DateTime<Utc>,
    ) -> Result<Attempt<'_>> {
        self.begin_from(account, from, false, now)
    }

    /// Like [`Attempts::begin`]. `is_known`: the account has signed in from that address before, so only the address's
    /// own failures count.
    pub(crate) fn begin_from(
        &self,
        account: Option<&str>,
        from: Option<AddressHash>,
        is_known: bool,
        now: DateTime<Utc>,
    ) -> Result<Attempt<'_>> {
        let pair = account.zip(from).map(|pair| self.key(("pair", pair)));
        let address = from.map(|from| self.key(("address", from)));
        let account = account.filter(|_| !is_known).map(|account| self.key(("account", account)));
        let bounds = [(pair, OF_PAIR), (address, OF_ADDRESS), (account, OF_ACCOUNT)];
        let bounds: Vec<(u64, u32)> = bounds.into_iter().filter_map(|(key, most)| Some((key?, most))).collect();
        let mut windows = self.windows();
        make_room(&mut windows, now);
        let used_up = bounds.iter().filter_map(|(key, most)| {
            windows.get(key).filter(|window| window.ends_at > now && window.count >= *most).map(|window| window.ends_at)
        });
        if let Some(ends_at) = used_up.max() {
            return Err(Error::TooManyAttempts { retry_after: seconds_until(ends_at, now) });
        }
        for (key, _) in &bounds {
            count(&mut windows, *key, WINDOW_MINUTES, now);
        }
        drop(windows);
        Ok(Attempt { book: self, pair, others: [address, account].into_iter().flatten().collect() })
    }

    /// Counts one use of an hourly limit. Errors: `TooOften`, which is not counted.
    pub(crate) fn take(
        &self,
        quota: Quota,
        account: Option<Uuid>,
        from: Option<AddressHash>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let (what, of_account, of_address) = quota.limits();
        let account = account.map(|account| (self.key((quota, "account", account)), of_account));
        let address = from.map(|from| (self.key((quota, "address", from)), of_address));
        let bounds: Vec<(u64, u32)> = [account, address].into_iter().flatten().collect();
        let mut windows = self.windows();
        make_room(&mut windows, now);
        for (key, limit) in &bounds {
            let Some(window) = windows.get(key).filter(|window| window.ends_at > now) else { continue };
            if window.count >= *limit {
                let retry_after = seconds_until(window.ends_at, now);
                return Err(Error::TooOften { what: what.to_owned(), limit: *limit, retry_after });
            }
        }
        for (key, _) in bounds {
            count(&mut windows, key, HOUR_MINUTES, now);
        }
        Ok(())
    }
}

fn seconds_until(ends_at: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    u64::try_from((ends_at - now).num_milliseconds().max(0) / 1000 + 1).unwrap_or(1)
}

fn count(windows: &mut HashMap<u64, Window>, key: u64, minutes: i64, now: DateTime<Utc>) {
    let window = windows.entry(key).or_insert(Window { ends_at: now, count: 0 });
    if window.ends_at <= now {
        *window = Window { ends_at: now + Duration::minutes(minutes), count: 0 };
    }
    window.count = window.count.saturating_add(1);
}

/// Bounds the number of counts: drops expired ones, then the half with the fewest failures.
fn make_room(windows: &mut HashMap<u64, Window>, now: DateTime<Utc>) {
    if windows.len() > MAX_REMEMBERED {
        windows.retain(|_, window| window.ends_at > now);
    }
    if windows.len() > MAX_REMEMBERED {
        // A caller who sends from very many addresses must not make room for itself: the highest counts stay.
        let mut counts: Vec<u32> = windows.values().map(|window| window.count).collect();
        counts.sort_unstable();
        let middle = counts.get(counts.len() / 2).copied().unwrap_or(0);
        let mut room = MAX_REMEMBERED / 2;
        windows.retain(|_, window| {
            let stays = window.count > middle || room > 0;
            room = room.saturating_sub(1);
            stays
        });
    }
}

impl Attempt<'_> {
    /// The attempt succeeded: clears the failures of this address on this account, and does not count as a failure.
    pub(crate) fn succeeded(self) {
        if let Some(pair) = self.pair {
            self.book.windows().remove(&pair);
        }
        self.give_back(&self.others);
    }

    /// The credential was not checked.
    pub(crate) fn was_not_made(self) {
        let all: Vec<u64> = self.pair.into_iter().chain(self.others.iter().copied()).collect();
        self.give_back(&all);
    }

    fn give_back(&self, keys: &[u64]) {
        let mut windows = self.book.windows();
        for key in keys {
            if let Some(window) = windows.get_mut(key) {
                window.count = window.count.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-03-04T05:06:07Z".parse().unwrap()
    }

    fn refused(book: &Attempts, account: &str, from: u64, at: DateTime<Utc>) -> Option<u64> {
        book.begin(Some(account), Some(AddressHash(from)), at).err().and_then(|error| error.retry_after())
    }

    #[test]
    fn one_address_is_refused_at_one_account_until_the_window_ends() {
        let book = Attempts::default();
        for _ in 0..OF_PAIR {
            assert_eq!(refused(&book, "a", 1, now()), None);
        }
        assert_eq!(refused(&book, "a", 1, now()), Some(301));
        assert_eq!(refused(&book, "a", 2, now()), None, "another address");
        assert_eq!(refused(&book, "b", 1, now()), None, "another account");
        assert_eq!(refused(&book, "a", 1, now() + Duration::minutes(5)), None);
    }

    #[test]
    fn many_accounts_from_one_address_and_many_addresses_at_one_account_are_refused_too() {
        let book = Attempts::default();
        let let_through = (0..200).filter(|number| refused(&book, &number.to_string(), 1, now()).is_none()).count();
        assert_eq!(let_through, usize::try_from(OF_ADDRESS).unwrap());
        let let_through = (100..400).filter(|address| refused(&book, "a", *address, now()).is_none()).count();
        assert_eq!(let_through, usize::try_from(OF_ACCOUNT).unwrap());
    }

    #[test]
    fn an_address_that_has_signed_in_before_counts_its_own_failures_only() {
        let book = Attempts::default();
        for address in 0..200 {
            let _ = refused(&book, "a", address, now());
        }
        assert!(refused(&book, "a", 500, now()).is_some(), "an unknown address is held up");
        let from_home = || book.begin_from(Some("a"), Some(AddressHash(500)), true, now()).map(drop);
        for _ in 0..OF_PAIR {
            from_home().unwrap();
        }
        assert_eq!(from_home().unwrap_err().retry_after(), Some(301), "its own failures do count");
    }

    #[test]
    fn an_hourly_limit_is_counted_by_account_and_by_address() {
        let book = Attempts::default();
        let take = |account: u128, from: u64, at| {
            book.take(Quota::AddressChange, Some(Uuid::from_u128(account)), Some(AddressHash(from)), at)
        };
        for from in 0..10 {
            take(1, from, now()).unwrap();
        }
        let error = take(1, 77, now()).unwrap_err();
        assert_eq!((error.code(), error.retry_after()), ("RATE_LIMIT_EXCEEDED", Some(3601)));
        assert!(error.message().contains("At most 10 changes"), "{}", error.message());
        take(1, 77, now() + Duration::hours(1)).unwrap();
        for account in 100..150 {
            take(account, 5000, now()).unwrap();
        }
        assert!(take(150, 5000, now()).unwrap_err().message().contains("At most 50"));
        book.take(Quota::Invitation, Some(Uuid::from_u128(1)), Some(AddressHash(5000)), now()).unwrap();
    }

    #[test]
    fn a_success_is_no_failure_and_clears_what_came_before() {
        let book = Attempts::default();
        for _ in 0..50 {
            for _ in 0..OF_PAIR - 1 {
                book.begin(Some("a"), Some(AddressHash(1)), now()).unwrap().was_not_made();
            }
            book.begin(Some("a"), Some(AddressHash(1)), now()).unwrap().succeeded();
        }
        for _ in 0..OF_PAIR - 1 {
            assert_eq!(refused(&book, "a", 1, now()), None);
        }
        book.begin(Some("a"), Some(AddressHash(1)), now()).unwrap().succeeded();
        for _ in 0..OF_PAIR {
            assert_eq!(refused(&book, "a", 1, now()), None, "the pair began anew");
        }
        assert!(refused(&book, "a", 1, now()).is_some());
    }
}
