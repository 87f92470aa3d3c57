//! Sessions: signing in and out, and refresh tokens that rotate.
//!
//! - A refresh token works once. Repeating it within ten seconds returns the same successor, so that parallel refreshes
//!   of one client agree. Reusing it later, or using an older token of the same family, ends the session, because the
//!   token was copied.
//! - Sessions are rows, so that they survive a restart and a sign-out takes effect at once.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Duration, Utc};
use entity::{session, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    sea_query::{Expr, ExprTrait as _},
};
use uuid::Uuid;

use crate::{
    access::{Caller, Myself, On, Reach as _, SignedIn, Unproven, access_directive, credential::digest},
    audit::{self, AuditAction, Line},
    caller::AddressHash,
    error::{Error, Result},
    known_network,
    ports::{AccessClaims, Ports},
    scalars::{EmailAddress, Instant},
    user::User,
};

// Vocabulary

/// Days for which a refresh token is valid; each refresh restarts them.
pub const REFRESH_DAYS: i64 = 60;

/// Seconds within which a used refresh token returns the same successor again.
const GRACE_SECONDS: i64 = 10;

const PREFIX: &str = "fr_";
const FAMILY: usize = 24;
const CURRENT: usize = 40;

/// The tokens of a sign-in.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The session.
    pub session: Uuid,
    /// JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// Opaque; works once.
    pub refresh_token: String,
    /// Expiry of the access token.
    pub expires_at: DateTime<Utc>,
    /// Expiry of the refresh token.
    pub refresh_expires_at: DateTime<Utc>,
}

/// Credentials to sign in with.
#[derive(InputObject, Debug, Clone)]
pub struct SignInInput {
    /// E-mail address of the account. Not case-sensitive.
    pub email: EmailAddress,
    /// Password of the account.
    #[graphql(secret)]
    pub password: String,
}

/// Input for renewing tokens.
#[derive(InputObject, Debug, Clone)]
pub struct TokenRefreshInput {
    /// The newest refresh token. Works once; repeating it within ten seconds returns the same result.
    #[graphql(secret)]
    pub refresh_token: String,
}

/// The result of signing in.
#[derive(SimpleObject)]
pub struct SignInPayload {
    /// JWT for `Authorization: Bearer`, valid until `expiresAt`.
    pub access_token: String,
    /// Opaque token for `tokenRefresh`. Works once, within 60 days.
    pub refresh_token: String,
    /// Expiry of the access token, UTC.
    pub expires_at: Instant,
    /// The user who signed in.
    pub user: User,
}

/// The renewed tokens.
#[derive(SimpleObject)]
pub struct TokenRefreshPayload {
    /// JWT for `Authorization: Bearer`, valid until `expiresAt`.
    pub access_token: String,
    /// Opaque token for the next `tokenRefresh`. Works once, within 60 days. Refreshing with the same token within ten
    /// seconds returns the same token again.
    pub refresh_token: String,
    /// Expiry of the access token, UTC.
    pub expires_at: Instant,
}

/// The result of signing out.
#[derive(SimpleObject)]
pub struct SignOutPayload {
    /// End of the session, UTC. Its access and refresh tokens stopped working at that time.
    pub signed_out_at: Instant,
}

// Rules

/// Parts of a refresh token: the session, the family secret, the changing part.
fn parts(token: &str) -> Option<(Uuid, &str)> {
    let rest = token.strip_prefix(PREFIX).filter(|rest| rest.is_ascii() && rest.len() == 32 + FAMILY + CURRENT)?;
    let (session, secret) = rest.split_at_checked(32)?;
    Some((Uuid::try_parse(session).ok()?, secret.get(..FAMILY)?))
}

fn spelled(session: Uuid, family: &str, current: &str) -> String {
    format!("{PREFIX}{}{family}{current}", session.simple())
}

/// Time of the caller's sign-in; `None` for a token of another issuer. Refreshing tokens is not a sign-in.
pub(crate) async fn signed_in_at(ports: &Ports, myself: &Myself) -> Result<Option<DateTime<Utc>>> {
    let SignedIn::Session(session) = myself.session() else { return Ok(None) };
    Ok(session::Entity::find_by_id(session).one(ports.database.reader(myself)).await?.map(|row| row.created_at))
}

/// Opens a session for an authenticated user, and records the network as known to the account.
pub(crate) async fn open(
    db: &impl ConnectionTrait,
    ports: &Ports,
    user: Uuid,
    from: Option<AddressHash>,
) -> Result<Issued> {
    let (session, now) = (ports.ids.uuid(), ports.now());
    let family = ports.ids.secret(FAMILY);
    let refresh_token = spelled(session, &family, &ports.ids.secret(CURRENT));
    let refresh_expires_at = now + Duration::days(REFRESH_DAYS);
    session::ActiveModel {
        id: Set(session),
        user_id: Set(user),
        family_hash: Set(digest(&family)),
        current_hash: Set(digest(&refresh_token)),
        previous_hash: Set(None),
        created_at: Set(now),
        expires_at: Set(refresh_expires_at),
        revoked_at: Set(None),
        successor_key: Set(None),
        refreshed_at: Set(None),
    }
    .insert(db)
    .await?;
    known_network::remember(db, ports, user, from).await?;
    let (access_token, expires_at) = ports.tokens.issue(AccessClaims { user, session })?;
    Ok(Issued { session, access_token, refresh_token, expires_at, refresh_expires_at })
}

/// Signs in. An unknown address and a wrong password get the same response after the same time. Errors:
/// `Unauthenticated`, `TooManyAttempts`.
pub async fn sign_in(
    ports: &Ports,
    email: &EmailAddress,
    password: String,
    from: Option<AddressHash>,
) -> Result<(Issued, Myself)> {
    let found = user::Entity::find()
        .filter(user::Column::Email.eq(email.as_str()))
        .one(ports.database.reader(&Unproven::new()))
        .await?;
    let is_known = known_network::is_known(ports, found.as_ref().map(|user| user.id), from).await?;
    let attempt = ports.attempts.begin_from(Some(email.as_str()), from, is_known, ports.now())?;
    let hash = found.as_ref().and_then(|user| user.password_hash.clone());
    let fits = match ports.passwords.verify(password, hash).await {
        Ok(fits) => fits,
        Err(error) => {
            attempt.was_not_made();
            return Err(error);
        }
    };
    match found {
        Some(user) if fits => {
            attempt.succeeded();
            let txn = ports.begin(&Unproven::new()).await?;
            let issued = open(&txn, ports, user.id, from).await?;
            let myself = Myself::signed_in(user, issued.session);
            let line = Line::of_account(AuditAction::SignIn, myself.caller(), email.as_str(), &[]);
            audit::note(&txn, ports, line).await?;
            txn.commit_addition().await?;
            Ok((issued, myself))
        }
        found => {
            if let Some(user) = found {
                let own = ports.clone();
                ports.background.run("record of a failed sign-in", async move { note_failure(&own, user).await });
            }
            Err(Error::unauthenticated("The e-mail address or password is incorrect."))
        }
    }
}

/// Records a failed sign-in. Nothing is written for an unknown address, and timing must not reveal that.
async fn note_failure(ports: &Ports, user: user::Model) -> Result<()> {
    let line = Line::of_account(AuditAction::SignInFailed, Caller::Anonymous, &user.email, &[]);
    audit::note_about(ports.database.writer(&Unproven::new()), ports, line, user.id).await
}

/// The successor of a refresh token. It depends on both the token, which only the client has, and the key, which only
/// the row has.
fn successor(session: Uuid, family: &str, token: &str, key: &str) -> String {
    let current: String = digest(&format!("{key}{token}")).chars().take(CURRENT).collect();
    spelled(session, family, &current)
}

/// Exchanges the newest refresh token of a session for the next. Repeating it within ten seconds returns the same
/// successor; reusing it later, or using an older token of the same family, ends the session. Errors:
/// `Unauthenticated`.
pub async fn refresh(ports: &Ports, token: &str) -> Result<Issued> {
    let refused = || Error::unauthenticated("The refresh token is invalid or expired. Sign in again.");
    let (id, family) = parts(token).ok_or_else(refused)?;
    let row =
        session::Entity::find_by_id(id).one(ports.database.writer(&Unproven::new())).await?.ok_or_else(refused)?;
    let now = ports.now();
    if row.family_hash != digest(family) || row.revoked_at.is_some() || row.expires_at <= now {
        return Err(refused());
    }
    let presented = digest(token);
    let key = ports.ids.secret(CURRENT);
    let refresh_token = successor(id, family, token, &key);
    let refresh_expires_at = now + Duration::days(REFRESH_DAYS);
    // One statement compares and swaps, so that exactly one of two requests with the same token creates the successor.
    let swapped = session::Entity::update_many()
        .col_expr(session::Column::PreviousHash, Expr::value(presented.clone()))
        .col_expr(session::Column::CurrentHash, Expr::value(digest(&refresh_token)))
        .col_expr(session::Column::SuccessorKey, Expr::value(key))
        .col_expr(session::Column::RefreshedAt, Expr::value(now))
        .col_expr(session::Column::ExpiresAt, Expr::value(refresh_expires_at))
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::CurrentHash.eq(presented.as_str()))
        .filter(session::Column::RevokedAt.is_null())
        .exec(ports.database.writer(&Unproven::new()))
        .await?;
    if swapped.rows_affected == 1 {
        return reissue(ports, &row, refresh_token, refresh_expires_at);
    }
    let row =
        session::Entity::find_by_id(id).one(ports.database.writer(&Unproven::new())).await?.ok_or_else(refused)?;
    if row.revoked_at.is_some() {
        return Err(refused());
    }
    if let Some(key) = again(&row, &presented, now) {
        return reissue(ports, &row, successor(id, family, token, key), row.expires_at);
    }
    tracing::warn!(session.id = %id, user.id = %row.user_id, "a used refresh token was presented again; the session was ended");
    revoke(ports.database.writer(&Unproven::new()), id, now).await?;
    ports.changes.mark(&[], &[]);
    Err(refused())
}

/// The key of the successor, if the token was the last one to be exchanged, within the grace period.
fn again<'a>(row: &'a session::Model, presented: &str, now: DateTime<Utc>) -> Option<&'a str> {
    let is_last = row.previous_hash.as_deref() == Some(presented);
    let is_recent = row.refreshed_at.is_some_and(|at| now < at + Duration::seconds(GRACE_SECONDS));
    row.successor_key.as_deref().filter(|_| is_last && is_recent)
}

fn reissue(
    ports: &Ports,
    row: &session::Model,
    refresh_token: String,
    refresh_expires_at: DateTime<Utc>,
) -> Result<Issued> {
    let (access_token, expires_at) = ports.tokens.issue(AccessClaims { user: row.user_id, session: row.id })?;
    Ok(Issued { session: row.id, access_token, refresh_token, expires_at, refresh_expires_at })
}

/// Ends the caller's session at once. Returns the time. Errors: `Conflict` for a token of another issuer.
pub async fn sign_out(ports: &Ports, myself: &Myself) -> Result<DateTime<Utc>> {
    let SignedIn::Session(session) = myself.session() else {
        return Err(Error::conflict(
            "This access token belongs to another issuer. Sign out there; the token stays valid until it expires.",
        ));
    };
    let now = ports.now();
    let txn = ports.begin(myself).await?;
    revoke(&txn, session, now).await?;
    let line = Line::of_account(AuditAction::SignOut, myself.caller(), &myself.user().email, &[]);
    audit::note(&txn, ports, line).await?;
    txn.commit().await?;
    Ok(now)
}

async fn revoke(db: &impl ConnectionTrait, id: Uuid, now: DateTime<Utc>) -> Result<()> {
    end(db, session::Column::Id.eq(id), now).await
}

/// Ends every session of a user, including those of anyone who knew the old password.
pub(crate) async fn revoke_all(db: &impl ConnectionTrait, user: Uuid, now: DateTime<Utc>) -> Result<()> {
    end(db, session::Column::UserId.eq(user), now).await
}

/// Ends every session of the caller except the one of the request.
pub(crate) async fn revoke_others(db: &impl ConnectionTrait, myself: &Myself, now: DateTime<Utc>) -> Result<()> {
    let all = session::Column::UserId.eq(myself.id());
    match myself.session() {
        SignedIn::Session(kept) => end(db, all.and(session::Column::Id.ne(kept)), now).await,
        SignedIn::Elsewhere { .. } => end(db, all, now).await,
    }
}

async fn end(db: &impl ConnectionTrait, which: sea_orm::sea_query::SimpleExpr, now: DateTime<Utc>) -> Result<()> {
    session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now))
        .filter(which)
        .filter(session::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

// Graph

/// Session mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Signs in with e-mail address and password.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The credentials.")] input: SignInInput,
    ) -> Option<async_graphql::Result<SignInPayload>> {
        let answer: async_graphql::Result<Option<SignInPayload>> = async {
            let cx = ctx.cx()?;
            let (issued, myself) = sign_in(cx.ports(), &input.email, input.password, cx.from()).await?;
            Ok(Some(SignInPayload {
                access_token: issued.access_token,
                refresh_token: issued.refresh_token,
                expires_at: Instant(issued.expires_at),
                user: User(myself),
            }))
        }
        .await;
        answer.transpose()
    }

    /// Exchanges a refresh token for new tokens. Repeating the request within ten seconds returns the same refresh
    /// token. Reusing a token later ends its session, because the token was copied.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn token_refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tokens to renew.")] input: TokenRefreshInput,
    ) -> Option<async_graphql::Result<TokenRefreshPayload>> {
        let answer: async_graphql::Result<Option<TokenRefreshPayload>> = async {
            let issued = refresh(ctx.cx()?.ports(), &input.refresh_token).await?;
            Ok(Some(TokenRefreshPayload {
                access_token: issued.access_token,
                refresh_token: issued.refresh_token,
                expires_at: Instant(issued.expires_at),
            }))
        }
        .await;
        answer.transpose()
    }

    /// Ends the session of the request's access token immediately.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn sign_out(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<SignOutPayload>> {
        let answer: async_graphql::Result<Option<SignOutPayload>> = async {
            let at = sign_out(ctx.cx()?.ports(), &ctx.myself().await?).await?;
            Ok(Some(SignOutPayload { signed_out_at: Instant(at) }))
        }
        .await;
        answer.transpose()
    }
}
