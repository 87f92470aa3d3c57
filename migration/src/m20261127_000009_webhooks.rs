//! Makes webhooks and the messages that are delivered to them.

use sea_orm_migration::{prelude::*, schema};

/// The step.
#[derive(DeriveMigrationName)]
pub struct Migration;

/// Table, name, columns.
const INDEXES: &[(&str, &str, &[&str])] = &[
    ("webhooks", "webhooks_by_team", &["team_id"]),
    ("webhooks", "webhooks_by_website", &["website_id"]),
    ("webhook_deliveries", "webhook_deliveries_by_age", &["webhook_id", "created_at", "id"]),
    ("webhook_deliveries", "webhook_deliveries_in_order", &["webhook_id", "status", "created_at", "sequence"]),
    (
        "webhook_deliveries",
        "webhook_deliveries_by_visitor",
        &["webhook_id", "visitor", "status", "created_at", "sequence"],
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [webhooks(), deliveries()] {
            manager.create_table(table).await?;
        }
        for (table, name, columns) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table);
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, _) in INDEXES.iter().rev() {
            manager.drop_index(Index::drop().name(*name).table(*table).to_owned()).await?;
        }
        for table in ["webhook_deliveries", "webhooks"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// Makes a key that deletes rows with their parent.
fn child_of(column: &'static str, parent: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from_col(column).to(parent, "id").on_delete(ForeignKeyAction::Cascade).take()
}

fn at(name: &'static str) -> ColumnDef {
    schema::timestamp_with_time_zone_null(name)
}

fn webhooks() -> TableCreateStatement {
    Table::create()
        .table("webhooks")
        .col(schema::uuid("id").primary_key())
        .col(schema::uuid("team_id"))
        .col(schema::uuid_null("website_id"))
        .col(schema::string_len("url", 2_048))
        .col(schema::small_integer("events"))
        .col(schema::text("event_names"))
        .col(schema::text("goals"))
        .col(schema::blob("secret"))
        .col(schema::blob_null("previous_secret"))
        .col(at("previous_until"))
        .col(schema::boolean("is_enabled"))
        .col(schema::text_null("disabled_reason"))
        .col(at("failing_since"))
        .col(schema::big_integer("dropped"))
        .col(schema::uuid_null("created_by"))
        .col(schema::timestamp_with_time_zone("created_at"))
        .foreign_key(&mut child_of("team_id", "teams"))
        .foreign_key(&mut child_of("website_id", "websites"))
        .take()
}

fn deliveries() -> TableCreateStatement {
    Table::create()
        .table("webhook_deliveries")
        .col(schema::uuid("id").primary_key())
        .col(schema::uuid("webhook_id"))
        .col(schema::uuid_null("website_id"))
        .col(schema::big_integer("visitor"))
        .col(schema::small_integer("event"))
        .col(schema::boolean("is_test"))
        .col(schema::text("body"))
        .col(schema::small_integer("status"))
        .col(schema::small_integer("tries"))
        .col(schema::text("attempts"))
        .col(at("next_attempt_at"))
        .col(schema::big_integer("sequence"))
        .col(schema::timestamp_with_time_zone("created_at"))
        .foreign_key(&mut child_of("webhook_id", "webhooks"))
        .foreign_key(&mut child_of("website_id", "websites"))
        .take()
}
