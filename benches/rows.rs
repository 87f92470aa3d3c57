//! Rows and questions of the benches: a day's visits of ten websites, and what a dashboard asks.

#![expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "small numbers")]

use std::sync::Arc;

use schema::analytics::event::{Acquisition, Agent, Event, EventKind, Place};
use uuid::Uuid;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// Numbers that look random and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    /// Small numbers more often than large ones.
    pub fn skewed(&mut self, sides: u64) -> u64 {
        let roll = self.roll(sides);
        self.roll(roll + 1)
    }
}

/// A day's visits of ten websites, half of them on the first: about four page views each.
pub fn day(dice: &mut Dice, websites: &[Uuid], start_ms: i64, events: u64) -> Vec<Event> {
    let mut day: Vec<Event> = Vec::new();
    let hostname: Arc<str> = Arc::from("bench.example");
    let paths: Vec<Arc<str>> =
        (0..2_000).map(|page| Arc::from(format!("/section-{}/page-{page}", page % 20))).collect();
    while (day.len() as u64) < events {
        let site = if dice.roll(2) == 0 { 0 } else { 1 + dice.roll(9) };
        let visitor = dice.roll(1_500_000).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut of_visitor = Dice(visitor | 1);
        let referrer = match dice.roll(5) {
            0 | 1 => String::new(),
            2 => "google.com".to_owned(),
            3 => "news.ycombinator.com".to_owned(),
            _ => format!("site{}.example", dice.skewed(300)),
        };
        let place = Arc::new(Place {
            country: ["US", "DE", "FR", "GB", "IN", "BR", "NL", "ES", "IT", "JP", "PL", "SE"]
                [of_visitor.skewed(12) as usize]
                .into(),
            ..Place::default()
        });
        let agent = Arc::new(Agent {
            device: ["desktop", "mobile", "tablet"][of_visitor.skewed(3) as usize].into(),
            browser: ["Chrome", "Safari", "Firefox", "Edge", "Opera"][of_visitor.skewed(5) as usize].into(),
            browser_version: of_visitor.roll(30).to_string(),
            os: ["Windows", "Mac OS X", "Linux", "iOS", "Android"][of_visitor.skewed(5) as usize].into(),
            os_version: String::new(),
        });
        let acquisition = Arc::new(Acquisition {
            source: referrer.clone(),
            channel: if referrer.is_empty() { "Direct" } else { "Referral" }.into(),
            referrer,
            ..Acquisition::default()
        });
        let mut time_ms = start_ms + dice.roll(DAY_MS as u64) as i64;
        for _ in 0..1 + dice.roll(7) {
            let id = Uuid::from_u128(u128::from(dice.roll(u64::MAX)) << 64 | u128::from(dice.roll(u64::MAX)));
            day.push(Event {
                hostname: hostname.clone(),
                path: paths[dice.skewed(2_000) as usize].clone(),
                acquisition: acquisition.clone(),
                place: place.clone(),
                agent: agent.clone(),
                ..Event::new(websites[site as usize], id, time_ms, visitor, EventKind::Pageview)
            });
            time_ms += 10_000 + dice.roll(80_000) as i64;
        }
    }
    day
}

/// What a dashboard asks of a website between two instants: totals, days, and the first ten of six dimensions.
pub fn dashboard(site: &str, start_ms: i64, end_ms: i64) -> String {
    let at = |ms: i64| chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339();
    let metrics = "metrics { visitors visits pageviews }";
    let top =
        |by: &str| format!("{}: breakdown(by: {by}, first: 10) {{ nodes {{ value {metrics} }} }}", by.to_lowercase());
    format!(
        "{{ website(id: \"{site}\") {{ analytics(range: {{ between: {{ start: \"{}\", end: \"{}\" }} }}) {{ totals {{ visitors visits pageviews }} \
         series(interval: DAY) {{ start {metrics} }} page: breakdown(by: PAGE, first: 10) {{ nodes {{ value metrics {{ visitors pageviews }} }} }} {} {} {} {} {} }} }} }}",
        at(start_ms),
        at(end_ms),
        top("REFERRER"),
        top("COUNTRY"),
        top("BROWSER"),
        top("OS"),
        top("DEVICE")
    )
}
