//! Event endpoints: beacons and heartbeats of browsers, crawler beacons, server batches, and their aliases.
//!
//! - Errors are checked in the order 401, 403, 413 and 415, 400. Each is counted for its website and returned in the
//!   envelope.
//! - If a browser hides the page's origin (`Origin: null`, no `Referer`), the host of the body's `url` must belong to
//!   the website; in this case 403 is checked last.
//! - Events dropped by a rule get status 200 with `X-Footfall-Dropped`, so that pages never retry them.

mod batch;

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
    analytics::event::EventKind,
    error::{Error, Result},
    traffic::Outcome,
};

use crate::{
    body::{self, Unread},
    http::FastPath,
    ingest::{
        address::Proxies,
        beacon::{self, Beacon},
        bots,
        chain::{Chain, Sender},
        crawler,
        intake::{Answer, Intake},
        ledger::Notes,
        limiter::Limiter,
        rules::{Origin, Site},
        sites::Sites,
        submission::Submission,
    },
    rest::envelope::{Fault, refuse, respond},
};

/// Maximum size of one beacon, in bytes.
const BEACON_BYTES: usize = 64 * 1024;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Beacon,
    Heartbeat,
    Crawler,
    Batch,
}

impl Kind {
    /// Type of event for a path, and whether the tracking code is its last segment; `None` for other paths.
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
        let kind = match (segments.next()?, segments.next(), segments.next(), segments.next()) {
            ("e", Some("heartbeat"), Some(code), None) if !code.is_empty() => Self::Heartbeat,
            ("heartbeat", Some(code), None, None) if is_proxied && !code.is_empty() => Self::Heartbeat,
            ("e", Some(code), None, None) if !code.is_empty() => Self::Beacon,
            ("c", Some(code), None, None) if !code.is_empty() => Self::Crawler,
            // No code has a dot; the proxy's script has.
            (code, None, None, None) if is_proxied && !code.is_empty() && !code.contains('.') => Self::Beacon,
            _ => return None,
        };
        Some((kind, true))
    }
}

impl FastPath for Arc<Gateway> {
    fn answer(&self, request: Request) -> ControlFlow<impl Future<Output = Response<Body>> + Send + 'static, Request> {
        let Some((kind, has_code)) = Kind::from_path(request.uri().path()) else {
            return ControlFlow::Continue(request);
        };
        let gateway = Self::clone(self);
        ControlFlow::Break(async move { gateway.answer_to(kind, has_code, request).await })
    }
}

/// Head of a request, as far as ingest uses it.
pub(super) struct Head {
    uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) address: IpAddr,
}

impl Head {
    pub(super) fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The sending page, as reported by the browser.
    fn origin(&self) -> Origin<'_> {
        Origin::new(self.text(&header::ORIGIN), self.text(&header::REFERER))
    }

    /// `Sec-GPC: 1`.
    pub(super) fn opted_out(&self) -> bool {
        self.headers.get("sec-gpc").is_some_and(|value| value.as_bytes() == b"1")
    }
}

impl Gateway {
    /// `has_code`: whether the tracking code is the last segment of the path.
    async fn answer_to(&self, kind: Kind, has_code: bool, request: Request) -> Response<Body> {
        let answered = match kind {
            // Boxed, so that beacons do not carry the size of batches.
            Kind::Batch => Box::pin(self.batch(request)).await,
            _ => self.single(kind, has_code, request).await.map(|outcome| stored(outcome, kind)),
        };
        answered.unwrap_or_else(|error| {
            let now = self.ports.clock.now();
            refuse(&Fault::from_error(&error, now), now)
        })
    }

    async fn single(&self, kind: Kind, has_code: bool, request: Request) -> Result<Outcome> {
        // Only the response is awaited; the parts of the beacon are dropped by then.
        let judged = {
            let (head, body) = self.opened(request)?;
            let unknown = || Error::unauthenticated("Unknown tracking code. Copy it from the website's settings.");
            if has_code {
                // No code holds a letter that paths escape.
                let code = head.uri.path().rsplit('/').next().unwrap_or_default();
                let site = self.sites.by_code(code).await?.ok_or_else(unknown)?;
                self.admit(kind, &site, &head)?;
                let bytes = bounded(&head.headers, body, BEACON_BYTES).await;
                self.judge(kind, &site, &head, &bytes.map_err(|error| self.malformed(&site, error))?)?
            } else {
                // The code of an alias is in the body, which is then read before the sender is checked.
                let bytes = bounded(&head.headers, body, BEACON_BYTES).await?;
                let query = head.uri.query().unwrap_or_default();
                let code = code_in_query(query).or_else(|| beacon::code_in(&bytes)).ok_or_else(unknown)?;
                let site = self.sites.by_code(&code).await?.ok_or_else(unknown)?;
                self.admit(kind, &site, &head)?;
                self.judge(kind, &site, &head, &bytes)?
            }
        };
        match judged {
            Judged::Dropped(outcome) => Ok(outcome),
            Judged::Taken(answer) => Ok(answer.outcomes().await?.first().copied().unwrap_or(Outcome::Accepted)),
        }
    }

    /// Errors: why the sender may not send this event, before the body is read.
    fn admit(&self, kind: Kind, site: &Site, head: &Head) -> Result<()> {
        if kind != Kind::Crawler {
            let origin = head.origin();
            site.admits(origin).map_err(|outcome| self.foreign(site, origin, outcome))?;
        }
        self.limiter.count(head.address, self.ports.clock.now().timestamp_millis()).map_err(|retry_after| {
            self.intake.count(site.rules.website, Outcome::RateLimited);
            Error::RateLimited { retry_after, limit: self.limiter.most() }
        })?;
        json_or_text(&head.headers).map_err(|error| self.malformed(site, error))
    }

    fn malformed(&self, site: &Site, error: Error) -> Error {
        self.intake.count(site.rules.website, Outcome::Malformed);
        error
    }

    fn judge(&self, kind: Kind, site: &Site, head: &Head, body: &[u8]) -> Result<Judged> {
        let malformed = |error: Error| self.malformed(site, error);
        if kind == Kind::Crawler {
            let crawl = crawler::read(body).map_err(malformed)?;
            let (beacon, user_agent, address) = (crawl.beacon, crawl.user_agent, crawl.address);
            let machine = bots::machine(&user_agent).unwrap_or(crawler::UNNAMED);
            let address = address.unwrap_or(head.address);
            let sender = Sender {
                happened_ms: None,
                address: Some(address),
                user_agent: &user_agent,
                opted_out: false,
                machine: Some(machine),
                collapses: false,
            };
            return self.take(site, beacon, &sender, address);
        }
        let read = if kind == Kind::Heartbeat { beacon::read_heartbeat } else { beacon::read };
        let beacon = read(body).map_err(malformed)?;
        if head.origin() == Origin::Hidden {
            let host = beacon.page.host.as_str();
            site.admits_page(host).map_err(|outcome| self.foreign(site, Origin::Host(host), outcome))?;
        }
        let now_ms = self.ports.clock.now().timestamp_millis();
        let skew_ms = beacon.sent_ms.map_or(0, |sent| now_ms.saturating_sub(sent));
        self.notes.hit(site.rules.website, head.address, skew_ms);
        let sender = Sender {
            happened_ms: None,
            address: Some(head.address),
            user_agent: head.text(&header::USER_AGENT).unwrap_or_default(),
            opted_out: head.opted_out(),
            machine: None,
            collapses: true,
        };
        self.take(site, beacon, &sender, head.address)
    }

    fn take(&self, site: &Site, beacon: Beacon, sender: &Sender<'_>, address: IpAddr) -> Result<Judged> {
        let counted = site.counts(address, &beacon.page.path).and_then(|()| site.records(&beacon.name));
        if let Err(outcome) = counted {
            self.intake.count(site.rules.website, outcome);
            return Ok(Judged::Dropped(outcome));
        }
        let events = vec![self.chain.event(site, beacon, sender)?];
        self.intake.submit(Submission { events, dropped: Vec::new() }).map(Judged::Taken)
    }

    fn foreign(&self, site: &Site, origin: Origin<'_>, outcome: Outcome) -> Error {
        self.intake.count(site.rules.website, outcome);
        if let (Origin::Host(host), Outcome::ForeignOrigin) = (origin, outcome) {
            self.notes.foreign(site.rules.website, host);
        }
        Error::forbidden(match outcome {
            Outcome::MissingOrigin => "Missing request origin",
            Outcome::LocalOrigin => {
                "Domain not authorized for this tracking code: local hosts need the setting allowLocalhost"
            }
            _ => "Domain not authorized for this tracking code",
        })
    }

    async fn batch(&self, request: Request) -> Result<Response<Body>> {
        let (head, body) = self.opened(request)?;
        batch::answer(self, &head, body).await
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

/// Result of processing a beacon.
enum Judged {
    /// Dropped by a rule.
    Dropped(Outcome),
    /// Being written to disk.
    Taken(Answer),
}

fn code_in_query(query: &str) -> Option<String> {
    let code = query.split('&').find_map(|pair| pair.strip_prefix("id="))?;
    (!code.is_empty()).then(|| code.to_owned())
}

/// Errors: a media type other than JSON. Browsers may also send it as plain text.
fn json_or_text(headers: &HeaderMap) -> Result<()> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let name = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "application/json" | "text/plain" => Ok(()),
        _ => Err(Error::MediaType { wants: "application/json, or text/plain containing JSON".into() }),
    }
}

/// Reads a body up to a size limit. Errors: 413; 400 for an incomplete one.
pub(super) async fn bounded(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes> {
    body::read(headers, body, most).await.map_err(|unread| match unread {
        Unread::TooLarge => Error::TooLarge { limit: format!("the body must have at most {most} bytes") },
        Unread::BrokenOff => Error::invalid("body", "is incomplete"),
    })
}

/// The response to an event that is on disk or need not be.
fn stored(outcome: Outcome, kind: Kind) -> Response<Body> {
    let mut response = respond(StatusCode::OK, &br#"{"success":true}"#[..]);
    // The site already knows that a crawler is a bot.
    let expected = outcome == Outcome::Accepted || (kind == Kind::Crawler && outcome == Outcome::Bot);
    if !expected {
        response.headers_mut().insert(DROPPED, HeaderValue::from_static(outcome.name()));
    }
    response
}

/// Whether events with this outcome are stored.
#[must_use]
pub fn is_kept(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Accepted | Outcome::Bot)
}

/// Event types that only browsers send.
#[must_use]
pub fn is_browsers(kind: EventKind) -> bool {
    kind == EventKind::Heartbeat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_is_sent() {
        let coded = |kind| Some((kind, true));
        for (path, expected) in [
            ("/e/ZV_x", coded(Kind::Beacon)),
            ("/e/heartbeat/ZV_x", coded(Kind::Heartbeat)),
            ("/c/ZV_x", coded(Kind::Crawler)),
            ("/api/v1/events", Some((Kind::Batch, false))),
            ("/track", Some((Kind::Beacon, false))),
            ("/heartbeat", Some((Kind::Heartbeat, false))),
            ("/api/_z/e/ZV_x", coded(Kind::Beacon)),
            ("/api/_z/e/heartbeat/ZV_x", coded(Kind::Heartbeat)),
            ("/api/_z/ZV_x", coded(Kind::Beacon)),
            ("/api/_z/heartbeat/ZV_x", coded(Kind::Heartbeat)),
            ("/api/_z/c/ZV_x", coded(Kind::Crawler)),
        ] {
            assert_eq!(Kind::from_path(path), expected, "{path}");
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
            assert_eq!(Kind::from_path(path), None, "{path}");
        }
    }
}
