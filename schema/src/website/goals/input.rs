//! What callers say of a goal, and its limits.

use async_graphql::{ID, InputObject, MaybeUndefined, OneofObject};
use chrono::{DateTime, Utc};
use entity::goal::Model;
use uuid::Uuid;

use super::{GoalKind, MatchKind, stored};
use crate::{
    analytics::query::{FilterOperator, PROPERTY},
    constraint::{Constrained, Constraint, not_null},
    error::{Error, Result},
    goal_rule::{PropertyRule, path_pattern::checked_regex},
    idempotency::KEY,
    scalars::Decimal,
    text,
    website::revenue::{CURRENCY, checked_currency},
};

/// A page whose view completes a goal.
#[derive(InputObject, Debug, Clone)]
pub struct PageRuleInput {
    /// How `pattern` is compared with the path.
    #[graphql(name = "match", default_with = "MatchKind::Exact")]
    pub match_kind: MatchKind,
    /// Path or its pattern, 1 to 500 characters; for REGEX at most 200, for GLOB with at most 10 `*`. Unless it is a
    /// regular expression it starts with a slash, and may be spelled with or without escapes. Paths have no query; a
    /// hash route is part of them (`/app#/orders`). Regular expressions are compared with escaped paths, such as
    /// `/caf%C3%A9`.
    #[graphql(directive = Constrained::apply(PATTERN))]
    pub pattern: String,
}

/// A condition on a property of an event.
#[derive(InputObject, Debug, Clone)]
pub struct PropertyConditionInput {
    /// Name of the property.
    #[graphql(directive = Constrained::apply(PROPERTY))]
    pub property: String,
    /// Comparison operator; MATCHES is not allowed.
    pub operator: FilterOperator,
    /// Values to compare with, 1 to 20 of at most 1,000 characters. Numbers are compared as text. The empty text stands
    /// for a missing property.
    #[graphql(directive = Constrained::apply(VALUES))]
    pub values: Vec<String>,
}

/// An event that completes a goal.
#[derive(InputObject, Debug, Clone)]
pub struct EventRuleInput {
    /// Name of the event, such as `signup`: of a custom event, a revenue event (`revenue` unless it has another name) or
    /// a scroll milestone (`scroll_milestone`).
    #[graphql(directive = Constrained::apply(EVENT))]
    pub name: String,
    /// Conditions on properties of the event, all of which must hold, at most 10. Null for none.
    #[graphql(directive = Constrained::apply(CONDITIONS))]
    pub properties: Option<Vec<PropertyConditionInput>>,
}

/// A call that completes a goal.
#[derive(InputObject, Debug, Clone)]
pub struct CallRuleInput {
    /// The name in `zenovay('goal', name)`.
    #[graphql(directive = Constrained::apply(EVENT))]
    pub name: String,
}

/// What completes a goal.
#[derive(OneofObject, Debug, Clone)]
pub enum GoalRuleInput {
    /// A view of a page.
    Page(PageRuleInput),
    /// An event.
    Event(EventRuleInput),
    /// A call of `zenovay('goal', name)`.
    Call(CallRuleInput),
}

/// Fixed value of a completion.
#[derive(InputObject, Debug, Clone)]
pub struct GoalValueInput {
    /// Amount in major units, 0 to 100,000,000,000.
    pub amount: Decimal,
    /// ISO 4217 code. Null means the website's currency at the time of the request.
    #[graphql(directive = Constrained::apply(CURRENCY))]
    pub currency: Option<String>,
}

/// A goal to create.
#[derive(InputObject, Debug, Clone)]
pub struct GoalCreateInput {
    /// Name, 1 to 100 characters, unique within the website.
    #[graphql(directive = Constrained::apply(NAME))]
    pub name: String,
    /// What completes the goal.
    pub rule: GoalRuleInput,
    /// Fixed value of a completion; null if a completion is worth the amount of its event.
    pub value: Option<GoalValueInput>,
    /// Whether completions count.
    #[graphql(default = true)]
    pub is_enabled: bool,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// Changes to a goal. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone)]
pub struct GoalUpdateInput {
    /// The goal: global ID or UUID.
    pub goal_id: ID,
    /// Name, 1 to 100 characters, unique within the website. Cannot be null.
    #[graphql(directive = Constrained::apply(NAME.not_null()))]
    pub name: MaybeUndefined<String>,
    /// What completes the goal. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub rule: MaybeUndefined<GoalRuleInput>,
    /// Fixed value of a completion; null if a completion is worth the amount of its event.
    pub value: MaybeUndefined<GoalValueInput>,
    /// Whether completions count. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub is_enabled: MaybeUndefined<bool>,
}

const NAME: Constraint = Constraint::name(100);
const PATTERN: Constraint = Constraint::length(1, 500);
const EVENT: Constraint = Constraint::name(200);

/// Maximum number of conditions on properties, and of values of one.
pub(super) const MAX_CONDITIONS: u32 = 10;
pub(super) const MAX_VALUES: u32 = 20;
const CONDITIONS: Constraint = Constraint::list(MAX_CONDITIONS);
const VALUES: Constraint = Constraint::list(MAX_VALUES).not_empty().at_most(1_000);

/// Maximum length of a regular expression, in characters, and maximum number of `*` in a pattern.
const MAX_REGEX: usize = 200;
const MAX_STARS: usize = 10;

/// Maximum amount, in millionths.
const MAX_MICROS: i64 = 100_000_000_000 * 1_000_000;

/// The columns that a rule fills.
struct RuleColumns {
    kind: GoalKind,
    match_kind: Option<MatchKind>,
    pattern: String,
    properties: Vec<PropertyRule>,
}

impl GoalRuleInput {
    fn columns(self) -> Result<RuleColumns> {
        let (kind, match_kind, pattern, properties) = match self {
            Self::Page(page) => {
                let pattern = checked_pattern(page.match_kind, page.pattern)?;
                (GoalKind::Page, Some(page.match_kind), pattern, Vec::new())
            }
            Self::Event(event) => {
                let properties = checked_properties(event.properties.unwrap_or_default())?;
                (GoalKind::Event, None, text::name("name", &event.name, EVENT)?, properties)
            }
            Self::Call(call) => (GoalKind::Call, None, text::name("name", &call.name, EVENT)?, Vec::new()),
        };
        Ok(RuleColumns { kind, match_kind, pattern, properties })
    }

    fn fill(self, row: &mut Model) -> Result<()> {
        let RuleColumns { kind, match_kind, pattern, properties } = self.columns()?;
        row.kind = stored::kind_text(kind);
        row.match_kind = match_kind.map(stored::match_text);
        row.pattern = pattern;
        row.properties = stored::properties_text(&properties)?;
        Ok(())
    }
}

fn checked_pattern(kind: MatchKind, pattern: String) -> Result<String> {
    PATTERN.check_length("pattern", &pattern)?;
    if pattern.contains(char::is_control) {
        return Err(Error::invalid("pattern", "cannot contain control characters"));
    }
    if kind == MatchKind::Regex {
        let length = pattern.chars().count();
        if length > MAX_REGEX {
            let why = format!("a regular expression must have at most {MAX_REGEX} characters (got {length})");
            return Err(Error::invalid("pattern", why));
        }
        checked_regex("pattern", &pattern)?;
        return Ok(pattern);
    }
    if !pattern.starts_with('/') || pattern.contains('?') {
        return Err(Error::invalid("pattern", "must start with a slash and cannot contain `?`; paths have no query"));
    }
    let stars = pattern.matches('*').count();
    if kind == MatchKind::Glob && stars > MAX_STARS {
        return Err(Error::invalid("pattern", format!("must have at most {MAX_STARS} `*` (got {stars})")));
    }
    Ok(pattern)
}

fn checked_properties(conditions: Vec<PropertyConditionInput>) -> Result<Vec<PropertyRule>> {
    CONDITIONS.check_items("properties", conditions.len(), "conditions")?;
    conditions.into_iter().map(checked_property).collect()
}

fn checked_property(condition: PropertyConditionInput) -> Result<PropertyRule> {
    let PropertyConditionInput { property, operator, values } = condition;
    PROPERTY.check_length("property", &property)?;
    if operator == FilterOperator::Matches {
        return Err(Error::invalid("operator", "cannot be MATCHES in a goal"));
    }
    if values.is_empty() {
        return Err(Error::invalid("values", format!("must have 1 to {MAX_VALUES} values (got 0)")));
    }
    VALUES.check_items("values", values.len(), "values")?;
    for value in &values {
        VALUES.check_length("values", value)?;
    }
    Ok(PropertyRule { property, operator, values })
}

impl GoalValueInput {
    /// Millionths and code.
    fn checked(self, usual: &str) -> Result<(i64, String)> {
        let micros = i64::try_from(self.amount.millionths()).ok().filter(|micros| (0..=MAX_MICROS).contains(micros));
        let micros = micros.ok_or_else(|| Error::invalid("amount", "must be between 0 and 100000000000"))?;
        let currency = self.currency.map(|code| checked_currency("currency", &code)).transpose()?;
        Ok((micros, currency.unwrap_or_else(|| usual.to_owned())))
    }

    fn fill(value: Option<Self>, row: &mut Model, usual: &str) -> Result<()> {
        let value = value.map(|value| value.checked(usual)).transpose()?;
        (row.value_micros, row.currency) = value.unzip();
        Ok(())
    }
}

impl GoalCreateInput {
    /// The row. `usual`: currency of a value without one. Errors: `Invalid`.
    pub(super) fn into_row(self, id: Uuid, website: Uuid, usual: &str, now: DateTime<Utc>) -> Result<Model> {
        let mut row = Model {
            id,
            website_id: website,
            name: text::name("name", &self.name, NAME)?,
            kind: String::new(),
            match_kind: None,
            pattern: String::new(),
            properties: String::new(),
            value_micros: None,
            currency: None,
            is_enabled: self.is_enabled,
            created_at: now,
        };
        self.rule.fill(&mut row)?;
        GoalValueInput::fill(self.value, &mut row, usual)?;
        Ok(row)
    }
}

impl GoalUpdateInput {
    /// The row after the changes. `usual`: currency of a value without one. Errors: `Invalid`.
    pub(super) fn applied_to(self, mut row: Model, usual: &str) -> Result<Model> {
        if let Some(name) = not_null("name", self.name)? {
            row.name = text::name("name", &name, NAME)?;
        }
        if let Some(rule) = not_null("rule", self.rule)? {
            rule.fill(&mut row)?;
        }
        if let Some(is_enabled) = not_null("isEnabled", self.is_enabled)? {
            row.is_enabled = is_enabled;
        }
        match self.value {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => GoalValueInput::fill(None, &mut row, usual)?,
            MaybeUndefined::Value(value) => GoalValueInput::fill(Some(value), &mut row, usual)?,
        }
        Ok(row)
    }
}
