//! Makes the keys by which a mutation that creates a row is repeated without creating another one.

use sea_orm_migration::{prelude::*, schema};

/// The step.
#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLE: &str = "idempotency_keys";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut keys = Table::create();
        keys.table(TABLE)
            .col(schema::uuid("caller_id"))
            .col(schema::string_len("mutation", 64))
            .col(schema::string_len("client_mutation_id", 200))
            .col(schema::string_len("input_hash", 64))
            .col(schema::uuid_null("created_row_id"))
            .col(schema::timestamp_with_time_zone("created_at"))
            .primary_key(Index::create().col("caller_id").col("mutation").col("client_mutation_id"));
        manager.create_table(keys).await?;
        let by_age = Index::create().name("idempotency_keys_by_age").table(TABLE).col("created_at").to_owned();
        manager.create_index(by_age).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TABLE).to_owned()).await
    }
}
