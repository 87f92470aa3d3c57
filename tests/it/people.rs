//! People: identified by pages and servers, listed by members, forgotten without a trace in any file.

use std::path::Path;

use reqwest::StatusCode;
use schema::access::Role;
use serde_json::{Value, json};

use crate::ingest::{Shop, shop, view, with};

const FIELDS: &str =
    "id databaseId userId email name company plan traits badge visits pageviews revenue { amount currency }";

/// An event of a device.
fn of(device: &str, path: &str, changes: Value) -> Value {
    with(with(view(path), json!({ "visitor_id": format!("device-{device}") })), changes)
}

fn identify(device: &str, data: Value) -> Value {
    of(device, "/account", json!({ "type": "identify", "data": data }))
}

impl Shop {
    async fn sent(&self, body: Value) {
        let sent = self.send(body.clone()).await;
        assert_eq!((sent.status, sent.dropped), (StatusCode::OK, None), "{body}");
    }

    /// The people, once there are this many.
    async fn people(&self, arguments: &str, count: usize) -> Vec<Value> {
        let query = format!("{{ website(id: \"{}\") {{ people{arguments} {{ nodes {{ {FIELDS} }} }} }} }}", self.id);
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let answer = self.app.token(&self.owner.token).gql(&query, json!({})).await;
            let people = answer["data"]["website"]["people"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
            if people.len() == count || tokio::time::Instant::now() > deadline {
                return people.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn forget(&self, token: &str, subject: Value) -> Value {
        let query = "mutation($input: VisitorForgetInput!) { visitorForget(input: $input) { receiptDatabaseId people visitors visits events } }";
        self.app.token(token).gql(query, json!({ "input": { "websiteId": self.id, "subject": subject } })).await
    }
}

#[tokio::test]
async fn one_person_on_two_devices_has_the_latest_traits_and_all_visits() {
    let shop = shop().await;
    shop.sent(of("phone", "/", json!({}))).await;
    shop.sent(identify(
        "phone",
        json!({ "user_id": "u1", "email": "Ann@Else.Example", "plan": "free", "seats": 3, "vip": true }),
    ))
    .await;
    shop.sent(of("laptop", "/pricing", json!({}))).await;
    shop.sent(identify("laptop", json!({ "id": "u1", "name": "Ann", "plan": "pro", "company": "Else" }))).await;
    shop.sent(of("laptop", "/buy", json!({ "type": "revenue", "data": { "amount": 29.5, "currency": "USD" } }))).await;
    shop.sent(identify("tablet", json!({ "email": "bob@else.example" }))).await;
    let people = shop.people("", 2).await;
    let ann = people.iter().find(|person| person["userId"] == "u1").unwrap();
    let expected = json!({
        "id": ann["id"], "databaseId": ann["databaseId"],
        "userId": "u1", "email": "ann@else.example", "name": "Ann", "company": "Else", "plan": "pro", "badge": "PAYING",
        "traits": { "user_id": "u1", "email": "ann@else.example", "name": "Ann", "company": "Else", "plan": "pro", "seats": 3, "vip": true },
        "visits": 2, "pageviews": 2, "revenue": { "amount": "29.5", "currency": "USD" }
    });
    assert_eq!(*ann, expected);
    let bob = people.iter().find(|person| person["userId"].is_null()).unwrap();
    assert_eq!(
        (&bob["email"], &bob["badge"], &bob["revenue"]),
        (&json!("bob@else.example"), &json!("IDENTIFIED"), &Value::Null)
    );
    for (arguments, found) in [
        ("(filter: { search: \"ANN\" })", 1),
        ("(filter: { traits: [{ name: \"seats\", operator: IS, values: [\"3\"] }] })", 1),
        ("(filter: { traits: [{ name: \"plan\", operator: IS, values: [\"free\"] }] })", 0),
        ("(filter: { isPaying: false })", 1),
        ("(first: 1)", 1),
    ] {
        assert_eq!(shop.people(arguments, found).await.len(), found, "{arguments}");
    }
    let query = "query($id: ID!) { node(id: $id) { ... on Person { userId } } }";
    let owner = shop.app.token(&shop.owner.token);
    assert_eq!(owner.gql(query, json!({ "id": ann["id"] })).await["data"]["node"], json!({ "userId": "u1" }));
    let stranger = shop.app.sign_up("stranger@else.example").await;
    let answer = shop.app.token(&stranger.token).gql(query, json!({ "id": ann["id"] })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
}

#[tokio::test]
async fn the_public_dashboard_and_event_properties_show_nobody() {
    let shop = shop().await;
    shop.sent(identify("phone", json!({ "user_id": "u1", "email": "ann@else.example", "name": "Ann" }))).await;
    shop.people("", 1).await;
    let owner = shop.app.token(&shop.owner.token);
    let open = "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { publicDashboard: true, publicDetails: true }) { website { id } } }";
    assert!(owner.gql(open, json!({ "id": shop.id })).await.get("errors").is_none());
    for (selection, path) in
        [("people { nodes { email } }", "people"), ("people(first: 1) { pageInfo { hasNextPage } }", "people")]
    {
        let query = format!("{{ website(id: \"{}\") {{ {selection} }} }}", shop.id);
        let answer = shop.app.anon().gql(&query, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{path}: {answer}");
        assert!(!answer.to_string().contains("ann"), "{answer}");
    }
    let range = "range: { preset: LAST_24_HOURS }";
    for property in ["email", "name"] {
        let breakdown = format!("breakdown(by: EVENT, property: \"{property}\") {{ nodes {{ value }} }}");
        let rows = owner.analytics(&shop.id, range, &breakdown).await;
        assert_eq!(rows["breakdown"]["nodes"], json!([{ "value": "" }]), "{property}");
    }
}

#[tokio::test]
async fn identifications_are_bounded_and_refused_by_field() {
    let shop = shop().await;
    let many = |count: usize| {
        let mut data = json!({ "user_id": "u1", "email": "a@b.example", "name": "A", "company": "B", "plan": "C" });
        for number in 0..count {
            data[format!("trait{number}")] = json!(number);
        }
        identify("phone", data)
    };
    shop.sent(many(50)).await;
    let people = shop.people("", 1).await;
    assert_eq!(people[0]["traits"].as_object().unwrap().len(), 55);
    let long = json!({ "user_id": "u1", "a": "x".repeat(17_000) });
    for body in [many(51), identify("phone", long), identify("phone", json!({ "plan": "pro" }))] {
        let sent = shop.send(body).await;
        assert_eq!(sent.status, StatusCode::BAD_REQUEST);
        assert!(sent.body["error"]["message"].as_str().unwrap().starts_with("data: "), "{}", sent.body);
    }
    let owner = shop.app.token(&shop.owner.token);
    for (arguments, field) in [
        ("(first: 101)", "first"),
        ("(after: \"x\")", "after"),
        ("(filter: { traits: [{ name: \"\", operator: IS, values: [\"x\"] }] })", "filter"),
        ("(filter: { traits: [{ name: \"x\", operator: IS, values: [] }] })", "filter"),
        ("(filter: { traits: [{ name: \"x\", operator: MATCHES, values: [\"(\"] }] })", "filter"),
    ] {
        let query = format!("{{ website(id: \"{}\") {{ people{arguments} {{ nodes {{ userId }} }} }} }}", shop.id);
        let answer = owner.gql(&query, json!({})).await;
        let error = &answer["errors"][0];
        assert!(error["message"].as_str().unwrap().contains(field), "{arguments}: {answer}");
    }
}

/// The files below a folder that contain a text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).unwrap_or_default().windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test]
async fn a_forgotten_person_is_in_no_file_of_the_data_folder_and_the_rest_is_unchanged() {
    let shop = shop().await;
    let texts = [
        "quilla-71",
        "quilla@vexnor.example",
        "Quilla Vexnor",
        "Vexnor Holding",
        "plan-of-quilla",
        "path-of-quilla",
        "note-of-quilla",
    ];
    for number in 0..30 {
        shop.sent(of(&format!("other-{number}"), "/", json!({}))).await;
        shop.sent(identify(&format!("other-{number}"), json!({ "user_id": format!("other-{number}"), "plan": "pro" })))
            .await;
    }
    let other_totals = shop.totals_with(30, 30).await;
    // Nothing answers there, so that messages about the person wait.
    let hook = "mutation($site: ID!) { webhookCreate(input: { websiteId: $site, url: \"https://hooks.invalid/\" }) { webhook { id } } }";
    let made = shop.app.token(&shop.owner.token).gql(hook, json!({ "site": shop.id })).await;
    assert!(made.get("errors").is_none(), "{made}");
    for device in ["phone", "laptop"] {
        shop.sent(of(device, "/path-of-quilla", json!({ "title": "Quilla Vexnor" }))).await;
        shop.sent(identify(
            device,
            json!({ "user_id": "quilla-71", "email": "Quilla@Vexnor.example", "name": "Quilla Vexnor",
            "company": "Vexnor Holding", "plan": "plan-of-quilla" }),
        ))
        .await;
        let note = json!({ "type": "event", "name": "note", "data": { "note": "note-of-quilla" } });
        shop.sent(of(device, "/path-of-quilla", note)).await;
    }
    shop.people("(first: 100)", 31).await;
    let before: Vec<&str> = texts.into_iter().filter(|text| files_with(&shop.app.data(), text).is_empty()).collect();
    assert_eq!(before, [""; 0], "each is in some file before");
    let (admin, editor) = (shop.app.sign_up("admin@shop.example").await, shop.app.sign_up("editor@shop.example").await);
    shop.app.join(&shop.owner, &admin, Role::Admin).await;
    shop.app.join(&shop.owner, &editor, Role::Editor).await;
    let subject = json!({ "email": "QUILLA@vexnor.example" });
    let refused = shop.forget(&editor.token, subject.clone()).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
    let answer = shop.forget(&admin.token, subject.clone()).await;
    let mut done = answer["data"]["visitorForget"].clone();
    let receipt = done["receiptDatabaseId"].take();
    assert_eq!(
        done,
        json!({ "receiptDatabaseId": null, "people": 1, "visitors": 2, "visits": 2, "events": 6 }),
        "{answer}"
    );
    for text in texts {
        assert_eq!(files_with(&shop.app.data(), text), [""; 0], "{text}");
    }
    assert_eq!(shop.people("(first: 100)", 30).await.len(), 30);
    assert_eq!(shop.totals_with(30, 30).await, other_totals);
    let log = format!(
        "{{ team(id: \"{}\") {{ auditLog(first: 1) {{ nodes {{ databaseId action actor target changed }} }} }} }}",
        shop.owner.team
    );
    let entries = shop.app.token(&shop.owner.token).gql(&log, json!({})).await;
    assert_eq!(
        entries["data"]["team"]["auditLog"]["nodes"][0],
        json!({ "databaseId": receipt, "action": "VISITOR_FORGET", "actor": "admin@shop.example", "target": "shop.example", "changed": [] }),
        "{entries}"
    );
    // What the person sends later is new.
    shop.sent(identify("phone", json!({ "user_id": "quilla-71" }))).await;
    let people = shop.people("(filter: { search: \"quilla\" })", 1).await;
    assert_eq!((&people[0]["email"], &people[0]["visits"]), (&Value::Null, &json!(1)));
    let again = shop.forget(&admin.token, json!({ "userId": "quilla-71" })).await;
    assert_eq!(again["data"]["visitorForget"]["people"], 1, "{again}");
    let folder = shop.app.stop().await;
    for text in texts {
        assert_eq!(files_with(folder.path(), text), [""; 0], "{text} after the stop");
    }
}

#[tokio::test]
async fn a_visitor_without_a_name_is_forgotten_by_the_id_that_the_list_shows() {
    let shop = shop().await;
    shop.sent(of("phone", "/", json!({}))).await;
    shop.sent(of("laptop", "/", json!({}))).await;
    shop.totals(2).await;
    let list = shop.until("range: { preset: LAST_24_HOURS }", "visitors { nodes { visitorId } }", |_| true).await;
    let id = list["visitors"]["nodes"][0]["visitorId"].clone();
    let answer = shop.forget(&shop.owner.token, json!({ "visitorId": id })).await;
    let done = &answer["data"]["visitorForget"];
    assert_eq!((&done["visitors"], &done["visits"], &done["events"]), (&json!(1), &json!(1), &json!(1)), "{answer}");
    assert_eq!(shop.totals(1).await["visitors"], 1);
    let foreign = shop.forget(&shop.owner.token, json!({ "visitorId": shop.id })).await;
    assert_eq!(foreign["errors"][0]["extensions"]["field"], "input.subject.visitorId", "{foreign}");
}

#[tokio::test]
async fn a_persons_data_and_an_accounts_data_are_exported_whole() {
    let shop = shop().await;
    shop.sent(of("phone", "/a", json!({ "title": "A" }))).await;
    shop.sent(identify("phone", json!({ "user_id": "u1", "email": "ann@else.example" }))).await;
    shop.sent(of("laptop", "/b", json!({ "type": "event", "name": "note", "data": { "text": "x" } }))).await;
    shop.sent(identify("laptop", json!({ "user_id": "u1" }))).await;
    shop.sent(of("tablet", "/other", json!({}))).await;
    shop.people("", 1).await;
    let owner = shop.app.token(&shop.owner.token);
    let (mut events, mut after) = (Vec::new(), Value::Null);
    for _ in 0..4 {
        let query = "query($id: ID!, $after: String) { website(id: $id) { people { nodes { events(first: 1, after: $after) { nodes pageInfo { hasNextPage endCursor } } } } } }";
        let answer = owner.gql(query, json!({ "id": shop.id, "after": after })).await;
        let page = &answer["data"]["website"]["people"]["nodes"][0]["events"];
        events.push(page["nodes"][0].clone());
        assert_eq!(page["pageInfo"]["hasNextPage"], events.len() < 4, "{answer}");
        after = page["pageInfo"]["endCursor"].clone();
    }
    let mut found: Vec<(&str, &str)> =
        events.iter().map(|event| (event["type"].as_str().unwrap(), event["path"].as_str().unwrap())).collect();
    found.sort_unstable();
    assert_eq!(found, [("Custom", "/b"), ("Identify", "/account"), ("Identify", "/account"), ("Pageview", "/a")]);
    let answer = owner.gql("{ viewer { personalData } }", json!({})).await;
    let data = answer["data"]["viewer"]["personalData"].as_object().unwrap_or_else(|| panic!("{answer}"));
    let mut keys: Vec<&str> = data.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "apiKeys",
            "auditTrail",
            "mfa",
            "notificationPreferences",
            "oauthIdentities",
            "passkeys",
            "personalApiKeys",
            "referralProgram",
            "supportTickets",
            "teamMemberships",
            "user",
            "websites"
        ]
    );
    assert_eq!(
        (&data["user"]["email"], &data["websites"][0]["domain"]),
        (&json!("owner@shop.example"), &json!("shop.example"))
    );
    assert_eq!(data["teamMemberships"][0]["role"], "owner");
    assert!(!answer.to_string().contains("argon2"), "no hash is in it");
}
