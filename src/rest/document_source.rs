//! The text of documents: split into operations, with their comments as descriptions, without the adapter's directives.

use std::collections::BTreeSet;

use async_graphql::{
    Pos,
    parser::{
        parse_query,
        types::{OperationDefinition, Selection, SelectionSet},
    },
};

/// Directives that the adapter obeys and the schema never sees.
pub const OWN_DIRECTIVES: &[&str] = &[
    "rest",
    "between",
    "key",
    "nest",
    "flatten",
    "echo",
    "constant",
    "walk",
    "spell",
    "firstWord",
    "percent",
    "round",
    "prefix",
    "optional",
    "nonNull",
    "orElse",
];

/// One operation of a document.
pub struct Source {
    /// The operation's name.
    pub name: String,
    /// The comment above it: the route's description.
    pub about: String,
    /// The executed and hashed text: the operation and its fragments without comments and adapter directives.
    pub text: String,
    /// The operation with adapter directives.
    pub operation: OperationDefinition,
    /// The fragments of the whole document.
    pub fragments: Fragments,
}

/// Fragments by name, with adapter directives.
pub type Fragments =
    std::sync::Arc<std::collections::HashMap<String, async_graphql::parser::types::FragmentDefinition>>;

/// Splits a document into its operations, in document order.
///
/// Errors: a message about what cannot be parsed.
pub fn cut(document: &str) -> Result<Vec<Source>, String> {
    let parsed = parse_query(document).map_err(|error| format!("a document cannot be read: {error}"))?;
    let mut starts: Vec<usize> = Vec::new();
    let mut operations = Vec::new();
    for (name, operation) in parsed.operations.iter() {
        let name = name.ok_or("every REST operation needs a name")?;
        let start = offset(document, operation.pos);
        starts.push(start);
        operations.push((start, name.to_string(), operation.node.clone()));
    }
    let mut fragment_starts = Vec::new();
    let mut fragments = std::collections::HashMap::new();
    for (name, fragment) in &parsed.fragments {
        let start = offset(document, fragment.pos);
        starts.push(start);
        fragment_starts.push((name.to_string(), start));
        fragments.insert(name.to_string(), fragment.node.clone());
    }
    starts.sort_unstable();
    operations.sort_by_key(|(start, ..)| *start);
    fragment_starts.sort();
    let fragments: Fragments = std::sync::Arc::new(fragments);
    let slice = |start: usize| {
        let end = starts.iter().copied().find(|next| *next > start).unwrap_or(document.len());
        strip(document.get(start..end).unwrap_or_default())
    };
    operations
        .into_iter()
        .map(|(start, name, operation)| {
            let mut used = BTreeSet::new();
            spreads(&operation.selection_set.node, &fragments, &mut used);
            let mut text = slice(start);
            for (_, start) in fragment_starts.iter().filter(|(name, _)| used.contains(name)) {
                text.push(' ');
                text.push_str(&slice(*start));
            }
            let about = comment_above(document.get(..start).unwrap_or_default());
            Ok(Source { name, about, text, operation, fragments: fragments.clone() })
        })
        .collect()
}

/// The byte at a position of the parser, which counts lines and characters from one.
fn offset(text: &str, pos: Pos) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(pos.line.saturating_sub(1)).map(str::len).sum();
    let line = text.get(line_start..).unwrap_or_default();
    line_start + line.char_indices().nth(pos.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
}

/// The comment lines directly above, joined with spaces.
fn comment_above(before: &str) -> String {
    let mut lines: Vec<&str> = before
        .trim_end_matches([' ', '\t'])
        .lines()
        .rev()
        .map_while(|line| line.trim().strip_prefix('#'))
        .map(str::trim)
        .collect();
    lines.reverse();
    lines.join(" ")
}

/// Names of all fragments that a selection reaches, cycles included once.
fn spreads(set: &SelectionSet, fragments: &Fragments, used: &mut BTreeSet<String>) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => spreads(&field.node.selection_set.node, fragments, used),
            Selection::InlineFragment(fragment) => spreads(&fragment.node.selection_set.node, fragments, used),
            Selection::FragmentSpread(spread) => {
                let name = spread.node.fragment_name.node.to_string();
                if let Some(fragment) = fragments.get(&name)
                    && used.insert(name)
                {
                    spreads(&fragment.selection_set.node, fragments, used);
                }
            }
        }
    }
}

/// Removes comments and adapter directives, and collapses white space outside strings.
#[must_use]
pub fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let len = match letter {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let len = string_len(rest);
                out.push_str(rest.get(..len).unwrap_or_default());
                len
            }
            '@' => {
                let name_len = rest.chars().skip(1).take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count() + 1;
                if OWN_DIRECTIVES.contains(&rest.get(1..name_len).unwrap_or_default()) {
                    name_len + arguments_len(rest.get(name_len..).unwrap_or_default())
                } else {
                    out.push_str(rest.get(..name_len).unwrap_or_default());
                    name_len
                }
            }
            letter if letter.is_whitespace() || letter == ',' => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                letter.len_utf8()
            }
            letter => {
                out.push(letter);
                letter.len_utf8()
            }
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    out.trim().to_owned()
}

/// Bytes of the string literal at the start.
fn string_len(text: &str) -> usize {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut from = 0;
        while let Some(at) = block.get(from..).and_then(|tail| tail.find("\"\"\"")) {
            if !block.get(..from + at).unwrap_or_default().ends_with('\\') {
                return 3 + from + at + 3;
            }
            from += at + 3;
        }
        return text.len();
    }
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Bytes of the parenthesised arguments at the start, with the white space before them; 0 where there are none.
fn arguments_len(text: &str) -> usize {
    let open = text.len() - text.trim_start().len();
    if !text.get(open..).unwrap_or_default().starts_with('(') {
        return 0;
    }
    let mut at = open;
    let mut depth = 0_usize;
    while let Some(letter) = text.get(at..).and_then(|tail| tail.chars().next()) {
        match letter {
            '"' => {
                at += string_len(text.get(at..).unwrap_or_default());
                continue;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += letter.len_utf8();
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_directives_vanish_and_foreign_ones_stay() {
        let text = "query A @rest(method: GET, path: \"/a(b)\") { # note @percent\n a @percent b(x: \"@percent ( #\") @include(if: true) ... @nest(as: \"n\") { c } }";
        assert_eq!(strip(text), r#"query A { a b(x: "@percent ( #") @include(if: true) ... { c } }"#);
    }

    #[test]
    fn strings_end_where_they_end() {
        assert_eq!(string_len(r#""a\"b" tail"#), 6);
        assert_eq!(string_len(r#""a\\" tail"#), 5);
        assert_eq!(string_len(r#""""a "quoted" \""" b""" tail"#), 23);
    }

    #[test]
    fn operations_come_in_order_with_comment_and_only_their_fragments() {
        let sources = cut("# Not this.\n\n# The second\n# comment.\nquery B { ...F }\nquery A { a }\n# About F.\nfragment F on Query { b @percent ...G }\nfragment G on Query { c }\nfragment H on Query { d }").unwrap();
        let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["B", "A"]);
        assert_eq!(sources[0].about, "The second comment.");
        assert_eq!(sources[0].text, "query B { ...F } fragment F on Query { b ...G } fragment G on Query { c }");
        assert_eq!(sources[1].about, "");
        assert_eq!(sources[1].text, "query A { a }");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(cut("query {").err().unwrap().contains("cannot be read"));
        assert!(cut("{ a }").err().unwrap().contains("needs a name"));
    }
}
