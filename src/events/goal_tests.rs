//! Goals: what ingest finds on arrival, what the rules say and what queries count are the same, over generated traffic.

use std::collections::BTreeMap;

use schema::{
    analytics::{
        event::Event,
        plan::{Answer, Asker, Basis, MetricSet, Panel, Plan},
        query::{Dimension, FilterOperator, Metric, SortDirection, Span},
    },
    goal_rule::{
        Goals,
        index::GoalIndex,
        path_pattern::{PathPattern, PathRegex, checked_regex},
    },
    ports::Events as _,
};

use super::{
    dialect,
    recount::{
        HOUR, SITE, START,
        goals::{completed, goals},
        recount_goals, recounted_score, recounted_visits, traffic,
    },
    tests::{filter, store},
};

fn basis(goals: Goals) -> Basis {
    let span = Span { start_ms: START + HOUR, end_ms: START + 41 * HOUR };
    Basis { website: SITE, span, filters: vec![], currency: "EUR".into(), bots: false, goals }
}

#[test]
fn arrival_the_rules_and_a_recount_agree_on_every_event() {
    let (goals, basis) = (goals(), basis(goals()));
    let index = GoalIndex::new(goals.clone());
    let mut by_goal: BTreeMap<String, usize> = BTreeMap::new();
    for event in (1..=20).flat_map(traffic) {
        let on_arrival: Vec<String> =
            index.completed_by(&event).iter().map(|completion| completion.name.to_string()).collect();
        let expected: Vec<String> = completed(&event, &basis).into_iter().map(|completed| completed.goal).collect();
        assert_eq!(on_arrival, expected, "{event:?}");
        let by_rule = goals.all().iter().filter(|goal| goal.is_completed_by(&event)).count();
        let of_its_own = index.completed_by(&event).iter().filter(|completion| completion.goal.is_none()).count();
        assert_eq!(by_rule + of_its_own, expected.len(), "{event:?}");
        for goal in expected {
            *by_goal.entry(goal).or_default() += 1;
        }
    }
    for goal in goals.enabled() {
        assert!(by_goal.contains_key(&*goal.name), "{} is never completed", goal.name);
    }
    assert!(!by_goal.contains_key("no more") && !by_goal.contains_key("more"), "{by_goal:?}");
}

#[tokio::test]
async fn rows_of_goals_are_ordered_by_any_metric_of_theirs() {
    let (store, events) = (store(None), traffic(21));
    store.append(events.clone(), i64::MAX).await.unwrap();
    let basis = basis(goals());
    let expected = recount_goals(&events, &basis, &|goal| Some(goal.to_owned()));
    for order in [Metric::Conversions, Metric::ConversionRate, Metric::GoalValue] {
        let panel = Panel::Breakdown {
            by: Dimension::Goal,
            property: None,
            metrics: MetricSet::NONE.with(order),
            order,
            direction: SortDirection::Desc,
            after: None,
            limit: 100,
            search: None,
            other: false,
        };
        let plan = Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: vec![panel] };
        let Answer::Breakdown { rows, .. } = store.ask(&plan).await.unwrap().remove(0) else { panic!() };
        assert_eq!(rows.len(), expected.len());
        let of = |sums: &schema::analytics::plan::Sums| match order {
            Metric::Conversions => sums.conversions.into(),
            Metric::ConversionRate => sums.converted.into(),
            _ => sums.goal_value_micros,
        };
        assert!(rows.iter().all(|row| of(&row.sums) == of(&expected[&row.key])), "{order:?}");
        assert!(rows.is_sorted_by_key(|row| (std::cmp::Reverse(of(&row.sums)), row.key.clone())), "{order:?}");
    }
}

#[tokio::test]
async fn the_score_of_a_visitor_counts_earlier_visits() {
    let (store, events) = (store(None), traffic(22));
    store.append(events.clone(), i64::MAX).await.unwrap();
    let basis = basis(Goals::default());
    let plan = Plan {
        asker: Asker::Anonymous,
        basis: basis.clone(),
        panels: vec![Panel::Visitors { offset: 0, after: None, limit: 1_000 }],
    };
    let Answer::Visitors { rows, .. } = store.ask(&plan).await.unwrap().remove(0) else { panic!() };
    let visits: Vec<Vec<&Event>> =
        recounted_visits(&events).into_iter().filter(|visit| visit[0].bot.is_empty()).collect();
    assert!(rows.len() > 20);
    for row in rows {
        let of_visitor = || visits.iter().filter(|visit| visit[0].visitor == row.visitor);
        let latest = of_visitor().find(|visit| visit[0].time_ms == row.visited_ms).unwrap();
        let earlier: Vec<i64> = of_visitor()
            .filter(|visit| visit[0].time_ms < row.visited_ms)
            .map(|visit| visit[visit.len() - 1].time_ms)
            .collect();
        // All lies within two days.
        let recency = match earlier.iter().max() {
            Some(end_ms) if row.visited_ms - end_ms < 24 * HOUR => 3,
            Some(_) => 2,
            None => 0,
        };
        let expected = recounted_score(latest) + earlier.len().min(3) as i64 * 3 + recency;
        assert_eq!(i64::from(row.score), expected.min(100), "{row:?}");
    }
}

#[tokio::test]
async fn both_engines_read_a_regular_expression_alike() {
    let reader = store(None).reader().unwrap();
    let patterns = [
        "",
        "^/a$",
        "a.b",
        r"\d+\.html$",
        "(?i)PRI",
        "(?s:.)b",
        "[^/]+/",
        "[[:alpha:]_-]{2}",
        "a|b$",
        r"\/a",
        r"\x2f{1,2}a",
        "(a|/)+b",
        "^(?:/[a-z]+){2,3}/?$",
        r"\bab\b",
        r"\Bb",
        r"\w\W\w",
        "a*?b",
        "[]a]",
        "[^]a]",
        "[a-c%]+",
        r"[\d_]",
        "(?m)^/",
    ];
    let paths =
        ["/", "/a", "/a%b", "/a_b", "/axb", "/Pricing", "/2026/x.html", "/ab/cd/", "//ab", "/a#/b-c", "/x~y", "*"];
    for pattern in patterns {
        assert!(checked_regex("pattern", pattern).is_ok(), "{pattern}");
        let rule = PathPattern::Regex(PathRegex::new(pattern));
        for path in paths {
            let query = format!("SELECT {}", dialect::matches("?", "?"));
            let found: bool = reader.query_row(&query, [path, pattern], |row| row.get(0)).unwrap();
            assert_eq!(found, rule.matches(path), "{pattern} on {path}");
        }
    }
}

#[tokio::test]
async fn a_filter_by_goal_keeps_the_visits_that_completed_one_of_them() {
    let (store, events) = (store(None), traffic(23));
    store.append(events.clone(), i64::MAX).await.unwrap();
    let filters = vec![filter(Dimension::Goal, FilterOperator::IsNot, &["a", "glob"])];
    let basis = Basis { filters, ..basis(goals()) };
    let metrics = MetricSet::NONE.with(Metric::Visits);
    let plan = Plan { asker: Asker::Anonymous, basis: basis.clone(), panels: vec![Panel::Totals { metrics }] };
    let Answer::Totals(sums) = store.ask(&plan).await.unwrap().remove(0) else { panic!() };
    let inside = |time_ms: i64| time_ms >= basis.span.start_ms && time_ms < basis.span.end_ms;
    let did = |visit: &Vec<&Event>| {
        let in_range = visit.iter().filter(|event| inside(event.time_ms));
        in_range.flat_map(|event| completed(event, &basis)).any(|done| done.goal != "a" && done.goal != "glob")
    };
    let expected = recounted_visits(&events)
        .iter()
        .filter(|visit| visit[0].bot.is_empty() && inside(visit[0].time_ms) && did(visit))
        .count();
    assert_eq!(sums.visits, expected as i64);
    assert!(expected > 0);
}
