//! The caller and the address of a request: what every rule can know without a query.

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
    /// A program with an API key: a viewer of its team's websites, or of one of them.
    Key {
        /// ID of the key's row.
        id: Uuid,
        /// The team whose websites the key can read.
        team: Uuid,
        /// ID of the only website the key can read; `None` for all of the team's.
        website: Option<Uuid>,
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
