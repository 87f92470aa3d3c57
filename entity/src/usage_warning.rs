//! A warning that a team has used most of what its plan allows in a month.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One warning. It is raised once per team, month, resource and threshold.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_warnings")]
pub struct Model {
    /// The team.
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: Uuid,
    /// The UTC month, `YYYY-MM`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: String,
    /// `events`, `api_events` or `proxy_events`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    /// Percent of the limit: 80 or 95.
    #[sea_orm(primary_key, auto_increment = false)]
    pub threshold: i16,
    /// When it was raised, UTC; null if it was acknowledged before.
    pub raised_at: Option<DateTime<Utc>>,
    /// When a member acknowledged it, UTC; null while none has.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// Warnings are read on their own.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
