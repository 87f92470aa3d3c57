//! What senders hand to the intake.

use std::sync::Arc;

use schema::{analytics::event::Event, goal_rule::Completion, occurrence::Subscription, traffic::Outcome};
use uuid::Uuid;

/// What the visitor of an event follows from. The intake decides, because only it knows which visits are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitorKey {
    /// A visitor ID kept by the sender.
    Known(u64),
    /// The hash for the day of the event, and for the day before: a visit that crosses midnight keeps the latter.
    Cookieless {
        /// Of the UTC day it happened.
        that_day: u64,
        /// Of the day before.
        day_before: u64,
    },
}

/// An event to accept, as the chain completed it.
#[derive(Debug, Clone)]
pub struct Enriched {
    /// The event, without its visitor.
    pub event: Event<VisitorKey>,
    /// Hash of a page view's full URL, to merge repetitions.
    pub collapse: Option<u64>,
    /// Whether its ID was given by the sender, who may send it again.
    pub is_named: bool,
    /// Goals that it completes.
    pub completed: Vec<Completion>,
    /// Webhooks that hear of it; `None` if there are none.
    pub subscriptions: Option<Arc<[Subscription]>>,
    /// The team, and the events that it may send per calendar month (UTC); `None` if unlimited.
    pub quota: Option<(Uuid, u64)>,
}

/// A submission: events, and outcomes that are already determined and only counted.
#[derive(Debug, Default)]
pub struct Submission {
    /// Events to accept or drop.
    pub events: Vec<Enriched>,
    /// Counted with the next group.
    pub dropped: Vec<(Uuid, Outcome)>,
}
