//! A change of a team's memberships.

use entity::{membership, team, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
};
use uuid::Uuid;

use super::{MAX_OWNERS, MISSING, active, settle_default};
use crate::{
    access::{self, Caller, Level, Role},
    audit::{self, AuditAction, Line},
    error::{Error, Result},
    ports::Ports,
    team::ownership_offer,
    transaction::Transaction,
};

/// A change of a team's memberships, under a lock that keeps what it reads true until it commits.
pub(super) struct Change<'a> {
    pub(super) ports: &'a Ports,
    pub(super) txn: Transaction,
    pub(super) team: team::Model,
    pub(super) caller: Caller,
    pub(super) held: Role,
    pub(super) website: Option<Uuid>,
}

impl<'a> Change<'a> {
    /// Starts a change. `website`: the website through which the team was reached. Errors: `NotFound`, `Forbidden` if the team or
    /// the caller's membership ended concurrently.
    pub(super) async fn begin<R: Level>(
        ports: &'a Ports,
        team: &access::Team<R>,
        website: Option<Uuid>,
    ) -> Result<Self> {
        let txn = ports.begin(team).await?;
        let row = team::Entity::find_by_id(team.id()).one(&txn).await?;
        let row = row.ok_or_else(|| Error::not_found("The team"))?;
        let caller = team.caller();
        let held = match caller {
            Caller::Operator => Some(Role::Owner),
            Caller::User { user, .. } => {
                let part = active(row.id).filter(membership::Column::UserId.eq(user)).one(&txn).await?;
                part.and_then(|part| Role::of_level(part.role))
            }
            Caller::Key { .. } | Caller::Anonymous | Caller::Refused(_) => None,
        };
        match held.filter(|held| *held >= R::ROLE) {
            Some(held) => Ok(Self { ports, txn, team: row, caller, held, website }),
            None => Err(Error::forbidden(format!("This requires the role {} or above in this team.", R::ROLE.name()))),
        }
    }

    /// An active membership of the team. Errors: `NotFound`.
    pub(super) async fn part(&self, id: Uuid) -> Result<membership::Model> {
        let row = active(self.team.id).filter(membership::Column::Id.eq(id)).one(&self.txn).await?;
        row.ok_or_else(|| Error::not_found(MISSING))
    }

    /// Errors: `Forbidden` for a role above the caller's.
    pub(super) fn may_grant(&self, role: Role) -> Result<()> {
        if role <= self.held {
            return Ok(());
        }
        let (asked, own) = (role.name(), self.held.name());
        Err(Error::forbidden(format!("You cannot grant a role above your own (got {asked}, yours is {own}).")))
    }

    /// The role of a membership that the caller can change. Errors: `Forbidden` for one above the caller's.
    pub(super) fn may_change(&self, part: &membership::Model) -> Result<Role> {
        let role = Role::of_level(part.role).ok_or_else(|| Error::broken("a membership with an unknown role"))?;
        if role <= self.held {
            return Ok(role);
        }
        let (theirs, own) = (role.name(), self.held.name());
        Err(Error::forbidden(format!(
            "You cannot change a member with a role above your own (theirs is {theirs}, yours is {own})."
        )))
    }

    pub(super) async fn owners(&self) -> Result<u64> {
        let owners = active(self.team.id).filter(membership::Column::Role.eq(Role::Owner.level()));
        Ok(owners.count(&self.txn).await?)
    }

    /// Errors: `Conflict` if the team has three owners.
    pub(super) async fn room_for_owner(&self) -> Result<()> {
        if self.owners().await? < MAX_OWNERS {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "The team already has the maximum of {MAX_OWNERS} owners. Change the role of one of them first."
        )))
    }

    /// Errors: `Conflict` if the team has only one owner.
    pub(super) async fn another_owner(&self) -> Result<()> {
        if self.owners().await? > 1 {
            return Ok(());
        }
        Err(Error::conflict(
            "The last owner of a team cannot be changed or removed. Make another member an owner first.",
        ))
    }

    /// Ends a membership; the account's default team stays one that it is a member of.
    pub(super) async fn end(&self, part: membership::Model) -> Result<()> {
        let user = part.user_id;
        ownership_offer::withdraw(&self.txn, part.id).await?;
        let now = Some(self.ports.now());
        let row = membership::ActiveModel { id: Unchanged(part.id), deactivated_at: Set(now), ..Default::default() };
        row.update(&self.txn).await?;
        settle_default(&self.txn, self.ports, user).await
    }

    /// Offers ownership to a member. Errors: `Forbidden` for a caller who is not an owner by account, `Conflict` for a fourth
    /// owner.
    pub(super) async fn offer_ownership(&self, part: &membership::Model, is_transfer: bool) -> Result<()> {
        let Caller::User { user, .. } = self.caller else {
            return Err(Error::forbidden("Only a signed-in owner can offer ownership of a team."));
        };
        if !is_transfer {
            self.room_for_owner().await?;
        }
        ownership_offer::offer(&self.txn, self.ports, part, user, is_transfer).await
    }

    /// The caller's own membership. Errors: `Forbidden` for an API key, `NotFound`.
    pub(super) async fn own_part(&self) -> Result<membership::Model> {
        let Caller::User { user, .. } = self.caller else {
            return Err(Error::forbidden("API keys are not members of a team. Sign in instead."));
        };
        let part = active(self.team.id).filter(membership::Column::UserId.eq(user)).one(&self.txn).await?;
        part.ok_or_else(|| Error::not_found(MISSING))
    }

    pub(super) async fn give(&self, id: Uuid, role: Role) -> Result<membership::Model> {
        let row = membership::ActiveModel { id: Unchanged(id), role: Set(role.level()), ..Default::default() };
        Ok(row.update(&self.txn).await?)
    }

    /// Writes the audit entry and commits. `about`: the member's account.
    pub(super) async fn done(self, action: AuditAction, about: Uuid, changed: &[&str]) -> Result<()> {
        let target = user::Entity::find_by_id(about).one(&self.txn).await?.map(|row| row.email).unwrap_or_default();
        let line = Line {
            action,
            caller: self.caller,
            team: Some(self.team.id),
            website: self.website,
            target: &target,
            changed,
        };
        audit::note(&self.txn, self.ports, line).await?;
        self.txn.commit_changing(&[self.team.id], &[]).await
    }
}
