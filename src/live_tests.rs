//! Tests the hub with visitors who come and go.

use chrono::{DateTime, Utc};
use schema::analytics::event::{EventKind, Place};

use super::{
    crowd::{PAGES, PAGES_BYTES},
    *,
};

struct Moved(Mutex<DateTime<Utc>>);

impl Clock for Moved {
    fn now(&self) -> DateTime<Utc> {
        *locked(&self.0)
    }
}

fn hub(now_ms: i64) -> (Hub, Arc<Moved>) {
    let clock = Arc::new(Moved(Mutex::new(DateTime::from_timestamp_millis(now_ms).unwrap())));
    (Hub::new(clock.clone()), clock)
}

const SITE: Uuid = Uuid::from_u128(7);
const NOW: i64 = 1_790_000_000_000;

fn event(visitor: u64, kind: EventKind, time_ms: i64, path: &str, country: &str) -> Event {
    let id = Uuid::from_u128(u128::from(visitor));
    Event {
        path: path.into(),
        place: Arc::new(Place { country: country.into(), ..Place::default() }),
        ..Event::new(SITE, id, time_ms, visitor, kind)
    }
}

#[test]
fn people_are_there_for_five_minutes_after_their_last_sign() {
    let (hub, clock) = hub(NOW);
    hub.take(&[
        event(1, EventKind::Pageview, NOW - 100_000, "/a", "DE"),
        event(2, EventKind::Pageview, NOW - 299_000, "/b", "DE"),
        event(3, EventKind::Pageview, NOW - 301_000, "/b", "FR"),
        event(1, EventKind::Heartbeat, NOW, "/c", "DE"),
        event(2, EventKind::Pageview, NOW - 350_000, "/old", "DE"),
    ]);
    let figures = hub.figures(SITE);
    assert_eq!((figures.visitors, hub.visitors(SITE), figures.pageviews), (2, 2, 2));
    assert_eq!(figures.countries, [("DE".to_owned(), 2)]);
    assert_eq!(figures.pages, [("/b".into(), 1), ("/c".into(), 1)], "a late event does not change the current page");
    assert_eq!(figures.minutes.iter().sum::<u64>(), 4);
    assert_eq!((figures.visitor_minutes.len(), figures.visitor_minutes.last()), (30, Some(&1)));
    *locked(&clock.0) += chrono::Duration::seconds(2);
    assert_eq!(hub.visitors(SITE), 1);
    *locked(&clock.0) += chrono::Duration::seconds(300);
    assert_eq!((hub.visitors(SITE), hub.figures(SITE).pageviews), (0, 0));
    *locked(&clock.0) += chrono::Duration::minutes(40);
    hub.take(&[event(9, EventKind::Pageview, NOW, "/late", "DE")]);
    assert_eq!(hub.figures(SITE).minutes.iter().sum::<u64>(), 0);
    assert_eq!(hub.visitors(Uuid::nil()), 0);
}

#[test]
fn minutes_count_each_visitor_once_and_know_no_others() {
    let (hub, clock) = hub(NOW);
    for minute in 0..70 {
        let at = NOW + minute * 60_000;
        *locked(&clock.0) = DateTime::from_timestamp_millis(at).unwrap();
        // One is there in every minute, one in every tenth, one once; late and repeated signs change nothing.
        let mut signs = vec![
            event(1, EventKind::Heartbeat, at, "/", "DE"),
            event(1, EventKind::Heartbeat, at - 120_000, "/", "DE"),
        ];
        if minute % 10 == 0 {
            signs.extend([
                event(2, EventKind::Heartbeat, at, "/", "DE"),
                event(2, EventKind::Pageview, at + 1, "/", "DE"),
            ]);
        }
        if minute == 50 {
            signs.push(event(3, EventKind::Pageview, at - 1_700_000, "/", "DE"));
        }
        hub.take(&signs);
        let minutes = hub.figures(SITE).visitor_minutes;
        let expected: Vec<u64> = (minute - 29..=minute)
            .map(|of| {
                let first = of >= -2 && (of, minute) != (-1, 0);
                u64::from(first) + u64::from(of >= 0 && of % 10 == 0) + u64::from(minute >= 50 && of == 22)
            })
            .collect();
        assert_eq!(minutes, expected, "minute {minute}");
    }
}

#[test]
fn many_long_paths_are_bounded_and_their_visitors_count() {
    let (hub, _) = hub(NOW);
    let views: Vec<Event> = (0..10_000)
        .map(|number| event(number, EventKind::Pageview, NOW, &format!("/{number}{}", "x".repeat(2_000)), "DE"))
        .collect();
    hub.take(&views);
    let bytes: usize = locked(&hub.site(SITE).crowd).pages.names.iter().map(|path| path.len()).sum();
    assert!(bytes <= PAGES_BYTES + 2_005, "{bytes}");
    let figures = hub.figures(SITE);
    assert_eq!((figures.visitors, figures.pageviews, figures.pages.len()), (10_000, 10_000, PAGES));
    assert_eq!(figures.countries, [("DE".to_owned(), 10_000)]);
}

#[test]
fn bots_are_not_live_visitors() {
    let (hub, _) = hub(NOW);
    hub.take(&[Event { bot: "crawler".into(), ..event(1, EventKind::Pageview, NOW, "/", "") }]);
    assert_eq!(hub.visitors(SITE), 0);
}

#[tokio::test]
async fn subscribers_hear_figures_and_events() {
    let (hub, _) = hub(NOW);
    let mut figures = hub.changes(SITE);
    let mut events = hub.events(SITE);
    assert_eq!(figures.next().await.unwrap().visitors, 0);
    hub.take(&[event(1, EventKind::Pageview, NOW, "/", "DE")]);
    assert_eq!(figures.next().await.unwrap().visitors, 1);
    assert_eq!(events.next().await.unwrap().visitor, 1);
    hub.take(&[event(2, EventKind::Pageview, NOW, "/", "DE"), event(3, EventKind::Pageview, NOW, "/", "DE")]);
    assert_eq!(figures.next().await.unwrap().visitors, 3);
}
