//! Errors of the GraphQL endpoint in the standard form: `{"errors": [...]}` without `data`.

use async_graphql::{ErrorExtensionValues, Pos, ServerError};
use axum::http::StatusCode;
use schema::{error::Error, error_code::ErrorCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Why a GraphQL request was not executed, or why its execution was aborted.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// `extensions.code`.
    pub code: ErrorCode,
    /// What is wrong and what is allowed.
    pub message: String,
    /// The invalid parameter or argument, if there is one.
    pub field: Option<String>,
    /// The status where real status codes are used.
    pub status: StatusCode,
    /// Locations in the document.
    pub locations: Vec<Pos>,
    /// Methods for the `Allow` header of a 405.
    pub allow: Option<&'static str>,
    /// Seconds until a retry makes sense.
    pub retry_after: Option<u32>,
    /// Whether the status is the same under every `Accept`: then the request itself, not its document, is invalid.
    pub transport: bool,
}

impl Refusal {
    /// A request with an invalid document or variables: 400 where real status codes are used.
    pub fn document(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            status: StatusCode::BAD_REQUEST,
            locations: Vec::new(),
            allow: None,
            retry_after: None,
            transport: false,
        }
    }

    /// A malformed GraphQL request: `status` under every `Accept`.
    pub fn transport(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, transport: true, ..Self::document(code, message) }
    }

    /// A parameter of the request with the wrong type: 400 under every `Accept`.
    pub fn parameter(field: &str, why: &str) -> Self {
        Self::transport(StatusCode::BAD_REQUEST, ErrorCode::ValidationError, format!("{field}: {why}")).about(field)
    }

    /// Sets the invalid parameter or argument.
    #[must_use]
    pub fn about(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Adds a location in the document.
    #[must_use]
    pub fn at(mut self, place: Pos) -> Self {
        self.locations.push(place);
        self
    }

    /// The response's body.
    #[must_use]
    pub fn body(&self, request_id: Uuid) -> Value {
        let mut extensions = Map::new();
        extensions.insert("code".into(), self.code.as_str().into());
        if let Some(field) = &self.field {
            extensions.insert("field".into(), field.as_str().into());
        }
        if let Some(seconds) = self.retry_after {
            extensions.insert("retryAfter".into(), seconds.into());
        }
        extensions.insert("requestId".into(), request_id.to_string().into());
        let mut error = Map::new();
        error.insert("message".into(), self.message.as_str().into());
        if !self.locations.is_empty() {
            let places: Vec<Value> =
                self.locations.iter().map(|place| json!({ "line": place.line, "column": place.column })).collect();
            error.insert("locations".into(), places.into());
        }
        error.insert("extensions".into(), extensions.into());
        json!({ "errors": [error] })
    }
}

impl From<Error> for Refusal {
    /// An error of the error table keeps its code, status and message. Authentication and load concern the request, not
    /// its document.
    fn from(error: Error) -> Self {
        if let Error::Internal(source) = &error {
            tracing::error!(error.source = ?source, "internal error");
        }
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            field: error.field().map(str::to_owned),
            retry_after: error.retry_after().map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
            transport: true,
            ..Self::document(error.error_code(), error.message())
        }
    }
}

/// Completes an executor's error: adds a code, if it has none, and the request ID.
///
/// Resolvers set a code on every error. One without is the executor's: without a path it refuses the document; with one it is
/// a server fault, because values are checked before.
pub fn complete(error: &mut ServerError, request_id: Uuid) {
    let is_coded = error.extensions.as_ref().is_some_and(|values| values.get("code").is_some());
    if !is_coded && !error.path.is_empty() {
        let ours = async_graphql::Error::from(Error::broken(std::mem::take(&mut error.message)));
        error.message = ours.message;
        error.extensions = ours.extensions;
    }
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", ErrorCode::GraphqlValidationFailed.as_str());
    }
    extensions.set("requestId", request_id.to_string());
}

#[cfg(test)]
mod tests {
    use async_graphql::PathSegment;

    use super::*;

    #[test]
    fn an_error_without_a_code_is_the_documents_unless_something_ran() {
        let completed = |mut error: ServerError| {
            complete(&mut error, Uuid::nil());
            let extensions = serde_json::to_value(&error.extensions).unwrap();
            (error.message, extensions["code"].as_str().unwrap().to_owned())
        };
        let error = || ServerError::new("Data `secret` does not exist.", None);
        let (message, code) = completed(error());
        assert_eq!((message.as_str(), code.as_str()), ("Data `secret` does not exist.", "GRAPHQL_VALIDATION_FAILED"));
        let (message, code) = completed(error().with_path(vec![PathSegment::Field("a".into())]));
        assert_eq!(code, "INTERNAL_SERVER_ERROR");
        assert!(!message.contains("secret"), "{message}");
        let ours = async_graphql::Error::from(Error::forbidden("No.")).into_server_error(Pos::default());
        assert_eq!(completed(ours), ("No.".to_owned(), "FORBIDDEN".to_owned()));
    }
}
