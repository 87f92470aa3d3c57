//! Offers of ownership: a member becomes an owner only by accepting.
//!
//! - An offer stands as long as the owner who made it is one, and the member has no other role given meanwhile.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::{membership, ownership_offer};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait as _, sea_query::OnConflict};
use uuid::Uuid;

use super::{
    Team,
    members::{self, Membership},
};
use crate::{
    access::{self, On, Role, Viewer, access_directive},
    cx::Reach as _,
    error::Result,
    ports::Ports,
};

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

// Rules

/// Offers ownership to a member; an earlier offer is replaced. `is_transfer`: the owner who offers becomes an admin by it.
pub(super) async fn offer(
    db: &impl ConnectionTrait,
    ports: &Ports,
    part: &membership::Model,
    offered_by: Uuid,
    is_transfer: bool,
) -> Result<()> {
    let row = ownership_offer::ActiveModel {
        membership_id: Set(part.id),
        offered_by: Set(offered_by),
        is_transfer: Set(is_transfer),
        created_at: Set(ports.now()),
    };
    let again = OnConflict::column(ownership_offer::Column::MembershipId)
        .update_columns([
            ownership_offer::Column::OfferedBy,
            ownership_offer::Column::IsTransfer,
            ownership_offer::Column::CreatedAt,
        ])
        .to_owned();
    ownership_offer::Entity::insert(row).on_conflict(again).exec_without_returning(db).await?;
    Ok(())
}

/// The offer to a member, where there is one.
pub(super) async fn offer_to(db: &impl ConnectionTrait, part: Uuid) -> Result<Option<ownership_offer::Model>> {
    Ok(ownership_offer::Entity::find_by_id(part).one(db).await?)
}

/// Takes back the offer to a member, where there is one.
pub(super) async fn withdraw(db: &impl ConnectionTrait, part: Uuid) -> Result<()> {
    ownership_offer::Entity::delete_by_id(part).exec(db).await?;
    Ok(())
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
