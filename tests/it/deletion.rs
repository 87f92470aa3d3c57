//! Deleting a website: everything of it goes, under traffic and over a crash, and nothing of others does.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use entity::{erasure, website};
use reqwest::{Client, Method};
use schema::access::Role;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _, Database, DbBackend, EntityTrait as _,
    PaginatorTrait as _, Statement,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    app::{NOW, Person, TestApp, control_plane, line},
    exclusions::{code, send},
    ingest::view,
    settings::team,
};

const DELETE: &str = "mutation($id: ID!) { websiteDelete(input: { websiteId: $id }) { deletedId eventsErased } }";

async fn code_of(app: &TestApp, owner: &Person, site: &str) -> String {
    let answer =
        app.token(&owner.token).gql(&format!("{{ website(id: \"{site}\") {{ trackingCode }} }}"), json!({})).await;
    answer["data"]["website"]["trackingCode"].as_str().unwrap().to_owned()
}

async fn rows(place: &Path, query: &str) -> i64 {
    let db = Database::connect(format!("sqlite://{}", place.display())).await.unwrap();
    let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, query.to_owned())).await.unwrap().unwrap();
    let count = row.try_get_by_index(0).unwrap();
    db.close().await.unwrap();
    count
}

/// What a stopped installation's files hold of a website: events, visits, counts of the ledger, pending erasures.
async fn left_of(data: &Path, site: &str) -> [i64; 4] {
    let id = Uuid::parse_str(site).unwrap();
    let stored = {
        let file = duckdb::Connection::open(data.join("events.duckdb")).unwrap();
        ["events", "visits"].map(|table| {
            let text = format!("SELECT count(*) FROM {table} WHERE website_id = {}::UHUGEINT", id.as_u128());
            file.query_row(&text, [], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    let hex = id.simple();
    let counts =
        rows(&data.join("journal.sqlite"), &format!("SELECT count(*) FROM ledger WHERE website = x'{hex}'")).await;
    let pending = erasure::Entity::find().count(&control_plane(data).await).await.unwrap();
    [stored[0], stored[1], counts, pending.try_into().unwrap()]
}

#[tokio::test]
async fn only_owners_delete_and_what_hangs_on_the_website_goes_with_it() {
    let team = team().await;
    let second = team.app.website(&team.owner, "second.example", "UTC").await;
    let key = team.app.api_key(&team.owner, Some(&team.site)).await;
    let wide = team.app.api_key(&team.owner, None).await;
    let log = line("8.8.8.8", "03/Mar/2026:10:00:00 +0000", "/", "-");
    team.app.import(&team.site, log.clone().into_bytes(), false).await;
    team.app.import(&second, log.into_bytes(), false).await;
    team.put("/notifications", json!({ "a": 1 })).await;
    assert_eq!(team.app.key(&key).get("/api/external/v1/websites").await.0, 200);
    let path = format!("/api/websites/{}", team.site);
    for who in [&team.stranger, &team.viewer, &team.editor, &team.admin] {
        let answer = send(&team.app.token(&who.token), Method::DELETE, &path, None).await;
        assert_eq!(code(&answer), (403, "FORBIDDEN"));
    }
    assert_eq!(code(&send(&team.app.anon(), Method::DELETE, &path, None).await), (401, "UNAUTHORIZED"));
    let (status, answer) = send(&team.app.token(&team.owner.token), Method::DELETE, &path, None).await;
    assert_eq!((status.as_u16(), &answer["data"]), (200, &json!({ "deleted": true })));
    assert_eq!(team.audit(1).await[0], json!(["website_delete", []]));
    let again = send(&team.app.token(&team.owner.token), Method::DELETE, &path, None).await;
    assert_eq!(code(&again), (404, "NOT_FOUND"));
    assert_eq!(team.app.key(&key).get("/api/external/v1/websites").await.0, 401, "the website's key is gone");
    let (_, list) = team.app.key(&wide).get("/api/external/v1/websites").await;
    assert_eq!((&list["data"]["total"], &list["data"]["websites"][0]["id"]), (&json!(1), &json!(second)));
    let totals = team.app.key(&wide).analytics(&second, "range: { preset: ALL_TIME }", "totals { pageviews }").await;
    assert_eq!(totals["totals"]["pageviews"], 1, "another website is untouched");
    // The domain is free again, and nothing of the old one shows.
    let anew = team.app.website(&team.owner, "shop.example", "UTC").await;
    let totals = team.app.key(&wide).analytics(&anew, "range: { preset: ALL_TIME }", "totals { pageviews }").await;
    assert_eq!(totals["totals"]["pageviews"], 0);
}

#[tokio::test]
async fn a_website_deleted_under_traffic_leaves_nothing_behind() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let gone = app.website(&owner, "gone.example", "UTC").await;
    let kept = app.website(&owner, "shop.example", "UTC").await;
    let stop = Arc::new(AtomicBool::new(false));
    let (accepted, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut senders = tokio::task::JoinSet::new();
    for (sender, (site, host)) in
        [(&gone, "gone.example"), (&kept, "shop.example"), (&gone, "gone.example")].into_iter().enumerate()
    {
        let url = app.url(&format!("/e/{}", code_of(&app, &owner, site).await));
        let (stop, is_kept) = (Arc::clone(&stop), host == "shop.example");
        let (accepted, refused) = (Arc::clone(&accepted), Arc::clone(&refused));
        senders.spawn(async move {
            let client = Client::new();
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                number += 1;
                let mut body = view("/");
                body["url"] = json!(format!("https://{host}/{sender}/{number}"));
                body["visitor_id"] = json!(format!("visitor-{:04}", number % 20));
                let sent =
                    client.post(&url).header("origin", format!("https://{host}")).json(&body).send().await.unwrap();
                match sent.status().as_u16() {
                    200 if is_kept => accepted.fetch_add(1, Ordering::SeqCst),
                    200 => 0,
                    401 if !is_kept => refused.fetch_add(1, Ordering::SeqCst),
                    status => panic!("{status}"),
                };
            }
        });
    }
    let enough = async |reached: &dyn Fn() -> bool| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !reached() && tokio::time::Instant::now() < deadline {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(reached());
    };
    enough(&|| accepted.load(Ordering::SeqCst) >= 100).await;
    let answer = app.token(&owner.token).gql(DELETE, json!({ "id": gone })).await;
    let deleted = &answer["data"]["websiteDelete"];
    assert!(deleted["deletedId"].is_string(), "{answer}");
    assert!(deleted["eventsErased"].as_u64().is_some_and(|events| events > 0), "{answer}");
    enough(&|| refused.load(Ordering::SeqCst) >= 20).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    let uuid = Uuid::parse_str(&gone).unwrap();
    assert_eq!(app.ports.live.visitors(uuid), 0);
    assert_eq!(app.ports.events.first_event(uuid).await.unwrap(), None);
    let folder = app.stop().await;
    let data = folder.path().join("data");
    assert_eq!(left_of(&data, &gone).await, [0, 0, 0, 0]);
    let accepted = i64::try_from(accepted.load(Ordering::SeqCst)).unwrap();
    let kept_rows = left_of(&data, &kept).await;
    assert_eq!(kept_rows[0], accepted, "the other website has all of its own");

    // And after a restart.
    let app = TestApp::over(folder, |_| {}).await;
    assert_eq!(app.ports.events.first_event(uuid).await.unwrap(), None);
    assert_eq!(app.ports.live.visitors(uuid), 0);
    let folder = app.stop().await;
    assert_eq!(left_of(&folder.path().join("data"), &gone).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn what_a_crash_left_over_is_carried_out_at_the_next_start() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let gone = app.website(&owner, "gone.example", "UTC").await;
    let url = app.url(&format!("/e/{}", code_of(&app, &owner, &gone).await));
    let mut body = view("/");
    body["url"] = json!("https://gone.example/");
    let sent = Client::new().post(&url).header("origin", "https://gone.example").json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    let folder = app.stop().await;
    let data = folder.path().join("data");
    assert_eq!(left_of(&data, &gone).await[0], 1);
    // The row is gone and the rest is not: as a crash right after the commit leaves it.
    let id = Uuid::parse_str(&gone).unwrap();
    let db = control_plane(&data).await;
    assert_eq!(website::Entity::delete_by_id(id).exec(&db).await.unwrap().rows_affected, 1);
    let now = NOW.parse::<DateTime<Utc>>().unwrap();
    erasure::ActiveModel { website_id: Set(id), created_at: Set(now) }.insert(&db).await.unwrap();
    db.close().await.unwrap();
    let folder = TestApp::over(folder, |_| {}).await.stop().await;
    assert_eq!(left_of(&folder.path().join("data"), &gone).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn a_member_below_the_owner_hears_so_in_graphql() {
    let team = team().await;
    let admin = team.app.token(&team.admin.token).gql(DELETE, json!({ "id": team.site })).await;
    assert_eq!(admin["errors"][0]["extensions"]["code"], "FORBIDDEN", "{admin}");
    assert!(admin["errors"][0]["message"].as_str().unwrap().contains(Role::Owner.name()), "{admin}");
    assert_eq!(admin["data"]["websiteDelete"], Value::Null);
}
