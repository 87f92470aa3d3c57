//! An address or network whose visits a website does not count.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One exclusion.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ip_exclusions")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The website that does not count.
    pub website_id: Uuid,
    /// IPv4 or IPv6 address, or network in CIDR notation, in its canonical spelling; unique within the website.
    pub ip_address: String,
    /// Note, up to 200 characters; null without one.
    pub description: Option<String>,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
}

/// Exclusions are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
