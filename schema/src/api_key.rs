//! API keys: create, list, rotate and revoke.

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
    access::{
        self, Admin, AtLeast, Level, On, Operator, Reach as _, Role, Site, Viewer, access_directive, credential::digest,
    },
    audit::{self, AuditAction, Line},
    connection::{self, ListOrder, Page, PageArgs, Place},
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    id::Kind,
    idempotency::KEY,
    key_usage::month,
    ports::Ports,
    scalars::{BigInt, Instant},
    team::{Team, team_meant},
    text,
};

pub mod calling;
pub mod grant;
pub mod mutations;
pub mod usage;

pub use calling::ApiUsage;
pub use grant::{ApiKeyScope, Grant};
pub use usage::Standing;

use grant::{NETWORKS, ORIGINS, SCOPES};

// Vocabulary

/// Number of characters in a key after `zv_`.
const SECRET: usize = 40;

/// Minutes for which a rotated key keeps working.
const GRACE_MINUTES: i64 = 5;

/// Number of characters of a key that stay readable, including `zv_`.
const PREFIX: usize = 9;

/// Permission of an API key.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiKeyPermission {
    /// Read access to all websites of the team.
    FullAccess,
    /// Read access to one website.
    SiteAccess,
}

/// An API key as its team's admins see it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    row: Arc<api_key::Model>,
    team: access::Team<Viewer>,
}

connection!(ApiKeyConnection, ApiKeyEdge, ApiKey, "API keys");

/// A label.
const NAME: Constraint = Constraint::name(64);

/// A new API key.
#[derive(InputObject, Debug, Clone)]
pub struct ApiKeyCreateInput {
    /// The team whose websites the key can read: global ID or UUID. Null means the team of `websiteId` or, if that is
    /// null too, the caller's default team.
    pub team_id: Option<ID>,
    /// Label, 1 to 64 characters.
    #[graphql(directive = Constrained::apply(NAME))]
    pub name: String,
    /// The only website the key can read: global ID or UUID. Null means all websites of the team.
    pub website_id: Option<ID>,
    /// What the key may do, at least one scope; null means READ and INGEST.
    #[graphql(directive = Constrained::apply(SCOPES))]
    pub scopes: Option<Vec<ApiKeyScope>>,
    /// Time when the key stops working, in the future; null for no end.
    pub expires_at: Option<Instant>,
    /// Origins whose pages may use the key, such as `https://shop.example`, at most 50. A request without the header
    /// `Origin` is then refused. Null or empty for no restriction.
    #[graphql(directive = Constrained::apply(ORIGINS))]
    pub allowed_origins: Option<Vec<String>>,
    /// IP addresses and networks from which the key may be used, such as `203.0.113.0/24`, at most 50. Null or empty for no
    /// restriction.
    #[graphql(directive = Constrained::apply(NETWORKS))]
    pub allowed_networks: Option<Vec<String>>,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// A new API key. In the response to a repeated request (see `clientMutationId`), `secret` is null: if the first response
/// was lost, rotate the key.
#[derive(SimpleObject)]
pub struct ApiKeyCreatePayload {
    /// The API key's record.
    pub api_key: ApiKey,
    /// The key itself: `zv_` followed by 40 characters. Shown only once; only its hash is stored.
    pub secret: Option<String>,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// Input for revoking an API key.
#[derive(InputObject, Debug, Clone)]
pub struct ApiKeyRevokeInput {
    /// The API key: global ID or UUID.
    pub api_key_id: ID,
}

/// Input for rotating an API key.
#[derive(InputObject, Debug, Clone)]
pub struct ApiKeyRotateInput {
    /// The API key: global ID or UUID.
    pub api_key_id: ID,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// A new API key and the key it replaces. In the response to a repeated request (see `clientMutationId`), `secret` is null:
/// if the first response was lost, rotate the new key.
#[derive(SimpleObject)]
pub struct ApiKeyRotatePayload {
    /// The new key's record, with the name and permission of the old key.
    pub api_key: ApiKey,
    /// The new key itself: `zv_` followed by 40 characters. Shown only once; only its hash is stored.
    pub secret: Option<String>,
    /// The old key's record. The old key keeps working until its `expiresAt`, five minutes from now.
    pub previous: ApiKey,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The API key after it was revoked.
#[derive(SimpleObject)]
pub struct ApiKeyRevokePayload {
    /// The API key's record.
    pub api_key: ApiKey,
}

impl ApiKey {
    /// A key as shown to an admin of its team.
    pub(crate) fn of_team(team: &access::Team<Admin>, row: api_key::Model) -> Result<Self> {
        if row.team_id != team.id() {
            return Err(Error::broken("a team's proof met another team's key"));
        }
        Ok(Self { row: Arc::new(row), team: team.lower() })
    }

    /// UUID of the record.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.row.id
    }

    /// Label of the key.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.row.name
    }

    /// First characters of the key, for recognition.
    #[must_use]
    pub fn first_characters(&self) -> &str {
        &self.row.prefix
    }
}

// Rules

/// The API keys of a team, including revoked keys.
pub(crate) async fn of_team(ports: &Ports, team: &access::Team<Admin>, args: &PageArgs) -> Result<Page<ApiKey>> {
    let window = args.window(connection::MAX_PAGE)?;
    let list = api_key::Entity::find().filter(api_key::Column::TeamId.eq(team.id()));
    let place = |row: &api_key::Model| Place { at: row.created_at, id: row.id };
    let columns = (api_key::Column::CreatedAt, api_key::Column::Id);
    let page =
        connection::page(ports.database.reader(team), list, ListOrder::OldestFirst, columns, place, window).await?;
    page.try_map(|row| ApiKey::of_team(team, row))
}

/// Creates a key for a team's websites, or only `site`. Returns the ID of its record and the key, which is shown
/// only once. Errors: `Invalid` for a name that is empty or too long, or a website of another team.
pub async fn create<R>(
    ports: &Ports,
    team: &access::Team<R>,
    name: &str,
    site: Option<&Site<Viewer>>,
    grant: Grant,
) -> Result<(ApiKey, String)>
where
    R: Level + AtLeast<Admin>,
{
    if site.is_some_and(|site| site.website().team_id != team.id()) {
        return Err(Error::invalid(
            "websiteId",
            "must belong to the team in teamId; omit teamId or pass the website's team",
        ));
    }
    let name = text::name("name", name, NAME)?;
    let mut txn = ports.begin(team).await?;
    let (row, secret) = insert(&txn, ports, team, name, site.map(Site::id), grant).await?;
    audit::note(&txn, ports, line(AuditAction::ApiKeyCreate, team, &row)).await?;
    txn.created(row.id).await?;
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
    grant: Grant,
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
        expires_at: Set(grant.expires_at),
        window_minute: Set(0),
        window_requests: Set(0),
        scopes: Set(grant.scopes.stored()),
        allowed_origins: Set(serde_json::json!(grant.allowed_origins)),
        allowed_networks: Set(serde_json::json!(grant.allowed_networks)),
        rotated_at: Set(None),
        last_used_country: Set(None),
    };
    Ok((row.insert(txn).await?, secret))
}

/// A key's record, for an admin of its team. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<ApiKey> {
    let (row, team) = cx.of_team::<api_key::Entity, Admin>(id, "The API key").await?;
    ApiKey::of_team(&team, row)
}

/// A key's record and its team, for the operator. Errors: `NotFound`.
pub async fn of_operator(ports: &Ports, operator: &Operator, id: Uuid) -> Result<(access::Team<Admin>, ApiKey)> {
    let row = api_key::Entity::find_by_id(id).one(ports.database.reader(operator)).await?;
    let row = row.ok_or_else(|| Error::not_found("The API key"))?;
    let team = operator.team(ports, row.team_id).await?.lower();
    let key = ApiKey::of_team(&team, row)?;
    Ok((team, key))
}

/// Revokes a key at once. A key that was already revoked stays unchanged.
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

/// Creates a key with the permissions of another one, which expires in five minutes. Returns the new record, the new
/// key, and the old record. Errors: `Conflict` for a key that is revoked or was already rotated.
pub async fn rotate(ports: &Ports, team: &access::Team<Admin>, key: &ApiKey) -> Result<(ApiKey, String, ApiKey)> {
    if key.row.team_id != team.id() {
        return Err(Error::broken("a team's proof met another team's key"));
    }
    let mut txn = ports.begin(team).await?;
    // Read under the write lock, so that only one of two concurrent rotations succeeds.
    let old = api_key::Entity::find_by_id(key.row.id).one(&txn).await?;
    let old = old.ok_or_else(|| Error::not_found("The API key"))?;
    if old.revoked_at.is_some() || old.rotated_at.is_some() {
        return Err(Error::conflict("The API key is revoked or was already rotated. Create a new one instead."));
    }
    // The end that was stated applies to the new key too, the grace to the old one.
    let grant = Grant { expires_at: old.expires_at, ..Grant::of_row(&old) };
    let (new, secret) = insert(&txn, ports, team, old.name.clone(), old.website_id, grant).await?;
    let now = ports.now();
    let grace = now + Duration::minutes(GRACE_MINUTES);
    let end = old.expires_at.map_or(grace, |end| Ord::min(end, grace));
    let old = api_key::ActiveModel {
        id: Unchanged(old.id),
        expires_at: Set(Some(end)),
        rotated_at: Set(Some(now)),
        ..Default::default()
    };
    let old = old.update(&txn).await.map_err(gone)?;
    audit::note(&txn, ports, line(AuditAction::ApiKeyRotate, team, &new)).await?;
    txn.created(new.id).await?;
    txn.commit_changing(&[team.id()], &[]).await?;
    Ok((ApiKey::of_team(team, new)?, secret, ApiKey::of_team(team, old)?))
}

/// The record that an argument identifies, if the caller is an admin of its team. Errors: 401, 400, 404, 403.
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

/// An API key with read access to all websites of a team, or to one of them. The key itself is not stored.
#[Object]
impl ApiKey {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::ApiKey.global(self.row.id)
    }

    /// UUID of the record, as used by support. `/api/external/v1/usage` shows it with the prefix `ak_`.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// Label, 1 to 64 characters.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// First characters of the key, for recognition.
    async fn prefix(&self) -> &str {
        &self.row.prefix
    }

    /// Permission of the key.
    async fn permission(&self) -> ApiKeyPermission {
        permission(&self.row)
    }

    /// UUID of the only website the key can read; null if it can read all websites of the team.
    async fn website_database_id(&self) -> Option<Uuid> {
        self.row.website_id
    }

    /// The team whose websites the key can read.
    async fn team(&self) -> Team {
        Team(self.team.clone())
    }

    /// UUID of the team whose websites the key can read.
    async fn team_database_id(&self) -> Uuid {
        self.row.team_id
    }

    /// What the key may do.
    #[graphql(directive = crate::cost::list_size::apply(Some(3), None))]
    async fn scopes(&self) -> Vec<ApiKeyScope> {
        grant::scopes_of(&self.row)
    }

    /// Origins whose pages may use the key; empty for no restriction.
    #[graphql(directive = crate::cost::list_size::apply(Some(50), None))]
    async fn allowed_origins(&self) -> Vec<String> {
        grant::texts(&self.row.allowed_origins)
    }

    /// IP addresses and networks from which the key may be used; empty for no restriction.
    #[graphql(directive = crate::cost::list_size::apply(Some(50), None))]
    async fn allowed_networks(&self) -> Vec<String> {
        grant::texts(&self.row.allowed_networks)
    }

    /// Country of the last use, ISO 3166-1 alpha-2, delayed by up to a minute; null if unknown.
    async fn last_used_country(&self) -> Option<&str> {
        self.row.last_used_country.as_deref()
    }

    /// Time when the key stops working, UTC: as stated when it was created, or five minutes after it was rotated; null for
    /// no end.
    async fn expires_at(&self) -> Option<Instant> {
        self.row.expires_at.map(Instant)
    }

    /// Creation time, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// Time of the last use, UTC, delayed by up to a few seconds; null if the key was never used.
    async fn last_used_at(&self) -> Option<Instant> {
        self.row.last_used_at.map(Instant)
    }

    /// Time of revocation, UTC; null if the key was not revoked.
    async fn revoked_at(&self) -> Option<Instant> {
        self.row.revoked_at.map(Instant)
    }

    /// Number of requests since creation, delayed by up to a few seconds.
    async fn total_requests(&self) -> BigInt {
        BigInt(self.row.total_requests)
    }
}

/// API key queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct ApiKeyQuery;

#[Object]
impl ApiKeyQuery {
    /// The calling API key and its usage.
    #[doc = access_line!(API_KEY)]
    #[graphql(directive = access_directive::access::apply(On::ApiKey, None, None))]
    async fn api_usage(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<ApiUsage>> {
        let answer: async_graphql::Result<Option<ApiUsage>> =
            async { Ok(Some(calling::usage_of(ctx.cx()?.ports(), ctx.key().await?))) }.await;
        answer.transpose()
    }

    /// The API keys of a team, including revoked keys, oldest first.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID. Null means the caller's default team.")] team_id: Option<ID>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
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
