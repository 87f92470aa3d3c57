//! A receiver of webhooks on loopback that notes what it hears and answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, response::IntoResponse as _, response::Response};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub headers: HeaderMap,
    pub body: String,
}

impl Call {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether one of the signatures is what the crate of Standard Webhooks makes of the request with this secret. The tests'
    /// clock stands still, so the crate cannot check the age: `two_hundred_kills_...` does that.
    pub fn is_signed(&self, secret: &str) -> bool {
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        let timestamp = self.header("webhook-timestamp").parse().unwrap();
        let signed = webhook.sign(self.header("webhook-id"), timestamp, self.body.as_bytes()).unwrap();
        self.header("webhook-signature").split(' ').any(|signature| signature == signed)
    }
}

/// What a receiver answers.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<&'static str>,
    pub location: Option<&'static str>,
    pub hangs: bool,
}

pub type Answer = Reply;

impl Reply {
    #[expect(non_upper_case_globals, reason = "reads as a choice")]
    pub const Hang: Self = Self { status: 200, retry_after: None, location: None, hangs: true };

    pub fn status(status: u16) -> Self {
        Self { status, hangs: false, ..Self::Hang }
    }
}

type Behaviour = Box<dyn Fn(&Call, &[Call]) -> Reply + Send>;

struct Shared {
    calls: Mutex<Vec<Call>>,
    behaviour: Mutex<Behaviour>,
}

/// A receiver.
pub struct Receiver {
    pub url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Mutex<JoinHandle<()>>,
}

/// Waits for a condition, at most twenty seconds.
pub async fn until(what: &str, is_true: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

async fn hear(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let call = Call { headers, body: String::from_utf8(body.to_vec()).unwrap() };
    let reply = {
        let mut calls = shared.calls.lock().unwrap();
        let reply = shared.behaviour.lock().unwrap()(&call, &calls);
        calls.push(call);
        reply
    };
    if reply.hangs {
        std::future::pending::<()>().await;
    }
    let mut headers = HeaderMap::new();
    for (name, value) in [("retry-after", reply.retry_after), ("location", reply.location)] {
        if let Some(value) = value {
            headers.insert(name, value.parse().unwrap());
        }
    }
    (axum::http::StatusCode::from_u16(reply.status).unwrap(), headers, "noted").into_response()
}

impl Receiver {
    /// A receiver that answers 200.
    pub async fn new() -> Self {
        let shared =
            Arc::new(Shared { calls: Mutex::default(), behaviour: Mutex::new(Box::new(|_, _| Reply::status(200))) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Mutex::new(Self::serve(listener, &shared));
        Self { url: format!("http://{address}/hook?a=b"), address, shared, serving }
    }

    fn serve(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
        let router = Router::new().fallback(hear).with_state(Arc::clone(shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
    }

    /// How it answers from now on: by the call and those before it.
    pub fn answer(&self, behaviour: impl Fn(&Call, &[Call]) -> Reply + Send + 'static) {
        *self.shared.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    /// Stops listening.
    pub async fn vanish(&self) {
        self.serving.lock().unwrap().abort();
        while tokio::net::TcpStream::connect(self.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Listens again at the same address.
    pub async fn come_back(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        *self.serving.lock().unwrap() = Self::serve(listener, &self.shared);
    }

    /// All calls so far.
    pub fn heard(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// Number of calls so far.
    pub fn count(&self) -> usize {
        self.shared.calls.lock().unwrap().len()
    }

    /// All calls, once there are this many.
    pub async fn calls(&self, count: usize) -> Vec<Call> {
        until(&format!("{count} calls"), || self.count() >= count).await;
        self.shared.calls.lock().unwrap().clone()
    }
}
