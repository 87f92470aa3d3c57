//! Ninety days of a demo website: growth, weekly and daily patterns, and one peak day.

use std::collections::VecDeque;

use chrono::{DateTime, Datelike, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use schema::analytics::event::Event;
use uuid::Uuid;

use super::{
    DAYS,
    crowd::{Crowd, Person},
    random::Random,
    sites::Website,
    visit::Scene,
};

/// Share of visits by returning visitors.
const RETURNING: f64 = 0.34;

/// The website's events of the 90 days before `until`, in chronological order. The same arguments give the same events.
pub fn generate(
    site: &'static Website,
    website: Uuid,
    seed: u64,
    until: DateTime<Utc>,
) -> impl Iterator<Item = Event> + Send {
    Traffic::new(site, website, seed, until)
}

/// A website's visitors, new and returning.
pub(super) struct Stream {
    pub(super) scene: Scene,
    crowd: Crowd,
    key: [u64; 2],
}

impl Stream {
    pub(super) fn new(site: &'static Website, website: Uuid, seed: u64) -> Self {
        // By domain, not by id: ids are new on each machine, and the demo shall look the same.
        let number = site.domain.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let key = [seed, number];
        Self { scene: Scene::new(site, website), crowd: Crowd::new(site, key), key }
    }

    /// Numbers for something that happens on a day.
    pub(super) fn random(&self, day: i64, what: u64) -> Random {
        let [seed, site] = self.key;
        Random::new(&[seed, site, day.unsigned_abs(), what, 2])
    }

    /// The visitor with this number on the day: a new one, or one of an earlier day.
    pub(super) fn visitor(&self, random: &mut Random, day: i64, number: u64) -> Option<Person> {
        if !random.chance(RETURNING) {
            return self.crowd.person(day, number);
        }
        #[expect(clippy::cast_possible_truncation, reason = "some days")]
        let back = 1 + random.around(9.0) as i64;
        // Few people come back often: the first numbers of each day.
        self.crowd.person(day - back, random.below(60))
    }
}

struct Traffic {
    stream: Stream,
    zone: Tz,
    hours: Vec<(i64, u64)>,
    day: NaiveDate,
    last: NaiveDate,
    until_ms: i64,
    /// Events before this instant are complete.
    ready: VecDeque<Event>,
    /// Events of visits that continue past the end of their day.
    later: Vec<Event>,
}

impl Traffic {
    fn new(site: &'static Website, website: Uuid, seed: u64, until: DateTime<Utc>) -> Self {
        let zone: Tz = site.timezone.parse().unwrap_or(Tz::UTC);
        let last = until.with_timezone(&zone).date_naive();
        Self {
            stream: Stream::new(site, website, seed),
            zone,
            hours: (0..).zip(site.hours).collect(),
            day: last - Duration::days(DAYS - 1),
            last,
            until_ms: until.timestamp_millis(),
            ready: VecDeque::new(),
            later: Vec::new(),
        }
    }

    fn midnight_ms(&self, day: NaiveDate) -> i64 {
        let midnight = day.and_time(chrono::NaiveTime::MIN);
        // Where clocks skip midnight, the day's begin is close enough for a demo.
        self.zone
            .from_local_datetime(&midnight)
            .earliest()
            .map_or_else(|| midnight.and_utc().timestamp_millis(), |at| at.timestamp_millis())
    }

    /// Number of visits on the day, and how many of them the peak day adds.
    fn visits(&self, random: &mut Random) -> (u64, u64) {
        let site = self.stream.scene.site;
        let ago = (self.last - self.day).num_days();
        let week = site.week.get(self.day.weekday().num_days_from_monday() as usize).copied().unwrap_or(1.0);
        #[expect(clippy::cast_precision_loss, reason = "90 days")]
        let growth = 1.25 - 0.55 * (ago as f64 / DAYS as f64);
        let noise = 0.9 + 0.2 * random.unit();
        let ordinary = site.daily * week * growth * noise;
        let viral = match site.viral.map(|(day, _)| day - ago) {
            Some(0) => 4.2,
            Some(1) => 1.6,
            Some(2) => 0.5,
            Some(3) => 0.2,
            _ => 0.0,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred")]
        let counts = (ordinary as u64, (site.daily * viral) as u64);
        counts
    }

    fn next_day(&mut self) {
        let day = i64::from(self.day.num_days_from_ce());
        let mut random = self.stream.random(day, u64::MAX);
        let (ordinary, viral) = self.visits(&mut random);
        let midnight_ms = self.midnight_ms(self.day);
        let mut events = std::mem::take(&mut self.later);
        for number in 0..ordinary + viral {
            let mut random = self.stream.random(day, number);
            let hour = self.hour(&mut random);
            let within_ms = i64::try_from(random.below(3_600_000)).unwrap_or_default();
            let Some(person) = self.stream.visitor(&mut random, day, number) else { continue };
            let start_ms = midnight_ms + hour * 3_600_000 + within_ms;
            events.extend(self.stream.scene.play(&mut random, &person, start_ms, number >= ordinary));
        }
        let end_ms = self.midnight_ms(self.day + Duration::days(1)).min(self.until_ms);
        events.sort_by_key(|event| event.time_ms);
        let ready = events.partition_point(|event| event.time_ms < end_ms);
        self.later = events.split_off(ready);
        self.ready = events.into();
        self.day += Duration::days(1);
    }

    fn hour(&self, random: &mut Random) -> i64 {
        random.pick(&self.hours, |hour| hour.1).map_or(12, |hour| hour.0)
    }
}

impl Iterator for Traffic {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            if self.day > self.last {
                return None;
            }
            self.next_day();
        }
        self.ready.pop_front()
    }
}
