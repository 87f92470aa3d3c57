//! Running operations end when their client disconnects: over HTTP, event streams and both protocols of WebSocket, behind the
//! real server.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{App, Does, HttpConfig, INGEST, json};
use crate::{
    http::SocketTimes,
    ingest::address::Proxies,
    server::{
        self,
        connections::{Connections, Limits},
    },
};

async fn serve(app: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let long = Duration::from_secs(60);
    let limits = Limits {
        header: long,
        body: long,
        idle: long,
        connections: None,
        per_address: 10,
        proxies: Proxies::default(),
    };
    tokio::spawn(server::serve(listener, app, Arc::new(Connections::new(limits)), std::future::pending()));
    address
}

/// Waits until so many resolvers hang, and so many of them were dropped.
async fn hung(app: &App, begun: u64, dropped: u64) {
    while app.server.script.hung() != (begun, dropped) {
        tokio::task::yield_now().await;
    }
}

fn post(app: &App, accept: &str, query: &str) -> String {
    let body = json!({ "query": query }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\naccept: {accept}\r\ncontent-length: {}\r\n\r\n{body}",
        app.server.token,
        body.len()
    )
}

async fn connected(address: std::net::SocketAddr, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(sent.as_bytes()).await.expect("sent");
    stream
}

/// A text message of a client, masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let [high, low] = u16::try_from(text.len()).expect("a short message").to_be_bytes();
    [&[0x81, 0x80 | 126, high, low, 0, 0, 0, 0][..], text.as_bytes()].concat()
}

/// Names of a subprotocol, of its messages that begin and end an operation.
type Protocol = [&'static str; 3];

const NEWER: Protocol = ["graphql-transport-ws", "subscribe", "complete"];
const OLDER: Protocol = ["graphql-ws", "start", "stop"];

async fn speaking(app: &App, address: std::net::SocketAddr, [name, begin, _]: Protocol, query: &str) -> TcpStream {
    let upgrade = format!(
        "GET /graphql/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: {name}\r\n\r\n"
    );
    let mut stream = connected(address, &upgrade).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let bearer = format!("Bearer {}", app.server.token);
    let init = json!({ "type": "connection_init", "payload": { "authorization": bearer } });
    stream.write_all(&frame(&init.to_string())).await.expect("sent");
    let begin = json!({ "type": begin, "id": "1", "payload": { "query": query } });
    stream.write_all(&frame(&begin.to_string())).await.expect("sent");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_ends_when_its_client_leaves() {
    let app = App::new(HttpConfig { timeout: Duration::from_secs(3_600), ..HttpConfig::default() }).await;
    app.server.script.set(Does::Hang);
    let address = serve(app.router.clone()).await;
    let query = INGEST.replace("ID\"", &format!("{}\"", app.server.website));
    let subscription = format!("subscription {{ eventTracked(websiteId: \"{}\") {{ path }} }}", app.server.website);
    let mut count = 0;
    for stream in [
        connected(address, &post(&app, "application/json", &query)).await,
        connected(address, &post(&app, "text/event-stream", &query)).await,
        connected(address, &post(&app, "text/event-stream", &subscription)).await,
        speaking(&app, address, NEWER, &query).await,
        speaking(&app, address, NEWER, &subscription).await,
        speaking(&app, address, OLDER, &query).await,
        speaking(&app, address, OLDER, &subscription).await,
    ] {
        hung(&app, 7, count).await;
        drop(stream);
        count += 1;
        hung(&app, 7, count).await;
    }
    for protocol in [NEWER, OLDER] {
        let mut stream = speaking(&app, address, protocol, &query).await;
        hung(&app, count + 1, count).await;
        let end = json!({ "type": protocol[2], "id": "1" });
        stream.write_all(&frame(&end.to_string())).await.expect("sent");
        count += 1;
        hung(&app, count, count).await;
    }
}

const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// Reads one short frame of the server: its first byte and its content.
async fn read(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let kind = stream.read_u8().await.expect("a frame");
    let length = match stream.read_u8().await.expect("a length") {
        126 => stream.read_u16().await.expect("a length"),
        short => short.into(),
    };
    let mut content = vec![0; length.into()];
    stream.read_exact(&mut content).await.expect("content");
    (kind, content)
}

#[tokio::test]
async fn a_connection_that_no_longer_responds_is_closed_and_one_that_does_is_not() {
    let [init, ping, silence] = [60_000, 100, 1_000].map(Duration::from_millis);
    let app = App::new(HttpConfig { socket_times: SocketTimes { init, ping, silence }, ..HttpConfig::default() }).await;
    app.server.script.set(Does::Hang);
    let address = serve(app.router.clone()).await;
    let subscription = format!("subscription {{ eventTracked(websiteId: \"{}\") {{ path }} }}", app.server.website);
    let mut ended = 0;
    for protocol in [NEWER, OLDER] {
        // Half open: it reads and says nothing.
        let mut silent = speaking(&app, address, protocol, &subscription).await;
        let closed = loop {
            let (kind, content) = read(&mut silent).await;
            if kind == CLOSE {
                break content;
            }
        };
        assert_eq!(closed[..2], 1001_u16.to_be_bytes(), "{}", protocol[0]);
        ended += 1;
        hung(&app, ended, ended).await;
        let mut answering = speaking(&app, address, protocol, &subscription).await;
        let mut pings = 0;
        while pings < 15 {
            let (kind, content) = read(&mut answering).await;
            assert_ne!(kind, CLOSE, "{}", protocol[0]);
            // The older protocol has no message for it, only the frames of WebSocket.
            let pong = match protocol {
                NEWER if content == br#"{"type":"ping"}"# => frame(r#"{"type":"pong"}"#),
                OLDER if kind == PING => vec![0x8a, 0x80, 0, 0, 0, 0],
                _ => continue,
            };
            answering.write_all(&pong).await.expect("sent");
            pings += 1;
        }
        hung(&app, ended + 1, ended).await;
        drop(answering);
        ended += 1;
        hung(&app, ended, ended).await;
    }
}
