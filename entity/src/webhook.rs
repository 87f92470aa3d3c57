//! A webhook: a URL that is told of what happens on a team's websites.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The team it belongs to.
    pub team_id: Uuid,
    /// The only website it is about; null for all of the team's.
    pub website_id: Option<Uuid>,
    /// Where requests go.
    pub url: String,
    /// Events: the sum of their bits.
    pub events: i16,
    /// Names of tracked events that are reported, a JSON array; empty for all.
    pub event_names: String,
    /// UUIDs of goals that are reported, a JSON array; empty for all.
    pub goals: String,
    /// The secret that signs, encrypted with the data folder's key.
    pub secret: Vec<u8>,
    /// The secret before the last rotation, encrypted; null without one.
    pub previous_secret: Option<Vec<u8>>,
    /// Until when the previous secret signs too, UTC.
    pub previous_until: Option<DateTime<Utc>>,
    /// Whether requests are sent.
    pub is_enabled: bool,
    /// Why it was disabled automatically; null if it was not.
    pub disabled_reason: Option<String>,
    /// Time of the first failed attempt since the last success, UTC; null after a success.
    pub failing_since: Option<DateTime<Utc>>,
    /// Number of messages that were dropped because too many waited.
    pub dropped: i64,
    /// The user who made it.
    pub created_by: Option<Uuid>,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
}

/// Webhooks are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
