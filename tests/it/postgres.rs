//! Databases in the server of `tests/postgres.sh`, if the tests run under it. The schema's tests use this file too.

#![expect(clippy::disallowed_methods, reason = "the databases of tests are named and chosen here")]

use sea_orm::{ConnectionTrait as _, Database};
use uuid::Uuid;

/// The URL of a new database with the newest version of the control plane. `None`: the tests use SQLite.
pub async fn new_database() -> Option<String> {
    let socket = std::env::var("TEST_POSTGRES").ok()?;
    let name = format!("test_{}", Uuid::new_v4().simple());
    let url = |database: &str| format!("postgres:///{database}?host={socket}&user=postgres");
    let server = Database::connect(url("postgres")).await.unwrap();
    server.execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE template")).await.unwrap();
    server.close().await.unwrap();
    Some(url(&name))
}
