//! What the shell supplies to the REST adapter: who executes, who is let in, what is left of the caller's allowance.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_graphql::{Executor, Request, Response, Variables, parser::types::OperationType};
use async_trait::async_trait;
use axum::http::HeaderMap;
use chrono::{DateTime, Datelike as _, Months, NaiveTime, SecondsFormat, Utc};
use schema::{access::Caller, changes::Moment, error::Error, ports::Clock};

use super::sdl::Access;
use crate::turns::Turn;

/// The credential that a route takes. Never a role: what a caller may do, the resolvers decide.
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
    /// As documents spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "KEY",
            Self::Bearer => "BEARER",
            Self::None => "NONE",
        }
    }
}

/// Lets callers in.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Checks the credential that the route takes and counts the request.
    ///
    /// `peer` is the other end of the connection. Errors: `Unauthenticated`, `RateLimited`, `QuotaSpent`, or what the control
    /// plane says.
    async fn admit(&self, headers: &HeaderMap, peer: Option<IpAddr>, auth: Auth) -> Result<Pass, Refusal>;

    /// Waits until the caller may run a query or a mutation; the turn ends when the answer is written.
    async fn turn(&self, _pass: &Pass, _kind: OperationType) -> Turn {
        Turn::default()
    }

    /// Whether the caller may use a route that changes something on what its path names, asked before anything else of the
    /// request is read, so that a stranger hears 403 and not 400. `path` holds what the path names by the
    /// arguments of root fields that take it, without what is malformed.
    ///
    /// Letting everybody through is safe, as resolvers check again; only the order of refusals is lost.
    async fn reach(&self, _pass: &Pass, _access: &[Access], _path: &Variables) -> Result<(), Error> {
        Ok(())
    }
}

/// A caller who was let in.
#[derive(Clone)]
pub struct Pass {
    /// Who is calling.
    pub caller: Caller,
    /// Puts the caller and all that resolvers need into a request. Called once for each execution: a REST answer
    /// may take several.
    pub dress: Arc<dyn Fn(Request) -> Request + Send + Sync>,
    /// What is left of the caller's allowance; `None` where nothing is counted.
    pub meter: Option<Meter>,
    /// Who is calling, and the moment of the control plane: answers to equal ones may be remembered. `None`: never.
    pub moment: Option<(uuid::Uuid, Moment)>,
}

/// A caller who was not let in.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why.
    pub error: Error,
    /// What is left of the allowance, where the caller is known.
    pub meter: Option<Meter>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, meter: None }
    }
}

/// The figures of the `X-RateLimit-*` and `X-Usage-*` headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Requests per minute.
    pub limit: u64,
    /// Requests left in this minute.
    pub remaining: u64,
    /// When the minute ends.
    pub resets_at: DateTime<Utc>,
    /// Requests of this calendar month (UTC).
    pub monthly: u64,
    /// Requests per month.
    pub monthly_limit: u64,
    /// When the month ends.
    pub monthly_resets_at: DateTime<Utc>,
    /// Requests since the key was made.
    pub total: u64,
}

impl Meter {
    /// The figures of an installation without limits: those of the Enterprise plan, and always a full minute.
    #[must_use]
    pub fn unlimited(now: DateTime<Utc>, monthly: u64, total: u64) -> Self {
        let minute = now.timestamp().div_euclid(60).saturating_add(1).saturating_mul(60);
        Self {
            limit: 120,
            remaining: 119,
            resets_at: DateTime::from_timestamp(minute, 0).unwrap_or(now),
            monthly,
            monthly_limit: 1_000_000,
            monthly_resets_at: next_month(now),
            total,
        }
    }

    /// The headers, in the order of the contract.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 7] {
        [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", self.resets_at.timestamp().to_string()),
            ("x-usage-monthly", self.monthly.to_string()),
            ("x-usage-limit", self.monthly_limit.to_string()),
            ("x-usage-reset", self.monthly_resets_at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            ("x-usage-total", self.total.to_string()),
        ]
    }
}

/// The first instant of the next month, UTC.
fn next_month(now: DateTime<Utc>) -> DateTime<Utc> {
    let first = now.date_naive().with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
    first.map_or(now, |first| first.and_time(NaiveTime::MIN).and_utc())
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

/// What the adapter needs to answer.
#[derive(Clone)]
pub struct Shell {
    /// Executes stored operations. They were checked at start, so an executor in fast validation mode does.
    pub executor: Arc<dyn Execute>,
    /// Lets callers in.
    pub gate: Arc<dyn Gate>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long one execution may take, all pages of a walk together.
    pub timeout: Duration,
    /// Bytes of an answer's data at most.
    pub answer_bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_limits_the_enterprise_figures_are_shown() {
        let now = DateTime::parse_from_rfc3339("2026-12-31T23:59:30Z").unwrap().to_utc();
        let headers = Meter::unlimited(now, 7, 9).headers();
        let values: Vec<&str> = headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["120", "119", "1798761600", "7", "1000000", "2027-01-01T00:00:00.000Z", "9"]);
    }
}
