//! The store checked against a recount by plain loops over the same events: every metric, dimension and operator.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_graphql::resolver_utils::EnumType as _;
use schema::{
    analytics::{
        event::{Event, EventKind},
        plan::{After, Answer, Asker, Basis, MetricSet, Panel, Plan, Sums},
        query::{Dimension, FilterInput, FilterOperator, Metric, Scope, SortDirection, Span},
    },
    goal_rule::Goals,
    ports::Events,
};
use uuid::Uuid;

use super::{
    Store,
    duckdb::Budget,
    recount::{
        Dice, HOUR, OTHER_SITE, SITE, START, goals::goals, property_of, recount, recount_goals, recounted_page,
        traffic, value_of,
    },
};

pub(super) const ALL: [Metric; 14] = [
    Metric::Visitors,
    Metric::Visits,
    Metric::Pageviews,
    Metric::Events,
    Metric::BounceRate,
    Metric::VisitDurationSeconds,
    Metric::ViewsPerVisit,
    Metric::Conversions,
    Metric::ConversionRate,
    Metric::Revenue,
    Metric::AverageScore,
    Metric::GoalValue,
    Metric::Orders,
    Metric::AverageOrderValue,
];
/// Every dimension whose value one visit tells by itself.
fn dimensions() -> impl Iterator<Item = Dimension> {
    Dimension::items().iter().map(|item| item.value).filter(|dimension| !dimension.is_of_first_visit())
}

pub(super) fn store(path: Option<&std::path::Path>) -> Store {
    Store::open(path, Budget { memory_mib: 128, threads: 2 }, Duration::from_secs(30)).unwrap()
}

pub(super) fn filter(dimension: Dimension, operator: FilterOperator, values: &[&str]) -> FilterInput {
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
        // Buckets of 23, 2, 25 hours, and of odd seconds: the unequal days of a zone whose clocks change.
        Arc::from([hour(-2), hour(21), hour(23), hour(23) + 2_670_000, hour(48), hour(96)])
    };
    let sets = filter_sets();
    let bots = [sets[0].clone(), sets[1].clone(), sets[4].clone()].map(|filters| (filters, true, Goals::default()));
    let goals = [0, 1, 5, 7, 8].map(|set| (sets[set].clone(), set == 5, goals()));
    let plain = sets.into_iter().map(|filters| (filters, false, Goals::default()));
    for (filters, bots, goals) in plain.chain(bots).chain(goals) {
        let basis = Basis { website: SITE, span, filters, currency: "EUR".into(), bots, goals };
        let metrics: MetricSet = ALL.into_iter().collect();
        let mut panels = vec![Panel::Totals { metrics }, Panel::Series { edges: edges.clone(), metrics }];
        let plan = Some("plan/x~y".to_owned());
        for (by, property) in dimensions().map(|by| (by, None)).chain([(Dimension::Event, plan)]) {
            panels.push(Panel::Breakdown {
                by,
                property,
                metrics,
                order: by.default_order(),
                direction: SortDirection::Desc,
                after: None,
                limit: 2,
                search: None,
                other: true,
            });
        }
        let answers =
            store.ask(&Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: panels.clone() }).await.unwrap();
        let expected = recount(events, &basis, &|_, _| Some(String::new()), false).remove("").unwrap_or_default();
        let totals = expected;
        assert_eq!(answers[0], Answer::Totals(totals), "totals of {basis:?}");
        // One metric alone is the same number as in company.
        for metric in ALL {
            let alone = vec![Panel::Totals { metrics: MetricSet::NONE.with(metric) }];
            let answer =
                store.ask(&Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: alone }).await.unwrap();
            let Answer::Totals(sums) = &answer[0] else { panic!() };
            let pick = |sums: &Sums| {
                let ratio = |value: Option<f64>| value.map_or(-1.0, |value| value);
                match metric {
                    Metric::Visitors => sums.visitors as f64,
                    Metric::Visits => sums.visits as f64,
                    Metric::Pageviews => sums.pageviews as f64,
                    Metric::Events => sums.events as f64,
                    Metric::BounceRate => ratio(sums.bounce_rate()),
                    Metric::VisitDurationSeconds => ratio(sums.visit_duration_seconds()),
                    Metric::ViewsPerVisit => ratio(sums.views_per_visit()),
                    Metric::Conversions => sums.conversions as f64,
                    Metric::ConversionRate => ratio(sums.conversion_rate()),
                    Metric::Revenue => sums.revenue_micros as f64,
                    Metric::AverageScore => ratio(sums.average_score()),
                    Metric::GoalValue => sums.goal_value_micros as f64,
                    Metric::Orders => sums.orders as f64,
                    Metric::AverageOrderValue => sums.average_order_micros().map_or(-1.0, |micros| micros as f64),
                }
            };
            assert_eq!(pick(sums), pick(&expected), "{metric:?} alone over {basis:?}");
        }

        let mut by_bucket: BTreeMap<usize, Sums> = BTreeMap::new();
        let bucket_of = |time_ms: i64| edges.iter().rposition(|edge| *edge <= time_ms).unwrap();
        for bucket in 0..edges.len() - 1 {
            // Visits count where they start, everything else where it happened: two recounts, distinguished by the key.
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
                payments: happened.payments,
                goal_value_micros: happened.goal_value_micros,
                orders: happened.orders,
                order_micros: happened.order_micros,
                ..started
            };
            if sums != Sums::default() {
                by_bucket.insert(bucket, sums);
            }
        }
        assert_eq!(answers[1], Answer::Series(by_bucket.into_iter().collect()), "series of {basis:?}");

        for (panel, answer) in panels.iter().zip(&answers).skip(2) {
            let Panel::Breakdown { by, property, .. } = panel else { panic!() };
            let by_event = by.scope() == Scope::Event;
            let value = |visit: &[&Event], event: &Event| match property {
                Some(name) => property_of(name, event),
                None => value_of(*by, visit, event),
            };
            let expected = match by {
                Dimension::Goal => recount_goals(events, &basis, &|goal| Some(goal.to_owned())),
                _ => recount(events, &basis, &value, by_event),
            };
            let mut expected: Vec<(String, Sums)> = expected.into_iter().collect();
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
            // The rest together: a visit or visitor with several of these values counts once.
            let together = |visit: &[&Event], event: &Event| {
                value(visit, event).filter(|value| page.iter().all(|(key, _)| key != value)).map(|_| String::new())
            };
            let other = other.unwrap();
            let is_rest = |goal: &str| page.iter().all(|(key, _)| key != goal).then(String::new);
            let rest_together = match by {
                Dimension::Goal => recount_goals(events, &basis, &is_rest),
                _ => recount(events, &basis, &together, by_event),
            };
            let rest_together = rest_together.get("").copied().unwrap_or_default();
            assert_eq!(other, rest_together, "other of {by:?} of {basis:?}");
            let added = |of: fn(&Sums) -> i128| page.iter().map(|(_, sums)| of(sums)).sum::<i128>() + of(&other);
            match by {
                Dimension::Title => assert_eq!(added(|sums| sums.pageviews.into()), totals.pageviews.into()),
                Dimension::Event => assert_eq!(added(|sums| sums.events.into()), totals.events.into()),
                Dimension::Goal => {
                    assert_eq!(added(|sums| sums.conversions.into()), totals.conversions.into());
                    assert_eq!(added(|sums| sums.goal_value_micros), totals.goal_value_micros);
                }
                _ => {
                    assert_eq!(added(|sums| sums.pageviews.into()), totals.pageviews.into(), "{by:?} of {basis:?}");
                    assert_eq!(added(|sums| sums.events.into()), totals.events.into());
                    assert_eq!(added(|sums| sums.revenue_micros), totals.revenue_micros);
                }
            }
            if !by_event {
                assert_eq!(added(|sums| sums.visits.into()), totals.visits.into(), "visits of {by:?} of {basis:?}");
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
                let answer = store
                    .ask(&Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: vec![next] })
                    .await
                    .unwrap();
                let Answer::Breakdown { rows, .. } = &answer[0] else { panic!() };
                let page: Vec<(String, Sums)> = rows.iter().map(|row| (row.key.clone(), row.sums)).collect();
                assert_eq!(page, rest[..rest.len().min(2)], "second page of {by:?} of {basis:?}");
            }
        }

        let paths: Vec<String> = ["/Pricing", "/", "/nowhere", "/a%b"].map(str::to_owned).to_vec();
        let expected: Vec<_> = paths.iter().map(|path| recounted_page(events, &basis, path)).collect();
        let answer = store
            .ask(&Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: vec![Panel::Pages { paths }] })
            .await
            .unwrap();
        assert_eq!(answer[0], Answer::Pages(expected), "pages of {basis:?}");

        let visitors = Panel::Visitors { offset: 0, after: None, limit: 1_000 };
        let answer =
            store.ask(&Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: vec![visitors] }).await.unwrap();
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
    let basis = Basis {
        website: SITE,
        span: SPAN,
        filters: vec![],
        currency: "EUR".into(),
        bots: false,
        goals: Goals::default(),
    };
    let plan = Plan {
        asker: Asker::Anonymous,
        basis,
        panels: vec![Panel::Totals { metrics: MetricSet::NONE.with(Metric::Pageviews) }],
    };
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

/// One visitor's page view and, a minute later, an event, one of them from a bot.
fn person_and_bot(is_bot: [bool; 2]) -> Vec<Event> {
    let mut events: Vec<Event> = traffic(1).into_iter().filter(|event| event.website == SITE).take(2).collect();
    for (number, event) in events.iter_mut().enumerate() {
        event.visitor = 5;
        event.time_ms = SPAN.start_ms + number as i64 * 60_000;
        event.kind = [EventKind::Pageview, EventKind::Custom][number];
        event.bot = if is_bot[number] { "user agent" } else { "" }.into();
    }
    events
}

#[tokio::test]
async fn a_person_and_a_bot_of_one_visitor_are_two_visits() {
    for (is_bot, counted) in [([false, true], (1, 0)), ([true, false], (0, 1))] {
        for settled_ms in [0, i64::MAX] {
            let store = store(None);
            store.append(person_and_bot(is_bot), settled_ms).await.unwrap();
            for (bots, (pageviews, events), visits) in [(false, counted, 1), (true, (1, 1), 2)] {
                let metrics: MetricSet = ALL.into_iter().collect();
                let row = |limit| Panel::Breakdown {
                    by: Dimension::Browser,
                    property: None,
                    metrics,
                    order: Metric::Visitors,
                    direction: SortDirection::Desc,
                    after: None,
                    limit,
                    search: None,
                    other: true,
                };
                let basis = Basis {
                    website: SITE,
                    span: SPAN,
                    filters: vec![],
                    currency: "EUR".into(),
                    bots,
                    goals: Goals::default(),
                };
                let panels = vec![Panel::Totals { metrics }, row(10)];
                let answers = store.ask(&Plan { asker: Asker::Anonymous, basis, panels }).await.unwrap();
                let [Answer::Totals(totals), Answer::Breakdown { rows, other: Some(other), .. }] = &answers[..] else {
                    panic!()
                };
                assert_eq!((totals.visitors, totals.visits), (1, visits), "{is_bot:?} {bots}");
                assert_eq!((totals.pageviews, totals.events), (pageviews, events), "{is_bot:?} {bots}");
                let sum = |of: fn(&Sums) -> i64| rows.iter().map(|row| of(&row.sums)).sum::<i64>() + of(other);
                assert_eq!(sum(|sums| sums.pageviews), pageviews);
                assert_eq!(sum(|sums| sums.events), events);
                assert_eq!(sum(|sums| sums.visits), visits);
            }
        }
    }
}

#[tokio::test]
async fn visits_that_memory_does_not_hold_go_on_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.duckdb");
    let pattern = person_and_bot([false, false]).remove(0);
    let view = |visitor: u64, second: i64| {
        let id = Uuid::from_u128(u128::from(visitor) << 64 | second as u128);
        let path: Arc<str> = if second == 0 { "/first" } else { "/next" }.into();
        Event { id, visitor, path, time_ms: SPAN.start_ms + second * 1_000 + visitor as i64 % 1_000, ..pattern.clone() }
    };
    let mut store = store(Some(&path));
    store.append((1..=40_000).map(|visitor| view(visitor, 0)).collect(), 0).await.unwrap();
    assert!(store.database.open_visits() <= 30_000);
    // Of visits in memory and of visits that were moved to disk, before and after a restart.
    for second in [60, 120] {
        store.append((1..=40_000).step_by(100).map(|visitor| view(visitor, second)).collect(), 0).await.unwrap();
        drop(store);
        store = self::store(Some(&path));
    }
    let metrics: MetricSet = ALL.into_iter().collect();
    let basis = Basis {
        website: SITE,
        span: SPAN,
        filters: vec![filter(Dimension::EntryPage, FilterOperator::Is, &["/first"])],
        currency: "EUR".into(),
        bots: false,
        goals: Goals::default(),
    };
    let plan = Plan { asker: Asker::Anonymous, basis, panels: vec![Panel::Totals { metrics }] };
    let Answer::Totals(sums) = store.ask(&plan).await.unwrap().remove(0) else { panic!() };
    assert_eq!((sums.visitors, sums.visits, sums.pageviews, sums.bounces), (40_000, 40_000, 40_800, 39_600));
    assert_eq!(sums.duration_ms, 400 * 120_000);
}
