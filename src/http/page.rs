//! The playground: GraphiQL as `make setup` bundled it, with the example operations; everything comes from the binary.

use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::Value;

/// The bundle. The folder is absent until `make setup` builds it; then the page says so.
#[derive(RustEmbed)]
#[folder = "playground/dist"]
#[allow_missing = true]
struct Bundle;

#[derive(RustEmbed)]
#[folder = "playground/examples"]
struct Examples;

/// Stands in an example's variables for the id of a website of the reader's own.
pub const WEBSITE_PLACEHOLDER: &str = "<website id>";

/// No script, style, font or connection from anywhere but here. (The editor sets styles on elements.)
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// One example operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Title of its tab.
    pub name: String,
    /// The document.
    pub query: String,
    /// Its variables, an object; a website id is [`WEBSITE_PLACEHOLDER`].
    pub variables: Value,
}

/// The example operations in the order of their tabs. Each runs as a test.
#[must_use]
pub fn examples() -> Vec<Example> {
    let mut files: Vec<_> = Examples::iter().filter(|file| file.ends_with(".graphql")).collect();
    files.sort();
    files
        .iter()
        .filter_map(|file| {
            let query = text(Examples::get(file)?.data.as_ref())?;
            let name = query.lines().next()?.trim_start_matches(['#', ' ']).to_owned();
            let variables = Examples::get(&file.replace(".graphql", ".json"))
                .and_then(|json| serde_json::from_slice(json.data.as_ref()).ok())
                .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            Some(Example { name, query, variables })
        })
        .collect()
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// `/`, `/playground` and what lies below it. The page itself is served at `/graphql`.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("graphql") }))
        .route("/playground", get(|| async { Redirect::temporary("graphql") }))
        .route("/playground/", get(|| async { Redirect::temporary("../graphql") }))
        .route("/playground/examples.json", get(|| async { Json(examples()) }))
        .route("/playground/{*file}", get(|Path(file): Path<String>| async move { asset(&file) }))
}

/// The page, as `/graphql` answers it to a browser.
pub fn page() -> Response {
    let Some(page) = Bundle::get("index.html") else {
        let text = "The playground is not built. Run `make setup`, then build the server again.\n";
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
    };
    let mut response = page.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn asset(file: &str) -> Response {
    let Some(found) = Bundle::get(file).filter(|_| file != "index.html") else {
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "Not found.\n")
            .into_response();
    };
    let kind = HeaderValue::from_str(found.metadata.mimetype())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = found.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
