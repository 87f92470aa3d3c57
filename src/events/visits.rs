//! Visits as a pure function of events: the state of one visit, and how a run of events is split into visits.
//!
//! - The order in which events arrive does not matter except for equal times: then the earlier arrival is the entry,
//!   the later the exit; for page views of logs it is the earlier line, whichever log is imported first.
//! - A visit ends after 30 minutes without an event, and for no other reason.
//! - Humans and bots never share a visit, even with the same visitor key.
//! - Acquisition is that of the first page view or, without page views, of the first event.

use std::sync::Arc;

use schema::{
    analytics::event::{Acquisition, Event, VISIT_GAP_MS},
    score::{self, Behaviour},
};
use uuid::Uuid;

use super::{by_visitor::Who, columns::FirstEvent};
use crate::import::line_id;

/// Memory of a visit without its texts: overhead of sharing and allocation.
const FIXED_BYTES: usize = 480;

/// All attributes of one visit.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The website.
    pub website: Uuid,
    /// The run of visits.
    pub visitor: u64,
    /// First event, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// Last event, in milliseconds since 1970 UTC.
    pub end_ms: i64,
    /// Page views.
    pub pageviews: i32,
    /// Events other than page views.
    pub events: i32,
    /// Events that count as interactions.
    pub interactions: i32,
    /// Goal completions.
    pub conversions: i32,
    /// Path of the first page view; empty without one.
    pub entry_page: Arc<str>,
    /// Path of the last page view; empty without one.
    pub exit_page: Arc<str>,
    /// Time and order of the first page view, and of the last one.
    entry: (i64, u64),
    exit: (i64, u64),
    /// Of the first page view; of the first event without one.
    pub acquisition: Arc<Acquisition>,
    /// Attributes of the first event.
    pub first: FirstEvent,
    /// What the score counts.
    behaviour: Behaviour,
}

impl Visit {
    /// The visit that this event starts.
    #[must_use]
    pub fn begun_by(event: &Event) -> Self {
        let nowhere: Arc<str> = Arc::from("");
        let mut visit = Self {
            website: event.website,
            visitor: event.visitor,
            start_ms: event.time_ms,
            end_ms: event.time_ms,
            pageviews: 0,
            events: 0,
            interactions: 0,
            conversions: 0,
            entry_page: nowhere.clone(),
            exit_page: nowhere,
            entry: (i64::MAX, u64::MAX),
            exit: (i64::MIN, 0),
            acquisition: event.acquisition.clone(),
            first: event.into(),
            behaviour: Behaviour::default(),
        };
        visit.add(event);
        visit
    }

    /// The run that the visit belongs to.
    #[must_use]
    pub fn who(&self) -> Who {
        (self.website, self.visitor, !self.first.bot.is_empty())
    }

    /// Approximate memory of the visit, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let texts = self.entry_page.len() + self.exit_page.len() + self.acquisition.bytes() + self.first.bytes();
        size_of::<Self>() + FIXED_BYTES + texts
    }

    /// Whether an event at this time belongs to this visit.
    #[must_use]
    pub const fn reaches(&self, time_ms: i64) -> bool {
        time_ms >= self.start_ms.saturating_sub(VISIT_GAP_MS) && time_ms <= self.end_ms.saturating_add(VISIT_GAP_MS)
    }

    /// Adds an event.
    pub fn add(&mut self, event: &Event) {
        let time_ms = event.time_ms;
        if time_ms < self.start_ms {
            self.start_ms = time_ms;
            if self.pageviews == 0 {
                self.acquisition = event.acquisition.clone();
            }
            self.first = event.into();
        }
        self.end_ms = self.end_ms.max(time_ms);
        self.behaviour = self.behaviour.plus(Behaviour::of_event(event.kind, event.goals, event.scroll));
        if event.kind.is_pageview() {
            self.pageviews = self.pageviews.saturating_add(1);
            let at = (time_ms, line_id::order(event.id));
            if at < self.entry {
                self.entry = at;
                self.entry_page = event.path.clone();
                self.acquisition = event.acquisition.clone();
            }
            if at >= self.exit {
                self.exit = at;
                self.exit_page = event.path.clone();
            }
        } else if event.kind.is_counted() {
            self.events = self.events.saturating_add(1);
            self.interactions = self.interactions.saturating_add(i32::from(event.kind.is_interaction()));
            self.conversions = self.conversions.saturating_add(i32::from(event.kind.is_conversion()));
        }
    }

    /// Value score of the visit by itself.
    #[must_use]
    pub fn score(&self) -> u8 {
        let seconds = (self.end_ms - self.start_ms) / 1000;
        score::of_visit(self.behaviour, seconds, score::of_channel(&self.acquisition.channel))
    }
}
