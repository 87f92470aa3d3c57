//! A team: the owner of websites and API keys.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One team.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "teams")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// Plan, lower case: `free`, `pro`, `scale` or `enterprise`.
    pub plan: String,
    /// When the team was made, UTC.
    pub created_at: DateTime<Utc>,
}

/// Teams are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
