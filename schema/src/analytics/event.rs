//! What is stored of one thing a visitor did: the row that ingest makes and the event store keeps.
//!
//! - An address never appears here; identity has turned it into `visitor` before.
//! - Values that many events share (agent, place, acquisition) sit behind `Arc`s, so that a batch stays small.

use std::sync::Arc;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What kind of thing happened.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[graphql(name = "EventType")]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A page was viewed.
    Pageview,
    /// A custom event that counts as an interaction.
    Custom,
    /// A scroll milestone: an event, but no interaction.
    Scroll,
    /// A goal completion; `name` is the goal. One with a value is money received as well.
    Goal,
    /// Money received (or, below 0, paid back), with an amount and a currency.
    Revenue,
    /// A page is still looked at: lengthens the visit, is counted nowhere.
    Heartbeat,
    /// A visitor said who they are: an event, but no interaction.
    Identify,
}

impl EventKind {
    /// The number stored in the event table.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Pageview => 0,
            Self::Custom => 1,
            Self::Scroll => 2,
            Self::Goal => 3,
            Self::Revenue => 4,
            Self::Heartbeat => 5,
            Self::Identify => 6,
        }
    }

    /// The kind a stored number stands for.
    #[must_use]
    pub const fn of_number(number: u8) -> Self {
        match number {
            0 => Self::Pageview,
            2 => Self::Scroll,
            3 => Self::Goal,
            4 => Self::Revenue,
            5 => Self::Heartbeat,
            6 => Self::Identify,
            _ => Self::Custom,
        }
    }

    /// Whether it counts in `events`: everything but page views and heartbeats.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        !matches!(self, Self::Pageview | Self::Heartbeat)
    }

    /// Whether a visit with this event and one page view is no bounce.
    #[must_use]
    pub const fn is_interaction(self) -> bool {
        matches!(self, Self::Custom | Self::Goal | Self::Revenue)
    }
}

/// Browser, operating system and device, as the user agent tells them. Empty where unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Agent {
    /// `desktop`, `mobile`, `tablet`, or empty.
    pub device: String,
    /// Family name of uap-core, such as `Chrome Mobile`.
    pub browser: String,
    /// Dotted version as far as known, such as `120.0`.
    pub browser_version: String,
    /// Family name of uap-core, such as `Mac OS X`.
    pub os: String,
    /// Dotted version as far as known.
    pub os_version: String,
}

/// Where the visitor was, as the address tells. Empty where unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// ISO 3166-2 subdivision code or name.
    pub region: String,
    /// City name in English.
    pub city: String,
}

/// Every device type that is stored, beside the empty one.
pub const DEVICES: &[&str] = &["desktop", "mobile", "tablet"];

/// Every channel that is stored, beside the empty one.
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

/// How the visitor came: referrer and campaign. Empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acquisition {
    /// Host of the referring page, lower case, without `www.`; empty for none and for the site's own host.
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

/// One stored event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Which website it belongs to.
    pub website: Uuid,
    /// Its identity: an id seen before at the same time on the same website counts once.
    pub id: Uuid,
    /// When it happened, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Who did it: 64 bits of a keyed hash, unique per website.
    pub visitor: u64,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// Name of a custom event or goal; empty for page views.
    pub name: Arc<str>,
    /// Host of the page, lower case.
    pub hostname: Arc<str>,
    /// Path of the page as requested with its hash route (`/app#/orders`), without query and anchor.
    pub path: Arc<str>,
    /// Title of the page; empty where unknown.
    pub title: Arc<str>,
    /// How the visitor came to this page.
    pub acquisition: Arc<Acquisition>,
    /// Where the visitor was.
    pub place: Arc<Place>,
    /// What the visitor used.
    pub agent: Arc<Agent>,
    /// `WIDTHxHEIGHT` in CSS pixels; empty where unknown.
    pub screen: Arc<str>,
    /// BCP 47 tag such as `en-US`; empty where unknown.
    pub language: Arc<str>,
    /// Custom properties as a flat JSON object; empty for none.
    pub properties: Arc<str>,
    /// Money in millionths of `currency`.
    pub amount_micros: i64,
    /// ISO 4217 code; empty where the event is not about money.
    pub currency: Arc<str>,
    /// Why this was no person; empty for people. Questions leave machines out unless they ask for them.
    pub bot: Arc<str>,
}

/// Inactivity that ends a visit, in milliseconds: 30 minutes (CONTRACT 14).
pub const VISIT_GAP_MS: i64 = 30 * 60 * 1000;
