//! A team's usage of its plan, and the caller's permissions in it.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Datelike as _, NaiveTime, Utc};
use entity::{api_key, website};
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use super::{
    members::active,
    warnings::{self, AcknowledgedWarnings, UsageWarning},
};
use crate::{
    access::{self, Caller, Reach as _, Role, Viewer},
    api_key::Standing,
    error::{Error, Result},
    list::List,
    plan::{PlanLimits, PlanName},
    ports::Ports,
    scalars::{BigInt, Date, Instant},
};

// Vocabulary

/// The caller's permissions in a team.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct TeamPermissions {
    /// Whether the caller can change the plan and payment. Requires OWNER.
    pub can_manage_billing: bool,
    /// Whether the caller can rename the team and invite, change and remove members. Requires ADMIN or above.
    pub can_manage_team: bool,
    /// Whether the caller can change website settings. Requires EDITOR or above.
    pub can_edit_settings: bool,
}

/// A team's usage of its plan in the current calendar month.
#[derive(Debug, Clone)]
pub struct TeamUsage {
    team: access::Team<Viewer>,
    at: DateTime<Utc>,
}

/// The calendar month so far. The start is inclusive, the end exclusive.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsagePeriod {
    /// Start of the period: the first day of the month, 00:00 UTC.
    pub start: Instant,
    /// End of the period: the current time, UTC.
    pub end: Instant,
}

impl TeamPermissions {
    /// The permissions of a role.
    pub(super) fn from_role(role: Role) -> Self {
        Self {
            can_manage_billing: role >= Role::Owner,
            can_manage_team: role >= Role::Admin,
            can_edit_settings: role >= Role::Editor,
        }
    }
}

// Rules

/// The first day of an instant's month, 00:00 UTC.
fn month_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.date_naive().with_day(1).map_or(at, |first| first.and_time(NaiveTime::MIN).and_utc())
}

impl TeamUsage {
    /// The current usage. Errors: `Forbidden` for an API key, which has its own usage.
    pub(crate) fn load(ports: &Ports, team: &access::Team<Viewer>) -> Result<Self> {
        if matches!(team.caller(), Caller::Key { .. }) {
            return Err(Error::forbidden(
                "API keys cannot access the team's usage. Query `apiUsage` for the key's own usage, or sign in.",
            ));
        }
        Ok(Self { team: team.clone(), at: ports.now() })
    }

    fn plan_of(&self, ports: &Ports) -> PlanName {
        PlanName::counting(ports.limits, &self.team.team().plan)
    }

    fn limits(&self, ports: &Ports) -> PlanLimits {
        self.plan_of(ports).limits()
    }

    /// Requests since the first day of the month by all API keys.
    async fn requests_of(&self, ports: &Ports) -> Result<i64> {
        let keys = api_key::Entity::find()
            .filter(api_key::Column::TeamId.eq(self.team.id()))
            .all(ports.database.reader(&self.team))
            .await?;
        let plan = self.plan_of(ports);
        Ok(keys.iter().map(|key| Standing::of_row(ports, key, plan, self.at).monthly_requests).sum())
    }

    /// Events since the first day of the month: those that are stored, or those that count towards the plan's limit, if
    /// they are more.
    async fn events_of(&self, ports: &Ports) -> Result<u64> {
        let counted = if self.limits(ports).events_per_month.is_some() {
            let teams = ports.ledger.team_events(self.at).await?;
            teams.iter().find(|(team, _)| *team == self.team.id()).map_or(0, |(_, events)| *events)
        } else {
            0
        };
        let websites: Vec<Uuid> = website::Entity::find()
            .select_only()
            .column(website::Column::Id)
            .filter(website::Column::TeamId.eq(self.team.id()))
            .into_tuple()
            .all(ports.database.reader(&self.team))
            .await?;
        Ok(Ord::max(ports.events.count_since(&websites, month_of(self.at).timestamp_millis()).await?, counted))
    }
}

fn whole(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

// Graph

/// A team's usage of its plan in the current calendar month (UTC).
#[Object]
impl TeamUsage {
    /// UUID of the team.
    async fn team_database_id(&self) -> Uuid {
        self.team.id()
    }

    /// The plan that determines the limits.
    async fn plan(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanName> {
        Ok(self.plan_of(ctx.cx()?.ports()))
    }

    /// Period of the counts.
    async fn period(&self) -> UsagePeriod {
        UsagePeriod { start: Instant(month_of(self.at)), end: Instant(self.at) }
    }

    /// Page views and other events in the period over all websites of the team, excluding heartbeats and bots, imported ones
    /// included. If the plan limits events and more have arrived in the period, such as for deleted websites, their number.
    /// Null with an error if the event store is unavailable.
    async fn events(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<BigInt>> {
        let answer: async_graphql::Result<Option<BigInt>> =
            async { Ok(Some(BigInt::from_u64(self.events_of(ctx.cx()?.ports()).await?))) }.await;
        answer.transpose()
    }

    /// Maximum number of events per calendar month (UTC); null if unlimited.
    async fn events_limit(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<BigInt>> {
        Ok(self.limits(ctx.cx()?.ports()).events_per_month)
    }

    /// Number of websites in the team.
    async fn websites(&self, ctx: &Context<'_>) -> Result<i32> {
        let websites = website::Entity::find().filter(website::Column::TeamId.eq(self.team.id()));
        Ok(whole(websites.count(ctx.cx()?.ports().database.reader(&self.team)).await?))
    }

    /// Maximum number of websites; null if unlimited.
    async fn websites_limit(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(self.limits(ctx.cx()?.ports()).max_websites)
    }

    /// Number of active members in the team.
    async fn members(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(whole(active(self.team.id()).count(ctx.cx()?.ports().database.reader(&self.team)).await?))
    }

    /// Maximum number of active members; null if unlimited.
    async fn members_limit(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(self.limits(ctx.cx()?.ports()).max_members)
    }

    /// First day of the period (UTC).
    async fn period_start(&self, ctx: &Context<'_>) -> async_graphql::Result<Date> {
        Ok(warnings::period_start(ctx.cx()?.ports()))
    }

    /// Warnings of the period: at 80 and at 95 percent of the plan's limits, once each. Owners get them by mail too.
    #[graphql(directive = crate::cost::list_size::apply(Some(6), None))]
    async fn warnings(&self, ctx: &Context<'_>) -> Result<List<UsageWarning>> {
        Ok(warnings::of_team(ctx.cx()?.ports(), &self.team).await?.into())
    }

    /// Warnings of the period that a member has acknowledged.
    async fn acknowledged_warnings(&self, ctx: &Context<'_>) -> Result<AcknowledgedWarnings> {
        Ok(warnings::acknowledged(&warnings::of_team(ctx.cx()?.ports(), &self.team).await?))
    }

    /// Number of requests in the period by all API keys of the team, including revoked keys.
    async fn api_requests(&self, ctx: &Context<'_>) -> Result<BigInt> {
        Ok(BigInt(self.requests_of(ctx.cx()?.ports()).await?))
    }
}
