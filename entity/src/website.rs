//! A website: what is measured.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One website.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "websites")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The team that owns it.
    pub team_id: Uuid,
    /// The user who made it; null when the operator did from the command line.
    pub user_id: Option<Uuid>,
    /// Host name, lower case, without scheme and path; unique within the team.
    pub domain: String,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// `ZV_` and 24 characters of `[A-Za-z0-9]`; unique. Public: pages carry it.
    #[sea_orm(unique)]
    pub tracking_code: String,
    /// IANA name of the zone in which days begin.
    pub timezone: String,
    /// Whether events are taken in.
    pub is_active: bool,
    /// Colour of the brand, `#RRGGBB`; null for the default look.
    pub primary_color: Option<String>,
    /// Visitors a month the team aims at; null without a goal.
    pub kpi_goal: Option<i32>,
    /// Whether anyone may read aggregate figures.
    pub public_dashboard: bool,
    /// JSON array of host names that may send events instead of `domain`; `*.` stands for every subdomain. Empty: `domain` may.
    pub allowed_domains: Json,
    /// JSON object of switches: `track_outbound_links`, `track_downloads`, `session_replay`, `heatmaps`; open for more.
    pub settings: Json,
    /// ISO 4217 code in which revenue is shown.
    pub currency: String,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
    /// When a setting last changed, UTC.
    pub updated_at: DateTime<Utc>,
    /// Payment provider that revenue comes from, lower case, such as `stripe`; null without one.
    pub revenue_provider: Option<String>,
    /// What the domain's DNS or a file on it must show to prove that the team controls it; null before it was first asked for.
    pub verification_token: Option<String>,
    /// When the domain was last proven, UTC; null when it was not since it last changed.
    pub verified_at: Option<DateTime<Utc>>,
    /// What the payment provider signs its notices with; null without one. Never shown.
    pub webhook_secret: Option<String>,
    /// Days for which its events are kept, as its owner set it; null for as long as the plan allows.
    pub retention_days: Option<i32>,
}

/// Websites are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
