//! The store against a recount by plain loops over the same events: every metric, dimension and operator.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use schema::{
    analytics::{
        event::{Acquisition, Agent, Event, EventKind, Place, VISIT_GAP_MS},
        plan::{After, Answer, Basis, MetricSet, Panel, Plan, Sums},
        query::{Dimension, FilterInput, FilterOperator, Metric, Scope, SortDirection, Span},
    },
    ports::Events,
};
use uuid::Uuid;

use super::{Store, duckdb::Budget};

const SITE: Uuid = Uuid::from_u128(7);
const OTHER_SITE: Uuid = Uuid::from_u128(u128::MAX);
const START: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;
const ALL: [Metric; 11] = [
    Metric::Visitors,
    Metric::Visits,
    Metric::Pageviews,
    Metric::Events,
    Metric::BounceRate,
    Metric::VisitDuration,
    Metric::ViewsPerVisit,
    Metric::Conversions,
    Metric::ConversionRate,
    Metric::Revenue,
    Metric::AverageScore,
];
const DIMENSIONS: [Dimension; 25] = [
    Dimension::Page,
    Dimension::EntryPage,
    Dimension::ExitPage,
    Dimension::Hostname,
    Dimension::Title,
    Dimension::Referrer,
    Dimension::Channel,
    Dimension::Source,
    Dimension::UtmSource,
    Dimension::UtmMedium,
    Dimension::UtmCampaign,
    Dimension::UtmTerm,
    Dimension::UtmContent,
    Dimension::Country,
    Dimension::Region,
    Dimension::City,
    Dimension::Device,
    Dimension::Browser,
    Dimension::BrowserVersion,
    Dimension::Os,
    Dimension::OsVersion,
    Dimension::Screen,
    Dimension::Language,
    Dimension::Event,
    Dimension::Goal,
];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len() as u64) as usize]
    }
}

/// Two days of a few visitors: long visits across every edge, goals, scrolls, money in two currencies.
fn traffic(seed: u64) -> Vec<Event> {
    let mut dice = Dice(seed);
    let mut events = Vec::new();
    for visitor in 0..40_u64 {
        let place = Arc::new(Place {
            country: dice.pick(&["DE", "FR", ""]).into(),
            region: dice.pick(&["", "BY"]).into(),
            city: dice.pick(&["", "Ulm"]).into(),
        });
        let agent = Arc::new(Agent {
            device: dice.pick(&["desktop", "mobile"]).into(),
            browser: dice.pick(&["Chrome", "Firefox"]).into(),
            browser_version: dice.pick(&["12.3", "13", ""]).into(),
            os: dice.pick(&["Linux", "iOS"]).into(),
            os_version: dice.pick(&["", "17.1"]).into(),
        });
        let mut time_ms = START + dice.roll(20 * HOUR as u64) as i64;
        for _ in 0..dice.roll(40) {
            time_ms += match dice.roll(6) {
                0 => VISIT_GAP_MS,
                1 => VISIT_GAP_MS + 1,
                2 => 3 * HOUR,
                _ => dice.roll(20 * 60 * 1000) as i64,
            };
            let kind = match dice.roll(9) {
                0 => EventKind::Custom,
                1 => EventKind::Goal,
                2 => EventKind::Scroll,
                3 => EventKind::Revenue,
                _ => EventKind::Pageview,
            };
            let path: Arc<str> = dice.pick(&["/", "/a%b", "/a_b", "/axb", "/Pricing"]).into();
            events.push(Event {
                website: if dice.roll(8) == 0 { OTHER_SITE } else { SITE },
                id: Uuid::from_u128(u128::from(seed) << 64 | events.len() as u128),
                time_ms,
                visitor,
                kind,
                name: if kind == EventKind::Pageview {
                    "".into()
                } else {
                    dice.pick(&["signup", "buy", "more"]).into()
                },
                hostname: dice.pick(&["x.example", "y.example"]).into(),
                title: dice.pick(&["", "T"]).into(),
                path,
                acquisition: Arc::new(Acquisition {
                    referrer: dice.pick(&["", "google.com"]).into(),
                    source: dice.pick(&["", "Google"]).into(),
                    channel: dice.pick(&["Direct", "Organic Search"]).into(),
                    utm_source: dice.pick(&["", "news"]).into(),
                    ..Acquisition::default()
                }),
                place: place.clone(),
                agent: agent.clone(),
                screen: dice.pick(&["", "800x600"]).into(),
                language: dice.pick(&["de-DE", "en"]).into(),
                properties: if kind == EventKind::Custom {
                    dice.pick(&["", r#"{"plan/x~y":"pro","n":1}"#, r#"{"plan/x~y":"free"}"#]).into()
                } else {
                    "".into()
                },
                amount_micros: if kind == EventKind::Revenue { dice.roll(90_000_000) as i64 } else { 0 },
                currency: if kind == EventKind::Revenue { dice.pick(&["USD", "EUR"]).into() } else { "".into() },
                bot: Arc::from(""),
            });
        }
    }
    events
}

/// Visits, told by plain loops: lists of events of one visitor without a gap over 30 minutes.
fn recounted_visits(events: &[Event]) -> Vec<Vec<&Event>> {
    let mut of_visitor: BTreeMap<u64, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.website == SITE) {
        of_visitor.entry(event.visitor).or_default().push(event);
    }
    let mut visits: Vec<Vec<&Event>> = Vec::new();
    for mut events in of_visitor.into_values() {
        events.sort_by_key(|event| event.time_ms);
        for event in events {
            match visits.last_mut() {
                Some(visit) if follows(visit, event) => visit.push(event),
                _ => visits.push(vec![event]),
            }
        }
    }
    visits
}

fn follows(visit: &[&Event], event: &Event) -> bool {
    let last = visit.last().unwrap();
    last.visitor == event.visitor && event.time_ms - last.time_ms <= VISIT_GAP_MS
}

fn value_of(dimension: Dimension, visit: &[&Event], event: &Event) -> Option<String> {
    let first = visit[0];
    let views: Vec<_> = visit.iter().filter(|event| event.kind == EventKind::Pageview).collect();
    let (acquisition, agent) = (&first.acquisition, &first.agent);
    Some(match dimension {
        Dimension::Page => event.path.to_string(),
        Dimension::Hostname => event.hostname.to_string(),
        Dimension::Title => (event.kind == EventKind::Pageview).then(|| event.title.to_string())?,
        Dimension::Event => {
            (event.kind != EventKind::Pageview && !event.name.is_empty()).then(|| event.name.to_string())?
        }
        Dimension::Goal => (event.kind == EventKind::Goal).then(|| event.name.to_string())?,
        Dimension::EntryPage => views.first().map_or(String::new(), |view| view.path.to_string()),
        Dimension::ExitPage => views.last().map_or(String::new(), |view| view.path.to_string()),
        Dimension::Referrer => acquisition.referrer.clone(),
        Dimension::Channel => acquisition.channel.clone(),
        Dimension::Source => acquisition.source.clone(),
        Dimension::UtmSource => acquisition.utm_source.clone(),
        Dimension::UtmMedium => acquisition.utm_medium.clone(),
        Dimension::UtmCampaign => acquisition.utm_campaign.clone(),
        Dimension::UtmTerm => acquisition.utm_term.clone(),
        Dimension::UtmContent => acquisition.utm_content.clone(),
        Dimension::Country => first.place.country.clone(),
        Dimension::Region => first.place.region.clone(),
        Dimension::City => first.place.city.clone(),
        Dimension::Device => agent.device.clone(),
        Dimension::Browser => agent.browser.clone(),
        Dimension::BrowserVersion => {
            format!("{} {}", agent.browser, agent.browser_version.split('.').next().unwrap()).trim().into()
        }
        Dimension::Os => agent.os.clone(),
        Dimension::OsVersion => format!("{} {}", agent.os, agent.os_version).trim().into(),
        Dimension::Screen => first.screen.to_string(),
        Dimension::Language => first.language.to_string(),
    })
}

fn holds(filter: &FilterInput, visit: &[&Event], event: &Event) -> bool {
    let value = match &filter.property {
        Some(name) => {
            let all: serde_json::Value = serde_json::from_str(&event.properties).unwrap_or_default();
            if event.kind == EventKind::Pageview || event.name.is_empty() {
                return false;
            }
            Some(match &all[name.as_str()] {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Null => String::new(),
                other => other.to_string(),
            })
        }
        None => value_of(filter.dimension, visit, event),
    };
    let Some(value) = value else { return false };
    let any = |says: &dyn Fn(&str) -> bool| filter.values.iter().any(|wanted| says(wanted));
    match filter.operator {
        FilterOperator::Is => any(&|wanted| value == wanted),
        FilterOperator::IsNot => !any(&|wanted| value == wanted),
        FilterOperator::Contains => any(&|wanted| value.contains(wanted)),
        FilterOperator::NotContains => !any(&|wanted| value.contains(wanted)),
        FilterOperator::StartsWith => any(&|wanted| value.starts_with(wanted)),
        FilterOperator::EndsWith => any(&|wanted| value.ends_with(wanted)),
        FilterOperator::Matches => any(&|wanted| regex::Regex::new(wanted).unwrap().is_match(&value)),
    }
}

#[derive(Default)]
struct Tally {
    visitors: HashSet<u64>,
    sums: Sums,
}

impl Tally {
    fn finish(&self) -> Sums {
        Sums { visitors: self.visitors.len() as i64, ..self.sums }
    }
}

/// Sums per (bucket, key) by loops: the definition in words, one event and one visit at a time.
fn recount(
    events: &[Event],
    basis: &Basis,
    key: &dyn Fn(&[&Event], &Event) -> Option<String>,
    by_event: bool,
) -> BTreeMap<String, Sums> {
    let inside = |time_ms: i64| time_ms >= basis.span.start_ms && time_ms < basis.span.end_ms;
    let (on_events, on_visits): (Vec<_>, Vec<_>) =
        basis.filters.iter().partition(|filter| filter.dimension.scope() == Scope::Event);
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for visit in recounted_visits(events) {
        if !on_visits.iter().all(|filter| holds(filter, &visit, visit[0])) {
            continue;
        }
        let did =
            |filter: &&&FilterInput| visit.iter().any(|event| inside(event.time_ms) && holds(filter, &visit, event));
        if !by_event && on_events.iter().filter(did).count() < on_events.len() {
            continue;
        }
        let mut keys_of_visit = HashSet::new();
        for event in visit.iter().filter(|event| inside(event.time_ms)) {
            let any = on_events.is_empty() || on_events.iter().any(|filter| holds(filter, &visit, event));
            let all = on_events.iter().all(|filter| holds(filter, &visit, event));
            if !any || (by_event && !all) {
                continue;
            }
            let Some(key) = key(&visit, event) else { continue };
            keys_of_visit.insert(key.clone());
            let tally = tallies.entry(key).or_default();
            tally.visitors.insert(event.visitor);
            if all {
                let is = |kind: EventKind| i64::from(event.kind == kind);
                tally.sums.pageviews += is(EventKind::Pageview);
                tally.sums.events += 1 - is(EventKind::Pageview);
                tally.sums.conversions += is(EventKind::Goal);
                if event.kind == EventKind::Revenue && *event.currency == *basis.currency {
                    tally.sums.revenue_micros += event.amount_micros;
                }
            }
        }
        let (start, end) = (visit[0].time_ms, visit[visit.len() - 1].time_ms);
        if !inside(start) {
            continue;
        }
        if !by_event {
            keys_of_visit = key(&visit, visit[0]).into_iter().collect();
        }
        let of = |kind: EventKind| visit.iter().filter(|event| event.kind == kind).count() as i64;
        let pageviews = of(EventKind::Pageview);
        let interactions = of(EventKind::Custom) + of(EventKind::Goal) + of(EventKind::Revenue);
        for key in keys_of_visit {
            let sums = &mut tallies.entry(key).or_default().sums;
            sums.visits += 1;
            sums.bounces += i64::from(pageviews == 1 && interactions == 0);
            sums.duration_ms += end - start;
            sums.visit_pageviews += pageviews;
            sums.converted += i64::from(of(EventKind::Goal) > 0);
            let seconds = (end - start) / 1000;
            let score = pageviews.min(8) * 5
                + seconds.min(600) * 30 / 600
                + interactions.min(3) * 5
                + if of(EventKind::Goal) > 0 { 15 } else { 0 };
            sums.score += if pageviews > 3 && seconds < pageviews * 2 { score / 2 } else { score };
        }
    }
    tallies.into_iter().map(|(key, tally)| (key, tally.finish())).collect()
}

fn store(path: Option<&std::path::Path>) -> Store {
    Store::open(path, Budget { memory_mib: 128, threads: 2 }, Duration::from_secs(30)).unwrap()
}

fn filter(dimension: Dimension, operator: FilterOperator, values: &[&str]) -> FilterInput {
    FilterInput { dimension, property: None, operator, values: values.iter().map(ToString::to_string).collect() }
}

fn filter_sets() -> Vec<Vec<FilterInput>> {
    use Dimension as D;
    use FilterOperator as O;
    vec![
        vec![],
        vec![filter(D::Page, O::Is, &["/a%b"])],
        vec![filter(D::Page, O::Contains, &["_"])],
        vec![filter(D::Page, O::IsNot, &["/", "/axb"])],
        vec![filter(D::Country, O::Is, &["DE", ""])],
        vec![filter(D::Country, O::IsNot, &["DE"]), filter(D::Device, O::Is, &["mobile"])],
        vec![filter(D::Browser, O::StartsWith, &["Fi"]), filter(D::Page, O::EndsWith, &["b"])],
        vec![filter(D::Event, O::Is, &["signup"]), filter(D::Page, O::Is, &["/"])],
        vec![filter(D::Goal, O::Matches, &["^b.y$"])],
        vec![filter(D::EntryPage, O::NotContains, &["a", "P"])],
        vec![FilterInput { property: Some("plan/x~y".into()), ..filter(D::Event, O::Is, &["pro"]) }],
        vec![filter(D::Hostname, O::Is, &["it's \"quoted\"; DROP TABLE events"])],
    ]
}

async fn check(store: &Store, events: &[Event], span: Span) {
    let edges: Arc<[i64]> = {
        let hour = |hours: i64| (START / HOUR + hours) * HOUR;
        // Buckets of 23, 2, 25 hours: the unequal days of a zone whose clocks change.
        Arc::from([hour(-2), hour(21), hour(23), hour(48), hour(96)])
    };
    for filters in filter_sets() {
        let basis = Basis { website: SITE, span, filters, currency: "EUR".into(), bots: false };
        let metrics: MetricSet = ALL.into_iter().collect();
        let mut panels = vec![Panel::Totals { metrics }, Panel::Series { edges: edges.clone(), metrics }];
        for by in DIMENSIONS {
            panels.push(Panel::Breakdown {
                by,
                property: None,
                metrics,
                order: by.default_order(),
                direction: SortDirection::Desc,
                after: None,
                limit: 2,
                search: None,
                other: true,
            });
        }
        let answers = store.ask(&Plan { basis: basis.clone(), panels: panels.clone() }).await.unwrap();
        let expected = recount(events, &basis, &|_, _| Some(String::new()), false).remove("").unwrap_or_default();
        assert_eq!(answers[0], Answer::Totals(expected), "totals of {basis:?}");
        // One metric alone is the same number as in company.
        for metric in ALL {
            let alone = vec![Panel::Totals { metrics: MetricSet::NONE.with(metric) }];
            let answer = store.ask(&Plan { basis: basis.clone(), panels: alone }).await.unwrap();
            let Answer::Totals(sums) = &answer[0] else { panic!() };
            let pick = |sums: &Sums| {
                let ratio = |value: Option<f64>| value.map_or(-1.0, |value| value);
                match metric {
                    Metric::Visitors => sums.visitors as f64,
                    Metric::Visits => sums.visits as f64,
                    Metric::Pageviews => sums.pageviews as f64,
                    Metric::Events => sums.events as f64,
                    Metric::BounceRate => ratio(sums.bounce_rate()),
                    Metric::VisitDuration => ratio(sums.visit_duration_seconds()),
                    Metric::ViewsPerVisit => ratio(sums.views_per_visit()),
                    Metric::Conversions => sums.conversions as f64,
                    Metric::ConversionRate => ratio(sums.conversion_rate()),
                    Metric::Revenue => sums.revenue_micros as f64,
                    Metric::AverageScore => ratio(sums.average_score()),
                }
            };
            assert_eq!(pick(sums), pick(&expected), "{metric:?} alone over {basis:?}");
        }

        let mut by_bucket: BTreeMap<usize, Sums> = BTreeMap::new();
        let bucket_of = |time_ms: i64| edges.iter().rposition(|edge| *edge <= time_ms).unwrap();
        for bucket in 0..edges.len() - 1 {
            // Visits count where they start, everything else where it happened: two recounts, told apart by the key.
            let of_event = |_: &[&Event], event: &Event| (bucket_of(event.time_ms) == bucket).then(String::new);
            let happened = recount(events, &basis, &of_event, false).remove("").unwrap_or_default();
            let of_start = |visit: &[&Event], _: &Event| (bucket_of(visit[0].time_ms) == bucket).then(String::new);
            let started = recount(events, &basis, &of_start, false).remove("").unwrap_or_default();
            let sums = Sums {
                visitors: happened.visitors,
                pageviews: happened.pageviews,
                events: happened.events,
                conversions: happened.conversions,
                revenue_micros: happened.revenue_micros,
                ..started
            };
            if sums != Sums::default() {
                by_bucket.insert(bucket, sums);
            }
        }
        assert_eq!(answers[1], Answer::Series(by_bucket.into_iter().collect()), "series of {basis:?}");

        for (panel, answer) in panels.iter().zip(&answers).skip(2) {
            let Panel::Breakdown { by, .. } = panel else { panic!() };
            let by_event = by.scope() == Scope::Event;
            let mut expected: Vec<(String, Sums)> =
                recount(events, &basis, &|visit, event| value_of(*by, visit, event), by_event).into_iter().collect();
            let order = |sums: &Sums| match by.default_order() {
                Metric::Pageviews => sums.pageviews,
                Metric::Visits => sums.visits,
                Metric::Events => sums.events,
                _ => sums.visitors,
            };
            expected.sort_by(|a, b| order(&b.1).cmp(&order(&a.1)).then(a.0.cmp(&b.0)));
            let Answer::Breakdown { rows, more, other } = answer else { panic!() };
            let page: Vec<(String, Sums)> = rows.iter().map(|row| (row.key.clone(), row.sums)).collect();
            assert_eq!(page, expected[..expected.len().min(2)], "{by:?} of {basis:?}");
            assert_eq!(*more, expected.len() > 2);
            let rest = &expected[expected.len().min(2)..];
            let sum = |of: fn(&Sums) -> i64| rest.iter().map(|row| of(&row.1)).sum::<i64>();
            let other = other.unwrap();
            assert_eq!(other.pageviews, sum(|sums| sums.pageviews), "other page views of {by:?} of {basis:?}");
            assert_eq!(other.events, sum(|sums| sums.events));
            assert_eq!(other.revenue_micros, sum(|sums| sums.revenue_micros));
            if !by_event {
                assert_eq!(other.visits, sum(|sums| sums.visits), "other visits of {by:?} of {basis:?}");
            }
            // The second page begins where the first one ended.
            if let (Some(last), Panel::Breakdown { by, property, metrics, order, direction, limit, .. }) =
                (rows.last(), panel)
            {
                let after = Some(After { order: last.order, key: last.key.clone() });
                let next = Panel::Breakdown {
                    by: *by,
                    property: property.clone(),
                    metrics: *metrics,
                    order: *order,
                    direction: *direction,
                    after,
                    limit: *limit,
                    search: None,
                    other: false,
                };
                let answer = store.ask(&Plan { basis: basis.clone(), panels: vec![next] }).await.unwrap();
                let Answer::Breakdown { rows, .. } = &answer[0] else { panic!() };
                let page: Vec<(String, Sums)> = rows.iter().map(|row| (row.key.clone(), row.sums)).collect();
                assert_eq!(page, rest[..rest.len().min(2)], "second page of {by:?} of {basis:?}");
            }
        }

        let visitors = Panel::Visitors { offset: 0, after: None, limit: 1_000 };
        let answer = store.ask(&Plan { basis: basis.clone(), panels: vec![visitors] }).await.unwrap();
        let Answer::Visitors { rows, .. } = &answer[0] else { panic!() };
        assert_eq!(rows.len() as i64, expected_visitors(events, &basis), "visitors of {basis:?}");
        assert!(rows.is_sorted_by_key(|row| (-row.visited_ms, row.visitor)));
    }
}

fn expected_visitors(events: &[Event], basis: &Basis) -> i64 {
    recount(events, basis, &|_, _| Some(String::new()), false).remove("").unwrap_or_default().visitors
}

const SPAN: Span = Span { start_ms: START + 2 * HOUR, end_ms: START + 40 * HOUR + 1_234 };

#[tokio::test]
async fn numbers_equal_a_recount_when_events_come_in_order() {
    let store = store(None);
    let events = traffic(11);
    store.append(events.clone(), i64::MAX).await.unwrap();
    check(&store, &events, SPAN).await;
}

#[tokio::test]
async fn numbers_equal_a_recount_while_visits_are_open() {
    let store = store(None);
    let events = traffic(12);
    store.append(events.clone(), 0).await.unwrap();
    check(&store, &events, SPAN).await;
}

#[tokio::test]
async fn numbers_equal_a_recount_when_batches_overlap_repeat_and_come_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.duckdb");
    let mut dice = Dice(99);
    let events = traffic(13);
    let mut rest = events.clone();
    let mut store = store(Some(&path));
    let mut stored = 0;
    let mut duplicates = 0;
    while !rest.is_empty() {
        let mut batch = Vec::new();
        for _ in 0..dice.roll(60) + 1 {
            if !rest.is_empty() {
                let index = dice.roll(rest.len() as u64) as usize;
                batch.push(rest.swap_remove(index));
            }
        }
        let settled = match dice.roll(3) {
            0 => i64::MAX,
            1 => 0,
            _ => START + dice.roll(48) as i64 * HOUR,
        };
        let again: Vec<Event> = batch.iter().take(3).cloned().collect();
        let appended = store.append(batch, settled).await.unwrap();
        stored += appended.stored;
        let appended = store.append(again, settled).await.unwrap();
        assert_eq!(appended.stored, 0, "an event stored already is left out");
        duplicates += appended.duplicates;
        if dice.roll(5) == 0 {
            drop(store);
            store = self::store(Some(&path));
        }
    }
    assert_eq!(stored, events.len() as u64);
    assert!(duplicates > 0);
    check(&store, &events, SPAN).await;
}

#[tokio::test]
async fn a_count_is_of_people_on_the_named_websites() {
    let store = store(None);
    let mut events = traffic(11);
    for event in events.iter_mut().step_by(7) {
        event.bot = "user agent".into();
    }
    for event in events.iter_mut().step_by(5) {
        event.kind = EventKind::Heartbeat;
    }
    let since = START + 12 * HOUR;
    let expected = |websites: &[Uuid]| {
        let counts =
            |event: &&Event| event.time_ms >= since && event.bot.is_empty() && event.kind != EventKind::Heartbeat;
        events.iter().filter(counts).filter(|event| websites.contains(&event.website)).count() as u64
    };
    let (both, one) = (expected(&[SITE, OTHER_SITE]), expected(&[SITE]));
    assert!(both > one && one > 0 && both < events.len() as u64);
    store.append(events.clone(), START).await.unwrap();
    assert_eq!(store.count_since(&[SITE, OTHER_SITE], since).await.unwrap(), both);
    assert_eq!(store.count_since(&[SITE], since).await.unwrap(), one);
    assert_eq!(store.count_since(&[Uuid::nil()], since).await.unwrap(), 0);
    assert_eq!(store.count_since(&[], since).await.unwrap(), 0);
}

#[tokio::test]
async fn a_repeated_question_is_remembered_until_the_website_changes() {
    let store = store(None);
    let events = traffic(14);
    store.append(events.clone(), i64::MAX).await.unwrap();
    let basis = Basis { website: SITE, span: SPAN, filters: vec![], currency: "EUR".into(), bots: false };
    let plan = Plan { basis, panels: vec![Panel::Totals { metrics: MetricSet::NONE.with(Metric::Pageviews) }] };
    let before = store.ask(&plan).await.unwrap();
    assert_eq!(store.ask(&plan).await.unwrap(), before);
    let mut more =
        events.iter().find(|event| event.website == SITE && event.kind == EventKind::Pageview).cloned().unwrap();
    more.id = Uuid::from_u128(424_242);
    more.time_ms = SPAN.start_ms + 1;
    store.append(vec![more], i64::MAX).await.unwrap();
    let (Answer::Totals(before), Answer::Totals(after)) = (&before[0], &store.ask(&plan).await.unwrap()[0]) else {
        panic!()
    };
    assert_eq!(after.pageviews, before.pageviews + 1);
}

#[tokio::test]
async fn a_pattern_that_is_none_is_the_callers_fault() {
    let store = store(None);
    store.append(traffic(15), i64::MAX).await.unwrap();
    let filters = vec![filter(Dimension::Page, FilterOperator::Matches, &["((("])];
    let basis = Basis { website: SITE, span: SPAN, filters, currency: "EUR".into(), bots: false };
    let plan = Plan { basis, panels: vec![Panel::Totals { metrics: MetricSet::NONE.with(Metric::Visits) }] };
    let error = store.ask(&plan).await.unwrap_err();
    assert_eq!((error.code(), error.field()), ("VALIDATION_ERROR", Some("filters")), "{error:?}");
}
