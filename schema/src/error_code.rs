//! The table of error codes: every value of `extensions.code` in GraphQL and `error.code` in REST, with its HTTP status.

use async_graphql::{Enum, TypeDirective};

macro_rules! error_codes {
    ($( $(#[$doc:meta])* $variant:ident => $code:literal, $status:literal; )+) => {
        /// Value of `extensions.code` of an error. Further values may be added.
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $( $(#[$doc])* $variant, )+
        }

        impl ErrorCode {
            /// All codes, in table order.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )+ }
            }

            /// The HTTP status where real status codes are used.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )+ }
            }
        }
    };
}

error_codes! {
    /// An argument, variable or body field has an invalid value; `extensions.field` names it.
    ValidationError => "VALIDATION_ERROR", 400;
    /// The credential is missing or invalid.
    Unauthorized => "UNAUTHORIZED", 401;
    /// The caller does not have the required access.
    Forbidden => "FORBIDDEN", 403;
    /// The team's plan lacks the feature.
    ApiPaidPlanRequired => "API_PAID_PLAN_REQUIRED", 403;
    /// The object, path or persisted document does not exist.
    NotFound => "NOT_FOUND", 404;
    /// The path does not support this method; the header `Allow` lists those that it does.
    MethodNotAllowed => "METHOD_NOT_ALLOWED", 405;
    /// None of the media types in `Accept` is available.
    NotAcceptable => "NOT_ACCEPTABLE", 406;
    /// The object exists already, or its state does not allow the change.
    Conflict => "CONFLICT", 409;
    /// The body is larger than allowed.
    PayloadTooLarge => "PAYLOAD_TOO_LARGE", 413;
    /// The URL is longer than allowed.
    UriTooLong => "URI_TOO_LONG", 414;
    /// The media type of the body is not supported.
    UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE", 415;
    /// The response is larger than allowed. A mutation has taken effect: do not retry it.
    AnswerTooLarge => "ANSWER_TOO_LARGE", 422;
    /// The path requires a WebSocket upgrade.
    UpgradeRequired => "UPGRADE_REQUIRED", 426;
    /// A rate limit is exceeded; `extensions.retryAfter` contains the seconds to wait.
    RateLimitExceeded => "RATE_LIMIT_EXCEEDED", 429;
    /// The plan's monthly quota is used up.
    MonthlyLimitExceeded => "MONTHLY_LIMIT_EXCEEDED", 429;
    /// Internal server error. The server's log has the details under the request ID.
    InternalServerError => "INTERNAL_SERVER_ERROR", 500;
    /// The server is temporarily unable to handle the request; `extensions.retryAfter` contains the seconds to wait.
    ServiceUnavailable => "SERVICE_UNAVAILABLE", 503;
    /// The request took longer than allowed. A mutation may have taken effect.
    Timeout => "TIMEOUT", 504;
    /// The body or query string is not a GraphQL request.
    BadRequest => "BAD_REQUEST", 400;
    /// The document has a syntax error.
    GraphqlParseFailed => "GRAPHQL_PARSE_FAILED", 400;
    /// The document is not valid for the schema.
    GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED", 400;
    /// The document has several operations and `operationName` identifies none of them.
    OperationResolutionFailure => "OPERATION_RESOLUTION_FAILURE", 400;
    /// Automatic persisted queries are not supported; send the whole document.
    PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED", 400;
    /// Introspection is disabled on this server.
    IntrospectionDisabled => "INTROSPECTION_DISABLED", 403;
    /// The document has more tokens than allowed.
    QueryTooLong => "QUERY_TOO_LONG", 400;
    /// The document has more selections or argument values than allowed.
    QueryTooLarge => "QUERY_TOO_LARGE", 400;
    /// The document is nested deeper than allowed.
    QueryTooDeep => "QUERY_TOO_DEEP", 400;
    /// The document costs more than allowed.
    CostLimitExceeded => "COST_LIMIT_EXCEEDED", 400;
    /// The document has more aliases than allowed.
    TooManyAliases => "TOO_MANY_ALIASES", 400;
    /// The operation has more root fields than allowed.
    TooManyRootFields => "TOO_MANY_ROOT_FIELDS", 400;
    /// One field is selected more often below one parent than allowed.
    TooManyRepeats => "TOO_MANY_REPEATS", 400;
    /// The document has more directives than allowed.
    TooManyDirectives => "TOO_MANY_DIRECTIVES", 400;
    /// The document has more mutations than allowed.
    TooManyMutations => "TOO_MANY_MUTATIONS", 400;
    /// The WebSocket connection has more running operations than allowed.
    TooManyOperations => "TOO_MANY_OPERATIONS", 400;
}

/// Codes that the field fails with for reasons of its own, beside those that any field can fail with.
#[TypeDirective(location = "FieldDefinition")]
pub fn errors(codes: Vec<ErrorCode>) {}
