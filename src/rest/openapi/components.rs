//! The parts of the description that all routes share: scalars, the error, responses, headers.

use schema::error::Error;
use serde_json::{Map, Value, json};

use super::super::rest_names::camel;

/// The schema of a scalar of the schema.
pub(super) fn scalar(name: &str) -> Value {
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
        "TimeZone" => json!({ "$ref": "#/components/schemas/TimeZone" }),
        "JSON" => json!({}),
        _ => json!({ "type": "string" }),
    }
}

/// The names of time zones.
pub(super) fn zones() -> Value {
    let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
    json!({ "type": "string", "description": "An IANA time zone.", "enum": names })
}

/// The same schema, or null.
pub(super) fn or_null(mut schema: Value) -> Value {
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

/// The envelope of a refusal.
pub(super) fn error_schema() -> Value {
    let mut codes: Vec<&str> = Vec::new();
    for (code, _) in Error::TABLE {
        // Several refusals may share a code.
        if !codes.contains(code) {
            codes.push(code);
        }
    }
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

/// The name of a shared response.
pub(super) fn response_name(status: u16) -> String {
    let code = Error::TABLE.iter().find(|(_, known)| *known == status).map_or("ERROR", |(code, _)| *code);
    let name = camel(&code.to_ascii_lowercase());
    name.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(name.chars().skip(1)).collect()
}

/// The shared responses.
pub(super) fn responses() -> Map<String, Value> {
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
    RESPONSES
        .iter()
        .map(|(status, about)| (response_name(*status), json!({ "description": about, "content": content })))
        .collect()
}

/// The shared headers.
pub(super) fn headers() -> Value {
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
