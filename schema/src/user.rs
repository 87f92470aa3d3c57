//! Users as they see themselves; `user_profile` is what members see of each other.

use async_graphql::{Context, Enum, ID, Object};
use entity::user;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use uuid::Uuid;

use crate::{
    access::{Myself, On, Operator, Reach as _, access_directive},
    connection::PageArgs,
    conversation::ConversationConnection,
    error::{Error, Result},
    id::Kind,
    onboarding::Onboarding,
    plan::{PlanLimits, PlanName},
    ports::Ports,
    scalars::{EmailAddress, Instant, Json, Url},
    team::{Team, TeamConnection, team_meant, usage::TeamUsage},
    website::WebsiteConnection,
};

pub mod creation;
pub mod deletion;
pub mod email;
pub(crate) mod email_link;
pub mod email_proof;
pub mod operators;
mod personal_data;
pub mod profile;
pub(crate) mod rules;

// Vocabulary

/// Sign-in method of an account.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthProvider {
    /// E-mail address and password.
    Password,
    /// External identity provider. The account has no password on this server.
    External,
}

/// The signed-in user.
#[derive(Debug, Clone)]
pub struct User(pub(crate) Myself);

// Rules

/// The number of accounts.
pub async fn count(ports: &Ports, operator: &Operator) -> Result<u64> {
    Ok(user::Entity::find().count(ports.database.reader(operator)).await?)
}

// Graph

/// The signed-in user.
#[Object]
impl User {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::User.global(self.0.id())
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.0.id()
    }

    /// E-mail address to sign in with, lower case.
    async fn email(&self) -> EmailAddress {
        EmailAddress::stored(self.0.user().email.clone())
    }

    /// Whether `email` is confirmed: by a mailed link, by an invitation, or by the operator.
    async fn email_verified(&self) -> bool {
        self.0.user().email_verified_at.is_some()
    }

    /// E-mail address that awaits confirmation by its mailed link: the new address after a change, or `email` itself
    /// after signing up. Null if none does.
    async fn pending_email(&self) -> Option<EmailAddress> {
        self.0.user().pending_email.clone().map(EmailAddress::stored)
    }

    /// Whether this is the operator's account, the first of the installation.
    async fn is_operator(&self) -> bool {
        self.0.user().is_operator
    }

    /// Full name of the person; null if not given.
    async fn full_name(&self) -> Option<&str> {
        self.0.user().full_name.as_deref()
    }

    /// URL of a picture; null if there is none.
    async fn avatar_url(&self) -> Option<Url> {
        self.0.user().avatar_url.clone().map(Url::stored)
    }

    /// Sign-in method of the account.
    async fn auth_provider(&self) -> AuthProvider {
        if self.0.user().password_hash.is_some() { AuthProvider::Password } else { AuthProvider::External }
    }

    /// External identity provider of the account, lower case, such as `google`; null for an account with a password.
    async fn identity_provider(&self) -> Option<&str> {
        self.0.user().provider.as_deref()
    }

    /// Creation time of the account, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.user().created_at)
    }

    /// The team that is used if a `teamId` argument is omitted.
    async fn default_team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        Ok(Team(crate::team::default_of(ctx.cx()?, &self.0).await?))
    }

    /// Teams in which the user is an active member, oldest first.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<TeamConnection> {
        let args = PageArgs { first, after, last, before };
        Ok(TeamConnection::new(crate::team::teams_of(ctx.cx()?.ports(), &self.0, &args).await?))
    }

    /// Websites of all teams in which the user is an active member, oldest first.
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
        Ok(WebsiteConnection::new(crate::website::of_user(ctx.cx()?.ports(), &self.0, &args, None).await?))
    }

    /// Conversations of one of the user's teams, oldest first. Null with an error for a team in which the user is not a
    /// member.
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID. Null means the default team.")] team_id: Option<ID>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<async_graphql::Result<ConversationConnection>> {
        let answer: async_graphql::Result<Option<ConversationConnection>> = async {
            let (cx, args) = (ctx.cx()?, PageArgs { first, after, last, before });
            let team = team_meant(cx, team_id.as_ref()).await?;
            Ok(Some(ConversationConnection::new(crate::conversation::of_team(cx.ports(), &team, &args).await?)))
        }
        .await;
        answer.transpose()
    }

    /// Onboarding progress of the user.
    async fn onboarding(&self, ctx: &Context<'_>) -> async_graphql::Result<Onboarding> {
        Ok(crate::onboarding::load(ctx.cx()?.ports(), &self.0).await?)
    }

    /// Plan limits of the default team.
    async fn plan_limits(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanLimits> {
        let team = crate::team::default_of(ctx.cx()?, &self.0).await?;
        Ok(PlanName::counting(ctx.cx()?.ports().limits, &team.team().plan).limits())
    }

    /// All personal data of the account, for `zenovay-personal-data-<id>-<date>.json`: `user`, `websites` that the user
    /// created, `teamMemberships`, `oauthIdentities`, `mfa`, `passkeys`, `apiKeys`, `personalApiKeys`, `supportTickets`,
    /// `referralProgram`, `notificationPreferences` and `auditTrail` (the newest 10,000 entries). What this server does not
    /// have is empty.
    #[graphql(directive = crate::cost::cost::apply(personal_data::EXPORT_COST))]
    async fn personal_data(&self, ctx: &Context<'_>) -> async_graphql::Result<Json> {
        let data = personal_data::export(ctx.cx()?.ports(), &self.0).await?;
        Ok(Json(async_graphql::Value::from_json(data).map_err(Error::internal)?))
    }

    /// Plan usage of the default team in the current calendar month (UTC).
    async fn usage(&self, ctx: &Context<'_>) -> async_graphql::Result<TeamUsage> {
        let cx = ctx.cx()?;
        Ok(TeamUsage::load(cx.ports(), &crate::team::default_of(cx, &self.0).await?)?)
    }
}

/// User queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// The signed-in user. Null with an error if the request is not authenticated.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn viewer(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<User>> {
        let answer: async_graphql::Result<Option<User>> = async { Ok(Some(User(ctx.myself().await?))) }.await;
        answer.transpose()
    }
}
