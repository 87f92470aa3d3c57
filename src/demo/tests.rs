//! Checks that the demo's numbers are realistic.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use schema::analytics::{
    country::country_name,
    event::{Event, EventKind},
};

use super::*;
use crate::import::memory::{Memory, visits};

fn until() -> DateTime<Utc> {
    "2026-11-23T08:30:00Z".parse().unwrap()
}

fn events(at: usize) -> (&'static Website, Vec<Event>) {
    let site = &websites()[at];
    (site, generate(site, Uuid::from_u128(at as u128), SEED, until()).collect())
}

fn local(site: &Website, event: &Event) -> DateTime<Tz> {
    DateTime::from_timestamp_millis(event.time_ms).unwrap().with_timezone(&site.timezone.parse::<Tz>().unwrap())
}

#[test]
fn the_same_seed_gives_the_same_traffic_in_order_of_time() {
    for at in 0..3 {
        let (site, first) = events(at);
        let key = |event: &Event| (event.id, event.time_ms, event.visitor, event.path.clone());
        assert!(
            first
                .iter()
                .map(key)
                .eq(generate(site, Uuid::from_u128(at as u128), SEED, until()).map(|event| key(&event)))
        );
        assert!(first.is_sorted_by_key(|event| event.time_ms));
        assert!(first.last().unwrap().time_ms < until().timestamp_millis());
        assert_eq!(first.iter().map(|event| event.id).collect::<HashSet<_>>().len(), first.len());
        let other = generate(site, Uuid::from_u128(at as u128), SEED + 1, until()).next().unwrap();
        assert_ne!(key(&other), key(&first[0]));
    }
}

#[test]
fn volumes_weeks_and_nights_are_believable() {
    let mut sum = 0;
    for at in 0..3 {
        let (site, events) = events(at);
        sum += events.len();
        let found = visits(&events);
        let mut days: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for event in &events {
            let day = days.entry(local(site, event).date_naive()).or_default();
            day.0 += u64::from(event.kind == EventKind::Pageview);
        }
        assert_eq!(days.len(), 90, "{}", site.name);
        assert!((12_000..60_000).contains(&found.len()), "{} visits on {}", found.len(), site.name);
        let bounced = found.iter().filter(|(_, times)| times.len() == 1).count() as f64 / found.len() as f64;
        assert!((0.25..0.65).contains(&bounced), "{bounced} of {} bounce", site.name);

        let night = events.iter().filter(|event| (2..5).contains(&local(site, event).hour())).count();
        let noon = events.iter().filter(|event| (11..14).contains(&local(site, event).hour())).count();
        assert!(noon > 3 * night, "{}: {noon} at noon, {night} at night", site.name);
        let people: HashSet<_> = events.iter().map(|event| event.visitor).collect();
        assert!(found.len() as f64 > people.len() as f64 * 1.2, "people come back to {}", site.name);
        let (early, late): (Vec<_>, Vec<_>) =
            days.iter().partition(|(day, _)| **day < until().date_naive() - chrono::Duration::days(60));
        let mean = |days: Vec<(_, &(u64, u64))>| days.iter().map(|(_, day)| day.0).sum::<u64>() / days.len() as u64;
        assert!(mean(late) > mean(early), "{} grows", site.name);
    }
    assert!((150_000..300_000).contains(&sum), "{sum} events");

    let (site, events) = events(1);
    let on = |weekend: bool| {
        events.iter().filter(|event| (local(site, event).weekday().num_days_from_monday() > 4) == weekend).count()
    };
    assert!(on(false) / 5 > on(true) / 2 * 3 / 2, "a product for work rests at weekends");
}

#[test]
fn one_day_everybody_came() {
    let (site, events) = events(2);
    let mut days: HashMap<_, u64> = HashMap::new();
    for event in events.iter().filter(|event| event.kind == EventKind::Pageview) {
        *days.entry(local(site, event).date_naive()).or_default() += 1;
    }
    let (day, views) = days.iter().max_by_key(|(_, views)| **views).unwrap();
    assert_eq!((until().date_naive() - *day).num_days(), 23);
    let mean = days.values().sum::<u64>() / 90;
    assert!(*views > 2 * mean, "{views} against {mean}");
    let from_news = events
        .iter()
        .filter(|event| local(site, event).date_naive() == *day && event.acquisition.source == "Hacker News")
        .count();
    assert!(from_news > 700, "{from_news}");
}

#[test]
fn people_are_consistent_and_sources_varied() {
    for at in 0..3 {
        let (site, events) = events(at);
        let mut people: HashMap<u64, &Event> = HashMap::new();
        for event in &events {
            let first = people.entry(event.visitor).or_insert(event);
            assert!(first.agent == event.agent && first.place == event.place && first.screen == event.screen);
            assert_eq!(first.language, event.language);
            assert!(country_name(&event.place.country).is_some(), "{}", event.place.country);
            assert!(
                event.properties.is_empty() || serde_json::from_str::<serde_json::Map<_, _>>(&event.properties).is_ok()
            );
            assert_eq!(&*event.hostname, site.domain);
            assert!(!event.path.is_empty() && !event.title.is_empty());
            assert_eq!(event.kind == EventKind::Pageview, event.name.is_empty());
            assert_eq!(event.kind == EventKind::Revenue, event.amount_micros > 0);
        }
        let count = |key: fn(&Event) -> &str| events.iter().map(key).collect::<HashSet<_>>().len();
        assert!(count(|event| &event.acquisition.channel) >= 6, "{}", site.name);
        assert!(count(|event| &event.acquisition.source) >= 14);
        assert!(count(|event| &event.place.country) >= 10);
        assert!(count(|event| &event.agent.browser) >= 7);
        assert_eq!(count(|event| &event.agent.device), 3);
    }
}

#[test]
fn things_happen_beside_page_views() {
    let named = |at: usize, kind: EventKind, name: &str| {
        events(at).1.iter().filter(|event| event.kind == kind && &*event.name == name).count()
    };
    assert!(named(0, EventKind::Custom, "add_to_cart") > 1_500);
    let orders = named(0, EventKind::Revenue, "purchase");
    assert!((400..2_500).contains(&orders), "{orders} orders");
    assert_eq!(named(0, EventKind::Goal, "Purchase"), orders);
    assert!(named(1, EventKind::Custom, "signup") > 150);
    assert!(named(1, EventKind::Goal, "Sign up") > 150);
    assert!(named(2, EventKind::Goal, "Newsletter") > 100);
    assert!(named(2, EventKind::Scroll, "scroll") > 1_000);
    assert!((0..3).all(|at| named(at, EventKind::Custom, "404") > 50));
}

#[tokio::test]
async fn filling_stores_all_in_batches_that_settle_in_order() {
    let store = Arc::new(Memory::default());
    let port: Arc<dyn Events> = Arc::clone(&store) as Arc<dyn Events>;
    let site = &websites()[0];
    let appended = fill(site, Uuid::from_u128(0), SEED, until(), &port).await.unwrap();
    assert_eq!(appended.stored as usize, events(0).1.len());
    assert_eq!(appended.duplicates, 0);
    assert!(store.settled.lock().unwrap().is_sorted());
}
