//! One request in any access log, and the parsing of its fields.

use std::{borrow::Cow, net::IpAddr};

use crate::ingest::address::{address_of, is_public};

/// One readable line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The client: a normalized address, or a host name.
    pub address: Cow<'a, str>,
    /// Time of the request, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// The target of a GET request, such as `/page?x=1`; `None` for other methods and malformed requests.
    pub target: Option<Field<'a>>,
    /// HTTP status; 0 if the client disconnected before one was sent.
    pub status: u16,
    /// The `Referer` header; `None` if the log does not contain it.
    pub referrer: Option<Field<'a>>,
    /// The `User-Agent` header; `None` if the log does not contain it.
    pub user_agent: Option<Field<'a>>,
}

/// A field's text, decoded on use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field<'a> {
    /// Escaped as Apache and nginx do: `\"`, `\\`, `\n`, `\xE4`.
    Escaped(&'a [u8]),
    /// Bytes as they are.
    Plain(&'a [u8]),
    /// Decoded already.
    Text(Cow<'a, str>),
}

impl Field<'_> {
    /// Whether the field has a value: neither empty nor `-`.
    #[must_use]
    pub fn is_given(&self) -> bool {
        let bytes = match self {
            Self::Escaped(bytes) | Self::Plain(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        };
        !matches!(bytes, b"" | b"-")
    }

    /// The field as text. Escapes that would not be UTF-8 stay as logged: readable, lossless and equal to what other
    /// tools show. Raw bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Escaped(field) => match unescape(field) {
                Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
                Cow::Owned(bytes) => {
                    String::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(field), Cow::Owned)
                }
            },
            Self::Plain(bytes) => String::from_utf8_lossy(bytes),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The field as the bytes that were sent.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Escaped(field) => unescape(field),
            Self::Plain(bytes) => Cow::Borrowed(bytes),
            Self::Text(text) => Cow::Borrowed(text.as_bytes()),
        }
    }
}

/// Decodes the escapes of a logged field; invalid ones stay.
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let (byte, after) = match (first, tail) {
            (b'\\', [b'x', high, low, after @ ..]) => match byte_of([*high, *low]) {
                Some(byte) => (byte, after),
                None => (*first, tail),
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
    Cow::Owned(bytes)
}

/// The byte for two hexadecimal digits.
fn byte_of(digits: [u8; 2]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    Some(u8::from_be_bytes(byte))
}

/// The client in a field: a normalized address, with or without port, or the first public one of a list. `None` without
/// an address.
#[must_use]
pub fn client(field: &str) -> Option<Cow<'_, str>> {
    // Most are IPv4 addresses, which have one spelling.
    if field.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some(Cow::Borrowed(field));
    }
    let mut first = None;
    for part in field.split(',') {
        let part = part.trim();
        // An address of a link names its interface.
        let bare = part.split_once('%').map_or(part, |(address, _)| address);
        let Some(address) = address_of(bare) else { continue };
        if is_public(address) {
            return Some(Cow::Owned(address.to_string()));
        }
        first = first.or(Some(address));
    }
    first.map(|address| Cow::Owned(address.to_string()))
}

/// The client behind a proxy: if the address is not public, the forwarded one, if that is.
#[must_use]
pub fn behind_proxy<'a>(address: Cow<'a, str>, forwarded: Option<&'a str>) -> Cow<'a, str> {
    let public = |text: &str| text.parse::<IpAddr>().is_ok_and(is_public);
    match forwarded.and_then(client) {
        Some(forwarded) if public(&forwarded) && !public(&address) => forwarded,
        _ => address,
    }
}

/// The target of a request line if it is a GET. Spaces inside the target are kept.
#[must_use]
pub fn get_target(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"GET ")?;
    let version = rest.iter().rposition(|byte| *byte == b' ').map(|at| rest.split_at(at));
    let target = match version {
        Some((target, version)) if version.starts_with(b" HTTP/") => target,
        // HTTP/0.9 names no version.
        _ => rest,
    };
    (!target.is_empty()).then_some(target)
}

/// Path and query of a request target. Scheme and host of an absolute one (`http://host/path`) and the fragment are
/// dropped.
#[must_use]
pub fn path_and_query(target: &[u8]) -> (&[u8], &[u8]) {
    let target = split(target, b'#').map_or(target, |(target, _)| target);
    let (path, query) = split(target, b'?').unwrap_or((target, b""));
    let after_host = |scheme: usize| {
        let rest = path.get(scheme..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'/').and_then(|slash| rest.get(slash..)).unwrap_or_default()
    };
    let begins = |scheme: &[u8]| path.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let path = match (begins(b"http://"), begins(b"https://")) {
        (true, _) => after_host(7),
        (_, true) => after_host(8),
        _ => path,
    };
    (if path.is_empty() { b"/" } else { path }, query)
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// Extensions of pages; other files are static.
const PAGES: &[&str] = &["htm", "html", "xhtml", "php", "asp", "aspx", "jsp"];

/// Whether the path's last segment has no extension, or that of a page (case-insensitive).
///
/// A dot at the start (`/.well-known`) or end of the segment does not begin an extension.
#[must_use]
pub fn is_page(path: &str) -> bool {
    let segment = path.rsplit('/').next().unwrap_or_default();
    match segment.rsplit_once('.') {
        None | Some(("", _) | (_, "")) => true,
        Some((_, extension)) => PAGES.iter().any(|page| extension.eq_ignore_ascii_case(page)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_one_spelling() {
        for (field, address) in [
            ("8.8.8.8", "8.8.8.8"),
            ("8.8.8.8:50000", "8.8.8.8"),
            ("::ffff:8.8.8.8", "8.8.8.8"),
            ("2001:67C:2E8:22::C100:68B", "2001:67c:2e8:22::c100:68b"),
            ("[2001:db8:0::1]:443", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("8.8.8.8, 10.0.0.1", "8.8.8.8"),
            ("10.0.0.1, 8.8.8.8, 193.0.6.139", "8.8.8.8"),
            ("unknown, 10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(client(field).as_deref(), Some(address), "{field}");
        }
        for field in ["", "-", "host.example", "host.example:80", "1.2.3", "1.2.3.4.5", "1.2.3.04"] {
            assert_eq!(client(field), None, "{field}");
        }
        for (address, forwarded, client) in [
            ("10.0.0.1", Some("8.8.8.8"), "8.8.8.8"),
            ("10.0.0.1", Some("-"), "10.0.0.1"),
            ("10.0.0.1", Some("192.168.1.1"), "10.0.0.1"),
            ("9.9.9.9", Some("8.8.8.8"), "9.9.9.9"),
            ("10.0.0.1", None, "10.0.0.1"),
        ] {
            assert_eq!(behind_proxy(Cow::Borrowed(address), forwarded), client, "{address} {forwarded:?}");
        }
    }

    #[test]
    fn escapes_are_undone_where_that_gives_text() {
        for (logged, text) in [
            ("plain", "plain"),
            (r"\xd0\x9f", "П"),
            (r"\x22", "\""),
            (r"a\tb", "a\tb"),
            (r"http://\xe4\xe5/", r"http://\xe4\xe5/"),
            (r"\xZZ\q", r"\xZZ\q"),
            (r"end\", r"end\"),
        ] {
            assert_eq!(Field::Escaped(logged.as_bytes()).text(), text, "{logged}");
        }
        assert_eq!(Field::Escaped(b"a\xffb").text(), "a\u{fffd}b");
        assert_eq!(*Field::Escaped(br"/caf\xe9").bytes(), *b"/caf\xe9", "a path is what was sent");
        assert_eq!(Field::Plain(br"a\tb").text(), r"a\tb");
    }

    #[test]
    fn requests_paths_and_pages() {
        for (line, target) in [
            ("GET / HTTP/1.1", Some("/")),
            ("GET /a b HTTP/1.1", Some("/a b")),
            ("GET /old", Some("/old")),
            ("POST / HTTP/1.1", None),
            ("get / HTTP/1.1", None),
            ("GET  HTTP/1.1", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(get_target(line.as_bytes()), target.map(str::as_bytes), "{line}");
        }
        for (target, path, query) in [
            ("/a?b=1#c", "/a", "b=1"),
            ("/a#c?d", "/a", ""),
            ("/a?b?c", "/a", "b?c"),
            ("http://Host.example/p/q?x", "/p/q", "x"),
            ("HTTPS://host.example", "/", ""),
            ("http://host.example?x=http://y/", "/", "x=http://y/"),
            ("?x", "/", "x"),
            ("//double//slash", "//double//slash", ""),
            ("/go/http://other/", "/go/http://other/", ""),
            ("*", "*", ""),
            ("/ünï", "/ünï", ""),
            ("éééé", "éééé", ""),
        ] {
            assert_eq!(path_and_query(target.as_bytes()), (path.as_bytes(), query.as_bytes()), "{target}");
        }
        for page in [
            "/",
            "/a",
            "/a/",
            "/a.html",
            "/A.HTM",
            "/x.php",
            "/x.aspx",
            "/x.jsp",
            "/v1.2/notes",
            "/.well-known",
            "/end.",
            "*",
        ] {
            assert!(is_page(page), "{page}");
        }
        for file in
            ["/a.png", "/a.html.gz", "/feed.xml", "/v1.2", "/a.html%20target=", "/robots.txt", "/.env.bak", "/x.php5"]
        {
            assert!(!is_page(file), "{file}");
        }
    }
}
