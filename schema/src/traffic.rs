//! Live traffic: ingest rules of a website, outcomes, and live figures.
//!
//! - [`Rules`] are the control-plane data that ingest needs; no query runs per beacon.
//! - [`Outcome`] is closed: every received event has exactly one.

use std::sync::Arc;

use async_graphql::Enum;
use entity::website;
use uuid::Uuid;

use crate::{
    goal_rule::Goals,
    occurrence::Subscription,
    website_row::{ALLOW_LOCALHOST, domains_of},
};

/// Outcome of a received event.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Stored, or durably queued for storage.
    Accepted,
    /// Duplicate of an event with the same ID, or of a page view within the last five seconds.
    Duplicate,
    /// Bot traffic: stored with the reason, and excluded from analytics unless `includeBots` is true.
    Bot,
    /// Dropped: the page's host does not belong to the website.
    ForeignOrigin,
    /// Dropped: neither `Origin` nor `Referer` was present.
    MissingOrigin,
    /// Dropped: the page's host is local, and the website does not allow that.
    LocalOrigin,
    /// Dropped: the visitor's IP address is excluded.
    ExcludedIp,
    /// Dropped: the page's path is excluded.
    ExcludedPath,
    /// Dropped: a field is missing or invalid.
    Malformed,
    /// Dropped: tracking is paused for the website.
    Paused,
    /// Dropped: a heartbeat without an open visit.
    NoVisit,
    /// Dropped: the visitor opted out (`Sec-GPC`) and the sender is a server.
    GpcOptedOut,
    /// Dropped: the time lies too far in the past or in the future.
    BadTime,
    /// Dropped: the address exceeded the operator's rate limit.
    RateLimited,
    /// Dropped: the website's `settings` exclude this kind of event.
    NotTracked,
    /// Dropped: the team has used the events of its plan for this calendar month (UTC).
    OverQuota,
}

impl Outcome {
    /// All outcomes, in the order of their numbers.
    pub const ALL: [Self; 16] = [
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
        Self::OverQuota,
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
            Self::OverQuota => "OverQuota",
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

/// Live figures of the last five minutes, and of each of the last thirty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveFigures {
    /// Visitors with an event or a heartbeat in the last five minutes.
    pub visitors: u64,
    /// Page views in the last five minutes.
    pub pageviews: u64,
    /// Page views in each of the last thirty minutes, oldest first. The last minute is still in progress.
    pub minutes: Vec<u64>,
    /// Visitors with an event or a heartbeat in each of the same minutes.
    pub visitor_minutes: Vec<u64>,
    /// The visitors of the last five minutes by ISO 3166-1 alpha-2 code (empty if unknown), in descending order.
    pub countries: Vec<(String, u64)>,
    /// The same visitors by latest path, in descending order, at most twenty.
    pub pages: Vec<(Arc<str>, u64)>,
}

/// The hosts whose pages can send events for a website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders {
    /// The website's host name, lower case.
    pub domain: String,
    /// Host names that replace `domain`; `*.` matches every subdomain. If empty: `domain` and its subdomains.
    pub allowed_domains: Vec<String>,
    /// Whether pages on local hosts can send events.
    pub allow_localhost: bool,
}

impl From<&website::Model> for Senders {
    fn from(row: &website::Model) -> Self {
        Self { domain: row.domain.clone(), allowed_domains: domains_of(row), allow_localhost: ALLOW_LOCALHOST.of(row) }
    }
}

/// The settings of a website that warnings depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetUp {
    /// The hosts whose pages can send events.
    pub senders: Senders,
    /// Whether the website accepts events.
    pub is_active: bool,
}

/// The ingest rules of one website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// ID of the website.
    pub website: Uuid,
    /// ID of the team that owns it.
    pub team: Uuid,
    /// Events that the team may send per calendar month (UTC), over all its websites; `None` if unlimited.
    pub events_per_month: Option<u64>,
    /// The tracking code.
    pub tracking_code: String,
    /// The hosts whose pages can send events.
    pub senders: Senders,
    /// Whether the website accepts events.
    pub is_active: bool,
    /// Whether `/e/realtime` is public.
    pub public_realtime: bool,
    /// Whether the script's clicks on links to other hosts are accepted.
    pub track_outbound_links: bool,
    /// Whether the script's clicks on links to files are accepted.
    pub track_downloads: bool,
    /// Whether visitor IDs kept by senders are ignored.
    pub cookieless: bool,
    /// Excluded IP addresses and networks, as entered.
    pub excluded_ips: Vec<String>,
    /// Excluded path patterns; `*` matches any text.
    pub excluded_paths: Vec<String>,
    /// ISO 4217 code of the currency in which revenue is shown.
    pub currency: String,
    /// Payment provider whose notices are accepted, such as `stripe`, and the secret that it signs them with.
    pub payments: Option<(String, String)>,
    /// Time zone in which the website's days begin.
    pub timezone: chrono_tz::Tz,
    /// The website's goals.
    pub goals: Goals,
    /// Webhooks that hear of the website's visitors; `None` if there are none.
    pub subscriptions: Option<Arc<[Subscription]>>,
}
