//! A message of a conversation.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversation_messages")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The conversation.
    pub conversation_id: Uuid,
    /// Place in the conversation, from 0 without gaps; unique in it.
    pub position: i64,
    /// Who speaks, such as `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
    /// When it was sent, UTC.
    pub sent_at: DateTime<Utc>,
}

/// Messages are read through their conversation.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
