//! Webhook messages: the delivery log, and redelivery on request.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::webhook_delivery;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, EntityTrait as _, QueryFilter as _,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Webhook;
use crate::{
    access::cx::Cx,
    access::{Admin, On, Reach as _, Role, access_directive},
    connection::{self, ListOrder, Page, PageArgs, Place},
    error::{Error, Result},
    id::Kind,
    list::List,
    occurrence::WebhookEvent,
    ports::Ports,
    scalars::{Instant, Json},
};

// Vocabulary

/// Maximum number of attempts that are kept of one message.
pub(crate) const MAX_ATTEMPTS: u32 = 24;

/// Status of a message to a webhook.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Waits for its next attempt.
    Waiting,
    /// The URL answered with a 2xx status.
    Delivered,
    /// All attempts failed.
    Failed,
}

impl DeliveryStatus {
    const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Failed];

    /// The number that rows store.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    fn from_number(number: i16) -> Result<Self> {
        let status = usize::try_from(number).ok().and_then(|number| Self::ALL.get(number));
        status.copied().ok_or_else(|| Error::broken("a delivery has a status that this version does not know"))
    }
}

/// An attempt, as rows store it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began, in milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Status of the response; `None` without a response.
    pub status: Option<u16>,
    /// Duration in milliseconds.
    pub duration_ms: u32,
    /// Why there was no response, as a sentence for the webhook's owner.
    pub error: Option<String>,
}

/// A message to a webhook.
#[derive(Debug, Clone)]
pub struct WebhookDelivery {
    row: Arc<webhook_delivery::Model>,
    webhook: Webhook,
}

connection!(WebhookDeliveryConnection, WebhookDeliveryEdge, WebhookDelivery, "messages to a webhook", "newest first");

/// An attempt to deliver a message.
#[derive(SimpleObject, Debug, Clone)]
pub struct DeliveryAttempt {
    /// Time of the attempt, UTC.
    pub started_at: Instant,
    /// HTTP status of the response; null if there was none.
    pub status: Option<i32>,
    /// Duration in milliseconds.
    pub duration_milliseconds: i32,
    /// Why there was no response; null if there was one.
    pub error: Option<String>,
}

/// Input for delivering a message again.
#[derive(InputObject, Debug, Clone)]
pub struct WebhookRedeliverInput {
    /// The message: global ID or UUID.
    pub delivery_id: ID,
}

/// A message that is delivered again.
#[derive(SimpleObject)]
pub struct WebhookRedeliverPayload {
    /// The message, with its earlier attempts.
    pub delivery: WebhookDelivery,
}

impl WebhookDelivery {
    pub(super) fn of_webhook(webhook: &Webhook, row: webhook_delivery::Model) -> Result<Self> {
        if row.webhook_id != webhook.row.id {
            return Err(Error::broken("a webhook's proof met another webhook's message"));
        }
        Ok(Self { row: Arc::new(row), webhook: webhook.clone() })
    }
}

// Rules

/// Messages to a webhook, newest first.
pub(super) async fn of_webhook(
    ports: &Ports,
    webhook: &Webhook,
    status: Option<DeliveryStatus>,
    args: &PageArgs,
) -> Result<Page<WebhookDelivery>> {
    let window = args.window(connection::MAX_PAGE)?;
    let mut list = webhook_delivery::Entity::find().filter(webhook_delivery::Column::WebhookId.eq(webhook.row.id));
    if let Some(status) = status {
        list = list.filter(webhook_delivery::Column::Status.eq(status.number()));
    }
    let place = |row: &webhook_delivery::Model| Place { at: row.created_at, id: row.id };
    let columns = (webhook_delivery::Column::CreatedAt, webhook_delivery::Column::Id);
    let reader = ports.database.reader(&webhook.team);
    let page = connection::page(reader, list, ListOrder::NewestFirst, columns, place, window).await?;
    page.try_map(|row| WebhookDelivery::of_webhook(webhook, row))
}

/// A message, for an admin of the webhook's team. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<WebhookDelivery> {
    let (row, webhook, team) = cx.delivery::<Admin>(id).await?;
    WebhookDelivery::of_webhook(&Webhook::of_team(&team, webhook)?, row)
}

/// Attempts a message again now, under the same ID; if it fails, eight times in all. Errors: `Conflict` for a disabled webhook.
async fn redeliver(ports: &Ports, delivery: &WebhookDelivery) -> Result<WebhookDelivery> {
    if !delivery.webhook.row.is_enabled {
        return Err(Error::conflict("The webhook is disabled. Enable it with `webhookUpdate` first."));
    }
    let row = webhook_delivery::ActiveModel {
        id: Unchanged(delivery.row.id),
        status: Set(DeliveryStatus::Waiting.number()),
        tries: Set(0),
        next_attempt_at: Set(Some(ports.now())),
        ..Default::default()
    };
    let txn = ports.begin(&delivery.webhook.team).await?;
    let row = row.update(&txn).await.map_err(|source| match source {
        sea_orm::DbErr::RecordNotUpdated => Error::not_found("The delivery"),
        source => source.into(),
    })?;
    txn.commit_addition().await?;
    ports.deliveries.wake([row.webhook_id]);
    WebhookDelivery::of_webhook(&delivery.webhook, row)
}

fn attempts_of(row: &webhook_delivery::Model) -> Vec<Attempt> {
    serde_json::from_str(&row.attempts).unwrap_or_default()
}

/// The attempts as rows store them, with one more; the oldest are dropped.
pub(super) fn with_attempt(stored: &str, attempt: &Attempt) -> String {
    let mut attempts: Vec<Attempt> = serde_json::from_str(stored).unwrap_or_default();
    attempts.push(attempt.clone());
    let most = usize::try_from(MAX_ATTEMPTS).unwrap_or(usize::MAX);
    let kept = attempts.split_off(attempts.len().saturating_sub(most));
    serde_json::to_string(&kept).unwrap_or_default()
}

/// A time in milliseconds since 1970 UTC, as rows store it.
pub(super) fn time_of(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

// Graph

/// A message to a webhook, and the attempts to deliver it.
#[Object]
impl WebhookDelivery {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::WebhookDelivery.global(self.row.id)
    }

    /// UUID, which every attempt sends in the header `webhook-id`.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// What the message reports.
    async fn event(&self) -> Result<WebhookEvent> {
        let event = u8::try_from(self.row.event).ok().and_then(WebhookEvent::from_number);
        event.ok_or_else(|| Error::broken("a delivery has an event that this version does not know"))
    }

    /// Whether the message is a test.
    async fn is_test(&self) -> bool {
        self.row.is_test
    }

    /// UUID of the website; null for a test.
    async fn website_database_id(&self) -> Option<Uuid> {
        self.row.website_id
    }

    /// Status of the message.
    async fn status(&self) -> Result<DeliveryStatus> {
        DeliveryStatus::from_number(self.row.status)
    }

    /// Attempts so far, oldest first; at most the last 24.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_ATTEMPTS), None))]
    async fn attempts(&self) -> List<DeliveryAttempt> {
        let attempts = attempts_of(&self.row).into_iter().map(|attempt| DeliveryAttempt {
            started_at: Instant(time_of(attempt.at_ms)),
            status: attempt.status.map(i32::from),
            duration_milliseconds: i32::try_from(attempt.duration_ms).unwrap_or(i32::MAX),
            error: attempt.error,
        });
        attempts.collect()
    }

    /// Time of the next attempt, UTC. Messages of one visitor are delivered in order, so it can be later. Null if there will be none.
    async fn next_attempt_at(&self) -> Option<Instant> {
        self.row.next_attempt_at.map(Instant)
    }

    /// Body of the request.
    async fn payload(&self) -> Result<Json> {
        serde_json::from_str(&self.row.body).map(Json).map_err(Error::internal)
    }

    /// Creation time, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// The webhook.
    async fn webhook(&self) -> &Webhook {
        &self.webhook
    }
}

/// Mutations of messages to webhooks.
#[derive(Debug, Default, Clone, Copy)]
pub struct DeliveryMutation;

#[Object]
impl DeliveryMutation {
    /// Delivers a message again now, under the same ID. If it fails, it is attempted eight times in all.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn webhook_redeliver(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message to deliver again.")] input: WebhookRedeliverInput,
    ) -> Option<async_graphql::Result<WebhookRedeliverPayload>> {
        let answer: async_graphql::Result<Option<WebhookRedeliverPayload>> = async {
            let cx = ctx.cx()?;
            cx.caller().known()?;
            let delivery = find(cx, Kind::WebhookDelivery.read("deliveryId", &input.delivery_id)?).await?;
            Ok(Some(WebhookRedeliverPayload { delivery: redeliver(cx.ports(), &delivery).await? }))
        }
        .await;
        answer.transpose()
    }
}
