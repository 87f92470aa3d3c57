//! The examples of the API's overview page, in its order and to the letter: what it sends is sent, and what comes back is held against what it prints.

use chrono::DateTime;
use reqwest::Method;
use schema::access::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    app::{NOW, Person, TestApp},
    members::{keys, send},
};

/// Holds an answer against the page's: the same keys in the same order and the same types, and the same text, truth and null.
/// What an installation makes itself (ids, instants, figures, addresses) is held to its form.
fn like(page: &Value, ours: &Value, at: &str) {
    match (page, ours) {
        (Value::Object(fields), Value::Object(_)) => {
            assert_eq!(keys(ours), keys(page), "{at}");
            for (name, value) in fields {
                like(value, &ours[name], &format!("{at}.{name}"));
            }
        }
        (Value::Array(items), Value::Array(rows)) => {
            assert_eq!(rows.len(), items.len(), "{at}: {ours}");
            for (number, (item, row)) in items.iter().zip(rows).enumerate() {
                like(item, row, &format!("{at}[{number}]"));
            }
        }
        (Value::Number(figure), Value::Number(own)) => assert_eq!(own.is_u64(), figure.is_u64(), "{at}: {own}"),
        (Value::String(text), Value::String(own)) => match text.as_str() {
            "uuid" | "user_uuid" | "membership_uuid" => assert!(Uuid::parse_str(own).is_ok(), "{at}: {own}"),
            "https://..." => assert!(own.starts_with("https://"), "{at}: {own}"),
            "[email protected]" => assert!(own.contains('@'), "{at}: {own}"),
            "..." => instant(own, at),
            text if DateTime::parse_from_rfc3339(text).is_ok() => instant(own, at),
            text => assert_eq!(own, text, "{at}"),
        },
        _ => assert_eq!(ours, page, "{at}"),
    }
}

fn instant(text: &str, at: &str) {
    assert!(text.ends_with('Z') && DateTime::parse_from_rfc3339(text).is_ok(), "{at}: {text}");
}

/// Somebody who asks, and what the page says they hear.
struct Reader<'a> {
    app: &'a TestApp,
    token: &'a str,
}

impl Reader<'_> {
    /// Sends a body of the page and holds the answer against the envelope and the data that it prints.
    async fn hears(&self, method: Method, path: &str, body: Option<Value>, status: u16, page: &Value) -> Value {
        let (answered, answer) = send(&self.app.token(self.token), method.clone(), path, body).await;
        let at = format!("{method} {path}");
        assert_eq!(answered, status, "{at}: {answer}");
        like(&json!({ "success": true, "data": page, "timestamp": "2026-02-07T12:00:00.000Z" }), &answer, &at);
        assert_eq!(answer["timestamp"].as_str().unwrap().len(), "2026-02-07T12:00:00.000Z".len(), "{at}");
        answer["data"].clone()
    }

    async fn gets(&self, path: &str, page: Value) -> Value {
        self.hears(Method::GET, path, None, 200, &page).await
    }

    async fn refused(&self, method: Method, path: &str, body: Option<Value>, status: u16, code: &str) {
        let (answered, answer) = send(&self.app.token(self.token), method.clone(), path, body).await;
        assert_eq!((answered.as_u16(), &answer["error"]["code"]), (status, &json!(code)), "{method} {path}: {answer}");
    }
}

/// A team on the plan of the page's examples: "Pro".
async fn pro() -> (TestApp, Person) {
    use sea_orm::{
        ActiveModelTrait as _,
        ActiveValue::{Set, Unchanged},
    };
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let team = entity::team::ActiveModel {
        id: Unchanged(owner.team.parse().unwrap()),
        plan: Set("pro".into()),
        ..Default::default()
    };
    team.update(app.ports.database.writer(&app.operator())).await.unwrap();
    (app, owner)
}

/// Jane Doe of the page, who has a picture.
async fn jane(app: &TestApp) -> Person {
    let person = app.sign_up("jane@shop.example").await;
    let profile = json!({ "full_name": "Jane Doe", "avatar_url": "https://shop.example/jane.png" });
    let answer = send(&app.token(&person.token), Method::PUT, "/api/users/me", Some(profile)).await;
    assert_eq!(answer.0, 200, "{answer:?}");
    person
}

#[tokio::test]
async fn the_two_envelopes() {
    let (app, owner) = pro().await;
    let (status, answer) = app.key("zv_wrong").get("/api/external/v1/websites").await;
    let page = json!({
        "success": false,
        "error": { "message": answer["error"]["message"], "code": "UNAUTHORIZED", "timestamp": "2026-02-07T12:00:00.000Z" }
    });
    assert_eq!(status, 401);
    like(&page, &answer, "a refusal");
    assert_eq!(answer["error"]["timestamp"], NOW);
    let key = app.api_key(&owner, None).await;
    let (status, answer) = app.key(&key).get("/api/external/v1/websites").await;
    assert_eq!((status.as_u16(), keys(&answer)), (200, vec!["success", "data", "timestamp"]));
    let response = app.key(&key).request(Method::GET, "/api/external/v1/websites").send().await.unwrap();
    let headers = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
        .map(|name| response.headers()[name].to_str().unwrap().parse::<i64>().unwrap());
    let now = DateTime::parse_from_rfc3339(NOW).unwrap().timestamp();
    assert_eq!(headers[..2], [30, 28], "the second request of a team on the plan Pro");
    assert_eq!(headers[2], now - now.rem_euclid(60) + 60, "seconds since 1970 at which the minute ends");
}

#[tokio::test]
async fn conversations() {
    let (app, owner) = pro().await;
    let reader = Reader { app: &app, token: &owner.token };
    let list = "/api/conversations";
    let body = json!({ "title": "New conversation", "team_id": owner.team });
    let page = json!({
        "id": "uuid", "team_id": "uuid", "title": "New conversation", "messages": [],
        "created_at": "2026-02-01T10:00:00Z", "updated_at": "2026-02-07T14:30:00Z"
    });
    let made = reader.hears(Method::POST, list, Some(body), 201, &page).await;
    let path = format!("{list}/{}", made["id"].as_str().unwrap());

    let mut page = page;
    page["title"] = json!("Analytics Q3 review");
    reader.hears(Method::PUT, &path, Some(json!({ "title": "Analytics Q3 review" })), 200, &page).await;
    let messages = [
        json!({ "role": "user", "content": "Show top pages", "timestamp": "2026-02-07T14:30:00Z" }),
        json!({ "role": "assistant", "content": "Here are your top pages...", "timestamp": "2026-02-07T14:30:01Z" }),
    ];
    for (number, message) in messages.iter().enumerate() {
        page["messages"] = json!(messages[..=number]);
        let body = json!({ "role": message["role"], "content": message["content"] });
        reader.hears(Method::POST, &format!("{path}/messages"), Some(body), 201, &page).await;
    }
    reader.gets(&path, page.clone()).await;
    let row = json!({
        "id": "uuid", "team_id": "uuid", "title": "Analytics Q3 review",
        "created_at": "2026-02-01T10:00:00Z", "updated_at": "2026-02-07T14:30:00Z"
    });
    reader.gets(list, json!([row])).await;
    reader.gets(&format!("{list}?team_id={}", owner.team), json!([row])).await;

    page["title"] = json!("Updated title");
    let body = json!({ "title": "Updated title", "messages": messages });
    let changed = reader.hears(Method::PUT, &path, Some(body), 200, &page).await;
    assert_eq!(
        changed["messages"][1]["timestamp"], "2026-02-07T14:30:01.000Z",
        "a message that was put keeps its time"
    );
    page["messages"] = json!([messages[0], messages[1], { "role": "user", "content": "What were last week's top referrers?", "timestamp": "..." }]);
    let body = json!({ "role": "user", "content": "What were last week's top referrers?" });
    reader.hears(Method::POST, &format!("{path}/messages"), Some(body), 201, &page).await;
    reader.hears(Method::DELETE, &path, None, 200, &json!({ "deleted": true })).await;
}

#[tokio::test]
async fn website_settings() {
    let (app, owner) = pro().await;
    let reader = Reader { app: &app, token: &owner.token };
    let site = app.website(&owner, "shop.example", "UTC").await;
    let base = format!("/api/websites/{site}");

    let body = json!({
        "domain": "example.com", "name": "My Website", "timezone": "America/New_York", "primary_color": "#4F46E5",
        "kpi_goal": 10000, "public_dashboard": true, "allowed_domains": ["example.com", "www.example.com"]
    });
    let page = json!({
        "id": "uuid", "domain": "example.com", "name": "My Website", "timezone": "America/New_York",
        "primary_color": "#4F46E5", "kpi_goal": 10000, "public_dashboard": true,
        "allowed_domains": ["example.com", "www.example.com"], "updated_at": "2026-02-07T12:00:00Z"
    });
    let changed = reader.hears(Method::PUT, &format!("{base}/general"), Some(body), 200, &page).await;
    assert_eq!(changed["kpi_goal"], 10_000);

    let path = format!("{base}/notifications");
    assert_eq!(reader.gets(&path, json!({ "website_id": "uuid" })).await["website_id"], json!(site));
    let page = json!({ "website_id": "uuid", "weekly_report": true });
    reader.hears(Method::PUT, &path, Some(json!({ "weekly_report": true })), 200, &page).await;
    let page = json!({ "website_id": "uuid", "weekly_report": false, "email": "on" });
    reader.hears(Method::PUT, &path, Some(json!({ "weekly_report": false, "email": "on" })), 200, &page).await;
    reader.gets(&path, page).await;

    let ip = json!({ "id": "uuid", "website_id": "uuid", "ip_address": "192.168.1.1", "description": "Office IP", "created_at": "..." });
    let glob = json!({ "id": "uuid", "website_id": "uuid", "path_pattern": "/admin/*", "description": "Admin pages", "created_at": "..." });
    let exclusions = format!("{base}/exclusions");
    let mut made = Vec::new();
    for (kind, body, page) in [
        ("ip", json!({ "ip_address": "192.168.1.1", "description": "Office IP" }), &ip),
        ("path", json!({ "path_pattern": "/admin/*", "description": "Admin pages" }), &glob),
    ] {
        let path = format!("{exclusions}/{kind}");
        let row = reader.hears(Method::POST, &path, Some(body.clone()), 201, page).await;
        reader.refused(Method::POST, &path, Some(body), 409, "CONFLICT").await;
        made.push(format!("{path}/{}", row["id"].as_str().unwrap()));
    }
    reader.gets(&exclusions, json!({ "ip_exclusions": [ip], "path_exclusions": [glob] })).await;
    for path in made {
        reader.hears(Method::DELETE, &path, None, 200, &json!({ "deleted": true })).await;
    }

    let body = json!({ "revenue_provider": "stripe", "revenue_currency": "USD" });
    let page = json!({ "id": "uuid", "revenue_provider": "stripe", "revenue_currency": "USD", "updated_at": "2026-02-07T12:00:00Z" });
    reader.hears(Method::PUT, &format!("{base}/revenue"), Some(body), 200, &page).await;

    let path = format!("{base}/domains");
    let page = json!({
        "primary_domain": "example.com", "allowed_domains": ["example.com", "www.example.com"],
        "verification_status": "pending"
    });
    let body = json!({ "domain": "example.com", "allowed_domains": ["example.com", "www.example.com"] });
    reader.hears(Method::PUT, &path, Some(body), 200, &page).await;
    reader
        .refused(Method::PUT, &path, Some(json!({ "allowed_domains": "example.com" })), 400, "VALIDATION_ERROR")
        .await;
    let caller = app.token(&owner.token);
    let asked = "query($id: ID!) { website(id: $id) { domains { verification { dnsName dnsValue } } } }";
    let shown = caller.gql(asked, json!({ "id": site })).await;
    let proof = shown["data"]["website"]["domains"]["verification"].clone();
    let text = |name: &str| proof[name].as_str().unwrap().to_owned();
    app.proof.txt.lock().unwrap().insert(text("dnsName"), Some(vec![text("dnsValue")]));
    let verify = "mutation($id: ID!) { websiteVerifyDomain(input: { websiteId: $id }) { method } }";
    caller.gql(verify, json!({ "id": site })).await;
    let mut page = page;
    page["verification_status"] = json!("verified");
    reader.gets(&path, page).await;
}

#[tokio::test]
async fn team_members_of_a_website() {
    let (app, owner) = pro().await;
    let reader = Reader { app: &app, token: &owner.token };
    let site = app.website(&owner, "shop.example", "UTC").await;
    jane(&app).await;
    let base = format!("/api/websites/{site}/team-members");
    let mut page = json!({
        "id": "membership_uuid", "user_id": "user_uuid", "role": "editor", "created_at": "2026-01-15T10:00:00Z",
        "deactivated_at": null,
        "user": { "id": "user_uuid", "email": "[email protected]", "full_name": "Jane Doe", "avatar_url": "https://..." }
    });
    let body = json!({ "email": "jane@shop.example", "role": "editor" });
    let made = reader.hears(Method::POST, &base, Some(body.clone()), 201, &page).await;
    assert_eq!(made["user_id"], made["user"]["id"]);
    reader.refused(Method::POST, &base, Some(body), 409, "CONFLICT").await;
    reader.refused(Method::POST, &base, Some(json!({ "email": "nobody@shop.example" })), 404, "NOT_FOUND").await;
    let member = format!("{base}/{}", made["id"].as_str().unwrap());
    page["role"] = json!("admin");
    reader.hears(Method::PUT, &member, Some(json!({ "role": "admin" })), 200, &page).await;
    reader.refused(Method::PUT, &member, Some(json!({})), 400, "VALIDATION_ERROR").await;
    let (_, list) = app.token(&owner.token).get(&base).await;
    let rows = list["data"].as_array().unwrap();
    like(&page, rows.iter().find(|row| row["id"] == made["id"]).unwrap(), "a member in the list");
    reader.hears(Method::DELETE, &member, None, 200, &json!({ "deleted": true })).await;
    page["role"] = json!("viewer");
    reader.hears(Method::POST, &base, Some(json!({ "email": "jane@shop.example" })), 201, &page).await;
}

#[tokio::test]
async fn onboarding() {
    let (app, owner) = pro().await;
    let reader = Reader { app: &app, token: &owner.token };
    let path = "/api/onboarding/progress";
    let page = |step: &str, data: Value| {
        json!({ "user_id": "uuid", "current_step": step, "completed": false, "data": data,
                "created_at": "2026-02-01T10:00:00Z", "updated_at": "2026-02-07T14:00:00Z" })
    };
    let first = page("add_website", json!({ "welcomed": true }));
    let body = json!({ "step": "add_website", "data": { "welcomed": true } });
    reader.hears(Method::POST, path, Some(body), 200, &first).await;
    reader.gets(path, first).await;
    let second = page("install_tracking", json!({ "welcomed": true, "website_added": true }));
    let body =
        json!({ "step": "install_tracking", "data": { "welcomed": true, "website_added": true }, "completed": false });
    reader.hears(Method::POST, path, Some(body), 200, &second).await;
    reader.gets(path, second).await;
}

#[tokio::test]
async fn teams() {
    let (app, owner) = pro().await;
    for number in 0..3 {
        app.website(&owner, &format!("shop-{number}.example"), "UTC").await;
    }
    let jane = jane(&app).await;
    let part = app.join(&owner, &jane, Role::Admin).await;
    for name in ["a", "b", "c"] {
        let person = app.sign_up(&format!("{name}@shop.example")).await;
        app.join(&owner, &person, Role::Viewer).await;
    }
    let reader = Reader { app: &app, token: &jane.token };
    let base = format!("/api/teams/{}", owner.team);
    let page = json!({
        "team_id": "uuid", "role": "admin", "plan": "Pro",
        "plan_limits": { "maxWebsites": 5, "maxTeamMembers": 5, "eventsPerMonth": 10000, "dataRetentionDays": 730 },
        "current_usage": { "websites": 3, "team_members": 5 },
        "permissions": { "can_manage_billing": false, "can_manage_team": true, "can_edit_settings": true, "can_view": true }
    });
    let shown = reader.gets(&format!("{base}/permissions"), page.clone()).await;
    for figures in ["plan_limits", "current_usage"] {
        assert_eq!(shown[figures], page[figures]);
    }
    let page = json!({
        "team_id": "uuid", "plan": "Pro",
        "period": { "start": "2026-02-01T00:00:00.000Z", "end": "2026-02-07T12:00:00.000Z" },
        "usage": { "events": 4521, "events_limit": 10000, "websites": 3, "websites_limit": 10, "team_members": 5, "team_members_limit": 10 }
    });
    let shown = reader.gets(&format!("{base}/usage"), page).await;
    assert_eq!(shown["period"], json!({ "start": "2026-03-01T00:00:00.000Z", "end": NOW }));
    let page = json!({
        "id": "membership_uuid", "user_id": "user_uuid", "role": "admin", "created_at": "2026-01-15T10:00:00Z",
        "user": { "id": "user_uuid", "email": "[email protected]", "full_name": "Jane Doe", "name": "Jane", "avatar_url": "https://..." }
    });
    let (_, list) = app.token(&owner.token).get(&format!("{base}/members")).await;
    let rows = list["data"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    like(&page, rows.iter().find(|row| row["id"] == json!(part)).unwrap(), "a member in the list");
}

#[tokio::test]
async fn users() {
    let (app, _) = pro().await;
    let jane = jane(&app).await;
    let reader = Reader { app: &app, token: &jane.token };
    let (status, me) = app.token(&jane.token).get("/api/users/me").await;
    assert_eq!(status, 200);
    let mut page = me["data"].clone();
    page["email"] = json!("new@shop.example");
    let path = "/api/users/me/email";
    let body = json!({ "email": "new@shop.example" });
    reader.hears(Method::PUT, path, Some(body.clone()), 200, &page).await;
    reader.gets("/api/users/me", page).await;
    for body in [body, json!({ "email": "new" }), json!({})] {
        reader.refused(Method::PUT, path, Some(body), 400, "VALIDATION_ERROR").await;
    }
    for path in ["/api/users/me/usage", "/api/users/me/plan-limits"] {
        assert_eq!(app.token(&jane.token).get(path).await.0, 200, "{path}");
    }
    reader.hears(Method::DELETE, "/api/users/me", None, 200, &json!({ "deleted": true })).await;
}
