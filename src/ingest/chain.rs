//! Enrichment: turns an admitted beacon into an event, with the lookups it needs.
//!
//! - The IP address is replaced by a place and a visitor's hash.
//! - A bot's event is created like a human's, with the reason.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    sync::Arc,
};

use schema::{
    analytics::event::{Acquisition, Event, EventKind, shared},
    error::{Error, Result},
    ports::{Clock, Ids},
};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::{
    admission::Admitted,
    agent::{Known, cut},
    beacon::{Beacon, language_of},
    bots,
    channel::{Campaign, acquire, referrer_host},
    enrich::Enricher,
    identity::{DAY_MS, Identity, Secret},
    page::Page,
    properties::Properties,
    rules::Site,
    salts::Salts,
    session_agents::SessionAgents,
    submission::{Enriched, VisitorKey},
};

/// Maximum age of a beacon, in milliseconds; browsers keep for that long what they could not send.
const OLDEST_MS: i64 = DAY_MS;

/// Maximum lead of a sender's clock, in milliseconds.
const AHEAD_MS: i64 = 60_000;

/// Event enrichment.
#[derive(Clone)]
pub struct Chain {
    /// Lookup of user agents and places.
    pub enricher: Arc<Enricher>,
    /// The installation's secret: keys visitors with sender IDs.
    pub secret: Secret,
    /// The salts: key all other visitors.
    pub salts: Arc<Salts>,
    /// User agents from the bodies of proxied sessions.
    pub session_agents: Arc<SessionAgents>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// IDs for events without one.
    pub ids: Arc<dyn Ids>,
}

impl Chain {
    /// Completes an event. Its time is the sender's, corrected for its clock error if known, and the server's if it
    /// is more than a day in the past or in the future.
    ///
    /// # Errors
    /// Internal, when a salt cannot be stored.
    pub fn event(&self, admitted: Admitted<'_>) -> Result<Enriched> {
        let Admitted { site, beacon, sender } = admitted;
        let now_ms = self.clock.now().timestamp_millis();
        let website = site.rules.website;
        let user_agent = self.user_agent(website, &beacon, sender.user_agent);
        let user_agent = cut(&user_agent);
        let Known { mut agent, machine } = self.enricher.known(user_agent);
        if agent.device.is_empty() && !beacon.device.is_empty() {
            Arc::make_mut(&mut agent).device.clone_from(&beacon.device);
        }
        // A body may claim any browser, so the request's header takes precedence. A proxy may omit the header, or send
        // its own.
        let header = Some(sender.user_agent).filter(|header| !header.is_empty() && *header != user_agent);
        let of_header = header.and_then(|header| self.enricher.known(header).machine);
        let of_header = of_header.filter(|rule| *rule != bots::UNLIKE_BROWSERS);
        let of_itself = beacon.webdriver.then_some(bots::AUTOMATED);
        let in_datacentre = || self.enricher.datacentre(sender.address?);
        let bot = sender.machine.or(of_header).or(machine).or(of_itself).or_else(in_datacentre).unwrap_or_default();
        let place = sender.address.map(|address| self.enricher.place_of(address)).unwrap_or_default();
        let time_ms = sender.happened_ms.unwrap_or_else(|| time_of(beacon.at_ms, beacon.sent_ms, now_ms));
        let day = time_ms.div_euclid(DAY_MS);
        let visitor = self.visitor(site, &beacon, sender.address, user_agent, day)?;
        let collapse = (beacon.kind.is_pageview() && sender.collapses).then(|| hash_of(&beacon.page));
        let name = order_of(&beacon).or_else(|| beacon.event_id.clone());
        let is_named = name.is_some();
        let id = name.map_or_else(|| self.ids.uuid(), |name| id_of(website, &name));
        let mut properties = beacon.properties;
        if sender.opted_out {
            properties.set("gpc_opted_out", true);
        }
        let money = beacon.money.map(|money| money.or_in(&site.rules.currency)).unwrap_or_default();
        let scroll = scroll_of(beacon.kind, &properties);
        let mut event = Event {
            website,
            id,
            time_ms,
            visitor,
            kind: beacon.kind,
            name: shared(&beacon.name),
            hostname: shared(&beacon.page.host),
            path: shared(&beacon.page.path),
            title: shared(&beacon.title),
            acquisition: acquisition(&beacon.referrer, &beacon.page.query, &site.rules.senders.domain),
            place: Arc::new(place),
            agent,
            screen: shared(&beacon.screen),
            language: if sender.opted_out { shared("") } else { shared(&language_of(&beacon.language)) },
            properties: shared(&properties.json()),
            amount_micros: money.micros,
            currency: shared(&money.currency),
            bot: shared(bot),
            goals: 0,
            scroll,
            traits: shared(&beacon.traits),
        };
        let completed = site.goals.completed_by(&event);
        event.goals = u8::try_from(completed.len()).unwrap_or(u8::MAX);
        let quota = site.rules.events_per_month.map(|limit| (site.rules.team, limit));
        let subscriptions = site.rules.subscriptions.clone();
        Ok(Enriched { event, collapse, is_named, completed, subscriptions, quota })
    }

    /// The visitor's user agent: from the body, else from the session's page view through the same proxy, else from the
    /// header.
    fn user_agent<'a>(&self, website: Uuid, beacon: &'a Beacon, header: &'a str) -> Cow<'a, str> {
        let told = beacon.user_agent.as_deref().filter(|text| !text.is_empty());
        let is_proxied = !beacon.session.is_empty() && told != Some(header) && !begins_as_browsers_do(header);
        match told {
            Some(told) => {
                if is_proxied {
                    self.session_agents.remember(website, &beacon.session, cut(told));
                }
                Cow::Borrowed(told)
            }
            None if is_proxied => {
                let told = self.session_agents.of(website, &beacon.session);
                told.map_or(Cow::Borrowed(header), |told| Cow::Owned(told.into_string()))
            }
            None => Cow::Borrowed(header),
        }
    }

    fn visitor(
        &self,
        site: &Site,
        beacon: &Beacon,
        address: Option<IpAddr>,
        user_agent: &str,
        day: i64,
    ) -> Result<VisitorKey> {
        let website = site.rules.website;
        if let Some(id) = beacon.visitor_id.as_ref().filter(|_| !site.rules.cookieless) {
            return Ok(VisitorKey::Known(Identity::new(&self.secret, website).known(id)));
        }
        let salts = self.salts.at(self.clock.now().timestamp_millis()).map_err(Error::internal)?;
        let address = address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
        let key = |day: i64| Identity::new(salts.of(day), website).visitor(&address, user_agent, day);
        Ok(VisitorKey::Cookieless { that_day: key(day), day_before: key(day - 1) })
    }
}

/// Every browser sends it; a proxy with its own user agent does not.
fn begins_as_browsers_do(user_agent: &str) -> bool {
    user_agent.starts_with("Mozilla/") || user_agent.starts_with("Opera/")
}

fn acquisition(referrer: &str, query: &str, domain: &str) -> Arc<Acquisition> {
    let campaign = if Campaign::is_in(query) { Campaign::of_query(query) } else { Campaign::default() };
    Arc::new(acquire(referrer_host(referrer, domain), campaign))
}

/// Deduplication key of a revenue event with an order ID. An order counts once even if several senders report it; so does
/// each of its refunds.
fn order_of(beacon: &Beacon) -> Option<String> {
    let money = beacon.money.as_ref().filter(|_| beacon.kind == EventKind::Revenue)?;
    let order = beacon.properties.identifier("order_id")?;
    if money.micros >= 0 {
        return Some(order_key(&order));
    }
    let refund = beacon.properties.identifier("refund_id").or_else(|| beacon.event_id.clone());
    Some(format!("refund\0{order}\0{}", refund.unwrap_or_else(|| money.micros.to_string())))
}

/// The name of the event of an order, for [`id_of`].
#[must_use]
pub fn order_key(order: &str) -> String {
    format!("order\0{order}")
}

fn hash_of(page: &Page) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&page.host, &page.path, &page.query, &page.fragment).hash(&mut hasher);
    hasher.finish()
}

/// The scroll position that a milestone or a heartbeat reports, in percent.
fn scroll_of(kind: EventKind, properties: &Properties) -> u8 {
    let depth = match kind {
        EventKind::Scroll => properties.number("depth"),
        EventKind::Heartbeat => properties.number("scroll_depth"),
        _ => None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    depth.map_or(0, |depth| depth.clamp(0.0, 100.0) as u8)
}

/// The event ID for an ID given by the sender.
#[must_use]
pub fn id_of(website: Uuid, id: &str) -> Uuid {
    let whole: [u8; 32] = Sha256::new_with_prefix(b"event")
        .chain_update(website.as_bytes())
        .chain_update(id.as_bytes())
        .finalize()
        .into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&whole[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// Time of the event, by the server's clock.
fn time_of(at_ms: Option<i64>, sent_ms: Option<i64>, now_ms: i64) -> i64 {
    match (at_ms, sent_ms) {
        (Some(at), Some(sent)) if (0..=OLDEST_MS).contains(&sent.saturating_sub(at)) => now_ms - (sent - at),
        (Some(at), None) if (now_ms - OLDEST_MS..=now_ms.saturating_add(AHEAD_MS)).contains(&at) => at.min(now_ms),
        _ => now_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_time_counts_as_far_as_it_can_be_right() {
        let now = 1_790_000_000_000;
        for (at, sent, expected) in [
            (None, None, now),
            (Some(now - 5_000), None, now - 5_000),
            (Some(now + 5_000), None, now),
            (Some(now + 3_600_000), None, now),
            (Some(now - 25 * 3_600_000), None, now),
            (Some(-5), None, now),
            (Some(i64::MAX), None, now),
            (Some(i64::MIN), Some(i64::MAX), now),
            // A clock that is three hours slow, ten seconds after it happened.
            (Some(now - 10_810_000), Some(now - 10_800_000), now - 10_000),
            (Some(now), Some(now - 1), now),
        ] {
            assert_eq!(time_of(at, sent, now), expected, "{at:?} {sent:?}");
        }
    }

    #[test]
    fn ids_differ_by_website_and_text() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(id_of(a, "12345678"), id_of(a, "12345678"));
        assert_ne!(id_of(a, "12345678"), id_of(b, "12345678"));
        assert_ne!(id_of(a, "12345678"), id_of(a, "12345679"));
    }
}
