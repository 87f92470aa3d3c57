//! Live figures, the ledger and subscriptions, over traffic that the test makes up.

use std::sync::{Arc, Mutex};

use async_graphql::{Request, Response, Variables};
use async_trait::async_trait;
use chrono::Duration;
use footfall_schema::{
    Cx, Result,
    access::Role,
    analytics::{
        event::{Acquisition, Agent, Event, EventKind, Place},
        plan::{Answer, Panel, Plan, Sums},
    },
    ports::{Appended, Events, Ledger, Live},
    traffic::{LiveFigures, Outcome, SetUp},
};
use futures_util::{
    StreamExt as _,
    stream::{BoxStream, unfold},
};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::app::{App, Client};

const UNKNOWN: &str = "00000000-0000-7000-8000-000000000000";
const REALTIME: &str = "visitors { current today change } pageviews { current today change }
    countries { country countryName count } topPages { path visitors } minutes at";

/// What the test says is there.
struct Traffic {
    figures: broadcast::Sender<LiveFigures>,
    events: broadcast::Sender<Arc<Event>>,
    asked: Mutex<Vec<Plan>>,
    counted_since_ms: Mutex<Vec<i64>>,
}

fn figures(visitors: u64) -> LiveFigures {
    LiveFigures {
        visitors,
        pageviews: 19,
        minutes: vec![0, 5, 14],
        visitor_minutes: vec![0, 3, 7],
        countries: vec![("NL".into(), 4), (String::new(), 3)],
        pages: vec![("/".into(), 5), ("/pricing".into(), 2)],
    }
}

fn stream_of<T: Clone + Send + 'static>(sender: &broadcast::Sender<T>) -> BoxStream<'static, T> {
    unfold(sender.subscribe(), async |mut receiver| {
        let item = receiver.recv().await.ok()?;
        Some((item, receiver))
    })
    .boxed()
}

impl Live for Traffic {
    fn figures(&self, _: Uuid) -> LiveFigures {
        figures(7)
    }
    fn visitors(&self, _: Uuid) -> u64 {
        7
    }
    fn version(&self) -> u64 {
        0
    }
    fn changes(&self, _: Uuid) -> BoxStream<'static, LiveFigures> {
        stream_of(&self.figures)
    }
    fn events(&self, _: Uuid) -> BoxStream<'static, Arc<Event>> {
        stream_of(&self.events)
    }
}

#[async_trait]
impl Ledger for Traffic {
    async fn counts(&self, _: Uuid, since_ms: i64) -> Result<Vec<(Outcome, u64)>> {
        self.counted_since_ms.lock().unwrap().push(since_ms);
        Ok(vec![
            (Outcome::Accepted, 90),
            (Outcome::Bot, 3),
            (Outcome::ForeignOrigin, 5),
            (Outcome::Paused, 0),
            (Outcome::Duplicate, 2),
        ])
    }
    async fn last_event(&self, _: Uuid) -> Result<Option<i64>> {
        Ok(Some(1_772_600_000_000))
    }
    async fn warnings(&self, _: Uuid, _: &SetUp) -> Result<Vec<String>> {
        Ok(vec!["Nearly all events come from one private address.".into()])
    }
}

#[async_trait]
impl Events for Traffic {
    async fn ask(&self, plan: &Plan) -> Result<Vec<Answer>> {
        self.asked.lock().unwrap().push(plan.clone());
        let sums = |visitors, pageviews| Sums { visitors, pageviews, ..Sums::default() };
        let answer = |panel: &Panel| match panel {
            Panel::Series { .. } => Answer::Series(vec![(0, sums(4, 8)), (1, sums(5, 6))]),
            _ => Answer::Totals(sums(5, 6)),
        };
        Ok(plan.panels.iter().map(answer).collect())
    }
    async fn first_event(&self, _: Uuid) -> Result<Option<i64>> {
        Ok(None)
    }
    async fn count_since(&self, _: &[Uuid], _: i64) -> Result<u64> {
        Ok(0)
    }
    async fn append(&self, _: Vec<Event>, _: i64) -> Result<Appended> {
        Ok(Appended::default())
    }
}

async fn app() -> (App, Arc<Traffic>) {
    let traffic = Arc::new(Traffic {
        figures: broadcast::channel(16).0,
        events: broadcast::channel(16).0,
        asked: Mutex::default(),
        counted_since_ms: Mutex::default(),
    });
    let mut app = App::new().await;
    app.ports.live = traffic.clone();
    app.ports.ledger = traffic.clone();
    app.ports.events = traffic.clone();
    (app, traffic)
}

async fn code_of(owner: &Client<'_>, site: &str) -> String {
    let data = owner.ok("query($id: ID!) { website(id: $id) { trackingCode } }", json!({ "id": site })).await;
    data["website"]["trackingCode"].as_str().unwrap().to_owned()
}

async fn update(owner: &Client<'_>, site: &str, input: Value) {
    let document = "mutation($id: ID!, $input: WebsiteUpdateGeneralInput!) { websiteUpdateGeneral(websiteId: $id, input: $input) { website { id } } }";
    owner.ok(document, json!({ "id": site, "input": input })).await;
}

#[tokio::test]
async fn whoever_knows_the_tracking_code_sees_counts_and_nothing_else() {
    let (app, _) = app().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    let code = code_of(&owner, &site).await;
    let document = "query($code: String!) {
        liveSite(trackingCode: $code) { trackingCode domain visitors pageviews minutes countries { country countryName count } at }
        siteStatus(trackingCode: $code) { isActive trackingCode domain lastEventAt at } }";
    let data = app.anonymous().ok(document, json!({ "code": code })).await;
    assert_eq!(
        data["liveSite"],
        json!({ "trackingCode": code, "domain": "shop.example", "visitors": 7, "pageviews": 19, "minutes": [0, 5, 14],
                "countries": [{ "country": "NL", "countryName": "Netherlands", "count": 4 }, { "country": "", "countryName": "Unknown", "count": 3 }],
                "at": "2026-03-04T05:06:07.000Z" })
    );
    assert_eq!(
        data["siteStatus"],
        json!({ "isActive": true, "trackingCode": code, "domain": "shop.example",
                "lastEventAt": "2026-03-04T04:53:20.000Z", "at": "2026-03-04T05:06:07.000Z" })
    );
    for field in ["liveSite", "siteStats", "siteStatus"] {
        for unknown in ["ZV_unknown", "", "a b", "'; --", &"Z".repeat(10_000), &code.to_lowercase()] {
            let document = format!("query($code: String!) {{ {field}(trackingCode: $code) {{ __typename }} }}");
            assert_eq!(
                app.anonymous().code(&document, json!({ "code": unknown })).await,
                "NOT_FOUND",
                "{field} {unknown}"
            );
        }
    }
}

#[tokio::test]
async fn realtime_is_open_until_the_website_keeps_it_to_its_team() {
    let (app, traffic) = app().await;
    let (owner, stranger) = (app.user("olga").await, app.user("sten").await);
    let site = owner.site("shop.example").await;
    update(&owner, &site, json!({ "timezone": "Asia/Tokyo" })).await;
    let open = format!("query($id: ID!) {{ liveWebsite(id: $id) {{ {REALTIME} }} }}");
    let member = format!("query($id: ID!) {{ website(id: $id) {{ realtime {{ {REALTIME} }} }} }}");
    let expected = json!({
        "visitors": { "current": 7, "today": 5, "change": 0.25 },
        "pageviews": { "current": 19, "today": 6, "change": -0.25 },
        "countries": [{ "country": "NL", "countryName": "Netherlands", "count": 4 }, { "country": "", "countryName": "Unknown", "count": 3 }],
        "topPages": [{ "path": "/", "visitors": 5 }, { "path": "/pricing", "visitors": 2 }],
        "minutes": [0, 5, 14],
        "at": "2026-03-04T05:06:07.000Z"
    });
    for client in [&app.anonymous(), &stranger, &owner] {
        assert_eq!(client.ok(&open, json!({ "id": site })).await["liveWebsite"], expected);
    }
    assert_eq!(owner.ok(&member, json!({ "id": site })).await["website"]["realtime"], expected);
    {
        // One question for visitors and page views of both days; a day begins at 15:00 UTC in Tokyo.
        let asked = traffic.asked.lock().unwrap();
        assert_eq!(asked.len(), 4);
        assert_eq!(asked[0].panels.len(), 1);
        let span = asked[0].basis.span;
        assert_eq!(span.start().to_rfc3339(), "2026-03-02T15:00:00+00:00");
        assert_eq!(span.end().to_rfc3339(), "2026-03-04T05:06:10+00:00");
    }
    let now = "query($id: ID!) { liveWebsite(id: $id) { visitors { current } topPages { path } } }";
    app.anonymous().ok(now, json!({ "id": site })).await;
    assert_eq!(traffic.asked.lock().unwrap().len(), 4, "what is in memory needs no store");
    for (id, code) in [(UNKNOWN, "NOT_FOUND"), ("nonsense", "VALIDATION_ERROR")] {
        assert_eq!(app.anonymous().code(&open, json!({ "id": id })).await, code);
    }
    update(&owner, &site, json!({ "publicRealtime": false })).await;
    for client in [&app.anonymous(), &stranger] {
        assert_eq!(client.code(&open, json!({ "id": site })).await, "FORBIDDEN");
    }
    let (_, key) = owner.new_key(None).await;
    for client in [&owner, &app.key(&key)] {
        assert_eq!(client.ok(&open, json!({ "id": site })).await["liveWebsite"], expected);
    }
    assert_eq!(app.anonymous().code(&member, json!({ "id": site })).await, "UNAUTHORIZED");
    assert_eq!(stranger.code(&member, json!({ "id": site })).await, "FORBIDDEN");
}

#[tokio::test]
async fn stats_count_calendar_units_of_the_websites_zone() {
    let (app, traffic) = app().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    update(&owner, &site, json!({ "timezone": "America/New_York" })).await;
    let code = code_of(&owner, &site).await;
    let document = "query($code: String!) { siteStats(trackingCode: $code) { visitors { today week month } pageviews { today week month } at } }";
    let data = app.anonymous().ok(document, json!({ "code": code })).await;
    assert_eq!(
        data["siteStats"],
        json!({ "visitors": { "today": 5, "week": 5, "month": 5 }, "pageviews": { "today": 6, "week": 6, "month": 6 },
                "at": "2026-03-04T05:06:07.000Z" })
    );
    let mut starts: Vec<String> =
        traffic.asked.lock().unwrap().iter().map(|plan| plan.basis.span.start().to_rfc3339()).collect();
    starts.sort();
    // 4 March 2026 is a Wednesday.
    assert_eq!(starts, ["2026-03-01T05:00:00+00:00", "2026-03-02T05:00:00+00:00", "2026-03-04T05:00:00+00:00"]);
}

#[tokio::test]
async fn the_ledger_says_what_became_of_everything() {
    let (app, traffic) = app().await;
    let (owner, stranger) = (app.user("olga").await, app.user("sten").await);
    let site = owner.site("shop.example").await;
    let ingest = |arguments: &str| {
        format!(
            "query($id: ID!) {{ website(id: $id) {{ ingest{arguments} {{ received accepted duplicates dropped {{ reason count }} lastEventAt warnings }} }} }}"
        )
    };
    let data = owner.ok(&ingest(""), json!({ "id": site })).await;
    assert_eq!(
        data["website"]["ingest"],
        json!({ "received": 100, "accepted": 90, "duplicates": 2,
                "dropped": [{ "reason": "FOREIGN_ORIGIN", "count": 5 }, { "reason": "BOT", "count": 3 }],
                "lastEventAt": "2026-03-04T04:53:20.000Z",
                "warnings": ["Nearly all events come from one private address."] })
    );
    owner.ok(&ingest("(lastMinutes: 1)"), json!({ "id": site })).await;
    let minute = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
    assert_eq!(
        *traffic.counted_since_ms.lock().unwrap(),
        [minute("2026-03-03T05:06:00Z"), minute("2026-03-04T05:05:00Z")]
    );
    for minutes in [0, -1, 43_201] {
        let document = ingest(&format!("(lastMinutes: {minutes})"));
        assert_eq!(owner.refusal(&document, json!({ "id": site })).await.1, "lastMinutes");
    }
    owner.ok(&ingest("(lastMinutes: 43200)"), json!({ "id": site })).await;
    assert_eq!(stranger.code(&ingest(""), json!({ "id": site })).await, "FORBIDDEN");
}

const COUNTS: &str = "subscription($id: ID!) { liveVisitors(websiteId: $id) { visitors domain at } }";
const EVENTS: &str = "subscription($id: ID!) { eventTracked(websiteId: $id) {
    eventId at type name path title hostname country countryName device browser os referrer source channel visitorId properties
    revenue { amount currency } } }";

async fn subscribe(app: &App, client: &Client<'_>, document: &str, site: &str) -> BoxStream<'static, Response> {
    let caller = client.caller().await.unwrap();
    let variables = Variables::from_json(json!({ "id": site }));
    app.schema.execute_stream(Request::new(document).variables(variables).data(Cx::new(app.ports.clone(), caller)))
}

/// The next answer, for which the stream has to run at least once beforehand: it subscribes on its first turn.
async fn next(stream: &mut BoxStream<'static, Response>) -> Value {
    serde_json::to_value(stream.next().await.unwrap()).unwrap()
}

/// Lets the stream begin, so that what is sent from now on reaches it.
async fn begun(stream: &mut BoxStream<'static, Response>, listening: impl Fn() -> usize, wanted: usize) {
    while listening() < wanted {
        let turn = futures_util::future::select(stream.next(), Box::pin(tokio::task::yield_now())).await;
        assert!(matches!(turn, futures_util::future::Either::Right(_)), "nothing was sent yet");
    }
}

fn code_in(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn a_stream_begins_with_a_proof() {
    let (app, _) = app().await;
    let (owner, stranger) = (app.user("olga").await, app.user("sten").await);
    let site = owner.site("shop.example").await;
    for document in [COUNTS, EVENTS] {
        for (client, id, code) in [
            (&app.anonymous(), site.as_str(), "UNAUTHORIZED"),
            (&stranger, site.as_str(), "FORBIDDEN"),
            (&owner, UNKNOWN, "NOT_FOUND"),
            (&owner, "nonsense", "VALIDATION_ERROR"),
        ] {
            let mut stream = subscribe(&app, client, document, id).await;
            assert_eq!(code_in(&next(&mut stream).await), code);
            assert!(stream.next().await.is_none(), "a refused stream is over");
        }
    }
}

#[tokio::test]
async fn counts_arrive_as_they_change_and_end_when_access_does() {
    let (app, traffic) = app().await;
    let (owner, viewer) = (app.user("olga").await, app.user("vera").await);
    let site = owner.site("shop.example").await;
    let part = app.join(&owner.ids().await.1, &viewer.ids().await.0, Role::Viewer).await;
    let mut stream = subscribe(&app, &viewer, COUNTS, &site).await;
    begun(&mut stream, || traffic.figures.receiver_count(), 1).await;
    traffic.figures.send(figures(1)).unwrap();
    let item = next(&mut stream).await;
    let expected = json!({ "visitors": 1, "domain": "shop.example", "at": "2026-03-04T05:06:07.000Z" });
    assert_eq!(item["data"]["liveVisitors"], expected, "{item}");
    app.deactivate(part).await;
    app.clock.advance(Duration::seconds(4));
    traffic.figures.send(figures(2)).unwrap();
    assert_eq!(next(&mut stream).await["data"]["liveVisitors"]["visitors"], 2, "a proof holds for five seconds");
    app.clock.advance(Duration::seconds(1));
    traffic.figures.send(figures(3)).unwrap();
    let item = next(&mut stream).await;
    assert_eq!(code_in(&item), "FORBIDDEN");
    assert_eq!(item["data"], Value::Null);
    assert!(stream.next().await.is_none(), "the refusal ends it");
}

#[tokio::test]
async fn a_stream_ends_with_the_credential_it_began_with() {
    let (app, traffic) = app().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    let (key_id, key) = owner.new_key(None).await;
    let by_key = app.key(&key);
    let mut of_key = subscribe(&app, &by_key, COUNTS, &site).await;
    begun(&mut of_key, || traffic.figures.receiver_count(), 1).await;
    let mut of_user = subscribe(&app, &owner, COUNTS, &site).await;
    begun(&mut of_user, || traffic.figures.receiver_count(), 2).await;
    let revoke = "mutation($id: ID!) { apiKeyRevoke(input: { apiKeyId: $id }) { apiKey { id } } }";
    owner.ok(revoke, json!({ "id": key_id })).await;
    owner.ok("mutation { signOut { __typename } }", json!({})).await;
    app.clock.advance(Duration::seconds(5));
    traffic.figures.send(figures(3)).unwrap();
    for stream in [&mut of_key, &mut of_user] {
        assert_eq!(code_in(&next(stream).await), "UNAUTHORIZED");
        assert!(stream.next().await.is_none());
    }
}

fn event(kind: EventKind, bot: &str) -> Arc<Event> {
    let (website, id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    Arc::new(Event {
        name: "purchase".into(),
        hostname: "shop.example".into(),
        path: "/thanks".into(),
        acquisition: Arc::new(Acquisition { channel: "Direct".into(), ..Acquisition::default() }),
        place: Arc::new(Place { country: "NL".into(), ..Place::default() }),
        agent: Arc::new(Agent { device: "mobile".into(), browser: "Firefox".into(), ..Agent::default() }),
        properties: r#"{"plan":"pro","seats":3}"#.into(),
        amount_micros: 49_900_000,
        currency: "EUR".into(),
        bot: bot.into(),
        ..Event::new(website, id, 1_772_600_767_123, 0x0123_4567_89ab_cdef, kind)
    })
}

#[tokio::test]
async fn events_arrive_without_heartbeats_and_machines() {
    let (app, traffic) = app().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    let mut stream = subscribe(&app, &owner, EVENTS, &site).await;
    begun(&mut stream, || traffic.events.receiver_count(), 1).await;
    for (kind, bot) in [(EventKind::Heartbeat, ""), (EventKind::Pageview, "user agent"), (EventKind::Revenue, "")] {
        traffic.events.send(event(kind, bot)).unwrap();
    }
    let item = next(&mut stream).await;
    assert_eq!(
        item["data"]["eventTracked"],
        json!({ "eventId": "00000000-0000-0000-0000-000000000002", "at": "2026-03-04T05:06:07.123Z", "type": "REVENUE",
                "name": "purchase", "path": "/thanks", "title": null, "hostname": "shop.example", "country": "NL",
                "countryName": "Netherlands", "device": "MOBILE", "browser": "Firefox", "os": null, "referrer": null,
                "source": null, "channel": "Direct", "visitorId": "01234567-89ab-8cde-8000-00000000000f",
                "properties": { "plan": "pro", "seats": 3 }, "revenue": { "amount": "49.9", "currency": "EUR" } }),
        "{item}"
    );
}
