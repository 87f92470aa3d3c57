//! Forgets one person: removes their rows, and then their bytes from the file.
//!
//! - The engine marks rows as deleted and leaves their bytes in place. So they are emptied first: the next checkpoint
//!   writes the columns of their row groups again, in order, without the old values.
//! - `visits` and `people` are written anew whole: their rows are replaced as events come, so old versions lie among others.
//! - The blocks that held the columns before are free then, with their content. A table of meaningless numbers as large as
//!   all free blocks overwrites them, because the engine uses the lowest free blocks first.
//! - The transaction that removes the rows also notes that blocks are to be overwritten, so that a start after a crash does it.

use duckdb::{Connection, params};
use schema::{
    analytics::event::EventKind,
    people::traits::{EMAIL, IDS, USER_ID, person_of_email, person_of_user},
    ports::{Forgotten, Subject},
};
use uuid::Uuid;

use super::{Database, literal, locked};
use crate::events::{people::with_trait, sql::kinds};

/// Keys of the rows to remove.
#[derive(Default)]
struct Found {
    visitors: Vec<u64>,
    people: Vec<Uuid>,
    user_ids: Vec<String>,
}

impl Database {
    /// Removes a person; see [`schema::ports::Sink::forget`]. The caller sees to it that no query runs.
    ///
    /// # Errors
    /// Errors of the store. If rows are removed already, the next call or start overwrites their bytes.
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
        self.overwrite(connection)?;
        Ok(Forgotten { visits: forgotten.visits + open_visits, ..forgotten })
    }

    /// Overwrites the blocks of the file that hold removed rows, if there are any.
    ///
    /// # Errors
    /// Errors of the store, such as a full disk; the next call or start tries again.
    pub(super) fn overwrite(&self, connection: &Connection) -> duckdb::Result<()> {
        let is_due: bool = connection.query_row("SELECT overwrites FROM progress", [], |row| row.get(0))?;
        if is_due && self.path.is_some() {
            // Blocks that a checkpoint no longer needs are free after the next one.
            connection.execute_batch("CHECKPOINT; CHECKPOINT")?;
            let numbers: i64 = connection.query_row(
                "SELECT free_blocks * block_size // 8 + block_size FROM pragma_database_size() WHERE database_name = current_database()",
                [],
                |row| row.get(0),
            )?;
            connection.execute_batch(&format!(
                "CREATE OR REPLACE TABLE overwriting AS SELECT hash(range) AS number FROM range({numbers}); CHECKPOINT; \
                 DROP TABLE overwriting; CHECKPOINT; CHECKPOINT"
            ))?;
        }
        connection.execute_batch("UPDATE progress SET overwrites = false WHERE overwrites")
    }
}

/// Whom a subject stands for: also the other visitors of the same person.
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
    let visits = rewrite(connection, website, "visits", of_visitors)?;
    let either = format!("({of_visitors} OR person IN (FROM temp.forgotten_people))");
    remove_rows(connection, website, "identities", &either)?;
    let people = rewrite(connection, website, "people", "person IN (FROM temp.forgotten_people)")?;
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
        connection.execute_batch("UPDATE progress SET overwrites = true")?;
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

/// Writes a table anew without the website's rows for which the condition holds. Returns their number. Rows of these tables are
/// replaced as events come, so that earlier versions of a row, which are deleted and not empty, are among the others.
fn rewrite(connection: &Connection, website: Uuid, table: &str, condition: &str) -> duckdb::Result<u64> {
    let removed = format!("website_id = {} AND {condition}", literal(website));
    let rows = connection
        .query_row(&format!("SELECT count(*) FROM {table} WHERE {removed}"), [], |row| row.get::<_, i64>(0))?;
    if rows > 0 {
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TABLE {table} AS SELECT * FROM {table} WHERE NOT ({removed}) ORDER BY rowid"
        ))?;
    }
    Ok(rows.unsigned_abs())
}

/// Empties and deletes the website's rows for which the condition holds. Returns their number. Website and times stay in what
/// is emptied, so that statements still skip row groups by them.
fn remove_rows(connection: &Connection, website: Uuid, table: &str, condition: &str) -> duckdb::Result<u64> {
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE removed AS SELECT rowid AS place FROM {table} WHERE website_id = {} AND {condition}",
        literal(website)
    ))?;
    let empty: Vec<String> = connection
        .prepare(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND NOT internal \
             AND database_name = current_database() AND column_name <> 'website_id' AND NOT suffix(column_name, '_ms')",
        )?
        .query_map([table], |row| {
            let (name, sql_type): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(format!("{name} = {}", if sql_type == "VARCHAR" { "''" } else { "0" }))
        })?
        .collect::<duckdb::Result<_>>()?;
    connection.execute(
        &format!("UPDATE {table} t SET {} FROM temp.removed r WHERE t.rowid = r.place", empty.join(", ")),
        [],
    )?;
    let rows =
        connection.execute(&format!("DELETE FROM {table} t USING temp.removed r WHERE t.rowid = r.place"), [])?;
    connection.execute_batch("DROP TABLE temp.removed")?;
    Ok(rows as u64)
}
