//! What an answer can hold, as the SDL states it: `@listSize` on every list without pages, `@cost` on fields dearer than one.
//!
//! - The names are those of the GraphQL cost analysis specification. A document is priced by them before it runs.

use async_graphql::TypeDirective;

/// How many items the list holds: at most `assumedSize`, or as many as the list in the argument that `slicingArguments` names.
#[TypeDirective(location = "FieldDefinition", name = "listSize")]
pub fn list_size(
    #[graphql(name = "assumedSize")] assumed_size: Option<u32>,
    #[graphql(name = "slicingArguments")] slicing_arguments: Option<Vec<String>>,
) {
}

/// What the field costs by itself; 1 where nothing is stated.
#[TypeDirective(location = "FieldDefinition")]
pub fn cost(weight: u32) {}

/// A list that holds no more than it states: the first of its items, where nothing that is stored or closed bounds it. Where there may be
/// more, its description says so.
#[must_use]
pub(crate) fn first_of<T>(mut items: Vec<T>, size: u32) -> Vec<T> {
    items.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    items
}
