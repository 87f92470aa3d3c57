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

async fn gql(app: &TestApp, caller: &Person, input: Value) -> Value {
    let query = "mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret apiKey { scopes allowedOrigins allowedNetworks expiresAt } } }";
    app.token(&caller.token).gql(query, json!({ "input": input })).await
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let asked = format!("{{ website(id: \"{site}\") {{ trackingCode }} }}");
    let answer = app.token(&owner.token).gql(&asked, json!({})).await;
    let code = answer["data"]["website"]["trackingCode"].clone();
    let batch = json!({ "trackingCode": code, "events": [] });
    let rename =
        "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { name: \"B\" }) { website { name } } }";
    let make_key = "mutation { apiKeyCreate(input: { name: \"C\" }) { secret } }";
    for (scopes, reads, sends, changes) in [
        (Value::Null, true, true, false),
        (json!(["READ"]), true, false, false),
        (json!(["INGEST"]), false, true, false),
        (json!(["MANAGE"]), true, false, true),
        (json!(["MANAGE", "INGEST"]), true, true, true),
    ] {
        let made = gql(&app, &owner, json!({ "name": "A", "scopes": scopes })).await;
        let key = made["data"]["apiKeyCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let (status, _) = app.key(&key).get(&format!("/api/external/v1/websites/{site}")).await;
        assert_eq!(status, if reads { 200 } else { 403 }, "{scopes}");
        let (status, body) = send(&app.key(&key), Method::POST, "/api/v1/events", Some(batch.clone())).await;
        assert_eq!(status, if sends { 200 } else { 403 }, "{scopes}: {body}");
        let answer = app.key(&key).gql(rename, json!({ "id": site })).await;
        let name = &answer["data"]["websiteUpdateGeneral"]["website"]["name"];
        assert_eq!(*name == "B", changes, "{scopes}: {answer}");
        let answer = app.key(&key).gql(make_key, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "no key makes another: {answer}");
    }
    let made = gql(&app, &owner, json!({ "name": "A", "scopes": [] })).await;
    assert_eq!(made["errors"][0]["extensions"]["field"], "scopes", "{made}");
    let audit = "{ viewer { defaultTeam { auditLog(first: 1) { nodes { actor } } } } }";
    let answer = app.token(&owner.token).gql(audit, json!({})).await;
    assert!(
        answer["errors"].is_null() || answer["errors"][0]["extensions"]["code"] != "INTERNAL_SERVER_ERROR",
        "{answer}"
    );
}

#[tokio::test]
async fn a_key_ends_and_is_used_from_where_it_may() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let made = gql(&app, &owner, json!({ "name": "A", "expiresAt": "2026-03-04T05:16:07Z" })).await;
    let key = made["data"]["apiKeyCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let status = async |key: &str, origin: &str| {
        let request = app.key(key).request(Method::GET, "/api/external/v1/websites");
        let request = if origin.is_empty() { request } else { request.header("origin", origin) };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(&key, "").await, 200);
    app.pass(Duration::minutes(10));
    assert_eq!(status(&key, "").await, 401);
    let made = gql(&app, &owner, json!({ "name": "A", "expiresAt": NOW })).await;
    assert_eq!(made["errors"][0]["extensions"]["field"], "expiresAt", "an end in the past: {made}");

    let made = gql(&app, &owner, json!({ "name": "A", "allowedOrigins": ["https://Shop.example"] })).await;
    let key = made["data"]["apiKeyCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    assert_eq!(made["data"]["apiKeyCreate"]["apiKey"]["allowedOrigins"], json!(["https://shop.example"]));
    let heard = [
        status(&key, "https://shop.example").await,
        status(&key, "https://evil.example").await,
        status(&key, "").await,
    ];
    assert_eq!(heard, [200, 403, 403]);

    for (networks, expected) in [(json!(["203.0.113.0/24"]), 403), (json!(["203.0.113.0/24", "127.0.0.0/8"]), 200)] {
        let made = gql(&app, &owner, json!({ "name": "A", "allowedNetworks": networks })).await;
        let key = made["data"]["apiKeyCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        assert_eq!(status(&key, "").await, expected, "{networks}");
        let answer = app.key(&key).gql("{ apiUsage { name } }", json!({})).await;
        assert_eq!(answer["data"]["apiUsage"]["name"] == "A", expected == 200, "{answer}");
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_has_its_country() {
    let app = TestApp::with(|flags| flags.trusted_proxies = Some(vec!["127.0.0.1".into()])).await;
    let owner = app.sign_up("owner@shop.example").await;
    let key = app.api_key(&owner, None).await;
    let request = app.key(&key).request(Method::GET, "/api/external/v1/websites").header("x-forwarded-for", "8.8.8.8");
    assert_eq!(request.send().await.unwrap().status(), 200);
    schema::api_key::usage::flush(&app.ports, &app.operator()).await.unwrap();
    let asked = "{ viewer { defaultTeam { apiKeys { nodes { lastUsedAt lastUsedCountry } } } } }";
    let answer = app.token(&owner.token).gql(asked, json!({})).await;
    let row = &answer["data"]["viewer"]["defaultTeam"]["apiKeys"]["nodes"][0];
    assert_eq!(*row, json!({ "lastUsedAt": NOW, "lastUsedCountry": "US" }), "{answer}");
}
