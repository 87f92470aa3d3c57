//! The tracker in a real browser against a real server: what it sends is asserted by GraphQL, scenario by scenario.

use crate::{
    app::{TestApp, node},
    command_line::{Server, footfall},
};

#[tokio::test]
async fn every_scenario_arrives_in_chromium() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(footfall(folder.path()).arg("serve").env("FOOTFALL_SIGNUP", "open"));
    let answer: serde_json::Value = reqwest::Client::new()
        .post(format!("{}/graphql", server.base))
        .json(&serde_json::json!({
            "query": "mutation { signUp(input: { email: \"a@b.example\", password: \"correct horse battery\", fullName: \"A\" }) { accessToken } }"
        }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = answer["data"]["signUp"]["accessToken"].as_str().unwrap();
    let said = node("tracker.mjs", &["--server", &server.base, "--token", token]).await;
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() >= 25, "{said}");
}

#[tokio::test]
async fn the_script_is_small_and_cached() {
    let app = TestApp::new().await;
    let response = reqwest::get(app.url("/z.js")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/javascript"));
    let tag = response.headers()["etag"].clone();
    let body = response.bytes().await.unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &body).unwrap();
    let packed = packed.finish().unwrap().len();
    assert!(packed <= 3_584, "the tracker takes {packed} bytes");
    let again = reqwest::Client::new().get(app.url("/z.js")).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    for file in ["/footfall.mjs", "/footfall.d.ts", "/api/_z/z.js"] {
        assert_eq!(reqwest::get(app.url(file)).await.unwrap().status(), 200, "{file}");
    }
}
