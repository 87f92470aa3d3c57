//! Webhooks: create, change, delete, test, and rotate the secret.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, Object};
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
    MAX_WEBHOOKS, Webhook,
    delivery::{self, DeliveryStatus, WebhookDelivery},
    find,
    input::{
        EVENTS, NAMES, WebhookCreateInput, WebhookCreatePayload, WebhookDeleteInput, WebhookDeletePayload,
        WebhookFilterInput, WebhookRotateSecretInput, WebhookRotateSecretPayload, WebhookTestInput, WebhookTestPayload,
        WebhookUpdateInput, WebhookUpdatePayload,
    },
};
use crate::{
    access::{
        self, Admin, On, Reach as _, Role, Site, access_directive,
        creation::{Creation, Outcome},
    },
    audit::{self, AuditAction, Line},
    constraint::not_null,
    error::{Error, Result},
    id::Kind,
    occurrence::{self, Occurrence, WebhookEvent},
    ports::Ports,
    scalars::{Instant, Url},
    team::team_meant,
    text,
};

/// Random characters in a secret: 190 bits.
const SECRET: usize = 32;

/// Hours for which a rotated secret keeps signing.
const OVERLAP_HOURS: i64 = 24;

// Rules

/// A URL that requests may be sent to. Errors: `Invalid`.
fn checked_url(ports: &Ports, url: &Url) -> Result<String> {
    match ports.outgoing.fault(url.as_str()) {
        Some(why) => Err(Error::invalid("url", why)),
        None => Ok(url.as_str().to_owned()),
    }
}

/// The bits of events. Errors: `Invalid` for none, or more than there are.
fn bits(events: &[WebhookEvent]) -> Result<i16> {
    if events.is_empty() {
        return Err(Error::invalid("events", "must have at least one event"));
    }
    EVENTS.check_items("events", events.len(), "events")?;
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
