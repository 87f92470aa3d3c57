//! Numbers at the edges, from the beacon or the line of a log to the answer.

use serde_json::{Value, json};

use crate::{
    app::{TestApp, line},
    ingest::{shop, view, with},
};

const DAY: &str = "range: { preset: LAST_24_HOURS }";

fn values(rows: &Value) -> Vec<&str> {
    rows["nodes"].as_array().unwrap().iter().map(|row| row["value"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn january_is_compared_with_january_after_a_leap_year_and_today_with_yesterday_until_now() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let visit = |number: u32, time: &str| line(&format!("203.0.113.{number}"), time, "/", "-");
    let mut log: String = (1..=10).map(|number| visit(number, "01/Jan/2024:12:00:00 +0000")).collect();
    for time in [
        "01/Feb/2024:12:00:00 +0000",
        "15/Jan/2025:12:00:00 +0000",
        // It is 05:06:07 on 4 March 2026.
        "03/Mar/2026:05:00:00 +0000",
        "03/Mar/2026:20:00:00 +0000",
        "04/Mar/2026:01:00:00 +0000",
        "04/Mar/2026:03:00:00 +0000",
    ] {
        log += &visit(1, time);
    }
    app.import(&site, log.into_bytes(), false).await;
    let caller = app.token(&owner.token);
    let both = "totals { visits } previous { visits }";
    let january = r#"range: { between: { start: "2025-01-01T00:00:00Z", end: "2025-02-01T00:00:00Z" } }"#;
    let answer = caller.analytics(&site, &format!("{january}, compare: PREVIOUS_YEAR"), both).await;
    assert_eq!(answer, json!({ "totals": { "visits": 1 }, "previous": { "visits": 10 } }));
    for (range, visits, before) in [("TODAY", 2, 1), ("YESTERDAY", 2, 0), ("YEAR_TO_DATE", 4, 1)] {
        let arguments = format!("range: {{ preset: {range} }}, compare: PREVIOUS_PERIOD");
        let answer = caller.analytics(&site, &arguments, both).await;
        assert_eq!(answer, json!({ "totals": { "visits": visits }, "previous": { "visits": before } }), "{range}");
    }
}

#[tokio::test]
async fn money_is_bounded_at_the_door_and_summed_whatever_comes() {
    let shop = shop().await;
    let paid = |amount: Value| with(view("/"), json!({ "type": "revenue", "data": { "amount": amount } }));
    let refused = shop.send(paid(json!(1e12))).await;
    assert_eq!(refused.status, 400);
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert_eq!(message, "amount: must be between -100000000000 and 100000000000");
    for _ in 0..100 {
        assert_eq!(shop.send(paid(json!(1e11))).await.status, 200);
    }
    let selection = "totals { events revenue { amount currency } visitors } \
        breakdown(by: EVENT, orderBy: { metric: REVENUE }) { nodes { value metrics { revenue { amount } } } }";
    let answer = shop.until(DAY, selection, |answer| answer["totals"]["events"] == 100).await;
    let revenue = json!({ "amount": "10000000000000", "currency": "USD" });
    assert_eq!(answer["totals"], json!({ "events": 100, "revenue": revenue, "visitors": 1 }));
    assert_eq!(answer["breakdown"]["nodes"][0]["metrics"]["revenue"]["amount"], "10000000000000");
}

#[tokio::test]
async fn a_goals_value_is_revenue_and_what_was_paid_back_leaves_0() {
    let shop = shop().await;
    let caller = shop.app.token(&shop.owner.token);
    let settings =
        "mutation($id: ID!) { websiteUpdateRevenue(websiteId: $id, input: { currency: \"EUR\" }) { website { id } } }";
    let changed = caller.gql(settings, json!({ "id": shop.id })).await;
    assert!(changed.get("errors").is_none(), "{changed}");
    let send = async |kind: &str, data: Value| {
        let sent = shop.send(with(view("/"), json!({ "type": kind, "name": "order", "data": data }))).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
    };
    let revenue_of = async |events: u64| {
        let selection = "totals { events conversions revenue { amount currency } }";
        shop.until(DAY, selection, |answer| answer["totals"]["events"] == events).await["totals"]["revenue"].clone()
    };
    send("goal", json!({ "plan": "free" })).await;
    assert_eq!(revenue_of(1).await, Value::Null);
    // Without a currency it is the website's own.
    send("goal", json!({ "value": 29.5 })).await;
    assert_eq!(revenue_of(2).await, json!({ "amount": "29.5", "currency": "EUR" }));
    send("goal", json!({ "value": 7, "currency": "USD" })).await;
    send("revenue", json!({ "amount": -29.5, "currency": "EUR" })).await;
    assert_eq!(revenue_of(4).await, json!({ "amount": "0", "currency": "EUR" }));
}

#[tokio::test]
async fn rows_and_other_of_a_property_add_up_and_other_counts_a_visit_once() {
    let shop = shop().await;
    for path in ["/a", "/b", "/c"] {
        shop.send(view(path)).await;
    }
    for data in [json!({ "plan": "pro" }), json!({ "plan": "free" }), json!({})] {
        shop.send(with(view("/a"), json!({ "type": "event", "name": "signup", "data": data }))).await;
    }
    // It says that a page is open, not that it was viewed.
    let heartbeat = shop.post(&format!("/e/heartbeat/{}", shop.code), view("/d").to_string(), &[]).await;
    assert_eq!(heartbeat.status, 200, "{}", heartbeat.body);
    shop.totals_with(3, 3).await;
    let selection = "plan: breakdown(by: EVENT, property: \"plan\") { nodes { value label metrics { events } } } \
        pages: breakdown(by: PAGE, first: 1) { nodes { value metrics { visits } } other { visits pageviews visitors } } \
        all: breakdown(by: PAGE) { nodes { value } }";
    let answer = shop.until(DAY, selection, |answer| answer["plan"]["nodes"].as_array().unwrap().len() == 3).await;
    let row = |value: &str, label: Value| json!({ "value": value, "label": label, "metrics": { "events": 1 } });
    assert_eq!(
        answer["plan"]["nodes"],
        json!([row("", json!("(none)")), row("free", Value::Null), row("pro", Value::Null)])
    );
    assert_eq!(answer["pages"]["nodes"], json!([{ "value": "/a", "metrics": { "visits": 1 } }]));
    assert_eq!(answer["pages"]["other"], json!({ "visits": 1, "pageviews": 2, "visitors": 1 }));
    assert_eq!(values(&answer["all"]), ["/a", "/b", "/c"]);
}

#[tokio::test]
async fn both_spellings_of_a_host_are_one_referrer_whether_sent_or_imported() {
    let shop = shop().await;
    for (path, referrer) in [("/a", "https://Bücher.example/x"), ("/b", "https://xn--bcher-kva.example/y")] {
        let visitor = format!("visitor-{path}");
        shop.send(with(view(path), json!({ "referrer": referrer, "visitor_id": visitor }))).await;
    }
    let log = line("203.0.113.9", "04/Mar/2026:04:00:00 +0000", "/c", "https://www.bücher.example/z");
    shop.app.import(&shop.id, log.into_bytes(), false).await;
    shop.totals(3).await;
    let selection = "breakdown(by: REFERRER) { nodes { value label metrics { visits } } }";
    let answer = shop.until(DAY, selection, |_| true).await;
    let one = json!([{ "value": "xn--bcher-kva.example", "label": "bücher.example", "metrics": { "visits": 3 } }]);
    assert_eq!(answer["breakdown"]["nodes"], one);
    let filtered = format!("{DAY}, filters: [{{ dimension: REFERRER, operator: IS, values: [\"bücher.example\"] }}]");
    let answer = shop.until(&filtered, "totals { visits }", |_| true).await;
    assert_eq!(answer["totals"]["visits"], 3);
}

#[tokio::test]
async fn values_of_closed_sets_are_spelled_as_stored_or_refused_by_name() {
    let shop = shop().await;
    shop.send(view("/")).await;
    shop.totals(1).await;
    let filtered = |dimension: &str, value: &str| {
        format!("{DAY}, filters: [{{ dimension: {dimension}, operator: IS, values: [\"{value}\"] }}]")
    };
    for (dimension, value, stored, visits) in [
        ("DEVICE", "DESKTOP", "desktop", 1),
        ("CHANNEL", "direct", "Direct", 1),
        ("COUNTRY", "germany", "DE", 0),
        ("COUNTRY", "", "", 1),
    ] {
        let answer = shop.until(&filtered(dimension, value), "filters { values } totals { visits }", |_| true).await;
        assert_eq!(answer, json!({ "filters": [{ "values": [stored] }], "totals": { "visits": visits } }), "{value}");
    }
    for (dimension, value) in [("COUNTRY", "Germania"), ("DEVICE", "phone"), ("CHANNEL", "Search")] {
        let query = format!(
            "{{ website(id: \"{}\") {{ analytics({}) {{ totals {{ visits }} }} }} }}",
            shop.id,
            filtered(dimension, value)
        );
        let answer = shop.app.token(&shop.owner.token).gql(&query, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(
            (&error["extensions"]["code"], &error["extensions"]["field"]),
            (&json!("VALIDATION_ERROR"), &json!("filters"))
        );
        assert!(error["message"].as_str().unwrap().contains(value), "{error}");
    }
}

#[tokio::test]
async fn pages_by_bounce_rate_meet_each_entry_page_once() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let mut log = String::new();
    let mut visitor = 0;
    for (path, visits) in [("/a", 11), ("/b", 11), ("/c", 4)] {
        for visit in 0..visits {
            visitor += 1;
            let address = format!("203.0.113.{visitor}");
            log += &line(&address, "04/Mar/2026:03:00:00 +0000", path, "-");
            if visit > 0 {
                log += &line(&address, "04/Mar/2026:03:01:00 +0000", path, "-");
            }
        }
    }
    app.import(&site, log.into_bytes(), false).await;
    let caller = app.token(&owner.token);
    for (direction, expected) in [("DESC", ["/c", "/a", "/b"]), ("ASC", ["/a", "/b", "/c"])] {
        let (mut met, mut after) = (Vec::new(), String::new());
        for _ in 0..4 {
            let selection = format!(
                "breakdown(by: ENTRY_PAGE, first: 1, orderBy: {{ metric: BOUNCE_RATE, direction: {direction} }}{after}) \
                 {{ nodes {{ value }} pageInfo {{ hasNextPage endCursor }} }}"
            );
            let page = caller.analytics(&site, DAY, &selection).await["breakdown"].clone();
            met.push(page["nodes"][0]["value"].as_str().unwrap().to_owned());
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = format!(", after: {}", page["pageInfo"]["endCursor"]);
        }
        assert_eq!(met, expected, "{direction}");
    }
}
