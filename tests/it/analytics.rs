//! Questions and answers: series, filters, zones, pages of rows.

use serde_json::{Value, json};

use crate::app::{Person, TestApp, line, real_log};

async fn with_real_log() -> (TestApp, Person, String) {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@semicomplete.com").await;
    let site = app.website(&owner, "semicomplete.com", "Europe/Berlin").await;
    app.import(&site, real_log(), true).await;
    (app, owner, site)
}

const WEEK: &str = r#"range: { between: { start: "2015-05-16T00:00:00Z", end: "2015-05-22T00:00:00Z" } }"#;

#[tokio::test]
async fn totals_do_not_depend_on_company_and_series_add_up() {
    let (app, owner, site) = with_real_log().await;
    let caller = app.token(&owner.token);
    let metrics = ["visitors", "visits", "pageviews", "events", "bounceRate", "visitDurationSeconds", "viewsPerVisit"];
    let series: Vec<String> = ["MINUTE", "HOUR", "DAY", "WEEK", "MONTH"]
        .iter()
        .filter(|interval| **interval != "MINUTE")
        .map(|interval| {
            format!("s{}: series(interval: {interval}) {{ metrics {{ pageviews visits }} }}", interval.to_lowercase())
        })
        .collect();
    let all = caller.analytics(&site, WEEK, &format!("totals {{ {} }} {}", metrics.join(" "), series.join(" "))).await;
    for metric in metrics {
        let alone = caller.analytics(&site, WEEK, &format!("totals {{ {metric} }}")).await;
        assert_eq!(alone["totals"][metric], all["totals"][metric], "{metric}");
    }
    for interval in ["shour", "sday", "sweek", "smonth"] {
        let sum = |metric: &str| -> i64 {
            all[interval].as_array().unwrap().iter().map(|point| point["metrics"][metric].as_i64().unwrap()).sum()
        };
        assert_eq!(sum("pageviews"), all["totals"]["pageviews"], "{interval}");
        assert_eq!(sum("visits"), all["totals"]["visits"], "{interval}");
    }
}

#[tokio::test]
async fn every_dimension_adds_up_to_the_totals() {
    let (app, owner, site) = with_real_log().await;
    let caller = app.token(&owner.token);
    let dimensions = [
        "PAGE",
        "ENTRY_PAGE",
        "EXIT_PAGE",
        "HOSTNAME",
        "TITLE",
        "REFERRER",
        "CHANNEL",
        "SOURCE",
        "UTM_SOURCE",
        "UTM_MEDIUM",
        "UTM_CAMPAIGN",
        "UTM_TERM",
        "UTM_CONTENT",
        "COUNTRY",
        "REGION",
        "CITY",
        "DEVICE",
        "BROWSER",
        "BROWSER_VERSION",
        "OS",
        "OS_VERSION",
        "SCREEN",
        "LANGUAGE",
    ];
    let totals = caller.analytics(&site, WEEK, "totals { pageviews visits }").await["totals"].clone();
    for by in dimensions {
        let selection = format!(
            "breakdown(by: {by}, first: 5) {{ nodes {{ value metrics {{ pageviews visits }} }} other {{ pageviews visits }} }}"
        );
        let answer = caller.analytics(&site, WEEK, &selection).await;
        let rows = answer["breakdown"]["nodes"].as_array().unwrap().clone();
        let sum = |metric: &str| -> i64 {
            rows.iter().map(|row| row["metrics"][metric].as_i64().unwrap()).sum::<i64>()
                + answer["breakdown"]["other"][metric].as_i64().unwrap()
        };
        assert_eq!(sum("pageviews"), totals["pageviews"], "{by}");
        if !matches!(by, "PAGE" | "HOSTNAME" | "TITLE") {
            assert_eq!(sum("visits"), totals["visits"], "{by}");
        }
    }
}

#[tokio::test]
async fn paging_through_a_breakdown_meets_each_row_once() {
    let (app, owner, site) = with_real_log().await;
    let caller = app.token(&owner.token);
    let mut seen: Vec<String> = Vec::new();
    let mut after = Value::Null;
    loop {
        let after_text = after.as_str().map_or(String::new(), |cursor| format!(", after: \"{cursor}\""));
        let selection = format!(
            "breakdown(by: REFERRER, first: 50{after_text}) {{ nodes {{ value }} pageInfo {{ hasNextPage endCursor }} }}"
        );
        let answer = caller.analytics(&site, WEEK, &selection).await;
        let page = &answer["breakdown"];
        seen.extend(page["nodes"].as_array().unwrap().iter().map(|row| row["value"].as_str().unwrap().to_owned()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert!(seen.len() > 100, "{}", seen.len());
    assert_eq!(distinct.len(), seen.len());
}

#[tokio::test]
async fn a_day_of_23_hours_is_one_bucket_and_percent_signs_are_letters() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "America/New_York").await;
    // Clocks in New York went from 02:00 to 03:00 on 9 March 2025.
    let log = [
        line("192.0.2.1", "09/Mar/2025:04:59:59 +0000", "/before", "-"),
        line("192.0.2.1", "09/Mar/2025:05:00:00 +0000", "/a%b", "-"),
        line("192.0.2.1", "10/Mar/2025:03:59:59 +0000", "/a_b", "-"),
        line("192.0.2.1", "10/Mar/2025:04:00:00 +0000", "/axb", "-"),
    ]
    .concat();
    app.import(&site, log.into_bytes(), false).await;
    let caller = app.token(&owner.token);
    let range = r#"range: { between: { start: "2025-03-08T05:00:00Z", end: "2025-03-11T04:00:00Z" } }"#;
    let answer =
        caller.analytics(&site, range, "timezone series(interval: DAY) { start date metrics { pageviews } }").await;
    assert_eq!(answer["timezone"], "America/New_York");
    assert_eq!(
        answer["series"],
        json!([
            { "start": "2025-03-08T05:00:00.000Z", "date": "2025-03-08", "metrics": { "pageviews": 1 } },
            { "start": "2025-03-09T05:00:00.000Z", "date": "2025-03-09", "metrics": { "pageviews": 2 } },
            { "start": "2025-03-10T04:00:00.000Z", "date": "2025-03-10", "metrics": { "pageviews": 1 } }
        ])
    );
    for (operator, value, pages) in [
        ("IS", "/a%b", json!(["/a%25b"])),
        ("IS", "/a_b", json!(["/a_b"])),
        ("CONTAINS", "a_", json!(["/a_b"])),
        ("STARTS_WITH", "/a%", json!(["/a%25b"])),
        ("ENDS_WITH", "%b", json!(["/a%25b"])),
        ("NOT_CONTAINS", "a", json!(["/before"])),
        ("MATCHES", "^/a.b$", json!(["/a_b", "/axb"])),
        ("MATCHES", "^/a%25b$", json!(["/a%25b"])),
    ] {
        let arguments =
            format!("{range}, filters: [{{ dimension: PAGE, operator: {operator}, values: [\"{value}\"] }}]");
        let answer = caller.analytics(&site, &arguments, "breakdown(by: PAGE) { nodes { value } }").await;
        let found: Vec<&Value> =
            answer["breakdown"]["nodes"].as_array().unwrap().iter().map(|row| &row["value"]).collect();
        assert_eq!(json!(found), pages, "{operator} {value}");
    }
    let answer = caller.analytics(&site, range, "breakdown(by: PAGE, search: \"A%\") { nodes { value } }").await;
    assert_eq!(answer["breakdown"]["nodes"], json!([{ "value": "/a%25b" }]));
}

#[tokio::test]
async fn what_a_page_has_beside_its_metrics() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let log = [
        line("192.0.2.1", "01/Mar/2026:10:00:00 +0000", "/", "https://www.google.com/search?q=x"),
        line("192.0.2.1", "01/Mar/2026:10:01:00 +0000", "/a", "https://shop.example/"),
        line("192.0.2.2", "01/Mar/2026:11:00:00 +0000", "/a", "-"),
    ]
    .concat();
    app.import(&site, log.into_bytes(), false).await;
    let caller = app.token(&owner.token);
    let selection = "breakdown(by: PAGE) { nodes { value page { title entries exits timeOnPageSeconds } metrics { pageviews visits bounceRate } } other { visits bounceRate revenue { currency } } } \
        sources: breakdown(by: SOURCE) { nodes { value label share } } previous { visits }";
    let answer = caller.analytics(&site, "range: { preset: LAST_7_DAYS }, compare: PREVIOUS_PERIOD", selection).await;
    assert_eq!(
        answer["breakdown"]["nodes"],
        json!([
            { "value": "/a", "page": { "title": null, "entries": 1, "exits": 2, "timeOnPageSeconds": null },
              "metrics": { "pageviews": 2, "visits": 2, "bounceRate": 0.5 } },
            { "value": "/", "page": { "title": null, "entries": 1, "exits": 0, "timeOnPageSeconds": 60.0 },
              "metrics": { "pageviews": 1, "visits": 1, "bounceRate": 0.0 } }
        ])
    );
    assert_eq!(
        answer["sources"]["nodes"],
        json!([{ "value": "", "label": "Direct", "share": 0.5 }, { "value": "Google", "label": null, "share": 0.5 }])
    );
    assert_eq!(answer["breakdown"]["other"], json!({ "visits": 0, "bounceRate": null, "revenue": null }));
    assert_eq!(answer["previous"], json!({ "visits": 0 }));
}

#[tokio::test]
async fn a_variable_that_may_be_null_does_not_choose_among_alternatives() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let ask = async |ty: &str| {
        let query = format!(
            "query($p: {ty}, $id: ID!) {{ website(id: $id) {{ analytics(range: {{ preset: $p }}) {{ totals {{ pageviews }} }} }} }}"
        );
        app.token(&owner.token).gql(&query, json!({ "p": "TODAY", "id": site })).await
    };
    let refused = ask("RangePreset").await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{refused}");
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("non-null"), "{refused}");
    assert!(ask("RangePreset!").await.get("errors").is_none());
}
