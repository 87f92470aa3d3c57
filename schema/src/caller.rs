//! The caller and the address of a request: what every rule can know without a query.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Type of a user's credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedIn {
    /// A session of this server, which ends when its row is deleted.
    Session(Uuid),
    /// A token of the trusted external issuer, which ends on its own.
    Elsewhere {
        /// Expiry of the token.
        until: DateTime<Utc>,
    },
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Read analytics and settings.
    pub const READ: Self = Self(1);
    /// Send events.
    pub const INGEST: Self = Self(2);
    /// Read, and change settings like an editor.
    pub const MANAGE: Self = Self(4);

    /// The scopes of a row. Unknown ones are none.
    #[must_use]
    pub fn from_stored(number: i16) -> Self {
        Self(u8::try_from(number & 7).unwrap_or(0))
    }

    /// As stored in rows.
    #[must_use]
    pub fn stored(self) -> i16 {
        i16::from(self.0)
    }

    /// These and others.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a key with these may read.
    #[must_use]
    pub const fn reads(self) -> bool {
        self.has(Self::READ) || self.has(Self::MANAGE)
    }
}

/// Where a request with an API key comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestOrigin<'a> {
    /// The client's address; `None` if no network was involved.
    pub address: Option<IpAddr>,
    /// The header `Origin`; `None` for programs.
    pub origin: Option<&'a str>,
}

/// The caller, as determined by the HTTP layer with [`caller_of_token`] or [`caller_of_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caller {
    /// An anonymous caller.
    #[default]
    Anonymous,
    /// A caller with an invalid credential: anonymous, except that fields that require a credential return this reason.
    Refused(&'static str),
    /// A signed-in person.
    User {
        /// The account.
        user: Uuid,
        /// The session of the access token.
        session: SignedIn,
    },
    /// A program with an API key, for its team's websites or one of them: a viewer or, with the scope MANAGE, an editor.
    Key {
        /// ID of the key's row.
        id: Uuid,
        /// The team whose websites the key can read.
        team: Uuid,
        /// ID of the only website the key can read; `None` for all of the team's.
        website: Option<Uuid>,
        /// What the key may do.
        scopes: Scopes,
    },
    /// The person with access to the data folder, on the command line. Requests never have this caller.
    Operator,
}

impl Caller {
    /// Refuses anonymous callers. Errors: `Unauthenticated`.
    pub fn known(self) -> Result<Self> {
        match self {
            Self::Refused(why) => Err(Error::unauthenticated(why)),
            Self::Anonymous => Err(Error::unauthenticated(
                "Authentication is required. Send `Authorization: Bearer <access token>` or an API key.",
            )),
            known => Ok(known),
        }
    }

    /// Refuses an invalid credential, so that the client renews it; no credential is fine. Errors: `Unauthenticated`.
    pub fn not_refused(self) -> Result<Self> {
        match self {
            Self::Refused(why) => Err(Error::unauthenticated(why)),
            other => Ok(other),
        }
    }

    /// The user, if the caller is one.
    #[must_use]
    pub fn user(self) -> Option<Uuid> {
        match self {
            Self::User { user, .. } => Some(user),
            _ => None,
        }
    }
}

/// Keyed hash of a request's IP address. It distinguishes addresses; without the installation's key nothing else can be
/// derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressHash(pub u64);
