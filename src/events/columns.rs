//! The columns of the event store: one table that yields the statements that create `events` and `visits`, the rows
//! written to them, and the events read back.
//!
//! - Rows are written by position, and earlier files have the earlier columns: a new column goes to the end.
//! - No indexes: the tables are scanned by column, pruned by the zone maps that time order gives.
//! - Text is never NULL; the empty string means "none".

use std::sync::{Arc, LazyLock};

use duckdb::{
    Appender, Connection, Row, appender_params_from_iter,
    types::{FromSql, ToSqlOutput, ValueRef},
};
use schema::analytics::event::{Acquisition, Agent, Event, EventKind, Place};
use uuid::Uuid;

use super::visits::Visit;

/// What visits take from their first event.
#[derive(Debug, Clone)]
pub struct FirstEvent {
    /// Location.
    pub place: Arc<Place>,
    /// Browser, operating system and device.
    pub agent: Arc<Agent>,
    /// Screen size.
    pub screen: Arc<str>,
    /// Language.
    pub language: Arc<str>,
    /// Reason for classifying the visit as bot traffic; empty for humans.
    pub bot: Arc<str>,
}

impl FirstEvent {
    /// Length of the texts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { place, agent, screen, language, bot: _ } = self;
        place.bytes() + agent.bytes() + screen.len() + language.len()
    }
}

impl From<&Event> for FirstEvent {
    fn from(event: &Event) -> Self {
        Self {
            place: event.place.clone(),
            agent: event.agent.clone(),
            screen: event.screen.clone(),
            language: event.language.clone(),
            bot: event.bot.clone(),
        }
    }
}

/// The columns of an event that visits are built from, as they are read.
#[derive(Default)]
struct ReadEvent {
    website: u128,
    time_ms: i64,
    id: u128,
    visitor: u64,
    kind: u8,
    path: Arc<str>,
    acquisition: Acquisition,
    place: Place,
    agent: Agent,
    screen: Arc<str>,
    language: Arc<str>,
    bot: Arc<str>,
    goals: u8,
    scroll: u8,
}

impl From<ReadEvent> for Event {
    fn from(read: ReadEvent) -> Self {
        let kind = EventKind::from_number(read.kind);
        Self {
            path: read.path,
            acquisition: Arc::new(read.acquisition),
            place: Arc::new(read.place),
            agent: Arc::new(read.agent),
            screen: read.screen,
            language: read.language,
            bot: read.bot,
            goals: read.goals,
            scroll: read.scroll,
            ..Self::new(Uuid::from_u128(read.website), Uuid::from_u128(read.id), read.time_ms, read.visitor, kind)
        }
    }
}

type OfEvent = fn(&Event) -> ValueRef<'_>;
type OfVisit = fn(&Visit) -> ValueRef<'_>;
type Read = fn(&mut ReadEvent, Cell<'_, '_>) -> duckdb::Result<()>;

/// A column of `events`, of `visits`, or of both.
struct Column {
    name: &'static str,
    sql_type: &'static str,
    /// Its value in a row of `events`; `None`: not a column of `events`.
    of_event: Option<OfEvent>,
    /// Its value in a row of `visits`; `None`: not a column of `visits`.
    of_visit: Option<OfVisit>,
    /// Reads its value in a row of `events`; `None`: visits are built without it.
    read: Option<Read>,
}

const fn event(name: &'static str, sql_type: &'static str, of_event: OfEvent) -> Column {
    Column { name, sql_type, of_event: Some(of_event), of_visit: None, read: None }
}

const fn visit(name: &'static str, sql_type: &'static str, of_visit: OfVisit) -> Column {
    Column { name, sql_type, of_event: None, of_visit: Some(of_visit), read: None }
}

impl Column {
    const fn and_visit(self, of_visit: OfVisit) -> Self {
        Self { of_visit: Some(of_visit), ..self }
    }

    const fn read(self, read: Read) -> Self {
        Self { read: Some(read), ..self }
    }
}

/// A text of each event that a visit keeps, where both have it.
macro_rules! kept {
    ($name:ident: $($of_event:ident).+, $($of_visit:ident).+) => {
        event(stringify!($name), "VARCHAR", |event| text(&event.$($of_event).+))
            .and_visit(|visit| text(&visit.$($of_visit).+))
            .read(|event, cell| cell.into(&mut event.$($of_event).+))
    };
}

/// All columns, in the order of the files; `events` and `visits` have those of them that state a value for it.
const COLUMNS: &[Column] = &[
    event("website_id", "UHUGEINT", |event| id(event.website))
        .and_visit(|visit| id(visit.website))
        .read(|event, cell| cell.into(&mut event.website)),
    event("time_ms", "BIGINT", |event| ValueRef::BigInt(event.time_ms))
        .read(|event, cell| cell.into(&mut event.time_ms)),
    event("event_id", "UHUGEINT", |event| id(event.id)).read(|event, cell| cell.into(&mut event.id)),
    event("visitor", "UBIGINT", |event| ValueRef::UBigInt(event.visitor))
        .and_visit(|visit| ValueRef::UBigInt(visit.visitor))
        .read(|event, cell| cell.into(&mut event.visitor)),
    event("kind", "UTINYINT", |event| ValueRef::UTinyInt(event.kind.number()))
        .read(|event, cell| cell.into(&mut event.kind)),
    visit("start_ms", "BIGINT", |visit| ValueRef::BigInt(visit.start_ms)),
    visit("end_ms", "BIGINT", |visit| ValueRef::BigInt(visit.end_ms)),
    visit("pageviews", "INTEGER", |visit| ValueRef::Int(visit.pageviews)),
    visit("events", "INTEGER", |visit| ValueRef::Int(visit.events)),
    visit("interactions", "INTEGER", |visit| ValueRef::Int(visit.interactions)),
    visit("conversions", "INTEGER", |visit| ValueRef::Int(visit.conversions)),
    visit("score", "UTINYINT", |visit| ValueRef::UTinyInt(visit.score())),
    visit("entry_page", "VARCHAR", |visit| text(&visit.entry_page)),
    visit("exit_page", "VARCHAR", |visit| text(&visit.exit_page)),
    event("name", "VARCHAR", |event| text(&event.name)),
    event("hostname", "VARCHAR", |event| text(&event.hostname)),
    event("path", "VARCHAR", |event| text(&event.path)).read(|event, cell| cell.into(&mut event.path)),
    event("title", "VARCHAR", |event| text(&event.title)),
    kept!(referrer: acquisition.referrer, acquisition.referrer),
    kept!(source: acquisition.source, acquisition.source),
    kept!(channel: acquisition.channel, acquisition.channel),
    kept!(utm_source: acquisition.utm_source, acquisition.utm_source),
    kept!(utm_medium: acquisition.utm_medium, acquisition.utm_medium),
    kept!(utm_campaign: acquisition.utm_campaign, acquisition.utm_campaign),
    kept!(utm_term: acquisition.utm_term, acquisition.utm_term),
    kept!(utm_content: acquisition.utm_content, acquisition.utm_content),
    kept!(country: place.country, first.place.country),
    kept!(region: place.region, first.place.region),
    kept!(city: place.city, first.place.city),
    kept!(device: agent.device, first.agent.device),
    kept!(browser: agent.browser, first.agent.browser),
    kept!(browser_version: agent.browser_version, first.agent.browser_version),
    kept!(os: agent.os, first.agent.os),
    kept!(os_version: agent.os_version, first.agent.os_version),
    kept!(screen: screen, first.screen),
    kept!(language: language, first.language),
    event("properties", "VARCHAR", |event| text(&event.properties)),
    event("amount_micros", "BIGINT", |event| ValueRef::BigInt(event.amount_micros)),
    event("currency", "VARCHAR", |event| text(&event.currency)),
    kept!(bot: bot, first.bot),
    event("goals", "UTINYINT", |event| ValueRef::UTinyInt(event.goals)).read(|event, cell| cell.into(&mut event.goals)),
    event("scroll", "UTINYINT", |event| ValueRef::UTinyInt(event.scroll))
        .read(|event, cell| cell.into(&mut event.scroll)),
];

const fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

const fn id(id: Uuid) -> ValueRef<'static> {
    ValueRef::UHugeInt(id.as_u128())
}

/// A value of a row that was read.
#[derive(Clone, Copy)]
struct Cell<'a, 's> {
    row: &'a Row<'s>,
    at: usize,
}

impl Cell<'_, '_> {
    fn into<T: FromSql>(self, field: &mut T) -> duckdb::Result<()> {
        *field = self.row.get(self.at)?;
        Ok(())
    }
}

/// The table by use.
struct Layout {
    of_events: Vec<OfEvent>,
    of_visits: Vec<OfVisit>,
    read: Vec<Read>,
}

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| Layout {
    of_events: COLUMNS.iter().filter_map(|column| column.of_event).collect(),
    of_visits: COLUMNS.iter().filter_map(|column| column.of_visit).collect(),
    read: COLUMNS.iter().filter_map(|column| column.read).collect(),
});

/// Creates the tables, and adds the columns that a file of an earlier version lacks. Safe to run at each start.
///
/// # Errors
/// Errors of the store, such as a full disk.
pub fn create(connection: &Connection) -> duckdb::Result<()> {
    create_table(connection, "events", |column| column.of_event.is_some())?;
    create_table(connection, "visits", |column| column.of_visit.is_some())
}

fn create_table(connection: &Connection, table: &str, has: impl Fn(&&Column) -> bool) -> duckdb::Result<()> {
    let columns = || COLUMNS.iter().filter(&has);
    let defined: Vec<String> =
        columns().map(|Column { name, sql_type, .. }| format!("{name} {sql_type} NOT NULL")).collect();
    connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} ({})", defined.join(", ")))?;
    let existing: Vec<String> = connection
        .prepare("SELECT column_name FROM duckdb_columns() WHERE table_name = ?")?
        .query_map([table], |row| row.get(0))?
        .collect::<duckdb::Result<_>>()?;
    for Column { name, sql_type, .. } in columns().filter(|column| !existing.iter().any(|known| known == column.name)) {
        let none = if *sql_type == "VARCHAR" { "''" } else { "0" };
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name} {sql_type} DEFAULT {none}"))?;
    }
    Ok(())
}

/// Columns that [`read_event`] reads, in order: what a visit needs of its events, which are called `e`.
pub fn visit_event_columns() -> String {
    let read = COLUMNS.iter().filter(|column| column.read.is_some());
    read.map(|column| format!("e.{}", column.name)).collect::<Vec<_>>().join(", ")
}

/// Length of the texts among [`visit_event_columns`], in bytes.
pub fn visit_event_bytes() -> String {
    let read = COLUMNS.iter().filter(|column| column.read.is_some() && column.sql_type == "VARCHAR");
    read.map(|column| format!("strlen(e.{})", column.name)).collect::<Vec<_>>().join(" + ")
}

/// Appends one event.
///
/// # Errors
/// Errors of the store, such as a full disk.
pub fn append_event(appender: &mut Appender<'_>, event: &Event) -> duckdb::Result<()> {
    let values = LAYOUT.of_events.iter().map(|value| ToSqlOutput::Borrowed(value(event)));
    appender.append_row(appender_params_from_iter(values))
}

/// Appends one visit.
///
/// # Errors
/// Errors of the store, such as a full disk.
pub fn append_visit(appender: &mut Appender<'_>, visit: &Visit) -> duckdb::Result<()> {
    let values = LAYOUT.of_visits.iter().map(|value| ToSqlOutput::Borrowed(value(visit)));
    appender.append_row(appender_params_from_iter(values))
}

/// Reads an event, as far as a visit needs it, from a row of [`visit_event_columns`].
///
/// # Errors
/// When a column is missing or has another type.
pub fn read_event(row: &Row<'_>) -> duckdb::Result<Event> {
    let mut event = ReadEvent::default();
    for (at, read) in LAYOUT.read.iter().enumerate() {
        read(&mut event, Cell { row, at })?;
    }
    Ok(event.into())
}

#[cfg(test)]
mod tests {
    use duckdb::types::Value;

    use super::*;

    fn store() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        connection
    }

    fn appended(connection: &Connection, event: &Event) {
        let mut appender = connection.appender("events").unwrap();
        append_event(&mut appender, event).unwrap();
        appender.flush().unwrap();
        drop(appender);
        let mut appender = connection.appender("visits").unwrap();
        append_visit(&mut appender, &Visit::begun_by(event)).unwrap();
        appender.flush().unwrap();
    }

    /// An event with a value of its own in each field.
    fn event() -> Event {
        let text = |name: &str| -> Arc<str> { name.into() };
        Event {
            website: Uuid::from_u128(1 << 100),
            id: Uuid::from_u128(u128::MAX),
            time_ms: 1_790_000_000_123,
            visitor: u64::MAX,
            kind: EventKind::Pageview,
            name: text("a name"),
            hostname: text("a host"),
            path: text("/a"),
            title: text("a title"),
            acquisition: Arc::new(Acquisition {
                referrer: "a referrer".into(),
                source: "a source".into(),
                channel: "a channel".into(),
                utm_source: "a utm source".into(),
                utm_medium: "a medium".into(),
                utm_campaign: "a campaign".into(),
                utm_term: "a term".into(),
                utm_content: "a content".into(),
            }),
            place: Arc::new(Place { country: "a country".into(), region: "a region".into(), city: "a city".into() }),
            agent: Arc::new(Agent {
                device: "a device".into(),
                browser: "a browser".into(),
                browser_version: "a version".into(),
                os: "an os".into(),
                os_version: "an os version".into(),
            }),
            screen: text("a screen"),
            language: text("a language"),
            properties: text("a property"),
            amount_micros: -17,
            currency: text("a currency"),
            bot: text("a reason"),
            goals: 201,
            scroll: 99,
            traits: text(""),
        }
    }

    /// All values in a structure, without their names.
    fn leaves(value: &serde_json::Value) -> Vec<String> {
        match value {
            serde_json::Value::Object(fields) => fields.values().flat_map(leaves).collect(),
            serde_json::Value::String(text) => vec![text.clone()],
            other => vec![other.to_string()],
        }
    }

    #[test]
    fn every_field_of_an_event_is_a_column() {
        let (connection, event) = (store(), event());
        appended(&connection, &event);
        let stored: Vec<String> = connection
            .query_row("FROM events", [], |row| {
                (0..LAYOUT.of_events.len())
                    .map(|at| {
                        Ok(match row.get(at)? {
                            Value::Text(text) => text,
                            Value::UHugeInt(id) => Uuid::from_u128(id).to_string(),
                            Value::BigInt(number) => number.to_string(),
                            Value::UBigInt(number) => number.to_string(),
                            Value::UTinyInt(0) => leaves(&serde_json::json!(EventKind::Pageview)).remove(0),
                            Value::UTinyInt(number) => number.to_string(),
                            other => format!("{other:?}"),
                        })
                    })
                    .collect()
            })
            .unwrap();
        let mut fields = serde_json::to_value(&event).unwrap();
        // Kept with the person.
        fields.as_object_mut().unwrap().remove("traits");
        for leaf in leaves(&fields) {
            assert!(stored.contains(&leaf), "{leaf} is in no column of {stored:?}");
        }
    }

    #[test]
    fn a_visit_built_from_the_store_is_that_of_the_event() {
        let (connection, event) = (store(), event());
        appended(&connection, &event);
        let select = format!("SELECT {} FROM events e", visit_event_columns());
        let read = connection.query_row(&select, [], read_event).unwrap();
        let mut appender = connection.appender("visits").unwrap();
        append_visit(&mut appender, &Visit::begun_by(&read)).unwrap();
        appender.flush().unwrap();
        drop(appender);
        let count = |text: &str| connection.query_row(text, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM visits"), 2);
        assert_eq!(count("SELECT count(*) FROM (SELECT DISTINCT * FROM visits)"), 1);
        let bytes = count(&format!("SELECT ({})::BIGINT FROM events e", visit_event_bytes()));
        let expected =
            event.path.len() + event.acquisition.bytes() + FirstEvent::from(&event).bytes() + event.bot.len();
        assert_eq!(bytes, expected as i64);
    }

    #[test]
    fn a_file_of_an_earlier_version_gets_the_columns_it_lacks() {
        let columns = |connection: &Connection, table: &str| -> Vec<(String, String)> {
            let mut statement = connection.prepare(&format!("DESCRIBE {table}")).unwrap();
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
        };
        let connection = store();
        let expected = ["events", "visits"].map(|table| columns(&connection, table));
        for table in ["events", "visits"] {
            connection.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN bot")).unwrap();
        }
        for column in ["goals", "scroll"] {
            connection.execute_batch(&format!("ALTER TABLE events DROP COLUMN {column}")).unwrap();
        }
        create(&connection).unwrap();
        assert_eq!(["events", "visits"].map(|table| columns(&connection, table)), expected);
        appended(&connection, &event());
        let bot: String = connection.query_row("SELECT bot FROM visits", [], |row| row.get(0)).unwrap();
        assert_eq!(bot, "a reason");
    }
}
