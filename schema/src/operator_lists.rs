//! Accounts, teams, websites and API keys of all teams, as the operator lists them on the command line.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{api_key, team, user, website};
use sea_orm::{EntityTrait as _, QueryOrder as _};
use uuid::Uuid;

use crate::{access::Operator, error::Result, ports::Ports};

// Vocabulary

/// An account in the operator's list.
#[derive(Debug, Clone)]
pub struct ListedAccount {
    /// UUID.
    pub id: Uuid,
    /// E-mail address to sign in with.
    pub email: String,
    /// Full name; `None` if not given.
    pub full_name: Option<String>,
    /// Whether it is the operator's account.
    pub is_operator: bool,
    /// Whether the address is confirmed.
    pub email_verified: bool,
    /// The account's default team.
    pub default_team_id: Uuid,
    /// Creation time, UTC.
    pub created_at: DateTime<Utc>,
}

/// A team in the operator's list.
#[derive(Debug, Clone)]
pub struct ListedTeam {
    /// UUID.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Plan, lower case.
    pub plan: String,
    /// Creation time, UTC.
    pub created_at: DateTime<Utc>,
}

/// A website in the operator's list.
#[derive(Debug, Clone)]
pub struct ListedWebsite {
    /// UUID.
    pub id: Uuid,
    /// Host name.
    pub domain: String,
    /// Name.
    pub name: String,
    /// Tracking code.
    pub tracking_code: String,
    /// IANA time zone in which the website's days begin.
    pub timezone: String,
    /// The team that owns it.
    pub team_id: Uuid,
    /// Creation time, UTC.
    pub created_at: DateTime<Utc>,
}

/// An API key in the operator's list.
#[derive(Debug, Clone)]
pub struct ListedApiKey {
    /// UUID of the record.
    pub id: Uuid,
    /// Label.
    pub name: String,
    /// First characters of the key.
    pub prefix: String,
    /// The team whose websites it reads.
    pub team_id: Uuid,
    /// The only website it reads; `None` if it reads all of the team's.
    pub website_id: Option<Uuid>,
    /// Domain of that website.
    pub website: Option<String>,
    /// Creation time, UTC.
    pub created_at: DateTime<Utc>,
    /// Time of the last use, UTC; `None` if it was never used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Time when a rotated key stops working, UTC.
    pub expires_at: Option<DateTime<Utc>>,
    /// Time of revocation, UTC.
    pub revoked_at: Option<DateTime<Utc>>,
}

// Rules

/// All accounts, oldest first.
pub async fn accounts(ports: &Ports, operator: &Operator) -> Result<Vec<ListedAccount>> {
    let rows = user::Entity::find().order_by_asc(user::Column::CreatedAt).order_by_asc(user::Column::Id);
    let rows = rows.all(ports.database.reader(operator)).await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedAccount {
            id: row.id,
            email: row.email,
            full_name: row.full_name,
            is_operator: row.is_operator,
            email_verified: row.email_verified_at.is_some(),
            default_team_id: row.default_team_id,
            created_at: row.created_at,
        })
        .collect())
}

/// All teams, oldest first.
pub async fn teams(ports: &Ports, operator: &Operator) -> Result<Vec<ListedTeam>> {
    let rows = team::Entity::find().order_by_asc(team::Column::CreatedAt).order_by_asc(team::Column::Id);
    let rows = rows.all(ports.database.reader(operator)).await?;
    let listed =
        |row: team::Model| ListedTeam { id: row.id, name: row.name, plan: row.plan, created_at: row.created_at };
    Ok(rows.into_iter().map(listed).collect())
}

/// The websites of all teams, oldest first.
pub async fn websites(ports: &Ports, operator: &Operator) -> Result<Vec<ListedWebsite>> {
    let rows = website::Entity::find().order_by_asc(website::Column::CreatedAt).order_by_asc(website::Column::Id);
    let rows = rows.all(ports.database.reader(operator)).await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedWebsite {
            id: row.id,
            domain: row.domain,
            name: row.name,
            tracking_code: row.tracking_code,
            timezone: row.timezone,
            team_id: row.team_id,
            created_at: row.created_at,
        })
        .collect())
}

/// The API keys of all teams, oldest first, including revoked keys.
pub async fn api_keys(ports: &Ports, operator: &Operator) -> Result<Vec<ListedApiKey>> {
    let websites = websites(ports, operator).await?;
    let domains: HashMap<Uuid, String> = websites.into_iter().map(|website| (website.id, website.domain)).collect();
    let rows = api_key::Entity::find().order_by_asc(api_key::Column::CreatedAt).order_by_asc(api_key::Column::Id);
    let rows = rows.all(ports.database.reader(operator)).await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedApiKey {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            team_id: row.team_id,
            website_id: row.website_id,
            website: row.website_id.and_then(|website| domains.get(&website).cloned()),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
        .collect())
}
