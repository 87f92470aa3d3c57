//! Refetching by global ID: every object with an `id` can be fetched again.

use async_graphql::{Context, ID, Interface, Object};

use crate::{
    access::cx::Cx,
    access::{On, Reach as _, Role, access_directive},
    api_key::ApiKey,
    audit::AuditEntry,
    conversation::{Conversation, messages::ConversationMessage},
    error::{Error, Result},
    id::{Kind, split_global},
    list::List,
    people::Person,
    team::{Membership, Team},
    user::User,
    webhook::{Webhook, delivery::WebhookDelivery},
    website::{
        Website,
        exclusions::{self, IpExclusion, PathExclusion},
        goals::{self, Goal},
    },
};

// Vocabulary

/// Maximum number of IDs in one `nodes`.
const MAX_IDS: usize = 100;

/// Cost of looking up one ID: the object may contain a long text.
const LOOK_UP_COST: u32 = 200;

/// An object with a global ID.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global ID."))]
pub enum Node {
    /// A user.
    User(User),
    /// A team.
    Team(Team),
    /// A membership.
    Membership(Membership),
    /// A website.
    Website(Website),
    /// An API key.
    ApiKey(ApiKey),
    /// An excluded IP address or network.
    IpExclusion(IpExclusion),
    /// An excluded path pattern.
    PathExclusion(PathExclusion),
    /// A goal.
    Goal(Goal),
    /// An entry of the audit log.
    AuditEntry(AuditEntry),
    /// A conversation.
    Conversation(Conversation),
    /// A message of a conversation.
    ConversationMessage(ConversationMessage),
    /// A webhook.
    Webhook(Webhook),
    /// A message to a webhook.
    WebhookDelivery(WebhookDelivery),
    /// A person.
    Person(Person),
}

// Rules

/// The object with this global ID, under the same access check as any other way to it.
async fn find(cx: &Cx, field: &str, id: &str) -> Result<Node> {
    cx.caller().known()?;
    let (kind, uuid) = split_global(field, id)?;
    Ok(match kind {
        Kind::User => {
            let myself = cx.myself().await?;
            if myself.id() != uuid {
                return Err(Error::forbidden("This account belongs to another user. You can access only your own."));
            }
            Node::User(User(myself))
        }
        Kind::Team => Node::Team(Team(cx.team(field, id).await?)),
        Kind::Membership => Node::Membership(crate::team::members::membership(cx, uuid).await?),
        Kind::Website => Node::Website(Website::from(cx.site(field, id).await?)),
        Kind::ApiKey => Node::ApiKey(crate::api_key::find(cx, uuid).await?),
        Kind::IpExclusion => Node::IpExclusion(exclusions::ip::find(cx, field, uuid).await?),
        Kind::AuditEntry => Node::AuditEntry(crate::audit::find(cx, uuid).await?),
        Kind::Conversation => Node::Conversation(Conversation(cx.chat(field, id).await?)),
        Kind::ConversationMessage => Node::ConversationMessage(crate::conversation::messages::find(cx, uuid).await?),
        Kind::Person => Node::Person(crate::people::find(cx, uuid).await?),
        Kind::PathExclusion => Node::PathExclusion(exclusions::path::find(cx, field, uuid).await?),
        Kind::Webhook => Node::Webhook(crate::webhook::find(cx, uuid).await?),
        Kind::WebhookDelivery => Node::WebhookDelivery(crate::webhook::delivery::find(cx, uuid).await?),
        Kind::Goal => Node::Goal(goals::find(cx, field, uuid).await?),
    })
}

// Graph

/// Refetch queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with the given global ID. Null with an error if it does not exist or the caller cannot access it.
    #[doc = access_line!(NODE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Node, Some(Role::Viewer), None))]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global ID from an `id` field. A plain UUID is not accepted.")] id: ID,
    ) -> Option<async_graphql::Result<Node>> {
        let answer: async_graphql::Result<Option<Node>> = async { Ok(Some(find(ctx.cx()?, "id", &id).await?)) }.await;
        answer.transpose()
    }

    /// The objects with the given global IDs, in the same order. Null for each that does not exist or that the caller
    /// cannot access.
    #[doc = access_line!(NODE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Node, Some(Role::Viewer), None), directive = crate::cost::list_size::apply(None, Some(vec!["ids".to_owned()])), directive = crate::cost::cost::apply(LOOK_UP_COST))]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global IDs, at most 100.")] ids: Vec<ID>,
    ) -> async_graphql::Result<List<Option<Node>>> {
        let cx = ctx.cx()?;
        cx.caller().known()?;
        if ids.len() > MAX_IDS {
            return Err(Error::invalid("ids", format!("must have at most {MAX_IDS} IDs (got {})", ids.len())).into());
        }
        // Asked side by side, so that the loaders answer them in one batch.
        let found = futures_util::future::join_all(ids.iter().map(|id| find(cx, "ids", id))).await;
        let mut nodes = Vec::with_capacity(found.len());
        for each in found {
            match each {
                Ok(node) => nodes.push(Some(node)),
                Err(Error::NotFound { .. } | Error::Forbidden { .. }) => nodes.push(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(nodes.into())
    }
}
