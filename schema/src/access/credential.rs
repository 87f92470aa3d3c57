//! From a presented credential to a caller.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{api_key, session, team, user};
use sea_orm::{ColumnTrait as _, EntityTrait as _, JoinType, QueryFilter as _, QuerySelect as _, RelationDef};
use sha2::{Digest as _, Sha256};

use super::{Caller, SignedIn, external_login};
use crate::{
    error::{Error, Result},
    ports::Ports,
};

/// What a key that does not work is told: not whether it ever did.
pub(crate) const KEY_REFUSED: &str =
    "API key is missing or not valid: send a key that starts with `zv_` in `X-API-Key`.";

const TOKEN_REFUSED: &str = "The access token is not valid any more: refresh it or sign in again.";

/// SHA-256 of a secret, lower-case hex: the form in which secrets are stored. Secrets are random, so no salt is needed.
#[must_use]
pub fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The caller that a credential which does not work stands for: fields that anyone may use still answer, so that a client
/// with an old token can sign in. Errors: whatever is not about the credential.
pub fn or_refused(outcome: Result<Caller>) -> Result<Caller> {
    match outcome {
        Err(Error::Unauthenticated { why }) => {
            let told = [KEY_REFUSED, external_login::TAKEN_HERE, external_login::NO_ADDRESS, external_login::DELETED];
            Ok(Caller::Refused(told.into_iter().find(|told| why == *told).unwrap_or(TOKEN_REFUSED)))
        }
        other => other,
    }
}

/// The user behind an access token (the text after `Bearer `). Errors: `Unauthenticated` when the token does not verify, or
/// its session is over.
pub async fn caller_of_token(ports: &Ports, bearer: &str) -> Result<Caller> {
    let claims = match (ports.tokens.verify(bearer), &ports.issuer) {
        (Err(Error::Unauthenticated { .. }), Some(issuer)) => {
            return external_login::caller(ports, issuer.as_ref(), bearer).await;
        }
        (verified, _) => verified?,
    };
    // A session's user exists: sessions go with their account.
    let session = session::Entity::find_by_id(claims.session).one(&ports.reader).await?;
    match session {
        Some(row) if row.user_id == claims.user && row.revoked_at.is_none() && row.expires_at > ports.now() => {
            Ok(Caller::User { user: row.user_id, session: SignedIn::Session(row.id) })
        }
        _ => Err(Error::unauthenticated(TOKEN_REFUSED)),
    }
}

/// Whether the credential behind a caller still works, for answers that go on after the request. Errors: `Unauthenticated`.
pub(crate) async fn still_works(ports: &Ports, caller: Caller) -> Result<()> {
    match caller {
        Caller::User { session: SignedIn::Session(session), .. } => {
            let row = session::Entity::find_by_id(session).one(&ports.reader).await?;
            let works = row.is_some_and(|row| row.revoked_at.is_none() && row.expires_at > ports.now());
            if works { Ok(()) } else { Err(Error::unauthenticated(TOKEN_REFUSED)) }
        }
        Caller::User { user, session: SignedIn::Elsewhere { until } } => {
            let exists = user::Entity::find_by_id(user).one(&ports.reader).await?.is_some();
            if exists && until > ports.now() { Ok(()) } else { Err(Error::unauthenticated(TOKEN_REFUSED)) }
        }
        Caller::Key { id, .. } => {
            let row = api_key::Entity::find_by_id(id).one(&ports.reader).await?;
            let works = row.is_some_and(|row| row.revoked_at.is_none() && !is_over(&row, ports.now()));
            if works { Ok(()) } else { Err(Error::unauthenticated(KEY_REFUSED)) }
        }
        Caller::Anonymous | Caller::Refused(_) | Caller::Operator => Ok(()),
    }
}

/// Whether the end of a rotated key has come.
fn is_over(row: &api_key::Model, now: DateTime<Utc>) -> bool {
    row.expires_at.is_some_and(|end| end <= now)
}

/// The API key behind `X-API-Key` or `Bearer zv_...`; counts the request. Errors: `Unauthenticated`.
///
/// The count is kept in memory; [`flush_key_usage`] writes it.
pub async fn caller_of_key(ports: &Ports, key: &str) -> Result<Caller> {
    if !key.starts_with("zv_") || key.len() > 200 {
        return Err(Error::unauthenticated(KEY_REFUSED));
    }
    let (digest, now) = (digest(key), ports.now());
    // Taken before reading: a change meanwhile makes what is read old.
    let reading = ports.changes.reading(now);
    // It is remembered for a second, within which a rotated key may end.
    if let Some(known) = ports.changes.known_key(&digest, now).filter(|known| !is_over(&known.0, now)) {
        let row = &known.0;
        ports.key_usage.count_again(row.id, now);
        return Ok(Caller::Key { id: row.id, team: row.team_id, website: row.website_id });
    }
    let to_team: RelationDef =
        api_key::Entity::belongs_to(team::Entity).from(api_key::Column::TeamId).to(team::Column::Id).into();
    let found = api_key::Entity::find()
        .filter(api_key::Column::Hash.eq(digest.as_str()))
        .filter(api_key::Column::RevokedAt.is_null())
        .join(JoinType::InnerJoin, to_team)
        .select_also(team::Entity)
        .one(&ports.reader)
        .await?;
    let Some((row, Some(team))) = found.filter(|(row, _)| !is_over(row, now)) else {
        return Err(Error::unauthenticated(KEY_REFUSED));
    };
    ports.key_usage.count(&row, &team.plan, now);
    let caller = Caller::Key { id: row.id, team: row.team_id, website: row.website_id };
    ports.changes.remember_key(digest, reading, Arc::new((row, team.plan)));
    Ok(caller)
}

/// Writes the counted requests of API keys. Call it every few seconds and on a clean stop. Returns how many keys were written;
/// on an error the counts stay in memory for the next call.
pub async fn flush_key_usage(ports: &Ports) -> Result<usize> {
    crate::api_key::usage::flush(ports).await
}
