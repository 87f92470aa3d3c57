//! Goals by plain loops, stated a second time, and a website's goals of every kind.

use std::{cell::RefCell, collections::HashMap};

use regex::Regex;
use schema::{
    analytics::{
        event::{Event, EventKind},
        plan::Basis,
        query::FilterOperator,
    },
    goal_rule::{
        GoalDefinition, GoalValue, Goals, PropertyRule, Rule,
        path_pattern::{PathPattern, PathRegex},
    },
};
use uuid::Uuid;

use super::property_of;

/// A goal that an event completed, and what it is worth in the currency of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    pub goal: String,
    pub micros: i128,
}

/// What an event completed.
pub fn completed(event: &Event, basis: &Basis) -> Vec<Completed> {
    let in_currency = |currency: &str, micros: i64| if currency == basis.currency { i128::from(micros) } else { 0 };
    let of_event = in_currency(&event.currency, event.amount_micros);
    let mut all = Vec::new();
    let mut is_known_call = false;
    for goal in basis.goals.all() {
        let did = match &goal.rule {
            Rule::Page(pattern) => event.kind == EventKind::Pageview && is_page(pattern, &event.path),
            Rule::Event { name, properties } => {
                !matches!(event.kind, EventKind::Pageview | EventKind::Heartbeat | EventKind::Goal)
                    && event.name == *name
                    && properties.iter().all(|rule| has_property(rule, event))
            }
            Rule::Call(name) => event.kind == EventKind::Goal && event.name == *name,
        };
        is_known_call |= did && event.kind == EventKind::Goal;
        if did && goal.is_enabled {
            let micros = goal.value.as_ref().map_or(of_event, |value| in_currency(&value.currency, value.micros));
            all.push(Completed { goal: goal.name.to_string(), micros });
        }
    }
    if event.kind == EventKind::Goal && !is_known_call {
        all.push(Completed { goal: event.name.to_string(), micros: of_event });
    }
    all
}

fn is_page(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(whole) => **whole == *path,
        PathPattern::Prefix(start) => path.get(..start.len()) == Some(&**start),
        PathPattern::Glob(glob) => {
            let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
            is_match(&format!("^{}$", parts.join("(.|\n)*")), path)
        }
        PathPattern::Regex(regex) => is_match(regex.text(), path),
    }
}

/// Whether an expression matches; each is compiled once.
fn is_match(expression: &str, path: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        let compile = || Regex::new(expression).unwrap();
        compiled.entry(expression.to_owned()).or_insert_with(compile).is_match(path)
    })
}

fn has_property(rule: &PropertyRule, event: &Event) -> bool {
    let text = property_of(&rule.property, event).unwrap_or_default();
    let any = |says: &dyn Fn(&String) -> bool| rule.values.iter().any(says);
    match rule.operator {
        FilterOperator::Is => rule.values.contains(&text),
        FilterOperator::IsNot => !rule.values.contains(&text),
        FilterOperator::Contains => any(&|value| text.contains(value)),
        FilterOperator::NotContains => !any(&|value| text.contains(value)),
        FilterOperator::StartsWith => any(&|value| text.starts_with(value)),
        FilterOperator::EndsWith => any(&|value| text.ends_with(value)),
        FilterOperator::Matches => panic!("no goal has it"),
    }
}

/// Goals of every kind over the traffic of the recount: some share their events, one has the name of a call, two are
/// A goal: name, rule, value in millionths of a currency, whether it is enabled.
type Described<'a> = (&'a str, Rule, Option<(i64, &'a str)>, bool);

/// disabled.
pub fn goals() -> Goals {
    let call = |name: &str| Rule::Call(name.into());
    let event = |name: &str, properties: &[(&str, FilterOperator, &[&str])]| Rule::Event {
        name: name.into(),
        properties: properties
            .iter()
            .map(|(property, operator, values)| PropertyRule {
                property: (*property).to_owned(),
                operator: *operator,
                values: values.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    };
    let plan = "plan/x~y";
    let (is, is_not) = (FilterOperator::Is, FilterOperator::IsNot);
    let rules: [Described<'_>; 12] = [
        ("pricing", Rule::Page(PathPattern::Exact("/Pricing".into())), Some((2_500_000, "EUR")), true),
        ("a", Rule::Page(PathPattern::Prefix("/a".into())), None, true),
        ("glob", Rule::Page(PathPattern::Glob("/*_*b".into())), Some((1, "EUR")), true),
        ("regex", Rule::Page(PathPattern::Regex(PathRegex::new("^/(a.b|Pri[c-d]+ing)$"))), Some((7, "USD")), true),
        ("it's \"quoted\"", event("signup", &[]), Some((0, "EUR")), true),
        ("pro", event("buy", &[(plan, is, &["pro", "free"]), ("n", is, &["1"])]), None, true),
        ("not free", event("more", &[(plan, is_not, &["free"])]), None, true),
        ("contains", event("signup", &[(plan, FilterOperator::Contains, &["r"])]), None, true),
        ("buy", call("signup"), Some((900_000_000, "EUR")), true),
        ("unnamed", event("", &[]), None, true),
        ("no more", call("more"), None, false),
        ("home", Rule::Page(PathPattern::Exact("/".into())), None, false),
    ];
    let goal = |(id, (name, rule, value, is_enabled)): (u128, Described<'_>)| GoalDefinition {
        id: Uuid::from_u128(id),
        name: name.into(),
        rule,
        value: value.map(|(micros, currency)| GoalValue { micros, currency: currency.into() }),
        is_enabled,
    };
    Goals::new((1..).zip(rules).map(goal).collect())
}
