//! The error table: every error that rules return, with its code and message. [`crate::error_code`] has all codes.
//!
//! - No variant implements `Display`, so that `?` cannot leak a foreign error into a response.
//! - `Internal` keeps its source for the log and shows a fixed message to clients.

use std::{error::Error as StdError, fmt::Debug, sync::Arc};

use crate::error_code::ErrorCode;

/// Result with the errors of the error table.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_table {
    ($( $(#[$doc:meta])* $variant:ident $({ $($field:ident : $ty:ty),+ $(,)? })? => $code:ident, $message:expr; )+) => {
        /// Why a request was refused. Each variant is one row of the error table.
        #[derive(Debug, Clone)]
        pub enum Error {
            $( $(#[$doc])* $variant $({ $(
                #[doc = concat!("Value of `", stringify!($field), "` that the message shows.")]
                $field: $ty
            ),+ })?, )+
            /// A server fault. The cause is logged and not shown.
            Internal(Arc<dyn StdError + Send + Sync>),
        }

        impl Error {
            /// The code of each row with its HTTP status, in table order: the errors that REST answers.
            pub const TABLE: &'static [(&'static str, u16)] =
                &[$( (ErrorCode::$code.as_str(), ErrorCode::$code.status()), )+
                  (ErrorCode::InternalServerError.as_str(), ErrorCode::InternalServerError.status())];

            /// `extensions.code` in GraphQL and `error.code` in REST.
            #[must_use]
            pub fn code(&self) -> &'static str {
                self.error_code().as_str()
            }

            /// The row of the table of codes.
            #[must_use]
            pub fn error_code(&self) -> ErrorCode {
                match self {
                    $( Self::$variant { .. } => ErrorCode::$code, )+
                    Self::Internal(_) => ErrorCode::InternalServerError,
                }
            }

            /// The HTTP status that REST answers with.
            #[must_use]
            pub fn status(&self) -> u16 {
                self.error_code().status()
            }

            /// The message for the client: what is wrong and what is allowed.
            #[must_use]
            pub fn message(&self) -> String {
                match self {
                    $( Self::$variant $({ $($field),+ })? => $message, )+
                    Self::Internal(_) => "Internal server error. The server's log has the details under the request ID.".to_owned(),
                }
            }
        }
    };
}

error_table! {
    /// An argument or body field with an invalid value.
    Invalid { field: String, why: String } => ValidationError, format!("{field}: {why}");
    /// No credential, or an invalid one.
    Unauthenticated { why: String } => Unauthorized, why.clone();
    /// A known caller without the required access.
    Forbidden { needs: String } => Forbidden, needs.clone();
    /// A field that the caller's role does not allow to change.
    ForbiddenField { field: String, why: String } => Forbidden, format!("{field}: {why}");
    /// A feature that the team's plan lacks.
    PlanRequired { plan: String } => ApiPaidPlanRequired, format!("This requires the {plan} plan or above.");
    /// No such object, or none within this parent.
    NotFound { what: String } => NotFound, format!("{what} was not found.");
    /// A duplicate, or a state that does not allow the change.
    Conflict { what: String } => Conflict, what.clone();
    /// A body or query larger than allowed.
    TooLarge { limit: String } => PayloadTooLarge, format!("The request is too large: {limit}.");
    /// A response larger than allowed.
    AnswerTooLarge { limit: usize, has_acted: bool } => AnswerTooLarge, too_large(*limit, *has_acted);
    /// A path that exists but does not support this method.
    MethodNotAllowed { allow: String } => MethodNotAllowed, format!("The method is not allowed on this path. Allowed: {allow}.");
    /// No media type in `Accept` can be produced.
    NotAcceptable { offers: String } => NotAcceptable, format!("None of the media types in Accept is available. Available: {offers}.");
    /// An unsupported media type of the body.
    MediaType { wants: String } => UnsupportedMediaType, format!("The Content-Type must be {wants}.");
    /// The server is temporarily unable to handle the request.
    Unavailable { retry_after: u64, why: String } => ServiceUnavailable, format!("{why} {}", retry_in(*retry_after));
    /// A response that took longer than allowed. A mutation may have taken effect.
    TimedOut { seconds: u64, is_mutation: bool } => Timeout, too_slow(*seconds, *is_mutation);
    /// The limit per minute is exceeded.
    RateLimited { retry_after: u64, limit: u64 } => RateLimitExceeded, format!("Rate limit exceeded ({limit} requests/minute). Try again in {retry_after} seconds");
    /// Too many failed attempts in a short time.
    TooManyAttempts { retry_after: u64 } => RateLimitExceeded, format!("Too many failed attempts. {}", retry_in(*retry_after));
    /// The limit per hour is exceeded.
    TooOften { what: String, limit: u32, retry_after: u64 } => RateLimitExceeded, format!("At most {limit} {what} are allowed per hour. {}", retry_in(*retry_after));
    /// The monthly quota is exceeded.
    QuotaSpent { resets_at: String, retry_after: u64 } => MonthlyLimitExceeded, {
        let _ = retry_after;
        format!("The monthly quota is exceeded. It resets at {resets_at}.")
    };
}

fn retry_in(seconds: u64) -> String {
    if seconds == 1 { "Retry in 1 second.".to_owned() } else { format!("Retry in {seconds} seconds.") }
}

/// A mutation takes effect before its response is written, so clients must not retry it.
fn too_slow(seconds: u64, is_mutation: bool) -> String {
    let advice = if is_mutation {
        "the change may have taken effect, so check before you retry"
    } else {
        "request a shorter range or fewer fields"
    };
    format!("The request took longer than {seconds} seconds; {advice}.")
}

fn too_large(limit: usize, has_acted: bool) -> String {
    if has_acted {
        return format!(
            "The change took effect, but the response is larger than {limit} bytes. Do not retry; query the data you need, and select fewer fields next time."
        );
    }
    format!("The response is larger than {limit} bytes. Request fewer fields, smaller pages or a shorter range.")
}

impl Error {
    /// An invalid field. `why` says what is allowed.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// `what` was not found.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// A state that does not allow the change.
    pub fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }

    /// A known caller without the required access.
    pub fn forbidden(needs: impl Into<String>) -> Self {
        Self::Forbidden { needs: needs.into() }
    }

    /// No credential, or an invalid one.
    pub fn unauthenticated(why: impl Into<String>) -> Self {
        Self::Unauthenticated { why: why.into() }
    }

    /// Wraps a foreign error that is a server fault; its text stays in the log.
    pub fn internal(source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(source))
    }

    /// A server fault described by a sentence for the log.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::Internal(Arc::from(Box::<dyn StdError + Send + Sync>::from(what.into())))
    }

    /// Classifies a failed write: a unique constraint violation is the conflict that `what` describes; anything else is
    /// a server fault.
    pub fn of_write(source: sea_orm::DbErr, what: impl Into<String>) -> Self {
        match source.sql_err() {
            Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => Self::conflict(what),
            _ => source.into(),
        }
    }

    /// The invalid argument or body field, if there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. } | Self::ForbiddenField { field, .. } => Some(field),
            _ => None,
        }
    }

    /// Seconds until a retry makes sense, if known.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Unavailable { retry_after, .. }
            | Self::RateLimited { retry_after, .. }
            | Self::TooManyAttempts { retry_after }
            | Self::TooOften { retry_after, .. }
            | Self::QuotaSpent { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// Database errors are internal, except for a full disk, which is temporary, and errors that a rule has classified
/// before (unique constraint: conflict).
impl From<sea_orm::DbErr> for Error {
    fn from(source: sea_orm::DbErr) -> Self {
        let text = source.to_string();
        // SQLITE_FULL and SQLITE_IOERR_WRITE; PostgreSQL's disk_full.
        if ["database or disk is full", "disk I/O error", "No space left on device"]
            .iter()
            .any(|sign| text.contains(sign))
        {
            tracing::error!(error.source = %text, "the control plane is not writable");
            return Self::Unavailable {
                retry_after: 30,
                why: "The server cannot write data; its disk may be full.".into(),
            };
        }
        Self::internal(source)
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        if let Error::Internal(source) = &error {
            tracing::error!(error.source = ?source, "internal error");
        }
        let mut extensions = async_graphql::ErrorExtensionValues::default();
        extensions.set("code", error.code());
        if let Some(field) = error.field() {
            extensions.set("field", field);
        }
        if let Some(seconds) = error.retry_after() {
            extensions.set("retryAfter", seconds);
        }
        Self { message: error.message(), source: Some(Arc::new(error)), extensions: Some(extensions) }
    }
}
