//! Live traffic: what ingest knows of a website, what it counts, and who is there now.
//!
//! - [`Rules`] are what ingest reads of the control plane; nothing is asked per beacon.
//! - [`Outcome`] is closed: everything that was sent ends in one of them.

use std::{collections::HashMap, sync::Arc};

use async_graphql::Enum;
use chrono::{DateTime, Utc};
use entity::{ip_exclusion, path_exclusion, website};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use crate::{
    access::Operator,
    error::Result,
    ports::Ports,
    website::{
        general::domains_of,
        settings::{ALLOW_LOCALHOST, COOKIELESS, PUBLIC_REALTIME, TRACK_DOWNLOADS, TRACK_OUTBOUND_LINKS},
    },
};

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

/// Which websites' rules are read.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Those of every website.
    All,
    /// Those of these websites, and of the ones that were changed after this time.
    Changed {
        /// Some websites.
        websites: &'a [Uuid],
        /// `updatedAt` is later.
        since: DateTime<Utc>,
    },
}

/// What tells whether websites were changed: how many there are, and when the last one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Websites.
    pub count: u64,
    /// The latest `updatedAt`; `None` without websites.
    pub newest: Option<DateTime<Utc>>,
}

/// The state of all websites.
pub async fn state(ports: &Ports, _operator: &Operator) -> Result<State> {
    let row: Option<(i64, Option<DateTime<Utc>>)> = website::Entity::find()
        .select_only()
        .column_as(website::Column::Id.count(), "websites")
        .column_as(website::Column::UpdatedAt.max(), "newest")
        .into_tuple()
        .one(&ports.reader)
        .await?;
    let (count, newest) = row.unwrap_or_default();
    Ok(State { count: u64::try_from(count).unwrap_or(0), newest })
}

/// The rules of websites.
pub async fn rules(ports: &Ports, _operator: &Operator, which: Which<'_>) -> Result<Vec<Rules>> {
    let changed = match which {
        Which::All => Condition::all(),
        Which::Changed { websites, since } => Condition::any()
            .add(website::Column::Id.is_in(websites.iter().copied()))
            .add(website::Column::UpdatedAt.gt(since)),
    };
    let rows = website::Entity::find().filter(changed).all(&ports.reader).await?;
    let of = |column: &dyn Fn(Vec<Uuid>) -> Condition| match which {
        Which::All => Condition::all(),
        Which::Changed { .. } => column(rows.iter().map(|row| row.id).collect()),
    };
    let mut ips: HashMap<Uuid, Vec<String>> = HashMap::new();
    let of_rows = of(&|ids| Condition::all().add(ip_exclusion::Column::WebsiteId.is_in(ids)));
    for row in ip_exclusion::Entity::find().filter(of_rows).all(&ports.reader).await? {
        ips.entry(row.website_id).or_default().push(row.ip_address);
    }
    let mut paths: HashMap<Uuid, Vec<String>> = HashMap::new();
    let of_rows = of(&|ids| Condition::all().add(path_exclusion::Column::WebsiteId.is_in(ids)));
    for row in path_exclusion::Entity::find().filter(of_rows).all(&ports.reader).await? {
        paths.entry(row.website_id).or_default().push(row.path_pattern);
    }
    let rules = rows.into_iter().map(|row| Rules {
        website: row.id,
        team: row.team_id,
        senders: Senders::from(&row),
        public_realtime: PUBLIC_REALTIME.of(&row),
        track_outbound_links: TRACK_OUTBOUND_LINKS.of(&row),
        track_downloads: TRACK_DOWNLOADS.of(&row),
        cookieless: COOKIELESS.of(&row),
        is_active: row.is_active,
        excluded_ips: ips.remove(&row.id).unwrap_or_default(),
        excluded_paths: paths.remove(&row.id).unwrap_or_default(),
        tracking_code: row.tracking_code,
        currency: row.currency,
        timezone: row.timezone.parse().unwrap_or(chrono_tz::Tz::UTC),
    });
    Ok(rules.collect())
}
