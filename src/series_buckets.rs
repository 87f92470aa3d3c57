//! Maximum number of buckets in a series, from the arguments of a query before it runs.

use async_graphql::{InputType, Value};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use schema::analytics::{
    query::{Interval, RangeInput, RangePreset},
    zone,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Maximum number of buckets of this interval in this range, in any zone. `None`: the values are invalid.
#[must_use]
pub fn at_most(range: &Value, interval: &Value, now: DateTime<Utc>) -> Option<u64> {
    let range = RangeInput::parse(Some(range.clone())).ok()?;
    let bucket_ms = match Interval::parse(Some(interval.clone())).ok()? {
        Interval::Minute => 60_000,
        Interval::Hour => HOUR_MS,
        Interval::Day => DAY_MS,
        Interval::Week => 7 * DAY_MS,
        Interval::Month => 28 * DAY_MS,
    };
    let length_ms = longest_ms(range, now)?;
    // The first and the last one lie partly in the range, and where clocks change there may be one more.
    u64::try_from(length_ms / bucket_ms + 2 + length_ms / (30 * DAY_MS)).ok()
}

/// Length of a range in the zone where it is longest.
fn longest_ms(range: RangeInput, now: DateTime<Utc>) -> Option<i64> {
    use RangePreset::{MonthToDate, Today, YearToDate, Yesterday};
    // The first event may be of any time.
    let length_ms = |zone| zone::resolve(range, zone, now, Some(0)).ok().map(|span| span.end_ms - span.start_ms);
    if !matches!(range, RangeInput::Preset(Today | Yesterday | MonthToDate | YearToDate)) {
        return length_ms(Tz::UTC);
    }
    // It may be another day, month or year there. Zones between these two begin theirs up to a day apart, with clocks changed in between.
    let apart_ms = length_ms(Tz::Etc__GMTPlus12)?.max(length_ms(Tz::Etc__GMTMinus14)?);
    Some(apart_ms + 27 * HOUR_MS)
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
            (value!({ "preset": "LAST_30_DAYS" }), value!("HOUR"), Some(723)),
            (value!({ "preset": "ALL_TIME" }), value!("MONTH"), Some(714 + 2 + 666)),
            (value!({ "preset": "LAST_24_HOURS" }), value!("MINUTE"), Some(1_442)),
            (
                value!({ "between": { "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z" } }),
                value!("MINUTE"),
                Some(1_442),
            ),
            (value!({ "preset": "NEVER" }), value!("DAY"), None),
            (value!({ "preset": "TODAY" }), value!("DECADE"), None),
        ] {
            assert_eq!(at_most(&range, &interval, now), expected, "{range} {interval}");
        }
    }

    #[test]
    fn no_zone_has_more() {
        let zones = [
            Tz::UTC,
            Tz::Pacific__Kiritimati,
            Tz::Pacific__Pago_Pago,
            Tz::Asia__Kathmandu,
            Tz::Australia__Lord_Howe,
            Tz::Africa__Casablanca,
            Tz::America__Santiago,
        ];
        let presets =
            ["LAST_24_HOURS", "LAST_30_DAYS", "LAST_YEAR", "TODAY", "YESTERDAY", "MONTH_TO_DATE", "YEAR_TO_DATE"];
        let intervals = [
            ("MINUTE", Interval::Minute),
            ("HOUR", Interval::Hour),
            ("DAY", Interval::Day),
            ("WEEK", Interval::Week),
            ("MONTH", Interval::Month),
        ];
        let each = zones.iter().flat_map(|zone| presets.iter().map(move |preset| (*zone, *preset)));
        for ((zone, preset), (name, interval)) in
            each.flat_map(|it| intervals.iter().map(move |interval| (it, *interval)))
        {
            for now in [
                "2025-12-31T23:59:59Z",
                "2026-01-01T00:00:00Z",
                "2026-01-01T11:30:00Z",
                "2026-04-05T16:00:00Z",
                "2026-10-25T12:00:00Z",
            ] {
                let now: DateTime<Utc> = now.parse().expect("an instant");
                let range = value!({ "preset": preset });
                let most = at_most(&range, &value!(name), now).expect("a number");
                let span =
                    zone::resolve(RangeInput::parse(Some(range)).expect("a range"), zone, now, None).expect("a span");
                let Ok(edges) = zone::edges(span, interval, zone) else { continue };
                assert!(
                    most >= edges.len() as u64 - 1,
                    "{preset} by {name} in {zone} at {now}: {most} of {}",
                    edges.len() - 1
                );
            }
        }
    }
}
