//! CORS: which pages of other origins may read responses.
//!
//! - `/graphql`, `/graphql/ws` and `/api/*`: the configured origins.
//! - Endpoints for measured pages (`/e/*` and similar): any origin, without credentials.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header},
};

use crate::rate_limit;

/// Methods and headers that a measured page may send.
const OPEN_METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const OPEN_REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("content-type");
static OPEN_EXPOSED: LazyLock<HeaderValue> = LazyLock::new(|| exposed("x-request-id, x-footfall-dropped"));
/// Seconds for which a browser may cache a preflight response for a measured page: a day.
const OPEN_REMEMBER: HeaderValue = HeaderValue::from_static("86400");

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, x-api-key, x-request-id, idempotency-key");
static EXPOSED: LazyLock<HeaderValue> = LazyLock::new(|| exposed("x-request-id"));
/// Seconds for which a browser may cache a preflight response.
const REMEMBER: HeaderValue = HeaderValue::from_static("600");

/// These headers and those of rate limits.
fn exposed(others: &str) -> HeaderValue {
    HeaderValue::try_from(format!("{others}, {}", rate_limit::EXPOSED))
        .unwrap_or(HeaderValue::from_static("x-request-id"))
}

/// The origins that may read responses, such as `https://dashboard.example`.
#[derive(Debug, Clone)]
pub struct Origins(Arc<[String]>);

impl Origins {
    /// The configured origins. A trailing slash is ignored; `*` allows every origin.
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

/// Effect of a request's origin on its response.
///
/// Responses never allow credentials: there are no cookies, and tokens are sent in a header.
pub(super) struct Reading {
    who: Who,
    preflight: bool,
}

enum Who {
    /// Every origin, whether or not the request has one: a cache may then serve the response to all.
    Any,
    /// This origin, or none.
    Configured(Option<HeaderValue>),
    /// A path without CORS.
    NoPage,
}

impl Reading {
    /// Reads a request's head.
    pub(super) fn from_request(origins: &Origins, request: &Request) -> Self {
        let preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let path = request.uri().path();
        let who = match () {
            () if is_open(path) => Who::Any,
            () if covers(path) => Who::Configured(origins.allowed(request.headers())),
            () => Who::NoPage,
        };
        Self { who, preflight }
    }

    /// Whether the request is a preflight that is allowed; it is then not processed further.
    pub(super) fn is_settled(&self) -> bool {
        self.preflight && matches!(self.who, Who::Any | Who::Configured(Some(_)))
    }

    /// Adds the headers. Origins that are not configured get none.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        let (origin, on_leave, exposed) = match self.who {
            Who::NoPage => return,
            Who::Any => (
                Some(HeaderValue::from_static("*")),
                [OPEN_METHODS, OPEN_REQUEST_HEADERS, OPEN_REMEMBER],
                &OPEN_EXPOSED,
            ),
            Who::Configured(origin) => {
                headers.append(header::VARY, HeaderValue::from_static("origin"));
                (origin, [METHODS, REQUEST_HEADERS, REMEMBER], &EXPOSED)
            }
        };
        let Some(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.preflight {
            let [methods, request_headers, remember] = on_leave;
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, request_headers);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, remember);
        } else {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, LazyLock::force(exposed).clone());
        }
    }
}

fn covers(path: &str) -> bool {
    matches!(path, "/graphql" | "/graphql/ws") || path.starts_with("/api/")
}

/// Whether pages of every origin use this path: beacons, live counts, the script and the widgets, and their aliases.
fn is_open(path: &str) -> bool {
    matches!(path, "/z.js" | "/footfall.mjs" | "/track" | "/heartbeat")
        || ["/e/", "/live/", "/c/", "/widgets/", "/api/_z/"].iter().any(|prefix| path.starts_with(prefix))
}
