//! The proof that a caller may see a line of the audit log.

use entity::audit_entry;
use sea_orm::EntityTrait as _;
use uuid::Uuid;

use super::{Admin, Team, Unproven, cx::Cx};
use crate::error::{Error, Result};

/// Proof that the caller may see a line: an admin of its team may, and so may the user whose account it is about.
#[derive(Debug, Clone)]
pub struct VisibleLine(audit_entry::Model);

impl VisibleLine {
    /// Proves it for the caller of the request. Errors: 401, `NotFound`, `Forbidden`.
    pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<Self> {
        let caller = cx.caller().known()?;
        let row = audit_entry::Entity::find_by_id(id).one(cx.ports().database.reader(&Unproven::new())).await?;
        let row = row.ok_or_else(|| Error::not_found("The audit entry"))?;
        match row.team_id {
            Some(team) => Team::<Admin>::by_uuid(cx, team).await?.line(row),
            None if caller.user().is_some() && caller.user() == row.user_id => Ok(Self(row)),
            None => {
                Err(Error::forbidden("This entry concerns another account. Query it through the team's `auditLog`."))
            }
        }
    }

    /// The row.
    #[must_use]
    pub fn row(&self) -> &audit_entry::Model {
        &self.0
    }
}

impl Team<Admin> {
    /// A line of this team, or of an account of a member.
    pub(crate) fn line(&self, row: audit_entry::Model) -> Result<VisibleLine> {
        match row.team_id {
            Some(team) if team != self.id() => Err(Error::broken("a team's proof met another team's line")),
            _ => Ok(VisibleLine(row)),
        }
    }
}
