//! The value score of a visitor, 0 to 100: a sum of points for what the visitor does, for earlier visits, and for the source.
//!
//! - More of anything never lowers it: each part is a capped sum of integers (CONTRACT 14.1 leaves the weights open).
//! - A visit has points of its own, which are stored with it; those of earlier visits are added where they are known.

use async_graphql::Enum;

use crate::analytics::event::EventKind;

/// A score from which a visitor is of high value.
pub const HIGH_VALUE: u8 = 80;

/// Points for each page view that lasts, and the number of page views that count.
const PAGE: u32 = 3;
const MAX_PAGES: u32 = 8;

/// Page views that count however short they are, and seconds of the visit for each further one.
const FREE_PAGES: u32 = 3;
const SECONDS_PER_PAGE: u32 = 2;

/// Points for time, and the seconds for all of them.
const TIME: u32 = 20;
const FULL_SECONDS: u32 = 600;

/// Points for the deepest scroll position, at 100 percent.
const SCROLL: u32 = 8;

/// Points for each interaction, and the number of interactions that count.
const INTERACTION: u32 = 4;
const MAX_INTERACTIONS: u32 = 4;

/// Points for each completed goal (a key page is a goal of kind PAGE), and the number of goals that count.
const GOAL: u32 = 7;
const MAX_GOALS: u32 = 2;

/// Points for each earlier visit, and the number of visits that count.
const EARLIER_VISIT: u32 = 3;
const MAX_EARLIER_VISITS: u32 = 3;

/// Points for the time since the last visit, by the days that it may be ago.
const RECENCY: &[(i64, u32)] = &[(1, 3), (7, 2), (30, 1)];

/// Length of a day, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// How long before a visit earlier visits count, in milliseconds: 30 days from start to start.
pub const HISTORY_MS: i64 = 30 * DAY_MS;

/// Points of the channels that bring visitors who look for something; the others have 3, direct visits 2.
const CHANNELS: &[(&str, u8)] = &[
    ("Email", 6),
    ("Paid Search", 6),
    ("Paid Shopping", 6),
    ("Organic Search", 5),
    ("Organic Shopping", 5),
    ("AI Assistants", 5),
    ("Referral", 4),
    ("Affiliates", 4),
    ("Direct", 2),
    ("", 2),
];
const OTHER_CHANNEL: u8 = 3;

/// What a visitor does during a visit. Numbers stop at 255, which is more than counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Page views.
    pub pageviews: u8,
    /// Events that count as interactions.
    pub interactions: u8,
    /// Goals completed, as they were defined when the events arrived.
    pub goals: u8,
    /// Deepest scroll position, in percent of the page.
    pub scroll: u8,
}

impl Behaviour {
    /// What an event of this kind adds, with the goals it completes and the scroll position it reports.
    #[must_use]
    pub fn of_event(kind: EventKind, goals: u8, scroll: u8) -> Self {
        Self { pageviews: kind.is_pageview().into(), interactions: kind.is_interaction().into(), goals, scroll }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            pageviews: self.pageviews.saturating_add(other.pageviews),
            interactions: self.interactions.saturating_add(other.interactions),
            goals: self.goals.saturating_add(other.goals),
            scroll: self.scroll.max(other.scroll),
        }
    }
}

/// Points of a channel: 2 to 6.
#[must_use]
pub fn of_channel(channel: &str) -> u8 {
    CHANNELS.iter().find(|(name, _)| *name == channel).map_or(OTHER_CHANNEL, |(_, points)| *points)
}

/// Score of a visit by itself: 0 to 88. `seconds`: from its first to its last event; `channel`: [`of_channel`].
#[must_use]
pub fn of_visit(behaviour: Behaviour, seconds: i64, channel: u8) -> u8 {
    let Behaviour { pageviews, interactions, goals, scroll } = behaviour;
    let seconds = u32::try_from(seconds.max(0)).unwrap_or(u32::MAX).min(FULL_SECONDS);
    // Pages that are flipped through count as one each two seconds.
    let pages = u32::from(pageviews).min(MAX_PAGES).min(FREE_PAGES + seconds / SECONDS_PER_PAGE);
    let points = pages * PAGE
        + seconds * TIME / FULL_SECONDS
        + u32::from(scroll).min(100) * SCROLL / 100
        + u32::from(interactions).min(MAX_INTERACTIONS) * INTERACTION
        + u32::from(goals).min(MAX_GOALS) * GOAL
        + u32::from(channel);
    u8::try_from(points.min(100)).unwrap_or(100)
}

/// Points for the visits of the last 30 days: 0 to 12. `since_ms`: from the end of the last one to the start of this one;
/// without earlier visits it does not matter.
#[must_use]
pub fn of_history(earlier_visits: u64, since_ms: i64) -> u8 {
    let visits = u32::try_from(earlier_visits).unwrap_or(u32::MAX).min(MAX_EARLIER_VISITS);
    let recency = RECENCY.iter().find(|(days, _)| visits > 0 && since_ms < days * DAY_MS);
    u8::try_from(visits * EARLIER_VISIT + recency.map_or(0, |(_, points)| *points)).unwrap_or(0)
}

/// The score of a visitor from that of a visit and the points for earlier ones.
#[must_use]
pub const fn total(visit: u8, history: u8) -> u8 {
    let sum = visit.saturating_add(history);
    if sum > 100 { 100 } else { sum }
}

/// Band of a value score.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[graphql(name = "ScoreTier")]
pub enum Tier {
    /// 0 to 19.
    Cold,
    /// 20 to 39.
    Cool,
    /// 40 to 59.
    Neutral,
    /// 60 to 79.
    Warm,
    /// 80 to 100.
    Hot,
}

impl Tier {
    /// The band of a score.
    #[must_use]
    pub const fn from_score(score: u8) -> Self {
        match score {
            0..=19 => Self::Cold,
            20..=39 => Self::Cool,
            40..=59 => Self::Neutral,
            60..=79 => Self::Warm,
            _ => Self::Hot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::event::CHANNELS as ALL_CHANNELS;

    /// Numbers that repeat with the seed.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) % sides
        }

        fn byte(&mut self) -> u8 {
            // Small numbers are where points change.
            let sides = if self.roll(4) == 0 { 256 } else { 12 };
            self.roll(sides) as u8
        }
    }

    /// Everything that the score counts.
    #[derive(Debug, Clone, Copy)]
    struct Known {
        behaviour: Behaviour,
        seconds: i64,
        channel: u8,
        earlier_visits: u64,
        since_ms: i64,
    }

    impl Known {
        fn score(self) -> u8 {
            total(of_visit(self.behaviour, self.seconds, self.channel), of_history(self.earlier_visits, self.since_ms))
        }
    }

    #[test]
    fn more_of_anything_never_lowers_the_score() {
        let mut dice = Dice(20_261_127);
        for _ in 0..200_000 {
            let behaviour = Behaviour {
                pageviews: dice.byte(),
                interactions: dice.byte(),
                goals: dice.byte(),
                scroll: dice.roll(101) as u8,
            };
            let known = Known {
                behaviour,
                seconds: dice.roll(900) as i64,
                channel: of_channel(ALL_CHANNELS[dice.roll(ALL_CHANNELS.len() as u64) as usize]),
                earlier_visits: dice.roll(6),
                since_ms: dice.roll(40 * DAY_MS as u64) as i64,
            };
            let score = known.score();
            assert!(score <= 100, "{known:?}");
            let (by, more) = (dice.byte(), |value: u8, by: u8| value.saturating_add(by));
            let with = |change: fn(&mut Behaviour, u8)| {
                let mut behaviour = known.behaviour;
                change(&mut behaviour, by);
                Known { behaviour, ..known }
            };
            for better in [
                with(|behaviour, by| behaviour.pageviews = behaviour.pageviews.saturating_add(by)),
                with(|behaviour, by| behaviour.interactions = behaviour.interactions.saturating_add(by)),
                with(|behaviour, by| behaviour.goals = behaviour.goals.saturating_add(by)),
                with(|behaviour, by| behaviour.scroll = behaviour.scroll.saturating_add(by)),
                Known { seconds: known.seconds + i64::from(by), ..known },
                Known { channel: more(known.channel, by).min(6).max(known.channel), ..known },
                Known { earlier_visits: known.earlier_visits + u64::from(by), ..known },
                Known { since_ms: (known.since_ms - i64::from(by) * DAY_MS / 4).max(0), ..known },
            ] {
                assert!(better.score() >= score, "{known:?} {better:?}");
            }
        }
    }

    #[test]
    fn points_are_as_documented() {
        let all = Behaviour { pageviews: 8, interactions: 4, goals: 2, scroll: 100 };
        assert_eq!(of_visit(Behaviour::default(), 0, of_channel("Direct")), 2);
        assert_eq!(of_visit(all, 600, of_channel("Email")), 88);
        assert_eq!(total(of_visit(all, 600, of_channel("Email")), of_history(3, 0)), 100);
        let pages = |pageviews, seconds| of_visit(Behaviour { pageviews, ..Behaviour::default() }, seconds, 0);
        assert_eq!((pages(8, 0), pages(8, 4), pages(3, 0), pages(8, 29)), (9, 15, 9, 24));
        assert_eq!((pages(0, 299), pages(0, 300), pages(0, 6_000)), (9, 10, 20));
        assert_eq!(
            (of_history(0, 0), of_history(1, 0), of_history(9, 7 * DAY_MS - 1), of_history(1, 30 * DAY_MS)),
            (0, 6, 11, 3)
        );
        assert_eq!(ALL_CHANNELS.iter().map(|channel| of_channel(channel)).max(), Some(6));
        assert!(CHANNELS.iter().all(|(name, _)| name.is_empty() || ALL_CHANNELS.contains(name)));
    }

    #[test]
    fn bands_are_those_of_the_contract() {
        for (score, tier) in [
            (0, Tier::Cold),
            (19, Tier::Cold),
            (20, Tier::Cool),
            (40, Tier::Neutral),
            (59, Tier::Neutral),
            (60, Tier::Warm),
            (79, Tier::Warm),
            (HIGH_VALUE, Tier::Hot),
            (100, Tier::Hot),
        ] {
            assert_eq!(Tier::from_score(score), tier, "{score}");
        }
    }
}
