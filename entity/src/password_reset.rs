//! A way back in for who forgot a password: a secret that was mailed.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One reset.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "password_resets")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The account.
    pub user_id: Uuid,
    /// SHA-256 of the secret, lower-case hex; unique.
    #[sea_orm(unique)]
    pub hash: String,
    /// When it was asked for, UTC.
    pub created_at: DateTime<Utc>,
    /// When it stops working, UTC.
    pub expires_at: DateTime<Utc>,
    /// When it was used, UTC; null while it works.
    pub used_at: Option<DateTime<Utc>>,
}

/// Resets are read by hash.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
