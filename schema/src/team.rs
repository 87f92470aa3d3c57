//! Teams: they own websites and have members.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use entity::{membership, team};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _};
use uuid::Uuid;

use crate::{
    access::cx::Cx,
    access::{self, Admin, Level, Myself, On, Reach as _, Role, Viewer, access_directive},
    api_key::ApiKeyConnection,
    audit::{self, AuditEntryConnection},
    connection::{self, ListOrder, Page, PageArgs, Place},
    conversation::ConversationConnection,
    error::{Error, Result},
    id::Kind,
    list::List,
    plan::{PlanLimits, PlanName},
    ports::Ports,
    scalars::Instant,
    webhook::{self, MAX_WEBHOOKS, Webhook},
    website::WebsiteConnection,
};

pub mod creation;
pub mod inviting;
pub mod manage;
pub mod members;
pub mod ownership;
mod ownership_offer;
pub mod plan;
pub mod usage;
pub mod warnings;

pub use members::{Membership, MembershipConnection, MembershipEdge};

use members::members;
use usage::{TeamPermissions, TeamUsage};

// Vocabulary

/// A team.
#[derive(Debug, Clone)]
pub struct Team(pub(crate) access::Team<Viewer>);

connection!(TeamConnection, TeamEdge, Team, "teams");

// Rules

/// The active memberships of a user: one per team.
pub(crate) async fn parts_of(ports: &Ports, myself: &Myself) -> Result<Vec<membership::Model>> {
    Ok(membership::Entity::find()
        .filter(membership::Column::UserId.eq(myself.id()))
        .filter(membership::Column::DeactivatedAt.is_null())
        .all(ports.database.reader(myself))
        .await?)
}

/// The IDs of the teams in which a user is an active member, as a subquery.
pub(crate) fn team_ids_of(myself: &Myself) -> sea_orm::sea_query::SelectStatement {
    membership::Entity::find()
        .select_only()
        .column(membership::Column::TeamId)
        .filter(membership::Column::UserId.eq(myself.id()))
        .filter(membership::Column::DeactivatedAt.is_null())
        .into_query()
}

/// The user's membership in `team`. Errors: `Forbidden` if there is none.
pub(crate) fn part_in(parts: &[membership::Model], team: Uuid) -> Result<&membership::Model> {
    parts
        .iter()
        .find(|part| part.team_id == team)
        .ok_or_else(|| Error::forbidden("You don't have access to this team. Ask an admin of the team for access."))
}

/// The user's default team. Errors: `Forbidden` for a user without a team.
pub(crate) async fn default_of(cx: &Cx, myself: &Myself) -> Result<access::Team<Viewer>> {
    let parts = parts_of(cx.ports(), myself).await?;
    let part = parts.iter().find(|part| part.team_id == myself.user().default_team_id);
    // A user who is no longer a member of it falls back to the oldest of their other teams.
    let part = part.or_else(|| parts.iter().min_by_key(|part| (part.created_at, part.id)));
    let part = part.ok_or_else(|| {
        Error::forbidden("You are not a member of any team. Create one with `teamCreate`, or ask for an invitation.")
    })?;
    cx.loaders().team_of_part(myself, part).await
}

/// The teams in which a user is an active member.
pub(crate) async fn teams_of(ports: &Ports, myself: &Myself, args: &PageArgs) -> Result<Page<Team>> {
    let window = args.window(connection::MAX_PAGE)?;
    let parts = parts_of(ports, myself).await?;
    let list = team::Entity::find().filter(team::Column::Id.in_subquery(team_ids_of(myself)));
    let place = |row: &team::Model| Place { at: row.created_at, id: row.id };
    let page = connection::page(
        ports.database.reader(myself),
        list,
        ListOrder::OldestFirst,
        (team::Column::CreatedAt, team::Column::Id),
        place,
        window,
    )
    .await?;
    page.try_map(|row| {
        let part = part_in(&parts, row.id)?;
        Ok(Team(myself.team(Arc::new(row), part)?))
    })
}

/// The team that an argument identifies, or the caller's default team if it is absent.
pub(crate) async fn team_meant<R: Level>(cx: &Cx, team_id: Option<&ID>) -> Result<access::Team<R>> {
    match team_id {
        Some(id) => cx.team("teamId", id).await,
        None => default_of(cx, &cx.myself().await?).await?.require::<R>(),
    }
}

// Graph

/// A team. Teams own websites and API keys, and have members.
#[Object]
impl Team {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::Team.global(self.0.id())
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.0.id()
    }

    /// Name, 1 to 100 characters.
    async fn name(&self) -> &str {
        &self.0.team().name
    }

    /// The effective plan. `ENTERPRISE` on an installation without limits.
    async fn plan(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanName> {
        Ok(PlanName::counting(ctx.cx()?.ports().limits, &self.0.team().plan))
    }

    /// Limits of the plan.
    async fn limits(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanLimits> {
        Ok(PlanName::counting(ctx.cx()?.ports().limits, &self.0.team().plan).limits())
    }

    /// The caller's role in the team. An API key is a viewer.
    async fn role(&self) -> Role {
        self.0.role()
    }

    /// Creation time of the team, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.team().created_at)
    }

    /// The caller's permissions in the team.
    async fn permissions(&self) -> TeamPermissions {
        TeamPermissions::from_role(self.0.role())
    }

    /// Usage of the plan in the current calendar month (UTC). Null with an error for an API key.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn usage(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<TeamUsage>> {
        let answer: async_graphql::Result<Option<TeamUsage>> =
            async { Ok(Some(TeamUsage::load(ctx.cx()?.ports(), &self.0)?)) }.await;
        answer.transpose()
    }

    /// The team's websites that the caller can access, oldest first.
    async fn websites(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<WebsiteConnection> {
        let args = PageArgs { first, after, last, before };
        Ok(WebsiteConnection::new(crate::website::of_team(ctx.cx()?.ports(), &self.0, &args, None).await?))
    }

    /// The team's active members, oldest first. Null with an error for an API key.
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
            let args = PageArgs { first, after, last, before };
            Ok(Some(MembershipConnection::new(members(ctx.cx()?.ports(), &self.0, &args).await?)))
        }
        .await;
        answer.transpose()
    }

    /// The team's conversations, oldest first. Null with an error for an API key.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<async_graphql::Result<ConversationConnection>> {
        let answer: async_graphql::Result<Option<ConversationConnection>> = async {
            let args = PageArgs { first, after, last, before };
            let page = crate::conversation::of_team(ctx.cx()?.ports(), &self.0, &args).await?;
            Ok(Some(ConversationConnection::new(page)))
        }
        .await;
        answer.transpose()
    }

    /// The team's API keys, including revoked keys, oldest first. Null with an error for roles below ADMIN.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<async_graphql::Result<ApiKeyConnection>> {
        let answer: async_graphql::Result<Option<ApiKeyConnection>> = async {
            let args = PageArgs { first, after, last, before };
            let team = self.0.require::<Admin>()?;
            Ok(Some(ApiKeyConnection::new(crate::api_key::of_team(ctx.cx()?.ports(), &team, &args).await?)))
        }
        .await;
        answer.transpose()
    }

    /// The team's webhooks, those of single websites included, oldest first. Null with an error for roles below ADMIN.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(
        directive = access_directive::access::apply(On::Team, Some(Role::Admin), None),
        directive = crate::cost::list_size::apply(Some(MAX_WEBHOOKS), None)
    )]
    async fn webhooks(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<List<Webhook>>> {
        let answer: async_graphql::Result<Option<List<Webhook>>> =
            async { Ok(Some(webhook::of_team(ctx.cx()?.ports(), &self.0.require::<Admin>()?).await?)) }.await;
        answer.transpose()
    }

    /// Changes made in the team and sign-ins of its members, newest first. Null with an error for roles below ADMIN.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<async_graphql::Result<AuditEntryConnection>> {
        let answer: async_graphql::Result<Option<AuditEntryConnection>> = async {
            let args = PageArgs { first, after, last, before };
            let team = self.0.require::<Admin>()?;
            Ok(Some(AuditEntryConnection::new(audit::lines_of(ctx.cx()?.ports(), &team, &args).await?)))
        }
        .await;
        answer.transpose()
    }
}

/// Team queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct TeamQuery;

#[Object]
impl TeamQuery {
    /// A team.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None))]
    async fn team(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID.")] id: ID,
    ) -> Option<async_graphql::Result<Team>> {
        let answer: async_graphql::Result<Option<Team>> =
            async { Ok(Some(Team(ctx.cx()?.team("id", &id).await?))) }.await;
        answer.transpose()
    }
}
