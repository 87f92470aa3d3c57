//! The ingest endpoints: beacons and heartbeats of browsers, crawler beacons, server batches, and their aliases.
//!
//! - Errors are checked in the order 401, 403, 413 and 415, 400. Each is counted for its website and returned in the
//!   envelope.
//! - If a browser hides the page's origin (`Origin: null`, no `Referer`), the host of the body's `url` must belong to
//!   the website; in this case 403 is checked last.
//! - Events dropped by a rule get status 200 with `X-Footfall-Dropped`, so that pages never retry them.

mod batch;
pub mod payments;
mod single;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::ControlFlow,
    sync::Arc,
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header},
};
use schema::{
    Ports,
    error::{Error, Result},
    traffic::Outcome,
};

use super::{
    address::Proxies, chain::Chain, intake::Intake, ledger::Notes, limiter::Limiter, rules::Origin, sites::Sites,
};
use crate::{
    body::{self, Unread},
    http::FastPath,
    rest::envelope::{Fault, refuse, respond},
};

const DROPPED: HeaderName = HeaderName::from_static("x-footfall-dropped");

/// State shared by the endpoints.
#[derive(Clone)]
pub struct Gateway {
    /// The control plane, for API keys.
    pub ports: Ports,
    /// Website lookup.
    pub sites: Sites,
    /// Event enrichment.
    pub chain: Chain,
    /// The intake.
    pub intake: Intake,
    /// Records configuration problems.
    pub notes: Notes,
    /// Trusted proxies, whose forwarding headers are used.
    pub proxies: Arc<Proxies>,
    /// Rate limit per address.
    pub limiter: Arc<Limiter>,
}

/// What receives events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestEndpoint {
    /// `/e/:code`: an event of a browser.
    Beacon,
    /// `/e/heartbeat/:code`: a page is still open.
    Heartbeat,
    /// `/c/:code`: a bot's request, reported by the site's middleware.
    Crawler,
    /// `/api/v1/events`: events of a server with an API key.
    Batch,
}

impl IngestEndpoint {
    /// All endpoints.
    pub const ALL: [Self; 4] = [Self::Beacon, Self::Heartbeat, Self::Crawler, Self::Batch];

    /// The endpoint of a path, and whether the tracking code is its last segment; `None` for other paths.
    fn from_path(path: &str) -> Option<(Self, bool)> {
        match path {
            "/api/v1/events" => return Some((Self::Batch, false)),
            // Paths of earlier trackers; the tracking code is in the body or in `?id=`.
            "/track" => return Some((Self::Beacon, false)),
            "/heartbeat" => return Some((Self::Heartbeat, false)),
            _ => {}
        }
        // The paths of a first-party proxy have shorter forms beside them.
        let (rest, is_proxied) = match path.strip_prefix("/api/_z/") {
            Some(rest) => (rest, true),
            None => (path.strip_prefix('/')?, false),
        };
        let mut segments = rest.split('/');
        let endpoint = match (segments.next()?, segments.next(), segments.next(), segments.next()) {
            ("e", Some("heartbeat"), Some(code), None) if !code.is_empty() => Self::Heartbeat,
            ("heartbeat", Some(code), None, None) if is_proxied && !code.is_empty() => Self::Heartbeat,
            ("e", Some(code), None, None) if !code.is_empty() => Self::Beacon,
            ("c", Some(code), None, None) if !code.is_empty() => Self::Crawler,
            // No code has a dot; the proxy's script has.
            (code, None, None, None) if is_proxied && !code.is_empty() && !code.contains('.') => Self::Beacon,
            _ => return None,
        };
        Some((endpoint, true))
    }
}

impl FastPath for Arc<Gateway> {
    fn answer(&self, request: Request) -> ControlFlow<impl Future<Output = Response<Body>> + Send + 'static, Request> {
        let Some((endpoint, has_code)) = IngestEndpoint::from_path(request.uri().path()) else {
            return ControlFlow::Continue(request);
        };
        let gateway = Self::clone(self);
        ControlFlow::Break(async move { gateway.answer_to(endpoint, has_code, request).await })
    }
}

/// Head of a request, as far as ingest uses it.
struct Head {
    uri: Uri,
    headers: HeaderMap,
    address: IpAddr,
}

impl Head {
    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The sending page, as reported by the browser.
    fn origin(&self) -> Origin<'_> {
        Origin::new(self.text(&header::ORIGIN), self.text(&header::REFERER))
    }

    /// `Sec-GPC: 1`.
    fn opted_out(&self) -> bool {
        self.headers.get("sec-gpc").is_some_and(|value| value.as_bytes() == b"1")
    }
}

impl Gateway {
    /// `has_code`: whether the tracking code is the last segment of the path.
    async fn answer_to(&self, endpoint: IngestEndpoint, has_code: bool, request: Request) -> Response<Body> {
        let answered = match endpoint {
            // Boxed, so that beacons do not carry the size of batches.
            IngestEndpoint::Batch => return Box::pin(self.answer_to_batch(request)).await,
            IngestEndpoint::Beacon | IngestEndpoint::Heartbeat | IngestEndpoint::Crawler => {
                self.single(endpoint, has_code, request).await.map(|outcome| stored(outcome, endpoint))
            }
        };
        answered.unwrap_or_else(|error| self.refused(&error))
    }

    async fn answer_to_batch(&self, request: Request) -> Response<Body> {
        let mut meter = None;
        let answered = self.batch(request, &mut meter).await;
        let mut response = answered.unwrap_or_else(|error| self.refused(&error));
        if let Some(meter) = meter {
            meter.write(response.headers_mut());
        }
        response
    }

    fn refused(&self, error: &Error) -> Response<Body> {
        refuse(&Fault::from_error(error), self.ports.clock.now())
    }

    /// Parses a request's head. Errors: a method other than POST.
    fn opened(&self, request: Request) -> Result<(Head, Body)> {
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return Err(Error::MethodNotAllowed { allow: "POST".into() });
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let address = self.proxies.client(peer, &parts.headers);
        Ok((Head { uri: parts.uri, headers: parts.headers, address }, body))
    }
}

/// Reads a body up to a size limit. Errors: 413; 400 for an incomplete one.
async fn bounded(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes> {
    body::read(headers, body, most).await.map_err(|unread| match unread {
        Unread::TooLarge => Error::TooLarge { limit: format!("the body must have at most {most} bytes") },
        Unread::BrokenOff => Error::invalid("body", "is incomplete"),
    })
}

/// The response to an event that is on disk or need not be.
fn stored(outcome: Outcome, endpoint: IngestEndpoint) -> Response<Body> {
    let mut response = respond(StatusCode::OK, &br#"{"success":true}"#[..]);
    // The site already knows that a crawler is a bot.
    let expected = outcome == Outcome::Accepted || (endpoint == IngestEndpoint::Crawler && outcome == Outcome::Bot);
    if !expected {
        response.headers_mut().insert(DROPPED, HeaderValue::from_static(outcome.name()));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_is_sent() {
        let coded = |endpoint| Some((endpoint, true));
        for (path, expected) in [
            ("/e/ZV_x", coded(IngestEndpoint::Beacon)),
            ("/e/heartbeat/ZV_x", coded(IngestEndpoint::Heartbeat)),
            ("/c/ZV_x", coded(IngestEndpoint::Crawler)),
            ("/api/v1/events", Some((IngestEndpoint::Batch, false))),
            ("/track", Some((IngestEndpoint::Beacon, false))),
            ("/heartbeat", Some((IngestEndpoint::Heartbeat, false))),
            ("/api/_z/e/ZV_x", coded(IngestEndpoint::Beacon)),
            ("/api/_z/e/heartbeat/ZV_x", coded(IngestEndpoint::Heartbeat)),
            ("/api/_z/ZV_x", coded(IngestEndpoint::Beacon)),
            ("/api/_z/heartbeat/ZV_x", coded(IngestEndpoint::Heartbeat)),
            ("/api/_z/c/ZV_x", coded(IngestEndpoint::Crawler)),
        ] {
            assert_eq!(IngestEndpoint::from_path(path), expected, "{path}");
        }
        for path in [
            "",
            "/",
            "/e",
            "/e/",
            "/c/",
            "/e/heartbeat/",
            "/e/live/ZV_x",
            "/e/ZV_x/status",
            "/e/ZV_x/",
            "/c/ZV_x/y",
            "/heartbeat/ZV_x",
            "/api/_z/",
            "/api/_z/z.js",
            "/api/_z/e/heartbeat/ZV_x/y",
            "/api/v1/events/",
            "/graphql",
        ] {
            assert_eq!(IngestEndpoint::from_path(path), None, "{path}");
        }
    }
}
