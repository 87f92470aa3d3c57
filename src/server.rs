//! The HTTP server: accepts connections within limits of number and time, and closes them gracefully on a stop.
//!
//! - A client that makes the server wait (for a request, its head or its body, or to accept a response) has bounded
//!   time.
//! - At a limit of number, the connections that have waited longest are closed; the new one is refused only if none
//!   waits.
//! - WebSockets and event streams are not idle: they have their own pings.

mod activity;
pub mod connections;
pub mod listeners;
mod socket;

use std::{
    convert::Infallible,
    future::poll_fn,
    io::{self, Write as _},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::mpsc, time::Instant};
use tower::{Service, ServiceExt as _};

use self::{
    activity::Order,
    connections::{Connection, Connections, Full},
    listeners::Listeners,
    socket::{RequestBody, ResponseBody, Socket},
};

/// Buffer size for a request's head, and for reading or writing a body, in bytes.
const BUFFER: usize = 128 * 1024;

/// Pause after a failure to accept, such as too many open files.
const REST: Duration = Duration::from_millis(100);

const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 5\r\n\r\n";

/// Serves until `stop` resolves, and returns when running requests have ended.
pub async fn serve<S>(
    listeners: impl Into<Listeners>,
    service: S,
    connections: Arc<Connections>,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    // Each connection holds a sender: the last one to go ends the wait below.
    let (running, mut ended) = mpsc::channel::<()>(1);
    let mut stop = pin!(stop);
    let listeners = listeners.into();
    loop {
        let accepted = tokio::select! {
            accepted = listeners.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => match connections.admit(peer.ip()) {
                Ok(connection) => {
                    let (service, running) = (service.clone(), running.clone());
                    tokio::spawn(async move {
                        answer(stream, peer, service, connection).await;
                        drop(running);
                    });
                }
                Err(full) => refuse(stream, &connections, full),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if connections.may_log() {
                    tracing::error!(error.source = %error, "cannot accept connections");
                }
                connections.make_room();
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop((listeners, running));
    connections.finish();
    let _ = ended.recv().await;
}

/// Whether an error of `accept` concerns the connection that it would have returned.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn refuse(stream: TcpStream, connections: &Connections, full: Full) {
    if connections.may_log() {
        tracing::warn!(limit = full.setting(), "a connection was refused");
    }
    // The socket is new, so the answer fits into its buffer, or the client is gone.
    let _ = stream.into_std().and_then(|mut stream| stream.write_all(REFUSAL));
}

/// Serves one connection until it ends.
async fn answer<S>(stream: TcpStream, peer: SocketAddr, service: S, connection: Connection)
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    // Answers are written whole; waiting for more would only delay the last packet.
    let _ = stream.set_nodelay(true);
    let limits = connection.limits();
    let activity = Arc::clone(connection.activity());
    let requests = Arc::clone(&activity);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        requests.answering();
        let mut request = request.map(|body| Body::new(RequestBody::new(body, Arc::clone(&requests))));
        request.extensions_mut().insert(ConnectInfo(peer));
        let answered = service.clone().oneshot(request);
        let activity = Arc::clone(&requests);
        async move { answered.await.map(|response| response.map(|body| ResponseBody::new(body, activity))) }
    });
    let io = TokioIo::new(Socket::new(stream, connection));
    let serving = http1::Builder::new().max_buf_size(BUFFER).serve_connection(io, service).with_upgrades();
    let mut serving = pin!(serving);
    let pause = limits.shortest();
    let mut watch = pin!(tokio::time::sleep(pause));
    poll_fn(|cx| {
        loop {
            if serving.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match activity.order(cx) {
                Some(Order::Close) => return Poll::Ready(()),
                Some(Order::Finish) => {
                    serving.as_mut().graceful_shutdown();
                    continue;
                }
                None => {}
            }
            if watch.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let left = activity.left(&limits);
            if left == Some(Duration::ZERO) {
                return Poll::Ready(());
            }
            // No phase is shorter than the pause, so none ends unseen before the next look.
            watch.as_mut().reset(Instant::now() + left.unwrap_or(pause).min(pause));
        }
    })
    .await;
    activity.was_upgraded();
}
