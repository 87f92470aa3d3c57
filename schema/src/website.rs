//! Websites: what is measured, and how one is made.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::website;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, Select};
use uuid::Uuid;

use crate::{
    access::{self, Admin, Level, Myself, On, Role, Site, Viewer, Watching, stated},
    analytics::{
        query::{Comparison, FilterInput, RangeInput},
        question::{Question, Subject},
        report::Analytics,
    },
    connection::{self, Page, PageArgs, Place, Window},
    cx::{Cx, Reach as _},
    error::{Error, Result},
    id::Kind,
    plan::{PlanLimits, PlanName},
    ports::Ports,
    realtime::Realtime,
    scalars::{HexColor, Instant, TimeZone},
    team::{MembershipConnection, Team},
};

pub mod exclusions;
pub mod general;
pub mod ingest;
pub mod members;

use ingest::Ingest;

// Vocabulary

/// A website.
#[derive(Debug, Clone)]
pub struct Website(pub(crate) Site<Viewer>);

connection!(WebsiteConnection, WebsiteEdge, Website, "websites");

/// What the tracking script records.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebsiteSettings {
    /// Clicks on links to other hosts.
    pub track_outbound_links: bool,
    /// Clicks on links to files.
    pub track_downloads: bool,
    /// Recordings of visits.
    pub session_replay: bool,
    /// Clicks and scroll depth for maps.
    pub heatmaps: bool,
}

/// A new website.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteCreateInput {
    /// Host name, such as `shop.example`. A scheme before it and a slash after it are dropped; letter case does not matter.
    pub domain: String,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// The team that owns it: global id or UUID; null means the caller's default team.
    pub team_id: Option<ID>,
    /// Zone in which its days begin; null means UTC.
    pub timezone: Option<TimeZone>,
}

/// A new website.
#[derive(SimpleObject)]
pub struct WebsiteCreatePayload {
    /// The website.
    pub website: Website,
}

/// A new website, as rules take it.
#[derive(Debug, Clone)]
pub struct NewWebsite {
    /// Host name; normalised and checked by the rule.
    pub domain: String,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// Zone in which its days begin; `None` means UTC.
    pub timezone: Option<chrono_tz::Tz>,
    /// ISO 4217 code in which revenue is shown; `None` means USD.
    pub currency: Option<String>,
}

impl WebsiteSettings {
    /// Reads the row's open record; a switch that is not set has its default.
    fn of(settings: &serde_json::Value) -> Self {
        let switch = |key: &str, default| settings.get(key).and_then(serde_json::Value::as_bool).unwrap_or(default);
        Self {
            track_outbound_links: switch("track_outbound_links", true),
            track_downloads: switch("track_downloads", true),
            session_replay: switch("session_replay", false),
            heatmaps: switch("heatmaps", true),
        }
    }
}

// Rules

/// The zone in which the row's days begin.
pub(crate) fn zone_of(row: &website::Model) -> chrono_tz::Tz {
    // Only checked names are stored; a name that a later release of the zone database dropped reads as UTC.
    row.timezone.parse().unwrap_or(chrono_tz::Tz::UTC)
}

/// Normalises a host name: lower case, without scheme and trailing slash or dot. Errors: `Invalid` for `field`.
pub(crate) fn checked_domain(field: &str, text: &str) -> Result<String> {
    let lower = text.trim().to_lowercase();
    let bare = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")).unwrap_or(&lower);
    let host = bare.trim_end_matches('/').trim_end_matches('.');
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !host.is_empty() && host.len() <= 253 && host.split('.').all(label) {
        return Ok(host.to_owned());
    }
    Err(Error::invalid(
        field,
        "is not a host name; one such as shop.example is expected, without path and port (letters outside a to z in their xn-- form)",
    ))
}

/// Trims a name. Errors: `Invalid` for `field` when it is empty or longer than `most` characters.
pub(crate) fn checked_name(field: &str, text: &str, most: usize) -> Result<String> {
    let name = text.trim();
    match name.chars().count() {
        0 => Err(Error::invalid(field, format!("is empty; 1 to {most} characters are right"))),
        length if length > most => {
            Err(Error::invalid(field, format!("has {length} characters; 1 to {most} are right")))
        }
        _ => Ok(name.to_owned()),
    }
}

pub(crate) const TAKEN: &str = "The team has a website with this domain already.";

/// Makes a website of a team. Errors: `Invalid`, `Conflict` when the team has the domain.
pub async fn create<R>(ports: &Ports, team: &access::Team<R>, new: NewWebsite) -> Result<Site<R>>
where
    R: Level + access::AtLeast<Admin>,
{
    let (id, now) = (ports.ids.uuid(), ports.now());
    let row = website::ActiveModel {
        id: Set(id),
        team_id: Set(team.id()),
        user_id: Set(team.caller().user()),
        domain: Set(checked_domain("domain", &new.domain)?),
        name: Set(checked_name("name", &new.name, 100)?),
        tracking_code: Set(format!("ZV_{}", ports.ids.secret(24))),
        timezone: Set(new.timezone.unwrap_or(chrono_tz::Tz::UTC).name().to_owned()),
        is_active: Set(true),
        primary_color: Set(None),
        kpi_goal: Set(None),
        public_dashboard: Set(false),
        allowed_domains: Set(serde_json::json!([])),
        settings: Set(serde_json::json!({
            "track_outbound_links": true, "track_downloads": true, "session_replay": false, "heatmaps": true
        })),
        currency: Set(new.currency.unwrap_or_else(|| "USD".to_owned())),
        created_at: Set(now),
        updated_at: Set(now),
        revenue_provider: Set(None),
        verification_token: Set(None),
        verified_at: Set(None),
    };
    let row = row.insert(&ports.writer).await.map_err(|source| Error::of_write(source, TAKEN))?;
    team.site(row)
}

/// One page of a list of websites, oldest first.
pub(crate) async fn page(ports: &Ports, list: Select<website::Entity>, window: Window) -> Result<Page<website::Model>> {
    let place = |row: &website::Model| Place { at: row.created_at, id: row.id };
    connection::page(&ports.reader, list, (website::Column::CreatedAt, website::Column::Id), place, window).await
}

/// The websites of all teams in which a user has an active part.
pub(crate) async fn websites_of_user(ports: &Ports, myself: &Myself, args: &PageArgs) -> Result<Page<Site<Viewer>>> {
    let window = args.window(connection::MAX_PAGE)?;
    let parts = crate::team::parts_of(ports, myself).await?;
    let teams = crate::team::team_ids_of(myself);
    let list = website::Entity::find().filter(website::Column::TeamId.in_subquery(teams));
    let page = page(ports, list, window).await?;
    page.try_map(|row| {
        let part = crate::team::part_in(&parts, row.team_id)?;
        myself.site(row, part)
    })
}

/// The team that an argument names, or the caller's default team where it names none.
pub(crate) async fn team_meant<R: Level>(cx: &Cx, team_id: Option<&ID>) -> Result<access::Team<R>> {
    match team_id {
        Some(id) => cx.team("teamId", id).await,
        None => crate::team::default_of(cx, &cx.myself().await?).await?.require::<R>(),
    }
}

// Graph

/// A website: its settings and, through `analytics`, its figures.
#[Object]
impl Website {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        Kind::Website.global(self.0.id())
    }

    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.0.id()
    }

    /// Host name, lower case, without scheme and path.
    async fn domain(&self) -> &str {
        &self.0.website().domain
    }

    /// Name, 1 to 100 characters.
    async fn name(&self) -> &str {
        &self.0.website().name
    }

    /// `ZV_` and 24 characters: what pages send events with. Not a secret.
    async fn tracking_code(&self) -> &str {
        &self.0.website().tracking_code
    }

    /// Zone in which its days begin.
    async fn timezone(&self) -> TimeZone {
        TimeZone(self.0.timezone())
    }

    /// Whether events are taken in. False: tracking is paused, so beacons are answered and dropped as `PAUSED`.
    async fn is_active(&self) -> bool {
        self.0.website().is_active
    }

    /// The team that owns it.
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        Ok(Team(self.owner(ctx.cx()?).await?))
    }

    /// The UUID of the team that owns it.
    async fn team_id(&self) -> Uuid {
        self.0.website().team_id
    }

    /// The UUID of the user who made it; null when the operator did from the command line, or the account is gone.
    async fn user_id(&self) -> Option<Uuid> {
        self.0.website().user_id
    }

    /// When it was made, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.website().created_at)
    }

    /// When a setting last changed, UTC.
    async fn updated_at(&self) -> Instant {
        Instant(self.0.website().updated_at)
    }

    /// Colour of the brand; null for the default look.
    async fn primary_color(&self) -> Option<HexColor> {
        self.0.website().primary_color.clone().map(HexColor::stored)
    }

    /// Visitors a month the team aims at; null without a goal.
    async fn kpi_goal(&self) -> Option<i32> {
        self.0.website().kpi_goal
    }

    /// Whether anyone may read its aggregate figures.
    async fn public_dashboard(&self) -> bool {
        self.0.website().public_dashboard
    }

    /// Host names that may send events instead of `domain`; `*.` stands for every subdomain. Empty: `domain` and its subdomains may.
    async fn allowed_domains(&self) -> Vec<String> {
        general::domains_of(self.0.website())
    }

    /// Whether pages on local hosts (`localhost`, private addresses) may send events; false unless it was set.
    async fn allow_localhost(&self) -> bool {
        general::switch(self.0.website(), "allow_localhost", false)
    }

    /// Whether `/e/realtime` and `liveWebsite` answer anyone; true unless it was set.
    async fn public_realtime(&self) -> bool {
        general::switch(self.0.website(), "public_realtime", true)
    }

    /// What the tracking script records.
    async fn settings(&self) -> WebsiteSettings {
        WebsiteSettings::of(&self.0.website().settings)
    }

    /// Addresses and paths that are not counted.
    async fn exclusions(&self) -> exclusions::Exclusions {
        exclusions::Exclusions(self.0.clone())
    }

    /// The active members of its team, oldest first. Null with an error for an API key.
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1 to 100; 20 when neither first nor last is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1 to 100; not together with first.")] last: Option<i32>,
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

    /// ISO 4217 code in which revenue is shown.
    async fn currency(&self) -> &str {
        &self.0.website().currency
    }

    /// Numbers of this website: totals, series, breakdowns, visitors. Everything in the answer shares the range, zone and filters.
    async fn analytics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The time that is counted.")] range: RangeInput,
        #[graphql(desc = "Zone of calendar units; null means the website's.")] timezone: Option<TimeZone>,
        #[graphql(desc = "Conditions that all hold; values of one condition are alternatives.")] filters: Option<
            Vec<FilterInput>,
        >,
        #[graphql(desc = "What `previous` is compared with; null for no comparison.")] compare: Option<Comparison>,
        #[graphql(default, desc = "Whether machines count like people. Their reasons are in `ingest`.")]
        include_bots: bool,
    ) -> Result<Analytics> {
        let subject =
            Subject { website: self.0.id(), zone: self.0.timezone(), currency: self.0.website().currency.clone() };
        let zone = timezone.map(|zone| zone.0);
        let ports = ctx.cx()?.ports();
        let filters = filters.unwrap_or_default();
        Ok(Analytics::new(Question::of(ports, subject, range, zone, filters, compare, include_bots).await?))
    }

    /// Who is there now, and today's counts so far.
    async fn realtime(&self, ctx: &Context<'_>) -> Result<Realtime> {
        Ok(Realtime::of(ctx.cx()?.ports(), &Watching::from(&self.0)))
    }

    /// What became of everything that was sent to it.
    async fn ingest(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The time that is counted, in minutes until now: 1 to 43,200 (30 days); null means 1,440 (a day).",
            default_with = "Some(ingest::DEFAULT_MINUTES)"
        )]
        last_minutes: Option<i32>,
    ) -> Result<Ingest> {
        Ingest::of(ctx.cx()?.ports(), &self.0, last_minutes).await
    }

    /// What the plan of its team allows.
    async fn limits(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanLimits> {
        let team = self.owner(ctx.cx()?).await?;
        Ok(PlanName::counting(ctx.cx()?.ports().limits, &team.team().plan).limits())
    }
}

impl Website {
    async fn owner(&self, cx: &Cx) -> Result<access::Team<Viewer>> {
        members::team_of(cx, &self.0).await
    }
}

/// Root fields about websites.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebsiteQuery;

#[Object]
impl WebsiteQuery {
    /// One website.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = stated::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn website(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] id: ID,
    ) -> Option<async_graphql::Result<Website>> {
        let answer: async_graphql::Result<Option<Website>> =
            async { Ok(Some(Website(ctx.cx()?.site("id", &id).await?))) }.await;
        answer.transpose()
    }
}

/// Mutations that make websites.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebsiteMutation;

#[Object]
impl WebsiteMutation {
    /// Makes a website.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = stated::access::apply(On::Team, Some(Role::Admin), None))]
    async fn website_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new website.")] input: WebsiteCreateInput,
    ) -> Option<async_graphql::Result<WebsiteCreatePayload>> {
        let answer: async_graphql::Result<Option<WebsiteCreatePayload>> = async {
            let team = team_meant::<Admin>(ctx.cx()?, input.team_id.as_ref()).await?;
            let new = NewWebsite {
                domain: input.domain,
                name: input.name,
                timezone: input.timezone.map(|zone| zone.0),
                currency: None,
            };
            let site = create(ctx.cx()?.ports(), &team, new).await?;
            Ok(Some(WebsiteCreatePayload { website: Website(site.lower()) }))
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
