//! The shared parts of the description: scalars, the error, responses, headers.

use schema::error::Error;
use serde_json::{Map, Value, json};

use super::super::rest_names::camel;

/// The schema of a scalar.
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

/// The envelope of an error.
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
        "description": "An error.",
        "properties": {
            "success": { "type": "boolean", "const": false },
            "error": {
                "type": "object",
                "properties": {
                    "message": { "type": "string", "description": "Description of the error and of what is allowed." },
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
    (400, "A parameter or the body is invalid."),
    (401, "The credential is missing or invalid."),
    (403, "The caller does not have the required access."),
    (404, "The object does not exist."),
    (409, "The object already exists, or its state does not allow the change."),
    (413, "The body is too large."),
    (415, "The body is not application/json."),
    (429, "A rate limit or quota is exceeded. Retry-After contains the seconds to wait."),
    (500, "Internal server error."),
    (503, "The server is temporarily unable to handle the request."),
    (504, "The request took too long."),
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
        "X-RateLimit-Remaining": integer("Requests left in the current minute."),
        "X-RateLimit-Reset": integer("End of the current minute, in Unix seconds."),
        "X-Usage-Monthly": integer("Requests in the current month."),
        "X-Usage-Limit": integer("Requests per month."),
        "X-Usage-Reset": { "description": "End of the current month.", "schema": { "type": "string", "format": "date-time" } },
        "X-Usage-Total": integer("Requests since the key was created."),
        "X-Request-Id": { "description": "ID of the request in the server's log.", "schema": { "type": "string", "format": "uuid" } },
    })
}
