//! Teams over REST: permissions, usage and members as documented; made, renamed, left and handed over.

use reqwest::Method;
use schema::access::Role;
use serde_json::{Value, json};

use crate::{
    app::{Caller, NOW, Person, TestApp, line},
    members::{accept, code, data, keys, send},
};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

async fn pro(app: &TestApp, team: &str) {
    use sea_orm::{
        ActiveModelTrait as _,
        ActiveValue::{Set, Unchanged},
    };
    let row = entity::team::ActiveModel {
        id: Unchanged(team.parse().unwrap()),
        plan: Set("pro".into()),
        ..Default::default()
    };
    row.update(app.ports.database.writer(&app.operator())).await.unwrap();
}

async fn with_plans() -> (TestApp, Person) {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    pro(&app, &owner.team).await;
    (app, owner)
}

#[tokio::test]
async fn permissions_have_the_documented_shape_for_every_role() {
    let (app, owner) = with_plans().await;
    app.website(&owner, "shop.example", "UTC").await;
    app.website(&owner, "second.example", "UTC").await;
    let path = format!("/api/teams/{}/permissions", owner.team);
    for (role, name, flags) in [
        (Role::Admin, "admin", [false, true, true, true]),
        (Role::Editor, "editor", [false, false, true, true]),
        (Role::Viewer, "viewer", [false, false, false, true]),
    ] {
        let person = app.sign_up(&format!("{name}@shop.example")).await;
        let part = app.join(&owner, &person, role).await;
        let (status, body) = app.token(&person.token).get(&path).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(keys(&body["data"]), ["team_id", "role", "plan", "plan_limits", "current_usage", "permissions"]);
        assert_eq!(
            body["data"],
            json!({ "team_id": owner.team, "role": name, "plan": "Pro",
                    "plan_limits": { "maxWebsites": 5, "maxTeamMembers": 5, "eventsPerMonth": 10_000, "dataRetentionDays": 730 },
                    "current_usage": { "websites": 2, "team_members": 2 },
                    "permissions": { "can_manage_billing": flags[0], "can_manage_team": flags[1],
                                     "can_edit_settings": flags[2], "can_view": flags[3] } })
        );
        assert_eq!(
            keys(&body["data"]["permissions"]),
            ["can_manage_billing", "can_manage_team", "can_edit_settings", "can_view"]
        );
        assert_eq!(
            keys(&body["data"]["plan_limits"]),
            ["maxWebsites", "maxTeamMembers", "eventsPerMonth", "dataRetentionDays"]
        );
        app.deactivate(part).await;
        assert_eq!(app.token(&person.token).get(&path).await.0, 403, "a member who was removed");
    }
    let (_, body) = app.token(&owner.token).get(&path).await;
    assert_eq!(
        (&body["data"]["role"], &body["data"]["permissions"]["can_manage_billing"]),
        (&json!("owner"), &json!(true))
    );
}

#[tokio::test]
async fn usage_counts_the_month_over_all_websites() {
    let (app, owner) = with_plans().await;
    let first = app.website(&owner, "shop.example", "America/New_York").await;
    let second = app.website(&owner, "second.example", "UTC").await;
    let other = app.sign_up("other@else.example").await;
    let foreign = app.website(&other, "else.example", "UTC").await;
    let lines = |times: &[&str]| {
        times
            .iter()
            .enumerate()
            .map(|(n, time)| line("8.8.8.8", time, &format!("/{n}"), "-"))
            .collect::<String>()
            .into_bytes()
    };
    let of_month = ["01/Mar/2026:00:00:00 +0000", "03/Mar/2026:10:00:00 +0000"];
    app.import(&first, lines(&["28/Feb/2026:23:59:59 +0000", of_month[0], of_month[1]]), false).await;
    app.import(&second, lines(&of_month[1..]), false).await;
    app.import(&foreign, lines(&of_month), false).await;
    let (status, body) = app.token(&owner.token).get(&format!("/api/teams/{}/usage", owner.team)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(keys(&body["data"]), ["team_id", "plan", "period", "usage"]);
    assert_eq!(
        keys(&body["data"]["usage"]),
        ["events", "events_limit", "websites", "websites_limit", "team_members", "team_members_limit"]
    );
    assert_eq!(
        body["data"],
        json!({ "team_id": owner.team, "plan": "Pro",
                "period": { "start": "2026-03-01T00:00:00.000Z", "end": NOW },
                "usage": { "events": 3, "events_limit": 10_000, "websites": 2, "websites_limit": 5,
                           "team_members": 1, "team_members_limit": 5 } })
    );
}

#[tokio::test]
async fn without_limits_what_is_unlimited_is_the_largest_number() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let (_, body) = app.token(&owner.token).get(&format!("/api/teams/{}/permissions", owner.team)).await;
    assert_eq!(body["data"]["plan"], "Enterprise");
    let none = json!({ "maxWebsites": 2_147_483_647, "maxTeamMembers": 2_147_483_647, "eventsPerMonth": 2_147_483_647, "dataRetentionDays": 2_147_483_647 });
    assert_eq!(body["data"]["plan_limits"], none);
    let (_, body) = app.token(&owner.token).get(&format!("/api/teams/{}/usage", owner.team)).await;
    assert_eq!(
        body["data"]["usage"],
        json!({ "events": 0, "events_limit": 2_147_483_647, "websites": 0, "websites_limit": 2_147_483_647, "team_members": 1, "team_members_limit": 2_147_483_647 })
    );
    let key = app.api_key(&owner, None).await;
    let query =
        format!("{{ team(id: \"{}\") {{ usage {{ events }} permissions {{ canEditSettings }} }} }}", owner.team);
    let answer = app.key(&key).gql(&query, json!({})).await;
    assert_eq!(answer["data"]["team"], json!({ "usage": null, "permissions": { "canEditSettings": false } }));
}

#[tokio::test]
async fn members_have_profiles_and_only_members_see_them() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let ada = app.sign_up("ada@shop.example").await;
    let part = app.join(&owner, &ada, Role::Editor).await;
    let path = format!("/api/teams/{}/members", owner.team);
    let (status, body) = app.token(&ada.token).get(&path).await;
    assert_eq!(status, 200, "{body}");
    let rows = body["data"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let row = rows.iter().find(|row| row["id"] == json!(part)).unwrap();
    assert_eq!(keys(row), ["id", "user_id", "role", "created_at", "user"]);
    assert_eq!(keys(&row["user"]), ["id", "email", "full_name", "name", "avatar_url"]);
    assert_eq!(
        row,
        &json!({ "id": part, "user_id": row["user"]["id"], "role": "editor", "created_at": NOW,
                 "user": { "id": row["user_id"], "email": "ada@shop.example", "full_name": "Test", "name": "Test", "avatar_url": null } })
    );
    app.deactivate(part).await;
    assert_eq!(app.token(&ada.token).get(&path).await.0, 403);
    let (_, body) = app.token(&owner.token).get(&path).await;
    assert_eq!(body["data"].as_array().unwrap().len(), 1, "members that were removed are not listed");
}

#[tokio::test]
async fn a_team_of_more_than_a_page_is_listed_whole() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let ada = app.sign_up("ada@shop.example").await;
    let caller = app.token(&ada.token);
    for number in 0..60 {
        data(&send(&caller, Method::POST, "/api/teams", Some(json!({ "name": format!("Team {number}") }))).await, 201);
    }
    app.join(&owner, &ada, Role::Viewer).await;
    let (_, body) = caller.get("/api/teams").await;
    assert_eq!(body["data"].as_array().unwrap().len(), 62);
}

#[tokio::test]
async fn strangers_and_the_unknown_are_refused_in_order() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let stranger = app.sign_up("stranger@else.example").await;
    let viewer = app.sign_up("viewer@shop.example").await;
    app.join(&owner, &viewer, Role::Viewer).await;
    let key = app.api_key(&owner, None).await;
    for (method, tail, least) in [
        (Method::GET, "/permissions", Some(200)),
        (Method::GET, "/usage", Some(200)),
        (Method::GET, "/members", Some(200)),
        (Method::PUT, "", Some(403)),
        (Method::POST, "/transfer", Some(403)),
        (Method::POST, "/leave", None),
    ] {
        for body in [None, Some(json!([])), Some(json!({ "nonsense": 1 }))] {
            let ask = async |caller: Caller<'_>, team: &str| {
                send(&caller, method.clone(), &format!("/api/teams/{team}{tail}"), body.clone()).await.0.as_u16()
            };
            assert_eq!(ask(app.anon(), &owner.team).await, 401, "{method} {tail}");
            assert_eq!(ask(app.key(&key), &owner.team).await, 401);
            assert_eq!(ask(app.token(&stranger.token), &owner.team).await, 403);
            assert_eq!(ask(app.token(&owner.token), UNKNOWN).await, 404, "{method} {tail}");
            assert_eq!(ask(app.token(&owner.token), "nonsense").await, 400);
            if let Some(least) = least {
                assert_eq!(ask(app.token(&viewer.token), &owner.team).await, least, "{method} {tail}");
            }
        }
    }
}

#[tokio::test]
async fn a_team_is_made_renamed_handed_over_and_left() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let ada = app.sign_up("ada@shop.example").await;
    let caller = app.token(&owner.token);
    let answer = send(&caller, Method::POST, "/api/teams", Some(json!({ "name": " Second " }))).await;
    let made = data(&answer, 201).clone();
    assert_eq!(keys(&made), ["id", "name", "plan", "role", "created_at"]);
    assert_eq!(
        made,
        json!({ "id": made["id"], "name": "Second", "plan": "Enterprise", "role": "owner", "created_at": NOW })
    );
    let team = made["id"].as_str().unwrap();
    let path = format!("/api/teams/{team}");
    let answer = send(&caller, Method::PUT, &path, Some(json!({ "name": "Renamed" }))).await;
    assert_eq!(data(&answer, 200)["name"], "Renamed");
    for body in [json!({ "name": "" }), json!({ "name": "x".repeat(101) }), json!({ "name": null }), json!({})] {
        for (method, path) in [(Method::POST, "/api/teams"), (Method::PUT, path.as_str())] {
            let answer = send(&caller, method, path, Some(body.clone())).await;
            assert_eq!(code(&answer), (400, "VALIDATION_ERROR"));
            assert!(answer.1["error"]["message"].as_str().unwrap().starts_with("name: "), "{}", answer.1);
        }
    }
    let (_, list) = caller.get("/api/teams").await;
    let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|team| &team["name"]).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&&json!("Renamed")), "{list}");

    // The last owner can neither leave nor hand the team to a stranger, to nobody, or to themselves.
    assert_eq!(code(&send(&caller, Method::POST, &format!("{path}/leave"), None).await), (409, "CONFLICT"));
    let in_second = Person { team: team.to_owned(), ..owner.clone() };
    let part = app.join(&in_second, &ada, Role::Viewer).await;
    let transfer = format!("{path}/transfer");
    let (_, rows) = caller.get(&format!("{path}/members")).await;
    let own = rows["data"].as_array().unwrap().iter().find(|row| row["role"] == "owner").unwrap()["id"].clone();
    for (member, told) in [
        (json!(UNKNOWN), (404, "NOT_FOUND")),
        (own.clone(), (409, "CONFLICT")),
        (json!("nonsense"), (400, "VALIDATION_ERROR")),
    ] {
        assert_eq!(code(&send(&caller, Method::POST, &transfer, Some(json!({ "member_id": member }))).await), told);
    }
    let foreign = app.join(&owner, &ada, Role::Viewer).await;
    let answer = send(&caller, Method::POST, &transfer, Some(json!({ "member_id": foreign }))).await;
    assert_eq!(code(&answer), (404, "NOT_FOUND"), "a member of another team");
    let answer = send(&caller, Method::POST, &transfer, Some(json!({ "member_id": part }))).await;
    assert_eq!((&data(&answer, 200)["id"], &answer.1["data"]["role"]), (&json!(team), &json!("owner")));
    assert_eq!(code(&send(&caller, Method::POST, &format!("{path}/leave"), None).await), (409, "CONFLICT"));
    accept(&app, &ada, team).await;
    let (_, body) = caller.get(&format!("{path}/permissions")).await;
    assert_eq!(body["data"]["role"], "admin");
    let answer = send(&caller, Method::POST, &transfer, Some(json!({ "member_id": part }))).await;
    assert_eq!(code(&answer), (403, "FORBIDDEN"), "no owner any more");
    let (_, body) = app.token(&ada.token).get(&format!("{path}/permissions")).await;
    assert_eq!(body["data"]["role"], "owner");
    let answer = send(&caller, Method::POST, &format!("{path}/leave"), None).await;
    assert_eq!(data(&answer, 200), &json!({ "left": true }));
    assert_eq!(caller.get(&format!("{path}/permissions")).await.0, 403);

    let query = format!("{{ team(id: \"{team}\") {{ auditLog(first: 100) {{ nodes {{ action target }} }} }} }}");
    let answer = app.token(&ada.token).gql(&query, json!({})).await;
    assert_eq!(
        answer["data"]["team"]["auditLog"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["action"].as_str().unwrap().starts_with("TEAM_"))
            .cloned()
            .collect::<Vec<_>>(),
        [
            json!({ "action": "TEAM_LEAVE", "target": "owner@shop.example" }),
            json!({ "action": "TEAM_ACCEPT_OWNERSHIP", "target": "ada@shop.example" }),
            json!({ "action": "TEAM_TRANSFER", "target": "ada@shop.example" }),
            json!({ "action": "TEAM_UPDATE", "target": "Renamed" }),
            json!({ "action": "TEAM_CREATE", "target": "Second" })
        ],
        "{answer}"
    );
}

#[tokio::test]
async fn a_member_is_invited_to_the_team_without_a_website() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let ada = app.sign_up("ada@shop.example").await;
    let invite =
        "mutation($team: ID!, $input: TeamInviteMemberInput!) { teamInviteMember(teamId: $team, input: $input) {
        membership { role user { email } } team { databaseId role } } }";
    let variables = |email: &str, role: &str| json!({ "team": owner.team, "input": { "email": email, "role": role } });
    let answer = app.token(&ada.token).gql(invite, variables("owner@shop.example", "VIEWER")).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    let caller = app.token(&owner.token);
    let answer = caller.gql(invite, variables("ada@shop.example", "EDITOR")).await;
    assert_eq!(
        answer["data"]["teamInviteMember"],
        json!({ "membership": { "role": "EDITOR", "user": { "email": "ada@shop.example" } },
                "team": { "databaseId": owner.team, "role": "OWNER" } }),
        "{answer}"
    );
    for (email, code) in [("ada@shop.example", "CONFLICT"), ("nobody@shop.example", "NOT_FOUND")] {
        let answer = caller.gql(invite, variables(email, "VIEWER")).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{answer}");
    }
}
