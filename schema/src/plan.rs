//! Plans: what each allows. The only table of limits.

use async_graphql::{Enum, SimpleObject};

use crate::{ports::Limits, scalars::BigInt};

// Vocabulary

/// The name of a plan, smallest first.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlanName {
    /// For trying out.
    Free,
    /// For one business.
    Pro,
    /// For agencies.
    Scale,
    /// Without limits on websites and members. A self-hosted installation without limits answers this.
    Enterprise,
}

/// Something that not every plan has.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlanFeature {
    /// Recordings of visits.
    SessionReplay,
    /// Click and scroll maps.
    Heatmaps,
    /// Revenue attributed to visits.
    Revenue,
    /// Insights, anomalies and retention over the API.
    Insights,
    /// The Stats API.
    Stats,
    /// Questions in natural language over the API.
    NaturalLanguage,
    /// Scheduled export to object storage.
    WarehouseExport,
}

/// Plans, and features of one, at most.
const MAX_PLANS: u32 = 10;
const _: () = assert!(PlanName::ALL.len() <= MAX_PLANS as usize);
const MAX_FEATURES: u32 = 20;

/// A plan and what it allows.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: PlanName,
    /// What it allows.
    pub limits: PlanLimits,
}

/// What a plan allows.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct PlanLimits {
    /// The plan whose figures these are.
    pub plan: PlanName,
    /// Requests of one API key per minute.
    pub requests_per_minute: i32,
    /// Requests of one API key per calendar month (UTC).
    pub requests_per_month: BigInt,
    /// Events taken in per calendar month (UTC), all websites of the team together; null means no fixed limit.
    pub events_per_month: Option<BigInt>,
    /// Websites of the team; null means unlimited.
    pub max_websites: Option<i32>,
    /// Active members of the team; null means unlimited.
    pub max_members: Option<i32>,
    /// Days for which events are kept; null means no fixed limit.
    pub retention_days: Option<i32>,
    /// The largest page that `first` and `last` may ask for, in rows.
    pub max_page_size: i32,
    /// Features the plan has.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_FEATURES), None))]
    pub features: Vec<PlanFeature>,
}

// Rules

impl PlanName {
    /// All plans, smallest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Pro, Self::Scale, Self::Enterprise];

    /// Lower-case name, as rows and REST spell it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Scale => "scale",
            Self::Enterprise => "enterprise",
        }
    }

    /// The plan that counts for a team whose row says `text`: Enterprise where limits are off; a name nobody knows is Free.
    #[must_use]
    pub fn counting(limits: Limits, text: &str) -> Self {
        match limits {
            Limits::Off => Self::Enterprise,
            Limits::Plans => Self::ALL.into_iter().find(|plan| plan.text() == text).unwrap_or(Self::Free),
        }
    }

    /// The row of the plan table.
    #[must_use]
    pub fn limits(self) -> PlanLimits {
        use PlanFeature::{Heatmaps, Insights, NaturalLanguage, Revenue, SessionReplay, Stats, WarehouseExport};
        let paid = [SessionReplay, Heatmaps, Revenue, Insights, Stats];
        let all = [SessionReplay, Heatmaps, Revenue, Insights, Stats, NaturalLanguage, WarehouseExport];
        let row = |minute, month, events: Option<i64>, websites, members, days, features: &[PlanFeature]| PlanLimits {
            plan: self,
            requests_per_minute: minute,
            requests_per_month: BigInt(month),
            events_per_month: events.map(BigInt),
            max_websites: websites,
            max_members: members,
            retention_days: days,
            max_page_size: crate::connection::MAX_PAGE,
            features: crate::cost::first_of(features.to_vec(), MAX_FEATURES),
        };
        match self {
            Self::Free => row(10, 1_000, Some(10_000), Some(1), Some(2), Some(365), &[]),
            Self::Pro => row(30, 10_000, Some(10_000), Some(5), Some(5), Some(730), &paid),
            Self::Scale => row(60, 100_000, Some(10_000), Some(10), Some(25), Some(1_460), &all),
            Self::Enterprise => row(120, 1_000_000, None, None, None, None, &all),
        }
    }
}

/// Every plan, smallest first.
#[must_use]
pub fn plans() -> Vec<Plan> {
    PlanName::ALL.into_iter().map(|name| Plan { name, limits: name.limits() }).collect()
}

// Graph

/// Root fields about plans.
#[derive(Debug, Default, Clone, Copy)]
pub struct PlanQuery;

#[async_graphql::Object]
impl PlanQuery {
    /// Every plan, smallest first.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = crate::access::access_directive::access::apply(crate::access::On::Public, None, None), directive = crate::cost::list_size::apply(Some(MAX_PLANS), None))]
    async fn plans(&self) -> crate::list::List<Plan> {
        plans().into()
    }
}
