//! Which pages of other origins may read our answers in a browser.
//!
//! - `/graphql`, `/graphql/ws` and `/api/*`: those configured.
//! - What every measured page talks to (`/e/*` and its like): any, without credentials.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// What a page that is measured may send.
const OPEN_METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const OPEN_REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("content-type");
const OPEN_EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, x-footfall-dropped, retry-after");
/// Seconds for which a browser may remember a preflight answer to a page that is measured: a day.
const OPEN_REMEMBER: HeaderValue = HeaderValue::from_static("86400");

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, x-api-key, x-request-id, idempotency-key");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, x-usage-monthly, x-usage-limit, x-usage-reset, x-usage-total, retry-after",
);
/// Seconds for which a browser may remember a preflight answer.
const REMEMBER: HeaderValue = HeaderValue::from_static("600");

/// The origins that may read answers, such as `https://dashboard.example`.
#[derive(Debug, Clone)]
pub struct Origins(Arc<[String]>);

impl Origins {
    /// Origins as configured. A trailing slash is forgiven; `*` stands for every origin.
    #[must_use]
    pub fn new(configured: &[String]) -> Self {
        Self(configured.iter().map(|origin| origin.trim().trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.0.iter().any(|one| one == "*" || *one == text).then(|| origin.clone())
    }
}

/// Adds the headers, and answers a preflight of a configured origin itself. An origin that is not configured sees none.
///
/// No answer allows credentials: there are no cookies, and tokens travel in a header.
pub async fn cors(origins: Origins, request: Request, next: Next) -> Response {
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_open(request.uri().path()) {
        return open(preflight, request, next).await;
    }
    if !covers(request.uri().path()) {
        return next.run(request).await;
    }
    let origin = origins.allowed(request.headers());
    let mut response =
        if preflight && origin.is_some() { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBER);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
    response
}

fn covers(path: &str) -> bool {
    matches!(path, "/graphql" | "/graphql/ws") || path.starts_with("/api/")
}

/// Whether pages of every origin talk to this path: beacons, live counts, the script and the widgets, and their older names.
fn is_open(path: &str) -> bool {
    matches!(path, "/z.js" | "/footfall.mjs" | "/track" | "/heartbeat")
        || ["/e/", "/live/", "/c/", "/widgets/", "/api/_z/"].iter().any(|prefix| path.starts_with(prefix))
}

/// Lets every origin read the answer, whether or not the request names one: a cache may then serve it to all.
async fn open(preflight: bool, request: Request, next: Next) -> Response {
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, OPEN_METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, OPEN_REQUEST_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, OPEN_REMEMBER);
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, OPEN_EXPOSED);
    }
    response
}
