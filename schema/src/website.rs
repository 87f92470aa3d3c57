//! Websites: the objects of measurement.

use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use crate::{
    access::{self, Admin, Caller, On, Reach as _, Role, Site, Viewer, WebsiteView, access_directive, cx::Cx},
    analytics::{
        query::{Comparison, FilterInput, RangeInput},
        query_input::{Asked, Question},
        report::Analytics,
    },
    connection::{self, PageArgs},
    constraint::Constraint,
    error::{Error, Result},
    id::Kind,
    list::List,
    people::{self, PersonConnection, PersonFilterInput},
    plan::{PlanLimits, PlanName},
    realtime::Realtime,
    scalars::{HexColor, Instant, TimeZone},
    team::{MembershipConnection, Team},
    webhook::{self, MAX_WEBHOOKS, Webhook},
    website_row::{ALLOW_LOCALHOST, PUBLIC_DETAILS, PUBLIC_REALTIME, domains_of},
};

pub mod change;
pub mod creation;
pub mod deletion;
pub mod domains;
pub mod exclusions;
pub mod general;
pub mod goals;
pub mod ingest;
pub mod ingest_rules;
pub(crate) mod lists;
pub mod members;
pub mod notifications;
pub mod retention;
pub mod revenue;
pub mod settings;

pub use creation::{NewWebsite, create};
use goals::Goal;
use ingest::Ingest;
pub(crate) use lists::{of_team, of_user};
use settings::WebsiteSettings;

// Vocabulary

/// A website with what the caller can access of it.
#[derive(Debug, Clone)]
pub struct Website(pub(crate) WebsiteView);

impl From<Site<Viewer>> for Website {
    fn from(site: Site<Viewer>) -> Self {
        Self(site.into())
    }
}

connection!(WebsiteConnection, WebsiteEdge, Website, "websites");

// Rules

/// Name of a website.
const NAME: Constraint = Constraint::name(100);

/// A host name in the form that is stored, apart from its case. [`checked_domain`] normalizes other spellings.
const DOMAIN: Constraint = Constraint::pattern(
    r"^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$",
)
.at_most(253);

/// Normalizes a host name: lower case, without scheme and trailing slash or dot. Errors: `Invalid` for `field`.
pub(crate) fn checked_domain(field: &str, text: &str) -> Result<String> {
    let lower = text.trim().to_lowercase();
    let bare = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")).unwrap_or(&lower);
    let host = bare.trim_end_matches('/').trim_end_matches('.');
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !host.is_empty() && host.len() <= 253 && host.split('.').all(label) {
        return Ok(host.to_owned());
    }
    Err(Error::invalid(
        field,
        "must be a host name such as shop.example, without path and port (non-ASCII letters in their xn-- form)",
    ))
}

pub(crate) const TAKEN: &str = "The team already has a website with this domain.";

// Graph

/// A website with its settings and, through `analytics`, its metrics. If `publicDashboard` is true, anonymous callers
/// can read `id`, `databaseId`, `domain`, `name`, `timezone`, `primaryColor`, `publicDashboard`, `realtime` and the
/// aggregates of `analytics`; all other fields fail with `FORBIDDEN` for them.
#[Object]
impl Website {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::Website.global(self.0.website().id())
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.0.website().id()
    }

    /// Host name, lower case, without scheme and path.
    async fn domain(&self) -> &str {
        self.0.website().domain()
    }

    /// Name, 1 to 100 characters.
    async fn name(&self) -> &str {
        self.0.website().name()
    }

    /// Tracking code that pages send events with: `ZV_` followed by 24 characters. Not a secret.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn tracking_code(&self) -> Result<&str> {
        Ok(&self.0.member()?.website().tracking_code)
    }

    /// Time zone in which the website's days begin.
    async fn timezone(&self) -> TimeZone {
        TimeZone(self.0.website().timezone())
    }

    /// Whether the website accepts events. If false, tracking is paused: beacons are acknowledged and dropped as
    /// `PAUSED`.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn is_active(&self) -> Result<bool> {
        Ok(self.0.member()?.website().is_active)
    }

    /// The team that owns the website.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        Ok(Team(self.owner(ctx.cx()?).await?))
    }

    /// UUID of the team that owns the website.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn team_database_id(&self) -> Result<Uuid> {
        Ok(self.0.member()?.website().team_id)
    }

    /// UUID of the user who created the website; null if the operator created it from the command line or the account
    /// was deleted.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn user_database_id(&self) -> Option<Result<Uuid>> {
        self.0.member().map(|site| site.website().user_id).transpose()
    }

    /// Creation time, UTC.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn created_at(&self) -> Result<Instant> {
        Ok(Instant(self.0.member()?.website().created_at))
    }

    /// Time of the last change to a setting, UTC.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn updated_at(&self) -> Result<Instant> {
        Ok(Instant(self.0.member()?.website().updated_at))
    }

    /// Brand color; null for the default.
    async fn primary_color(&self) -> Option<HexColor> {
        self.0.website().primary_color().map(|color| HexColor::stored(color.to_owned()))
    }

    /// Target number of visitors per month; null if no goal is set.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn kpi_goal(&self) -> Option<Result<i32>> {
        self.0.member().map(|site| site.website().kpi_goal).transpose()
    }

    /// Whether the dashboard is public: anonymous callers can read its aggregates.
    async fn public_dashboard(&self) -> bool {
        self.0.website().has_public_dashboard()
    }

    /// Host names that can send events instead of `domain`; `*.` matches every subdomain. If empty, `domain` and its
    /// subdomains can.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = crate::cost::list_size::apply(Some(general::MAX_DOMAINS), None), directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn allowed_domains(&self) -> Result<Vec<String>> {
        Ok(domains_of(self.0.member()?.website()))
    }

    /// Whether pages on local hosts (`localhost`, private addresses) can send events. Defaults to false.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn allow_localhost(&self) -> Result<bool> {
        Ok(ALLOW_LOCALHOST.of(self.0.member()?.website()))
    }

    /// Whether live figures (`/e`, widgets, `liveSite`, `liveWebsite`) are public. Defaults to true.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn public_realtime(&self) -> Result<bool> {
        Ok(PUBLIC_REALTIME.of(self.0.member()?.website()))
    }

    /// Whether the public dashboard shows page titles, event names and goal names, which may contain names of people.
    /// Defaults to false.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn public_details(&self) -> Result<bool> {
        Ok(PUBLIC_DETAILS.of(self.0.member()?.website()))
    }

    /// Tracking settings of the website.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn settings(&self) -> Result<WebsiteSettings> {
        Ok(WebsiteSettings::from_row(self.0.member()?.website()))
    }

    /// IP addresses and paths that are not counted.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn exclusions(&self) -> Result<exclusions::Exclusions> {
        Ok(exclusions::Exclusions(self.0.member()?.clone()))
    }

    /// Notification preferences of the website's team.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn notifications(&self, ctx: &Context<'_>) -> Result<notifications::NotificationPreferences> {
        notifications::preferences_of(ctx.cx()?, self.0.member()?).await
    }

    /// Domains of the website and the verification of its primary domain.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn domains(&self) -> Result<domains::Domains> {
        Ok(domains::Domains(self.0.member()?.clone()))
    }

    /// Source of the website's revenue and the currency in which it is shown.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn revenue_settings(&self) -> Result<revenue::RevenueSettings> {
        revenue::RevenueSettings::from_row(self.0.member()?.website())
    }

    /// Active members of the website's team, oldest first. Null with an error for an API key.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<async_graphql::Result<MembershipConnection>> {
        let answer: async_graphql::Result<Option<MembershipConnection>> = async {
            let (cx, args) = (ctx.cx()?, PageArgs { first, after, last, before });
            let team = self.owner(cx).await?;
            Ok(Some(MembershipConnection::new(crate::team::members::members(cx.ports(), &team, &args).await?)))
        }
        .await;
        answer.transpose()
    }

    /// The webhooks that are told of the website, those of its team included, oldest first. Null with an error for roles below ADMIN.
    #[doc = access_line!(WEBSITE, ADMIN)]
    #[graphql(
        directive = access_directive::access::apply(On::Website, Some(Role::Admin), None),
        directive = crate::cost::list_size::apply(Some(MAX_WEBHOOKS), None)
    )]
    async fn webhooks(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<List<Webhook>>> {
        let answer: async_graphql::Result<Option<List<Webhook>>> =
            async { Ok(Some(webhook::of_website(ctx.cx()?, &self.0.member()?.require::<Admin>()?).await?)) }.await;
        answer.transpose()
    }

    /// ISO 4217 code of the currency in which revenue is shown.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn currency(&self) -> Result<&str> {
        Ok(&self.0.member()?.website().currency)
    }

    /// People of the website: visitors who were identified, the last identified first. Requires membership, even if the
    /// website's dashboard is public.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn people(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which people to list; null for all.")] filter: Option<PersonFilterInput>,
        #[graphql(desc = "Page size, 1 to 100 rows. Null means 20.", default_with = "Some(connection::DEFAULT_PAGE)")]
        first: Option<i32>,
        #[graphql(desc = "Only people after this cursor.")] after: Option<String>,
    ) -> Result<PersonConnection> {
        people::page(ctx.cx()?.ports(), self.0.member()?, filter, first, after).await
    }

    /// Number of days for which events are kept, as the owner set it; null for as long as the plan allows.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn retention_days(&self) -> Option<Result<i32>> {
        self.0.member().map(|site| site.website().retention_days).transpose()
    }

    /// Analytics of the website: totals, series, breakdowns, visitors. All parts share the range, time zone and
    /// filters. Anonymous callers see aggregates only: no visitors, event properties or revenue, and page titles, event
    /// names and goal names only if `publicDetails` is true.
    async fn analytics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Time range of the query.")] range: RangeInput,
        #[graphql(desc = "Time zone of days, weeks and months. Null means the website's time zone.")] timezone: Option<
            TimeZone,
        >,
        #[graphql(
            desc = "Filter conditions, combined with AND, at most 20. The values of one condition are combined with OR."
        )]
        filters: Option<Vec<FilterInput>>,
        #[graphql(desc = "Comparison period for `previous`; null for none.")] compare: Option<Comparison>,
        #[graphql(default, desc = "Include bot traffic. `ingest` reports how much of it there was.")]
        include_bots: bool,
    ) -> Result<Analytics> {
        let cx = ctx.cx()?;
        let asked = Asked {
            range,
            zone: timezone.map(|zone| zone.0),
            filters: filters.unwrap_or_default(),
            compare,
            bots: include_bots,
            goals: goals::definitions(&cx.loaders().goals(&self.0).await?)?,
        };
        Ok(Analytics::new(Question::from_input(cx.ports(), &self.0, asked).await?))
    }

    /// Goals of the website, oldest first, at most 100.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None), directive = crate::cost::list_size::apply(Some(goals::MAX_GOALS), None))]
    async fn goals(&self, ctx: &Context<'_>) -> async_graphql::Result<List<Goal>> {
        let site = self.0.member()?;
        let rows = ctx.cx()?.loaders().goals(&self.0).await?;
        Ok(rows.into_iter().map(|row| Goal::new(site, row)).collect::<Result<_>>()?)
    }

    /// Current visitors and counts for today. Restricted to members if `publicRealtime` is false.
    async fn realtime(&self, ctx: &Context<'_>) -> Result<Realtime> {
        Ok(Realtime::new(ctx.cx()?.ports(), self.0.realtime()?))
    }

    /// Outcomes of all events received for the website.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn ingest(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Length of the period that ends now, 1 to 43,200 minutes (30 days). Null means 1,440 minutes (a day).",
            default_with = "Some(ingest::DEFAULT_MINUTES)"
        )]
        last_minutes: Option<i32>,
    ) -> Result<Ingest> {
        Ingest::load(ctx.cx()?.ports(), self.0.member()?, last_minutes).await
    }

    /// Plan limits of the website's team.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn limits(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanLimits> {
        let team = self.owner(ctx.cx()?).await?;
        Ok(PlanName::counting(ctx.cx()?.ports().limits, &team.team().plan).limits())
    }
}

impl Website {
    async fn owner(&self, cx: &Cx) -> Result<access::Team<Viewer>> {
        let site = self.0.member()?;
        cx.loaders().team_of_site(site).await
    }
}

/// Website queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebsiteQuery;

#[Object]
impl WebsiteQuery {
    /// A website. On a website with a public dashboard, anonymous callers can read its aggregates.
    #[doc = access_line!(WEBSITE, VIEWER, public)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), Some(true)))]
    async fn website(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] id: ID,
    ) -> Option<async_graphql::Result<Website>> {
        let answer: async_graphql::Result<Option<Website>> =
            async { Ok(Some(Website(WebsiteView::find(ctx.cx()?, "id", &id).await?))) }.await;
        answer.transpose()
    }

    /// The websites that the caller can access, oldest first: for a user those of all their teams, for an API key those
    /// it can read.
    #[doc = access_line!(CALLER)]
    #[graphql(directive = access_directive::access::apply(On::Caller, None, None))]
    async fn websites(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(
            desc = "Only websites with exactly this host name, such as `shop.example`. A leading scheme and a trailing slash are removed. Not case-sensitive. Null means all."
        )]
        domain: Option<String>,
    ) -> Option<async_graphql::Result<WebsiteConnection>> {
        let answer: async_graphql::Result<Option<WebsiteConnection>> = async {
            let (cx, domain) = (ctx.cx()?, domain.as_deref());
            let args = PageArgs { first, after, last, before };
            let page = match cx.caller().known()? {
                Caller::Key { .. } => of_team(cx.ports(), cx.key().await?.team(), &args, domain).await?,
                _ => of_user(cx.ports(), &cx.myself().await?, &args, domain).await?,
            };
            Ok(Some(WebsiteConnection::new(page)))
        }
        .await;
        answer.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_normalised_or_refused_by_name() {
        for (text, host) in [
            ("Shop.Example", "shop.example"),
            (" https://shop.example/ ", "shop.example"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example.", "xn--bcher-kva.example"),
            ("my_shop.example", "my_shop.example"),
        ] {
            assert_eq!(checked_domain("domain", text).unwrap(), host);
        }
        for bad in
            ["", "shop example", "shop.example/a", "shop.example:80", "-a.example", "a..b", "bücher.example", "a@b"]
        {
            assert_eq!(checked_domain("domain", bad).unwrap_err().field(), Some("domain"), "{bad}");
        }
    }
}
