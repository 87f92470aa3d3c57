//! What the shell must supply: event store, clock, ids, passwords, tokens.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use sea_orm::{DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions, TransactionTrait as _};
use uuid::Uuid;

use crate::{
    analytics::{
        event::Event,
        plan::{Answer, Plan},
    },
    api_key::KeyUsage,
    changes::Changes,
    error::Result,
};

/// The event store.
#[async_trait]
pub trait Events: Send + Sync {
    /// Answers each panel of the plan, in order. Errors: `TimedOut` past the statement time limit.
    async fn ask(&self, plan: &Plan) -> Result<Vec<Answer>>;

    /// When the website's first event happened, in milliseconds since 1970 UTC; `None` before the first one.
    async fn first_event(&self, website: Uuid) -> Result<Option<i64>>;

    /// Stores events, all or none. An event whose id is stored already at the same time on the same website is left out.
    ///
    /// `settled_ms`: no event older than this is expected; visits that ended 30 minutes before it are closed.
    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended>;

    /// Visits that had not ended 30 minutes before `at_ms`: visitor, first and last event time.
    async fn visits_open_at(&self, website: Uuid, at_ms: i64) -> Result<Vec<OpenVisit>>;
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events stored.
    pub stored: u64,
    /// Events left out because they were stored already.
    pub duplicates: u64,
}

/// A visit that a next event may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenVisit {
    /// The visitor's key.
    pub visitor: u64,
    /// Its first event, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// Its last event, in milliseconds since 1970 UTC.
    pub end_ms: i64,
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// Randomness: ids and secrets.
pub trait Ids: Send + Sync {
    /// A new row id (UUIDv7).
    fn uuid(&self) -> Uuid;

    /// `length` characters of `[A-Za-z0-9]` from the operating system's generator (5.95 bits each).
    fn secret(&self, length: usize) -> String;
}

/// Password hashing, on a bounded pool of blocking threads.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// Hashes a password (argon2id, PHC string). Errors: `Unavailable` when the pool's queue is full.
    async fn hash(&self, password: String) -> Result<String>;

    /// Whether the password fits the hash. `None` as hash costs the same time and answers `false`.
    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool>;
}

/// Who an access token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaims {
    /// The user (`sub`).
    pub user: Uuid,
    /// The session (`sid`), so that a sign-out takes effect at once.
    pub session: Uuid,
}

/// Access tokens: signed JWTs.
pub trait Tokens: Send + Sync {
    /// Signs an access token. Returns it with its expiry.
    fn issue(&self, claims: AccessClaims) -> Result<(String, DateTime<Utc>)>;

    /// Checks signature, `exp`, `iss`, `aud`, `nbf` and `sub`. Errors: `Unauthenticated`.
    fn verify(&self, token: &str) -> Result<AccessClaims>;
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignUp {
    /// Anyone.
    Open,
    /// Those whom a member invited.
    Invite,
    /// Nobody, but for the first account, which becomes the operator's.
    #[default]
    Closed,
}

/// Whether plans limit anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limits {
    /// A self-hosted installation: every team has the Enterprise figures.
    #[default]
    Off,
    /// Every team has the figures of its plan.
    Plans,
}

/// Everything the schema needs of the outside world.
#[derive(Clone)]
pub struct Ports {
    /// Control plane: one writer.
    pub writer: sea_orm::DatabaseConnection,
    /// Control plane: several readers. May lag behind `writer` by nothing that has been answered.
    pub reader: sea_orm::DatabaseConnection,
    /// The event store.
    pub events: Arc<dyn Events>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets.
    pub ids: Arc<dyn Ids>,
    /// Password hashing.
    pub passwords: Arc<dyn Passwords>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Who may sign up.
    pub sign_up: SignUp,
    /// Whether plans limit anything.
    pub limits: Limits,
    /// Requests of API keys that are counted but not written yet. One per process: clones share it.
    pub key_usage: Arc<KeyUsage>,
    /// Counts changes of the control plane. One per process: clones share it.
    pub changes: Arc<Changes>,
}

impl Ports {
    /// Now, UTC, to the millisecond: what rows keep, so that equality and order survive both databases.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(3)
    }

    /// Begins a transaction on the writer. It takes the write lock at once, so that what it reads stays true until it commits.
    pub async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.writer.get_database_backend() == DbBackend::Sqlite)
                .then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.writer.begin_with_options(options).await?)
    }
}
