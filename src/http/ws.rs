//! Subscriptions over WebSocket: the protocol `graphql-transport-ws` on `/graphql/ws`, with its own close codes, and the
//! choice between it and the older [`graphql-ws`](super::subscriptions_transport_ws).
//!
//! - Nothing runs before `connection_init`, which must arrive within ten seconds and may contain the credential.
//! - A connection has a bounded number of operations, is pinged, and is closed if it does not respond.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{Executor, Request};
use async_graphql_axum::GraphQLProtocol;
use axum::{
    Extension,
    extract::{
        ConnectInfo, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::StreamExt as _;
use schema::error_code::ErrorCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::{sync::mpsc, task::AbortHandle};

use super::{
    RequestId,
    accept::Offer,
    answer::refuse,
    credential::{Asker, Credential},
    graphql::{Admit, Endpoint},
    refusal::Refusal,
    request::from_value,
    stream::Opened,
    subscriptions_transport_ws,
};

const PROTOCOL: &str = "graphql-transport-ws";

/// The older protocol.
const OLDER_PROTOCOL: &str = "graphql-ws";

/// Time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct SocketTimes {
    /// Time limit for `connection_init`. Default: 10 seconds.
    pub init: Duration,
    /// Interval between pings. Default: 25 seconds.
    pub ping: Duration,
    /// How long a connection may be silent, pongs included. Default: 70 seconds.
    pub silence: Duration,
}

impl Default for SocketTimes {
    fn default() -> Self {
        let [init, ping, silence] = [10, 25, 70].map(Duration::from_secs);
        Self { init, ping, silence }
    }
}

/// Time limit for closing a connection.
const FAREWELL: Duration = Duration::from_secs(2);

/// Maximum number of concurrent operations per connection.
pub(super) const MAX_OPERATIONS: usize = 100;

/// Messages queued for a slow reader; its operations wait when the queue is full.
const WAITING: usize = 32;

/// Maximum size of one message, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A message from the client.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    ConnectionInit { payload: Option<Map<String, Value>> },
    Ping { payload: Option<Value> },
    Pong,
    Subscribe { id: String, payload: Value },
    Complete { id: String },
}

/// Why a connection is closed.
pub(super) struct Close(pub u16, pub String);

/// Accepts the upgrade.
pub(super) async fn upgrade<E: Executor, A: Admit>(
    State(endpoint): State<Arc<Endpoint<E, A>>>,
    Extension(id): Extension<RequestId>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    offered: Result<GraphQLProtocol, StatusCode>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(_) => {
            let message = "This endpoint requires WebSocket with the subprotocol graphql-transport-ws or graphql-ws.";
            return refuse(
                &Refusal::transport(StatusCode::UPGRADE_REQUIRED, ErrorCode::UpgradeRequired, message),
                Offer::Json,
                id,
            );
        }
    };
    let speaks = upgrade
        .protocols(first_known(&headers))
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
        // Thousands of connections mostly wait.
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0);
    let agreed = speaks.selected_protocol().cloned();
    speaks.on_upgrade(async move |mut socket| {
        let peer = peer.map(|Extension(ConnectInfo(peer))| peer.ip());
        let connection = Connection { endpoint, peer, headers, id };
        let ended = match (agreed, offered) {
            (Some(agreed), _) if agreed == PROTOCOL => connection.converse(&mut socket).await,
            // The library picks by the same rule.
            (Some(_), Ok(older)) => subscriptions_transport_ws::converse(connection, older, &mut socket).await,
            _ => Err(Close(4406, "Subprotocol not acceptable".into())),
        };
        match ended {
            Ok(()) => part(&mut socket).await,
            Err(Close(code, reason)) => {
                let frame = CloseFrame { code, reason: Utf8Bytes::from(reason) };
                // A client that has disconnected cannot be notified.
                let _ = socket.send(Message::Close(Some(frame))).await;
            }
        }
    })
}

/// The first protocol offered that the server speaks: clients list them in order of preference, and some speak the first whatever
/// the answer says.
fn first_known(headers: &HeaderMap) -> Option<&'static str> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    offered.split(',').find_map(|name| [PROTOCOL, OLDER_PROTOCOL].into_iter().find(|known| *known == name.trim()))
}

/// A connection before its caller is known.
pub(super) struct Connection<E, A> {
    pub(super) endpoint: Arc<Endpoint<E, A>>,
    peer: Option<IpAddr>,
    headers: HeaderMap,
    pub(super) id: RequestId,
}

/// An operation beyond [`MAX_OPERATIONS`].
pub(super) fn too_many_operations() -> Refusal {
    let why = format!("A connection can have at most {MAX_OPERATIONS} running operations. Complete one first.");
    Refusal::document(ErrorCode::TooManyOperations, why)
}

/// A message of an operation: its number, the message, and whether it was the last one.
struct Uttered {
    number: u64,
    id: String,
    message: Message,
    is_last: bool,
}

impl<E: Executor, A: Admit> Connection<E, A> {
    async fn converse(&self, socket: &mut WebSocket) -> Result<(), Close> {
        let Some(asker) = self.initialised(socket).await? else { return Ok(()) };
        let (send, mut uttered) = mpsc::channel::<Uttered>(WAITING);
        // Operations that run: their numbers tell a new one from an old one of the same id.
        let mut running = Running::default();
        let mut heard = Instant::now();
        let times = self.endpoint.config.socket_times;
        let mut pings = tokio::time::interval(times.ping);
        pings.tick().await;
        loop {
            tokio::select! {
                said = socket.recv() => {
                    heard = Instant::now();
                    match read(said)? {
                        Heard::Gone => return Ok(()),
                        Heard::Nothing => {}
                        Heard::Said(Said::ConnectionInit { .. }) => {
                            return Err(Close(4429, "Too many initialisation requests".into()));
                        }
                        Heard::Said(Said::Pong) => {}
                        Heard::Said(Said::Ping { payload }) => {
                            tell(socket, &match payload {
                                Some(payload) => json!({ "type": "pong", "payload": payload }),
                                None => json!({ "type": "pong" }),
                            }).await?;
                        }
                        Heard::Said(Said::Complete { id }) => running.end(&id),
                        Heard::Said(Said::Subscribe { id, payload }) => {
                            self.subscribe(&mut running, &send, asker.clone(), id, payload)?;
                        }
                    }
                }
                Some(uttered) = uttered.recv() => {
                    if running.is(&uttered.id, uttered.number) {
                        if uttered.is_last {
                            running.end(&uttered.id);
                        }
                        socket.send(uttered.message).await.map_err(|_| Close(1001, String::new()))?;
                    }
                }
                _ = pings.tick() => {
                    if heard.elapsed() > times.silence {
                        return Err(Close(1001, "The connection was silent for too long".into()));
                    }
                    tell(socket, &json!({ "type": "ping" })).await?;
                }
            }
        }
    }

    /// Waits for `connection_init`. `None`: the client disconnected.
    async fn initialised(&self, socket: &mut WebSocket) -> Result<Option<Asker>, Close> {
        let deadline = tokio::time::Instant::now() + self.endpoint.config.socket_times.init;
        loop {
            let said = tokio::time::timeout_at(deadline, socket.recv())
                .await
                .map_err(|_| Close(4408, "Connection initialisation timeout".into()))?;
            match read(said)? {
                Heard::Gone => return Ok(None),
                Heard::Said(Said::ConnectionInit { payload }) => {
                    let asker = self.asker(&payload.unwrap_or_default()).await;
                    let asker = asker.map_err(|reason| Close(4403, shortened(&reason)))?;
                    tell(socket, &json!({ "type": "connection_ack" })).await?;
                    return Ok(Some(asker));
                }
                Heard::Said(Said::Ping { .. }) => tell(socket, &json!({ "type": "pong" })).await?,
                Heard::Said(Said::Subscribe { .. }) => return Err(Close(4401, "Unauthorized".into())),
                Heard::Said(Said::Pong | Said::Complete { .. }) | Heard::Nothing => {}
            }
        }
    }

    /// The caller whose credential is in the payload's `Authorization` or `X-API-Key` (case-insensitive, also below
    /// `headers`), else in the upgrade's headers. Errors: why the credential is invalid.
    pub(super) async fn asker(&self, payload: &Map<String, Value>) -> Result<Asker, String> {
        let nested = payload.get("headers").and_then(Value::as_object);
        let mut named = HeaderMap::new();
        for (name, value) in payload.iter().chain(nested.into_iter().flatten()) {
            let name = name.to_ascii_lowercase();
            let known = matches!(name.as_str(), "authorization" | "x-api-key");
            if known
                && let Some(Ok(value)) = value.as_str().map(HeaderValue::from_str)
                && let Ok(name) = HeaderName::try_from(name)
            {
                named.insert(name, value);
            }
        }
        let headers = if named.is_empty() { &self.headers } else { &named };
        let credential = Credential::read(headers).map_err(|error| error.message())?;
        let asker = self.endpoint.asker(credential, self.peer, &self.headers);
        if asker.credential == Credential::None {
            return Ok(asker);
        }
        match self.endpoint.admit.admit(&asker, Request::new("")).await {
            Ok(admitted) if admitted.is_known => Ok(asker),
            Ok(_) => Err("Forbidden: the credential is invalid or has expired".into()),
            Err(error) => Err(error.message()),
        }
    }

    fn subscribe(
        &self,
        running: &mut Running,
        send: &mpsc::Sender<Uttered>,
        asker: Asker,
        id: String,
        payload: Value,
    ) -> Result<(), Close> {
        if id.is_empty() || id.len() > 200 {
            return Err(Close(4400, "The ID of an operation must have 1 to 200 characters".into()));
        }
        if running.has(&id) {
            return Err(Close(4409, shortened(&format!("Subscriber for {id} already exists"))));
        }
        let number = running.next();
        let (endpoint, request, send) = (self.endpoint.clone(), self.id, send.clone());
        let limit = endpoint.config.answer_bytes;
        let is_full = running.count() >= MAX_OPERATIONS;
        let name = id.clone();
        let task = tokio::spawn(async move {
            let say = async |message: String, is_last: bool| {
                let message = Message::Text(message.into());
                send.send(Uttered { number, id: name.clone(), message, is_last }).await.is_ok()
            };
            let opened = if is_full {
                Err(too_many_operations())
            } else {
                match from_value(payload) {
                    Ok(asked) => {
                        let checking = endpoint.checking(asked.query.len()).await;
                        endpoint.open(asked, checking, asker, false, request).await
                    }
                    Err(refusal) => Err(refusal),
                }
            };
            let mut answers = match opened {
                Ok(Opened::One(answer)) => futures_util::stream::iter([*answer]).boxed(),
                Ok(Opened::Stream(answers)) => answers,
                Err(refusal) => {
                    let errors = refusal.body(request.0).get("errors").cloned().unwrap_or_default();
                    say(json!({ "type": "error", "id": name, "payload": errors }).to_string(), true).await;
                    return;
                }
            };
            while let Some(answer) = answers.next().await {
                let payload = answer.text(limit, request);
                if !say(format!(r#"{{"type":"next","id":{},"payload":{payload}}}"#, json!(name)), false).await {
                    return;
                }
            }
            say(json!({ "type": "complete", "id": name }).to_string(), true).await;
        });
        running.begin(id, number, task.abort_handle());
        Ok(())
    }
}

/// Operations of a connection by id. They end with it.
#[derive(Default)]
struct Running {
    by_id: HashMap<String, (u64, AbortHandle)>,
    last: u64,
}

impl Running {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
    fn has(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }
    fn is(&self, id: &str, number: u64) -> bool {
        self.by_id.get(id).is_some_and(|(known, _)| *known == number)
    }
    fn count(&self) -> usize {
        self.by_id.len()
    }
    fn begin(&mut self, id: String, number: u64, task: AbortHandle) {
        self.by_id.insert(id, (number, task));
    }
    fn end(&mut self, id: &str) {
        if let Some((_, task)) = self.by_id.remove(id) {
            task.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.by_id.values().for_each(|(_, task)| task.abort());
    }
}

enum Heard {
    Said(Said),
    Nothing,
    Gone,
}

/// Errors: 4400 for an invalid message.
fn read(message: Option<Result<Message, axum::Error>>) -> Result<Heard, Close> {
    match message {
        None | Some(Err(_) | Ok(Message::Close(_))) => Ok(Heard::Gone),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Heard::Nothing),
        Some(Ok(Message::Binary(_))) => Err(Close(4400, "Messages must be text".into())),
        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
            Ok(said) => Ok(Heard::Said(said)),
            Err(_) => Err(Close(4400, "Invalid message for graphql-transport-ws".into())),
        },
    }
}

/// Completes the closing handshake: the closing frame is sent while reading continues.
async fn part(socket: &mut WebSocket) {
    let _ = tokio::time::timeout(FAREWELL, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
}

async fn tell(socket: &mut WebSocket, message: &Value) -> Result<(), Close> {
    socket.send(Message::Text(message.to_string().into())).await.map_err(|_| Close(1001, String::new()))
}

/// Maximum length of a close reason: 123 bytes.
pub(super) fn shortened(text: &str) -> String {
    text.get(..text.floor_char_boundary(120)).unwrap_or_default().to_owned()
}
