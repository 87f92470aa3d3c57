//! What a website's team wants to be told.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_preferences")]
pub struct Model {
    /// The website; each has one record at most.
    #[sea_orm(primary_key, auto_increment = false)]
    pub website_id: Uuid,
    /// JSON object of the dashboard's own, as text: kept as it was sent, in its order.
    pub preferences: String,
    /// When it last changed, UTC.
    pub updated_at: DateTime<Utc>,
}

/// Records are read by website.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
