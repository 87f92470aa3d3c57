//! Subscriptions over the older WebSocket subprotocol `graphql-ws`, of the package subscriptions-transport-ws.
//!
//! - `async-graphql-axum` speaks the protocol. This file adds what [`ws`](super::ws) does: the credential, documents
//!   checked and priced before they run, the limits, keep-alive messages and the end of half-open connections.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use async_graphql::{Data, Executor, Request, Response};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{
    StreamExt as _, sink,
    stream::{self, BoxStream},
};
use schema::error::Error;
use serde_json::{Value, json};
use tokio::sync::{
    Semaphore,
    mpsc::{self, Permit},
};

use super::{
    credential::Asker,
    graphql::Admit,
    refusal::Refusal,
    request::from_value,
    stream::Opened,
    ws::{Close, Connection, MAX_OPERATIONS, shortened, too_many_operations},
};

type Heard = Result<Message, axum::Error>;

/// Speaks the protocol until the client leaves.
pub(super) async fn converse<E: Executor, A: Admit>(
    connection: Connection<E, A>,
    protocol: GraphQLProtocol,
    socket: &mut WebSocket,
) -> Result<(), Close> {
    let times = connection.endpoint.config.socket_times;
    let places = Arc::new(Semaphore::new(MAX_OPERATIONS));
    let operations = Operations(Arc::new(State { connection, asker: OnceLock::new(), places }));
    let (hears, heard) = mpsc::channel::<Heard>(1);
    let (says, mut said) = mpsc::channel::<Message>(1);
    let heard = stream::unfold(heard, async |mut heard| heard.recv().await.map(|message| (message, heard)));
    let says = sink::unfold(says, async |says, message| says.send(message).await.map(|()| says));
    let initialised = operations.clone();
    let speaking = GraphQLWebSocket::new_with_pair(says, heard, operations.clone(), protocol)
        .on_connection_init(move |payload| initialised.initialise(payload))
        .serve();
    tokio::pin!(speaking);
    let init = tokio::time::sleep(times.init);
    tokio::pin!(init);
    let mut last_heard = Instant::now();
    let mut pings = tokio::time::interval(times.ping);
    pings.tick().await;
    loop {
        tokio::select! {
            () = &mut speaking => {
                while let Ok(message) = said.try_recv() {
                    send(socket, message).await?;
                }
                return Err(operations.farewell());
            }
            Some(message) = said.recv() => send(socket, message).await?,
            Some((place, message)) = next(&hears, socket) => {
                last_heard = Instant::now();
                match message {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return Ok(()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Binary(_))) => return Err(Close(4400, "Messages must be text".into())),
                    Some(Ok(text)) => place.send(Ok(text)),
                }
            }
            () = &mut init, if operations.0.asker.get().is_none() => {
                return Err(Close(4408, "Connection initialisation timeout".into()));
            }
            _ = pings.tick() => {
                if last_heard.elapsed() > times.silence {
                    return Err(Close(1001, "The connection was silent for too long".into()));
                }
                // Clients of this protocol send nothing by themselves; their library answers a ping.
                send(socket, Message::Ping(Default::default())).await?;
                send(socket, Message::Text(r#"{"type":"ka"}"#.into())).await?;
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Close> {
    let message = match message {
        // The library quotes the client in its reasons, which then do not fit into a frame.
        Message::Close(Some(CloseFrame { code, reason })) => return Err(Close(code, shortened(&reason))),
        message => message,
    };
    socket.send(message).await.map_err(|_| Close(1001, String::new()))
}

/// The next message, once the protocol can take one.
async fn next<'a>(
    hears: &'a mpsc::Sender<Heard>,
    socket: &mut WebSocket,
) -> Option<(Permit<'a, Heard>, Option<Heard>)> {
    let place = hears.reserve().await.ok()?;
    Some((place, socket.recv().await))
}

/// The operations of a connection, as an executor that checks documents and callers.
struct Operations<E, A>(Arc<State<E, A>>);

struct State<E, A> {
    connection: Connection<E, A>,
    /// The caller, once `connection_init` was accepted.
    asker: OnceLock<Asker>,
    /// Operations that may run at the same time.
    places: Arc<Semaphore>,
}

impl<E, A> Clone for Operations<E, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Executor, A: Admit> Operations<E, A> {
    /// Errors: an invalid credential, which the client reads as `connection_error`.
    async fn initialise(self, payload: Value) -> async_graphql::Result<Data> {
        let payload = payload.as_object().cloned().unwrap_or_default();
        let asker = self.0.connection.asker(&payload).await.map_err(Error::unauthenticated)?;
        // The library initialises once.
        let _ = self.0.asker.set(asker);
        Ok(Data::default())
    }

    fn farewell(&self) -> Close {
        match self.0.asker.get() {
            Some(_) => Close(1000, String::new()),
            None => Close(4403, "Forbidden".into()),
        }
    }

    async fn answers(self, request: Request) -> BoxStream<'static, Response> {
        let endpoint = &self.0.connection.endpoint;
        let (limit, id) = (endpoint.config.answer_bytes, self.0.connection.id);
        let opened = async {
            let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else { return Err(too_many_operations()) };
            let asked = from_value(json!({
                "query": request.query,
                "operationName": request.operation_name,
                "variables": request.variables,
                "extensions": request.extensions,
            }))?;
            let checking = endpoint.checking(asked.query.len()).await;
            let asker = self.0.asker.get().cloned().unwrap_or_default();
            Ok::<_, Refusal>((endpoint.open(asked, checking, asker, false, id).await?, place))
        };
        let read = |text: String| serde_json::from_str(&text).unwrap_or_default();
        match opened.await {
            Ok((Opened::One(answer), _)) => stream::iter([read(answer.text(limit, id))]).boxed(),
            Ok((Opened::Stream(answers), place)) => {
                // The place is held until the stream is dropped.
                answers.map(move |answer| (&place, read(answer.text(limit, id))).1).boxed()
            }
            Err(refusal) => stream::iter([read(refusal.body(id.0).to_string())]).boxed(),
        }
    }
}

impl<E: Executor, A: Admit> Executor for Operations<E, A> {
    async fn execute(&self, request: Request) -> Response {
        self.execute_stream(request, None).next().await.unwrap_or_default()
    }

    fn execute_stream(&self, request: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        stream::once(self.clone().answers(request)).flatten().boxed()
    }
}
