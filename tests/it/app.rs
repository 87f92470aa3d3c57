//! An installation for one test, and clients that talk to it over HTTP.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::membership;
use footfall::{
    App, Surroundings,
    config::{
        Config, Flags,
        choices::{LimitsSetting, SignUpSetting},
    },
    import::{Options, target},
    system::SystemIds,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use schema::{
    access::{LockFile, Operator, Role},
    ports::{Clock, DomainProof},
};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    Database, DatabaseConnection,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use uuid::Uuid;

use crate::postgres;

/// The moment at which every test takes place.
pub const NOW: &str = "2026-03-04T05:06:07.000Z";

struct FixedClock(Mutex<DateTime<Utc>>);

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// What domains show in a test: TXT records by name, files by host. `None`: nobody answers.
#[derive(Default)]
pub struct Shown {
    pub txt: Mutex<HashMap<String, Option<Vec<String>>>>,
    pub files: Mutex<HashMap<String, String>>,
    /// What was asked for.
    pub asked: Mutex<Vec<String>>,
}

#[async_trait]
impl DomainProof for Shown {
    async fn txt(&self, name: &str) -> schema::Result<Vec<String>> {
        self.asked.lock().unwrap().push(name.to_owned());
        match self.txt.lock().unwrap().get(name) {
            Some(None) => Err(schema::Error::Unavailable { retry_after: 30, why: "DNS does not answer.".into() }),
            Some(Some(records)) => Ok(records.clone()),
            None => Ok(Vec::new()),
        }
    }

    async fn well_known(&self, host: &str) -> schema::Result<Option<String>> {
        Ok(self.files.lock().unwrap().get(host).cloned())
    }
}

/// Gives a new data folder a database in PostgreSQL, if the tests run on it. The folder's settings name it, so that
/// commands over the folder use it too.
async fn choose_database(data: &Path) {
    let settings = data.join("footfall.toml");
    if settings.exists() {
        return;
    }
    if let Some(url) = postgres::new_database().await {
        std::fs::create_dir_all(data).unwrap();
        std::fs::write(settings, format!("database_url = \"{url}\"\n")).unwrap();
    }
}

/// The control plane of a stopped installation.
pub async fn control_plane(data: &Path) -> DatabaseConnection {
    let config = Config::layered(Flags { data: Some(data.to_path_buf()), ..Flags::default() }).unwrap();
    let file = || format!("sqlite://{}", config.data.control_plane().display());
    Database::connect(config.settings.database_url.clone().unwrap_or_else(file)).await.unwrap()
}

/// A running installation. It stops when dropped.
pub struct TestApp {
    pub address: SocketAddr,
    folder: TempDir,
    pub ports: schema::Ports,
    pub proof: Arc<Shown>,
    importer: footfall::import::Importer,
    clock: Arc<FixedClock>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// A signed-in user with a team, a website and an API key.
#[derive(Clone)]
pub struct Person {
    pub token: String,
    pub refresh_token: String,
    pub team: String,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(adjust: impl FnOnce(&mut Flags)) -> Self {
        Self::over(tempfile::tempdir().unwrap(), adjust).await
    }

    /// An installation where plans limit something.
    pub async fn with_plans() -> Self {
        Self::with(|flags| flags.limits = Some(LimitsSetting::Plans)).await
    }

    /// Over a folder that an earlier one has left.
    pub async fn over(folder: TempDir, adjust: impl FnOnce(&mut Flags)) -> Self {
        let mut flags = Flags {
            data: Some(folder.path().join("data")),
            signup: Some(SignUpSetting::Open),
            timeout_seconds: Some(60),
            ..Flags::default()
        };
        choose_database(&folder.path().join("data")).await;
        adjust(&mut flags);
        let config = Config::layered(flags).unwrap();
        let now = DateTime::parse_from_rfc3339(NOW).unwrap().to_utc();
        let proof = Arc::new(Shown::default());
        let clock = Arc::new(FixedClock(Mutex::new(now)));
        let around = Surroundings { clock: clock.clone(), ids: Arc::new(SystemIds), proof: proof.clone() };
        let app = App::build(config, around).await.unwrap();
        let (ports, importer) = (app.ports.clone(), app.importer.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            app.serve(listener, async move {
                let _ = stopped.await;
            })
            .await
            .unwrap();
        });
        Self { address, folder, ports, proof, importer, clock, stop, serving }
    }

    /// A clean stop. Answers what it leaves.
    pub async fn stop(self) -> TempDir {
        let Self { folder, ports, importer, stop, serving, .. } = self;
        // Whoever holds the stores keeps their files open.
        drop((ports, importer, stop));
        serving.await.unwrap();
        folder
    }

    /// Lets time pass: it stands still otherwise.
    pub fn pass(&self, time: chrono::Duration) {
        *self.clock.0.lock().unwrap() += time;
    }

    /// The data folder.
    /// Proof that the test can write the data folder.
    pub fn operator(&self) -> Operator {
        Operator::new(&LockFile::open(&self.data()).unwrap())
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn anon(&self) -> Caller<'_> {
        Caller { app: self, headers: Vec::new() }
    }

    pub fn token(&self, token: &str) -> Caller<'_> {
        Caller { app: self, headers: vec![("authorization", format!("Bearer {token}"))] }
    }

    pub fn key(&self, key: &str) -> Caller<'_> {
        Caller { app: self, headers: vec![("x-api-key", key.to_owned())] }
    }

    pub async fn sign_up(&self, email: &str) -> Person {
        let answer = self
            .anon()
            .gql(
                "mutation($input: SignUpInput!) { signUp(input: $input) { accessToken refreshToken user { defaultTeam { databaseId } } } }",
                json!({ "input": { "email": email, "password": "correct horse battery", "fullName": "Test" } }),
            )
            .await;
        let made = &answer["data"]["signUp"];
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Person {
            token: text(&made["accessToken"]),
            refresh_token: text(&made["refreshToken"]),
            team: text(&made["user"]["defaultTeam"]["databaseId"]),
        }
    }

    pub async fn website(&self, owner: &Person, domain: &str, timezone: &str) -> String {
        let answer = self
            .token(&owner.token)
            .gql(
                "mutation($input: WebsiteCreateInput!) { websiteCreate(input: $input) { website { databaseId } } }",
                json!({ "input": { "domain": domain, "name": domain, "timezone": timezone } }),
            )
            .await;
        answer["data"]["websiteCreate"]["website"]["databaseId"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    }

    pub async fn api_key(&self, owner: &Person, website: Option<&str>) -> String {
        let answer = self
            .token(&owner.token)
            .gql(
                "mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret } }",
                json!({ "input": { "name": "Test", "websiteId": website } }),
            )
            .await;
        answer["data"]["apiKeyCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Gives a user a part in somebody's team, as an invitation will. Returns the membership.
    pub async fn join(&self, owner: &Person, member: &Person, role: Role) -> Uuid {
        let answer = self.token(&member.token).gql("{ viewer { databaseId } }", json!({})).await;
        let id = self.ports.ids.uuid();
        let row = membership::ActiveModel {
            id: Set(id),
            team_id: Set(owner.team.parse().unwrap()),
            user_id: Set(answer["data"]["viewer"]["databaseId"].as_str().unwrap().parse().unwrap()),
            role: Set(role.level()),
            created_at: Set(self.ports.now()),
            deactivated_at: Set(None),
        };
        row.insert(self.ports.database.writer(&self.operator())).await.unwrap();
        id
    }

    /// Ends a part in a team.
    pub async fn deactivate(&self, part: Uuid) {
        let now = Some(self.ports.now());
        let row = membership::ActiveModel { id: Unchanged(part), deactivated_at: Set(now), ..Default::default() };
        row.update(self.ports.database.writer(&self.operator())).await.unwrap();
    }

    /// Imports a log as `footfall import access-log` does.
    pub async fn import(&self, website: &str, log: Vec<u8>, keep_bots: bool) -> footfall::import::Summary {
        let target = target::find(&self.ports, &self.operator(), website).await.unwrap();
        let source = std::io::Cursor::new(log);
        self.importer.import(source, target, Options { keep_bots }, |_| {}).await.unwrap()
    }
}

/// Somebody who asks.
pub struct Caller<'a> {
    app: &'a TestApp,
    headers: Vec<(&'static str, String)>,
}

impl Caller<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = Client::new().request(method, self.app.url(path));
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    pub async fn gql(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let response = self.request(Method::POST, "/graphql").json(&body).send().await.unwrap();
        response.json().await.unwrap()
    }

    /// The `analytics` of a website: `selection` over `arguments`.
    pub async fn analytics(&self, website: &str, arguments: &str, selection: &str) -> Value {
        let query = format!("{{ website(id: \"{website}\") {{ analytics({arguments}) {{ {selection} }} }} }}");
        let answer = self.gql(&query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["website"]["analytics"].clone()
    }
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The real log: 10,000 requests of one site, 17 to 20 May 2015, one of them truncated.
pub fn real_log() -> Vec<u8> {
    std::fs::read(repository("tests/data/apache_access.log.gz")).unwrap()
}

/// One line of a log in the combined format.
pub fn line(address: &str, time: &str, path: &str, referrer: &str) -> String {
    format!(
        "{address} - - [{time}] \"GET {path} HTTP/1.1\" 200 512 \"{referrer}\" \
         \"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0\"\n"
    )
}

/// Runs a script of `tests/js` and answers what it prints. It must succeed.
pub async fn node(script: &str, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("node")
        .arg(repository("tests/js").join(script))
        .args(arguments)
        .output()
        .await
        .expect("node is on the path");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
