//! An installation in a temporary folder, and clients of every kind.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_graphql::{Request, Variables};
use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use entity::membership;
use footfall_schema as schema;
use migration::{Migrator, Steps as _};
use schema::{
    Cx, Error, Ports, Result, Schema,
    access::{Caller, LockFile, Operator, Role},
    analytics::{
        event::Event,
        plan::{Answer, Plan},
    },
    auth::{caller_of_key, caller_of_token},
    background::Background,
    ports::{
        AccessClaims, Appended, Clock, Events, Ids, Limits, NoMail, NoProof, NoTraffic, NoVault, Passwords, SignUp,
        Tokens,
    },
};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ConnectOptions, Database, DatabaseConnection};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::postgres;

pub struct MovedClock(Mutex<DateTime<Utc>>);

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

impl MovedClock {
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

/// Counts up; a secret is its number, padded.
struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(
            (0x0190_0000_0000_7000_8000_0000_0000_0000_u128) + u128::from(self.0.fetch_add(1, Ordering::SeqCst)),
        )
    }

    fn secret(&self, length: usize) -> String {
        format!("{:A>length$}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Quick, and counts what it was asked, so that a test can tell a skipped comparison from a made one.
#[derive(Default)]
pub struct CountedPasswords(pub AtomicU64);

#[async_trait]
impl Passwords for CountedPasswords {
    async fn hash(&self, password: String) -> Result<String> {
        Ok(format!("hash of {password}"))
    }

    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(hash.is_some_and(|hash| hash == format!("hash of {password}")))
    }
}

struct PlainTokens(Arc<MovedClock>);

impl Tokens for PlainTokens {
    fn issue(&self, claims: AccessClaims) -> Result<(String, DateTime<Utc>)> {
        Ok((format!("{}/{}", claims.user, claims.session), self.0.now() + Duration::minutes(15)))
    }

    fn verify(&self, token: &str) -> Result<AccessClaims> {
        let parts = token.split_once('/').and_then(|(user, session)| Some((user.parse().ok()?, session.parse().ok()?)));
        let (user, session) = parts.ok_or_else(|| Error::unauthenticated("not a token"))?;
        Ok(AccessClaims { user, session })
    }
}

/// The control plane asks nothing of the event store.
struct NoEvents;

#[async_trait]
impl Events for NoEvents {
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

pub struct App {
    pub schema: Schema,
    pub ports: Ports,
    pub clock: Arc<MovedClock>,
    pub passwords: Arc<CountedPasswords>,
    pub folder: tempfile::TempDir,
}

/// The database of a folder: a file in it, or one in PostgreSQL that a file in it names.
async fn url(folder: &tempfile::TempDir) -> String {
    let named = folder.path().join("database_url");
    if let Ok(url) = std::fs::read_to_string(&named) {
        return url;
    }
    let url = match postgres::new_database().await {
        Some(url) => url,
        None => format!("sqlite://{}?mode=rwc", folder.path().join("control.db").display()),
    };
    std::fs::write(named, &url).unwrap();
    url
}

/// Opens the database as the server does: one writer, several readers.
pub async fn open(folder: &tempfile::TempDir) -> (DatabaseConnection, DatabaseConnection) {
    let url = url(folder).await;
    let pool = |connections| {
        let mut options = ConnectOptions::new(&url);
        options.max_connections(connections).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|options| options.foreign_keys(true).pragma("journal_mode", "WAL"));
        Database::connect(options)
    };
    let writer = pool(1).await.unwrap();
    Migrator::up(&writer, None).await.unwrap();
    (writer, pool(4).await.unwrap())
}

impl App {
    pub async fn new() -> Self {
        Self::with(SignUp::Open, Limits::Off).await
    }

    pub async fn with(sign_up: SignUp, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (writer, reader) = open(&folder).await;
        let clock = Arc::new(MovedClock(Mutex::new("2026-03-04T05:06:07Z".parse().unwrap())));
        let passwords = Arc::new(CountedPasswords::default());
        let changes = Arc::default();
        let ports = Ports {
            database: schema::database::Database::new(writer, reader, Arc::clone(&changes)),
            events: Arc::new(NoEvents),
            clock: clock.clone(),
            ids: Arc::new(CountedIds(AtomicU64::new(1))),
            passwords: passwords.clone(),
            tokens: Arc::new(PlainTokens(clock.clone())),
            issuer: None,
            sign_up,
            limits,
            key_usage: Arc::default(),
            attempts: Arc::default(),
            mail: Arc::new(NoMail),
            changes,
            told: Arc::default(),
            background: Background::default(),
            live: Arc::new(NoTraffic),
            ledger: Arc::new(NoTraffic),
            proof: Arc::new(NoProof),
            erasure: Arc::new(NoTraffic),
            outgoing: Arc::new(NoTraffic),
            vault: Arc::new(NoVault),
            deliveries: Arc::default(),
        };
        Self { schema: schema::build(true), ports, clock, passwords, folder }
    }

    /// Opens the database anew, as a restart does.
    pub async fn reopen(&mut self, prepare: impl FnOnce(&mut DatabaseConnection)) {
        let (writer, mut reader) = open(&self.folder).await;
        prepare(&mut reader);
        self.ports.database = schema::database::Database::new(writer, reader, Arc::clone(&self.ports.changes));
    }

    /// Proof that the test can write the data folder.
    pub fn operator(&self) -> Operator {
        Operator::new(&LockFile::open(self.folder.path()).unwrap())
    }

    pub fn anonymous(&self) -> Client<'_> {
        Client { app: self, credential: Credential::None }
    }

    pub fn token(&self, token: &str) -> Client<'_> {
        Client { app: self, credential: Credential::Token(token.to_owned()) }
    }

    pub fn key(&self, key: &str) -> Client<'_> {
        Client { app: self, credential: Credential::Key(key.to_owned()) }
    }

    /// Signs a new user up, named by the part of the address before the `@`.
    pub async fn user(&self, name: &str) -> Client<'_> {
        let answer = self
            .anonymous()
            .ok(
                "mutation($input: SignUpInput!) { signUp(input: $input) { accessToken } }",
                json!({ "input": { "email": format!("{name}@shop.example"), "password": "correct horse", "fullName": name } }),
            )
            .await;
        self.token(answer["signUp"]["accessToken"].as_str().unwrap())
    }

    /// Gives a user a part in a team, as an invitation will.
    pub async fn join(&self, team: &str, user: &str, role: Role) -> Uuid {
        let id = self.ports.ids.uuid();
        membership::ActiveModel {
            id: Set(id),
            team_id: Set(team.parse().unwrap()),
            user_id: Set(user.parse().unwrap()),
            role: Set(role.level()),
            created_at: Set(self.ports.now()),
            deactivated_at: Set(None),
        }
        .insert(self.ports.database.writer(&self.operator()))
        .await
        .unwrap();
        id
    }

    pub async fn deactivate(&self, membership: Uuid) {
        let now = self.ports.now();
        let row = membership::ActiveModel {
            id: sea_orm::ActiveValue::Unchanged(membership),
            deactivated_at: Set(Some(now)),
            ..Default::default()
        };
        row.update(self.ports.database.writer(&self.operator())).await.unwrap();
    }
}

enum Credential {
    None,
    Token(String),
    Key(String),
}

pub struct Client<'a> {
    app: &'a App,
    credential: Credential,
}

impl Client<'_> {
    /// Who the credential speaks for, as the HTTP layer finds out.
    pub async fn caller(&self) -> Result<Caller> {
        match &self.credential {
            Credential::None => Ok(Caller::Anonymous),
            Credential::Token(token) => caller_of_token(&self.app.ports, token).await,
            Credential::Key(key) => caller_of_key(&self.app.ports, key).await,
        }
    }

    pub async fn gql(&self, query: &str, variables: Value) -> Value {
        let caller = match self.caller().await {
            Ok(caller) => caller,
            Err(error) => {
                return json!({ "errors": [{ "message": error.message(), "extensions": { "code": error.code() } }] });
            }
        };
        let cx = Cx::new(self.app.ports.clone(), caller);
        let request = Request::new(query).variables(Variables::from_json(variables)).data(cx);
        serde_json::to_value(self.app.schema.execute(request).await).unwrap()
    }

    /// The data of an answer without errors.
    pub async fn ok(&self, query: &str, variables: Value) -> Value {
        let answer = self.gql(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].clone()
    }

    /// The code of the only error.
    pub async fn code(&self, query: &str, variables: Value) -> String {
        let answer = self.gql(query, variables).await;
        let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{query}\n{answer:#}"));
        assert_eq!(errors.len(), 1, "{answer:#}");
        errors[0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code: {answer:#}")).to_owned()
    }

    /// Code, field and message of the only error.
    pub async fn refusal(&self, query: &str, variables: Value) -> (String, String, String) {
        let answer = self.gql(query, variables).await;
        let error = &answer["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["extensions"]["code"]), text(&error["extensions"]["field"]), text(&error["message"]))
    }

    /// The user's UUID and default team's UUID.
    pub async fn ids(&self) -> (String, String) {
        let data = self.ok("{ viewer { databaseId defaultTeam { databaseId } } }", json!({})).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&data["viewer"]["databaseId"]), text(&data["viewer"]["defaultTeam"]["databaseId"]))
    }

    /// Makes a website in the default team; returns its UUID.
    pub async fn site(&self, domain: &str) -> String {
        let data = self
            .ok(
                "mutation($input: WebsiteCreateInput!) { websiteCreate(input: $input) { website { databaseId } } }",
                json!({ "input": { "domain": domain, "name": domain } }),
            )
            .await;
        data["websiteCreate"]["website"]["databaseId"].as_str().unwrap().to_owned()
    }

    /// Makes an API key; returns its record's UUID and the key.
    pub async fn new_key(&self, website: Option<&str>) -> (String, String) {
        let data = self
            .ok(
                "mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret apiKey { databaseId } } }",
                json!({ "input": { "name": "Nightly export", "websiteId": website } }),
            )
            .await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&data["apiKeyCreate"]["apiKey"]["databaseId"]), text(&data["apiKeyCreate"]["secret"]))
    }
}
