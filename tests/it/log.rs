//! The main job: a real access log in, the same numbers out as an independent recount gives.

use serde_json::{Value, json};

use crate::app::{TestApp, line, node, real_log, repository};

const WEEK: &str =
    r#"range: { between: { start: "2015-05-16T00:00:00Z", end: "2015-05-22T00:00:00Z" } }, timezone: "UTC""#;

/// Rows as `[value, pageviews, visits, visitors]`.
fn rows(connection: &Value) -> Vec<Value> {
    let row = |node: &Value| {
        let metrics = &node["metrics"];
        json!([node["value"], metrics["pageviews"], metrics["visits"], metrics["visitors"]])
    };
    connection["nodes"].as_array().unwrap().iter().map(row).collect()
}

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
    let answer = app
        .token(&owner.token)
        .analytics(
            &site,
            WEEK,
            &format!(
                "totals {{ pageviews visits visitors }} series(interval: DAY) {{ date {metrics} }} \
                 pages: breakdown(by: PAGE, first: 10) {{ nodes {{ value {metrics} }} }} \
                 referrers: breakdown(by: REFERRER, first: 100) {{ nodes {{ value {metrics} }} }} \
                 browsers: breakdown(by: BROWSER, first: 100) {{ nodes {{ value {metrics} }} }}"
            ),
        )
        .await;
    let totals = &answer["totals"];
    for metric in ["pageviews", "visits", "visitors"] {
        assert_eq!(totals[metric], recount["totals"][metric], "{metric}");
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
    assert_eq!(json!(days), recount["days"]);
    for (name, key) in [("pages", "pages"), ("referrers", "referrers"), ("browsers", "browsers")] {
        let theirs: Vec<Value> = recount[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| json!([row["value"], row["pageviews"], row["visits"], row["visitors"]]))
            .collect();
        let mut ours = rows(&answer[name]);
        // Ties stand in another order there: compare what both show, row by row.
        ours.retain(|row| theirs.iter().any(|their| their[0] == row[0]));
        assert!(ours.len() >= theirs.len().min(10), "{name}: {ours:?} against {theirs:?}");
        for row in &ours {
            assert!(theirs.contains(row), "{name}: {row} is not in {theirs:?}");
        }
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
