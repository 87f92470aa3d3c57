//! How a setting changes: the row, its `updatedAt` and a line of the audit log, in one transaction.

use async_graphql::MaybeUndefined;
use entity::website;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _};

use super::TAKEN;
use crate::{
    access::{Admin, Editor, Level, Site},
    audit::{self, AuditAction, Line},
    error::{Error, Result},
    ports::Ports,
    transaction::Transaction,
};

/// What a field that cannot be null becomes. Errors: `Invalid` for null.
pub(super) fn required<T>(field: &str, value: MaybeUndefined<T>) -> Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => Err(Error::invalid(field, "cannot be null; leave it out to keep it as it is")),
    }
}

/// What is changed: the role that it requires, and how the audit log calls it.
pub trait Setting: Send + Sync + 'static {
    /// The least role that may change it.
    type Needs: Level;
    /// What the audit log notes.
    const ACTION: AuditAction;
}

macro_rules! settings {
    ($( $(#[$doc:meta])* $setting:ident: $needs:ident, $action:ident; )+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub enum $setting {}

            impl Setting for $setting {
                type Needs = $needs;
                const ACTION: AuditAction = AuditAction::$action;
            }
        )+
    };
}

settings! {
    /// General settings.
    General: Editor, WebsiteUpdateGeneral;
    /// Notification preferences.
    Notifications: Editor, WebsiteUpdateNotifications;
    /// Revenue settings.
    Revenue: Admin, WebsiteUpdateRevenue;
    /// Domains.
    Domains: Admin, WebsiteUpdateDomains;
    /// The proof of the domain.
    Verification: Editor, WebsiteVerifyDomain;
    /// One excluded address more.
    IpExcluded: Editor, WebsiteExcludeIp;
    /// One excluded address less.
    IpIncluded: Editor, WebsiteRemoveIpExclusion;
    /// One exclusion of paths more.
    PathExcluded: Editor, WebsiteExcludePath;
    /// One exclusion of paths less.
    PathIncluded: Editor, WebsiteRemovePathExclusion;
}

/// A change of a website on its way. Dropped before it is committed, it never was.
///
/// It begins with the role that it requires, and with no lower one:
///
/// ```compile_fail
/// # use footfall_schema::{Ports, access::{Editor, Site}, website::change::{Change, Domains}};
/// # async fn f(ports: &Ports, site: &Site<Editor>) {
/// let change = Change::<Domains>::begin(ports, site).await;
/// # }
/// ```
///
/// ```
/// # use footfall_schema::{Ports, access::{Admin, Site}, website::change::{Change, Domains}};
/// # async fn f(ports: &Ports, site: &Site<Admin>) {
/// let change = Change::<Domains>::begin(ports, site).await;
/// # }
/// ```
pub struct Change<'a, S: Setting> {
    ports: &'a Ports,
    site: &'a Site<S::Needs>,
    transaction: Transaction,
    row: website::Model,
}

impl<'a, S: Setting> Change<'a, S> {
    /// Begins, and reads the row under the write lock: what others have set meanwhile stays. Errors: `NotFound`.
    pub async fn begin(ports: &'a Ports, site: &'a Site<S::Needs>) -> Result<Self> {
        let transaction = ports.begin(site).await?;
        let row = website::Entity::find_by_id(site.id()).one(&transaction).await?;
        let row = row.ok_or_else(|| Error::not_found("The website"))?;
        Ok(Self { ports, site, transaction, row })
    }

    /// What rows beside the website's are written with.
    pub(crate) fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// The row as it is now.
    pub(crate) fn row(&self) -> &website::Model {
        &self.row
    }

    /// Commits what was written beside the row; `changed` names it as the schema does.
    pub(crate) async fn commit(self, changed: &[&'static str]) -> Result<Site<S::Needs>> {
        self.commit_row(Default::default(), changed).await
    }

    /// Commits the values of the row that differ from what they were, and what was written beside it. Where nothing differs,
    /// nothing is written. Errors: `Conflict` when the team has the domain.
    pub(crate) async fn commit_row(
        self,
        mut given: website::ActiveModel,
        beside: &[&'static str],
    ) -> Result<Site<S::Needs>> {
        let mut changed = leave_out_the_same(&mut given, &self.row);
        changed.extend_from_slice(beside);
        if !given.is_changed() && changed.is_empty() {
            return self.site.changed(self.row);
        }
        if given.domain.is_set() {
            // Whoever controls the new one has not been asked.
            given.verified_at = Set(None);
        }
        given.id = self.row.clone().into_active_model().id;
        given.updated_at = Set(self.ports.now());
        let row = given.update(&self.transaction).await.map_err(|source| Error::of_write(source, TAKEN))?;
        let line = Line {
            action: S::ACTION,
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

/// Columns that somebody changes, as the schema names them.
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

/// Takes back values that the row has already; names the others.
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
