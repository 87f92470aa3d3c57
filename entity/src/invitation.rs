//! An invitation to sign up and join a team.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One invitation. No token is stored, only its hash.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The team to join.
    pub team_id: Uuid,
    /// The admin who invited.
    pub invited_by: Uuid,
    /// The address of the new account, lower case.
    pub email: String,
    /// Level of the role to join with: 1 viewer, 2 editor, 3 admin.
    pub role: i16,
    /// Whether its holder has proven the address: it was mailed there, or the operator gave it.
    pub proves_address: bool,
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

/// Invitations are read by hash or team.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
