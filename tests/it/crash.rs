//! No answered event is lost and none counts twice: through `kill -9` under load, a full disk, and a clean stop.

use std::{
    collections::HashSet,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use footfall::system::SystemClock;
use reqwest::Client;
use schema::ports::Clock as _;
use serde_json::{Value, json};

use crate::command_line::{Server, footfall, run, set_up};

/// Times that the server is killed.
const KILLS: usize = 50;

/// Senders at a time.
const SENDERS: usize = 12;

/// Sends events until each is answered; what is not answered is sent again with its id.
#[derive(Default)]
struct Book {
    next: usize,
    unanswered: Vec<usize>,
    answered: HashSet<usize>,
}

async fn code(site: &str, key: &str, base: &str) -> String {
    let answer = ask(base, key, &format!("{{ website(id: \"{site}\") {{ trackingCode }} }}")).await;
    answer["data"]["website"]["trackingCode"].as_str().unwrap().to_owned()
}

async fn ask(base: &str, key: &str, query: &str) -> Value {
    let request = Client::new().post(format!("{base}/graphql")).header("X-API-Key", key);
    request.json(&json!({ "query": query })).send().await.unwrap().json().await.unwrap()
}

fn beacon(number: usize) -> Value {
    json!({
        "type": "pageview", "session_id": "session-1234", "event_id": format!("event-{number:08}"),
        "visitor_id": format!("visitor-{:04}", number % 50), "url": format!("https://shop.example/p{number}"),
        "device_type": "desktop", "browser": "Firefox", "os": "Linux",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
    })
}

/// Sends from many sides as fast as is answered until `stop`, or until the server is gone.
async fn load(base: &str, code: &str, book: &Arc<Mutex<Book>>, stop: impl Future<Output = ()>) {
    paced(base, code, book, Duration::ZERO, stop).await;
}

/// As [`load`], with a pause after each answer.
async fn paced(base: &str, code: &str, book: &Arc<Mutex<Book>>, pause: Duration, stop: impl Future<Output = ()>) {
    let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let (client, url, book) = (client.clone(), format!("{base}/e/{code}"), Arc::clone(book));
        senders.spawn(async move {
            loop {
                let number = {
                    let mut book = book.lock().unwrap();
                    let number = book.unanswered.pop().unwrap_or(book.next);
                    book.next = book.next.max(number + 1);
                    number
                };
                let sent =
                    client.post(&url).header("origin", "https://shop.example").json(&beacon(number)).send().await;
                {
                    let mut book = book.lock().unwrap();
                    match sent {
                        Ok(response) if response.status() == 200 => {
                            book.answered.insert(number);
                        }
                        Ok(response) => {
                            assert_eq!(response.status(), 503, "only a full disk or journal refuses");
                            book.unanswered.push(number);
                            return;
                        }
                        Err(_) => {
                            book.unanswered.push(number);
                            return;
                        }
                    }
                }
                tokio::time::sleep(pause).await;
            }
        });
    }
    stop.await;
    senders.abort_all();
    while senders.join_next().await.is_some() {}
    // What was cut off in flight is neither answered nor listed: it is sent again.
    let mut book = book.lock().unwrap();
    book.unanswered = (0..book.next).filter(|number| !book.answered.contains(number)).collect();
}

/// Waits until the store shows every page view that was answered, and checks that none counts twice. (What was in flight at a kill
/// may be there without an answer.)
async fn each_counts_once(base: &str, key: &str, site: &str, book: &Arc<Mutex<Book>>) {
    let (answered, sent) = {
        let book = book.lock().unwrap();
        (book.answered.len() as u64, book.next as u64)
    };
    let query = format!(
        "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: LAST_7_DAYS }}) {{ totals {{ pageviews visitors }} \
         breakdown(by: PAGE, first: 1) {{ nodes {{ metrics {{ pageviews }} }} }} }} }} }}"
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask(base, key, &query).await;
        let analytics = &answer["data"]["website"]["analytics"];
        if analytics["totals"]["pageviews"].as_u64().is_some_and(|stored| (answered..=sent).contains(&stored)) {
            assert_eq!(analytics["breakdown"]["nodes"][0]["metrics"]["pageviews"], 1, "an event counts twice");
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{answered} were answered, and {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends of what was answered each of these again, dated back: every one is a duplicate.
async fn again(base: &str, code: &str, numbers: Vec<usize>) {
    let client = Client::new();
    let hour_ago = SystemClock.now().timestamp_millis() - 60 * 60 * 1000;
    for number in numbers {
        let mut body = beacon(number);
        body["timestamp"] = hour_ago.into();
        let request = client.post(format!("{base}/e/{code}")).header("origin", "https://shop.example");
        let sent = request.json(&body).send().await.unwrap();
        let dropped = sent.headers().get("x-footfall-dropped").map(|it| it.to_str().unwrap());
        assert_eq!((sent.status().as_u16(), dropped), (200, Some("Duplicate")), "{number}");
    }
}

/// Sends everything that was not answered yet, until it is.
async fn finish(base: &str, code: &str, book: &Arc<Mutex<Book>>) {
    let client = Client::new();
    let left: Vec<usize> = book.lock().unwrap().unanswered.drain(..).collect();
    for number in left {
        let url = format!("{base}/e/{code}");
        let sent =
            client.post(url).header("origin", "https://shop.example").json(&beacon(number)).send().await.unwrap();
        assert_eq!(sent.status(), 200);
        book.lock().unwrap().answered.insert(number);
    }
}

#[tokio::test]
async fn every_answered_event_survives_fifty_kills_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let book = Arc::new(Mutex::new(Book::default()));
    let mut moment = 7_u64;
    for _ in 0..KILLS {
        let mut server = Server::start(footfall(&data).arg("serve"));
        let base = server.base.clone();
        let code = code(&site, &key, &base).await;
        let mut last: Vec<usize> = book.lock().unwrap().answered.iter().copied().collect();
        last.sort_unstable();
        again(&base, &code, last.split_off(last.len().saturating_sub(20))).await;
        // Random moments, the same in every run: between 10 and 250 milliseconds under load.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_millis(10 + (moment >> 33) % 240);
        load(&base, &code, &book, async {
            tokio::time::sleep(after).await;
            server.kill();
        })
        .await;
    }
    let server = Server::start(footfall(&data).arg("serve"));
    let code = code(&site, &key, &server.base).await;
    assert!(book.lock().unwrap().answered.len() > 500, "there was load");
    each_counts_once(&server.base, &key, &site, &book).await;
    // What was in flight at a kill is sent again with its id: whether it was stored or not, it counts once.
    finish(&server.base, &code, &book).await;
    each_counts_once(&server.base, &key, &site, &book).await;
    let some = book.lock().unwrap().answered.iter().copied().step_by(7).collect();
    again(&server.base, &code, some).await;
    each_counts_once(&server.base, &key, &site, &book).await;
}

/// Bytes of the event store's log after [`fill`], at least. (At 16 MiB it becomes part of the store's file.)
const LOG: u64 = 9 << 20;

/// Bytes that a file may have while the event store fails: less than its log, and more than the journal and the control plane need.
const LIMIT: u64 = 8 << 20;

/// Fills the event store's log until it is so long that one limit stops it and nothing else.
async fn fill(base: &str, code: &str, key: &str, site: &str, data: &Path) {
    let client = Client::new();
    let before = stored(base, key, site, "events").await.unwrap();
    let mut state = 1_u64;
    for batch in 1..=100_u64 {
        let events: Vec<Value> = (0..1_000)
            .map(|number| {
                // Text that no compression makes short.
                let noise: String = (0..60)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        format!("{:08x}", state >> 32)
                    })
                    .collect();
                json!({ "type": "event", "name": "filler", "visitorId": "6c1e1a36-0000-4000-8000-000000000001",
                        "idempotencyKey": format!("{batch}-{number}-filler"), "props": { "url": "https://shop.example/", "noise": noise } })
            })
            .collect();
        let body = json!({ "trackingCode": code, "events": events });
        let sent = client.post(format!("{base}/api/v1/events")).bearer_auth(key).json(&body).send().await.unwrap();
        assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
        if batch % 4 == 0 {
            // What is on its way still could make the log short again.
            while stored(base, key, site, "events").await != Some(before + batch * 1_000) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if std::fs::metadata(data.join("events.duckdb.wal")).is_ok_and(|log| log.len() > LOG) {
                return;
            }
        }
    }
    panic!("the log stays short");
}

fn limit(server: &Server, bytes: &str) {
    // Only the soft limit, so that it can be taken back.
    let (fsize, pid) = (format!("--fsize={bytes}:"), server.child.id().to_string());
    assert!(Command::new("prlimit").args([&fsize, "--pid", &pid]).status().unwrap().success());
}

async fn stored(base: &str, key: &str, site: &str, metric: &str) -> Option<u64> {
    let query = format!(
        "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: LAST_7_DAYS }}) {{ totals {{ {metric} }} }} }} }}"
    );
    ask(base, key, &query).await["data"]["website"]["analytics"]["totals"][metric].as_u64()
}

#[tokio::test]
async fn a_store_that_fails_for_half_a_minute_between_kills_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let book = Arc::new(Mutex::new(Book::default()));
    let start = || {
        let mut command = Command::new("bash");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" serve", env!("CARGO_BIN_EXE_footfall")]);
        Server::start(command.env("FOOTFALL_DATA", &data).env("FOOTFALL_LISTEN", "127.0.0.1:0").stdin(Stdio::null()))
    };
    let mut server = start();
    let code = code(&site, &key, &server.base).await;
    fill(&server.base, &code, &key, &site, &data).await;
    // Twice: once the store comes back by itself, once the server is killed while it is away.
    for (seconds, is_killed) in [(30, false), (5, true)] {
        paced(&server.base, &code, &book, Duration::from_millis(50), tokio::time::sleep(Duration::from_millis(300)))
            .await;
        limit(&server, &LIMIT.to_string());
        let before = book.lock().unwrap().answered.len();
        paced(&server.base, &code, &book, Duration::from_millis(100), tokio::time::sleep(Duration::from_secs(seconds)))
            .await;
        let answered = book.lock().unwrap().answered.len();
        assert!(answered > before + 50, "answers go on: {before}, {answered}");
        let stored = stored(&server.base, &key, &site, "pageviews").await;
        assert!(
            stored.is_none_or(|stored| stored <= before as u64),
            "the store took {stored:?} of {answered}: it should fail"
        );
        if is_killed {
            server.kill();
            server = start();
        } else {
            let health = reqwest::get(format!("{}/health", server.base)).await.unwrap();
            assert_eq!(health.status(), 503, "nothing was delivered for long");
            let health: Value = health.json().await.unwrap();
            assert_ne!(health["checks"]["delivery"], "ok", "{health}");
            assert_eq!(health["checks"]["ingest"], "ok", "{health}");
            limit(&server, "unlimited");
        }
        each_counts_once(&server.base, &key, &site, &book).await;
    }
    server.kill();
    let server = start();
    finish(&server.base, &code, &book).await;
    each_counts_once(&server.base, &key, &site, &book).await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing_and_a_clean_stop_drains() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let (ok, _, _) = run(footfall(&data).arg("migrate"));
    assert!(ok);
    let mut command = Command::new("bash");
    let script = "trap '' XFSZ; ulimit -S -f 400; exec \"$0\" serve";
    command.args(["-c", script, env!("CARGO_BIN_EXE_footfall")]).env("FOOTFALL_DATA", &data);
    let mut server = Server::start(command.env("FOOTFALL_LISTEN", "127.0.0.1:0").stdin(Stdio::null()));
    let base = server.base.clone();
    let code = code(&site, &key, &base).await;
    let book = Arc::new(Mutex::new(Book::default()));
    // Every sender ends at its first refusal.
    load(&base, &code, &book, async {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let before = book.lock().unwrap().answered.len();
            tokio::time::sleep(Duration::from_millis(500)).await;
            let is_refused = before > 0 && book.lock().unwrap().answered.len() == before;
            if is_refused || tokio::time::Instant::now() > deadline {
                return;
            }
        }
    })
    .await;
    limit(&server, "unlimited");
    each_counts_once(&base, &key, &site, &book).await;
    finish(&base, &code, &book).await;
    load(&base, &code, &book, tokio::time::sleep(Duration::from_millis(300))).await;
    // A clean stop answers what it took in and carries all of it over, the ledger's counts too.
    let ledger = format!(
        "{{ website(id: \"{site}\") {{ ingest(lastMinutes: 43200) {{ received accepted duplicates dropped {{ reason count }} lastEventAt }} }} }}"
    );
    let accepted = |answer: &Value| answer["data"]["website"]["ingest"]["accepted"].as_u64().unwrap();
    let before = accepted(&ask(&base, &key, &ledger).await);
    server.stop();
    let mut server = Server::start(footfall(&data).arg("serve"));
    let counted = ask(&server.base, &key, &ledger).await;
    // What was on its way when the load ended may have been taken in after the question.
    assert!(before > 0 && accepted(&counted) >= before, "{before}: {counted}");
    server.stop();
    let server = Server::start(footfall(&data).arg("serve"));
    assert_eq!(ask(&server.base, &key, &ledger).await["data"], counted["data"]);
    finish(&server.base, &code, &book).await;
    each_counts_once(&server.base, &key, &site, &book).await;
}
