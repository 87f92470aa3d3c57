//! The playground and the REST reference in a real browser.

use serde_json::json;

use crate::app::{TestApp, node};

#[tokio::test]
async fn the_playground_signs_in_subscribes_and_keeps_no_secret_and_the_reference_is_searched() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let query = json!({ "id": site });
    let answer = app.token(&owner.token).gql("query($id: ID!) { website(id: $id) { trackingCode } }", query).await;
    let code = answer["data"]["website"]["trackingCode"].as_str().unwrap();
    let said = node("playground.mjs", &[&app.url(""), "owner@shop.example", "correct horse battery", code]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 4, "{said}");
}
