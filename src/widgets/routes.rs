//! Routes of the widgets: find the website, query its numbers, render.
//!
//! - Counts only: pages, visitors and referrers are not exposed. Public unless the website's `publicRealtime` is false.
//! - An invalid parameter falls back to its default; an unknown code gets a small page that says so.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderValue, Response, StatusCode, header},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Timelike as _};
use schema::{
    Ports,
    analytics::{
        country::country_name,
        plan::{Answer, Asker, Basis, MetricSet, Panel, Plan},
        query::{Dimension, Interval, Metric, SortDirection, Span},
        zone,
    },
    error::{Error, Result},
    goal_rule::Goals,
    traffic::Rules,
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    look::Look,
    page::{self, Country, Hour, PreviewNumbers, REFRESH_SCRIPT, RealtimeNumbers, RecentNumbers},
};
use crate::ingest::sites::Sites;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// Maximum number of countries; there are fewer than 250.
const COUNTRIES: u32 = 250;

/// State shared by the routes.
#[derive(Clone)]
pub struct Widgets {
    ports: Ports,
    sites: Sites,
    policy: HeaderValue,
}

/// Appearance of a widget; all parameters are optional.
#[derive(Deserialize, Default)]
struct Wishes {
    theme: Option<String>,
    color: Option<String>,
    lang: Option<String>,
}

/// Mounts the widgets.
pub fn routes(ports: Ports, sites: Sites) -> Router {
    let hash = STANDARD.encode(Sha256::digest(REFRESH_SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; connect-src 'self'; frame-ancestors *"
    );
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let widgets = Arc::new(Widgets { ports, sites, policy });
    Router::new()
        .route("/widgets/{p2}/realtime", get(realtime))
        .route("/widgets/{p2}/preview", get(preview))
        .route("/widgets/{p2}/recent", get(recent))
        .with_state(widgets)
}

type Wished = std::result::Result<Query<Wishes>, QueryRejection>;

async fn realtime(State(widgets): State<Arc<Widgets>>, Path(code): Path<String>, wishes: Wished) -> Response<Body> {
    let drawn = async {
        let rules = widgets.rules(&code).await?;
        let figures = widgets.ports.live.figures(rules.website);
        let numbers = RealtimeNumbers { live: figures.visitors, minutes: figures.visitor_minutes };
        Ok(page::realtime(&numbers, &look(wishes)))
    };
    widgets.respond(drawn.await)
}

async fn preview(State(widgets): State<Arc<Widgets>>, Path(code): Path<String>, wishes: Wished) -> Response<Body> {
    let drawn = async {
        let rules = widgets.rules(&code).await?;
        Ok(page::preview(&widgets.timeline(&rules).await?, &look(wishes)))
    };
    widgets.respond(drawn.await)
}

async fn recent(State(widgets): State<Arc<Widgets>>, Path(code): Path<String>, wishes: Wished) -> Response<Body> {
    let drawn = async {
        let rules = widgets.rules(&code).await?;
        Ok(page::recent(&widgets.countries(&rules).await?, &look(wishes)))
    };
    widgets.respond(drawn.await)
}

fn look(wishes: Wished) -> Look {
    let wishes = wishes.map(|Query(wishes)| wishes).unwrap_or_default();
    Look::parse(wishes.theme.as_deref(), wishes.color.as_deref(), wishes.lang.as_deref())
}

impl Widgets {
    async fn rules(&self, code: &str) -> Result<Rules> {
        let site = self.sites.by_code(code).await?.filter(|site| site.rules.public_realtime);
        site.map(|site| site.rules.clone()).ok_or_else(|| Error::not_found("A website with this tracking code"))
    }

    /// The last 24 hours: this one and the 23 before.
    fn day(&self, rules: &Rules) -> Span {
        let now_ms = self.ports.clock.now().timestamp_millis();
        let local = DateTime::from_timestamp_millis(now_ms).unwrap_or_default().with_timezone(&rules.timezone);
        let begun_ms = i64::from(local.minute() * 60 + local.second()) * 1000 + now_ms.rem_euclid(1000);
        Span { start_ms: now_ms - begun_ms - 23 * HOUR_MS, end_ms: now_ms - now_ms.rem_euclid(10_000) + 10_000 }
    }

    fn basis(&self, rules: &Rules) -> Basis {
        let (span, currency) = (self.day(rules), rules.currency.clone());
        Basis { website: rules.website, span, filters: Vec::new(), currency, bots: false, goals: Goals::default() }
    }

    async fn timeline(&self, rules: &Rules) -> Result<PreviewNumbers> {
        let basis = self.basis(rules);
        let edges = zone::edges(basis.span, Interval::Hour, rules.timezone)?;
        let metrics = MetricSet::NONE.with(Metric::Visitors).with(Metric::Pageviews);
        let panels = vec![Panel::Totals { metrics }, Panel::Series { edges: edges.clone().into(), metrics }];
        let mut hours: Vec<Hour> = edges
            .iter()
            .take(edges.len().saturating_sub(1))
            .map(|ms| {
                let start = DateTime::from_timestamp_millis(*ms).unwrap_or_default().with_timezone(&rules.timezone);
                Hour { label: start.format("%H:%M").to_string(), visitors: 0, pageviews: 0 }
            })
            .collect();
        let mut visitors = 0;
        for answer in self.ports.events.ask(&Plan { asker: Asker::Anonymous, basis, panels }).await? {
            match answer {
                Answer::Totals(sums) => visitors = count(sums.visitors),
                Answer::Series(rows) => {
                    for (at, sums) in rows {
                        if let Some(hour) = hours.get_mut(at) {
                            (hour.visitors, hour.pageviews) = (count(sums.visitors), count(sums.pageviews));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(PreviewNumbers { visitors, hours })
    }

    async fn countries(&self, rules: &Rules) -> Result<RecentNumbers> {
        let panel = Panel::Breakdown {
            by: Dimension::Country,
            property: None,
            metrics: MetricSet::NONE.with(Metric::Visitors),
            order: Metric::Visitors,
            direction: SortDirection::Desc,
            after: None,
            limit: COUNTRIES,
            search: None,
            other: false,
        };
        let answers = self
            .ports
            .events
            .ask(&Plan { asker: Asker::Anonymous, basis: self.basis(rules), panels: vec![panel] })
            .await?;
        let rows = answers.into_iter().find_map(|answer| match answer {
            Answer::Breakdown { rows, .. } => Some(rows),
            _ => None,
        });
        let countries = rows.unwrap_or_default().into_iter().map(|row| {
            let name = country_name(&row.key).unwrap_or("").to_owned();
            Country { code: row.key, name, visitors: count(row.sums.visitors) }
        });
        Ok(RecentNumbers { countries: countries.collect() })
    }

    fn respond(&self, drawn: Result<String>) -> Response<Body> {
        let (status, body) = match drawn {
            Ok(page) => (StatusCode::OK, page),
            Err(error) => {
                if let Error::Internal(source) = &error {
                    tracing::error!(error.source = ?source, "cannot render a widget");
                }
                let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (
                    status,
                    format!(
                        "<!doctype html><html lang=\"en\"><title>Footfall</title><p>{}</p></html>",
                        error.message()
                    ),
                )
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=5"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
