//! A website that is gone while its events may not be.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One erasure that is not done.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "erasures")]
pub struct Model {
    /// The website that was.
    #[sea_orm(primary_key, auto_increment = false)]
    pub website_id: Uuid,
    /// When it was deleted, UTC.
    pub created_at: DateTime<Utc>,
}

/// Erasures are read all at once.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
