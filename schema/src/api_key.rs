//! API keys: made, listed, replaced and revoked.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::Duration;
use entity::api_key;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
};
use uuid::Uuid;

use crate::{
    access::cx::Cx,
    access::{self, Admin, AtLeast, Level, On, Reach as _, Role, Site, Viewer, access_directive, credential::digest},
    audit::{self, AuditAction, Line},
    connection::{self, Page, PageArgs, Place},
    error::{Error, Result},
    id::Kind,
    key_usage::month,
    ports::Ports,
    scalars::{BigInt, Instant},
    team::{Team, team_meant},
    text,
};

pub mod calling;
pub mod usage;

pub use calling::ApiUsage;
pub use usage::Standing;

// Vocabulary

/// Characters of a key after `zv_`.
const SECRET: usize = 40;

/// Minutes for which a key that was replaced still works.
const GRACE_MINUTES: i64 = 5;

/// Characters of a key that stay readable, `zv_` included.
const PREFIX: usize = 9;

/// What a key may read.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiKeyPermission {
    /// All websites of the team.
    FullAccess,
    /// One website.
    SiteAccess,
}

/// An API key, as admins see it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    row: Arc<api_key::Model>,
    team: access::Team<Viewer>,
}

connection!(ApiKeyConnection, ApiKeyEdge, ApiKey, "API keys");

/// A new API key.
#[derive(InputObject, Debug, Clone)]
pub struct ApiKeyCreateInput {
    /// The team whose websites it reads: global id or UUID; null means the team of `websiteId`, else the caller's default team.
    pub team_id: Option<ID>,
    /// Label, 1 to 64 characters.
    pub name: String,
    /// The only website it reads: global id or UUID; null means all of the team's.
    pub website_id: Option<ID>,
}

/// A new API key.
#[derive(SimpleObject)]
pub struct ApiKeyCreatePayload {
    /// The key's record.
    pub api_key: ApiKey,
    /// The key itself, `zv_` and 40 characters. It is shown only now: only its hash is kept.
    pub secret: String,
}

/// Which key to revoke.
#[derive(InputObject, Debug, Clone)]
pub struct ApiKeyRevokeInput {
    /// The key's record: global id or UUID.
    pub api_key_id: ID,
}

/// Which key to replace.
#[derive(InputObject, Debug, Clone)]
pub struct ApiKeyRotateInput {
    /// The key's record: global id or UUID.
    pub api_key_id: ID,
}

/// A key and the one it replaces.
#[derive(SimpleObject)]
pub struct ApiKeyRotatePayload {
    /// The new key's record; name and permission are those of the old one.
    pub api_key: ApiKey,
    /// The new key itself, `zv_` and 40 characters. It is shown only now: only its hash is kept.
    pub secret: String,
    /// The old key's record. The old key works until its `expiresAt`, five minutes from now.
    pub previous: ApiKey,
}

/// The key after it was revoked.
#[derive(SimpleObject)]
pub struct ApiKeyRevokePayload {
    /// Whether the key is revoked: true.
    pub revoked: bool,
    /// The key's record.
    pub api_key: ApiKey,
}

impl ApiKey {
    /// The face of a key, for an admin of its team.
    pub(crate) fn of_team(team: &access::Team<Admin>, row: api_key::Model) -> Result<Self> {
        if row.team_id != team.id() {
            return Err(Error::broken("a team's proof met another team's key"));
        }
        Ok(Self { row: Arc::new(row), team: team.lower() })
    }
}

// Rules

/// The API keys of a team, revoked ones included.
pub(crate) async fn of_team(ports: &Ports, team: &access::Team<Admin>, args: &PageArgs) -> Result<Page<ApiKey>> {
    let window = args.window(connection::MAX_PAGE)?;
    let list = api_key::Entity::find().filter(api_key::Column::TeamId.eq(team.id()));
    let place = |row: &api_key::Model| Place { at: row.created_at, id: row.id };
    let columns = (api_key::Column::CreatedAt, api_key::Column::Id);
    let page = connection::page(ports.database.reader(team), list, columns, place, window).await?;
    page.try_map(|row| ApiKey::of_team(team, row))
}

/// Makes a key that reads a team's websites, or only `site`. Returns its record's id and the key, which is shown only now.
/// Errors: `Invalid` for a name that is empty or too long, or a website of another team.
pub async fn create<R>(
    ports: &Ports,
    team: &access::Team<R>,
    name: &str,
    site: Option<&Site<Viewer>>,
) -> Result<(ApiKey, String)>
where
    R: Level + AtLeast<Admin>,
{
    if site.is_some_and(|site| site.website().team_id != team.id()) {
        return Err(Error::invalid(
            "websiteId",
            "belongs to another team than teamId; leave teamId out or name that team",
        ));
    }
    let name = text::name("name", name, 64)?;
    let txn = ports.begin(team).await?;
    let (row, secret) = insert(&txn, ports, team, name, site.map(Site::id)).await?;
    audit::note(&txn, ports, line(AuditAction::ApiKeyCreate, team, &row)).await?;
    txn.commit_addition().await?;
    Ok((ApiKey::of_team(&team.lower(), row)?, secret))
}

fn line<'a, R: Level>(action: AuditAction, team: &access::Team<R>, row: &'a api_key::Model) -> Line<'a> {
    let (team, caller) = (Some(team.id()), team.caller());
    Line { action, caller, team, website: row.website_id, target: &row.name, changed: &[] }
}

async fn insert<R: Level>(
    txn: &DatabaseTransaction,
    ports: &Ports,
    team: &access::Team<R>,
    name: String,
    website: Option<Uuid>,
) -> Result<(api_key::Model, String)> {
    let (secret, now) = (format!("zv_{}", ports.ids.secret(SECRET)), ports.now());
    let row = api_key::ActiveModel {
        id: Set(ports.ids.uuid()),
        team_id: Set(team.id()),
        website_id: Set(website),
        name: Set(name),
        prefix: Set(secret.chars().take(PREFIX).collect()),
        hash: Set(digest(&secret)),
        created_by: Set(team.caller().user()),
        created_at: Set(now),
        last_used_at: Set(None),
        revoked_at: Set(None),
        total_requests: Set(0),
        monthly_requests: Set(0),
        month: Set(month(now)),
        expires_at: Set(None),
    };
    Ok((row.insert(txn).await?, secret))
}

/// A key's record, for an admin of its team. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<ApiKey> {
    let (row, team) = cx.of_team::<api_key::Entity, Admin>(id, "The API key").await?;
    ApiKey::of_team(&team, row)
}

/// Revokes a key at once. A key that was revoked before stays as it was.
pub async fn revoke(ports: &Ports, team: &access::Team<Admin>, key: &ApiKey) -> Result<ApiKey> {
    if key.row.team_id != team.id() {
        return Err(Error::broken("a team's proof met another team's key"));
    }
    if key.row.revoked_at.is_some() {
        return Ok(key.clone());
    }
    let row =
        api_key::ActiveModel { id: Unchanged(key.row.id), revoked_at: Set(Some(ports.now())), ..Default::default() };
    let txn = ports.begin(team).await?;
    let row = row.update(&txn).await.map_err(gone)?;
    audit::note(&txn, ports, line(AuditAction::ApiKeyRevoke, team, &row)).await?;
    txn.commit_changing(&[team.id()], &[]).await?;
    ApiKey::of_team(team, row)
}

fn gone(source: sea_orm::DbErr) -> Error {
    match source {
        sea_orm::DbErr::RecordNotUpdated => Error::not_found("The API key"),
        source => source.into(),
    }
}

/// Makes a key that reads what another one reads, and ends that one in five minutes. Returns the new record, the new key, and
/// the old record. Errors: `Conflict` for a key that is revoked or was replaced before.
pub async fn rotate(ports: &Ports, team: &access::Team<Admin>, key: &ApiKey) -> Result<(ApiKey, String, ApiKey)> {
    if key.row.team_id != team.id() {
        return Err(Error::broken("a team's proof met another team's key"));
    }
    let txn = ports.begin(team).await?;
    // Read under the write lock: of two rotations at once one wins.
    let old = api_key::Entity::find_by_id(key.row.id).one(&txn).await?;
    let old = old.ok_or_else(|| Error::not_found("The API key"))?;
    if old.revoked_at.is_some() || old.expires_at.is_some() {
        return Err(Error::conflict("The API key is revoked, or was replaced already; make a new one instead."));
    }
    let (new, secret) = insert(&txn, ports, team, old.name.clone(), old.website_id).await?;
    let end = ports.now() + Duration::minutes(GRACE_MINUTES);
    let old = api_key::ActiveModel { id: Unchanged(old.id), expires_at: Set(Some(end)), ..Default::default() };
    let old = old.update(&txn).await.map_err(gone)?;
    audit::note(&txn, ports, line(AuditAction::ApiKeyRotate, team, &new)).await?;
    txn.commit_changing(&[team.id()], &[]).await?;
    Ok((ApiKey::of_team(team, new)?, secret, ApiKey::of_team(team, old)?))
}

/// The record that an argument names, with the proof that the caller is an admin of its team. Errors: 401, 400, 404, 403.
async fn named(cx: &Cx, id: &ID) -> Result<(ApiKey, access::Team<Admin>)> {
    cx.caller().known()?;
    let key = find(cx, Kind::ApiKey.read("apiKeyId", id)?).await?;
    let team = key.team.require::<Admin>()?;
    Ok((key, team))
}

fn permission(row: &api_key::Model) -> ApiKeyPermission {
    if row.website_id.is_some() { ApiKeyPermission::SiteAccess } else { ApiKeyPermission::FullAccess }
}

// Graph

/// An API key: it reads the websites of a team, or one. The key itself is not kept.
#[Object]
impl ApiKey {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        Kind::ApiKey.global(self.row.id)
    }

    /// The UUID that REST and support use (`/api/external/v1/usage` shows it with `ak_` before it).
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// Label, 1 to 64 characters.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The key's first characters, for recognition.
    async fn prefix(&self) -> &str {
        &self.row.prefix
    }

    /// What it may read.
    async fn permission(&self) -> ApiKeyPermission {
        permission(&self.row)
    }

    /// The UUID of the only website it reads; null when it reads all of the team's.
    async fn website_id(&self) -> Option<Uuid> {
        self.row.website_id
    }

    /// The team whose websites it reads.
    async fn team(&self) -> Team {
        Team(self.team.clone())
    }

    /// The UUID of the team whose websites it reads.
    async fn team_id(&self) -> Uuid {
        self.row.team_id
    }

    /// When it stops working because another key replaced it, UTC; null without an end.
    async fn expires_at(&self) -> Option<Instant> {
        self.row.expires_at.map(Instant)
    }

    /// When it was made, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// When it was last used, UTC, up to some seconds late; null before the first use.
    async fn last_used_at(&self) -> Option<Instant> {
        self.row.last_used_at.map(Instant)
    }

    /// When it was revoked, UTC; null while it works.
    async fn revoked_at(&self) -> Option<Instant> {
        self.row.revoked_at.map(Instant)
    }

    /// Requests since it was made, up to some seconds late.
    async fn total_requests(&self) -> BigInt {
        BigInt(self.row.total_requests)
    }
}

/// Root fields about API keys.
#[derive(Debug, Default, Clone, Copy)]
pub struct ApiKeyQuery;

#[Object]
impl ApiKeyQuery {
    /// The calling API key and its figures.
    #[doc = access_line!(API_KEY)]
    #[graphql(directive = access_directive::access::apply(On::ApiKey, None, None))]
    async fn api_usage(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<ApiUsage>> {
        let answer: async_graphql::Result<Option<ApiUsage>> =
            async { Ok(Some(calling::usage_of(ctx.cx()?.ports(), ctx.key().await?))) }.await;
        answer.transpose()
    }

    /// The API keys of a team, oldest first, revoked ones included.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global id or UUID; null means the caller's default team.")] team_id: Option<ID>,
        #[graphql(desc = "Rows from the start, 1 to 100; 20 when neither first nor last is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<async_graphql::Result<ApiKeyConnection>> {
        let answer: async_graphql::Result<Option<ApiKeyConnection>> = async {
            let (cx, args) = (ctx.cx()?, PageArgs { first, after, last, before });
            let team = team_meant::<Admin>(cx, team_id.as_ref()).await?;
            Ok(Some(ApiKeyConnection::new(of_team(cx.ports(), &team, &args).await?)))
        }
        .await;
        answer.transpose()
    }
}

/// Mutations about API keys.
#[derive(Debug, Default, Clone, Copy)]
pub struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Makes an API key. The key itself is in the answer and nowhere else afterwards.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_key_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new key.")] input: ApiKeyCreateInput,
    ) -> Option<async_graphql::Result<ApiKeyCreatePayload>> {
        let answer: async_graphql::Result<Option<ApiKeyCreatePayload>> = async {
            let cx = ctx.cx()?;
            let site = match &input.website_id {
                Some(id) => Some(ctx.site::<Admin>(id).await?),
                None => None,
            };
            let team = match (&input.team_id, &site) {
                (None, Some(site)) => access::Team::<Admin>::by_uuid(cx, site.website().team_id).await?,
                (named, _) => team_meant(cx, named.as_ref()).await?,
            };
            let site = site.map(|site| site.lower());
            let (api_key, secret) = create(cx.ports(), &team, &input.name, site.as_ref()).await?;
            Ok(Some(ApiKeyCreatePayload { api_key, secret }))
        }
        .await;
        answer.transpose()
    }

    /// Revokes an API key at once and for good.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_key_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key to revoke.")] input: ApiKeyRevokeInput,
    ) -> Option<async_graphql::Result<ApiKeyRevokePayload>> {
        let answer: async_graphql::Result<Option<ApiKeyRevokePayload>> = async {
            let cx = ctx.cx()?;
            let (key, team) = named(cx, &input.api_key_id).await?;
            Ok(Some(ApiKeyRevokePayload { revoked: true, api_key: revoke(cx.ports(), &team, &key).await? }))
        }
        .await;
        answer.transpose()
    }

    /// Replaces an API key by a new one with the same name and permission. The old one works for five minutes more, so that
    /// programs can be given the new one in between.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_key_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key to replace.")] input: ApiKeyRotateInput,
    ) -> Option<async_graphql::Result<ApiKeyRotatePayload>> {
        let answer: async_graphql::Result<Option<ApiKeyRotatePayload>> = async {
            let cx = ctx.cx()?;
            let (key, team) = named(cx, &input.api_key_id).await?;
            let (api_key, secret, previous) = rotate(cx.ports(), &team, &key).await?;
            Ok(Some(ApiKeyRotatePayload { api_key, secret, previous }))
        }
        .await;
        answer.transpose()
    }
}
