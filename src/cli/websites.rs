//! `website`: websites.

use clap::{Args, Subcommand};
use schema::{
    operator_lists,
    website::{self, NewWebsite},
};
use serde_json::json;

use super::{
    TeamChoice, beside,
    print::{Format, ListOptions, day, instant, say, say_json, table},
};
use crate::{StartError, config::Flags};

#[derive(Debug, Subcommand)]
pub(super) enum WebsiteCommand {
    /// Creates a website and prints its ID, its tracking code and the script tag for its pages
    Create(WebsiteCreate),
    /// Lists the websites of all teams, one per line
    List(ListOptions),
}

#[derive(Debug, Args)]
pub(super) struct WebsiteCreate {
    /// Host name, such as shop.example
    domain: String,
    /// Display name [default: the domain]
    #[arg(long)]
    name: Option<String>,
    /// IANA time zone in which the website's days begin
    #[arg(long, default_value = "UTC")]
    timezone: chrono_tz::Tz,
    #[command(flatten)]
    owner: TeamChoice,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    flags: Flags,
}

pub(super) async fn obey(command: WebsiteCommand) -> Result<(), StartError> {
    match command {
        WebsiteCommand::Create(asked) => create(asked).await,
        WebsiteCommand::List(asked) => list(asked).await,
    }
}

async fn create(asked: WebsiteCreate) -> Result<(), StartError> {
    let (config, ports, operator) = beside(asked.flags).await?;
    let team = asked.owner.find(&ports, &operator).await?;
    let name = asked.name.unwrap_or_else(|| asked.domain.clone());
    let new = NewWebsite { domain: asked.domain, name, timezone: Some(asked.timezone), currency: None };
    let site = website::create(&ports, &team, new).await?;
    let row = site.website();
    let base = config.public_url();
    let script_tag = format!(r#"<script defer data-id="{}" src="{base}/z.js"></script>"#, row.tracking_code);
    if asked.format.json {
        return say_json(&json!({
            "id": row.id, "domain": row.domain, "name": row.name, "trackingCode": row.tracking_code,
            "timezone": row.timezone, "teamId": row.team_id, "createdAt": instant(row.created_at),
            "scriptTag": script_tag,
        }));
    }
    say(&format!(
        "Created website {id} with tracking code {}.

Put the tracker on its pages:

  {script_tag}

Only pages of {} are counted. To try it on this machine first, allow pages of localhost in GraphiQL ({base}/graphql):

  mutation {{ websiteUpdateGeneral(websiteId: \"{id}\", input: {{ allowLocalhost: true }}) {{ website {{ id }} }} }}",
        row.tracking_code,
        row.domain,
        id = row.id
    ))
}

async fn list(asked: ListOptions) -> Result<(), StartError> {
    let (_, ports, operator) = beside(asked.flags).await?;
    let websites = operator_lists::websites(&ports, &operator).await?;
    if asked.format.json {
        let rows = websites.iter().map(|website| {
            json!({
                "id": website.id, "domain": website.domain, "name": website.name,
                "trackingCode": website.tracking_code, "timezone": website.timezone,
                "teamId": website.team_id, "createdAt": instant(website.created_at),
            })
        });
        return say_json(&rows.collect());
    }
    let rows: Vec<_> = websites
        .into_iter()
        .map(|website| {
            [
                website.domain,
                website.name,
                website.id.to_string(),
                website.tracking_code,
                website.team_id.to_string(),
                day(website.created_at),
            ]
        })
        .collect();
    say(&table(["DOMAIN", "NAME", "ID", "TRACKING CODE", "TEAM", "CREATED"], &rows))
}
