//! An account that signed in elsewhere and is gone while tokens that speak for it may still work.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One deleted account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "departures")]
pub struct Model {
    /// SHA-256 of issuer and subject, lower-case hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_hash: String,
    /// When the account was deleted, UTC. Tokens from before make no account.
    pub left_at: DateTime<Utc>,
}

/// Departures are read by subject.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
