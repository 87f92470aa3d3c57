//! Patterns of page paths: exact, by prefix, with `*`, or a regular expression.
//!
//! - Patterns are compared with stored paths, which are normalized and contain printable ASCII only.
//! - Regular expressions keep to the syntax that this crate's engine and the event store's (RE2) share, so that both
//!   find the same pages: [`checked_regex`].

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{
    AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, Flag, Flags, FlagsItemKind, GroupKind, HexLiteralKind, Literal,
    LiteralKind, RepetitionKind, RepetitionRange, Visitor, parse::Parser, visit,
};

use crate::{
    analytics::path,
    error::{Error, Result},
};

/// A pattern of page paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// The whole path.
    Exact(Arc<str>),
    /// The beginning of the path.
    Prefix(Arc<str>),
    /// The whole path; `*` matches any text, including slashes and the empty text.
    Glob(Arc<str>),
    /// A regular expression that matches anywhere in the path.
    Regex(PathRegex),
}

impl PathPattern {
    /// Whether a stored path matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(whole) => **whole == *path,
            Self::Prefix(start) => path.starts_with(&**start),
            Self::Glob(pattern) => path::fits(pattern, path),
            Self::Regex(regex) => regex.matches(path),
        }
    }
}

/// A regular expression over paths, compiled when it is first used. Equal texts are equal expressions.
#[derive(Debug, Clone)]
pub struct PathRegex {
    text: Arc<str>,
    /// `None`: it does not compile, and matches nothing.
    compiled: Arc<OnceLock<Option<Regex>>>,
}

/// Memory limit of a compiled expression, and of what matching it caches, in bytes.
const COMPILED_BYTES: usize = 256 << 10;

/// Maximum number of repetitions that `{n}` asks for, with those of the groups around it multiplied.
const MAX_REPETITIONS: u32 = 100;

impl PathRegex {
    /// The expression with this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), compiled: Arc::default() }
    }

    /// The expression as entered.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn matches(&self, path: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| compiled(&self.text).ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(path.as_bytes()))
    }
}

impl PartialEq for PathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathRegex {}

impl Hash for PathRegex {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

fn compiled(text: &str) -> std::result::Result<Regex, regex::Error> {
    // Paths are ASCII: classes of bytes match the same and are a hundred times smaller.
    RegexBuilder::new(text).unicode(false).size_limit(COMPILED_BYTES).dfa_size_limit(COMPILED_BYTES).build()
}

/// Checks a regular expression over paths. Errors: `Invalid` for `field`, when it is malformed, too large, or uses what
/// only one of the two engines knows.
pub fn checked_regex(field: &str, text: &str) -> Result<()> {
    let malformed = |why: &str| {
        Error::invalid(field, format!("must be a regular expression in RE2 syntax, such as ^/blog/[0-9]+$ ({why})"))
    };
    let ast = Parser::new().parse(text).map_err(|error| malformed(&error.kind().to_string()))?;
    visit(&ast, Shared { repetitions: vec![1] }).map_err(malformed)?;
    compiled(text).map(|_| ()).map_err(|_| malformed("it is too large"))
}

/// Refuses what the engines do not share.
struct Shared {
    /// For each group around the current place, how often it is repeated.
    repetitions: Vec<u32>,
}

type Refused = &'static str;

impl Visitor for Shared {
    type Output = ();
    type Err = Refused;

    fn finish(self) -> std::result::Result<(), Refused> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> std::result::Result<(), Refused> {
        match ast {
            Ast::Empty(_) | Ast::Dot(_) | Ast::Concat(_) | Ast::Alternation(_) | Ast::ClassPerl(_) => Ok(()),
            Ast::Literal(literal) => literal_is_shared(literal),
            Ast::Flags(flags) => flags_are_shared(&flags.flags),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText
                | AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary => Ok(()),
                _ => Err("only the assertions ^, $, \\A, \\z, \\b and \\B are supported"),
            },
            Ast::ClassUnicode(_) => Err("classes of Unicode characters are not supported"),
            Ast::ClassBracketed(_) => Ok(()),
            Ast::Group(group) => match &group.kind {
                GroupKind::CaptureIndex(_) => Ok(()),
                GroupKind::NonCapturing(flags) => flags_are_shared(flags),
                GroupKind::CaptureName { .. } => Err("groups cannot have names"),
            },
            Ast::Repetition(repetition) => {
                if matches!(*repetition.ast, Ast::Repetition(_) | Ast::Assertion(_) | Ast::Empty(_)) {
                    return Err("a repetition must follow a character, a class or a group");
                }
                let times = match &repetition.op.kind {
                    RepetitionKind::Range(
                        RepetitionRange::Exactly(times)
                        | RepetitionRange::AtLeast(times)
                        | RepetitionRange::Bounded(_, times),
                    ) => *times,
                    _ => 1,
                };
                let around = self.repetitions.last().copied().unwrap_or(1);
                let all = around.saturating_mul(times.max(1));
                if all > MAX_REPETITIONS {
                    return Err("it repeats a part more than 100 times");
                }
                self.repetitions.push(all);
                Ok(())
            }
        }
    }

    fn visit_post(&mut self, ast: &Ast) -> std::result::Result<(), Refused> {
        if matches!(ast, Ast::Repetition(_)) {
            self.repetitions.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> std::result::Result<(), Refused> {
        match item {
            ClassSetItem::Literal(literal) => literal_is_shared(literal),
            ClassSetItem::Range(range) => literal_is_shared(&range.start).and_then(|()| literal_is_shared(&range.end)),
            ClassSetItem::Bracketed(_) => Err("a class cannot contain another class; write \\[ for the character"),
            ClassSetItem::Unicode(_) => Err("classes of Unicode characters are not supported"),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> std::result::Result<(), Refused> {
        Err("operators between classes are not supported")
    }
}

fn literal_is_shared(literal: &Literal) -> std::result::Result<(), Refused> {
    match &literal.kind {
        LiteralKind::Superfluous if literal.c == '_' => Err("_ needs no backslash"),
        LiteralKind::Verbatim
        | LiteralKind::Meta
        | LiteralKind::Superfluous
        | LiteralKind::Special(_)
        | LiteralKind::HexFixed(HexLiteralKind::X)
        | LiteralKind::HexBrace(HexLiteralKind::X) => Ok(()),
        _ => Err("characters by number are written \\x7F or \\x{7F}"),
    }
}

fn flags_are_shared(flags: &Flags) -> std::result::Result<(), Refused> {
    let is_shared = flags.items.iter().all(|item| {
        matches!(
            item.kind,
            FlagsItemKind::Negation
                | FlagsItemKind::Flag(Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine)
        )
    });
    if is_shared { Ok(()) } else { Err("only the flags i, m and s are supported") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_pattern_matches_as_it_says() {
        let regex = |text: &str| PathPattern::Regex(PathRegex::new(text));
        for (pattern, path, expected) in [
            (PathPattern::Exact("/a".into()), "/a", true),
            (PathPattern::Exact("/a".into()), "/a/", false),
            (PathPattern::Prefix("/blog/".into()), "/blog/1", true),
            (PathPattern::Prefix("/blog/".into()), "/blog", false),
            (PathPattern::Glob("/*/edit".into()), "/a/b/edit", true),
            (PathPattern::Glob("/*/edit".into()), "/a/b/edit/1", false),
            (regex("^/[0-9]{2}$"), "/12", true),
            (regex("^/[0-9]{2}$"), "/123", false),
            (regex("(?i)ORDER"), "/my-order", true),
            (regex("("), "/(", false),
        ] {
            assert_eq!(pattern.matches(path), expected, "{pattern:?} on {path}");
        }
    }

    #[test]
    fn regular_expressions_that_the_engines_read_differently_are_refused() {
        for good in ["", "^/a$", r"\d+\.html", "(?i)x", "(?s:.)", "[^/]+", "[[:alpha:]_-]", r"a|b", r"\/", r"\x2f{2,}"]
        {
            assert!(checked_regex("pattern", good).is_ok(), "{good}");
        }
        for bad in [
            "(",
            "a**",
            "[a&&b]",
            "[[a]b]",
            r"\pL",
            r"\p{Greek}",
            "(?x)a",
            "(?u)a",
            "(?U)a*",
            "(?P<n>a)",
            r"\u0041",
            r"\b{start}",
            r"\<a",
            "a{101}",
            "(a{20}){20}",
            "^*",
            r"\Qa\E",
            r"(?R)a",
            "[a--b]",
            r"\_",
        ] {
            assert_eq!(checked_regex("pattern", bad).unwrap_err().field(), Some("pattern"), "{bad}");
        }
    }

    #[test]
    fn an_expression_within_its_length_compiles_within_its_memory() {
        let large = "[^a]{100}".repeat(22);
        assert!(large.len() <= 200 && checked_regex("pattern", &large).is_ok());
    }
}
