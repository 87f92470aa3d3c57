//! Inputs and results of the mutations of webhooks.

use async_graphql::{ID, InputObject, MaybeUndefined, SimpleObject};
use uuid::Uuid;

use super::{MAX_NAMES, Webhook, delivery::WebhookDelivery};
use crate::{
    constraint::{Constrained, Constraint},
    idempotency::KEY,
    occurrence::WebhookEvent,
    scalars::{Instant, Url},
};

/// Names of events; they have the length that beacons allow.
pub(super) const NAMES: Constraint = Constraint::name(200).each(MAX_NAMES);

/// Events to subscribe to.
pub(super) const EVENTS: Constraint = Constraint::list(5).not_empty();

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
    #[graphql(directive = Constrained::apply(EVENTS))]
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
    /// Where requests are sent. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub url: MaybeUndefined<Url>,
    /// Events to subscribe to, at least one. Cannot be null.
    #[graphql(directive = Constrained::apply(EVENTS.not_null()))]
    pub events: MaybeUndefined<Vec<WebhookEvent>>,
    /// Restricts what is reported; null for no restriction. Replaces the whole filter.
    pub filter: MaybeUndefined<WebhookFilterInput>,
    /// Whether requests are sent. True ends an automatic disabling; what waits is delivered then. Cannot be null.
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
