//! Members of a website's team, reached through the website: invited, given another role, removed.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::Website;
use crate::{
    access::{Admin, On, Reach as _, Role, access_directive},
    id::Kind,
    scalars::EmailAddress,
    team::members::{self, Membership},
};

// Vocabulary

/// Who is invited, and as what.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteInviteMemberInput {
    /// The e-mail address of a registered user; letter case does not matter.
    pub email: EmailAddress,
    /// The role to give, at most the caller's own.
    #[graphql(default_with = "Role::Viewer")]
    pub role: Role,
}

/// Which member gets which role.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteUpdateMemberInput {
    /// The membership: global id or UUID.
    pub member_id: ID,
    /// The role to give, at most the caller's own.
    pub role: Role,
}

/// Which member is removed.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteRemoveMemberInput {
    /// The membership: global id or UUID.
    pub member_id: ID,
}

/// The new member, or one who is back.
#[derive(SimpleObject)]
pub struct WebsiteInviteMemberPayload {
    /// The membership. Who was a member before has the same one again.
    pub membership: Membership,
    /// The website.
    pub website: Website,
}

/// The member after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateMemberPayload {
    /// The membership.
    pub membership: Membership,
    /// The website.
    pub website: Website,
}

/// What is left after a member was removed.
#[derive(SimpleObject)]
pub struct WebsiteRemoveMemberPayload {
    /// Always true: what could not be removed is an error.
    pub deleted: bool,
    /// The global id of the membership, which another invitation revives.
    pub deleted_id: ID,
    /// The website.
    pub website: Website,
}

// Graph

/// Mutations of who is a member.
#[derive(Debug, Default, Clone, Copy)]
pub struct MemberMutation;

#[Object]
impl MemberMutation {
    /// Gives a registered user a part in the website's team, at once. A caller grants no role above their own; a team has at most
    /// three owners, and an owner-to-be is an admin until they accept. An address that no account has is `NOT_FOUND`, also one that
    /// its account has not proven where mail is set up; an active member is a `CONFLICT`.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "Who is invited, and as what.")] input: WebsiteInviteMemberInput,
    ) -> Option<async_graphql::Result<WebsiteInviteMemberPayload>> {
        let answer: async_graphql::Result<Option<WebsiteInviteMemberPayload>> = async {
            let (cx, site) = (ctx.cx()?, ctx.site::<Admin>(&website_id).await?);
            let team = cx.loaders().team_of_site(&site).await?;
            let (ports, website) = (cx.ports(), Some(site.id()));
            let membership = members::invite(ports, &team, website, &input.email, input.role, cx.from()).await?;
            Ok(Some(WebsiteInviteMemberPayload { membership, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Gives a member of the website's team another role, which counts from the next request on; `OWNER` is offered, and counts once
    /// the member accepts. A caller changes no member above them and grants no role above their own; the last owner stays one.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_update_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "Which member gets which role.")] input: WebsiteUpdateMemberInput,
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

    /// Ends a member's part in the website's team; it counts from the next request on. Nobody removes a member above them, or
    /// the last owner. Who has no team left gets a new one of their own.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Admin), None))]
    async fn website_remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "Which member is removed.")] input: WebsiteRemoveMemberInput,
    ) -> Option<async_graphql::Result<WebsiteRemoveMemberPayload>> {
        let answer: async_graphql::Result<Option<WebsiteRemoveMemberPayload>> = async {
            let (cx, site) = (ctx.cx()?, ctx.site::<Admin>(&website_id).await?);
            let id = Kind::Membership.read("memberId", &input.member_id)?;
            let team = cx.loaders().team_of_site(&site).await?;
            members::remove(cx.ports(), &team, Some(site.id()), id).await?;
            let deleted_id = Kind::Membership.global(id);
            Ok(Some(WebsiteRemoveMemberPayload { deleted: true, deleted_id, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
