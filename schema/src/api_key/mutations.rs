//! Mutations of API keys.

use async_graphql::{Context, Object};

use super::{
    ApiKeyCreateInput, ApiKeyCreatePayload, ApiKeyRevokeInput, ApiKeyRevokePayload, ApiKeyRotateInput,
    ApiKeyRotatePayload, Grant, create, find, named, revoke, rotate,
};
use crate::{
    access::{
        self, Admin, On, Reach as _, Role, access_directive,
        creation::{Creation, Outcome},
    },
    team::team_meant,
};

/// API key mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Creates an API key. The key itself is returned only in this response.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_key_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new key.")] input: ApiKeyCreateInput,
    ) -> Option<async_graphql::Result<ApiKeyCreatePayload>> {
        let answer: async_graphql::Result<Option<ApiKeyCreatePayload>> = async {
            let cx = ctx.cx()?;
            let site = match &input.website_id {
                Some(id) => Some(ctx.site::<Admin>(id).await?),
                None => None,
            };
            let team = match (&input.team_id, &site) {
                (None, Some(site)) => access::Team::<Admin>::by_uuid(cx, site.website().team_id).await?,
                (named, _) => team_meant(cx, named.as_ref()).await?,
            };
            let site = site.map(|site| site.lower());
            let (scopes, end) = (input.scopes.as_deref(), input.expires_at);
            let (origins, networks) = (input.allowed_origins.as_deref(), input.allowed_networks.as_deref());
            let grant = Grant::checked(scopes, end, origins, networks, cx.ports().now())?;
            let creation = Creation::new(ctx, input.client_mutation_id.as_deref())?;
            let created = create(creation.ports(), &team, &input.name, site.as_ref(), grant);
            let (api_key, secret) = match creation.run(&team, created).await? {
                Outcome::Created((api_key, secret)) => (api_key, Some(secret)),
                Outcome::Repeated(id) => (find(cx, id).await?, None),
            };
            Ok(Some(ApiKeyCreatePayload { api_key, secret, client_mutation_id: input.client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Revokes an API key immediately and permanently.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_key_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key to revoke.")] input: ApiKeyRevokeInput,
    ) -> Option<async_graphql::Result<ApiKeyRevokePayload>> {
        let answer: async_graphql::Result<Option<ApiKeyRevokePayload>> = async {
            let cx = ctx.cx()?;
            let (key, team) = named(cx, &input.api_key_id).await?;
            Ok(Some(ApiKeyRevokePayload { api_key: revoke(cx.ports(), &team, &key).await? }))
        }
        .await;
        answer.transpose()
    }

    /// Replaces an API key with a new one that has the same name and permission. The old key keeps working for five
    /// minutes, so that clients can switch over.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_key_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key to rotate.")] input: ApiKeyRotateInput,
    ) -> Option<async_graphql::Result<ApiKeyRotatePayload>> {
        let answer: async_graphql::Result<Option<ApiKeyRotatePayload>> = async {
            let cx = ctx.cx()?;
            let (key, team) = named(cx, &input.api_key_id).await?;
            let client_mutation_id = input.client_mutation_id;
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let (api_key, secret, previous) = match creation.run(&team, rotate(creation.ports(), &team, &key)).await? {
                Outcome::Created((new, secret, old)) => (new, Some(secret), old),
                Outcome::Repeated(id) => (find(cx, id).await?, None, key),
            };
            Ok(Some(ApiKeyRotatePayload { api_key, secret, previous, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }
}
