//! Plans and their limits. The only table of limits.

use async_graphql::{Enum, SimpleObject};

use crate::{
    error::{Error, Result},
    ports::Limits,
    scalars::BigInt,
};

// Vocabulary

/// Name of a plan, in ascending order of limits.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlanName {
    /// For evaluation.
    Free,
    /// For one business.
    Pro,
    /// For agencies.
    Scale,
    /// No limits on websites and members. Also the plan of a self-hosted installation without limits.
    Enterprise,
}

/// A feature that only some plans include.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlanFeature {
    /// Session recordings.
    SessionReplay,
    /// Click maps and scroll maps.
    Heatmaps,
    /// Attribution of revenue to visits.
    Revenue,
    /// Insights, anomalies and retention through the API.
    Insights,
    /// The Stats API.
    Stats,
    /// Natural-language queries through the API.
    NaturalLanguage,
    /// Scheduled export to object storage.
    WarehouseExport,
}

/// Maximum number of plans, and of features in one plan.
const MAX_PLANS: u32 = 10;
const _: () = assert!(PlanName::ALL.len() <= MAX_PLANS as usize);
const MAX_FEATURES: u32 = 20;

/// A plan and its limits.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Name of the plan.
    pub name: PlanName,
    /// Limits of the plan.
    pub limits: PlanLimits,
}

/// Limits of a plan.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct PlanLimits {
    /// The plan that these limits belong to.
    pub plan: PlanName,
    /// Maximum number of requests per API key and minute.
    pub requests_per_minute: i32,
    /// Maximum number of requests per API key and calendar month (UTC).
    pub requests_per_month: BigInt,
    /// Maximum number of events per calendar month (UTC), over all websites of the team; null if there is no fixed
    /// limit.
    pub events_per_month: Option<BigInt>,
    /// Maximum number of websites in the team; null if unlimited.
    pub max_websites: Option<i32>,
    /// Maximum number of active members in the team; null if unlimited.
    pub max_members: Option<i32>,
    /// Number of days for which events are kept; null if there is no fixed limit.
    pub retention_days: Option<i32>,
    /// Maximum page size for `first` and `last`, in rows.
    pub max_page_size: i32,
    /// Features of the plan.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_FEATURES), None))]
    pub features: Vec<PlanFeature>,
}

// Rules

impl PlanName {
    /// All plans, in ascending order of limits.
    pub const ALL: [Self; 4] = [Self::Free, Self::Pro, Self::Scale, Self::Enterprise];

    /// Lower-case name, as in rows and REST.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Scale => "scale",
            Self::Enterprise => "enterprise",
        }
    }

    /// The lowest plan that includes a feature.
    fn first_with(feature: PlanFeature) -> Self {
        Self::ALL.into_iter().find(|plan| plan.limits().features.contains(&feature)).unwrap_or(Self::Enterprise)
    }

    /// The effective plan of a team whose row contains `text`: Enterprise if limits are off, Free for an unknown name.
    #[must_use]
    pub fn counting(limits: Limits, text: &str) -> Self {
        match limits {
            Limits::Off => Self::Enterprise,
            Limits::Plans => Self::ALL.into_iter().find(|plan| plan.text() == text).unwrap_or(Self::Free),
        }
    }

    /// The plan's place in [`PlanName::ALL`].
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Free => 0,
            Self::Pro => 1,
            Self::Scale => 2,
            Self::Enterprise => 3,
        }
    }

    /// The plan at this place; Free for an unknown one.
    pub(crate) fn of_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Free)
    }

    /// The plan's row in the table.
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

impl PlanFeature {
    /// Name in sentences.
    fn text(self) -> &'static str {
        match self {
            Self::SessionReplay => "session replay",
            Self::Heatmaps => "heatmaps",
            Self::Revenue => "revenue",
            Self::Insights => "insights",
            Self::Stats => "the Stats API",
            Self::NaturalLanguage => "natural-language queries",
            Self::WarehouseExport => "scheduled export",
        }
    }
}

/// Checks that a plan includes a feature. Errors: `Forbidden`, which names it and the lowest plan that does.
pub fn require(plan: PlanName, feature: PlanFeature) -> Result<()> {
    if plan.limits().features.contains(&feature) {
        return Ok(());
    }
    Err(Error::forbidden(format!(
        "The plan {} does not include {}. It requires the plan {} or above.",
        plan.text(),
        feature.text(),
        PlanName::first_with(feature).text()
    )))
}

/// The error of a team that has as many of something as its plan allows.
pub(crate) fn full(plan: PlanName, most: i32, things: &str, remedy: &str) -> Error {
    Error::forbidden(format!("The plan {} allows at most {most} {things}. {remedy}", plan.text()))
}

/// All plans, in ascending order of limits.
#[must_use]
pub fn plans() -> Vec<Plan> {
    PlanName::ALL.into_iter().map(|name| Plan { name, limits: name.limits() }).collect()
}

// Graph

/// Plan queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct PlanQuery;

#[async_graphql::Object]
impl PlanQuery {
    /// All plans, in ascending order of limits.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = crate::access::access_directive::access::apply(crate::access::On::Public, None, None), directive = crate::cost::list_size::apply(Some(MAX_PLANS), None))]
    async fn plans(&self) -> crate::list::List<Plan> {
        plans().into()
    }
}
