//! A conversation: messages of a team with an assistant.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One conversation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversations")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The team it belongs to.
    pub team_id: Uuid,
    /// The user who began it; null when the account is gone.
    pub user_id: Option<Uuid>,
    /// Title, 1 to 200 characters.
    pub title: String,
    /// When it was begun, UTC.
    pub created_at: DateTime<Utc>,
    /// When its title or messages last changed, UTC.
    pub updated_at: DateTime<Utc>,
}

/// Conversations are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
