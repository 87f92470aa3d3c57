//! A message to a webhook, and the attempts to deliver it.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_deliveries")]
pub struct Model {
    /// Identifier, sent as `webhook-id` with each attempt.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The webhook.
    pub webhook_id: Uuid,
    /// The website it is about; null for a test.
    pub website_id: Option<Uuid>,
    /// The visitor, as a signed number; messages of one visitor to one webhook are delivered in order.
    pub visitor: i64,
    /// Number of the event.
    pub event: i16,
    /// Whether it is a test.
    pub is_test: bool,
    /// The body of the request.
    pub body: String,
    /// 0 waits, 1 was delivered, 2 failed for good.
    pub status: i16,
    /// Attempts since it was created or last redelivered on request.
    pub tries: i16,
    /// All attempts, oldest first, a JSON array.
    pub attempts: String,
    /// When it is attempted next, UTC; null if it is not.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Order of messages of the same millisecond.
    pub sequence: i64,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
}

/// Deliveries are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
