//! A link that was mailed about the address of an account.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One link. No token is stored, only its hash.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_links")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The account.
    pub user_id: Uuid,
    /// What opening it does: `confirm` or `undo`.
    pub purpose: String,
    /// The address that the account has afterwards.
    pub email: String,
    /// SHA-256 of the token, lower-case hex; unique.
    #[sea_orm(unique)]
    pub hash: String,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
    /// When it stops working, UTC.
    pub expires_at: DateTime<Utc>,
    /// When it was used, UTC; null while it works.
    pub used_at: Option<DateTime<Utc>>,
}

/// Links are read by hash, user or address.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
