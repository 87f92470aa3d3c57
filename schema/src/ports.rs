//! The ports that the server implements: event store, clock, IDs, passwords, tokens and others.

mod absent;
mod event_store;
mod people;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use futures_util::stream::BoxStream;
use uuid::Uuid;

pub use self::{
    absent::{NoMail, NoProof, NoTraffic, NoVault},
    event_store::{
        Appended, Events, ImportBatch, ImportedLog, ImportedPageView, Imports, RecentEvent, Sink, StoredVisit,
        VisitMove,
    },
    people::{Forgotten, Payer, PayerQuery, PeoplePage, PeopleQuery, PersonEvents, PersonRow, Subject, TraitCondition},
};
use crate::{
    analytics::event::Event,
    attempts::Attempts,
    background::Background,
    changes::Changes,
    database::{Database, Proof},
    delivery_queue::DeliveryQueue,
    error::Result,
    key_usage::KeyUsage,
    message_broadcast::Told,
    scalars::{EmailAddress, Url},
    traffic::{LiveFigures, Outcome, SetUp},
    transaction::Transaction,
};

/// Erases the data of deleted websites.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Erases a website's events, visits, counts and live figures everywhere, and rejects further events. Returns the
    /// number of events erased since the process started. Safe to call again.
    ///
    /// Errors: `Unavailable` when it must be retried later.
    async fn erase(&self, website: Uuid) -> Result<u64>;

    /// Removes every trace of one person on a website from the event store, the journal and memory, including the bytes in
    /// their files. Other data stays as it is. Safe to call again.
    ///
    /// Errors: `Unavailable` when it must be retried.
    async fn forget(&self, website: Uuid, subject: &Subject) -> Result<Forgotten>;

    /// Deletes a website's events before an instant (milliseconds since 1970 UTC), in small steps that stall neither ingest
    /// nor queries, and returns their disk space to the store. Returns the number of events.
    async fn expire(&self, website: Uuid, before_ms: i64) -> Result<u64>;
}

/// Domain verification lookups.
#[async_trait]
pub trait DomainProof: Send + Sync {
    /// The TXT records of a DNS name; empty if there are none. Errors: `Unavailable` when DNS does not respond.
    async fn txt(&self, name: &str) -> Result<Vec<String>>;

    /// The content of `website::domains::FILE_PATH` on a host; `None` if the host does not serve such a file.
    async fn well_known(&self, host: &str) -> Result<Option<String>>;
}

/// Live figures from memory.
pub trait Live: Send + Sync {
    /// The website's current figures.
    fn figures(&self, website: Uuid) -> LiveFigures;

    /// Visitors in the last five minutes. Cheaper than [`Live::figures`].
    fn visitors(&self, website: Uuid) -> u64;

    /// Advances with every event, so that a result can be cached until the next one.
    fn version(&self) -> u64;

    /// The current figures, and new ones whenever they change (at most five times per second).
    fn changes(&self, website: Uuid) -> BoxStream<'static, LiveFigures>;

    /// Each event once it is durable. A subscriber that falls far behind misses some.
    fn events(&self, website: Uuid) -> BoxStream<'static, Arc<Event>>;
}

/// Outcomes of received events.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Counts by outcome of one website since an instant (whole minutes; milliseconds since 1970 UTC).
    async fn counts(&self, website: Uuid, since_ms: i64) -> Result<Vec<(Outcome, u64)>>;

    /// Time of the last accepted event, in milliseconds since 1970 UTC, within the 30 days that are kept.
    async fn last_event(&self, website: Uuid) -> Result<Option<i64>>;

    /// Events of teams whose plan limits them, in the calendar month (UTC) of an instant.
    async fn team_events(&self, _at: DateTime<Utc>) -> Result<Vec<(Uuid, u64)>> {
        Ok(Vec::new())
    }

    /// Configuration problems of the website, as sentences for its owner.
    async fn warnings(&self, website: Uuid, set_up: &SetUp) -> Result<Vec<String>>;
}

/// The clock.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// Randomness: IDs and secrets.
pub trait Ids: Send + Sync {
    /// A new row ID (UUIDv7).
    fn uuid(&self) -> Uuid;

    /// An ID for a request that has none.
    fn request(&self) -> Uuid {
        self.uuid()
    }

    /// `length` characters of `[A-Za-z0-9]` from the operating system's generator (5.95 bits each).
    fn secret(&self, length: usize) -> String;
}

/// Password hashing, on a bounded pool of blocking threads.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// Hashes a password (argon2id, PHC string). Errors: `Unavailable` when the pool's queue is full.
    async fn hash(&self, password: String) -> Result<String>;

    /// Whether the password matches the hash. `None` takes the same time and returns `false`.
    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool>;
}

/// The subject of an access token.
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

/// Verified claims of a token from the trusted external issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalClaims {
    /// Issuer and subject.
    pub subject: String,
    /// E-mail address; `None` if the token has none, or one that the issuer has not verified.
    pub email: Option<EmailAddress>,
    /// Identity provider used at the issuer, lower case, such as `google`.
    pub provider: String,
    /// Full name, at most 100 characters.
    pub full_name: Option<String>,
    /// URL of a picture.
    pub avatar_url: Option<Url>,
    /// Issue time of the token, if stated.
    pub issued_at: Option<DateTime<Utc>>,
    /// Expiry of the token.
    pub until: DateTime<Utc>,
}

/// A trusted external issuer.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Checks signature, `exp`, `iss`, `aud`, `sub` and `nbf`. Errors: `Unauthenticated`.
    async fn verify(&self, token: &str) -> Result<ExternalClaims>;
}

/// A page of this server that a mailed link opens. It requires a click before it acts, because mail programs prefetch
/// links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Confirms an e-mail address.
    ConfirmEmail,
    /// Undoes the change of an e-mail address.
    UndoEmail,
    /// Signs up with an invitation.
    Invitation,
}

impl Page {
    /// Every page.
    pub const ALL: [Self; 3] = [Self::ConfirmEmail, Self::UndoEmail, Self::Invitation];

    /// The path on this server.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "/account/confirm-email",
            Self::UndoEmail => "/account/undo-email",
            Self::Invitation => "/account/invitation",
        }
    }
}

/// Mail to account holders.
#[async_trait]
pub trait Mail: Send + Sync {
    /// Whether mail is configured.
    fn is_set_up(&self) -> bool;

    /// The URL of the page to set a new password with this secret; `None` if no such page is configured.
    fn reset_page(&self, secret: &str) -> Option<String>;

    /// The link to a page of this server, with a token; only a path if the server's public URL is unknown.
    fn page(&self, page: Page, token: &str) -> String {
        format!("{}?token={token}", page.path())
    }

    /// Sends a plain-text mail. Errors: any failure to hand the mail over.
    async fn send(&self, to: &str, subject: &str, text: &str) -> Result<()>;
}

/// URLs that requests are sent to.
pub trait Outgoing: Send + Sync {
    /// Why no request may be sent to a URL; `None` if it may. Names are resolved when a request is sent.
    fn fault(&self, url: &str) -> Option<String>;
}

/// Encrypts secrets that must be readable later, with a key of the data folder.
pub trait Vault: Send + Sync {
    /// Encrypts a secret of the row with this ID. Errors: internal.
    fn seal(&self, row: Uuid, secret: &str) -> Result<Vec<u8>>;

    /// Decrypts it. Errors: internal, for another row or another key.
    fn open(&self, row: Uuid, sealed: &[u8]) -> Result<String>;
}

/// Sign-up policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignUp {
    /// Open to everyone.
    Open,
    /// People invited by an admin of a team.
    Invite,
    /// People invited by the operator, and the first account, which becomes the operator's.
    #[default]
    Closed,
}

/// Whether plan limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limits {
    /// Not enforced (self-hosted): every team has the Enterprise plan.
    #[default]
    Off,
    /// Enforced: each team has the limits of its plan.
    Plans,
}

/// The ports that the schema depends on.
#[derive(Clone)]
pub struct Ports {
    /// The control plane.
    pub database: Database,
    /// The event store.
    pub events: Arc<dyn Events>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// IDs and secrets.
    pub ids: Arc<dyn Ids>,
    /// Password hashing.
    pub passwords: Arc<dyn Passwords>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// The trusted issuer whose tokens are accepted in addition to this server's own, if configured.
    pub issuer: Option<Arc<dyn Issuer>>,
    /// Sign-up policy.
    pub sign_up: SignUp,
    /// Whether plan limits are enforced.
    pub limits: Limits,
    /// Requests of API keys that are counted but not yet written. One per process: clones share it.
    pub key_usage: Arc<KeyUsage>,
    /// Failed attempts of the last minutes. One per process: clones share it.
    pub attempts: Arc<Attempts>,
    /// Mail to account holders.
    pub mail: Arc<dyn Mail>,
    /// Counts changes to the control plane. One per process: clones share it.
    pub changes: Arc<Changes>,
    /// Subscribers of conversations. One per process: clones share it.
    pub told: Arc<Told>,
    /// Work that requests leave to go on without them. One per process: clones share it.
    pub background: Background,
    /// Live figures.
    pub live: Arc<dyn Live>,
    /// Outcomes of received events.
    pub ledger: Arc<dyn Ledger>,
    /// Domain verification lookups.
    pub proof: Arc<dyn DomainProof>,
    /// Erasure of website data.
    pub erasure: Arc<dyn Erasure>,
    /// URLs that requests are sent to.
    pub outgoing: Arc<dyn Outgoing>,
    /// Encryption of secrets.
    pub vault: Arc<dyn Vault>,
    /// Webhooks with messages to deliver. One per process: clones share it.
    pub deliveries: Arc<DeliveryQueue>,
}

impl Ports {
    /// The current UTC time in milliseconds, as stored in rows: equality and order are the same in both databases.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(3)
    }

    /// Starts a transaction on the writer. It takes the write lock at once, so that what it reads stays true until it
    /// commits.
    pub async fn begin(&self, proof: &impl Proof) -> Result<Transaction> {
        self.database.begin(proof).await
    }
}
