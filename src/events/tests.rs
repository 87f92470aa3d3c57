//! The store against a recount by plain loops over the same events: every metric, dimension and operator.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use schema::{
    analytics::{
        event::{Event, EventKind},
        plan::{After, Answer, Basis, MetricSet, Panel, Plan, Sums},
        query::{Dimension, FilterInput, FilterOperator, Metric, Scope, SortDirection, Span},
    },
    ports::Events,
};
use uuid::Uuid;

use super::{
    Store,
    duckdb::Budget,
    recount::{Dice, HOUR, OTHER_SITE, SITE, START, recount, traffic, value_of},
};

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
async fn what_is_stored_is_left_out_however_far_apart_a_batch_lies() {
    let store = store(None);
    let all = traffic(14);
    store.append(all.clone(), i64::MAX).await.unwrap();
    let (first, last) = (all.iter().min_by_key(|event| event.time_ms), all.iter().max_by_key(|event| event.time_ms));
    let (first, last) = (first.unwrap().clone(), last.unwrap().clone());
    let at_another_time = Event { time_ms: first.time_ms + 1, ..first.clone() };
    let elsewhere = Event { website: Uuid::from_u128(77), ..last.clone() };
    let batch = vec![first, at_another_time.clone(), last, elsewhere, at_another_time];
    let appended = store.append(batch.clone(), i64::MAX).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (2, 3));
    let appended = store.append(batch, i64::MAX).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (0, 5));
}

#[tokio::test]
async fn tmp_measure() {
    use schema::ports::Sink as _;
    let folder = tempfile::tempdir().unwrap();
    let store = store(Some(&folder.path().join("e.duckdb")));
    let base = traffic(14)[0].clone();
    for batch in 0..20_u64 {
        let events: Vec<Event> = (0..50_000_u64)
            .map(|n| Event {
                id: Uuid::from_u128(u128::from(batch * 50_000 + n) * 0x9e37_79b9_7f4a_7c15_1234_5678_9abc_def1),
                visitor: n % 5000,
                time_ms: START + ((batch * 50_000 + n) as i64) * 82,
                ..base.clone()
            })
            .collect();
        let at = events[49_999].time_ms;
        store.deliver(events, at, batch as i64 + 1).await.unwrap();
    }
    let end = START + 999_999 * 82;
    for round in 0..3 {
        let late = |n: u128| {
            vec![
                Event { id: Uuid::from_u128(n), visitor: 99, time_ms: START + 1000 + round, ..base.clone() },
                Event { id: Uuid::from_u128(n + 1), visitor: 99, time_ms: end, ..base.clone() },
            ]
        };
        let t = std::time::Instant::now();
        store.append(late(10 * round as u128), end - 60_000).await.unwrap();
        let a = t.elapsed();
        let t = std::time::Instant::now();
        store.deliver(late(10 * round as u128 + 5), end - 60_000, 100 + round).await.unwrap();
        eprintln!("append {a:?} deliver {:?}", t.elapsed());
    }
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
