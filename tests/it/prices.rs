//! What documents cost: everything that we publish is within the reach of the caller it is meant for.

use std::{fs, sync::LazyLock};

use async_graphql::{
    Value as GraphValue,
    parser::{
        parse_query,
        types::{BaseType, Type},
    },
};
use footfall::{
    auth::UNLIMITED_COST,
    http::{Limits, WEBSITE_PLACEHOLDER, examples, from_value, prepare},
    rest::Auth,
    series_buckets,
};
use schema::schema_index::{SchemaIndex, named_type};
use serde_json::{Map, Value, json};

use crate::{
    app::{NOW, TestApp, repository},
    members::send,
};

static INDEX: LazyLock<SchemaIndex> = LazyLock::new(|| schema::index().unwrap());

const SOME_ID: &str = "5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6";

const PRESETS: [&str; 10] = [
    "LAST_24_HOURS",
    "LAST_7_DAYS",
    "LAST_30_DAYS",
    "LAST_90_DAYS",
    "LAST_YEAR",
    "TODAY",
    "YESTERDAY",
    "MONTH_TO_DATE",
    "YEAR_TO_DATE",
    "ALL_TIME",
];

/// The cost of a document.
fn cost(query: &str, variables: Value) -> u64 {
    let now = NOW.parse().unwrap();
    let buckets = |range: &GraphValue, interval: &GraphValue| series_buckets::at_most(range, interval, now);
    let asked = from_value(json!({ "query": query, "variables": variables })).unwrap();
    match prepare(asked, &Limits::default(), u64::MAX, &INDEX, true, true, &buckets) {
        Ok(prepared) => prepared.cost,
        Err(refusal) => panic!("{query}: {refusal:?}"),
    }
}

fn affordable(name: &str, query: &str, variables: Value) {
    affordable_within(Limits::default().cost, name, query, variables);
}

fn affordable_within(limit: u64, name: &str, query: &str, variables: Value) {
    let cost = cost(query, variables);
    assert!(cost <= limit, "{name} costs {cost} of {limit}");
}

/// A value that fits the type.
fn sample(ty: &Type) -> Value {
    let name = named_type(ty);
    match (&ty.base, INDEX.input(name), INDEX.values(name)) {
        (BaseType::List(of), ..) => json!([sample(of)]),
        (_, Some(input), _) => {
            let fields = input.fields.iter().filter(|(_, field)| field.is_required());
            fields.map(|(name, field)| (name.clone(), sample(&field.ty))).collect()
        }
        (.., Some(values)) => json!(values[0]),
        _ => match name {
            "Int" => json!(20),
            "JSON" => json!({}),
            "EmailAddress" => json!("ada@shop.example"),
            "URL" => json!("https://shop.example/hook"),
            _ => json!(SOME_ID),
        },
    }
}

/// Values for the variables that must have one.
fn required(query: &str) -> Map<String, Value> {
    let document = parse_query(query).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let definitions = operation.node.variable_definitions.iter().map(|definition| &definition.node);
    definitions
        .filter(|definition| !definition.var_type.node.nullable && definition.default_value.is_none())
        .map(|definition| (definition.name.node.to_string(), sample(&definition.var_type.node)))
        .collect()
}

/// REST itself has no price: its documents are ours. These are also for those who name them by `documentId`.
#[test]
fn every_stored_document_is_affordable() {
    let rest = footfall::rest_api().unwrap();
    let anonymous: Vec<String> =
        rest.table().into_iter().filter(|route| route.auth == Auth::None).map(|route| route.operation).collect();
    let mut documents = 0;
    for stored in rest.stored() {
        documents += 1;
        let is_anonymous = anonymous.iter().any(|operation| operation == stored.name);
        let limit = if is_anonymous { Limits::default().cost } else { UNLIMITED_COST };
        let mut variables = required(stored.text);
        affordable_within(limit, stored.name, stored.text, Value::Object(variables.clone()));
        if stored.text.contains("$range: RangePreset!") {
            for preset in PRESETS {
                variables.insert("range".into(), json!(preset));
                let name = format!("{} over {preset}", stored.name);
                affordable_within(limit, &name, stored.text, Value::Object(variables.clone()));
            }
        }
    }
    assert!(documents > 30, "{documents}");
}

#[test]
fn every_example_of_the_playground_is_affordable_over_every_range() {
    for example in examples() {
        let text = example.variables.to_string().replace(WEBSITE_PLACEHOLDER, SOME_ID);
        let variables: Value = serde_json::from_str(&text).unwrap();
        affordable(&example.name, &example.query, variables.clone());
        if variables["range"]["preset"].is_string() {
            for preset in PRESETS {
                let mut variables = variables.clone();
                variables["range"] = json!({ "preset": preset });
                affordable(&format!("{} over {preset}", example.name), &example.query, variables);
            }
        }
    }
}

/// The documents in what people read: each stands in a request of curl.
#[test]
fn every_document_of_the_readme_the_guide_and_the_demo_is_affordable() {
    let [readme, guide] = ["README.md", "docs/API.md"].map(|name| fs::read_to_string(repository(name)).unwrap());
    let demo = fs::read_to_string(repository("src/cli/serve.rs")).unwrap();
    let demo = demo
        .replace("\\\"", "\"")
        .replace("\\\\", "\\")
        .replace("{{", "{")
        .replace("}}", "}")
        .replace("{first}", SOME_ID);
    for (name, text) in [("README.md", readme.replace("'$ID'", SOME_ID)), ("docs/API.md", guide), ("the demo", demo)] {
        let mut documents = 0;
        for asked in text.split("-d '{\"query\":").skip(1) {
            let (query, _) = asked.split_once("}'").unwrap();
            let query: String =
                serde_json::from_str(query.trim()).unwrap_or_else(|error| panic!("{name}: {error}: {query}"));
            affordable(name, &query, json!({}));
            documents += 1;
        }
        assert!(documents > 0, "{name}");
    }
}

/// A dashboard as one shows it to the public: figures and their change, a chart, seven panels.
fn dashboard(preset: &str, interval: &str) -> String {
    let metrics = "visitors visits pageviews bounceRate visitDurationSeconds viewsPerVisit";
    let panel = |by: &str| {
        format!(
            "{}: breakdown(by: {by}, first: 10) {{ nodes {{ value label share metrics {{ visitors pageviews }} }} other {{ visitors }} }}",
            by.to_lowercase()
        )
    };
    let panels: String = ["PAGE", "ENTRY_PAGE", "REFERRER", "COUNTRY", "BROWSER", "OS", "DEVICE"].map(panel).join(" ");
    format!(
        "query($id: ID!) {{ website(id: $id) {{ domain timezone analytics(range: {{ preset: {preset} }}, compare: PREVIOUS_PERIOD) {{ \
         range {{ start end }} totals {{ {metrics} }} previous {{ {metrics} }} \
         series(interval: {interval}) {{ start metrics {{ visitors visits pageviews }} }} {panels} }} }} }}"
    )
}

#[tokio::test]
async fn a_public_dashboard_is_affordable_for_anyone_over_every_range() {
    let app = TestApp::with_plans().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "Pacific/Auckland").await;
    let (method, path) = (reqwest::Method::PUT, format!("/api/websites/{site}/general"));
    let (status, body) = send(&app.token(&owner.token), method, &path, Some(json!({ "public_dashboard": true }))).await;
    assert_eq!(status, 200, "{body}");
    let intervals = |preset: &str| match preset {
        "LAST_24_HOURS" | "TODAY" | "YESTERDAY" => vec!["MINUTE", "HOUR"],
        "LAST_YEAR" | "YEAR_TO_DATE" | "ALL_TIME" => vec!["DAY", "WEEK", "MONTH"],
        _ => vec!["HOUR", "DAY"],
    };
    for preset in PRESETS {
        for interval in intervals(preset) {
            let query = dashboard(preset, interval);
            affordable(&format!("{preset} by {interval}"), &query, json!({ "id": site }));
            let answer = app.anon().gql(&query, json!({ "id": site })).await;
            assert!(answer.get("errors").is_none(), "{preset} by {interval}: {answer}");
            assert_eq!(answer["extensions"]["cost"]["limit"], Limits::default().cost);
        }
    }
}

/// The price follows what is asked for: what an answer of 5,000 buckets holds is no bargain.
#[test]
fn series_cost_what_their_buckets_hold() {
    let series = |preset: &str, interval: &str, metrics: &str| {
        let query = format!(
            "query($id: ID!) {{ website(id: $id) {{ analytics(range: {{ preset: {preset} }}) {{ series(interval: {interval}) {{ start metrics {{ {metrics} }} }} }} }} }}"
        );
        cost(&query, json!({ "id": SOME_ID }))
    };
    assert_eq!(series("LAST_30_DAYS", "HOUR", "visitors"), 3 + (723 * 3_u64).div_ceil(10));
    assert_eq!(series("ALL_TIME", "DAY", "visitors pageviews"), 3 + 5_000 * 4 / 10);
    let all = "visitors visits pageviews events bounceRate visitDurationSeconds viewsPerVisit conversions conversionRate averageScore";
    assert!(series("ALL_TIME", "MINUTE", all) > Limits::default().cost);
}
