//! Sign-in with a trusted external issuer. An account is looked up by the token's subject, and created with the first
//! token.
//!
//! - A token never takes over an address that belongs to another account.
//! - Tokens issued before an account was deleted do not create it again.

use entity::{departure, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
};

use crate::{
    access::{Unproven, credential::digest},
    audit::{self, AuditAction, Line},
    caller::{Caller, SignedIn},
    error::{Error, Result},
    ports::{ExternalClaims, Issuer, Ports},
    user::creation::{NewAccount, has_no_accounts, insert},
};

/// The message for a token whose address belongs to another account.
pub(crate) const TAKEN_HERE: &str = "An account with this e-mail address already exists. Sign in to it with its password, or change its address, before you sign in with another provider.";

/// The message for a token without an address.
pub(crate) const NO_ADDRESS: &str = "The access token must contain an e-mail address that its issuer has verified.";

/// The message for a token of a deleted account.
pub(crate) const DELETED: &str =
    "The account of this access token was deleted. Sign in with the provider again to create a new one.";

/// The user behind a token of the trusted issuer. Errors: `Unauthenticated`.
pub(super) async fn caller(ports: &Ports, issuer: &dyn Issuer, token: &str) -> Result<Caller> {
    let claims = issuer.verify(token).await?;
    let user = match known(ports.database.reader(&Unproven::new()), &claims).await? {
        Some(user) => user,
        None => provision(ports, &claims).await?,
    };
    follow(ports, &claims, &user).await?;
    Ok(Caller::User { user: user.id, session: SignedIn::Elsewhere { until: claims.until } })
}

async fn known(db: &impl ConnectionTrait, claims: &ExternalClaims) -> Result<Option<user::Model>> {
    let with_subject = user::Column::ExternalSubject.eq(claims.subject.as_str());
    Ok(user::Entity::find().filter(with_subject).one(db).await?)
}

/// Creates the account for a token.
async fn provision(ports: &Ports, claims: &ExternalClaims) -> Result<user::Model> {
    let email = claims.email.as_ref().ok_or_else(|| Error::unauthenticated(NO_ADDRESS))?;
    let txn = ports.begin(&Unproven::new()).await?;
    // Under the write lock, so that only one of several first requests creates the account.
    if let Some(user) = known(&txn, claims).await? {
        return Ok(user);
    }
    let departed = departure::Entity::find_by_id(digest(&claims.subject)).one(&txn).await?;
    if departed.is_some_and(|row| claims.issued_at.is_none_or(|issued_at| issued_at <= row.left_at)) {
        return Err(Error::unauthenticated(DELETED));
    }
    let new = NewAccount {
        email: email.as_str(),
        password_hash: None,
        full_name: claims.full_name.clone(),
        avatar_url: claims.avatar_url.as_ref().map(|url| url.as_str().to_owned()),
        elsewhere: Some((&claims.provider, &claims.subject)),
        is_operator: has_no_accounts(&txn).await?,
        is_proven: true,
    };
    let user = insert(&txn, ports, new).await.map_err(|error| match error {
        Error::Conflict { .. } => Error::unauthenticated(TAKEN_HERE),
        other => other,
    })?;
    let caller = Caller::User { user: user.id, session: SignedIn::Elsewhere { until: claims.until } };
    audit::note(&txn, ports, Line::of_account(AuditAction::SignUp, caller, email.as_str(), &[])).await?;
    txn.commit_addition().await?;
    Ok(user)
}

/// Copies an address changed at the issuer, unless it belongs to another account. Tokens issued before the last change,
/// which stay valid for a while, do not revert it.
async fn follow(ports: &Ports, claims: &ExternalClaims, user: &user::Model) -> Result<()> {
    let Some(email) = claims.email.as_ref().filter(|email| email.as_str() != user.email) else { return Ok(()) };
    let txn = ports.begin(&Unproven::new()).await?;
    if let Some(issued_at) = claims.issued_at
        && audit::has_line_after(&txn, AuditAction::UserUpdateEmail, user.id, issued_at).await?
    {
        return Ok(());
    }
    let row = user::ActiveModel {
        id: Unchanged(user.id),
        email: Set(email.as_str().to_owned()),
        email_verified_at: Set(Some(ports.now())),
        ..Default::default()
    };
    match row.update(&txn).await.map_err(|source| Error::of_write(source, TAKEN_HERE)) {
        Ok(_) => {}
        Err(Error::Conflict { .. }) => {
            tracing::warn!(user.id = %user.id, "another account has the address that the external issuer names");
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let caller = Caller::User { user: user.id, session: SignedIn::Elsewhere { until: claims.until } };
    let line = Line::of_account(AuditAction::UserUpdateEmail, caller, email.as_str(), &["email"]);
    audit::note(&txn, ports, line).await?;
    txn.commit().await
}
