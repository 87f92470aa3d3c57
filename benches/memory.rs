//! Memory and start time that senders can choose: the largest beacons, restarts after much input, visits that are open at once, and a
//! store that takes nothing.
//!
//! `cargo bench --bench memory -- beacons restart plain visits journal` measures these parts (all without names). `FOOTFALL_BIN` names
//! another binary than the one that is built with the bench.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on stops, and has no configuration file"
)]

mod measure;
#[expect(dead_code, reason = "this bench makes its own beacons and batches")]
mod wire;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use measure::{Server, binary, median, memory_mib, ms, row, set_up, settle};
use serde_json::{Value, json};
use wire::{SENDERS, Wire, graphql, request, send_batches};

const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";

/// An installation with one website.
struct Installation {
    _folder: tempfile::TempDir,
    data: PathBuf,
    site: String,
    key: String,
}

impl Installation {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let (websites, key) = set_up(&data, &["shop.example".to_owned()]);
        Self { _folder: folder, data, site: websites[0].clone(), key }
    }

    /// The website's tracking code.
    async fn code(&self, address: &str) -> String {
        let answer =
            graphql(address, &self.key, &format!("{{ website(id: \"{}\") {{ trackingCode }} }}", self.site)).await;
        answer["data"]["website"]["trackingCode"].as_str().expect("a code").to_owned()
    }

    /// Page views and events of the last week, as the server tells them now.
    async fn stored(&self, address: &str) -> u64 {
        let query = format!(
            "{{ website(id: \"{}\") {{ analytics(range: {{ preset: LAST_7_DAYS }}) {{ totals {{ pageviews events }} }} }} }}",
            self.site
        );
        let answer = graphql(address, &self.key, &query).await;
        let totals = &answer["data"]["website"]["analytics"]["totals"];
        totals["pageviews"].as_u64().expect("page views") + totals["events"].as_u64().expect("events")
    }

    /// Waits until so many events are stored.
    async fn until_stored(&self, address: &str, events: u64) {
        while self.stored(address).await < events {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Starts the server after a kill. Prints rows of the time until its address is announced and until a question is answered with
    /// everything that was accepted, and of the memory until then.
    async fn restarts(&self, what: &str, events: u64) {
        let begun = Instant::now();
        let server = Server::start(&self.data);
        let announced = begun.elapsed();
        self.until_stored(address(&server), events).await;
        let answered = begun.elapsed();
        let stored = self.stored(address(&server)).await;
        assert_eq!(stored, events, "an event is lost, or counts twice");
        let peak = memory_mib(server.child.id(), "VmHWM");
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        let holds = |time: Duration| time <= Duration::from_secs(3);
        row(&format!("start after {what}: the address"), seconds(announced), "<= 3 s", holds(announced));
        row(&format!("start after {what}: the first full answer"), seconds(answered), "<= 3 s", holds(answered));
        row(&format!("start after {what}: peak until then"), format!("{peak:.0} MiB"), "<= 400 MiB", peak <= 400.0);
    }
}

fn address(server: &Server) -> &str {
    server.base.trim_start_matches("http://")
}

/// Text that no compression makes short: another one for each number, cut from one that is long.
fn noise(number: u64, bytes: usize) -> &'static str {
    const LONG: usize = 8 << 20;
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let (mut state, mut text) = (1_u64, String::with_capacity(LONG));
        while text.len() < LONG {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let _ = write!(text, "{:08x}", state >> 32);
        }
        text
    });
    let hash = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let from = usize::try_from(hash).map_or(0, |hash| hash % (LONG - bytes));
    &text[from..from + bytes]
}

/// Properties of 16 KiB, the most that one event may have: texts of 1,000 letters, which is the most that is kept of each.
fn properties(number: u64, others: &Value) -> Value {
    let mut properties = others.clone();
    let taken: usize = others
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| name.len() + value.as_str().map_or(8, str::len))
        .sum();
    let (mut left, text) = (16 * 1024 - taken, noise(number, 16 * 1024));
    for (at, name) in ('a'..='z').enumerate() {
        let length = left.saturating_sub(1).min(1_000);
        if length == 0 {
            break;
        }
        properties[name.to_string()] = text[at * 900..at * 900 + length].into();
        left -= length + 1;
    }
    properties
}

/// The largest beacon: 16 KiB of properties, and about as much of an address and a referrer as is kept.
fn large_beacon(path: &str, number: u64) -> Vec<u8> {
    let body = json!({
        "type": "event", "name": "large", "event_id": format!("large-{number:016}"), "session_id": "session-1234",
        "visitor_id": format!("visitor-{number:010}"), "url": format!("https://shop.example/{}", noise(number, 1_900)),
        "referrer": format!("https://other.example/{}", noise(!number, 1_900)), "title": noise(number, 300),
        "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": USER_AGENT,
        "screen_resolution": "1920x1080", "language": "nl-NL", "event_data": properties(number, &json!({}))
    });
    let headers = "origin: https://shop.example\r\ncontent-type: text/plain;charset=UTF-8\r\n";
    request("POST", path, headers, &body.to_string())
}

/// What [`large_beacons`] came to.
struct Let {
    events: u64,
    bytes: u64,
    refused: u64,
}

/// Sends the largest beacons over 64 connections for so long, or until one is refused.
async fn large_beacons(address: &str, code: &str, seconds: u64, stops_at_refusal: bool) -> Let {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let counts = Arc::new([const { AtomicU64::new(0) }; 3]);
    let ends = Instant::now() + Duration::from_secs(seconds);
    let senders: Vec<_> = (0..64)
        .map(|_| {
            let (counts, path, address) = (Arc::clone(&counts), format!("/e/{code}"), address.to_owned());
            tokio::spawn(async move {
                let mut wire = Wire::open(&address).await;
                while Instant::now() < ends && !(stops_at_refusal && counts[2].load(Ordering::Relaxed) > 0) {
                    let request = large_beacon(&path, NUMBER.fetch_add(1, Ordering::Relaxed));
                    let (status, answer) = wire.ask(&request).await;
                    if status == 200 {
                        counts[0].fetch_add(1, Ordering::Relaxed);
                        counts[1].fetch_add(request.len() as u64, Ordering::Relaxed);
                    } else {
                        assert_eq!(status, 503, "{}", String::from_utf8_lossy(&answer));
                        counts[2].fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("no panic");
    }
    let [events, bytes, refused] = [0, 1, 2].map(|at: usize| counts[at].load(Ordering::Relaxed));
    Let { events, bytes, refused }
}

/// A batch of 2 MiB: page views and events with the most properties, each of another visitor.
fn large_batch(sender: u64, batch: u64) -> String {
    batch_of_large(batch * SENDERS + sender, EVENTS_OF_LARGE)
}

/// The batch of this number, with so many events.
fn batch_of_large(batch: u64, events: u64) -> String {
    let events: Vec<Value> = (0..events)
        .map(|number| {
            let number = batch * events + number;
            let page = json!({ "url": format!("https://shop.example/{}", noise(number, 500)), "referrer": format!("https://other.example/{}", noise(!number, 500)) });
            json!({ "type": "pageview", "visitorId": format!("visitor-{number:010}"), "idempotencyKey": format!("large-{number}"),
                    "props": properties(number, &page) })
        })
        .collect();
    Value::from(events).to_string()
}

/// Events of [`large_batch`].
const EVENTS_OF_LARGE: u64 = 123;

/// A batch of 1,000 page views, each of another visitor.
fn plain_batch(sender: u64, batch: u64) -> String {
    let mut events = String::from("[");
    for number in 0..1_000 {
        let visitor = (batch * SENDERS + sender) * 1_000 + number;
        let _ = write!(
            events,
            "{}{{\"type\":\"pageview\",\"visitorId\":\"visitor-{visitor:010}\",\"idempotencyKey\":\"plain-{visitor}\",\
             \"props\":{{\"url\":\"https://shop.example/p{}\",\"referrer\":\"https://bing.com/\"}}}}",
            if number > 0 { "," } else { "" },
            visitor % 997
        );
    }
    events.push(']');
    events
}

/// 15 seconds of the largest beacons, and a body that is refused.
async fn beacons() {
    let at = Installation::new();
    let server = Server::start(&at.data);
    let code = at.code(address(&server)).await;
    let before = memory_mib(server.child.id(), "VmRSS");
    let sent = large_beacons(address(&server), &code, 15, false).await;
    let peak = memory_mib(server.child.id(), "VmHWM");
    println!(
        "beacons: {before:.0} MiB before; {} of {:.0} MiB together answered 200, {} answered 503",
        sent.events,
        sent.bytes as f64 / 1_048_576.0,
        sent.refused
    );
    row("15 s of the largest beacons: peak", format!("{peak:.0} MiB"), "<= 400 MiB", peak <= 400.0);
    let body = json!({ "type": "event", "name": "large", "session_id": "session-1234", "url": "https://shop.example/",
        "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": USER_AGENT,
        "event_data": { "text": noise(1, 50_000) } });
    let headers = "origin: https://shop.example\r\ncontent-type: application/json\r\n";
    let request = request("POST", &format!("/e/{code}"), headers, &body.to_string());
    let (status, answer) = Wire::open(address(&server)).await.ask(&request).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    row("50 KB of properties", status.to_string(), "400, 16384", status == 400 && answer.contains("16384"));
    println!("  {answer}");
}

/// A start after 2 GB of accepted input.
async fn restart() {
    let at = Installation::new();
    let mut server = Server::start(&at.data);
    let code = at.code(address(&server)).await;
    let begun = Instant::now();
    let singles = large_beacons(address(&server), &code, 10, false).await;
    let left = 2_000_000_000_u64.saturating_sub(singles.bytes);
    let each = left / (SENDERS * 2_000_000) + 1;
    let bytes = send_batches(address(&server), &at.key, &code, each, large_batch).await;
    println!(
        "restart: {:.2} GB accepted in {:.0} s, {} beacons and {} batches; peak {:.0} MiB",
        (bytes + singles.bytes) as f64 / 1e9,
        begun.elapsed().as_secs_f64(),
        singles.events,
        SENDERS * each,
        memory_mib(server.child.id(), "VmHWM")
    );
    kill(&mut server);
    at.restarts("2 GB", singles.events + SENDERS * each * EVENTS_OF_LARGE).await;
}

/// A start after 500,000 plain events.
async fn plain() {
    let at = Installation::new();
    let mut server = Server::start(&at.data);
    let code = at.code(address(&server)).await;
    send_batches(address(&server), &at.key, &code, 500 / SENDERS, plain_batch).await;
    println!("plain: peak {:.0} MiB", memory_mib(server.child.id(), "VmHWM"));
    kill(&mut server);
    at.restarts("500,000 plain events", 500_000).await;
}

fn kill(server: &mut Server) {
    // SIGKILL.
    server.child.kill().expect("it runs");
    server.child.wait().expect("it ends");
}

/// Milliseconds of a dashboard's question, the median of nine with another range each.
async fn dashboard(at: &Installation, address: &str) -> f64 {
    let mut times = Vec::new();
    for run in 0..10 {
        let now = at_now() + chrono::Duration::minutes(10 + run);
        let query = format!(
            "{{ website(id: \"{}\") {{ analytics(range: {{ between: {{ start: \"{}\", end: \"{}\" }} }}) {{ totals {{ visitors visits pageviews }} \
             series(interval: HOUR) {{ start metrics {{ visitors visits pageviews }} }} \
             breakdown(by: PAGE, first: 10) {{ nodes {{ value metrics {{ visitors pageviews }} }} }} }} }} }}",
            at.site,
            (now - chrono::Duration::hours(24)).to_rfc3339(),
            now.to_rfc3339(),
        );
        let begun = Instant::now();
        let answer = graphql(address, &at.key, &query).await;
        let took = ms(begun.elapsed());
        let visits = &answer["data"]["website"]["analytics"]["totals"]["visits"];
        assert_eq!(*visits, VISITS, "{answer}");
        if run > 0 {
            times.push(took);
        }
    }
    median(times)
}

fn at_now() -> chrono::DateTime<chrono::Utc> {
    use schema::ports::Clock as _;
    footfall::system::SystemClock.now()
}

/// Visits that are open at once.
const VISITS: u64 = 2_000_000;

/// 2,000,000 open visits, and a dashboard over them.
async fn visits() {
    let at = Installation::new();
    let server = Server::start(&at.data);
    let pid = server.child.id();
    let code = at.code(address(&server)).await;
    let begun = Instant::now();
    send_batches(address(&server), &at.key, &code, VISITS / 1_000 / SENDERS, plain_batch).await;
    let took = begun.elapsed();
    at.until_stored(address(&server), VISITS).await;
    settle(pid);
    let (peak, settled) = (memory_mib(pid, "VmHWM"), memory_mib(pid, "VmRSS"));
    println!("visits: {VISITS} in {:.0} s", took.as_secs_f64());
    row("2,000,000 open visits: peak", format!("{peak:.0} MiB"), "<= 400 MiB", peak <= 400.0);
    row("2,000,000 open visits: settled", format!("{settled:.0} MiB"), "<= 400 MiB", settled <= 400.0);
    let open = dashboard(&at, address(&server)).await;
    let asked = memory_mib(pid, "VmHWM");
    row("2,000,000 open visits: peak with questions", format!("{asked:.0} MiB"), "<= 400 MiB", asked <= 400.0);
    drop(server);
    // A start closes all visits.
    let server = Server::start(&at.data);
    let closed = dashboard(&at, address(&server)).await;
    println!("a dashboard: {open:.0} ms with open visits, {closed:.0} ms with closed ones");
    row("a dashboard, open visits / closed", format!("{:.2}", open / closed), "<= 1.50", open / closed <= 1.5);
    let peak = memory_mib(server.child.id(), "VmHWM");
    row("start after that: peak with questions", format!("{peak:.0} MiB"), "<= 400 MiB", peak <= 400.0);
}

/// Bytes that a file may have while the store takes nothing: less than its log, and more than a journal of 1 MiB needs.
const FILE_LIMIT: u64 = 6 << 20;

fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// What `FOOTFALL_JOURNAL_MIB=1` lets in while the store takes nothing.
async fn journal() {
    let at = Installation::new();
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" serve --listen 127.0.0.1:0"]).arg(binary());
    let server = Server::run(command.env("FOOTFALL_DATA", &at.data).env("FOOTFALL_JOURNAL_MIB", "1"));
    let code = at.code(address(&server)).await;
    let (log, mut events) = (at.data.join("events.duckdb.wal"), 0);
    // In small steps: at 16 MiB the log becomes part of the store's file.
    while file_bytes(&log) < FILE_LIMIT + (1 << 20) {
        let first = events / 10;
        send_batches(address(&server), &at.key, &code, 1, move |sender, _| batch_of_large(first + sender, 10)).await;
        events += SENDERS * 10;
        at.until_stored(address(&server), events).await;
    }
    let limited = Command::new("prlimit")
        .args([&format!("--fsize={FILE_LIMIT}:"), "--pid", &server.child.id().to_string()])
        .status();
    assert!(limited.expect("prlimit").success());
    let sent = large_beacons(address(&server), &code, 30, true).await;
    assert!(sent.refused > 0, "the store should take nothing");
    println!("journal: {} beacons answered 200, then {} answered 503", sent.events, sent.refused);
    let mib = sent.bytes as f64 / 1_048_576.0;
    row("FOOTFALL_JOURNAL_MIB=1, the store away: let in", format!("{mib:.2} MiB"), "<= 1.25 MiB", mib <= 1.25);
}

#[tokio::main]
async fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let is_asked = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    if is_asked("beacons") {
        beacons().await;
    }
    if is_asked("restart") {
        restart().await;
    }
    if is_asked("plain") {
        plain().await;
    }
    if is_asked("visits") {
        visits().await;
    }
    if is_asked("journal") {
        journal().await;
    }
}
