//! Edge cases: pages ordered by ratios, sums beyond 64 bits, searches beyond ASCII, many websites at once.

use std::{cmp::Ordering, sync::Arc};

use schema::{
    analytics::{
        event::{Event, EventKind, VISIT_GAP_MS},
        plan::{After, Answer, Asker, Basis, MetricSet, Panel, Plan, Sums},
        query::{Dimension, FilterInput, FilterOperator, Metric, Scope, SortDirection, Span},
    },
    goal_rule::Goals,
    ports::Events,
};
use uuid::Uuid;

use super::{
    Store,
    recount::{HOUR, SITE, START, first_acquisitions, recount, traffic, value_of},
    tests::{ALL, filter, store},
};

const SPAN: Span = Span { start_ms: START, end_ms: START + 48 * HOUR };

fn basis() -> Basis {
    Basis { website: SITE, span: SPAN, filters: vec![], currency: "EUR".into(), bots: false, goals: Goals::default() }
}

async fn ask(store: &Store, panel: Panel) -> Answer {
    store.ask(&Plan { asker: Asker::Anonymous, basis: basis(), panels: vec![panel] }).await.unwrap().remove(0)
}

fn breakdown(by: Dimension, order: Metric, direction: SortDirection, after: Option<After>, limit: u32) -> Panel {
    let metrics = MetricSet::NONE.with(order).with(Metric::Visits);
    Panel::Breakdown { by, property: None, metrics, order, direction, after, limit, search: None, other: false }
}

/// Every key of a breakdown, one row per page.
async fn keys_by_ones(store: &Store, by: Dimension, order: Metric, direction: SortDirection) -> Vec<String> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let Answer::Breakdown { rows, more, .. } = ask(store, breakdown(by, order, direction, after, 1)).await else {
            panic!()
        };
        assert!(keys.len() < 100, "{by:?} by {order:?} never ends: {keys:?}");
        let Some(row) = rows.into_iter().next() else { return keys };
        keys.push(row.key.clone());
        if !more {
            return keys;
        }
        after = Some(After { order: row.order, key: row.key });
    }
}

#[tokio::test]
async fn revenue_and_orders_by_the_first_source_are_those_of_the_recount() {
    for seed in 1..=5 {
        let events = traffic(seed);
        let store = store(None);
        store.append(events.clone(), START).await.unwrap();
        let firsts = first_acquisitions(&events);
        // Only the second day, so that most first visits lie before the range.
        let span = Span { start_ms: START + 24 * HOUR, end_ms: START + 96 * HOUR };
        for by in [Dimension::FirstChannel, Dimension::FirstSource] {
            let basis = Basis { span, ..basis() };
            let value = |visit: &[&Event], _: &Event| {
                let (channel, source) = firsts[&(visit[0].visitor, visit[0].bot.is_empty())].clone();
                Some(if by == Dimension::FirstChannel { channel } else { source })
            };
            let expected = recount(&events, &basis, &value, false);
            let panel = Panel::Breakdown {
                by,
                property: None,
                metrics: ALL.into_iter().collect(),
                order: Metric::Orders,
                direction: SortDirection::Desc,
                after: None,
                limit: 100,
                search: None,
                other: false,
            };
            let plan = Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: vec![panel] };
            let Answer::Breakdown { rows, .. } = store.ask(&plan).await.unwrap().remove(0) else { panic!() };
            let found = rows.into_iter().map(|row| (row.key, row.sums)).collect();
            assert_eq!(expected, found, "{by:?} seed {seed}");
            // As a filter, it keeps the visits of that row.
            let filters = vec![filter(by, FilterOperator::Is, &["Google", "Organic Search"])];
            let basis = Basis { filters, ..basis };
            let plan = Plan {
                asker: Asker::Anonymous,
                basis: basis.clone(),
                panels: vec![Panel::Totals { metrics: ALL.into_iter().collect() }],
            };
            let key = if by == Dimension::FirstChannel { "Organic Search" } else { "Google" };
            assert_eq!(store.ask(&plan).await.unwrap()[0], Answer::Totals(expected[key]), "{by:?} seed {seed}");
        }
    }
}

/// A metric as a fraction; a ratio of nothing is below all others.
fn fraction(metric: Metric, sums: &Sums) -> (i128, i128) {
    let ratio = |part: i64| if sums.visits == 0 { (-1, 1) } else { (part.into(), sums.visits.into()) };
    match metric {
        Metric::Visitors => (sums.visitors.into(), 1),
        Metric::Visits => (sums.visits.into(), 1),
        Metric::Pageviews => (sums.pageviews.into(), 1),
        Metric::Events => (sums.events.into(), 1),
        Metric::Conversions => (sums.conversions.into(), 1),
        Metric::Revenue => (sums.revenue_micros, 1),
        Metric::BounceRate => ratio(sums.bounces),
        Metric::VisitDurationSeconds => ratio(sums.duration_ms),
        Metric::ViewsPerVisit => ratio(sums.visit_pageviews),
        Metric::ConversionRate => ratio(sums.converted),
        Metric::AverageScore => ratio(sums.score),
        Metric::GoalValue => (sums.goal_value_micros, 1),
        Metric::Orders => (sums.orders.into(), 1),
        Metric::AverageOrderValue if sums.orders == 0 => (-1, 1),
        Metric::AverageOrderValue => (sums.order_micros / i128::from(sums.orders), 1),
    }
}

#[tokio::test]
async fn pages_of_one_row_meet_each_row_once_whatever_orders_them() {
    let store = store(None);
    let events = traffic(21);
    store.append(events.clone(), i64::MAX).await.unwrap();
    for by in [Dimension::EntryPage, Dimension::Page, Dimension::Country] {
        let by_event = by.scope() == Scope::Event;
        let counted = recount(&events, &basis(), &|visit, event| value_of(by, visit, event), by_event);
        for order in ALL {
            for direction in [SortDirection::Desc, SortDirection::Asc] {
                let mut rows: Vec<_> = counted.iter().collect();
                rows.sort_by(|a, b| {
                    let ((part, whole), (other_part, other_whole)) = (fraction(order, a.1), fraction(order, b.1));
                    let way = (part * other_whole).cmp(&(other_part * whole));
                    let way = if direction == SortDirection::Desc { way.reverse() } else { way };
                    if way == Ordering::Equal { a.0.cmp(b.0) } else { way }
                });
                let expected: Vec<String> = rows.into_iter().map(|row| row.0.clone()).collect();
                let met = keys_by_ones(&store, by, order, direction).await;
                assert_eq!(met, expected, "{by:?} by {order:?} {direction:?}");
            }
        }
    }
}

fn page_view(number: usize, path: &str, time_ms: i64, visitor: u64) -> Event {
    let template = traffic(1).remove(0);
    Event {
        website: SITE,
        id: Uuid::from_u128(number as u128 + 1),
        time_ms,
        visitor,
        kind: EventKind::Pageview,
        name: "".into(),
        path: path.into(),
        properties: "".into(),
        amount_micros: 0,
        currency: "".into(),
        ..template
    }
}

#[tokio::test]
async fn bounce_rates_of_an_eleventh_twice_and_a_quarter_are_three_rows() {
    let store = store(None);
    let mut events = Vec::new();
    for (path, visits) in [("/a", 11), ("/b", 11), ("/c", 4)] {
        for visit in 0..visits {
            let visitor = events.len() as u64;
            events.push(page_view(events.len(), path, START + 1, visitor));
            if visit > 0 {
                events.push(page_view(events.len(), path, START + 2, visitor));
            }
        }
    }
    store.append(events, i64::MAX).await.unwrap();
    for (direction, expected) in [(SortDirection::Desc, ["/c", "/a", "/b"]), (SortDirection::Asc, ["/a", "/b", "/c"])] {
        assert_eq!(keys_by_ones(&store, Dimension::EntryPage, Metric::BounceRate, direction).await, expected);
    }
}

#[tokio::test]
async fn revenue_beyond_64_bits_is_summed_and_orders_rows() {
    let store = store(None);
    let paid = |number: usize, path: &str, amount_micros: i64| Event {
        kind: if number.is_multiple_of(2) { EventKind::Revenue } else { EventKind::Goal },
        amount_micros,
        currency: "EUR".into(),
        ..page_view(number, path, START + number as i64, number as u64)
    };
    let mut events: Vec<Event> = (0..10).map(|number| paid(number, "/much", i64::MAX)).collect();
    events.push(paid(10, "/more", i64::MAX));
    events.push(paid(11, "/back", i64::MIN));
    events.push(paid(12, "/nothing", 5));
    events.push(paid(13, "/nothing", -5));
    store.append(events, i64::MAX).await.unwrap();
    let metrics: MetricSet = [Metric::Revenue, Metric::Visits].into_iter().collect();
    let Answer::Totals(sums) = ask(&store, Panel::Totals { metrics }).await else { panic!() };
    assert_eq!((sums.revenue_micros, sums.payments), (i128::from(i64::MAX) * 11 + i128::from(i64::MIN), 14));
    let edges: Arc<[i64]> = Arc::from([START, START + HOUR, START + 2 * HOUR]);
    let Answer::Series(buckets) = ask(&store, Panel::Series { edges, metrics }).await else { panic!() };
    assert_eq!(buckets.iter().map(|(at, of)| (*at, of.revenue_micros)).collect::<Vec<_>>(), [(0, sums.revenue_micros)]);
    let keys = keys_by_ones(&store, Dimension::Page, Metric::Revenue, SortDirection::Desc).await;
    assert_eq!(keys, ["/much", "/more", "/nothing", "/back"]);
    let rows = ask(&store, breakdown(Dimension::Page, Metric::Revenue, SortDirection::Desc, None, 10)).await;
    let Answer::Breakdown { rows, .. } = rows else { panic!() };
    // Paid and paid back is 0, which is not the same as never paid.
    assert_eq!((rows[2].sums.revenue_micros, rows[2].sums.payments), (0, 2));
}

#[tokio::test]
async fn a_search_finds_all_spellings_of_a_word() {
    let store = store(None);
    let paths = [
        "/ΟΔΟΣ",
        "/οδός",
        "/İstanbul",
        "/istanbul",
        "/Straße",
        "/STRASSE",
        "/Cafe\u{301}",
        "/CAFÉ",
        "/a%_b",
        "/%CE%BF%CE%B4%CF%8C%CF%82",
        "/%FF%zz%_bé",
    ];
    let events =
        paths.iter().enumerate().map(|(number, path)| page_view(number, path, START + 1, number as u64)).collect();
    store.append(events, i64::MAX).await.unwrap();
    for (search, found) in [
        ("ΟΔΟΣ", &["/ΟΔΟΣ", "/οδός", "/%CE%BF%CE%B4%CF%8C%CF%82"][..]),
        ("οδος", &["/ΟΔΟΣ", "/οδός", "/%CE%BF%CE%B4%CF%8C%CF%82"]),
        ("İstanbul", &["/istanbul", "/İstanbul"]),
        ("ISTANBUL", &["/istanbul", "/İstanbul"]),
        ("strasse", &["/STRASSE", "/Straße"]),
        ("straße", &["/STRASSE", "/Straße"]),
        ("café", &["/CAFÉ", "/Cafe\u{301}"]),
        ("%_", &["/a%_b", "/%FF%zz%_bé"]),
        ("%_BE", &["/%FF%zz%_bé"]),
        ("%b_", &[]),
    ] {
        let mut panel = breakdown(Dimension::Page, Metric::Pageviews, SortDirection::Desc, None, 10);
        if let Panel::Breakdown { search: text, other, .. } = &mut panel {
            *text = Some(search.to_owned());
            *other = true;
        }
        let Answer::Breakdown { rows, other, .. } = ask(&store, panel).await else { panic!() };
        let mut keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let mut found = found.to_vec();
        keys.sort_unstable();
        found.sort_unstable();
        assert_eq!(keys, found, "{search}");
        assert_eq!(other, Some(Sums::default()), "what is searched for is all there is");
    }
}

#[tokio::test]
async fn time_on_a_page_reaches_past_heartbeats_and_the_end_of_the_range() {
    let store = store(None);
    let minute = VISIT_GAP_MS / 30;
    let end = SPAN.end_ms;
    let heartbeat = |number, time_ms| Event { kind: EventKind::Heartbeat, ..page_view(number, "/a", time_ms, 1) };
    let events = vec![
        // Twenty minutes, then heartbeats, then the next page forty minutes later, after the end.
        page_view(0, "/a", end - 20 * minute, 1),
        heartbeat(1, end),
        heartbeat(2, end + 10 * minute),
        page_view(3, "/b", end + 20 * minute, 1),
        // Another visit of the same visitor does not follow.
        page_view(4, "/c", end - 10 * HOUR, 1),
    ];
    store.append(events, 0).await.unwrap();
    let paths = ["/a", "/b", "/c"].map(str::to_owned).to_vec();
    let Answer::Pages(pages) = ask(&store, Panel::Pages { paths }).await else { panic!() };
    let times: Vec<Option<f64>> = pages.iter().map(|page| page.time_on_page_ms).collect();
    assert_eq!(times, [Some(40.0 * minute as f64), None, None]);
}

#[tokio::test]
async fn events_of_thousands_of_websites_are_counted_in_one_pass() {
    let store = store(None);
    let websites: Vec<Uuid> = (0..2_500).map(|number| Uuid::from_u128(1 << 100 | number)).collect();
    let events = websites.iter().enumerate().map(|(number, website)| Event {
        website: *website,
        ..page_view(number, "/", START + number as i64, number as u64)
    });
    store.append(events.collect(), i64::MAX).await.unwrap();
    assert_eq!(store.count_since(&websites, START + 1).await.unwrap(), 2_499);
    assert_eq!(store.count_since(&websites[..2], START).await.unwrap(), 2);
}

#[tokio::test]
async fn several_event_filters_are_one_pass() {
    let store = store(None);
    let events = traffic(16);
    store.append(events.clone(), i64::MAX).await.unwrap();
    let filters: Vec<FilterInput> =
        (0..20).map(|number| filter(Dimension::Page, FilterOperator::IsNot, &[&format!("/{number}")])).collect();
    let basis = Basis { filters, ..basis() };
    let panels = vec![Panel::Totals { metrics: ALL.into_iter().collect() }];
    let plan = Plan { asker: Asker::Anonymous, basis, panels };
    let expected = recount(&events, &plan.basis, &|_, _| Some(String::new()), false).remove("").unwrap();
    assert_eq!(store.ask(&plan).await.unwrap(), [Answer::Totals(expected)]);
}

#[tokio::test]
async fn a_pattern_that_is_none_is_the_callers_fault() {
    let store = store(None);
    store.append(traffic(15), i64::MAX).await.unwrap();
    let filters = vec![filter(Dimension::Page, FilterOperator::Matches, &["((("])];
    let basis =
        Basis { website: SITE, span: SPAN, filters, currency: "EUR".into(), bots: false, goals: Goals::default() };
    let plan = Plan {
        asker: Asker::Anonymous,
        basis,
        panels: vec![Panel::Totals { metrics: MetricSet::NONE.with(Metric::Visits) }],
    };
    let error = store.ask(&plan).await.unwrap_err();
    assert_eq!((error.code(), error.field()), ("VALIDATION_ERROR", Some("filters")), "{error:?}");
}
