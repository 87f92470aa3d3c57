//! The control-plane data that ingest needs: the rules of every website, and whether they have changed.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use entity::{goal, ip_exclusion, path_exclusion, team, webhook, website};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::{
    access::Operator,
    error::Result,
    goal_rule::Goals,
    occurrence::Subscription,
    plan::PlanName,
    ports::{Limits, Ports},
    traffic::{Rules, Senders},
    website_row::{COOKIELESS, PUBLIC_REALTIME, TRACK_DOWNLOADS, TRACK_OUTBOUND_LINKS, zone_of},
};

/// Selection of websites whose rules are read.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Every website.
    All,
    /// These websites, and those that changed after this time.
    Changed {
        /// IDs of websites.
        websites: &'a [Uuid],
        /// Lower bound of `updatedAt`, exclusive.
        since: DateTime<Utc>,
    },
}

/// Detects changes of websites: their number, and the time of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Number of websites.
    pub count: u64,
    /// The latest `updatedAt`; `None` without websites.
    pub newest: Option<DateTime<Utc>>,
}

/// The state of all websites.
pub async fn state(ports: &Ports, operator: &Operator) -> Result<State> {
    let row: Option<(i64, Option<DateTime<Utc>>)> = website::Entity::find()
        .select_only()
        .column_as(website::Column::Id.count(), "websites")
        .column_as(website::Column::UpdatedAt.max(), "newest")
        .into_tuple()
        .one(ports.database.reader(operator))
        .await?;
    let (count, newest) = row.unwrap_or_default();
    Ok(State { count: u64::try_from(count).unwrap_or(0), newest })
}

/// The goals of rows; none if one of them is of a later version, so that events are still accepted.
fn known(rows: &[goal::Model]) -> Goals {
    super::goals::definitions(rows).unwrap_or_else(|error| {
        tracing::warn!(error.code = error.code(), "the goals of a website cannot be read");
        Goals::default()
    })
}

/// The rules of websites.
pub async fn rules(ports: &Ports, operator: &Operator, which: Which<'_>) -> Result<Vec<Rules>> {
    let changed = match which {
        Which::All => Condition::all(),
        Which::Changed { websites, since } => Condition::any()
            .add(website::Column::Id.is_in(websites.iter().copied()))
            .add(website::Column::UpdatedAt.gt(since)),
    };
    let rows = website::Entity::find().filter(changed).all(ports.database.reader(operator)).await?;
    let of = |column: &dyn Fn(Vec<Uuid>) -> Condition| match which {
        Which::All => Condition::all(),
        Which::Changed { .. } => column(rows.iter().map(|row| row.id).collect()),
    };
    let mut ips: HashMap<Uuid, Vec<String>> = HashMap::new();
    let of_rows = of(&|ids| Condition::all().add(ip_exclusion::Column::WebsiteId.is_in(ids)));
    for row in ip_exclusion::Entity::find().filter(of_rows).all(ports.database.reader(operator)).await? {
        ips.entry(row.website_id).or_default().push(row.ip_address);
    }
    let mut paths: HashMap<Uuid, Vec<String>> = HashMap::new();
    let of_rows = of(&|ids| Condition::all().add(path_exclusion::Column::WebsiteId.is_in(ids)));
    for row in path_exclusion::Entity::find().filter(of_rows).all(ports.database.reader(operator)).await? {
        paths.entry(row.website_id).or_default().push(row.path_pattern);
    }
    let mut goals: HashMap<Uuid, Vec<goal::Model>> = HashMap::new();
    let of_rows = of(&|ids| Condition::all().add(goal::Column::WebsiteId.is_in(ids)));
    let oldest_first =
        goal::Entity::find().filter(of_rows).order_by_asc(goal::Column::CreatedAt).order_by_asc(goal::Column::Id);
    for row in oldest_first.all(ports.database.reader(operator)).await? {
        goals.entry(row.website_id).or_default().push(row);
    }
    let subscribers = subscribers(ports, operator, &rows, which).await?;
    let mut limits: HashMap<Uuid, u64> = HashMap::new();
    if ports.limits == Limits::Plans {
        let of_rows = of(&|_| Condition::all().add(team::Column::Id.is_in(rows.iter().map(|row| row.team_id))));
        for row in team::Entity::find().filter(of_rows).all(ports.database.reader(operator)).await? {
            let limit = PlanName::counting(ports.limits, &row.plan).limits().events_per_month;
            limits.extend(limit.map(|limit| (row.id, u64::try_from(limit.0).unwrap_or(0))));
        }
    }
    let rules = rows.into_iter().map(|row| Rules {
        subscriptions: subscriptions_of(&row, &subscribers),
        goals: goals.remove(&row.id).map(|rows| known(&rows)).unwrap_or_default(),
        events_per_month: limits.get(&row.team_id).copied(),
        timezone: zone_of(&row),
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
        payments: row.revenue_provider.zip(row.webhook_secret),
        tracking_code: row.tracking_code,
        currency: row.currency,
    });
    Ok(rules.collect())
}

/// The enabled webhooks of these websites and their teams.
async fn subscribers(
    ports: &Ports,
    operator: &Operator,
    websites: &[website::Model],
    which: Which<'_>,
) -> Result<Vec<webhook::Model>> {
    let concerned = match which {
        Which::All => Condition::all(),
        Which::Changed { .. } => {
            Condition::all().add(webhook::Column::TeamId.is_in(websites.iter().map(|website| website.team_id)))
        }
    };
    let enabled = webhook::Entity::find().filter(webhook::Column::IsEnabled.eq(true)).filter(concerned);
    Ok(enabled.all(ports.database.reader(operator)).await?)
}

/// Those of one website; `None` if there are none.
fn subscriptions_of(website: &website::Model, all: &[webhook::Model]) -> Option<Arc<[Subscription]>> {
    let concerns =
        |row: &&webhook::Model| row.team_id == website.team_id && row.website_id.is_none_or(|only| only == website.id);
    let subscriptions: Arc<[Subscription]> = all.iter().filter(concerns).map(Subscription::from_row).collect();
    (!subscriptions.is_empty()).then_some(subscriptions)
}
