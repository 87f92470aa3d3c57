//! What a hostile client may do: processor time, memory and size of the most expensive allowed request of each kind, and what another
//! team's dashboard experiences while such requests are sent without pause.

#![expect(clippy::expect_used, clippy::cast_precision_loss, reason = "a bench that cannot go on stops")]

mod measure;
mod requests;
mod rows;
#[expect(dead_code, reason = "other benches use the rest")]
mod wire;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use footfall::{
    App, Surroundings,
    config::{Config, Flags},
};
use measure::{Server, cpu_seconds, median, memory_mib, ms, row, set_up, set_up_as, settle};
use requests::{Kind, Target, kinds};
use rows::{DAY_MS, Dice, dashboard, day};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;
use wire::{Wire, request};

/// Half of them are the hostile team's, the rest of them those of nine websites of the team beside it.
const EVENTS: u64 = 600_000;

/// The last day of the events is the day before this instant.
const LAST_MS: i64 = 1_772_582_400_000;

/// Connections over which a hostile client asks without pause.
const FLOOD: usize = 8;

/// Dashboards of the other team, each time.
const DASHBOARDS: i64 = 9;

/// Bytes of an answer by default, and the little that an envelope adds.
const MAX_ANSWER: usize = 8 * 1024 * 1024 + 4096;

/// The answer to a request, with what it cost.
struct Cost {
    status: u16,
    body: Vec<u8>,
    cpu_ms: f64,
    took_ms: f64,
    /// What the server's memory was at its peak above what it was before, in MiB.
    peak_mib: f64,
}

impl Cost {
    /// `extensions.code` of the first error.
    fn code(&self) -> String {
        let answer: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether the request was refused before it ran; a wrong password is looked at.
    fn is_refused(&self) -> bool {
        assert_ne!(self.status, 404, "{}", String::from_utf8_lossy(&self.body));
        let is_malformed = matches!(self.status, 400 | 405 | 413 | 415);
        is_malformed || !matches!(self.code().as_str(), "" | "TIMEOUT" | "ANSWER_TOO_LARGE")
    }
}

/// Asks once, measured.
async fn ask(address: &str, pid: u32, bytes: &[u8]) -> Cost {
    // The kernel counts the peak anew from here.
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process is ours");
    let (before, cpu, begun) = (memory_mib(pid, "VmRSS"), cpu_seconds(pid), Instant::now());
    let (status, body) = Wire::open(address).await.ask(bytes).await;
    let took_ms = ms(begun.elapsed());
    Cost {
        status,
        body,
        cpu_ms: (cpu_seconds(pid) - cpu) * 1000.0,
        took_ms,
        peak_mib: memory_mib(pid, "VmHWM") - before,
    }
}

/// The largest size of this kind that is not refused.
async fn most(address: &str, pid: u32, target: &Target, kind: &Kind) -> usize {
    let (mut allowed, mut refused) = (0, kind.most + 1);
    while refused - allowed > 1 {
        let size = usize::midpoint(allowed, refused);
        if ask(address, pid, &(kind.make)(target, size, size as u64)).await.is_refused() {
            refused = size;
        } else {
            allowed = size;
        }
    }
    allowed
}

/// Prints what the most expensive allowed request of a kind costs. Answers its size.
async fn priced(address: &str, pid: u32, target: &Target, kind: &Kind) -> usize {
    let size = if kind.is_allowed { most(address, pid, target, kind).await } else { kind.most };
    assert!(size > 0, "{}: not even the smallest is allowed", kind.what);
    settle(pid);
    let bytes = (kind.make)(target, size, 0);
    let first = ask(address, pid, &bytes).await;
    // A tick of processor time is ten milliseconds: the mean of many.
    let runs: u64 = if first.cpu_ms > 200.0 { 2 } else { 40 };
    let mut cpu_ms = 0.0;
    for run in 1..=runs {
        cpu_ms += ask(address, pid, &(kind.make)(target, size, run)).await.cpu_ms / runs as f64;
    }
    println!(
        "{} at size {size}: {} bytes, answered {} {} in {:.0} ms, {} bytes, {:.0} MiB of memory",
        kind.what,
        bytes.len(),
        first.status,
        first.code(),
        first.took_ms,
        first.body.len(),
        first.peak_mib,
    );
    let (asked, limit_ms) = if kind.is_allowed { ("<= 10 s CPU", 10_000.0) } else { ("<= 5 ms CPU", 5.0) };
    row(kind.what, format!("{cpu_ms:.1} ms"), asked, cpu_ms <= limit_ms && first.body.len() <= MAX_ANSWER);
    size
}

/// Times of the other team's dashboards in milliseconds, each over a range of its own so that no answer is remembered.
async fn dashboards(address: &str, neighbour: &Target, round: i64) -> Vec<f64> {
    let mut times = Vec::new();
    for number in 0..DASHBOARDS {
        let end_ms = LAST_MS - 12_345_678 - (round * DASHBOARDS + number) * 60_000;
        let query = dashboard(&neighbour.site, end_ms - 30 * DAY_MS, end_ms);
        let body = json!({ "query": query }).to_string();
        let headers = format!("x-api-key: {}\r\ncontent-type: application/json\r\n", neighbour.key);
        let begun = Instant::now();
        let (status, answer) = Wire::open(address).await.ask(&request("POST", "/graphql", &headers, &body)).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert!(status == 200 && answer.get("errors").is_none(), "{answer}");
        times.push(ms(begun.elapsed()));
    }
    times
}

/// The other team's dashboards while requests of a kind are sent over [`FLOOD`] connections without pause, each of them another.
async fn beside(
    address: &str,
    target: &Target,
    neighbour: &Target,
    round: i64,
    (kind, size): (&Kind, usize),
) -> Vec<f64> {
    static NUMBER: AtomicU64 = AtomicU64::new(1_000);
    let (ended, make) = (Arc::new(AtomicBool::new(false)), kind.make);
    let (begun, mut started) = mpsc::channel(FLOOD);
    let floods = (0..FLOOD).map(|_| {
        let (ended, begun, target, address) = (ended.clone(), begun.clone(), target.clone(), address.to_owned());
        tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let bytes = make(&target, size, NUMBER.fetch_add(1, Ordering::Relaxed));
                let mut wire = Wire::open(&address).await;
                let _ = begun.try_send(());
                wire.ask(&bytes).await;
            }
        })
    });
    let floods: Vec<_> = floods.collect();
    for _ in 0..FLOOD {
        started.recv().await.expect("the flood goes on");
    }
    let times = dashboards(address, neighbour, round).await;
    ended.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.await.expect("no panic");
    }
    times
}

/// Fills both teams' websites.
async fn fill(data: &Path, websites: &[Uuid]) {
    let config =
        Config::layered(Flags { data: Some(data.to_path_buf()), ..Flags::default() }).expect("a configuration");
    let app = App::build(config, Surroundings::default()).await.expect("an installation");
    let mut dice = Dice(42);
    for number in 0..90 {
        let start_ms = LAST_MS - (90 - number) * DAY_MS;
        let events = day(&mut dice, websites, start_ms, EVENTS / 90);
        app.ports.events.append(events, start_ms + DAY_MS).await.expect("room");
    }
    app.ports.events.append(Vec::new(), i64::MAX).await.expect("room");
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (hostile_sites, hostile_key) = set_up(&data, &["hostile.example".to_owned()]);
    let domains: Vec<String> = (0..9).map(|site| format!("site{site}.example")).collect();
    let (sites, key) = set_up_as(&data, "neighbour@footfall.example", &domains);
    let ids: Vec<Uuid> = hostile_sites.iter().chain(&sites).filter_map(|id| id.parse().ok()).collect();
    fill(&data, &ids).await;
    let server = Server::start(&data);
    let (address, pid) = (server.base.trim_start_matches("http://").to_owned(), server.child.id());
    let target = Target::prepare(&address, "bench@footfall.example", &hostile_sites[0], &hostile_key).await;
    let neighbour = Target { site: sites[0].clone(), key, ..target.clone() };

    let mut sized = Vec::new();
    for kind in kinds() {
        let size = priced(&address, pid, &target, &kind).await;
        sized.push((kind, size));
    }

    settle(pid);
    let quiet = median(dashboards(&address, &neighbour, 0).await);
    println!("another team's dashboard without other load: {quiet:.0} ms");
    for (round, (kind, size)) in (1..).zip(&sized) {
        let times = beside(&address, &target, &neighbour, round, (kind, *size)).await;
        let worst = times.iter().copied().fold(0.0, f64::max);
        let ratio = median(times) / quiet;
        settle(pid);
        let figure = format!("{ratio:.2} ({worst:.0} ms)");
        row(&format!("a dashboard beside: {}", kind.what), figure, "<= 3.00", ratio <= 3.0);
    }
    let peak = memory_mib(pid, "VmRSS");
    println!("resident at the end: {peak:.0} MiB");
}
