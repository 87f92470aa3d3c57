//! Schemas of bodies, from input objects, spelled as REST spells them.

use std::collections::BTreeMap;

use async_graphql::{
    Value as GraphQl,
    indexmap::IndexMap,
    parser::types::{BaseType, Type},
};
use schema::schema_index::{InputField, InputInfo, SchemaIndex, named_type};
use serde_json::{Map, Value, json};

use super::{
    super::{
        body_keys::{BodyKeys, fields},
        rest_names::{choices, snake},
        variables::{Origin, Variable},
    },
    components::{or_null, scalar},
};

/// Adds what the `@constraint` of a field states; its arguments are keywords of JSON Schema.
fn constrain(schema: &mut Map<String, Value>, constraint: &IndexMap<String, GraphQl>) {
    let keywords = constraint.iter().filter_map(|(name, value)| Some((name.as_str(), value.clone().into_json().ok()?)));
    let mut keywords: Map<String, Value> = keywords.map(|(name, value)| (name.to_owned(), value)).collect();
    keywords.remove("nullable");
    if let Some(Value::Array(formats)) = keywords.remove("formats") {
        let pattern = keywords.remove("pattern").map(|pattern| json!({ "pattern": pattern }));
        let formats = formats.into_iter().map(|format| json!({ "format": format }));
        schema.insert("anyOf".to_owned(), formats.chain(pattern).collect());
        schema.remove("pattern");
    }
    for name in ["minItems", "maxItems"] {
        schema.extend(keywords.remove(name).map(|bound| (name.to_owned(), bound)));
    }
    match schema.get_mut("items").and_then(Value::as_object_mut) {
        Some(items) => items.extend(keywords),
        None => schema.extend(keywords),
    }
}

/// No text has a NUL character.
fn without_nul(schema: &mut Map<String, Value>) {
    let is_text = match schema.get("type") {
        Some(Value::String(ty)) => ty == "string",
        Some(Value::Array(types)) => types.iter().any(|ty| ty == "string"),
        _ => false,
    };
    if is_text && !["enum", "format", "anyOf"].iter().any(|keyword| schema.contains_key(*keyword)) {
        schema.entry("pattern").or_insert_with(|| r"^[^\u0000]*$".into());
    }
}

/// Schemas of input objects, by name, as bodies spell them.
pub(super) struct Inputs<'a> {
    pub(super) index: &'a SchemaIndex,
    /// The keys of the operation whose body is described.
    pub(super) keys: BodyKeys,
    pub(super) schemas: BTreeMap<String, Value>,
}

impl Inputs<'_> {
    /// The schema of a type; input objects are defined once and referenced.
    pub(super) fn of(&mut self, ty: &Type) -> Value {
        match &ty.base {
            BaseType::List(item) => {
                let items = self.of(item);
                json!({ "type": "array", "items": if item.nullable { or_null(items) } else { items } })
            }
            BaseType::Named(name) => match (self.index.input(name), self.index.values(name)) {
                (Some(input), _) => {
                    self.define(name, input);
                    json!({ "$ref": format!("#/components/schemas/{name}") })
                }
                (_, Some(values)) => {
                    let words: Vec<String> = choices(name, values).into_iter().map(|(rest, _)| rest).collect();
                    json!({ "type": "string", "enum": words })
                }
                // A global ID does as well, but REST shows none.
                _ if name == "ID" => json!({ "type": "string", "format": "uuid" }),
                _ => scalar(name),
            },
        }
    }

    /// The schema of a body whose members are variables.
    pub(super) fn spread(&mut self, variables: &[Variable]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for variable in variables.iter().filter(|variable| variable.origin == Origin::Body) {
            let key = snake(&variable.name);
            let schema = self.of(&variable.ty);
            let mut schema = if variable.ty.nullable { or_null(schema) } else { schema };
            if let Some(members) = schema.as_object_mut() {
                members.insert("description".to_owned(), variable.about.clone().into());
            }
            if variable.is_required() {
                required.push(key.clone());
            }
            properties.insert(key, schema);
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    /// The default of a field, as bodies spell it.
    fn default_of(&self, input: &InputField) -> Option<Value> {
        let default = input.default.as_ref()?;
        let name = named_type(&input.ty);
        match (default, self.index.values(name)) {
            (GraphQl::Enum(word), Some(values)) => {
                let meant = |(_, value): &(String, String)| value == word.as_str();
                choices(name, values).into_iter().find(meant).map(|(rest, _)| rest.into())
            }
            _ => default.clone().into_json().ok(),
        }
    }

    fn define(&mut self, name: &str, input: &InputInfo) {
        if self.schemas.contains_key(name) {
            return;
        }
        // Reserves the name first, so that recursive inputs terminate.
        self.schemas.insert(name.to_owned(), Value::Null);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (own, field) in fields(input) {
            let key = self.keys.key(name, own);
            let mut schema = self.of(&field.ty);
            // What may be left out is nullable to GraphQL, unless its rule refuses null.
            if field.ty.nullable && field.constraint.get("nullable") != Some(&GraphQl::Boolean(false)) {
                schema = or_null(schema);
            }
            if let Some(members) = schema.as_object_mut() {
                constrain(members, &field.constraint);
                without_nul(members);
                if let Some(about) = &field.description {
                    members.insert("description".to_owned(), about.clone().into());
                }
                if let Some(default) = self.default_of(field) {
                    members.insert("default".to_owned(), default);
                }
            }
            if field.is_required() {
                required.push(key.clone());
            }
            if let Some(second) = self.keys.second(name, own).map(str::to_owned) {
                let mut schema = or_null(self.of(&field.ty));
                if let Some(members) = schema.as_object_mut() {
                    constrain(members, &field.constraint);
                    let about = format!("Alias of `{key}`. Cannot be combined with it.");
                    members.insert("description".to_owned(), about.into());
                }
                properties.insert(second, schema);
            }
            properties.insert(key, schema);
        }
        let schema = json!({
            "type": "object", "description": input.description.as_deref().unwrap_or_default(), "properties": properties,
            "required": required, "additionalProperties": false,
        });
        self.schemas.insert(name.to_owned(), schema);
    }
}
