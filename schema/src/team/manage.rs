//! Teams: create, rename, leave and transfer.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::{membership, team};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
};
use uuid::Uuid;

use super::{
    Team,
    creation::found,
    members::{self, Membership},
};
use crate::{
    access::{
        self, Admin, Myself, On, Owner, Reach as _, Role, Viewer, access_directive,
        creation::{Creation, Outcome},
    },
    audit::{self, AuditAction, Line},
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    id::Kind,
    idempotency::KEY,
    ports::Ports,
    text,
};

// Vocabulary

/// Name of a team.
const NAME: Constraint = Constraint::name(100);

/// A new team.
#[derive(InputObject, Debug, Clone)]
pub struct TeamCreateInput {
    /// Name, 1 to 100 characters.
    #[graphql(directive = Constrained::apply(NAME))]
    pub name: String,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// Changes to a team.
#[derive(InputObject, Debug, Clone)]
pub struct TeamUpdateInput {
    /// Name, 1 to 100 characters.
    #[graphql(directive = Constrained::apply(NAME))]
    pub name: String,
}

/// Input for leaving a team.
#[derive(InputObject, Debug, Clone)]
pub struct TeamLeaveInput {
    /// The team: global ID or UUID.
    pub team_id: ID,
}

/// Input for transferring a team.
#[derive(InputObject, Debug, Clone)]
pub struct TeamTransferInput {
    /// Membership of an active member: global ID or UUID.
    pub member_id: ID,
}

/// A new team.
#[derive(SimpleObject)]
pub struct TeamCreatePayload {
    /// The new team, owned by the caller.
    pub team: Team,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The team after the change.
#[derive(SimpleObject)]
pub struct TeamUpdatePayload {
    /// The team.
    pub team: Team,
}

/// The result of leaving a team.
#[derive(SimpleObject)]
pub struct TeamLeavePayload {
    /// Global ID of the team that the caller left.
    pub team_id: ID,
}

/// The result of offering a team to another member.
#[derive(SimpleObject)]
pub struct TeamTransferPayload {
    /// The new owner's membership, with a `pendingRole` until they accept.
    pub membership: Membership,
    /// The team, owned by the caller until the member accepts.
    pub team: Team,
}

// Rules

/// Maximum number of teams that one account can own.
const MAX_TEAMS: u64 = 100;

/// Creates a team that the caller owns, on the Free plan. Returns its ID. Errors: `Invalid`, `Conflict` for a caller
/// who owns too many.
pub async fn create(ports: &Ports, myself: &Myself, name: &str) -> Result<Uuid> {
    let name = text::name("name", name, NAME)?;
    let mut txn = ports.begin(myself).await?;
    let owned = membership::Entity::find()
        .filter(membership::Column::UserId.eq(myself.id()))
        .filter(membership::Column::Role.eq(Role::Owner.level()))
        .filter(membership::Column::DeactivatedAt.is_null())
        .count(&txn)
        .await?;
    if owned >= MAX_TEAMS {
        return Err(Error::conflict(format!("You already own {owned} teams; at most {MAX_TEAMS} are allowed.")));
    }
    let team = found(&txn, ports, myself.id(), name).await?;
    let line = Line {
        action: AuditAction::TeamCreate,
        caller: myself.caller(),
        team: Some(team.id),
        website: None,
        target: &team.name,
        changed: &["name"],
    };
    audit::note(&txn, ports, line).await?;
    txn.created(team.id).await?;
    txn.commit_addition().await?;
    Ok(team.id)
}

/// Renames a team. Errors: `Invalid`; `NotFound` if it was deleted concurrently.
pub async fn rename(ports: &Ports, team: &access::Team<Admin>, name: &str) -> Result<access::Team<Admin>> {
    let name = text::name("name", name, NAME)?;
    if name == team.team().name {
        return Ok(team.clone());
    }
    let txn = ports.begin(team).await?;
    let row = team::ActiveModel { id: Unchanged(team.id()), name: Set(name), ..Default::default() };
    let row = row.update(&txn).await.map_err(|source| match source {
        sea_orm::DbErr::RecordNotUpdated => Error::not_found("The team"),
        source => source.into(),
    })?;
    let line = Line {
        action: AuditAction::TeamUpdate,
        caller: team.caller(),
        team: Some(row.id),
        website: None,
        target: &row.name,
        changed: &["name"],
    };
    audit::note(&txn, ports, line).await?;
    txn.commit_changing(&[team.id()], &[]).await?;
    team.changed(row)
}

// Graph

/// Team mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct TeamMutation;

#[Object]
impl TeamMutation {
    /// Creates a team that the caller owns, on the Free plan.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn team_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new team.")] input: TeamCreateInput,
    ) -> Option<async_graphql::Result<TeamCreatePayload>> {
        let answer: async_graphql::Result<Option<TeamCreatePayload>> = async {
            let cx = ctx.cx()?;
            let myself = cx.myself().await?;
            let creation = Creation::new(ctx, input.client_mutation_id.as_deref())?;
            let (Outcome::Created(id) | Outcome::Repeated(id)) =
                creation.run(&myself, create(creation.ports(), &myself, &input.name)).await?;
            let team = Team(access::Team::by_uuid(cx, id).await?);
            Ok(Some(TeamCreatePayload { team, client_mutation_id: input.client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Renames a team.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn team_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID.")] team_id: ID,
        #[graphql(desc = "The changes to apply.")] input: TeamUpdateInput,
    ) -> Option<async_graphql::Result<TeamUpdatePayload>> {
        let answer: async_graphql::Result<Option<TeamUpdatePayload>> = async {
            let team = rename(ctx.cx()?.ports(), &ctx.team(&team_id).await?, &input.name).await?;
            Ok(Some(TeamUpdatePayload { team: Team(team.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Ends the caller's membership in a team. The last owner cannot leave. A user without any other team gets a new
    /// one of their own.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None))]
    async fn team_leave(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team to leave.")] input: TeamLeaveInput,
    ) -> Option<async_graphql::Result<TeamLeavePayload>> {
        let answer: async_graphql::Result<Option<TeamLeavePayload>> = async {
            let team = ctx.team::<Viewer>(&input.team_id).await?;
            members::leave(ctx.cx()?.ports(), &team).await?;
            Ok(Some(TeamLeavePayload { team_id: Kind::Team.global(team.id()) }))
        }
        .await;
        answer.transpose()
    }

    /// Offers ownership of a team to an active member, who accepts it with `teamAcceptOwnership`. The caller then
    /// becomes an admin.
    #[doc = access_line!(TEAM, OWNER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Owner), None))]
    async fn team_transfer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID.")] team_id: ID,
        #[graphql(desc = "The member to offer ownership to.")] input: TeamTransferInput,
    ) -> Option<async_graphql::Result<TeamTransferPayload>> {
        let answer: async_graphql::Result<Option<TeamTransferPayload>> = async {
            let (cx, team) = (ctx.cx()?, ctx.team::<Owner>(&team_id).await?);
            let to = Kind::Membership.read("memberId", &input.member_id)?;
            let membership = members::transfer(cx.ports(), &team, to).await?;
            let team = Team(access::Team::by_uuid(cx, team.id()).await?);
            Ok(Some(TeamTransferPayload { membership, team }))
        }
        .await;
        answer.transpose()
    }
}
