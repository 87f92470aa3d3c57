//! Makes conversations, onboarding, notification preferences, password resets, the audit log and pending erasures, and adds
//! what accounts, websites and API keys know since.

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
        for (table, name, columns, unique) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table);
            for column in *columns {
                index.col(*column);
            }
            if *unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, _, _) in INDEXES.iter().rev() {
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

/// Table, name, columns, whether unique.
type IndexRow = (&'static str, &'static str, &'static [&'static str], bool);

const INDEXES: &[IndexRow] = &[
    ("conversations", "conversations_by_team_and_age", &["team_id", "created_at", "id"], false),
    ("conversation_messages", "messages_by_conversation_and_position", &["conversation_id", "position"], true),
    ("password_resets", "password_resets_by_user", &["user_id"], false),
    ("audit_entries", "audit_entries_by_team_and_age", &["team_id", "created_at", "id"], false),
    ("audit_entries", "audit_entries_by_user_and_age", &["user_id", "created_at", "id"], false),
    ("users", "users_by_external_subject", &["external_subject"], true),
];

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
        // The author may go while the thing stays; everything else goes with its parent.
        let gone = if *parent == "users" && name == "conversations" {
            ForeignKeyAction::SetNull
        } else {
            ForeignKeyAction::Cascade
        };
        key.from_col(*column).to(*parent, "id").on_delete(gone);
        table.foreign_key(&mut key);
    }
    table
}

fn id() -> ColumnDef {
    schema::uuid("id").primary_key().take()
}

fn at(name: &'static str) -> ColumnDef {
    schema::timestamp_with_time_zone(name)
}

fn tables() -> Vec<TableCreateStatement> {
    vec![
        table(
            "conversations",
            vec![
                id(),
                schema::uuid("team_id"),
                schema::uuid_null("user_id"),
                schema::string_len("title", 200),
                at("created_at"),
                at("updated_at"),
            ],
            &[("team_id", "teams"), ("user_id", "users")],
        ),
        table(
            "conversation_messages",
            vec![
                id(),
                schema::uuid("conversation_id"),
                schema::big_integer("position"),
                schema::string_len("role", 32),
                schema::text("content"),
                at("sent_at"),
            ],
            &[("conversation_id", "conversations")],
        ),
        table(
            "onboardings",
            vec![
                schema::uuid("user_id").primary_key().take(),
                schema::string_len("current_step", 100),
                schema::boolean("completed"),
                schema::text("data"),
                at("created_at"),
                at("updated_at"),
            ],
            &[("user_id", "users")],
        ),
        table(
            "notification_preferences",
            vec![schema::uuid("website_id").primary_key().take(), schema::text("preferences"), at("updated_at")],
            &[("website_id", "websites")],
        ),
        table(
            "password_resets",
            vec![
                id(),
                schema::uuid("user_id"),
                schema::string_len_uniq("hash", 64),
                at("created_at"),
                at("expires_at"),
                schema::timestamp_with_time_zone_null("used_at"),
            ],
            &[("user_id", "users")],
        ),
        // Neither the account nor the website needs to exist any more.
        table(
            "audit_entries",
            vec![
                id(),
                schema::uuid_null("team_id"),
                schema::uuid_null("website_id"),
                schema::uuid_null("user_id"),
                schema::string_len("actor", 320),
                schema::string_len("action", 64),
                schema::string_len("target", 400),
                schema::text("changed"),
                at("created_at"),
            ],
            &[("team_id", "teams")],
        ),
        // Accounts of another issuer that are gone while tokens which speak for them may still work.
        table("departures", vec![schema::string_len("subject_hash", 64).primary_key().take(), at("left_at")], &[]),
        // Websites that are gone while their events may not be.
        table("erasures", vec![schema::uuid("website_id").primary_key().take(), at("created_at")], &[]),
    ]
}

fn added() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("users", schema::string_len_null("provider", 32)),
        ("users", schema::string_len_null("external_subject", 600)),
        ("websites", schema::string_len_null("revenue_provider", 32)),
        ("websites", schema::string_len_null("verification_token", 64)),
        ("websites", schema::timestamp_with_time_zone_null("verified_at")),
        ("api_keys", schema::timestamp_with_time_zone_null("expires_at")),
    ]
}
