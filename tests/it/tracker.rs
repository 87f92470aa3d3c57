//! The tracker in a real browser against a real server: what it sends is asserted by GraphQL, scenario by scenario.

use serde_json::{Value, json};

use crate::{
    app::{TestApp, node},
    command_line::{Server, footfall},
    ingest::{Shop, shop, view, with},
};

#[tokio::test]
async fn every_scenario_arrives_in_chromium_and_in_firefox() {
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
    for browser in ["chromium", "firefox"] {
        let passed = said.lines().filter(|line| line.starts_with(&format!("ok {browser}: "))).count();
        assert!(passed >= 35, "{said}");
    }
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

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

async fn totals(shop: &Shop, fits: impl Fn(&Value) -> bool) -> Value {
    let selection = "totals { visitors visits visitDurationSeconds }";
    shop.until("range: { preset: LAST_24_HOURS }", selection, |answer| fits(&answer["totals"])).await["totals"].clone()
}

/// Firefox hides the origin of what it sends while a page is left, under `Referrer-Policy: no-referrer` and `same-origin`.
#[tokio::test]
async fn where_the_origin_is_hidden_the_pages_address_decides() {
    let shop = shop().await;
    let heartbeat = format!("/e/heartbeat/{}", shop.code);
    let at = |url: &str| with(view("/"), json!({ "url": url, "duration": 3 })).to_string();
    let hidden = ("origin", "null");
    let page = format!("/e/{}", shop.code);
    assert_eq!(shop.post(&page, at("https://shop.example/"), &[hidden]).await.status, 200);
    shop.app.pass(chrono::Duration::seconds(3));
    assert_eq!(shop.post(&heartbeat, at("https://shop.example/"), &[hidden]).await.dropped, None);
    for (url, headers, status) in [
        ("https://evil.example/", &[hidden][..], 403),
        ("http://localhost/", &[hidden][..], 403),
        ("file:///index.html", &[hidden][..], 400),
        ("https://shop.example/", &[hidden, ("referer", "https://evil.example/")][..], 403),
        ("https://shop.example/", &[hidden, ("referer", "https://www.shop.example/")][..], 200),
        ("https://shop.example/", &[("origin", "https://evil.example")][..], 403),
        ("https://shop.example/", &[("origin", "")][..], 403),
    ] {
        for path in [&page, &heartbeat] {
            assert_eq!(shop.post(path, at(url), headers).await.status, status, "{url} {headers:?}");
        }
    }
    let warnings = shop.ledger().await["warnings"].to_string();
    assert!(warnings.contains("evil.example"), "{warnings}");
    assert_eq!(totals(&shop, |totals| totals["visitDurationSeconds"] == 3.0).await["visitDurationSeconds"], 3.0);
}

#[tokio::test]
async fn heartbeats_through_a_proxy_with_a_user_agent_of_its_own_belong_to_their_visit() {
    let shop = shop().await;
    let proxied = [("user-agent", "node")];
    let session = |n: usize| json!({ "session_id": format!("session-{n:08}") });
    let agents = [CHROME.to_owned(), CHROME.replace("Chrome/120", "Chrome/121")];
    for (n, agent) in agents.iter().enumerate() {
        let body = with(with(view("/"), session(n)), json!({ "user_agent": agent }));
        assert_eq!(shop.post(&format!("/e/{}", shop.code), body.to_string(), &proxied).await.dropped, None);
    }
    shop.app.pass(chrono::Duration::seconds(40));
    // Of earlier trackers, and of the present one.
    for (n, told) in [(0, json!({})), (1, json!({ "user_agent": agents[1] }))] {
        let body = with(with(json!({ "url": "https://shop.example/", "duration": 40 }), session(n)), told);
        let sent = shop.post(&format!("/e/heartbeat/{}", shop.code), body.to_string(), &proxied).await;
        assert_eq!((sent.status.as_u16(), sent.dropped), (200, None));
    }
    let totals = totals(&shop, |totals| totals["visitDurationSeconds"] == 40.0).await;
    assert_eq!(totals, json!({ "visitors": 2, "visits": 2, "visitDurationSeconds": 40.0 }));
}

#[tokio::test]
async fn an_automated_browser_is_a_bot_by_its_own_word() {
    let shop = shop().await;
    let sent = shop.send(with(view("/"), json!({ "webdriver": true }))).await;
    assert_eq!((sent.status.as_u16(), sent.dropped.as_deref()), (200, Some("Bot")));
    assert_eq!(shop.send(view("/")).await.dropped, None, "a person's view of the same page, at once");
    assert_eq!(shop.send(with(view("/next"), json!({ "webdriver": false }))).await.dropped, None);
}

#[tokio::test]
async fn hash_routes_are_pages_of_their_own() {
    let shop = shop().await;
    for path in ["/app", "/app#/", "/app#/about", "/app?x=1#/about?y=2", "/app#!/old", "/app#anchor"] {
        assert_eq!(shop.send(view(path)).await.status, 200);
    }
    let pages = shop
        .until(
            "range: { preset: LAST_24_HOURS }",
            "breakdown(by: PAGE) { nodes { value metrics { pageviews } } }",
            |answer| answer["breakdown"]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 4),
        )
        .await;
    let mut pages: Vec<(&str, i64)> = pages["breakdown"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["value"].as_str().unwrap(), it["metrics"]["pageviews"].as_i64().unwrap()))
        .collect();
    pages.sort_unstable();
    assert_eq!(pages, [("/app", 2), ("/app#!/old", 1), ("/app#/", 1), ("/app#/about", 2)]);
}
