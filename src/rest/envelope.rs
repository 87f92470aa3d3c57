//! The envelope of every response, its headers, and errors in REST form.

use async_graphql::ServerError;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use chrono::{DateTime, SecondsFormat, Utc};
use schema::{error::Error, error_code::ErrorCode};

use super::{body_keys::BodyKeys, projection::write_text};

/// An error in REST form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: StatusCode,
    /// Code of the error table.
    pub code: String,
    /// Message for the caller.
    pub message: String,
    /// Seconds until a retry makes sense.
    pub retry_after: Option<u64>,
    /// The methods of the path, for 405.
    pub allow: Option<String>,
}

impl Fault {
    /// Converts an error. A server fault is logged here and gets a fixed message.
    #[must_use]
    pub fn from_error(error: &Error) -> Self {
        if let Error::Internal(source) = error {
            tracing::error!(error.source = ?source, "internal error");
        }
        Self::new(error)
    }

    fn new(error: &Error) -> Self {
        let allow = match error {
            Error::MethodNotAllowed { allow } => Some(allow.clone()),
            _ => None,
        };
        Self {
            status: StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: error.code().to_owned(),
            message: error.message(),
            retry_after: error.retry_after(),
            allow,
        }
    }

    /// The error that a caller should fix first: access, then absence, then input, then state, then server faults.
    ///
    /// `keys`: those of the operation's body. `None` without errors.
    #[must_use]
    pub fn first(errors: &[ServerError], keys: &BodyKeys) -> Option<Self> {
        let faults = errors.iter().map(|error| Self::of_graphql(error, keys));
        faults.min_by_key(|fault| match fault.status.as_u16() {
            401 => 0,
            403 => 1,
            404 => 2,
            429 => 3,
            400 => 4,
            409 => 5,
            _ => 6,
        })
    }

    /// A URL of more than `limit` bytes.
    #[must_use]
    pub fn long_url(limit: usize) -> Self {
        Self {
            status: StatusCode::URI_TOO_LONG,
            code: ErrorCode::UriTooLong.as_str().to_owned(),
            message: format!("The URL must have at most {limit} bytes."),
            retry_after: None,
            allow: None,
        }
    }

    /// An error of a resolver, which was logged when it was raised. REST callers know its field by its key. Any other
    /// is the executor's and a server fault, because documents were validated at start and input when it was read.
    fn of_graphql(error: &ServerError, keys: &BodyKeys) -> Self {
        match error.source::<Error>() {
            Some(Error::Invalid { field, why }) => {
                let name = field.rsplit('.').next().unwrap_or(field);
                Self::new(&Error::invalid(keys.name(name), why))
            }
            Some(Error::ForbiddenField { field, why }) => {
                let (field, why) = (keys.name(field).to_owned(), why.clone());
                Self::new(&Error::ForbiddenField { field, why })
            }
            Some(error) => Self::new(error),
            None => Self::from_error(&Error::broken(error.message.clone())),
        }
    }
}

/// `2026-03-04T05:06:07.000Z`.
#[must_use]
pub fn timestamp(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The body of an error response.
#[must_use]
pub fn fault_body(fault: &Fault, now: DateTime<Utc>) -> Vec<u8> {
    let mut out = br#"{"success":false,"error":{"message":"#.to_vec();
    write_text(&mut out, &fault.message);
    out.extend_from_slice(br#","code":"#);
    write_text(&mut out, &fault.code);
    out.extend_from_slice(br#","timestamp":""#);
    out.extend_from_slice(timestamp(now).as_bytes());
    out.extend_from_slice(br#""}}"#);
    out
}

/// The start of a success response, with capacity for this many bytes of data, which follow.
#[must_use]
pub fn open(data: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data + 96);
    out.extend_from_slice(br#"{"success":true,"data":"#);
    out
}

/// The end of a success response.
pub fn close(out: &mut Vec<u8>, now: DateTime<Utc>) {
    out.extend_from_slice(br#","timestamp":""#);
    out.extend_from_slice(timestamp(now).as_bytes());
    out.extend_from_slice(br#""}"#);
}

/// Headers of an answer, about.
const HEADERS: usize = 12;

/// A JSON response. Responses depend on the credential, so that caches must not store them.
#[must_use]
pub fn respond(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // With room for those that come outside of here: growing costs more than the rest of this.
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The response for an error.
#[must_use]
pub fn refuse(fault: &Fault, now: DateTime<Utc>) -> Response<Body> {
    let mut response = respond(fault.status, fault_body(fault, now));
    if let Some(seconds) = fault.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = fault.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    if fault.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-03-04T05:06:07Z").unwrap().to_utc()
    }

    fn graphql(error: Error) -> ServerError {
        async_graphql::Error::from(error).into_server_error(async_graphql::Pos::default())
    }

    #[test]
    fn access_is_answered_before_input_and_fields_have_their_rest_name() {
        let errors = [
            graphql(Error::broken("disk")),
            graphql(Error::invalid("input.kpiGoal", "must be positive")),
            graphql(Error::forbidden("No.")),
        ];
        assert_eq!(Fault::first(&errors, &BodyKeys::default()).unwrap().code, "FORBIDDEN");
        assert_eq!(Fault::first(&errors[..2], &BodyKeys::default()).unwrap().message, "kpi_goal: must be positive");
        let ours = Fault::first(&errors[..1], &BodyKeys::default()).unwrap();
        assert_eq!(ours.status, 500);
        assert!(!ours.message.contains("disk"));
        assert_eq!(Fault::first(&[], &BodyKeys::default()), None);
    }

    #[test]
    fn an_error_of_the_executor_is_a_server_fault_and_keeps_its_text_to_itself() {
        let fault =
            Fault::first(&[ServerError::new(r#"Failed to parse "UUID": secret path"#, None)], &BodyKeys::default())
                .unwrap();
        assert_eq!((fault.status.as_u16(), fault.code.as_str()), (500, "INTERNAL_SERVER_ERROR"));
        assert!(!fault.message.contains("secret"), "{}", fault.message);
    }

    #[test]
    fn a_retry_is_named_in_seconds() {
        let limited = Error::RateLimited { retry_after: 17, limit: 30 };
        assert_eq!(Fault::from_error(&limited).retry_after, Some(17));
        assert_eq!(Fault::first(&[graphql(limited)], &BodyKeys::default()).unwrap().retry_after, Some(17));
        let spent = Error::QuotaSpent { resets_at: "2026-03-04T05:07:07.000Z".to_owned(), retry_after: 60 };
        assert_eq!(Fault::from_error(&spent).retry_after, Some(60));
        assert_eq!(Fault::first(&[graphql(spent)], &BodyKeys::default()).unwrap().retry_after, Some(60));
    }

    #[test]
    fn bodies_are_those_of_the_contract() {
        let fault = Fault::from_error(&Error::unauthenticated("API key is missing or not valid"));
        let body = String::from_utf8(fault_body(&fault, now())).unwrap();
        assert_eq!(
            body,
            r#"{"success":false,"error":{"message":"API key is missing or not valid","code":"UNAUTHORIZED","timestamp":"2026-03-04T05:06:07.000Z"}}"#
        );
        let mut out = open(0);
        out.extend_from_slice(b"[]");
        close(&mut out, now());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"success":true,"data":[],"timestamp":"2026-03-04T05:06:07.000Z"}"#
        );
    }
}
