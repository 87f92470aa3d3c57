//! Making websites, and changing them in part.

use chrono::Duration;
use footfall_schema::website::ingest_rules::{self, Which};
use serde_json::{Value, json};

use crate::app::App;

const CREATE: &str = "mutation($input: WebsiteCreateInput!) { websiteCreate(input: $input) { website {
    databaseId domain name trackingCode timezone isActive userDatabaseId primaryColor kpiGoal publicDashboard allowedDomains currency createdAt updatedAt
    settings { trackOutboundLinks trackDownloads sessionReplay heatmaps } team { databaseId }
} } }";
const UPDATE: &str = "mutation($id: ID!, $input: WebsiteUpdateGeneralInput!) { websiteUpdateGeneral(websiteId: $id, input: $input) { website {
    domain name timezone primaryColor kpiGoal publicDashboard allowedDomains updatedAt
} } }";

#[tokio::test]
async fn a_website_has_its_domain_normalised_and_its_defaults() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let (user, team) = owner.ids().await;
    let input =
        json!({ "input": { "domain": "https://Shop.Example/", "name": " Shop ", "timezone": "Europe/Vienna" } });
    let website = owner.ok(CREATE, input).await["websiteCreate"]["website"].clone();
    let code = website["trackingCode"].as_str().unwrap();
    assert!(code.starts_with("ZV_") && code.len() == 27, "{code}");
    for (field, value) in [
        ("domain", json!("shop.example")),
        ("name", json!("Shop")),
        ("timezone", json!("Europe/Vienna")),
        ("isActive", json!(true)),
        ("userDatabaseId", json!(user)),
        ("primaryColor", json!(null)),
        ("kpiGoal", json!(null)),
        ("publicDashboard", json!(false)),
        ("allowedDomains", json!([])),
        ("currency", json!("USD")),
        ("createdAt", json!("2026-03-04T05:06:07.000Z")),
        (
            "settings",
            json!({ "trackOutboundLinks": true, "trackDownloads": true, "sessionReplay": false, "heatmaps": true }),
        ),
        ("team", json!({ "databaseId": team })),
    ] {
        assert_eq!(website[field], value, "{field}");
    }
    let again = json!({ "input": { "domain": "shop.example", "name": "Again" } });
    assert_eq!(owner.code(CREATE, again.clone()).await, "CONFLICT");
    app.user("sten").await.ok(CREATE, again).await;
}

#[tokio::test]
async fn a_website_with_a_fault_is_refused_by_field() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    for (input, field) in [
        (json!({ "domain": "shop example", "name": "Shop" }), "domain"),
        (json!({ "domain": "shop.example", "name": "  " }), "name"),
        (json!({ "domain": "shop.example", "name": "x".repeat(101) }), "name"),
        (json!({ "domain": "shop.example", "name": "Shop", "teamId": "x" }), "teamId"),
    ] {
        assert_eq!(owner.refusal(CREATE, json!({ "input": input })).await.1, field);
    }
    let zone = json!({ "input": { "domain": "shop.example", "name": "Shop", "timezone": "Europe/Atlantis" } });
    let (_, _, message) = owner.refusal(CREATE, zone).await;
    assert!(message.contains("IANA time zone such as Europe/Vienna"), "{message}");
}

#[tokio::test]
async fn what_is_left_out_stays_and_null_clears_only_what_may_be_empty() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let id = owner.site("shop.example").await;
    let update = async |input: Value| {
        let data = owner.ok(UPDATE, json!({ "id": id, "input": input })).await;
        data["websiteUpdateGeneral"]["website"].clone()
    };
    app.clock.advance(Duration::seconds(1));
    let full = update(json!({ "name": "Shop", "timezone": "Asia/Tokyo", "primaryColor": "#1a2B3c", "kpiGoal": 5000, "publicDashboard": true,
                              "allowedDomains": ["Shop.example", "*.shop.example", "shop.example"] }))
    .await;
    assert_eq!(
        full,
        json!({ "domain": "shop.example", "name": "Shop", "timezone": "Asia/Tokyo", "primaryColor": "#1a2B3c", "kpiGoal": 5000,
                "publicDashboard": true, "allowedDomains": ["shop.example", "*.shop.example"], "updatedAt": "2026-03-04T05:06:08.000Z" })
    );
    app.clock.advance(Duration::seconds(1));
    assert_eq!(update(json!({})).await, full, "nothing named, nothing changed, not even updatedAt");
    let cleared = update(json!({ "primaryColor": null, "kpiGoal": null })).await;
    assert_eq!((&cleared["primaryColor"], &cleared["kpiGoal"]), (&json!(null), &json!(null)));
    assert_eq!(
        (&cleared["name"], &cleared["timezone"], &cleared["allowedDomains"]),
        (&full["name"], &full["timezone"], &full["allowedDomains"])
    );
    assert_eq!(cleared["updatedAt"], json!("2026-03-04T05:06:09.000Z"));
    for field in ["domain", "name", "timezone", "publicDashboard", "allowedDomains"] {
        assert_eq!(owner.refusal(UPDATE, json!({ "id": id, "input": { field: null } })).await.1, field);
    }
    for (input, field) in [
        (json!({ "kpiGoal": 0 }), "kpiGoal"),
        (json!({ "allowedDomains": ["a b"] }), "allowedDomains"),
        (json!({ "allowedDomains": vec!["a.example"; 101] }), "allowedDomains"),
        (json!({ "domain": "" }), "domain"),
    ] {
        assert_eq!(owner.refusal(UPDATE, json!({ "id": id, "input": input })).await.1, field);
    }
    assert_eq!(update(json!({})).await, cleared, "a refused change changes nothing");
}

/// A variable that is omitted inside an input object must stay absent: a library release once made it null, which erased data.
#[tokio::test]
async fn an_omitted_variable_inside_the_input_is_absent_not_null() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let id = owner.site("shop.example").await;
    owner.ok(UPDATE, json!({ "id": id, "input": { "kpiGoal": 7 } })).await;
    let document = "mutation($id: ID!, $goal: Int, $name: String) {
        websiteUpdateGeneral(websiteId: $id, input: { kpiGoal: $goal, name: $name }) { website { kpiGoal name } } }";
    let data = owner.ok(document, json!({ "id": id, "name": "Shop" })).await;
    assert_eq!(data["websiteUpdateGeneral"]["website"], json!({ "kpiGoal": 7, "name": "Shop" }));
    let data = owner.ok(document, json!({ "id": id, "goal": null })).await;
    assert_eq!(data["websiteUpdateGeneral"]["website"], json!({ "kpiGoal": null, "name": "Shop" }));
}

#[tokio::test]
async fn a_domain_that_the_team_has_already_is_a_conflict() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    owner.site("shop.example").await;
    let second = owner.site("blog.example").await;
    let vars = json!({ "id": second, "input": { "domain": "SHOP.example" } });
    assert_eq!(owner.code(UPDATE, vars).await, "CONFLICT");
}

#[tokio::test]
async fn switches_are_set_one_by_one_and_keep_their_neighbours() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let id = owner.site("shop.example").await;
    let document = "mutation($id: ID!, $input: WebsiteUpdateGeneralInput!) { websiteUpdateGeneral(websiteId: $id, input: $input) { website {
        allowLocalhost publicRealtime isActive updatedAt settings { trackOutboundLinks trackDownloads sessionReplay heatmaps } } } }";
    let update = async |input: Value| {
        let data = owner.ok(document, json!({ "id": id, "input": input })).await;
        data["websiteUpdateGeneral"]["website"].clone()
    };
    let switches = |website: &Value| {
        [0, 1, 2].map(|index| website[["allowLocalhost", "publicRealtime", "isActive"][index]].as_bool())
    };
    let before = update(json!({})).await;
    assert_eq!(switches(&before), [Some(false), Some(true), Some(true)]);
    app.clock.advance(Duration::seconds(1));
    let after = update(json!({ "allowLocalhost": true })).await;
    assert_eq!(switches(&after), [Some(true), Some(true), Some(true)]);
    assert_eq!(after["updatedAt"], json!("2026-03-04T05:06:08.000Z"));
    let after = update(json!({ "publicRealtime": false, "isActive": false })).await;
    assert_eq!(switches(&after), [Some(true), Some(false), Some(false)]);
    assert_eq!(after["settings"], before["settings"], "the record's other keys stay");
    for field in ["allowLocalhost", "publicRealtime", "isActive"] {
        assert_eq!(owner.refusal(document, json!({ "id": id, "input": { field: null } })).await.1, field);
    }
    let operator = app.operator();
    let rules = ingest_rules::rules(&app.ports, &operator, Which::All).await.unwrap();
    assert_eq!((rules[0].senders.allow_localhost, rules[0].public_realtime, rules[0].is_active), (true, false, false));
}
