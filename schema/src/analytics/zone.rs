//! Time in a zone: named ranges become instants, and ranges become buckets of the zone's calendar.
//!
//! - A bucket starts at the first instant of its calendar unit in the zone: a day of 23 or 25 hours is one bucket.
//! - Weeks start on Monday.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::query::{Comparison, Interval, RangeInput, RangePreset, Span};
use crate::error::{Error, Result};

/// Rolling ranges end at the next multiple of this, so that a question repeated at once is the same question.
const NOW_STEP_MS: i64 = 10_000;

/// Buckets of a series at most (GRAPHQL.md 4).
pub const MAX_BUCKETS: usize = 5_000;

/// Years that a range may lie in: what the store's 64-bit milliseconds and every calendar library agree on.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2200;

/// The first instant of a local date and time, also where clocks skip or repeat it.
fn first_instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Single(instant) | chrono::LocalResult::Ambiguous(instant, _) => {
            instant.with_timezone(&Utc)
        }
        // Clocks skip it: the first instant after the gap. Gaps end on a quarter of an hour.
        chrono::LocalResult::None => (1..=96)
            .filter_map(|quarters| local.checked_add_signed(TimeDelta::minutes(quarters * 15)))
            .find_map(|later| zone.from_local_datetime(&later).earliest())
            .map_or_else(|| local.and_utc(), |instant| instant.with_timezone(&Utc)),
    }
}

fn midnight(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    first_instant(zone, date.and_time(NaiveTime::MIN))
}

/// The local date of an instant.
#[must_use]
pub fn local_date(zone: Tz, instant: DateTime<Utc>) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// What a range means now, in a zone. `first_event_ms`: the website's first event, for `ALL_TIME`.
///
/// # Errors
/// `Invalid` when the end is not after the start, or a year is out of bounds.
pub fn resolve(range: RangeInput, zone: Tz, now: DateTime<Utc>, first_event_ms: Option<i64>) -> Result<Span> {
    let now_ms = now.timestamp_millis();
    let end_ms = now_end_ms(now);
    let today = local_date(zone, now);
    let rolling = |hours: i64| Span { start_ms: end_ms - hours * 3_600_000, end_ms };
    let since = |date: NaiveDate| Span { start_ms: midnight(zone, date).timestamp_millis(), end_ms };
    let first_of = |date: Option<NaiveDate>| date.unwrap_or(today);
    Ok(match range {
        RangeInput::Between(between) => {
            let (start, end) = (between.start.0, between.end.0);
            if end <= start {
                return Err(Error::invalid(
                    "range",
                    "the end must be after the start (the end itself is not included)",
                ));
            }
            if !YEARS.contains(&start.year()) || !YEARS.contains(&end.year()) {
                return Err(Error::invalid("range", "start and end must lie in the years 1970 to 2200"));
            }
            Span { start_ms: start.timestamp_millis(), end_ms: end.timestamp_millis() }
        }
        RangeInput::Preset(preset) => match preset {
            RangePreset::Last24Hours => rolling(24),
            RangePreset::Last7Days => rolling(7 * 24),
            RangePreset::Last30Days => rolling(30 * 24),
            RangePreset::Last90Days => rolling(90 * 24),
            RangePreset::LastYear => rolling(365 * 24),
            RangePreset::Today => since(today),
            RangePreset::Yesterday => {
                let yesterday = today.pred_opt().unwrap_or(today);
                let end_ms = midnight(zone, today).timestamp_millis();
                Span { start_ms: midnight(zone, yesterday).timestamp_millis(), end_ms }
            }
            RangePreset::MonthToDate => since(first_of(today.with_day(1))),
            RangePreset::YearToDate => since(first_of(NaiveDate::from_ymd_opt(today.year(), 1, 1))),
            RangePreset::AllTime => Span { start_ms: first_event_ms.unwrap_or(now_ms).min(now_ms), end_ms },
        },
    })
}

/// The end of a range that ends now: the next full ten seconds.
fn now_end_ms(now: DateTime<Utc>) -> i64 {
    now.timestamp_millis().div_euclid(NOW_STEP_MS).saturating_add(1).saturating_mul(NOW_STEP_MS)
}

/// From the start of the zone's calendar unit that holds this moment until now (the next full ten seconds).
#[must_use]
pub fn to_date(now: DateTime<Utc>, unit: Interval, zone: Tz) -> Span {
    Span { start_ms: floor(now.timestamp_millis(), unit, zone), end_ms: now_end_ms(now) }
}

/// The same range, begun one of the zone's calendar units earlier.
#[must_use]
pub fn begun_earlier(span: Span, unit: Interval, zone: Tz) -> Span {
    Span { start_ms: floor(span.start_ms.saturating_sub(1), unit, zone), ..span }
}

/// The range that this one is compared with.
#[must_use]
pub fn compared(span: Span, comparison: Comparison) -> Span {
    let back = match comparison {
        Comparison::PreviousPeriod => span.end_ms - span.start_ms,
        Comparison::PreviousYear => 365 * 86_400_000,
    };
    Span { start_ms: span.start_ms - back, end_ms: span.end_ms - back }
}

/// Starts of the buckets that the range touches, ascending, and the end of the last one, in milliseconds since 1970 UTC.
///
/// # Errors
/// `Invalid` when there would be more than [`MAX_BUCKETS`]; it names an interval that fits.
pub fn edges(span: Span, interval: Interval, zone: Tz) -> Result<Vec<i64>> {
    let least_ms: i64 = match interval {
        Interval::Minute => 60_000,
        Interval::Hour => 3_600_000,
        Interval::Day => 23 * 3_600_000,
        Interval::Week => (7 * 24 - 1) * 3_600_000,
        Interval::Month => (28 * 24 - 1) * 3_600_000,
    };
    let length_ms = span.end_ms - span.start_ms;
    // A first look by length, so that a hostile range costs nothing; the exact count follows.
    if length_ms / least_ms > 2 * MAX_BUCKETS as i64 {
        return Err(too_many(span, interval));
    }
    let mut edges = vec![floor(span.start_ms, interval, zone)];
    while let Some(last) = edges.last().copied()
        && last < span.end_ms
    {
        if edges.len() > MAX_BUCKETS {
            return Err(too_many(span, interval));
        }
        edges.push(next(last, interval, zone));
    }
    Ok(edges)
}

fn too_many(span: Span, interval: Interval) -> Error {
    let length_ms = span.end_ms - span.start_ms;
    let fits = [(Interval::Hour, 3_600_000), (Interval::Day, 86_400_000), (Interval::Week, 604_800_000)]
        .into_iter()
        .find(|(_, bucket_ms)| length_ms / bucket_ms < MAX_BUCKETS as i64)
        .map_or(Interval::Month, |(fits, _)| fits);
    Error::invalid(
        "interval",
        format!(
            "a series has at most {MAX_BUCKETS} buckets and this range has more of {}; ask for {} or a shorter range",
            name(interval),
            name(fits)
        ),
    )
}

fn name(interval: Interval) -> &'static str {
    match interval {
        Interval::Minute => "MINUTE",
        Interval::Hour => "HOUR",
        Interval::Day => "DAY",
        Interval::Week => "WEEK",
        Interval::Month => "MONTH",
    }
}

fn offset_ms(zone: Tz, at_ms: i64) -> i64 {
    let instant = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    i64::from(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()) * 1000
}

/// The start of the bucket that holds the instant.
fn floor(at_ms: i64, interval: Interval, zone: Tz) -> i64 {
    let instant = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    let date = local_date(zone, instant);
    let start_of = |date: NaiveDate| midnight(zone, date).timestamp_millis();
    match interval {
        Interval::Minute => floor_clock(at_ms, 60_000, zone),
        Interval::Hour => floor_clock(at_ms, 3_600_000, zone),
        Interval::Day => start_of(date),
        Interval::Week => start_of(date.week(chrono::Weekday::Mon).first_day()),
        Interval::Month => start_of(date.with_day(1).unwrap_or(date)),
    }
}

fn floor_clock(at_ms: i64, unit_ms: i64, zone: Tz) -> i64 {
    at_ms - (at_ms + offset_ms(zone, at_ms)).rem_euclid(unit_ms)
}

/// The start of the bucket after the one that starts here.
fn next(start_ms: i64, interval: Interval, zone: Tz) -> i64 {
    let date = local_date(zone, DateTime::from_timestamp_millis(start_ms).unwrap_or_default());
    let start_of = |date: Option<NaiveDate>| date.map(|date| midnight(zone, date).timestamp_millis());
    let later = match interval {
        Interval::Minute => Some(start_ms + 60_000),
        Interval::Hour => Some(next_hour(start_ms, zone)),
        Interval::Day => start_of(date.succ_opt()),
        Interval::Week => start_of(date.checked_add_days(Days::new(7))),
        Interval::Month => start_of(date.checked_add_months(Months::new(1))),
    };
    // A calendar never stands still; this keeps the walk finite even if one did.
    later.filter(|later| *later > start_ms).unwrap_or(start_ms + 86_400_000)
}

/// The next full hour of the zone's clock. Where clocks move by less than an hour it is found by quarters.
fn next_hour(start_ms: i64, zone: Tz) -> i64 {
    let quarter_ms = 15 * 60_000;
    let on_the_hour = |at_ms: &i64| (at_ms + offset_ms(zone, *at_ms)).rem_euclid(3_600_000) == 0;
    let hour = start_ms + 3_600_000;
    if on_the_hour(&hour) && offset_ms(zone, start_ms) == offset_ms(zone, hour) {
        return hour;
    }
    (1..=8).map(|quarters| start_ms + quarters * quarter_ms).find(on_the_hour).unwrap_or(hour)
}

#[cfg(test)]
mod tests {
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
        let days =
            edges(span("2021-03-27T12:00:00Z", "2021-03-28T12:00:00Z"), Interval::Day, Tz::Asia__Beirut).unwrap();
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
        // Lord Howe moves by half an hour; every bucket but one is an hour long and all start on the full local hour.
        let howe =
            edges(span("2026-04-04T12:00:00Z", "2026-04-04T18:00:00Z"), Interval::Hour, Tz::Australia__Lord_Howe)
                .unwrap();
        assert!(howe.windows(2).all(|pair| pair[1] > pair[0] && pair[1] - pair[0] <= 2 * 3_600_000));
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
        assert!(error.message().contains("ask for DAY"), "{}", error.message());
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
        let week = of(RangePreset::Last7Days);
        assert_eq!(compared(week, Comparison::PreviousPeriod).end_ms, week.start_ms);
    }

    #[test]
    fn an_end_before_its_start_is_refused() {
        let at = |text: &str| Instant(DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc));
        let between = super::super::query::InstantRangeInput {
            start: at("2026-03-04T00:00:00Z"),
            end: at("2026-03-04T00:00:00Z"),
        };
        let error = resolve(RangeInput::Between(between), Tz::UTC, Utc.timestamp_opt(0, 0).unwrap(), None).unwrap_err();
        assert_eq!(error.field(), Some("range"));
    }
}
