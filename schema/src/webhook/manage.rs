//! Webhooks: create, change, delete, test, and rotate the secret.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::Duration;
use entity::{webhook, webhook_delivery, website};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    MAX_NAMES, MAX_WEBHOOKS, Webhook,
    delivery::{self, DeliveryStatus, WebhookDelivery},
    find,
};
use crate::{
    access::{
        self, Admin, On, Reach as _, Role, Site, access_directive,
        creation::{Creation, Outcome},
    },
    audit::{self, AuditAction, Line},
    constraint::{Constrained, Constraint, not_null},
    error::{Error, Result},
    id::Kind,
    idempotency::KEY,
    occurrence::{self, Occurrence, WebhookEvent},
    ports::Ports,
    scalars::{Instant, Url},
    team::team_meant,
    text,
};

// Vocabulary

/// Random characters in a secret: 190 bits.
const SECRET: usize = 32;

/// Hours for which a rotated secret keeps signing.
const OVERLAP_HOURS: i64 = 24;

/// Names of events; they have the length that beacons allow.
const NAMES: Constraint = Constraint::name(200).each(MAX_NAMES);

/// Restricts what a webhook reports.
#[derive(InputObject, Debug, Clone, Default)]
pub struct WebhookFilterInput {
    /// Names of tracked events that are reported by `EVENT_TRACKED`, at most 100; null or empty for all.
    #[graphql(directive = Constrained::apply(NAMES))]
    pub event_names: Option<Vec<String>>,
    /// UUIDs of goals that are reported by `GOAL_COMPLETED` and `VISITOR_CONVERTED`, at most 100; null or empty for all.
    #[graphql(directive = Constrained::apply(Constraint::list(MAX_NAMES)))]
    pub goal_database_ids: Option<Vec<Uuid>>,
}

/// A new webhook.
#[derive(InputObject, Debug, Clone)]
pub struct WebhookCreateInput {
    /// The team: global ID or UUID. Null means the team of `websiteId` or, if that is null too, the caller's default team.
    pub team_id: Option<ID>,
    /// The only website that it is about: global ID or UUID. Null means all websites of the team.
    pub website_id: Option<ID>,
    /// Where requests are sent: an `https` URL that resolves to a public address, unless the operator allows others.
    pub url: Url,
    /// Events to subscribe to, at least one; null for all five.
    #[graphql(directive = Constrained::apply(Constraint::list(5).not_empty()))]
    pub events: Option<Vec<WebhookEvent>>,
    /// Restricts what is reported; null for no restriction.
    pub filter: Option<WebhookFilterInput>,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// A new webhook. In the response to a repeated request (see `clientMutationId`), `secret` is null: if the first response
/// was lost, rotate the secret.
#[derive(SimpleObject)]
pub struct WebhookCreatePayload {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs requests: `whsec_` and base64. Shown only once.
    pub secret: Option<String>,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// Changes of a webhook. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone)]
pub struct WebhookUpdateInput {
    /// The webhook: global ID or UUID.
    pub webhook_id: ID,
    /// Where requests are sent.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub url: MaybeUndefined<Url>,
    /// Events to subscribe to, at least one.
    #[graphql(directive = Constrained::apply(Constraint::list(5).not_empty().not_null()))]
    pub events: MaybeUndefined<Vec<WebhookEvent>>,
    /// Restricts what is reported; null for no restriction. Replaces the whole filter.
    pub filter: MaybeUndefined<WebhookFilterInput>,
    /// Whether requests are sent. True ends an automatic disabling; what waits is delivered then.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub is_enabled: MaybeUndefined<bool>,
}

/// A changed webhook.
#[derive(SimpleObject)]
pub struct WebhookUpdatePayload {
    /// The webhook.
    pub webhook: Webhook,
}

/// Input for deleting a webhook.
#[derive(InputObject, Debug, Clone)]
pub struct WebhookDeleteInput {
    /// The webhook: global ID or UUID.
    pub webhook_id: ID,
}

/// The result of deleting a webhook.
#[derive(SimpleObject)]
pub struct WebhookDeletePayload {
    /// Global ID of the deleted webhook.
    pub deleted_id: ID,
}

/// Input for rotating the secret of a webhook.
#[derive(InputObject, Debug, Clone)]
pub struct WebhookRotateSecretInput {
    /// The webhook: global ID or UUID.
    pub webhook_id: ID,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// A webhook with a new secret. In the response to a repeated request (see `clientMutationId`), `secret` is null: if the
/// first response was lost, rotate again.
#[derive(SimpleObject)]
pub struct WebhookRotateSecretPayload {
    /// The webhook.
    pub webhook: Webhook,
    /// The new secret: `whsec_` and base64. Shown only once.
    pub secret: Option<String>,
    /// Time until which the previous secret signs too, UTC: 24 hours from now.
    pub previous_secret_expires_at: Option<Instant>,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// Input for sending a test to a webhook.
#[derive(InputObject, Debug, Clone)]
pub struct WebhookTestInput {
    /// The webhook: global ID or UUID.
    pub webhook_id: ID,
    /// The event of which an example is sent.
    #[graphql(default_with = "WebhookEvent::VisitorHighValue")]
    pub event: WebhookEvent,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// A test that is sent to a webhook.
#[derive(SimpleObject)]
pub struct WebhookTestPayload {
    /// The message. Query it again for its attempts.
    pub delivery: WebhookDelivery,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

// Rules

/// A URL that requests may be sent to. Errors: `Invalid`.
fn checked_url(ports: &Ports, url: &Url) -> Result<String> {
    match ports.outgoing.fault(url.as_str()) {
        Some(why) => Err(Error::invalid("url", why)),
        None => Ok(url.as_str().to_owned()),
    }
}

/// The bits of events. Errors: `Invalid` for none.
fn bits(events: &[WebhookEvent]) -> Result<i16> {
    if events.is_empty() {
        return Err(Error::invalid("events", "must have at least one event"));
    }
    Ok(events.iter().fold(0, |bits, event| bits | i16::from(event.bit())))
}

/// The filter's names and goals, as rows store them. Errors: `Invalid` for too many, or a name that is none.
fn stored(filter: Option<&WebhookFilterInput>) -> Result<(String, String)> {
    let names = filter.and_then(|filter| filter.event_names.as_deref()).unwrap_or_default();
    let goals = filter.and_then(|filter| filter.goal_database_ids.as_deref()).unwrap_or_default();
    NAMES.check_items("filter.eventNames", names.len(), "names")?;
    NAMES.check_items("filter.goalDatabaseIds", goals.len(), "goals")?;
    let names = names.iter().map(|name| text::name("filter.eventNames", name, NAMES));
    let (names, goals) = (names.collect::<Result<BTreeSet<_>>>()?, goals.iter().collect::<BTreeSet<_>>());
    Ok((json!(names).to_string(), json!(goals).to_string()))
}

/// A new secret in the form of Standard Webhooks.
fn new_secret(ports: &Ports) -> String {
    format!("whsec_{}", STANDARD.encode(ports.ids.secret(SECRET)))
}

/// The websites whose rules a webhook concerns: its own, or all of the team's.
pub(super) async fn websites_of(db: &impl ConnectionTrait, row: &webhook::Model) -> Result<Vec<Uuid>> {
    if let Some(website) = row.website_id {
        return Ok(vec![website]);
    }
    let ids = website::Entity::find().select_only().column(website::Column::Id);
    Ok(ids.filter(website::Column::TeamId.eq(row.team_id)).into_tuple().all(db).await?)
}

fn line<'a>(
    action: AuditAction,
    team: &access::Team<Admin>,
    row: &'a webhook::Model,
    changed: &'a [&'a str],
) -> Line<'a> {
    let (team, caller) = (Some(team.id()), team.caller());
    Line { action, caller, team, website: row.website_id, target: &row.url, changed }
}

/// Creates a webhook. Returns it with its secret. Errors: `Invalid`; `Conflict` for a team that has 100.
async fn create(
    ports: &Ports,
    team: &access::Team<Admin>,
    site: Option<&Site<Admin>>,
    input: &WebhookCreateInput,
) -> Result<(Webhook, String)> {
    if site.is_some_and(|site| site.website().team_id != team.id()) {
        let why = "must belong to the team in teamId; omit teamId or pass the website's team";
        return Err(Error::invalid("websiteId", why));
    }
    let url = checked_url(ports, &input.url)?;
    let events = bits(input.events.as_deref().unwrap_or(&WebhookEvent::ALL))?;
    let (event_names, goals) = stored(input.filter.as_ref())?;
    let (id, secret) = (ports.ids.uuid(), new_secret(ports));
    let row = webhook::ActiveModel {
        id: Set(id),
        team_id: Set(team.id()),
        website_id: Set(site.map(Site::id)),
        url: Set(url),
        events: Set(events),
        event_names: Set(event_names),
        goals: Set(goals),
        secret: Set(ports.vault.seal(id, &secret)?),
        previous_secret: Set(None),
        previous_until: Set(None),
        is_enabled: Set(true),
        disabled_reason: Set(None),
        failing_since: Set(None),
        dropped: Set(0),
        created_by: Set(team.caller().user()),
        created_at: Set(ports.now()),
    };
    let mut txn = ports.begin(team).await?;
    let count = webhook::Entity::find().filter(webhook::Column::TeamId.eq(team.id())).count(&*txn).await?;
    if count >= u64::from(MAX_WEBHOOKS) {
        return Err(Error::conflict(format!(
            "The team has {MAX_WEBHOOKS} webhooks, which is the limit. Delete one first."
        )));
    }
    let row = row.insert(&txn).await?;
    audit::note(&txn, ports, line(AuditAction::WebhookCreate, team, &row, &[])).await?;
    txn.created(id).await?;
    let websites = websites_of(&*txn, &row).await?;
    txn.commit_changing(&[team.id()], &websites).await?;
    Ok((Webhook::of_team(team, row)?, secret))
}

/// Changes a webhook. Errors: `Invalid`, `NotFound`.
async fn update(ports: &Ports, webhook: &Webhook, input: WebhookUpdateInput) -> Result<Webhook> {
    let team = &webhook.team;
    let mut row = webhook::ActiveModel { id: Unchanged(webhook.row.id), ..Default::default() };
    let mut changed = Vec::new();
    if let Some(url) = not_null("url", input.url)? {
        row.url = Set(checked_url(ports, &url)?);
        changed.push("url");
    }
    if let Some(events) = not_null("events", input.events)? {
        row.events = Set(bits(&events)?);
        changed.push("events");
    }
    if !input.filter.is_undefined() {
        let (event_names, goals) = stored(input.filter.value())?;
        (row.event_names, row.goals) = (Set(event_names), Set(goals));
        changed.push("filter");
    }
    if let Some(is_enabled) = not_null("isEnabled", input.is_enabled)? {
        row.is_enabled = Set(is_enabled);
        (row.disabled_reason, row.failing_since) = (Set(None), Set(None));
        changed.push("isEnabled");
    }
    if changed.is_empty() {
        return Ok(webhook.clone());
    }
    let txn = ports.begin(team).await?;
    let row = row.update(&txn).await.map_err(gone)?;
    audit::note(&txn, ports, line(AuditAction::WebhookUpdate, team, &row, &changed)).await?;
    let websites = websites_of(&*txn, &row).await?;
    txn.commit_changing(&[team.id()], &websites).await?;
    ports.deliveries.wake([row.id]);
    Webhook::of_team(team, row)
}

fn gone(source: sea_orm::DbErr) -> Error {
    match source {
        sea_orm::DbErr::RecordNotUpdated => Error::not_found("The webhook"),
        source => source.into(),
    }
}

/// Deletes a webhook with its messages. Errors: `NotFound`.
async fn delete(ports: &Ports, webhook: &Webhook) -> Result<()> {
    let team = &webhook.team;
    let txn = ports.begin(team).await?;
    let websites = websites_of(&*txn, &webhook.row).await?;
    if webhook::Entity::delete_by_id(webhook.row.id).exec(&*txn).await?.rows_affected == 0 {
        return Err(Error::not_found("The webhook"));
    }
    audit::note(&txn, ports, line(AuditAction::WebhookDelete, team, &webhook.row, &[])).await?;
    txn.commit_changing(&[team.id()], &websites).await
}

/// Gives a webhook a new secret; the one before signs too for 24 hours. Returns the webhook with its secret. Errors: `NotFound`.
async fn rotate(ports: &Ports, webhook: &Webhook) -> Result<(Webhook, String)> {
    let (team, id, secret) = (&webhook.team, webhook.row.id, new_secret(ports));
    let mut txn = ports.begin(team).await?;
    let old = webhook::Entity::find_by_id(id).one(&*txn).await?.ok_or_else(|| Error::not_found("The webhook"))?;
    let row = webhook::ActiveModel {
        id: Unchanged(id),
        secret: Set(ports.vault.seal(id, &secret)?),
        previous_secret: Set(Some(old.secret)),
        previous_until: Set(Some(ports.now() + Duration::hours(OVERLAP_HOURS))),
        ..Default::default()
    };
    let row = row.update(&txn).await.map_err(gone)?;
    audit::note(&txn, ports, line(AuditAction::WebhookRotateSecret, team, &row, &[])).await?;
    txn.created(id).await?;
    txn.commit_changing(&[team.id()], &[]).await?;
    Ok((Webhook::of_team(team, row)?, secret))
}

/// Creates a message with an example of an event. Errors: `Conflict` for a disabled webhook.
async fn test(ports: &Ports, webhook: &Webhook, event: WebhookEvent) -> Result<WebhookDelivery> {
    if !webhook.row.is_enabled {
        return Err(Error::conflict("The webhook is disabled. Enable it with `webhookUpdate` first."));
    }
    let (id, now) = (ports.ids.uuid(), ports.now());
    let row = webhook_delivery::ActiveModel {
        id: Set(id),
        webhook_id: Set(webhook.row.id),
        website_id: Set(None),
        // A lane of its own: a test waits for nothing.
        visitor: Set(id.as_u64_pair().1.cast_signed()),
        event: Set(i16::from(event.number())),
        is_test: Set(true),
        body: Set(occurrence::body(event, now.timestamp_millis(), Occurrence::example(event))),
        status: Set(DeliveryStatus::Waiting.number()),
        tries: Set(0),
        attempts: Set("[]".to_owned()),
        next_attempt_at: Set(Some(now)),
        sequence: Set(0),
        created_at: Set(now),
    };
    let mut txn = ports.begin(&webhook.team).await?;
    let row = row.insert(&txn).await?;
    txn.created(id).await?;
    txn.commit_addition().await?;
    ports.deliveries.wake([webhook.row.id]);
    WebhookDelivery::of_webhook(webhook, row)
}

/// The webhook that an argument identifies, if the caller is an admin of its team. Errors: 401, 400, 404, 403.
async fn named(ctx: &Context<'_>, id: &ID) -> Result<Webhook> {
    let cx = ctx.cx()?;
    cx.caller().known()?;
    find(cx, Kind::Webhook.read("webhookId", id)?).await
}

// Graph

/// Webhook mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Creates a webhook. Its secret is returned only in this response. At most 100 per team.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn webhook_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new webhook.")] input: WebhookCreateInput,
    ) -> Option<async_graphql::Result<WebhookCreatePayload>> {
        let answer: async_graphql::Result<Option<WebhookCreatePayload>> = async {
            let cx = ctx.cx()?;
            let site = match &input.website_id {
                Some(id) => Some(ctx.site::<Admin>(id).await?),
                None => None,
            };
            let team = match (&input.team_id, &site) {
                (None, Some(site)) => access::Team::<Admin>::by_uuid(cx, site.website().team_id).await?,
                (named, _) => team_meant(cx, named.as_ref()).await?,
            };
            let creation = Creation::new(ctx, input.client_mutation_id.as_deref())?;
            let created = create(creation.ports(), &team, site.as_ref(), &input);
            let (webhook, secret) = match creation.run(&team, created).await? {
                Outcome::Created((webhook, secret)) => (webhook, Some(secret)),
                Outcome::Repeated(id) => (find(cx, id).await?, None),
            };
            Ok(Some(WebhookCreatePayload { webhook, secret, client_mutation_id: input.client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Changes a webhook. Omitted fields stay unchanged.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn webhook_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: WebhookUpdateInput,
    ) -> Option<async_graphql::Result<WebhookUpdatePayload>> {
        let answer: async_graphql::Result<Option<WebhookUpdatePayload>> = async {
            let webhook = named(ctx, &input.webhook_id).await?;
            Ok(Some(WebhookUpdatePayload { webhook: update(ctx.cx()?.ports(), &webhook, input).await? }))
        }
        .await;
        answer.transpose()
    }

    /// Deletes a webhook with all its messages, including those that wait.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn webhook_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook to delete.")] input: WebhookDeleteInput,
    ) -> Option<async_graphql::Result<WebhookDeletePayload>> {
        let answer: async_graphql::Result<Option<WebhookDeletePayload>> = async {
            let webhook = named(ctx, &input.webhook_id).await?;
            delete(ctx.cx()?.ports(), &webhook).await?;
            Ok(Some(WebhookDeletePayload { deleted_id: Kind::Webhook.global(webhook.row.id) }))
        }
        .await;
        answer.transpose()
    }

    /// Replaces the secret of a webhook. For 24 hours, requests are signed with both, so that receivers can switch over.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn webhook_rotate_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook whose secret is replaced.")] input: WebhookRotateSecretInput,
    ) -> Option<async_graphql::Result<WebhookRotateSecretPayload>> {
        let answer: async_graphql::Result<Option<WebhookRotateSecretPayload>> = async {
            let webhook = named(ctx, &input.webhook_id).await?;
            let client_mutation_id = input.client_mutation_id;
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let (webhook, secret) = match creation.run(&webhook.team, rotate(creation.ports(), &webhook)).await? {
                Outcome::Created((webhook, secret)) => (webhook, Some(secret)),
                Outcome::Repeated(id) => (find(ctx.cx()?, id).await?, None),
            };
            let previous_secret_expires_at = webhook.row.previous_until.map(Instant);
            Ok(Some(WebhookRotateSecretPayload { webhook, secret, previous_secret_expires_at, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Sends an example of an event to a webhook, with an ID and a signature as a real one has.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn webhook_test(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook and the event.")] input: WebhookTestInput,
    ) -> Option<async_graphql::Result<WebhookTestPayload>> {
        let answer: async_graphql::Result<Option<WebhookTestPayload>> = async {
            let webhook = named(ctx, &input.webhook_id).await?;
            let client_mutation_id = input.client_mutation_id;
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let delivery = match creation.run(&webhook.team, test(creation.ports(), &webhook, input.event)).await? {
                Outcome::Created(delivery) => delivery,
                Outcome::Repeated(id) => delivery::find(ctx.cx()?, id).await?,
            };
            Ok(Some(WebhookTestPayload { delivery, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }
}
