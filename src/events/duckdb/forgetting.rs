//! Forgets one person: removes their rows, and then their bytes from the disk.
//!
//! - The engine marks rows as deleted and leaves their bytes in place, in blocks that it shares between columns and tables. So
//!   everything else is copied into a new file, which takes the place of the old one.
//! - The transaction that removes the rows also notes that the file holds removed bytes, so that a start after a crash copies it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use duckdb::{Connection, params};
use schema::{
    analytics::event::EventKind,
    people::traits::{EMAIL, IDS, USER_ID, person_of_email, person_of_user},
    ports::{Forgotten, Subject},
};
use uuid::Uuid;

use super::{
    Budget, Database,
    connecting::{config, connect},
    literal, locked,
};
use crate::events::{people::with_trait, sql::kinds};

/// Keys of the rows to remove.
#[derive(Default)]
struct Found {
    visitors: Vec<u64>,
    people: Vec<Uuid>,
    user_ids: Vec<String>,
}

impl Database {
    /// Removes a person; see [`schema::ports::Sink::forget`]. The caller ensures that no query is running.
    ///
    /// # Errors
    /// Errors of the store. If rows are removed already, the next call or start removes their bytes.
    pub fn forget(&self, website: Uuid, subject: &Subject) -> duckdb::Result<Forgotten> {
        let mut writer = locked(&self.writer);
        let connection = self.connected(&mut writer)?;
        connection.execute_batch("BEGIN TRANSACTION")?;
        let removed = find(connection, website, subject).and_then(|found| remove(connection, website, found));
        let forgotten = match removed {
            Ok(forgotten) => forgotten,
            Err(error) => {
                // A failed statement may have ended the transaction already.
                let _ = connection.execute_batch("ROLLBACK");
                return Err(error);
            }
        };
        let mut open = self.open.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        connection.execute_batch("COMMIT")?;
        let before = open.visits.len();
        open.visits.retain(|(of, visitor, _), _| *of != website || !forgotten.visitors.contains(visitor));
        let open_visits = (before - open.visits.len()) as u64;
        *open.versions.entry(website).or_default() += 1;
        drop(open);
        if self.holds_removed(connection)? {
            connection.execute_batch("CHECKPOINT")?;
            *writer = None;
            let rewritten = self.rewrite();
            *writer = Some(connect(self.path.as_deref(), self.budget)?);
            rewritten?;
        }
        Ok(Forgotten { visits: forgotten.visits + open_visits, ..forgotten })
    }

    /// Whether the file holds the bytes of removed rows.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) fn holds_removed(&self, connection: &Connection) -> duckdb::Result<bool> {
        let is_due: bool = connection.query_row("SELECT must_rewrite FROM progress", [], |row| row.get(0))?;
        Ok(is_due && self.path.is_some())
    }

    /// Copies all rows into a new file and puts it in the place of the present one, which no connection uses.
    ///
    /// # Errors
    /// Errors of the store and the file system, such as a full disk. The file is as it was; the next start tries again.
    pub(super) fn rewrite(&self) -> duckdb::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let copy = path.with_extension("copy");
        // Of an attempt that a crash cut off.
        for left in [copy.clone(), path.with_extension("copy.wal")] {
            let _ = fs::remove_file(left);
        }
        let quoted = |path: &Path| path.display().to_string().replace('\'', "''");
        // With one thread the rows keep their order, by which queries skip most of them.
        let engine = Connection::open_in_memory_with_flags(config(Some(path), Budget { threads: 1, ..self.budget })?)?;
        let copied = engine.execute_batch(&format!(
            "ATTACH '{}' AS present; ATTACH '{}' AS copied; COPY FROM DATABASE present TO copied; \
             UPDATE copied.progress SET must_rewrite = false; CHECKPOINT copied",
            quoted(path),
            quoted(&copy)
        ));
        drop(engine);
        if let Err(error) = copied {
            let _ = fs::remove_file(&copy);
            return Err(error);
        }
        // Everything in the log was moved into the file, and the copy has no part of it.
        let _ = fs::remove_file(format!("{}.wal", path.display()));
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&copy, path))
            .map_err(|error| duckdb::Error::ToSqlConversionFailure(Box::new(error)))
    }
}

/// The people and visitors that a subject refers to, including all visitors of the same person.
fn find(connection: &Connection, website: Uuid, subject: &Subject) -> duckdb::Result<Found> {
    let mut found = Found::default();
    let mut take = |people: Vec<(Uuid, Option<String>)>| {
        for (person, user_id) in people {
            found.people.push(person);
            found.user_ids.extend(user_id);
        }
    };
    match subject {
        Subject::UserId(user_id) => take(vec![(person_of_user(website, user_id), Some(user_id.clone()))]),
        Subject::Email(email) => {
            take(vec![(person_of_email(website, email), None)]);
            take(with_trait(connection, website, EMAIL, email)?);
        }
        Subject::Visitor(visitor) => {
            found.visitors.push(*visitor);
            let mut statement =
                connection.prepare("SELECT person FROM identities WHERE website_id = ? AND visitor = ?")?;
            let people = statement.query_map(params![website.as_u128(), visitor], |row| row.get(0))?;
            found.people = people.map(|person| person.map(Uuid::from_u128)).collect::<duckdb::Result<_>>()?;
        }
    }
    for person in &found.people {
        let mut statement = connection.prepare("SELECT visitor FROM identities WHERE website_id = ? AND person = ?")?;
        let visitors = statement.query_map(params![website.as_u128(), person.as_u128()], |row| row.get(0))?;
        found.visitors.extend(visitors.collect::<duckdb::Result<Vec<u64>>>()?);
        let mut statement = connection.prepare(&format!(
            "SELECT json_extract_string(traits, '/{USER_ID}/0') AS id FROM people WHERE website_id = ? AND person = ? AND id IS NOT NULL"
        ))?;
        let user_ids = statement.query_map(params![website.as_u128(), person.as_u128()], |row| row.get(0))?;
        found.user_ids.extend(user_ids.collect::<duckdb::Result<Vec<String>>>()?);
    }
    found.people.sort_unstable();
    found.people.dedup();
    found.visitors.sort_unstable();
    found.visitors.dedup();
    Ok(found)
}

/// Removes the rows, in the transaction.
fn remove(connection: &Connection, website: Uuid, found: Found) -> duckdb::Result<Forgotten> {
    keys(connection, "forgotten_visitors", "UBIGINT", |appender| {
        found.visitors.iter().try_for_each(|visitor| appender.append_row(params![visitor]))
    })?;
    keys(connection, "forgotten_people", "UHUGEINT", |appender| {
        found.people.iter().try_for_each(|person| appender.append_row(params![person.as_u128()]))
    })?;
    keys(connection, "forgotten_ids", "VARCHAR", |appender| {
        found.user_ids.iter().try_for_each(|user_id| appender.append_row(params![user_id]))
    })?;
    let of_visitors = "visitor IN (FROM temp.forgotten_visitors)";
    let events = remove_rows(connection, website, "events", of_visitors)?;
    let visits = remove_rows(connection, website, "visits", of_visitors)?;
    let either = format!("({of_visitors} OR person IN (FROM temp.forgotten_people))");
    remove_rows(connection, website, "identities", &either)?;
    let people = remove_rows(connection, website, "people", "person IN (FROM temp.forgotten_people)")?;
    // Others may have used the same device before or after: their identifications keep what is not the person's.
    let ids: Vec<String> = IDS
        .iter()
        .map(|name| format!("left(trim(json_extract_string(properties, '/{name}')), 200) IN (FROM temp.forgotten_ids)"))
        .collect();
    let renamed = connection.execute(
        &format!(
            "UPDATE events SET properties = '' WHERE website_id = {} AND {} AND properties <> '' AND ({})",
            literal(website),
            kinds(|kind| kind == EventKind::Identify),
            ids.join(" OR ")
        ),
        [],
    )?;
    connection.execute_batch(
        "DROP TABLE temp.forgotten_visitors; DROP TABLE temp.forgotten_people; DROP TABLE temp.forgotten_ids",
    )?;
    if events + visits + people + renamed as u64 > 0 {
        connection.execute_batch("UPDATE progress SET must_rewrite = true")?;
    }
    Ok(Forgotten { visitors: found.visitors, people, events, visits })
}

/// Creates a temporary table of keys.
fn keys(
    connection: &Connection,
    table: &str,
    sql_type: &str,
    fill: impl FnOnce(&mut duckdb::Appender<'_>) -> duckdb::Result<()>,
) -> duckdb::Result<()> {
    connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE {table} (key {sql_type})"))?;
    let mut appender = connection.appender_to_catalog_and_db(table, "temp", "main")?;
    fill(&mut appender)?;
    appender.flush()
}

/// Deletes the website's rows for which the condition holds. Returns their number.
fn remove_rows(connection: &Connection, website: Uuid, table: &str, condition: &str) -> duckdb::Result<u64> {
    let delete = format!("DELETE FROM {table} WHERE website_id = {} AND {condition}", literal(website));
    connection.execute(&delete, []).map(|rows| rows as u64)
}
