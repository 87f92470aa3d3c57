//! The description of the REST API, and the page that shows it.

use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::app::TestApp;

#[tokio::test]
async fn the_description_is_served_where_tools_look_and_has_a_page() {
    let app = TestApp::new().await;
    let (status, description) = app.anon().get("/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(app.anon().get("/api/external/v1/openapi.json").await.1, description);
    assert_eq!(description["openapi"], "3.1.0");
    let page = app.anon().request(Method::GET, "/reference").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let page = page.text().await.unwrap();
    assert!(page.contains("reference.js") && !page.contains("http://") && !page.contains("https://"), "{page}");
}

/// What is described is mounted: no method of any path answers that there is no such path or method.
#[tokio::test]
async fn everything_that_is_described_is_there() {
    let app = TestApp::new().await;
    let (_, description) = app.anon().get("/openapi.json").await;
    let mut seen = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let concrete = path
                .replace("{trackingCode}", "ZV_000000000000000000000000")
                .split('/')
                .map(|segment| if segment.starts_with('{') { "5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6" } else { segment })
                .collect::<Vec<_>>()
                .join("/");
            let answer = app.anon().request(method.clone(), &concrete).send().await.unwrap();
            let status = answer.status();
            let body: Value = answer.json().await.unwrap_or_default();
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_ne!(body["error"]["message"], "This path was not found.", "{method} {path}");
            seen += 1;
        }
    }
    assert!(seen > 20);
}
