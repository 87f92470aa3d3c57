//! Beacons and heartbeats of browsers and beacons of crawlers: one event per request.

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use schema::{
    error::{Error, Result},
    traffic::Outcome,
};

use super::{Gateway, Head, IngestEndpoint, bounded};
use crate::ingest::{
    admission::{Admitted, Sender},
    beacon::{self, Beacon},
    bots, crawler,
    intake::Answer,
    rules::{Origin, Site},
    submission::Submission,
};

/// Maximum size of one beacon, in bytes.
const BEACON_BYTES: usize = 64 * 1024;

/// What became of an event.
enum Received {
    /// Dropped by a rule.
    Dropped(Outcome),
    /// Being written to disk.
    Submitted(Answer),
}

impl Gateway {
    /// Receives one event. `has_code`: whether the tracking code is the last segment of the path.
    pub(super) async fn single(&self, endpoint: IngestEndpoint, has_code: bool, request: Request) -> Result<Outcome> {
        // Only the response is awaited; the parts of the beacon are dropped by then.
        let received = {
            let (head, body) = self.opened(request)?;
            let unknown = || Error::unauthenticated("Unknown tracking code. Copy it from the website's settings.");
            if has_code {
                // No code holds a letter that paths escape.
                let code = head.uri.path().rsplit('/').next().unwrap_or_default();
                let site = self.sites.by_code(code).await?.ok_or_else(unknown)?;
                self.may_send(endpoint, &site, &head)?;
                let bytes = bounded(&head.headers, body, BEACON_BYTES).await;
                self.receive(endpoint, &site, &head, &bytes.map_err(|error| self.malformed(&site, error))?)?
            } else {
                // The code of an alias is in the body, which is then read before the sender is checked.
                let bytes = bounded(&head.headers, body, BEACON_BYTES).await?;
                let query = head.uri.query().unwrap_or_default();
                let code = code_in_query(query).or_else(|| beacon::code_in(&bytes)).ok_or_else(unknown)?;
                let site = self.sites.by_code(&code).await?.ok_or_else(unknown)?;
                self.may_send(endpoint, &site, &head)?;
                self.receive(endpoint, &site, &head, &bytes)?
            }
        };
        match received {
            Received::Dropped(outcome) => Ok(outcome),
            Received::Submitted(answer) => Ok(answer.outcomes().await?.first().copied().unwrap_or(Outcome::Accepted)),
        }
    }

    /// Errors: why the sender may not send this event, before the body is read.
    fn may_send(&self, endpoint: IngestEndpoint, site: &Site, head: &Head) -> Result<()> {
        if endpoint != IngestEndpoint::Crawler {
            let origin = head.origin();
            site.admits(origin).map_err(|outcome| self.wrong_origin(site, origin, outcome))?;
        }
        self.limiter.count(head.address, self.ports.clock.now().timestamp_millis()).map_err(|retry_after| {
            self.intake.count(site.rules.website, Outcome::RateLimited);
            Error::RateLimited { retry_after, limit: self.limiter.most() }
        })?;
        json_or_text(&head.headers).map_err(|error| self.malformed(site, error))
    }

    /// Reads a body and submits its event. Errors: a malformed body; a page that is not the website's.
    fn receive(&self, endpoint: IngestEndpoint, site: &Site, head: &Head, body: &[u8]) -> Result<Received> {
        let malformed = |error: Error| self.malformed(site, error);
        if endpoint == IngestEndpoint::Crawler {
            let crawler::Crawl { beacon, user_agent, address } = crawler::read(body).map_err(malformed)?;
            let sender = Sender {
                happened_ms: None,
                address: Some(address.unwrap_or(head.address)),
                user_agent: &user_agent,
                opted_out: false,
                machine: Some(bots::machine(&user_agent).unwrap_or(crawler::UNNAMED)),
                collapses: false,
            };
            return self.submit(site, beacon, sender);
        }
        let read = if endpoint == IngestEndpoint::Heartbeat { beacon::read_heartbeat } else { beacon::read };
        let beacon = read(body).map_err(malformed)?;
        if head.origin() == Origin::Hidden {
            let host = beacon.page.host.as_str();
            site.admits_page(host).map_err(|outcome| self.wrong_origin(site, Origin::Host(host), outcome))?;
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
        self.submit(site, beacon, sender)
    }

    /// Submits the event if the website's rules admit it.
    fn submit(&self, site: &Site, beacon: Beacon, sender: Sender<'_>) -> Result<Received> {
        match Admitted::new(site, beacon, sender) {
            Ok(admitted) => {
                let events = vec![self.chain.event(admitted)?];
                self.intake.submit(Submission { events, dropped: Vec::new() }).map(Received::Submitted)
            }
            Err(outcome) => {
                self.intake.count(site.rules.website, outcome);
                Ok(Received::Dropped(outcome))
            }
        }
    }

    fn malformed(&self, site: &Site, error: Error) -> Error {
        self.intake.count(site.rules.website, Outcome::Malformed);
        error
    }

    fn wrong_origin(&self, site: &Site, origin: Origin<'_>, outcome: Outcome) -> Error {
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
