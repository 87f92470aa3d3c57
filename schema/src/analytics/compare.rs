//! Comparison periods: calendar arithmetic in the query's time zone.
//!
//! - Days, months and years follow the calendar, so that whole local days stay whole across clock changes.
//! - Rolling ranges, and ranges between instants that are not midnights, have no calendar unit: they are compared with
//!   the period of the same length before them.

use chrono::{Datelike as _, Days, Months, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;

use super::{
    query::{Comparison, RangeInput, RangePreset, Span},
    zone::{calendar_time, first_instant},
};

/// The structure of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A length that ends now.
    Rolling,
    /// Two instants that are not both the start of a local day.
    Instants,
    /// A number of local days; the last one may still be in progress.
    Days(u64),
    /// A number of local months, from the start of the first; the last one is in progress.
    MonthsToDate(u32),
}

fn shape(range: RangeInput, span: Span, zone: Tz) -> Shape {
    match range {
        RangeInput::Preset(preset) => match preset {
            RangePreset::Last24Hours
            | RangePreset::Last7Days
            | RangePreset::Last30Days
            | RangePreset::Last90Days
            | RangePreset::LastYear
            | RangePreset::AllTime => Shape::Rolling,
            RangePreset::Today | RangePreset::Yesterday => Shape::Days(1),
            RangePreset::MonthToDate => Shape::MonthsToDate(1),
            RangePreset::YearToDate => Shape::MonthsToDate(12),
        },
        RangeInput::Between(_) => {
            let (start, end) = (calendar_time(zone, span.start_ms), calendar_time(zone, span.end_ms));
            let days = u64::try_from((end.date() - start.date()).num_days()).unwrap_or(0);
            let are_whole = start.time() == NaiveTime::MIN && end.time() == NaiveTime::MIN && days > 0;
            if are_whole { Shape::Days(days) } else { Shape::Instants }
        }
    }
}

/// The period that `range` (resolved in the zone) is compared with.
#[must_use]
pub fn compared(range: RangeInput, span: Span, comparison: Comparison, zone: Tz) -> Span {
    let shape = shape(range, span, zone);
    match (comparison, shape) {
        (Comparison::PreviousPeriod, Shape::Rolling | Shape::Instants) => ending(span.start_ms, span),
        (Comparison::PreviousPeriod, Shape::Days(days)) => {
            let earlier = |at_ms| days_earlier(at_ms, days, zone);
            until_start(Span { start_ms: earlier(span.start_ms), end_ms: earlier(span.end_ms) }, span)
        }
        (Comparison::PreviousPeriod, Shape::MonthsToDate(months)) => {
            until_start(months_earlier(span, months, shape, zone), span)
        }
        (Comparison::PreviousYear, Shape::Rolling) => ending(months_earlier(span, 12, shape, zone).end_ms, span),
        (Comparison::PreviousYear, _) => months_earlier(span, 12, shape, zone),
    }
}

/// The range with the length of `span` that ends at the given instant.
fn ending(end_ms: i64, span: Span) -> Span {
    Span { start_ms: end_ms - (span.end_ms - span.start_ms), end_ms }
}

/// The period before a range that is not part of a calendar unit.
fn until_start(before: Span, span: Span) -> Span {
    Span { end_ms: before.end_ms.min(span.start_ms).max(before.start_ms), ..before }
}

fn days_earlier(at_ms: i64, days: u64, zone: Tz) -> i64 {
    let local = calendar_time(zone, at_ms);
    first_instant(zone, local.checked_sub_days(Days::new(days)).unwrap_or(local)).timestamp_millis()
}

fn months_earlier(span: Span, months: u32, shape: Shape, zone: Tz) -> Span {
    let earlier = |local: NaiveDateTime| local.checked_sub_months(Months::new(months)).unwrap_or(local);
    let start = earlier(calendar_time(zone, span.start_ms));
    let local_end = calendar_time(zone, span.end_ms);
    let mut end = earlier(local_end);
    // A month without that day (30 February) ends before it: then the range reaches to the month's end.
    let is_missing = end.day() != local_end.day();
    let reaches_end = local_end.time() == NaiveTime::MIN || matches!(shape, Shape::MonthsToDate(_));
    if is_missing && reaches_end {
        end = end.date().succ_opt().map_or(end, |first| first.and_time(NaiveTime::MIN));
    }
    let start_ms = first_instant(zone, start).timestamp_millis();
    Span { start_ms, end_ms: first_instant(zone, end).timestamp_millis().max(start_ms) }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
