//! Offers of ownership: a member becomes an owner only by accepting.
//!
//! - An offer stands as long as the owner who made it is one, and the member has no other role given meanwhile.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{
    Team,
    members::{self, Membership},
};
use crate::access::{self, On, Reach as _, Role, Viewer, access_directive};

// Vocabulary

/// Which offer is accepted.
#[derive(InputObject, Debug, Clone)]
pub struct TeamAcceptOwnershipInput {
    /// The team: global id or UUID.
    pub team_id: ID,
}

/// Which offer is declined.
#[derive(InputObject, Debug, Clone)]
pub struct TeamDeclineOwnershipInput {
    /// The team: global id or UUID.
    pub team_id: ID,
}

/// An owner by acceptance.
#[derive(SimpleObject)]
pub struct TeamAcceptOwnershipPayload {
    /// The caller's membership.
    pub membership: Membership,
    /// The team, which the caller owns now.
    pub team: Team,
}

/// An offer that was declined.
#[derive(SimpleObject)]
pub struct TeamDeclineOwnershipPayload {
    /// The caller's membership, with the role that it had.
    pub membership: Membership,
}

// Graph

/// Mutations of offers of ownership.
#[derive(Debug, Default, Clone, Copy)]
pub struct OwnershipMutation;

#[Object]
impl OwnershipMutation {
    /// Accepts the ownership of a team that an owner has offered to the caller. `NOT_FOUND` without an offer that stands. Where the
    /// team is handed over, the owner who offered is an admin of it from then on.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None))]
    async fn team_accept_ownership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which offer is accepted.")] input: TeamAcceptOwnershipInput,
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

    /// Declines the ownership of a team that an owner has offered to the caller. `NOT_FOUND` without an offer.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None))]
    async fn team_decline_ownership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which offer is declined.")] input: TeamDeclineOwnershipInput,
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
