//! What the server's jobs do with messages to webhooks: take them over from the outbox, find those that are due, record attempts,
//! and delete old ones.
//!
//! - A message is taken over once: its ID is its primary key.
//! - Of each visitor, the oldest message that waits comes first; the others wait until it was delivered or has failed for good.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use entity::{membership, user, webhook, webhook_delivery};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
    sea_query::{Alias, Expr, ExprTrait as _, Query},
};
use uuid::Uuid;

use super::{
    delivery::{Attempt, DeliveryStatus, with_attempt},
    manage::websites_of,
};
use crate::{
    access::{Operator, Role},
    audit::{self, AuditAction, Line},
    caller::Caller,
    error::Result,
    occurrence::OutboxMessage,
    ports::Ports,
};

/// Maximum number of messages of one webhook that wait.
pub const MAX_WAITING: u64 = 100_000;

/// Days for which messages are kept.
const KEPT_DAYS: i64 = 7;

/// Maximum number of messages of one webhook that are kept after they were delivered or failed.
const MAX_KEPT: u64 = 10_000;

/// Messages that are read at a time.
const WINDOW: u64 = 256;

/// Hours without a success after which a webhook is disabled when a message fails for good.
const FAILING_HOURS: i64 = 20;

type Delivery = webhook_delivery::Entity;
type Column = webhook_delivery::Column;

fn waiting_of(webhook: Uuid) -> Condition {
    Condition::all().add(Column::WebhookId.eq(webhook)).add(Column::Status.eq(DeliveryStatus::Waiting.number()))
}

/// Takes messages over from the outbox, with their positions in it. Repetitions, and messages to webhooks that are gone or disabled, are ignored; those to a
/// webhook with too many that wait are dropped and counted. Returns the webhooks that have something to deliver.
pub async fn take_over(ports: &Ports, operator: &Operator, messages: Vec<(i64, OutboxMessage)>) -> Result<Vec<Uuid>> {
    let txn = ports.begin(operator).await?;
    let ids = messages.iter().map(|(_, message)| message.webhook);
    let webhooks = webhook::Entity::find().filter(webhook::Column::Id.is_in(ids)).all(&*txn).await?;
    let mut room = HashMap::new();
    for webhook in webhooks.iter().filter(|webhook| webhook.is_enabled) {
        let waiting = Delivery::find().filter(waiting_of(webhook.id)).count(&*txn).await?;
        room.insert(webhook.id, MAX_WAITING.saturating_sub(waiting));
    }
    let (now, mut dropped, mut rows) = (ports.now(), HashMap::<Uuid, i64>::new(), Vec::new());
    for (position, message) in messages {
        let Some(room) = room.get_mut(&message.webhook) else { continue };
        if *room == 0 {
            *dropped.entry(message.webhook).or_default() += 1;
            continue;
        }
        *room -= 1;
        rows.push(row(message, position, now));
    }
    for (webhook, count) in &dropped {
        tracing::warn!(webhook.id = %webhook, messages = count, "too many messages to a webhook wait: new ones were dropped");
        webhook::Entity::update_many()
            .col_expr(webhook::Column::Dropped, Expr::col(webhook::Column::Dropped).add(*count))
            .filter(webhook::Column::Id.eq(*webhook))
            .exec(&*txn)
            .await?;
    }
    if !rows.is_empty() {
        Delivery::insert_many(rows).on_conflict_do_nothing().exec_without_returning(&*txn).await?;
    }
    txn.commit_addition().await?;
    Ok(room.into_keys().collect())
}

fn row(message: OutboxMessage, position: i64, now: DateTime<Utc>) -> webhook_delivery::ActiveModel {
    webhook_delivery::ActiveModel {
        id: Set(message.id),
        webhook_id: Set(message.webhook),
        website_id: Set(Some(message.website)),
        visitor: Set(message.visitor.cast_signed()),
        event: Set(i16::from(message.event.number())),
        is_test: Set(false),
        body: Set(message.body),
        status: Set(DeliveryStatus::Waiting.number()),
        tries: Set(0),
        attempts: Set("[]".to_owned()),
        next_attempt_at: Set(Some(now)),
        sequence: Set(position),
        created_at: Set(now),
    }
}

/// The webhooks with messages that wait.
pub async fn waiting(ports: &Ports, operator: &Operator) -> Result<Vec<Uuid>> {
    let waiting = Delivery::find()
        .select_only()
        .column(Column::WebhookId)
        .distinct()
        .filter(Column::Status.eq(DeliveryStatus::Waiting.number()));
    Ok(waiting.into_tuple().all(ports.database.reader(operator)).await?)
}

/// Where messages go, and how they are signed.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// ID of the webhook.
    pub webhook: Uuid,
    /// The URL.
    pub url: String,
    /// Secrets that sign: the current one and, for a day after a rotation, the one before.
    pub secrets: Vec<String>,
    /// Since when attempts fail; `None` after a success.
    pub failing_since: Option<DateTime<Utc>>,
}

/// A message to send.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its ID.
    pub id: Uuid,
    /// The website it is about; `None` for a test.
    pub website: Option<Uuid>,
    /// The body of the request.
    pub body: String,
    /// Attempts so far.
    pub tries: u16,
    /// Those attempts, as rows store them.
    attempts: String,
}

/// What there is to do for one webhook.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Where messages go; `None` if the webhook is gone or disabled.
    pub endpoint: Option<Endpoint>,
    /// Messages by visitor: those of one visitor one after the other, and only as long as each is delivered.
    pub lanes: Vec<Vec<Message>>,
    /// When to look again if there is nothing to send now; `None` if nothing waits.
    pub next: Option<DateTime<Utc>>,
}

/// Finds the messages of a webhook that are due, the oldest first.
pub async fn batch(ports: &Ports, operator: &Operator, webhook: Uuid) -> Result<Batch> {
    let reader = ports.database.reader(operator);
    let Some(row) = webhook::Entity::find_by_id(webhook).one(reader).await?.filter(|row| row.is_enabled) else {
        return Ok(Batch::default());
    };
    let endpoint = endpoint(ports, &row)?;
    let now = ports.now();
    let in_order = || {
        Delivery::find()
            .filter(waiting_of(webhook))
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Sequence)
            .order_by_asc(Column::Id)
            .limit(WINDOW)
    };
    let oldest = in_order().all(reader).await?;
    let is_whole = u64::try_from(oldest.len()).unwrap_or(WINDOW) < WINDOW;
    let (mut lanes, mut next) = lanes(oldest, now);
    if lanes.is_empty() && !is_whole {
        // Visitors whose messages must wait fill the window: look for others behind it.
        (lanes, next) = self::lanes(in_order().filter(is_head(webhook, now)).all(reader).await?, now);
        next = next.or(Some(now + Duration::seconds(5)));
    }
    Ok(Batch { endpoint: Some(endpoint), lanes, next })
}

/// Whether a message is due and the oldest of its visitor that waits.
fn is_head(webhook: Uuid, now: DateTime<Utc>) -> Condition {
    let older = Alias::new("older");
    let theirs = |column: Column| Expr::col((older.clone(), column));
    let own = |column: Column| Expr::col((webhook_delivery::Entity, column));
    let is_older = theirs(Column::CreatedAt).lt(own(Column::CreatedAt)).or(theirs(Column::CreatedAt)
        .eq(own(Column::CreatedAt))
        .and(theirs(Column::Sequence).lt(own(Column::Sequence))));
    let earlier = Query::select()
        .expr(Expr::val(1))
        .from_as(webhook_delivery::Entity, older.clone())
        .and_where(theirs(Column::WebhookId).eq(webhook))
        .and_where(theirs(Column::Status).eq(DeliveryStatus::Waiting.number()))
        .and_where(theirs(Column::Visitor).eq(own(Column::Visitor)))
        .and_where(is_older)
        .take();
    Condition::all().add(Column::NextAttemptAt.lte(now)).add(Expr::exists(earlier).not())
}

/// Messages in order, by visitor; only of visitors whose oldest is due. Also when the next visitor's is.
fn lanes(rows: Vec<webhook_delivery::Model>, now: DateTime<Utc>) -> (Vec<Vec<Message>>, Option<DateTime<Utc>>) {
    let (mut lanes, mut next): (Vec<Vec<Message>>, Option<DateTime<Utc>>) = (Vec::new(), None);
    let mut of_visitor: HashMap<i64, Option<usize>> = HashMap::new();
    for row in rows {
        let place = *of_visitor.entry(row.visitor).or_insert_with(|| match row.next_attempt_at {
            Some(at) if at > now => {
                next = Some(next.map_or(at, |next| Ord::min(next, at)));
                None
            }
            _ => {
                lanes.push(Vec::new());
                Some(lanes.len() - 1)
            }
        });
        if let Some(lane) = place.and_then(|place| lanes.get_mut(place)) {
            let tries = u16::try_from(row.tries).unwrap_or(0);
            lane.push(Message { id: row.id, website: row.website_id, body: row.body, tries, attempts: row.attempts });
        }
    }
    (lanes, next)
}

fn endpoint(ports: &Ports, row: &webhook::Model) -> Result<Endpoint> {
    let now = ports.now();
    let previous = row.previous_secret.as_ref().filter(|_| row.previous_until.is_some_and(|until| until > now));
    let sealed = std::iter::once(&row.secret).chain(previous);
    let secrets = sealed.map(|sealed| ports.vault.open(row.id, sealed)).collect::<Result<_>>()?;
    Ok(Endpoint { webhook: row.id, url: row.url.clone(), secrets, failing_since: row.failing_since })
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It was delivered.
    Delivered,
    /// It is attempted again at this time.
    Retry(DateTime<Utc>),
    /// It has failed for good.
    Failed,
}

/// An attempt to record.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The message.
    pub message: Message,
    /// The attempt.
    pub attempt: Attempt,
    /// What follows.
    pub next: Next,
    /// Whether the URL said that it is gone.
    pub is_gone: bool,
}

/// Records attempts of one webhook, and disables it if its URL is gone or kept failing.
pub async fn record(ports: &Ports, operator: &Operator, endpoint: &Endpoint, attempts: &[Recorded]) -> Result<()> {
    let Some(last) = attempts.last() else { return Ok(()) };
    let now = ports.now();
    let txn = ports.begin(operator).await?;
    for recorded in attempts {
        let (status, next) = match recorded.next {
            Next::Delivered => (DeliveryStatus::Delivered, None),
            Next::Retry(at) => (DeliveryStatus::Waiting, Some(at)),
            Next::Failed => (DeliveryStatus::Failed, None),
        };
        let tries = i16::try_from(recorded.message.tries.saturating_add(1)).unwrap_or(i16::MAX);
        // A message that was deleted meanwhile needs no record.
        Delivery::update_many()
            .col_expr(Column::Status, Expr::value(status.number()))
            .col_expr(Column::Tries, Expr::value(tries))
            .col_expr(Column::Attempts, Expr::value(with_attempt(&recorded.message.attempts, &recorded.attempt)))
            .col_expr(Column::NextAttemptAt, Expr::value(next))
            .filter(Column::Id.eq(recorded.message.id))
            .exec(&*txn)
            .await?;
    }
    let has_succeeded = attempts.iter().any(|recorded| recorded.next == Next::Delivered);
    let failing_since = match last.next {
        Next::Delivered => None,
        _ if has_succeeded => Some(now),
        _ => endpoint.failing_since.or(Some(now)),
    };
    if failing_since.is_some() != endpoint.failing_since.is_some() || has_succeeded && failing_since.is_some() {
        let row = webhook::ActiveModel {
            id: Unchanged(endpoint.webhook),
            failing_since: Set(failing_since),
            ..Default::default()
        };
        match row.update(&*txn).await {
            Ok(_) | Err(sea_orm::DbErr::RecordNotUpdated) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let long = now - Duration::hours(FAILING_HOURS);
    let has_given_up = attempts.iter().any(|recorded| recorded.next == Next::Failed);
    let reason = if attempts.iter().any(|recorded| recorded.is_gone) {
        Some("The URL answered 410 Gone.")
    } else if has_given_up && failing_since.is_some_and(|since| since < long) {
        Some("No attempt has succeeded for a day.")
    } else {
        None
    };
    match reason {
        Some(reason) => disable(ports, txn, endpoint.webhook, reason).await,
        None => txn.commit_addition().await,
    }
}

/// Disables a webhook, and tells the admins of its team.
async fn disable(ports: &Ports, txn: crate::transaction::Transaction, webhook: Uuid, reason: &str) -> Result<()> {
    let Some(row) = webhook::Entity::find_by_id(webhook).one(&*txn).await?.filter(|row| row.is_enabled) else {
        return txn.commit_addition().await;
    };
    let change = webhook::ActiveModel {
        id: Unchanged(webhook),
        is_enabled: Set(false),
        disabled_reason: Set(Some(reason.to_owned())),
        ..Default::default()
    };
    change.update(&*txn).await?;
    let line = Line {
        action: AuditAction::WebhookDisable,
        caller: Caller::Operator,
        team: Some(row.team_id),
        website: row.website_id,
        target: &row.url,
        changed: &["isEnabled"],
    };
    audit::note(&*txn, ports, line).await?;
    let websites = websites_of(&*txn, &row).await?;
    let admins = admins_of(&*txn, row.team_id).await?;
    txn.commit_changing(&[row.team_id], &websites).await?;
    tracing::warn!(webhook.id = %webhook, reason, "a webhook was disabled");
    let text = format!(
        "The webhook to {} was disabled. {reason}\n\nWhat waits is kept for {KEPT_DAYS} days and delivered when you enable it again.\n",
        row.url
    );
    let ports = ports.clone();
    ports.clone().background.run("webhook notice", async move {
        if ports.mail.is_set_up() {
            for admin in admins {
                ports.mail.send(&admin, "A webhook was disabled", &text).await?;
            }
        }
        Ok(())
    });
    Ok(())
}

/// Addresses of the active admins of a team, at most 20.
async fn admins_of(db: &impl ConnectionTrait, team: Uuid) -> Result<Vec<String>> {
    let members = membership::Entity::find()
        .select_only()
        .column(membership::Column::UserId)
        .filter(membership::Column::TeamId.eq(team))
        .filter(membership::Column::DeactivatedAt.is_null())
        .filter(membership::Column::Role.gte(Role::Admin.level()))
        .limit(20);
    let ids: Vec<Uuid> = members.into_tuple().all(db).await?;
    let emails = user::Entity::find().select_only().column(user::Column::Email).filter(user::Column::Id.is_in(ids));
    Ok(emails.into_tuple().all(db).await?)
}

/// Deletes messages that are no longer kept. Returns their number.
pub async fn prune(ports: &Ports, operator: &Operator) -> Result<u64> {
    let db = ports.database.writer(operator);
    let old = Column::CreatedAt.lt(ports.now() - Duration::days(KEPT_DAYS));
    let mut deleted = Delivery::delete_many().filter(old).exec(db).await?.rows_affected;
    let ended = || Column::Status.ne(DeliveryStatus::Waiting.number());
    let webhooks: Vec<Uuid> = webhook::Entity::find()
        .select_only()
        .column(webhook::Column::Id)
        .into_tuple()
        .all(ports.database.reader(operator))
        .await?;
    for webhook in webhooks {
        let oldest_kept = Delivery::find()
            .filter(Column::WebhookId.eq(webhook))
            .filter(ended())
            .order_by_desc(Column::CreatedAt)
            .offset(MAX_KEPT)
            .one(ports.database.reader(operator))
            .await?;
        let Some(oldest_kept) = oldest_kept else { continue };
        let surplus = Delivery::delete_many()
            .filter(Column::WebhookId.eq(webhook))
            .filter(ended())
            .filter(Column::CreatedAt.lte(oldest_kept.created_at));
        deleted += surplus.exec(db).await?.rows_affected;
    }
    Ok(deleted)
}
