//! Between rows and rules: how a goal is stored.

use std::sync::Arc;

use entity::goal::Model;

use super::{GoalKind, MatchKind};
use crate::{
    analytics::path,
    error::{Error, Result},
    goal_rule::{
        GoalDefinition, GoalValue, Goals, PropertyRule, Rule,
        path_pattern::{PathPattern, PathRegex},
    },
};

pub(super) const GLOB: &str = "glob";
pub(super) const REGEX: &str = "regex";

/// Stored spellings. Never changed.
const KINDS: &[(GoalKind, &str)] = &[(GoalKind::Page, "page"), (GoalKind::Event, "event"), (GoalKind::Call, "call")];
const MATCHES: &[(MatchKind, &str)] =
    &[(MatchKind::Exact, "exact"), (MatchKind::Prefix, "prefix"), (MatchKind::Glob, GLOB), (MatchKind::Regex, REGEX)];

fn text_of<T: Copy + PartialEq>(table: &[(T, &'static str)], value: T) -> String {
    table.iter().find(|(known, _)| *known == value).map_or("", |(_, text)| *text).to_owned()
}

fn value_of<T: Copy>(table: &[(T, &'static str)], text: &str) -> Result<T> {
    let found = table.iter().find(|(_, known)| *known == text).map(|(value, _)| *value);
    found.ok_or_else(|| Error::broken("a goal has a rule that this version does not know"))
}

pub(super) fn kind_text(kind: GoalKind) -> String {
    text_of(KINDS, kind)
}

pub(super) fn match_text(kind: MatchKind) -> String {
    text_of(MATCHES, kind)
}

pub(super) fn kind(row: &Model) -> Result<GoalKind> {
    value_of(KINDS, &row.kind)
}

pub(super) fn match_kind(row: &Model) -> Result<Option<MatchKind>> {
    row.match_kind.as_deref().map(|text| value_of(MATCHES, text)).transpose()
}

pub(super) fn properties(row: &Model) -> Result<Vec<PropertyRule>> {
    serde_json::from_str(&row.properties).map_err(Error::internal)
}

pub(super) fn properties_text(rules: &[PropertyRule]) -> Result<String> {
    serde_json::to_string(rules).map_err(Error::internal)
}

pub(super) fn value(row: &Model) -> Option<GoalValue> {
    let (micros, currency) = (row.value_micros?, row.currency.as_deref()?);
    Some(GoalValue { micros, currency: currency.into() })
}

fn rule(row: &Model) -> Result<Rule> {
    let pattern = row.pattern.as_str();
    Ok(match (kind(row)?, match_kind(row)?) {
        (GoalKind::Event, _) => Rule::Event { name: pattern.into(), properties: properties(row)? },
        (GoalKind::Call, _) => Rule::Call(pattern.into()),
        (GoalKind::Page, None | Some(MatchKind::Exact)) => {
            Rule::Page(PathPattern::Exact(path::normalized(pattern.as_bytes()).into()))
        }
        (GoalKind::Page, Some(MatchKind::Prefix)) => {
            Rule::Page(PathPattern::Prefix(path::normalized_part(pattern).into()))
        }
        (GoalKind::Page, Some(MatchKind::Glob)) => Rule::Page(glob(&path::normalized_part(pattern))),
        (GoalKind::Page, Some(MatchKind::Regex)) => Rule::Page(PathPattern::Regex(PathRegex::new(pattern))),
    })
}

/// A pattern whose only `*` ends it is a prefix.
fn glob(pattern: &str) -> PathPattern {
    match pattern.strip_suffix('*') {
        Some(start) if !start.contains('*') => PathPattern::Prefix(start.into()),
        _ => PathPattern::Glob(pattern.into()),
    }
}

/// The goals of rows of one website, in their order. Errors: internal, for a row of a later version.
pub fn definitions(rows: &[Model]) -> Result<Goals> {
    let definition = |row: &Model| {
        Ok(GoalDefinition {
            id: row.id,
            name: Arc::from(row.name.as_str()),
            rule: rule(row)?,
            value: value(row),
            is_enabled: row.is_enabled,
        })
    };
    Ok(Goals::new(rows.iter().map(definition).collect::<Result<_>>()?))
}
