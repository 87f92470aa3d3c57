//! Bad input: each refusal names the field, says what would be right, and shows nothing internal.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::app::{TestApp, line};

/// Words that only our own machine room uses.
const INTERNAL: [&str; 10] =
    ["SELECT", "FROM events", "duckdb", "DuckDB", "sqlite", "SQLite", ".rs", "/tmp/", "panicked", "footfall.sqlite"];

fn discreet(text: &str) {
    for word in INTERNAL {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

async fn installed() -> (TestApp, String, String, String) {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let key = app.api_key(&owner, None).await;
    app.import(&site, line("192.0.2.1", "01/Mar/2026:10:00:00 +0000", "/", "-").into_bytes(), false).await;
    (app, owner.token, site, key)
}

#[tokio::test]
async fn rest_parameters_are_refused_by_name() {
    let (app, _, site, key) = installed().await;
    for (path, field, says) in [
        ("?range=yesteryear", "range", "24h"),
        ("?range=7d&range=30d", "range", "once"),
        ("?range=", "range", ""),
        ("?range=7d&timeRange=30d", "range", ""),
        ("/visitors?limit=-1", "limit", "1"),
        ("/visitors?limit=99999999", "limit", "1000"),
        ("/visitors?limit=99999999999999999999999", "limit", "1000"),
        ("/visitors?limit=ten", "limit", ""),
        ("/visitors?limit=10&limit=10", "limit", "once"),
        ("/visitors?offset=-1", "offset", "0"),
        ("/pages?limit=101", "limit", "100"),
        ("/pages?limit=0", "limit", "1"),
        ("/countries?limit=1001", "limit", "100"),
        ("/pages?limit=%FF%FE", "limit", ""),
    ] {
        let (status, body) = app.key(&key).get(&format!("/api/external/v1/analytics/{site}{path}")).await;
        assert_eq!(status, 400, "{path}: {body}");
        assert_eq!(body["error"]["code"], "VALIDATION_ERROR", "{path}");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(field) && message.contains(says), "{path}: {message}");
        discreet(&body.to_string());
    }
    let (status, _) = app.key(&key).get(&format!("/api/external/v1/analytics/{site}?unknown=1")).await;
    assert_eq!(status, 200, "an unknown parameter is ignored");
}

#[tokio::test]
async fn graphql_arguments_are_refused_by_name() {
    let (app, token, site, _) = installed().await;
    let week = "range: { preset: LAST_7_DAYS }";
    let totals = "{ totals { visits } }";
    let years = r#"range: { between: { start: "2020-01-01T00:00:00Z", end: "2026-01-01T00:00:00Z" } }"#;
    for (arguments, selection, says) in [
        (
            r#"range: { between: { start: "2026-03-02T00:00:00Z", end: "2026-03-01T00:00:00Z" } }"#,
            totals,
            "the end must be after the start",
        ),
        (
            r#"range: { between: { start: "2026-03-02T00:00:00Z", end: "2026-03-02T00:00:00Z" } }"#,
            totals,
            "the end must be after the start",
        ),
        (r#"range: { between: { start: "0001-03-02T00:00:00Z", end: "2026-03-02T00:00:00Z" } }"#, totals, "1970"),
        (r#"range: { between: { start: "yesterday", end: "2026-03-02T00:00:00Z" } }"#, totals, "2026-03-04T05:06:07Z"),
        ("range: { preset: LAST_FORTNIGHT }", totals, "LAST_7_DAYS"),
        (r#"range: { preset: TODAY }, timezone: "Mars/Olympus""#, totals, "Europe/Vienna"),
        (years, "{ series(interval: MINUTE) { start } }", "use DAY"),
        (week, "{ breakdown(by: PAGE, first: -1) { nodes { value } } }", "first"),
        (week, "{ breakdown(by: PAGE, first: 99999999) { nodes { value } } }", "100"),
        (week, "{ visitors(first: 1001) { nodes { visitorId } } }", "1000"),
        (week, "{ visitors(first: 1, offset: -1) { nodes { visitorId } } }", "offset"),
        (week, "{ breakdown(by: PAGE, after: \"nonsense\") { nodes { value } } }", "cursor"),
        (week, "{ breakdown(by: PAGE, property: \"plan\") { nodes { value } } }", "EVENT"),
        ("range: { preset: TODAY }, filters: [{ dimension: PAGE, operator: IS, values: [] }]", totals, "values"),
        (
            "range: { preset: TODAY }, filters: [{ dimension: PAGE, operator: MATCHES, values: [\"(((\"] }]",
            totals,
            "regular expression",
        ),
        ("range: { preset: TODAY, between: null }", totals, ""),
    ] {
        let query = format!("{{ website(id: \"{site}\") {{ analytics({arguments}) {selection} }} }}");
        let answer = app.token(&token).gql(&query, json!({})).await;
        let error = &answer["errors"][0];
        let code = error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
        assert!(!code.is_empty() && code != "INTERNAL_SERVER_ERROR" && code != "TIMEOUT", "{query}: {answer}");
        let message = error["message"].as_str().unwrap();
        let shown = message.replace(',', "");
        assert!(shown.contains(says), "{query}: {message}");
        discreet(&answer.to_string());
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_text_are_refused() {
    let (app, token, _, key) = installed().await;
    let post = |body: Vec<u8>| {
        app.token(&token)
            .request(Method::POST, "/graphql")
            .header("content-type", "application/json")
            .header("accept", "application/graphql-response+json")
            .body(body)
            .send()
    };
    let large = format!("{{\"query\":\"{{ viewer {{ email }} }} #{}\"}}", "x".repeat(2 * 1024 * 1024));
    let response = post(large.into_bytes()).await.unwrap();
    assert_eq!(response.status(), 413);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "PAYLOAD_TOO_LARGE");
    let response = post(b"{\"query\":\"{ viewer { email } } \xff\"}".to_vec()).await.unwrap();
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    assert!(body["errors"][0]["message"].as_str().unwrap().contains("UTF-8"), "{body}");
    let response = post(b"[{\"query\":\"{ __typename }\"}]".to_vec()).await.unwrap();
    assert_eq!(response.status(), 400);
    let response = app.key(&key).request(Method::POST, "/api/external/v1/websites").body("x").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    let (status, body) = app.key(&key).get("/api/external/v1/nothing-here").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (404, &json!("NOT_FOUND")));
    discreet(&body.to_string());
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_large_body_hears_why_it_is_refused() {
    let app = TestApp::new().await;
    let length = 6 * 1024 * 1024;
    let mut connection = TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![b'x'; length]).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
}

#[tokio::test]
async fn urls_that_are_too_long_or_no_text_are_refused_in_the_envelope() {
    let (app, _, site, key) = installed().await;
    let long = format!("/api/external/v1/analytics/{site}?x={}", "x".repeat(8 * 1024));
    let (status, body) = app.key(&key).get(&long).await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (414, &json!("URI_TOO_LONG")), "{body}");
    assert_eq!(body["success"], false);
    let (status, body) = app.key(&key).get("/api/external/v1/analytics/%00").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (400, &json!("VALIDATION_ERROR")), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains("NUL"), "{body}");
    let (status, body) = app.anon().get("/nothing").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (404, &json!("NOT_FOUND")), "{body}");
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_clears_only_what_may_be_cleared() {
    let (app, token, site, _) = installed().await;
    let update = "mutation($id: ID!, $input: WebsiteUpdateGeneralInput!) { websiteUpdateGeneral(websiteId: $id, input: $input) \
        { website { name timezone primaryColor kpiGoal publicDashboard allowedDomains domain } } }";
    let set = async |input: Value| app.token(&token).gql(update, json!({ "id": site, "input": input })).await;
    let answer = set(
        json!({ "primaryColor": "#4F46E5", "kpiGoal": 10_000, "allowedDomains": ["shop.example", "*.shop.example"] }),
    )
    .await;
    let website = &answer["data"]["websiteUpdateGeneral"]["website"];
    assert_eq!((&website["name"], &website["kpiGoal"]), (&json!("shop.example"), &json!(10_000)), "{answer}");
    let answer = set(json!({ "kpiGoal": null })).await;
    let website = &answer["data"]["websiteUpdateGeneral"]["website"];
    assert_eq!((&website["kpiGoal"], &website["primaryColor"]), (&json!(null), &json!("#4F46E5")), "{answer}");
    for input in [
        json!({ "name": null }),
        json!({ "name": "" }),
        json!({ "timezone": "Nowhere/Town" }),
        json!({ "primaryColor": "blue" }),
        json!({ "kpiGoal": -1 }),
        json!({ "domain": "not a domain" }),
        json!({ "nmae": "x" }),
    ] {
        let answer = set(input.clone()).await;
        assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{input}: {answer}");
        discreet(&answer.to_string());
    }
    // A variable inside an input object that was left out stays absent.
    let patch = "mutation($id: ID!, $goal: Int) { websiteUpdateGeneral(websiteId: $id, input: { name: \"New\", primaryColor: \"#000000\", kpiGoal: $goal }) \
        { website { kpiGoal } } }";
    set(json!({ "kpiGoal": 7 })).await;
    let answer = app.token(&token).gql(patch, json!({ "id": site })).await;
    assert_eq!(answer["data"]["websiteUpdateGeneral"]["website"]["kpiGoal"], 7, "{answer}");
}
