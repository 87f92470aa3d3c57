//! Counts a document's tokens and its deepest nesting without parsing it, so that a hostile text never reaches the parser.

/// What a document weighs before it is parsed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Tokens as the GraphQL specification counts them: commas, white space and comments are none.
    pub tokens: usize,
    /// Brackets of any kind that are open at once, at most.
    pub nesting: usize,
    /// Line and column (from 1, in characters) of a first `()`, which the specification forbids and the parser lets pass.
    pub empty_parentheses: Option<(usize, usize)>,
}

/// Weighs a text in one pass. Broken texts are weighed as far as they go: the parser says what is wrong with them.
#[must_use]
pub fn weigh(text: &str) -> Weight {
    let bytes = text.as_bytes();
    let mut weight = Weight::default();
    let (mut at, mut open, mut after_parenthesis) = (0, 0_usize, false);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at = match byte {
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
            b'{' | b'(' | b'[' => {
                open += 1;
                weight.nesting = weight.nesting.max(open);
                at + 1
            }
            b'}' | b')' | b']' => {
                if byte == b')' && after_parenthesis && weight.empty_parentheses.is_none() {
                    weight.empty_parentheses = Some(position(text, start));
                }
                open = open.saturating_sub(1);
                at + 1
            }
            b'0'..=b'9' => skip_while(bytes, at, |next| is_word(next) || next == b'.'),
            _ if is_word(byte) => skip_while(bytes, at, is_word),
            b'-' => skip_while(bytes, at + 1, |next| is_word(next) || next == b'.'),
            _ => at + 1,
        };
        weight.tokens += 1;
        after_parenthesis = byte == b'(';
    }
    weight
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn skip_while(bytes: &[u8], from: usize, holds: impl Fn(u8) -> bool) -> usize {
    from + bytes.get(from..).unwrap_or_default().iter().take_while(|byte| holds(**byte)).count()
}

/// The first index after the string that opens at `from`.
fn skip_string(bytes: &[u8], from: usize) -> usize {
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

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests {
    use super::weigh;

    #[test]
    fn commas_space_and_comments_are_no_tokens() {
        assert_eq!(weigh("\u{feff}# x { y }\n{ a, b ,,, c }").tokens, 5);
    }

    #[test]
    fn strings_are_one_token_whatever_they_hold() {
        assert_eq!(weigh(r#"{ a(b: "x { \" } y") }"#).tokens, 8);
        assert_eq!(weigh("{ a(b: \"\"\"x \" { \\\"\"\" y\"\"\") }").tokens, 8);
        assert_eq!(weigh(r#"{ a(b: "") }"#).tokens, 8);
    }

    #[test]
    fn a_string_that_never_ends_is_weighed_to_the_end() {
        assert_eq!(weigh("{ a(b: \"x \\").tokens, 6);
        assert_eq!(weigh("{ a(b: \"\"\"x").tokens, 6);
    }

    #[test]
    fn numbers_spreads_and_variables() {
        assert_eq!(weigh("{ ...F a(b: -1.5e10 c: $d) }").tokens, 14);
        assert_eq!(weigh("{a...F}").tokens, 5);
    }

    #[test]
    fn nesting_counts_open_brackets() {
        assert_eq!(weigh("{ a { b(c: [[1]]) } d }").nesting, 5);
        assert_eq!(weigh(")))").nesting, 0);
    }

    #[test]
    fn empty_parentheses_are_seen_with_their_place() {
        assert_eq!(weigh("{\n  a( # c\n ) }").empty_parentheses, Some((3, 2)));
        assert_eq!(weigh("{ a(b: 1) c }").empty_parentheses, None);
    }
}
