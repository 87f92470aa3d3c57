//! What the shell must supply: event store, clock, ids, passwords, tokens.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use futures_util::stream::BoxStream;
use uuid::Uuid;

use crate::{
    analytics::{
        event::{Event, EventKind},
        plan::{Answer, Plan},
    },
    attempts::Attempts,
    changes::Changes,
    database::{Database, Proof},
    error::{Error, Result},
    key_usage::KeyUsage,
    message_broadcast::Told,
    scalars::{EmailAddress, Url},
    traffic::{LiveFigures, Outcome, SetUp},
    transaction::Transaction,
};

/// The event store.
#[async_trait]
pub trait Events: Send + Sync {
    /// Answers each panel of the plan, in order. Errors: `TimedOut` past the statement time limit.
    async fn ask(&self, plan: &Plan) -> Result<Vec<Answer>>;

    /// When the website's first event happened, in milliseconds since 1970 UTC; `None` before the first one.
    async fn first_event(&self, website: Uuid) -> Result<Option<i64>>;

    /// How many events of people these websites have since an instant (milliseconds since 1970 UTC), heartbeats left out.
    async fn count_since(&self, websites: &[Uuid], since_ms: i64) -> Result<u64>;

    /// Stores events, all or none. An event whose id is stored already at the same time on the same website is left out.
    ///
    /// `settled_ms`: no event older than this is expected; visits that ended 30 minutes before it are closed.
    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended>;
}

/// What the import of logs needs of the event store.
#[async_trait]
pub trait Imports: Events {
    /// Logs that were imported into the website, each at every length at which it was.
    async fn imported_logs(&self, website: Uuid) -> Result<Vec<ImportedLog>>;

    /// Remembers a log, before the first of its page views is stored.
    async fn remember_log(&self, website: Uuid, log: ImportedLog) -> Result<()>;

    /// People's visits with a first event at `until_ms` or before and a last event at `from_ms` or later.
    async fn visits_between(&self, website: Uuid, from_ms: i64, until_ms: i64) -> Result<Vec<StoredVisit>>;

    /// Stores page views of a log and moves visits, all or none. Page views that are stored already are left out.
    async fn import(&self, batch: ImportBatch) -> Result<Appended>;
}

/// A log, known by the page views that it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedLog {
    /// The log's number; it keeps it as it grows.
    pub log: u64,
    /// How many page views it had.
    pub page_views: u64,
    /// Digest of all of them, in the order of the file.
    pub digest: [u8; 16],
}

/// Page views of one log, in the order of time.
#[derive(Debug, Default)]
pub struct ImportBatch {
    /// The page views.
    pub page_views: Vec<ImportedPageView>,
    /// Visits that turn out to go on from an earlier day.
    pub moves: Vec<VisitMove>,
    /// As in [`Events::append`].
    pub settled_ms: i64,
}

/// A page view of a log.
#[derive(Debug)]
pub struct ImportedPageView {
    /// The page view.
    pub event: Event,
    /// Which lines are equal: lines of one instant and one website with the same number are.
    pub line: u64,
    /// How many lines equal to this one precede it in the log.
    pub equal_before: u64,
}

/// A stored visit whose visitor gets another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitMove {
    /// The website.
    pub website: Uuid,
    /// The visit as it is stored.
    pub visit: StoredVisit,
    /// The key that it gets.
    pub visitor: u64,
}

/// Where the journal of ingest is delivered to.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Stores events as [`Events::append`] does, and in the same transaction that the journal is delivered up to `position`.
    async fn deliver(&self, events: Vec<Event>, settled_ms: i64, position: i64) -> Result<Appended>;

    /// The position of the last delivery.
    async fn delivered(&self) -> Result<i64>;

    /// Erases events and visits of a website, and takes none in any more until the process ends. Answers how many events it erased
    /// since the process began.
    async fn erase(&self, website: Uuid) -> Result<u64>;

    /// The events since an instant (milliseconds since 1970 UTC), of every website, in order of time; the latest 100,000.
    async fn since(&self, time_ms: i64) -> Result<Vec<RecentEvent>>;
}

/// What a start recalls of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentEvent {
    /// Which website it belongs to.
    pub website: Uuid,
    /// Who did it.
    pub visitor: u64,
    /// When it happened, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// ISO 3166-1 alpha-2; empty where unknown.
    pub country: String,
    /// Path of the page; empty where it is unusually long.
    pub path: String,
    /// Whether a bot did it.
    pub is_bot: bool,
}

/// Erases what was sent to websites that are gone.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Erases a website's events, visits, counts and live figures, wherever they are, and takes nothing in any more. Answers how many
    /// events went since the process began. Safe to call again.
    ///
    /// Errors: `Unavailable` when it has to be tried again later.
    async fn erase(&self, website: Uuid) -> Result<u64>;
}

/// What a domain shows of those who control it.
#[async_trait]
pub trait DomainProof: Send + Sync {
    /// The TXT records of a DNS name; none where there are none. Errors: `Unavailable` when DNS does not answer.
    async fn txt(&self, name: &str) -> Result<Vec<String>>;

    /// The text of `website::domains::FILE_PATH` on a host; `None` where the host shows no such file.
    async fn well_known(&self, host: &str) -> Result<Option<String>>;
}

/// Domains show nothing: for commands that do not serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProof;

#[async_trait]
impl DomainProof for NoProof {
    async fn txt(&self, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn well_known(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Who is there now, from memory.
pub trait Live: Send + Sync {
    /// The website's figures of this moment.
    fn figures(&self, website: Uuid) -> LiveFigures;

    /// Visitors of the last five minutes; cheaper than [`Live::figures`].
    fn visitors(&self, website: Uuid) -> u64;

    /// Moves with every event, so that an answer may be remembered until the next one.
    fn version(&self) -> u64;

    /// The figures now, and again whenever they change (at most five times a second).
    fn changes(&self, website: Uuid) -> BoxStream<'static, LiveFigures>;

    /// Each event once it can no longer be lost. A subscriber that falls far behind misses some.
    fn events(&self, website: Uuid) -> BoxStream<'static, Arc<Event>>;
}

/// What became of what was sent.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Counts of one website since an instant (whole minutes; milliseconds since 1970 UTC), by outcome.
    async fn counts(&self, website: Uuid, since_ms: i64) -> Result<Vec<(Outcome, u64)>>;

    /// When the last event was accepted, in milliseconds since 1970 UTC, within the 30 days that are kept.
    async fn last_event(&self, website: Uuid) -> Result<Option<i64>>;

    /// What looks wrong in the set-up, in sentences for the website's owner.
    async fn warnings(&self, website: Uuid, set_up: &SetUp) -> Result<Vec<String>>;
}

/// Nobody is there and nothing was sent: for commands that do not serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTraffic;

impl Live for NoTraffic {
    fn figures(&self, _: Uuid) -> LiveFigures {
        LiveFigures::default()
    }
    fn visitors(&self, _: Uuid) -> u64 {
        0
    }
    fn version(&self) -> u64 {
        0
    }
    fn changes(&self, _: Uuid) -> BoxStream<'static, LiveFigures> {
        Box::pin(futures_util::stream::empty())
    }
    fn events(&self, _: Uuid) -> BoxStream<'static, Arc<Event>> {
        Box::pin(futures_util::stream::empty())
    }
}

#[async_trait]
impl Erasure for NoTraffic {
    async fn erase(&self, _: Uuid) -> Result<u64> {
        Err(Error::Unavailable { retry_after: 5, why: "The server that holds the event store erases it.".into() })
    }
}

#[async_trait]
impl Ledger for NoTraffic {
    async fn counts(&self, _: Uuid, _: i64) -> Result<Vec<(Outcome, u64)>> {
        Ok(Vec::new())
    }
    async fn last_event(&self, _: Uuid) -> Result<Option<i64>> {
        Ok(None)
    }
    async fn warnings(&self, _: Uuid, _: &SetUp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events stored.
    pub stored: u64,
    /// Events left out because they were stored already.
    pub duplicates: u64,
}

/// When a stored visit began and ended, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredVisit {
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

    /// The id of a request that brings none.
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

/// What an access token of the trusted issuer outside says, once everything about it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalClaims {
    /// Issuer and subject: whom the token speaks for.
    pub subject: String,
    /// E-mail address; `None` where the token carries none, or one that its issuer has not verified.
    pub email: Option<EmailAddress>,
    /// What the person signed in with at the issuer, lower case, such as `google`.
    pub provider: String,
    /// Full name, at most 100 characters.
    pub full_name: Option<String>,
    /// Address of a picture.
    pub avatar_url: Option<Url>,
    /// When the token was issued, where it says so.
    pub issued_at: Option<DateTime<Utc>>,
    /// When the token stops working.
    pub until: DateTime<Utc>,
}

/// A trusted issuer outside.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Checks signature, `exp`, `iss`, `aud`, `sub` and `nbf`. Errors: `Unauthenticated`.
    async fn verify(&self, token: &str) -> Result<ExternalClaims>;
}

/// A page of this server that a mailed link opens. It asks for a click before it does anything: mail programs fetch links ahead.
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

/// Mail to the people who have accounts.
#[async_trait]
pub trait Mail: Send + Sync {
    /// Whether mail can be sent at all.
    fn is_set_up(&self) -> bool;

    /// The address of the page where a new password is set with this secret; `None` where no page is set up.
    fn reset_page(&self, secret: &str) -> Option<String>;

    /// The link to a page of this server, with a token; a path alone where the server's address is not known.
    fn page(&self, page: Page, token: &str) -> String {
        format!("{}?token={token}", page.path())
    }

    /// Sends a plain text. Errors: whatever keeps the mail from being handed over.
    async fn send(&self, to: &str, subject: &str, text: &str) -> Result<()>;
}

/// No mail is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMail;

#[async_trait]
impl Mail for NoMail {
    fn is_set_up(&self) -> bool {
        false
    }
    fn reset_page(&self, _: &str) -> Option<String> {
        None
    }
    async fn send(&self, _: &str, _: &str, _: &str) -> Result<()> {
        Err(Error::broken("no mail is set up"))
    }
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignUp {
    /// Anyone.
    Open,
    /// People whom an admin of a team invited.
    Invite,
    /// People whom the operator invited, and the first account, which becomes the operator's.
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
    /// The control plane.
    pub database: Database,
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
    /// The trusted issuer whose tokens are accepted beside our own, where there is one.
    pub issuer: Option<Arc<dyn Issuer>>,
    /// Who may sign up.
    pub sign_up: SignUp,
    /// Whether plans limit anything.
    pub limits: Limits,
    /// Requests of API keys that are counted but not written yet. One per process: clones share it.
    pub key_usage: Arc<KeyUsage>,
    /// Failed attempts of the last minutes. One per process: clones share it.
    pub attempts: Arc<Attempts>,
    /// Mail to the people who have accounts.
    pub mail: Arc<dyn Mail>,
    /// Counts changes of the control plane. One per process: clones share it.
    pub changes: Arc<Changes>,
    /// Who listens to which conversation. One per process: clones share it.
    pub told: Arc<Told>,
    /// Who is there now.
    pub live: Arc<dyn Live>,
    /// What became of what was sent.
    pub ledger: Arc<dyn Ledger>,
    /// What domains show.
    pub proof: Arc<dyn DomainProof>,
    /// Erases what was sent.
    pub erasure: Arc<dyn Erasure>,
}

impl Ports {
    /// Now, UTC, to the millisecond: what rows keep, so that equality and order survive both databases.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(3)
    }

    /// As [`Database::begin`].
    pub async fn begin(&self, proof: &impl Proof) -> Result<Transaction> {
        self.database.begin(proof).await
    }
}
