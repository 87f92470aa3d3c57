//! Instants as logs write them.

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// `17/May/2015:10:05:03 +0000` as milliseconds since 1970 UTC; `None` for a day or hour that does not exist.
#[must_use]
pub fn clf(text: &[u8]) -> Option<i64> {
    let [
        d1,
        d2,
        b'/',
        m1,
        m2,
        m3,
        b'/',
        y1,
        y2,
        y3,
        y4,
        b':',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b' ',
        sign,
        o1,
        o2,
        o3,
        o4,
    ] = *text
    else {
        return None;
    };
    let month = match &[m1, m2, m3].map(|letter| letter.to_ascii_lowercase()) {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    };
    let (year, day) = (number(&[y1, y2, y3, y4])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
    let seconds = seconds([year, month, day], [hour, minute, second])?;
    Some((seconds - offset(sign, [o1, o2, o3, o4])?) * 1000)
}

/// ISO 8601 as in logs: `2026-03-10T10:00:00.123456Z`, `2026-03-10 10:00:00+01:00`; UTC without a zone. In milliseconds
/// since 1970 UTC.
#[must_use]
pub fn iso(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't' | b' ', h1, h2, b':', n1, n2, b':', s1, s2, rest @ ..] =
        text
    else {
        return None;
    };
    let date = [number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?];
    let time = [number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?];
    let seconds = seconds(date, time)?;
    let (ms, rest) = match rest {
        [b'.' | b',', fraction @ ..] => {
            let length = fraction.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
            let (digits, rest) = fraction.split_at(length);
            let digit = |at: usize| digits.get(at).map_or(0, |byte| i64::from(byte - b'0'));
            if length == 0 {
                return None;
            }
            (digit(0) * 100 + digit(1) * 10 + digit(2), rest)
        }
        _ => (0, rest),
    };
    let offset = match rest {
        [] | [b'Z' | b'z'] => 0,
        [sign, o1, o2, b':', o3, o4] | [sign, o1, o2, o3, o4] => offset(*sign, [*o1, *o2, *o3, *o4])?,
        _ => return None,
    };
    Some((seconds - offset) * 1000 + ms)
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since 1970 UTC, distinguished by its size; in
/// milliseconds.
#[must_use]
pub fn since_1970(number: f64) -> Option<i64> {
    let ms = match number {
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        n => n / 1e6,
    };
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds compared with")]
    (0.0..=MAX_MS).contains(&ms).then_some(ms.round() as i64)
}

/// The last instant of 2199, UTC: later years are clock errors that no range could query.
const MAX_MS: f64 = 7_258_118_399_999.0;

/// Seconds since 1970 of a date and time; `None` for a day or hour that does not exist.
fn seconds([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<i64> {
    if !(1970..=2199).contains(&year) {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // A leap second (60) is the second after 59, as POSIX time has it.
    let exists = (1..=days).contains(&day) && hour <= 23 && minute <= 59 && second <= 60;
    exists.then(|| days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// `+0130` in seconds.
fn offset(sign: u8, [o1, o2, o3, o4]: [u8; 4]) -> Option<i64> {
    let (hours, minutes) = (number(&[o1, o2])?, number(&[o3, o4])?);
    let seconds = (hours <= 23 && minutes <= 59).then_some(hours * 3600 + minutes * 60)?;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Days of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_agree_with_chrono() {
        for text in [
            "01/Jan/1970:00:00:00 +0000",
            "29/Feb/2000:12:00:00 -1130",
            "31/Dec/2099:23:59:59 +1400",
            "28/Feb/2100:00:00:01 +0530",
        ] {
            let expected = chrono::DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z").unwrap().timestamp_millis();
            assert_eq!(clf(text.as_bytes()), Some(expected), "{text}");
        }
        for wrong in ["31/Dec/1969:23:59:59 +0000", "29/Feb/2100:00:00:00 +0000", "01/Jan/2200:00:00:00 +0000"] {
            assert_eq!(clf(wrong.as_bytes()), None, "{wrong}");
        }
        for text in ["2026-03-10T10:00:00Z", "2026-03-10T10:00:00.123456-11:30", "2000-02-29T23:59:59.5+05:30"] {
            let expected = chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
            assert_eq!(iso(text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(iso(b"2026-03-10 10:00:00"), iso(b"2026-03-10T10:00:00Z"));
        assert_eq!(iso(b"2026-03-10T10:00:00+0130"), iso(b"2026-03-10T08:30:00Z"));
        for wrong in [
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-03-10",
            "2026-03-10T10:00:00.Z",
            "2026-03-10T10:00:00 x",
        ] {
            assert_eq!(iso(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_told_apart_by_size() {
        for number in [1_773_136_800.25, 1_773_136_800_250.0, 1_773_136_800_250_000.0, 1_773_136_800_250_000_000.0] {
            assert_eq!(since_1970(number), Some(1_773_136_800_250), "{number}");
        }
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(since_1970(wrong), None, "{wrong}");
        }
    }
}
