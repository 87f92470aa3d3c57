//! Members of a website's team over REST: shapes, who may give and take which role, and that it counts at once.

use reqwest::{Method, StatusCode};
use schema::access::Role;
use serde_json::{Value, json};

use crate::app::{Caller, NOW, Person, TestApp, node};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

pub async fn send(caller: &Caller<'_>, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let request = caller.request(method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// Status and code of a refusal.
pub fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    let (status, body) = answer;
    assert_eq!(body["success"], false, "{body}");
    (status.as_u16(), body["error"]["code"].as_str().unwrap())
}

/// The data of a success.
pub fn data(answer: &(StatusCode, Value), status: u16) -> &Value {
    assert_eq!((answer.0.as_u16(), &answer.1["success"]), (status, &json!(true)), "{}", answer.1);
    &answer.1["data"]
}

pub fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

/// Invites a user through a website; answers the membership's id.
async fn invite(app: &TestApp, by: &Person, site: &str, email: &str, role: &str) -> String {
    let body = json!({ "email": email, "role": role });
    let path = format!("/api/websites/{site}/team-members");
    let answer = send(&app.token(&by.token), Method::POST, &path, Some(body)).await;
    data(&answer, 201)["id"].as_str().unwrap().to_owned()
}

/// Accepts the ownership that is offered to a person.
pub async fn accept(app: &TestApp, person: &Person, team: &str) {
    let mutation = "mutation($team: ID!) { teamAcceptOwnership(input: { teamId: $team }) { membership { role pendingRole } team { role } } }";
    let answer = app.token(&person.token).gql(mutation, json!({ "team": team })).await;
    let expected = json!({ "membership": { "role": "OWNER", "pendingRole": null }, "team": { "role": "OWNER" } });
    assert_eq!(answer["data"]["teamAcceptOwnership"], expected, "{answer}");
}

/// An owner with a website, and the path of its members.
async fn shop() -> (TestApp, Person, String, String) {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let base = format!("/api/websites/{site}/team-members");
    (app, owner, site, base)
}

/// The id of a person's own membership.
async fn part_of(app: &TestApp, owner: &Person, base: &str, email: &str) -> String {
    let (_, list) = app.token(&owner.token).get(base).await;
    let rows = list["data"].as_array().unwrap();
    let row = rows.iter().find(|row| row["user"]["email"] == email).unwrap_or_else(|| panic!("{list}"));
    row["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn inviting_listing_changing_and_removing_have_the_documented_shapes() {
    let (app, owner, _, base) = shop().await;
    let ada = app.sign_up("ada@shop.example").await;
    let caller = app.token(&owner.token);
    let answer = send(&caller, Method::POST, &base, Some(json!({ "email": "Ada@Shop.Example" }))).await;
    let made = data(&answer, 201).clone();
    assert_eq!(keys(&answer.1), ["success", "data", "timestamp"]);
    assert_eq!(keys(&made), ["id", "user_id", "role", "created_at", "deactivated_at", "user"]);
    assert_eq!(keys(&made["user"]), ["id", "email", "full_name", "avatar_url"]);
    assert_eq!(
        (&made["role"], &made["created_at"], &made["deactivated_at"]),
        (&json!("viewer"), &json!(NOW), &json!(null))
    );
    assert_eq!(
        made["user"],
        json!({ "id": made["user_id"], "email": "ada@shop.example", "full_name": "Test", "avatar_url": null })
    );
    let (status, list) = app.token(&ada.token).get(&base).await;
    assert_eq!((status.as_u16(), list["data"].as_array().unwrap().len()), (200, 2), "a viewer reads the list: {list}");
    assert_eq!(list["data"].as_array().unwrap().iter().find(|row| row["id"] == made["id"]), Some(&made));
    let own = list["data"].as_array().unwrap().iter().find(|row| row["id"] != made["id"]).unwrap();
    assert_eq!((&own["role"], &own["user"]["email"]), (&json!("owner"), &json!("owner@shop.example")));

    let path = format!("{base}/{}", made["id"].as_str().unwrap());
    let answer = send(&caller, Method::PUT, &path, Some(json!({ "role": "admin" }))).await;
    let changed = data(&answer, 200);
    assert_eq!((keys(changed), &changed["role"]), (keys(&made), &json!("admin")));
    let answer = send(&caller, Method::DELETE, &path, None).await;
    assert_eq!(data(&answer, 200), &json!({ "deleted": true }));
    let (_, list) = caller.get(&base).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    for (method, body) in [(Method::DELETE, None), (Method::PUT, Some(json!({ "role": "viewer" })))] {
        assert_eq!(code(&send(&caller, method, &path, body).await), (404, "NOT_FOUND"));
    }
    let again = invite(&app, &owner, base.split('/').nth(3).unwrap(), "ada@shop.example", "editor").await;
    assert_eq!(json!(again), made["id"], "the same membership is back");
    let (_, list) = app.token(&ada.token).get(&base).await;
    let row = list["data"].as_array().unwrap().iter().find(|row| row["id"] == made["id"]).unwrap();
    assert_eq!((&row["role"], &row["deactivated_at"]), (&json!("editor"), &json!(null)));
}

#[tokio::test]
async fn an_invitation_is_refused_by_what_is_wrong_with_it() {
    let (app, owner, _, base) = shop().await;
    app.sign_up("ada@shop.example").await;
    let caller = app.token(&owner.token);
    let post = async |body: Value| send(&caller, Method::POST, &base, Some(body)).await;
    data(&post(json!({ "email": "ada@shop.example" })).await, 201);
    assert_eq!(code(&post(json!({ "email": "ADA@shop.example", "role": "admin" })).await), (409, "CONFLICT"));
    assert_eq!(code(&post(json!({ "email": "owner@shop.example" })).await), (409, "CONFLICT"));
    assert_eq!(code(&post(json!({ "email": "nobody@shop.example" })).await), (404, "NOT_FOUND"));
    for (body, field) in [
        (json!({}), "email: "),
        (json!({ "email": "ada" }), "email: "),
        (json!({ "email": null }), "email: "),
        (json!({ "email": 7 }), "email: "),
        (json!({ "email": "ada@shop.example", "role": "king" }), "role: "),
        (json!({ "email": "ada@shop.example", "role": "ADMIN" }), "role: "),
        (json!({ "email": "ada@shop.example", "role": null }), "role: "),
        (json!({ "email": "ada@shop.example", "rol": "admin" }), "rol: "),
    ] {
        let answer = post(body).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{answer:?}");
        let message = answer.1["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{message}");
    }
    let path = format!("{base}/{}", part_of(&app, &owner, &base, "ada@shop.example").await);
    for (body, field) in [
        (json!({}), "role: is required"),
        (json!({ "role": "king" }), "role: must be one of viewer, editor, admin, owner"),
        (json!({ "role": "admin", "member_id": UNKNOWN }), "member_id: is unknown; must be one of role"),
        (json!([]), "body: "),
    ] {
        let answer = send(&caller, Method::PUT, &path, Some(body)).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{answer:?}");
        let message = answer.1["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{message}");
    }
}

#[tokio::test]
async fn access_is_asked_before_anything_that_was_sent_is_read() {
    let (app, owner, site, base) = shop().await;
    let second = app.website(&owner, "second.example", "UTC").await;
    let stranger = app.sign_up("stranger@else.example").await;
    let foreign = app.website(&stranger, "else.example", "UTC").await;
    let editor = app.sign_up("editor@shop.example").await;
    let part = invite(&app, &owner, &site, "editor@shop.example", "editor").await;
    let key = app.api_key(&owner, None).await;
    let at = |site: &str| format!("/api/websites/{site}/team-members");
    let member = format!("/{part}");
    for (method, tail, least) in [
        (Method::GET, "", 200),
        (Method::POST, "", 403),
        (Method::PUT, member.as_str(), 403),
        (Method::DELETE, member.as_str(), 403),
    ] {
        for body in [None, Some(json!([])), Some(json!({ "role": "king" }))] {
            let ask = async |caller: Caller<'_>, site: &str| {
                send(&caller, method.clone(), &format!("{}{tail}", at(site)), body.clone()).await.0.as_u16()
            };
            assert_eq!(ask(app.anon(), &site).await, 401);
            assert_eq!(ask(app.token("nonsense"), &site).await, 401);
            assert_eq!(ask(app.key(&key), &site).await, 401);
            assert_eq!(ask(app.token(&stranger.token), &site).await, 403);
            assert_eq!(ask(app.token(&editor.token), &site).await, least, "{method} {tail}");
            assert_eq!(ask(app.token(&owner.token), UNKNOWN).await, 404);
            assert_eq!(ask(app.token(&owner.token), "nonsense").await, 400);
        }
    }
    // A member is there through a website of their own team only; which one does not matter.
    for (method, body) in [(Method::PUT, Some(json!({ "role": "viewer" }))), (Method::DELETE, None)] {
        for (caller, site, member) in
            [(&stranger, &foreign, part.as_str()), (&owner, &site, UNKNOWN), (&stranger, &foreign, UNKNOWN)]
        {
            let path = format!("{}/{member}", at(site));
            let answer = send(&app.token(&caller.token), method.clone(), &path, body.clone()).await;
            assert_eq!(code(&answer), (404, "NOT_FOUND"));
        }
        let answer = send(&app.token(&owner.token), method, &format!("{base}/nonsense"), body).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"));
    }
    let answer = send(
        &app.token(&owner.token),
        Method::PUT,
        &format!("{}/{part}", at(&second)),
        Some(json!({ "role": "viewer" })),
    )
    .await;
    assert_eq!(data(&answer, 200)["role"], "viewer");
    let query = format!("{{ website(id: \"{site}\") {{ members {{ nodes {{ role }} }} }} }}");
    let answer = app.key(&key).gql(&query, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "keys read figures, not people: {answer}");
    assert_eq!(answer["data"]["website"]["members"], json!(null));
}

#[tokio::test]
async fn nobody_reaches_above_their_own_role() {
    let (app, owner, site, base) = shop().await;
    let mut people = Vec::new();
    for (email, role) in
        [("admin@shop.example", "admin"), ("peer@shop.example", "admin"), ("viewer@shop.example", "viewer")]
    {
        let person = app.sign_up(email).await;
        people.push((person, invite(&app, &owner, &site, email, role).await));
    }
    app.sign_up("new@shop.example").await;
    let admin = app.token(&people[0].0.token);
    let owners = part_of(&app, &owner, &base, "owner@shop.example").await;
    let put = async |caller: &Caller<'_>, member: &str, role: &str| {
        send(caller, Method::PUT, &format!("{base}/{member}"), Some(json!({ "role": role }))).await
    };
    let body = json!({ "email": "new@shop.example", "role": "owner" });
    assert_eq!(code(&send(&admin, Method::POST, &base, Some(body)).await), (403, "FORBIDDEN"));
    assert_eq!(code(&put(&admin, &people[2].1, "owner").await), (403, "FORBIDDEN"));
    assert_eq!(code(&put(&admin, &people[0].1, "owner").await), (403, "FORBIDDEN"), "nor their own");
    assert_eq!(code(&put(&admin, &owners, "viewer").await), (403, "FORBIDDEN"));
    assert_eq!(code(&send(&admin, Method::DELETE, &format!("{base}/{owners}"), None).await), (403, "FORBIDDEN"));
    assert_eq!(data(&put(&admin, &people[2].1, "admin").await, 200)["role"], "admin");
    assert_eq!(data(&put(&admin, &people[1].1, "editor").await, 200)["role"], "editor", "not above is enough");
    assert_eq!(data(&put(&admin, &people[0].1, "viewer").await, 200)["role"], "viewer", "one's own role goes down");
    assert_eq!(code(&put(&admin, &people[2].1, "viewer").await), (403, "FORBIDDEN"), "it counts on the next request");
}

#[tokio::test]
async fn a_team_has_one_owner_at_least_and_three_at_most() {
    let (app, owner, site, base) = shop().await;
    let caller = app.token(&owner.token);
    let own = part_of(&app, &owner, &base, "owner@shop.example").await;
    let put = async |member: &str, role: &str| {
        send(&caller, Method::PUT, &format!("{base}/{member}"), Some(json!({ "role": role }))).await
    };
    assert_eq!(code(&put(&own, "admin").await), (409, "CONFLICT"));
    assert_eq!(data(&put(&own, "owner").await, 200)["role"], "owner");
    assert_eq!(code(&send(&caller, Method::DELETE, &format!("{base}/{own}"), None).await), (409, "CONFLICT"));
    let (mut parts, mut people) = (Vec::new(), Vec::new());
    for name in ["a", "b", "c"] {
        people.push(app.sign_up(&format!("{name}@shop.example")).await);
        parts.push(invite(&app, &owner, &site, &format!("{name}@shop.example"), "editor").await);
    }
    app.sign_up("d@shop.example").await;
    let offered = put(&parts[0], "owner").await;
    assert_eq!(
        (&data(&offered, 200)["role"], &data(&offered, 200)["pending_role"]),
        (&json!("editor"), &json!("owner"))
    );
    assert_eq!(code(&put(&own, "admin").await), (409, "CONFLICT"), "an offer is no owner");
    data(&put(&parts[1], "owner").await, 200);
    for person in &people[..2] {
        accept(&app, person, &owner.team).await;
    }
    assert_eq!(code(&put(&parts[2], "owner").await), (409, "CONFLICT"), "a fourth owner");
    let body = json!({ "email": "d@shop.example", "role": "owner" });
    assert_eq!(code(&send(&caller, Method::POST, &base, Some(body)).await), (409, "CONFLICT"));
    data(&put(&parts[0], "viewer").await, 200);
    data(&send(&caller, Method::DELETE, &format!("{base}/{}", parts[1]), None).await, 200);
    assert_eq!(code(&put(&own, "admin").await), (409, "CONFLICT"), "the last one again");

    // Of two owners who lower each other at once, one stays.
    data(&put(&parts[2], "owner").await, 200);
    accept(&app, &people[2], &owner.team).await;
    let query = json!({ "role": "viewer" });
    let other = format!("{base}/{}", parts[2]);
    let mine = format!("{base}/{own}");
    let both = tokio::join!(
        send(&caller, Method::PUT, &other, Some(query.clone())),
        send(&caller, Method::PUT, &mine, Some(query.clone()))
    );
    let mut statuses = [both.0.0.as_u16(), both.1.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200, "{both:?}");
    assert!([403, 409].contains(&statuses[1]), "{both:?}");
}

#[tokio::test]
async fn a_removed_member_is_out_at_once_and_keeps_an_account_that_works() {
    let (app, owner, site, base) = shop().await;
    let ada = app.sign_up("ada@shop.example").await;
    let own = app.website(&ada, "ada.example", "UTC").await;
    let part = invite(&app, &owner, &site, "ada@shop.example", "admin").await;
    let seen = format!("/api/websites/{site}/exclusions");
    assert_eq!(app.token(&ada.token).get(&seen).await.0, 200);
    data(&send(&app.token(&owner.token), Method::DELETE, &format!("{base}/{part}"), None).await, 200);
    assert_eq!(app.token(&ada.token).get(&seen).await.0, 403);
    let query = "{ viewer { defaultTeam { databaseId } teams { nodes { databaseId } } } }";
    let answer = app.token(&ada.token).gql(query, json!({})).await;
    assert_eq!(answer["data"]["viewer"]["defaultTeam"]["databaseId"], json!(ada.team), "{answer}");
    assert_eq!(answer["data"]["viewer"]["teams"]["nodes"].as_array().unwrap().len(), 1);

    // Out of the team that was the default: the other one is meant then.
    invite(&app, &ada, &own, "owner@shop.example", "owner").await;
    accept(&app, &owner, &ada.team).await;
    invite(&app, &owner, &site, "ada@shop.example", "editor").await;
    let members = format!("/api/websites/{own}/team-members");
    let first = part_of(&app, &ada, &members, "ada@shop.example").await;
    data(&send(&app.token(&owner.token), Method::DELETE, &format!("{members}/{first}"), None).await, 200);
    let answer = app.token(&ada.token).gql(query, json!({})).await;
    assert_eq!(answer["data"]["viewer"]["defaultTeam"]["databaseId"], json!(owner.team), "{answer}");

    // Out of the last one too: a new one of their own.
    data(&send(&app.token(&owner.token), Method::DELETE, &format!("{base}/{part}"), None).await, 200);
    let answer = app.token(&ada.token).gql("{ viewer { defaultTeam { databaseId name role } } }", json!({})).await;
    let team = &answer["data"]["viewer"]["defaultTeam"];
    assert_eq!((&team["name"], &team["role"]), (&json!("Test's team"), &json!("OWNER")), "{answer}");
    assert_ne!(team["databaseId"], json!(ada.team));
    app.website(&ada, "fresh.example", "UTC").await;

    // A part that ended behind the server's back.
    let bob = app.sign_up("bob@shop.example").await;
    let shared = app.join(&owner, &bob, Role::Viewer).await;
    let answer = app.token(&bob.token).gql("{ viewer { id } }", json!({})).await;
    assert!(answer.get("errors").is_none());
    app.deactivate(shared).await;
    assert_eq!(app.token(&bob.token).get(&seen).await.0, 403);
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_and_admins_read_it() {
    let (app, owner, site, base) = shop().await;
    app.sign_up("ada@shop.example").await;
    let part = invite(&app, &owner, &site, "ada@shop.example", "viewer").await;
    let path = format!("{base}/{part}");
    let caller = app.token(&owner.token);
    data(&send(&caller, Method::PUT, &path, Some(json!({ "role": "editor" }))).await, 200);
    data(&send(&caller, Method::PUT, &path, Some(json!({ "role": "editor" }))).await, 200);
    data(&send(&caller, Method::DELETE, &path, None).await, 200);
    let query = format!(
        "{{ team(id: \"{}\") {{ auditLog(first: 100) {{ nodes {{ action actor target websiteDatabaseId changed }} }} }} }}",
        owner.team
    );
    let answer = caller.gql(&query, json!({})).await;
    let lines = answer["data"]["team"]["auditLog"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let lines: Vec<&Value> =
        lines.iter().filter(|line| line["action"].as_str().unwrap().starts_with("MEMBER_")).collect();
    let actions: Vec<&str> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["MEMBER_REMOVE", "MEMBER_UPDATE", "MEMBER_INVITE"], "what changes nothing writes nothing");
    assert_eq!(
        lines[1],
        &json!({ "action": "MEMBER_UPDATE", "actor": "owner@shop.example", "target": "ada@shop.example",
                 "websiteDatabaseId": site, "changed": ["role"] })
    );
}

/// One page of the audit log: its actions, `hasPreviousPage`, `hasNextPage`, and its first and last cursor.
async fn audit_page(caller: &Caller<'_>, team: &str, arguments: &str) -> (Vec<String>, bool, bool, [String; 2]) {
    let query = format!(
        "{{ team(id: \"{team}\") {{ auditLog({arguments}) {{ nodes {{ action }} \
         pageInfo {{ hasPreviousPage hasNextPage startCursor endCursor }} }} }} }}"
    );
    let answer = caller.gql(&query, json!({})).await;
    let log = &answer["data"]["team"]["auditLog"];
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let info = &log["pageInfo"];
    let flag = |name: &str| info[name].as_bool().unwrap();
    (
        log["nodes"].as_array().unwrap().iter().map(|node| text(&node["action"])).collect(),
        flag("hasPreviousPage"),
        flag("hasNextPage"),
        [text(&info["startCursor"]), text(&info["endCursor"])],
    )
}

#[tokio::test]
async fn the_audit_log_is_paged_from_the_newest_entry_and_back() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let caller = app.token(&owner.token);
    for name in ["one", "two", "three"] {
        // Entries of the same instant, and of different ones.
        if name == "three" {
            app.pass(chrono::Duration::seconds(1));
        }
        app.website(&owner, &format!("{name}.example"), "UTC").await;
        let query = format!("mutation {{ apiKeyCreate(input: {{ name: \"{name}\" }}) {{ secret }} }}");
        caller.gql(&query, json!({})).await;
    }
    let (all, previous, next, [_, oldest]) = audit_page(&caller, &owner.team, "first: 100").await;
    let pair = ["API_KEY_CREATE", "WEBSITE_CREATE"];
    assert_eq!(all, [&pair[..], &pair[..], &pair[..], &["SIGN_UP"][..]].concat());
    assert!(!previous && !next);

    let mut walked = Vec::new();
    let mut arguments = "first: 2".to_owned();
    loop {
        let (actions, previous, next, [_, end]) = audit_page(&caller, &owner.team, &arguments).await;
        assert_eq!(previous, !walked.is_empty());
        walked.extend(actions);
        if !next {
            break;
        }
        arguments = format!("first: 2, after: \"{end}\"");
    }
    assert_eq!(walked, all);

    let mut walked = Vec::new();
    let mut arguments = format!("last: 3, before: \"{oldest}\"");
    loop {
        let (actions, previous, next, [start, _]) = audit_page(&caller, &owner.team, &arguments).await;
        assert!(next);
        walked.splice(0..0, actions);
        if !previous {
            break;
        }
        arguments = format!("last: 3, before: \"{start}\"");
    }
    assert_eq!(walked, all[..6]);
}

#[tokio::test]
async fn a_full_team_takes_nobody_where_plans_count() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    app.sign_up("ada@shop.example").await;
    app.sign_up("bob@shop.example").await;
    let part = invite(&app, &owner, &site, "ada@shop.example", "viewer").await;
    let base = format!("/api/websites/{site}/team-members");
    let caller = app.token(&owner.token);
    let body = json!({ "email": "bob@shop.example" });
    let answer = send(&caller, Method::POST, &base, Some(body)).await;
    assert_eq!(code(&answer), (403, "FORBIDDEN"), "the plan Free has two members");
    assert!(answer.1["error"]["message"].as_str().unwrap().contains("2 active members"), "{}", answer.1);
    data(&send(&caller, Method::DELETE, &format!("{base}/{part}"), None).await, 200);
    invite(&app, &owner, &site, "bob@shop.example", "viewer").await;
    let body = json!({ "email": "ada@shop.example" });
    assert_eq!(code(&send(&caller, Method::POST, &base, Some(body)).await), (403, "FORBIDDEN"), "nor back again");
}

#[tokio::test]
async fn open_subscriptions_end_with_the_membership() {
    let (app, owner, site, _) = shop().await;
    let query = format!("{{ website(id: \"{site}\") {{ trackingCode }} }}");
    let answer = app.token(&owner.token).gql(&query, json!({})).await;
    let code = answer["data"]["website"]["trackingCode"].as_str().unwrap().to_owned();
    let ada = app.sign_up("ada@shop.example").await;
    let part = invite(&app, &owner, &site, "ada@shop.example", "viewer").await;
    let said = node("removed.mjs", &[&app.url(""), &owner.token, &ada.token, &site, &code, &part]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 3, "{said}");
}

/// Nothing happens on the website: the stream ends all the same, and with the reason.
#[tokio::test]
async fn an_idle_stream_ends_with_the_membership() {
    let (app, owner, site, base) = shop().await;
    let ada = app.sign_up("ada@shop.example").await;
    let part = invite(&app, &owner, &site, "ada@shop.example", "viewer").await;
    let query = format!("subscription {{ eventTracked(websiteId: \"{site}\") {{ eventId }} }}");
    let mut stream = app
        .token(&ada.token)
        .request(Method::POST, "/graphql")
        .header("accept", "text/event-stream")
        .json(&json!({ "query": query }))
        .send()
        .await
        .unwrap();
    data(&send(&app.token(&owner.token), Method::DELETE, &format!("{base}/{part}"), None).await, 200);
    let mut said = String::new();
    let ended = async {
        while let Some(bytes) = stream.chunk().await.unwrap() {
            said.push_str(&String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.unwrap();
    assert!(said.contains("FORBIDDEN"), "{said}");
}
