//! Defaults of variables, put in before execution: the executor looks a `@skip` or `@include` condition up among the variables that were
//! sent, and reads a default only where the variable is an argument.

use async_graphql::{Variables, parser::types::OperationDefinition};

/// Gives each variable that was not sent its default, as `CoerceVariableValues` of the specification does. One that was sent as null stays
/// null; one without a default stays absent.
pub fn apply(operation: &OperationDefinition, variables: &mut Variables) {
    for definition in &operation.variable_definitions {
        if let Some(default) = &definition.node.default_value {
            variables.entry(definition.node.name.node.clone()).or_insert_with(|| default.node.clone());
        }
    }
}
