//! Warnings about a team's usage of its plan: at 80 and at 95 percent, once each per calendar month (UTC).

use std::collections::{HashMap, HashSet};

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{Datelike as _, NaiveDate};
use entity::{api_key, membership, team, usage_warning, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, EntityTrait as _, QueryFilter as _,
};
use uuid::Uuid;

use super::members::{active, people_only};
use crate::{
    access::{self, On, Operator, Reach as _, Role, Viewer, access_directive},
    error::{Error, Result},
    key_usage::month,
    letters::{self, Letter},
    plan::{PlanLimits, PlanName},
    ports::{Limits, Ports},
    scalars::{Date, Instant},
};

// Vocabulary

/// What a plan limits per calendar month.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UsageResource {
    /// Events of all websites of the team.
    Events,
    /// Requests of one API key: the one that has used most.
    ApiEvents,
    /// Events through a proxy of the first party. They count as events, so that nothing is ever warned of here.
    ProxyEvents,
}

/// A warning about usage of the plan.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageWarning {
    /// What is used up soon.
    pub resource: UsageResource,
    /// Percent of the limit that was reached: 80 or 95.
    pub threshold: i32,
    /// Time when it was reached, UTC, delayed by up to a minute; null if the warning was acknowledged without.
    pub raised_at: Option<Instant>,
    /// Time when a member acknowledged the warning, UTC; null while none has.
    pub acknowledged_at: Option<Instant>,
}

/// Thresholds of the current calendar month (UTC) that a member has acknowledged, in percent, ascending.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedWarnings {
    /// Of events.
    #[graphql(directive = crate::cost::list_size::apply(Some(2), None))]
    pub events: Vec<i32>,
    /// Of requests of API keys.
    #[graphql(directive = crate::cost::list_size::apply(Some(2), None))]
    pub api_events: Vec<i32>,
    /// Of events through a proxy.
    #[graphql(directive = crate::cost::list_size::apply(Some(2), None))]
    pub proxy_events: Vec<i32>,
}

/// A warning that was shown to a member.
#[derive(InputObject, Debug, Clone)]
pub struct TeamAcknowledgeUsageWarningInput {
    /// The team: global ID or UUID.
    pub team_id: ID,
    /// What the warning is about.
    pub resource: UsageResource,
    /// The threshold: 80 or 95.
    pub threshold: i32,
}

/// The acknowledged warnings after the change.
#[derive(SimpleObject)]
pub struct TeamAcknowledgeUsageWarningPayload {
    /// First day of the month (UTC).
    pub period_start: Date,
    /// The acknowledged warnings of the month.
    pub acknowledged: AcknowledgedWarnings,
}

impl UsageResource {
    const ALL: [Self; 3] = [Self::Events, Self::ApiEvents, Self::ProxyEvents];

    const fn text(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::ApiEvents => "api_events",
            Self::ProxyEvents => "proxy_events",
        }
    }

    fn limit(self, limits: &PlanLimits) -> Option<i64> {
        match self {
            Self::Events | Self::ProxyEvents => limits.events_per_month.map(|limit| limit.0),
            Self::ApiEvents => Some(limits.requests_per_month.0),
        }
    }
}

// Rules

/// Percent of a limit at which a warning is raised, ascending.
const THRESHOLDS: [i16; 2] = [80, 95];

/// The warnings of a team in the current month, by resource and threshold.
pub(crate) async fn of_team(ports: &Ports, team: &access::Team<Viewer>) -> Result<Vec<UsageWarning>> {
    let rows = usage_warning::Entity::find()
        .filter(usage_warning::Column::TeamId.eq(team.id()))
        .filter(usage_warning::Column::Month.eq(month(ports.now())))
        .all(ports.database.reader(team))
        .await?;
    let read = |row: usage_warning::Model| {
        let resource = UsageResource::ALL.into_iter().find(|resource| resource.text() == row.resource)?;
        let (raised_at, acknowledged_at) = (row.raised_at.map(Instant), row.acknowledged_at.map(Instant));
        Some(UsageWarning { resource, threshold: row.threshold.into(), raised_at, acknowledged_at })
    };
    let mut warnings: Vec<_> = rows.into_iter().filter_map(read).collect();
    warnings.sort_by_key(|warning| (warning.resource, warning.threshold));
    Ok(warnings)
}

/// The acknowledged ones of these warnings.
pub(crate) fn acknowledged(warnings: &[UsageWarning]) -> AcknowledgedWarnings {
    let of = |resource| {
        let shown = warnings.iter().filter(|warning| warning.resource == resource && warning.acknowledged_at.is_some());
        shown.map(|warning| warning.threshold).collect()
    };
    AcknowledgedWarnings {
        events: of(UsageResource::Events),
        api_events: of(UsageResource::ApiEvents),
        proxy_events: of(UsageResource::ProxyEvents),
    }
}

/// The first day of the current month, UTC.
pub(crate) fn period_start(ports: &Ports) -> Date {
    let today = ports.now().date_naive();
    Date(NaiveDate::from_ymd_opt(today.year(), today.month(), 1).unwrap_or(today))
}

/// Records that a warning was shown. Repeating it changes nothing. Errors: `Invalid` for another threshold; `Forbidden`
/// for an API key.
pub async fn acknowledge(
    ports: &Ports,
    team: &access::Team<Viewer>,
    resource: UsageResource,
    threshold: i32,
) -> Result<()> {
    people_only(team.caller())?;
    let threshold = THRESHOLDS.into_iter().find(|known| i32::from(*known) == threshold);
    let threshold = threshold.ok_or_else(|| Error::invalid("threshold", "must be 80 or 95"))?;
    let (now, of_month) = (ports.now(), month(ports.now()));
    let txn = ports.begin(team).await?;
    let key = (team.id(), of_month.clone(), resource.text().to_owned(), threshold);
    let change = usage_warning::ActiveModel {
        team_id: Unchanged(team.id()),
        month: Unchanged(of_month.clone()),
        resource: Unchanged(resource.text().to_owned()),
        threshold: Unchanged(threshold),
        acknowledged_at: Set(Some(now)),
        ..Default::default()
    };
    match usage_warning::Entity::find_by_id(key).one(&txn).await? {
        Some(row) if row.acknowledged_at.is_some() => return Ok(()),
        Some(_) => drop(change.update(&txn).await?),
        None => {
            let new = usage_warning::ActiveModel {
                team_id: Set(team.id()),
                month: Set(of_month),
                resource: Set(resource.text().to_owned()),
                threshold: Set(threshold),
                raised_at: Set(None),
                acknowledged_at: Set(Some(now)),
            };
            new.insert(&txn).await?;
        }
    }
    txn.commit_addition().await
}

/// Raises the warnings that are due, and mails each to the owners of its team. Call it every minute. Returns the number
/// of new warnings.
pub async fn raise(ports: &Ports, operator: &Operator) -> Result<usize> {
    if ports.limits == Limits::Off {
        return Ok(0);
    }
    let (now, of_month) = (ports.now(), month(ports.now()));
    let teams = team::Entity::find().all(ports.database.reader(operator)).await?;
    let plans: HashMap<Uuid, PlanLimits> =
        teams.iter().map(|team| (team.id, PlanName::counting(ports.limits, &team.plan).limits())).collect();
    let events = ports.ledger.team_events(now).await?.into_iter();
    let events = events.map(|(team, events)| (team, UsageResource::Events, i64::try_from(events).unwrap_or(i64::MAX)));
    let keys = api_key::Entity::find()
        .filter(api_key::Column::Month.eq(of_month.as_str()))
        .filter(api_key::Column::RevokedAt.is_null())
        .all(ports.database.reader(operator))
        .await?;
    let keys =
        keys.iter().map(|key| (key.team_id, UsageResource::ApiEvents, ports.key_usage.counted_with(key, now).monthly));
    let known = usage_warning::Entity::find().filter(usage_warning::Column::Month.eq(of_month.as_str()));
    let known = known.all(ports.database.reader(operator)).await?.into_iter();
    let mut raised: HashSet<(Uuid, String, i16)> =
        known.map(|row| (row.team_id, row.resource, row.threshold)).collect();
    let mut due = Vec::new();
    for (team, resource, used) in events.chain(keys) {
        let Some(limit) = plans.get(&team).and_then(|limits| resource.limit(limits)) else { continue };
        for threshold in THRESHOLDS {
            let is_reached = i128::from(used) * 100 >= i128::from(limit) * i128::from(threshold);
            if is_reached && raised.insert((team, resource.text().to_owned(), threshold)) {
                due.push((team, resource, threshold));
            }
        }
    }
    if due.is_empty() {
        return Ok(0);
    }
    let txn = ports.begin(operator).await?;
    let rows = due.iter().map(|(team, resource, threshold)| usage_warning::ActiveModel {
        team_id: Set(*team),
        month: Set(of_month.clone()),
        resource: Set(resource.text().to_owned()),
        threshold: Set(*threshold),
        raised_at: Set(Some(now)),
        acknowledged_at: Set(None),
    });
    usage_warning::Entity::insert_many(rows).exec(&txn).await?;
    txn.commit_addition().await?;
    if ports.mail.is_set_up() {
        let names: HashMap<Uuid, &str> = teams.iter().map(|team| (team.id, team.name.as_str())).collect();
        for (team, resource, threshold) in &due {
            let name = names.get(team).copied().unwrap_or_default();
            mail(ports, operator, *team, name, *resource, *threshold).await?;
        }
    }
    Ok(due.len())
}

async fn mail(
    ports: &Ports,
    operator: &Operator,
    team: Uuid,
    name: &str,
    resource: UsageResource,
    threshold: i16,
) -> Result<()> {
    let owners = active(team).filter(membership::Column::Role.eq(Role::Owner.level()));
    let owners = owners.all(ports.database.reader(operator)).await?;
    let ids = owners.into_iter().map(|part| part.user_id);
    let accounts =
        user::Entity::find().filter(user::Column::Id.is_in(ids)).all(ports.database.reader(operator)).await?;
    let things = match resource {
        UsageResource::Events | UsageResource::ProxyEvents => "events",
        UsageResource::ApiEvents => "API requests of a key",
    };
    let letter = |account: user::Model| Letter::usage(&account.email, name, things, threshold);
    letters::send(ports, accounts.into_iter().map(letter).collect());
    Ok(())
}

// Graph

/// Mutations of usage warnings.
#[derive(Debug, Default, Clone, Copy)]
pub struct UsageWarningMutation;

#[Object]
impl UsageWarningMutation {
    /// Records that a usage warning of the current month was shown to a member. Repeating it changes nothing.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None))]
    async fn team_acknowledge_usage_warning(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The warning.")] input: TeamAcknowledgeUsageWarningInput,
    ) -> Option<async_graphql::Result<TeamAcknowledgeUsageWarningPayload>> {
        let answer: async_graphql::Result<Option<TeamAcknowledgeUsageWarningPayload>> = async {
            let team = ctx.team::<Viewer>(&input.team_id).await?;
            let ports = ctx.cx()?.ports();
            acknowledge(ports, &team, input.resource, input.threshold).await?;
            let acknowledged = acknowledged(&of_team(ports, &team).await?);
            Ok(Some(TeamAcknowledgeUsageWarningPayload { period_start: period_start(ports), acknowledged }))
        }
        .await;
        answer.transpose()
    }
}
