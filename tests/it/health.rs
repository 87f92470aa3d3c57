//! A log that cannot be written, a disk that is full, and what `/health` says of it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use footfall::jobs::{JOBS, Schedule};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    app::TestApp,
    command_line::{Server, footfall, set_up},
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn health(base: &str) -> (StatusCode, Value) {
    let response = reqwest::get(format!("{base}/health")).await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// Asks until the answer has this status, and returns it.
async fn until(base: &str, status: u16) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (got, body) = health(base).await;
        if got == status {
            return body;
        }
        assert!(Instant::now() < deadline, "{status} is expected: {got} {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn code(base: &str, key: &str, site: &str) -> String {
    let query = format!("{{ website(id: \"{site}\") {{ trackingCode }} }}");
    let request = Client::new().post(format!("{base}/graphql")).header("X-API-Key", key);
    let answer: Value = request.json(&json!({ "query": query })).send().await.unwrap().json().await.unwrap();
    answer["data"]["website"]["trackingCode"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Sends a page view and answers its status.
async fn send(client: &Client, base: &str, code: &str, number: usize) -> u16 {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";
    let body = json!({
        "type": "pageview", "session_id": "session-1234", "event_id": format!("event-{number:08}"),
        "visitor_id": format!("visitor-{number:08}"), "url": format!("https://shop.example/p{number}"), "device_type": "desktop",
        "browser": "Firefox", "os": "Linux", "user_agent": agent
    });
    let request = client.post(format!("{base}/e/{code}")).header("origin", "https://shop.example");
    request.header("user-agent", agent).json(&body).send().await.unwrap().status().as_u16()
}

/// The page views of a website, asked until they are as many as expected: an answer may lack the last half second.
async fn pageviews(base: &str, key: &str, site: &str, expected: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let count = counted(base, key, site).await;
        if count == expected || Instant::now() > deadline {
            return count;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn counted(base: &str, key: &str, site: &str) -> Value {
    let query = format!(
        "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: LAST_7_DAYS }}) {{ totals {{ pageviews }} }} }} }}"
    );
    let request = Client::new().post(format!("{base}/graphql")).header("X-API-Key", key);
    let answer: Value = request.json(&json!({ "query": query })).send().await.unwrap().json().await.unwrap();
    answer["data"]["website"]["analytics"]["totals"]["pageviews"].clone()
}

#[tokio::test]
async fn a_healthy_server_says_so_for_each_part() {
    let app = TestApp::new().await;
    let (status, body) = health(&app.url("")).await;
    let ok = json!({ "ingest": "ok", "delivery": "ok", "event_store": "ok", "control_plane": "ok", "tasks": "ok" });
    assert_eq!((status, &body["status"], &body["checks"]), (StatusCode::OK, &json!("ok"), &ok));
}

#[tokio::test]
async fn every_background_job_is_listed_with_what_it_has_done() {
    let app = TestApp::new().await;
    let deadline = Instant::now() + PATIENCE;
    let jobs = loop {
        let jobs = health(&app.url("")).await.1["jobs"].clone();
        let has_run = |name: &str| {
            let job = jobs.as_array().unwrap().iter().find(|job| job["name"] == name).unwrap();
            job["runs"].as_u64() > Some(0) && job["ended_seconds_ago"].is_u64()
        };
        if has_run("erasure") && has_run("api_key_usage") {
            break jobs;
        }
        assert!(Instant::now() < deadline, "{jobs}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let shown: Vec<_> = jobs.as_array().unwrap().iter().map(|job| (&job["name"], &job["period_seconds"])).collect();
    let expected = JOBS.iter().map(|job| match job.schedule {
        Schedule::Always => (json!(job.name), Value::Null),
        Schedule::Every(period) | Schedule::EveryAndAtStop(period) => (json!(job.name), json!(period.as_secs())),
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(shown, expected.iter().map(|(name, period)| (name, period)).collect::<Vec<_>>());
    for job in jobs.as_array().unwrap() {
        assert!(job["failures"] == 0 && job["description"].as_str().unwrap().len() > 10, "{job}");
    }
}

/// Standard error is as full as the disk with the data: every line of the log fails.
#[tokio::test]
async fn a_full_disk_under_data_and_log_is_told_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" serve 2>/dev/full", env!("CARGO_BIN_EXE_footfall")]);
    command.env("FOOTFALL_DATA", &data).env("FOOTFALL_LISTEN", "127.0.0.1:0").env("FOOTFALL_LOG", "debug");
    let server = Server::start(command.stdin(Stdio::null()));
    let limit = |bytes: &str| {
        let (fsize, pid) = (format!("--fsize={bytes}:"), server.child.id().to_string());
        assert!(Command::new("prlimit").args([&fsize, "--pid", &pid]).status().unwrap().success());
    };
    let (base, client) = (&server.base, Client::new());
    let code = code(base, &key, &site).await;
    assert_eq!(until(base, 200).await["status"], "ok");
    assert_eq!(send(&client, base, &code, 0).await, 200);
    limit("4096");
    let mut refused = 0;
    for number in 1..=20 {
        refused += usize::from(send(&client, base, &code, number).await == 503);
    }
    assert!(refused > 0, "a journal that cannot grow refuses");
    let body = until(base, 503).await;
    assert_eq!(body["status"], "unavailable");
    assert_eq!(body["checks"]["ingest"], "the journal is not writable (the disk may be full)", "{body}");
    limit("unlimited");
    // Nothing was sent meanwhile: the check itself finds out.
    assert_eq!(until(base, 200).await["checks"]["ingest"], "ok");
    for number in 0..=20 {
        assert_eq!(send(&client, base, &code, number).await, 200, "{number}");
    }
    assert_eq!(pageviews(base, &key, &site, 21).await, 21, "each counts once");
}

/// A server whose standard error is a pipe, and the other end of it.
fn logging(data: &Path) -> (Server, std::process::ChildStderr) {
    let mut command = footfall(data);
    let mut child = command
        .arg("serve")
        .env("FOOTFALL_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let base = first.trim().strip_prefix("Footfall listens on ").unwrap_or_else(|| panic!("{first}")).to_owned();
    (Server { child, base }, stderr)
}

#[tokio::test]
async fn a_reader_of_the_log_that_goes_away_or_sleeps_holds_nothing_up() {
    for goes_away in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (site, key) = set_up(&data);
        let (mut server, stderr) = logging(&data);
        // Asleep, it keeps the pipe open and takes nothing: 64 KiB fit.
        let asleep = if goes_away { None } else { Some(stderr) };
        let (base, client) = (server.base.clone(), Client::new());
        let code = code(&base, &key, &site).await;
        for number in 0..300 {
            assert_eq!(send(&client, &base, &code, number).await, 200, "{number}");
        }
        assert_eq!(pageviews(&base, &key, &site, 300).await, 300);
        assert_eq!(health(&base).await.0, 200);
        server.stop();
        drop(asleep);
    }
}
