//! Ranges and buckets checked against calendars: known cases, and every zone of the database.

use super::*;
use crate::scalars::Instant;

fn ms(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn span(start: &str, end: &str) -> Span {
    Span { start_ms: ms(start), end_ms: ms(end) }
}

fn hours(edges: &[i64]) -> Vec<i64> {
    edges.windows(2).map(|pair| (pair[1] - pair[0]) / 3_600_000).collect()
}

#[test]
fn a_day_of_23_or_25_hours_is_one_bucket() {
    let berlin = Tz::Europe__Berlin;
    let spring = edges(span("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), Interval::Day, berlin).unwrap();
    assert_eq!(hours(&spring), [24, 23, 24]);
    assert_eq!(spring[0], ms("2026-03-27T23:00:00Z"));
    let autumn = edges(span("2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"), Interval::Day, berlin).unwrap();
    assert_eq!(hours(&autumn), [24, 25, 24]);
}

#[test]
fn a_midnight_that_clocks_skip_starts_its_day_after_the_gap() {
    // In Beirut clocks went from 00:00 to 01:00 on 2021-03-28.
    let days = edges(span("2021-03-27T12:00:00Z", "2021-03-28T12:00:00Z"), Interval::Day, Tz::Asia__Beirut).unwrap();
    assert_eq!(days[1], ms("2021-03-27T22:00:00Z"));
    assert_eq!(hours(&days), [24, 23]);
}

#[test]
fn an_hour_that_clocks_repeat_is_two_buckets_and_quarter_hour_zones_keep_their_clock() {
    let repeated =
        edges(span("2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z"), Interval::Hour, Tz::Europe__Berlin).unwrap();
    assert_eq!(hours(&repeated), [1, 1, 1]);
    let kathmandu =
        edges(span("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"), Interval::Hour, Tz::Asia__Kathmandu).unwrap();
    assert_eq!(kathmandu, [ms("2025-12-31T23:15:00Z"), ms("2026-01-01T00:15:00Z"), ms("2026-01-01T01:15:00Z")]);
}

#[test]
fn an_hour_within_which_clocks_change_is_cut_there() {
    let hours = |zone, start, end| edges(span(start, end), Interval::Hour, zone).unwrap();
    let every = |starts: &[&str]| -> Vec<i64> { starts.iter().map(|text| ms(text)).collect() };
    // 02:00 became 01:30 at 15:00 UTC on 4 April 2026.
    assert_eq!(
        hours(Tz::Australia__Lord_Howe, "2026-04-04T14:10:00Z", "2026-04-04T16:40:00Z"),
        every(&[
            "2026-04-04T14:00:00Z",
            "2026-04-04T15:00:00Z",
            "2026-04-04T15:30:00Z",
            "2026-04-04T16:30:00Z",
            "2026-04-04T17:30:00Z"
        ])
    );
    // 02:00 became 02:30 at 15:30 UTC on 3 October 2026.
    assert_eq!(
        hours(Tz::Australia__Lord_Howe, "2026-10-03T15:45:00Z", "2026-10-03T16:30:00Z"),
        every(&["2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z", "2026-10-03T17:00:00Z"])
    );
    // 02:45 became 03:45 at 14:00 UTC on 26 September 2026.
    assert_eq!(
        hours(Tz::Pacific__Chatham, "2026-09-26T13:30:00Z", "2026-09-26T14:30:00Z"),
        every(&["2026-09-26T13:15:00Z", "2026-09-26T14:00:00Z", "2026-09-26T14:15:00Z", "2026-09-26T15:15:00Z"])
    );
}

#[test]
fn a_midnight_gap_that_ends_at_an_odd_second_starts_its_day_there() {
    // In Liberia 00:00:00 on 7 January 1972 became 00:44:30.
    let days =
        edges(span("1972-01-06T12:00:00Z", "1972-01-07T12:00:00Z"), Interval::Day, Tz::Africa__Monrovia).unwrap();
    assert_eq!(days, [ms("1972-01-06T00:44:30Z"), ms("1972-01-07T00:44:30Z"), ms("1972-01-08T00:00:00Z")]);
}

#[test]
fn a_date_that_clocks_skip_is_no_bucket() {
    // Samoa had no 30 December 2011.
    let days = edges(span("2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z"), Interval::Day, Tz::Pacific__Apia).unwrap();
    assert_eq!(hours(&days), [24, 24, 24]);
    assert_eq!(local_date(Tz::Pacific__Apia, utc(days[1])).to_string(), "2011-12-31");
}

/// Instants at which a zone's clock changes, one of each kind: equal local times and offsets behave alike.
fn changes(zone: Tz) -> Vec<i64> {
    let mut known = std::collections::HashSet::new();
    let day_ms = 86_400_000;
    (0..68 * 365)
        .map(|day| day * day_ms)
        .filter(|from| offset_ms(zone, *from) != offset_ms(zone, from + day_ms))
        .map(|from| change(from, from + day_ms, zone))
        .filter(|at| {
            let (before, after) = (offset_ms(zone, at - 1), offset_ms(zone, *at));
            known.insert((before, after, (at + before).rem_euclid(day_ms)))
        })
        .collect()
}

fn bucket_of(edges: &[i64], at_ms: i64) -> usize {
    edges.partition_point(|edge| *edge <= at_ms)
}

#[test]
fn in_every_zone_buckets_partition_the_range_at_boundaries_of_the_local_clock() {
    const MINUTE_MS: i64 = 60_000;
    let mut seen = 0;
    for zone in chrono_tz::TZ_VARIANTS {
        for at in changes(zone) {
            seen += 1;
            let span = Span { start_ms: at - 30 * 3_600_000 - 7, end_ms: at + 30 * 3_600_000 + 7 };
            for interval in [Interval::Hour, Interval::Day, Interval::Week, Interval::Month] {
                let edges = edges(span, interval, zone).unwrap();
                let shown = || format!("{interval:?} in {zone} around {}", utc(at));
                assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{}", shown());
                assert!(edges[0] <= span.start_ms && span.start_ms < edges[1], "{}", shown());
                assert!(edges[edges.len() - 2] < span.end_ms && span.end_ms <= edges[edges.len() - 1], "{}", shown());
                for edge in &edges {
                    let (before, here) = (utc(edge - 1).with_timezone(&zone), utc(*edge).with_timezone(&zone));
                    let is_change = offset_ms(zone, edge - 1) != offset_ms(zone, *edge);
                    let is_boundary = match interval {
                        Interval::Hour => (edge + offset_ms(zone, *edge)).rem_euclid(3_600_000) == 0,
                        _ => first_date(here.date_naive(), interval) > before.date_naive(),
                    };
                    assert!(is_boundary || is_change, "{} at {here}", shown());
                }
            }
            // The clock as it is read, minute by minute: an hour ends when its number or the offset changes, a day when a later date shows.
            let hours = edges(span, Interval::Hour, zone).unwrap();
            let days = edges(span, Interval::Day, zone).unwrap();
            let read = |at_ms: i64| {
                let local = utc(at_ms).with_timezone(&zone).naive_local();
                (local.date(), chrono::Timelike::hour(&local), offset_ms(zone, at_ms))
            };
            let mut latest = read(span.start_ms).0.max(unit_of(span.start_ms, Interval::Day, zone));
            let close = at - 90 * MINUTE_MS..at + 90 * MINUTE_MS;
            let mut before_ms = close.start;
            while before_ms < close.end {
                let here_ms = before_ms + MINUTE_MS;
                let same_hour = bucket_of(&hours, before_ms) == bucket_of(&hours, here_ms);
                assert_eq!(same_hour, read(before_ms) == read(here_ms), "{zone} at {}", utc(here_ms));
                latest = latest.max(read(before_ms).0);
                let same_day = bucket_of(&days, before_ms) == bucket_of(&days, here_ms);
                assert_eq!(same_day, read(here_ms).0 <= latest, "{zone} at {}", utc(here_ms));
                before_ms = here_ms;
            }
        }
    }
    assert!(seen > 1_000, "{seen}");
}

#[test]
fn weeks_start_on_monday_and_months_on_the_first() {
    let weeks = edges(span("2026-03-04T00:00:00Z", "2026-03-10T00:00:00Z"), Interval::Week, Tz::UTC).unwrap();
    assert_eq!(weeks, [ms("2026-03-02T00:00:00Z"), ms("2026-03-09T00:00:00Z"), ms("2026-03-16T00:00:00Z")]);
    let months = edges(span("2026-01-31T00:00:00Z", "2026-03-01T00:00:00Z"), Interval::Month, Tz::UTC).unwrap();
    assert_eq!(months, [ms("2026-01-01T00:00:00Z"), ms("2026-02-01T00:00:00Z"), ms("2026-03-01T00:00:00Z")]);
}

#[test]
fn a_series_of_a_million_buckets_is_refused_with_an_interval_that_fits() {
    let error = edges(span("2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), Interval::Minute, Tz::UTC).unwrap_err();
    assert_eq!(error.field(), Some("interval"));
    assert!(error.message().contains("use DAY"), "{}", error.message());
    assert_eq!(
        edges(span("2026-01-01T00:00:00Z", "2026-01-04T11:20:00Z"), Interval::Minute, Tz::UTC).unwrap().len(),
        5_001
    );
    assert!(edges(span("2026-01-01T00:00:00Z", "2026-01-04T11:21:00Z"), Interval::Minute, Tz::UTC).is_err());
}

#[test]
fn named_ranges_end_now_or_at_midnight_of_the_zone() {
    let now = DateTime::parse_from_rfc3339("2026-03-04T03:06:07Z").unwrap().with_timezone(&Utc);
    let zone = Tz::America__New_York;
    let of = |preset| resolve(RangeInput::Preset(preset), zone, now, Some(ms("2026-01-05T00:00:00Z"))).unwrap();
    assert_eq!(of(RangePreset::Last7Days), span("2026-02-25T03:06:10Z", "2026-03-04T03:06:10Z"));
    assert_eq!(of(RangePreset::Today), span("2026-03-03T05:00:00Z", "2026-03-04T03:06:10Z"));
    assert_eq!(of(RangePreset::Yesterday), span("2026-03-02T05:00:00Z", "2026-03-03T05:00:00Z"));
    assert_eq!(of(RangePreset::MonthToDate).start_ms, ms("2026-03-01T05:00:00Z"));
    assert_eq!(of(RangePreset::YearToDate).start_ms, ms("2026-01-01T05:00:00Z"));
    assert_eq!(of(RangePreset::AllTime).start_ms, ms("2026-01-05T00:00:00Z"));
}

#[test]
fn an_end_before_its_start_is_refused() {
    let at = |text: &str| Instant(DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc));
    let between =
        super::super::query::InstantRangeInput { start: at("2026-03-04T00:00:00Z"), end: at("2026-03-04T00:00:00Z") };
    let error = resolve(RangeInput::Between(between), Tz::UTC, Utc.timestamp_opt(0, 0).unwrap(), None).unwrap_err();
    assert_eq!(error.field(), Some("range"));
}
