//! Who is asking, and from where: what every rule may know without asking anything.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::{Error, Result};

/// What the credential of a user rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedIn {
    /// A session of ours: it ends with its row.
    Session(Uuid),
    /// A token of the trusted issuer outside: it ends by itself.
    Elsewhere {
        /// When the token stops working.
        until: DateTime<Utc>,
    },
}

/// Who is asking, as the HTTP layer found out with [`caller_of_token`] or [`caller_of_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caller {
    /// An anonymous caller.
    #[default]
    Anonymous,
    /// A caller with an invalid credential: anonymous, except that fields that need a credential answer this reason.
    Refused(&'static str),
    /// A person who signed in.
    User {
        /// The account.
        user: Uuid,
        /// The sign-in that the access token belongs to.
        session: SignedIn,
    },
    /// A program with an API key: a viewer of its team's websites, or of one.
    Key {
        /// The key's row.
        id: Uuid,
        /// The team whose websites it reads.
        team: Uuid,
        /// The only website it reads; `None` for all of the team's.
        website: Option<Uuid>,
    },
    /// The person who holds the data folder, on the command line. No request has this caller.
    Operator,
}

impl Caller {
    /// Refuses those we do not know. Errors: `Unauthenticated`.
    pub fn known(self) -> Result<Self> {
        match self {
            Self::Refused(why) => Err(Error::unauthenticated(why)),
            Self::Anonymous => Err(Error::unauthenticated(
                "Credentials are missing: sign in and send `Authorization: Bearer <access token>`, or send an API key.",
            )),
            known => Ok(known),
        }
    }

    /// Refuses a credential that does not work, so that its holder renews it; none at all is fine. Errors: `Unauthenticated`.
    pub fn not_refused(self) -> Result<Self> {
        match self {
            Self::Refused(why) => Err(Error::unauthenticated(why)),
            other => Ok(other),
        }
    }

    /// The user, where the caller is one.
    #[must_use]
    pub fn user(self) -> Option<Uuid> {
        match self {
            Self::User { user, .. } => Some(user),
            _ => None,
        }
    }
}

/// Keyed hash of the network address that a request came from: it tells addresses apart, and without the installation's key nothing
/// else can be read out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressHash(pub u64);
