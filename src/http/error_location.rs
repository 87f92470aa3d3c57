//! Finds the argument that an error of the framework concerns, so that clients find it in `extensions.field` and need
//! not parse messages.

use std::cell::OnceCell;

use async_graphql::{
    Pos, ServerError,
    parser::{
        parse_query,
        types::{BaseType, ExecutableDocument, Selection, SelectionSet, Type},
    },
};

use super::{schema_index::SchemaIndex, unicode_escapes::plain};

/// Finds invalid arguments in one document.
pub struct ErrorLocation<'d> {
    shape: &'d SchemaIndex,
    text: &'d str,
    /// Parsed once, for the first error that does not name its argument.
    document: OnceCell<Option<ExecutableDocument>>,
}

impl<'d> ErrorLocation<'d> {
    /// For the executed document.
    #[must_use]
    pub const fn new(shape: &'d SchemaIndex, text: &'d str) -> Self {
        Self { shape, text, document: OnceCell::new() }
    }

    /// The invalid argument, with the input fields below it as far as known: `timezone`, `range.between`.
    #[must_use]
    pub fn field_at_fault(&self, error: &ServerError) -> Option<String> {
        let document = || self.document.get_or_init(|| parse_query(plain(self.text).ok()?).ok()).as_ref();
        field_at_fault(self.shape, document, error)
    }
}

fn field_at_fault<'d>(
    shape: &SchemaIndex,
    document: impl FnOnce() -> Option<&'d ExecutableDocument>,
    error: &ServerError,
) -> Option<String> {
    if let Some((_, rest)) = error.message.split_once("argument \"") {
        return rest.split_once('"').map(|(name, _)| name.to_owned());
    }
    let types = types_of(&error.message)?;
    let (mut field, ty) = argument_at(shape, document()?, *error.locations.first()?)?;
    let outermost = named(ty);
    let mut here = outermost;
    for inner in types.iter().rev().skip_while(|name| **name != outermost).skip(1) {
        let Some(input) = shape.input(here) else { break };
        let mut fitting = input.fields.iter().filter(|(_, it)| named(&it.ty) == *inner);
        let (Some((name, it)), None) = (fitting.next(), fitting.next()) else { break };
        field = format!("{field}.{name}");
        here = named(&it.ty);
    }
    Some(field)
}

/// The types in a message about an invalid value, innermost first, without lists.
fn types_of(message: &str) -> Option<Vec<&str>> {
    let first = ["Failed to parse \"", "Expected input type \""].iter().find_map(|head| message.strip_prefix(head));
    let mut types = vec![first?.split('"').next()?];
    types.extend(message.split(" (occurred while parsing \"").skip(1).filter_map(|rest| rest.split('"').next()));
    types.retain(|name| !name.starts_with('['));
    Some(types)
}

/// The argument whose value is at a location.
fn argument_at<'s>(shape: &'s SchemaIndex, document: &ExecutableDocument, place: Pos) -> Option<(String, &'s Type)> {
    let operations = document.operations.iter().map(|(_, it)| {
        let root = shape.root(it.node.ty);
        (root, &it.node.selection_set.node)
    });
    let fragments = document
        .fragments
        .values()
        .map(|it| (it.node.type_condition.node.on.node.as_str(), &it.node.selection_set.node));
    let mut open: Vec<(&str, &SelectionSet)> = operations.chain(fragments).collect();
    while let Some((parent, set)) = open.pop() {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let Some(known) = shape.field(parent, &field.node.name.node) else { continue };
                    if let Some((name, _)) = field.node.arguments.iter().find(|(_, value)| value.pos == place) {
                        let input = known.arguments.get(name.node.as_str())?;
                        return Some((name.node.to_string(), &input.ty));
                    }
                    open.push((&known.of, &field.node.selection_set.node));
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map_or(parent, |on| on.node.on.node.as_str());
                    open.push((on, &inline.node.selection_set.node));
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    None
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => named(of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_is_found_by_place_and_the_input_field_by_type() {
        let shape = SchemaIndex::read(
            "type Query { a(zone: TimeZone, range: Range, all: [Range!]): Query } scalar TimeZone scalar DateTime scalar Date
             input Range { preset: Int, between: Between, day: Date } input Between { start: DateTime!, end: DateTime! }",
        )
        .expect("a schema");
        let text = "{ a { ...F } } fragment F on Query {\n a(zone: 1, range: 2, all: 3) }";
        let within = "(occurred while parsing \"Range\")";
        for (message, column, field) in [
            ("Failed to parse \"TimeZone\": no".to_owned(), 10, Some("zone")),
            ("Expected input type \"TimeZone\", found 1.".to_owned(), 10, Some("zone")),
            (format!("Failed to parse \"Date\": no {within}"), 20, Some("range.day")),
            (
                format!("Failed to parse \"Date\": no {within} (occurred while parsing \"[Range!]\")"),
                28,
                Some("all.day"),
            ),
            (
                format!("Failed to parse \"DateTime\": no (occurred while parsing \"Between\") {within}"),
                20,
                Some("range.between"),
            ),
            ("Unknown argument \"b\" on field \"a\"".to_owned(), 1, Some("b")),
            ("Unknown field \"b\"".to_owned(), 10, None),
            ("Failed to parse \"Date\": no".to_owned(), 2, None),
        ] {
            let error = ServerError::new(message.as_str(), Some(Pos { line: 2, column }));
            assert_eq!(ErrorLocation::new(&shape, text).field_at_fault(&error).as_deref(), field, "{message}");
        }
    }
}
