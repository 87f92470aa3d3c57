//! Passwords: changed with the current password, or reset with a mailed secret or by the operator.
//!
//! - A mailed secret works once, for an hour, until a newer one is mailed. Only its digest is stored.
//! - Requesting a mail does not reveal whether an account exists: the work happens in the background.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Duration, Utc};
use entity::{api_key, password_reset, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    access::{Caller, Myself, On, Operator, Reach as _, Unproven, access_directive, credential::digest},
    audit::{self, AuditAction, Line},
    caller::AddressHash,
    constraint::Constrained,
    error::{Error, Result},
    known_network,
    ports::Ports,
    scalars::{EmailAddress, Instant},
    session,
    user::{
        email_link,
        rules::{PASSWORD, checked_password, external_login},
    },
};

// Vocabulary

/// Number of characters in a mailed secret.
const SECRET: usize = 48;

/// Minutes for which a mailed secret is valid.
const MINUTES: i64 = 60;

/// Maximum number of mails per account and hour.
const MAILS_AN_HOUR: u64 = 3;

/// The message in response to every request for a mail.
const ASKED: &str = "If an account with this address has a password, instructions are on their way by mail. They are valid for an hour.";

/// Input for changing the password.
#[derive(InputObject, Debug, Clone)]
pub struct PasswordChangeInput {
    /// Current password.
    #[graphql(secret)]
    pub current_password: String,
    /// New password, 8 to 200 characters, different from the current one.
    #[graphql(secret, directive = Constrained::apply(PASSWORD))]
    pub new_password: String,
}

/// The result of changing the password.
#[derive(SimpleObject)]
pub struct PasswordChangePayload {
    /// Time of the change, UTC. All other sessions of the account ended at that time.
    pub changed_at: Instant,
}

/// Input for requesting a password reset by mail.
#[derive(InputObject, Debug, Clone)]
pub struct PasswordForgotInput {
    /// E-mail address of the account.
    pub email: EmailAddress,
}

/// The result of requesting a password reset.
#[derive(SimpleObject)]
pub struct PasswordForgotPayload {
    /// Message for the user. It does not depend on whether the account exists.
    pub message: String,
}

/// Input for resetting the password with a mailed secret.
#[derive(InputObject, Debug, Clone)]
pub struct PasswordResetInput {
    /// Secret from the mail. Works once, within an hour.
    #[graphql(secret)]
    pub secret: String,
    /// New password, 8 to 200 characters.
    #[graphql(secret, directive = Constrained::apply(PASSWORD))]
    pub new_password: String,
}

/// The result of resetting the password.
#[derive(SimpleObject)]
pub struct PasswordResetPayload {
    /// Time of the reset, UTC. All sessions of the account ended at that time; sign in with the new password.
    pub reset_at: Instant,
}

// Rules

/// Writes the hash of a password. Unused mailed secrets become invalid.
async fn store(txn: &DatabaseTransaction, user: Uuid, hash: String) -> Result<()> {
    let row = user::ActiveModel { id: Unchanged(user), password_hash: Set(Some(hash)), ..Default::default() };
    row.update(txn).await.map_err(|source| match source {
        sea_orm::DbErr::RecordNotUpdated => Error::not_found("The account"),
        source => source.into(),
    })?;
    expire_resets(txn, user).await
}

/// Invalidates unused mailed secrets; they still count towards the hourly limit.
async fn expire_resets(txn: &DatabaseTransaction, user: Uuid) -> Result<()> {
    password_reset::Entity::update_many()
        .col_expr(password_reset::Column::ExpiresAt, Expr::col(password_reset::Column::CreatedAt))
        .filter(password_reset::Column::UserId.eq(user))
        .filter(password_reset::Column::UsedAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// Checks the caller's password in argument `field`. Errors: `Invalid` for a wrong one, `TooManyAttempts`.
pub(crate) async fn verify(
    ports: &Ports,
    myself: &Myself,
    field: &str,
    password: String,
    from: Option<AddressHash>,
) -> Result<()> {
    let is_known = known_network::is_known(ports, Some(myself.id()), from).await?;
    let attempt = ports.attempts.begin_from(Some(&myself.user().email), from, is_known, ports.now())?;
    match ports.passwords.verify(password, myself.user().password_hash.clone()).await {
        Ok(true) => {
            attempt.succeeded();
            Ok(())
        }
        Ok(false) => Err(Error::invalid(field, "must be the account's current password")),
        Err(error) => {
            attempt.was_not_made();
            Err(error)
        }
    }
}

/// Changes the caller's password and ends all other sessions. Returns the time. Errors: `Invalid` for a wrong current
/// password, an invalid new one, and an account with external sign-in; `TooManyAttempts`.
pub async fn change(
    ports: &Ports,
    myself: &Myself,
    current: String,
    new: String,
    from: Option<AddressHash>,
) -> Result<DateTime<Utc>> {
    if let Some(provider) = external_login(myself.user()) {
        let why = format!("cannot be set: this account signs in with {provider} and has no password");
        return Err(Error::invalid("newPassword", why));
    }
    checked_password("newPassword", &new)?;
    let is_same = current == new;
    verify(ports, myself, "currentPassword", current, from).await?;
    if is_same {
        return Err(Error::invalid("newPassword", "must differ from the current password"));
    }
    let hash = ports.passwords.hash(new).await?;
    let (now, email) = (ports.now(), &myself.user().email);
    let txn = ports.begin(myself).await?;
    store(&txn, myself.id(), hash).await?;
    session::revoke_others(&txn, myself, now).await?;
    audit::note(&txn, ports, Line::of_account(AuditAction::PasswordChange, myself.caller(), email, &[])).await?;
    txn.commit().await?;
    Ok(now)
}

/// Mails a secret to the account with this address, if there is one. Errors: `TooManyAttempts`.
pub fn forgot(ports: &Ports, email: &EmailAddress, from: Option<AddressHash>) -> Result<&'static str> {
    let _counts = ports.attempts.begin(Some(&format!("forgot {}", email.as_str())), from, ports.now())?;
    if !ports.mail.is_set_up() {
        tracing::warn!("a password reset was requested, but mail is not configured; use `footfall user password`");
        return Ok(ASKED);
    }
    mail_behind(ports, email.as_str().to_owned());
    Ok(ASKED)
}

/// Mails a secret in the background, because it takes longer for a known address than for an unknown one.
pub(crate) fn mail_behind(ports: &Ports, email: String) {
    let own = ports.clone();
    ports.background.run("password reset mail", async move { mail_secret(&own, &email).await });
}

async fn mail_secret(ports: &Ports, email: &str) -> Result<()> {
    let found = user::Entity::find()
        .filter(user::Column::Email.eq(email))
        .filter(user::Column::PasswordHash.is_not_null())
        .one(ports.database.reader(&Unproven::new()))
        .await?;
    let Some(user) = found else { return Ok(()) };
    let (now, secret) = (ports.now(), ports.ids.secret(SECRET));
    let txn = ports.begin(&Unproven::new()).await?;
    let recent = password_reset::Entity::find()
        .filter(password_reset::Column::UserId.eq(user.id))
        .filter(password_reset::Column::CreatedAt.gt(now - Duration::hours(1)))
        .count(&txn)
        .await?;
    if recent >= MAILS_AN_HOUR {
        return Ok(());
    }
    // Expired rows.
    password_reset::Entity::delete_many()
        .filter(password_reset::Column::UserId.eq(user.id))
        .filter(password_reset::Column::CreatedAt.lte(now - Duration::hours(1)))
        .exec(&txn)
        .await?;
    expire_resets(&txn, user.id).await?;
    password_reset::ActiveModel {
        id: Set(ports.ids.uuid()),
        user_id: Set(user.id),
        hash: Set(digest(&secret)),
        created_at: Set(now),
        expires_at: Set(now + Duration::minutes(MINUTES)),
        used_at: Set(None),
    }
    .insert(&txn)
    .await?;
    txn.commit_addition().await?;
    let way = match ports.mail.reset_page(&secret) {
        Some(page) => format!("Open this page within an hour to choose a new one:\n\n{page}\n"),
        None => format!("Use this code within an hour to choose a new one:\n\n{secret}\n"),
    };
    let text = format!(
        "A new password was requested for the Footfall account {}.\n\n{way}\n\
         If you did not request this, ignore this mail. The password stays unchanged.\n",
        user.email
    );
    ports.mail.send(&user.email, "Choose a new password", &text).await
}

/// Sets a password with a mailed secret, and ends all sessions of the account. Returns the time. Errors: `Invalid` for
/// an invalid secret or password; `TooManyAttempts`.
pub async fn reset(ports: &Ports, secret: &str, new: String, from: Option<AddressHash>) -> Result<DateTime<Utc>> {
    let refused = || {
        Error::invalid("secret", "is unknown, used, replaced by a newer one or older than an hour; request a new mail")
    };
    let attempt = ports.attempts.begin(None, from, ports.now())?;
    let found = password_reset::Entity::find()
        .filter(password_reset::Column::Hash.eq(digest(secret)))
        .filter(password_reset::Column::UsedAt.is_null())
        .filter(password_reset::Column::ExpiresAt.gt(ports.now()))
        .one(ports.database.reader(&Unproven::new()))
        .await?
        .ok_or_else(refused)?;
    // Checked before the costly hash; an invalid password does not use up the secret.
    attempt.succeeded();
    checked_password("newPassword", &new)?;
    let hash = ports.passwords.hash(new).await?;
    let now = ports.now();
    let txn = ports.begin(&Unproven::new()).await?;
    let used = password_reset::Entity::update_many()
        .col_expr(password_reset::Column::UsedAt, Expr::value(now))
        .filter(password_reset::Column::Id.eq(found.id))
        .filter(password_reset::Column::UsedAt.is_null())
        .filter(password_reset::Column::ExpiresAt.gt(now))
        .exec(&txn)
        .await?;
    if used.rows_affected != 1 {
        return Err(refused());
    }
    set(&txn, ports, found.user_id, hash, Caller::Anonymous).await?;
    prove_address(&txn, ports, found.user_id).await?;
    known_network::remember(&txn, ports, found.user_id, from).await?;
    txn.commit().await?;
    Ok(now)
}

/// Confirms the account's address: the mailed secret was read there. API keys created while the address was unconfirmed
/// may belong to another person and are revoked.
async fn prove_address(txn: &DatabaseTransaction, ports: &Ports, user: Uuid) -> Result<()> {
    let Some(row) = user::Entity::find_by_id(user).one(txn).await? else { return Ok(()) };
    if row.email_verified_at.is_some() {
        return Ok(());
    }
    let waited = row.pending_email.as_ref() == Some(&row.email);
    let mut proven =
        user::ActiveModel { id: Unchanged(user), email_verified_at: Set(Some(ports.now())), ..Default::default() };
    if waited {
        proven.pending_email = Set(None);
        email_link::end_confirmations(txn, user).await?;
        api_key::Entity::update_many()
            .col_expr(api_key::Column::RevokedAt, Expr::value(ports.now()))
            .filter(api_key::Column::CreatedBy.eq(user))
            .filter(api_key::Column::RevokedAt.is_null())
            .exec(txn)
            .await?;
    }
    proven.update(txn).await?;
    Ok(())
}

/// Sets a password from the command line and ends every session of the account. Errors: `NotFound`, `Invalid`.
pub async fn set_by_operator(ports: &Ports, operator: &Operator, email: &str, password: String) -> Result<()> {
    checked_password("password", &password)?;
    let row = user::Entity::find()
        .filter(user::Column::Email.eq(email.trim().to_lowercase()))
        .one(ports.database.reader(operator))
        .await?
        .ok_or_else(|| Error::not_found("An account with this e-mail address"))?;
    let hash = ports.passwords.hash(password).await?;
    let txn = ports.begin(operator).await?;
    set(&txn, ports, row.id, hash, Caller::Operator).await?;
    txn.commit().await?;
    Ok(())
}

async fn set(txn: &DatabaseTransaction, ports: &Ports, user: Uuid, hash: String, caller: Caller) -> Result<()> {
    store(txn, user, hash).await?;
    session::revoke_all(txn, user, ports.now()).await?;
    let email = user::Entity::find_by_id(user).one(txn).await?.map(|row| row.email).unwrap_or_default();
    audit::note_about(txn, ports, Line::of_account(AuditAction::PasswordReset, caller, &email, &[]), user).await
}

// Graph

/// Password mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct PasswordMutation;

#[Object]
impl PasswordMutation {
    /// Changes the signed-in user's password and ends all other sessions of the account.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn password_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current and the new password.")] input: PasswordChangeInput,
    ) -> Option<async_graphql::Result<PasswordChangePayload>> {
        let answer: async_graphql::Result<Option<PasswordChangePayload>> = async {
            let (cx, myself) = (ctx.cx()?, ctx.myself().await?);
            let at = change(cx.ports(), &myself, input.current_password, input.new_password, cx.from()).await?;
            Ok(Some(PasswordChangePayload { changed_at: Instant(at) }))
        }
        .await;
        answer.transpose()
    }

    /// Mails a secret for `passwordReset` to the account with this address and invalidates an earlier one. The response
    /// does not depend on whether the account exists. If mail is not configured, nothing is sent; the operator can set
    /// a password with `footfall user password`.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn password_forgot(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account whose password to reset.")] input: PasswordForgotInput,
    ) -> Option<async_graphql::Result<PasswordForgotPayload>> {
        let answer: async_graphql::Result<Option<PasswordForgotPayload>> = async {
            let cx = ctx.cx()?;
            let message = forgot(cx.ports(), &input.email, cx.from())?.to_owned();
            Ok(Some(PasswordForgotPayload { message }))
        }
        .await;
        answer.transpose()
    }

    /// Sets a password with the mailed secret and ends all sessions of the account. Does not sign in.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The secret and the new password.")] input: PasswordResetInput,
    ) -> Option<async_graphql::Result<PasswordResetPayload>> {
        let answer: async_graphql::Result<Option<PasswordResetPayload>> = async {
            let cx = ctx.cx()?;
            let at = reset(cx.ports(), &input.secret, input.new_password, cx.from()).await?;
            Ok(Some(PasswordResetPayload { reset_at: Instant(at) }))
        }
        .await;
        answer.transpose()
    }
}
