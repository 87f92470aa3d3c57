//! The OpenAPI 3.1 description, made from the documents and the schema; the same input gives the same text.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::{
    Value as GraphQl,
    parser::types::{BaseType, Type},
};
use schema::error::Error;
use serde_json::{Map, Value, json};

use super::{
    document::Operation,
    gate::Auth,
    projection::{Shape, Slot, Source, Step},
    sdl::{Sdl, base_name},
    spelling::{camel, choices, snake},
    variables::{Kind, Origin, Variable},
};

/// Describes the operations.
#[must_use]
pub fn describe<'a>(operations: impl Iterator<Item = &'a Operation>, sdl: &Sdl) -> Value {
    let mut paths: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    let mut tags = BTreeSet::new();
    let mut inputs = Inputs { sdl, schemas: BTreeMap::new() };
    for operation in operations {
        let path = operation.path.split('/').map(|segment| match segment.strip_prefix(':') {
            Some(name) => format!("{{{name}}}"),
            None => segment.to_owned(),
        });
        tags.insert(tag(operation));
        let described = operation_of(operation, sdl, &mut inputs);
        let path = path.collect::<Vec<_>>().join("/");
        paths.entry(path).or_default().insert(operation.method.as_str().to_ascii_lowercase(), described);
    }
    let mut schemas = inputs.schemas;
    schemas.insert("Error".to_owned(), error_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Footfall REST API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Self-hosted web analytics. Every route is a stored GraphQL operation; the GraphQL schema can do more.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This installation." }],
        "tags": tags.iter().map(|tag| json!({ "name": tag })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": headers(),
            "responses": responses(),
            "securitySchemes": {
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, `zv_...`." },
                "bearerKey": { "type": "http", "scheme": "bearer", "bearerFormat": "zv_...", "description": "The same API key as a bearer token." },
                "accessToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's access token." },
            },
        },
    })
}

/// The first segment of the path that says what a route is about.
fn tag(operation: &Operation) -> String {
    let path = operation.path.trim_start_matches("/api").trim_start_matches("/external/v1");
    path.split('/').find(|segment| !segment.is_empty()).unwrap_or("api").to_owned()
}

fn operation_of(operation: &Operation, sdl: &Sdl, inputs: &mut Inputs<'_>) -> Value {
    let mut described = Map::new();
    described.insert("operationId".to_owned(), lower_first(&operation.name).into());
    described.insert("tags".to_owned(), json!([tag(operation)]));
    let (summary, rest) = operation.about.split_once(". ").unwrap_or((&operation.about, ""));
    described.insert("summary".to_owned(), summary.trim_end_matches('.').into());
    let roles: Vec<String> = operation
        .access
        .iter()
        .filter_map(|access| {
            let on = access.on.to_ascii_lowercase();
            access.min.as_ref().map(|min| format!("Least role on the {on}: {}.", min.to_ascii_lowercase()))
        })
        .collect();
    let description = [rest.to_owned(), roles.join(" ")].into_iter().filter(|text| !text.is_empty());
    described.insert("description".to_owned(), description.collect::<Vec<_>>().join("\n\n").into());
    let parameters: Vec<Value> = operation.variables.iter().filter_map(parameter).collect();
    if !parameters.is_empty() {
        described.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = operation.body() {
        let schema = inputs.of(&body.ty);
        let content = json!({ "application/json": { "schema": schema } });
        described.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    let security = match operation.auth {
        Auth::Key => json!([{ "apiKey": [] }, { "bearerKey": [] }]),
        Auth::Bearer => json!([{ "accessToken": [] }]),
        Auth::None => json!([]),
    };
    described.insert("security".to_owned(), security);
    let mut answers = Map::new();
    answers.insert(operation.status.as_str().to_owned(), success(operation, sdl));
    for status in statuses(operation) {
        answers
            .insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{}", response_name(status)) }));
    }
    described.insert("responses".to_owned(), answers.into());
    described.into()
}

/// The statuses of refusals that a route can utter.
fn statuses(operation: &Operation) -> Vec<u16> {
    let in_path = operation.variables.iter().any(|variable| variable.origin == Origin::Path);
    let has_input = operation.variables.iter().any(|variable| variable.origin != Origin::Cursor);
    let known = operation.auth != Auth::None;
    let has_body = operation.body().is_some();
    let said = [
        (400, has_input),
        (401, known),
        (403, known),
        (404, in_path),
        (409, has_body),
        (413, has_body),
        (415, has_body),
        (429, known),
        (500, true),
        (503, true),
        (504, true),
    ];
    said.into_iter().filter_map(|(status, can)| can.then_some(status)).collect()
}

fn success(operation: &Operation, sdl: &Sdl) -> Value {
    let data = shape_schema(&operation.shape, operation, sdl, false);
    let schema = if operation.bare {
        data
    } else {
        json!({
            "type": "object",
            "properties": {
                "success": { "type": "boolean", "const": true },
                "data": data,
                "timestamp": { "type": "string", "format": "date-time", "description": "When the answer was made (UTC)." },
            },
            "required": ["success", "data", "timestamp"],
        })
    };
    let names: &[&str] = if operation.auth == Auth::Key {
        &[
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
            "X-Usage-Monthly",
            "X-Usage-Limit",
            "X-Usage-Reset",
            "X-Usage-Total",
            "X-Request-Id",
        ]
    } else {
        &["X-Request-Id"]
    };
    let refer = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    let headers: Map<String, Value> = names.iter().map(refer).collect();
    json!({ "description": "Success.", "headers": headers, "content": { "application/json": { "schema": schema } } })
}

fn parameter(variable: &Variable) -> Option<Value> {
    let place = match variable.origin {
        Origin::Path => "path",
        Origin::Query => "query",
        Origin::Body | Origin::Cursor => return None,
    };
    let mut schema = match &variable.kind {
        Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Float => json!({ "type": "number" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Id => json!({ "type": "string", "format": "uuid" }),
        Kind::Choice(choices) => {
            json!({ "type": "string", "enum": choices.iter().map(|(rest, _)| rest).collect::<Vec<_>>() })
        }
        Kind::Text | Kind::Input => json!({ "type": "string", "minLength": 1 }),
    };
    if let Some(default) = variable.default.as_ref().filter(|default| **default != GraphQl::Null) {
        let mut out = Vec::new();
        variable.echo(&mut out, default);
        if let (Ok(default), Some(schema)) = (serde_json::from_slice(&out), schema.as_object_mut()) {
            schema.insert("default".to_owned(), default);
        }
    }
    let about = if variable.is_range() {
        "A rolling range that ends now. `timeRange` is an older name of this parameter."
    } else {
        &variable.about
    };
    Some(json!({
        "name": variable.parameter,
        "in": place,
        "required": variable.origin == Origin::Path || variable.is_required(),
        "description": about,
        "schema": schema,
    }))
}

fn shape_schema(shape: &Shape, operation: &Operation, sdl: &Sdl, nullable: bool) -> Value {
    match shape {
        Shape::Object { slots, ty } => {
            wrap(ty, &|| object_schema(slots, operation, sdl, false), ty.nullable && nullable)
        }
        Shape::Leaf { steps, ty } => wrap(ty, &|| leaf_schema(base_name(ty), steps, sdl), ty.nullable && nullable),
    }
}

/// Puts lists and null around the schema of the innermost type.
fn wrap(ty: &Type, inner: &dyn Fn() -> Value, nullable: bool) -> Value {
    let schema = match &ty.base {
        BaseType::Named(_) => inner(),
        BaseType::List(item) => json!({ "type": "array", "items": wrap(item, inner, item.nullable) }),
    };
    if nullable { or_null(schema) } else { schema }
}

fn or_null(mut schema: Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    if let Some(Value::String(ty)) = members.get("type") {
        let ty = json!([ty, "null"]);
        members.insert("type".to_owned(), ty);
        if let Some(Value::Array(values)) = members.get_mut("enum") {
            values.push(Value::Null);
        }
        return schema;
    }
    if members.contains_key("$ref") {
        return json!({ "anyOf": [schema, { "type": "null" }] });
    }
    schema
}

/// `lifted`: the object that holds these members may itself be null, so each of them may be.
fn object_schema(slots: &[Slot], operation: &Operation, sdl: &Sdl, lifted: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    members(slots, operation, sdl, lifted, &mut properties, &mut required);
    json!({ "type": "object", "properties": properties, "required": required })
}

fn members(
    slots: &[Slot],
    operation: &Operation,
    sdl: &Sdl,
    lifted: bool,
    properties: &mut Map<String, Value>,
    required: &mut Vec<Value>,
) {
    for slot in slots {
        let (mut schema, nullable) = match &slot.source {
            Source::Flat { slots, .. } => {
                members(slots, operation, sdl, lifted, properties, required);
                continue;
            }
            Source::Nest(slots) => (object_schema(slots, operation, sdl, lifted), false),
            Source::Echo(index) => {
                let variable = operation.variables.get(*index);
                let schema = variable.and_then(parameter).and_then(|p| p.get("schema").cloned()).unwrap_or(json!({}));
                (without_default(schema), variable.is_some_and(|v| v.ty.nullable && v.default.is_none()))
            }
            Source::Field { shape, .. } => {
                let (Shape::Object { ty, .. } | Shape::Leaf { ty, .. }) = shape;
                (shape_schema(shape, operation, sdl, false), ty.nullable || lifted)
            }
        };
        if nullable && !operation.omit_nulls {
            schema = or_null(schema);
        }
        if let (Some(about), Some(schema)) = (&slot.about, schema.as_object_mut()) {
            let about = match &slot.source {
                Source::Field { shape: Shape::Leaf { steps, .. }, .. } if steps.contains(&Step::Percent) => {
                    format!("{about} Shown as a percentage, 0 to 100.")
                }
                _ => about.clone(),
            };
            schema.insert("description".to_owned(), about.into());
        }
        properties.insert(slot.key.clone(), schema);
        if !slot.optional && !(nullable && operation.omit_nulls) {
            required.push(slot.key.clone().into());
        }
    }
}

fn without_default(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.remove("default");
    }
    schema
}

fn leaf_schema(name: &str, steps: &[Step], sdl: &Sdl) -> Value {
    if let Some(values) = sdl.enum_values(name) {
        let spelled: Vec<String> = values
            .into_iter()
            .map(|value| match steps.first() {
                Some(Step::Lower) => value.to_ascii_lowercase(),
                Some(Step::Title) => super::spelling::title(value),
                _ => value.to_owned(),
            })
            .collect();
        return json!({ "type": "string", "enum": spelled });
    }
    match steps.first() {
        Some(Step::Percent | Step::Round(_)) => json!({ "type": "number" }),
        Some(Step::Date) => json!({ "type": "string", "format": "date" }),
        Some(Step::Prefix(prefix)) => json!({ "type": "string", "pattern": format!("^{prefix}") }),
        _ => scalar(name),
    }
}

fn scalar(name: &str) -> Value {
    match name {
        "Int" => json!({ "type": "integer", "format": "int32" }),
        "BigInt" => json!({ "type": "integer", "format": "int64" }),
        "Float" => json!({ "type": "number", "format": "double" }),
        "Boolean" => json!({ "type": "boolean" }),
        "UUID" => json!({ "type": "string", "format": "uuid" }),
        "DateTime" => json!({ "type": "string", "format": "date-time" }),
        "Date" => json!({ "type": "string", "format": "date" }),
        "URL" => json!({ "type": "string", "format": "uri" }),
        "EmailAddress" => json!({ "type": "string", "format": "email" }),
        "HexColor" => json!({ "type": "string", "pattern": "^#[0-9A-Fa-f]{6}$" }),
        "JSON" => json!({}),
        _ => json!({ "type": "string" }),
    }
}

/// Schemas of input objects, by name, as bodies spell them.
struct Inputs<'a> {
    sdl: &'a Sdl,
    schemas: BTreeMap<String, Value>,
}

impl Inputs<'_> {
    fn of(&mut self, ty: &Type) -> Value {
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
                _ => scalar(name),
            },
        }
    }

    fn define(&mut self, name: &str) {
        if self.schemas.contains_key(name) {
            return;
        }
        // Claims the name first, so that an input that holds itself ends.
        self.schemas.insert(name.to_owned(), Value::Null);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for input in self.sdl.input_fields(name).unwrap_or_default() {
            let ty = &input.ty.node;
            let key = snake(&input.name.node);
            let mut schema = self.of(ty);
            if ty.nullable {
                schema = or_null(schema);
            }
            if let Some(members) = schema.as_object_mut() {
                if let Some(about) = &input.description {
                    members.insert("description".to_owned(), about.node.clone().into());
                }
                if let Some(default) = input.default_value.as_ref().and_then(|d| d.node.clone().into_json().ok()) {
                    members.insert("default".to_owned(), default);
                }
            }
            if !ty.nullable && input.default_value.is_none() {
                required.push(key.clone());
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

fn error_schema() -> Value {
    let codes: Vec<&str> = Error::TABLE.iter().map(|(code, _)| *code).collect();
    json!({
        "type": "object",
        "description": "A refusal.",
        "properties": {
            "success": { "type": "boolean", "const": false },
            "error": {
                "type": "object",
                "properties": {
                    "message": { "type": "string", "description": "What is wrong and what would be right." },
                    "code": { "type": "string", "enum": codes },
                    "timestamp": { "type": "string", "format": "date-time" },
                },
                "required": ["message", "code", "timestamp"],
            },
        },
        "required": ["success", "error"],
    })
}

const RESPONSES: &[(u16, &str)] = &[
    (400, "A parameter or the body is not valid."),
    (401, "The credential is missing or not valid."),
    (403, "The caller may not do this here."),
    (404, "There is no such thing."),
    (409, "It exists already, or its state forbids the change."),
    (413, "The body is too large."),
    (415, "The body is not application/json."),
    (429, "A limit is used up; Retry-After says when to try again."),
    (500, "Something went wrong on the server's side."),
    (503, "The server cannot take this now."),
    (504, "The answer took too long."),
];

fn response_name(status: u16) -> String {
    let code = Error::TABLE.iter().find(|(_, known)| *known == status).map_or("ERROR", |(code, _)| *code);
    let name = camel(&code.to_ascii_lowercase());
    name.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(name.chars().skip(1)).collect()
}

fn responses() -> Map<String, Value> {
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
    RESPONSES
        .iter()
        .map(|(status, about)| (response_name(*status), json!({ "description": about, "content": content })))
        .collect()
}

fn headers() -> Value {
    let integer = |about: &str| json!({ "description": about, "schema": { "type": "integer" } });
    json!({
        "X-RateLimit-Limit": integer("Requests per minute."),
        "X-RateLimit-Remaining": integer("Requests left in this minute."),
        "X-RateLimit-Reset": integer("When the minute ends, in Unix seconds."),
        "X-Usage-Monthly": integer("Requests of this month."),
        "X-Usage-Limit": integer("Requests per month."),
        "X-Usage-Reset": { "description": "When the month ends.", "schema": { "type": "string", "format": "date-time" } },
        "X-Usage-Total": integer("Requests since the key was made."),
        "X-Request-Id": { "description": "Finds the request in the log.", "schema": { "type": "string", "format": "uuid" } },
    })
}

fn lower_first(name: &str) -> String {
    name.chars().take(1).map(|c| c.to_ascii_lowercase()).chain(name.chars().skip(1)).collect()
}
