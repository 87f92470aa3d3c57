//! Schemas of responses, from projections: what a client can rely on.

use async_graphql::{
    Value as GraphQl,
    parser::types::{BaseType, Type},
};
use schema::schema_index::{SchemaIndex, named_type};
use serde_json::{Map, Value, json};

use super::{
    super::{
        document::Operation,
        projection::{Shape, Slot, Source, Step},
        rest_names::{event, title},
    },
    components::{or_null, scalar},
    parameter,
};

/// The schema of a value in its shape, ignoring null.
pub(super) fn shape_schema(shape: &Shape, operation: &Operation, index: &SchemaIndex) -> Value {
    match shape {
        Shape::Object { slots, ty } => wrap(ty, &|| object_schema(slots, operation, index, false)),
        Shape::Leaf { steps, ty } => wrap(ty, &|| leaf_schema(named_type(ty), steps, index)),
    }
}

/// Puts lists around the schema of the innermost type.
fn wrap(ty: &Type, inner: &dyn Fn() -> Value) -> Value {
    match &ty.base {
        BaseType::Named(_) => inner(),
        BaseType::List(item) => {
            let items = wrap(item, inner);
            json!({ "type": "array", "items": if item.nullable { or_null(items) } else { items } })
        }
    }
}

/// `lifted`: the object that contains these members may itself be null, so each of them may be.
fn object_schema(slots: &[Slot], operation: &Operation, index: &SchemaIndex, lifted: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    members(slots, operation, index, lifted, &mut properties, &mut required);
    let mut schema = json!({ "type": "object", "properties": properties, "required": required });
    if slots.iter().any(is_open)
        && let Some(schema) = schema.as_object_mut()
    {
        schema.insert("additionalProperties".to_owned(), true.into());
    }
    schema
}

/// Whether keys that are not known beforehand are allowed.
fn is_open(slot: &Slot) -> bool {
    match &slot.source {
        Source::Open(_) => true,
        Source::Flat { slots, .. } => slots.iter().any(is_open),
        _ => false,
    }
}

fn members(
    slots: &[Slot],
    operation: &Operation,
    index: &SchemaIndex,
    lifted: bool,
    properties: &mut Map<String, Value>,
    required: &mut Vec<Value>,
) {
    for slot in slots {
        let omits_null =
            operation.omit_nulls || matches!(&slot.source, Source::Field { shape, .. } if shape.omits_null());
        let (mut schema, nullable) = match &slot.source {
            Source::Flat { slots, nullable, .. } => {
                members(slots, operation, index, lifted || *nullable, properties, required);
                continue;
            }
            Source::Open(_) => continue,
            Source::Nest(slots) => (object_schema(slots, operation, index, lifted), false),
            Source::Echo(index) => {
                let variable = operation.variables.get(*index);
                let schema = variable.and_then(parameter).and_then(|p| p.get("schema").cloned()).unwrap_or(json!({}));
                (without_default(schema), variable.is_some_and(|v| v.ty.nullable && v.default.is_none()))
            }
            Source::Constant(value) => (constant_schema(value), false),
            Source::Field { shape, .. } => {
                let (Shape::Object { ty, .. } | Shape::Leaf { ty, .. }) = shape;
                (shape_schema(shape, operation, index), ty.nullable && !is_described_non_null(shape) || lifted)
            }
        };
        if nullable && !omits_null {
            schema = or_null(schema);
        }
        if let (Some(about), Some(schema)) = (&slot.about, schema.as_object_mut()) {
            let about = match &slot.source {
                Source::Field { shape: Shape::Leaf { steps, .. }, .. } if steps.contains(&Step::Percent) => {
                    match about.replace("0 to 1", "in percent, 0 to 100") {
                        said if said == *about => format!("{said} In percent."),
                        said => said,
                    }
                }
                _ => about.clone(),
            };
            schema.insert("description".to_owned(), about.into());
        }
        properties.insert(slot.key.clone(), schema);
        let may_be_absent = slot.optional || nullable && omits_null;
        if !may_be_absent {
            required.push(slot.key.clone().into());
        }
    }
}

fn is_described_non_null(shape: &Shape) -> bool {
    matches!(shape, Shape::Leaf { steps, .. } if steps.iter().any(|step| matches!(step, Step::NonNull | Step::OrElse(_))))
}

fn constant_schema(value: &GraphQl) -> Value {
    match value {
        GraphQl::Boolean(_) => {
            json!({ "type": "boolean", "description": format!("Always {value}: a failure is answered as an error.") })
        }
        GraphQl::Number(_) => json!({ "type": "number" }),
        _ => json!({ "type": "string" }),
    }
}

fn without_default(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.remove("default");
    }
    schema
}

fn leaf_schema(name: &str, steps: &[Step], index: &SchemaIndex) -> Value {
    if let Some(values) = index.values(name) {
        let spelled: Vec<String> = values
            .iter()
            .map(|value| match steps.first() {
                Some(Step::Lower) => value.to_ascii_lowercase(),
                Some(Step::Event) => event(value),
                Some(Step::Title) => title(value),
                _ => value.to_owned(),
            })
            .collect();
        return json!({ "type": "string", "enum": spelled });
    }
    match steps.first() {
        Some(Step::Percent | Step::Round(_)) => json!({ "type": "number" }),
        Some(Step::Prefix(prefix)) => json!({ "type": "string", "pattern": format!("^{prefix}") }),
        _ => scalar(name),
    }
}
