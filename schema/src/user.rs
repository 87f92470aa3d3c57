//! Users: what a user sees of themselves, and members of each other.

use async_graphql::{Context, Enum, ID, Object};
use entity::user;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use uuid::Uuid;

use crate::{
    access::{Myself, On, Operator, Reach as _, access_directive},
    connection::PageArgs,
    conversation::ConversationConnection,
    error::Result,
    id::Kind,
    onboarding::Onboarding,
    plan::{PlanLimits, PlanName},
    ports::Ports,
    scalars::{EmailAddress, Instant, Url},
    team::{Team, TeamConnection, team_meant},
    website::{Website, WebsiteConnection},
};

pub mod creation;
pub mod deletion;
pub mod email;
pub(crate) mod email_link;
pub mod email_proof;
pub mod profile;
pub(crate) mod rules;
pub mod usage;

use usage::AccountUsage;

// Vocabulary

/// How an account signs in.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthProvider {
    /// With e-mail address and password.
    Password,
    /// With an identity provider outside; the account has no password here.
    External,
}

/// The signed-in user.
#[derive(Debug, Clone)]
pub struct User(pub(crate) Myself);

// Rules

/// How many accounts there are.
pub async fn count(ports: &Ports, operator: &Operator) -> Result<u64> {
    Ok(user::Entity::find().count(ports.database.reader(operator)).await?)
}

// Graph

/// The signed-in user.
#[Object]
impl User {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        Kind::User.global(self.0.id())
    }

    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.0.id()
    }

    /// The e-mail address to sign in with, lower case.
    async fn email(&self) -> EmailAddress {
        EmailAddress::stored(self.0.user().email.clone())
    }

    /// Whether the user has proven that they read the mail of `email`: with a mailed link, by an invitation, or to the operator.
    async fn email_verified(&self) -> bool {
        self.0.user().email_verified_at.is_some()
    }

    /// The e-mail address that takes effect when its mailed link is opened: the new one of a change, or `email` itself after signing
    /// up. Null when none waits.
    async fn pending_email(&self) -> Option<EmailAddress> {
        self.0.user().pending_email.clone().map(EmailAddress::stored)
    }

    /// Whether this is the operator's account: the first of the installation.
    async fn is_operator(&self) -> bool {
        self.0.user().is_operator
    }

    /// The person's full name; null when not given.
    async fn full_name(&self) -> Option<&str> {
        self.0.user().full_name.as_deref()
    }

    /// What to call the person: the first word of the full name; null when no name is given.
    async fn name(&self) -> Option<&str> {
        self.0.user().full_name.as_deref().and_then(|name| name.split_whitespace().next())
    }

    /// Address of a picture; null when there is none.
    async fn avatar_url(&self) -> Option<Url> {
        self.0.user().avatar_url.clone().map(Url::stored)
    }

    /// How the account signs in.
    async fn auth_provider(&self) -> AuthProvider {
        if self.0.user().password_hash.is_some() { AuthProvider::Password } else { AuthProvider::External }
    }

    /// The identity provider that the account signs in with, lower case, such as `google`; null for one with a password here.
    async fn identity_provider(&self) -> Option<&str> {
        self.0.user().provider.as_deref()
    }

    /// When the account was made, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.user().created_at)
    }

    /// The team that is meant where an argument names none.
    async fn default_team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        Ok(Team(crate::team::default_of(ctx.cx()?, &self.0).await?))
    }

    /// The teams in which the user has an active part, oldest first.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1 to 100; 20 when neither first nor last is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<TeamConnection> {
        let args = PageArgs { first, after, last, before };
        Ok(TeamConnection::new(crate::team::teams_of(ctx.cx()?.ports(), &self.0, &args).await?))
    }

    /// The websites of all teams in which the user has an active part, oldest first.
    async fn websites(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1 to 100; 20 when neither first nor last is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<WebsiteConnection> {
        let args = PageArgs { first, after, last, before };
        let page = crate::website::websites_of_user(ctx.cx()?.ports(), &self.0, &args).await?;
        Ok(WebsiteConnection::new(page.try_map(|site| Ok(Website::from(site)))?))
    }

    /// The conversations of one of the user's teams, oldest first. Null with an error for a team that the user has no part in.
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global id or UUID; null means the default team.")] team_id: Option<ID>,
        #[graphql(desc = "Rows from the start, 1 to 100; 20 when neither first nor last is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1 to 100; not together with first.")] last: Option<i32>,
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

    /// How far the user has come in setting up.
    async fn onboarding(&self, ctx: &Context<'_>) -> async_graphql::Result<Onboarding> {
        Ok(crate::onboarding::load(ctx.cx()?.ports(), &self.0).await?)
    }

    /// What the plan of the default team allows.
    async fn plan_limits(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanLimits> {
        let team = crate::team::default_of(ctx.cx()?, &self.0).await?;
        Ok(PlanName::counting(ctx.cx()?.ports().limits, &team.team().plan).limits())
    }

    /// What the default team has used of its plan in this calendar month (UTC), and may use.
    async fn usage(&self, ctx: &Context<'_>) -> async_graphql::Result<AccountUsage> {
        let cx = ctx.cx()?;
        Ok(AccountUsage::load(cx.ports(), crate::team::default_of(cx, &self.0).await?).await?)
    }
}

/// Root fields about users.
#[derive(Debug, Default, Clone, Copy)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// The signed-in user; null with an error when nobody is signed in.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn viewer(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<User>> {
        let answer: async_graphql::Result<Option<User>> = async { Ok(Some(User(ctx.myself().await?))) }.await;
        answer.transpose()
    }
}
