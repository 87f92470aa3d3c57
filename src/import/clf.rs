//! Common and combined logs of Apache and nginx, and similar ones (Traefik, lighttpd): fields separated by spaces, time
//! in brackets.
//!
//! - Works on bytes and borrows; nothing is copied for a line that is not counted.
//! - The position of client, referrer and user agent is determined once, from the first lines ([`Layout`]).

use std::borrow::Cow;

use super::{
    record::{Field, Record, behind_proxy, client, get_target},
    time,
};

/// Columns of a log: groups before the time, columns after the response size, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Group of the client.
    client: usize,
    /// Column of the referrer.
    referrer: Option<usize>,
    /// Column of the user agent.
    user_agent: Option<usize>,
    /// Column of addresses that a proxy forwarded.
    forwarded: Option<usize>,
}

impl Default for Layout {
    /// The combined format.
    fn default() -> Self {
        Self { client: 0, referrer: Some(0), user_agent: Some(1), forwarded: None }
    }
}

/// Number of columns examined.
const MAX_COLUMNS: usize = 12;

/// Number of groups before the time that may contain the client.
const MAX_GROUPS: usize = 3;

/// A line parsed as far as every layout has in common.
struct Parts<'a> {
    /// The text before the time.
    head: &'a [u8],
    time_ms: i64,
    request: &'a [u8],
    status: u16,
    columns: Columns<'a>,
}

impl Layout {
    /// The layout of a log that begins with these lines.
    #[must_use]
    pub fn of_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut groups = [Tally::default(); MAX_GROUPS];
        let mut columns = [Tally::default(); MAX_COLUMNS];
        for parts in lines.filter_map(split) {
            for (tally, group) in groups.iter_mut().zip(Groups(parts.head)) {
                tally.count(group, false);
            }
            for (tally, column) in columns.iter_mut().zip(parts.columns) {
                tally.count(column.bytes, column.is_quoted);
            }
        }
        let client = groups.iter().position(Tally::is_addresses).unwrap_or(0);
        let named = columns.iter().enumerate().max_by_key(|(at, tally)| (tally.agents, MAX_COLUMNS - at));
        let (referrer, user_agent) = match named.filter(|(_, tally)| tally.agents > 0) {
            Some((at, _)) => {
                let has_links = |at: &usize| columns.get(*at).is_some_and(Tally::is_links);
                let before = at.checked_sub(1).filter(has_links);
                let elsewhere = || {
                    (0..MAX_COLUMNS).find(|other| has_links(other) && columns.get(*other).is_some_and(|c| c.links > 0))
                };
                (before.or_else(elsewhere), Some(at))
            }
            // No browser among them: a referrer, or none, and a text behind it.
            None if columns.iter().any(|tally| tally.quoted > 0) => {
                let is_pair = |pair: &[Tally]| matches!(pair, [link, text] if link.is_links() && text.quoted > 0);
                let at = columns.windows(2).position(is_pair).unwrap_or(0);
                (Some(at), Some(at + 1))
            }
            None => (None, None),
        };
        let taken = [referrer, user_agent];
        let forwarded =
            columns.iter().enumerate().position(|(at, tally)| !taken.contains(&Some(at)) && tally.is_addresses());
        Self { client, referrer, user_agent, forwarded }
    }

    /// Reads a line without its line end; `None` if it is malformed or has another layout.
    #[must_use]
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<Record<'a>> {
        let Parts { head, time_ms, request, status, mut columns } = split(line)?;
        let (mut referrer, mut user_agent, mut forwarded) = (None, None, None);
        // A line of the common format may stand in a combined log, and a cut line looks like one: the two cannot be told apart.
        if !columns.0.is_empty() {
            let last = self.referrer.max(self.user_agent).max(self.forwarded);
            for at in 0..=last.unwrap_or(0) {
                let Some(column) = columns.next() else { break };
                let slot = match Some(at) {
                    at if at == self.referrer => &mut referrer,
                    at if at == self.user_agent => &mut user_agent,
                    at if at == self.forwarded => &mut forwarded,
                    _ => continue,
                };
                *slot = Some(column.bytes);
            }
            if columns.1
                || referrer.is_some() != self.referrer.is_some()
                || user_agent.is_some() != self.user_agent.is_some()
            {
                return None;
            }
        }
        let address = self.client_in(head)?;
        let address = match forwarded.and_then(|field| std::str::from_utf8(field).ok()) {
            Some(forwarded) => behind_proxy(address, Some(forwarded)),
            None => address,
        };
        Some(Record {
            address,
            time_ms,
            target: get_target(request).map(Field::Escaped),
            status,
            referrer: referrer.map(Field::Escaped),
            user_agent: user_agent.map(Field::Escaped),
        })
    }

    /// The client: the address at the layout's position, else the one behind it, else the text there.
    fn client_in<'a>(&self, head: &'a [u8]) -> Option<Cow<'a, str>> {
        let address = |group: &'a [u8]| client(std::str::from_utf8(group).ok()?);
        let mut groups = Groups(head).skip(self.client);
        let group = groups.next()?;
        let found = address(group).or_else(|| address(groups.next()?));
        Some(found.unwrap_or_else(|| String::from_utf8_lossy(group)))
    }
}

/// Statistics of the values in one position.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// Number of values other than `-` and empty ones.
    given: u32,
    /// Number of values.
    all: u32,
    addresses: u32,
    /// URLs.
    links: u32,
    /// Names of browsers.
    agents: u32,
    quoted: u32,
}

impl Tally {
    fn count(&mut self, value: &[u8], is_quoted: bool) {
        self.all += 1;
        self.quoted += u32::from(is_quoted);
        if matches!(value, b"" | b"-") {
            return;
        }
        self.given += 1;
        self.addresses += u32::from(std::str::from_utf8(value).is_ok_and(|text| client(text).is_some()));
        self.links += u32::from(value.windows(3).any(|part| part == b"://"));
        self.agents += u32::from(value.starts_with(b"Mozilla/") || value.starts_with(b"Opera/"));
    }

    fn is_addresses(&self) -> bool {
        self.addresses * 2 > self.given
    }

    /// Whether most are quoted and are URLs or empty.
    fn is_links(&self) -> bool {
        self.quoted > 0 && self.agents == 0 && (self.all - self.given + self.links) * 2 >= self.all
    }
}

fn split(line: &[u8]) -> Option<Parts<'_>> {
    let (head, time_ms, rest) = split_at_time(line)?;
    let (request, rest) = quoted(rest)?;
    let (status, rest) = match rest.strip_prefix(b" ")? {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            (u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest)
        }
        _ => return None,
    };
    let size_and_more = rest.strip_prefix(b" ")?;
    let end = size_and_more.iter().position(|byte| *byte == b' ').unwrap_or(size_and_more.len());
    let (size, columns) = size_and_more.split_at(end);
    if size != b"-" && (size.is_empty() || !size.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    Some(Parts { head, time_ms, request, status, columns: Columns(columns.trim_ascii_end(), false) })
}

/// The text before the time, the time, and the text up to the next quote. User names may contain spaces and brackets,
/// so the time is the first bracket that parses as one; an unquoted field, such as a host, may follow it.
fn split_at_time(line: &[u8]) -> Option<(&[u8], i64, &[u8])> {
    let mut from = 0;
    loop {
        let at = from + line.get(from..)?.iter().position(|byte| *byte == b'[')?;
        let inside = line.get(at + 1..)?;
        if let Some(time_ms) = inside.get(..26).and_then(time::clf)
            && let Some(rest) = inside.get(26..).and_then(|rest| rest.strip_prefix(b"] "))
        {
            let rest = match rest {
                [b'"', ..] => rest,
                _ => rest.iter().position(|byte| *byte == b' ').and_then(|space| rest.get(space + 1..))?,
            };
            return Some((line.get(..at)?, time_ms, rest))
                .filter(|(head, ..)| !head.starts_with(b" ") && !head.is_empty());
        }
        from = at + 1;
    }
}

/// A quoted field's content, and the rest after its closing quote. A backslash escapes the next byte.
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

/// Fields before the time. A list of addresses, with a comma and a space between, is one.
struct Groups<'a>(&'a [u8]);

impl<'a> Iterator for Groups<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.0;
        let mut end = 0;
        loop {
            end += text.get(end..)?.iter().position(|byte| *byte == b' ')?;
            if !text.get(..end)?.ends_with(b",") {
                break;
            }
            end += 1;
        }
        self.0 = text.get(end + 1..).unwrap_or_default();
        text.get(..end)
            .map(|group| group.strip_prefix(b"\"").and_then(|group| group.strip_suffix(b"\"")).unwrap_or(group))
    }
}

struct Column<'a> {
    bytes: &'a [u8],
    is_quoted: bool,
}

/// Fields after the response size, and whether one of them was malformed.
struct Columns<'a>(&'a [u8], bool);

impl<'a> Iterator for Columns<'a> {
    type Item = Column<'a>;

    fn next(&mut self) -> Option<Column<'a>> {
        let text = self.0.strip_prefix(b" ")?;
        let is_quoted = text.starts_with(b"\"");
        let (bytes, rest) = if is_quoted {
            // What follows must be a field of its own; otherwise the quote was not the end.
            let field = quoted(text).filter(|(_, rest)| rest.is_empty() || rest.starts_with(b" "));
            self.1 |= field.is_none();
            field?
        } else {
            text.split_at(text.iter().position(|byte| *byte == b' ').unwrap_or(text.len()))
        };
        self.0 = rest;
        Some(Column { bytes, is_quoted })
    }
}

#[cfg(test)]
#[path = "clf_tests.rs"]
mod tests;
