//! Makes mailed links, offers of ownership, invitations and known networks, and adds what accounts and sessions know since.

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
        for table in tables() {
            manager.create_table(table).await?;
        }
        // SQLite adds one column at a time.
        for (table, column) in added() {
            manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
        }
        for (table, name, column) in INDEXES {
            manager.create_index(Index::create().name(*name).table(*table).col(*column).to_owned()).await?;
        }
        // The issuer of an account that signs in elsewhere has verified its address.
        let proven = Query::update()
            .table("users")
            .value("email_verified_at", Expr::col("created_at"))
            .and_where(Expr::col("external_subject").is_not_null())
            .to_owned();
        manager.exec_stmt(proven).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, _) in INDEXES.iter().rev() {
            manager.drop_index(Index::drop().name(*name).table(*table).to_owned()).await?;
        }
        for (table, column) in added() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(Alias::new(name)).to_owned()).await?;
        }
        for table in tables().iter().rev().filter_map(|table| table.get_table_name()) {
            manager.drop_table(Table::drop().table(table.clone()).to_owned()).await?;
        }
        Ok(())
    }
}

/// Table, name, column.
const INDEXES: &[(&str, &str, &str)] = &[
    ("email_links", "email_links_by_user", "user_id"),
    ("email_links", "email_links_by_email", "email"),
    ("invitations", "invitations_by_team", "team_id"),
];

/// A table whose rows go with their parents.
fn table(
    name: &'static str,
    columns: Vec<ColumnDef>,
    parents: &[(&'static str, &'static str)],
) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    for (column, parent) in parents {
        let mut key = ForeignKey::create();
        key.from_col(*column).to(*parent, "id").on_delete(ForeignKeyAction::Cascade);
        table.foreign_key(&mut key);
    }
    table
}

fn at(name: &'static str) -> ColumnDef {
    schema::timestamp_with_time_zone(name)
}

fn tables() -> Vec<TableCreateStatement> {
    let mut networks = table(
        "known_networks",
        vec![schema::uuid("user_id"), schema::string_len("network_hash", 16), at("last_seen_at")],
        &[("user_id", "users")],
    );
    networks.primary_key(Index::create().col("user_id").col("network_hash"));
    vec![
        table(
            "email_links",
            vec![
                schema::uuid("id").primary_key().take(),
                schema::uuid("user_id"),
                schema::string_len("purpose", 16),
                schema::string_len("email", 320),
                schema::string_len_uniq("hash", 64),
                at("created_at"),
                at("expires_at"),
                schema::timestamp_with_time_zone_null("used_at"),
            ],
            &[("user_id", "users")],
        ),
        table(
            "ownership_offers",
            vec![
                schema::uuid("membership_id").primary_key().take(),
                schema::uuid("offered_by"),
                schema::boolean("is_transfer"),
                at("created_at"),
            ],
            &[("membership_id", "memberships"), ("offered_by", "users")],
        ),
        table(
            "invitations",
            vec![
                schema::uuid("id").primary_key().take(),
                schema::uuid("team_id"),
                schema::uuid("invited_by"),
                schema::string_len("email", 320),
                schema::small_integer("role"),
                schema::boolean("proves_address"),
                schema::string_len_uniq("hash", 64),
                at("created_at"),
                at("expires_at"),
                schema::timestamp_with_time_zone_null("used_at"),
            ],
            &[("team_id", "teams"), ("invited_by", "users")],
        ),
        networks,
    ]
}

fn added() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("users", schema::timestamp_with_time_zone_null("email_verified_at")),
        ("users", schema::string_len_null("pending_email", 320)),
        ("sessions", schema::string_len_null("successor_key", 40)),
        ("sessions", schema::timestamp_with_time_zone_null("refreshed_at")),
    ]
}
