//! How long events of a website are kept: as its owner says, and no longer than the plan of its team.
//!
//! - What a plan no longer keeps is deleted 30 days later, so that a higher plan brings it back until then.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::Duration;
use entity::{team, website};
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use uuid::Uuid;

use super::{
    Website,
    change::{Change, Retention},
};
use crate::{
    access::{On, Operator, Owner, Reach as _, Role, Site, access_directive},
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    plan::PlanName,
    ports::Ports,
};

// Vocabulary

/// How long events are kept.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteUpdateRetentionInput {
    /// Number of days for which events are kept, at least 1; null for as long as the plan allows. Older events are deleted
    /// within an hour and cannot be restored.
    #[graphql(directive = Constrained::apply(DAYS))]
    pub days: Option<i32>,
}

/// The website after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateRetentionPayload {
    /// The website.
    pub website: Website,
}

// Rules

/// Number of days for which events are kept.
const DAYS: Constraint = Constraint::at_least(1);

/// Days for which events that a plan no longer keeps are not deleted yet.
const GRACE_DAYS: i64 = 30;

/// Sets how long events are kept. Errors: `Invalid`; `Forbidden` for more days than the plan allows.
pub async fn update(ports: &Ports, site: &Site<Owner>, days: Option<i32>) -> Result<Site<Owner>> {
    if days.is_some_and(|days| !DAYS.reaches(days)) {
        return Err(Error::invalid("days", "must be at least 1, or null"));
    }
    let change = Change::<Retention>::begin(ports, site).await?;
    let plan = change.plan().await?;
    if let (Some(most), Some(days)) = (plan.limits().retention_days, days)
        && days > most
    {
        return Err(Error::forbidden(format!("The plan {} keeps events for at most {most} days.", plan.text())));
    }
    let row = website::ActiveModel { retention_days: Set(days), ..Default::default() };
    change.commit_row(row, &[]).await
}

/// The websites whose older events are deleted, and the instant before which they are, in milliseconds since 1970 UTC.
pub async fn due(ports: &Ports, operator: &Operator) -> Result<Vec<(Uuid, i64)>> {
    let now = ports.now();
    let rows = website::Entity::find().all(ports.database.reader(operator)).await?;
    let teams = team::Entity::find().all(ports.database.reader(operator)).await?;
    let plans: HashMap<Uuid, String> = teams.into_iter().map(|team| (team.id, team.plan)).collect();
    let before = |row: website::Model| {
        let plan = PlanName::counting(ports.limits, plans.get(&row.team_id).map_or("", String::as_str));
        let of_plan = plan.limits().retention_days.map(|days| i64::from(days) + GRACE_DAYS);
        let days = of_plan.into_iter().chain(row.retention_days.map(i64::from)).min()?;
        Some((row.id, (now - Duration::days(days)).timestamp_millis()))
    };
    Ok(rows.into_iter().filter_map(before).collect())
}

/// Deletes the events of all websites that were kept long enough. Returns their number.
pub async fn carry_out(ports: &Ports, operator: &Operator) -> Result<u64> {
    let mut total = 0;
    for (website, before_ms) in due(ports, operator).await? {
        if ports.events.first_event(website).await?.is_some_and(|first| first < before_ms) {
            total += ports.erasure.expire(website, before_ms).await?;
        }
    }
    Ok(total)
}

// Graph

/// Mutations of retention.
#[derive(Debug, Default, Clone, Copy)]
pub struct RetentionMutation;

#[Object]
impl RetentionMutation {
    /// Sets how long events of a website are kept, within the limit of the plan. Older events are deleted.
    #[doc = access_line!(WEBSITE, OWNER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Owner), None))]
    async fn website_update_retention(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "How long events are kept.")] input: WebsiteUpdateRetentionInput,
    ) -> Option<async_graphql::Result<WebsiteUpdateRetentionPayload>> {
        let answer: async_graphql::Result<Option<WebsiteUpdateRetentionPayload>> = async {
            let site = ctx.site::<Owner>(&website_id).await?;
            let site = update(ctx.cx()?.ports(), &site, input.days).await?;
            Ok(Some(WebsiteUpdateRetentionPayload { website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
