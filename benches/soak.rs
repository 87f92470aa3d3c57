//! A soak: beacons, dashboards and live counts for ten minutes (`FOOTFALL_SOAK_MINUTES`) of a server whose bounded memories are full, and
//! whether memory stays flat.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on stops, and has no configuration file"
)]

mod measure;
mod wire;

use std::time::{Duration, Instant};

use measure::{Server, median, memory_mib, row, set_up};
use wire::{Wire, batches, beacon, graphql, request};

/// Senders, each with a beacon every so many milliseconds: 1,000 beacons a second.
const SENDERS: u64 = 10;
const EACH_MS: u64 = 10;

#[tokio::main]
async fn main() {
    let minutes: u64 = std::env::var("FOOTFALL_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (websites, key) = set_up(&data, &["shop.example".to_owned()]);
    let site = websites[0].clone();
    let server = Server::start(&data);
    let ours = server.base.trim_start_matches("http://").to_owned();
    let answer = graphql(&ours, &key, &format!("{{ website(id: \"{site}\") {{ trackingCode }} }}")).await;
    let code = answer["data"]["website"]["trackingCode"].as_str().expect("a code").to_owned();
    // What has a bound is filled to it first: the newest ids in memory (900,000), and the event store's buffers.
    batches(&ours, &key, &code, "filling", 275).await;
    println!("filled: {:.0} MiB", memory_mib(server.child.id(), "VmRSS"));
    let ends = Instant::now() + Duration::from_secs(minutes * 60);

    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let (path, mut wire) = (format!("/e/{code}"), Wire::open(&ours).await);
        tasks.push(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(EACH_MS));
            let mut number = sender * 1_000_000_000;
            while Instant::now() < ends {
                ticks.tick().await;
                number += 1;
                assert_eq!(wire.ask(&beacon(&path, number)).await.0, 200);
            }
        }));
    }
    let (live, mut wire) = (format!("/e/live/{code}"), Wire::open(&ours).await);
    tasks.push(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while Instant::now() < ends {
            ticks.tick().await;
            assert_eq!(wire.ask(&request("GET", &live, "", "")).await.0, 200);
        }
    }));
    let address = ours.clone();
    tasks.push(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        while Instant::now() < ends {
            ticks.tick().await;
            let query = format!(
                "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: LAST_24_HOURS }}) {{ totals {{ visitors visits pageviews bounceRate }} \
                 series(interval: HOUR) {{ metrics {{ visitors }} }} breakdown(by: PAGE, first: 10) {{ nodes {{ value metrics {{ pageviews }} }} }} }} }} }}"
            );
            assert!(graphql(&address, &key, &query).await["errors"].is_null());
        }
    }));

    let mut memory = Vec::new();
    let mut seconds = tokio::time::interval(Duration::from_secs(60));
    seconds.tick().await;
    for minute in 1..=minutes {
        seconds.tick().await;
        let now = memory_mib(server.child.id(), "VmRSS");
        println!("minute {minute}: {now:.0} MiB");
        memory.push(now);
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let third = memory.len().div_ceil(3);
    let (early, late) = (median(memory[..third].to_vec()), median(memory[memory.len() - third..].to_vec()));
    row(
        &format!("memory, the last third of {minutes} minutes / the first"),
        format!("{:.2}", late / early),
        "<= 1.10",
        late / early <= 1.1,
    );
}
