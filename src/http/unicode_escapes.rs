//! Unicode escapes beyond `\uFFFF`, which the parser does not support: rewrites surrogate pairs and `\u{...}` to forms
//! that it reads.
//!
//! Blanks after the string make up for the shorter text, so that locations in later errors stay correct.

use std::borrow::Cow;

use super::lexer::{Fault, position, skip_string, skip_while};

const BRACED: &str = "`\\u{...}` must contain the hexadecimal number of a Unicode character, such as `\\u{1F600}`";

/// Rewrites the escapes within strings; comments and block strings stay. Errors: an invalid escape.
pub fn plain(text: &str) -> Result<Cow<'_, str>, Fault> {
    if !text.contains("\\u{") && !text.contains("\\uD") && !text.contains("\\ud") {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'#' => skip_while(bytes, at, |next| next != b'\n' && next != b'\r'),
            b'"' => skip_string(bytes, at),
            _ => skip_while(bytes, at, |next| next != b'#' && next != b'"'),
        };
        let piece = text.get(at..end).unwrap_or_default();
        if *byte == b'"' && !piece.starts_with(r#"""""#) {
            let written = string(piece).map_err(|(offset, what)| Fault { place: position(text, at + offset), what })?;
            let shorter = piece.chars().count().saturating_sub(written.chars().count());
            out.push_str(&written);
            out.extend(std::iter::repeat_n(' ', shorter));
        } else {
            out.push_str(piece);
        }
        at = end;
    }
    Ok(Cow::Owned(out))
}

/// One string with its quotes. Errors: offset of an escape, and the message.
fn string(text: &str) -> Result<String, (usize, String)> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        out.push_str(before);
        let offset = text.len() - escape.len();
        let length = match escape.as_bytes() {
            [b'\\', b'u', b'{', ..] => {
                let (character, length) = braced(escape).ok_or_else(|| (offset, BRACED.to_owned()))?;
                push(&mut out, character);
                length
            }
            [b'\\', b'u', ..] => match unit(escape) {
                Some(high @ 0xD800..=0xDBFF) => {
                    let low = escape.get(6..).and_then(unit).filter(|low| (0xDC00..=0xDFFF).contains(low));
                    let code = low.and_then(|low| char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)));
                    push(&mut out, code.ok_or_else(|| (offset, lone(escape)))?);
                    12
                }
                Some(0xDC00..=0xDFFF) => return Err((offset, lone(escape))),
                _ => {
                    out.push_str("\\u");
                    2
                }
            },
            _ => {
                let length = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
                out.push_str(escape.get(..length).unwrap_or_default());
                length
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

/// The character of a `\u{...}` that the text starts with, and the escape's length.
fn braced(text: &str) -> Option<(char, usize)> {
    let (digits, _) = text.strip_prefix("\\u{")?.split_once('}')?;
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|it| it.is_ascii_hexdigit()))?;
    Some((char::from_u32(code)?, digits.len() + 4))
}

/// The number of a `\uXXXX` that the text starts with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|it| it.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

fn lone(escape: &str) -> String {
    let escape = escape.get(..6).unwrap_or(escape);
    format!("`{escape}` is half of a surrogate pair; write both halves, or `\\u{{...}}` with the code point")
}

/// Writes any character in a form that the parser reads within a string.
fn push(out: &mut String, character: char) {
    match u32::from(character) {
        code @ ..=0xFFFF => out.push_str(&format!("\\u{code:04X}")),
        _ => out.push(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_what_the_parser_reads_and_places_stay() {
        for (text, expected) in [
            (r#"{ a(b: "\uD83D\uDE00 x") c }"#, "{ a(b: \"\u{1F600} x\"           ) c }"),
            (r#"{ a(b: "\u{1F600}") }"#, "{ a(b: \"\u{1F600}\"        ) }"),
            (r#"{ a(b: "\u{22}\u{E9}\u{000041}") }"#, "{ a(b: \"\\u0022\\u00E9\\u0041\"    ) }"),
            (r#"{ a(b: "\\u{1F600} \\\u{1F600}") }"#, "{ a(b: \"\\\\u{1F600} \\\\\u{1F600}\"        ) }"),
            (
                r#"{ a(b: """\u{1F600} \uD83D""") # "\uD83D"
              }"#,
                r#"{ a(b: """\u{1F600} \uD83D""") # "\uD83D"
              }"#,
            ),
            (r#"{ a(b: "\u00e9 \uD7FF \q \u12") }"#, r#"{ a(b: "\u00e9 \uD7FF \q \u12") }"#),
        ] {
            assert_eq!(plain(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_character_is_refused_with_its_place() {
        for escape in [
            "\\uD83D",
            "\\uDE00",
            "\\ud83d\\u0041",
            "\\u{D83D}",
            "\\u{110000}",
            "\\u{}",
            "\\u{+1}",
            "\\u{1F600",
            "\\u{99999999999}",
            "\\u{é}",
        ] {
            let fault = plain(&format!("{{\n a(b: \"x{escape}\") }}")).expect_err(escape);
            assert_eq!((fault.place.line, fault.place.column), (2, 9), "{escape}");
        }
        for broken in ["\"\\u{", "\"\\uD8", "\"\\", "{ \"\\uD83D\\", "\"\\é\\u{"] {
            let _unread = plain(broken);
        }
    }
}
