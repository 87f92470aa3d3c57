//! Middleware for every response of the server: request ID, CORS, rate limit and security headers, gzip, and an error
//! response after a panic.
//!
//! - It is a single service: beacons arrive thousands of times per second, and each layer of the router costs
//!   microseconds.

use std::{
    convert::Infallible,
    future::Ready,
    ops::ControlFlow,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt as _, future::Either};
use schema::{RequestId, error::Error, ports::Ids};
use serde_json::json;
use tower::Service;
use tower_http::compression::Compression;
use tracing::{Instrument as _, debug_span, info_span};
use uuid::Uuid;

use super::{
    HttpConfig,
    cors::{Origins, Reading},
};
use crate::rate_limit::{Callers, Meter};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fast path that bypasses the router, which costs a beacon as much as reading it.
pub trait FastPath: Clone + Send + Sync + 'static {
    /// The response to a request, or the request, which is passed on to the router.
    fn answer(&self, request: Request) -> ControlFlow<impl Future<Output = Response> + Send + 'static, Request>;
}

/// Passes every request on to the router.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl FastPath for Nothing {
    fn answer(&self, request: Request) -> ControlFlow<impl Future<Output = Response> + Send + 'static, Request> {
        ControlFlow::<Ready<Response>, _>::Continue(request)
    }
}

/// Wraps the server's routes in the middleware, and answers unknown paths.
pub fn middleware<D: FastPath>(
    direct: D,
    routes: Router,
    config: &HttpConfig,
    ids: Arc<dyn Ids>,
    callers: Arc<Callers>,
) -> Middleware<D> {
    let routes = routes.fallback(async || failed(&Error::not_found("This path")));
    Middleware { direct, routes, origins: Origins::new(&config.cors_origins), ids, callers }
}

/// The routes with the middleware.
#[derive(Clone)]
pub struct Middleware<D> {
    direct: D,
    routes: Router,
    origins: Origins,
    ids: Arc<dyn Ids>,
    callers: Arc<Callers>,
}

impl<D: FastPath> Middleware<D> {
    /// The same as a router, where one is needed.
    pub fn into_router(self) -> Router {
        Router::new().fallback_service(self)
    }
}

impl<D: FastPath> Service<Request> for Middleware<D> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = RequestId(given_id(&request).unwrap_or_else(|| self.ids.request()));
        let reading = Reading::from_request(&self.origins, &request);
        let (callers, sender) = (Arc::clone(&self.callers), self.callers.sender(&request));
        let mut is_ingest = false;
        let answered = if reading.is_settled() {
            None
        } else {
            request.extensions_mut().insert(id);
            let answered = match self.direct.answer(request) {
                ControlFlow::Break(answered) => {
                    is_ingest = true;
                    // An enabled span costs more than many of these responses.
                    let span = debug_span!("request", request.id = %id.0);
                    Either::Left(Either::Left(answered.map(Ok).instrument(span)))
                }
                ControlFlow::Continue(request) if is_answered_in_bytes(request.uri().path()) => {
                    let span = debug_span!("request", request.id = %id.0);
                    Either::Left(Either::Right(self.routes.call(request).instrument(span)))
                }
                ControlFlow::Continue(request) => {
                    let span = info_span!("request", request.id = %id.0);
                    let packed = Compression::new(self.routes.clone()).gzip(true).call(request);
                    Either::Right(async { packed.await.map(|response| response.map(Body::new)) }.instrument(span))
                }
            };
            // State left by a panic belongs to this request alone.
            Some(AssertUnwindSafe(answered).catch_unwind())
        };
        Box::pin(async move {
            let mut response = match answered {
                None => StatusCode::NO_CONTENT.into_response(),
                Some(answered) => answered.await.unwrap_or_else(|_| Ok(panicked()))?,
            };
            let headers = response.headers_mut();
            // Those of a known caller were written where it was counted.
            if !Meter::is_in(headers) {
                callers.write_unspent(sender, is_ingest, headers);
            }
            reading.mark(headers);
            let mut text = Uuid::encode_buffer();
            if let Ok(value) = HeaderValue::from_str(id.0.hyphenated().encode_lower(&mut text)) {
                headers.insert(X_REQUEST_ID, value);
            }
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            Ok(response)
        })
    }
}

/// The client's own request ID, if it is a UUID.
fn given_id(request: &Request) -> Option<Uuid> {
    Uuid::try_parse(request.headers().get(X_REQUEST_ID)?.to_str().ok()?).ok()
}

/// Whether responses of this path are too short to be compressed.
fn is_answered_in_bytes(path: &str) -> bool {
    path.starts_with("/e/")
}

/// The response to a handler's panic; the panic itself is logged.
fn panicked() -> Response {
    let error = Error::broken("a handler panicked");
    tracing::error!("a handler panicked");
    failed(&error)
}

/// An error outside GraphQL and REST.
fn failed(error: &Error) -> Response {
    let body = json!({ "error": { "code": error.code(), "message": error.message() } });
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(body)).into_response()
}
