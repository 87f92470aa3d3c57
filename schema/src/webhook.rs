//! Webhooks: URLs that are told of what happens on a team's websites.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use entity::webhook;
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::{
    access::cx::Cx,
    access::{self, Admin, On, Reach as _, Role, Site, access_directive},
    connection::PageArgs,
    error::{Error, Result},
    id::Kind,
    list::List,
    occurrence::{Subscription, WebhookEvent},
    ports::Ports,
    scalars::{BigInt, Instant, Url},
    team::team_meant,
};

pub mod delivery;
pub mod input;
pub mod manage;
pub mod sending;

use delivery::{DeliveryStatus, WebhookDeliveryConnection};

// Vocabulary

/// Maximum number of webhooks of a team, those of its websites included.
pub const MAX_WEBHOOKS: u32 = 100;

/// Maximum number of names, and of goals, in a filter.
pub(crate) const MAX_NAMES: u32 = 100;

/// A webhook, as its team's admins see it.
#[derive(Debug, Clone)]
pub struct Webhook {
    row: Arc<webhook::Model>,
    team: access::Team<Admin>,
}

impl Webhook {
    pub(crate) fn of_team(team: &access::Team<Admin>, row: webhook::Model) -> Result<Self> {
        if row.team_id != team.id() {
            return Err(Error::broken("a team's proof met another team's webhook"));
        }
        Ok(Self { row: Arc::new(row), team: team.clone() })
    }
}

/// Restricts what a webhook reports.
#[derive(Debug, Clone)]
pub struct WebhookFilter(Subscription);

// Rules

/// The webhooks of a team and, with `site`, only those that are told of this website; oldest first.
async fn webhooks(ports: &Ports, team: &access::Team<Admin>, site: Option<Uuid>) -> Result<List<Webhook>> {
    let concerned = site.map_or_else(Condition::all, |site| {
        Condition::any().add(webhook::Column::WebsiteId.eq(site)).add(webhook::Column::WebsiteId.is_null())
    });
    let rows = webhook::Entity::find()
        .filter(webhook::Column::TeamId.eq(team.id()))
        .filter(concerned)
        .order_by_asc(webhook::Column::CreatedAt)
        .order_by_asc(webhook::Column::Id)
        .limit(u64::from(MAX_WEBHOOKS))
        .all(ports.database.reader(team))
        .await?;
    rows.into_iter().map(|row| Webhook::of_team(team, row)).collect::<Result<Vec<_>>>().map(List::from)
}

/// All webhooks of a team.
pub(crate) async fn of_team(ports: &Ports, team: &access::Team<Admin>) -> Result<List<Webhook>> {
    webhooks(ports, team, None).await
}

/// The webhooks that are told of a website.
pub(crate) async fn of_website(cx: &Cx, site: &Site<Admin>) -> Result<List<Webhook>> {
    let team = access::Team::<Admin>::by_uuid(cx, site.website().team_id).await?;
    webhooks(cx.ports(), &team, Some(site.id())).await
}

/// A webhook, for an admin of its team. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<Webhook> {
    let (row, team) = cx.of_team::<webhook::Entity, Admin>(id, "The webhook").await?;
    Webhook::of_team(&team, row)
}

/// The events of a set of bits, in the order of their numbers.
fn events_of(bits: i16) -> Vec<WebhookEvent> {
    WebhookEvent::ALL.into_iter().filter(|event| bits & i16::from(event.bit()) != 0).collect()
}

// Graph

/// A filter of a webhook. Only what passes it is reported.
#[Object]
impl WebhookFilter {
    /// Names of tracked events that are reported by `EVENT_TRACKED`; empty for all.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_NAMES), None))]
    async fn event_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.event_names.iter().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// UUIDs of goals that are reported by `GOAL_COMPLETED` and `VISITOR_CONVERTED`; empty for all.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_NAMES), None))]
    async fn goal_database_ids(&self) -> Vec<Uuid> {
        let mut goals: Vec<Uuid> = self.0.goals.iter().copied().collect();
        goals.sort_unstable();
        goals
    }
}

/// A webhook: a URL that receives a signed POST request for each event that it subscribes to.
#[Object]
impl Webhook {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::Webhook.global(self.row.id)
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// UUID of the team.
    async fn team_database_id(&self) -> Uuid {
        self.row.team_id
    }

    /// UUID of the only website that it is about; null for all websites of the team.
    async fn website_database_id(&self) -> Option<Uuid> {
        self.row.website_id
    }

    /// Where requests are sent.
    async fn url(&self) -> Url {
        Url::stored(self.row.url.clone())
    }

    /// Events that it subscribes to.
    #[graphql(directive = crate::cost::list_size::apply(Some(5), None))]
    async fn events(&self) -> Vec<WebhookEvent> {
        events_of(self.row.events)
    }

    /// Restricts what is reported.
    async fn filter(&self) -> WebhookFilter {
        WebhookFilter(Subscription::from_row(&self.row))
    }

    /// Whether requests are sent. While false, nothing new is reported, and messages that wait stay for up to seven days.
    async fn is_enabled(&self) -> bool {
        self.row.is_enabled
    }

    /// Why the webhook was disabled automatically; null if it was not.
    async fn disabled_reason(&self) -> Option<&str> {
        self.row.disabled_reason.as_deref()
    }

    /// Time of the first failed attempt since the last success, UTC; null if the last attempt succeeded.
    async fn failing_since(&self) -> Option<Instant> {
        self.row.failing_since.map(Instant)
    }

    /// Number of messages that were dropped because 100,000 waited already.
    async fn dropped_messages(&self) -> BigInt {
        BigInt(self.row.dropped)
    }

    /// Time until which the previous secret signs too, UTC; null if the secret was not rotated in the last 24 hours.
    async fn previous_secret_expires_at(&self, ctx: &Context<'_>) -> Result<Option<Instant>> {
        let now = ctx.cx()?.ports().now();
        Ok(self.row.previous_until.filter(|until| *until > now).map(Instant))
    }

    /// Creation time, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// Messages to the webhook, newest first. Those that were delivered or failed are kept for seven days, at most 10,000.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only messages with this status. Null for all.")] status: Option<DeliveryStatus>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<WebhookDeliveryConnection> {
        let args = PageArgs { first, after, last, before };
        Ok(WebhookDeliveryConnection::new(delivery::of_webhook(ctx.cx()?.ports(), self, status, &args).await?))
    }
}

/// Webhook queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// The webhooks of a team, those of single websites included, oldest first.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(
        directive = access_directive::access::apply(On::Team, Some(Role::Admin), None),
        directive = crate::cost::list_size::apply(Some(MAX_WEBHOOKS), None)
    )]
    async fn webhooks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID. Null means the caller's default team.")] team_id: Option<ID>,
    ) -> Option<async_graphql::Result<List<Webhook>>> {
        let answer: async_graphql::Result<Option<List<Webhook>>> = async {
            let cx = ctx.cx()?;
            let team = team_meant::<Admin>(cx, team_id.as_ref()).await?;
            Ok(Some(of_team(cx.ports(), &team).await?))
        }
        .await;
        answer.transpose()
    }
}
