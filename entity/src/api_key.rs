//! An API key: what a program presents to read a team's websites.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One API key. The key itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The team whose websites it reads.
    pub team_id: Uuid,
    /// The only website it reads; null when it reads all of the team's.
    pub website_id: Option<Uuid>,
    /// Label, 1 to 64 characters.
    pub name: String,
    /// First characters of the key, for recognition.
    pub prefix: String,
    /// SHA-256 of the key, lower-case hex; unique.
    #[sea_orm(unique)]
    pub hash: String,
    /// The user who made it; null when the operator did from the command line.
    pub created_by: Option<Uuid>,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
    /// When it was last used, UTC; null before the first use. Written in batches, so it lags by seconds.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked, UTC; null while it works.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Requests since it was made. Written in batches.
    pub total_requests: i64,
    /// Requests in `month`. Written in batches.
    pub monthly_requests: i64,
    /// The UTC month that `monthly_requests` counts, `YYYY-MM`.
    pub month: String,
    /// When it stops working, UTC: as stated when it was made, or five minutes after it was rotated; null without an end.
    pub expires_at: Option<DateTime<Utc>>,
    /// The minute that `window_requests` counts, since 1970 UTC. Written in batches.
    pub window_minute: i64,
    /// Requests in that minute. Written in batches.
    pub window_requests: i64,
    /// What it may do, a sum: 1 read, 2 send events, 4 change settings.
    pub scopes: i16,
    /// Origins whose pages may use it, a list of texts; empty for all, and for programs.
    pub allowed_origins: Json,
    /// Addresses and networks it may be used from, a list of texts; empty for all.
    pub allowed_networks: Json,
    /// When it was rotated, UTC; null if it was not.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Country of the address it was last used from, ISO 3166-1 alpha-2; null when unknown. Written in batches.
    pub last_used_country: Option<String>,
}

/// API keys are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
