//! The main job: a real access log in, the same numbers out as an independent recount gives.

use serde_json::{Value, json};

use crate::app::{TestApp, line, node, real_log, repository};

const WEEK: &str =
    r#"range: { between: { start: "2015-05-16T00:00:00Z", end: "2015-05-22T00:00:00Z" } }, timezone: "UTC""#;

#[tokio::test]
async fn the_real_log_gives_the_numbers_of_an_independent_recount() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@semicomplete.com").await;
    let site = app.website(&owner, "semicomplete.com", "UTC").await;
    let summary = app.import(&site, real_log(), true).await;
    assert_eq!((summary.lines, summary.broken), (10_000, 1));
    assert_eq!(summary.first_broken[0].number, 8_899);
    let dropped: u64 = summary.dropped.iter().map(|dropped| dropped.count).sum();
    assert_eq!(summary.stored + dropped + summary.broken, 10_000);

    let log = repository("tests/data/apache_access.log.gz");
    let recount = node("recount.mjs", &[log.to_str().unwrap(), "--domain", "semicomplete.com", "--keep-bots"]).await;
    let recount: Value = serde_json::from_str(&recount).unwrap();

    let metrics = "metrics { pageviews visits visitors }";
    let caller = app.token(&owner.token);
    let selection = format!(
        "totals {{ pageviews visits visitors bounceRate visitDurationSeconds }} series(interval: DAY) {{ date {metrics} }} \
         pages: breakdown(by: PAGE, first: 10) {{ nodes {{ value {metrics} }} }}"
    );
    let answer = caller.analytics(&site, WEEK, &selection).await;
    let totals = &answer["totals"];
    for metric in ["pageviews", "visits", "visitors"] {
        assert_eq!(totals[metric], recount[metric], "{metric}");
    }
    for metric in ["bounceRate", "visitDurationSeconds"] {
        let (ours, theirs) = (totals[metric].as_f64().unwrap(), recount[metric].as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-9, "{metric}: {ours} and {theirs}");
    }
    assert_eq!(totals["pageviews"], summary.stored);
    let days: Vec<Value> = answer["series"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|point| point["metrics"]["pageviews"] != 0)
        .map(|point| {
            let metrics = &point["metrics"];
            json!({ "date": point["date"], "pageviews": metrics["pageviews"], "visits": metrics["visits"], "visitors": metrics["visitors"] })
        })
        .collect();
    assert_eq!(json!(days), recount["series"]);
    let pages: Vec<Value> = answer["pages"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| json!({ "path": row["value"], "pageviews": row["metrics"]["pageviews"] }))
        .collect();
    assert_eq!(json!(pages), recount["pages"]);
    for (dimension, key) in [("REFERRER", "referrers"), ("BROWSER", "browsers")] {
        let mut ours = serde_json::Map::new();
        let mut after = String::new();
        loop {
            let selection = format!(
                "breakdown(by: {dimension}, first: 50{after}) {{ nodes {{ value {metrics} }} pageInfo {{ hasNextPage endCursor }} }}"
            );
            let page = caller.analytics(&site, WEEK, &selection).await["breakdown"].clone();
            for row in page["nodes"].as_array().unwrap() {
                ours.insert(row["value"].as_str().unwrap().to_owned(), row["metrics"].clone());
            }
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = format!(", after: {}", page["pageInfo"]["endCursor"]);
        }
        let theirs = recount[key].as_object().unwrap();
        let differ = |(value, metrics): &(&String, &Value)| theirs.get(*value) != Some(metrics);
        let differing: Vec<_> =
            ours.iter().filter(differ).map(|(value, ours)| (value, ours, theirs.get(value))).collect();
        assert!(differing.is_empty(), "{key}: {differing:?}");
        assert_eq!(ours.len(), theirs.len(), "{key}");
    }
}

#[tokio::test]
async fn importing_again_changes_nothing_and_equal_lines_all_count() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let twice = line("192.0.2.1", "01/Mar/2026:10:00:00 +0000", "/", "-").repeat(2);
    let log = format!("{twice}{}", line("192.0.2.2", "01/Mar/2026:09:00:00 +0000", "/a%b_c", "-"));
    let first = app.import(&site, log.clone().into_bytes(), false).await;
    assert_eq!((first.stored, first.duplicates), (3, 0));
    let again = app.import(&site, log.into_bytes(), false).await;
    assert_eq!((again.stored, again.duplicates), (0, 3));
    let answer = app
        .token(&owner.token)
        .analytics(&site, "range: { preset: ALL_TIME }", "totals { pageviews visits visitors }")
        .await;
    assert_eq!(answer["totals"], json!({ "pageviews": 3, "visits": 2, "visitors": 2 }));
}

#[tokio::test]
async fn two_files_that_meet_at_midnight_count_like_one() {
    let lines = [
        line("192.0.2.1", "01/Mar/2026:23:50:00 +0000", "/a", "-"),
        line("192.0.2.1", "02/Mar/2026:00:10:00 +0000", "/b", "-"),
        line("192.0.2.1", "02/Mar/2026:00:30:00 +0000", "/c", "-"),
        line("192.0.2.1", "02/Mar/2026:12:00:00 +0000", "/d", "-"),
    ];
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let whole = app.website(&owner, "whole.example", "UTC").await;
    let parts = app.website(&owner, "parts.example", "UTC").await;
    app.import(&whole, lines.concat().into_bytes(), false).await;
    app.import(&parts, lines[..1].concat().into_bytes(), false).await;
    app.import(&parts, lines[1..].concat().into_bytes(), false).await;
    let selection = "totals { pageviews visits visitors visitDurationSeconds } series(interval: DAY) { metrics { visitors visits pageviews } }";
    let of =
        async |site: &str| app.token(&owner.token).analytics(site, "range: { preset: LAST_7_DAYS }", selection).await;
    let (whole, parts) = (of(&whole).await, of(&parts).await);
    assert_eq!(whole, parts);
    // One visit from 23:50 to 00:30, kept by the visitor it began with; another one at noon, by the next day's visitor.
    assert_eq!(whole["totals"]["visits"], 2);
    assert_eq!(whole["totals"]["visitors"], 2);
    assert_eq!(whole["totals"]["visitDurationSeconds"], 1200.0);
}
