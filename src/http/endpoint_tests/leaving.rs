//! Running operations end when their client disconnects: over HTTP, event streams and WebSocket, behind the real
//! server.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{App, Does, HttpConfig, INGEST, json};
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

async fn speaking(app: &App, address: std::net::SocketAddr, query: &str) -> TcpStream {
    let upgrade = "GET /graphql/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    let mut stream = connected(address, upgrade).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let bearer = format!("Bearer {}", app.server.token);
    let init = json!({ "type": "connection_init", "payload": { "authorization": bearer } });
    stream.write_all(&frame(&init.to_string())).await.expect("sent");
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
    stream.write_all(&frame(&subscribe.to_string())).await.expect("sent");
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
        speaking(&app, address, &query).await,
        speaking(&app, address, &subscription).await,
    ] {
        hung(&app, 5, count).await;
        drop(stream);
        count += 1;
        hung(&app, 5, count).await;
    }
    let mut stream = speaking(&app, address, &query).await;
    hung(&app, 6, count).await;
    stream.write_all(&frame(r#"{"type":"complete","id":"1"}"#)).await.expect("sent");
    hung(&app, 6, count + 1).await;
}
