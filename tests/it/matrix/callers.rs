//! The kinds of callers, and an installation that has one of each.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entity::{membership, session};
use footfall::tokens::Keyring;
use reqwest::{Client, Method};
use schema::{
    access::Role,
    ports::{Clock, Tokens as _},
};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _, IntoActiveModel as _};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::questions::{Asked, Question};
use crate::app::{NOW, Person, TestApp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Anonymous,
    MalformedToken,
    ExpiredToken,
    OtherIssuer,
    Stranger,
    Viewer,
    Editor,
    Admin,
    Owner,
    Deactivated,
    KeyOfOtherTeam,
    FullKey,
    SiteKey,
    KeyOfOtherSite,
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::Anonymous,
        Self::MalformedToken,
        Self::ExpiredToken,
        Self::OtherIssuer,
        Self::Stranger,
        Self::Viewer,
        Self::Editor,
        Self::Admin,
        Self::Owner,
        Self::Deactivated,
        Self::KeyOfOtherTeam,
        Self::FullKey,
        Self::SiteKey,
        Self::KeyOfOtherSite,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::MalformedToken => "malformed token",
            Self::ExpiredToken => "expired token",
            Self::OtherIssuer => "token of another issuer",
            Self::Stranger => "stranger",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
            Self::Deactivated => "deactivated member",
            Self::KeyOfOtherTeam => "another team's key",
            Self::FullKey => "own full key",
            Self::SiteKey => "own key of this website",
            Self::KeyOfOtherSite => "own key of another website",
        }
    }

    pub fn is_known(self) -> bool {
        !matches!(self, Self::Anonymous | Self::MalformedToken | Self::ExpiredToken | Self::OtherIssuer)
    }

    /// Whether the caller sends a credential that does not work.
    pub fn is_refused(self) -> bool {
        !self.is_known() && self != Self::Anonymous
    }

    pub fn is_user(self) -> bool {
        matches!(self, Self::Stranger | Self::Viewer | Self::Editor | Self::Admin | Self::Owner | Self::Deactivated)
    }

    pub fn is_key(self) -> bool {
        self.is_known() && !self.is_user()
    }

    pub fn is_key_of_one_website(self) -> bool {
        matches!(self, Self::SiteKey | Self::KeyOfOtherSite)
    }

    pub fn role_in_team(self) -> Option<Role> {
        match self {
            Self::Viewer | Self::FullKey | Self::SiteKey | Self::KeyOfOtherSite => Some(Role::Viewer),
            Self::Editor => Some(Role::Editor),
            Self::Admin => Some(Role::Admin),
            Self::Owner => Some(Role::Owner),
            _ => None,
        }
    }

    pub fn role_on_website(self) -> Option<Role> {
        self.role_in_team().filter(|_| self != Self::KeyOfOtherSite)
    }
}

struct Past;

impl Clock for Past {
    fn now(&self) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(NOW).unwrap().to_utc() - chrono::Duration::days(2)
    }
}

/// A team with a website, and one caller of each kind.
pub struct World {
    app: TestApp,
    owner: Person,
    headers: Vec<(Kind, Vec<(&'static str, String)>)>,
    site: String,
    open_site: String,
    code: String,
    members: Vec<membership::Model>,
    made: OnceCell<tokio::sync::Mutex<usize>>,
}

impl World {
    pub async fn new() -> Self {
        let app = TestApp::new().await;
        let owner = app.sign_up("owner@shop.example").await;
        let site = app.website(&owner, "shop.example", "UTC").await;
        let other = app.website(&owner, "other.example", "UTC").await;
        let open_site = app.website(&owner, "open.example", "UTC").await;
        for (site, is_open) in [(&site, false), (&open_site, true)] {
            let change = format!(
                "mutation {{ websiteUpdateGeneral(websiteId: \"{site}\", input: {{ publicDashboard: {is_open}, publicRealtime: {is_open} }}) {{ __typename }} }}"
            );
            let answer = app.token(&owner.token).gql(&change, json!({})).await;
            assert!(answer.get("errors").is_none(), "{answer}");
        }
        let stranger = app.sign_up("stranger@else.example").await;
        app.website(&stranger, "else.example", "UTC").await;
        let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
        let key = |key: String| vec![("x-api-key", key)];
        let mut headers = vec![
            (Kind::Anonymous, Vec::new()),
            (Kind::MalformedToken, bearer("eyJhbGciOiJFZERTQSJ9.e30.AAAA")),
            (Kind::Stranger, bearer(&stranger.token)),
            (Kind::Owner, bearer(&owner.token)),
            (Kind::KeyOfOtherTeam, key(app.api_key(&stranger, None).await)),
            (Kind::FullKey, key(app.api_key(&owner, None).await)),
            (Kind::SiteKey, key(app.api_key(&owner, Some(&site)).await)),
            (Kind::KeyOfOtherSite, key(app.api_key(&owner, Some(&other)).await)),
        ];
        for (kind, role) in [
            (Kind::Viewer, Role::Viewer),
            (Kind::Editor, Role::Editor),
            (Kind::Admin, Role::Admin),
            (Kind::Deactivated, Role::Owner),
        ] {
            let person = app.sign_up(&format!("{}@shop.example", kind.name().split(' ').next().unwrap())).await;
            let part = app.join(&owner, &person, role).await;
            if kind == Kind::Deactivated {
                app.deactivate(part).await;
            }
            headers.push((kind, bearer(&person.token)));
        }
        // A token of the owner that has run out, and one that somebody else signed.
        let claims = app.ports.tokens.verify(&owner.token).unwrap();
        let ours = Keyring::open(app.data().join("keys"), Arc::new(Past)).unwrap();
        headers.push((Kind::ExpiredToken, bearer(&ours.issue(claims).unwrap().0)));
        let theirs = tempfile::tempdir().unwrap();
        let theirs = Keyring::open(theirs.path(), app.ports.clock.clone()).unwrap();
        headers.push((Kind::OtherIssuer, bearer(&theirs.issue(claims).unwrap().0)));
        let answer =
            app.token(&owner.token).gql(&format!("{{ website(id: \"{site}\") {{ trackingCode }} }}"), json!({})).await;
        let code = answer["data"]["website"]["trackingCode"].as_str().unwrap().to_owned();
        let members = membership::Entity::find().all(app.ports.database.reader(&app.operator())).await.unwrap();
        Self { app, owner, headers, site, open_site, code, members, made: OnceCell::new() }
    }

    /// Puts back what questions may have changed: parts in teams, and sessions.
    pub async fn restore(&self) {
        for part in &self.members {
            let row = membership::ActiveModel {
                id: sea_orm::ActiveValue::Unchanged(part.id),
                role: Set(part.role),
                deactivated_at: Set(part.deactivated_at),
                ..Default::default()
            };
            // Whoever deleted the account has no part any more.
            let _ = row.update(self.app.ports.database.writer(&self.app.operator())).await;
        }
        for row in session::Entity::find().all(self.app.ports.database.reader(&self.app.operator())).await.unwrap() {
            let mut row = row.into_active_model();
            row.revoked_at = Set(None);
            row.update(self.app.ports.database.writer(&self.app.operator())).await.unwrap();
        }
    }

    async fn as_owner(&self, query: &str, variables: Value) -> Value {
        let answer = self.app.token(&self.owner.token).gql(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        answer["data"].clone()
    }

    /// A new webhook. A team has at most a hundred, which is more than are asked for.
    async fn webhook(&self) -> String {
        let made =
            "mutation { webhookCreate(input: { url: \"https://hooks.example/all\" }) { webhook { databaseId } } }";
        let made = self.as_owner(made, json!({})).await;
        made["webhookCreate"]["webhook"]["databaseId"].as_str().unwrap().to_owned()
    }

    /// The id that stands for a placeholder; a new thing where the question uses it up.
    async fn subject(&self, placeholder: &str, question: &Question) -> String {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = {
            let mut made = self.made.get_or_init(async || tokio::sync::Mutex::new(0)).await.lock().await;
            *made += 1;
            *made
        };
        match placeholder {
            "SITE" if question.uses_up => self.app.website(&self.owner, &format!("gone{number}.example"), "UTC").await,
            "SITE" => self.site.clone(),
            "OPEN_SITE" => self.open_site.clone(),
            "SITE_NODE" => {
                let data = self.as_owner(&format!("{{ website(id: \"{}\") {{ id }} }}", self.site), json!({})).await;
                text(&data["website"]["id"])
            }
            "TEAM" => self.owner.team.clone(),
            "CODE" => self.code.clone(),
            "KEY" => {
                let made = "mutation { apiKeyCreate(input: { name: \"One\" }) { apiKey { databaseId } } }";
                text(&self.as_owner(made, json!({})).await["apiKeyCreate"]["apiKey"]["databaseId"])
            }
            "WEBHOOK" => self.webhook().await,
            "DELIVERY" => {
                let tested = format!(
                    "mutation {{ webhookTest(input: {{ webhookId: \"{}\", event: EVENT_TRACKED }}) {{ delivery {{ databaseId }} }} }}",
                    self.webhook().await
                );
                text(&self.as_owner(&tested, json!({})).await["webhookTest"]["delivery"]["databaseId"])
            }
            "CONVERSATION" => {
                let made = "mutation { conversationCreate(input: { title: \"One\" }) { conversation { databaseId } } }";
                text(&self.as_owner(made, json!({})).await["conversationCreate"]["conversation"]["databaseId"])
            }
            "NOBODY" => format!("nobody{number}@nowhere.example"),
            other => panic!("no subject for {other}"),
        }
    }

    /// What a caller hears.
    pub async fn ask(&self, question: &Question, kind: Kind) -> String {
        let mut text = question.text.clone();
        while let Some(begin) = text.find("<<") {
            let end = text[begin..].find(">>").unwrap() + begin;
            let subject = self.subject(&text[begin + 2..end], question).await;
            text.replace_range(begin..end + 2, &subject);
        }
        let headers = &self.headers.iter().find(|(known, _)| *known == kind).unwrap().1;
        let dressed = |method: Method, path: &str| {
            let request = Client::new().request(method, self.app.url(path));
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
        };
        match question.asked {
            Asked::GraphQl => {
                let answer = dressed(Method::POST, "/graphql").json(&json!({ "query": text })).send().await.unwrap();
                code_of(&answer.json().await.unwrap())
            }
            Asked::Subscription => {
                let request = dressed(Method::POST, "/graphql").header("accept", "text/event-stream");
                let mut answer = request.json(&json!({ "query": text })).send().await.unwrap();
                // A stream without news stays open.
                let first = tokio::time::timeout(Duration::from_millis(500), answer.chunk()).await;
                let Ok(Ok(Some(bytes))) = first else { return "ok".to_owned() };
                let said = String::from_utf8(bytes.to_vec()).unwrap();
                let data = said.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or("{}");
                code_of(&serde_json::from_str(data.trim()).unwrap_or_default())
            }
            Asked::Rest => {
                let (method, path) = text.split_once(' ').unwrap();
                let method: Method = method.parse().unwrap();
                let mut request = dressed(method.clone(), path);
                if matches!(method, Method::POST | Method::PUT) {
                    request = request.json(&json!({}));
                }
                match request.send().await.unwrap().status().as_u16() {
                    200 | 201 => "ok".to_owned(),
                    status => status.to_string(),
                }
            }
        }
    }
}

/// The status that an answer's first error stands for.
fn code_of(answer: &Value) -> String {
    let Some(error) = answer["errors"].get(0) else {
        let hidden = answer["data"].as_object().is_some_and(|data| data.values().all(|value| *value == json!([null])));
        return if hidden { "null" } else { "ok" }.to_owned();
    };
    let code = error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let status = schema::Error::TABLE.iter().find(|(known, _)| *known == code).map(|(_, status)| *status);
    status.unwrap_or_else(|| panic!("{answer}")).to_string()
}
