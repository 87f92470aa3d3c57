//! Pages: every row once, in order, whichever way one walks; and how many statements a list costs.

use chrono::Duration;
use serde_json::{Value, json};

use crate::app::App;

const FORWARD: &str = "query($first: Int, $after: String) { viewer { websites(first: $first, after: $after) {
    totalCount pageInfo { hasNextPage hasPreviousPage endCursor startCursor } nodes { domain } edges { cursor node { domain } } } } }";
const BACKWARD: &str = "query($last: Int, $before: String) { viewer { websites(last: $last, before: $before) {
    pageInfo { hasNextPage hasPreviousPage endCursor startCursor } nodes { domain } } } }";

fn domains(page: &Value) -> Vec<String> {
    page["nodes"].as_array().unwrap().iter().map(|node| node["domain"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn walking_forward_and_backward_meets_every_row_once_in_order() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let mut made = Vec::new();
    for number in 0..7 {
        // Pairs share an instant, so that order depends on the id too.
        if number % 2 == 0 {
            app.clock.advance(Duration::milliseconds(1));
        }
        let domain = format!("s{number}.example");
        owner.site(&domain).await;
        made.push(domain);
    }
    app.user("sten").await.site("foreign.example").await;
    let (mut seen, mut cursor, mut first_page) = (Vec::new(), Value::Null, true);
    loop {
        let data = owner.ok(FORWARD, json!({ "first": 3, "after": cursor })).await;
        let page = &data["viewer"]["websites"];
        assert_eq!(page["totalCount"], json!(7));
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!first_page));
        assert_eq!(page["edges"].as_array().unwrap().last().unwrap()["cursor"], page["pageInfo"]["endCursor"]);
        seen.extend(domains(page));
        cursor = page["pageInfo"]["endCursor"].clone();
        first_page = false;
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, made);
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let data = owner.ok(BACKWARD, json!({ "last": 3, "before": cursor })).await;
        let page = &data["viewer"]["websites"];
        let mut rows = domains(page);
        rows.extend(seen);
        seen = rows;
        cursor = page["pageInfo"]["startCursor"].clone();
        if page["pageInfo"]["hasPreviousPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn websites_are_those_of_the_user_or_of_the_key_and_a_domain_finds_one() {
    const LIST: &str = "query($domain: String, $first: Int) { websites(domain: $domain, first: $first) {
        totalCount nodes { domain } pageInfo { hasNextPage } } }";
    let app = App::new().await;
    let owner = app.user("olga").await;
    let shop = owner.site("shop.example").await;
    app.clock.advance(Duration::milliseconds(1));
    owner.site("blog.example").await;
    app.clock.advance(Duration::milliseconds(1));
    let stranger = app.user("sten").await;
    stranger.site("shop.example").await;
    let (_, other_team) = stranger.ids().await;
    app.join(&other_team, &owner.ids().await.0, footfall_schema::access::Role::Viewer).await;
    let of = async |client: &crate::app::Client<'_>, variables: Value| {
        let page = client.ok(LIST, variables).await["websites"].clone();
        assert!(page["totalCount"].is_u64());
        domains(&page)
    };
    assert_eq!(of(&owner, json!({})).await, ["shop.example", "blog.example", "shop.example"]);
    assert_eq!(of(&owner, json!({ "first": 1 })).await, ["shop.example"]);
    for spelling in ["shop.example", "https://Shop.Example/"] {
        assert_eq!(of(&owner, json!({ "domain": spelling })).await, ["shop.example", "shop.example"], "both teams'");
    }
    assert!(of(&owner, json!({ "domain": "op.example" })).await.is_empty(), "no part of a name");
    assert_eq!(owner.refusal(LIST, json!({ "domain": "shop.example/a" })).await.1, "domain");
    let (whole, single) = (owner.new_key(None).await.1, owner.new_key(Some(&shop)).await.1);
    assert_eq!(of(&app.key(&whole), json!({})).await, ["shop.example", "blog.example"]);
    assert_eq!(of(&app.key(&single), json!({})).await, ["shop.example"]);
    assert!(of(&app.key(&single), json!({ "domain": "blog.example" })).await.is_empty());
    assert_eq!(app.anonymous().code(LIST, json!({})).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_row_added_between_two_pages_neither_hides_nor_repeats_another() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    for number in 0..4 {
        app.clock.advance(Duration::seconds(1));
        owner.site(&format!("s{number}.example")).await;
    }
    let data = owner.ok(FORWARD, json!({ "first": 2 })).await;
    let cursor = data["viewer"]["websites"]["pageInfo"]["endCursor"].clone();
    app.clock.advance(Duration::days(-1));
    owner.site("older.example").await;
    let data = owner.ok(FORWARD, json!({ "first": 2, "after": cursor })).await;
    assert_eq!(domains(&data["viewer"]["websites"]), ["s2.example", "s3.example"]);
}

#[tokio::test]
async fn impossible_pages_are_refused_by_argument() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    for (arguments, field) in [
        ("first: 101", "first"),
        ("first: -1", "first"),
        ("first: 0", "first"),
        ("last: 99999999", "last"),
        ("first: 1, last: 1", "last"),
        ("after: \"nonsense\"", "after"),
        ("before: \"\"", "before"),
    ] {
        for list in ["websites", "teams"] {
            let document = format!("{{ viewer {{ {list}({arguments}) {{ totalCount }} }} }}");
            let (code, at, _) = owner.refusal(&document, json!({})).await;
            assert_eq!((code.as_str(), at.as_str()), ("VALIDATION_ERROR", field), "{list}({arguments})");
        }
    }
}

#[tokio::test]
async fn teams_and_members_are_pages_too() {
    let app = App::new().await;
    let (owner, member) = (app.user("olga").await, app.user("mina").await);
    let (_, team) = owner.ids().await;
    app.join(&team, &member.ids().await.0, footfall_schema::access::Role::Viewer).await;
    let data = member.ok("{ viewer { teams { totalCount nodes { name role } } } }", json!({})).await;
    assert_eq!(
        data["viewer"]["teams"],
        json!({ "totalCount": 2, "nodes": [{ "name": "olga's team", "role": "VIEWER" }, { "name": "mina's team", "role": "OWNER" }] })
    );
    let document =
        "query($id: ID!) { team(id: $id) { members { totalCount nodes { role user { email fullName } } } } }";
    let data = member.ok(document, json!({ "id": team })).await;
    assert_eq!(
        data["team"]["members"],
        json!({ "totalCount": 2, "nodes": [
            { "role": "OWNER", "user": { "email": "olga@shop.example", "fullName": "olga" } },
            { "role": "VIEWER", "user": { "email": "mina@shop.example", "fullName": "mina" } },
        ] })
    );
}

/// Statements that readers run while `work` is done.
async fn statements(app: &mut App, document: &str, variables: Value, token: &str) -> usize {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    app.reopen(|reader| {
        reader.set_metric_callback(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
    })
    .await;
    app.token(token).ok(document, variables).await;
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn siblings_are_asked_in_one_statement() {
    let mut app = App::new().await;
    let data = app
        .anonymous()
        .ok(
            "mutation { signUp(input: { email: \"olga@shop.example\", password: \"correct horse\" }) { accessToken } }",
            json!({}),
        )
        .await;
    let token = data["signUp"]["accessToken"].as_str().unwrap().to_owned();
    let owner = app.token(&token);
    let mut sites = Vec::new();
    for number in 0..5 {
        sites.push(owner.site(&format!("s{number}.example")).await);
    }
    let roots: String = sites
        .iter()
        .enumerate()
        .map(|(at, id)| format!("w{at}: website(id: \"{id}\") {{ name team {{ name }} }} "))
        .collect();
    let one = statements(
        &mut app,
        &format!("{{ w: website(id: \"{}\") {{ name team {{ name }} }} }}", sites[0]),
        json!({}),
        &token,
    )
    .await;
    let five = statements(&mut app, &format!("{{ {roots} }}"), json!({}), &token).await;
    // The session, the websites with the caller's part in them, the teams.
    assert_eq!((one, five), (3, 3));
    let list =
        statements(&mut app, "{ viewer { websites { nodes { name team { name } } } } }", json!({}), &token).await;
    // The session, the user, the memberships, the page, the teams.
    assert_eq!(list, 5);
}
