//! The current visitors of one website, and their figures.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use rustc_hash::FxHashMap as HashMap;
use schema::{analytics::event::EventKind, traffic::LiveFigures};

use crate::visitor_map::VisitorMap;

/// How long a visitor is current after the last activity, in milliseconds.
const PRESENT_MS: i64 = 5 * 60 * 1000;

/// Minutes of [`LiveFigures::minutes`].
pub(super) const MINUTES: i64 = 30;

/// How long events are relevant here, in milliseconds.
pub const MEMORY_MS: i64 = MINUTES * 60 * 1000;

/// Paths of [`LiveFigures::pages`].
pub(super) const PAGES: usize = 20;

/// Maximum size of the paths of one website's current visitors, in bytes; visitors on further pages count, but their
/// pages are not named.
pub(super) const PAGES_BYTES: usize = 4 << 20;

/// A visitor of the last half hour. There may be millions: each takes 24 bytes with its key.
#[derive(Clone, Copy)]
struct Seat {
    /// Last activity, in seconds since 1970.
    last: u32,
    /// A bit for each minute with activity in the half hour before that, by the minute modulo 32.
    minutes: u32,
    /// Number of the page.
    page: u16,
    /// ISO 3166-1 alpha-2; zeros where unknown.
    country: [u8; 2],
}

/// Pages by number; 0 is an unnamed page.
#[derive(Default)]
pub(super) struct Pages {
    pub(super) names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u16>,
    bytes: usize,
}

impl Pages {
    /// The number of a page; 0 if too many are already known.
    fn number(&mut self, path: &Arc<str>) -> u16 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        let number = u16::try_from(self.names.len() + 1).unwrap_or(0);
        if path.is_empty() || number == 0 || self.is_full() {
            return 0;
        }
        self.bytes += path.len();
        self.names.push(Arc::clone(path));
        self.numbers.insert(Arc::clone(path), number);
        number
    }

    fn is_full(&self) -> bool {
        self.bytes >= PAGES_BYTES || self.names.len() >= usize::from(u16::MAX)
    }

    fn name(&self, number: u16) -> Option<&Arc<str>> {
        self.names.get(usize::from(number).checked_sub(1)?)
    }
}

/// The current visitors of one website.
#[derive(Default)]
pub(super) struct Crowd {
    seats: VisitorMap<Seat>,
    /// Number of visitors by the second of their last activity.
    last: BTreeMap<u32, u64>,
    /// The sum of `last`: the current visitors, once those who left are pruned.
    pub(super) present: u64,
    /// Page views by second.
    views: VecDeque<(i64, u64)>,
    /// Number of active visitors per minute.
    heard: BTreeMap<u32, u64>,
    pub(super) pages: Pages,
    /// Last cleanup, in seconds since 1970.
    swept: u32,
}

/// The parts of an event used here.
pub(super) struct Sign<'a> {
    pub(super) visitor: u64,
    pub(super) time_ms: i64,
    pub(super) kind: EventKind,
    pub(super) country: &'a str,
    pub(super) path: &'a Arc<str>,
}

fn seconds(time_ms: i64) -> u32 {
    u32::try_from(time_ms.div_euclid(1000)).unwrap_or_default()
}

/// The first second whose visitors are still current: a visitor's second counts in full.
fn present_from(now_ms: i64) -> u32 {
    seconds(now_ms - PRESENT_MS)
}

impl Crowd {
    /// Adds an event or a heartbeat.
    pub(super) fn take(&mut self, sign: &Sign<'_>) {
        if sign.kind.is_pageview() {
            let second = sign.time_ms.div_euclid(1000);
            // Late ones find their second among the last few.
            let at = self.views.iter().rposition(|(known, _)| *known <= second);
            match at.and_then(|at| self.views.get_mut(at)) {
                Some((known, count)) if *known == second => *count += 1,
                _ => self.views.insert(at.map_or(0, |at| at + 1), (second, 1)),
            }
        }
        let second = seconds(sign.time_ms);
        let country = sign.country.as_bytes().try_into().unwrap_or_default();
        let fresh = Seat { last: 0, minutes: 0, page: 0, country };
        let seat = self.seats.or_insert(sign.visitor, fresh);
        if second >= seat.last {
            if let Some(count) = self.last.get_mut(&seat.last) {
                *count -= 1;
                self.present -= 1;
                if *count == 0 {
                    self.last.remove(&seat.last);
                }
            }
            *self.last.entry(second).or_default() += 1;
            self.present += 1;
            // The bits of the minutes that passed meanwhile stood for minutes that are over.
            let passed = second / 60 - seat.last / 60;
            for minute in (second / 60 + 1).saturating_sub(passed.min(32))..=second / 60 {
                seat.minutes &= !(1 << (minute % 32));
            }
            seat.last = second;
            seat.page = self.pages.number(sign.path);
        }
        let (minute, bit) = (second / 60, 1 << (second / 60 % 32));
        if seat.minutes & bit == 0 {
            seat.minutes |= bit;
            *self.heard.entry(minute).or_default() += 1;
        }
    }

    /// Drops these visitors. Figures of past minutes stay.
    pub(super) fn forget(&mut self, visitors: &[u64]) {
        for visitor in visitors {
            let Some(seat) = self.seats.remove(*visitor) else { continue };
            if let Some(count) = self.last.get_mut(&seat.last) {
                *count -= 1;
                self.present -= 1;
                if *count == 0 {
                    self.last.remove(&seat.last);
                }
            }
        }
    }

    /// Drops visitors who have left.
    pub(super) fn prune(&mut self, now_ms: i64) {
        while self.views.front().is_some_and(|(second, _)| *second < (now_ms - MEMORY_MS) / 1000 - 60) {
            self.views.pop_front();
        }
        let from = present_from(now_ms);
        while let Some(gone) = self.last.first_entry().filter(|first| *first.key() < from) {
            self.present -= gone.remove();
        }
        let from = seconds(now_ms - MEMORY_MS) / 60 + 1;
        while let Some(gone) = self.heard.first_entry().filter(|first| *first.key() < from) {
            gone.remove();
        }
        let now = seconds(now_ms);
        if now.abs_diff(self.swept) < if self.pages.is_full() { 5 } else { 60 } {
            return;
        }
        self.swept = now;
        let oldest = seconds(now_ms - MEMORY_MS);
        self.seats.retain(|seat| seat.last >= oldest);
        self.forget_pages(now_ms);
    }

    /// Renumbers the pages that visitors are on.
    fn forget_pages(&mut self, now_ms: i64) {
        let (before, from) = (std::mem::take(&mut self.pages), present_from(now_ms));
        for seat in self.seats.values_mut() {
            let name = before.name(seat.page).filter(|_| seat.last >= from);
            seat.page = name.map_or(0, |name| self.pages.number(name));
        }
    }

    /// The figures of now.
    pub(super) fn figures(&self, now_ms: i64) -> LiveFigures {
        let minute = now_ms.div_euclid(60_000);
        let mut minutes = vec![0; usize::try_from(MINUTES).unwrap_or(0)];
        let mut pageviews = 0;
        for (second, count) in &self.views {
            let back = minute - second.div_euclid(60);
            if let Some(slot) = usize::try_from(MINUTES - 1 - back).ok().and_then(|at| minutes.get_mut(at)) {
                *slot += count;
            }
            if second * 1000 > now_ms - PRESENT_MS {
                pageviews += count;
            }
        }
        let heard = |minute: i64| u32::try_from(minute).ok().and_then(|minute| self.heard.get(&minute));
        let visitor_minutes =
            (minute - MINUTES + 1..=minute).map(|minute| heard(minute).copied().unwrap_or(0)).collect();
        let mut countries: HashMap<[u8; 2], u64> = HashMap::default();
        let mut on: Vec<u64> = vec![0; self.pages.names.len() + 1];
        let from = present_from(now_ms);
        for seat in self.seats.values().filter(|seat| seat.last >= from) {
            *countries.entry(seat.country).or_default() += 1;
            if let Some(count) = on.get_mut(usize::from(seat.page)) {
                *count += 1;
            }
        }
        let name = |code: [u8; 2]| String::from_utf8_lossy(&code).trim_matches('\0').to_owned();
        let mut countries: Vec<(String, u64)> =
            countries.into_iter().map(|(code, count)| (name(code), count)).collect();
        countries.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        let named = self.pages.names.iter().zip(on.into_iter().skip(1)).filter(|(_, count)| *count > 0);
        let mut pages: Vec<(Arc<str>, u64)> = named.map(|(path, count)| (Arc::clone(path), count)).collect();
        pages.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        pages.truncate(PAGES);
        LiveFigures { visitors: self.present, pageviews, minutes, visitor_minutes, countries, pages }
    }
}
