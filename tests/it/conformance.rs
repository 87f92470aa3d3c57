//! Suites by others, and every example of the playground.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, node};

#[tokio::test]
async fn graphql_over_http_passes_every_audit() {
    let app = TestApp::new().await;
    let printed = node("audits.mjs", &[&app.url("/graphql")]).await;
    assert!(printed.contains("61 of 61 audits passed"), "{printed}");
}

#[tokio::test]
async fn graphql_js_finds_no_fault_with_the_schema_and_agrees_on_documents() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let header = format!("Authorization: Bearer {}", owner.token);
    node("validate.mjs", &[&app.url("/graphql"), "--header", &header]).await;
}

#[tokio::test]
async fn the_types_that_codegen_makes_compile_under_strict_rules() {
    let printed = node("codegen.mjs", &[]).await;
    assert!(printed.starts_with("ok "), "{printed}");
}

#[tokio::test]
async fn the_linters_of_graphql_find_no_fault_with_the_schema_and_the_examples() {
    let printed = node("lint.mjs", &[]).await;
    assert!(printed.starts_with("ok "), "{printed}");
}

#[tokio::test]
async fn relays_compiler_takes_the_schema() {
    let printed = node("relay.mjs", &[]).await;
    assert!(printed.starts_with("ok "), "{printed}");
}

#[tokio::test]
async fn every_example_of_the_playground_runs() {
    let app = TestApp::new().await;
    let owner = app.sign_up("you@example.com").await;
    let site = app.website(&owner, "example.com", "UTC").await;
    let examples = footfall::http::examples();
    assert!(examples.len() >= 8);
    for example in examples {
        let variables = example.variables.to_string();
        let variables = variables.replace("<website id>", &site).replace("your password", "correct horse battery");
        let variables: Value = serde_json::from_str(&variables).unwrap();
        if example.query.contains("\nsubscription ") {
            let request =
                app.token(&owner.token).request(Method::POST, "/graphql").header("accept", "text/event-stream");
            let body = json!({ "query": example.query, "variables": variables });
            let mut answer = request.json(&body).send().await.unwrap();
            assert_eq!(
                (answer.status(), &answer.headers()["content-type"]),
                (StatusCode::OK, &"text/event-stream".parse().unwrap())
            );
            let refusal = tokio::time::timeout(Duration::from_millis(300), answer.chunk()).await;
            assert!(refusal.is_err(), "{}: {refusal:?}", example.name);
            continue;
        }
        let answer = app.token(&owner.token).gql(&example.query, variables).await;
        assert!(answer.get("errors").is_none(), "{}: {answer}", example.name);
        assert_ne!(answer["data"], json!(null), "{}", example.name);
    }
}

#[tokio::test]
async fn a_browser_finds_the_playground_and_it_names_no_other_host() {
    let app = TestApp::new().await;
    let ask = |path: &str| app.anon().request(Method::GET, path).header("accept", "text/html").send();
    let page = ask("/graphql").await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let html = page.text().await.unwrap();
    assert!(html.contains("<script") && !html.contains("https://") && !html.contains("http://"), "{html}");
}
