//! Members of a team, and the rules for inviting, changing and removing them.
//!
//! - A member cannot grant a role above their own or change a member with a higher role.
//! - A team has one to three owners. A member becomes an owner by accepting an offer.
//! - A membership ends by `deactivatedAt`; a later invitation reactivates the same row.

mod change;

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use entity::{membership, team, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    Select,
};
use uuid::Uuid;

use self::change::Change;
use super::{Team, creation, ownership_offer};
use crate::{
    access::cx::Cx,
    access::{self, Admin, AtLeast, Caller, Level, Reach as _, Role, Viewer},
    attempts::Quota,
    audit::AuditAction,
    caller::AddressHash,
    connection::{self, ListOrder, Page, PageArgs, Place},
    error::{Error, Result},
    id::Kind,
    plan::{self, PlanName},
    ports::Ports,
    scalars::{EmailAddress, Instant},
    transaction::Transaction,
    user_profile::UserProfile,
};

// Vocabulary

/// The membership of a user in a team.
#[derive(Debug, Clone)]
pub struct Membership {
    row: Arc<membership::Model>,
    team: access::Team<Viewer>,
}

connection!(MembershipConnection, MembershipEdge, Membership, "members");

impl Membership {
    fn new<R: Level + AtLeast<Viewer>>(team: &access::Team<R>, row: membership::Model) -> Result<Self> {
        if row.team_id != team.id() {
            return Err(Error::broken("a team's proof met another team's member"));
        }
        Ok(Self { row: Arc::new(row), team: team.lower() })
    }
}

// Rules

/// Maximum number of owners of a team.
const MAX_OWNERS: u64 = 3;

const MISSING: &str = "The member";

/// The active memberships of a team.
pub(crate) fn active(team: Uuid) -> Select<membership::Entity> {
    membership::Entity::find()
        .filter(membership::Column::TeamId.eq(team))
        .filter(membership::Column::DeactivatedAt.is_null())
}

/// Errors: `Forbidden` for an API key.
pub(super) fn people_only(caller: Caller) -> Result<()> {
    match caller {
        Caller::Key { .. } => Err(Error::forbidden("API keys cannot access a team's members. Sign in instead.")),
        _ => Ok(()),
    }
}

/// The active members of a team. Errors: `Forbidden` for an API key: keys read analytics, not members.
pub(crate) async fn members(ports: &Ports, team: &access::Team<Viewer>, args: &PageArgs) -> Result<Page<Membership>> {
    people_only(team.caller())?;
    let window = args.window(connection::MAX_PAGE)?;
    let place = |row: &membership::Model| Place { at: row.created_at, id: row.id };
    let columns = (membership::Column::CreatedAt, membership::Column::Id);
    let page = connection::page(
        ports.database.reader(team),
        active(team.id()),
        ListOrder::OldestFirst,
        columns,
        place,
        window,
    )
    .await?;
    page.try_map(|row| Membership::new(team, row))
}

/// One active membership, for members of its team. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn membership(cx: &Cx, id: Uuid) -> Result<Membership> {
    people_only(cx.caller().known()?)?;
    let (row, team) = cx.of_team::<membership::Entity, Viewer>(id, "The membership").await?;
    if row.deactivated_at.is_some() {
        return Err(Error::not_found("The membership"));
    }
    Membership::new(&team, row)
}

/// Errors: `Forbidden` if the team's plan does not allow more members.
pub(crate) async fn room_for_member(txn: &DatabaseTransaction, ports: &Ports, team: &team::Model) -> Result<()> {
    let plan = PlanName::counting(ports.limits, &team.plan);
    let Some(most) = plan.limits().max_members else { return Ok(()) };
    if active(team.id).count(txn).await? < u64::try_from(most).unwrap_or(0) {
        return Ok(());
    }
    Err(plan::full(plan, most, "active members", "Remove a member or change the plan."))
}

/// Starts the transaction of an invitation to sign up. Errors: `Forbidden` for a role above the caller's or a full team.
pub(crate) async fn begin_invitation(ports: &Ports, team: &access::Team<Admin>, role: Role) -> Result<Transaction> {
    let change = Change::begin(ports, team, None).await?;
    change.may_grant(role)?;
    room_for_member(&change.txn, ports, &change.team).await?;
    Ok(change.txn)
}

/// Sets the default team of an account to one that it is a member of: the oldest, or a new one of its own if there is none.
async fn settle_default(txn: &DatabaseTransaction, ports: &Ports, user: Uuid) -> Result<()> {
    let parts = membership::Entity::find()
        .filter(membership::Column::UserId.eq(user))
        .filter(membership::Column::DeactivatedAt.is_null())
        .order_by_asc(membership::Column::CreatedAt)
        .order_by_asc(membership::Column::Id)
        .all(txn)
        .await?;
    let Some(account) = user::Entity::find_by_id(user).one(txn).await? else { return Ok(()) };
    if parts.iter().any(|part| part.team_id == account.default_team_id) {
        return Ok(());
    }
    let next = match parts.first() {
        Some(part) => part.team_id,
        None => {
            let name = creation::own_name(account.full_name.as_deref(), &account.email);
            creation::found(txn, ports, user, name).await?.id
        }
    };
    let account = user::ActiveModel { id: Unchanged(user), default_team_id: Set(next), ..Default::default() };
    account.update(txn).await?;
    Ok(())
}

/// Adds a registered user to a team, or reactivates their former membership. A future owner is an admin until they accept. Errors:
/// `Forbidden` for a role above the caller's or a full team, `NotFound` for an address without an account (or, if mail is
/// configured, with an unconfirmed one), `Conflict` for an active member or a fourth owner, `TooOften`.
pub async fn invite(
    ports: &Ports,
    team: &access::Team<Admin>,
    website: Option<Uuid>,
    email: &EmailAddress,
    role: Role,
    from: Option<AddressHash>,
) -> Result<Membership> {
    ports.attempts.take(Quota::Invitation, team.caller().user(), from, ports.now())?;
    let mut change = Change::begin(ports, team, website).await?;
    change.may_grant(role)?;
    let user = user::Entity::find().filter(user::Column::Email.eq(email.as_str())).one(&change.txn).await?;
    // If mail is configured, an unconfirmed address may belong to another person.
    let user = user.filter(|user| user.email_verified_at.is_some() || !ports.mail.is_set_up());
    let user = user.ok_or_else(|| Error::not_found("A registered user with this e-mail address"))?;
    let known = membership::Entity::find()
        .filter(membership::Column::TeamId.eq(team.id()))
        .filter(membership::Column::UserId.eq(user.id))
        .one(&change.txn)
        .await?;
    let taken = "This user is already a member of the team.";
    if known.as_ref().is_some_and(|row| row.deactivated_at.is_none()) {
        return Err(Error::conflict(taken));
    }
    room_for_member(&change.txn, ports, &change.team).await?;
    let given = role.min(Role::Admin);
    let row = match known {
        Some(row) => {
            let row = membership::ActiveModel {
                id: Unchanged(row.id),
                role: Set(given.level()),
                created_at: Set(ports.now()),
                deactivated_at: Set(None),
                ..Default::default()
            };
            row.update(&change.txn).await?
        }
        None => {
            let row = membership::ActiveModel {
                id: Set(ports.ids.uuid()),
                team_id: Set(team.id()),
                user_id: Set(user.id),
                role: Set(given.level()),
                created_at: Set(ports.now()),
                deactivated_at: Set(None),
            };
            row.insert(&change.txn).await.map_err(|source| Error::of_write(source, taken))?
        }
    };
    if role == Role::Owner {
        change.offer_ownership(&row, false).await?;
    }
    change.txn.created(row.id).await?;
    change.done(AuditAction::MemberInvite, user.id, &["role"]).await?;
    Membership::new(team, row)
}

/// Changes the role of an active member. `OWNER` is offered, and the member keeps their role until they accept. Errors: `NotFound`,
/// `Forbidden` for a role or a member above the caller, `Conflict` for the last owner or a fourth one.
pub async fn change_role(
    ports: &Ports,
    team: &access::Team<Admin>,
    website: Option<Uuid>,
    id: Uuid,
    role: Role,
) -> Result<Membership> {
    let change = Change::begin(ports, team, website).await?;
    let part = change.part(id).await?;
    let before = change.may_change(&part)?;
    change.may_grant(role)?;
    let is_offered = ownership_offer::offer_to(&change.txn, id).await?.is_some();
    if before == role && !is_offered {
        return Membership::new(team, part);
    }
    if role == Role::Owner {
        change.offer_ownership(&part, false).await?;
        change.done(AuditAction::MemberUpdate, part.user_id, &["pendingRole"]).await?;
        return Membership::new(team, part);
    }
    if before == Role::Owner {
        change.another_owner().await?;
    }
    ownership_offer::withdraw(&change.txn, id).await?;
    let row = change.give(id, role).await?;
    change.done(AuditAction::MemberUpdate, row.user_id, &["role"]).await?;
    Membership::new(team, row)
}

/// Removes an active member. Errors: `NotFound`, `Forbidden` for a member above the caller, `Conflict` for the last owner.
pub async fn remove(ports: &Ports, team: &access::Team<Admin>, website: Option<Uuid>, id: Uuid) -> Result<()> {
    let change = Change::begin(ports, team, website).await?;
    let part = change.part(id).await?;
    if change.may_change(&part)? == Role::Owner {
        change.another_owner().await?;
    }
    let user = part.user_id;
    change.end(part).await?;
    change.done(AuditAction::MemberRemove, user, &["deactivatedAt"]).await
}

/// Ends the caller's own membership. Errors: `Forbidden` for an API key, `Conflict` for the last owner.
pub async fn leave(ports: &Ports, team: &access::Team<Viewer>) -> Result<()> {
    let Caller::User { user, .. } = team.caller() else {
        return Err(Error::forbidden("Only a signed-in member can leave a team."));
    };
    let change = Change::begin(ports, team, None).await?;
    let part = active(team.id()).filter(membership::Column::UserId.eq(user)).one(&change.txn).await?;
    let part = part.ok_or_else(|| Error::not_found(MISSING))?;
    if change.held == Role::Owner {
        change.another_owner().await?;
    }
    change.end(part).await?;
    change.done(AuditAction::TeamLeave, user, &["deactivatedAt"]).await
}

/// Offers the team to an active member. When they accept they become its owner, and the caller an admin. Errors: `Forbidden` for an
/// API key, `NotFound`, `Conflict` for a member who is already an owner.
pub async fn transfer(ports: &Ports, team: &access::Team<access::Owner>, to: Uuid) -> Result<Membership> {
    let Caller::User { user, .. } = team.caller() else {
        return Err(Error::forbidden("Only a signed-in owner can transfer a team."));
    };
    let change = Change::begin(ports, team, None).await?;
    let part = change.part(to).await?;
    if part.user_id == user {
        return Err(Error::conflict("You already are an owner of the team. Choose another member."));
    }
    if part.role == Role::Owner.level() {
        return Err(Error::conflict("This member already is an owner. Lower your own role instead."));
    }
    change.offer_ownership(&part, true).await?;
    change.done(AuditAction::TeamTransfer, part.user_id, &["pendingRole"]).await?;
    Membership::new(team, part)
}

const NO_OFFER: &str = "A valid ownership offer";

/// Makes the caller an owner, as offered by an owner. Errors: `Forbidden` for an API key, `NotFound` without a valid offer,
/// `Conflict` for a fourth owner.
pub(super) async fn accept_ownership(ports: &Ports, team: &access::Team<Viewer>) -> Result<Membership> {
    let change = Change::begin(ports, team, None).await?;
    let part = change.own_part().await?;
    let offer = ownership_offer::offer_to(&change.txn, part.id).await?.ok_or_else(|| Error::not_found(NO_OFFER))?;
    let maker = active(team.id())
        .filter(membership::Column::UserId.eq(offer.offered_by))
        .filter(membership::Column::Role.eq(Role::Owner.level()));
    let maker = maker.one(&change.txn).await?.ok_or_else(|| Error::not_found(NO_OFFER))?;
    if offer.is_transfer {
        change.give(maker.id, Role::Admin).await?;
    }
    change.room_for_owner().await?;
    ownership_offer::withdraw(&change.txn, part.id).await?;
    let row = change.give(part.id, Role::Owner).await?;
    change.done(AuditAction::TeamAcceptOwnership, row.user_id, &["role"]).await?;
    Membership::new(team, row)
}

/// Declines an ownership offer to the caller. Errors: `Forbidden` for an API key, `NotFound` without an offer.
pub(super) async fn decline_ownership(ports: &Ports, team: &access::Team<Viewer>) -> Result<Membership> {
    let change = Change::begin(ports, team, None).await?;
    let part = change.own_part().await?;
    ownership_offer::offer_to(&change.txn, part.id).await?.ok_or_else(|| Error::not_found(NO_OFFER))?;
    ownership_offer::withdraw(&change.txn, part.id).await?;
    change.done(AuditAction::TeamDeclineOwnership, part.user_id, &["pendingRole"]).await?;
    Membership::new(team, part)
}

// Graph

/// The membership of a user in a team.
#[Object]
impl Membership {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::Membership.global(self.row.id)
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// Role of the member.
    async fn role(&self) -> async_graphql::Result<Role> {
        Ok(Role::of_level(self.row.role).ok_or_else(|| Error::broken("a membership with an unknown role"))?)
    }

    /// Role that was offered to the member and takes effect when they accept it: always `OWNER`. Null if there is no offer.
    async fn pending_role(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Role>> {
        Ok(ctx.cx()?.loaders().ownership_offer(&self.team, &self.row).await?.map(|_| Role::Owner))
    }

    /// Time when the user joined, UTC; reset when a later invitation reactivates the membership.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// Time when the membership ended, UTC; null for an active member. Lists contain only active members.
    async fn deactivated_at(&self) -> Option<Instant> {
        self.row.deactivated_at.map(Instant)
    }

    /// UUID of the member's account.
    async fn user_database_id(&self) -> Uuid {
        self.row.user_id
    }

    /// The member.
    async fn user(&self, ctx: &Context<'_>) -> async_graphql::Result<UserProfile> {
        Ok(UserProfile(ctx.cx()?.loaders().member(&self.team, &self.row).await?))
    }

    /// The team.
    async fn team(&self) -> Team {
        Team(self.team.clone())
    }
}
