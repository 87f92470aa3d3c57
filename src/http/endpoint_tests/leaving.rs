//! Running operations end when their client disconnects: over HTTP, event streams and WebSocket, behind the real
//! server.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{HttpConfig, ask, json, toy::app};
use crate::{
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

/// Waits until the toy's counter has this many thousands and millions: of what began, and of what was dropped.
async fn counted(app: &Router, begun: u64, dropped: u64) {
    loop {
        let count = ask(app, json!({ "query": "mutation { count(by: 0) }" })).await.body["data"]["count"].as_u64();
        if count == Some(begun * 1_000 + dropped * 1_000_000) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn post(accept: &str, query: &str) -> String {
    let body = json!({ "query": query }).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: {accept}\r\ncontent-length: {}\r\n\r\n{body}",
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
    let length = u8::try_from(text.len()).expect("a short message");
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0][..], text.as_bytes()].concat()
}

async fn speaking(address: std::net::SocketAddr, query: &str) -> TcpStream {
    let upgrade = "GET /graphql/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    let mut stream = connected(address, upgrade).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(&frame(r#"{"type":"connection_init"}"#)).await.expect("sent");
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
    stream.write_all(&frame(&subscribe.to_string())).await.expect("sent");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_ends_when_its_client_leaves() {
    let app = app(HttpConfig { timeout: Duration::from_secs(3_600), ..HttpConfig::default() });
    let address = serve(app.clone()).await;
    let (query, subscription) = ("{ never }", "subscription { silence }");
    let mut left = 0;
    for stream in [
        connected(address, &post("application/json", query)).await,
        connected(address, &post("text/event-stream", query)).await,
        connected(address, &post("text/event-stream", subscription)).await,
        speaking(address, query).await,
        speaking(address, subscription).await,
    ] {
        counted(&app, 5, left).await;
        drop(stream);
        left += 1;
        counted(&app, 5, left).await;
    }
    let mut stream = speaking(address, query).await;
    counted(&app, 6, left).await;
    stream.write_all(&frame(r#"{"type":"complete","id":"1"}"#)).await.expect("sent");
    counted(&app, 6, left + 1).await;
}
