//! The headers `X-RateLimit-*` and `X-Usage-*` of the contract, and the IETF draft's `RateLimit` and `RateLimit-Policy`.

use std::{
    fmt::Write as _,
    sync::{PoisonError, RwLock},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, SecondsFormat, Utc};
use schema::rate_window::{SECONDS, Window};

const NAMES: [HeaderName; 9] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
    HeaderName::from_static("x-usage-monthly"),
    HeaderName::from_static("x-usage-limit"),
    HeaderName::from_static("x-usage-reset"),
    HeaderName::from_static("x-usage-total"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// The names for `Access-Control-Expose-Headers`, with the header of a refusal.
pub const EXPOSED: &str = "x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, x-usage-monthly, x-usage-limit, x-usage-reset, x-usage-total, ratelimit, ratelimit-policy, retry-after";

/// A caller's limits and what is left of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Requests per minute.
    pub limit: u64,
    /// Requests left in the current minute.
    pub remaining: u64,
    /// When the minute ends.
    pub resets_at: DateTime<Utc>,
    /// Requests in this calendar month (UTC).
    pub monthly: u64,
    /// Requests per month.
    pub monthly_limit: u64,
    /// End of the current month.
    pub monthly_resets_at: DateTime<Utc>,
    /// Requests since the key was created.
    pub total: u64,
    /// When this was counted.
    pub now: DateTime<Utc>,
}

impl Meter {
    /// Whole seconds until the minute ends, at least 1.
    #[must_use]
    pub fn seconds_left(&self) -> u64 {
        until(self.resets_at, self.now)
    }

    /// Whether a response has the headers.
    #[must_use]
    pub fn is_in(headers: &HeaderMap) -> bool {
        headers.contains_key(&NAMES[0])
    }

    /// Writes the headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        insert(headers, self.values());
    }

    fn values(&self) -> [HeaderValue; 9] {
        let number = |number: u64| HeaderValue::from(number);
        let text = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0"));
        let monthly_left = self.monthly_limit.saturating_sub(self.monthly);
        let month = until(self.monthly_resets_at, self.now);
        let (mut left, mut policy) = (String::with_capacity(64), String::with_capacity(64));
        // Writing to a text cannot fail.
        let _ = write!(
            left,
            "\"minute\";r={};t={}, \"month\";r={monthly_left};t={month}",
            self.remaining,
            self.seconds_left()
        );
        let _ = write!(
            policy,
            "\"minute\";q={};w={SECONDS}, \"month\";q={};w={}",
            self.limit,
            self.monthly_limit,
            seconds_of_month(self.monthly_resets_at)
        );
        [
            number(self.limit),
            number(self.remaining),
            HeaderValue::from(self.resets_at.timestamp()),
            number(self.monthly),
            number(self.monthly_limit),
            text(self.monthly_resets_at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            number(self.total),
            text(left),
            text(policy),
        ]
    }
}

fn insert(headers: &mut HeaderMap, values: [HeaderValue; 9]) {
    headers.reserve(16);
    for (name, value) in NAMES.into_iter().zip(values) {
        headers.insert(name, value);
    }
}

/// Whole seconds until an instant, rounded up, at least 1.
fn until(end: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    let milliseconds = (end - now).num_milliseconds();
    u64::try_from(milliseconds).unwrap_or(0).div_ceil(1000).max(1)
}

/// Length of the month that ends at this instant, in seconds.
fn seconds_of_month(end: DateTime<Utc>) -> i64 {
    let start = end.checked_sub_months(chrono::Months::new(1)).unwrap_or(end);
    (end - start).num_seconds()
}

/// The headers of a caller that has spent nothing, written once per second: beacons need them thousands of times.
#[derive(Default)]
pub(super) struct Unspent(RwLock<Option<(i64, [HeaderValue; 9])>>);

impl Unspent {
    pub(super) fn write(&self, limit: u32, now: DateTime<Utc>, headers: &mut HeaderMap) {
        let second = now.timestamp();
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, values)) = known.as_ref()
            && *of == second
        {
            return insert(headers, values.clone());
        }
        drop(known);
        let values = Meter::new(limit, Window::default(), 0, now).values();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((second, values.clone()));
        insert(headers, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_those_of_the_contract_and_of_the_draft() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let meter = Meter {
            limit: 10,
            remaining: 3,
            resets_at: at("2026-12-31T23:59:00Z"),
            monthly: 7,
            monthly_limit: 1_000,
            monthly_resets_at: at("2027-01-01T00:00:00Z"),
            total: 9,
            now: at("2026-12-31T23:58:42.500Z"),
        };
        let mut headers = HeaderMap::new();
        meter.write(&mut headers);
        let values = NAMES.map(|name| headers[&name].to_str().unwrap().to_owned());
        assert_eq!(
            values,
            [
                "10",
                "3",
                "1798761540",
                "7",
                "1000",
                "2027-01-01T00:00:00.000Z",
                "9",
                "\"minute\";r=3;t=18, \"month\";r=993;t=78",
                "\"minute\";q=10;w=60, \"month\";q=1000;w=2678400"
            ]
        );
        assert!(NAMES.iter().all(|name| EXPOSED.split(", ").any(|exposed| exposed == name.as_str())));
    }
}
