//! A goal of a website: a rule over one event, and what its completion is worth.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One goal.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "goals")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The website.
    pub website_id: Uuid,
    /// Unique within the website.
    pub name: String,
    /// `page`, `event` or `call`.
    pub kind: String,
    /// How `pattern` is compared with a path: `exact`, `prefix`, `glob` or `regex`; null unless `kind` is `page`.
    pub match_kind: Option<String>,
    /// The path or its pattern, the name of the event, or the name in the call.
    pub pattern: String,
    /// Conditions on properties of the event, a JSON list.
    pub properties: String,
    /// Fixed value of a completion in millionths of `currency`; null without one.
    pub value_micros: Option<i64>,
    /// ISO 4217 code; null without a value.
    pub currency: Option<String>,
    /// Whether completions count.
    pub is_enabled: bool,
    /// When it was made, UTC.
    pub created_at: DateTime<Utc>,
}

/// Goals are read on their own; joins name their columns where they happen.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
