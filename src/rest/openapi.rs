//! The OpenAPI 3.1 description, generated from the documents and the schema; the same input gives the same text.

mod components;
mod input;
mod output;

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::{Value as GraphQl, resolver_utils::enum_value};
use schema::schema_index::{SchemaIndex, named_type};
use serde_json::{Map, Value, json};

use self::{
    components::{error_schema, headers, response_name, responses, zones},
    input::Inputs,
    output::shape_schema,
};
use super::{
    auth::Auth,
    body_keys::BodyKeys,
    document::Operation,
    variables::{Kind, Origin, Variable},
};

/// Routes that are not operations: their descriptions by path and method, written by hand.
pub type Beside = BTreeMap<String, BTreeMap<String, Value>>;

/// Describes the operations, and the routes beside them.
#[must_use]
pub fn describe<'a>(operations: impl Iterator<Item = &'a Operation>, index: &SchemaIndex, beside: &Beside) -> Value {
    let mut paths: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    let mut tags = BTreeSet::new();
    let mut inputs = Inputs { index, keys: BodyKeys::default(), schemas: BTreeMap::new() };
    for operation in operations {
        let path = operation.path.split('/').map(|segment| match segment.strip_prefix(':') {
            Some(name) => format!("{{{name}}}"),
            None => segment.to_owned(),
        });
        tags.insert(tag(operation));
        let described = operation_of(operation, index, &mut inputs);
        let path = path.collect::<Vec<_>>().join("/");
        paths.entry(path).or_default().insert(operation.method.as_str().to_ascii_lowercase(), described);
    }
    for (path, methods) in beside {
        tags.extend(methods.values().filter_map(|described| described["tags"][0].as_str().map(str::to_owned)));
        paths.entry(path.clone()).or_default().extend(methods.clone());
    }
    let mut schemas = inputs.schemas;
    schemas.insert("Error".to_owned(), error_schema());
    schemas.insert("TimeZone".to_owned(), zones());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Footfall REST API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Self-hosted web analytics. Every route is a persisted GraphQL operation; the GraphQL schema offers more.",
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

/// The first segment of the path that identifies a route's subject.
fn tag(operation: &Operation) -> String {
    let path = operation.path.strip_prefix("/api/").unwrap_or(&operation.path).trim_start_matches("external/v1/");
    match path.split('/').find(|segment| !segment.is_empty()) {
        Some("e") => "live".to_owned(),
        segment => segment.unwrap_or("api").to_owned(),
    }
}

fn operation_of(operation: &Operation, index: &SchemaIndex, inputs: &mut Inputs<'_>) -> Value {
    let mut described = Map::new();
    described.insert("operationId".to_owned(), lower_first(&operation.name).into());
    described.insert("tags".to_owned(), json!([tag(operation)]));
    let (summary, rest) = operation.about.split_once(". ").unwrap_or((&operation.about, ""));
    described.insert("summary".to_owned(), summary.trim_end_matches('.').into());
    let roles: Vec<String> = operation
        .access
        .iter()
        // Without a credential there is no role.
        .filter(|_| operation.auth != Auth::None)
        .filter_map(|access| {
            let on = enum_value(access.on).to_string().to_ascii_lowercase();
            access.min.map(|min| format!("Minimum role on the {on}: {}.", min.name()))
        })
        .collect();
    let description = [rest.to_owned(), roles.join(" ")].into_iter().filter(|text| !text.is_empty());
    described.insert("description".to_owned(), description.collect::<Vec<_>>().join("\n\n").into());
    let parameters: Vec<Value> = operation.variables.iter().filter_map(parameter).collect();
    if !parameters.is_empty() {
        described.insert("parameters".to_owned(), parameters.into());
    }
    inputs.keys.clone_from(&operation.keys);
    if let Some(body) = operation.body() {
        // A body is always an object; of an open one that is all that is known.
        let schema = match named_type(&body.ty) {
            "JSON" => json!({ "type": "object", "description": body.about }),
            _ if operation.spread => inputs.spread(&operation.variables),
            _ => inputs.of(&body.ty),
        };
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
    answers.insert(operation.status.as_str().to_owned(), success(operation, index));
    for status in statuses(operation) {
        answers
            .insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{}", response_name(status)) }));
    }
    described.insert("responses".to_owned(), answers.into());
    described.into()
}

/// The error statuses that a route can return.
fn statuses(operation: &Operation) -> Vec<u16> {
    let in_path = operation.variables.iter().any(|variable| variable.origin == Origin::Path);
    let has_input = operation.variables.iter().any(|variable| variable.origin != Origin::Cursor);
    let known = operation.auth != Auth::None;
    let has_body = operation.body().is_some();
    let names_something = operation.variables.iter().any(|variable| matches!(variable.kind, Kind::Id));
    let said = [
        (400, has_input),
        // Public routes can authenticate, and fail.
        (401, known || operation.changes),
        // A website may close to the public what takes no credential.
        (403, known || operation.changes || operation.access.iter().any(|access| access.min.is_some())),
        // A query or a body may name an object that does not exist.
        (404, in_path || names_something || has_body),
        (409, has_body || operation.changes),
        (413, has_body),
        (415, has_body),
        (429, known || operation.changes),
        (500, true),
        (503, true),
        (504, true),
    ];
    said.into_iter().filter_map(|(status, can)| can.then_some(status)).collect()
}

fn success(operation: &Operation, index: &SchemaIndex) -> Value {
    let shown_by = operation.then.as_deref().unwrap_or(operation);
    let data = shape_schema(&shown_by.shape, shown_by, index);
    let schema = if operation.bare {
        data
    } else {
        json!({
            "type": "object",
            "properties": {
                "success": { "type": "boolean", "const": true },
                "data": data,
                "timestamp": { "type": "string", "format": "date-time", "description": "Time of the response, UTC." },
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

pub(super) fn parameter(variable: &Variable) -> Option<Value> {
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
    let about = match (&variable.about, &variable.kind) {
        _ if variable.is_range() => "A rolling range that ends now. `timeRange` is an alias of this parameter.",
        (_, Kind::Id) => "A UUID.",
        (about, _) => about,
    };
    Some(json!({
        "name": variable.parameter,
        "in": place,
        "required": variable.origin == Origin::Path || variable.is_required(),
        "description": about,
        "schema": schema,
    }))
}

fn lower_first(name: &str) -> String {
    name.chars().take(1).map(|c| c.to_ascii_lowercase()).chain(name.chars().skip(1)).collect()
}
