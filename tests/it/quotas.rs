//! Events of a plan: counted exactly, dropped beyond it, kept as long as the plan and the owner say.

use chrono::Duration;
use footfall::config::choices::LimitsSetting;
use reqwest::Method;
use schema::{plan::PlanName, team, website::retention};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp, line},
    members::send,
};

/// A batch of custom events, the numbers of which are their ids: equal ids count once.
async fn batch(app: &TestApp, key: &str, code: &str, ids: std::ops::Range<usize>) -> (u64, Vec<String>) {
    let now = app.ports.now().timestamp_millis();
    let events: Vec<Value> = ids
        .map(|id| {
            json!({ "type": "purchase", "ts": now, "visitorId": "6c1e1a36-0000-4000-8000-000000000001",
                    "idempotencyKey": format!("order-{id:08}"), "props": { "url": "https://shop.example/a", "amount": 1, "currency": "EUR" } })
        })
        .collect();
    let body = json!({ "trackingCode": code, "events": events });
    let request = app.key(key).request(Method::POST, "/api/v1/events").json(&body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    let reasons = body["data"]["rejected"].as_array().into_iter().flatten();
    let reasons = reasons.map(|one| one["reason"].as_str().unwrap().to_owned()).collect();
    (body["data"]["accepted"].as_u64().unwrap(), reasons)
}

async fn set_plan(app: &TestApp, owner: &Person, plan: PlanName) {
    let installation = app.operator().installation();
    team::plan::set(&app.ports, &installation, owner.team.parse().unwrap(), plan).await.unwrap();
}

async fn code_of(app: &TestApp, owner: &Person, site: &str) -> String {
    let answer =
        app.token(&owner.token).gql(&format!("{{ website(id: \"{site}\") {{ trackingCode }} }}"), json!({})).await;
    answer["data"]["website"]["trackingCode"].as_str().unwrap().to_owned()
}

async fn used(app: &TestApp, owner: &Person) -> Value {
    let (status, body) = app.token(&owner.token).get(&format!("/api/teams/{}/usage", owner.team)).await;
    assert_eq!(status, 200, "{body}");
    json!([body["data"]["usage"]["events"], body["data"]["usage"]["events_limit"]])
}

/// One beacon; the reason it was dropped for, if it was.
async fn beacon(app: &TestApp, code: &str, path: &str) -> Option<String> {
    let body = crate::ingest::view(path);
    let request = app.anon().request(Method::POST, &format!("/e/{code}")).header("origin", "https://shop.example");
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";
    let response = request.header("user-agent", agent).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers().get("x-footfall-dropped").map(|reason| reason.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_events_of_a_plan_are_exact_over_restarts_and_begin_anew_each_month() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let (code, key) = (code_of(&app, &owner, &site).await, app.api_key(&owner, None).await);
    let mut accepted = 0;
    for number in 0..9 {
        let (stored, rejected) = batch(&app, &key, &code, number * 1_000..(number + 1) * 1_000).await;
        assert!(rejected.is_empty(), "{}", rejected[0]);
        accepted += stored;
    }
    // What is sent again counts once.
    let (stored, rejected) = batch(&app, &key, &code, 8_950..9_950).await;
    assert_eq!((stored, rejected), (950, vec!["duplicate".to_owned(); 50]));
    accepted += stored;
    assert_eq!((accepted, used(&app, &owner).await), (9_950, json!([9_950, 10_000])));
    app.pass(Duration::minutes(1));
    let (stored, rejected) = batch(&app, &key, &code, 9_950..10_050).await;
    assert_eq!((stored, rejected), (50, vec!["over_quota".to_owned(); 50]));
    assert_eq!(beacon(&app, &code, "/a").await.as_deref(), Some("OverQuota"));
    assert_eq!(used(&app, &owner).await, json!([10_000, 10_000]));

    let folder = app.stop().await;
    let app = TestApp::over(folder, |flags| flags.limits = Some(LimitsSetting::Plans)).await;
    let owner = Person { token: sign_in(&app).await, ..owner };
    assert_eq!(beacon(&app, &code, "/b").await.as_deref(), Some("OverQuota"));
    assert_eq!(used(&app, &owner).await, json!([10_000, 10_000]));
    set_plan(&app, &owner, PlanName::Enterprise).await;
    assert_eq!(beacon(&app, &code, "/c").await, None);
    set_plan(&app, &owner, PlanName::Free).await;
    assert_eq!(beacon(&app, &code, "/d").await.as_deref(), Some("OverQuota"));
    app.pass(Duration::days(28));
    let owner = Person { token: sign_in(&app).await, ..owner };
    assert_eq!(beacon(&app, &code, "/e").await, None);
    assert_eq!(used(&app, &owner).await, json!([1, 10_000]));
}

async fn sign_in(app: &TestApp) -> String {
    let body = json!({ "email": "owner@shop.example", "password": "correct horse battery" });
    let (status, body) = send(&app.anon(), Method::POST, "/api/auth/sign-in", Some(body)).await;
    assert_eq!(status, 200, "{body}");
    let (_, text) =
        body.to_string().split_once("\"access_token\":\"").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    text.split('"').next().unwrap().to_owned()
}

async fn pageviews(app: &TestApp, owner: &Person, site: &str) -> Value {
    let totals =
        app.token(&owner.token).analytics(site, "range: { preset: ALL_TIME }", "totals { pageviews visits }").await;
    json!([totals["totals"]["pageviews"], totals["totals"]["visits"]])
}

#[tokio::test]
async fn a_team_is_warned_at_80_and_95_percent_once_each() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let (code, key) = (code_of(&app, &owner, &site).await, app.api_key(&owner, None).await);
    let raised = async || team::warnings::raise(&app.ports, &app.operator()).await.unwrap();
    let warnings = async || {
        let query = "{ viewer { usage { warnings { resource threshold raisedAt acknowledgedAt } } } }";
        let answer = app.token(&owner.token).gql(query, json!({})).await;
        let rows =
            answer["data"]["viewer"]["usage"]["warnings"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        rows.iter()
            .map(|row| json!([row["resource"], row["threshold"], row["acknowledgedAt"].is_string()]))
            .collect::<Vec<_>>()
    };
    for number in 0..8 {
        batch(&app, &key, &code, number * 1_000..(number + 1) * 1_000 - usize::from(number == 7)).await;
    }
    assert_eq!(raised().await, 0, "at 7,999 of 10,000");
    batch(&app, &key, &code, 7_999..8_000).await;
    assert_eq!((raised().await, raised().await), (1, 0));
    assert_eq!(warnings().await, [json!(["EVENTS", 80, false])]);
    app.pass(Duration::minutes(1));
    for number in 8..10 {
        batch(&app, &key, &code, number * 1_000..(number + 1) * 1_000).await;
    }
    assert_eq!((raised().await, raised().await), (1, 0));
    let path = format!("/api/billing/usage-warnings?teamId={}", owner.team);
    let shown = async || app.token(&owner.token).get(&path).await.1["data"].clone();
    let page = |events: Value| {
        json!({ "billing_period_start": "2026-03-01",
                "warnings_shown": { "events": events, "apiEvents": [], "proxyEvents": [] } })
    };
    assert_eq!(shown().await, page(json!([])));
    for _ in 0..2 {
        let body = json!({ "teamId": owner.team, "resource": "events", "threshold": 80 });
        let path = "/api/billing/usage-warning-acknowledge";
        let (status, body) = send(&app.token(&owner.token), Method::POST, path, Some(body)).await;
        assert_eq!((status.as_u16(), &body["data"]), (200, &page(json!([80]))), "{body}");
    }
    assert_eq!(shown().await, page(json!([80])));
    assert_eq!(warnings().await, [json!(["EVENTS", 80, true]), json!(["EVENTS", 95, false])]);
    let body = json!({ "teamId": owner.team, "resource": "apiEvents", "threshold": 90 });
    let (status, body) =
        send(&app.token(&owner.token), Method::POST, "/api/billing/usage-warning-acknowledge", Some(body)).await;
    assert_eq!((status.as_u16(), body["error"]["code"].as_str()), (400, Some("VALIDATION_ERROR")));
}

const RETAIN: &str = "mutation($id: ID!, $days: Int) { websiteUpdateRetention(websiteId: $id, input: { days: $days }) { website { retentionDays } } }";

#[tokio::test]
async fn events_are_deleted_when_they_were_kept_as_long_as_the_owner_says() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let other = app.website(&owner, "other.example", "UTC").await;
    // It is 4 March.
    let log = [
        line("8.8.8.8", "01/Jan/2026:10:00:00 +0000", "/a", "-"),
        line("8.8.8.8", "02/Feb/2026:05:00:00 +0000", "/b", "-"),
        line("8.8.8.8", "02/Feb/2026:05:07:00 +0000", "/c", "-"),
        line("1.1.1.1", "03/Mar/2026:23:59:00 +0000", "/d", "-"),
    ]
    .concat();
    for site in [&site, &other] {
        app.import(site, log.clone().into_bytes(), false).await;
    }
    assert_eq!(retention::carry_out(&app.ports, &app.operator()).await.unwrap(), 0);
    let answer = app.token(&owner.token).gql(RETAIN, json!({ "id": site, "days": 30 })).await;
    assert_eq!(answer["data"]["websiteUpdateRetention"]["website"]["retentionDays"], 30, "{answer}");
    assert_eq!(pageviews(&app, &owner, &site).await, json!([4, 3]));
    // 30 days ago it was 2 February, 05:06:07.
    assert_eq!(retention::carry_out(&app.ports, &app.operator()).await.unwrap(), 2);
    assert_eq!(retention::carry_out(&app.ports, &app.operator()).await.unwrap(), 0);
    assert_eq!(pageviews(&app, &owner, &site).await[0], 2);
    assert_eq!(pageviews(&app, &owner, &other).await, json!([4, 3]), "another website keeps its own");
    let answer = app.token(&owner.token).gql(RETAIN, json!({ "id": site, "days": 0 })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_plan_bounds_retention_and_deletes_a_month_later() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let answer = app.token(&owner.token).gql(RETAIN, json!({ "id": site, "days": 366 })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("plan free"), "{answer}");
    let log = [
        // 365 days before 4 March 2026, and 30 more.
        line("8.8.8.8", "02/Feb/2025:05:06:00 +0000", "/a", "-"),
        line("8.8.8.8", "02/Feb/2025:12:00:00 +0000", "/b", "-"),
    ]
    .concat();
    app.import(&site, log.into_bytes(), false).await;
    set_plan(&app, &owner, PlanName::Pro).await;
    assert_eq!(retention::carry_out(&app.ports, &app.operator()).await.unwrap(), 0);
    set_plan(&app, &owner, PlanName::Free).await;
    assert_eq!(retention::carry_out(&app.ports, &app.operator()).await.unwrap(), 1);
}
