//! Live figures for anyone: shapes, statuses, and pages of every origin.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{NOW, Person, TestApp, line};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Three views by two visitors yesterday, and three by three today, as Tokyo counts days: from 15:00 UTC on.
async fn with_traffic() -> (TestApp, Person, String, String) {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "Asia/Tokyo").await;
    let log = [
        line("8.8.8.8", "02/Mar/2026:14:59:00 +0000", "/long-ago", "-"),
        line("8.8.8.8", "02/Mar/2026:15:01:00 +0000", "/", "-"),
        line("8.8.8.8", "02/Mar/2026:15:02:00 +0000", "/docs", "-"),
        line("1.1.1.1", "03/Mar/2026:14:59:00 +0000", "/", "-"),
        line("8.8.8.8", "03/Mar/2026:15:01:00 +0000", "/", "-"),
        line("1.1.1.1", "03/Mar/2026:15:01:00 +0000", "/", "-"),
        line("9.9.9.9", "03/Mar/2026:15:02:00 +0000", "/", "-"),
    ]
    .concat();
    app.import(&site, log.into_bytes(), false).await;
    let query = format!("{{ website(id: \"{site}\") {{ trackingCode }} }}");
    let answer = app.token(&owner.token).gql(&query, json!({})).await;
    let code = answer["data"]["website"]["trackingCode"].as_str().unwrap().to_owned();
    (app, owner, site, code)
}

#[tokio::test]
async fn live_answers_stand_without_envelope_and_have_the_shapes_of_the_contract() {
    let (app, _, site, code) = with_traffic().await;
    for path in [format!("/e/live/{code}"), format!("/live/{code}")] {
        let (status, body) = app.anon().get(&path).await;
        assert_eq!(status, 200);
        assert_eq!(body, json!({ "liveCount": 0, "count": 0, "visitors": 0, "timestamp": NOW }));
    }
    let (status, body) = app.anon().get(&format!("/e/realtime/{site}")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        body,
        json!({ "visitors": { "current": 0, "today": 3, "change": 50.0 },
                "pageViews": { "current": 0, "today": 3, "change": 0.0 },
                "countries": [], "topPages": [], "minutes": vec![0; 30], "timestamp": NOW })
    );
    // 4 March 2026 is a Wednesday.
    let (status, body) = app.anon().get(&format!("/e/stats/{code}")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["pageViews"], &body["timestamp"]), (&json!({ "today": 3, "week": 7, "month": 7 }), &json!(NOW)));
    assert_eq!(body["visitors"]["today"], 3);
    let (status, body) = app.anon().get(&format!("/e/{code}/status")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        body,
        json!({ "active": true, "trackingCode": code, "domain": "shop.example", "lastEventAt": null, "timestamp": NOW })
    );
}

#[tokio::test]
async fn what_is_unknown_is_404_and_what_is_kept_to_the_team_is_403() {
    let (app, owner, site, code) = with_traffic().await;
    let refused =
        |body: &Value| (body["success"].clone(), body["error"]["code"].as_str().unwrap_or_default().to_owned());
    for path in
        ["/e/live/ZV_unknown", "/live/ZV_unknown", "/e/stats/ZV_unknown", "/e/ZV_unknown/status", "/e/live/%27--"]
    {
        let (status, body) = app.anon().get(path).await;
        assert_eq!((status.as_u16(), refused(&body)), (404, (json!(false), "NOT_FOUND".into())), "{path}");
    }
    for (path, wanted, code) in
        [(format!("/e/realtime/{UNKNOWN}"), 404, "NOT_FOUND"), (format!("/e/realtime/{code}"), 400, "VALIDATION_ERROR")]
    {
        let (status, body) = app.anon().get(&path).await;
        assert_eq!((status.as_u16(), refused(&body)), (wanted, (json!(false), code.into())), "{path}");
    }
    let close = "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { publicRealtime: false, isActive: false }) { website { isActive } } }";
    let answer = app.token(&owner.token).gql(close, json!({ "id": site })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    let (status, body) = app.anon().get(&format!("/e/realtime/{site}")).await;
    assert_eq!((status.as_u16(), refused(&body)), (403, (json!(false), "FORBIDDEN".into())));
    // By its code the website is as unknown as one that does not exist.
    for path in ["/e/live/CODE", "/live/CODE", "/e/stats/CODE"] {
        let (_, unknown) = app.anon().get(&path.replace("CODE", "ZV_unknown")).await;
        let (status, body) = app.anon().get(&path.replace("CODE", &code)).await;
        assert_eq!((status.as_u16(), &body["error"]["message"]), (404, &unknown["error"]["message"]), "{path}");
    }
    for widget in ["realtime", "preview", "recent"] {
        let text = async |code: &str| {
            let response = app.anon().request(Method::GET, &format!("/widgets/{code}/{widget}")).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        let closed = text(&code).await;
        assert_eq!(closed.0, 404, "{widget}");
        assert_eq!(closed, text("ZV_unknown").await, "{widget}");
    }
    let live = format!(
        "{{ liveSite(trackingCode: \"{code}\") {{ visitors }} siteStats(trackingCode: \"{code}\") {{ __typename }} }}"
    );
    let answer = app.anon().gql(&live, json!({})).await;
    assert_eq!(answer["data"], json!({ "liveSite": null, "siteStats": null }), "{answer}");
    let (_, body) = app.anon().get(&format!("/e/{code}/status")).await;
    assert_eq!(body["active"], false);
    let stranger = app.sign_up("stranger@else.example").await;
    let query = "query($id: ID!) { liveWebsite(id: $id) { visitors { today } } website(id: $id) { realtime { visitors { today } } } }";
    let answer = app.token(&owner.token).gql(query, json!({ "id": site })).await;
    assert_eq!(answer["data"]["liveWebsite"]["visitors"]["today"], 3, "{answer}");
    assert_eq!(answer["data"]["website"]["realtime"]["visitors"]["today"], 3);
    let answer = app.token(&stranger.token).gql(query, json!({ "id": site })).await;
    assert_eq!(answer["data"], json!({ "liveWebsite": null, "website": null }), "{answer}");
}

#[tokio::test]
async fn pages_of_every_origin_read_live_answers_without_credentials() {
    let (app, _, site, code) = with_traffic().await;
    for path in [
        format!("/e/live/{code}"),
        format!("/live/{code}"),
        format!("/e/realtime/{site}"),
        "/e/live/ZV_unknown".into(),
        "/track".into(),
        "/api/_z/e/ZV_unknown".into(),
        "/footfall.mjs".into(),
    ] {
        for origin in [Some("https://shop.example"), None] {
            let request = app.anon().request(Method::GET, &path);
            let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
            assert!(!response.headers().contains_key("access-control-allow-credentials"));
        }
        let preflight = app.anon().request(Method::OPTIONS, &path).header("origin", "https://shop.example");
        let preflight = preflight.header("access-control-request-method", "POST");
        let response = preflight.header("access-control-request-headers", "content-type").send().await.unwrap();
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(response.headers()["access-control-allow-methods"], "GET, POST");
        assert_eq!(response.headers()["access-control-allow-headers"], "content-type");
    }
    let response = app.anon().request(Method::DELETE, &format!("/e/live/{code}")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    let response = app.anon().request(Method::HEAD, &format!("/e/live/{code}")).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn whoever_sends_a_beacon_is_there_at_once() {
    let (app, owner, site, code) = with_traffic().await;
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";
    let body = json!({
        "type": "pageview", "session_id": "session-1234", "url": "https://shop.example/pricing",
        "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": agent
    });
    let request = app.anon().request(Method::POST, &format!("/e/{code}")).header("origin", "https://shop.example");
    let response = request.header("user-agent", agent).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut live = Value::Null;
    while live["liveCount"] != 1 && tokio::time::Instant::now() < deadline {
        live = app.anon().get(&format!("/e/live/{code}")).await.1;
    }
    assert_eq!(live, json!({ "liveCount": 1, "count": 1, "visitors": 1, "timestamp": NOW }));
    let (_, body) = app.anon().get(&format!("/e/realtime/{site}")).await;
    assert_eq!(body["topPages"], json!([{ "path": "/pricing", "visitors": 1 }]));
    assert_eq!((&body["pageViews"]["current"], &body["minutes"][29]), (&json!(1), &json!(1)));
    let query = "query($id: ID!) { website(id: $id) { ingest { received accepted lastEventAt } } }";
    let mut ingest = Value::Null;
    while ingest["accepted"] != 1 && tokio::time::Instant::now() < deadline {
        ingest = app.token(&owner.token).gql(query, json!({ "id": site })).await["data"]["website"]["ingest"].take();
    }
    assert_eq!((&ingest["received"], &ingest["accepted"]), (&json!(1), &json!(1)));
    let (_, body) = app.anon().get(&format!("/e/{code}/status")).await;
    assert!(body["lastEventAt"].is_string(), "{body}");
}
