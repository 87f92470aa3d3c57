//! What the intake remembers of an open visit, in 16 bytes: there may be millions.

use schema::{
    analytics::event::{Event, EventKind, VISIT_GAP_MS},
    ports::RecentEvent,
    score::{self, Behaviour, HIGH_VALUE},
};

/// What an event tells of its visit.
#[derive(Debug, Clone, Copy)]
pub struct Sign {
    /// Time of the event, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    is_pageview: bool,
    behaviour: Behaviour,
    channel: u8,
}

impl Sign {
    fn new(time_ms: i64, kind: EventKind, goals: u8, scroll: u8, channel: &str) -> Self {
        let behaviour = Behaviour::of_event(kind, goals, scroll);
        Self { time_ms, is_pageview: kind.is_pageview(), behaviour, channel: score::of_channel(channel) }
    }
}

impl<V> From<&Event<V>> for Sign {
    fn from(event: &Event<V>) -> Self {
        Self::new(event.time_ms, event.kind, event.goals, event.scroll, &event.acquisition.channel)
    }
}

impl From<&RecentEvent> for Sign {
    fn from(event: &RecentEvent) -> Self {
        Self::new(event.time_ms, event.kind, event.goals, event.scroll, &event.channel)
    }
}

/// What an event changed in its visit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whether it completed the visit's first goal.
    pub converted: bool,
    /// The score, if it reached [`HIGH_VALUE`] for the first time, and the length of the visit in seconds.
    pub high_value: Option<(u8, u64)>,
}

/// An open visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenVisit {
    /// Last event: seconds since 1970, and milliseconds of that second.
    last: u32,
    last_milli: u16,
    /// Points of the channel of the first page view; of the first event without one.
    channel: u8,
    /// Whether the score was high.
    was_high: bool,
    /// From the first event to the last, in milliseconds; stops at 49 days.
    length_ms: u32,
    behaviour: Behaviour,
}

const _: () = assert!(size_of::<OpenVisit>() == 16);

impl OpenVisit {
    /// The visit that an event begins, and what it changed.
    #[must_use]
    pub fn begun_by(sign: &Sign) -> (Self, Heard) {
        let mut visit = Self {
            last: 0,
            last_milli: 0,
            channel: sign.channel,
            was_high: false,
            length_ms: 0,
            behaviour: Behaviour::default(),
        };
        visit.set_last(sign.time_ms);
        let heard = visit.add(sign);
        (visit, heard)
    }

    /// Time of the last event, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn last_ms(&self) -> i64 {
        i64::from(self.last) * 1_000 + i64::from(self.last_milli)
    }

    fn set_last(&mut self, time_ms: i64) {
        self.last = u32::try_from(time_ms.div_euclid(1_000)).unwrap_or_default();
        self.last_milli = u16::try_from(time_ms.rem_euclid(1_000)).unwrap_or_default();
    }

    /// Whether an event of this time belongs to the visit, or to one that was closed before.
    #[must_use]
    pub fn is_before_end(&self, time_ms: i64) -> bool {
        time_ms - self.last_ms() <= VISIT_GAP_MS
    }

    /// Adds an event of this visit.
    pub fn add(&mut self, sign: &Sign) -> Heard {
        let (start_ms, last_ms) = (self.last_ms() - i64::from(self.length_ms), self.last_ms());
        if sign.time_ms < start_ms - VISIT_GAP_MS {
            // It belongs to an earlier visit.
            return Heard::default();
        }
        if sign.is_pageview && self.behaviour.pageviews == 0 {
            self.channel = sign.channel;
        }
        let (first_ms, end_ms) = (start_ms.min(sign.time_ms), last_ms.max(sign.time_ms));
        self.set_last(end_ms);
        self.length_ms = u32::try_from(end_ms - first_ms).unwrap_or(u32::MAX);
        let before = self.behaviour;
        self.behaviour = before.plus(sign.behaviour);
        let seconds = self.length_ms / 1_000;
        let score = score::of_visit(self.behaviour, seconds.into(), self.channel);
        let is_new = score >= HIGH_VALUE && !self.was_high;
        self.was_high |= is_new;
        Heard {
            converted: before.goals == 0 && self.behaviour.goals > 0,
            high_value: is_new.then(|| (score, seconds.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000_123;

    fn sign(time_ms: i64, kind: EventKind, goals: u8) -> Sign {
        Sign::new(time_ms, kind, goals, 100, "Email")
    }

    #[test]
    fn a_visit_converts_once_and_is_of_high_value_once() {
        let (mut visit, heard) = OpenVisit::begun_by(&sign(START, EventKind::Pageview, 0));
        assert_eq!((heard, visit.last_ms()), (Heard::default(), START));
        let heard = visit.add(&sign(START + 1_000, EventKind::Goal, 1));
        assert_eq!(heard, Heard { converted: true, high_value: None });
        let mut crossed = Vec::new();
        for minute in 1..=15 {
            for kind in [EventKind::Pageview, EventKind::Custom] {
                let heard = visit.add(&sign(START + minute * 60_000, kind, 1));
                assert!(!heard.converted);
                crossed.extend(heard.high_value);
            }
        }
        // Eight page views, four interactions, two goals, all scrolled, from an e-mail: 68 and two points a minute.
        assert_eq!(crossed, [(82, 420)]);
        assert_eq!(visit.last_ms(), START + 15 * 60_000);
    }

    #[test]
    fn late_events_count_in_the_visit_they_belong_to() {
        let (mut visit, _) = OpenVisit::begun_by(&sign(START, EventKind::Pageview, 0));
        assert_eq!(visit.add(&sign(START - VISIT_GAP_MS - 1, EventKind::Goal, 1)), Heard::default());
        assert!(visit.add(&sign(START - 60_000, EventKind::Goal, 1)).converted);
        assert_eq!((visit.last_ms(), visit.length_ms), (START, 60_000));
        assert!(visit.is_before_end(START + VISIT_GAP_MS) && !visit.is_before_end(START + VISIT_GAP_MS + 1));
    }
}
