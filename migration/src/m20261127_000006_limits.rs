//! Adds what limits of API keys keep across a restart, what a key may do, and how long events are kept.

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
        // SQLite adds one column at a time.
        for (table, column) in added() {
            manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
        }
        let mut warnings = Table::create();
        warnings
            .table("usage_warnings")
            .col(schema::uuid("team_id"))
            .col(schema::string_len("month", 7))
            .col(schema::string_len("resource", 16))
            .col(schema::small_integer("threshold"))
            .col(schema::timestamp_with_time_zone_null("raised_at"))
            .col(schema::timestamp_with_time_zone_null("acknowledged_at"))
            .primary_key(Index::create().col("team_id").col("month").col("resource").col("threshold"))
            .foreign_key(
                ForeignKey::create().from_col("team_id").to("teams", "id").on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(warnings).await?;
        // So far, only rotation gave a key an end.
        let rotated = Query::update()
            .table("api_keys")
            .value("rotated_at", Expr::col("expires_at"))
            .and_where(Expr::col("expires_at").is_not_null())
            .to_owned();
        manager.exec_stmt(rotated).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("usage_warnings").to_owned()).await?;
        for (table, column) in added() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(Alias::new(name)).to_owned()).await?;
        }
        Ok(())
    }
}

fn added() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("api_keys", schema::big_integer("window_minute").default(0).take()),
        ("api_keys", schema::big_integer("window_requests").default(0).take()),
        // Keys of earlier versions read and send events.
        ("api_keys", schema::small_integer("scopes").default(3).take()),
        ("api_keys", schema::json_binary("allowed_origins").default("[]").take()),
        ("api_keys", schema::json_binary("allowed_networks").default("[]").take()),
        ("api_keys", schema::timestamp_with_time_zone_null("rotated_at")),
        ("api_keys", schema::string_len_null("last_used_country", 2)),
        ("websites", schema::integer_null("retention_days")),
    ]
}
