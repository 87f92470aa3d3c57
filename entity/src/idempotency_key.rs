//! The `clientMutationId` of a mutation that created a row.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One key of one caller and mutation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// The account or the API key that sent it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub caller_id: Uuid,
    /// Name of the mutation, such as `websiteCreate`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub mutation: String,
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_mutation_id: String,
    /// SHA-256 of the mutation's arguments, lower-case hex.
    pub input_hash: String,
    /// The row that was created; null while its transaction runs.
    pub created_row_id: Option<Uuid>,
    /// When it was first sent, UTC.
    pub created_at: DateTime<Utc>,
}

/// Keys are read one by one.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
