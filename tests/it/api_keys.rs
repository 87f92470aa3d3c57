//! API keys over REST: made, listed, replaced and revoked, by admins of their team only.

use chrono::Duration;
use entity::website;
use reqwest::{Method, StatusCode};
use schema::access::Role;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::{
    app::{NOW, Person, TestApp},
    auth::{keys, log, refusal, send},
};

const KEYS: &str = "/api/api-keys";
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const RECORD: [&str; 11] = [
    "id",
    "name",
    "prefix",
    "permission",
    "website_id",
    "team_id",
    "created_at",
    "last_used_at",
    "expires_at",
    "revoked_at",
    "total_requests",
];

async fn make(app: &TestApp, person: &Person, body: Value) -> (StatusCode, Value) {
    send(&app.token(&person.token), Method::POST, KEYS, Some(body)).await
}

async fn works(app: &TestApp, key: &Value) -> u16 {
    app.key(key.as_str().unwrap()).get("/api/external/v1/websites").await.0.as_u16()
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let (status, made) = make(&app, &owner, json!({ "name": "Nightly", "website_id": site })).await;
    assert_eq!(status, 201, "{made}");
    let mut record = made["data"].clone();
    let secret = record.as_object_mut().unwrap().remove("secret").unwrap();
    assert_eq!(keys(&record), RECORD);
    assert!(secret.as_str().unwrap().starts_with("zv_"));
    let shown =
        json!([record["name"], record["permission"], record["website_id"], record["team_id"], record["created_at"]]);
    assert_eq!(shown, json!(["Nightly", "site_access", site, owner.team, NOW]));
    let (status, list) = app.token(&owner.token).get(KEYS).await;
    assert_eq!((status.as_u16(), &list["data"]), (200, &json!([record])), "the secret is shown once");
    let (_, same) = app.token(&owner.token).get(&format!("{KEYS}?team_id={}", owner.team)).await;
    assert_eq!(same["data"], list["data"]);
    assert_eq!(works(&app, &secret).await, 200);
    let path = format!("{KEYS}/{}", record["id"].as_str().unwrap());
    for _ in 0..2 {
        let (status, gone) = send(&app.token(&owner.token), Method::DELETE, &path, None).await;
        assert_eq!((status.as_u16(), &gone["data"]), (200, &json!({ "deleted": true })));
    }
    assert_eq!(works(&app, &secret).await, 401);
    let (_, list) = app.token(&owner.token).get(KEYS).await;
    assert_eq!(list["data"][0]["revoked_at"], NOW);
    let lines = log(&app, &owner.token, &owner.team).await;
    for action in ["API_KEY_CREATE", "API_KEY_REVOKE"] {
        assert_eq!(lines.iter().filter(|(found, _)| found == action).count(), 1, "{lines:?}");
    }
}

#[tokio::test]
async fn a_replaced_key_works_for_five_minutes_more() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let (_, made) = make(&app, &owner, json!({ "name": "Nightly" })).await;
    let old = made["data"]["secret"].clone();
    // Half a second before a second begins: keys are remembered within one.
    app.pass(Duration::milliseconds(500));
    let path = format!("{KEYS}/{}/rotate", made["data"]["id"].as_str().unwrap());
    let (status, new) = send(&app.token(&owner.token), Method::POST, &path, None).await;
    assert_eq!(status, 201, "{new}");
    let data = &new["data"];
    assert_eq!(
        (&data["name"], &data["permission"], &data["expires_at"]),
        (&json!("Nightly"), &json!("full_access"), &Value::Null)
    );
    let end = "2026-03-04T05:11:07.500Z";
    assert_eq!(data["previous"], json!({ "id": made["data"]["id"], "expires_at": end }));
    assert_ne!(data["id"], made["data"]["id"]);
    let again = send(&app.token(&owner.token), Method::POST, &path, None).await;
    assert_eq!((refusal(&again).0, refusal(&again).1), (409, "CONFLICT"));
    assert_eq!((works(&app, &old).await, works(&app, &data["secret"]).await), (200, 200));
    app.pass(Duration::minutes(5) - Duration::milliseconds(1));
    assert_eq!(works(&app, &old).await, 200);
    app.pass(Duration::milliseconds(1));
    assert_eq!(works(&app, &old).await, 401, "to the millisecond, although it was used in this second");
    assert_eq!(works(&app, &data["secret"]).await, 200);
    let lines = log(&app, &owner.token, &owner.team).await;
    assert!(lines.contains(&("API_KEY_ROTATE".into(), "owner@shop.example".into())), "{lines:?}");
    // A replaced key can be ended at once.
    let (_, third) =
        send(&app.token(&owner.token), Method::POST, &format!("{KEYS}/{}/rotate", data["id"].as_str().unwrap()), None)
            .await;
    let path = format!("{KEYS}/{}", third["data"]["previous"]["id"].as_str().unwrap());
    assert_eq!(send(&app.token(&owner.token), Method::DELETE, &path, None).await.0, 200);
    assert_eq!((works(&app, &data["secret"]).await, works(&app, &third["data"]["secret"]).await), (401, 200));
}

#[tokio::test]
async fn only_admins_of_its_team_reach_a_key() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let (_, made) = make(&app, &owner, json!({ "name": "Nightly" })).await;
    let id = made["data"]["id"].as_str().unwrap().to_owned();
    let editor = app.sign_up("editor@shop.example").await;
    app.join(&owner, &editor, Role::Editor).await;
    let admin = app.sign_up("admin@shop.example").await;
    app.join(&owner, &admin, Role::Admin).await;
    let stranger = app.sign_up("stranger@else.example").await;
    let list = format!("{KEYS}?team_id={}", owner.team);
    for person in [&editor, &stranger] {
        let caller = app.token(&person.token);
        let body = Some(json!({ "name": "Mine", "team_id": owner.team }));
        let of_site = Some(json!({ "name": "Mine", "website_id": site }));
        for answer in [
            caller.get(&list).await,
            send(&caller, Method::POST, KEYS, body).await,
            send(&caller, Method::POST, KEYS, of_site).await,
            send(&caller, Method::DELETE, &format!("{KEYS}/{id}"), None).await,
            send(&caller, Method::POST, &format!("{KEYS}/{id}/rotate"), None).await,
        ] {
            assert_eq!((refusal(&answer).0, refusal(&answer).1), (403, "FORBIDDEN"));
        }
    }
    for (caller, status) in
        [(app.anon(), 401), (app.token("nonsense"), 401), (app.key(made["data"]["secret"].as_str().unwrap()), 401)]
    {
        assert_eq!(refusal(&caller.get(&list).await).0, status);
        assert_eq!(refusal(&send(&caller, Method::DELETE, &format!("{KEYS}/{id}"), None).await).0, status);
        assert_eq!(refusal(&send(&caller, Method::POST, KEYS, Some(json!({ "nonsense": 1 }))).await).0, status);
    }
    assert_eq!(app.token(&admin.token).get(&list).await.1["data"].as_array().unwrap().len(), 1);
    let caller = app.token(&owner.token);
    for (path, status) in [(UNKNOWN.to_owned(), 404), (format!("ak_{UNKNOWN}"), 400), ("nonsense".to_owned(), 400)] {
        assert_eq!(refusal(&send(&caller, Method::DELETE, &format!("{KEYS}/{path}"), None).await).0, status, "{path}");
        assert_eq!(refusal(&send(&caller, Method::POST, &format!("{KEYS}/{path}/rotate"), None).await).0, status);
    }
    let foreign = app.website(&stranger, "else.example", "UTC").await;
    for (body, status, says) in [
        (json!({}), 400, "name: is required"),
        (json!({ "name": "" }), 400, "name: must have 1 to 64"),
        (json!({ "name": "x".repeat(65) }), 400, "name: must have at most 64"),
        (json!({ "name": "A", "scope": "all" }), 400, "scope: is unknown"),
        (json!({ "name": "A", "website_id": "nonsense" }), 400, "website_id: "),
        (json!({ "name": "A", "website_id": UNKNOWN }), 404, ""),
        (json!({ "name": "A", "website_id": foreign }), 403, ""),
        (json!({ "name": "A", "team_id": UNKNOWN }), 404, ""),
    ] {
        let answer = make(&app, &owner, body.clone()).await;
        assert_eq!(refusal(&answer).0, status, "{body}");
        assert!(refusal(&answer).2.starts_with(says), "{body}: {}", refusal(&answer).2);
    }
}

#[tokio::test]
async fn a_key_goes_with_its_website() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let (_, made) = make(&app, &owner, json!({ "name": "Nightly", "website_id": site })).await;
    let secret = &made["data"]["secret"];
    assert_eq!(works(&app, secret).await, 200);
    let id: uuid::Uuid = site.parse().unwrap();
    website::Entity::delete_by_id(id).exec(app.ports.database.writer(&app.operator())).await.unwrap();
    app.ports.changes.mark(&[owner.team.parse().unwrap()], &[id]);
    assert_eq!(works(&app, secret).await, 401);
}
