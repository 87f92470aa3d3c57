//! Live traffic: what ingest knows of a website, what it counts, and who is there now.
//!
//! - [`Rules`] are what ingest reads of the control plane; nothing is asked per beacon.
//! - [`Outcome`] is closed: everything that was sent ends in one of them.

use std::sync::Arc;

use async_graphql::Enum;
use entity::website;
use uuid::Uuid;

use crate::website_row::{ALLOW_LOCALHOST, domains_of};

/// What becomes of something that was sent.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Stored, or on its way to the store and no longer losable.
    Accepted,
    /// The same event was sent before, or the same page view within five seconds.
    Duplicate,
    /// A machine: stored with its reason, and left out of every answer that does not ask for machines.
    Bot,
    /// The page's host is none of the website's.
    ForeignOrigin,
    /// Neither `Origin` nor `Referer` was sent.
    MissingOrigin,
    /// The page's host is local, and the website does not allow that.
    LocalOrigin,
    /// The visitor's address is excluded.
    ExcludedIp,
    /// The page's path is excluded.
    ExcludedPath,
    /// A field is missing or cannot be used.
    Malformed,
    /// The website's tracking is paused.
    Paused,
    /// A heartbeat of nobody who is there.
    NoVisit,
    /// The visitor opted out (`Sec-GPC`) and the sender is a server.
    GpcOptedOut,
    /// The time lies too far in the past or in the future.
    BadTime,
    /// The address sent too much, where the operator limits that.
    RateLimited,
    /// The website does not record this kind of event (`settings`).
    NotTracked,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Bot,
        Self::ForeignOrigin,
        Self::MissingOrigin,
        Self::LocalOrigin,
        Self::ExcludedIp,
        Self::ExcludedPath,
        Self::Malformed,
        Self::Paused,
        Self::NoVisit,
        Self::GpcOptedOut,
        Self::BadTime,
        Self::RateLimited,
        Self::NotTracked,
    ];

    /// The name in `X-Footfall-Dropped`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Duplicate => "Duplicate",
            Self::Bot => "Bot",
            Self::ForeignOrigin => "ForeignOrigin",
            Self::MissingOrigin => "MissingOrigin",
            Self::LocalOrigin => "LocalOrigin",
            Self::ExcludedIp => "ExcludedIp",
            Self::ExcludedPath => "ExcludedPath",
            Self::Malformed => "Malformed",
            Self::Paused => "Paused",
            Self::NoVisit => "NoVisit",
            Self::GpcOptedOut => "GpcOptedOut",
            Self::BadTime => "BadTime",
            Self::RateLimited => "RateLimited",
            Self::NotTracked => "NotTracked",
        }
    }

    /// The number that the ledger stores.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The outcome a stored number stands for.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Who is there now: figures of the last five minutes, and of each of the last thirty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveFigures {
    /// Visitors with an event or a heartbeat in the last five minutes.
    pub visitors: u64,
    /// Page views of the last five minutes.
    pub pageviews: u64,
    /// Page views of each of the last thirty minutes, the oldest first; the last one has only begun.
    pub minutes: Vec<u64>,
    /// Visitors with an event or a heartbeat in each of the same minutes.
    pub visitor_minutes: Vec<u64>,
    /// The visitors of the last five minutes by ISO 3166-1 alpha-2 code (empty where unknown), most first.
    pub countries: Vec<(String, u64)>,
    /// The same visitors by the path they looked at last, most first, at most twenty.
    pub pages: Vec<(Arc<str>, u64)>,
}

/// Which pages may send events for a website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders {
    /// The website's host name, lower case.
    pub domain: String,
    /// Host names instead of `domain`; `*.` stands for every subdomain. Empty: `domain` and its subdomains.
    pub allowed_domains: Vec<String>,
    /// Whether pages on local hosts may send.
    pub allow_localhost: bool,
}

impl From<&website::Model> for Senders {
    fn from(row: &website::Model) -> Self {
        Self { domain: row.domain.clone(), allowed_domains: domains_of(row), allow_localhost: ALLOW_LOCALHOST.of(row) }
    }
}

/// What a website's owner has set, as far as warnings concern it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetUp {
    /// Which pages may send.
    pub senders: Senders,
    /// Whether events are taken in.
    pub is_active: bool,
}

/// What ingest knows of one website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Its id.
    pub website: Uuid,
    /// The team that owns it.
    pub team: Uuid,
    /// What pages send events with.
    pub tracking_code: String,
    /// Which pages may send.
    pub senders: Senders,
    /// Whether events are taken in.
    pub is_active: bool,
    /// Whether `/e/realtime` answers anyone.
    pub public_realtime: bool,
    /// Whether the script's clicks on links to other hosts are taken in.
    pub track_outbound_links: bool,
    /// Whether the script's clicks on links to files are taken in.
    pub track_downloads: bool,
    /// Whether ids of visitors that senders keep are ignored.
    pub cookieless: bool,
    /// Addresses and networks that are not counted, as their owners wrote them.
    pub excluded_ips: Vec<String>,
    /// Patterns of paths that are not counted; `*` stands for anything.
    pub excluded_paths: Vec<String>,
    /// ISO 4217 code in which revenue is shown.
    pub currency: String,
    /// Zone in which its days begin.
    pub timezone: chrono_tz::Tz,
}
