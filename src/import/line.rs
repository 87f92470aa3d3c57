//! Reads one line of an access log: Apache's and nginx's common and combined formats.
//!
//! - Works on bytes and borrows; nothing is copied for a line that is not counted.
//! - A leading virtual host (`vhost:443 1.2.3.4 - - [..`) and fields after the user agent are understood.
//! - Fields stay escaped as logged; [`unescape`] undoes that where the result is text.

use std::{borrow::Cow, net::IpAddr};

/// One parsed line. Fields are as logged: still escaped, `-` for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Address or host name of the client.
    pub address: &'a [u8],
    /// When the request came, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// The request line, such as `GET / HTTP/1.1`.
    pub request: &'a [u8],
    /// HTTP status, 100 to 999.
    pub status: u16,
    /// The `Referer` header; `None` in the common format.
    pub referrer: Option<&'a [u8]>,
    /// The `User-Agent` header; `None` in the common format.
    pub user_agent: Option<&'a [u8]>,
}

/// Parses a line without its line end; `None` for what is broken.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let (first, mut rest) = token(line)?;
    let mut address = first;
    if is_host_and_port(first)
        && let Some((second, after)) = token(rest)
        && std::str::from_utf8(second).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
    {
        (address, rest) = (second, after);
    }
    // User names may hold spaces and brackets, so the time is the first bracket that reads as one.
    let (time_ms, rest) = find_time(rest)?;
    let (request, rest) = quoted(rest)?;
    let (status, rest) = match rest.strip_prefix(b" ")? {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            (u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest)
        }
        _ => return None,
    };
    let size_and_more = rest.strip_prefix(b" ")?;
    let end = size_and_more.iter().position(|byte| *byte == b' ').unwrap_or(size_and_more.len());
    let (size, rest) = size_and_more.split_at(end);
    if size != b"-" && (size.is_empty() || !size.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let plain = Line { address, time_ms, request, status, referrer: None, user_agent: None };
    if !rest.starts_with(b" \"") {
        return Some(plain);
    }
    let (referrer, rest) = quoted(rest.get(1..)?)?;
    let (user_agent, rest) = quoted(rest.strip_prefix(b" ")?)?;
    // What follows must be a field of its own; otherwise the quote was not the end.
    (rest.is_empty() || rest.starts_with(b" ")).then_some(Line {
        referrer: Some(referrer),
        user_agent: Some(user_agent),
        ..plain
    })
}

/// The first field and what follows its space.
fn token(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|byte| *byte == b' ')?;
    let (token, rest) = line.split_at(end);
    (!token.is_empty()).then(|| (token, rest.get(1..).unwrap_or_default()))
}

fn is_host_and_port(token: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(token) else { return false };
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    !host.is_empty() && port.parse::<u16>().is_ok() && text.parse::<IpAddr>().is_err()
}

/// The instant in brackets, and what follows `] `. Two fields (identity and user) stand before it.
fn find_time(rest: &[u8]) -> Option<(i64, &[u8])> {
    let (_, after_identity) = token(rest)?;
    let mut from = after_identity;
    loop {
        let at = from.iter().position(|byte| *byte == b'[')?;
        let (_, bracket) = from.split_at(at);
        let inside = bracket.get(1..)?;
        if let Some(time_ms) = inside.get(..26).and_then(instant)
            && let Some(rest) = inside.get(26..).and_then(|rest| rest.strip_prefix(b"] "))
        {
            return Some((time_ms, rest));
        }
        from = inside;
    }
}

/// A quoted field's content, and what follows its closing quote. A backslash protects the byte after it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let body = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        match body.get(at)? {
            b'"' => return Some((body.get(..at)?, body.get(at + 1..)?)),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// `17/May/2015:10:05:03 +0000` as milliseconds since 1970 UTC; `None` for a day or hour that does not exist.
fn instant(text: &[u8]) -> Option<i64> {
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
    let (day, year) = (number(&[d1, d2])?, number(&[y1, y2, y3, y4])?);
    // Other years are clocks gone wrong; no range could ask for them.
    if !(1970..=2199).contains(&year) {
        return None;
    }
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
    let (off_hours, off_minutes) = (number(&[o1, o2])?, number(&[o3, o4])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    // A leap second (60) is the second after 59, as POSIX time has it.
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 || off_hours > 23 || off_minutes > 59 {
        return None;
    }
    let offset = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    } * (off_hours * 3600 + off_minutes * 60);
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * 1000)
}

/// Days of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Undoes the escapes of a logged field: `\"`, `\\`, `\n`, `\t` ... and `\xE4`.
///
/// Where the result would not be UTF-8, the field stays as it was logged: readable, lossless and equal to what
/// anyone else who looks at the log sees. Raw bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn unescape(field: &[u8]) -> Cow<'_, str> {
    if !field.contains(&b'\\') {
        return String::from_utf8_lossy(field);
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let (byte, after) = match (first, tail) {
            (b'\\', [b'x', high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (*first, tail),
            },
            (b'\\', [letter, after @ ..]) => match letter {
                b'n' => (b'\n', after),
                b't' => (b'\t', after),
                b'r' => (b'\r', after),
                b'b' => (8, after),
                b'v' => (11, after),
                b'f' => (12, after),
                b'"' | b'\\' => (*letter, after),
                _ => (*first, tail),
            },
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(_) => String::from_utf8_lossy(field),
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Method and target of a request line; `None` for what is no request line. Spaces inside the target are kept.
#[must_use]
pub fn request(line: &str) -> Option<(&str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let target = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => target,
        // HTTP/0.9 names no version.
        _ => rest,
    };
    let is_token =
        !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!".contains(&byte));
    (is_token && !target.is_empty()).then_some((method, target))
}

/// Path and query of a request target. An absolute one (`http://host/path`) loses scheme and host, both lose the fragment.
#[must_use]
pub fn path_and_query(target: &str) -> (&str, &str) {
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = match path.get(..8).or(path.get(..7)).map(str::to_ascii_lowercase) {
        Some(scheme) if scheme.starts_with("http://") => after_host(path, 7),
        Some(scheme) if scheme.starts_with("https://") => after_host(path, 8),
        _ => path,
    };
    (if path.is_empty() { "/" } else { path }, query)
}

fn after_host(url: &str, scheme: usize) -> &str {
    let rest = url.get(scheme..).unwrap_or_default();
    rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default()
}

/// Extensions of pages; other files are static.
const PAGES: &[&str] = &["htm", "html", "xhtml", "php", "asp", "aspx", "jsp"];

/// Whether the path's last segment has no extension, or one of a page (letter case ignored).
///
/// A dot that begins the segment (`/.well-known`) or ends it begins no extension.
#[must_use]
pub fn is_page(path: &str) -> bool {
    let segment = path.rsplit('/').next().unwrap_or_default();
    match segment.rsplit_once('.') {
        None | Some(("", _) | (_, "")) => true,
        Some((_, extension)) => PAGES.iter().any(|page| extension.eq_ignore_ascii_case(page)),
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
