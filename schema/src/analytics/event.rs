//! A stored event: the row that ingest produces and the event store keeps.
//!
//! - It never contains an IP address: `visitor` is derived from it beforehand.
//! - Values shared by many events (user agent, location, acquisition) are `Arc`s, so that a batch stays small.

use std::sync::Arc;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Type of an event.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[graphql(name = "EventType")]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A page view.
    Pageview,
    /// A custom event that counts as an interaction.
    Custom,
    /// A scroll milestone. Counts as an event but not as an interaction.
    Scroll,
    /// A goal completion. `name` is the goal; a completion with a value is also revenue.
    Goal,
    /// Revenue, with an amount and a currency. A negative amount is a refund.
    Revenue,
    /// A heartbeat from an open page. Extends the visit and is not counted.
    Heartbeat,
    /// An identification of the visitor. Counts as an event but not as an interaction.
    Identify,
}

impl EventKind {
    /// The number that represents the kind in the event table.
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

    /// The kind for a stored number.
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

    /// Whether the kind counts in `events`: all except page views and heartbeats.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        !matches!(self, Self::Pageview | Self::Heartbeat)
    }

    /// Whether an event of this kind keeps a visit with one page view from being a bounce.
    #[must_use]
    pub const fn is_interaction(self) -> bool {
        matches!(self, Self::Custom | Self::Goal | Self::Revenue)
    }
}

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

/// One stored event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// ID of the website.
    pub website: Uuid,
    /// Event ID. Events with the same website, time and ID count once.
    pub id: Uuid,
    /// Time of the event, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Visitor: 64 bits of a keyed hash, unique per website.
    pub visitor: u64,
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
}

/// Inactivity that ends a visit, in milliseconds: 30 minutes (CONTRACT 14).
pub const VISIT_GAP_MS: i64 = 30 * 60 * 1000;
