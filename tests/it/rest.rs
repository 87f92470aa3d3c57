//! The documented REST paths: shapes, and that each answer is its document's through `/graphql`.

use async_graphql::{Value as Graph, Variables};
use footfall::rest::Auth;
use serde_json::{Value, json};

use crate::app::{NOW, Person, TestApp, line};

/// The documented routes that are served so far: method, path, status, credential, least role.
const ROUTES: &[&str] = &[
    "GET /v1/cli/mutate/webhooks 200 BEARER ADMIN",
    "POST /v1/cli/mutate/webhooks 201 BEARER ADMIN",
    "DELETE /v1/cli/mutate/webhooks/:id 200 BEARER ADMIN",
    "POST /v1/cli/mutate/webhooks/:id/rotate 201 BEARER ADMIN",
    "POST /v1/cli/mutate/webhooks/:id/test 201 BEARER ADMIN",
    "GET /api/external/v1/usage 200 KEY -",
    "GET /api/external/v1/websites 200 KEY -",
    "GET /api/external/v1/websites/:id 200 KEY VIEWER",
    "GET /api/external/v1/analytics/:websiteId 200 KEY VIEWER",
    "GET /api/external/v1/analytics/:websiteId/visitors 200 KEY VIEWER",
    "GET /api/external/v1/analytics/:websiteId/pages 200 KEY VIEWER",
    "GET /api/external/v1/analytics/:websiteId/countries 200 KEY VIEWER",
    "GET /api/external/v1/analytics/:websiteId/technology 200 KEY VIEWER",
    "GET /api/websites 200 BEARER -",
    "POST /api/websites 201 BEARER ADMIN",
    "DELETE /api/websites/:websiteId 200 BEARER OWNER",
    "PUT /api/websites/:websiteId/general 200 BEARER EDITOR",
    "GET /api/websites/:websiteId/notifications 200 BEARER VIEWER",
    "PUT /api/websites/:websiteId/notifications 200 BEARER EDITOR",
    "GET /api/websites/:websiteId/exclusions 200 BEARER VIEWER",
    "POST /api/websites/:websiteId/exclusions/ip 201 BEARER EDITOR",
    "DELETE /api/websites/:websiteId/exclusions/ip/:exclusionId 200 BEARER EDITOR",
    "POST /api/websites/:websiteId/exclusions/path 201 BEARER EDITOR",
    "DELETE /api/websites/:websiteId/exclusions/path/:exclusionId 200 BEARER EDITOR",
    "PUT /api/websites/:websiteId/revenue 200 BEARER ADMIN",
    "GET /api/websites/:websiteId/domains 200 BEARER VIEWER",
    "PUT /api/websites/:websiteId/domains 200 BEARER ADMIN",
    "GET /api/websites/:websiteId/team-members 200 BEARER VIEWER",
    "POST /api/websites/:websiteId/team-members 201 BEARER ADMIN",
    "PUT /api/websites/:websiteId/team-members/:memberId 200 BEARER ADMIN",
    "DELETE /api/websites/:websiteId/team-members/:memberId 200 BEARER ADMIN",
    "GET /api/teams 200 BEARER -",
    "POST /api/teams 201 BEARER -",
    "PUT /api/teams/:id 200 BEARER ADMIN",
    "POST /api/teams/:id/leave 200 BEARER VIEWER",
    "POST /api/teams/:id/transfer 200 BEARER OWNER",
    "GET /api/teams/:id/permissions 200 BEARER VIEWER",
    "GET /api/teams/:id/usage 200 BEARER VIEWER",
    "GET /api/teams/:id/members 200 BEARER VIEWER",
    "GET /api/users/me 200 BEARER -",
    "PUT /api/users/me 200 BEARER -",
    "PUT /api/users/me/email 200 BEARER -",
    "DELETE /api/users/me 200 BEARER -",
    "GET /api/users/me/usage 200 BEARER -",
    "GET /api/users/me/plan-limits 200 BEARER -",
    "POST /api/auth/sign-up 201 NONE -",
    "POST /api/auth/sign-in 200 NONE -",
    "POST /api/auth/refresh 200 NONE -",
    "POST /api/auth/sign-out 200 BEARER -",
    "PUT /api/auth/password 200 BEARER -",
    "POST /api/auth/password/forgot 200 NONE -",
    "POST /api/auth/password/reset 200 NONE -",
    "GET /api/api-keys 200 BEARER ADMIN",
    "POST /api/api-keys 201 BEARER ADMIN",
    "DELETE /api/api-keys/:id 200 BEARER ADMIN",
    "POST /api/api-keys/:id/rotate 201 BEARER ADMIN",
    "GET /api/conversations 200 BEARER -",
    "POST /api/conversations 201 BEARER VIEWER",
    "GET /api/conversations/:id 200 BEARER VIEWER",
    "PUT /api/conversations/:id 200 BEARER -",
    "DELETE /api/conversations/:id 200 BEARER -",
    "POST /api/conversations/:id/messages 201 BEARER VIEWER",
    "GET /api/onboarding/progress 200 BEARER -",
    "POST /api/onboarding/progress 200 BEARER -",
    "GET /api/billing/usage-warnings 200 BEARER VIEWER",
    "POST /api/billing/usage-warning-acknowledge 200 BEARER VIEWER",
    "GET /e/live/:trackingCode 200 NONE -",
    "GET /live/:trackingCode 200 NONE -",
    "GET /e/realtime/:websiteId 200 NONE VIEWER",
    "GET /e/stats/:trackingCode 200 NONE -",
    "GET /e/:trackingCode/status 200 NONE -",
];

const BASE: &str = "/api/external/v1";

async fn with_traffic() -> (TestApp, Person, String, String) {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "America/New_York").await;
    let key = app.api_key(&owner, None).await;
    let log = [
        line("8.8.8.8", "01/Mar/2026:10:00:00 +0000", "/pricing", "https://www.google.com/"),
        line("8.8.8.8", "01/Mar/2026:10:02:00 +0000", "/docs", "https://shop.example/pricing"),
        line("1.1.1.1", "03/Mar/2026:23:59:00 +0000", "/pricing", "-"),
        line("127.0.0.1", "04/Mar/2026:00:01:00 +0000", "/", "-"),
    ]
    .concat();
    app.import(&site, log.into_bytes(), false).await;
    (app, owner, site, key)
}

async fn tracking_code(app: &TestApp, key: &str) -> String {
    let (_, list) = app.key(key).get(&format!("{BASE}/websites")).await;
    list["data"]["websites"][0]["tracking_code"].as_str().unwrap().to_owned()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_mounted_table_is_the_documented_list() {
    let rest = footfall::rest_api().unwrap();
    let mounted = rest.table().into_iter().map(|row| {
        let least = row.access.iter().find_map(|access| access.min);
        let least = least.map_or_else(|| "-".to_owned(), |role| role.name().to_uppercase());
        format!("{} {} {} {} {least}", row.method, row.path, row.status, row.auth.as_str())
    });
    let (mut mounted, mut documented): (Vec<String>, _) = (mounted.collect(), ROUTES.to_vec());
    mounted.sort();
    documented.sort_unstable();
    assert_eq!(mounted, documented);
}

#[tokio::test]
async fn usage_counts_the_requests_of_the_key() {
    let (app, _, site, key) = with_traffic().await;
    let (status, _) = app.key(&key).get(&format!("{BASE}/websites")).await;
    assert_eq!(status, 200);
    let (status, body) = app.key(&key).get(&format!("{BASE}/usage")).await;
    assert_eq!(status, 200);
    assert_eq!(keys(&body), ["success", "data", "timestamp"]);
    assert_eq!((&body["success"], &body["timestamp"]), (&json!(true), &json!(NOW)));
    let data = &body["data"];
    assert!(data["api_key"]["id"].as_str().unwrap().starts_with("ak_"));
    assert_eq!(data["api_key"]["permission"], "full_access");
    assert_eq!(data["api_key"]["website_id"], Value::Null);
    assert_eq!(
        data["usage"],
        json!({ "monthly_requests": 2, "monthly_limit": 1_000_000, "monthly_remaining": 999_998,
                "monthly_reset_at": "2026-04-01T00:00:00.000Z", "total_requests": 2 })
    );
    assert_eq!(data["rate_limits"], json!({ "requests_per_minute": 120 }));
    assert_eq!(data["subscription"], json!({ "tier": "enterprise" }));
    let owner = app.sign_up("second@shop.example").await;
    let other = app.website(&owner, "other.example", "UTC").await;
    let site_key = app.api_key(&owner, Some(&other)).await;
    let (_, body) = app.key(&site_key).get(&format!("{BASE}/usage")).await;
    assert_eq!(body["data"]["api_key"]["permission"], "site_access");
    assert_eq!(body["data"]["api_key"]["website_id"], other);
    assert_ne!(other, site);
}

#[tokio::test]
async fn websites_and_one_website_have_the_documented_fields() {
    let (app, owner, site, key) = with_traffic().await;
    let (_, list) = app.key(&key).get(&format!("{BASE}/websites")).await;
    assert_eq!(list["data"]["total"], 1);
    let first = &list["data"]["websites"][0];
    assert_eq!(keys(first), ["id", "domain", "name", "tracking_code", "is_active", "created_at", "team_id"]);
    assert_eq!(
        (&first["id"], &first["team_id"], &first["created_at"]),
        (&json!(site), &json!(owner.team), &json!(NOW))
    );
    let code = first["tracking_code"].as_str().unwrap();
    assert!(code.starts_with("ZV_") && code.len() == 27, "{code}");
    let (_, one) = app.key(&key).get(&format!("{BASE}/websites/{site}")).await;
    let website = &one["data"]["website"];
    assert_eq!(
        website["settings"],
        json!({ "track_outbound_links": true, "track_downloads": true, "session_replay": false, "heatmaps": true })
    );
    let mut fields = keys(website);
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["created_at", "domain", "id", "is_active", "name", "settings", "team_id", "tracking_code", "user_id"]
    );
}

#[tokio::test]
async fn more_than_a_page_of_websites_are_all_listed() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    for number in 0..105 {
        app.website(&owner, &format!("s{number}.example"), "UTC").await;
    }
    let key = app.api_key(&owner, None).await;
    let (_, list) = app.key(&key).get(&format!("{BASE}/websites")).await;
    assert_eq!(list["data"]["total"], 105);
    assert_eq!(list["data"]["websites"].as_array().unwrap().len(), 105);
}

#[tokio::test]
async fn the_summary_has_the_documented_shape() {
    let (app, _, site, key) = with_traffic().await;
    let (status, body) = app.key(&key).get(&format!("{BASE}/analytics/{site}")).await;
    assert_eq!(status, 200, "{body}");
    let data = &body["data"];
    assert_eq!(keys(data), ["website", "time_range", "date_range", "summary", "daily_stats"]);
    assert_eq!(data["website"], json!({ "id": site, "domain": "shop.example", "name": "shop.example" }));
    assert_eq!(data["time_range"], "7d");
    assert_eq!(
        data["date_range"],
        json!({ "start": "2026-02-25", "end": "2026-03-04",
                "startDateTime": "2026-02-25T05:06:10.000Z", "endDateTime": "2026-03-04T05:06:10.000Z" })
    );
    assert_eq!(data["summary"], json!({ "total_visitors": 3, "total_page_views": 4, "unique_visitors": 3 }));
    let days = data["daily_stats"].as_array().unwrap();
    assert_eq!(days.len(), 8);
    assert_eq!(
        days[4],
        json!({ "date": "2026-03-01", "website_id": site, "total_visitors": 1, "unique_visitors": 1, "page_views": 2 })
    );
    // Days are UTC days, whatever the zone of the website.
    assert_eq!((&days[6]["date"], &days[6]["page_views"]), (&json!("2026-03-03"), &json!(1)));
    assert_eq!((&days[7]["date"], &days[7]["page_views"]), (&json!("2026-03-04"), &json!(1)));
    let (_, alias) = app.key(&key).get(&format!("{BASE}/analytics/{site}?timeRange=30d")).await;
    assert_eq!(alias["data"]["time_range"], "30d");
}

#[tokio::test]
async fn visitors_come_newest_first_and_page_by_offset() {
    let (app, _, site, key) = with_traffic().await;
    let (_, body) = app.key(&key).get(&format!("{BASE}/analytics/{site}/visitors?limit=2")).await;
    let data = &body["data"];
    assert_eq!(data["pagination"], json!({ "limit": 2, "offset": 0, "has_more": true }));
    let visitor = &data["visitors"][0];
    assert_eq!(
        keys(visitor),
        [
            "id",
            "country_code",
            "country_name",
            "city",
            "device_type",
            "browser",
            "os",
            "value_score",
            "visited_at",
            "landing_page",
            "referrer",
            "had_interaction"
        ]
    );
    assert_eq!(visitor["visited_at"], "2026-03-04T00:01:00.000Z");
    assert_eq!((&visitor["device_type"], &visitor["browser"]), (&json!("desktop"), &json!("Firefox")));
    let (_, body) = app.key(&key).get(&format!("{BASE}/analytics/{site}/visitors?limit=2&offset=2")).await;
    assert_eq!(body["data"]["pagination"], json!({ "limit": 2, "offset": 2, "has_more": false }));
    let last = &body["data"]["visitors"][0];
    assert_eq!((&last["referrer"], &last["landing_page"]), (&json!("google.com"), &json!("/pricing")));
    assert_eq!((&last["country_code"], &last["country_name"]), (&json!("US"), &json!("United States")));
}

#[tokio::test]
async fn pages_countries_and_technology_have_their_shapes() {
    let (app, _, site, key) = with_traffic().await;
    let (_, pages) = app.key(&key).get(&format!("{BASE}/analytics/{site}/pages")).await;
    assert_eq!(
        pages["data"]["pages"][0],
        json!({ "page_url": "/pricing", "page_title": null, "views": 2, "unique_visitors": 2, "bounce_rate": 50.0,
                "avg_time_on_page": 120.0, "entries": 2, "exits": 1 })
    );
    let (_, countries) = app.key(&key).get(&format!("{BASE}/analytics/{site}/countries")).await;
    let rows = countries["data"]["countries"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "an address of this machine is nowhere: {rows:?}");
    assert_eq!(keys(&rows[0]), ["country_code", "country_name", "visitors", "avg_value_score"]);
    let (_, technology) = app.key(&key).get(&format!("{BASE}/analytics/{site}/technology")).await;
    assert_eq!(
        technology["data"],
        json!({ "browsers": [{ "name": "Firefox", "visitors": 3, "percentage": 100.0 }],
                "operating_systems": [{ "name": "Linux", "visitors": 3, "percentage": 100.0 }],
                "devices": [{ "type": "desktop", "visitors": 3, "percentage": 100.0 }] })
    );
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_the_contract() {
    let (app, _, site, key) = with_traffic().await;
    for (path, status, left) in
        [(format!("{BASE}/websites/{site}"), 200, "119"), (format!("{BASE}/websites/nonsense"), 400, "118")]
    {
        let response = app.key(&key).request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), status);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("x-ratelimit-limit"), header("x-ratelimit-remaining")), ("120".into(), left.into()));
        assert_eq!(header("x-ratelimit-reset"), "1772600820");
        assert_eq!(
            (header("x-usage-limit"), header("x-usage-reset")),
            ("1000000".into(), "2026-04-01T00:00:00.000Z".into())
        );
        assert!(uuid::Uuid::parse_str(&header("x-request-id")).is_ok());
    }
}

#[tokio::test]
async fn either_key_header_serves_and_a_wrong_one_does_not() {
    let (app, owner, _, key) = with_traffic().await;
    let ask = async |name: &'static str, value: &str| {
        let request = app.anon().request(reqwest::Method::GET, &format!("{BASE}/websites")).header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("X-API-Key", &key).await, 200);
    assert_eq!(ask("Authorization", &format!("Bearer {key}")).await, 200);
    assert_eq!(ask("Api-Key", &key).await, 401);
    assert_eq!(ask("X-API-Key", &key[3..]).await, 401);
    assert_eq!(ask("Authorization", &format!("Bearer {}", owner.token)).await, 401, "a user's token is no API key");
    assert_eq!(ask("Authorization", &format!("Basic {key}")).await, 401);
}

#[tokio::test]
async fn every_rest_answer_equals_its_document_through_graphql() {
    let (app, owner, site, key) = with_traffic().await;
    let rest = footfall::rest_api().unwrap();
    let bare = |path: &str| !path.starts_with("/api/") && !path.starts_with("/v1/");
    let code = tracking_code(&app, &key).await;
    let begin = "mutation { conversationCreate(input: { title: \"A\" }) { conversation { databaseId } } }";
    let begun = app.token(&owner.token).gql(begin, json!({})).await;
    let conversation = begun["data"]["conversationCreate"]["conversation"]["databaseId"].as_str().unwrap().to_owned();
    for row in rest.table().into_iter().filter(|row| row.method == "GET") {
        let id = match row.path.split('/').nth(2) {
            Some("teams") => &owner.team,
            Some("conversations") => &conversation,
            _ => &site,
        };
        let path = row.path.replace(":websiteId", &site).replace(":id", id).replace(":trackingCode", &code);
        let caller = || match row.auth {
            Auth::Key => app.key(&key),
            Auth::Bearer => app.token(&owner.token),
            Auth::None => app.anon(),
        };
        let of_team = row.path.ends_with("/usage-warnings");
        let path = if of_team { format!("{path}?teamId={}", owner.team) } else { path };
        let (status, body) = caller().get(&path).await;
        assert_eq!(status.as_u16(), row.status, "{path}: {body}");
        let stored = rest.stored().find(|stored| stored.name == row.operation).unwrap();
        let variable = row.path.split('/').find_map(|segment| segment.strip_prefix(':'));
        let variables = match variable {
            Some("trackingCode") => json!({ "trackingCode": code }),
            Some("id") => json!({ "id": id }),
            Some(name) => json!({ name: site }),
            None if of_team => json!({ "teamId": owner.team }),
            None => json!({}),
        };
        let answer = caller().gql(stored.text, variables.clone()).await;
        assert!(answer.get("errors").is_none(), "{}: {answer}", row.operation);
        let by_id = json!({ "documentId": stored.id, "variables": variables });
        let request = caller().request(reqwest::Method::POST, "/graphql").json(&by_id);
        let named: Value = request.send().await.unwrap().json().await.unwrap();
        if row.operation != "ApiUsage" {
            assert_eq!(named["data"], answer["data"], "{} by its id", row.operation);
        }
        let answer: Graph = Graph::from_json(answer["data"].clone()).unwrap();
        let shown = rest.project(&row.operation, &answer, &Variables::from_json(variables)).unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let mut data = if bare(&row.path) { body.clone() } else { body["data"].clone() };
        if row.operation == "ApiUsage" {
            // The second question is one request more.
            for (name, by) in [("monthly_requests", 1), ("total_requests", 1), ("monthly_remaining", -1)] {
                data["usage"][name] = json!(data["usage"][name].as_i64().unwrap() + by);
            }
        }
        assert_eq!(data, shown, "{}", row.operation);
    }
}
