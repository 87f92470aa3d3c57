//! Members of a team, invited without naming one of its websites.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{
    Team,
    members::{self, Membership},
};
use crate::{
    access::{
        Admin, On, Reach as _, Role, access_directive,
        creation::{Creation, Outcome},
    },
    constraint::Constrained,
    error_code::{ErrorCode, errors},
    idempotency::KEY,
    scalars::EmailAddress,
};

// Vocabulary

/// The user to invite and their role.
#[derive(InputObject, Debug, Clone)]
pub struct TeamInviteMemberInput {
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

/// The result of inviting a member.
#[derive(SimpleObject)]
pub struct TeamInviteMemberPayload {
    /// The membership. A former member keeps the same one.
    pub membership: Membership,
    /// The team.
    pub team: Team,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

// Graph

/// Mutations that invite members.
#[derive(Debug, Default, Clone, Copy)]
pub struct InvitingMutation;

#[Object]
impl InvitingMutation {
    /// Adds a registered user to the team, effective immediately. Callers cannot grant a role above their own. A team
    /// has at most three owners; a member invited as OWNER is an admin until they accept. Fails with `NOT_FOUND` if no
    /// account has the address or, if mail is configured, the account has not confirmed it, and with `CONFLICT` for an
    /// active member.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None), directive = errors::apply(vec![ErrorCode::NotFound, ErrorCode::Conflict]))]
    async fn team_invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID.")] team_id: ID,
        #[graphql(desc = "The user to invite and their role.")] input: TeamInviteMemberInput,
    ) -> Option<async_graphql::Result<TeamInviteMemberPayload>> {
        let answer: async_graphql::Result<Option<TeamInviteMemberPayload>> = async {
            let (cx, team) = (ctx.cx()?, ctx.team::<Admin>(&team_id).await?);
            let client_mutation_id = input.client_mutation_id;
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let invited = members::invite(creation.ports(), &team, None, &input.email, input.role, cx.from());
            let membership = match creation.run(&team, invited).await? {
                Outcome::Created(membership) => membership,
                Outcome::Repeated(id) => members::membership(cx, id).await?,
            };
            Ok(Some(TeamInviteMemberPayload { membership, team: Team(team.lower()), client_mutation_id }))
        }
        .await;
        answer.transpose()
    }
}
