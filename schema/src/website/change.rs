//! Changes of settings: the row, its `updatedAt` and an audit entry, in one transaction.

use entity::{team, website};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, DatabaseTransaction, EntityTrait as _, IntoActiveModel as _};
use uuid::Uuid;

use super::TAKEN;
use crate::{
    access::{Admin, Editor, Level, Owner, Site},
    audit::{self, AuditAction, Line},
    error::{Error, Result},
    plan::{self, PlanFeature, PlanName},
    ports::Ports,
    transaction::Transaction,
};

/// A kind of change: the role that it requires, and its action in the audit log.
pub trait Setting: Send + Sync + 'static {
    /// Minimum role.
    type Needs: Level;
    /// Action in the audit log.
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
    /// How long events are kept.
    Retention: Owner, WebsiteUpdateRetention;
    /// The proof of the domain.
    Verification: Editor, WebsiteVerifyDomain;
    /// A new IP exclusion.
    IpExcluded: Editor, WebsiteExcludeIp;
    /// A removed IP exclusion.
    IpIncluded: Editor, WebsiteRemoveIpExclusion;
    /// A new path exclusion.
    PathExcluded: Editor, WebsiteExcludePath;
    /// A removed path exclusion.
    PathIncluded: Editor, WebsiteRemovePathExclusion;
    /// A new goal.
    GoalCreated: Editor, GoalCreate;
    /// A changed goal.
    GoalUpdated: Editor, GoalUpdate;
    /// A deleted goal.
    GoalDeleted: Editor, GoalDelete;
}

/// A change of a website in progress. Dropping it rolls it back.
///
/// It takes a proof of the required role, and no lower one:
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
    /// Starts a change and reads the row under the write lock, so that concurrent changes are kept. Errors: `NotFound`.
    pub async fn begin(ports: &'a Ports, site: &'a Site<S::Needs>) -> Result<Self> {
        let transaction = ports.begin(site).await?;
        let row = website::Entity::find_by_id(site.id()).one(&transaction).await?;
        let row = row.ok_or_else(|| Error::not_found("The website"))?;
        Ok(Self { ports, site, transaction, row })
    }

    /// The connection for writing other rows.
    pub(crate) fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Notes the row that the mutation creates, under its idempotency key.
    pub(crate) async fn created(&mut self, id: Uuid) -> Result<()> {
        self.transaction.created(id).await
    }

    /// The current row.
    pub(crate) fn row(&self) -> &website::Model {
        &self.row
    }

    /// The plan of the website's team.
    pub(crate) async fn plan(&self) -> Result<PlanName> {
        let team = team::Entity::find_by_id(self.row.team_id).one(&self.transaction).await?;
        let team = team.ok_or_else(|| Error::not_found("The team"))?;
        Ok(PlanName::counting(self.ports.limits, &team.plan))
    }

    /// Errors: `Forbidden` if the plan of the website's team does not include the feature.
    pub(crate) async fn requires(&self, feature: PlanFeature) -> Result<()> {
        plan::require(self.plan().await?, feature)
    }

    /// Commits what was written to other rows; `changed` is its schema name.
    pub(crate) async fn commit(self, changed: &[&'static str]) -> Result<Site<S::Needs>> {
        self.commit_row(Default::default(), changed).await
    }

    /// Commits the changed columns of the row and what was written to other rows. Writes nothing if nothing changed.
    /// Errors: `Conflict` when the team already has the domain.
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
            // The new domain is not verified yet.
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

/// Columns that can change, with the names that the audit log shows.
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
    (website::Column::WebhookSecret, "revenueWebhookSecret"),
    (website::Column::VerifiedAt, "verifiedAt"),
    (website::Column::RetentionDays, "retentionDays"),
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
