//! Ownership offers. A member becomes an owner only by accepting one.
//!
//! - An offer is valid as long as its author is an owner and the member's role has not been changed in the meantime.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{
    Team,
    members::{self, Membership},
};
use crate::{
    access::{self, On, Reach as _, Role, Viewer, access_directive},
    error_code::{ErrorCode, errors},
};

// Vocabulary

/// Input for accepting ownership of a team.
#[derive(InputObject, Debug, Clone)]
pub struct TeamAcceptOwnershipInput {
    /// The team: global ID or UUID.
    pub team_id: ID,
}

/// Input for declining ownership of a team.
#[derive(InputObject, Debug, Clone)]
pub struct TeamDeclineOwnershipInput {
    /// The team: global ID or UUID.
    pub team_id: ID,
}

/// The result of accepting ownership.
#[derive(SimpleObject)]
pub struct TeamAcceptOwnershipPayload {
    /// The caller's membership.
    pub membership: Membership,
    /// The team, now owned by the caller.
    pub team: Team,
}

/// The result of declining ownership.
#[derive(SimpleObject)]
pub struct TeamDeclineOwnershipPayload {
    /// The caller's membership, with its role unchanged.
    pub membership: Membership,
}

// Graph

/// Ownership mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct OwnershipMutation;

#[Object]
impl OwnershipMutation {
    /// Accepts ownership of a team that was offered to the caller. If the team was transferred, the owner who offered
    /// it becomes an admin. Fails with `NOT_FOUND` if there is no valid offer.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None), directive = errors::apply(vec![ErrorCode::NotFound]))]
    async fn team_accept_ownership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The offer to accept.")] input: TeamAcceptOwnershipInput,
    ) -> Option<async_graphql::Result<TeamAcceptOwnershipPayload>> {
        let answer: async_graphql::Result<Option<TeamAcceptOwnershipPayload>> = async {
            let (cx, team) = (ctx.cx()?, ctx.team::<Viewer>(&input.team_id).await?);
            let membership = members::accept_ownership(cx.ports(), &team).await?;
            let team = Team(access::Team::by_uuid(cx, team.id()).await?);
            Ok(Some(TeamAcceptOwnershipPayload { membership, team }))
        }
        .await;
        answer.transpose()
    }

    /// Declines ownership of a team that was offered to the caller. Fails with `NOT_FOUND` if there is no offer.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None), directive = errors::apply(vec![ErrorCode::NotFound]))]
    async fn team_decline_ownership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The offer to decline.")] input: TeamDeclineOwnershipInput,
    ) -> Option<async_graphql::Result<TeamDeclineOwnershipPayload>> {
        let answer: async_graphql::Result<Option<TeamDeclineOwnershipPayload>> = async {
            let team = ctx.team::<Viewer>(&input.team_id).await?;
            let membership = members::decline_ownership(ctx.cx()?.ports(), &team).await?;
            Ok(Some(TeamDeclineOwnershipPayload { membership }))
        }
        .await;
        answer.transpose()
    }
}
