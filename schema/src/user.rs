//! Users: accounts, signing up, and what a user sees of themselves.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{membership, team, user};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbBackend,
    EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _,
};
use uuid::Uuid;

use crate::{
    access::{Myself, On, Operator, Role, stated},
    connection::PageArgs,
    conversation::ConversationConnection,
    cx::Reach as _,
    error::{Error, Result},
    id::Kind,
    onboarding::Onboarding,
    plan::{PlanLimits, PlanName},
    ports::{Ports, SignUp},
    scalars::{EmailAddress, Instant, Url},
    session::{self, Issued},
    team::{Team, TeamConnection},
    website::{Website, WebsiteConnection, team_meant},
};

// Vocabulary

/// Characters that a password may have at least and at most.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=200;

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

/// What members of a team see of each other.
#[derive(Debug, Clone)]
pub struct UserProfile(pub(crate) std::sync::Arc<user::Model>);

/// A new account.
#[derive(InputObject, Debug, Clone)]
pub struct SignUpInput {
    /// The e-mail address to sign in with.
    pub email: EmailAddress,
    /// A password of 8 to 200 characters.
    #[graphql(secret)]
    pub password: String,
    /// The person's name, up to 100 characters; null leaves it open.
    pub full_name: Option<String>,
}

/// A new account, signed in.
#[derive(SimpleObject)]
pub struct SignUpPayload {
    /// JWT for `Authorization: Bearer`; works until `expiresAt`.
    pub access_token: String,
    /// Opaque token for `tokenRefresh`; works once, within 60 days.
    pub refresh_token: String,
    /// When the access token stops working, UTC.
    pub expires_at: Instant,
    /// The account.
    pub user: User,
}

// Rules

fn checked_password(password: &str) -> Result<()> {
    let characters = password.chars().count();
    if PASSWORD.contains(&characters) {
        return Ok(());
    }
    Err(Error::invalid("password", format!("has {characters} characters; 8 to 200 are right")))
}

fn checked_name(name: Option<String>) -> Result<Option<String>> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    match name {
        Some(name) if name.chars().count() > 100 => Err(Error::invalid("fullName", "is longer than 100 characters")),
        name => Ok(name),
    }
}

/// Makes an account and the team it owns.
async fn insert(
    txn: &DatabaseTransaction,
    ports: &Ports,
    email: &str,
    hash: String,
    name: Option<String>,
    operator: bool,
) -> Result<user::Model> {
    let (user, team, now) = (ports.ids.uuid(), ports.ids.uuid(), ports.now());
    let team_name = crate::team::manage::own_name(name.as_deref(), email);
    team::ActiveModel {
        id: Set(team),
        name: Set(team_name),
        plan: Set(PlanName::Free.text().to_owned()),
        created_at: Set(now),
    }
    .insert(txn)
    .await?;
    let row = user::ActiveModel {
        id: Set(user),
        email: Set(email.to_owned()),
        password_hash: Set(Some(hash)),
        full_name: Set(name),
        avatar_url: Set(None),
        default_team_id: Set(team),
        is_operator: Set(operator),
        created_at: Set(now),
        provider: Set(None),
        external_subject: Set(None),
    }
    .insert(txn)
    .await
    .map_err(|source| {
        Error::of_write(source, "An account with this e-mail address exists already; sign in instead.")
    })?;
    membership::ActiveModel {
        id: Set(ports.ids.uuid()),
        team_id: Set(team),
        user_id: Set(user),
        role: Set(Role::Owner.level()),
        created_at: Set(now),
        deactivated_at: Set(None),
    }
    .insert(txn)
    .await?;
    Ok(row)
}

/// Whether nobody has an account yet. Takes the lock that keeps it true until the transaction ends.
async fn nobody_yet(txn: &DatabaseTransaction) -> Result<bool> {
    // SQLite's transaction holds the write lock already.
    if txn.get_database_backend() == DbBackend::Postgres {
        txn.execute_unprepared("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE").await?;
    }
    Ok(user::Entity::find().count(txn).await? == 0)
}

fn admitted(sign_up: SignUp, first: bool) -> Result<()> {
    match sign_up {
        _ if first => Ok(()),
        SignUp::Open => Ok(()),
        SignUp::Invite => Err(Error::forbidden(
            "Only invited people may sign up here; ask a member of your team, or the operator, for an invitation.",
        )),
        SignUp::Closed => Err(Error::forbidden(
            "Signing up is closed here; the operator can make an account with `footfall user create`, or open it with FOOTFALL_SIGNUP=open.",
        )),
    }
}

/// Makes an account, its team, and signs in. The first account always may, and is the operator's.
/// Errors: `Forbidden` where signing up is closed, `Invalid`, `Conflict` for a known address.
pub async fn sign_up(
    ports: &Ports,
    email: &EmailAddress,
    password: String,
    full_name: Option<String>,
) -> Result<(Issued, Myself)> {
    // Asked before the costly hash, and again under the lock.
    admitted(ports.sign_up, user::Entity::find().count(&ports.reader).await? == 0)?;
    checked_password(&password)?;
    let full_name = checked_name(full_name)?;
    let hash = ports.passwords.hash(password).await?;
    let txn = ports.begin().await?;
    let first = nobody_yet(&txn).await?;
    admitted(ports.sign_up, first)?;
    let row = insert(&txn, ports, email.as_str(), hash, full_name, first).await?;
    let issued = session::open(&txn, ports, row.id).await?;
    txn.commit().await?;
    let myself = Myself::signed_in(row, issued.session);
    Ok((issued, myself))
}

/// Makes an account from the command line. Returns its id. Errors: `Invalid`, `Conflict` for a known address.
pub async fn create(
    ports: &Ports,
    _: &Operator,
    email: &str,
    password: String,
    full_name: Option<String>,
) -> Result<Uuid> {
    let email = EmailAddress::checked(email)
        .ok_or_else(|| Error::invalid("email", "is not an e-mail address such as ada@shop.example"))?;
    checked_password(&password)?;
    let full_name = checked_name(full_name)?;
    let hash = ports.passwords.hash(password).await?;
    let txn = ports.begin().await?;
    let first = nobody_yet(&txn).await?;
    let row = insert(&txn, ports, email.as_str(), hash, full_name, first).await?;
    txn.commit().await?;
    Ok(row.id)
}

/// Sets a password from the command line and ends every session of the account. Errors: `NotFound`, `Invalid`.
pub async fn set_password(ports: &Ports, _: &Operator, email: &str, password: String) -> Result<()> {
    checked_password(&password)?;
    let row = user::Entity::find()
        .filter(user::Column::Email.eq(email.trim().to_lowercase()))
        .one(&ports.reader)
        .await?
        .ok_or_else(|| Error::not_found("An account with this e-mail address"))?;
    let hash = ports.passwords.hash(password).await?;
    let (id, mut row) = (row.id, row.into_active_model());
    row.password_hash = Set(Some(hash));
    let txn = ports.begin().await?;
    row.update(&txn).await?;
    session::revoke_all(&txn, id, ports.now()).await?;
    txn.commit().await?;
    Ok(())
}

/// How many accounts there are.
pub async fn count(ports: &Ports) -> Result<u64> {
    Ok(user::Entity::find().count(&ports.reader).await?)
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
        Ok(WebsiteConnection::new(page.try_map(|site| Ok(Website(site)))?))
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
        Ok(crate::onboarding::of(ctx.cx()?.ports(), &self.0).await?)
    }

    /// What the plan of the default team allows.
    async fn plan_limits(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanLimits> {
        let team = crate::team::default_of(ctx.cx()?, &self.0).await?;
        Ok(PlanName::counting(ctx.cx()?.ports().limits, &team.team().plan).limits())
    }
}

/// What members of a team see of each other.
#[Object]
impl UserProfile {
    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.0.id
    }

    /// The e-mail address, lower case.
    async fn email(&self) -> EmailAddress {
        EmailAddress::stored(self.0.email.clone())
    }

    /// The person's full name; null when not given.
    async fn full_name(&self) -> Option<&str> {
        self.0.full_name.as_deref()
    }

    /// What to call the person: the first word of the full name; null when no name is given.
    async fn name(&self) -> Option<&str> {
        self.0.full_name.as_deref().and_then(|name| name.split_whitespace().next())
    }

    /// Address of a picture; null when there is none.
    async fn avatar_url(&self) -> Option<Url> {
        self.0.avatar_url.clone().map(Url::stored)
    }
}

/// Root fields about users.
#[derive(Debug, Default, Clone, Copy)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// The signed-in user; null with an error when nobody is signed in.
    #[doc = access_line!(USER)]
    #[graphql(directive = stated::access::apply(On::User, None, None))]
    async fn viewer(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<User>> {
        let answer: async_graphql::Result<Option<User>> = async { Ok(Some(User(ctx.myself().await?))) }.await;
        answer.transpose()
    }
}

/// Mutations about users.
#[derive(Debug, Default, Clone, Copy)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Makes an account with a team of its own, and signs in. The first account of an installation always may, and is the
    /// operator's; later ones only where signing up is open.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = stated::access::apply(On::Public, None, None))]
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new account.")] input: SignUpInput,
    ) -> Option<async_graphql::Result<SignUpPayload>> {
        let answer: async_graphql::Result<Option<SignUpPayload>> = async {
            let (issued, myself) = sign_up(ctx.cx()?.ports(), &input.email, input.password, input.full_name).await?;
            Ok(Some(SignUpPayload {
                access_token: issued.access_token,
                refresh_token: issued.refresh_token,
                expires_at: Instant(issued.expires_at),
                user: User(myself),
            }))
        }
        .await;
        answer.transpose()
    }
}
