//! How many buckets a series can have, told from the arguments of a question before it is asked.

use async_graphql::{InputType, Value};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use schema::analytics::{
    query::{Interval, RangeInput, RangePreset},
    zone,
};

/// Buckets of this interval that this range touches in any zone, at most. `None`: the range depends on the website (`ALL_TIME`), or the
/// values are not valid.
#[must_use]
pub fn at_most(range: &Value, interval: &Value, now: DateTime<Utc>) -> Option<u64> {
    let range = RangeInput::parse(Some(range.clone())).ok()?;
    let interval = Interval::parse(Some(interval.clone())).ok()?;
    if matches!(range, RangeInput::Preset(RangePreset::AllTime)) {
        return None;
    }
    let span = zone::resolve(range, Tz::UTC, now, None).ok()?;
    // The shortest there are; in another zone a range of calendar days is up to a day longer.
    let bucket_ms = match interval {
        Interval::Minute => 60_000,
        Interval::Hour => 1_800_000,
        Interval::Day => 23 * 3_600_000,
        Interval::Week => (7 * 24 - 1) * 3_600_000,
        Interval::Month => (28 * 24 - 1) * 3_600_000,
    };
    u64::try_from((span.end_ms - span.start_ms) / bucket_ms + 2).ok()
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn ranges_have_as_many_buckets_as_fit() {
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(20_000);
        for (range, interval, expected) in [
            (value!({ "preset": "LAST_7_DAYS" }), value!("DAY"), Some(9)),
            (value!({ "preset": "LAST_24_HOURS" }), value!("MINUTE"), Some(1_442)),
            (
                value!({ "between": { "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z" } }),
                value!("MINUTE"),
                Some(1_442),
            ),
            (value!({ "preset": "ALL_TIME" }), value!("DAY"), None),
            (value!({ "preset": "NEVER" }), value!("DAY"), None),
            (value!({ "preset": "TODAY" }), value!("DECADE"), None),
        ] {
            assert_eq!(at_most(&range, &interval, now), expected, "{range} {interval}");
        }
    }
}
