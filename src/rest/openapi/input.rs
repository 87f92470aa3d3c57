//! Schemas of bodies, from input objects, spelled as REST spells them.

use std::{collections::BTreeMap, sync::LazyLock};

use async_graphql::{
    Value as GraphQl,
    parser::types::{BaseType, InputValueDefinition, Type},
};
use regex::Regex;
use schema::website::revenue::currencies;
use serde_json::{Map, Value, json};

use super::{
    super::{
        body_keys::BodyKeys,
        rest_names::{choices, snake},
        sdl::{Sdl, base_name},
        variables::{Origin, Variable},
    },
    components::{or_null, scalar},
};

/// Length of a text, for its schema: the rules enforce the same.
static LENGTHS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:(?P<least>[\d,]+) to|[Uu]p to|at most) (?P<most>[\d,]+) characters").ok());

/// A name: one line, not blank.
const NAME: &str = r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$";

/// A text on one line, which may be empty.
const LINE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// A text of several lines, not blank.
const TEXT: &str = r"^[^\u0000]*[^\s\u0000][^\u0000]*$";

/// A host name.
const HOST: &str =
    r"([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*";

/// A path pattern.
const PATH: &str = r"^/[^?#\u0000-\u001F\u007F-\u009F]*$";

/// IPv4 and IPv6 networks; addresses have formats of their own.
const NETWORK_4: &str = r"^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])/(3[0-2]|[12]?[0-9])$";
const NETWORK_6: &str = r"^([0-9A-Fa-f]{1,4}:){1,6}((:[0-9A-Fa-f]{1,4})|:)/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$";

/// Adds constraints of a field beyond its type, if its rule is narrower.
fn narrow(schema: &mut Map<String, Value>, key: &str) {
    let rule = match key {
        "domain" => json!({ "pattern": format!("^{HOST}$") }),
        "allowed_domains" => json!({
            "items": { "type": "string", "pattern": format!(r"^(\*\.)?{HOST}$"), "maxLength": 253 }, "maxItems": 100
        }),
        "path_pattern" => json!({ "pattern": PATH }),
        "description" | "full_name" => json!({ "pattern": LINE }),
        "ip_address" => json!({
            "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }, { "pattern": NETWORK_4 }, { "pattern": NETWORK_6 }]
        }),
        "kpi_goal" => json!({ "minimum": 1 }),
        "revenue_currency" => json!({ "enum": currencies().collect::<Vec<_>>() }),
        _ => return,
    };
    if let Value::Object(rule) = rule {
        schema.remove("pattern");
        schema.extend(rule);
    }
}

/// Adds the length of a text to its schema.
fn bind(schema: &mut Map<String, Value>, key: &str, about: &str) {
    if schema.is_empty() && about.contains("JSON object") {
        schema.insert("type".to_owned(), "object".into());
    }
    let is_text = match schema.get("type") {
        Some(Value::String(ty)) => ty == "string",
        Some(Value::Array(types)) => types.iter().any(|ty| ty == "string"),
        _ => false,
    };
    if !is_text || schema.contains_key("enum") || schema.contains_key("format") {
        return;
    }
    let found = LENGTHS.as_ref().and_then(|lengths| lengths.captures(about));
    let number = |name: &str| found.as_ref()?.name(name)?.as_str().replace(',', "").parse::<u64>().ok();
    if let Some(most) = number("most") {
        schema.insert("maxLength".to_owned(), most.into());
    }
    match number("least") {
        Some(1) => drop(schema.insert("pattern".to_owned(), if key == "content" { TEXT } else { NAME }.into())),
        Some(least) => drop(schema.insert("minLength".to_owned(), least.into())),
        None => {}
    }
    // No text holds a NUL character.
    schema.entry("pattern").or_insert_with(|| r"^[^\u0000]*$".into());
}

/// Schemas of input objects, by name, as bodies spell them.
pub(super) struct Inputs<'a> {
    pub(super) sdl: &'a Sdl,
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
            BaseType::Named(name) => match (self.sdl.input_fields(name), self.sdl.enum_values(name)) {
                (Some(_), _) => {
                    self.define(name);
                    json!({ "$ref": format!("#/components/schemas/{name}") })
                }
                (_, Some(values)) => {
                    let words: Vec<String> =
                        choices(name, values.into_iter()).into_iter().map(|(rest, _)| rest).collect();
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
    fn default_of(&self, input: &InputValueDefinition) -> Option<Value> {
        let default = &input.default_value.as_ref()?.node;
        let name = base_name(&input.ty.node);
        match (default, self.sdl.enum_values(name)) {
            (GraphQl::Enum(word), Some(values)) => {
                let meant = |(_, value): &(String, String)| value == word.as_str();
                choices(name, values.into_iter()).into_iter().find(meant).map(|(rest, _)| rest.into())
            }
            _ => default.clone().into_json().ok(),
        }
    }

    fn define(&mut self, name: &str) {
        if self.schemas.contains_key(name) {
            return;
        }
        // Reserves the name first, so that recursive inputs terminate.
        self.schemas.insert(name.to_owned(), Value::Null);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for input in self.sdl.input_fields(name).unwrap_or_default() {
            let ty = &input.ty.node;
            let key = self.keys.key(name, &input.name.node);
            let mut schema = self.of(ty);
            // What may be left out is nullable to GraphQL; a rule that refuses null says so in the description.
            let about = input.description.as_ref().map_or("", |about| about.node.as_str());
            if ty.nullable && !about.contains("Cannot be null") {
                schema = or_null(schema);
            }
            if let Some(members) = schema.as_object_mut() {
                bind(members, &key, about);
                narrow(members, &key);
                if let Some(about) = &input.description {
                    members.insert("description".to_owned(), about.node.clone().into());
                }
                if let Some(default) = self.default_of(input) {
                    members.insert("default".to_owned(), default);
                }
            }
            if !ty.nullable && input.default_value.is_none() {
                required.push(key.clone());
            }
            if let Some(second) = self.keys.second(name, &input.name.node).map(str::to_owned) {
                let about = format!("Alias of `{key}`. Cannot be combined with it.");
                let mut schema = or_null(self.of(ty));
                if let Some(members) = schema.as_object_mut() {
                    bind(members, &second, &about);
                    members.insert("description".to_owned(), about.into());
                }
                properties.insert(second, schema);
            }
            properties.insert(key, schema);
        }
        let about = self.sdl.about(name).unwrap_or_default();
        let schema = json!({
            "type": "object", "description": about, "properties": properties, "required": required,
            "additionalProperties": false,
        });
        self.schemas.insert(name.to_owned(), schema);
    }
}
