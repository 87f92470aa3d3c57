//! General settings of a website. Partial updates: omitted fields stay unchanged.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::website;
use sea_orm::ActiveValue::{NotSet, Set};

use super::{
    DOMAIN, NAME, Website,
    change::{Change, General},
    checked_domain,
    settings::{self, WebsiteSettingsInput},
};
use crate::{
    access::{Editor, On, Reach as _, Role, Site, access_directive},
    constraint::{Constrained, Constraint, not_null},
    error::{Error, Result},
    plan::PlanFeature,
    ports::Ports,
    scalars::{HexColor, TimeZone},
    text,
    website_row::{ALLOW_LOCALHOST, HEATMAPS, PUBLIC_DETAILS, PUBLIC_REALTIME, SESSION_REPLAY},
};

// Vocabulary

/// Changes to a website's general settings. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone, Default)]
pub struct WebsiteUpdateGeneralInput {
    /// Host name, such as `shop.example`. A new one is unverified until `websiteVerifyDomain`. Changing it requires ADMIN.
    /// Cannot be null.
    #[graphql(directive = Constrained::apply(DOMAIN.not_null()))]
    pub domain: MaybeUndefined<String>,
    /// Name, 1 to 100 characters. Cannot be null.
    #[graphql(directive = Constrained::apply(NAME.not_null()))]
    pub name: MaybeUndefined<String>,
    /// Time zone in which the website's days begin. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub timezone: MaybeUndefined<TimeZone>,
    /// Brand color; null restores the default.
    pub primary_color: MaybeUndefined<HexColor>,
    /// Target number of visitors per month, 1 to 2,147,483,647; null removes the goal.
    #[graphql(directive = Constrained::apply(KPI_GOAL))]
    pub kpi_goal: MaybeUndefined<i32>,
    /// Whether the dashboard is public: anonymous callers can read its aggregates. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub public_dashboard: MaybeUndefined<bool>,
    /// Whether pages on local hosts (`localhost`, private addresses) can send events. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub allow_localhost: MaybeUndefined<bool>,
    /// Whether live figures (`/e`, widgets, `liveSite`, `liveWebsite`) are public. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub public_realtime: MaybeUndefined<bool>,
    /// Whether the public dashboard shows page titles, event names and goal names. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub public_details: MaybeUndefined<bool>,
    /// Whether the website accepts events. False pauses tracking: beacons are acknowledged and dropped. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub is_active: MaybeUndefined<bool>,
    /// Tracking settings of the website. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::NOT_NULL))]
    pub settings: MaybeUndefined<WebsiteSettingsInput>,
    /// Host names that can send events instead of `domain`, at most 100; `*.` matches every subdomain. `[]` clears the
    /// list. Changing it requires ADMIN. Cannot be null.
    #[graphql(directive = Constrained::apply(DOMAINS.not_null()))]
    pub allowed_domains: MaybeUndefined<Vec<String>>,
}

/// The website after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateGeneralPayload {
    /// The website.
    pub website: Website,
}

// Rules

/// Maximum number of host names in `allowedDomains`.
pub(super) const MAX_DOMAINS: u32 = 100;

/// Host names in the form that is stored, apart from their case, each with an optional `*.` before it.
pub(super) const DOMAINS: Constraint = Constraint::pattern(
    r"^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$",
)
.at_most(253)
.each(MAX_DOMAINS);

/// Target number of visitors per month.
const KPI_GOAL: Constraint = Constraint::at_least(1);

/// Checks a list of host names; a leading `*.` is kept, duplicates are dropped. Errors: `Invalid` for `field`.
pub(crate) fn checked_domains(field: &str, domains: &[String]) -> Result<Vec<String>> {
    DOMAINS.check_items(field, domains.len(), "host names")?;
    let mut checked: Vec<String> = Vec::with_capacity(domains.len());
    for domain in domains {
        let text = domain.trim();
        let host = match text.strip_prefix("*.") {
            Some(rest) => format!("*.{}", checked_domain(field, rest)?),
            None => checked_domain(field, text)?,
        };
        if !checked.contains(&host) {
            checked.push(host);
        }
    }
    Ok(checked)
}

/// Errors: `ForbiddenField` for an editor who changes what `websiteUpdateDomains` reserves for admins.
fn admins_only(site: &Site<Editor>, row: &website::Model, given: &website::ActiveModel) -> Result<()> {
    if site.role() >= Role::Admin {
        return Ok(());
    }
    let is_new_domain = given.domain.is_set() && *given.domain.as_ref() != row.domain;
    let is_new_list = given.allowed_domains.is_set() && *given.allowed_domains.as_ref() != row.allowed_domains;
    let field = match (is_new_domain, is_new_list) {
        (true, _) => "domain",
        (false, true) => "allowedDomains",
        (false, false) => return Ok(()),
    };
    Err(Error::ForbiddenField {
        field: field.to_owned(),
        why: format!("changing it requires the role admin or above on this website (yours is {})", site.role().name()),
    })
}

/// Applies the changes of the input. `domain` and `allowedDomains` are for admins. Errors: `Invalid`, `Conflict` when the
/// team already has the domain, `Forbidden` for what the role or the plan does not include.
pub async fn update_general(
    ports: &Ports,
    site: &Site<Editor>,
    input: WebsiteUpdateGeneralInput,
) -> Result<Site<Editor>> {
    let mut row = website::ActiveModel::default();
    if let Some(domain) = not_null("domain", input.domain)? {
        row.domain = Set(checked_domain("domain", &domain)?);
    }
    if let Some(name) = not_null("name", input.name)? {
        row.name = Set(text::name("name", &name, NAME)?);
    }
    if let Some(zone) = not_null("timezone", input.timezone)? {
        row.timezone = Set(zone.0.name().to_owned());
    }
    row.primary_color = match input.primary_color {
        MaybeUndefined::Undefined => NotSet,
        MaybeUndefined::Null => Set(None),
        MaybeUndefined::Value(color) => Set(Some(color.as_str().to_owned())),
    };
    row.kpi_goal = match input.kpi_goal {
        MaybeUndefined::Undefined => NotSet,
        MaybeUndefined::Null => Set(None),
        MaybeUndefined::Value(goal) if KPI_GOAL.reaches(goal) => Set(Some(goal)),
        MaybeUndefined::Value(goal) => {
            return Err(Error::invalid("kpiGoal", format!("must be at least 1, or null for no goal (got {goal})")));
        }
    };
    if let Some(public) = not_null("publicDashboard", input.public_dashboard)? {
        row.public_dashboard = Set(public);
    }
    if let Some(domains) = not_null("allowedDomains", input.allowed_domains)? {
        row.allowed_domains = Set(serde_json::json!(checked_domains("allowedDomains", &domains)?));
    }
    if let Some(active) = not_null("isActive", input.is_active)? {
        row.is_active = Set(active);
    }
    let switches = settings::switches_of(not_null("settings", input.settings)?.unwrap_or_default());
    let own = [
        (ALLOW_LOCALHOST, input.allow_localhost),
        (PUBLIC_REALTIME, input.public_realtime),
        (PUBLIC_DETAILS, input.public_details),
    ];
    let switches = settings::given(&[&own[..], &switches[..]].concat())?;
    let change = Change::<General>::begin(ports, site).await?;
    admins_only(site, change.row(), &row)?;
    for (switch, feature) in [(SESSION_REPLAY, PlanFeature::SessionReplay), (HEATMAPS, PlanFeature::Heatmaps)] {
        if switches.contains(&(switch, true)) && !switch.of(change.row()) {
            change.requires(feature).await?;
        }
    }
    let mut switched = Vec::new();
    if let Some((settings, names)) = settings::with_switches(change.row(), &switches) {
        row.settings = Set(settings);
        switched = names;
    }
    change.commit_row(row, &switched).await
}

// Graph

/// General settings mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct GeneralMutation;

#[Object]
impl GeneralMutation {
    /// Changes general settings of a website. Omitted fields stay unchanged; an empty input changes nothing.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_update_general(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The changes to apply.")] input: WebsiteUpdateGeneralInput,
    ) -> Option<async_graphql::Result<WebsiteUpdateGeneralPayload>> {
        let answer: async_graphql::Result<Option<WebsiteUpdateGeneralPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let site = update_general(ctx.cx()?.ports(), &site, input).await?;
            Ok(Some(WebsiteUpdateGeneralPayload { website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
