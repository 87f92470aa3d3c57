//! Page paths: the normalized form (RFC 3986, section 6.2.2) and the form for display.
//!
//! - A hash route is part of the path: `/app#/orders`, `/app#!/orders`.
//! - Stored paths contain printable ASCII only; [`decoded`] returns the readable form.

use std::borrow::Cow;

use percent_encoding::{percent_decode_str, percent_encode_byte};

/// Maximum length of a stored path, in bytes of its normalized form.
pub const MAX_PATH: usize = 2_000;

/// The normalized form of a path, at most [`MAX_PATH`] bytes: decodes needless escapes, writes the others in upper
/// case, escapes characters that a path may not contain (non-ASCII letters as UTF-8), removes dot segments, and drops
/// control characters.
#[must_use]
pub fn normalized(path: &[u8]) -> Cow<'_, str> {
    let escaped = match std::str::from_utf8(path) {
        Ok(text) if path.iter().all(|byte| is_plain(*byte)) => Cow::Borrowed(text),
        _ => Cow::Owned(respelled(path)),
    };
    let whole = without_dot_segments(escaped);
    // A cut may leave a dot segment of what was none.
    if whole.len() <= MAX_PATH { whole } else { without_dot_segments(Cow::Owned(cut(&whole).to_owned())) }
}

/// The normalized form of part of a path, like [`normalized`] but without handling dot segments and length.
#[must_use]
pub fn normalized_part(part: &str) -> Cow<'_, str> {
    if part.bytes().all(is_plain) { Cow::Borrowed(part) } else { Cow::Owned(respelled(part.as_bytes())) }
}

/// The form in which exclusions are compared: [`normalized`] with consecutive slashes merged.
#[must_use]
pub fn comparable(path: &str) -> Cow<'_, str> {
    let path = normalized(path.as_bytes());
    if !path.contains("//") {
        return path;
    }
    let mut single = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !single.ends_with('/') {
            single.push(letter);
        }
    }
    // A slash less may leave a dot segment where an empty one stood.
    Cow::Owned(normalized(single.as_bytes()).into_owned())
}

/// The readable form of a path: `/café` for `/caf%C3%A9`. `None` if it does not differ, is not UTF-8, or contains
/// control characters.
#[must_use]
pub fn decoded(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let text = percent_decode_str(path).decode_utf8().ok()?;
    (text != path && !text.chars().any(char::is_control)).then(|| text.into_owned())
}

/// Characters that need no escape: unreserved characters, sub-delimiters, and `/`, `:`, `@`.
const fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b'/' | b':' | b'@'
        )
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The byte for two hexadecimal digits.
fn escape(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
}

fn respelled(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (*first, tail) {
            (b'%', _) => match escape(tail) {
                Some(byte) => {
                    rest = tail.get(2..).unwrap_or_default();
                    if is_unreserved(byte) {
                        out.push(char::from(byte))
                    } else {
                        out.push_str(percent_encode_byte(byte))
                    }
                }
                // A percent sign that escapes nothing stands for itself.
                None => out.push_str(percent_encode_byte(b'%')),
            },
            // Before a hash route.
            (b'#', [b'/', ..] | [b'!', b'/', ..]) => out.push('#'),
            (byte, _) if is_plain(byte) => out.push(char::from(byte)),
            (byte, _) if byte.is_ascii_control() => {}
            // The control characters of Latin-1, in UTF-8.
            (0xc2, [second @ 0x80..=0x9f, after @ ..]) if (0x80..=0x9f).contains(second) => rest = after,
            (byte, _) => out.push_str(percent_encode_byte(byte)),
        }
    }
    out
}

/// RFC 3986, section 5.2.4, for a path that begins with a slash. Other paths and hash routes stay as they are.
fn without_dot_segments(path: Cow<'_, str>) -> Cow<'_, str> {
    if !path.starts_with('/') || !path.contains("/.") {
        return path;
    }
    let (page, route) = path.split_at(path.find('#').unwrap_or(path.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in page.get(1..).unwrap_or_default().split('/') {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    let mut out = String::with_capacity(path.len());
    for segment in kept {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() {
        out.push('/');
    }
    Cow::Owned(out + route)
}

/// The longest prefix within [`MAX_PATH`] bytes that does not split an escape or an escaped character. The path is
/// ASCII.
fn cut(path: &str) -> &str {
    let mut end = MAX_PATH.min(path.len());
    let bytes = path.as_bytes();
    let escape_at = |end: usize| {
        let start = end.checked_sub(3)?;
        (bytes.get(start) == Some(&b'%')).then(|| escape(bytes.get(start + 1..)?)).flatten()
    };
    if let Some(begun) = (1..=2).find(|back| bytes.get(end.wrapping_sub(*back)) == Some(&b'%')) {
        end -= begun;
    }
    // Bytes of a letter that goes on behind the cut.
    let mut following = 0;
    let mut at = end;
    while let Some(byte @ 0x80..) = escape_at(at) {
        at -= 3;
        if byte >= 0xc0 {
            let length = byte.leading_ones() as usize;
            if following + 1 < length {
                end = at;
            }
            break;
        }
        following += 1;
        if following > 3 {
            break;
        }
    }
    let short = path.get(..end).unwrap_or_default();
    // What begins a hash route is nothing without one.
    short.strip_suffix("#!").or_else(|| short.strip_suffix('#')).unwrap_or(short)
}

/// Whether a pattern matches the whole path; `*` matches any text, including slashes and the empty text.
///
/// At worst proportional to pattern times path; backtracks only to the last `*`.
#[must_use]
pub fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < path.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if path.get(t) == Some(byte) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_has_one_spelling() {
        for (path, spelled) in [
            ("/", "/"),
            ("/plain/path-1.0_~!$&'()*+,;=:@", "/plain/path-1.0_~!$&'()*+,;=:@"),
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/café", "/caf%C3%A9"),
            ("/%61dmin/%7Ex%2D", "/admin/~x-"),
            ("/a%2fb%3F", "/a%2Fb%3F"),
            ("/a b\"<>\\^`{|}", "/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D"),
            ("/app#/caf%c3%a9", "/app#/caf%C3%A9"),
            ("/./app#!/../x", "/app#!/../x"),
            ("/a#b", "/a%23b"),
            ("/100%", "/100%25"),
            ("/%zz%4", "/%25zz%254"),
            ("/%%41", "/%25A"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/b", "/b"),
            ("/../../x", "/x"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/..", "/"),
            ("/.well-known/x..y", "/.well-known/x..y"),
            ("//double//slash", "//double//slash"),
            ("*", "*"),
            ("/a\u{0}\n\u{85}b", "/ab"),
        ] {
            assert_eq!(normalized(path.as_bytes()), spelled, "{path}");
            assert_eq!(normalized(spelled.as_bytes()), spelled, "again: {path}");
        }
        assert_eq!(normalized(b"/caf\xe9"), "/caf%E9", "bytes that are no UTF-8");
        assert!(matches!(normalized(b"/usual"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_paths_are_cut_between_letters() {
        for before in 0..12 {
            for letter in ["é", "€", "😀", "x", " "] {
                let path = format!("/{}{}", "a".repeat(before), letter.repeat(MAX_PATH));
                let short = normalized(path.as_bytes()).into_owned();
                assert!(short.len() <= MAX_PATH && short.len() > MAX_PATH - 12, "{}", short.len());
                let read = decoded(&short).unwrap_or(short);
                assert!(path.starts_with(&read), "{before} {letter}");
            }
        }
        let hidden = normalized(format!("/{}/..x", "a".repeat(MAX_PATH - 4)).as_bytes()).into_owned();
        assert_eq!(normalized(hidden.as_bytes()), hidden, "a cut leaves no dot segment");
        for (before, mark) in [(MAX_PATH - 2, "#/x"), (MAX_PATH - 3, "#!/x")] {
            let route = normalized(format!("/{}{mark}", "a".repeat(before)).as_bytes()).into_owned();
            assert_eq!(normalized(route.as_bytes()), route, "a cut leaves no mark of a route");
        }
        assert!(normalized("/%80".repeat(MAX_PATH).as_bytes()).len() <= MAX_PATH);
    }

    #[test]
    fn people_read_what_was_escaped() {
        for (path, text) in [
            ("/caf%C3%A9", Some("/café")),
            ("/a%20b%2Fc%25", Some("/a b/c%")),
            ("/plain", None),
            ("/caf%E9", None),
            ("/a%0Ab", None),
            ("/%zz", None),
        ] {
            assert_eq!(decoded(path).as_deref(), text, "{path}");
        }
    }

    #[test]
    fn exclusions_see_through_slashes_and_escapes() {
        for (path, compared) in [
            ("/admin/x", "/admin/x"),
            ("//admin///x", "/admin/x"),
            ("/%61dmin/x", "/admin/x"),
            ("/a//../admin/x", "/a/admin/x"),
            ("/Straße/*", "/Stra%C3%9Fe/*"),
        ] {
            assert_eq!(comparable(path), compared, "{path}");
        }
    }

    #[test]
    fn patterns_do_not_explode() {
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199)));
        assert!(fits(&"*a".repeat(200), &"a".repeat(200)));
        assert!(fits("*", "") && fits("/50%_off*", "/50%_off/x") && !fits("/a.c", "/abc"));
    }
}
