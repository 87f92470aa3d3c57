//! What an API key may do, until when, and from where.

use async_graphql::Enum;
use chrono::{DateTime, Utc};
use entity::api_key;
use serde_json::Value;

use crate::{
    caller::Scopes,
    constraint::Constraint,
    error::{Error, Result},
    scalars::Instant,
    website::exclusions::ip::{NETWORK, checked_network},
};

// Vocabulary

/// What an API key may do.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiKeyScope {
    /// Read analytics and settings.
    Read,
    /// Send events to `/api/v1/events`.
    Ingest,
    /// Read, and change settings like an editor. Keys never manage members, domains, API keys or plans.
    Manage,
}

impl ApiKeyScope {
    const ALL: [Self; 3] = [Self::Read, Self::Ingest, Self::Manage];

    const fn scopes(self) -> Scopes {
        match self {
            Self::Read => Scopes::READ,
            Self::Ingest => Scopes::INGEST,
            Self::Manage => Scopes::MANAGE,
        }
    }
}

/// What a new key may do.
#[derive(Debug, Clone)]
pub struct Grant {
    pub(super) scopes: Scopes,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) allowed_networks: Vec<String>,
}

impl Default for Grant {
    /// Reads and sends events from everywhere, without an end.
    fn default() -> Self {
        let scopes = Scopes::READ.with(Scopes::INGEST);
        Self { scopes, expires_at: None, allowed_origins: Vec::new(), allowed_networks: Vec::new() }
    }
}

// Rules

/// Scopes of a key.
pub(super) const SCOPES: Constraint = Constraint::list(3).not_empty();

/// Origins of pages that may use a key.
pub(super) const ORIGINS: Constraint =
    Constraint::pattern(r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?$").each(50);

/// Networks that a key may be used from.
pub(super) const NETWORKS: Constraint = NETWORK.each(50);

impl Grant {
    /// Checks what an input states; null means the default. Errors: `Invalid`.
    pub(super) fn checked(
        scopes: Option<&[ApiKeyScope]>,
        expires_at: Option<Instant>,
        origins: Option<&[String]>,
        networks: Option<&[String]>,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let mut grant = Self::default();
        if let Some(scopes) = scopes {
            SCOPES.check_items("scopes", scopes.len(), "scopes")?;
            let Some((first, others)) = scopes.split_first() else {
                return Err(Error::invalid("scopes", "must have at least 1 scope"));
            };
            grant.scopes = others.iter().fold(first.scopes(), |all, scope| all.with(scope.scopes()));
        }
        if expires_at.is_some_and(|end| end.0 <= now) {
            return Err(Error::invalid("expiresAt", "must be in the future"));
        }
        grant.expires_at = expires_at.map(|end| end.0);
        let origins = origins.unwrap_or_default();
        ORIGINS.check_items("allowedOrigins", origins.len(), "origins")?;
        grant.allowed_origins = origins.iter().map(|text| checked_origin(text)).collect::<Result<_>>()?;
        let networks = networks.unwrap_or_default();
        NETWORKS.check_items("allowedNetworks", networks.len(), "networks")?;
        let checked = networks.iter().map(|text| checked_network("allowedNetworks", text));
        grant.allowed_networks = checked.collect::<Result<_>>()?;
        Ok(grant)
    }

    /// That of a row, without its end.
    pub(super) fn of_row(row: &api_key::Model) -> Self {
        Self {
            scopes: Scopes::from_stored(row.scopes),
            expires_at: None,
            allowed_origins: texts(&row.allowed_origins),
            allowed_networks: texts(&row.allowed_networks),
        }
    }
}

/// An origin as browsers send it. Errors: `Invalid`.
fn checked_origin(text: &str) -> Result<String> {
    let wrong =
        || Error::invalid("allowedOrigins", "must be origins such as https://shop.example or http://localhost:3000");
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(wrong)?;
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
    let bytes = name.as_bytes();
    let is_name = bytes.iter().all(|byte| is_letter(*byte) || b".-".contains(byte))
        && bytes.len() <= 252
        && bytes.first().is_some_and(|byte| is_letter(*byte))
        && bytes.last().is_some_and(|byte| is_letter(*byte));
    let is_port =
        port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()));
    if is_name && is_port { Ok(text.to_ascii_lowercase()) } else { Err(wrong()) }
}

/// The scopes of a row, in the order of the table.
pub(super) fn scopes_of(row: &api_key::Model) -> Vec<ApiKeyScope> {
    let held = Scopes::from_stored(row.scopes);
    ApiKeyScope::ALL.into_iter().filter(|scope| held.has(scope.scopes())).collect()
}

/// A row's list of texts.
pub(super) fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
