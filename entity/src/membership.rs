//! A membership: the part a user has in a team.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One membership. A user has at most one per team.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The team.
    pub team_id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// Level of the role: 1 viewer, 2 editor, 3 admin, 4 owner.
    pub role: i16,
    /// When the user joined, UTC.
    pub created_at: DateTime<Utc>,
    /// When the user was removed, UTC; null for an active member. A deactivated member has no part in the team.
    pub deactivated_at: Option<DateTime<Utc>>,
}

/// Memberships are read by team or user; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
