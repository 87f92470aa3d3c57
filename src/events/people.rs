//! People: their traits, written with the events that identify them, and what their visits add up to.
//!
//! - Each visitor belongs to the person whom it was last identified as, by the time of the event.
//! - A batch changes people in its own transaction, so that the journal's position says whether it is in.
//! - Identifications by bots are ignored.

use std::{collections::BTreeMap, fmt::Write as _};

use duckdb::{Connection, Row, params, params_from_iter};
use schema::{
    analytics::{
        event::{Event, EventKind},
        query::FilterOperator,
    },
    people::traits::{EMAIL, NAMED, Traits, USER_ID},
    ports::{PeoplePage, PeopleQuery, PersonEvents, PersonRow, TraitCondition},
};
use uuid::Uuid;

use super::{
    dialect,
    duckdb::Database,
    sql::{Statement, compared, kinds},
};

/// Tables of people, and of the visitors who belong to them. `traits`: see [`Traits::stored`].
pub const TABLES: &str = "
CREATE TABLE IF NOT EXISTS people (
    website_id UHUGEINT NOT NULL,
    person UHUGEINT NOT NULL,
    first_ms BIGINT NOT NULL,
    identified_ms BIGINT NOT NULL,
    traits VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS identities (
    website_id UHUGEINT NOT NULL,
    visitor UBIGINT NOT NULL,
    person UHUGEINT NOT NULL,
    time_ms BIGINT NOT NULL
);
";

/// A row of `people` without its key.
struct Known {
    first_ms: i64,
    identified_ms: i64,
    traits: Traits,
}

/// Rows of `people` by website and person.
type People = BTreeMap<(Uuid, Uuid), Known>;

/// Rows of `identities`: the person and the time, by website and visitor.
type Identities = BTreeMap<(Uuid, u64), (Uuid, i64)>;

/// Stores the people identified by the events of a batch.
///
/// # Errors
/// Errors of the store.
pub fn write(connection: &Connection, events: &[Event]) -> duckdb::Result<()> {
    let (mut people, mut identities) = (People::new(), Identities::new());
    let identifying = |event: &&Event| event.kind == EventKind::Identify && event.bot.is_empty();
    for event in events.iter().filter(identifying) {
        let traits = Traits::sent(&event.traits, event.time_ms);
        let Some(person) = traits.person(event.website) else { continue };
        identify(&mut identities, (event.website, event.visitor), (person, event.time_ms));
        let known = Known { first_ms: event.time_ms, identified_ms: event.time_ms, traits };
        add(&mut people, (event.website, person), known);
    }
    if people.is_empty() {
        return Ok(());
    }
    let (mut stored, mut belonging) = read(connection, &people, &identities)?;
    for (key, known) in people {
        add(&mut stored, key, known);
    }
    for (key, person) in identities {
        identify(&mut belonging, key, person);
    }
    replace(connection, &stored, &belonging)
}

/// Adds what a later batch says of a person.
fn add(people: &mut People, key: (Uuid, Uuid), new: Known) {
    match people.get_mut(&key) {
        Some(known) => {
            known.first_ms = known.first_ms.min(new.first_ms);
            known.identified_ms = known.identified_ms.max(new.identified_ms);
            known.traits.merge(new.traits);
        }
        None => {
            people.insert(key, new);
        }
    }
}

/// Lets a visitor belong to a person unless it was identified later.
fn identify(identities: &mut Identities, key: (Uuid, u64), (person, time_ms): (Uuid, i64)) {
    if identities.get(&key).is_none_or(|(_, known_ms)| *known_ms <= time_ms) {
        identities.insert(key, (person, time_ms));
    }
}

/// The stored rows with the keys of these, whose keys are then in the temporary tables `named` and `met`.
fn read(connection: &Connection, people: &People, identities: &Identities) -> duckdb::Result<(People, Identities)> {
    connection.execute_batch(
        "CREATE OR REPLACE TEMP TABLE named (website_id UHUGEINT, person UHUGEINT); \
         CREATE OR REPLACE TEMP TABLE met (website_id UHUGEINT, visitor UBIGINT)",
    )?;
    let mut appender = connection.appender_to_catalog_and_db("named", "temp", "main")?;
    for (website, person) in people.keys() {
        appender.append_row(params![website.as_u128(), person.as_u128()])?;
    }
    appender.flush()?;
    drop(appender);
    let mut appender = connection.appender_to_catalog_and_db("met", "temp", "main")?;
    for (website, visitor) in identities.keys() {
        appender.append_row(params![website.as_u128(), visitor])?;
    }
    appender.flush()?;
    drop(appender);
    let known = |row: &Row<'_>| {
        let traits: String = row.get(4)?;
        let key = (Uuid::from_u128(row.get(0)?), Uuid::from_u128(row.get(1)?));
        let traits = Traits::from_stored(&traits);
        Ok((key, Known { first_ms: row.get(2)?, identified_ms: row.get(3)?, traits }))
    };
    let stored = connection
        .prepare("SELECT website_id, person, first_ms, identified_ms, traits FROM people SEMI JOIN temp.named USING (website_id, person)")?
        .query_map([], known)?
        .collect::<duckdb::Result<_>>()?;
    let belonging = connection
        .prepare("SELECT website_id, visitor, person, time_ms FROM identities SEMI JOIN temp.met USING (website_id, visitor)")?
        .query_map([], |row| {
            let key = (Uuid::from_u128(row.get(0)?), row.get(1)?);
            Ok((key, (Uuid::from_u128(row.get(2)?), row.get(3)?)))
        })?
        .collect::<duckdb::Result<_>>()?;
    Ok((stored, belonging))
}

/// Replaces the rows with the keys in `named` and `met`.
fn replace(connection: &Connection, people: &People, identities: &Identities) -> duckdb::Result<()> {
    connection.execute_batch(
        "DELETE FROM people p USING temp.named n WHERE p.website_id = n.website_id AND p.person = n.person; \
         DELETE FROM identities i USING temp.met m WHERE i.website_id = m.website_id AND i.visitor = m.visitor; \
         DROP TABLE temp.named; DROP TABLE temp.met",
    )?;
    let mut appender = connection.appender("people")?;
    for ((website, person), known) in people {
        let (traits, website, person) = (known.traits.stored(), website.as_u128(), person.as_u128());
        appender.append_row(params![website, person, known.first_ms, known.identified_ms, traits])?;
    }
    appender.flush()?;
    drop(appender);
    let mut appender = connection.appender("identities")?;
    for ((website, visitor), (person, time_ms)) in identities {
        appender.append_row(params![website.as_u128(), visitor, person.as_u128(), time_ms])?;
    }
    appender.flush()
}

/// The people that a query asks for.
///
/// # Errors
/// Errors of the store.
pub fn page(database: &Database, reader: &Connection, query: &PeopleQuery) -> duckdb::Result<PeoplePage> {
    database.begin(reader, query.website, (i64::MIN, i64::MAX))?;
    let statement = statement(query);
    let mut rows: Vec<PersonRow> = reader
        .prepare(&statement.text)?
        .query_map(params_from_iter(&statement.values), |row| {
            let traits: String = row.get(1)?;
            Ok(PersonRow {
                person: Uuid::from_u128(row.get(0)?),
                traits: Traits::from_stored(&traits),
                identified_ms: row.get(2)?,
                first_seen_ms: row.get(3)?,
                last_seen_ms: row.get(4)?,
                visits: row.get(5)?,
                pageviews: row.get(6)?,
                revenue_micros: row.get(7)?,
                payments: row.get(8)?,
            })
        })?
        .collect::<duckdb::Result<_>>()?;
    let more = rows.len() > query.limit as usize;
    rows.truncate(query.limit as usize);
    Ok(PeoplePage { rows, more })
}

/// One row more than requested if there are more.
fn statement(query: &PeopleQuery) -> Statement {
    let mut statement = Statement::default();
    let website = format!("website_id = {}::UHUGEINT", query.website.as_u128());
    let currency = statement.bind(&query.currency);
    let paid = format!(
        "SELECT i.person, e.amount_micros FROM identities i JOIN events e ON e.website_id = i.website_id AND e.visitor = i.visitor \
         WHERE i.{website} AND e.{website} AND e.bot = '' AND e.{} AND e.currency = {currency}",
        kinds(EventKind::is_revenue)
    );
    let mut conditions = String::new();
    if let Some(only) = query.only {
        let _ = write!(conditions, " AND person = {}::UHUGEINT", only.as_u128());
    }
    for condition in &query.conditions {
        let _ = write!(conditions, " AND {}", of_trait(condition, &mut statement));
    }
    if let Some(search) = &query.search {
        let part = dialect::folded(&statement.bind(search));
        let found = NAMED.iter().filter(|name| **name != "plan").map(|name| {
            let text = value_of(name, &mut statement);
            dialect::contains(&dialect::folded(&text), &part)
        });
        let found: Vec<String> = found.collect();
        let _ = write!(conditions, " AND ({})", found.join(" OR "));
    }
    if let Some(is_paying) = query.is_paying {
        let not = if is_paying { "" } else { "NOT " };
        let _ = write!(
            conditions,
            " AND person {not}IN (SELECT person FROM ({paid}) GROUP BY person HAVING sum(amount_micros) > 0)"
        );
    }
    if let Some((ms, person)) = query.after {
        let person = person.as_u128();
        let _ =
            write!(conditions, " AND (identified_ms < {ms} OR (identified_ms = {ms} AND person > {person}::UHUGEINT))");
    }
    statement.text = format!(
        "WITH page AS MATERIALIZED (SELECT person, first_ms, identified_ms, traits FROM people WHERE {website}{conditions} \
           ORDER BY identified_ms DESC, person LIMIT {}), \
         met AS MATERIALIZED (SELECT person, visitor FROM identities WHERE {website} AND person IN (SELECT person FROM page)), \
         seen AS (SELECT person, count(*) AS visits, sum(pageviews) AS pageviews, min(start_ms) AS first_ms, max(end_ms) AS last_ms \
           FROM met JOIN (FROM visits UNION ALL FROM open_visits) v ON v.visitor = met.visitor WHERE v.{website} AND v.bot = '' GROUP BY person), \
         paid AS (SELECT person, sum(amount_micros) AS micros, count(*) AS payments FROM ({paid}) WHERE person IN (SELECT person FROM page) GROUP BY person) \
         SELECT page.person, page.traits, page.identified_ms, least(page.first_ms, seen.first_ms), greatest(page.identified_ms, seen.last_ms), \
           coalesce(seen.visits, 0)::BIGINT, coalesce(seen.pageviews, 0)::BIGINT, coalesce(paid.micros, 0)::HUGEINT, coalesce(paid.payments, 0)::BIGINT \
         FROM page LEFT JOIN seen USING (person) LEFT JOIN paid USING (person) ORDER BY page.identified_ms DESC, page.person",
        u64::from(query.limit) + 1
    );
    statement
}

/// The value of a trait as text; empty if it is missing.
pub fn value_of(name: &str, statement: &mut Statement) -> String {
    let pointer = statement.bind(&format!("{}/0", dialect::pointer_to(name)));
    format!("coalesce(json_extract_string(traits, {pointer}), '')")
}

fn of_trait(condition: &TraitCondition, statement: &mut Statement) -> String {
    let text = value_of(&condition.name, statement);
    // E-mail addresses are stored in lower case.
    let lower = condition.name == EMAIL && condition.operator != FilterOperator::Matches;
    let spelled = |value: &String| if lower { value.to_lowercase() } else { value.clone() };
    let values: Vec<String> = condition.values.iter().map(spelled).collect();
    compared(&text, condition.operator, &values, statement)
}

/// Events of a person's visitors after a position, the oldest first, as JSON.
///
/// # Errors
/// Errors of the store.
pub fn events_of(
    reader: &Connection,
    website: Uuid,
    person: Uuid,
    after: Option<(i64, u128)>,
    limit: u32,
) -> duckdb::Result<PersonEvents> {
    let website = format!("website_id = {}::UHUGEINT", website.as_u128());
    let after = after.map_or(String::new(), |(ms, id)| {
        format!(" AND (time_ms > {ms} OR (time_ms = {ms} AND event_id > {id}::UHUGEINT))")
    });
    let names: Vec<String> =
        EventKind::ALL.iter().map(|kind| format!("WHEN {} THEN '{kind:?}'", kind.number())).collect();
    let text = format!(
        "WITH page AS (SELECT * FROM events WHERE {website} AND visitor IN (SELECT visitor FROM identities WHERE {website} AND person = {}::UHUGEINT){after} \
           ORDER BY time_ms, event_id LIMIT {}) \
         SELECT time_ms, event_id, to_json(e)::VARCHAR FROM (SELECT time_ms, event_id, make_timestamp_ms(time_ms)::VARCHAR || 'Z' AS at, \
           CASE kind {} END AS type, * EXCLUDE (website_id, time_ms, event_id, visitor, kind) FROM page) e ORDER BY time_ms, event_id",
        person.as_u128(),
        u64::from(limit) + 1,
        names.join(" ")
    );
    let mut rows: Vec<((i64, u128), String)> = reader
        .prepare(&text)?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
        .collect::<duckdb::Result<_>>()?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Ok(PersonEvents { rows, more })
}

/// The website of a person.
///
/// # Errors
/// Errors of the store.
pub fn website_of(reader: &Connection, person: Uuid) -> duckdb::Result<Option<Uuid>> {
    let text = format!("SELECT website_id FROM people WHERE person = {}::UHUGEINT LIMIT 1", person.as_u128());
    let mut statement = reader.prepare(&text)?;
    let mut found = statement.query_map([], |row| Ok(Uuid::from_u128(row.get(0)?)))?;
    found.next().transpose()
}

/// The people on a website who have this value of a trait, and their user IDs.
///
/// # Errors
/// Errors of the store.
pub fn with_trait(
    connection: &Connection,
    website: Uuid,
    name: &str,
    value: &str,
) -> duckdb::Result<Vec<(Uuid, Option<String>)>> {
    let mut statement = Statement::default();
    let (text, value) = (value_of(name, &mut statement), statement.bind(value));
    statement.text = format!(
        "SELECT person, traits FROM people WHERE website_id = {}::UHUGEINT AND {text} = {value}",
        website.as_u128()
    );
    connection
        .prepare(&statement.text)?
        .query_map(params_from_iter(&statement.values), |row| {
            let traits: String = row.get(1)?;
            Ok((Uuid::from_u128(row.get(0)?), Traits::from_stored(&traits).text(USER_ID)))
        })?
        .collect()
}
