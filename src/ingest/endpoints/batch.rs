//! Batches of servers: at most 1,000 events with an API key, each with its own result (CONTRACT 9.8).

use axum::{
    body::Body,
    extract::Request,
    http::{Response, StatusCode, header},
};
use schema::{
    access::Caller,
    api_key::usage,
    auth::caller_of_key,
    caller::{RequestOrigin, Scopes},
    error::{Error, Result},
    traffic::Outcome,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Gateway, Head, bounded};
use crate::{
    http::Credential,
    ingest::{
        address::address_of,
        admission::{Admitted, Sender},
        beacon::{Beacon, Thing, is_object},
        fields::Fields,
        identity::DAY_MS,
        page::Page,
        properties::{Properties, clean},
        rules::Site,
        submission::{Enriched, Submission},
    },
    rate_limit::Meter,
    rest::envelope::{close, open, respond},
};

/// Maximum size of one batch, in bytes.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Maximum number of events in one batch.
const MAX_EVENTS: usize = 1_000;

/// Maximum age of a server's event, in milliseconds.
const OLDEST_MS: i64 = 365 * DAY_MS;

/// Maximum lead of a server's clock, in milliseconds.
const AHEAD_MS: i64 = 5 * 60 * 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    tracking_code: Option<String>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    server_context: Option<ServerContext>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ServerContext {
    client_ip: Option<String>,
    user_agent: Option<String>,
    accept_language: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEvent {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    ts: Option<f64>,
    visitor_id: Option<String>,
    session_id: Option<String>,
    props: Option<Properties>,
    idempotency_key: Option<String>,
}

/// The parts of `props` that locate the event.
#[derive(Deserialize, Default)]
struct Place {
    url: Option<String>,
    referrer: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
struct Located {
    props: Option<Place>,
}

/// Reason for rejecting an event.
struct Rejection {
    reason: Outcome,
    message: Option<String>,
}

impl From<Outcome> for Rejection {
    fn from(reason: Outcome) -> Self {
        Self { reason, message: None }
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Self { reason: Outcome::Malformed, message: Some(error.message()) }
    }
}

impl Rejection {
    fn json(self, index: usize) -> Value {
        let mut rejection = json!({ "index": index, "reason": snake(self.reason.name()) });
        if let Some(message) = self.message {
            rejection["message"] = message.into();
        }
        rejection
    }
}

impl Gateway {
    /// Receives a batch. Returns the number of accepted events, and the reasons for rejecting the others. `meter`: the
    /// limits of the key, once the request is counted.
    pub(super) async fn batch(&self, request: Request, meter: &mut Option<Meter>) -> Result<Response<Body>> {
        let (head, body) = self.opened(request)?;
        let caller = match Credential::read(&head.headers)? {
            Credential::Key(key) => {
                let sender = RequestOrigin { address: Some(head.address), origin: head.text(&header::ORIGIN) };
                caller_of_key(&self.ports, &key, sender).await?
            }
            _ => {
                return Err(Error::unauthenticated(
                    "API key is missing or not valid. Send a key that starts with `zv_` in `Authorization: Bearer` or `X-API-Key`.",
                ));
            }
        };
        if let Caller::Key { id, .. } = caller
            && let Some((standing, refused)) = usage::spend(&self.ports, id, 1)
        {
            if standing.window.spent == 1 {
                self.ports.key_usage.used_from(id, &self.chain.enricher.place_of(head.address).country);
            }
            *meter = Some(Meter::of_key(&standing, self.ports.clock.now()));
            refused.map_or(Ok(()), Err)?;
        }
        if !is_json(&head) {
            return Err(Error::MediaType { wants: "application/json".into() });
        }
        let bytes = bounded(&head.headers, body, BATCH_BYTES).await?;
        let wire: Option<Wire<'_>> = if is_object(&bytes) { serde_json::from_slice(&bytes).ok() } else { None };
        let wire = wire.ok_or_else(|| {
            Error::invalid(
                "body",
                "must be a JSON object with trackingCode (string), events (array) and serverContext (object)",
            )
        })?;
        let code = wire.tracking_code.ok_or_else(|| Error::invalid("trackingCode", "is missing"))?;
        let site =
            self.sites.by_code(&code).await?.ok_or_else(|| Error::not_found("A website with this trackingCode"))?;
        if !matches!(caller, Caller::Key { scopes, .. } if scopes.has(Scopes::INGEST)) {
            return Err(Error::forbidden("This API key does not have the scope INGEST, so it can't send events."));
        }
        if !reaches(&caller, &site) {
            return Err(Error::forbidden("This API key doesn't have access to this website."));
        }
        let events = wire.events.ok_or_else(|| Error::invalid("events", "is missing"))?;
        if events.len() > MAX_EVENTS {
            let why = format!("must have at most {MAX_EVENTS} events (got {})", events.len());
            return Err(Error::invalid("events", why));
        }
        let context = wire.server_context.unwrap_or_default();
        let opted_out = head.opted_out();
        let verdicts: Vec<_> = events.iter().map(|raw| self.enriched(&site, raw, &context, opted_out)).collect();
        drop(events);

        let mut submission = Submission::default();
        let mut rejections: Vec<(usize, Rejection)> = Vec::new();
        let mut places = Vec::new();
        for (index, verdict) in verdicts.into_iter().enumerate() {
            match verdict {
                Ok(event) => {
                    submission.events.push(event);
                    places.push(index);
                }
                Err(rejection) => {
                    submission.dropped.push((site.rules.website, rejection.reason));
                    rejections.push((index, rejection));
                }
            }
        }
        let outcomes = self.intake.take(submission).await?;
        let mut accepted = 0;
        for (index, outcome) in places.into_iter().zip(outcomes) {
            accepted += u64::from(matches!(outcome, Outcome::Accepted | Outcome::Bot));
            if outcome != Outcome::Accepted {
                rejections.push((index, outcome.into()));
            }
        }
        rejections.sort_by_key(|(index, _)| *index);
        let rejected: Vec<_> = rejections.into_iter().map(|(index, rejection)| rejection.json(index)).collect();
        let data = json!({ "accepted": accepted, "rejected": rejected }).to_string();
        let mut out = open(data.len());
        out.extend_from_slice(data.as_bytes());
        close(&mut out, self.ports.clock.now());
        Ok(respond(StatusCode::OK, out))
    }

    /// One event of a batch, or the reason for rejecting it.
    fn enriched(
        &self,
        site: &Site,
        raw: &RawValue,
        context: &ServerContext,
        opted_out: bool,
    ) -> Result<Enriched, Rejection> {
        if opted_out {
            return Err(Outcome::GpcOptedOut.into());
        }
        let (event, page) = parsed(raw)?;
        let happened_ms = happened(event.ts, self.ports.clock.now().timestamp_millis())?;
        let beacon = beacon_of(event, page, site, context)?;
        if !beacon.kind.is_activity() {
            return Err(Error::invalid("type", "must not be a heartbeat; only browsers send them").into());
        }
        let user_agent = context.user_agent.as_deref().unwrap_or_default();
        let sender = Sender {
            address: context.client_ip.as_deref().and_then(address_of),
            happened_ms: Some(happened_ms),
            user_agent,
            opted_out: false,
            // A server that omits the visitor's user agent is not a bot for that reason.
            machine: if user_agent.is_empty() { Some("") } else { None },
            collapses: false,
        };
        Ok(self.chain.event(Admitted::new(site, beacon, sender)?)?)
    }
}

fn is_json(head: &Head) -> bool {
    head.text(&header::CONTENT_TYPE).is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    })
}

/// Whether a key has access to a website.
fn reaches(caller: &Caller, site: &Site) -> bool {
    match caller {
        Caller::Key { team, website, .. } => {
            *team == site.rules.team && website.is_none_or(|only| only == site.rules.website)
        }
        _ => false,
    }
}

/// Reads one event. `url` and `referrer` are reserved property names, so they are read separately.
fn parsed(raw: &RawValue) -> Result<(WireEvent, Place)> {
    let wrong = || {
        Error::invalid(
            "event",
            "must be an object with type, name, visitorId, sessionId, idempotencyKey (strings), ts (number), props (object)",
        )
    };
    // serde reads a struct from an array as well.
    if !is_object(raw.get().as_bytes()) {
        return Err(wrong());
    }
    let event = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    let located: Located = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    Ok((event, located.props.unwrap_or_default()))
}

/// When an event happened, in milliseconds since 1970 UTC.
fn happened(sent: Option<f64>, now_ms: i64) -> Result<i64, Outcome> {
    match sent {
        None => Ok(now_ms),
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds compared with")]
        #[expect(clippy::cast_precision_loss, reason = "milliseconds stay far below 2^53")]
        Some(at) if at >= (now_ms - OLDEST_MS) as f64 && at <= (now_ms + AHEAD_MS) as f64 => {
            Ok((at as i64).min(now_ms))
        }
        Some(_) => Err(Outcome::BadTime),
    }
}

fn beacon_of(event: WireEvent, place: Place, site: &Site, context: &ServerContext) -> Result<Beacon> {
    // Server events have no page: they belong to the website as a whole.
    let page = Page::parse(place.url.as_deref().unwrap_or(&format!("https://{}/", site.rules.senders.domain)))?;
    let visitor_id = if event.visitor_id.is_some() { "visitorId" } else { "sessionId" };
    let visitor = event.visitor_id.or(event.session_id);
    let mut properties = event.props.unwrap_or_default();
    // Stored beside browser events, told apart by this.
    properties.set("source", "server");
    let name = event.name.or_else(|| properties.text("name").map(str::to_owned)).unwrap_or_default();
    let thing = Thing {
        fields: Fields { event_id: "idempotencyKey", event_id_length: 1..=200, visitor_id, properties: "props" },
        kind: event.kind.ok_or_else(|| Error::invalid("type", "is missing"))?,
        name,
        event_id: event.idempotency_key,
        visitor_id: visitor,
        page,
        properties,
    };
    thing.into_beacon(|beacon| Beacon {
        title: clean(place.title.as_deref().unwrap_or_default(), 300),
        referrer: clean(place.referrer.as_deref().unwrap_or_default(), 2_000),
        language: context.accept_language.clone().unwrap_or_default(),
        ..beacon
    })
}

/// `GpcOptedOut` as `gpc_opted_out`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
