//! The HTTP layer: middleware for every response, and the GraphQL endpoint with its playground.

pub mod accept;
pub mod answer;
pub mod collect_fields;
pub mod cors;
pub mod credential;
pub mod extra_rules;
pub mod fields_can_merge;
pub mod gauge;
pub mod graphql;
pub mod lexer;
pub mod limits;
pub mod middleware;
pub mod numeric_variables;
pub mod persisted_documents;
pub mod playground;
pub mod prepare;
pub mod price;
pub mod refusal;
pub mod request;
pub mod sse;
pub mod stream;
pub mod subscriptions_transport_ws;
pub mod unicode_escapes;
pub mod values_of_correct_type;
pub mod ws;

#[cfg(test)]
mod endpoint_tests;

use std::time::Duration;

use async_graphql::Value;
use chrono::{DateTime, Utc};

use self::limits::Limits;

/// Settings of the HTTP layer.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Origins whose pages may read responses in a browser, such as `https://dashboard.example`; `*` for all. Default:
    /// none.
    pub cors_origins: Vec<String>,
    /// Whether `__schema` and `__type` are allowed. Default: yes.
    pub introspection: bool,
    /// Limits of one document.
    pub limits: Limits,
    /// Maximum body size of a GraphQL request, in bytes. Default: 64 KiB.
    pub body_bytes: usize,
    /// Maximum URL size of a GraphQL request, in bytes. Default: 8 KiB.
    pub url_bytes: usize,
    /// Time limit of one execution. Default: 5 seconds.
    pub timeout: Duration,
    /// Maximum body size of one response, in bytes. Default: 8 MiB.
    pub answer_bytes: usize,
    /// Time limits of WebSockets.
    pub socket_times: ws::SocketTimes,
    /// Number of buckets in a series over a range with an interval at a moment; `None` if unknown. Default: always
    /// unknown.
    pub buckets: fn(&Value, &Value, DateTime<Utc>) -> Option<u64>,
    /// Persisted documents, and who may send other text.
    pub trusted: persisted_documents::PersistedDocuments,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            introspection: true,
            limits: Limits::default(),
            body_bytes: 64 * 1024,
            url_bytes: 8 * 1024,
            timeout: Duration::from_secs(5),
            answer_bytes: 8 * 1024 * 1024,
            socket_times: ws::SocketTimes::default(),
            buckets: |_, _, _| None,
            trusted: persisted_documents::PersistedDocuments::default(),
        }
    }
}

pub use middleware::{Middleware, middleware};
/// Available to handlers as an extension.
pub use schema::RequestId;
