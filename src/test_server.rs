//! The real schema over a control plane in a temporary folder, for unit tests of HTTP and REST. Ports that a resolver waits for
//! do what the test asks for.

use std::{
    future::pending,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream::BoxStream};
use schema::{
    Ports,
    analytics::{
        event::Event,
        plan::{Answer, Plan},
    },
    error::{Error, Result},
    ports::{Appended, Clock, DomainProof, Events, Ids, Ledger, Live, NoTraffic},
    schema_index::SchemaIndex,
    traffic::{LiveFigures, Outcome, SetUp},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{
    Surroundings,
    auth::Door,
    config::{Config, Flags, choices::SignUpSetting},
    control_plane,
    http::{Endpoint, HttpConfig, Nothing, middleware},
    ingest::address::Proxies,
    rate_limit::Callers,
    system::SystemIds,
};

/// The index of the real schema.
pub static INDEX: LazyLock<Arc<SchemaIndex>> = LazyLock::new(|| Arc::new(schema::index().unwrap()));

/// A moment that does not pass, and IDs of requests that count up.
pub struct Fixed(AtomicU64);

impl Clock for Fixed {
    fn now(&self) -> DateTime<Utc> {
        "2026-03-04T05:06:07Z".parse().unwrap()
    }
}

impl Ids for Fixed {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn secret(&self, length: usize) -> String {
        "x".repeat(length)
    }
}

/// What a resolver meets that waits for a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Does {
    /// An empty result.
    #[default]
    Nothing,
    /// A server fault.
    Fail,
    /// A panic.
    Panic,
    /// No result, ever.
    Hang,
}

/// Ports that do what the test asks for, and count what hangs.
#[derive(Clone, Default)]
pub struct Script(Arc<Counts>);

#[derive(Default)]
struct Counts {
    does: Mutex<Does>,
    begun: AtomicU64,
    dropped: AtomicU64,
}

/// A resolver that hangs, until it is dropped.
struct Hanging(Script);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Script {
    /// Sets what happens from now on.
    pub fn set(&self, does: Does) {
        *self.0.does.lock().unwrap() = does;
    }

    /// How many resolvers began to hang, and how many of them were dropped.
    pub fn hung(&self) -> (u64, u64) {
        (self.0.begun.load(Ordering::SeqCst), self.0.dropped.load(Ordering::SeqCst))
    }

    fn hanging(&self) -> Hanging {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        Hanging(self.clone())
    }

    async fn act(&self) -> Result<()> {
        let does = *self.0.does.lock().unwrap();
        match does {
            Does::Nothing => Ok(()),
            Does::Fail => Err(Error::broken("SELECT password FROM users")),
            Does::Panic => panic!("boom"),
            Does::Hang => {
                let _hanging = self.hanging();
                pending().await
            }
        }
    }
}

#[async_trait]
impl Ledger for Script {
    async fn counts(&self, _: Uuid, _: i64) -> Result<Vec<(Outcome, u64)>> {
        self.act().await.map(|()| Vec::new())
    }
    async fn last_event(&self, _: Uuid) -> Result<Option<i64>> {
        Ok(None)
    }
    async fn warnings(&self, _: Uuid, _: &SetUp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl DomainProof for Script {
    async fn txt(&self, _: &str) -> Result<Vec<String>> {
        self.act().await.map(|()| Vec::new())
    }
    async fn well_known(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

impl Live for Script {
    fn figures(&self, website: Uuid) -> LiveFigures {
        NoTraffic.figures(website)
    }
    fn visitors(&self, website: Uuid) -> u64 {
        NoTraffic.visitors(website)
    }
    fn version(&self) -> u64 {
        NoTraffic.version()
    }
    fn changes(&self, website: Uuid) -> BoxStream<'static, LiveFigures> {
        NoTraffic.changes(website)
    }
    fn events(&self, _: Uuid) -> BoxStream<'static, Arc<Event>> {
        let hanging = self.hanging();
        let never = async move {
            let _hanging = hanging;
            pending().await
        };
        futures_util::stream::once(never).boxed()
    }
}

#[async_trait]
impl Events for Script {
    async fn ask(&self, _: &Plan) -> Result<Vec<Answer>> {
        Err(Error::broken("no event store here"))
    }
    async fn first_event(&self, _: Uuid) -> Result<Option<i64>> {
        Ok(None)
    }
    async fn count_since(&self, _: &[Uuid], _: i64) -> Result<u64> {
        Ok(0)
    }
    async fn append(&self, _: Vec<Event>, _: i64) -> Result<Appended> {
        Ok(Appended::default())
    }
}

/// An installation with an account, its website, and a key of its team.
pub struct Server {
    /// What the schema reaches.
    pub ports: Ports,
    /// Authenticates callers.
    pub door: Door,
    /// Counts of its callers.
    pub callers: Arc<Callers>,
    /// What ports do.
    pub script: Script,
    /// An access token of the account.
    pub token: String,
    /// UUID of the website.
    pub website: String,
    /// An API key.
    pub key: String,
    _folder: TempDir,
}

/// A response with its body read.
pub struct Got {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Got {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Sends a request.
pub async fn send(router: &Router, request: Request<Body>) -> Got {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Got { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// A GraphQL request over HTTP with a token; with an empty one, without.
pub fn post(token: &str, body: &Value) -> Request<Body> {
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json");
    let request = if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
    request.body(Body::from(body.to_string())).unwrap()
}

impl Server {
    /// Sets an installation up.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags =
            Flags { data: Some(folder.path().join("data")), signup: Some(SignUpSetting::Open), ..Flags::default() };
        let config = Config::layered(flags).unwrap();
        let script = Script::default();
        let around = Surroundings {
            clock: Arc::new(Fixed(AtomicU64::new(1))),
            ids: Arc::new(SystemIds),
            proof: Arc::new(script.clone()),
        };
        let (mut ports, _) = control_plane(&config, Arc::new(script.clone()), &around).await.unwrap();
        ports.live = Arc::new(script.clone());
        ports.ledger = Arc::new(script.clone());
        let callers = Callers::new(ports.limits, ports.clock.clone(), Proxies::default(), Arc::default());
        let callers = Arc::new(callers);
        let door = Door::new(ports.clone(), callers.clone(), &config.data.secret().unwrap());
        let none = String::new;
        let mut server =
            Self { ports, door, callers, script, token: none(), website: none(), key: none(), _folder: folder };
        server.token = server.sign_up("ada@shop.example").await;
        let made = server
            .run(
                "mutation { websiteCreate(input: { domain: \"shop.example\", name: \"Shop\" }) { website { databaseId } }
                   apiKeyCreate(input: { name: \"Nightly\" }) { secret } }",
            )
            .await;
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        server.website = text(&made["data"]["websiteCreate"]["website"]["databaseId"]);
        server.key = text(&made["data"]["apiKeyCreate"]["secret"]);
        server
    }

    /// Signs an account up. Returns its access token.
    pub async fn sign_up(&self, email: &str) -> String {
        let text = format!(
            "mutation {{ signUp(input: {{ email: \"{email}\", password: \"correct horse battery\" }}) {{ accessToken }} }}"
        );
        let made = send(&self.graphql(HttpConfig::default()), post("", &json!({ "query": text }))).await.json();
        made["data"]["signUp"]["accessToken"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Runs a document as the account.
    pub async fn run(&self, query: &str) -> Value {
        send(&self.graphql(HttpConfig::default()), post(&self.token, &json!({ "query": query }))).await.json()
    }

    /// The GraphQL endpoint in its middleware.
    pub fn graphql(&self, config: HttpConfig) -> Router {
        let executor = schema::build(config.introspection);
        let clock = self.ports.clock.clone();
        let endpoint = Endpoint::new(executor, self.door.clone(), INDEX.clone(), config.clone(), clock);
        middleware(Nothing, endpoint.routes(), &config, Arc::new(Fixed(AtomicU64::new(1))), self.callers.clone())
            .into_router()
    }
}
