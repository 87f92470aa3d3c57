//! Makes the goals of websites.

use sea_orm_migration::{prelude::*, schema};

/// The step.
#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLE: &str = "goals";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut website = ForeignKey::create();
        website.from_col("website_id").to("websites", "id").on_delete(ForeignKeyAction::Cascade);
        let mut goals = Table::create();
        goals
            .table(TABLE)
            .col(schema::uuid("id").primary_key())
            .col(schema::uuid("website_id"))
            .col(schema::string_len("name", 100))
            .col(schema::string_len("kind", 10))
            .col(schema::string_len_null("match_kind", 10))
            .col(schema::text("pattern"))
            .col(schema::text("properties"))
            .col(schema::big_integer_null("value_micros"))
            .col(schema::string_len_null("currency", 3))
            .col(schema::boolean("is_enabled"))
            .col(schema::timestamp_with_time_zone("created_at"))
            .foreign_key(&mut website);
        manager.create_table(goals).await?;
        let mut unique = Index::create();
        unique.name("goals_by_website_and_name").table(TABLE).col("website_id").col("name").unique();
        manager.create_index(unique).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TABLE).to_owned()).await
    }
}
