//! The HTTP layer on one page: what every response of the server carries, and the GraphQL endpoint with its playground.

pub mod accept;
pub mod answer;
pub mod blame;
pub mod coerce;
pub mod cors;
pub mod credential;
pub mod escapes;
pub mod graphql;
pub mod limits;
pub mod merge;
pub mod overlap;
pub mod page;
pub mod prepare;
pub mod refusal;
pub mod request;
pub mod shape;
pub mod sse;
pub mod stream;
pub mod tokens;
pub mod trusted;
pub mod verify;
pub mod ws;

#[cfg(test)]
mod endpoint_tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use schema::{error::Error, ports::Ids};
use serde_json::json;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use tracing::{Instrument as _, info_span};
use uuid::Uuid;

use self::{
    cors::{Origins, cors},
    limits::Limits,
};

/// Settings of the HTTP layer.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Origins whose pages may read answers in a browser, such as `https://dashboard.example`; `*` for all. Default none.
    pub cors_origins: Vec<String>,
    /// Whether `__schema` and `__type` are answered. Default yes.
    pub introspection: bool,
    /// Limits of one document.
    pub limits: Limits,
    /// Bytes of a GraphQL request's body. Default 64 KiB.
    pub body_bytes: usize,
    /// Bytes of a GraphQL request's URL. Default 8 KiB.
    pub url_bytes: usize,
    /// How long one execution may take. Default 5 seconds.
    pub timeout: Duration,
    /// Stored documents, and who may send other text.
    pub trusted: trusted::Trusted,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            introspection: true,
            limits: Limits::default(),
            body_bytes: 64 * 1024,
            url_bytes: 8 * 1024,
            timeout: Duration::from_secs(5),
            trusted: trusted::Trusted::default(),
        }
    }
}

/// Handlers find it as an extension.
pub use schema::RequestId;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the server's common layers around its routes: request id, CORS, security headers, gzip, and an answer after a panic.
pub fn shell(routes: Router, config: &HttpConfig, ids: Arc<dyn Ids>) -> Router {
    let origins = Origins::new(&config.cors_origins);
    routes
        .fallback(async || failed(&Error::not_found("This path")))
        .layer(CatchPanicLayer::custom(|_panic| panicked()))
        .layer(CompressionLayer::new().gzip(true))
        .layer(from_fn(move |request: Request, next: Next| cors(origins.clone(), request, next)))
        .layer(from_fn(move |request: Request, next: Next| identify(ids.clone(), request, next)))
}

/// Gives the request an id (the client's own when it is a UUID) and the response its common headers.
async fn identify(ids: Arc<dyn Ids>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(X_REQUEST_ID).and_then(|value| Uuid::try_parse(value.to_str().ok()?).ok());
    let id = RequestId(given.unwrap_or_else(|| ids.uuid()));
    request.extensions_mut().insert(id);
    let mut response = next.run(request).instrument(info_span!("request", request.id = %id.0)).await;
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0.to_string()) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What a handler's panic is answered with; the panic itself is in the log.
fn panicked() -> Response {
    let error = Error::broken("a handler panicked");
    tracing::error!("a handler panicked");
    failed(&error)
}

/// A refusal outside GraphQL and REST.
fn failed(error: &Error) -> Response {
    let body = json!({ "error": { "code": error.code(), "message": error.message() } });
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(body)).into_response()
}
