//! What a change makes the server read again: what it concerns, and nothing when nothing was written.

use chrono::Duration;
use entity::website;
use footfall::ingest::sites::Sites;
use schema::website::{NewWebsite, create};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    EntityTrait as _,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::TestApp;

const WEBSITES: u64 = 2_000;

/// An account with so many websites, and the id of one of them.
async fn with_websites(count: u64) -> (TestApp, crate::app::Person, Uuid) {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let team = app.operator().team(&app.ports, owner.team.parse().unwrap()).await.unwrap();
    let mut last = Uuid::nil();
    for number in 0..count {
        let domain = format!("shop{number}.example");
        let new = NewWebsite { name: domain.clone(), domain, timezone: None, currency: None };
        last = create(&app.ports, &team, new).await.unwrap().id();
    }
    (app, owner, last)
}

fn ok(answer: &Value) -> &Value {
    assert!(answer.get("errors").is_none(), "{answer}");
    &answer["data"]
}

#[tokio::test]
async fn mutations_that_are_refused_or_of_no_website_make_ingest_read_nothing() {
    let (app, owner, site) = with_websites(WEBSITES).await;
    let sites = Sites::new(app.ports.clone(), app.operator());
    assert!(sites.by_id(site).await.unwrap().unwrap().rules.is_active);
    assert_eq!(sites.rules_read(), WEBSITES);
    let unread = async |what: &str| {
        sites.by_id(site).await.unwrap().unwrap();
        assert_eq!(sites.rules_read(), WEBSITES, "{what}");
    };
    let access = app.ports.changes.access_version();
    for _ in 0..50 {
        let answer = app.anon().gql("mutation { signOut { signedOutAt } }", json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED", "{answer}");
        unread("a refused sign-out").await;
    }
    assert_eq!(app.ports.changes.access_version(), access, "nothing was written");
    let visitor = app.sign_up("visitor@else.example").await;
    unread("a sign-up").await;
    let sign_in = "mutation { signIn(input: { email: \"visitor@else.example\", password: \"correct horse battery\" }) { expiresAt } }";
    ok(&app.anon().gql(sign_in, json!({})).await);
    unread("a sign-in").await;
    let refresh = "mutation($token: String!) { tokenRefresh(input: { refreshToken: $token }) { expiresAt } }";
    ok(&app.anon().gql(refresh, json!({ "token": visitor.refresh_token })).await);
    unread("a refresh").await;
    let begin = "mutation($team: ID!) { conversationCreate(input: { teamId: $team, title: \"Why?\" }) { conversation { databaseId } } }";
    let begun = app.token(&owner.token).gql(begin, json!({ "team": owner.team })).await;
    let id = ok(&begun)["conversationCreate"]["conversation"]["databaseId"].clone();
    let append = "mutation($id: ID!) { conversationAppendMessage(conversationId: $id, input: { role: \"user\", content: \"Hello\" }) { message { role } } }";
    ok(&app.token(&owner.token).gql(append, json!({ "id": id })).await);
    unread("a conversation").await;
    assert_eq!(app.ports.changes.access_version(), access, "none of these takes anything from anyone");
    app.pass(Duration::seconds(1));
    unread("a second").await;
}

#[tokio::test]
async fn a_website_that_changes_is_read_again_and_no_other() {
    let (app, owner, site) = with_websites(20).await;
    let sites = Sites::new(app.ports.clone(), app.operator());
    let is_active = async || sites.by_id(site).await.unwrap().map(|site| site.rules.is_active);
    assert_eq!(is_active().await, Some(true));
    let pause = "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { isActive: false }) { website { isActive } } }";
    ok(&app.token(&owner.token).gql(pause, json!({ "id": site })).await);
    assert_eq!((is_active().await, sites.rules_read()), (Some(false), 21));
    ok(&app.token(&owner.token).gql(pause, json!({ "id": site })).await);
    assert_eq!((is_active().await, sites.rules_read()), (Some(false), 21), "nothing is changed");
    let exclude = "mutation($id: ID!) { websiteExcludePath(websiteId: $id, input: { pathPattern: \"/admin/*\" }) { pathExclusion { pathPattern } } }";
    ok(&app.token(&owner.token).gql(exclude, json!({ "id": site })).await);
    assert_eq!(sites.by_id(site).await.unwrap().unwrap().rules.excluded_paths, ["/admin/*"]);
    assert_eq!(sites.rules_read(), 22);
    let second = app.website(&owner, "second.example", "UTC").await;
    assert!(sites.by_id(second.parse().unwrap()).await.unwrap().is_some());
    let delete = "mutation($id: ID!) { websiteDelete(input: { websiteId: $id }) { deletedId } }";
    ok(&app.token(&owner.token).gql(delete, json!({ "id": site })).await);
    assert_eq!((is_active().await, sites.rules_read()), (None, 23));
}

#[tokio::test]
async fn what_another_process_changes_is_seen_within_a_second() {
    let (app, _, site) = with_websites(3).await;
    let sites = Sites::new(app.ports.clone(), app.operator());
    assert!(sites.by_id(site).await.unwrap().is_some());
    let operator = app.operator();
    let database = app.ports.database.writer(&operator);
    app.pass(Duration::seconds(1));
    let row = website::ActiveModel {
        id: Unchanged(site),
        is_active: Set(false),
        updated_at: Set(app.ports.now()),
        ..Default::default()
    };
    row.update(database).await.unwrap();
    assert!(!sites.by_id(site).await.unwrap().unwrap().rules.is_active);
    assert_eq!(sites.rules_read(), 4);
    app.pass(Duration::seconds(1));
    assert_eq!(website::Entity::delete_by_id(site).exec(database).await.unwrap().rows_affected, 1);
    assert!(sites.by_id(site).await.unwrap().is_none());
}
