//! Resolves a presented credential to a caller.

use std::sync::Arc;

use entity::{api_key, session, team};
use sea_orm::{ColumnTrait as _, EntityTrait as _, JoinType, QueryFilter as _, QuerySelect as _, RelationDef};

use crate::{
    access::{
        Unproven,
        credential::{KEY_REFUSED, TOKEN_REFUSED, allows_sender, digest, is_over},
    },
    caller::{Caller, RequestOrigin, Scopes, SignedIn},
    error::{Error, Result},
    plan::PlanName,
    ports::Ports,
};

mod external_login;

/// The caller for an invalid credential. Public fields still work, so that a client with an expired token can sign in.
/// Errors: all that do not concern the credential.
pub fn or_refused(outcome: Result<Caller>) -> Result<Caller> {
    match outcome {
        Err(Error::Unauthenticated { why }) => {
            let told = [KEY_REFUSED, external_login::TAKEN_HERE, external_login::NO_ADDRESS, external_login::DELETED];
            Ok(Caller::Refused(told.into_iter().find(|told| why == *told).unwrap_or(TOKEN_REFUSED)))
        }
        other => other,
    }
}

/// The user behind an access token (the text after `Bearer `). Errors: `Unauthenticated` when the token cannot be
/// verified or its session has ended.
pub async fn caller_of_token(ports: &Ports, bearer: &str) -> Result<Caller> {
    let claims = match (ports.tokens.verify(bearer), &ports.issuer) {
        (Err(Error::Unauthenticated { .. }), Some(issuer)) => {
            return external_login::caller(ports, issuer.as_ref(), bearer).await;
        }
        (verified, _) => verified?,
    };
    // A session's user exists: sessions go with their account.
    let session = session::Entity::find_by_id(claims.session).one(ports.database.reader(&Unproven::new())).await?;
    match session {
        Some(row) if row.user_id == claims.user && row.revoked_at.is_none() && row.expires_at > ports.now() => {
            Ok(Caller::User { user: row.user_id, session: SignedIn::Session(row.id) })
        }
        _ => Err(Error::unauthenticated(TOKEN_REFUSED)),
    }
}

/// The API key behind `X-API-Key` or `Bearer zv_...`. Errors: `Unauthenticated`; `Forbidden` for a sender that the key
/// does not allow.
///
/// [`api_key::usage::spend`](crate::api_key::usage::spend) counts the request.
pub async fn caller_of_key(ports: &Ports, key: &str, sender: RequestOrigin<'_>) -> Result<Caller> {
    if !key.starts_with("zv_") || key.len() > 200 {
        return Err(Error::unauthenticated(KEY_REFUSED));
    }
    let (digest, now) = (digest(key), ports.now());
    // Taken before reading, so that a concurrent change invalidates what is read.
    let reading = ports.changes.reading(now);
    // It is remembered for a second, within which a rotated key may end.
    if let Some(known) = ports.changes.known_key(&digest, now).filter(|known| !is_over(&known.0, now)) {
        let (row, plan) = known.as_ref();
        ports.key_usage.learn(row, PlanName::counting(ports.limits, plan).number(), now);
        allows_sender(row, sender)?;
        return Ok(caller_of_row(row));
    }
    let to_team: RelationDef =
        api_key::Entity::belongs_to(team::Entity).from(api_key::Column::TeamId).to(team::Column::Id).into();
    let found = api_key::Entity::find()
        .filter(api_key::Column::Hash.eq(digest.as_str()))
        .filter(api_key::Column::RevokedAt.is_null())
        .join(JoinType::InnerJoin, to_team)
        .select_also(team::Entity)
        .one(ports.database.reader(&Unproven::new()))
        .await?;
    let Some((row, Some(team))) = found.filter(|(row, _)| !is_over(row, now)) else {
        return Err(Error::unauthenticated(KEY_REFUSED));
    };
    ports.key_usage.learn(&row, PlanName::counting(ports.limits, &team.plan).number(), now);
    let known = Arc::new((row, team.plan));
    ports.changes.remember_key(digest, reading, Arc::clone(&known));
    allows_sender(&known.0, sender)?;
    Ok(caller_of_row(&known.0))
}

fn caller_of_row(row: &api_key::Model) -> Caller {
    let scopes = Scopes::from_stored(row.scopes);
    Caller::Key { id: row.id, team: row.team_id, website: row.website_id, scopes }
}
