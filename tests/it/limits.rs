//! Rate limits: who may ask how often, what refusals say, and the headers of every answer.

use std::collections::BTreeMap;

use chrono::Duration;
use entity::api_key;
use footfall::config::choices::LimitsSetting;
use reqwest::{Method, Response, StatusCode};
use schema::{plan::PlanName, team};
use sea_orm::{EntityTrait as _, sea_query::Expr};
use serde_json::{Value, json};

use crate::app::{Caller, NOW, Person, TestApp};

const USAGE: &str = "/api/external/v1/usage";

/// An installation where plans limit something, and a key of a team on the plan Free.
async fn free() -> (TestApp, Person, String) {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let key = app.api_key(&owner, None).await;
    (app, owner, key)
}

async fn set_plan(app: &TestApp, owner: &Person, plan: PlanName) {
    let installation = app.operator().installation();
    team::plan::set(&app.ports, &installation, owner.team.parse().unwrap(), plan).await.unwrap();
}

async fn get(caller: &Caller<'_>, path: &str) -> Response {
    caller.request(Method::GET, path).send().await.unwrap()
}

async fn ask(caller: &Caller<'_>, query: &str) -> Response {
    let request = caller.request(Method::POST, "/graphql").header("accept", "application/graphql-response+json");
    request.json(&json!({ "query": query })).send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).unwrap_or_else(|| panic!("{name}: {response:?}")).to_str().unwrap().to_owned()
}

fn remaining(response: &Response) -> i64 {
    header(response, "x-ratelimit-remaining").parse().unwrap()
}

#[tokio::test]
async fn the_eleventh_request_of_a_free_key_is_refused_until_the_next_minute() {
    let (app, _, key) = free().await;
    for left in (0..10).rev() {
        let response = get(&app.key(&key), USAGE).await;
        assert_eq!((response.status(), remaining(&response)), (StatusCode::OK, left));
    }
    for _ in 0..2 {
        let response = get(&app.key(&key), USAGE).await;
        assert_eq!(response.status(), 429);
        // It is 05:06:07.
        let expected = [
            ("retry-after", "53"),
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1772600820"),
            ("x-usage-monthly", "10"),
            ("x-usage-limit", "1000"),
            ("x-usage-reset", "2026-04-01T00:00:00.000Z"),
            ("x-usage-total", "10"),
            ("ratelimit", "\"minute\";r=0;t=53, \"month\";r=990;t=2400833"),
            ("ratelimit-policy", "\"minute\";q=10;w=60, \"month\";q=1000;w=2678400"),
        ];
        for (name, value) in expected {
            assert_eq!(header(&response, name), value, "{name}");
        }
        assert_eq!(
            response.text().await.unwrap(),
            format!(
                r#"{{"success":false,"error":{{"message":"Rate limit exceeded (10 requests/minute). Try again in 53 seconds","code":"RATE_LIMIT_EXCEEDED","timestamp":"{NOW}"}}}}"#
            )
        );
    }
    let response = ask(&app.key(&key), "{ apiUsage { name } }").await;
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (429, "53".into()));
    let body: Value = response.json().await.unwrap();
    let extensions = &body["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["retryAfter"]), (&json!("RATE_LIMIT_EXCEEDED"), &json!(53)));
    assert!(body.get("data").is_none(), "{body}");
    app.pass(Duration::milliseconds(52_999));
    assert_eq!(get(&app.key(&key), USAGE).await.status(), 429);
    app.pass(Duration::milliseconds(1));
    let response = get(&app.key(&key), USAGE).await;
    assert_eq!((response.status(), remaining(&response)), (StatusCode::OK, 9));
}

#[tokio::test]
async fn of_concurrent_requests_exactly_ten_are_answered() {
    let (app, _, key) = free().await;
    let client = reqwest::Client::new();
    let asked = (0..80).map(|_| client.get(app.url(USAGE)).header("x-api-key", &key).send());
    let mut answered: BTreeMap<u16, usize> = BTreeMap::new();
    for response in futures_util::future::join_all(asked).await {
        *answered.entry(response.unwrap().status().as_u16()).or_default() += 1;
    }
    assert_eq!(answered, BTreeMap::from([(200, 10), (429, 70)]));
}

#[tokio::test]
async fn header_usage_and_api_usage_agree_for_every_plan() {
    let (app, owner, key) = free().await;
    for (plan, minute, month) in [
        (PlanName::Free, 10, 1_000),
        (PlanName::Pro, 30, 10_000),
        (PlanName::Scale, 60, 100_000),
        (PlanName::Enterprise, 120, 1_000_000),
    ] {
        set_plan(&app, &owner, plan).await;
        let response = get(&app.key(&key), USAGE).await;
        assert_eq!(header(&response, "x-ratelimit-limit"), minute.to_string());
        assert_eq!(header(&response, "x-usage-limit"), month.to_string());
        let used: i64 = header(&response, "x-usage-monthly").parse().unwrap();
        let body: Value = response.json().await.unwrap();
        let usage = &body["data"]["usage"];
        assert_eq!((&usage["monthly_requests"], &usage["monthly_limit"]), (&json!(used), &json!(month)));
        assert_eq!(usage["monthly_remaining"], json!(month - used));
        assert_eq!(body["data"]["rate_limits"]["requests_per_minute"], json!(minute));
        assert_eq!(body["data"]["subscription"]["tier"], json!(plan.text()));
        let response = ask(&app.key(&key), "{ apiUsage { requestsPerMinute monthlyLimit monthlyRequests } }").await;
        assert_eq!(header(&response, "x-usage-monthly"), (used + 1).to_string());
        let body: Value = response.json().await.unwrap();
        let expected = json!({ "requestsPerMinute": minute, "monthlyLimit": month, "monthlyRequests": used + 1 });
        assert_eq!(body["data"]["apiUsage"], expected);
    }
}

#[tokio::test]
async fn the_monthly_quota_is_exact_and_ends_with_the_month() {
    let (app, _, key) = free().await;
    let used = api_key::Entity::update_many().col_expr(api_key::Column::MonthlyRequests, Expr::value(998));
    used.exec(app.ports.database.writer(&app.operator())).await.unwrap();
    for left in [1, 0] {
        let response = get(&app.key(&key), USAGE).await;
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["data"]["usage"]["monthly_remaining"], left);
    }
    let response = get(&app.key(&key), USAGE).await;
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (429, "2400833".into()));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "MONTHLY_LIMIT_EXCEEDED");
    assert_eq!(body["error"]["message"], "The monthly quota is exceeded. It resets at 2026-04-01T00:00:00.000Z.");
    app.pass(Duration::seconds(2_400_833));
    let response = get(&app.key(&key), USAGE).await;
    assert_eq!((response.status().as_u16(), header(&response, "x-usage-monthly")), (200, "1".into()));
}

#[tokio::test]
async fn a_document_spends_its_cost_from_the_bucket_of_rest() {
    let (app, owner, key) = free().await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let dear = format!(
        "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: ALL_TIME }}) {{ series(interval: DAY) {{ start metrics {{ visitors pageviews visits events }} }} }} }} }}"
    );
    assert_eq!(remaining(&get(&app.key(&key), USAGE).await), 9);
    assert_eq!(remaining(&ask(&app.key(&key), "{ apiUsage { name } }").await), 8);
    let response = ask(&app.key(&key), &dear).await;
    let left = remaining(&response);
    let body: Value = response.json().await.unwrap();
    let cost = body["extensions"]["cost"]["requested"].as_i64().unwrap_or_else(|| panic!("{body}"));
    assert!(cost > 2_000, "{cost}");
    assert_eq!(left, 8 - (cost + 999) / 1_000, "one request for each started thousand of {cost}");
    let response = ask(&app.key(&key), "{ nonsense }").await;
    assert_eq!((response.status().as_u16(), remaining(&response)), (400, left - 1), "an invalid document is a request");
}

#[tokio::test]
async fn invalid_credentials_are_not_counted() {
    let (app, _, key) = free().await;
    let before = remaining(&get(&app.anon(), "/health").await);
    for _ in 0..5 {
        let response = get(&app.key("zv_wrong"), USAGE).await;
        assert_eq!((response.status().as_u16(), remaining(&response)), (401, before));
    }
    assert_eq!(remaining(&get(&app.key(&key), USAGE).await), 9);
}

/// The headers of rate limits, all of which a page of another origin can read where it can read the answer.
const HEADERS: [&str; 9] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-usage-monthly",
    "x-usage-limit",
    "x-usage-reset",
    "x-usage-total",
    "ratelimit",
    "ratelimit-policy",
];

#[tokio::test]
async fn every_answer_has_the_headers_and_pages_of_other_origins_can_read_them() {
    let app = TestApp::with(|flags| {
        flags.limits = Some(LimitsSetting::Plans);
        flags.cors_origins = Some(vec!["https://dashboard.example".into()]);
    })
    .await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let key = app.api_key(&owner, None).await;
    let (_, list) = app.key(&key).get("/api/external/v1/websites").await;
    let code = list["data"]["websites"][0]["tracking_code"].as_str().unwrap();
    let (anonymous, keyed, user) = (app.anon(), app.key(&key), app.token(&owner.token));
    let cases = [
        (&keyed, Method::GET, USAGE.to_owned(), 200, "10"),
        (&keyed, Method::GET, "/api/external/v1/websites/00000000-0000-0000-0000-000000000000".into(), 404, "10"),
        (&keyed, Method::POST, "/graphql".into(), 415, "10"),
        (&keyed, Method::POST, "/api/v1/events".into(), 415, "10"),
        (&user, Method::GET, "/api/users/me".into(), 200, "600"),
        (&user, Method::PUT, format!("/api/websites/{site}/general"), 415, "600"),
        (&user, Method::POST, "/graphql".into(), 415, "600"),
        (&anonymous, Method::GET, USAGE.to_owned(), 401, "300"),
        (&anonymous, Method::GET, "/api/nothing".into(), 404, "300"),
        (&anonymous, Method::GET, "/graphql?query={__typename}".into(), 200, "300"),
        (&anonymous, Method::GET, format!("/e/live/{code}"), 200, "300"),
        (&anonymous, Method::POST, format!("/e/{code}"), 403, "300"),
        (&anonymous, Method::POST, "/e/ZV_unknown".into(), 401, "300"),
        (&anonymous, Method::GET, format!("/widgets/{code}/realtime"), 200, "300"),
        (&anonymous, Method::GET, "/z.js".into(), 200, "300"),
    ];
    for (caller, method, path, status, limit) in cases {
        let request = caller.request(method.clone(), &path).header("origin", "https://dashboard.example");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(header(&response, "x-ratelimit-limit"), limit, "{method} {path}");
        let exposed = header(&response, "access-control-expose-headers");
        let exposed: Vec<&str> = exposed.split(", ").collect();
        for name in HEADERS {
            header(&response, name);
            assert!(exposed.contains(&name), "{method} {path}: {name}");
        }
        assert!(exposed.contains(&"retry-after"), "{method} {path}");
    }
}

#[tokio::test]
async fn people_and_addresses_have_limits_of_their_own() {
    let (app, owner, _) = free().await;
    let other = app.sign_up("other@shop.example").await;
    let before = remaining(&get(&app.anon(), "/health").await);
    assert_eq!(remaining(&ask(&app.anon(), "{ plans { name } }").await), before - 1);
    let first = remaining(&get(&app.token(&owner.token), "/api/users/me").await);
    assert_eq!(remaining(&ask(&app.token(&owner.token), "{ viewer { id } }").await), first - 1);
    assert_eq!(remaining(&get(&app.token(&other.token), "/api/users/me").await), 599);
    for left in (0..before - 1).rev() {
        assert_eq!(remaining(&ask(&app.anon(), "{ plans { name } }").await), left);
    }
    for path in ["/graphql?query={plans{name}}", "/e/live/ZV_x", "/widgets/ZV_x/realtime"] {
        let response = get(&app.anon(), path).await;
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (429, "53".into()), "{path}");
    }
    assert_eq!(get(&app.token(&other.token), "/api/users/me").await.status(), 200);
}

#[tokio::test]
async fn counters_survive_a_restart() {
    let (app, _, key) = free().await;
    for _ in 0..7 {
        get(&app.key(&key), USAGE).await;
    }
    let folder = app.stop().await;
    let app = TestApp::over(folder, |flags| flags.limits = Some(LimitsSetting::Plans)).await;
    let response = get(&app.key(&key), USAGE).await;
    assert_eq!((remaining(&response), header(&response, "x-usage-monthly")), (2, "8".into()));
    let answered = [(); 3].map(|()| async { get(&app.key(&key), USAGE).await.status().as_u16() });
    assert_eq!(futures_util::future::join_all(answered).await.iter().filter(|status| **status == 200).count(), 2);
}

#[tokio::test]
async fn without_limits_remaining_falls_and_nothing_is_refused() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let key = app.api_key(&owner, None).await;
    for number in 1..=125 {
        let response = get(&app.key(&key), USAGE).await;
        assert_eq!((response.status(), remaining(&response)), (StatusCode::OK, i64::max(120 - number, 0)));
        assert_eq!(header(&response, "x-ratelimit-limit"), "120");
    }
}
