//! How events and visits become rows of the store, and how stored events come back.

use std::sync::Arc;

use duckdb::{Appender, Row, params};
use schema::analytics::event::{Acquisition, Agent, Event, EventKind, Place};
use uuid::Uuid;

use super::visits::Visit;

/// Columns that [`event_of`] reads, in order.
pub const EVENT_COLUMNS: &str = "website_id, time_ms, event_id, visitor, kind, name, hostname, path, title, referrer, source, channel, \
     utm_source, utm_medium, utm_campaign, utm_term, utm_content, country, region, city, device, browser, browser_version, os, \
     os_version, screen, language, properties, amount_micros, currency, bot";

/// Appends one event.
///
/// # Errors
/// Whatever the store refuses, such as a full disk.
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
/// Whatever the store refuses, such as a full disk.
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

/// Reads an event from a row of [`EVENT_COLUMNS`].
///
/// # Errors
/// When a column is missing or of another type.
pub fn event_of(row: &Row<'_>) -> duckdb::Result<Event> {
    let text = |index: usize| row.get::<_, String>(index);
    let shared = |index: usize| text(index).map(Arc::<str>::from);
    let uuid = |index: usize| row.get::<_, u128>(index).map(Uuid::from_u128);
    Ok(Event {
        website: uuid(0)?,
        time_ms: row.get(1)?,
        id: uuid(2)?,
        visitor: row.get(3)?,
        kind: EventKind::of_number(row.get(4)?),
        name: shared(5)?,
        hostname: shared(6)?,
        path: shared(7)?,
        title: shared(8)?,
        acquisition: Arc::new(Acquisition {
            referrer: text(9)?,
            source: text(10)?,
            channel: text(11)?,
            utm_source: text(12)?,
            utm_medium: text(13)?,
            utm_campaign: text(14)?,
            utm_term: text(15)?,
            utm_content: text(16)?,
        }),
        place: Arc::new(Place { country: text(17)?, region: text(18)?, city: text(19)? }),
        agent: Arc::new(Agent {
            device: text(20)?,
            browser: text(21)?,
            browser_version: text(22)?,
            os: text(23)?,
            os_version: text(24)?,
        }),
        screen: shared(25)?,
        language: shared(26)?,
        properties: shared(27)?,
        amount_micros: row.get(28)?,
        currency: shared(29)?,
        bot: shared(30)?,
    })
}
