//! The playground: GraphiQL as bundled by `make setup`, with the example operations; everything is served from the
//! binary.

use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::Value;

/// The bundle. The folder is absent until `make setup` builds it; until then the page says so.
#[derive(RustEmbed)]
#[folder = "playground/dist"]
#[allow_missing = true]
struct Bundle;

#[derive(RustEmbed)]
#[folder = "playground/examples"]
struct Examples;

/// Placeholder in an example's variables for the ID of one of the reader's websites.
pub const WEBSITE_PLACEHOLDER: &str = "<website id>";

/// Scripts, styles, fonts and connections only from this server. (The editor sets styles on elements.)
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// One example operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Its title: its first line.
    pub name: String,
    /// The document.
    pub query: String,
    /// Its variables, an object; a website id is [`WEBSITE_PLACEHOLDER`].
    pub variables: Value,
}

/// The example operations in tab order. Each one runs as a test.
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

/// `/`, `/playground` and what lies below it, `/reference`. The page itself is served at `/graphql`.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("graphql") }))
        .route("/playground", get(|| async { Redirect::temporary("graphql") }))
        .route("/playground/", get(|| async { Redirect::temporary("../graphql") }))
        .route("/reference", get(|| async { Redirect::temporary("playground/reference.html") }))
        .route("/playground/examples.json", get(|| async { Json(examples()) }))
        .route(
            "/playground/{*file}",
            get(|Path(file): Path<String>, headers: HeaderMap| async move { asset(&file, &headers) }),
        )
}

/// The page, as `/graphql` answers it to a browser.
pub fn page() -> Response {
    let Some(page) = Bundle::get("index.html") else {
        return plain("The playground is not included in this build. Run `make setup` and rebuild the server.\n");
    };
    let mut response = page.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// A file of the bundle. Browsers cache it and revalidate it on each use.
fn asset(file: &str, asked: &HeaderMap) -> Response {
    let Some(found) = Bundle::get(file).filter(|_| file != "index.html") else { return plain("Not found.\n") };
    let tag = format!("W/\"{:.32}\"", hex::encode(found.metadata.sha256_hash()));
    let same = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response =
        if same { StatusCode::NOT_MODIFIED.into_response() } else { found.data.into_owned().into_response() };
    let headers = response.headers_mut();
    // Browsers save Markdown instead of showing it.
    let media_type = if file.ends_with(".md") { "text/plain; charset=utf-8" } else { found.metadata.mimetype() };
    for (name, value) in [(header::ETAG, tag.as_str()), (header::CONTENT_TYPE, media_type)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if file == "reference.html" {
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    }
    response
}

fn plain(text: &'static str) -> Response {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::{WEBSITE_PLACEHOLDER, examples};
    use async_graphql::parser::parse_query;

    #[test]
    fn every_example_has_a_title_and_parses() {
        let examples = examples();
        let names: Vec<_> = examples.iter().map(|example| example.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Sign in",
                "Your websites",
                "A dashboard in one request",
                "Visitors",
                "Filter and break down",
                "Events as they happen",
                "Create a website",
                "Create an API key"
            ]
        );
        for example in &examples {
            let document = parse_query(&example.query).expect("a document that parses");
            assert_eq!(document.operations.iter().count(), 1, "{}", example.name);
            let declares = example.query.contains("$websiteId");
            assert_eq!(declares, example.variables["websiteId"] == WEBSITE_PLACEHOLDER, "{}", example.name);
            assert!(example.variables.is_object());
        }
    }
}
