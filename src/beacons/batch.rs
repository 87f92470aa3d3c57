//! Batches of servers: at most 1,000 events with an API key, each with its own result (CONTRACT 9.8).

use axum::{
    body::Body,
    http::{Response, StatusCode, header},
};
use schema::{
    access::Caller,
    auth::caller_of_key,
    error::{Error, Result},
    traffic::Outcome,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Gateway, Head, bounded, is_browsers, is_kept};
use crate::{
    http::Credential,
    ingest::{
        address::address_of,
        beacon::{Beacon, Thing, is_object, page_of},
        chain::Sender,
        fields::Fields,
        identity::DAY_MS,
        properties::{Properties, clean},
        rules::Site,
        submission::{Incoming, Submission},
    },
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
    /// `url` and `referrer` are reserved property names, so they are read separately.
    #[serde(skip)]
    page: Option<Place>,
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

/// Accepts a batch. Returns the number of accepted events, and the reasons for rejecting the others.
pub(super) async fn answer(gateway: &Gateway, head: &Head, body: Body) -> Result<Response<Body>> {
    let caller = match Credential::read(&head.headers)? {
        Credential::Key(key) => caller_of_key(&gateway.ports, &key).await?,
        _ => {
            return Err(Error::unauthenticated(
                "API key is missing or not valid. Send a key that starts with `zv_` in `Authorization: Bearer` or `X-API-Key`.",
            ));
        }
    };
    let is_json = head.text(&header::CONTENT_TYPE).is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    });
    if !is_json {
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
        gateway.sites.by_code(&code).await?.ok_or_else(|| Error::not_found("A website with this trackingCode"))?;
    let reaches = match caller {
        Caller::Key { team, website, .. } => {
            team == site.rules.team && website.is_none_or(|only| only == site.rules.website)
        }
        _ => false,
    };
    if !reaches {
        return Err(Error::forbidden("This API key doesn't have access to this website."));
    }
    let events = wire.events.ok_or_else(|| Error::invalid("events", "is missing"))?;
    if events.len() > MAX_EVENTS {
        return Err(Error::invalid("events", format!("must have at most {MAX_EVENTS} events (got {})", events.len())));
    }
    let context = wire.server_context.unwrap_or_default();
    let opted_out = head.opted_out();
    let verdicts: Vec<_> = events.iter().map(|raw| incoming(gateway, &site, raw, &context, opted_out)).collect();
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
    let outcomes = gateway.intake.take(submission).await?;
    let mut accepted = 0;
    for (index, outcome) in places.into_iter().zip(outcomes) {
        accepted += u64::from(is_kept(outcome));
        if outcome != Outcome::Accepted {
            rejections.push((index, Rejection { reason: outcome, message: None }));
        }
    }
    rejections.sort_by_key(|(index, _)| *index);
    let rejected: Vec<_> = rejections
        .into_iter()
        .map(|(index, rejection)| {
            let mut verdict = json!({ "index": index, "reason": snake(rejection.reason.name()) });
            if let Some(message) = rejection.message {
                verdict["message"] = message.into();
            }
            verdict
        })
        .collect();
    let data = json!({ "accepted": accepted, "rejected": rejected }).to_string();
    let mut out = open(data.len());
    out.extend_from_slice(data.as_bytes());
    close(&mut out, gateway.ports.clock.now());
    Ok(respond(StatusCode::OK, out))
}

/// One event of a batch, or the reason for rejecting it.
fn incoming(
    gateway: &Gateway,
    site: &Site,
    raw: &RawValue,
    context: &ServerContext,
    opted_out: bool,
) -> Result<Incoming, Rejection> {
    let rejected = |reason: Outcome| Rejection { reason, message: None };
    if opted_out {
        return Err(rejected(Outcome::GpcOptedOut));
    }
    let malformed = |error: Error| Rejection { reason: Outcome::Malformed, message: Some(error.message()) };
    let wrong = || {
        malformed(Error::invalid(
            "event",
            "must be an object with type, name, visitorId, sessionId, idempotencyKey (strings), ts (number), props (object)",
        ))
    };
    // serde reads a struct from an array as well.
    if !is_object(raw.get().as_bytes()) {
        return Err(wrong());
    }
    let mut event: WireEvent = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    event.page = serde_json::from_str::<Located>(raw.get()).map_err(|_| wrong())?.props;
    let at_ms = event.ts;
    let now_ms = gateway.ports.clock.now().timestamp_millis();
    let at_ms = match at_ms {
        None => now_ms,
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds compared with")]
        #[expect(clippy::cast_precision_loss, reason = "milliseconds stay far below 2^53")]
        Some(at) if at >= (now_ms - OLDEST_MS) as f64 && at <= (now_ms + AHEAD_MS) as f64 => (at as i64).min(now_ms),
        Some(_) => return Err(rejected(Outcome::BadTime)),
    };
    let beacon = beacon_of(event, site, context).map_err(malformed)?;
    if is_browsers(beacon.kind) {
        return Err(malformed(Error::invalid("type", "must not be a heartbeat; only browsers send them")));
    }
    let address = context.client_ip.as_deref().and_then(address_of);
    let counted =
        site.counts(address.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)), &beacon.page.path);
    counted.map_err(rejected)?;
    let user_agent = context.user_agent.as_deref().unwrap_or_default();
    // A server that omits the visitor's user agent is not a bot for that reason.
    let machine = if user_agent.is_empty() { Some("") } else { None };
    let sender = Sender { address, happened_ms: Some(at_ms), user_agent, opted_out: false, machine, collapses: false };
    gateway.chain.event(site, beacon, &sender).map_err(malformed)
}

fn beacon_of(event: WireEvent, site: &Site, context: &ServerContext) -> Result<Beacon> {
    let place = event.page.unwrap_or_default();
    // Server events have no page: they belong to the website as a whole.
    let page = page_of(place.url.as_deref().unwrap_or(&format!("https://{}/", site.rules.senders.domain)))?;
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
