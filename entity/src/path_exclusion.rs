//! A pattern of paths whose views a website does not count.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One exclusion.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "path_exclusions")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The website that does not count.
    pub website_id: Uuid,
    /// Begins with a slash; `*` stands for anything, such as `/admin/*`; unique within the website.
    pub path_pattern: String,
    /// Note, up to 200 characters; null without one.
    pub description: Option<String>,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
}

/// Exclusions are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
