//! Stand-in for `footfall-schema`: the few names that the readers of beacons use, without GraphQL and databases.
//!
//! - Only names stand here, no rule: what is tested is the server's own source.

#[path = "../../../schema/src/analytics/path.rs"]
pub mod path;

/// Stand-in for `schema::analytics`.
pub mod analytics {
    pub use crate::path;

    /// What a beacon says and how its visitor came.
    pub mod event {
        /// What kind of thing happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum EventKind {
            /// A page was viewed.
            Pageview,
            /// A custom event.
            Custom,
            /// A scroll milestone.
            Scroll,
            /// A goal completion.
            Goal,
            /// Money received.
            Revenue,
            /// A page is still looked at.
            Heartbeat,
            /// A visitor said who they are.
            Identify,
        }

        /// How the visitor came: referrer and campaign. Empty where there is none.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Acquisition {
            /// Host of the referring page.
            pub referrer: String,
            /// Source name.
            pub source: String,
            /// Channel name.
            pub channel: String,
            /// `utm_source` as sent.
            pub utm_source: String,
            /// `utm_medium` as sent.
            pub utm_medium: String,
            /// `utm_campaign` as sent.
            pub utm_campaign: String,
            /// `utm_term` as sent.
            pub utm_term: String,
            /// `utm_content` as sent.
            pub utm_content: String,
        }
    }
}

/// Stand-in for `schema::error`.
pub mod error {
    /// Result of a rule.
    pub type Result<T, E = Error> = std::result::Result<T, E>;

    /// Why a request was refused: the one reason that a reader of beacons has.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Error {
        /// A body field that cannot be accepted.
        Invalid {
            /// The field at fault.
            field: String,
            /// What is wrong with it.
            why: String,
        },
    }

    impl Error {
        /// A field that cannot be accepted, and what would be right.
        pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
            Self::Invalid { field: field.into(), why: why.into() }
        }
    }
}
