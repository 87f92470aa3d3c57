//! Plans: what each allows, who sets them, and what operators of the installation may do.

use reqwest::{Method, StatusCode};
use schema::{access::Role, plan::PlanName, team};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    command_line::{footfall, run},
    members::send,
};

async fn set_plan(app: &TestApp, owner: &Person, plan: PlanName) {
    let installation = app.operator().installation();
    team::plan::set(&app.ports, &installation, owner.team.parse().unwrap(), plan).await.unwrap();
}

async fn put(app: &TestApp, who: &Person, path: &str, body: Value) -> (StatusCode, Value) {
    send(&app.token(&who.token), Method::PUT, path, Some(body)).await
}

/// A refusal that names the plan.
fn names_the_plan(answer: &(StatusCode, Value), plan: &str) {
    let (status, body) = answer;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (403, &json!("FORBIDDEN")), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains(&format!("plan {plan} ")), "{body}");
}

#[tokio::test]
async fn a_team_has_as_many_websites_as_its_plan_allows() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let create = async |number: usize| {
        let body = json!({ "domain": format!("s{number}.example"), "name": "Shop" });
        send(&app.token(&owner.token), Method::POST, "/api/websites", Some(body)).await
    };
    let mut made = 0;
    for (plan, most) in [(PlanName::Free, 1), (PlanName::Pro, 5), (PlanName::Scale, 10)] {
        set_plan(&app, &owner, plan).await;
        while made < most {
            let (status, body) = create(made).await;
            assert_eq!(status, 201, "{body}");
            made += 1;
        }
        names_the_plan(&create(made).await, plan.text());
    }
    set_plan(&app, &owner, PlanName::Enterprise).await;
    assert_eq!(create(made).await.0, 201);
    set_plan(&app, &owner, PlanName::Free).await;
    names_the_plan(&create(made + 1).await, "free");
    let (_, list) = app.token(&owner.token).get("/api/websites").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 11, "what a lower plan does not allow is kept");
}

#[tokio::test]
async fn concurrent_creations_never_exceed_the_plan() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let create = |number: usize| {
        let body = json!({ "domain": format!("s{number}.example"), "name": "Shop" });
        let (app, token) = (&app, &owner.token);
        async move { send(&app.token(token), Method::POST, "/api/websites", Some(body)).await.0 }
    };
    let made = futures_util::future::join_all((0..12).map(create)).await;
    assert_eq!(made.iter().filter(|status| status.as_u16() == 201).count(), 1, "{made:?}");
}

#[tokio::test]
async fn features_above_the_plan_are_refused() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let revenue = format!("/api/websites/{site}/revenue");
    let general = format!("/api/websites/{site}/general");
    let replay = json!({ "settings": { "session_replay": true } });
    names_the_plan(&put(&app, &owner, &revenue, json!({ "revenue_provider": "stripe" })).await, "free");
    names_the_plan(&put(&app, &owner, &general, replay.clone()).await, "free");
    let (status, body) = put(&app, &owner, &revenue, json!({ "revenue_currency": "EUR" })).await;
    assert_eq!(status, 200, "{body}");
    set_plan(&app, &owner, PlanName::Pro).await;
    assert_eq!(put(&app, &owner, &revenue, json!({ "revenue_provider": "stripe" })).await.0, 200);
    assert_eq!(put(&app, &owner, &general, replay).await.0, 200);
    let unlimited = TestApp::new().await;
    let owner = unlimited.sign_up("owner@shop.example").await;
    let site = unlimited.website(&owner, "shop.example", "UTC").await;
    let path = format!("/api/websites/{site}/revenue");
    assert_eq!(put(&unlimited, &owner, &path, json!({ "revenue_provider": "stripe" })).await.0, 200);
}

const UPDATE_PLAN: &str =
    "mutation($id: ID!, $plan: PlanName!) { teamUpdatePlan(teamId: $id, input: { plan: $plan }) { limits { plan } } }";

const UPDATE_OPERATOR: &str = "mutation($email: EmailAddress!, $is: Boolean!) {
    userUpdateOperator(input: { email: $email, isOperator: $is }) { email isOperator } }";

#[tokio::test]
async fn operators_set_plans_and_appoint_operators_and_see_nobodys_analytics() {
    let app = TestApp::with_plans().await;
    let first = app.sign_up("operator@host.example").await;
    let owner = app.sign_up("owner@shop.example").await;
    let second = app.sign_up("second@host.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned();
    let plan = json!({ "id": owner.team, "plan": "SCALE" });
    for (who, expected) in [(&owner, "FORBIDDEN"), (&second, "FORBIDDEN"), (&first, "none")] {
        let answer = app.token(&who.token).gql(UPDATE_PLAN, plan.clone()).await;
        assert_eq!(code(&answer), expected, "{answer}");
    }
    let shown = app.token(&owner.token).gql("{ viewer { defaultTeam { plan } } }", json!({})).await;
    assert_eq!(shown["data"]["viewer"]["defaultTeam"]["plan"], "SCALE");
    let appoint = |who: &Person, email: &str, is: bool| {
        let (token, variables) = (who.token.clone(), json!({ "email": email, "is": is }));
        let app = &app;
        async move { app.token(&token).gql(UPDATE_OPERATOR, variables).await }
    };
    assert_eq!(code(&appoint(&second, "second@host.example", true).await), "FORBIDDEN");
    assert_eq!(code(&appoint(&first, "second@host.example", true).await), "none");
    assert_eq!(code(&appoint(&second, "operator@host.example", false).await), "none");
    assert_eq!(code(&app.token(&first.token).gql(UPDATE_PLAN, plan.clone()).await), "FORBIDDEN");
    assert_eq!(code(&appoint(&second, "second@host.example", false).await), "CONFLICT", "the last one stays");
    for query in ["{ website(id: \"ID\") { name } }", "{ team(id: \"ID\") { name } }"] {
        for id in [&site, &owner.team] {
            let answer = app.token(&second.token).gql(&query.replace("ID", id), json!({})).await;
            assert!(["FORBIDDEN", "NOT_FOUND"].contains(&code(&answer).as_str()), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_command_line_sets_plans_and_operators_beside_a_running_server() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let other = app.sign_up("other@shop.example").await;
    let command = |arguments: &[&str]| run(footfall(&app.data()).args(arguments));
    let (ok, out, err) = command(&["team", "plan", &owner.team, "pro"]);
    assert!(ok && out.contains("plan pro"), "{out}{err}");
    let (ok, out, _) = command(&["team", "plan", "other@shop.example", "scale"]);
    assert!(ok && out.contains(&other.team), "{out}");
    let (ok, _, err) = command(&["team", "plan", &owner.team, "gold"]);
    assert!(!ok && err.contains("enterprise"), "{err}");
    let (ok, out, _) = command(&["team", "list"]);
    assert!(ok && out.lines().any(|line| line.contains(&owner.team) && line.contains("pro")), "{out}");
    let (ok, out, err) = command(&["user", "operator", "other@shop.example"]);
    assert!(ok, "{out}{err}");
    let answer = app.token(&other.token).gql("{ viewer { isOperator } }", json!({})).await;
    assert_eq!(answer["data"]["viewer"]["isOperator"], true);
    let (ok, out, err) = command(&["user", "operator", "other@shop.example", "--revoke"]);
    assert!(ok, "{out}{err}");
    let (ok, _, err) = command(&["user", "operator", "owner@shop.example", "--revoke"]);
    assert!(!ok && err.contains("only operator"), "{err}");
}

#[tokio::test]
async fn an_editor_changes_no_domain_by_the_general_settings() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let editor = app.sign_up("editor@shop.example").await;
    app.join(&owner, &editor, Role::Editor).await;
    let path = format!("/api/websites/{site}/general");
    for (field, value) in [("domain", json!("evil.example")), ("allowed_domains", json!(["evil.example"]))] {
        let (status, body) = put(&app, &editor, &path, json!({ field: value, "name": "Evil" })).await;
        assert_eq!((status.as_u16(), &body["error"]["code"]), (403, &json!("FORBIDDEN")), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().starts_with(&format!("{field}: ")), "{body}");
        let (status, body) = put(&app, &owner, &path, json!({ field: value })).await;
        assert_eq!(status, 200, "{body}");
    }
    let same = json!({ "domain": "evil.example", "allowed_domains": ["evil.example"], "name": "Shop" });
    let (status, body) = put(&app, &editor, &path, same).await;
    assert_eq!((status.as_u16(), &body["data"]["name"]), (200, &json!("Shop")), "equal values change nothing: {body}");
    let query = "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { allowedDomains: [] }) { website { name } } }";
    let answer = app.token(&editor.token).gql(query, json!({ "id": site })).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], "allowedDomains", "{answer}");
}
