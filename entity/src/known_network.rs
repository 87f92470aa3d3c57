//! A network from which an account has signed in.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One network of one account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "known_networks")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// Keyed hash of the network, lower-case hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub network_hash: String,
    /// When the account last signed in from it, UTC.
    pub last_seen_at: DateTime<Utc>,
}

/// Networks are read by account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
