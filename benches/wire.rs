//! The load generator of the benches: HTTP/1.1 by hand over kept-alive connections, and the beacons that it sends.

#![expect(clippy::cast_precision_loss, reason = "millions")]

use std::time::{Duration, Instant};

use footfall::system::SystemClock;
use schema::ports::Clock as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// One kept-alive connection.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    /// Sends a request and reads the answer. Answers its status and body.
    pub async fn ask(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.stream.write_all(request).await.expect("sent");
        self.buffer.clear();
        loop {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.expect("an answer"), 0, "closed without an answer");
            let Some(head) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head]).expect("a head");
            let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            let length: usize = text
                .split("\r\n")
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().expect("a length"));
            while self.buffer.len() < head + 4 + length {
                assert_ne!(
                    self.stream.read_buf(&mut self.buffer).await.expect("the rest"),
                    0,
                    "closed within an answer"
                );
            }
            return (status, self.buffer[head + 4..head + 4 + length].to_vec());
        }
    }
}

/// A request as bytes.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// A page view as the tracker sends it: one of 5,000 visitors and 997 pages.
pub fn beacon(path: &str, number: u64) -> Vec<u8> {
    beacon_of(path, "shop.example", number, &json!({ "type": "pageview" }))
}

/// What the tracker sends from a page of this host, with these members in place of its own.
pub fn beacon_of(path: &str, host: &str, number: u64, members: &Value) -> Vec<u8> {
    let mut body = json!({
        "type": "pageview", "event_id": format!("bench-{number:016}"), "session_id": "session-1234",
        "visitor_id": format!("visitor-{:06}", number % 5_000), "url": format!("https://{host}/p{}?utm_source=bench", number % 997),
        "title": "Bench", "referrer": "https://www.google.com/", "device_type": "desktop", "browser": "Firefox", "os": "Linux",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        "screen_resolution": "1920x1080", "language": "nl-NL"
    });
    if let (Some(body), Some(members)) = (body.as_object_mut(), members.as_object()) {
        body.extend(members.clone());
    }
    let headers = format!("origin: https://{host}\r\ncontent-type: text/plain;charset=UTF-8\r\n");
    request("POST", path, &headers, &body.to_string())
}

/// Asks GraphQL on a connection of its own.
pub async fn graphql(address: &str, key: &str, query: &str) -> Value {
    let headers = format!("x-api-key: {key}\r\ncontent-type: application/json\r\n");
    let body = json!({ "query": query }).to_string();
    let (_, answer) = Wire::open(address).await.ask(&request("POST", "/graphql", &headers, &body)).await;
    serde_json::from_slice(&answer).expect("JSON")
}

/// Senders of [`send_batches`].
pub const SENDERS: u64 = 4;

/// Sends batches to `/api/v1/events`, so many of each of [`SENDERS`]; `events` makes the JSON array of a sender's batch of this number.
/// Answers the bytes of all bodies. Every batch is taken, whole; where too much waits it is sent again.
pub async fn send_batches(
    address: &str,
    key: &str,
    code: &str,
    each: u64,
    events: impl Fn(u64, u64) -> String + Clone + Send + 'static,
) -> u64 {
    let senders = (0..SENDERS).map(|sender| {
        let (address, code, events) = (address.to_owned(), code.to_owned(), events.clone());
        let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
        tokio::spawn(async move {
            let (mut wire, mut sent) = (Wire::open(&address).await, 0);
            let context = json!({ "clientIp": "203.0.113.9", "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0" });
            for batch in 0..each {
                let events = events(sender, batch);
                let body = format!("{{\"trackingCode\":\"{code}\",\"serverContext\":{context},\"events\":{events}}}");
                let request = request("POST", "/api/v1/events", &headers, &body);
                loop {
                    let (status, answer) = wire.ask(&request).await;
                    let answer = String::from_utf8_lossy(&answer);
                    if status == 503 {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                    assert!(status == 200 && answer.contains("\"rejected\":[]"), "{status} {answer}");
                    sent += body.len() as u64;
                    break;
                }
            }
            sent
        })
    });
    let mut sent = 0;
    for sender in senders.collect::<Vec<_>>() {
        sent += sender.await.expect("no panic");
    }
    sent
}

/// Page views of now by 400 visitors in batches of 1,000, so many batches of each of four senders. Answers events a second.
/// `name` tells the events of one call from those of another.
pub async fn batches(address: &str, key: &str, code: &str, name: &'static str, each: u64) -> f64 {
    let begun = Instant::now();
    let events = move |sender: u64, batch: u64| {
        // What happened in the last second.
        let now = SystemClock.now().timestamp_millis();
        let events: Vec<Value> = (0..1_000_u64)
            .map(|number| {
                let visitor = format!("6c1e1a36-0000-4000-8000-{:012}", number % 400);
                json!({ "type": "pageview", "ts": now - number.cast_signed(), "visitorId": visitor, "sessionId": visitor,
                    "idempotencyKey": format!("{sender}-{batch}-{number}-{name}"),
                    "props": { "url": format!("https://shop.example/b{}", number % 97), "referrer": "https://bing.com/" } })
            })
            .collect();
        Value::from(events).to_string()
    };
    send_batches(address, key, code, each, events).await;
    (SENDERS * each * 1_000) as f64 / begun.elapsed().as_secs_f64()
}
