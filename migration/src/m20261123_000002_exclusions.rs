//! Makes the addresses and paths that websites do not count.

use sea_orm_migration::{prelude::*, schema};

/// The step.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, index) in TABLES {
            let mut create = Table::create();
            create
                .table(*table)
                .col(schema::uuid("id").primary_key())
                .col(schema::uuid("website_id"))
                .col(schema::string_len(*column, 500))
                .col(schema::string_len_null("description", 200))
                .col(schema::timestamp_with_time_zone("created_at"));
            let mut key = ForeignKey::create();
            key.from_col("website_id").to("websites", "id").on_delete(ForeignKeyAction::Cascade);
            manager.create_table(create.foreign_key(&mut key).to_owned()).await?;
            let mut unique = Index::create();
            unique.name(*index).table(*table).col("website_id").col(*column).unique();
            manager.create_index(unique).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, _, _) in TABLES {
            manager.drop_table(Table::drop().table(*table).to_owned()).await?;
        }
        Ok(())
    }
}

/// Table, the column that says what is excluded, the index that keeps it unique.
const TABLES: &[(&str, &str, &str)] = &[
    ("ip_exclusions", "ip_address", "ip_exclusions_by_website_and_address"),
    ("path_exclusions", "path_pattern", "path_exclusions_by_website_and_pattern"),
];
