//! Coercion of variables before execution: adds defaults, and reads whole numbers written as `1.0` or `1e2` as
//! integers, because many languages have no other number type.

use async_graphql::{
    Value, Variables,
    parser::types::{BaseType, OperationDefinition, Type},
};
use async_graphql_value::Number;

use schema::schema_index::SchemaIndex;

use crate::variable_defaults;

/// Coerces the variables of an operation: absent ones get their defaults, and whole numbers become integers wherever a
/// type requires one, also within lists and input objects. All other checks of values happen where they are used.
pub fn coerce_variables(index: &SchemaIndex, operation: &OperationDefinition, variables: &mut Variables) {
    variable_defaults::apply(operation, variables);
    for definition in &operation.variable_definitions {
        if let Some(value) = variables.get_mut(&definition.node.name.node) {
            value_of(index, &definition.node.var_type.node.base, value);
        }
    }
}

fn value_of(index: &SchemaIndex, ty: &BaseType, value: &mut Value) {
    match (ty, value) {
        (BaseType::List(of), Value::List(items)) => items.iter_mut().for_each(|item| value_of(index, &of.base, item)),
        (BaseType::List(of), single) => value_of(index, &of.base, single),
        (BaseType::Named(name), Value::Number(number)) if matches!(name.as_str(), "Int" | "BigInt" | "ID") => {
            if let Some(whole) = whole(number) {
                *number = whole.into();
            }
        }
        (BaseType::Named(name), Value::Object(members)) => {
            let Some(input) = index.input(name) else { return };
            for (key, member) in members {
                if let Some(Type { base, .. }) = input.fields.get(key.as_str()).map(|field| &field.ty) {
                    value_of(index, base, member);
                }
            }
        }
        _ => {}
    }
}

/// The integer for a whole number written with a point or an exponent; beyond 2^53 it would not be exact.
fn whole(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
    Some(float as i64)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_floats_become_integers_where_the_type_says_so() {
        let index =
            SchemaIndex::read("type Query { a: Int } input In { n: Int, deep: [In!], f: Float, j: JSON } scalar JSON")
                .expect("a schema");
        let document =
            parse_query("query($n: Int, $l: [[Int!]], $s: [Int], $i: In, $f: Float, $id: ID, $x: Int) { a }");
        let document = document.expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let given = json!({ "n": 1.0, "l": [[2.0, 2.5]], "s": 1e2, "i": { "n": -3.0, "deep": [{ "n": 4.0 }], "f": 5.0, "j": 6.0 },
            "f": 7.0, "id": 8.0, "x": 1e300 });
        let mut variables = Variables::from_json(given);
        coerce_variables(&index, &operation.node, &mut variables);
        let expected = json!({ "n": 1, "l": [[2, 2.5]], "s": 100, "i": { "n": -3, "deep": [{ "n": 4 }], "f": 5.0, "j": 6.0 },
            "f": 7.0, "id": 8, "x": 1e300 });
        assert_eq!(serde_json::to_value(&variables).expect("JSON"), expected);
    }
}
