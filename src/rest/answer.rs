//! The one handler: credential, path, access, body, query string, execution, projection, in this order.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{
    Name, Request as Question, Response as Outcome, Value, Variables,
    parser::types::{ExecutableDocument, OperationType},
};
use axum::{
    RequestExt as _,
    body::{Body, Bytes},
    extract::{ConnectInfo, RawPathParams, Request, rejection::RawPathParamsRejection},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};
use futures_util::FutureExt as _;
use schema::{
    changes::Moment,
    error::{Error, Result},
    schema_index::SchemaIndex,
};

use crate::{
    body::{self as sent, Unread},
    long_work,
    rate_limit::Meter,
    turns::Turn,
    variable_defaults,
};

use super::{
    auth::{Pass, Shell},
    body,
    document::Operation,
    envelope::{self, Fault},
    pagination,
    projection::{Writing, member},
    variables,
};

/// Maximum size of a body, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Maximum size of a URL, in bytes.
pub const URL_LIMIT: usize = 8 * 1024;

/// What is mounted at a path.
pub enum Route {
    /// Operations, one for each method.
    Operations(Vec<Arc<Operation>>),
    /// The API description.
    OpenApi,
    /// None.
    Nothing,
}

/// All that the handler needs.
#[derive(Clone)]
pub struct Answering {
    /// The server's implementations.
    pub shell: Shell,
    /// The schema.
    pub index: Arc<SchemaIndex>,
    /// The API description as JSON.
    pub openapi: Bytes,
    /// Cached results of operations.
    pub remembered: Remembered,
}

/// Cache key: the request's path and query, the caller, and the moment of the control plane.
type Asked = (String, uuid::Uuid, Moment);

/// Maximum size of a path and query whose result is cached, in bytes.
const REMEMBERED_URL: usize = 512;

/// The data of results that are valid until the control plane changes, for a second at most.
pub type Remembered = moka::sync::Cache<Asked, Bytes>;

/// An empty cache.
#[must_use]
pub fn memory() -> Remembered {
    moka::sync::Cache::builder().max_capacity(2_048).time_to_live(Duration::from_secs(2)).build()
}

/// The result of a request, and the caller's quota for the headers.
struct Told {
    outcome: std::result::Result<Response<Body>, Fault>,
    meter: Option<Meter>,
}

impl Answering {
    /// Handles one request, within the span opened by the outer layer. A panic of a resolver becomes a 500 in the
    /// envelope.
    pub async fn answer(&self, route: &Route, request: Request) -> Response<Body> {
        let told = AssertUnwindSafe(self.tell(route, request)).catch_unwind().await;
        let told = told.unwrap_or_else(|_| self.refused(&Error::broken("the gate panicked")));
        let mut response = match told.outcome {
            Ok(response) => response,
            Err(fault) => envelope::refuse(&fault, self.shell.clock.now()),
        };
        if let Some(meter) = &told.meter {
            meter.write(response.headers_mut());
        }
        response
    }

    fn refused(&self, error: &Error) -> Told {
        Told { outcome: Err(Fault::from_error(error)), meter: None }
    }

    async fn tell(&self, route: &Route, request: Request) -> Told {
        if request.uri().path_and_query().is_some_and(|address| address.as_str().len() > URL_LIMIT) {
            return Told { outcome: Err(Fault::long_url(URL_LIMIT)), meter: None };
        }
        let method = if *request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
        let operation = match route {
            Route::Nothing => return self.refused(&Error::not_found("This path")),
            Route::OpenApi if method == Method::GET => {
                let mut response = Response::new(Body::from(self.openapi.clone()));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                return Told { outcome: Ok(response), meter: None };
            }
            Route::OpenApi => return self.refused(&Error::MethodNotAllowed { allow: "GET, HEAD".to_owned() }),
            Route::Operations(operations) => match operations.iter().find(|operation| operation.method == method) {
                Some(operation) => operation,
                None => return self.refused(&Error::MethodNotAllowed { allow: methods_of(operations) }),
            },
        };
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let pass = match self.shell.gate.admit(request.headers(), peer, operation.auth).await {
            Ok(pass) => pass,
            Err(refusal) => return Told { meter: refusal.meter.map(|meter| *meter), ..self.refused(&refusal.error) },
        };
        let meter = pass.meter.clone();
        let outcome = AssertUnwindSafe(self.admitted(operation, &pass, request)).catch_unwind().await;
        let broken = || Fault::from_error(&Error::broken("a resolver panicked"));
        Told { outcome: outcome.unwrap_or_else(|_| Err(broken())), meter }
    }

    async fn admitted(
        &self,
        operation: &Operation,
        pass: &Pass,
        mut request: Request,
    ) -> std::result::Result<Response<Body>, Fault> {
        let asked = asked(operation, pass, &request);
        if let Some(data) = asked.as_ref().and_then(|asked| self.remembered.get(asked)) {
            return Ok(self.whole(operation, data));
        }
        let shown = |error: Error| Fault::from_error(&error);
        let (path, malformed) = read_path(operation, request.extract_parts().await).map_err(shown)?;
        if operation.changes || operation.body().is_some() {
            let arguments = operation.arguments(&path);
            self.in_time(false, self.shell.gate.reach(pass, &operation.access, &arguments)).await?.map_err(shown)?;
        }
        if let Some(error) = malformed {
            return Err(shown(error));
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let mut variables = path.clone();
        if operation.body().is_some() {
            self.in_time(false, self.allowed(operation, pass, &path)).await??;
            let bytes = read_body(request).await.map_err(shown)?;
            for (name, value) in body::variables(&bytes, operation, &self.index).map_err(shown)? {
                variables.insert(name, value);
            }
            variables::add_query(operation, &query, &mut variables).map_err(shown)?;
        } else if let Err(error) = variables::add_query(operation, &query, &mut variables) {
            self.in_time(false, self.allowed(operation, pass, &path)).await??;
            return Err(shown(error));
        }
        let echoes = variables::echoes(operation, &variables);
        let done = self.ended(operation.changes, operation, pass, variables).await?;
        let (shown_by, echoes, (outcome, _turn)) = match operation.then.as_deref() {
            None => (operation, echoes, done),
            Some(query) => {
                // A caller has one turn at a time.
                drop(done);
                let echoes = variables::echoes(query, &path);
                (query, echoes, self.ended(operation.changes, query, pass, path).await?)
            }
        };
        let root = shown_by.data_path.first().map(|key| member(&outcome.data, key));
        if root == Some(&Value::Null) || is_all_null(&outcome.data) {
            return Err(shown(Error::not_found("The object in the path")));
        }
        let mut data = Vec::with_capacity(1024);
        let limit = self.shell.answer_bytes;
        let mut write = || project(shown_by, &outcome.data, &echoes, limit, &mut data);
        if long_work::takes_long(&outcome.data) {
            long_work::in_place(write)
        } else {
            write()
        }
        if data.len() > limit {
            return Err(shown(Error::AnswerTooLarge { limit, has_acted: operation.changes }));
        }
        let data = Bytes::from(data);
        if let Some(asked) = asked {
            self.remembered.insert(asked, data.clone());
        }
        Ok(self.whole(operation, data))
    }

    /// Executes an operation. Errors: its error that the caller should fix first, or `TimedOut`.
    async fn ended(
        &self,
        has_acted: bool,
        operation: &Operation,
        pass: &Pass,
        variables: Variables,
    ) -> std::result::Result<(Outcome, Turn), Fault> {
        let (outcome, turn) = self.in_time(has_acted, self.execute(operation, pass, variables)).await?;
        match Fault::first(&outcome.errors, &operation.keys) {
            Some(fault) => Err(fault),
            None => Ok((outcome, turn)),
        }
    }

    /// The response around the data.
    fn whole(&self, operation: &Operation, data: Bytes) -> Response<Body> {
        if operation.bare {
            return envelope::respond(operation.status, data);
        }
        let mut out = envelope::open(data.len());
        out.extend_from_slice(&data);
        envelope::close(&mut out, self.shell.clock.now());
        envelope::respond(operation.status, out)
    }

    /// Errors: `TimedOut` when the work takes longer than one execution may.
    async fn in_time<T>(&self, is_mutation: bool, work: impl Future<Output = T>) -> std::result::Result<T, Fault> {
        let limit = self.shell.timeout;
        tokio::time::timeout(limit, work).await.map_err(|_elapsed| {
            let seconds = limit.as_secs().max(1);
            Fault::from_error(&Error::TimedOut { seconds, is_mutation })
        })
    }

    /// Errors: the response for a caller without access to the object in the path.
    async fn allowed(&self, operation: &Operation, pass: &Pass, path: &Variables) -> std::result::Result<(), Fault> {
        let Some(probe) = &operation.probe else { return Ok(()) };
        let _turn = self.shell.gate.turn(pass, OperationType::Query).await;
        let outcome = self.ask(probe, pass, path.clone()).await;
        let refused = Fault::first(&outcome.errors, &operation.keys).filter(|fault| {
            matches!(fault.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        });
        refused.map_or(Ok(()), Err)
    }

    /// The result, and the turn that lasts until it is written.
    async fn execute(&self, operation: &Operation, pass: &Pass, variables: Variables) -> (Outcome, Turn) {
        let document = &operation.document;
        let kind = if operation.changes { OperationType::Mutation } else { OperationType::Query };
        let turn = self.shell.gate.turn(pass, kind).await;
        if operation.walks.is_empty() {
            return (self.ask(document, pass, variables).await, turn);
        }
        let names: Vec<Name> = operation.variables.iter().map(|variable| variable.name.clone()).collect();
        let ask = |variables| self.ask(document, pass, variables);
        (pagination::to_the_end(&operation.walks, &names, variables, ask).await, turn)
    }

    async fn ask(&self, document: &ExecutableDocument, pass: &Pass, mut variables: Variables) -> Outcome {
        for (_, operation) in document.operations.iter() {
            variable_defaults::apply(&operation.node, &mut variables);
        }
        let mut question = Question::new(String::new()).variables(variables);
        question.set_parsed_query(document.clone());
        self.shell.executor.execute((pass.dress)(question)).await
    }
}

/// The cache key of this request's result; `None` if it is not cached.
fn asked(operation: &Operation, pass: &Pass, request: &Request) -> Option<Asked> {
    let (caller, moment) = pass.moment.filter(|_| operation.remember && !operation.changes)?;
    let address = request.uri().path_and_query()?.as_str();
    (address.len() <= REMEMBERED_URL).then(|| (address.to_owned(), caller, moment))
}

/// Writes the `data` of a result, unless it exceeds `limit` bytes.
pub fn project(operation: &Operation, answer: &Value, echoes: &[Vec<u8>], limit: usize, out: &mut Vec<u8>) {
    let data = operation.data_path.iter().fold(answer, |value, key| member(value, key));
    Writing { echoes, omit_nulls: operation.omit_nulls, limit }.shape(out, &operation.shape, data);
}

fn is_all_null(data: &Value) -> bool {
    match data {
        Value::Object(members) => !members.is_empty() && members.values().all(|value| *value == Value::Null),
        value => *value == Value::Null,
    }
}

/// The methods of a path; a GET also serves HEAD.
fn methods_of(operations: &[Arc<Operation>]) -> String {
    let mut methods: Vec<&str> = operations.iter().map(|operation| operation.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}

/// Reads the path's variables by the position of their segments. Malformed ones are omitted, and the first of them is
/// returned as an error beside the others.
fn read_path(
    operation: &Operation,
    params: std::result::Result<RawPathParams, RawPathParamsRejection>,
) -> Result<(Variables, Option<Error>)> {
    let params = params.map_err(|_| Error::invalid("path", "is not valid percent-encoded UTF-8"))?;
    let segments: Vec<&str> = operation.path.split('/').collect();
    if params.iter().any(|(_, text)| text.contains('\0')) {
        return Err(Error::invalid("path", "cannot contain a NUL character"));
    }
    let named = params.iter().filter_map(|(position, text)| {
        let position: usize = position.strip_prefix('p')?.parse().ok()?;
        Some((segments.get(position)?.strip_prefix(':')?, text))
    });
    Ok(variables::from_path(operation, named))
}

/// Reads the body. Errors: `MediaType`, `TooLarge`, `Invalid`.
async fn read_body(request: Request) -> Result<Bytes> {
    let headers: &HeaderMap = request.headers();
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Error::MediaType { wants: "application/json".to_owned() });
    }
    let (parts, body) = request.into_parts();
    sent::read(&parts.headers, body, BODY_LIMIT).await.map_err(|unread| match unread {
        Unread::TooLarge => Error::TooLarge { limit: format!("the body must have at most {BODY_LIMIT} bytes") },
        Unread::BrokenOff => Error::invalid("body", "is incomplete"),
    })
}
