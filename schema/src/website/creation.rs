//! Creation of websites.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::{team, website};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, DatabaseTransaction, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _,
};
use uuid::Uuid;

use super::{DOMAIN, NAME, TAKEN, Website, checked_domain, domains::TOKEN_LENGTH};
use crate::{
    access::{
        self, Admin, Level, On, Reach as _, Role, Site, Viewer, access_directive,
        creation::{Creation, Outcome},
    },
    audit::{self, AuditAction, Line},
    caller::Caller,
    constraint::Constrained,
    error::{Error, Result},
    idempotency::KEY,
    plan::{self, PlanName},
    ports::Ports,
    scalars::TimeZone,
    team::team_meant,
    text,
};

// Vocabulary

/// A new website.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteCreateInput {
    /// Host name, such as `shop.example`. A leading scheme and a trailing slash are removed. Not case-sensitive.
    #[graphql(directive = Constrained::apply(DOMAIN))]
    pub domain: String,
    /// Name, 1 to 100 characters.
    #[graphql(directive = Constrained::apply(NAME))]
    pub name: String,
    /// The team that owns the website: global ID or UUID. Null means the caller's default team.
    pub team_id: Option<ID>,
    /// Time zone in which the website's days begin; null means UTC.
    pub timezone: Option<TimeZone>,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// A new website.
#[derive(SimpleObject)]
pub struct WebsiteCreatePayload {
    /// The website.
    pub website: Website,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// A new website, as rules take it.
#[derive(Debug, Clone)]
pub struct NewWebsite {
    /// Host name; normalized and checked by the rule.
    pub domain: String,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// Time zone in which the website's days begin; `None` means UTC.
    pub timezone: Option<chrono_tz::Tz>,
    /// ISO 4217 code in which revenue is shown; `None` means USD.
    pub currency: Option<String>,
}

// Rules

/// Creates a website of a team. Errors: `Invalid`, `Conflict` when the team already has the domain, `Forbidden` when its
/// plan allows no more.
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
        name: Set(text::name("name", &new.name, NAME)?),
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
        webhook_secret: Set(None),
        verification_token: Set(Some(ports.ids.secret(TOKEN_LENGTH))),
        verified_at: Set(None),
        retention_days: Set(None),
    };
    let mut transaction = ports.begin(team).await?;
    room_for_website(&transaction, ports, team.id(), team.caller()).await?;
    let row = row.insert(&transaction).await.map_err(|source| Error::of_write(source, TAKEN))?;
    let line = Line {
        action: AuditAction::WebsiteCreate,
        caller: team.caller(),
        team: Some(team.id()),
        website: Some(id),
        target: &row.domain,
        changed: &[],
    };
    audit::note(&transaction, ports, line).await?;
    transaction.created(id).await?;
    transaction.commit_changing(&[team.id()], &[id]).await?;
    team.site(row)
}

/// Errors: `Forbidden` if the team's plan does not allow more websites. The command line is not limited.
async fn room_for_website(txn: &DatabaseTransaction, ports: &Ports, team: Uuid, caller: Caller) -> Result<()> {
    if caller == Caller::Operator {
        return Ok(());
    }
    // Read under the write lock, so that concurrent creations count each other.
    let row = team::Entity::find_by_id(team).one(txn).await?.ok_or_else(|| Error::not_found("The team"))?;
    let plan = PlanName::counting(ports.limits, &row.plan);
    let Some(most) = plan.limits().max_websites else { return Ok(()) };
    let websites = website::Entity::find().filter(website::Column::TeamId.eq(team)).count(txn).await?;
    if websites < u64::try_from(most).unwrap_or(0) {
        return Ok(());
    }
    Err(plan::full(plan, most, "websites", "Delete a website or change the plan."))
}

// Graph

/// Website creation mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebsiteMutation;

#[Object]
impl WebsiteMutation {
    /// Creates a website.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn website_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new website.")] input: WebsiteCreateInput,
    ) -> Option<async_graphql::Result<WebsiteCreatePayload>> {
        let answer: async_graphql::Result<Option<WebsiteCreatePayload>> = async {
            let cx = ctx.cx()?;
            let team = team_meant::<Admin>(cx, input.team_id.as_ref()).await?;
            let creation = Creation::new(ctx, input.client_mutation_id.as_deref())?;
            let new = NewWebsite {
                domain: input.domain,
                name: input.name,
                timezone: input.timezone.map(|zone| zone.0),
                currency: None,
            };
            let site: Site<Viewer> = match creation.run(&team, create(creation.ports(), &team, new)).await? {
                Outcome::Created(site) => site.lower(),
                Outcome::Repeated(id) => Site::by_uuid(cx, id).await?,
            };
            let website = Website::from(site);
            Ok(Some(WebsiteCreatePayload { website, client_mutation_id: input.client_mutation_id }))
        }
        .await;
        answer.transpose()
    }
}
