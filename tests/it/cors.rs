//! Pages of other origins: those that are configured may read answers, others may not.

use reqwest::{Method, StatusCode, header::HeaderMap};

use crate::app::TestApp;

async fn preflight(app: &TestApp, path: &str, origin: &str) -> (StatusCode, HeaderMap) {
    let response = app
        .anon()
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .send()
        .await
        .unwrap();
    (response.status(), response.headers().clone())
}

async fn ask(app: &TestApp, origin: &str) -> HeaderMap {
    let request = app.anon().request(Method::POST, "/graphql").header("origin", origin);
    let response = request.json(&serde_json::json!({ "query": "{ __typename }" })).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers().clone()
}

#[tokio::test]
async fn a_configured_origin_may_call_from_a_browser_and_no_other() {
    let app = TestApp::with(|flags| flags.cors_origins = Some(vec!["https://dashboard.example".into()])).await;
    for path in ["/graphql", "/api/external/v1/websites"] {
        let (status, headers) = preflight(&app, path, "https://dashboard.example").await;
        assert!(status.is_success(), "{path}: {status}");
        assert_eq!(headers["access-control-allow-origin"], "https://dashboard.example");
        let allowed = headers["access-control-allow-headers"].to_str().unwrap().to_lowercase();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
        let (_, headers) = preflight(&app, path, "https://evil.example").await;
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
    }
    let headers = ask(&app, "https://dashboard.example").await;
    assert_eq!(headers["access-control-allow-origin"], "https://dashboard.example");
    assert!(headers["access-control-expose-headers"].to_str().unwrap().to_lowercase().contains("x-request-id"));
    for origin in ["https://evil.example", "https://dashboard.example.evil.example", "http://dashboard.example", "null"]
    {
        assert!(!ask(&app, origin).await.contains_key("access-control-allow-origin"), "{origin}");
    }
}

#[tokio::test]
async fn no_origin_may_call_where_none_is_configured() {
    let app = TestApp::new().await;
    assert!(!ask(&app, "https://dashboard.example").await.contains_key("access-control-allow-origin"));
}
