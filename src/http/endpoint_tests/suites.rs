//! Suites of `tests/js` against the endpoint: the audits of GraphQL over HTTP, and graphql-js.

use super::{HttpConfig, app};

/// Runs a suite of `tests/js` against a listener; `make setup` installs what the suites need.
async fn suite(script: &str, arguments: &[&str]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move { axum::serve(listener, app(HttpConfig::default())).await });
    let output = tokio::process::Command::new("node")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js"))
        .arg(script)
        .arg(format!("http://{address}/graphql"))
        .args(arguments)
        .output()
        .await
        .expect("node runs; `make setup` installs what it needs");
    server.abort();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_audits_of_graphql_http_pass() {
    let out = suite("audits.mjs", &[]).await;
    assert!(out.contains("61 of 61"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_js_agrees_on_what_is_valid() {
    let out = suite("validate.mjs", &["--documents", "documents.toy.json"]).await;
    assert!(out.contains(" 0 faults"), "{out}");
}
