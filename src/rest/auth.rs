//! What the server supplies to the REST adapter: execution, authentication, quotas.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_graphql::{Executor, Request, Response, Variables, parser::types::OperationType};
use async_trait::async_trait;
use axum::http::HeaderMap;
use schema::{
    access::{Access, Caller},
    changes::Moment,
    error::Error,
    ports::Clock,
};

use crate::{rate_limit::Meter, turns::Turn};

/// The credential that a route requires. Never a role: resolvers decide what a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// An API key: `X-API-Key`, or `Authorization: Bearer zv_...`.
    Key,
    /// A user's access token: `Authorization: Bearer`.
    Bearer,
    /// None.
    None,
}

impl Auth {
    /// As spelled in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "KEY",
            Self::Bearer => "BEARER",
            Self::None => "NONE",
        }
    }
}

/// Authenticates callers.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Checks the credential that the route requires and counts the request.
    ///
    /// `peer` is the peer of the connection. Errors: `Unauthenticated`, `RateLimited`, `QuotaSpent`, or those of the
    /// control plane.
    async fn admit(&self, headers: &HeaderMap, peer: Option<IpAddr>, auth: Auth) -> Result<Pass, Refusal>;

    /// Waits for the caller's turn to run a query or mutation; the turn ends when the response is written.
    async fn turn(&self, _pass: &Pass, _kind: OperationType) -> Turn {
        Turn::default()
    }

    /// Whether the caller may use a route that changes the object in its path, checked before anything else of the
    /// request is read, so that a caller without access gets 403 and not 400. `path` contains the object's ID by the
    /// arguments of root fields that take it, without malformed ones.
    ///
    /// Allowing every caller is safe, as resolvers check again; only the order of errors is lost.
    async fn reach(&self, _pass: &Pass, _access: &[Access], _path: &Variables) -> Result<(), Error> {
        Ok(())
    }
}

/// An authenticated caller.
#[derive(Clone)]
pub struct Pass {
    /// The caller.
    pub caller: Caller,
    /// Adds the caller and the data for resolvers to a request. Called once for each execution: a REST response may
    /// take several.
    pub dress: Arc<dyn Fn(Request) -> Request + Send + Sync>,
    /// The remaining quota; `None` if nothing is counted.
    pub meter: Option<Meter>,
    /// The caller, and the moment of the control plane: results for equal ones can be cached. `None`: never.
    pub moment: Option<(uuid::Uuid, Moment)>,
}

/// A caller that was refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Reason.
    pub error: Error,
    /// The remaining quota, if the caller is known.
    pub meter: Option<Box<Meter>>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, meter: None }
    }
}

/// Executes GraphQL requests; any executor of async-graphql does.
#[async_trait]
pub trait Execute: Send + Sync {
    /// Executes one request.
    async fn execute(&self, request: Request) -> Response;
}

#[async_trait]
impl<E: Executor> Execute for E {
    async fn execute(&self, request: Request) -> Response {
        Executor::execute(self, request).await
    }
}

/// Dependencies of the adapter.
#[derive(Clone)]
pub struct Shell {
    /// Executes persisted operations. They were validated at start, so an executor in fast validation mode suffices.
    pub executor: Arc<dyn Execute>,
    /// Authenticates callers.
    pub gate: Arc<dyn Gate>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Time limit of one execution, including all pages of a walk.
    pub timeout: Duration,
    /// Maximum size of a response's data, in bytes.
    pub answer_bytes: usize,
}
