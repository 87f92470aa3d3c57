//! Members of a website's team, managed through the website.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::Website;
use crate::{
    access::{
        Admin, On, Reach as _, Role, access_directive,
        creation::{Creation, Outcome},
    },
    constraint::Constrained,
    error_code::{ErrorCode, errors},
    id::Kind,
    idempotency::KEY,
    scalars::EmailAddress,
    team::members::{self, Membership},
};

// Vocabulary

/// The user to invite and their role.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteInviteMemberInput {
    /// E-mail address of a registered user. Not case-sensitive.
    pub email: EmailAddress,
    /// Role to grant, at most the caller's own.
    #[graphql(default_with = "Role::Viewer")]
    pub role: Role,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// The member and their new role.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteUpdateMemberInput {
    /// The membership: global ID or UUID.
    pub member_id: ID,
    /// Role to grant, at most the caller's own.
    pub role: Role,
}

/// Input for removing a member.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteRemoveMemberInput {
    /// The membership: global ID or UUID.
    pub member_id: ID,
}

/// The result of inviting a member.
#[derive(SimpleObject)]
pub struct WebsiteInviteMemberPayload {
    /// The membership. A former member keeps the same one.
    pub membership: Membership,
    /// The website.
    pub website: Website,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The member after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateMemberPayload {
    /// The membership.
    pub membership: Membership,
    /// The website.
    pub website: Website,
}

/// The result of removing a member.
#[derive(SimpleObject)]
pub struct WebsiteRemoveMemberPayload {
    /// Global ID of the membership. A later invitation reactivates it.
    pub deleted_id: ID,
    /// The website.
    pub website: Website,
}

// Graph

/// Member mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct MemberMutation;

#[Object]
impl MemberMutation {
    /// Adds a registered user to the website's team, effective immediately. Callers cannot grant a role above their
    /// own. A team has at most three owners; a member invited as OWNER is an admin until they accept. Fails with
    /// `NOT_FOUND` if no account has the address or, if mail is configured, the account has not confirmed it, and with
    /// `CONFLICT` for an active member.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None), directive = errors::apply(vec![ErrorCode::NotFound, ErrorCode::Conflict]))]
    async fn website_invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The user to invite and their role.")] input: WebsiteInviteMemberInput,
    ) -> Option<async_graphql::Result<WebsiteInviteMemberPayload>> {
        let answer: async_graphql::Result<Option<WebsiteInviteMemberPayload>> = async {
            let (cx, site) = (ctx.cx()?, ctx.site::<Admin>(&website_id).await?);
            let team = cx.loaders().team_of_site(&site).await?;
            let client_mutation_id = input.client_mutation_id;
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let (ports, website) = (creation.ports(), Some(site.id()));
            let invited = members::invite(ports, &team, website, &input.email, input.role, cx.from());
            let membership = match creation.run(&team, invited).await? {
                Outcome::Created(membership) => membership,
                Outcome::Repeated(id) => members::membership(cx, id).await?,
            };
            let website = Website::from(site.lower());
            Ok(Some(WebsiteInviteMemberPayload { membership, website, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Changes the role of a member of the website's team, effective with their next request. `OWNER` is offered, and
    /// takes effect once the member accepts. Callers cannot change a member with a higher role or grant a role above
    /// their own. The last owner cannot be changed.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_update_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The member and their new role.")] input: WebsiteUpdateMemberInput,
    ) -> Option<async_graphql::Result<WebsiteUpdateMemberPayload>> {
        let answer: async_graphql::Result<Option<WebsiteUpdateMemberPayload>> = async {
            let (cx, site) = (ctx.cx()?, ctx.site::<Admin>(&website_id).await?);
            let id = Kind::Membership.read("memberId", &input.member_id)?;
            let team = cx.loaders().team_of_site(&site).await?;
            let membership = members::change_role(cx.ports(), &team, Some(site.id()), id, input.role).await?;
            Ok(Some(WebsiteUpdateMemberPayload { membership, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Removes a member from the website's team, effective with their next request. Callers cannot remove a member with
    /// a higher role, or the last owner. A user without any other team gets a new one of their own.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The member to remove.")] input: WebsiteRemoveMemberInput,
    ) -> Option<async_graphql::Result<WebsiteRemoveMemberPayload>> {
        let answer: async_graphql::Result<Option<WebsiteRemoveMemberPayload>> = async {
            let (cx, site) = (ctx.cx()?, ctx.site::<Admin>(&website_id).await?);
            let id = Kind::Membership.read("memberId", &input.member_id)?;
            let team = cx.loaders().team_of_site(&site).await?;
            members::remove(cx.ports(), &team, Some(site.id()), id).await?;
            let deleted_id = Kind::Membership.global(id);
            Ok(Some(WebsiteRemoveMemberPayload { deleted_id, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
