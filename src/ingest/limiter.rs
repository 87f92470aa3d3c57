//! Rate limit per address and minute. Off by default: without it no event is dropped by rate.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::address::household;

/// Addresses that are counted in one minute; others are not limited.
const MAX_ADDRESSES: usize = 1_000_000;

/// Counts requests by address in the current minute, in memory.
#[derive(Default)]
pub struct Limiter {
    /// Requests per minute; 0 for no limit.
    most: u64,
    minute: Mutex<(i64, HashMap<IpAddr, u64>)>,
}

impl Limiter {
    /// Allows this many requests per minute; 0 allows all.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self { most, minute: Mutex::default() }
    }

    /// Counts a request. Errors: the seconds until the next minute, when the limit is exceeded.
    pub fn count(&self, address: IpAddr, now_ms: i64) -> Result<(), u64> {
        if self.most == 0 {
            return Ok(());
        }
        let address = household(address);
        let now = now_ms.div_euclid(60_000);
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.0 != now {
            *minute = (now, HashMap::new());
        }
        if minute.1.len() >= MAX_ADDRESSES && !minute.1.contains_key(&address) {
            return Ok(());
        }
        let count = minute.1.entry(address).or_default();
        *count += 1;
        let left = 60 - now_ms.rem_euclid(60_000) / 1000;
        if *count <= self.most { Ok(()) } else { Err(u64::try_from(left).unwrap_or(60)) }
    }

    /// Requests of an address in the current minute.
    #[must_use]
    pub fn counted(&self, address: IpAddr, now_ms: i64) -> u64 {
        let minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = minute.0 == now_ms.div_euclid(60_000);
        if is_current { minute.1.get(&household(address)).copied().unwrap_or(0) } else { 0 }
    }

    /// Requests per minute; 0 for no limit.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_used_up_and_the_next_one_is_new() {
        let limiter = Limiter::new(2);
        let (a, b): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        assert_eq!(
            [limiter.count(a, 5_000), limiter.count(b, 6_000), limiter.count(a, 7_000)],
            [Ok(()), Ok(()), Err(53)]
        );
        assert_eq!(limiter.count(a, 60_000), Ok(()));
        assert_eq!(limiter.count("192.0.2.1".parse().unwrap(), 7_000), Ok(()));
        let off = Limiter::default();
        assert!((0..10_000).all(|_| off.count(a, 0).is_ok()));
    }
}
