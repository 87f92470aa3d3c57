//! Websites and their settings over REST and GraphQL: shapes, statuses, what a change changes, and what ingest makes of it.

use entity::audit_entry;
use reqwest::{Method, StatusCode};
use schema::access::Role;
use sea_orm::{EntityTrait as _, QueryOrder as _, QuerySelect as _};
use serde_json::{Value, json};

use crate::{
    app::{NOW, Person, TestApp},
    exclusions::{UNKNOWN, code, send},
    ingest::{shop, view, with},
};

/// The members of an object, in order.
pub fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

pub fn message(answer: &(StatusCode, Value)) -> &str {
    answer.1["error"]["message"].as_str().unwrap()
}

/// A website with somebody of each role.
pub struct Team {
    pub app: TestApp,
    pub owner: Person,
    pub admin: Person,
    pub editor: Person,
    pub viewer: Person,
    pub stranger: Person,
    pub site: String,
}

pub async fn team() -> Team {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let stranger = app.sign_up("stranger@else.example").await;
    let mut members = Vec::new();
    for role in [Role::Admin, Role::Editor, Role::Viewer] {
        let member = app.sign_up(&format!("{}@shop.example", role.name())).await;
        app.join(&owner, &member, role).await;
        members.push(member);
    }
    let [admin, editor, viewer] = members.try_into().ok().unwrap();
    Team { app, owner, admin, editor, viewer, stranger, site }
}

impl Team {
    pub async fn ask(&self, who: &Person, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let path = format!("/api/websites/{}{path}", self.site);
        send(&self.app.token(&who.token), method, &path, body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(&self.owner, Method::PUT, path, Some(body)).await
    }

    /// Who may use a route, and who hears what; whatever the body looks like.
    pub async fn roles(&self, method: Method, path: &str, body: Option<Value>, least: Role) {
        let at = |site: &str| format!("/api/websites/{site}{path}");
        let key = self.app.api_key(&self.owner, None).await;
        for body in [body.clone(), body.as_ref().map(|_| json!([]))] {
            let ask = async |caller, site: &str| send(&caller, method.clone(), &at(site), body.clone()).await;
            assert_eq!(code(&ask(self.app.anon(), &self.site).await), (401, "UNAUTHORIZED"));
            assert_eq!(code(&ask(self.app.token("nonsense"), &self.site).await), (401, "UNAUTHORIZED"));
            assert_eq!(code(&ask(self.app.key(&key), &self.site).await), (401, "UNAUTHORIZED"));
            assert_eq!(code(&ask(self.app.token(&self.stranger.token), &self.site).await), (403, "FORBIDDEN"));
            assert_eq!(code(&ask(self.app.token(&self.owner.token), UNKNOWN).await), (404, "NOT_FOUND"));
            assert_eq!(code(&ask(self.app.token(&self.owner.token), "nonsense").await), (400, "VALIDATION_ERROR"));
        }
        for (who, role) in [(&self.viewer, Role::Viewer), (&self.editor, Role::Editor), (&self.admin, Role::Admin)] {
            let answer = self.ask(who, method.clone(), path, body.clone()).await;
            if role >= least {
                assert!(answer.0.is_success(), "{role:?}: {}", answer.1);
            } else {
                assert_eq!(code(&answer), (403, "FORBIDDEN"), "{role:?}");
            }
        }
    }

    /// The latest lines of the audit log: action and changed fields.
    pub async fn audit(&self, most: u64) -> Value {
        let lines = audit_entry::Entity::find().order_by_desc(audit_entry::Column::Id).limit(most);
        let lines = lines.all(self.app.ports.database.reader(&self.app.operator())).await.unwrap();
        let line =
            |line: &audit_entry::Model| json!([line.action, serde_json::from_str::<Value>(&line.changed).unwrap()]);
        lines.iter().map(line).collect()
    }
}

#[tokio::test]
async fn general_settings_have_the_documented_shape() {
    let team = team().await;
    let body = json!({
        "domain": "example.com", "name": "My Website", "timezone": "America/New_York", "primary_color": "#4F46E5",
        "kpi_goal": 10000, "public_dashboard": true, "allowed_domains": ["example.com", "www.example.com"]
    });
    let (status, answer) = team.put("/general", body.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((&answer["success"], &answer["timestamp"]), (&json!(true), &json!(NOW)));
    let data = &answer["data"];
    let order = [
        "id",
        "domain",
        "name",
        "timezone",
        "primary_color",
        "kpi_goal",
        "public_dashboard",
        "allowed_domains",
        "updated_at",
    ];
    assert_eq!(keys(data), order);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(data[field], *value, "{field}");
    }
    assert_eq!((&data["id"], &data["updated_at"]), (&json!(team.site), &json!(NOW)));
    assert_eq!(
        team.audit(1).await[0],
        json!([
            "website_update_general",
            ["domain", "name", "timezone", "primaryColor", "kpiGoal", "publicDashboard", "allowedDomains"]
        ])
    );
    // Property by property.
    let (_, answer) = team.put("/general", json!({ "kpi_goal": null, "name": "My Website" })).await;
    let mut expected = data.clone();
    expected["kpi_goal"] = Value::Null;
    assert_eq!(answer["data"], expected);
    assert_eq!(team.audit(1).await[0], json!(["website_update_general", ["kpiGoal"]]), "what stays is not named");
    let (_, answer) = team.put("/general", json!({})).await;
    assert_eq!(answer["data"], expected);
    assert_eq!(team.audit(1).await[0][1], json!(["kpiGoal"]), "nothing changed, nothing noted");
}

#[tokio::test]
async fn general_settings_are_refused_by_their_rest_name() {
    let team = team().await;
    team.app.website(&team.owner, "second.example", "UTC").await;
    for (body, field) in [
        (json!({ "domain": null }), "domain: "),
        (json!({ "domain": "shop example" }), "domain: "),
        (json!({ "name": "" }), "name: "),
        (json!({ "name": null }), "name: "),
        (json!({ "name": "x".repeat(101) }), "name: "),
        (json!({ "timezone": "Europe/Atlantis" }), "timezone: "),
        (json!({ "timezone": null }), "timezone: "),
        (json!({ "primary_color": "red" }), "primary_color: "),
        (json!({ "kpi_goal": 0 }), "kpi_goal: "),
        (json!({ "kpi_goal": 1.5 }), "kpi_goal: "),
        (json!({ "public_dashboard": "yes" }), "public_dashboard: "),
        (json!({ "public_dashboard": null }), "public_dashboard: "),
        (json!({ "allowed_domains": "example.com" }), "allowed_domains: "),
        (json!({ "allowed_domains": ["a b"] }), "allowed_domains: "),
        (json!({ "settings": { "cookieless": null } }), "cookieless: "),
        (json!({ "settings": { "cooky_less": true } }), "settings.cooky_less: "),
        (json!({ "kpigoal": 1 }), "kpigoal: "),
    ] {
        let answer = team.put("/general", body.clone()).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{body}: {answer:?}");
        assert!(message(&answer).starts_with(field), "{body}: {}", message(&answer));
    }
    let answer = team.put("/general", json!({ "domain": "second.example" })).await;
    assert_eq!(code(&answer), (409, "CONFLICT"));
    team.roles(Method::PUT, "/general", Some(json!({ "name": "Shop" })), Role::Editor).await;
}

#[tokio::test]
async fn websites_are_made_and_listed() {
    let team = team().await;
    let caller = team.app.token(&team.owner.token);
    let body = json!({ "domain": "Second.Example", "name": "Second", "timezone": "Europe/Vienna" });
    let (status, made) = send(&caller, Method::POST, "/api/websites", Some(body.clone())).await;
    assert_eq!(status, 201, "{made}");
    let second = made["data"].clone();
    let id = second["id"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok());
    assert!(second["tracking_code"].as_str().is_some_and(|code| code.starts_with("ZV_") && code.len() == 27));
    let expected = json!({
        "id": id, "team_id": team.owner.team, "domain": "second.example", "name": "Second",
        "tracking_code": second["tracking_code"], "timezone": "Europe/Vienna", "is_active": true, "primary_color": null,
        "kpi_goal": null, "public_dashboard": false, "allowed_domains": [], "created_at": NOW, "updated_at": NOW
    });
    assert_eq!(second, expected);
    assert_eq!(team.audit(1).await[0], json!(["website_create", []]));
    let (status, list) = caller.get("/api/websites").await;
    assert_eq!(status, 200);
    let rows = list["data"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["id"], &rows[1]), (&json!(team.site), &second), "the oldest first");

    // A member lists the team's websites; a stranger lists none of them.
    let ids = async |who: &Person| {
        let (_, list) = team.app.token(&who.token).get("/api/websites").await;
        list["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&team.viewer).await, [json!(team.site), json!(id)]);
    assert!(ids(&team.stranger).await.is_empty());
    assert_eq!(code(&team.app.anon().get("/api/websites").await), (401, "UNAUTHORIZED"));

    let again = send(&caller, Method::POST, "/api/websites", Some(body)).await;
    assert_eq!(code(&again), (409, "CONFLICT"));
    for (body, field) in [
        (json!({ "name": "X" }), "domain: "),
        (json!({ "domain": "x.example" }), "name: "),
        (json!({ "domain": "x.example", "name": "X", "team_id": "nonsense" }), "team_id: "),
        (json!({ "domain": "x.example", "name": "X", "zone": "UTC" }), "zone: "),
    ] {
        let answer = send(&caller, Method::POST, "/api/websites", Some(body)).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"));
        assert!(message(&answer).starts_with(field), "{}", message(&answer));
    }
    // In another's team: by its admins only.
    let body = json!({ "domain": "x.example", "name": "X", "team_id": team.owner.team });
    for (who, status) in [(&team.stranger, 403), (&team.viewer, 403), (&team.editor, 403), (&team.admin, 201)] {
        let answer = send(&team.app.token(&who.token), Method::POST, "/api/websites", Some(body.clone())).await;
        assert_eq!(answer.0, status, "{}", answer.1);
    }
}

#[tokio::test]
async fn exclusions_move_the_websites_date_and_are_noted() {
    let team = team().await;
    let made = team.ask(&team.editor, Method::POST, "/exclusions/ip", Some(json!({ "ip_address": "10.0.0.1" }))).await;
    assert_eq!(made.0, 201);
    let id = made.1["data"]["id"].as_str().unwrap();
    team.ask(&team.editor, Method::DELETE, &format!("/exclusions/ip/{id}"), None).await;
    team.ask(&team.editor, Method::POST, "/exclusions/path", Some(json!({ "path_pattern": "/a" }))).await;
    // What fails is not noted.
    assert_eq!(team.ask(&team.editor, Method::DELETE, &format!("/exclusions/ip/{id}"), None).await.0, 404);
    assert_eq!(
        team.audit(3).await,
        json!([
            ["website_exclude_path", ["pathExclusions"]],
            ["website_remove_ip_exclusion", ["ipExclusions"]],
            ["website_exclude_ip", ["ipExclusions"]]
        ])
    );
}

#[tokio::test]
async fn ingest_obeys_the_switches_from_the_next_beacon_on() {
    let shop = shop().await;
    let caller = shop.app.token(&shop.owner.token);
    let set = async |settings: Value| {
        let mutation = "mutation($id: ID!, $s: WebsiteSettingsInput!) { websiteUpdateGeneral(websiteId: $id, input: { settings: $s }) {
            website { settings { trackOutboundLinks trackDownloads sessionReplay heatmaps cookieless debugOverlay } } } }";
        let answer = caller.gql(mutation, json!({ "id": shop.id, "s": settings })).await;
        answer["data"]["websiteUpdateGeneral"]["website"]["settings"].clone()
    };
    let click =
        |name: &str| with(view("/"), json!({ "type": "event", "name": name, "data": { "url": "https://x.example" } }));
    assert_eq!(shop.send(click("outbound_link")).await.dropped, None);
    let settings = set(json!({ "trackOutboundLinks": false })).await;
    assert_eq!(
        settings,
        json!({ "trackOutboundLinks": false, "trackDownloads": true, "sessionReplay": false, "heatmaps": true,
                "cookieless": false, "debugOverlay": false })
    );
    assert_eq!(shop.send(click("outbound_link")).await.dropped.as_deref(), Some("NotTracked"));
    assert_eq!(shop.send(click("file_download")).await.dropped, None);
    set(json!({ "trackDownloads": false, "trackOutboundLinks": true })).await;
    assert_eq!(shop.send(click("file_download")).await.dropped.as_deref(), Some("NotTracked"));
    assert_eq!(shop.send(click("outbound_link")).await.dropped, None);
    let dropped = shop.ledger().await["dropped"].clone();
    assert_eq!(dropped, json!([{ "reason": "NOT_TRACKED", "count": 2 }]));

    // Two ids behind one address and user agent: two visitors, and one where ids are ignored.
    let visit = |id: &str, path: &str| with(view(path), json!({ "visitor_id": id }));
    for id in ["visitor-a", "visitor-b"] {
        shop.send(visit(id, "/kept")).await;
    }
    set(json!({ "cookieless": true })).await;
    for id in ["visitor-a", "visitor-b"] {
        shop.send(visit(id, &format!("/ignored/{id}"))).await;
    }
    let visitors = async |path: &str, views: u64| {
        let filter = format!(
            "range: {{ preset: LAST_24_HOURS }}, filters: [{{ dimension: PAGE, operator: STARTS_WITH, values: [\"{path}\"] }}]"
        );
        let answer =
            shop.until(&filter, "totals { visitors pageviews }", |answer| answer["totals"]["pageviews"] == views).await;
        answer["totals"]["visitors"].clone()
    };
    assert_eq!(visitors("/kept", 2).await, json!(2));
    assert_eq!(visitors("/ignored", 2).await, json!(1));
}

#[tokio::test]
async fn notifications_are_an_open_record_with_upsert() {
    let team = team().await;
    let get = async || team.ask(&team.viewer, Method::GET, "/notifications", None).await;
    let (status, answer) = get().await;
    assert_eq!((status.as_u16(), &answer["data"]), (200, &json!({ "website_id": team.site })), "never set");
    let first =
        json!({ "weekly_report": true, "camelCase": { "innerKey": null, "inner_key": [1, 2.5] }, "zebra": 1, "": "x" });
    let (status, answer) = team.put("/notifications", first.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(keys(&answer["data"]), ["website_id", "weekly_report", "camelCase", "zebra", ""]);
    let mut expected = first;
    expected["website_id"] = json!(team.site);
    assert_eq!(answer["data"], expected);
    assert_eq!(team.audit(1).await[0], json!(["website_update_notifications", ["preferences"]]));
    // Given keys are merged in; null is a value; nested objects are replaced whole.
    let second = json!({ "zebra": null, "camelCase": { "other": 1 }, "added": "yes" });
    let (_, answer) = team.put("/notifications", second).await;
    let expected = json!({ "website_id": team.site, "weekly_report": true, "camelCase": { "other": 1 }, "zebra": null, "": "x", "added": "yes" });
    assert_eq!(answer["data"], expected);
    assert_eq!(get().await.1["data"], expected);
    let (_, answer) = team.put("/notifications", json!({})).await;
    assert_eq!(answer["data"], expected, "nothing is removed");

    for (body, field) in [
        (json!({ "website_id": team.site, "a": 1 }), "website_id: "),
        (json!([1]), "body: "),
        (json!("x"), "body: "),
        (json!({ "long": "x".repeat(32 * 1024) }), "preferences: "),
    ] {
        let answer = team.put("/notifications", body).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"));
        assert!(message(&answer).starts_with(field), "{}", message(&answer));
    }
    assert_eq!(get().await.1["data"], expected, "what was refused changed nothing");
    team.roles(Method::GET, "/notifications", None, Role::Viewer).await;
    team.roles(Method::PUT, "/notifications", Some(json!({ "a": 1 })), Role::Editor).await;

    // The same record through GraphQL, where keys stay as they are too.
    let query = format!(
        "{{ website(id: \"{}\") {{ notifications {{ websiteDatabaseId preferences updatedAt }} }} }}",
        team.site
    );
    let answer = team.app.token(&team.viewer.token).gql(&query, json!({})).await;
    let shown = &answer["data"]["website"]["notifications"];
    assert_eq!((&shown["preferences"]["camelCase"], &shown["updatedAt"]), (&json!({ "other": 1 }), &json!(NOW)));
    let mutation = "mutation($id: ID!, $p: JSON!) { websiteUpdateNotifications(websiteId: $id, input: { preferences: $p }) { notifications { preferences } } }";
    let answer = team.app.token(&team.owner.token).gql(mutation, json!({ "id": team.site, "p": [1] })).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], "preferences", "{answer}");
}

#[tokio::test]
async fn many_changes_of_notifications_at_once_lose_none() {
    let team = team().await;
    let changes = (0..12).map(|number| {
        let mut body = json!({});
        body[format!("key_{number}")] = json!(number);
        team.put("/notifications", body)
    });
    for (status, answer) in futures_util::future::join_all(changes).await {
        assert_eq!(status, 200, "{answer}");
    }
    let (_, answer) = team.ask(&team.owner, Method::GET, "/notifications", None).await;
    assert_eq!(answer["data"].as_object().unwrap().len(), 13, "{answer}");
}

#[tokio::test]
async fn revenue_settings_have_the_documented_shape() {
    let team = team().await;
    let put = async |body: Value| team.ask(&team.admin, Method::PUT, "/revenue", Some(body)).await;
    let (status, answer) = put(json!({ "revenue_provider": "stripe", "revenue_currency": "EUR" })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(keys(&answer["data"]), ["id", "revenue_provider", "revenue_currency", "updated_at"]);
    let expected =
        json!({ "id": team.site, "revenue_provider": "stripe", "revenue_currency": "EUR", "updated_at": NOW });
    assert_eq!(answer["data"], expected);
    assert_eq!(team.audit(1).await[0], json!(["website_update_revenue", ["revenueProvider", "revenueCurrency"]]));
    let (_, answer) = put(json!({ "revenue_provider": null })).await;
    assert_eq!(
        (&answer["data"]["revenue_provider"], &answer["data"]["revenue_currency"]),
        (&Value::Null, &json!("EUR"))
    );
    let (_, answer) = put(json!({ "revenue_provider": "lemonsqueezy" })).await;
    assert_eq!(answer["data"]["revenue_provider"], "lemonsqueezy");
    for (body, field) in [
        (json!({ "revenue_provider": "Stripe" }), "revenue_provider: "),
        (json!({ "revenue_provider": "cash" }), "revenue_provider: "),
        (json!({ "revenue_currency": "eur" }), "revenue_currency: "),
        (json!({ "revenue_currency": "XXX" }), "revenue_currency: "),
        (json!({ "revenue_currency": null }), "revenue_currency: "),
        (json!({ "revenue_curency": "EUR" }), "revenue_curency: "),
    ] {
        let answer = put(body).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"));
        assert!(message(&answer).starts_with(field), "{}", message(&answer));
    }
    let query = format!("{{ website(id: \"{}\") {{ currency revenueSettings {{ provider currency }} }} }}", team.site);
    let answer = team.app.token(&team.viewer.token).gql(&query, json!({})).await;
    let expected = json!({ "currency": "EUR", "revenueSettings": { "provider": "LEMONSQUEEZY", "currency": "EUR" } });
    assert_eq!(answer["data"]["website"], expected);
    team.roles(Method::PUT, "/revenue", Some(json!({ "revenue_currency": "USD" })), Role::Admin).await;
}
