//! Size of a response, as declared in the SDL: `@listSize` on every unpaged list, `@cost` on fields that cost more than
//! one.
//!
//! - The names are those of the GraphQL cost analysis specification. A document is priced by them before execution.

use async_graphql::TypeDirective;

/// Maximum number of items in the list: `assumedSize`, or the length of the list in the argument named by
/// `slicingArguments`.
#[TypeDirective(location = "FieldDefinition", name = "listSize")]
pub fn list_size(
    #[graphql(name = "assumedSize")] assumed_size: Option<u32>,
    #[graphql(name = "slicingArguments")] slicing_arguments: Option<Vec<String>>,
) {
}

/// Cost of the field itself; 1 if not specified.
#[TypeDirective(location = "FieldDefinition")]
pub fn cost(weight: u32) {}

/// A list truncated to its declared size, for lists that neither storage nor a closed type bounds. If there can be more
/// items, the field's description says so.
#[must_use]
pub(crate) fn first_of<T>(mut items: Vec<T>, size: u32) -> Vec<T> {
    items.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    items
}
