//! Makes users, teams, memberships, websites, API keys and sessions.

use sea_orm_migration::{prelude::*, schema};

/// The step.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    // SQLite changes tables inside a transaction too, but only when asked.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [teams(), users(), memberships(), websites(), api_keys(), sessions()] {
            manager.create_table(table).await?;
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
        for table in ["sessions", "api_keys", "websites", "memberships", "users", "teams"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// Table, name, columns, whether unique.
type IndexRow = (&'static str, &'static str, &'static [&'static str], bool);

const INDEXES: &[IndexRow] = &[
    ("memberships", "memberships_by_team_and_user", &["team_id", "user_id"], true),
    ("memberships", "memberships_by_user", &["user_id"], false),
    ("websites", "websites_by_team_and_domain", &["team_id", "domain"], true),
    ("websites", "websites_by_team_and_age", &["team_id", "created_at", "id"], false),
    ("api_keys", "api_keys_by_team_and_age", &["team_id", "created_at", "id"], false),
    ("sessions", "sessions_by_user", &["user_id"], false),
];

fn made(name: &'static str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name).col(schema::uuid("id").primary_key());
    for column in columns {
        table.col(column);
    }
    table
}

/// Children go when their parent goes.
fn child(table: &mut TableCreateStatement, column: &'static str, parent: &'static str) {
    let mut key = ForeignKey::create();
    key.from_col(column).to(parent, "id").on_delete(ForeignKeyAction::Cascade);
    table.foreign_key(&mut key);
}

/// The author may go while the thing stays.
fn authored(table: &mut TableCreateStatement, column: &'static str) {
    let mut key = ForeignKey::create();
    key.from_col(column).to("users", "id").on_delete(ForeignKeyAction::SetNull);
    table.foreign_key(&mut key);
}

fn teams() -> TableCreateStatement {
    made(
        "teams",
        vec![
            schema::string_len("name", 100),
            schema::string_len("plan", 16),
            schema::timestamp_with_time_zone("created_at"),
        ],
    )
}

fn users() -> TableCreateStatement {
    let mut table = made(
        "users",
        vec![
            schema::string_len_uniq("email", 320),
            schema::text_null("password_hash"),
            schema::string_len_null("full_name", 100),
            schema::text_null("avatar_url"),
            schema::uuid("default_team_id"),
            schema::boolean("is_operator"),
            schema::timestamp_with_time_zone("created_at"),
        ],
    );
    let mut key = ForeignKey::create();
    key.from_col("default_team_id").to("teams", "id").on_delete(ForeignKeyAction::Restrict);
    table.foreign_key(&mut key);
    table
}

fn memberships() -> TableCreateStatement {
    let mut table = made(
        "memberships",
        vec![
            schema::uuid("team_id"),
            schema::uuid("user_id"),
            schema::small_integer("role").check(Expr::col("role").between(1, 4)).take(),
            schema::timestamp_with_time_zone("created_at"),
            schema::timestamp_with_time_zone_null("deactivated_at"),
        ],
    );
    child(&mut table, "team_id", "teams");
    child(&mut table, "user_id", "users");
    table
}

fn websites() -> TableCreateStatement {
    let mut table = made(
        "websites",
        vec![
            schema::uuid("team_id"),
            schema::uuid_null("user_id"),
            schema::string_len("domain", 253),
            schema::string_len("name", 100),
            schema::string_len_uniq("tracking_code", 32),
            schema::string_len("timezone", 64),
            schema::boolean("is_active"),
            schema::string_len_null("primary_color", 7),
            schema::integer_null("kpi_goal"),
            schema::boolean("public_dashboard"),
            schema::json_binary("allowed_domains"),
            schema::json_binary("settings"),
            schema::string_len("currency", 3),
            schema::timestamp_with_time_zone("created_at"),
            schema::timestamp_with_time_zone("updated_at"),
        ],
    );
    child(&mut table, "team_id", "teams");
    authored(&mut table, "user_id");
    table
}

fn api_keys() -> TableCreateStatement {
    let mut table = made(
        "api_keys",
        vec![
            schema::uuid("team_id"),
            schema::uuid_null("website_id"),
            schema::string_len("name", 64),
            schema::string_len("prefix", 16),
            schema::string_len_uniq("hash", 64),
            schema::uuid_null("created_by"),
            schema::timestamp_with_time_zone("created_at"),
            schema::timestamp_with_time_zone_null("last_used_at"),
            schema::timestamp_with_time_zone_null("revoked_at"),
            schema::big_integer("total_requests"),
            schema::big_integer("monthly_requests"),
            schema::string_len("month", 7),
        ],
    );
    child(&mut table, "team_id", "teams");
    child(&mut table, "website_id", "websites");
    authored(&mut table, "created_by");
    table
}

fn sessions() -> TableCreateStatement {
    let mut table = made(
        "sessions",
        vec![
            schema::uuid("user_id"),
            schema::string_len("family_hash", 64),
            schema::string_len("current_hash", 64),
            schema::string_len_null("previous_hash", 64),
            schema::timestamp_with_time_zone("created_at"),
            schema::timestamp_with_time_zone("expires_at"),
            schema::timestamp_with_time_zone_null("revoked_at"),
        ],
    );
    child(&mut table, "user_id", "users");
    table
}
