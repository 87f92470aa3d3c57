//! The browser tracker as served: the script, its module form and the types, each with an ETag.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::get,
};
use sha2::{Digest as _, Sha256};

/// Minutes for which browsers cache the files: a new version reaches every page within that time.
const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=3600, stale-while-revalidate=86400");

const FILES: &[(&str, &str, &[u8])] = &[
    ("/z.js", "text/javascript; charset=utf-8", include_bytes!("../playground/dist/z.min.js")),
    ("/footfall.mjs", "text/javascript; charset=utf-8", include_bytes!("../playground/dist/footfall.mjs")),
    ("/footfall.d.ts", "text/plain; charset=utf-8", include_bytes!("../playground/dist/footfall.d.ts")),
    // The path of a first-party proxy.
    ("/api/_z/z.js", "text/javascript; charset=utf-8", include_bytes!("../playground/dist/z.min.js")),
];

/// Mounts the files.
pub fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, (path, media_type, bytes)| {
        let digest = hex::encode(Sha256::digest(bytes));
        let tag = format!("\"{digest:.16}\"");
        router.route(path, get(async move |headers: HeaderMap| serve(media_type, bytes, &tag, &headers)))
    })
}

fn serve(media_type: &'static str, bytes: &'static [u8], tag: &str, asked: &HeaderMap) -> Response<Body> {
    // A weak comparison, as RFC 9110 asks for here: gzip makes a weak tag of ours on its way.
    let known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*"));
    let mut response = Response::new(if known { Body::empty() } else { Body::from(bytes) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, FRESH);
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}
