//! Goals: made over GraphQL, counted over the past and the present, and bounded.

use serde_json::{Value, json};

use crate::ingest::{Shop, shop, view, with};

const DAY: &str = "range: { preset: LAST_24_HOURS }";
const CREATE: &str = "mutation($id: ID!, $input: GoalCreateInput!) { goalCreate(websiteId: $id, input: $input) { goal { id databaseId name kind match pattern properties { property operator values } value { amount currency } isEnabled } } }";
const UPDATE: &str = "mutation($id: ID!, $input: GoalUpdateInput!) { goalUpdate(websiteId: $id, input: $input) { goal { name isEnabled value { amount } } } }";
const DELETE: &str = "mutation($id: ID!, $input: GoalDeleteInput!) { goalDelete(websiteId: $id, input: $input) { deletedId website { goals { name } } } }";

impl Shop {
    async fn changed(&self, document: &str, input: Value) -> Value {
        self.app.token(&self.owner.token).gql(document, json!({ "id": self.id, "input": input })).await
    }

    async fn goal(&self, input: Value) -> Value {
        let answer = self.changed(CREATE, input).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["goalCreate"]["goal"].clone()
    }

    async fn send_in(&self, session: &str, path: &str, changes: Value) {
        let visitor = json!({ "session_id": session, "visitor_id": session });
        let sent = self.send(with(with(view(path), visitor), changes)).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
    }
}

fn page(name: &str, kind: &str, pattern: &str) -> Value {
    json!({ "name": name, "rule": { "page": { "match": kind, "pattern": pattern } } })
}

fn refusal(answer: &Value) -> (&str, &str) {
    let error = &answer["errors"][0];
    (error["extensions"]["code"].as_str().unwrap(), error["extensions"]["field"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn goals_count_what_happened_before_they_were_made_and_after() {
    let shop = shop().await;
    shop.send_in("visitor-1", "/pricing", json!({})).await;
    shop.send_in("visitor-1", "/thanks", json!({ "type": "event", "name": "signup", "data": { "plan": "pro" } })).await;
    shop.send_in("visitor-2", "/", json!({})).await;
    shop.send_in("visitor-2", "/", json!({ "type": "goal", "name": "newsletter", "data": { "value": 5 } })).await;
    shop.send_in("visitor-3", "/", json!({})).await;
    shop.send_in("visitor-4", "/blog/caf%c3%a9", json!({})).await;
    let totals = "totals { conversions conversionRate goalValue { amount currency } }";
    let answer = shop.until(DAY, totals, |answer| answer["totals"]["conversions"] == 1).await;
    let value = |amount: &str| json!({ "amount": amount, "currency": "USD" });
    assert_eq!(answer["totals"], json!({ "conversions": 1, "conversionRate": 0.25, "goalValue": value("5") }));

    let made = shop
        .goal(
            json!({ "name": "Pricing", "rule": { "page": { "pattern": "/pricing" } }, "value": { "amount": "2.50" } }),
        )
        .await;
    let expected = json!({
        "id": made["id"], "databaseId": made["databaseId"], "name": "Pricing", "kind": "PAGE", "match": "EXACT",
        "pattern": "/pricing", "properties": [], "value": value("2.5"), "isEnabled": true
    });
    assert_eq!(made, expected);
    let conditions = json!([{ "property": "plan", "operator": "IS", "values": ["pro"] }]);
    let signup = json!({ "name": "Pro", "rule": { "event": { "name": "signup", "properties": conditions } } });
    let made = shop.goal(signup).await;
    assert_eq!((&made["kind"], &made["match"], &made["properties"]), (&json!("EVENT"), &Value::Null, &conditions));
    shop.goal(page("Café", "GLOB", "/blog/*é")).await;
    shop.goal(json!({ "name": "Letter", "rule": { "call": { "name": "newsletter" } } })).await;

    let breakdown = format!(
        "{totals} breakdown(by: GOAL, orderBy: {{ metric: GOAL_VALUE }}) {{ nodes {{ value metrics {{ conversions conversionRate goalValue {{ amount }} }} }} }} \
         pages: breakdown(by: PAGE, orderBy: {{ metric: CONVERSIONS }}, first: 1) {{ nodes {{ value metrics {{ conversions }} }} }} \
         series(interval: DAY) {{ metrics {{ conversions }} }}"
    );
    let answer = shop.until(DAY, &breakdown, |answer| answer["totals"]["conversions"] == 4).await;
    assert_eq!(answer["totals"], json!({ "conversions": 4, "conversionRate": 0.75, "goalValue": value("7.5") }));
    let row = |name: &str, amount: &str| {
        let metrics = json!({ "conversions": 1, "conversionRate": 0.25, "goalValue": { "amount": amount } });
        json!({ "value": name, "metrics": metrics })
    };
    assert_eq!(
        answer["breakdown"]["nodes"],
        json!([row("Letter", "5"), row("Pricing", "2.5"), row("Café", "0"), row("Pro", "0")])
    );
    assert_eq!(answer["pages"]["nodes"], json!([{ "value": "/", "metrics": { "conversions": 1 } }]));
    let counted: u64 =
        answer["series"].as_array().unwrap().iter().map(|day| day["metrics"]["conversions"].as_u64().unwrap()).sum();
    assert_eq!(counted, 4);

    let filtered = format!("{DAY}, filters: [{{ dimension: GOAL, operator: IS, values: [\"Pricing\", \"Pro\"] }}]");
    let answer = shop.until(&filtered, "totals { visitors visits pageviews events conversions }", |_| true).await;
    let expected = json!({ "visitors": 1, "visits": 1, "pageviews": 1, "events": 1, "conversions": 2 });
    assert_eq!(answer["totals"], expected);

    shop.send_in("visitor-3", "/pricing", json!({})).await;
    let answer = shop.until(DAY, totals, |answer| answer["totals"]["conversions"] == 5).await;
    assert_eq!(answer["totals"], json!({ "conversions": 5, "conversionRate": 1.0, "goalValue": value("10") }));
}

#[tokio::test]
async fn a_goal_that_is_disabled_changed_or_deleted_counts_accordingly() {
    let shop = shop().await;
    for path in ["/a", "/b"] {
        shop.send_in("visitor-1", path, json!({})).await;
    }
    shop.send_in("visitor-1", "/a", json!({ "type": "goal", "name": "call" })).await;
    let conversions = async |expected: u64| {
        let answer =
            shop.until(DAY, "totals { conversions }", |answer| answer["totals"]["conversions"] == expected).await;
        assert_eq!(answer["totals"]["conversions"], expected);
    };
    conversions(1).await;
    let made = shop.goal(page("Page", "EXACT", "/a")).await;
    conversions(2).await;
    let changes = json!({ "goalId": made["id"], "rule": { "page": { "match": "REGEX", "pattern": "^/[ab]$" } }, "value": { "amount": "1" } });
    let changed = shop.changed(UPDATE, changes).await;
    assert_eq!(changed["data"]["goalUpdate"]["goal"]["value"]["amount"], "1", "{changed}");
    conversions(3).await;
    let changed =
        shop.changed(UPDATE, json!({ "goalId": made["databaseId"], "isEnabled": false, "value": null })).await;
    let expected = json!({ "name": "Page", "isEnabled": false, "value": null });
    assert_eq!(changed["data"]["goalUpdate"]["goal"], expected, "{changed}");
    conversions(1).await;
    let call = json!({ "name": "Call", "rule": { "call": { "name": "call" } }, "isEnabled": false });
    let call = shop.goal(call).await;
    conversions(0).await;
    for (id, left) in [(&call["id"], json!([{ "name": "Page" }])), (&made["id"], json!([]))] {
        let deleted = shop.changed(DELETE, json!({ "goalId": id })).await;
        assert_eq!(
            deleted["data"]["goalDelete"],
            json!({ "deletedId": id, "website": { "goals": left } }),
            "{deleted}"
        );
    }
    conversions(1).await;
    let gone = shop.changed(DELETE, json!({ "goalId": made["id"] })).await;
    assert_eq!(refusal(&gone), ("NOT_FOUND", ""));
}

#[tokio::test]
async fn what_a_goal_says_is_bounded() {
    let shop = shop().await;
    let (long, stars) = ("x".repeat(201), "/*a".repeat(11));
    for (input, field) in [
        (page(" ", "EXACT", "/a"), "name"),
        (page("A", "EXACT", "a"), "pattern"),
        (page("A", "PREFIX", "/a?b"), "pattern"),
        (page("A", "GLOB", &stars), "pattern"),
        (page("A", "REGEX", &long), "pattern"),
        (page("A", "REGEX", "a**"), "pattern"),
        (page("A", "REGEX", "(a{50}){50}"), "pattern"),
        (json!({ "name": "A", "rule": { "call": { "name": "\n" } } }), "name"),
        (json!({ "name": "A", "rule": { "call": { "name": "a" } }, "value": { "amount": "-1" } }), "amount"),
        (
            json!({ "name": "A", "rule": { "call": { "name": "a" } }, "value": { "amount": "1", "currency": "XXX" } }),
            "currency",
        ),
        (
            json!({ "name": "A", "rule": { "event": { "name": "a", "properties": [{ "property": "p", "operator": "MATCHES", "values": ["a"] }] } } }),
            "operator",
        ),
    ] {
        let answer = shop.changed(CREATE, input.clone()).await;
        assert_eq!(refusal(&answer), ("VALIDATION_ERROR", field), "{input} {answer}");
    }
    for number in 0..100 {
        let kind = if number < 20 { "REGEX" } else { "EXACT" };
        shop.goal(page(&format!("Goal {number}"), kind, &format!("/{number}"))).await;
    }
    assert_eq!(refusal(&shop.changed(CREATE, page("One more", "EXACT", "/")).await), ("CONFLICT", ""));
    let goals = shop.app.token(&shop.owner.token);
    let goals = goals.gql("query($id: ID!) { website(id: $id) { goals { id name } } }", json!({ "id": shop.id })).await;
    let goals = goals["data"]["website"]["goals"].as_array().unwrap();
    assert_eq!((goals.len(), &goals[0]["name"]), (100, &json!("Goal 0")));
    let (first, last) = (&goals[0]["id"], &goals[99]["id"]);
    let pattern = json!({ "goalId": last, "rule": { "page": { "match": "GLOB", "pattern": "/a" } } });
    assert_eq!(refusal(&shop.changed(UPDATE, pattern).await), ("CONFLICT", ""));
    let name = json!({ "goalId": last, "name": "Goal 0" });
    assert_eq!(refusal(&shop.changed(UPDATE, name).await), ("CONFLICT", ""));
    let null = shop.changed(UPDATE, json!({ "goalId": first, "name": null })).await;
    assert_eq!(refusal(&null), ("VALIDATION_ERROR", "name"));
}

#[tokio::test]
async fn visitors_have_a_score_and_its_tier() {
    let shop = shop().await;
    shop.goal(page("Pricing", "PREFIX", "/pricing")).await;
    shop.send_in("visitor-1", "/", json!({ "referrer": "https://www.google.com/" })).await;
    for number in 0..4 {
        shop.send_in("visitor-1", &format!("/pricing/{number}"), json!({})).await;
        shop.send_in("visitor-1", "/", json!({ "type": "event", "name": format!("click {number}") })).await;
    }
    shop.send_in("visitor-1", "/", json!({ "type": "event", "name": "scroll_milestone", "data": { "depth": 75 } }))
        .await;
    let selection = "totals { events averageScore } visitors { nodes { valueScore tier } }";
    let answer = shop.until(DAY, selection, |answer| answer["totals"]["events"] == 5).await;
    // Three pages that count without time, four interactions, two goals, 75 percent, organic search.
    assert_eq!(answer["visitors"]["nodes"], json!([{ "valueScore": 9 + 16 + 14 + 6 + 5, "tier": "NEUTRAL" }]));
    assert_eq!(answer["totals"]["averageScore"], 50.0);
}
