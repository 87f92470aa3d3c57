//! The signed-in user's own account over REST: profile, e-mail, usage, limits, and its end.

use chrono::{DateTime, Utc};
use entity::{erasure, membership, user};
use reqwest::{Method, StatusCode};
use schema::access::Role;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    EntityTrait as _,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    app::{NOW, Person, TestApp, line},
    auth::{keys, log, refusal, send},
};

const ME: &str = "/api/users/me";

async fn put(app: &TestApp, person: &Person, path: &str, body: Value) -> (StatusCode, Value) {
    send(&app.token(&person.token), Method::PUT, path, Some(body)).await
}

async fn delete(app: &TestApp, person: &Person) -> (StatusCode, Value) {
    send(&app.token(&person.token), Method::DELETE, ME, None).await
}

async fn id(app: &TestApp, person: &Person) -> Uuid {
    let (_, me) = app.token(&person.token).get(ME).await;
    me["data"]["id"].as_str().unwrap().parse().unwrap()
}

/// Makes an account one that signs in with an identity provider.
async fn elsewhere(app: &TestApp, person: &Person, provider: &str) {
    let row = user::ActiveModel {
        id: Unchanged(id(app, person).await),
        password_hash: Set(None),
        provider: Set(Some(provider.to_owned())),
        ..Default::default()
    };
    row.update(app.ports.database.writer(&app.operator())).await.unwrap();
}

#[tokio::test]
async fn a_profile_is_shown_and_changed_property_by_property() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let (status, me) = app.token(&owner.token).get(ME).await;
    assert_eq!(status, 200);
    assert_eq!(keys(&me), ["success", "data", "timestamp"]);
    let expected = json!({ "id": me["data"]["id"], "email": "owner@shop.example", "full_name": "Test", "name": "Test",
        "avatar_url": null, "auth_provider": "password", "created_at": NOW });
    assert_eq!(me["data"], expected);
    assert_eq!(
        keys(&me["data"]),
        ["id", "email", "full_name", "name", "avatar_url", "auth_provider", "created_at"],
        "in this order"
    );
    let picture = "https://shop.example/ada.png";
    for (body, changed) in [
        (json!({ "avatar_url": picture }), json!({ "avatar_url": picture })),
        (json!({ "full_name": "Ada Lovelace" }), json!({ "full_name": "Ada Lovelace", "name": "Ada" })),
        (json!({ "name": "Grace Hopper" }), json!({ "full_name": "Grace Hopper", "name": "Grace" })),
        (json!({ "email": "OWNER@shop.example" }), json!({})),
        (json!({}), json!({})),
        (json!({ "full_name": null }), json!({ "full_name": null, "name": null })),
        (
            json!({ "avatar_url": null, "name": "A", "email": "new@shop.example" }),
            json!({ "avatar_url": null, "full_name": "A", "name": "A", "email": "new@shop.example" }),
        ),
    ] {
        let (_, before) = app.token(&owner.token).get(ME).await;
        let mut expected = before["data"].clone();
        for (key, value) in changed.as_object().unwrap() {
            expected[key] = value.clone();
        }
        let (status, after) = put(&app, &owner, ME, body.clone()).await;
        assert_eq!((status.as_u16(), &after["data"]), (200, &expected), "{body}");
        assert_eq!(app.token(&owner.token).get(ME).await.1["data"], expected, "{body}");
    }
    let lines = log(&app, &owner.token, &owner.team).await;
    for (action, times) in [("USER_UPDATE", 5), ("USER_UPDATE_EMAIL", 1)] {
        assert_eq!(lines.iter().filter(|(found, _)| found == action).count(), times, "{action}: {lines:?}");
    }
}

#[tokio::test]
async fn what_a_profile_cannot_be_is_refused_by_name() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    app.sign_up("taken@shop.example").await;
    for (path, body, status, says) in [
        (ME, json!({ "email": null }), 400, "email: "),
        (ME, json!({ "email": "nobody" }), 400, "email"),
        (ME, json!({ "full_name": "x".repeat(101) }), 400, "full_name: "),
        (ME, json!({ "full_name": "A", "name": "B" }), 400, "name: "),
        (ME, json!({ "avatar_url": "javascript:alert(1)" }), 400, "avatar_url"),
        (ME, json!({ "nmae": "A" }), 400, "nmae: is unknown"),
        (ME, json!({ "full_name": "Lost", "email": "taken@shop.example" }), 409, ""),
        ("/api/users/me/email", json!({}), 400, "email: is required"),
        ("/api/users/me/email", json!({ "email": null }), 400, "email: "),
        ("/api/users/me/email", json!({ "email": "a b@shop.example" }), 400, "email"),
        (
            "/api/users/me/email",
            json!({ "email": "Owner@shop.example" }),
            400,
            "email: must differ from the current address",
        ),
        ("/api/users/me/email", json!({ "email": "taken@shop.example" }), 409, ""),
    ] {
        let answer = put(&app, &owner, path, body.clone()).await;
        let (found, code, message) = refusal(&answer);
        assert_eq!((found, code), (status, if status == 400 { "VALIDATION_ERROR" } else { "CONFLICT" }), "{body}");
        assert!(message.starts_with(says), "{body}: {message}");
    }
    let (_, me) = app.token(&owner.token).get(ME).await;
    assert_eq!((&me["data"]["full_name"], &me["data"]["email"]), (&json!("Test"), &json!("owner@shop.example")));
    let key = app.api_key(&owner, None).await;
    for (method, path) in [
        (Method::GET, ME),
        (Method::PUT, ME),
        (Method::DELETE, ME),
        (Method::PUT, "/api/users/me/email"),
        (Method::GET, "/api/users/me/usage"),
        (Method::GET, "/api/users/me/plan-limits"),
    ] {
        for caller in [app.anon(), app.token("nonsense"), app.key(&key)] {
            let answer = send(&caller, method.clone(), path, None).await;
            assert_eq!((refusal(&answer).0, refusal(&answer).1), (401, "UNAUTHORIZED"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_address_that_a_provider_keeps_is_changed_there() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let new = json!({ "email": "new@shop.example" });
    let (status, after) = put(&app, &owner, "/api/users/me/email", new.clone()).await;
    assert_eq!((status.as_u16(), &after["data"]["email"]), (200, &json!("new@shop.example")));
    elsewhere(&app, &owner, "google").await;
    let answer = put(&app, &owner, "/api/users/me/email", json!({ "email": "other@shop.example" })).await;
    let (status, code, message) = refusal(&answer);
    assert_eq!((status, code), (400, "VALIDATION_ERROR"));
    assert!(message.contains("Google"), "{message}");
    let answer = put(&app, &owner, ME, json!({ "full_name": "Ada", "email": "other@shop.example" })).await;
    assert!(refusal(&answer).2.contains("Google"));
    let (_, me) = app.token(&owner.token).get(ME).await;
    assert_eq!((&me["data"]["full_name"], &me["data"]["auth_provider"]), (&json!("Test"), &json!("external")));
    let (status, _) = put(&app, &owner, ME, json!({ "full_name": "Ada", "email": "new@shop.example" })).await;
    assert_eq!(status, 200, "the address that it has changes nothing");
    let body = json!({ "current_password": "correct horse battery", "new_password": "another horse battery" });
    let answer = put(&app, &owner, "/api/auth/password", body).await;
    assert!(refusal(&answer).2.contains("Google"));
}

#[tokio::test]
async fn usage_and_limits_are_those_of_the_default_team() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    app.website(&owner, "second.example", "UTC").await;
    let member = app.sign_up("member@shop.example").await;
    app.join(&owner, &member, Role::Viewer).await;
    let key = app.api_key(&owner, None).await;
    for _ in 0..3 {
        app.key(&key).get("/api/external/v1/websites").await;
    }
    let log = [
        line("8.8.8.8", "28/Feb/2026:23:59:59 +0000", "/last-month", "-"),
        line("8.8.8.8", "01/Mar/2026:00:00:00 +0000", "/", "-"),
        line("8.8.4.4", "03/Mar/2026:10:00:00 +0000", "/pricing", "-"),
    ];
    app.import(&site, log.concat().into_bytes(), false).await;
    let (status, usage) = app.token(&owner.token).get("/api/users/me/usage").await;
    assert_eq!(status, 200, "{usage}");
    let data = &usage["data"];
    assert_eq!(keys(data), ["user_id", "team_id", "plan", "period", "usage"]);
    assert_eq!((&data["team_id"], &data["plan"]), (&json!(owner.team), &json!("Enterprise")));
    assert_eq!(data["period"], json!({ "start": "2026-03-01T00:00:00.000Z", "end": NOW }));
    assert_eq!(
        data["usage"],
        json!({ "events": 2, "events_limit": 2_147_483_647, "websites": 2, "websites_limit": 2_147_483_647, "team_members": 2,
                "team_members_limit": 2_147_483_647, "api_requests": 3 })
    );
    let (status, limits) = app.token(&owner.token).get("/api/users/me/plan-limits").await;
    assert_eq!(status, 200, "{limits}");
    let data = &limits["data"];
    assert_eq!(keys(data), ["plan", "plan_limits", "rate_limits", "features"]);
    assert_eq!(
        data["plan_limits"],
        json!({ "maxWebsites": 2_147_483_647, "maxTeamMembers": 2_147_483_647, "eventsPerMonth": 2_147_483_647, "dataRetentionDays": 2_147_483_647 })
    );
    assert_eq!(data["rate_limits"], json!({ "requests_per_minute": 120, "requests_per_month": 1_000_000 }));
    assert!(data["features"].as_array().unwrap().contains(&json!("session_replay")), "{limits}");
}

#[tokio::test]
async fn an_account_goes_with_what_is_its_alone() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let key = app.api_key(&owner, None).await;
    let other = app.sign_up("other@else.example").await;
    let kept = app.website(&other, "else.example", "UTC").await;
    app.join(&other, &owner, Role::Admin).await;
    let (status, gone) = delete(&app, &owner).await;
    assert_eq!((status.as_u16(), &gone["data"]), (200, &json!({ "deleted": true })));
    assert_eq!(refusal(&app.token(&owner.token).get(ME).await).0, 401);
    assert_eq!(refusal(&app.key(&key).get("/api/external/v1/websites").await).0, 401);
    let refresh = json!({ "refresh_token": owner.refresh_token });
    let answer = send(&app.anon(), Method::POST, "/api/auth/refresh", Some(refresh)).await;
    assert_eq!(refusal(&answer).0, 401);
    let ask = format!("{{ website(id: \"{site}\") {{ name }} team(id: \"{}\") {{ name }} }}", owner.team);
    let answer = app.token(&other.token).gql(&ask, json!({})).await;
    for error in answer["errors"].as_array().unwrap() {
        assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{answer}");
    }
    let erasures = erasure::Entity::find().all(app.ports.database.reader(&app.operator())).await.unwrap();
    let at: DateTime<Utc> = NOW.parse().unwrap();
    assert_eq!(erasures, [erasure::Model { website_id: site.parse().unwrap(), created_at: at }]);
    let answer = app.token(&other.token).gql(&format!("{{ website(id: \"{kept}\") {{ name }} }}"), json!({})).await;
    assert_eq!(answer["data"]["website"]["name"], "else.example", "{answer}");
    let lines = log(&app, &other.token, &other.team).await;
    assert!(lines.contains(&("USER_DELETE".into(), "owner@shop.example".into())), "{lines:?}");
    // The address is free again, for another account.
    app.sign_up("owner@shop.example").await;
}

#[tokio::test]
async fn a_last_owner_hands_over_first() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let member = app.sign_up("member@shop.example").await;
    let part = app.join(&owner, &member, Role::Admin).await;
    let answer = delete(&app, &owner).await;
    let (status, code, message) = refusal(&answer);
    assert_eq!((status, code), (409, "CONFLICT"));
    assert!(message.contains("\"Test's team\""), "{message}");
    assert_eq!(app.token(&owner.token).get(ME).await.0, 200, "nothing was deleted");
    assert_eq!(erasure::Entity::find().all(app.ports.database.reader(&app.operator())).await.unwrap(), []);
    let row = membership::ActiveModel { id: Unchanged(part), role: Set(Role::Owner.level()), ..Default::default() };
    row.update(app.ports.database.writer(&app.operator())).await.unwrap();
    let (status, _) = delete(&app, &owner).await;
    assert_eq!(status, 200);
    let ask = format!("{{ website(id: \"{site}\") {{ name }} }}");
    let answer = app.token(&member.token).gql(&ask, json!({})).await;
    assert_eq!(answer["data"]["website"]["name"], "shop.example", "{answer}");
}

#[tokio::test]
async fn nobody_else_is_left_without_a_default_team() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let former = app.sign_up("former@shop.example").await;
    // The former member's default team is one that they have left since.
    let part = app.join(&owner, &former, Role::Editor).await;
    let moved = user::ActiveModel {
        id: Unchanged(id(&app, &former).await),
        default_team_id: Set(owner.team.parse().unwrap()),
        ..Default::default()
    };
    moved.update(app.ports.database.writer(&app.operator())).await.unwrap();
    app.deactivate(part).await;
    assert_eq!(delete(&app, &owner).await.0, 200);
    let answer = app.token(&former.token).gql("{ viewer { defaultTeam { databaseId role } } }", json!({})).await;
    let team = &answer["data"]["viewer"]["defaultTeam"];
    assert_eq!((&team["databaseId"], &team["role"]), (&json!(former.team), &json!("OWNER")), "{answer}");
}
