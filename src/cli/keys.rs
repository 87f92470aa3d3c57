//! `key`: API keys.

use clap::{Args, Subcommand};
use schema::{api_key, operator_lists};
use serde_json::json;
use uuid::Uuid;

use super::{
    TeamChoice, beside,
    print::{Format, ListOptions, day, instant, say, say_json, table},
};
use crate::{StartError, config::Flags};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Creates an API key and prints it; it is shown only once
    Create(KeyCreate),
    /// Lists the API keys of all teams, one per line; the keys themselves are not stored
    List(ListOptions),
    /// Revokes an API key; a running server refuses it within a second
    Revoke(KeyRevoke),
}

#[derive(Debug, Args)]
pub(super) struct KeyCreate {
    /// Label of the key, up to 64 characters
    #[arg(long)]
    name: String,
    /// Website to limit the key to (ID or domain); by default the key reads all websites of the team
    #[arg(long, value_name = "ID|DOMAIN")]
    website: Option<String>,
    #[command(flatten)]
    owner: TeamChoice,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct KeyRevoke {
    /// ID of the key, as `footfall key list` shows it
    id: Uuid,
    #[command(flatten)]
    flags: Flags,
}

pub(super) async fn obey(command: KeyCommand) -> Result<(), StartError> {
    match command {
        KeyCommand::Create(asked) => create(asked).await,
        KeyCommand::List(asked) => list(asked).await,
        KeyCommand::Revoke(asked) => {
            let (_, ports, operator) = beside(asked.flags).await?;
            let (team, key) = api_key::of_operator(&ports, &operator, asked.id).await?;
            let key = api_key::revoke(&ports, &team, &key).await?;
            say(&format!("Revoked the API key {} ({}...).", key.label(), key.first_characters()))
        }
    }
}

async fn create(asked: KeyCreate) -> Result<(), StartError> {
    let (_, ports, operator) = beside(asked.flags).await?;
    let site = match &asked.website {
        Some(website) => Some(operator.site(&ports, website).await?),
        None => None,
    };
    let team = match &site {
        Some(site) => operator.team(&ports, site.website().team_id).await?,
        None => asked.owner.find(&ports, &operator).await?,
    };
    let site = site.map(|site| site.lower());
    let (key, secret) = api_key::create(&ports, &team, &asked.name, site.as_ref(), api_key::Grant::default()).await?;
    if asked.format.json {
        return say_json(&json!({ "id": key.uuid(), "name": key.label(), "secret": secret }));
    }
    say(&secret)
}

async fn list(asked: ListOptions) -> Result<(), StartError> {
    let (_, ports, operator) = beside(asked.flags).await?;
    let keys = operator_lists::api_keys(&ports, &operator).await?;
    if asked.format.json {
        let rows = keys.iter().map(|key| {
            json!({
                "id": key.id, "name": key.name, "prefix": key.prefix, "teamId": key.team_id,
                "websiteId": key.website_id, "createdAt": instant(key.created_at),
                "lastUsedAt": key.last_used_at.map(instant), "expiresAt": key.expires_at.map(instant),
                "revokedAt": key.revoked_at.map(instant),
            })
        });
        return say_json(&rows.collect());
    }
    let now = ports.now();
    let rows: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let has_ended = key.revoked_at.is_some() || key.expires_at.is_some_and(|end| end <= now);
            [
                key.name,
                key.prefix,
                key.website.unwrap_or_else(|| "all".to_owned()),
                key.id.to_string(),
                key.team_id.to_string(),
                day(key.created_at),
                key.last_used_at.map_or_else(|| "never".to_owned(), day),
                if has_ended { "revoked" } else { "active" }.to_owned(),
            ]
        })
        .collect();
    say(&table(["NAME", "PREFIX", "WEBSITE", "ID", "TEAM", "CREATED", "LAST USED", "STATUS"], &rows))
}
