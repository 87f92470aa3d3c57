//! Writes an executor's answer, or a refusal, as an HTTP response with the status its media type calls for.

use async_graphql::{Response as Answer, ServerError};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Map, Value};

use super::{RequestId, accept::Offer, refusal::Refusal};

/// An executor's answer, ready to be written.
#[derive(Debug)]
pub struct Rendered {
    data: Option<async_graphql::Value>,
    errors: Vec<ServerError>,
    /// The answer's `extensions`.
    pub extensions: Map<String, Value>,
    headers: HeaderMap,
}

impl Rendered {
    /// Takes an answer apart. `refused` leaves `data` out; `complete` is applied to every error.
    pub fn new(mut answer: Answer, refused: bool, mut complete: impl FnMut(&mut ServerError)) -> Self {
        answer.errors.iter_mut().for_each(&mut complete);
        let extensions = std::mem::take(&mut answer.extensions);
        Self {
            data: (!refused).then_some(answer.data),
            errors: answer.errors,
            extensions: extensions
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.into_json().ok()?)))
                .collect(),
            headers: answer.http_headers,
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
    /// The answer as a message of a stream.
    #[must_use]
    pub fn json(&self) -> Value {
        let body = Written { errors: &self.errors, data: self.data.as_ref(), extensions: &self.extensions };
        serde_json::to_value(&body).unwrap_or_default()
    }
}

/// Writes an executor's answer.
pub fn render(answer: Rendered, offer: Offer) -> Response {
    let status = match (offer, &answer.data) {
        (Offer::Response, None) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let body = Written { errors: &answer.errors, data: answer.data.as_ref(), extensions: &answer.extensions };
    let Ok(text) = serde_json::to_vec(&body) else {
        tracing::error!("an answer could not be written as JSON");
        return write(StatusCode::INTERNAL_SERVER_ERROR, offer, Vec::new());
    };
    let mut response = write(status, offer, text);
    response.headers_mut().extend(answer.headers);
    response
}

/// Writes a refusal. Under `application/json` only the transport's own refusals keep their status.
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
