//! A schema shaped like the real one where REST documents need it, an authenticator with three keys, and a client.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_graphql::{
    EmptyMutation, EmptySubscription, Enum, ID, InputObject, MaybeUndefined, Object, Request as Question, Schema,
    SimpleObject, Value, scalar,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, Response},
};
use chrono::{DateTime, Utc};
use schema::{
    access::Caller,
    analytics::query::{Dimension, FilterInput, Interval, RangeInput, RangePreset},
    error::{Error, Result},
    ports::{Clock, Ids},
    scalars::Instant,
};
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{Auth, Gate, Meter, Pass, Refusal, Rest, Shell};

/// The documents of the External API.
pub const EXTERNAL: &str = include_str!("../../schema/rest/external.graphql");

/// The website that the keys can read.
pub const OWN: &str = "5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6";
/// A website of another team.
pub const FOREIGN: &str = "6f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6";
/// No website.
pub const NOWHERE: &str = "7f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6";

#[derive(Serialize, Deserialize)]
struct BigInt(i64);
scalar!(BigInt);

#[derive(Serialize, Deserialize)]
struct TimeZone(String);
scalar!(TimeZone);

#[derive(Serialize, Deserialize)]
struct Json(Value);
scalar!(Json, "JSON");

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum Permission {
    FullAccess,
    SiteAccess,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum Device {
    Desktop,
    Mobile,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum PlanName {
    Pro,
    Enterprise,
}

#[derive(SimpleObject, Clone)]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(SimpleObject)]
#[graphql(concrete(name = "WebsiteConnection", params(Website)))]
#[graphql(concrete(name = "VisitorConnection", params(Visitor)))]
#[graphql(concrete(name = "BreakdownConnection", params(BreakdownRow)))]
struct Connection<T: async_graphql::OutputType> {
    nodes: Vec<T>,
    total_count: Option<i32>,
    page_info: PageInfo,
}

/// Cuts a page out of rows; the cursor is the index of the last row.
fn page<T: async_graphql::OutputType>(rows: Vec<T>, first: i32, after: Option<String>) -> Connection<T> {
    let total = rows.len();
    let start = after.map_or(0, |after| after.parse::<usize>().unwrap() + 1);
    let end = (start + usize::try_from(first).unwrap()).min(total);
    Connection {
        nodes: rows.into_iter().skip(start).take(end - start).collect(),
        total_count: Some(total.try_into().unwrap()),
        page_info: PageInfo { has_next_page: end < total, end_cursor: (end > start).then(|| (end - 1).to_string()) },
    }
}

struct ApiUsage;

#[Object]
impl ApiUsage {
    async fn api_key_database_id(&self) -> Uuid {
        Uuid::from_u128(0xAB)
    }
    async fn name(&self) -> &str {
        "Nightly"
    }
    async fn permission(&self) -> Permission {
        Permission::FullAccess
    }
    async fn website_database_id(&self) -> Option<Uuid> {
        None
    }
    async fn monthly_requests(&self) -> BigInt {
        BigInt(812)
    }
    async fn monthly_limit(&self) -> BigInt {
        BigInt(10_000)
    }
    async fn monthly_remaining(&self) -> BigInt {
        BigInt(9_188)
    }
    async fn monthly_reset_at(&self) -> Instant {
        Instant("2026-04-01T00:00:00Z".parse().unwrap())
    }
    async fn total_requests(&self) -> BigInt {
        BigInt(20_417)
    }
    async fn requests_per_minute(&self) -> i32 {
        30
    }
    async fn plan(&self) -> PlanName {
        PlanName::Pro
    }
    async fn websites(&self, first: i32, after: Option<String>) -> Connection<Website> {
        let rows = (0..250).map(|n| Website { id: Uuid::from_u128(n), domain: format!("{n}.example") }).collect();
        page(rows, first, after)
    }
}

struct Website {
    id: Uuid,
    domain: String,
}

#[derive(SimpleObject)]
struct Settings {
    track_outbound_links: bool,
    track_downloads: bool,
    session_replay: bool,
    heatmaps: bool,
}

#[Object]
impl Website {
    /// Its ID in REST.
    async fn database_id(&self) -> Uuid {
        self.id
    }
    /// Its host.
    async fn domain(&self) -> &str {
        &self.domain
    }
    async fn name(&self) -> &str {
        "Shop"
    }
    async fn tracking_code(&self) -> &str {
        "ZV_k3Jq9sT1vWxYz"
    }
    async fn is_active(&self) -> bool {
        true
    }
    async fn created_at(&self) -> Instant {
        Instant("2026-01-09T08:00:00Z".parse().unwrap())
    }
    async fn team_database_id(&self) -> Uuid {
        Uuid::from_u128(1)
    }
    async fn user_database_id(&self) -> Option<Uuid> {
        None
    }
    async fn settings(&self) -> Settings {
        Settings { track_outbound_links: true, track_downloads: true, session_replay: false, heatmaps: true }
    }
    async fn analytics(
        &self,
        range: RangeInput,
        timezone: Option<TimeZone>,
        filters: Option<Vec<FilterInput>>,
    ) -> Result<Analytics> {
        assert_eq!(timezone.unwrap().0, "UTC");
        match range {
            RangeInput::Preset(RangePreset::LastYear) => Err(Error::TimedOut { seconds: 5, is_mutation: false }),
            RangeInput::Preset(RangePreset::Last24Hours) => panic!("the toy panics on 24 hours"),
            _ => Ok(Analytics { known_only: filters.is_some() }),
        }
    }
}

struct Analytics {
    known_only: bool,
}

#[derive(SimpleObject)]
struct InstantRange {
    start: Instant,
    end: Instant,
    start_date: String,
    end_date: String,
}

#[derive(SimpleObject)]
struct Metrics {
    visitors: BigInt,
    visits: BigInt,
    pageviews: BigInt,
    /// Share of visits that bounced, 0 to 1.
    bounce_rate: Option<f64>,
    average_score: Option<f64>,
}

#[derive(SimpleObject)]
struct SeriesPoint {
    date: String,
    metrics: Metrics,
}

#[derive(SimpleObject)]
struct BreakdownRow {
    value: String,
    label: Option<String>,
    share: Option<f64>,
    page: Option<Page>,
    metrics: Metrics,
}

#[derive(SimpleObject)]
struct Page {
    title: Option<String>,
    entries: BigInt,
    exits: BigInt,
    time_on_page_seconds: Option<f64>,
}

#[derive(SimpleObject)]
struct Visitor {
    visitor_id: Uuid,
    country: Option<String>,
    country_name: Option<String>,
    city: Option<String>,
    device: Option<Device>,
    browser: Option<String>,
    os: Option<String>,
    value_score: i32,
    visited_at: Instant,
    landing_page: Option<String>,
    referrer: Option<String>,
    had_interaction: bool,
}

fn metrics() -> Metrics {
    Metrics {
        visitors: BigInt(2),
        visits: BigInt(3),
        pageviews: BigInt(5),
        bounce_rate: Some(0.382_49),
        average_score: Some(47.254_9),
    }
}

#[Object]
impl Analytics {
    async fn range(&self) -> InstantRange {
        InstantRange {
            start: Instant("2026-02-25T05:06:07Z".parse().unwrap()),
            end: Instant("2026-03-04T05:06:07Z".parse().unwrap()),
            start_date: "2026-02-25".into(),
            end_date: "2026-03-04".into(),
        }
    }
    async fn totals(&self) -> Metrics {
        metrics()
    }
    async fn series(&self, interval: Interval) -> Vec<SeriesPoint> {
        assert_eq!(interval, Interval::Day);
        ["2026-02-25", "2026-02-26"].map(|date| SeriesPoint { date: date.into(), metrics: metrics() }).into()
    }
    async fn breakdown(&self, by: Dimension, first: i32, after: Option<String>) -> Connection<BreakdownRow> {
        let value = |n: i32| match by {
            Dimension::Country if n > 0 && self.known_only => "SE".to_owned(),
            Dimension::Country => String::new(),
            _ => format!("{by:?} {n}"),
        };
        let count = if by == Dimension::Browser { 101 } else { 2 };
        let page_of = || Page {
            title: Some("Pricing".into()),
            entries: BigInt(80),
            exits: BigInt(55),
            time_on_page_seconds: Some(41.46),
        };
        let row = |n| BreakdownRow {
            value: value(n),
            label: None,
            share: Some(0.640_9),
            page: (by == Dimension::Page && n == 1).then(page_of),
            metrics: metrics(),
        };
        page((1..=count).map(row).collect(), first, after)
    }
    /// A page of visitors.
    async fn visitors(
        &self,
        #[graphql(desc = "Rows at most.")] first: i32,
        #[graphql(desc = "Rows to pass over.")] offset: i32,
    ) -> Connection<Visitor> {
        let row = |n: u128| Visitor {
            visitor_id: Uuid::from_u128(n),
            country: Some("NL".into()),
            country_name: Some("Netherlands".into()),
            city: None,
            device: Some(Device::Mobile),
            browser: Some("Safari".into()),
            os: Some("iOS".into()),
            value_score: 63,
            visited_at: Instant("2026-03-04T04:58:00Z".parse().unwrap()),
            landing_page: Some("/pricing\"<".into()),
            referrer: None,
            had_interaction: true,
        };
        page((0..5).map(row).collect(), first, (offset > 0).then(|| (offset - 1).to_string()))
    }
}

/// Input for a note.
#[derive(InputObject)]
struct NoteInput {
    /// Its text.
    note_text: String,
    kind: MaybeUndefined<Permission>,
    extra: MaybeUndefined<Json>,
}

pub struct Query;

#[Object]
impl Query {
    async fn api_usage(&self) -> Option<ApiUsage> {
        Some(ApiUsage)
    }
    async fn website(&self, id: ID) -> Result<Option<Website>> {
        let id = Uuid::parse_str(&id).map_err(|_| Error::invalid("id", "must be an id"))?;
        match id.to_string().as_str() {
            OWN => Ok(Some(Website { id, domain: "shop.example".into() })),
            FOREIGN => Err(Error::forbidden("This key does not reach the website.")),
            _ => Err(Error::not_found("The website")),
        }
    }
    /// Reports what became of a note, which distinguishes absent and null.
    async fn note(&self, input: NoteInput) -> Json {
        let kind = match input.kind {
            MaybeUndefined::Undefined => "absent".to_owned(),
            MaybeUndefined::Null => "null".to_owned(),
            MaybeUndefined::Value(kind) => format!("{}", async_graphql::resolver_utils::enum_value(kind)),
        };
        let extra = input.extra.take().map_or(Value::Null, |json| json.0);
        Json(async_graphql::value!({ "note": (input.note_text), "kind": kind, "extra": extra }))
    }
    async fn never(&self) -> Option<i32> {
        std::future::pending().await
    }
    async fn nothing(&self) -> Option<i32> {
        None
    }
}

/// A fixed clock.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        "2026-03-04T05:06:07Z".parse().unwrap()
    }
}

impl Ids for Still {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(0x1D)
    }
    fn secret(&self, _length: usize) -> String {
        String::new()
    }
}

/// Knows `zv_good`, `zv_spent` (over its limit) and `zv_stranger` (no access by body).
pub struct ToyGate;

#[async_trait::async_trait]
impl Gate for ToyGate {
    async fn admit(&self, headers: &HeaderMap, _: Option<IpAddr>, auth: Auth) -> std::result::Result<Pass, Refusal> {
        let meter = Some(Meter::unlimited(Still.now(), 7, 9));
        let dress: Arc<dyn Fn(Question) -> Question + Send + Sync> = Arc::new(|question| question);
        if auth == Auth::None {
            return Ok(Pass { caller: Caller::Anonymous, dress, meter: None, moment: None });
        }
        match headers.get("x-api-key").and_then(|key| key.to_str().ok()) {
            Some("zv_good" | "zv_stranger") => Ok(Pass { caller: Caller::Anonymous, dress, meter, moment: None }),
            Some("zv_spent") => Err(Refusal { error: Error::RateLimited { retry_after: 17, limit: 30 }, meter }),
            _ => Err(Error::unauthenticated("The API key is missing or not valid.").into()),
        }
    }
}

pub fn schema() -> Schema<Query, EmptyMutation, EmptySubscription> {
    Schema::new(Query, EmptyMutation, EmptySubscription)
}

/// The toy's SDL, with the access rules of the real schema.
pub fn sdl() -> String {
    let field = "website(id: ID!): Website";
    let sdl = schema().sdl();
    assert!(sdl.contains(field), "{sdl}");
    sdl.replace(field, "website(id: ID!): Website @access(on: WEBSITE, min: VIEWER)")
}

pub fn rest(documents: &[&str]) -> Rest {
    Rest::load(documents, &sdl()).unwrap()
}

pub fn router(documents: &[&str]) -> Router {
    limited(documents, Duration::from_secs(60), usize::MAX)
}

/// A router with a time limit and a size limit for responses.
pub fn limited(documents: &[&str], timeout: Duration, answer_bytes: usize) -> Router {
    let (executor, gate, clock) = (Arc::new(schema()), Arc::new(ToyGate), Arc::new(Still));
    rest(documents).router(Shell { executor, gate, clock, timeout, answer_bytes })
}

/// A response with its body read.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

pub async fn get(router: &Router, path: &str) -> Answer {
    let request = Request::get(path).header("x-api-key", "zv_good").body(Body::empty()).unwrap();
    send(router, request).await
}
