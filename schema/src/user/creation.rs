//! How accounts come to be: by signing up, by the operator, or with the first token of a trusted issuer.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::user;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _, DatabaseTransaction, DbBackend, EntityTrait as _,
    PaginatorTrait as _,
};
use uuid::Uuid;

use super::User;
use crate::{
    access::{Caller, Myself, On, Operator, stated},
    audit::{self, AuditAction, Line},
    cx::{AddressHash, Reach as _},
    error::{Error, Result},
    ports::{Ports, SignUp},
    scalars::{EmailAddress, Instant},
    session::{self, Issued},
    team::manage,
    text,
};

// Vocabulary

/// Characters that a password may have at least and at most.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=200;

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

/// Errors: `Invalid` for `field` when the password is too short or too long.
pub(crate) fn checked_password(field: &str, password: &str) -> Result<()> {
    let characters = password.chars().count();
    if PASSWORD.contains(&characters) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("has {characters} characters; 8 to 200 are right")))
}

/// A person's name; an empty one is none. Errors: `Invalid` when it is longer than 100 characters, or on several lines.
pub(crate) fn checked_name(name: Option<String>) -> Result<Option<String>> {
    Ok(name.map(|name| text::line("fullName", &name, 100)).transpose()?.flatten())
}

/// An account to make.
pub(crate) struct NewAccount<'a> {
    /// Checked address.
    pub(crate) email: &'a str,
    /// Hash of the password; `None` for an account that signs in elsewhere.
    pub(crate) password_hash: Option<String>,
    /// Checked name.
    pub(crate) full_name: Option<String>,
    /// Address of a picture.
    pub(crate) avatar_url: Option<String>,
    /// Identity provider and subject of an account that signs in elsewhere.
    pub(crate) elsewhere: Option<(&'a str, &'a str)>,
    /// Whether it is the operator's.
    pub(crate) is_operator: bool,
}

/// What an address is told that another account has.
pub(crate) const TAKEN: &str = "An account with this e-mail address exists already";

/// Makes an account and the team it owns. Errors: `Conflict` for a known address.
pub(crate) async fn insert(txn: &DatabaseTransaction, ports: &Ports, new: NewAccount<'_>) -> Result<user::Model> {
    let (user, now) = (ports.ids.uuid(), ports.now());
    let team = manage::insert_team(txn, ports, manage::own_name(new.full_name.as_deref(), new.email)).await?.id;
    let row = user::ActiveModel {
        id: Set(user),
        email: Set(new.email.to_owned()),
        password_hash: Set(new.password_hash),
        full_name: Set(new.full_name),
        avatar_url: Set(new.avatar_url),
        default_team_id: Set(team),
        is_operator: Set(new.is_operator),
        created_at: Set(now),
        provider: Set(new.elsewhere.map(|(provider, _)| provider.to_owned())),
        external_subject: Set(new.elsewhere.map(|(_, subject)| subject.to_owned())),
    }
    .insert(txn)
    .await
    .map_err(|source| Error::of_write(source, format!("{TAKEN}; sign in instead.")))?;
    manage::insert_owner(txn, ports, team, user).await?;
    Ok(row)
}

/// Whether nobody has an account yet. Takes the lock that keeps it true until the transaction ends.
pub(crate) async fn nobody_yet(txn: &DatabaseTransaction) -> Result<bool> {
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

fn with_password(email: &EmailAddress, hash: String, full_name: Option<String>, is_operator: bool) -> NewAccount<'_> {
    let email = email.as_str();
    NewAccount { email, password_hash: Some(hash), full_name, avatar_url: None, elsewhere: None, is_operator }
}

/// Makes an account, its team, and signs in. The first account always may, and is the operator's.
/// Errors: `Forbidden` where signing up is closed, `Invalid`, `TooManyAttempts`, `Conflict` for a known address.
pub async fn sign_up(
    ports: &Ports,
    email: &EmailAddress,
    password: String,
    full_name: Option<String>,
    from: Option<AddressHash>,
) -> Result<(Issued, Myself)> {
    // Asked before the costly hash, and again under the lock.
    admitted(ports.sign_up, user::Entity::find().count(&ports.reader).await? == 0)?;
    checked_password("password", &password)?;
    let full_name = checked_name(full_name)?;
    let attempt = ports.attempts.begin(None, from, ports.now())?;
    let hash = ports.passwords.hash(password).await?;
    let txn = ports.begin().await?;
    let first = nobody_yet(&txn).await?;
    admitted(ports.sign_up, first)?;
    let row = insert(&txn, ports, with_password(email, hash, full_name, first)).await?;
    let issued = session::open(&txn, ports, row.id).await?;
    let myself = Myself::signed_in(row, issued.session);
    let line = Line::of_account(AuditAction::SignUp, myself.caller(), email.as_str(), &[]);
    audit::note(&txn, ports, line).await?;
    txn.commit_addition().await?;
    attempt.succeeded();
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
    checked_password("password", &password)?;
    let full_name = checked_name(full_name)?;
    let hash = ports.passwords.hash(password).await?;
    let txn = ports.begin().await?;
    let first = nobody_yet(&txn).await?;
    let row = insert(&txn, ports, with_password(&email, hash, full_name, first)).await?;
    let line = Line::of_account(AuditAction::SignUp, Caller::Operator, email.as_str(), &[]);
    audit::note_about(&txn, ports, line, row.id).await?;
    txn.commit_addition().await?;
    Ok(row.id)
}

// Graph

/// Mutations that make accounts.
#[derive(Debug, Default, Clone, Copy)]
pub struct SignUpMutation;

#[Object]
impl SignUpMutation {
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
            let cx = ctx.cx()?;
            let (issued, myself) =
                sign_up(cx.ports(), &input.email, input.password, input.full_name, cx.from()).await?;
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
