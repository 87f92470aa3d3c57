//! Validity of credentials: digests of secrets, and the errors for credentials that do not work.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::{api_key, session, user};
use ipnet::IpNet;
use sea_orm::EntityTrait as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Unproven;
use crate::{
    caller::{Caller, RequestOrigin, SignedIn},
    error::{Error, Result},
    ports::Ports,
};

/// The message for an invalid API key. It does not reveal whether the key ever worked.
pub(crate) const KEY_REFUSED: &str =
    "API key is missing or not valid. Send a key that starts with `zv_` in the header `X-API-Key`.";

/// The message for an invalid access token.
pub(crate) const TOKEN_REFUSED: &str = "The access token is invalid or expired. Refresh it or sign in again.";

/// SHA-256 of a secret in lower-case hex, as stored. Secrets are random, so no salt is needed.
#[must_use]
pub fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Checks that the caller's credential still works, for long-lived streams. Errors: `Unauthenticated`.
pub(crate) async fn still_works(ports: &Ports, caller: Caller) -> Result<()> {
    match caller {
        Caller::User { session: SignedIn::Session(session), .. } => {
            let row = session::Entity::find_by_id(session).one(ports.database.reader(&Unproven::new())).await?;
            let works = row.is_some_and(|row| row.revoked_at.is_none() && row.expires_at > ports.now());
            if works { Ok(()) } else { Err(Error::unauthenticated(TOKEN_REFUSED)) }
        }
        Caller::User { user, session: SignedIn::Elsewhere { until } } => {
            let exists = user::Entity::find_by_id(user).one(ports.database.reader(&Unproven::new())).await?.is_some();
            if exists && until > ports.now() { Ok(()) } else { Err(Error::unauthenticated(TOKEN_REFUSED)) }
        }
        Caller::Key { id, .. } => {
            let row = api_key::Entity::find_by_id(id).one(ports.database.reader(&Unproven::new())).await?;
            let works = row.is_some_and(|row| row.revoked_at.is_none() && !is_over(&row, ports.now()));
            if works { Ok(()) } else { Err(Error::unauthenticated(KEY_REFUSED)) }
        }
        Caller::Anonymous | Caller::Refused(_) | Caller::Operator => Ok(()),
    }
}

/// Checks that a key may be used by this sender. Errors: `Forbidden` for an origin or a network that it does not allow.
pub(crate) fn allows_sender(row: &api_key::Model, sender: RequestOrigin<'_>) -> Result<()> {
    let list = |list: &'_ Value| list.as_array().is_some_and(|list| !list.is_empty());
    let texts = |list: &'_ Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    if list(&row.allowed_origins) {
        let is_allowed = |origin: &str| texts(&row.allowed_origins).iter().any(|one| one.eq_ignore_ascii_case(origin));
        if !sender.origin.is_some_and(is_allowed) {
            return Err(Error::forbidden("This API key can only be used by pages of its allowed origins."));
        }
    }
    if list(&row.allowed_networks) {
        let is_inside = |address: IpAddr| {
            let address = address.to_canonical();
            texts(&row.allowed_networks).iter().any(|text| match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
                (Ok(network), _) => network.contains(&address),
                (_, Ok(one)) => one == address,
                _ => false,
            })
        };
        if !sender.address.is_some_and(is_inside) {
            return Err(Error::forbidden("This API key can only be used from its allowed networks."));
        }
    }
    Ok(())
}

/// Whether a key has reached its expiry.
pub(crate) fn is_over(row: &api_key::Model, now: DateTime<Utc>) -> bool {
    row.expires_at.is_some_and(|end| end <= now)
}
