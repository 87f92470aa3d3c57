//! Time zone arithmetic: resolves named ranges to instants, and ranges to calendar buckets of the zone.
//!
//! - A day, week or month starts at the first instant of its first date. A day of 23 or 25 hours is one bucket; a date
//!   that the clocks skip has none.
//! - Hours and minutes are local time. A clock change within one starts a new bucket.
//! - Weeks start on Monday.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use super::query::{Interval, RangeInput, RangePreset, Span};
use crate::error::{Error, Result};

/// Rolling ranges end at the next multiple of this, so that a query repeated at once is the same query.
const NOW_STEP_MS: i64 = 10_000;

/// Maximum number of buckets in a series (GRAPHQL.md 4).
pub const MAX_BUCKETS: u32 = 5_000;

/// Years in which a range must lie: supported by the store's 64-bit milliseconds and by every calendar library.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2200;

/// The first instant at which local time reaches this value; if the clocks skip it, the instant of the change.
pub(super) fn first_instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Single(instant) | chrono::LocalResult::Ambiguous(instant, _) => {
            instant.with_timezone(&Utc)
        }
        chrono::LocalResult::None => GapInfo::new(&local, &zone)
            .and_then(|gap| gap.end)
            .map_or_else(|| local.and_utc(), |instant| instant.with_timezone(&Utc)),
    }
}

fn midnight(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    first_instant(zone, date.and_time(NaiveTime::MIN))
}

fn utc(at_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default()
}

/// The local date of an instant.
#[must_use]
pub fn local_date(zone: Tz, instant: DateTime<Utc>) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// The local time of an instant; 00:00 for the first instant of a day, even if the clocks skip midnight.
pub(super) fn calendar_time(zone: Tz, at_ms: i64) -> NaiveDateTime {
    let day = unit_of(at_ms, Interval::Day, zone);
    if midnight(zone, day).timestamp_millis() == at_ms {
        day.and_time(NaiveTime::MIN)
    } else {
        utc(at_ms).with_timezone(&zone).naive_local()
    }
}

/// Resolves a range as of now in a zone. `first_event_ms`: the website's first event, for `ALL_TIME`.
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
                return Err(Error::invalid("range", "the end must be after the start (the end is exclusive)"));
            }
            if !YEARS.contains(&start.year()) || !YEARS.contains(&end.year()) {
                return Err(Error::invalid("range", "start and end must be in the years 1970 to 2200"));
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
                let end_ms = midnight(zone, today).timestamp_millis();
                Span { start_ms: floor(end_ms.saturating_sub(1), Interval::Day, zone), end_ms }
            }
            RangePreset::MonthToDate => since(first_of(today.with_day(1))),
            RangePreset::YearToDate => since(first_of(NaiveDate::from_ymd_opt(today.year(), 1, 1))),
            RangePreset::AllTime => Span { start_ms: first_event_ms.unwrap_or(now_ms).min(now_ms), end_ms },
        },
    })
}

/// The end of a range that ends now: rounded up to the next ten seconds.
fn now_end_ms(now: DateTime<Utc>) -> i64 {
    now.timestamp_millis().div_euclid(NOW_STEP_MS).saturating_add(1).saturating_mul(NOW_STEP_MS)
}

/// From the start of the current calendar unit of the zone until now (rounded up to the next ten seconds).
#[must_use]
pub fn to_date(now: DateTime<Utc>, unit: Interval, zone: Tz) -> Span {
    Span { start_ms: floor(now.timestamp_millis(), unit, zone), end_ms: now_end_ms(now) }
}

/// The same range with its start one calendar unit of the zone earlier.
#[must_use]
pub fn begun_earlier(span: Span, unit: Interval, zone: Tz) -> Span {
    Span { start_ms: floor(span.start_ms.saturating_sub(1), unit, zone), ..span }
}

/// Starts of the buckets that overlap the range, ascending, followed by the end of the last one, in milliseconds since
/// 1970 UTC.
///
/// # Errors
/// `Invalid` when there would be more than [`MAX_BUCKETS`]; the message suggests an interval that fits.
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
    if length_ms / least_ms > 2 * i64::from(MAX_BUCKETS) {
        return Err(too_many(span, interval));
    }
    let mut edges = vec![floor(span.start_ms, interval, zone)];
    while let Some(last) = edges.last().copied()
        && last < span.end_ms
    {
        if edges.len() > MAX_BUCKETS as usize {
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
        .find(|(_, bucket_ms)| length_ms / bucket_ms < i64::from(MAX_BUCKETS))
        .map_or(Interval::Month, |(fits, _)| fits);
    Error::invalid(
        "interval",
        format!(
            "must give at most {MAX_BUCKETS} buckets (got more with {}); use {} or a shorter range",
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
    i64::from(zone.offset_from_utc_datetime(&utc(at_ms).naive_utc()).fix().local_minus_utc()) * 1000
}

/// The start of the bucket that contains the instant.
fn floor(at_ms: i64, interval: Interval, zone: Tz) -> i64 {
    match interval {
        Interval::Minute => clock_floor(at_ms, 60_000, zone),
        Interval::Hour => clock_floor(at_ms, 3_600_000, zone),
        Interval::Day | Interval::Week | Interval::Month => {
            midnight(zone, unit_of(at_ms, interval, zone)).timestamp_millis()
        }
    }
}

/// The start of the bucket after the one that starts here.
fn next(start_ms: i64, interval: Interval, zone: Tz) -> i64 {
    let later = match interval {
        Interval::Minute => Some(clock_next(start_ms, 60_000, zone)),
        Interval::Hour => Some(clock_next(start_ms, 3_600_000, zone)),
        Interval::Day | Interval::Week | Interval::Month => {
            following(unit_of(start_ms, interval, zone), interval).map(|day| midnight(zone, day).timestamp_millis())
        }
    };
    // A calendar never stands still; this keeps the walk finite even if one did.
    later.filter(|later| *later > start_ms).unwrap_or(start_ms + 86_400_000)
}

/// First date of the calendar unit that contains the instant.
fn unit_of(at_ms: i64, interval: Interval, zone: Tz) -> NaiveDate {
    let mut unit = first_date(local_date(zone, utc(at_ms)), interval);
    // Where clocks go back over midnight the old date shows again after the new one has begun.
    while let Some(later) = following(unit, interval)
        && midnight(zone, later).timestamp_millis() <= at_ms
    {
        unit = later;
    }
    unit
}

fn first_date(date: NaiveDate, interval: Interval) -> NaiveDate {
    match interval {
        Interval::Minute | Interval::Hour | Interval::Day => date,
        Interval::Week => date.week(chrono::Weekday::Mon).first_day(),
        Interval::Month => date.with_day(1).unwrap_or(date),
    }
}

fn following(first: NaiveDate, interval: Interval) -> Option<NaiveDate> {
    match interval {
        Interval::Minute | Interval::Hour | Interval::Day => first.succ_opt(),
        Interval::Week => first.checked_add_days(Days::new(7)),
        Interval::Month => first.checked_add_months(Months::new(1)),
    }
}

/// The start of the local hour or minute that contains the instant, or the clock change within it.
fn clock_floor(at_ms: i64, unit_ms: i64, zone: Tz) -> i64 {
    let start_ms = at_ms - (at_ms + offset_ms(zone, at_ms)).rem_euclid(unit_ms);
    if offset_ms(zone, start_ms) == offset_ms(zone, at_ms) { start_ms } else { change(start_ms, at_ms, zone) }
}

/// The next full local hour or minute, or an earlier clock change.
fn clock_next(start_ms: i64, unit_ms: i64, zone: Tz) -> i64 {
    let end_ms = start_ms + unit_ms - (start_ms + offset_ms(zone, start_ms)).rem_euclid(unit_ms);
    if offset_ms(zone, end_ms - 1) == offset_ms(zone, start_ms) { end_ms } else { change(start_ms, end_ms - 1, zone) }
}

/// The instant of the clock change between two instants with different offsets, less than an hour apart.
fn change(mut before_ms: i64, mut after_ms: i64, zone: Tz) -> i64 {
    let changed = offset_ms(zone, after_ms);
    while after_ms - before_ms > 1 {
        let middle_ms = before_ms.midpoint(after_ms);
        if offset_ms(zone, middle_ms) == changed {
            after_ms = middle_ms;
        } else {
            before_ms = middle_ms;
        }
    }
    after_ms
}

#[cfg(test)]
#[path = "zone_tests.rs"]
mod tests;
