//! Building blocks of statements: bound values, a dimension's expression, a filter's condition.

use schema::analytics::{
    event::EventKind,
    query::{Dimension, FilterInput, FilterOperator, Value},
};

use super::super::dialect;

/// A statement and the values of its `$1`, `$2`, ...
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The SQL.
    pub text: String,
    /// Values in order of their numbers.
    pub values: Vec<String>,
}

impl Statement {
    /// The parameter that has this value.
    pub fn bind(&mut self, value: &str) -> String {
        if let Some(index) = self.values.iter().position(|bound| bound == value) {
            return format!("${}", index + 1);
        }
        self.values.push(value.to_owned());
        format!("${}", self.values.len())
    }
}

/// The expression of a dimension over a row of `visits` or of `events`, by its scope.
pub(super) fn expression(dimension: Dimension) -> String {
    match dimension.row().value {
        Value::Column(column) => column.to_owned(),
        Value::Version { name, version } => format!("trim({name} || ' ' || {version})"),
        Value::MajorVersion { name, version } => format!("trim({name} || ' ' || split_part({version}, '.', 1))"),
    }
}

/// Condition for events that have a value of the dimension, with a leading AND; empty for all.
pub(super) fn holders(dimension: Dimension) -> String {
    dimension.row().held_by.map(|is| format!(" AND {}", kinds(is))).unwrap_or_default()
}

/// Condition for events of the kinds for which `is` is true.
pub fn kinds(is: fn(EventKind) -> bool) -> String {
    // A number of a later version stands for a custom event.
    let is_excluded = is(EventKind::Custom);
    let listed = EventKind::ALL.iter().filter(|kind| is(**kind) != is_excluded);
    let numbers: Vec<String> = listed.map(|kind| kind.number().to_string()).collect();
    match (&numbers[..], is_excluded) {
        ([], is_all) => is_all.to_string(),
        ([number], true) => format!("kind <> {number}"),
        ([number], false) => format!("kind = {number}"),
        (_, true) => format!("kind NOT IN ({})", numbers.join(", ")),
        (_, false) => format!("kind IN ({})", numbers.join(", ")),
    }
}

/// Name of a dimension's column in `slices`.
pub(super) fn column(dimension: Dimension) -> String {
    format!("d{}", dimension as u8)
}

pub(super) fn condition(filter: &FilterInput, statement: &mut Statement) -> String {
    let text = match &filter.property {
        Some(property) => {
            let pointer = statement.bind(&dialect::pointer_to(property));
            dialect::property(&pointer)
        }
        None => expression(filter.dimension),
    };
    compared(&text, filter.operator, &filter.values, statement)
}

/// Condition for texts that compare with the values as the operator says.
pub fn compared(text: &str, operator: FilterOperator, values: &[String], statement: &mut Statement) -> String {
    let values: Vec<String> = values.iter().map(|value| statement.bind(value)).collect();
    let any = |says: fn(&str, &str) -> String| {
        format!("({})", values.iter().map(|value| says(text, value)).collect::<Vec<_>>().join(" OR "))
    };
    match operator {
        FilterOperator::Is => format!("{text} IN ({})", values.join(", ")),
        FilterOperator::IsNot => format!("{text} NOT IN ({})", values.join(", ")),
        FilterOperator::Contains => any(dialect::contains),
        FilterOperator::NotContains => format!("NOT {}", any(dialect::contains)),
        FilterOperator::StartsWith => any(dialect::starts_with),
        FilterOperator::EndsWith => any(dialect::ends_with),
        FilterOperator::Matches => any(dialect::matches),
    }
}
