//! A session: one sign-in and the family of refresh tokens that descends from it.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One session. No token is stored, only hashes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// Identifier; the `sid` of its access tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who signed in.
    pub user_id: Uuid,
    /// SHA-256 (lower-case hex) of the part that every refresh token of the family shares: proof that an old one was ours.
    pub family_hash: String,
    /// SHA-256 (lower-case hex) of the refresh token that works now.
    pub current_hash: String,
    /// SHA-256 (lower-case hex) of the one before; null before the first refresh.
    pub previous_hash: Option<String>,
    /// When the person signed in, UTC.
    pub created_at: DateTime<Utc>,
    /// When the current refresh token stops working, UTC.
    pub expires_at: DateTime<Utc>,
    /// When the session ended by sign-out, password change or a stolen token, UTC; null while it lives.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Random key that, with the refresh token before, gives the one that works now; null before the first refresh.
    pub successor_key: Option<String>,
    /// When the session was last refreshed, UTC; null before the first refresh.
    pub refreshed_at: Option<DateTime<Utc>>,
}

/// Sessions are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
