//! GraphQL over HTTP: one endpoint, as in the specification draft of that name, over any executor.
//!
//! - A malformed request gets its own status under every `Accept`; see [`Refusal::transport`].
//! - Every error has `extensions.code` and `extensions.requestId`; a request error has no `data`.
//! - Execution has a time limit and is dropped with the connection; a panic becomes an error.

use std::{
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use async_graphql::{Executor, Request, Response as Answer, Value as GraphValue, parser::types::OperationType};
use async_trait::async_trait;
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request as HttpRequest, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::Response,
    routing::any,
};
use futures_util::FutureExt;
use schema::{
    AddressHash, access::Caller, error::Error, error_code::ErrorCode, ports::Clock, schema_index::SchemaIndex,
};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    HttpConfig, RequestId,
    accept::{Offer, accepts_event_stream, negotiate},
    answer::{Rendered, refuse, render},
    credential::{Asker, Credential, origin_of},
    limits, playground,
    prepare::{Prepared, prepare},
    refusal::{Refusal, complete},
    request::{Asked, from_json, from_query_string},
    sse,
    stream::Opened,
    ws,
};
use crate::{
    body::{self, Unread},
    long_work,
    rate_limit::requests_of,
    turns::Turn,
};

/// A request with its caller.
pub struct Admitted {
    /// The request, with the data for resolvers.
    pub request: Request,
    /// The caller.
    pub caller: Caller,
    /// Whether the caller presented a valid credential.
    pub is_known: bool,
}

/// Resolves a credential to data for resolvers.
#[async_trait]
pub trait Admit: Send + Sync + 'static {
    /// Adds the caller's data to the request. Errors: `Unauthenticated` for an invalid credential.
    ///
    /// `Credential::None` is not an error: resolvers decide what anonymous callers may see.
    async fn admit(&self, asker: &Asker, request: Request) -> schema::error::Result<Admitted>;

    /// Counts a request that spends `units`, and keeps the caller's limits in `asker`. Errors: `RateLimited`,
    /// `QuotaSpent`.
    fn spend(&self, asker: &Asker, caller: Caller, units: u32) -> schema::error::Result<()>;

    /// Counts a request that was refused before its caller was known. Errors: those of [`Admit::spend`]; an invalid
    /// credential is not counted and no error.
    async fn count_refused(&self, asker: &Asker) -> schema::error::Result<()>;

    /// Waits for the caller's turn to run a query or mutation; the turn ends when the response is written.
    async fn turn(&self, _caller: Caller, _kind: OperationType) -> Turn {
        Turn::default()
    }

    /// The client's address and its hash, given the peer of the connection.
    fn address(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> (Option<IpAddr>, Option<AddressHash>);

    /// The cost limit of this caller's documents; `None` for the configured limit.
    fn cost_limit(&self, _credential: &Credential) -> Option<u64> {
        None
    }
}

/// The endpoint's state.
pub struct Endpoint<E, A> {
    pub(super) executor: E,
    pub(super) admit: A,
    index: Arc<SchemaIndex>,
    pub(super) config: HttpConfig,
    clock: Arc<dyn Clock>,
    /// Long requests that are checked at the same time.
    checks: Semaphore,
}

/// A long request's place among those that are checked, until dropped; shorter ones need none.
pub(super) type Checking<'a> = Option<SemaphorePermit<'a>>;

/// Bytes of a request that takes about a tenth of a millisecond to check; longer ones wait for each other.
const LONG_REQUEST: usize = 4 * 1024;

impl<E: Executor, A: Admit> Endpoint<E, A> {
    /// An endpoint over `executor`, whose schema `index` describes.
    pub fn new(executor: E, admit: A, index: Arc<SchemaIndex>, config: HttpConfig, clock: Arc<dyn Clock>) -> Self {
        // Half of the processors are left to those who run.
        let checks = std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2));
        Self { executor, admit, index, config, clock, checks: Semaphore::new(checks) }
    }

    /// `/graphql`, and the playground for browsers.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/graphql", any(handle::<E, A>))
            .route("/graphql/ws", any(ws::upgrade::<E, A>))
            .with_state(Arc::new(self))
            .merge(playground::routes())
    }

    async fn answer(self: &Arc<Self>, request: HttpRequest, id: RequestId) -> Response {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let get = matches!(parts.method, Method::GET | Method::HEAD);
        let accept = accept(&parts.headers);
        let preferred = negotiate(accept.as_deref(), get);
        // Errors of the request itself are not sent as events.
        let offer = if preferred == Some(Offer::EventStream) { Some(Offer::Json) } else { preferred };
        let Some(offer) = offer else {
            let offers = "application/graphql-response+json, application/json".to_owned();
            return refuse(&Error::NotAcceptable { offers }.into(), Offer::Json, id);
        };
        if !get && parts.method != Method::POST {
            let refusal =
                Refusal { allow: Some("GET, POST"), ..Error::MethodNotAllowed { allow: "GET, POST".into() }.into() };
            return refuse(&refusal, offer, id);
        }
        if parts.uri.to_string().len() > self.config.url_bytes {
            let message =
                format!("The URL must have at most {} bytes. Send the request by POST.", self.config.url_bytes);
            return refuse(&Refusal::transport(StatusCode::URI_TOO_LONG, ErrorCode::UriTooLong, message), offer, id);
        }
        if offer == Offer::Html {
            return playground::page();
        }
        let asker = match Credential::read(&parts.headers) {
            Ok(credential) => self.asker(credential, peer, &parts.headers),
            Err(error) => return refuse(&error.into(), offer, id),
        };
        let caller = asker.clone();
        let ran = async {
            let (asked, checking) = if get {
                let query = parts.uri.query().unwrap_or_default();
                let checking = self.checking(query.len()).await;
                (from_query_string(query)?, checking)
            } else {
                media_type(&parts.headers)?;
                let body = self.body(&parts.headers, body).await?;
                let checking = self.checking(body.len()).await;
                (from_json(&body)?, checking)
            };
            if accepts_event_stream(accept.as_deref()) {
                return match self.open(asked, checking, asker, get, id).await {
                    Err(refusal) if refusal.transport => Err(refusal),
                    // Clients name a stream beside JSON in each request and read it for subscriptions only.
                    Ok(Opened::One(answer)) if preferred != Some(Offer::EventStream) => {
                        render(*answer, offer, self.config.answer_bytes)
                    }
                    Err(refusal) if preferred != Some(Offer::EventStream) => Err(refusal),
                    opened => Ok(sse::respond(opened, self.config.answer_bytes, id)),
                };
            }
            render(self.run(asked, checking, asker, get, id).await?, offer, self.config.answer_bytes)
        };
        let mut response = match self.counted(&caller, Box::pin(ran).await).await {
            Ok(response) => response,
            Err(refusal) => refuse(&refusal, offer, id),
        };
        if let Some(meter) = caller.meter.get() {
            meter.write(response.headers_mut());
        }
        response
    }

    /// Counts a request that was refused before it was counted. Errors: the refusal, or that of a caller over its limit.
    async fn counted<T>(&self, asker: &Asker, ran: Result<T, Refusal>) -> Result<T, Refusal> {
        let refusal = match ran {
            Err(refusal) if asker.meter.get().is_none() && refusal.status != StatusCode::UNAUTHORIZED => refusal,
            other => return other,
        };
        self.admit.count_refused(asker).await?;
        Err(refusal)
    }

    /// Waits until a request of so many bytes may be checked.
    pub(super) async fn checking(&self, bytes: usize) -> Checking<'_> {
        if bytes > LONG_REQUEST { self.checks.acquire().await.ok() } else { None }
    }

    /// The credential, with the source address.
    pub(super) fn asker(&self, credential: Credential, peer: Option<IpAddr>, headers: &HeaderMap) -> Asker {
        let (client, from) = self.admit.address(peer, headers);
        let origin = origin_of(headers).map(str::to_owned);
        Asker { credential, client, from, origin, meter: Arc::default() }
    }

    async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
        let limit = self.config.body_bytes;
        body::read(headers, body, limit).await.map_err(|unread| match unread {
            Unread::TooLarge => Error::TooLarge { limit: format!("the body must have at most {limit} bytes") }.into(),
            Unread::BrokenOff => {
                let message = "The body is incomplete.";
                Refusal::transport(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message)
            }
        })
    }

    /// Checks one well-formed request. Returns it with the cost limit of its document. Errors: everything that prevents
    /// its execution.
    pub(super) fn prepared(
        &self,
        asked: Asked,
        _checking: Checking<'_>,
        credential: &Credential,
        get: bool,
        streams: bool,
    ) -> Result<(Prepared, u64), Refusal> {
        let asked = self.config.trusted.resolve(asked)?;
        let limit = self.admit.cost_limit(credential).unwrap_or(self.config.limits.cost);
        let now = self.clock.now();
        let buckets = |range: &GraphValue, interval: &GraphValue| (self.config.buckets)(range, interval, now);
        let config = &self.config;
        let prepared = prepare(asked, &config.limits, limit, &self.index, config.introspection, streams, &buckets)?;
        if get && prepared.operation == OperationType::Mutation {
            return Err(Refusal {
                allow: Some("POST"),
                ..Refusal::transport(
                    StatusCode::METHOD_NOT_ALLOWED,
                    ErrorCode::MethodNotAllowed,
                    "Mutations must be sent by POST.",
                )
            });
        }
        Ok((prepared, limit))
    }

    /// Counts the request. Returns it with its caller. Errors: an invalid credential, a document over the anonymous
    /// cost limit, and a caller over its rate limit.
    pub(super) async fn admitted(&self, asker: Asker, request: Request, cost: u64) -> Result<Admitted, Refusal> {
        let admitted = self.admit.admit(&asker, request).await?;
        if !admitted.is_known {
            // The limit was looked up by the header, whose credential is invalid.
            limits::affordable(cost, self.config.limits.cost)?;
        }
        self.admit.spend(&asker, admitted.caller, requests_of(cost))?;
        Ok(admitted)
    }

    /// Runs one well-formed request. Errors: everything that prevents or aborts its execution.
    async fn run(
        &self,
        asked: Asked,
        checking: Checking<'_>,
        asker: Asker,
        get: bool,
        id: RequestId,
    ) -> Result<Rendered, Refusal> {
        let prepared = self.prepared(asked, checking, &asker.credential, get, false)?;
        self.execute(prepared, asker, id).await
    }

    /// Runs a query or a mutation to its end. Errors: everything that aborts it.
    pub(super) async fn execute(
        &self,
        (prepared, limit): (Prepared, u64),
        asker: Asker,
        id: RequestId,
    ) -> Result<Rendered, Refusal> {
        let Prepared { request, operation, cost, introspects } = prepared;
        let seconds = self.config.timeout.as_secs().max(1);
        let running = async {
            let Admitted { request, caller, .. } = self.admitted(asker, request, cost).await?;
            let turn = self.admit.turn(caller, operation).await;
            let answering = self.executor.execute(request.data(id));
            let answering = AssertUnwindSafe(async move {
                // The framework resolves introspection without yielding.
                if introspects { long_work::step_by_step(answering).await } else { answering.await }
            });
            match answering.catch_unwind().await {
                Ok(answer) => Ok((answer, turn)),
                Err(_panic) => Err(Refusal { transport: false, ..Error::broken("a resolver panicked").into() }),
            }
        };
        let (answer, turn) = tokio::time::timeout(self.config.timeout, running).await.unwrap_or_else(|_elapsed| {
            let is_mutation = operation == OperationType::Mutation;
            Err(Refusal { transport: false, ..Error::TimedOut { seconds, is_mutation }.into() })
        })?;
        let refused = is_request_error(&answer);
        let mut rendered = self.rendered(answer, refused, id);
        rendered.turn = turn;
        rendered.has_acted = operation == OperationType::Mutation && !refused;
        rendered.extensions.insert(
            "cost".into(),
            json!({ "requested": cost, "limit": limit, "remaining": limit.saturating_sub(cost) }),
        );
        Ok(rendered)
    }

    /// A result with completed errors.
    pub(super) fn rendered(&self, answer: Answer, refused: bool, id: RequestId) -> Rendered {
        Rendered::new(answer, refused, |error| complete(error, id.0))
    }
}

async fn handle<E: Executor, A: Admit>(
    State(endpoint): State<Arc<Endpoint<E, A>>>,
    Extension(id): Extension<RequestId>,
    request: HttpRequest,
) -> Response {
    endpoint.answer(request, id).await
}

/// All `Accept` headers as one list, as HTTP defines repeated headers.
fn accept(headers: &HeaderMap) -> Option<String> {
    let values: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Errors: 415 unless the body is declared as JSON in UTF-8. (Browsers send it across origins only after a preflight.)
fn media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let wrong = || Refusal::from(Error::MediaType { wants: "application/json (UTF-8, not compressed)".into() });
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(wrong)?;
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|value| value == "identity");
    if json && utf8 && plain { Ok(()) } else { Err(wrong()) }
}

/// Whether the executor refused the document, so that the result is a request error without `data`.
fn is_request_error(answer: &Answer) -> bool {
    answer.data == GraphValue::Null
        && !answer.errors.is_empty()
        && answer.errors.iter().all(|error| error.path.is_empty())
}
