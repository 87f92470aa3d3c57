//! Footfall's GraphQL schema, which holds all rules. `src` of the root crate is one way to serve it.
//!
//! Imports point one way: `error, scalars -> caller, role -> ports -> access -> nouns -> lib`.

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions};

pub mod attempts;
pub mod background;
pub mod caller;
pub mod changes;
pub mod constraint;
pub mod cost;
pub mod database;
pub mod delivery_queue;
pub mod error;
pub mod error_code;
pub mod goal_rule;
pub mod id;
pub mod idempotency;
pub mod key_usage;
pub mod message_broadcast;
pub mod ports;
pub mod rate_window;
pub mod role;
pub mod scalars;
pub mod traffic;
mod website_row;

#[macro_use]
pub mod access;

#[macro_use]
pub mod connection;
pub mod analytics;
pub mod api_key;
pub mod audit;
pub mod auth;
pub mod conversation;
pub mod host;
pub mod invitation;
mod known_network;
mod letters;
pub mod list;
pub mod node;
pub mod occurrence;
pub mod onboarding;
pub mod operator_lists;
pub mod password;
pub mod people;
pub mod plan;
pub mod realtime;
pub mod schema_index;
pub mod score;
pub mod session;
pub mod team;
mod text;
pub mod transaction;
pub mod user;
pub mod user_profile;
pub mod webhook;
pub mod website;

pub use access::cx::{Cx, RequestId};
pub use caller::AddressHash;
pub use error::{Error, Result};
pub use error_code::ErrorCode;
pub use ports::Ports;

/// Queries. Root fields that can fail are nullable, so that one failure does not discard the rest of the response.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct Query(
    user::UserQuery,
    node::NodeQuery,
    team::TeamQuery,
    website::WebsiteQuery,
    api_key::ApiKeyQuery,
    webhook::WebhookQuery,
    plan::PlanQuery,
    realtime::RealtimeQuery,
    conversation::ConversationQuery,
);

/// Mutations. The fields of a document run one after another, in document order.
///
/// In groups, because each object of a merged one makes resolving the objects after it one call deeper.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct Mutation(AccountMutations, WebsiteMutations, TeamMutations, PlanMutations, VisitorMutations);

/// Mutations of accounts and sessions.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct AccountMutations(
    user::creation::SignUpMutation,
    user::profile::ProfileMutation,
    user::email::EmailMutation,
    user::email_proof::EmailProofMutation,
    user::deletion::AccountDeletionMutation,
    session::SessionMutation,
    password::PasswordMutation,
    onboarding::OnboardingMutation,
);

/// Mutations of websites and their settings.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct WebsiteMutations(
    website::creation::WebsiteMutation,
    website::deletion::WebsiteDeletionMutation,
    website::general::GeneralMutation,
    website::notifications::NotificationMutation,
    website::revenue::RevenueMutation,
    website::domains::DomainMutation,
    website::exclusions::ip::IpExclusionMutation,
    website::exclusions::path::PathExclusionMutation,
    website::members::MemberMutation,
    website::goals::GoalMutation,
);

/// Mutations of teams, their members, keys and conversations.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct TeamMutations(
    team::manage::TeamMutation,
    team::inviting::InvitingMutation,
    team::ownership::OwnershipMutation,
    invitation::InvitationMutation,
    conversation::ConversationMutation,
    api_key::mutations::ApiKeyMutation,
);

/// Mutations of plans, of what they limit, and of who sets them.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct PlanMutations(
    team::plan::TeamPlanMutation,
    team::warnings::UsageWarningMutation,
    user::operators::OperatorMutation,
    website::retention::RetentionMutation,
);

/// Mutations of webhooks and of the people they report.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
pub struct VisitorMutations(
    webhook::manage::WebhookMutation,
    webhook::delivery::DeliveryMutation,
    people::forgetting::ForgettingMutation,
);

/// Subscriptions. A stream of results that lasts until the client or the server ends it.
#[derive(MergedSubscription, Debug, Default, Clone, Copy)]
pub struct Subscription(realtime::LiveSubscription, conversation::ConversationSubscription);

/// The executable schema. Each request carries a [`Cx`] (`Request::data`).
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Description of the scalar that the library defines.
const UUID: &str = "A UUID (RFC 9562) in hyphenated lower-case form, such as `5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6`.";

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    async_graphql::Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .override_output_type_description::<uuid::Uuid>(UUID)
}

/// Builds the schema. Ports travel in each request's [`Cx`], not in the schema. `suggestions`: whether errors about
/// unknown names may name similar ones.
#[must_use]
pub fn build(suggestions: bool) -> Schema {
    if suggestions { builder().finish() } else { builder().disable_suggestions().finish() }
}

/// Builds the schema for operations that were validated before, such as the persisted documents of REST.
#[must_use]
pub fn build_trusted() -> Schema {
    builder().validation_mode(async_graphql::ValidationMode::Fast).finish()
}

/// The published SDL, with `@access` and `@specifiedBy`.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().include_specified_by())
}

/// The index of the published schema. Errors: a message, if the SDL states what does not exist.
pub fn index() -> std::result::Result<schema_index::SchemaIndex, String> {
    schema_index::SchemaIndex::read(&sdl())
}
