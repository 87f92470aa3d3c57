//! Strict reading of `application/x-www-form-urlencoded` text, as the query strings of the APIs are written.

use percent_encoding::percent_decode;

/// The decoded text; `None` where an escape is malformed or the result is not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    // The library keeps malformed escapes as they are.
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_escapes_and_text_that_is_not_utf8_are_refused() {
        for (text, decoded) in [
            ("", Some("")),
            ("a+b%20c%2Bd%2b", Some("a b c+d+")),
            ("%C3%bc%00", Some("ü\0")),
            ("ü", Some("ü")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%%41", None),
            ("%4%31", None),
            ("%4ü", None),
            ("%ff", None),
            ("%C3", None),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
    }
}
