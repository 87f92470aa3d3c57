//! Defaults of variables, added before execution: the executor looks up `@skip` and `@include` conditions among the
//! variables that were sent, and applies defaults only to arguments.

use async_graphql::{Variables, parser::types::OperationDefinition};

/// Gives each absent variable its default, as `CoerceVariableValues` of the specification does. One sent as null stays
/// null; one without a default stays absent.
pub fn apply(operation: &OperationDefinition, variables: &mut Variables) {
    for definition in &operation.variable_definitions {
        if let Some(default) = &definition.node.default_value {
            variables.entry(definition.node.name.node.clone()).or_insert_with(|| default.node.clone());
        }
    }
}
