//! A line of the audit log: who changed what.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The team it is about; null for what concerns an account only, such as a sign-in.
    pub team_id: Option<Uuid>,
    /// The website it is about; it may be gone.
    pub website_id: Option<Uuid>,
    /// The account that acted, or that a failed sign-in was for; it may be gone.
    pub user_id: Option<Uuid>,
    /// How the actor was called then: an e-mail address, `operator` or `anonymous`.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to, as people call it: a domain, an address, the name of a key.
    pub target: String,
    /// JSON array of the fields that changed, as text.
    pub changed: String,
    /// When, UTC.
    pub created_at: DateTime<Utc>,
}

/// The log is read by team.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
