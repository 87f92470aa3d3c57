//! The HTTP layer: middleware for every response, and GraphQL over HTTP with its playground.
//!
//! - Other modules use what this file exports. The files below follow the specifications of GraphQL and of GraphQL over HTTP.
//! - A request: `accept` and `credential` read its headers, `request` its body, `persisted_documents` its document ID. `prepare`
//!   scans (`lexer`), parses, coerces variables (`numeric_variables`), measures (`limits`, `gauge`, `price`), validates
//!   (`extra_rules`, `values_of_correct_type`, `fields_can_merge`) and merges (`collect_fields`). `graphql` executes, `answer`
//!   writes; `refusal` is every error before execution. `stream`, `sse`, `ws` and `subscriptions_transport_ws` are for responses in
//!   several parts.

mod accept;
mod answer;
mod collect_fields;
mod cors;
mod credential;
mod extra_rules;
mod fields_can_merge;
mod gauge;
mod graphql;
mod lexer;
mod limits;
mod middleware;
mod numeric_variables;
mod persisted_documents;
mod playground;
mod prepare;
mod price;
mod refusal;
mod request;
mod sse;
mod stream;
mod subscriptions_transport_ws;
mod unicode_escapes;
mod values_of_correct_type;
mod ws;

#[cfg(test)]
mod endpoint_tests;

use std::time::Duration;

use async_graphql::Value;
use chrono::{DateTime, Utc};

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
    pub trusted: PersistedDocuments,
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
            trusted: PersistedDocuments::default(),
        }
    }
}

/// Available to handlers as an extension.
pub use schema::RequestId;

pub use self::{
    credential::{Asker, Credential, origin_of},
    graphql::{Admit, Admitted, Endpoint},
    limits::Limits,
    middleware::{FastPath, Middleware, Nothing, middleware},
    persisted_documents::{FreeText, PersistedDocuments},
    playground::{WEBSITE_PLACEHOLDER, examples},
    prepare::prepare,
    request::from_value,
    ws::SocketTimes,
};
