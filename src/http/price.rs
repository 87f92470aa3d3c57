//! Cost of a field: by the maximum number of items in its list, and by the values in its arguments.
//!
//! - The SDL declares the maximum length of lists (`@listSize`); for pages and series it follows from their arguments.

use std::collections::HashMap;

use async_graphql::{Name, Value as ConstValue, Variables, parser::types::Field};
use async_graphql_value::Value;
use schema::{
    error_code::ErrorCode,
    schema_index::{FieldInfo, Items},
};

use super::{limits::Limits, refusal::Refusal};

/// Number of buckets in a series over this range with this interval; `None` if unknown.
pub type Buckets<'a> = &'a dyn Fn(&ConstValue, &ConstValue) -> Option<u64>;

/// Cost of a list item among the arguments if it is a regular expression, and otherwise.
const PATTERN: u64 = 10;
const ITEM: u64 = 1;

/// Number of scalars in a list, or of buckets in a series, that cost as much as one field: no lookup is needed for
/// them.
const VALUES_PER_COST: u64 = 10;

/// Bytes of text that count as one value.
const TEXT: usize = 64;

/// Size of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Number of values in it, including itself.
    pub values: u64,
    /// Cost of its lists.
    pub cost: u64,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.values = self.values.saturating_add(other.values);
        self.cost = self.cost.saturating_add(other.cost);
    }
}

/// The variables of a request, each measured once.
pub struct Given<'v> {
    variables: &'v Variables,
    sizes: HashMap<Name, (Size, Size)>,
}

impl<'v> Given<'v> {
    /// Measures variables.
    #[must_use]
    pub fn new(variables: &'v Variables) -> Self {
        let mut given = Self { variables, sizes: HashMap::new() };
        for (name, value) in variables.iter() {
            let value = value.clone().into_value();
            let sizes = (given.size(&value, ITEM), given.size(&value, PATTERN));
            given.sizes.insert(name.clone(), sizes);
        }
        given
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&'v ConstValue> {
        self.variables.get(name)
    }

    /// Size of a value with variables substituted, where an item of its lists costs `item`.
    fn size(&self, value: &Value, item: u64) -> Size {
        let mut size = Size { values: 1, cost: 0 };
        match value {
            Value::Variable(name) => {
                if let Some((plain, pattern)) = self.sizes.get(name) {
                    return if item == PATTERN { *pattern } else { *plain };
                }
            }
            Value::String(text) => size.values = size.values.saturating_add((text.len() / TEXT) as u64),
            Value::List(items) => {
                size.cost = item.saturating_mul(items.len() as u64);
                items.iter().for_each(|value| size.add(self.size(value, item)));
            }
            Value::Object(members) => {
                let item = if members.get("operator").is_some_and(|it| self.is_pattern(it)) { PATTERN } else { item };
                members.values().for_each(|value| size.add(self.size(value, item)));
            }
            _ => {}
        }
        size
    }

    /// Whether a filter's operator compares with regular expressions.
    fn is_pattern(&self, operator: &Value) -> bool {
        match operator {
            Value::Enum(name) => name == "MATCHES",
            Value::String(name) => name == "MATCHES",
            Value::Variable(name) => match self.variables.get(name) {
                Some(ConstValue::Enum(name)) => name == "MATCHES",
                Some(ConstValue::String(name)) => name == "MATCHES",
                _ => false,
            },
            _ => false,
        }
    }

    /// Total size of a field's arguments.
    #[must_use]
    pub fn arguments<'a>(&self, values: impl Iterator<Item = &'a Value>) -> Size {
        let mut size = Size::default();
        values.for_each(|value| size.add(self.size(value, ITEM)));
        size
    }

    /// A value with variables substituted; `None` if one is missing.
    #[must_use]
    pub fn resolved(&self, value: &Value) -> Option<ConstValue> {
        value.clone().into_const_with(|name| self.get(&name).cloned().ok_or(())).ok()
    }

    fn items_of(&self, field: &Field, argument: &str) -> Option<u64> {
        match &field.get_argument(argument)?.node {
            Value::List(items) => Some(items.len() as u64),
            Value::Variable(name) => match self.get(name)? {
                ConstValue::List(items) => Some(items.len() as u64),
                _ => Some(1),
            },
            _ => Some(1),
        }
    }

    fn number(&self, value: &Value) -> Option<i128> {
        match value {
            Value::Number(number) => integer(number),
            Value::Variable(name) => match self.get(name)? {
                ConstValue::Number(number) => integer(number),
                _ => None,
            },
            _ => None,
        }
    }

    /// Maximum number of items in a field's list. `range`: the buckets of the enclosing analytics field. `judged`:
    /// whether a page that is too large is an error.
    ///
    /// Errors: a page size out of bounds.
    pub fn items(
        &self,
        (field, known): (&Field, &FieldInfo),
        limits: &Limits,
        range: Option<&ConstValue>,
        buckets: Buckets<'_>,
        judged: bool,
    ) -> Result<u64, Refusal> {
        match &known.items {
            Items::One => Ok(1),
            Items::Page(usual) => self.page(field, *usual, limits, judged),
            Items::Argument(name) => Ok(self.items_of(field, name).unwrap_or(1)),
            Items::AtMost(most) => Ok(*most),
            Items::Buckets(most) => {
                let interval = field.get_argument("interval").and_then(|value| self.resolved(&value.node));
                let counted = range.zip(interval).and_then(|(range, interval)| buckets(range, &interval));
                Ok(counted.map_or(*most, |counted| counted.min(*most)))
            }
        }
    }

    fn page(&self, field: &Field, usual: u64, limits: &Limits, judged: bool) -> Result<u64, Refusal> {
        let limit = limits.page_of(&field.name.node);
        let mut rows = None;
        for argument in ["first", "last"] {
            let Some(value) = field.get_argument(argument) else { continue };
            let Some(number) = self.number(&value.node) else { continue };
            if judged && !(1..=i128::from(limit)).contains(&number) {
                return Err(Refusal::document(
                    ErrorCode::ValidationError,
                    format!(
                        "{argument}: must be between 1 and {limit} for `{}`; page with `after` for more",
                        field.name.node
                    ),
                )
                .about(argument)
                .at(value.pos));
            }
            rows = Some(u64::try_from(number).unwrap_or(0));
        }
        Ok(rows.unwrap_or(usual))
    }
}

/// Cost of a field with this many items, each of which costs `below`, and arguments that cost `arguments`.
#[must_use]
pub fn cost_of(known: Option<&FieldInfo>, items: u64, below: u64, arguments: u64) -> u64 {
    let own = known.map_or(1, |known| known.weight).saturating_add(arguments);
    match known {
        // Each item is looked up by itself.
        Some(FieldInfo { items: Items::Argument(_), .. }) => own.saturating_add(below).saturating_mul(items.max(1)),
        Some(FieldInfo { items: Items::AtMost(_), is_leaf: true, .. }) => {
            own.saturating_add(items.div_ceil(VALUES_PER_COST))
        }
        Some(FieldInfo { items: Items::Buckets(_), .. }) => {
            own.saturating_add(below.saturating_mul(items).div_ceil(VALUES_PER_COST))
        }
        _ => own.saturating_add(below.saturating_mul(items)),
    }
}

fn integer(number: &async_graphql_value::Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;
    use schema::schema_index::SchemaIndex;

    use crate::http::limits;

    fn cost(text: &str, variables: serde_json::Value) -> u64 {
        let index = SchemaIndex::read(
            "type Query { all: [Row!]! @listSize(assumedSize: 500) nodes(ids: [ID!]!): [Row]! @listSize(slicingArguments: [\"ids\"])
               answer(range: String, filters: [Filter!]): Answer text: String @cost(weight: 9) }
             type Row { id: ID! tags: [String!]! @listSize(assumedSize: 95) query: Query! }
             type Answer { total: Int series(interval: String): [Row!]! @listSize(assumedSize: 5000) }
             input Filter { operator: Op! values: [String!]! } enum Op { IS MATCHES }",
        )
        .expect("a schema");
        let document = parse_query(text).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(variables);
        let buckets = |range: &ConstValue, interval: &ConstValue| {
            (*range == ConstValue::from("day") && *interval == ConstValue::from("hour")).then_some(25)
        };
        limits::check(&Limits::default(), &index, &document, &operation.node, &variables, u64::MAX, &buckets)
            .expect("a cost")
    }

    #[test]
    fn the_cost_is_what_the_answer_can_hold() {
        for (text, expected) in [
            ("{ all { id } }", 501),
            ("{ all { query { all { id } } } }", 1 + 500 * 502),
            ("{ text }", 9),
            ("{ all { tags } }", 1 + 500 * 11),
            ("{ nodes(ids: [1, 2, 3]) { id } }", 3 * (1 + 3 + 1)),
            ("{ answer(range: \"day\") { series(interval: \"hour\") { id } } }", 1 + 1 + 3),
            ("{ answer(range: \"year\") { series(interval: \"hour\") { id } } }", 1 + 1 + 500),
            (
                "{ a: answer(range: \"day\") { ...F } b: answer(range: \"year\") { ...F } } fragment F on Answer { series(interval: \"hour\") { id } }",
                5 + 502,
            ),
            ("{ answer(filters: [{ operator: IS, values: [\"a\", \"b\"] }]) { total } }", 2 + 3),
            ("{ answer(filters: [{ operator: MATCHES, values: [\"a\", \"b\"] }]) { total } }", 2 + 21),
        ] {
            assert_eq!(cost(text, json!({})), expected, "{text}");
        }
    }

    #[test]
    fn variables_count_as_what_they_hold() {
        let text = "query($r: String, $i: String, $ids: [ID!]!, $f: [Filter!]) {
            nodes(ids: $ids) { id } answer(range: $r, filters: $f) { series(interval: $i) { id } } }";
        let filter = json!({ "operator": "MATCHES", "values": ["a"] });
        let variables = json!({ "r": "day", "i": "hour", "ids": ["1", "1"], "f": [filter] });
        assert_eq!(cost(text, variables), 2 * (1 + 2 + 1) + (1 + 11) + (1 + 3));
    }
}
