//! What an account has used in the month to date: figures of its default team, whose plan limits them.

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

/// The month to date.
#[derive(SimpleObject, Debug, Clone, Copy)]
pub struct AccountUsagePeriod {
    /// The first instant of the month, UTC.
    pub start: Instant,
    /// Now, UTC.
    pub end: Instant,
}

/// What an account has used of its plan.
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
    /// Counts what the team has; its events are counted when they are asked for.
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

    /// Counts what happened since the first of the month on all websites, in one pass over the store.
    async fn count_events(&self, cx: &Cx) -> Result<u64> {
        cx.ports().events.count_since(&self.websites, self.start.timestamp_millis()).await
    }
}

// Graph

/// What an account has used of its plan in this calendar month (UTC), and may use: the figures of its default team.
#[Object]
impl AccountUsage {
    /// The UUID of the default team.
    async fn team_id(&self) -> Uuid {
        self.team.id()
    }

    /// The plan whose limits count.
    async fn plan(&self) -> PlanName {
        self.limits.plan
    }

    /// The time that is counted.
    async fn period(&self) -> AccountUsagePeriod {
        AccountUsagePeriod { start: Instant(self.start), end: Instant(self.end) }
    }

    /// Page views and events of people (not of machines) that happened in the period, on all websites of the team together;
    /// null with an error when the event store cannot tell.
    async fn events(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<BigInt>> {
        let answer: async_graphql::Result<Option<BigInt>> =
            async { Ok(Some(BigInt::from_u64(self.count_events(ctx.cx()?).await?))) }.await;
        answer.transpose()
    }

    /// Events allowed per calendar month (UTC); null without a limit.
    async fn events_limit(&self) -> Option<BigInt> {
        self.limits.events_per_month
    }

    /// Websites of the team.
    async fn websites(&self) -> BigInt {
        BigInt::from_u64(u64::try_from(self.websites.len()).unwrap_or(u64::MAX))
    }

    /// Websites allowed; null without a limit.
    async fn websites_limit(&self) -> Option<i32> {
        self.limits.max_websites
    }

    /// Active members of the team.
    async fn members(&self) -> BigInt {
        BigInt::from_u64(self.members)
    }

    /// Active members allowed; null without a limit.
    async fn members_limit(&self) -> Option<i32> {
        self.limits.max_members
    }

    /// Requests in the period of all API keys of the team together, revoked ones included.
    async fn api_requests(&self) -> BigInt {
        BigInt(self.api_requests)
    }
}
