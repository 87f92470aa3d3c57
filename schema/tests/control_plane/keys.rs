//! API keys: reach, counting, revocation.

use chrono::Duration;
use footfall_schema::{
    api_key,
    ports::{Limits, SignUp},
};
use serde_json::json;

use crate::app::App;

const WEBSITE: &str = "query($id: ID!) { website(id: $id) { domain team { databaseId websites { totalCount } } } }";
const USAGE: &str =
    "{ apiUsage { name permission websiteDatabaseId monthlyRequests monthlyLimit monthlyRemaining monthlyResetAt totalRequests
    requestsPerMinute plan websites { totalCount nodes { databaseId } } } }";

#[tokio::test]
async fn a_full_key_reads_its_team_and_a_site_key_one_website() {
    let app = App::new().await;
    let (owner, stranger) = (app.user("olga").await, app.user("sten").await);
    let (shop, blog) = (owner.site("shop.example").await, owner.site("blog.example").await);
    let foreign = stranger.site("other.example").await;
    let (_, full) = owner.new_key(None).await;
    let (_, single) = owner.new_key(Some(&shop)).await;
    let (full, single) = (app.key(&full), app.key(&single));
    assert_eq!(full.ok(WEBSITE, json!({ "id": blog })).await["website"]["team"]["websites"]["totalCount"], json!(2));
    assert_eq!(single.ok(WEBSITE, json!({ "id": shop })).await["website"]["team"]["websites"]["totalCount"], json!(1));
    assert_eq!(single.code(WEBSITE, json!({ "id": blog })).await, "FORBIDDEN");
    for key in [&full, &single] {
        assert_eq!(key.code(WEBSITE, json!({ "id": foreign })).await, "FORBIDDEN");
        assert_eq!(key.code(WEBSITE, json!({ "id": "00000000-0000-7000-8000-000000000000" })).await, "NOT_FOUND");
        assert_eq!(key.code("{ viewer { email } }", json!({})).await, "FORBIDDEN");
        let rename =
            "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { name: \"x\" }) { website { name } } }";
        assert_eq!(key.code(rename, json!({ "id": shop })).await, "FORBIDDEN");
        assert_eq!(
            key.code(
                "mutation { websiteCreate(input: { domain: \"a.example\", name: \"a\" }) { website { name } } }",
                json!({})
            )
            .await,
            "FORBIDDEN"
        );
        let members = "query($id: ID!) { website(id: $id) { team { members { nodes { user { email } } } } } }";
        assert_eq!(key.code(members, json!({ "id": shop })).await, "FORBIDDEN", "keys read figures, not people");
    }
    let usage = single.ok(USAGE, json!({})).await["apiUsage"].clone();
    assert_eq!(usage["permission"], json!("SITE_ACCESS"));
    assert_eq!(usage["websites"], json!({ "totalCount": 1, "nodes": [{ "databaseId": shop }] }));
    assert_eq!(owner.code(USAGE, json!({})).await, "FORBIDDEN");
    assert_eq!(app.anonymous().code(USAGE, json!({})).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_key_is_made_for_a_website_of_its_team_only() {
    let app = App::new().await;
    let (owner, stranger) = (app.user("olga").await, app.user("sten").await);
    let (shop, foreign) = (owner.site("shop.example").await, stranger.site("other.example").await);
    let create =
        "mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret apiKey { prefix permission } } }";
    assert_eq!(owner.code(create, json!({ "input": { "name": "k", "websiteId": foreign } })).await, "FORBIDDEN");
    let (_, other_team) = stranger.ids().await;
    assert_eq!(owner.code(create, json!({ "input": { "name": "k", "teamId": other_team } })).await, "FORBIDDEN");
    app.join(&other_team, &owner.ids().await.0, footfall_schema::access::Role::Owner).await;
    let input = json!({ "input": { "name": "k", "teamId": other_team, "websiteId": shop } });
    assert_eq!(owner.refusal(create, input).await.1, "websiteId", "of two teams one has a part in");
    for name in ["", "   ", &"x".repeat(65)] {
        assert_eq!(owner.refusal(create, json!({ "input": { "name": name } })).await.1, "name");
    }
    let data = owner.ok(create, json!({ "input": { "name": "x".repeat(64), "websiteId": shop } })).await;
    let secret = data["apiKeyCreate"]["secret"].as_str().unwrap();
    assert!(secret.starts_with("zv_") && secret.len() == 43, "{secret}");
    assert_eq!(data["apiKeyCreate"]["apiKey"], json!({ "prefix": &secret[..9], "permission": "SITE_ACCESS" }));
}

#[tokio::test]
async fn a_revoked_broken_or_misspelled_key_is_nobody() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let (id, secret) = owner.new_key(None).await;
    app.key(&secret).ok(USAGE, json!({})).await;
    let swapped = secret.replace("zv_", "ZV_");
    for key in ["", "zv_", "zv_unknown", &swapped, &format!("{secret}x"), &format!(" {secret}")] {
        assert_eq!(app.key(key).code(USAGE, json!({})).await, "UNAUTHORIZED", "{key}");
    }
    let revoke = "mutation($id: ID!) { apiKeyRevoke(input: { apiKeyId: $id }) { apiKey { revokedAt } } }";
    let first = owner.ok(revoke, json!({ "id": id })).await;
    assert_eq!(first["apiKeyRevoke"]["apiKey"]["revokedAt"], json!("2026-03-04T05:06:07.000Z"));
    app.clock.advance(Duration::seconds(1));
    assert_eq!(owner.ok(revoke, json!({ "id": id })).await, first, "revoking again changes nothing");
    assert_eq!(app.key(&secret).code(USAGE, json!({})).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn requests_are_counted_in_memory_and_written_once() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let (_, secret) = owner.new_key(None).await;
    let key = app.key(&secret);
    for expected in 1..=3 {
        let usage = key.ok(USAGE, json!({})).await["apiUsage"].clone();
        assert_eq!((&usage["monthlyRequests"], &usage["totalRequests"]), (&json!(expected), &json!(expected)));
    }
    let total = "{ viewer { defaultTeam { apiKeys { nodes { totalRequests lastUsedAt } } } } }";
    let rows = owner.ok(total, json!({})).await;
    let row = &rows["viewer"]["defaultTeam"]["apiKeys"]["nodes"][0];
    assert_eq!(row, &json!({ "totalRequests": 0, "lastUsedAt": null }), "no write per request");
    assert_eq!(api_key::usage::flush(&app.ports, &app.operator()).await.unwrap(), 1);
    assert_eq!(api_key::usage::flush(&app.ports, &app.operator()).await.unwrap(), 0, "written once");
    let rows = owner.ok(total, json!({})).await;
    let row = &rows["viewer"]["defaultTeam"]["apiKeys"]["nodes"][0];
    assert_eq!(row, &json!({ "totalRequests": 3, "lastUsedAt": "2026-03-04T05:06:07.000Z" }));
    let caller = key.caller().await.unwrap();
    let standing = api_key::usage::standing(&app.ports, caller).unwrap();
    assert_eq!((standing.total_requests, standing.monthly_requests, standing.monthly_remaining()), (4, 4, 999_996));
}

#[tokio::test]
async fn the_month_starts_anew_and_the_total_does_not() {
    let app = App::with(SignUp::Open, Limits::Plans).await;
    let owner = app.user("olga").await;
    let (_, secret) = owner.new_key(None).await;
    let key = app.key(&secret);
    let usage = key.ok(USAGE, json!({})).await["apiUsage"].clone();
    for (field, value) in [
        ("plan", json!("FREE")),
        ("monthlyLimit", json!(1000)),
        ("monthlyRemaining", json!(999)),
        ("requestsPerMinute", json!(10)),
        ("monthlyResetAt", json!("2026-04-01T00:00:00.000Z")),
        ("permission", json!("FULL_ACCESS")),
        ("websiteDatabaseId", json!(null)),
    ] {
        assert_eq!(usage[field], value, "{field}");
    }
    // March's request is still in memory when April begins: both months are written, in order.
    app.clock.advance(Duration::days(30));
    key.caller().await.unwrap();
    api_key::usage::flush(&app.ports, &app.operator()).await.unwrap();
    let usage = key.ok(USAGE, json!({})).await["apiUsage"].clone();
    assert_eq!((&usage["monthlyRequests"], &usage["totalRequests"]), (&json!(2), &json!(3)));
    assert_eq!(usage["monthlyResetAt"], json!("2026-05-01T00:00:00.000Z"));
}
