//! Connections as hostile and as patient clients hold them: half-sent, idle, far too many; and those that must not be cut.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    app::TestApp,
    command_line::{Server, footfall},
};

/// Longer than any limit of these tests, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits in seconds for heads, bodies and idle connections.
async fn app(header: u64, body: u64, idle: u64) -> TestApp {
    TestApp::with(|flags| {
        flags.header_seconds = Some(header);
        flags.body_seconds = Some(body);
        flags.idle_seconds = Some(idle);
    })
    .await
}

async fn connect(app: &TestApp, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Waits until the server closes a connection. Answers what it sent before.
async fn closed(stream: &mut TcpStream) -> String {
    let mut sent = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut sent)).await.expect("the server closes the connection");
    // A reset is an end, too.
    let _ = reading;
    String::from_utf8_lossy(&sent).into_owned()
}

#[tokio::test]
async fn a_head_that_is_half_sent_is_given_its_time_and_no_more() {
    let app = app(1, 60, 60).await;
    let begun = Instant::now();
    let mut stream = connect(&app, "GET /health HTTP/1.1\r\nhost: a.example\r\n").await;
    closed(&mut stream).await;
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    // So is that of a second request.
    let mut stream = connect(&app, "GET /health HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    until(&mut stream, "\"status\":\"ok\"").await;
    stream.write_all(b"GET /hea").await.unwrap();
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_body_that_is_half_sent_or_drips_is_given_its_time_and_no_more() {
    let head =
        "POST /graphql HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{";
    let halting = app(1, 60, 60).await;
    closed(&mut connect(&halting, head).await).await;
    let dripping = app(3, 4, 60).await;
    let (mut read, mut write) = connect(&dripping, head).await.into_split();
    let drops = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let begun = Instant::now();
    let _ = timeout(PATIENCE, read.read_to_end(&mut Vec::new())).await.expect("the server closes the connection");
    assert!(begun.elapsed() >= Duration::from_millis(3_900), "no pause is too long: {:?}", begun.elapsed());
    drops.abort();
}

#[tokio::test]
async fn an_idle_connection_ends_and_one_that_goes_on_does_not() {
    let app = app(60, 60, 1).await;
    closed(&mut connect(&app, "").await).await;
    let request = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: a.example\r\n\r\n";
    let mut stream = connect(&app, request).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2_500) {
        let mut answer = [0; 1_024];
        let count = stream.read(&mut answer).await.unwrap();
        assert!(count > 0, "closed after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    assert!(closed(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

/// A text frame of a client, with a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Reads until a text has come.
async fn until(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let mut part = [0; 1_024];
        let count = timeout(PATIENCE, stream.read(&mut part)).await.expect("it comes in time").unwrap();
        assert!(count > 0, "closed before {text:?}: {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&part[..count]);
    }
}

#[tokio::test]
async fn web_sockets_and_event_streams_outlive_the_time_of_idle_connections() {
    let app = app(1, 1, 1).await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let head = "GET /graphql/ws HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    let mut socket = connect(&app, head).await;
    until(&mut socket, "101 Switching Protocols").await;
    socket.write_all(&frame(r#"{"type":"connection_init"}"#)).await.unwrap();
    until(&mut socket, "connection_ack").await;
    let query = format!("subscription {{ liveVisitors(websiteId: \"{site}\") {{ visitors }} }}");
    let ask = app.token(&owner.token).request(Method::POST, "/graphql").header("accept", "text/event-stream");
    let mut events = ask.json(&json!({ "query": query })).send().await.unwrap();
    let first = events.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("\"visitors\":0"), "{first:?}");
    // Two idle connections, one after the other, say that the time has passed.
    for _ in 0..2 {
        closed(&mut connect(&app, "").await).await;
    }
    socket.write_all(&frame(r#"{"type":"ping"}"#)).await.unwrap();
    until(&mut socket, "pong").await;
    let answer =
        app.token(&owner.token).gql(&format!("{{ website(id: \"{site}\") {{ trackingCode }} }}"), json!({})).await;
    let code = answer["data"]["website"]["trackingCode"].as_str().unwrap();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";
    let beacon = json!({ "type": "pageview", "session_id": "session-1234", "url": "https://shop.example/", "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": agent });
    let request = app.anon().request(Method::POST, &format!("/e/{code}")).header("user-agent", agent);
    assert_eq!(request.header("origin", "https://shop.example").json(&beacon).send().await.unwrap().status(), 200);
    let mut told = String::new();
    while !told.contains("\"visitors\":1") {
        let chunk = timeout(PATIENCE, events.chunk()).await.expect("it comes in time").unwrap();
        told.push_str(&String::from_utf8_lossy(&chunk.expect("the stream goes on")));
    }
}

/// Raises this process's limit of open files: it holds the other ends.
fn hold_many() {
    assert!(rlimit::increase_nofile_limit(4_096).unwrap() >= 4_096, "the test needs 4,096 open files");
}

/// A server that may open so many files, hard and soft.
fn limited(files: usize, data: &std::path::Path, settings: &[(&str, &str)]) -> Server {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" serve"), env!("CARGO_BIN_EXE_footfall")]);
    command.env("FOOTFALL_DATA", data).env("FOOTFALL_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
    Server::start(command.envs(settings.iter().copied()))
}

async fn health(base: &str) -> reqwest::Result<Value> {
    // A connection of its own: one that is kept might be closed to make room while it is used.
    let client = Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build()?;
    client.get(format!("{base}/health")).send().await?.error_for_status()?.json().await
}

#[tokio::test]
async fn a_server_with_1024_files_answers_beside_1100_idle_and_half_sent_connections() {
    hold_many();
    for settings in [&[][..], &[("FOOTFALL_TRUSTED_PROXIES", "127.0.0.1")]] {
        let folder = tempfile::tempdir().unwrap();
        let server = limited(1_024, &folder.path().join("data"), settings);
        let address = server.base.strip_prefix("http://").unwrap();
        let mut held = Vec::new();
        for number in 0..1_100 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let bytes: &[u8] = if number % 2 == 0 { b"" } else { b"POST /graphql HTTP/1.1\r\ncontent-le" };
            // A connection that made room for others is closed.
            let _ = stream.write_all(bytes).await;
            held.push(stream);
            if number % 50 == 0 {
                assert_eq!(health(&server.base).await.unwrap()["status"], "ok", "{settings:?} {number}");
            }
        }
        for _ in 0..20 {
            assert_eq!(health(&server.base).await.unwrap()["status"], "ok", "{settings:?}");
        }
    }
}

#[tokio::test]
async fn a_server_without_files_to_open_goes_on_when_it_has_some_again() {
    hold_many();
    let folder = tempfile::tempdir().unwrap();
    let settings = [("FOOTFALL_MAX_CONNECTIONS", "100000"), ("FOOTFALL_MAX_CONNECTIONS_PER_ADDRESS", "100000")];
    let mut server = limited(200, &folder.path().join("data"), &settings);
    let address = server.base.strip_prefix("http://").unwrap();
    let mut held = Vec::new();
    for _ in 0..400 {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    let deadline = Instant::now() + PATIENCE;
    while health(&server.base).await.is_err() {
        assert!(Instant::now() < deadline, "it answers again");
    }
    assert!(server.child.try_wait().unwrap().is_none(), "the server runs");
    drop(held);
    server.stop();
}

#[test]
fn the_limit_of_open_files_is_raised_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -S -n 256; ulimit -H -n 2048; exec \"$0\" serve", env!("CARGO_BIN_EXE_footfall")]);
    command.env("FOOTFALL_DATA", folder.path().join("data")).env("FOOTFALL_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
    let server = Server::start(&mut command);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("2048"), "{files}");
}

#[test]
fn limits_are_refused_on_the_command_line_where_they_make_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let output = footfall(folder.path()).args(["serve", "--idle-seconds", "0"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("--idle-seconds"));
}
