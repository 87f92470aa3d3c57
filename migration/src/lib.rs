//! History of the control plane: one file per step, portable across SQLite and PostgreSQL.
//!
//! - A step that has been released is never edited; the next one changes what it made.
//! - Steps name tables and columns as text, because rows change and history may not.

use sea_orm_migration::prelude::{MigrationTrait, MigratorTrait};

mod m20261123_000001_accounts_and_websites;
mod m20261123_000002_exclusions;
mod m20261124_000003_dashboard;
mod m20261126_000004_people;
mod m20261127_000005_idempotency_keys;
mod m20261127_000006_limits;
mod m20261127_000007_goals;
mod m20261127_000008_webhook_secrets;
mod m20261127_000009_webhooks;

/// All steps, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_accounts_and_websites::Migration),
            Box::new(m20261123_000002_exclusions::Migration),
            Box::new(m20261124_000003_dashboard::Migration),
            Box::new(m20261126_000004_people::Migration),
            Box::new(m20261127_000005_idempotency_keys::Migration),
            Box::new(m20261127_000006_limits::Migration),
            Box::new(m20261127_000007_goals::Migration),
            Box::new(m20261127_000008_webhook_secrets::Migration),
            Box::new(m20261127_000009_webhooks::Migration),
        ]
    }
}

pub use sea_orm_migration::MigratorTrait as Steps;
