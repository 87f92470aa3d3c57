//! Conversion of events and visits to rows of the store, and of rows back to events.

use std::sync::Arc;

use duckdb::{Appender, Row, params};
use schema::analytics::event::{Acquisition, Agent, Event, EventKind, Place};
use uuid::Uuid;

use super::visits::Visit;

/// Columns that [`event_of`] reads, in order: what a visit needs of its events (`e`), without names, titles and properties.
pub const VISIT_EVENT_COLUMNS: &str = "e.website_id, e.time_ms, e.event_id, e.visitor, e.kind, e.path, e.referrer, e.source, e.channel, \
     e.utm_source, e.utm_medium, e.utm_campaign, e.utm_term, e.utm_content, e.country, e.region, e.city, e.device, e.browser, \
     e.browser_version, e.os, e.os_version, e.screen, e.language, e.bot";

/// Appends one event.
///
/// # Errors
/// Errors of the store, such as a full disk.
pub fn append_event(appender: &mut Appender<'_>, event: &Event) -> duckdb::Result<()> {
    let (acquisition, place, agent) = (&event.acquisition, &event.place, &event.agent);
    appender.append_row(params![
        event.website.as_u128(),
        event.time_ms,
        event.id.as_u128(),
        event.visitor,
        event.kind.number(),
        &*event.name,
        &*event.hostname,
        &*event.path,
        &*event.title,
        acquisition.referrer,
        acquisition.source,
        acquisition.channel,
        acquisition.utm_source,
        acquisition.utm_medium,
        acquisition.utm_campaign,
        acquisition.utm_term,
        acquisition.utm_content,
        place.country,
        place.region,
        place.city,
        agent.device,
        agent.browser,
        agent.browser_version,
        agent.os,
        agent.os_version,
        &*event.screen,
        &*event.language,
        &*event.properties,
        event.amount_micros,
        &*event.currency,
        &*event.bot,
    ])
}

/// Appends one visit.
///
/// # Errors
/// Errors of the store, such as a full disk.
pub fn append_visit(appender: &mut Appender<'_>, visit: &Visit) -> duckdb::Result<()> {
    let (acquisition, place, agent) = (&visit.acquisition, &visit.place, &visit.agent);
    appender.append_row(params![
        visit.website.as_u128(),
        visit.visitor,
        visit.start_ms,
        visit.end_ms,
        visit.pageviews,
        visit.events,
        visit.interactions,
        visit.conversions,
        visit.score(),
        &*visit.entry_page,
        &*visit.exit_page,
        acquisition.referrer,
        acquisition.source,
        acquisition.channel,
        acquisition.utm_source,
        acquisition.utm_medium,
        acquisition.utm_campaign,
        acquisition.utm_term,
        acquisition.utm_content,
        place.country,
        place.region,
        place.city,
        agent.device,
        agent.browser,
        agent.browser_version,
        agent.os,
        agent.os_version,
        &*visit.screen,
        &*visit.language,
        &*visit.bot,
    ])
}

/// Reads an event, as far as a visit needs it, from a row of [`VISIT_EVENT_COLUMNS`].
///
/// # Errors
/// When a column is missing or has another type.
pub fn event_of(row: &Row<'_>) -> duckdb::Result<Event> {
    let text = |index: usize| row.get::<_, String>(index);
    let shared = |index: usize| text(index).map(Arc::<str>::from);
    let uuid = |index: usize| row.get::<_, u128>(index).map(Uuid::from_u128);
    let empty: Arc<str> = Arc::from("");
    Ok(Event {
        website: uuid(0)?,
        time_ms: row.get(1)?,
        id: uuid(2)?,
        visitor: row.get(3)?,
        kind: EventKind::of_number(row.get(4)?),
        name: empty.clone(),
        hostname: empty.clone(),
        path: shared(5)?,
        title: empty.clone(),
        acquisition: Arc::new(Acquisition {
            referrer: text(6)?,
            source: text(7)?,
            channel: text(8)?,
            utm_source: text(9)?,
            utm_medium: text(10)?,
            utm_campaign: text(11)?,
            utm_term: text(12)?,
            utm_content: text(13)?,
        }),
        place: Arc::new(Place { country: text(14)?, region: text(15)?, city: text(16)? }),
        agent: Arc::new(Agent {
            device: text(17)?,
            browser: text(18)?,
            browser_version: text(19)?,
            os: text(20)?,
            os_version: text(21)?,
        }),
        screen: shared(22)?,
        language: shared(23)?,
        properties: empty.clone(),
        amount_micros: 0,
        currency: empty,
        bot: shared(24)?,
    })
}
