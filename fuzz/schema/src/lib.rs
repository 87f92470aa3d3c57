//! Stand-in for `footfall-schema`: the few names that the readers of input use, without resolvers and databases.
//!
//! - Only names stand here, no rule: what is tested is the server's own source.

#[path = "../../../schema/src/error_code.rs"]
pub mod error_code;
#[path = "../../../schema/src/analytics/event.rs"]
pub mod event;
#[path = "../../../schema/src/analytics/event_kind.rs"]
pub mod event_kind;
#[path = "../../../schema/src/host.rs"]
pub mod host;
#[path = "../../../schema/src/analytics/path.rs"]
pub mod path;
#[path = "../../../schema/src/people/traits.rs"]
pub mod traits;
#[path = "../../../schema/src/access/access_directive.rs"]
pub mod access_directive;
#[path = "../../../schema/src/role.rs"]
pub mod role;
#[path = "../../../schema/src/scalars.rs"]
pub mod scalars;
#[path = "../../../schema/src/schema_index.rs"]
pub mod schema_index;

/// Stand-in for `schema::access`.
pub mod access {
    pub use crate::access_directive::{Access, On};
}

// What the file of the directive finds above itself.
use role::Role;

/// Stand-in for `schema::analytics`.
pub mod analytics {
    pub use crate::{event, event_kind, path};
}

/// Stand-in for `schema::people`.
pub mod people {
    pub use crate::traits;
}

/// Stand-in for `schema::error`.
pub mod error {
    use std::fmt::{self, Display, Formatter};

    use crate::error_code::ErrorCode;

    /// Result of a rule.
    pub type Result<T, E = Error> = std::result::Result<T, E>;

    /// Why a request was refused: the one reason that the readers of input have, and the one that they must never have.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Error {
        /// A body field that cannot be accepted.
        Invalid {
            /// The field at fault.
            field: String,
            /// What is wrong with it.
            why: String,
        },
        /// A fault of the server.
        Internal(String),
    }

    impl Error {
        /// A field that cannot be accepted, and what would be right.
        pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
            Self::Invalid { field: field.into(), why: why.into() }
        }

        /// A fault of the server.
        pub fn broken(what: impl Into<String>) -> Self {
            Self::Internal(what.into())
        }

        /// The row of the table of codes.
        #[must_use]
        pub fn error_code(&self) -> ErrorCode {
            match self {
                Self::Invalid { .. } => ErrorCode::ValidationError,
                Self::Internal(_) => ErrorCode::InternalServerError,
            }
        }

        /// `extensions.code`.
        #[must_use]
        pub fn code(&self) -> &'static str {
            self.error_code().as_str()
        }

        /// Status over HTTP.
        #[must_use]
        pub fn status(&self) -> u16 {
            match self {
                Self::Invalid { .. } => 400,
                Self::Internal(_) => 500,
            }
        }

        /// The message for the client.
        #[must_use]
        pub fn message(&self) -> String {
            self.to_string()
        }

        /// The field at fault.
        #[must_use]
        pub fn field(&self) -> Option<&str> {
            match self {
                Self::Invalid { field, .. } => Some(field),
                Self::Internal(_) => None,
            }
        }

        /// Seconds after which a retry makes sense.
        #[must_use]
        pub fn retry_after(&self) -> Option<u64> {
            None
        }
    }

    impl Display for Error {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            match self {
                Self::Invalid { field, why } => write!(f, "{field}: {why}"),
                Self::Internal(what) => write!(f, "{what}"),
            }
        }
    }
}
