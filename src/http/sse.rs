//! Responses as `text/event-stream`: the protocol graphql-sse with distinct connections, on `/graphql` itself.
//!
//! - A malformed request gets its own status; errors of the document are sent in the stream.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::HeaderMap,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt as _, stream, stream::BoxStream};

use super::{RequestId, refusal::Refusal, stream::Opened};

/// Interval between keep-alive messages.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Streams the results, or the errors of the document. A message has at most `limit` bytes.
#[must_use]
pub fn respond(opened: Result<Opened, Refusal>, limit: usize, id: RequestId) -> Response {
    let answers: BoxStream<'static, String> = match opened {
        Ok(Opened::One(answer)) => stream::iter([answer.text(limit, id)]).boxed(),
        Ok(Opened::Stream(answers)) => answers.map(move |answer| answer.text(limit, id)).boxed(),
        Err(refusal) => stream::iter([refusal.body(id.0).to_string()]).boxed(),
    };
    let events = answers
        .map(|data| Event::default().event("next").data(data))
        .chain(stream::iter([Event::default().event("complete").data("")]))
        .map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.append("vary", axum::http::HeaderValue::from_static("accept"));
    // Prevents buffering proxies from holding events back.
    headers.insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    response
}
