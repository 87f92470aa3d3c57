//! Conversations over REST and GraphQL: shapes, who has access, and that no message is lost.

use futures_util::future::join_all;
use reqwest::Method;
use schema::access::Role;
use serde_json::{Value, json};

use crate::{
    app::{Caller, NOW, Person, TestApp, node},
    members::{code, data, keys, send},
};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const BASE: &str = "/api/conversations";

async fn begin(app: &TestApp, by: &Person, title: &str) -> String {
    let answer = send(&app.token(&by.token), Method::POST, BASE, Some(json!({ "title": title }))).await;
    data(&answer, 201)["id"].as_str().unwrap().to_owned()
}

async fn say(caller: &Caller<'_>, conversation: &str, role: &str, content: &str) -> Value {
    let path = format!("{BASE}/{conversation}/messages");
    let answer = send(caller, Method::POST, &path, Some(json!({ "role": role, "content": content }))).await;
    data(&answer, 201).clone()
}

#[tokio::test]
async fn a_conversation_has_the_documented_shapes_from_first_to_last() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let caller = app.token(&owner.token);
    let (status, list) = caller.get(BASE).await;
    assert_eq!((status.as_u16(), &list["data"]), (200, &json!([])));
    let answer =
        send(&caller, Method::POST, BASE, Some(json!({ "title": " Analytics Q3 review ", "team_id": owner.team })))
            .await;
    let made = data(&answer, 201).clone();
    assert_eq!(keys(&answer.1), ["success", "data", "timestamp"]);
    assert_eq!(keys(&made), ["id", "team_id", "title", "messages", "created_at", "updated_at"]);
    assert_eq!(
        made,
        json!({ "id": made["id"], "team_id": owner.team, "title": "Analytics Q3 review", "messages": [], "created_at": NOW, "updated_at": NOW })
    );
    let path = format!("{BASE}/{}", made["id"].as_str().unwrap());
    let whole = say(&caller, made["id"].as_str().unwrap(), "user", "What were last week's top referrers?").await;
    assert_eq!(keys(&whole), keys(&made));
    let question = json!({ "role": "user", "content": "What were last week's top referrers?", "timestamp": NOW });
    assert_eq!(whole["messages"], json!([question]));
    assert_eq!(keys(&whole["messages"][0]), ["role", "content", "timestamp"]);
    let whole = say(&caller, made["id"].as_str().unwrap(), "assistant", "Here they are: …\n1. \"google.com\"").await;
    let answer = json!({ "role": "assistant", "content": "Here they are: …\n1. \"google.com\"", "timestamp": NOW });
    assert_eq!(whole["messages"], json!([question, answer]));
    let (status, shown) = caller.get(&path).await;
    assert_eq!((status.as_u16(), &shown["data"]), (200, &whole));

    let (_, list) = caller.get(&format!("{BASE}?team_id={}", owner.team)).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(keys(&list["data"][0]), ["id", "team_id", "title", "created_at", "updated_at"]);
    assert_eq!(caller.get(BASE).await.1["data"], list["data"], "the default team is meant");

    let changed = send(&caller, Method::PUT, &path, Some(json!({ "title": "Updated title" }))).await;
    let mut renamed = whole.clone();
    renamed["title"] = json!("Updated title");
    assert_eq!(data(&changed, 200), &renamed, "one field changes one field");
    let messages = json!([{ "role": "system", "content": "Be brief.", "timestamp": "2026-02-07T15:30:00.1239+01:00" }, { "role": "user", "content": " Hello " }]);
    let changed = send(&caller, Method::PUT, &path, Some(json!({ "messages": messages }))).await;
    assert_eq!(
        data(&changed, 200)["messages"],
        json!([{ "role": "system", "content": "Be brief.", "timestamp": "2026-02-07T14:30:00.123Z" }, { "role": "user", "content": " Hello ", "timestamp": NOW }])
    );
    assert_eq!(data(&changed, 200)["title"], "Updated title");
    assert_eq!(
        data(&send(&caller, Method::PUT, &path, Some(json!({}))).await, 200),
        data(&changed, 200),
        "nothing changes nothing"
    );
    let emptied = send(&caller, Method::PUT, &path, Some(json!({ "messages": [] }))).await;
    assert_eq!(data(&emptied, 200)["messages"], json!([]));

    assert_eq!(data(&send(&caller, Method::DELETE, &path, None).await, 200), &json!({ "deleted": true }));
    for (method, tail, body) in [
        (Method::GET, "", None),
        (Method::PUT, "", Some(json!({ "title": "x" }))),
        (Method::DELETE, "", None),
        (Method::POST, "/messages", Some(json!({ "role": "user", "content": "x" }))),
    ] {
        assert_eq!(code(&send(&caller, method, &format!("{path}{tail}"), body).await), (404, "NOT_FOUND"));
    }
}

#[tokio::test]
async fn a_faulty_body_is_refused_by_its_field() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let caller = app.token(&owner.token);
    let id = begin(&app, &owner, "One").await;
    let path = format!("{BASE}/{id}");
    let messages = format!("{path}/messages");
    let long = |length| "x".repeat(length);
    for (method, path, body, field) in [
        (Method::POST, BASE, json!({}), "title: "),
        (Method::POST, BASE, json!({ "title": "" }), "title: "),
        (Method::POST, BASE, json!({ "title": "  " }), "title: "),
        (Method::POST, BASE, json!({ "title": null }), "title: "),
        (Method::POST, BASE, json!({ "title": 7 }), "title: "),
        (Method::POST, BASE, json!({ "title": "a\nb" }), "title: "),
        (Method::POST, BASE, json!({ "title": long(201) }), "title: "),
        (Method::POST, BASE, json!({ "title": "x", "team_id": "nonsense" }), "team_id: "),
        (Method::POST, BASE, json!({ "title": "x", "teem_id": owner.team }), "teem_id: "),
        (Method::PUT, &path, json!({ "title": null }), "title: "),
        (Method::PUT, &path, json!({ "title": "" }), "title: "),
        (Method::PUT, &path, json!({ "messages": null }), "messages: "),
        (Method::PUT, &path, json!({ "messages": {} }), "messages: "),
        (Method::PUT, &path, json!({ "messages": [{ "role": "user" }] }), "messages[0].content: "),
        (
            Method::PUT,
            &path,
            json!({ "messages": [{ "role": "user", "content": "x" }, { "role": "", "content": "x" }] }),
            "role: ",
        ),
        (
            Method::PUT,
            &path,
            json!({ "messages": [{ "role": "user", "content": "x", "timestamp": 7 }] }),
            "messages[0].timestamp: ",
        ),
        (
            Method::PUT,
            &path,
            json!({ "messages": [{ "role": "user", "content": "x", "timestamp": "yesterday" }] }),
            "messages[0].timestamp: ",
        ),
        (Method::PUT, &path, json!({ "messages": [{ "role": "user", "content": "x", "id": 1 }] }), "messages[0].id: "),
        (Method::POST, &messages, json!({ "content": "x" }), "role: "),
        (Method::POST, &messages, json!({ "role": "user" }), "content: "),
        (Method::POST, &messages, json!({ "role": "", "content": "x" }), "role: "),
        (Method::POST, &messages, json!({ "role": long(33), "content": "x" }), "role: "),
        (Method::POST, &messages, json!({ "role": "user", "content": "" }), "content: "),
        (Method::POST, &messages, json!({ "role": "user", "content": " \n" }), "content: "),
        (Method::POST, &messages, json!({ "role": "user", "content": "a\0b" }), "content: "),
        (Method::POST, &messages, json!({ "role": "user", "content": "x", "timestamp": NOW }), "timestamp: "),
    ] {
        let answer = send(&caller, method, path, Some(body.clone())).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{body}: {answer:?}");
        let message = answer.1["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{body}: {message}");
    }
    let (_, shown) = caller.get(&path).await;
    assert_eq!(
        (&shown["data"]["title"], &shown["data"]["messages"]),
        (&json!("One"), &json!([])),
        "nothing was changed"
    );
    for query in ["?team_id=", "?team_id=nonsense", "?team_id=a&team_id=b"] {
        let answer = send(&caller, Method::GET, &format!("{BASE}{query}"), None).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{query}");
        assert!(answer.1["error"]["message"].as_str().unwrap().starts_with("team_id: "), "{answer:?}");
    }
    say(&caller, &id, &long(32), &"ü".repeat(30_000)).await;
}

#[tokio::test]
async fn only_members_of_the_team_have_access() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let stranger = app.sign_up("stranger@else.example").await;
    let viewer = app.sign_up("viewer@shop.example").await;
    let part = app.join(&owner, &viewer, Role::Viewer).await;
    let key = app.api_key(&owner, None).await;
    let id = begin(&app, &owner, "Ours").await;
    let theirs = begin(&app, &stranger, "Theirs").await;
    let calls = [(Method::GET, ""), (Method::PUT, ""), (Method::POST, "/messages"), (Method::DELETE, "")];
    for (method, tail) in &calls {
        for body in [None, Some(json!([])), Some(json!({ "nonsense": 1 }))] {
            let ask = async |caller: Caller<'_>, id: &str| {
                send(&caller, method.clone(), &format!("{BASE}/{id}{tail}"), body.clone()).await.0.as_u16()
            };
            assert_eq!(ask(app.anon(), &id).await, 401, "{method} {tail}");
            assert_eq!(ask(app.token("nonsense"), &id).await, 401);
            assert_eq!(ask(app.key(&key), &id).await, 401);
            assert_eq!(ask(app.token(&stranger.token), &id).await, 403, "{method} {tail} {body:?}");
            assert_eq!(ask(app.token(&owner.token), &theirs).await, 403);
            assert_eq!(ask(app.token(&owner.token), UNKNOWN).await, 404, "{method} {tail} {body:?}");
            assert_eq!(ask(app.token(&owner.token), "nonsense").await, 400);
        }
    }
    let at = |team: &str| format!("{BASE}?team_id={team}");
    for (caller, team, status) in [
        (app.anon(), owner.team.as_str(), 401),
        (app.token(&stranger.token), &owner.team, 403),
        (app.token(&owner.token), UNKNOWN, 404),
        (app.token(&viewer.token), &owner.team, 200),
    ] {
        assert_eq!(caller.get(&at(team)).await.0, status);
        let answer = send(&caller, Method::POST, BASE, Some(json!({ "title": "x", "team_id": team }))).await;
        assert_eq!(answer.0.as_u16(), if status == 200 { 201 } else { status }, "{answer:?}");
    }
    let by_viewer = app.token(&viewer.token);
    say(&by_viewer, &id, "user", "A viewer speaks").await;
    // A member continues another's conversation; only its author and admins rewrite or delete it, and that is asked first.
    let editor = app.sign_up("editor@shop.example").await;
    app.join(&owner, &editor, Role::Editor).await;
    for body in [Some(json!({ "title": "Renamed" })), Some(json!({ "messages": [] })), Some(json!([])), None] {
        for caller in [&viewer, &editor] {
            for method in [Method::PUT, Method::DELETE] {
                let answer = send(&app.token(&caller.token), method, &format!("{BASE}/{id}"), body.clone()).await;
                assert_eq!(code(&answer), (403, "FORBIDDEN"), "{body:?}");
            }
        }
    }
    let change = "mutation($id: ID!) { conversationUpdate(conversationId: $id, input: { title: \"x\" }) { conversation { id } } }";
    let delete = "mutation($id: ID!) { conversationDelete(input: { conversationId: $id }) { deletedId } }";
    for mutation in [change, delete] {
        let answer = by_viewer.gql(mutation, json!({ "id": id })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    }
    let answer = app.token(&owner.token).get(&format!("{BASE}/{id}")).await;
    assert_eq!(answer.1["data"]["messages"][0]["content"], "A viewer speaks", "nothing was lost");
    let body = json!({ "title": "A viewer's", "team_id": owner.team });
    let answer = send(&by_viewer, Method::POST, BASE, Some(body)).await;
    let own = format!("{BASE}/{}", data(&answer, 201)["id"].as_str().unwrap());
    let rename = |title: &str| Some(json!({ "title": title }));
    data(&send(&by_viewer, Method::PUT, &own, rename("By its author")).await, 200);
    let admin = app.sign_up("admin@shop.example").await;
    app.join(&owner, &admin, Role::Admin).await;
    let answer = send(&app.token(&admin.token), Method::PUT, &own, rename("By an admin")).await;
    assert_eq!(data(&answer, 200)["title"], "By an admin");
    data(&send(&by_viewer, Method::DELETE, &own, None).await, 200);
    app.deactivate(part).await;
    for (method, tail) in &calls {
        let answer = send(&by_viewer, method.clone(), &format!("{BASE}/{id}{tail}"), Some(json!({}))).await;
        assert_eq!(code(&answer), (403, "FORBIDDEN"), "a member who was removed");
    }

    // Keys read figures, and no global id opens what its path does not.
    let ids = format!("{{ conversation(id: \"{id}\") {{ id messages {{ nodes {{ id }} }} }} }}");
    let answer = app.token(&owner.token).gql(&ids, json!({})).await;
    let conversation = &answer["data"]["conversation"];
    let message = &conversation["messages"]["nodes"][0]["id"];
    let node = "query($id: ID!) { node(id: $id) { __typename id } }";
    for global in [&conversation["id"], message] {
        let answer = app.token(&owner.token).gql(node, json!({ "id": global })).await;
        assert_eq!(&answer["data"]["node"]["id"], global, "{answer}");
        for caller in [app.token(&stranger.token), app.token(&viewer.token), app.key(&key)] {
            let answer = caller.gql(node, json!({ "id": global })).await;
            assert_eq!(
                (&answer["data"]["node"], &answer["errors"][0]["extensions"]["code"]),
                (&Value::Null, &json!("FORBIDDEN"))
            );
        }
        assert_eq!(
            app.anon().gql(node, json!({ "id": global })).await["errors"][0]["extensions"]["code"],
            "UNAUTHORIZED"
        );
    }
    let team = format!("{{ team(id: \"{}\") {{ conversations {{ nodes {{ title }} }} }} }}", owner.team);
    let create = "mutation { conversationCreate(input: { title: \"x\" }) { conversation { id } } }".to_owned();
    let create_in = format!(
        "mutation {{ conversationCreate(input: {{ title: \"x\", teamId: \"{}\" }}) {{ conversation {{ id }} }} }}",
        owner.team
    );
    for query in [ids, team, create, create_in] {
        let answer = app.key(&key).gql(&query, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{query}: {answer}");
    }
}

#[tokio::test]
async fn fifty_messages_at_once_are_all_kept_in_one_order() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let caller = app.token(&owner.token);
    let id = begin(&app, &owner, "Busy").await;
    let answers = join_all((0..50).map(|n| {
        let (caller, id) = (&caller, &id);
        async move { say(caller, id, "user", &format!("message {n}")).await }
    }))
    .await;
    let (_, shown) = caller.get(&format!("{BASE}/{id}")).await;
    let kept = shown["data"]["messages"].as_array().unwrap();
    let mut contents: Vec<&str> = kept.iter().map(|message| message["content"].as_str().unwrap()).collect();
    for (n, answer) in answers.iter().enumerate() {
        let seen = answer["messages"].as_array().unwrap();
        assert!(
            seen.iter().any(|message| message["content"] == format!("message {n}")),
            "an answer shows its own message"
        );
        assert_eq!(seen[..], kept[..seen.len()], "in the order that stays");
    }
    contents.sort_unstable();
    contents.dedup();
    assert_eq!(contents.len(), 50);
    let query = format!("{{ conversation(id: \"{id}\") {{ messages(first: 100) {{ nodes {{ position }} }} }} }}");
    let answer = caller.gql(&query, json!({})).await;
    let positions: Vec<i64> = answer["data"]["conversation"]["messages"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["position"].as_i64().unwrap())
        .collect();
    assert_eq!(positions, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_conversation_pages_by_position_and_rest_shows_it_whole() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let caller = app.token(&owner.token);
    let id = begin(&app, &owner, "Long").await;
    let messages: Vec<Value> = (0..230).map(|n| json!({ "role": "user", "content": format!("{n}") })).collect();
    let answer = send(&caller, Method::PUT, &format!("{BASE}/{id}"), Some(json!({ "messages": messages }))).await;
    assert_eq!(data(&answer, 200)["messages"].as_array().unwrap().len(), 230);
    let whole = say(&caller, &id, "user", "230").await;
    let (_, shown) = caller.get(&format!("{BASE}/{id}")).await;
    assert_eq!(shown["data"], whole);
    let contents: Vec<&str> =
        whole["messages"].as_array().unwrap().iter().map(|row| row["content"].as_str().unwrap()).collect();
    assert_eq!(contents, (0..=230).map(|n| n.to_string()).collect::<Vec<_>>());

    let page = async |arguments: &str| {
        let query = format!(
            "{{ conversation(id: \"{id}\") {{ messages{arguments} {{ totalCount nodes {{ content }} edges {{ cursor node {{ position }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
        );
        caller.gql(&query, json!({})).await
    };
    let mut walked = Vec::new();
    let mut after = String::new();
    loop {
        let answer = page(&format!("(first: 100{after})")).await;
        let found = answer["data"]["conversation"]["messages"].clone();
        assert_eq!(found["totalCount"], 231, "{answer}");
        walked.extend(found["nodes"].as_array().unwrap().iter().map(|row| row["content"].as_str().unwrap().to_owned()));
        if found["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = format!(", after: {}", found["pageInfo"]["endCursor"]);
    }
    assert_eq!(walked, contents);
    let answer = page("(last: 2)").await;
    let found = &answer["data"]["conversation"]["messages"];
    assert_eq!(found["nodes"], json!([{ "content": "229" }, { "content": "230" }]));
    assert_eq!(
        (&found["pageInfo"]["hasPreviousPage"], &found["pageInfo"]["hasNextPage"]),
        (&json!(true), &json!(false))
    );
    let before = page(&format!("(last: 1, before: {})", found["pageInfo"]["startCursor"])).await;
    assert_eq!(before["data"]["conversation"]["messages"]["nodes"], json!([{ "content": "228" }]));
    assert_eq!(page("").await["data"]["conversation"]["messages"]["nodes"].as_array().unwrap().len(), 20);
    for arguments in ["(first: 101)", "(first: 0)", "(after: \"bm9uc2Vuc2U\")", "(first: 1, last: 1)"] {
        assert_eq!(page(arguments).await["errors"][0]["extensions"]["code"], "VALIDATION_ERROR", "{arguments}");
    }
}

#[tokio::test]
async fn a_subscriber_gets_each_message_once_while_a_member() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let ada = app.sign_up("ada@shop.example").await;
    let part = app.join(&owner, &ada, Role::Viewer).await.to_string();
    let id = begin(&app, &owner, "Heard").await;
    let said = node("conversation.mjs", &[&app.url(""), &owner.token, &ada.token, &id, &site, &part]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 5, "{said}");
}
