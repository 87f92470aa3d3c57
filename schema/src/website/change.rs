//! Changes of settings: the row, its `updatedAt` and an audit entry, in one transaction.

use async_graphql::MaybeUndefined;
use entity::website;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _};

use super::TAKEN;
use crate::{
    access::{Level, Site},
    audit::{self, AuditAction, Line},
    error::{Error, Result},
    ports::Ports,
    transaction::Transaction,
};

/// The value of a field that cannot be null. Errors: `Invalid` for null.
pub(super) fn required<T>(field: &str, value: MaybeUndefined<T>) -> Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => Err(Error::invalid(field, "cannot be null; omit it to keep the current value")),
    }
}

/// A change of a website in progress. Dropping it rolls it back.
pub(crate) struct Change<'a, R: Level> {
    ports: &'a Ports,
    site: &'a Site<R>,
    transaction: Transaction,
    row: website::Model,
}

impl<'a, R: Level> Change<'a, R> {
    /// Starts a change and reads the row under the write lock, so that concurrent changes are kept. Errors: `NotFound`.
    pub(crate) async fn begin(ports: &'a Ports, site: &'a Site<R>) -> Result<Self> {
        let transaction = ports.begin().await?;
        let row = website::Entity::find_by_id(site.id()).one(&transaction).await?;
        let row = row.ok_or_else(|| Error::not_found("The website"))?;
        Ok(Self { ports, site, transaction, row })
    }

    /// The connection for writing other rows.
    pub(crate) fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// The current row.
    pub(crate) fn row(&self) -> &website::Model {
        &self.row
    }

    /// Commits what was written to other rows; `changed` is its schema name.
    pub(crate) async fn commit(self, action: AuditAction, changed: &[&'static str]) -> Result<Site<R>> {
        self.commit_row(Default::default(), action, changed).await
    }

    /// Commits the changed columns of the row and what was written to other rows. Writes nothing if nothing changed.
    /// Errors: `Conflict` when the team already has the domain.
    pub(crate) async fn commit_row(
        self,
        mut given: website::ActiveModel,
        action: AuditAction,
        beside: &[&'static str],
    ) -> Result<Site<R>> {
        let mut changed = leave_out_the_same(&mut given, &self.row);
        changed.extend_from_slice(beside);
        if !given.is_changed() && changed.is_empty() {
            return self.site.changed(self.row);
        }
        if given.domain.is_set() {
            // The new domain is not verified yet.
            given.verified_at = Set(None);
        }
        given.id = self.row.clone().into_active_model().id;
        given.updated_at = Set(self.ports.now());
        let row = given.update(&self.transaction).await.map_err(|source| Error::of_write(source, TAKEN))?;
        let line = Line {
            action,
            caller: self.site.caller(),
            team: Some(row.team_id),
            website: Some(row.id),
            target: &row.domain,
            changed: &changed,
        };
        audit::note(&self.transaction, self.ports, line).await?;
        self.transaction.commit_changing(&[row.team_id], &[row.id]).await?;
        self.site.changed(row)
    }
}

/// The changed columns, by schema name.
const COLUMNS: &[(website::Column, &str)] = &[
    (website::Column::Domain, "domain"),
    (website::Column::Name, "name"),
    (website::Column::Timezone, "timezone"),
    (website::Column::IsActive, "isActive"),
    (website::Column::PrimaryColor, "primaryColor"),
    (website::Column::KpiGoal, "kpiGoal"),
    (website::Column::PublicDashboard, "publicDashboard"),
    (website::Column::AllowedDomains, "allowedDomains"),
    (website::Column::RevenueProvider, "revenueProvider"),
    (website::Column::Currency, "revenueCurrency"),
    (website::Column::VerifiedAt, "verifiedAt"),
];

/// Drops columns that already have the new value; names the others.
fn leave_out_the_same(given: &mut website::ActiveModel, row: &website::Model) -> Vec<&'static str> {
    let now = row.clone().into_active_model();
    let mut changed = Vec::new();
    for (column, name) in COLUMNS {
        let value = given.get(*column);
        if !value.is_set() {
            continue;
        }
        if value.into_value() == now.get(*column).into_value() {
            given.not_set(*column);
        } else {
            changed.push(*name);
        }
    }
    changed
}
