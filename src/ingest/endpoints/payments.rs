//! Notices of payment providers: a signed payment or refund becomes a revenue event (CONTRACT 13).
//!
//! - The secret that the provider signs with is the website's. Without it, or with another provider, nothing is accepted.
//! - A notice may come again: an order counts once, and so does each of its refunds.
//! - A payment belongs to the visitor that its metadata names, else to the person with the e-mail address or customer ID,
//!   else to a visitor of its own; a refund to the visitor of its order. It takes the acquisition of that visitor's last visit.

mod notice;
mod signature;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{Response, StatusCode},
    routing::post,
};
use schema::{
    analytics::{event::shared, event_kind::EventKind},
    error::{Error, Result},
    ports::PayerQuery,
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use self::notice::Payment;
use super::{Gateway, bounded};
use crate::ingest::{
    admission::{Admitted, Sender},
    beacon::{Beacon, Money},
    chain::{id_of, order_key},
    identity::{DAY_MS, Identity},
    page::Page,
    properties::Properties,
    rules::Site,
    submission::{Submission, VisitorKey},
};
use crate::rest::envelope::{Fault, refuse, respond};

/// Maximum size of a notice, in bytes.
const NOTICE_BYTES: usize = 256 * 1024;

/// Maximum age of a payment, in milliseconds.
const OLDEST_MS: i64 = 365 * DAY_MS;

/// A provider whose notices are understood.
#[derive(Debug, Clone, Copy)]
enum Provider {
    Stripe,
    Paddle,
}

impl Provider {
    const fn scheme(self) -> signature::Scheme {
        match self {
            Self::Stripe => signature::STRIPE,
            Self::Paddle => signature::PADDLE,
        }
    }

    /// As websites store it.
    const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paddle => "paddle",
        }
    }

    fn payment(self, notice: &Value) -> Option<Payment> {
        match self {
            Self::Stripe => notice::of_stripe(notice),
            Self::Paddle => notice::of_paddle(notice),
        }
    }
}

#[derive(Deserialize)]
struct Named {
    website: Option<String>,
}

/// The routes: `/webhooks/stripe/:websiteId`, `/webhooks/paddle/:websiteId`, and both with `?website=` instead.
pub fn routes(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    for provider in [Provider::Stripe, Provider::Paddle] {
        let by_path = move |State(gateway): State<Arc<Gateway>>, Path(website): Path<String>, request: Request| async move {
            answer(&gateway, provider, &website, request).await
        };
        let by_query = move |State(gateway): State<Arc<Gateway>>, Query(named): Query<Named>, request: Request| async move {
            answer(&gateway, provider, &named.website.unwrap_or_default(), request).await
        };
        router = router
            .route(&format!("/webhooks/{}/{{website}}", provider.name()), post(by_path))
            .route(&format!("/webhooks/{}", provider.name()), post(by_query));
    }
    router.with_state(gateway)
}

async fn answer(gateway: &Gateway, provider: Provider, website: &str, request: Request) -> Response<Body> {
    match receive(gateway, provider, website, request).await {
        Ok(()) => respond(StatusCode::OK, &br#"{"success":true}"#[..]),
        Err(error) => {
            let now = gateway.ports.clock.now();
            refuse(&Fault::from_error(&error), now)
        }
    }
}

async fn receive(gateway: &Gateway, provider: Provider, website: &str, request: Request) -> Result<()> {
    let (parts, body) = request.into_parts();
    let body = bounded(&parts.headers, body, NOTICE_BYTES).await?;
    let site = match website.parse::<Uuid>() {
        Ok(id) => gateway.sites.by_id(id).await?,
        Err(_) => None,
    };
    // The same answer whatever is wrong, so that nobody learns which websites there are.
    let refused = || Error::unauthenticated("The signature is not valid for this website and its webhook secret.");
    let site = site.ok_or_else(refused)?;
    let secret = site.rules.payments.as_ref().filter(|(configured, _)| configured == provider.name());
    let (_, secret) = secret.ok_or_else(refused)?;
    let scheme = provider.scheme();
    let header = parts.headers.get(scheme.header).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now_ms = gateway.ports.clock.now().timestamp_millis();
    if !scheme.verifies(secret, header, &body, now_ms.div_euclid(1000)) {
        return Err(refused());
    }
    let notice: Value = serde_json::from_slice(&body).map_err(|_| Error::invalid("body", "is not valid JSON"))?;
    match provider.payment(&notice) {
        Some(payment) => store(gateway, &site, provider, payment, now_ms).await,
        // Providers send whatever the account subscribes to, and repeat what is refused.
        None => Ok(()),
    }
}

/// The payment as an event.
async fn store(gateway: &Gateway, site: &Site, provider: Provider, payment: Payment, now_ms: i64) -> Result<()> {
    let website = site.rules.website;
    let identity = Identity::new(&gateway.chain.secret, website);
    let named = payment.visitor_id.as_deref().filter(|id| !site.rules.cookieless && (8..=64).contains(&id.len()));
    let is_refund = payment.refund_id.is_some();
    let payer = PayerQuery {
        website,
        order: is_refund.then(|| id_of(website, &order_key(&payment.order_id))),
        visitor: named.map(|id| identity.known(id)),
        email: payment.email.clone(),
        customer_id: payment.customer_id.clone(),
    };
    let payer = gateway.ports.events.payer(&payer).await?;
    let mut properties = Properties::default();
    properties.set("order_id", payment.order_id.as_str());
    properties.set("source", provider.name());
    if let Some(refund_id) = &payment.refund_id {
        properties.set("refund_id", refund_id.as_str());
    }
    let micros = if is_refund { -payment.micros } else { payment.micros };
    let beacon = Beacon {
        kind: EventKind::Revenue,
        name: "revenue".to_owned(),
        event_id: None,
        visitor_id: None,
        session: String::new(),
        page: Page::parse(&format!("https://{}/", site.rules.senders.domain))?,
        title: String::new(),
        referrer: String::new(),
        user_agent: None,
        webdriver: false,
        device: String::new(),
        screen: String::new(),
        language: String::new(),
        at_ms: None,
        sent_ms: None,
        properties,
        traits: String::new(),
        money: Some(Money { micros, currency: payment.currency }),
    };
    let happened_ms = payment.at_s.saturating_mul(1000).clamp(now_ms - OLDEST_MS, now_ms);
    let sender = Sender {
        address: None,
        user_agent: "",
        happened_ms: Some(happened_ms),
        opted_out: false,
        machine: Some(""),
        collapses: false,
    };
    let mut submission = Submission::default();
    match Admitted::new(site, beacon, sender) {
        Ok(admitted) => {
            let mut enriched = gateway.chain.event(admitted)?;
            let known = match payer {
                Some(payer) => {
                    enriched.event.acquisition = Arc::new(payer.acquisition);
                    payer.visitor
                }
                None => {
                    let customer = payment.customer_id.or(payment.email).unwrap_or(payment.order_id);
                    identity.known(named.unwrap_or(&format!("{}\0{customer}", provider.name())))
                }
            };
            enriched.event.visitor = VisitorKey::Known(known);
            enriched.event.bot = shared("");
            submission.events.push(enriched);
        }
        Err(outcome) => submission.dropped.push((website, outcome)),
    }
    gateway.intake.take(submission).await?;
    Ok(())
}
