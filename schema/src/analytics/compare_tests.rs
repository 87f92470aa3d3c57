//! Comparison periods checked against calendars.

use chrono::{DateTime, Utc};

use super::*;
use crate::{
    analytics::{query::InstantRangeInput, zone::resolve},
    scalars::Instant,
};

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

fn shown(span: Span) -> [String; 2] {
    [span.start(), span.end()].map(|instant| instant.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn preset(preset: RangePreset, now: &str, comparison: Comparison, zone: Tz) -> [String; 2] {
    let range = RangeInput::Preset(preset);
    shown(compared(range, resolve(range, zone, at(now), None).unwrap(), comparison, zone))
}

fn between(start: &str, end: &str, comparison: Comparison, zone: Tz) -> [String; 2] {
    let range = RangeInput::Between(InstantRangeInput { start: Instant(at(start)), end: Instant(at(end)) });
    shown(compared(range, resolve(range, zone, at(end), None).unwrap(), comparison, zone))
}

#[test]
fn today_is_compared_with_yesterday_until_the_same_local_time() {
    let of = |now| preset(RangePreset::Today, now, Comparison::PreviousPeriod, Tz::Europe__Berlin);
    assert_eq!(of("2026-06-10T10:29:55Z"), ["2026-06-08T22:00:00Z", "2026-06-09T10:30:00Z"]);
    // The clocks went forward at 02:00 on 29 March 2026: 10:30 was 8 hours and a half after midnight.
    assert_eq!(of("2026-03-30T08:29:55Z"), ["2026-03-28T23:00:00Z", "2026-03-29T08:30:00Z"]);
    assert_eq!(of("2026-03-29T08:29:55Z"), ["2026-03-27T23:00:00Z", "2026-03-28T09:30:00Z"]);
    // The last ten seconds of a day end at midnight.
    assert_eq!(of("2026-06-10T21:59:55Z"), ["2026-06-08T22:00:00Z", "2026-06-09T22:00:00Z"]);
}

#[test]
fn whole_local_days_stay_whole_where_clocks_change() {
    let zone = Tz::Europe__Berlin;
    // 29 March 2026 has 23 hours, the 28th has 24.
    let yesterday = preset(RangePreset::Yesterday, "2026-03-30T10:00:00Z", Comparison::PreviousPeriod, zone);
    assert_eq!(yesterday, ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z"]);
    let day = between("2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z", Comparison::PreviousPeriod, zone);
    assert_eq!(day, ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]);
    // In Beirut 28 March 2021 began at 01:00.
    let skipped = between("2021-03-27T22:00:00Z", "2021-03-28T21:00:00Z", Comparison::PreviousPeriod, Tz::Asia__Beirut);
    assert_eq!(skipped, ["2021-03-26T22:00:00Z", "2021-03-27T22:00:00Z"]);
    // Samoa had no 30 December 2011: the day before the 31st is empty.
    let samoa = between("2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", Comparison::PreviousPeriod, Tz::Pacific__Apia);
    assert_eq!(samoa[0], samoa[1]);
}

#[test]
fn months_and_years_to_date_are_compared_with_the_same_days_of_the_period_before() {
    let month = |now| preset(RangePreset::MonthToDate, now, Comparison::PreviousPeriod, Tz::UTC);
    assert_eq!(month("2026-03-10T09:59:55Z"), ["2026-02-01T00:00:00Z", "2026-02-10T10:00:00Z"]);
    assert_eq!(month("2026-02-10T09:59:55Z"), ["2026-01-01T00:00:00Z", "2026-01-10T10:00:00Z"]);
    // February has no 30th: all of it.
    assert_eq!(month("2026-03-30T09:59:55Z"), ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]);
    let year = |now| preset(RangePreset::YearToDate, now, Comparison::PreviousPeriod, Tz::UTC);
    assert_eq!(year("2026-03-10T09:59:55Z"), ["2025-01-01T00:00:00Z", "2025-03-10T10:00:00Z"]);
    assert_eq!(year("2024-02-29T09:59:55Z"), ["2023-01-01T00:00:00Z", "2023-03-01T00:00:00Z"]);
}

#[test]
fn rolling_ranges_are_compared_with_as_long_a_time() {
    let zone = Tz::Europe__Berlin;
    let week = preset(RangePreset::Last7Days, "2026-03-31T09:59:55Z", Comparison::PreviousPeriod, zone);
    assert_eq!(week, ["2026-03-17T10:00:00Z", "2026-03-24T10:00:00Z"]);
    let year = preset(RangePreset::Last7Days, "2025-03-31T09:59:55Z", Comparison::PreviousYear, zone);
    assert_eq!(year, ["2024-03-24T10:00:00Z", "2024-03-31T10:00:00Z"]);
    let hours = between("2026-06-10T09:00:00Z", "2026-06-10T17:00:00Z", Comparison::PreviousPeriod, zone);
    assert_eq!(hours, ["2026-06-10T01:00:00Z", "2026-06-10T09:00:00Z"]);
}

#[test]
fn the_year_before_is_the_same_dates_of_that_year() {
    let of = |start, end| between(start, end, Comparison::PreviousYear, Tz::UTC);
    // 2024 is a leap year.
    for (start, end, before) in [
        ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z", ["2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"]),
        ("2025-02-01T00:00:00Z", "2025-03-01T00:00:00Z", ["2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"]),
        ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", ["2023-02-01T00:00:00Z", "2023-03-01T00:00:00Z"]),
        ("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", ["2023-02-28T00:00:00Z", "2023-03-01T00:00:00Z"]),
        ("2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", ["2023-02-28T00:00:00Z", "2023-03-01T00:00:00Z"]),
        ("2024-02-29T15:00:00Z", "2024-02-29T18:00:00Z", ["2023-02-28T15:00:00Z", "2023-02-28T18:00:00Z"]),
    ] {
        assert_eq!(of(start, end), before, "{start}");
    }
    let berlin = between("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", Comparison::PreviousYear, Tz::Europe__Berlin);
    assert_eq!(berlin, ["2025-03-28T23:00:00Z", "2025-03-29T23:00:00Z"], "a day of 23 hours with one of 24");
}
