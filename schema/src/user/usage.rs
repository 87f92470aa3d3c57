//! An account's usage in the month to date: that of its default team, whose plan sets the limits.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Datelike as _, NaiveTime, Utc};
use entity::{api_key, membership, website};
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use crate::{
    access::cx::Cx,
    access::{Reach as _, Team, Viewer},
    api_key::Standing,
    error::Result,
    plan::{PlanLimits, PlanName},
    ports::Ports,
    scalars::{BigInt, Instant},
};

// Vocabulary

/// Month to date.
#[derive(SimpleObject, Debug, Clone, Copy)]
pub struct AccountUsagePeriod {
    /// Start of the month, UTC.
    pub start: Instant,
    /// End of the period: the current time, UTC.
    pub end: Instant,
}

/// An account's usage of its plan.
#[derive(Debug, Clone)]
pub struct AccountUsage {
    team: Team<Viewer>,
    websites: Vec<Uuid>,
    members: u64,
    api_requests: i64,
    limits: PlanLimits,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

// Rules

fn month_start(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().with_day(1).map_or(now, |first| first.and_time(NaiveTime::MIN).and_utc())
}

impl AccountUsage {
    /// Counts the team's objects; its events are counted on demand.
    pub(crate) async fn load(ports: &Ports, team: Team<Viewer>) -> Result<Self> {
        let plan = PlanName::counting(ports.limits, &team.team().plan);
        let websites = website::Entity::find()
            .select_only()
            .column(website::Column::Id)
            .filter(website::Column::TeamId.eq(team.id()))
            .into_tuple()
            .all(ports.database.reader(&team))
            .await?;
        let members = membership::Entity::find()
            .filter(membership::Column::TeamId.eq(team.id()))
            .filter(membership::Column::DeactivatedAt.is_null())
            .count(ports.database.reader(&team))
            .await?;
        let keys = api_key::Entity::find()
            .filter(api_key::Column::TeamId.eq(team.id()))
            .all(ports.database.reader(&team))
            .await?;
        let end = ports.now();
        let requests = keys.iter().map(|key| Standing::of_row(ports, key, plan, end).monthly_requests);
        let (api_requests, limits, start) = (requests.sum(), plan.limits(), month_start(end));
        Ok(Self { team, websites, members, api_requests, limits, start, end })
    }

    /// Counts the events since the first day of the month on all websites, in one pass over the store.
    async fn count_events(&self, cx: &Cx) -> Result<u64> {
        cx.ports().events.count_since(&self.websites, self.start.timestamp_millis()).await
    }
}

// Graph

/// An account's usage of its plan in the current calendar month (UTC). All numbers are those of its default team.
#[Object]
impl AccountUsage {
    /// UUID of the default team.
    async fn team_database_id(&self) -> Uuid {
        self.team.id()
    }

    /// The plan that determines the limits.
    async fn plan(&self) -> PlanName {
        self.limits.plan
    }

    /// Period of the counts.
    async fn period(&self) -> AccountUsagePeriod {
        AccountUsagePeriod { start: Instant(self.start), end: Instant(self.end) }
    }

    /// Page views and events in the period over all websites of the team, excluding bots. Null with an error if the
    /// event store is unavailable.
    async fn events(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<BigInt>> {
        let answer: async_graphql::Result<Option<BigInt>> =
            async { Ok(Some(BigInt::from_u64(self.count_events(ctx.cx()?).await?))) }.await;
        answer.transpose()
    }

    /// Maximum number of events per calendar month (UTC); null if unlimited.
    async fn events_limit(&self) -> Option<BigInt> {
        self.limits.events_per_month
    }

    /// Number of websites in the team.
    async fn websites(&self) -> BigInt {
        BigInt::from_u64(u64::try_from(self.websites.len()).unwrap_or(u64::MAX))
    }

    /// Maximum number of websites; null if unlimited.
    async fn websites_limit(&self) -> Option<i32> {
        self.limits.max_websites
    }

    /// Number of active members in the team.
    async fn members(&self) -> BigInt {
        BigInt::from_u64(self.members)
    }

    /// Maximum number of active members; null if unlimited.
    async fn members_limit(&self) -> Option<i32> {
        self.limits.max_members
    }

    /// Number of requests in the period by all API keys of the team, including revoked keys.
    async fn api_requests(&self) -> BigInt {
        BigInt(self.api_requests)
    }
}
