//! A dashboard over 10,000,000 events: one GraphQL request against the best DuckDB SQL we could write by hand, in one process.
//!
//! The hand-written SQL stands in [`by_hand`]: `visits` (one row per visit) for everything but pages, once as grouping sets of
//! one scan and once panel by panel (the faster counts), pages ranked by views first so that distinct visitors are counted
//! for ten pages only.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

mod measure;
mod rows;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use axum::body::Body;
use footfall::{
    App, Surroundings,
    config::{Config, Flags},
};
use http_body_util::BodyExt as _;
use measure::{Server, median, memory_mib, ms, row, set_up};
use rows::{DAY_MS, Dice, dashboard, day};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

const EVENTS: u64 = 10_000_000;
const RUNS: usize = 11;

fn config(data: &Path) -> Config {
    Config::layered(Flags { data: Some(data.to_path_buf()), timeout_seconds: Some(60), ..Flags::default() })
        .expect("a configuration")
}

/// The same numbers by SQL. Visits that cross an edge are cut by their events, as the definition wants.
fn by_hand(website: Uuid, start_ms: i64, end_ms: i64) -> [Vec<String>; 2] {
    let site = format!("website_id = {}::UHUGEINT", website.as_u128());
    let events = format!("{site} AND time_ms >= {start_ms} AND time_ms < {end_ms}");
    let crossing = format!(
        "CREATE OR REPLACE TEMP TABLE cut AS WITH x AS (SELECT * FROM visits WHERE {site} AND start_ms < {end_ms} AND end_ms >= {start_ms} \
           AND (start_ms < {start_ms} OR end_ms >= {end_ms} OR start_ms // {DAY_MS} <> end_ms // {DAY_MS})) \
         SELECT e.time_ms // {DAY_MS} AS day, x.visitor, 0 AS visits, count(*) AS pageviews, x.referrer, x.country, x.browser, x.os, x.device \
           FROM (SELECT visitor, time_ms FROM events WHERE {events}) e JOIN x ON e.visitor = x.visitor AND e.time_ms BETWEEN x.start_ms AND x.end_ms GROUP BY ALL \
         UNION ALL SELECT start_ms // {DAY_MS}, NULL, 1, 0, referrer, country, browser, os, device FROM x WHERE start_ms >= {start_ms} AND start_ms < {end_ms}"
    );
    let panels = format!(
        "SELECT grouping(day, referrer, country, browser, os, device) AS panel, day, referrer, country, browser, os, device, \
           count(DISTINCT visitor) AS visitors, sum(visits) AS visits, sum(pageviews) AS pageviews FROM ( \
           SELECT start_ms // {DAY_MS} AS day, visitor, 1 AS visits, pageviews, referrer, country, browser, os, device FROM visits \
             WHERE {site} AND start_ms >= {start_ms} AND end_ms < {end_ms} AND start_ms // {DAY_MS} = end_ms // {DAY_MS} \
           UNION ALL FROM cut) \
         GROUP BY GROUPING SETS ((), (day), (referrer), (country), (browser), (os), (device)) \
         QUALIFY row_number() OVER (PARTITION BY panel ORDER BY visitors DESC) <= 40"
    );
    let pages = format!(
        "WITH page AS MATERIALIZED (SELECT path, count(*) AS n FROM events WHERE {events} AND kind = 0 GROUP BY path ORDER BY n DESC, path LIMIT 11) \
         SELECT path, count(*) AS n, count(DISTINCT visitor) FROM events WHERE {events} AND kind = 0 AND path IN (SELECT path FROM page) GROUP BY path ORDER BY n DESC, path"
    );
    let facts = |key: &str| {
        format!(
            "SELECT {key} AS key, visitor, 1 AS visits, pageviews FROM visits WHERE {site} AND start_ms >= {start_ms} AND end_ms < {end_ms} \
               AND start_ms // {DAY_MS} = end_ms // {DAY_MS} UNION ALL SELECT {key}, visitor, visits, pageviews FROM cut"
        )
    };
    let sums =
        "count(DISTINCT visitor) AS visitors, sum(visits)::BIGINT AS visits, sum(pageviews)::BIGINT AS pageviews";
    let totals = format!("SELECT {sums} FROM ({})", facts("0"));
    let series = format!(
        "SELECT day, {sums} FROM (SELECT start_ms // {DAY_MS} AS day, visitor, 1 AS visits, pageviews FROM visits WHERE {site} AND start_ms >= {start_ms} \
           AND end_ms < {end_ms} AND start_ms // {DAY_MS} = end_ms // {DAY_MS} UNION ALL SELECT day, visitor, visits, pageviews FROM cut) GROUP BY day"
    );
    let tops = ["referrer", "country", "browser", "os", "device"].map(|key| {
        format!("SELECT key, {sums} FROM ({}) GROUP BY key ORDER BY visitors DESC, key LIMIT 10", facts(key))
    });
    let together = vec![crossing.clone(), panels, pages.clone()];
    let apart = [crossing, totals, series, pages].into_iter().chain(tops).collect();
    [together, apart]
}

fn run_all(connection: &duckdb::Connection, statements: &[String]) {
    for sql in statements {
        let mut statement = connection.prepare(sql).expect("SQL");
        let mut rows = statement.query([]).expect("rows");
        while rows.next().expect("a row").is_some() {}
    }
}

async fn ask(router: &axum::Router, key: &str, query: &str) -> (Duration, Value) {
    let request = axum::http::Request::post("/graphql")
        .header("content-type", "application/json")
        .header("x-api-key", key)
        .body(Body::from(json!({ "query": query }).to_string()))
        .expect("a request");
    let begun = Instant::now();
    let response = router.clone().oneshot(request).await.expect("an answer");
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let took = begun.elapsed();
    (took, serde_json::from_slice(&bytes).expect("JSON"))
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let domains: Vec<String> = (0..10).map(|site| format!("site{site}.example")).collect();
    let (websites, key) = set_up(&data, &domains);
    let ids: Vec<Uuid> = websites.iter().filter_map(|id| id.parse().ok()).collect();
    let last = 1_772_582_400_000_i64;
    {
        let app = App::build(config(&data), Surroundings::default()).await.expect("an installation");
        let begun = Instant::now();
        let mut dice = Dice(42);
        for number in 0..90 {
            let start_ms = last - (90 - number) * DAY_MS;
            let events = day(&mut dice, &ids, start_ms, EVENTS / 90);
            app.ports.events.append(events, start_ms + DAY_MS).await.expect("room");
        }
        app.ports.events.append(Vec::new(), i64::MAX).await.expect("room");
        println!(
            "{EVENTS} events stored in {:.0} s, resident {:.0} MB",
            begun.elapsed().as_secs_f64(),
            memory_mib(std::process::id(), "VmRSS")
        );
    }
    let begun = Instant::now();
    let server = Server::start(&data);
    let (site, end_ms) = (websites[0].clone(), last - 12_345_678);
    let start_ms = end_ms - 30 * DAY_MS;
    let first = json!({ "query": format!("{{ website(id: \"{site}\") {{ analytics(range: {{ between: {{ start: \"2026-03-03T00:00:00Z\", end: \"2026-03-04T00:00:00Z\" }} }}) {{ totals {{ pageviews }} }} }} }}") });
    let client = reqwest::Client::new();
    let answer: Value = client
        .post(format!("{}/graphql", server.base))
        .header("x-api-key", &key)
        .json(&first)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let started = ms(begun.elapsed());
    assert!(answer["data"]["website"]["analytics"]["totals"]["pageviews"].as_i64() > Some(0), "{answer}");
    let idle = memory_mib(server.child.id(), "VmRSS");
    row("start to first answer, ms (own process)", format!("{started:.0}"), "< 300", started < 300.0);
    row("idle memory after it, MB", format!("{:.0}", idle * 1.048_576), "< 120", idle * 1.048_576 < 120.0);
    for shift in 0..5 {
        let query = json!({ "query": dashboard(&site, start_ms + shift, end_ms + shift) });
        client
            .post(format!("{}/graphql", server.base))
            .header("x-api-key", &key)
            .json(&query)
            .send()
            .await
            .expect("an answer")
            .bytes()
            .await
            .expect("a body");
    }
    let peak = memory_mib(server.child.id(), "VmHWM");
    row(
        "peak memory of a server that answers dashboards, MB",
        format!("{:.0}", peak * 1.048_576),
        "< 400",
        peak * 1.048_576 < 400.0,
    );
    drop(server);

    let app = App::build(config(&data), Surroundings::default()).await.expect("an installation");
    let store = app.store();
    let hand = store.reader().expect("a connection");
    let router = app.router();
    let (mut ours, mut theirs, mut again) = (Vec::new(), (Vec::new(), Vec::new()), Vec::new());
    for run in 0..=RUNS as i64 {
        // Each run asks a range of its own, so that no answer is remembered.
        let (start_ms, end_ms) = (start_ms + run * 60_000, end_ms + run * 60_000);
        let query = dashboard(&site, start_ms, end_ms);
        let (took, answer) = ask(&router, &key, &query).await;
        let (repeated, same) = ask(&router, &key, &query).await;
        assert_eq!(answer["data"], same["data"]);
        let [together, apart] = by_hand(ids[0], start_ms, end_ms);
        let begun = Instant::now();
        run_all(&hand, &apart);
        let apart = begun.elapsed();
        let begun = Instant::now();
        let mut panels = Vec::new();
        for sql in together {
            let mut statement = hand.prepare(&sql).expect("SQL");
            let mut rows = statement.query([]).expect("rows");
            while let Some(row) = rows.next().expect("a row") {
                if let Ok(panel) = row.get::<_, i64>(0) {
                    panels.push((
                        panel,
                        row.get::<_, i64>(7).unwrap_or(0),
                        row.get::<_, i64>(8).unwrap_or(0),
                        row.get::<_, i64>(9).unwrap_or(0),
                    ));
                }
            }
        }
        let together = begun.elapsed();
        let totals = &answer["data"]["website"]["analytics"]["totals"];
        let all = panels.iter().find(|row| row.0 == 63).copied().unwrap_or_default();
        assert_eq!(
            (totals["visitors"].as_i64(), totals["visits"].as_i64(), totals["pageviews"].as_i64()),
            (Some(all.1), Some(all.2), Some(all.3)),
            "{answer}"
        );
        if run > 0 {
            ours.push(ms(took));
            theirs.0.push(ms(together));
            theirs.1.push(ms(apart));
            again.push(ms(repeated));
        }
    }
    let (ours, together, apart) = (median(ours), median(theirs.0), median(theirs.1));
    println!(
        "dashboard of 30 days, median of {RUNS}: GraphQL {ours:.0} ms; SQL by hand {together:.0} ms as grouping sets, {apart:.0} ms panel by panel"
    );
    let ratio = ours / together.min(apart);
    row("dashboard, GraphQL / best SQL by hand", format!("{ratio:.2}"), "<= 1.30", ratio <= 1.3);
    let again = median(again);
    row("the same asked again with nothing new, ms", format!("{again:.2}"), "< 5", again < 5.0);
}
