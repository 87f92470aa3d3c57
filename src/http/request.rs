//! Reads a GraphQL request from a JSON body or a query string, and reports precisely what is wrong with it.

use std::collections::HashMap;

use axum::http::StatusCode;
use schema::error_code::ErrorCode;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// A well-formed GraphQL request; its document is not parsed yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Asked {
    /// The document's text.
    pub query: String,
    /// The ID of a persisted document that replaces the text.
    pub document_id: Option<String>,
    /// Name of the operation to execute.
    pub operation_name: Option<String>,
    /// Values of its variables.
    pub variables: Map<String, Value>,
}

/// Reads a body of `application/json`. Errors: 400 under every `Accept`, naming the invalid parameter.
pub fn from_json(body: &[u8]) -> Result<Asked, Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|error| bad_request(format!("The body is not valid UTF-8 (byte {}).", error.valid_up_to())))?;
    let value: Value = serde_json::from_str(text).map_err(|error| {
        bad_request(format!("The body is not valid JSON (line {}, column {}).", error.line(), error.column()))
    })?;
    from_value(value)
}

/// Reads a request that was parsed as JSON. Errors: as [`from_json`].
pub fn from_value(value: Value) -> Result<Asked, Refusal> {
    match value {
        Value::Object(members) => from_members(members),
        Value::Array(_) => Err(bad_request("The body must be one request object. Batches are not supported.")),
        _ => Err(bad_request("The body must be one request object, such as {\"query\": \"{ __typename }\"}.")),
    }
}

/// Reads the query string of a GET. `variables` and `extensions` are JSON texts there.
///
/// Errors: 400 under every `Accept`, naming the invalid parameter.
pub fn from_query_string(text: &str) -> Result<Asked, Refusal> {
    let mut parameters = HashMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| bad_request("The query string is not valid percent-encoded UTF-8."))?;
        let value = decode(value).ok_or_else(|| Refusal::parameter(&name, "must be percent-encoded UTF-8"))?;
        if let Some(known) =
            ["query", "documentId", "operationName", "variables", "extensions"].into_iter().find(|known| *known == name)
            && parameters.insert(known, value).is_some()
        {
            return Err(Refusal::parameter(known, "must be given only once"));
        }
    }
    let mut members = Map::new();
    for (name, value) in parameters {
        let value = match name {
            "variables" | "extensions" if value.is_empty() => Value::Null,
            "variables" | "extensions" => serde_json::from_str(&value)
                .map_err(|_| Refusal::parameter(name, "must be a JSON object, percent-encoded"))?,
            "operationName" if value.is_empty() => Value::Null,
            _ => Value::String(value),
        };
        members.insert(name.to_owned(), value);
    }
    from_members(members)
}

fn from_members(mut members: Map<String, Value>) -> Result<Asked, Refusal> {
    let document_id = match members.remove("documentId") {
        Some(Value::String(id)) => Some(id),
        None | Some(Value::Null) => None,
        Some(_) => return Err(Refusal::parameter("documentId", "must be a string such as sha256:<hex>, or null")),
    };
    let extensions = object_or_null(members.remove("extensions"), "extensions")?;
    let query = match members.remove("query") {
        Some(Value::String(_)) if document_id.is_some() => {
            return Err(Refusal::parameter("documentId", "cannot be combined with query"));
        }
        Some(Value::String(text)) => text,
        None | Some(Value::Null) if document_id.is_some() => String::new(),
        None | Some(Value::Null) if extensions.contains_key("persistedQuery") => {
            // The message and the code by which clients of automatic persisted queries know to send the whole document from now on.
            return Err(
                Refusal::document(ErrorCode::PersistedQueryNotSupported, "PersistedQueryNotSupported").about("query")
            );
        }
        None | Some(Value::Null) => return Err(Refusal::parameter("query", "is required: a GraphQL document")),
        Some(_) => return Err(Refusal::parameter("query", "must be a string that contains a GraphQL document")),
    };
    let operation_name = match members.remove("operationName") {
        Some(Value::String(name)) => Some(name),
        None | Some(Value::Null) => None,
        Some(_) => return Err(Refusal::parameter("operationName", "must be a string or null")),
    };
    let variables = object_or_null(members.remove("variables"), "variables")?;
    Ok(Asked { query, document_id, operation_name, variables })
}

fn object_or_null(value: Option<Value>, name: &str) -> Result<Map<String, Value>, Refusal> {
    match value {
        Some(Value::Object(members)) => Ok(members),
        None | Some(Value::Null) => Ok(Map::new()),
        Some(_) => Err(Refusal::parameter(name, "must be an object or null")),
    }
}

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::transport(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message)
}

/// Decodes `application/x-www-form-urlencoded`; `None` where an escape is broken or the result is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? * 16 + hex(rest.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_string_carries_json() {
        let asked =
            from_query_string("query=%7B+a+%7D&variables=%7B%22x%22%3A1%7D&operationName=A&other=1").expect("asked");
        assert_eq!(asked.query, "{ a }");
        assert_eq!(asked.operation_name.as_deref(), Some("A"));
        assert_eq!(asked.variables.get("x"), Some(&Value::from(1)));
    }

    #[test]
    fn nulls_are_absent() {
        let asked =
            from_json(br#"{"query":"{a}","variables":null,"operationName":null,"extensions":null}"#).expect("asked");
        assert_eq!(asked, Asked { query: "{a}".into(), ..Asked::default() });
    }

    #[test]
    fn persisted_queries_are_refused_in_the_words_that_clients_know() {
        let body =
            br#"{"operationName":"A","variables":{},"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}"#;
        let refusal = from_json(body).expect_err("a refusal");
        assert_eq!(
            (refusal.message.as_str(), refusal.code),
            ("PersistedQueryNotSupported", ErrorCode::PersistedQueryNotSupported)
        );
        assert!(!refusal.transport, "an answer of the media type that was asked for");
        let whole = br#"{"query":"{a}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}"#;
        assert_eq!(from_json(whole).expect("asked").query, "{a}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"\xff", "UTF-8"),
            (b"{", "line 1, column 1"),
            (b"[{}]", "Batches"),
            (b"3", "one request object"),
            (b"{}", "query: "),
            (br#"{"query":3}"#, "query: must be a string"),
            (br#"{"query":"{a}","variables":"{}"}"#, "variables: must be an object"),
            (br#"{"query":"{a}","operationName":[]}"#, "operationName: must be a string"),
        ];
        for (body, sentence) in cases {
            let refusal = from_json(body).expect_err("a refusal");
            assert!(refusal.message.contains(sentence), "{}", refusal.message);
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            assert!(refusal.transport);
        }
        for (text, sentence) in [
            ("query=a&query=b", "only once"),
            ("query=%ff", "UTF-8"),
            ("query=%4", "UTF-8"),
            ("query=a&variables=x", "variables: must be a JSON object"),
            ("query=a&variables=[]", "variables: must be an object"),
            ("", "query: "),
        ] {
            let refusal = from_query_string(text).expect_err("a refusal");
            assert!(refusal.message.contains(sentence), "{text}: {}", refusal.message);
        }
    }
}
