//! An account: a person who signs in.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Address the person signs in with, lower case; unique.
    #[sea_orm(unique)]
    pub email: String,
    /// Argon2id hash as a PHC string; null for accounts that sign in elsewhere.
    pub password_hash: Option<String>,
    /// Name as the person writes it; null when not given.
    pub full_name: Option<String>,
    /// Address of a picture; null when there is none.
    pub avatar_url: Option<String>,
    /// Team that is meant where none is named; always one the account owned when it was made.
    pub default_team_id: Uuid,
    /// Whether this is the account of the person who runs the installation.
    pub is_operator: bool,
    /// When the account was made, UTC.
    pub created_at: DateTime<Utc>,
    /// Identity provider of an account that signs in elsewhere, lower case, such as `google`; null for one with a password here.
    pub provider: Option<String>,
    /// Issuer and subject of the tokens of an account that signs in elsewhere; unique.
    #[sea_orm(unique)]
    pub external_subject: Option<String>,
    /// When the person proved that they read the mail of `email`, UTC; null while that is unproven.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Address that waits for its proof: the new one of a change, or `email` itself after signing up; null when none does.
    pub pending_email: Option<String>,
}

/// Accounts are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
