//! Scans a document without parsing it, so that a hostile text never reaches the parser, and finds errors that the
//! parser misses.
//!
//! - One pass, linear in the text, that ends at the first exceeded limit.

use std::collections::HashSet;

use async_graphql::Pos;

/// Maximum length of a name or number, in bytes: the cost of comparing names, such as for a suggestion, grows with
/// their length.
const MAX_WORD: usize = 256;

/// Why a document is not parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// More tokens than allowed, as counted by the GraphQL specification: without commas, white space and comments.
    TooManyTokens,
    /// More nested brackets than allowed.
    TooDeep,
    /// A syntax error that the parser misses.
    Fault(Fault),
}

/// A syntax error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Location; line and column count from 1, the column in characters.
    pub place: Pos,
    /// Message.
    pub what: String,
}

/// An open bracket.
enum Open<'t> {
    Parenthesis,
    List,
    Selections,
    /// An input object with its names so far.
    Object(HashSet<&'t str>),
}

/// Scans a text with at most this many tokens and nested brackets. Invalid texts are scanned as far as possible; the
/// parser reports their errors. Errors: the first limit or error in text order.
pub fn weigh(text: &str, max_tokens: usize, max_nesting: usize) -> Result<(), Stop> {
    let bytes = text.as_bytes();
    let (mut tokens, mut parentheses) = (0, 0);
    let mut open: Vec<Open<'_>> = Vec::new();
    // The two tokens before this one.
    let (mut before, mut last) = ("", "");
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at = skip_while(bytes, at, |next| next != b'\n' && next != b'\r');
                continue;
            }
            // A byte order mark is white space.
            0xEF if bytes.get(at..at + 3) == Some(&[0xEF, 0xBB, 0xBF]) => {
                at += 3;
                continue;
            }
            b'"' => skip_string(bytes, at),
            b'.' => skip_while(bytes, at, |next| next == b'.'),
            b'0'..=b'9' => skip_while(bytes, at, |next| is_word(next) || next == b'.'),
            b'-' => skip_while(bytes, at + 1, |next| is_word(next) || next == b'.'),
            _ if is_word(byte) => skip_while(bytes, at, is_word),
            _ => at + 1,
        };
        // A token that ends within a multi-byte character is invalid; its text does not matter.
        let token = text.get(at..end).unwrap_or("?");
        if token.len() > MAX_WORD && !matches!(byte, b'"' | b'.') {
            let what = format!("a name or number must be at most {MAX_WORD} bytes (got {})", token.len());
            return Err(Stop::Fault(Fault { place: position(text, at), what }));
        }
        if let Some(what) = fault(before, last, token, open.last_mut()) {
            return Err(Stop::Fault(Fault { place: position(text, at), what }));
        }
        match byte {
            b'(' => {
                parentheses += 1;
                open.push(Open::Parenthesis);
            }
            b'[' => open.push(Open::List),
            // Within arguments a brace opens an input object.
            b'{' if parentheses > 0 => open.push(Open::Object(HashSet::new())),
            b'{' => open.push(Open::Selections),
            b')' | b']' | b'}' => {
                if matches!(open.pop(), Some(Open::Parenthesis)) {
                    parentheses -= 1;
                }
            }
            _ => {}
        }
        tokens += 1;
        if open.len() > max_nesting {
            return Err(Stop::TooDeep);
        }
        if tokens > max_tokens {
            return Err(Stop::TooManyTokens);
        }
        (before, last) = (last, token);
        at = end;
    }
    Ok(())
}

/// The error in `token` after `before` and `last`, within the innermost open bracket.
fn fault<'t>(before: &str, last: &'t str, token: &str, open: Option<&mut Open<'t>>) -> Option<String> {
    match (before, last, token) {
        (_, "(", ")") => Some("`()` must not be empty; omit it".to_owned()),
        ("fragment", "on", "on") if open.is_none() => Some("a fragment cannot be named `on`".to_owned()),
        ("...", "on", next) if !next.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') => {
            Some("`... on` must be followed by the name of a type".to_owned())
        }
        (_, name, ":") => match open {
            Some(Open::Object(names)) => {
                (!names.insert(name)).then(|| format!("the input field `{name}` must be given only once"))
            }
            _ => None,
        },
        _ => None,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The first index from `from` whose byte does not match.
pub(super) fn skip_while(bytes: &[u8], from: usize, holds: impl Fn(u8) -> bool) -> usize {
    from + bytes.get(from..).unwrap_or_default().iter().take_while(|byte| holds(**byte)).count()
}

/// The first index after the string that opens at `from`.
pub(super) fn skip_string(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let block = rest.starts_with(br#"""""#);
    let mut at = from + if block { 3 } else { 1 };
    while let Some(tail) = bytes.get(at..).filter(|tail| !tail.is_empty()) {
        if block && tail.starts_with(br#"\""""#) {
            at += 4;
        } else if block && tail.starts_with(br#"""""#) {
            return at + 3;
        } else if !block && tail.starts_with(b"\\") {
            at += 2;
        } else if !block && tail.starts_with(b"\"") {
            return at + 1;
        } else if !block && (tail.starts_with(b"\n") || tail.starts_with(b"\r")) {
            return at;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Line and column of an offset.
pub(super) fn position(text: &str, offset: usize) -> Pos {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Pos { line: before.matches('\n').count() + 1, column }
}

#[cfg(test)]
mod tests {
    use super::{Stop, weigh};

    fn fault(text: &str) -> Option<(usize, usize, String)> {
        match weigh(text, 1_000, 64) {
            Err(Stop::Fault(fault)) => Some((fault.place.line, fault.place.column, fault.what)),
            other => {
                assert_eq!(other, Ok(()), "{text}");
                None
            }
        }
    }

    /// The minimum number of tokens that must be allowed.
    fn tokens(text: &str) -> usize {
        (0..).find(|&most| weigh(text, most, 64) != Err(Stop::TooManyTokens)).expect("a number")
    }

    /// The minimum nesting that must be allowed.
    fn nesting(text: &str) -> usize {
        (0..).find(|&most| weigh(text, 1_000, most) != Err(Stop::TooDeep)).expect("a number")
    }

    #[test]
    fn commas_space_and_comments_are_no_tokens() {
        assert_eq!(tokens("\u{feff}# x { y }\n{ a, b ,,, c }"), 5);
    }

    #[test]
    fn strings_are_one_token_whatever_they_hold() {
        assert_eq!(tokens(r#"{ a(b: "x { \" } y") }"#), 8);
        assert_eq!(tokens("{ a(b: \"\"\"x \" { \\\"\"\" y\"\"\") }"), 8);
        assert_eq!(tokens(r#"{ a(b: "") }"#), 8);
    }

    #[test]
    fn a_string_that_never_ends_is_weighed_to_the_end() {
        assert_eq!(tokens("{ a(b: \"x \\"), 6);
        assert_eq!(tokens("{ a(b: \"\"\"x"), 6);
        assert_eq!(tokens("{ é \u{1f600} }"), 8);
    }

    #[test]
    fn numbers_spreads_and_variables() {
        assert_eq!(tokens("{ ...F a(b: -1.5e10 c: $d) }"), 14);
        assert_eq!(tokens("{a...F}"), 5);
    }

    #[test]
    fn nesting_counts_open_brackets() {
        assert_eq!(nesting("{ a { b(c: [[1]]) } d }"), 5);
        assert_eq!(nesting(")))"), 0);
    }

    #[test]
    fn the_first_limit_ends_it() {
        let braces = "{".repeat(65_000);
        assert_eq!(weigh(&braces, 2_000, 64), Err(Stop::TooDeep));
        assert_eq!(weigh(&"a ".repeat(30_000), 2_000, 64), Err(Stop::TooManyTokens));
        // Text after the limit is not scanned: errors beyond it are not reported.
        assert_eq!(weigh(&format!("{} ( )", "a ".repeat(2_001)), 2_000, 64), Err(Stop::TooManyTokens));
    }

    #[test]
    fn what_the_parser_lets_pass_is_seen_with_its_place() {
        let long = "a".repeat(257);
        assert_eq!(fault(&format!("{{ {long} }}")).map(|it| (it.0, it.1)), Some((1, 3)));
        assert!(fault(&format!("{{ a(b: {}) }}", "1".repeat(257))).is_some());
        assert_eq!(fault(&format!("{{ {} a(b: \"{long}\") }}", "a".repeat(256))), None);
        assert_eq!(fault("{\n  a( # c\n ) }"), Some((3, 2, "`()` must not be empty; omit it".into())));
        assert!(
            fault("{ a(b: { c: 1, d: { c: 1 }, c: 2 }) }")
                .is_some_and(|it| it.2.contains("`c` must be given only once"))
        );
        assert!(fault("{ ...on }").is_some());
        assert!(fault("fragment on on Query { a }").is_some());
        for fine in
            ["{ a(b: 1) c }", "{ a(b: [{ c: 1 }, { c: 2 }]) }", "{ x: a y: a }", "{ ... on on { a } on: fragment }"]
        {
            assert_eq!(fault(fine), None, "{fine}");
        }
    }
}
