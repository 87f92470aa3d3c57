//! What completes a goal, as a rule over one event. Nothing here reads a row or answers a request.

pub mod index;
pub mod path_pattern;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use self::path_pattern::PathPattern;
use crate::analytics::{
    event::{Event, EventKind},
    query::FilterOperator,
};

/// What a completion is worth.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GoalValue {
    /// Millionths of the currency.
    pub micros: i64,
    /// ISO 4217 code.
    pub currency: Arc<str>,
}

/// A condition on a property of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PropertyRule {
    /// Name of the property.
    pub property: String,
    /// Comparison operator; never `Matches`.
    pub operator: FilterOperator,
    /// Values to compare with; one of them must hold, or none for the negative operators.
    pub values: Vec<String>,
}

impl PropertyRule {
    /// Whether it holds for properties: a flat JSON object, or nothing.
    fn holds(&self, properties: &Map<String, Value>) -> bool {
        let text = match properties.get(&self.property) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let any = |says: fn(&str, &str) -> bool| self.values.iter().any(|value| says(&text, value));
        match self.operator {
            FilterOperator::Is => any(|text, value| text == value),
            FilterOperator::IsNot => !any(|text, value| text == value),
            FilterOperator::Contains => any(|text, value| text.contains(value)),
            FilterOperator::NotContains => !any(|text, value| text.contains(value)),
            FilterOperator::StartsWith => any(|text, value| text.starts_with(value)),
            FilterOperator::EndsWith => any(|text, value| text.ends_with(value)),
            FilterOperator::Matches => false,
        }
    }
}

/// What completes a goal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A view of a page.
    Page(PathPattern),
    /// An event of this name for which all conditions hold.
    Event {
        /// Name of the event.
        name: Arc<str>,
        /// Conditions on its properties.
        properties: Vec<PropertyRule>,
    },
    /// `zenovay('goal', name)`.
    Call(Arc<str>),
}

impl Rule {
    /// Length of its texts, in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Page(PathPattern::Exact(text) | PathPattern::Prefix(text) | PathPattern::Glob(text))
            | Self::Call(text) => text.len(),
            Self::Page(PathPattern::Regex(regex)) => regex.text().len(),
            Self::Event { name, properties } => {
                let values = |rule: &PropertyRule| rule.values.iter().map(|value| 24 + value.len()).sum::<usize>();
                let of_rule = |rule: &PropertyRule| size_of::<PropertyRule>() + rule.property.len() + values(rule);
                name.len() + properties.iter().map(of_rule).sum::<usize>()
            }
        }
    }
}

/// Whether an event of this kind can complete a goal by its name: every named event but a goal call.
#[must_use]
pub const fn is_named_event(kind: EventKind) -> bool {
    kind.is_counted() && !kind.is_conversion()
}

/// A goal as events are compared with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GoalDefinition {
    /// ID of the goal.
    pub id: Uuid,
    /// Its name, unique within the website.
    pub name: Arc<str>,
    /// What completes it.
    pub rule: Rule,
    /// Fixed value of a completion; `None`: the amount of the event.
    pub value: Option<GoalValue>,
    /// Whether completions count.
    pub is_enabled: bool,
}

impl GoalDefinition {
    /// Whether an event completes the goal.
    #[must_use]
    pub fn is_completed_by<V>(&self, event: &Event<V>) -> bool {
        self.is_enabled
            && match &self.rule {
                Rule::Page(pattern) => event.kind.is_pageview() && pattern.matches(&event.path),
                Rule::Event { name, properties } => {
                    is_named_event(event.kind) && *event.name == **name && all_hold(properties, &event.properties)
                }
                Rule::Call(name) => event.kind.is_conversion() && *event.name == **name,
            }
    }
}

fn all_hold(rules: &[PropertyRule], properties: &str) -> bool {
    if rules.is_empty() {
        return true;
    }
    let properties: Map<String, Value> = serde_json::from_str(properties).unwrap_or_default();
    rules.iter().all(|rule| rule.holds(&properties))
}

/// A goal that an event completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// ID of the goal; `None` for a goal call that no goal of the website is about.
    pub goal: Option<Uuid>,
    /// Name of the goal.
    pub name: Arc<str>,
    /// What it is worth.
    pub value: Option<GoalValue>,
}

/// All goals of a website, in the order they were made. A goal call whose name no goal is about, not even a disabled
/// one, is a goal of its own under that name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Goals(Arc<[GoalDefinition]>);

impl Goals {
    /// These goals.
    #[must_use]
    pub fn new(goals: Vec<GoalDefinition>) -> Self {
        Self(goals.into())
    }

    /// Whether the website has none, not even a disabled one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All goals.
    #[must_use]
    pub fn all(&self) -> &[GoalDefinition] {
        &self.0
    }

    /// The goals whose completions count.
    pub fn enabled(&self) -> impl Iterator<Item = &GoalDefinition> {
        self.0.iter().filter(|goal| goal.is_enabled)
    }

    /// Approximate memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|goal| size_of::<GoalDefinition>() + goal.name.len() + goal.rule.bytes()).sum()
    }

    /// Names of calls that goals are about, enabled or not.
    pub fn calls(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|goal| match &goal.rule {
            Rule::Call(name) => Some(name),
            Rule::Page(_) | Rule::Event { .. } => None,
        })
    }
}

/// What an event completed: a goal, or a goal of its own that its call names (`None`).
fn completion<V>(goal: Option<&GoalDefinition>, event: &Event<V>) -> Completion {
    let of_event = || {
        (!event.currency.is_empty())
            .then(|| GoalValue { micros: event.amount_micros, currency: Arc::clone(&event.currency) })
    };
    match goal {
        Some(goal) => Completion {
            goal: Some(goal.id),
            name: Arc::clone(&goal.name),
            value: goal.value.clone().or_else(of_event),
        },
        None => Completion { goal: None, name: Arc::clone(&event.name), value: of_event() },
    }
}
