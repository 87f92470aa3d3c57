//! How far a user has come in setting up.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "onboardings")]
pub struct Model {
    /// The user; each has one record at most.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// Name of the step, as the dashboard calls it; null before the first one.
    pub current_step: Option<String>,
    /// Whether the user is through.
    pub completed: bool,
    /// JSON object of the dashboard's own, as text: kept as it was sent, in its order.
    pub data: String,
    /// When it was first saved, UTC.
    pub created_at: DateTime<Utc>,
    /// When it was last saved, UTC.
    pub updated_at: DateTime<Utc>,
}

/// Records are read by user.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
