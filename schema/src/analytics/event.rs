//! A stored event: the row that ingest produces and the event store keeps.
//!
//! - It never contains an IP address: its visitor is derived from it beforehand.
//! - Values shared by many events (user agent, location, acquisition) are `Arc`s, so that a batch stays small.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::event_kind::EventKind;

/// Browser, operating system and device, parsed from the user agent. Empty if unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Agent {
    /// `desktop`, `mobile`, `tablet`, or empty.
    pub device: String,
    /// Family name of uap-core, such as `Chrome Mobile`.
    pub browser: String,
    /// Dotted version, as far as known, such as `120.0`.
    pub browser_version: String,
    /// Family name of uap-core, such as `Mac OS X`.
    pub os: String,
    /// Dotted version, as far as known.
    pub os_version: String,
}

impl Agent {
    /// Length of the texts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { device, browser, browser_version, os, os_version } = self;
        [device, browser, browser_version, os, os_version].map(String::len).iter().sum()
    }
}

/// Location derived from the IP address. Empty if unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// ISO 3166-2 subdivision code or name.
    pub region: String,
    /// City name in English.
    pub city: String,
}

impl Place {
    /// Length of the texts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { country, region, city } = self;
        [country, region, city].map(String::len).iter().sum()
    }
}

/// All stored device types except the empty one.
pub const DEVICES: &[&str] = &["desktop", "mobile", "tablet"];

/// All stored channels except the empty one.
pub const CHANNELS: &[&str] = &[
    "Direct",
    "Organic Search",
    "Organic Social",
    "Organic Video",
    "Organic Shopping",
    "AI Assistants",
    "Email",
    "Referral",
    "Paid Search",
    "Paid Social",
    "Paid Video",
    "Paid Shopping",
    "Paid Other",
    "Display",
    "Affiliates",
    "SMS",
    "Audio",
    "Push Notifications",
    "Other Campaigns",
];

/// Acquisition: referrer and campaign. Empty if none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acquisition {
    /// Host of the referring page, lower case, without `www.`; empty if none or if it is the site's own host.
    pub referrer: String,
    /// Source name, such as `Google`; empty for direct traffic.
    pub source: String,
    /// Channel name, such as `Organic Search`; `Direct` without a source.
    pub channel: String,
    /// `utm_source` as sent.
    pub utm_source: String,
    /// `utm_medium` as sent.
    pub utm_medium: String,
    /// `utm_campaign` as sent.
    pub utm_campaign: String,
    /// `utm_term` as sent.
    pub utm_term: String,
    /// `utm_content` as sent.
    pub utm_content: String,
}

impl Acquisition {
    /// Length of the texts, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { referrer, source, channel, utm_source, utm_medium, utm_campaign, utm_term, utm_content } = self;
        [referrer, source, channel, utm_source, utm_medium, utm_campaign, utm_term, utm_content]
            .map(String::len)
            .iter()
            .sum()
    }
}

/// One event. `V` is its visitor: the stored key or, on the way to the writer that decides it, what the key follows from.
///
/// A new field goes to the end, has `#[serde(default)]` and adds one to [`Event::FIELDS`]: journals of earlier versions stay readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event<V = u64> {
    /// ID of the website.
    pub website: Uuid,
    /// Event ID. Events with the same website, time and ID count once.
    pub id: Uuid,
    /// Time of the event, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Visitor: 64 bits of a keyed hash, unique per website.
    pub visitor: V,
    /// Type of the event.
    pub kind: EventKind,
    /// Name of a custom event or goal; empty for page views.
    pub name: Arc<str>,
    /// Host of the page, lower case.
    pub hostname: Arc<str>,
    /// Path of the page as requested, with its hash route (`/app#/orders`), without query and fragment.
    pub path: Arc<str>,
    /// Title of the page; empty if unknown.
    pub title: Arc<str>,
    /// How the visitor came to this page.
    pub acquisition: Arc<Acquisition>,
    /// Location of the visitor.
    pub place: Arc<Place>,
    /// Browser, operating system and device of the visitor.
    pub agent: Arc<Agent>,
    /// `WIDTHxHEIGHT` in CSS pixels; empty if unknown.
    pub screen: Arc<str>,
    /// BCP 47 tag such as `en-US`; empty if unknown.
    pub language: Arc<str>,
    /// Custom properties as a flat JSON object; empty if none.
    pub properties: Arc<str>,
    /// Amount in millionths of `currency`.
    pub amount_micros: i64,
    /// ISO 4217 code; empty for events without an amount.
    pub currency: Arc<str>,
    /// Reason for classifying the event as bot traffic; empty for humans. Queries exclude bots by default.
    pub bot: Arc<str>,
    /// Number of the website's goals that it completed, as they were defined when it arrived.
    #[serde(default)]
    pub goals: u8,
    /// Deepest scroll position that it reports, in percent of the page.
    #[serde(default)]
    pub scroll: u8,
    /// Traits of an identification, a flat JSON object with `user_id` or `email`; empty for all other events. They are stored
    /// with the person (see [`crate::people::traits`]), not with the event.
    #[serde(default)]
    pub traits: Arc<str>,
}

/// What events without a value share.
#[derive(Default)]
struct Nothing {
    text: Arc<str>,
    acquisition: Arc<Acquisition>,
    place: Arc<Place>,
    agent: Arc<Agent>,
}

static NOTHING: LazyLock<Nothing> = LazyLock::new(Nothing::default);

/// A text of an event; empty ones share their memory.
#[must_use]
pub fn shared(text: &str) -> Arc<str> {
    if text.is_empty() { Arc::clone(&NOTHING.text) } else { text.into() }
}

impl<V> Event<V> {
    /// How many fields there are.
    pub const FIELDS: usize = 21;

    /// An event about which nothing else is known.
    #[must_use]
    pub fn new(website: Uuid, id: Uuid, time_ms: i64, visitor: V, kind: EventKind) -> Self {
        let Nothing { text, acquisition, place, agent } = &*NOTHING;
        Self {
            website,
            id,
            time_ms,
            visitor,
            kind,
            name: Arc::clone(text),
            hostname: Arc::clone(text),
            path: Arc::clone(text),
            title: Arc::clone(text),
            acquisition: Arc::clone(acquisition),
            place: Arc::clone(place),
            agent: Arc::clone(agent),
            screen: Arc::clone(text),
            language: Arc::clone(text),
            properties: Arc::clone(text),
            amount_micros: 0,
            currency: Arc::clone(text),
            bot: Arc::clone(text),
            goals: 0,
            scroll: 0,
            traits: Arc::clone(text),
        }
    }

    /// Length of the texts that senders choose, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Self { name, hostname, path, title, acquisition, properties, traits, .. } = self;
        [name, hostname, path, title, properties, traits].map(|text| text.len()).iter().sum::<usize>()
            + acquisition.bytes()
    }

    /// The same event with another visitor.
    #[must_use]
    pub fn with_visitor<W>(self, visitor: W) -> Event<W> {
        Event {
            website: self.website,
            id: self.id,
            time_ms: self.time_ms,
            visitor,
            kind: self.kind,
            name: self.name,
            hostname: self.hostname,
            path: self.path,
            title: self.title,
            acquisition: self.acquisition,
            place: self.place,
            agent: self.agent,
            screen: self.screen,
            language: self.language,
            properties: self.properties,
            amount_micros: self.amount_micros,
            currency: self.currency,
            bot: self.bot,
            goals: self.goals,
            scroll: self.scroll,
            traits: self.traits,
        }
    }
}

/// Inactivity that ends a visit, in milliseconds: 30 minutes (CONTRACT 14).
pub const VISIT_GAP_MS: i64 = 30 * 60 * 1000;

/// A visitor's key in the form of a UUID (version 8, custom layout), as clients expect.
#[must_use]
pub fn visitor_uuid(visitor: u64) -> Uuid {
    let visitor = u128::from(visitor);
    let (head, middle, tail) = (visitor >> 16, (visitor >> 4) & 0xfff, visitor & 0xf);
    Uuid::from_u128(head << 80 | 0x8 << 76 | middle << 64 | 0b10 << 62 | tail)
}

/// Reverses [`visitor_uuid`]; `None` for any other UUID.
#[must_use]
pub fn visitor_key(uuid: Uuid) -> Option<u64> {
    let bits = uuid.as_u128();
    let (head, middle, tail) = (bits >> 80, (bits >> 64) & 0xfff, bits & 0xf);
    let visitor = u64::try_from(head << 16 | middle << 4 | tail).ok()?;
    (visitor_uuid(visitor) == uuid).then_some(visitor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitors_key_fits_into_a_uuid_of_version_8() {
        let uuid = visitor_uuid(0x0123_4567_89ab_cdef);
        assert_eq!(uuid.to_string(), "01234567-89ab-8cde-8000-00000000000f");
        assert_eq!(uuid.get_version_num(), 8);
    }
}
