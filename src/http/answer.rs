//! Writes an executor's result or a refusal as an HTTP response, with the status for its media type.

use std::io;

use async_graphql::{Response as Answer, ServerError};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use schema::error::Error;
use serde_json::{Map, Value};

use super::{RequestId, accept::Offer, refusal::Refusal};
use crate::{long_work, turns::Turn};

/// An executor's result, ready to be written.
pub struct Rendered {
    data: Option<async_graphql::Value>,
    errors: Vec<ServerError>,
    /// Whether it is the result of a mutation that ran.
    pub has_acted: bool,
    /// The result's `extensions`.
    pub extensions: Map<String, Value>,
    headers: HeaderMap,
    /// Released when the response is written.
    pub turn: Turn,
}

impl Rendered {
    /// Prepares a result. `refused` omits `data`; `complete` is applied to every error.
    pub fn new(mut answer: Answer, refused: bool, mut complete: impl FnMut(&mut ServerError)) -> Self {
        answer.errors.iter_mut().for_each(&mut complete);
        let extensions = std::mem::take(&mut answer.extensions);
        Self {
            data: (!refused).then_some(answer.data),
            errors: answer.errors,
            has_acted: false,
            extensions: extensions
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.into_json().ok()?)))
                .collect(),
            headers: answer.http_headers,
            turn: Turn::default(),
        }
    }
}

#[derive(serde::Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a async_graphql::Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    extensions: &'a Map<String, Value>,
}

impl Rendered {
    /// The result as JSON. Errors: it exceeds `limit` bytes, detected while writing.
    fn written(&self, limit: usize) -> Result<Vec<u8>, Refusal> {
        let is_long = self.data.as_ref().is_some_and(long_work::takes_long);
        if is_long { long_work::in_place(|| self.write(limit)) } else { self.write(limit) }
    }

    fn write(&self, limit: usize) -> Result<Vec<u8>, Refusal> {
        let body = Written { errors: &self.errors, data: self.data.as_ref(), extensions: &self.extensions };
        let mut out = Bounded { bytes: Vec::with_capacity(128), limit };
        match serde_json::to_writer(&mut out, &body) {
            Ok(()) => Ok(out.bytes),
            Err(error) => {
                let has_acted = self.has_acted;
                let error =
                    if error.is_io() { Error::AnswerTooLarge { limit, has_acted } } else { Error::internal(error) };
                Err(Refusal { transport: false, ..error.into() })
            }
        }
    }

    /// The result as a message of a stream; one that exceeds `limit` bytes becomes an error.
    #[must_use]
    pub fn text(self, limit: usize, id: RequestId) -> String {
        match self.written(limit) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            Err(refusal) => refusal.body(id.0).to_string(),
        }
    }
}

/// A buffer that accepts at most `limit` bytes.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an executor's result. Errors: it exceeds `limit` bytes.
pub fn render(answer: Rendered, offer: Offer, limit: usize) -> Result<Response, Refusal> {
    let status = match (offer, &answer.data) {
        (Offer::Response, None) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let mut response = write(status, offer, answer.written(limit)?);
    response.headers_mut().extend(answer.headers);
    Ok(response)
}

/// Writes a refusal. Under `application/json` only errors of the transport keep their status.
pub fn refuse(refusal: &Refusal, offer: Offer, id: RequestId) -> Response {
    let status = match offer {
        Offer::Json if !refusal.transport => StatusCode::OK,
        _ => refusal.status,
    };
    let offer = if offer == Offer::Html { Offer::Json } else { offer };
    let mut response = write(status, offer, refusal.body(id.0).to_string().into_bytes());
    let headers = response.headers_mut();
    if let Some(allow) = &refusal.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(seconds) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn write(status: StatusCode, offer: Offer, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(offer.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    response
}
