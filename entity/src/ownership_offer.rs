//! An offer to become an owner, which a member of the team has not accepted yet.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One offer; a membership has at most one.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ownership_offers")]
pub struct Model {
    /// The membership that becomes an owner's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub membership_id: Uuid,
    /// The owner who made the offer.
    pub offered_by: Uuid,
    /// Whether the owner who made the offer becomes an admin when it is accepted.
    pub is_transfer: bool,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
}

/// Offers are read by membership.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
