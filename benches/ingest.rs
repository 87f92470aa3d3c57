//! Ingest: durable beacons beside a bare axum handler that reads the same body, batches, answers under load, live counts, subscriptions.
//!
//! The load generator runs in the same process and on the same cores. It speaks HTTP/1.1 by hand over kept-alive connections.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on stops"
)]

mod measure;
mod wire;

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use measure::{Server, cpu_seconds, median, memory_mib, row, set_up, settle};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use wire::{Wire, batches, beacon, graphql, request};

const ROUNDS: usize = 5;
const CONNECTIONS: usize = 512;

/// Seconds that are not counted: what a server does later than it answers begins in them, and goes on in those that are.
const WARM_UP: f64 = 1.5;

/// What a server did in the counted seconds.
struct Pace {
    /// Requests a second.
    rate: f64,
    /// Processor time of the server for each request, in microseconds.
    cpu_us: f64,
}

/// Asks a server over all connections, each request as `make` says. The server has nothing else to do when this begins and ends.
async fn pace(address: &str, pid: u32, seconds: f64, make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) -> Pace {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (make, count) = (Arc::new(make), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (make, count, mut wire) = (make.clone(), count.clone(), Wire::open(address).await);
        tasks.push(tokio::spawn(async move {
            while begun.elapsed().as_secs_f64() < WARM_UP + seconds {
                let (status, _) = wire.ask(&make(NUMBER.fetch_add(1, Ordering::Relaxed))).await;
                assert_eq!(status, 200);
                count.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs_f64(WARM_UP).saturating_sub(begun.elapsed())).await;
    let (before, cpu, counted) = (count.load(Ordering::Relaxed), cpu_seconds(pid), Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let done = (count.load(Ordering::Relaxed) - before) as f64;
    let pace = Pace { rate: done / counted.elapsed().as_secs_f64(), cpu_us: (cpu_seconds(pid) - cpu) * 1e6 / done };
    for task in tasks {
        task.await.expect("no panic");
    }
    settle(pid);
    pace
}

/// Both servers in turn, the same requests; answers the median ratio of their paces, which it prints.
async fn beside(
    what: &str,
    (ours, pid): (&str, u32),
    bare: &Bare,
    seconds: f64,
    make: impl Fn(u64) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> f64 {
    let (mut mine, mut base, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let a = pace(ours, pid, seconds, make.clone()).await;
        let b = pace(&bare.address, bare.child.id(), seconds, make.clone()).await;
        ratios.push(a.rate / b.rate);
        mine.push(a);
        base.push(b);
    }
    let rate = |paces: &[Pace]| median(paces.iter().map(|pace| pace.rate).collect());
    let cpu_us = |paces: &[Pace]| median(paces.iter().map(|pace| pace.cpu_us).collect());
    println!(
        "{what}: {:.0}/s, {:.1} us of processor time each; a bare handler {:.0}/s, {:.1} us; {CONNECTIONS} connections",
        rate(&mine),
        cpu_us(&mine),
        rate(&base),
        cpu_us(&base)
    );
    median(ratios)
}

/// Paces of single beacons on a website with 20 goals and without, in turn; answers the median ratio.
async fn with_goals(
    server: (&str, u32),
    site: &str,
    make: impl Fn(u64) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> f64 {
    let (ours, pid) = server;
    let ask = async |query: String, token: &str| {
        let headers = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        let body = json!({ "query": query }).to_string();
        let (_, answer) = Wire::open(ours).await.ask(&request("POST", "/graphql", &headers, &body)).await;
        serde_json::from_slice::<Value>(&answer).expect("JSON")["data"].clone()
    };
    let sign_in = "mutation { signIn(input: { email: \"bench@footfall.example\", password: \"correct horse battery\" }) { accessToken } }";
    let token = ask(sign_in.to_owned(), "").await["signIn"]["accessToken"].as_str().expect("a token").to_owned();
    // Half of them by page, of every kind; none needs the page that the beacons are on.
    let rule = |number: usize| match number % 4 {
        0 => format!("page: {{ pattern: \"/goal/{number}\" }}"),
        1 => format!("page: {{ match: GLOB, pattern: \"/*/thanks/{number}\" }}"),
        2 => format!("event: {{ name: \"event {number}\" }}"),
        _ => format!("page: {{ match: REGEX, pattern: \"^/[a-z]+/done/{number}$\" }}"),
    };
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let without = pace(ours, pid, 5.0, make.clone()).await;
        let mut goals = Vec::new();
        for number in 0..20 {
            let create = format!(
                "mutation {{ goalCreate(websiteId: \"{site}\", input: {{ name: \"{number}\", rule: {{ {} }} }}) {{ goal {{ id }} }} }}",
                rule(number)
            );
            goals.push(ask(create, &token).await["goalCreate"]["goal"]["id"].as_str().expect("an ID").to_owned());
        }
        ratios.push(pace(ours, pid, 5.0, make.clone()).await.rate / without.rate);
        for goal in goals {
            ask(
                format!(
                    "mutation {{ goalDelete(websiteId: \"{site}\", input: {{ goalId: \"{goal}\" }}) {{ deletedId }} }}"
                ),
                &token,
            )
            .await;
        }
    }
    median(ratios)
}

/// The argument that makes this program the bare server: a process of its own, as ours is.
const BARE: &str = "bare-server";

/// Serves the bare handlers until it is killed.
async fn serve_bare() {
    let router = Router::new()
        .route(
            "/e/{code}",
            post(async |body: Bytes| {
                assert!(!body.is_empty());
                "{\"success\":true}"
            }),
        )
        .route(
            "/e/live/{code}",
            get(async || "{\"liveCount\":7,\"count\":7,\"visitors\":7,\"timestamp\":\"2026-03-04T05:06:07Z\"}"),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.expect("it serves");
}

/// The bare server; it ends with this value.
struct Bare {
    child: Child,
    address: String,
}

impl Bare {
    fn start() -> Self {
        let program = std::env::current_exe().expect("a path");
        let mut child = Command::new(program).arg(BARE).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut address).expect("its address");
        Self { child, address: address.trim().to_owned() }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Milliseconds from a beacon's answer until a live count and until a query show it, of 20 beacons.
async fn freshness(ours: &str, key: &str, site: &str, code: &str) -> (Vec<f64>, Vec<f64>) {
    let (mut live, mut stored) = (Vec::new(), Vec::new());
    let mut wire = Wire::open(ours).await;
    for number in 0..20_u64 {
        let page = format!("/fresh{number}");
        let body = json!({ "type": "pageview", "session_id": "session-1234", "visitor_id": format!("fresh-visitor-{number}"), "url": format!("https://shop.example{page}"), "device_type": "desktop", "browser": "Firefox", "os": "Linux",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0" });
        let count = async |wire: &mut Wire| {
            let (_, answer) = wire.ask(&request("GET", &format!("/e/live/{code}"), "", "")).await;
            serde_json::from_slice::<Value>(&answer).expect("JSON")["visitors"].as_u64().expect("a count")
        };
        let before = count(&mut wire).await;
        let headers = "origin: https://shop.example\r\ncontent-type: application/json\r\n";
        assert_eq!(wire.ask(&request("POST", &format!("/e/{code}"), headers, &body.to_string())).await.0, 200);
        let answered = Instant::now();
        while count(&mut wire).await <= before {}
        live.push(answered.elapsed().as_secs_f64() * 1000.0);
        let query = format!(
            "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: LAST_24_HOURS }}, filters: [{{ dimension: PAGE, operator: IS, values: [\"{page}\"] }}]) {{ totals {{ pageviews }} }} }} }}"
        );
        while graphql(ours, key, &query).await["data"]["website"]["analytics"]["totals"]["pageviews"] != 1 {}
        stored.push(answered.elapsed().as_secs_f64() * 1000.0);
    }
    (live, stored)
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == BARE) {
        return serve_bare().await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (websites, key) = set_up(&data, &["shop.example".to_owned()]);
    let site = &websites[0];
    let server = Server::start(&data);
    let ours = server.base.trim_start_matches("http://").to_owned();
    let bare = Bare::start();
    let answer = graphql(&ours, &key, &format!("{{ website(id: \"{site}\") {{ trackingCode }} }}")).await;
    let code = answer["data"]["website"]["trackingCode"].as_str().expect("a code").to_owned();
    let path = format!("/e/{code}");

    let server_at = (ours.as_str(), server.child.id());
    let one = path.clone();
    let ratio = beside("single beacons", server_at, &bare, 5.0, move |number| beacon(&one, number)).await;
    row("single beacons, durable / bare axum handler", format!("{ratio:.2}"), ">= 0.50", ratio >= 0.5);

    let one = path.clone();
    let ratio = with_goals(server_at, site, move |number| beacon(&one, number)).await;
    row("single beacons with 20 goals / without", format!("{ratio:.2}"), ">= 0.90", ratio >= 0.9);

    let live = format!("/e/live/{code}");
    let ratio = beside("/e/live", server_at, &bare, 2.0, move |_| request("GET", &live, "", "")).await;
    row("/e/live/:code / bare axum handler", format!("{ratio:.2}"), ">= 0.80", ratio >= 0.8);

    let rate_of_batches = batches(&ours, &key, &code, "rate", 50).await;
    row(
        "events/s in batches of 1,000, durable",
        format!("{rate_of_batches:.0}"),
        ">= 100,000",
        rate_of_batches >= 100_000.0,
    );

    // 2,000 beacons a second while a dashboard is asked for each second.
    let latencies = Arc::new(std::sync::Mutex::new(Vec::new()));
    let begun = Instant::now();
    let seconds = 10;
    let dashboards = {
        let (ours, key, site) = (ours.clone(), key.clone(), site.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            for _ in 0..seconds {
                ticks.tick().await;
                graphql(&ours, &key, &format!("{{ website(id: \"{site}\") {{ analytics(range: {{ preset: LAST_30_DAYS }}) {{ totals {{ visitors visits pageviews bounceRate }} \
                    series(interval: DAY) {{ metrics {{ visitors }} }} a: breakdown(by: PAGE, first: 10) {{ nodes {{ value metrics {{ pageviews }} }} }} \
                    b: breakdown(by: REFERRER, first: 10) {{ nodes {{ value metrics {{ visitors }} }} }} }} }} }}")).await;
            }
        })
    };
    let mut senders = Vec::new();
    for sender in 0..20_u64 {
        let (ours, path, latencies, mut wire) =
            (ours.clone(), path.clone(), latencies.clone(), Wire::open(&ours).await);
        drop(ours);
        senders.push(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            for number in 0..seconds * 100 {
                ticks.tick().await;
                let request = beacon(&path, 1_000_000_000 + sender * 1_000_000 + number);
                let asked = Instant::now();
                assert_eq!(wire.ask(&request).await.0, 200);
                latencies.lock().unwrap().push(asked.elapsed().as_secs_f64() * 1000.0);
            }
        }));
    }
    for sender in senders {
        sender.await.expect("no panic");
    }
    dashboards.await.expect("no panic");
    let mut all = latencies.lock().unwrap().clone();
    all.sort_by(f64::total_cmp);
    let p99 = all[all.len() * 99 / 100];
    println!(
        "at {:.0} beacons/s: median {:.1} ms",
        all.len() as f64 / begun.elapsed().as_secs_f64(),
        all[all.len() / 2]
    );
    row("p99 of a beacon's answer at 2,000/s beside dashboards", format!("{p99:.1} ms"), "< 50 ms", p99 < 50.0);

    let (mut seen, mut stored) = freshness(&ours, &key, site, &code).await;
    seen.sort_by(f64::total_cmp);
    stored.sort_by(f64::total_cmp);
    let (seen, stored) = (seen[seen.len() - 1], stored[stored.len() - 1]);
    row("an answered event in the live count, the slowest of 20", format!("{seen:.0} ms"), "< 200 ms", seen < 200.0);
    row("an answered event in a query, the slowest of 20", format!("{stored:.0} ms"), "< 1,000 ms", stored < 1000.0);

    // 5,000 subscriptions as event streams.
    settle(server.child.id());
    let before = memory_mib(server.child.id(), "VmRSS");
    let body = json!({ "query": format!("subscription {{ liveVisitors(websiteId: \"{site}\") {{ visitors }} }}") })
        .to_string();
    let headers = format!("x-api-key: {key}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n");
    let subscribe = request("POST", "/graphql", &headers, &body);
    let mut open = Vec::new();
    for _ in 0..5_000 {
        let Ok(mut stream) = TcpStream::connect(&ours).await else { break };
        stream.write_all(&subscribe).await.expect("sent");
        let mut start = [0_u8; 12];
        stream.read_exact(&mut start).await.expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&start));
        open.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let with = memory_mib(server.child.id(), "VmRSS");
    println!("{} subscriptions: {before:.0} MiB before, {with:.0} MiB with them", open.len());
    row(
        "memory of 5,000 open subscriptions",
        format!("{:.0} MiB", with - before),
        "< 200 MiB",
        open.len() == 5_000 && with - before < 200.0,
    );
    drop(open);
}
