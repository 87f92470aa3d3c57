//! Occurrences: what happens to a visitor that others are told of, who has subscribed to it, and the message each receives.
//!
//! - A message is stored in the transaction that stores the event it follows from ([`Outbox`]).
//! - Its ID is a hash of what it says and to whom, so that the same occurrence never makes two messages.

use std::{collections::HashSet, sync::Arc};

use async_graphql::Enum;
use chrono::{DateTime, SecondsFormat};
use entity::webhook;
use serde_json::{Map, Number, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use crate::{
    analytics::event::{Event, EventKind, visitor_uuid},
    scalars::Decimal,
};

/// An event that webhooks can subscribe to.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WebhookEvent {
    /// `visitor.identified`: a visitor was identified.
    VisitorIdentified,
    /// `visitor.high_value`: a visitor's value score reached 80 or more, at most once per visit.
    VisitorHighValue,
    /// `event.tracked`: an event was tracked: everything that `events` counts (custom events, goals, revenue, scroll milestones),
    /// except identifications, and no page views.
    EventTracked,
    /// `goal.completed`: a goal was completed.
    GoalCompleted,
    /// `visitor.converted`: a visitor converted, which is the first goal completed in a visit.
    VisitorConverted,
}

impl WebhookEvent {
    /// All events, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::VisitorIdentified,
        Self::VisitorHighValue,
        Self::EventTracked,
        Self::GoalCompleted,
        Self::VisitorConverted,
    ];

    /// The name in the body of a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VisitorIdentified => "visitor.identified",
            Self::VisitorHighValue => "visitor.high_value",
            Self::EventTracked => "event.tracked",
            Self::GoalCompleted => "goal.completed",
            Self::VisitorConverted => "visitor.converted",
        }
    }

    /// The number that rows store.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The event for a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its bit in a set of events.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self.number()
    }
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// Millionths of a unit.
    pub micros: i64,
    /// ISO 4217 code.
    pub currency: Arc<str>,
}

impl Amount {
    fn json(&self) -> Value {
        let amount: Option<Number> = Decimal::from_millionths(self.micros.into()).to_string().parse().ok();
        json!({ "amount": amount, "currency": &*self.currency })
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occurrence {
    /// An event was tracked.
    EventTracked {
        /// Name of the event.
        name: Arc<str>,
        /// Properties as a flat JSON object; empty if none.
        properties: Arc<str>,
        /// Revenue, if the event has any.
        value: Option<Amount>,
    },
    /// A visitor was identified.
    VisitorIdentified {
        /// What was said of them, as a flat JSON object.
        properties: Arc<str>,
    },
    /// A goal was completed.
    GoalCompleted {
        /// ID of the goal; `None` for a goal call that no goal of the website is about.
        goal: Option<Uuid>,
        /// Name of the goal.
        name: Arc<str>,
        /// Its value, if it has one.
        value: Option<Amount>,
    },
    /// A visitor converted: the first goal completed in a visit.
    VisitorConverted {
        /// ID of the goal, as above.
        goal: Option<Uuid>,
        /// Name of the goal.
        name: Arc<str>,
    },
    /// A visitor's value score crossed 80 upward.
    VisitorHighValue {
        /// The score, 80 to 100.
        score: u8,
        /// Path of the page they are on.
        current_page: String,
        /// Time since the visit began, in seconds.
        time_on_site_seconds: u64,
    },
}

impl Occurrence {
    /// The occurrence that an event is by itself; `None` for page views and heartbeats.
    #[must_use]
    pub fn from_event<V>(event: &Event<V>) -> Option<Self> {
        let properties = Arc::clone(&event.properties);
        if event.kind == EventKind::Identify {
            return Some(Self::VisitorIdentified { properties });
        }
        let has_value = event.kind.is_revenue() && !event.currency.is_empty();
        let value = has_value.then(|| Amount { micros: event.amount_micros, currency: Arc::clone(&event.currency) });
        event.kind.is_counted().then(|| Self::EventTracked { name: Arc::clone(&event.name), properties, value })
    }

    /// The event that webhooks subscribe to.
    #[must_use]
    pub const fn event(&self) -> WebhookEvent {
        match self {
            Self::EventTracked { .. } => WebhookEvent::EventTracked,
            Self::VisitorIdentified { .. } => WebhookEvent::VisitorIdentified,
            Self::GoalCompleted { .. } => WebhookEvent::GoalCompleted,
            Self::VisitorConverted { .. } => WebhookEvent::VisitorConverted,
            Self::VisitorHighValue { .. } => WebhookEvent::VisitorHighValue,
        }
    }

    /// The goal it is about; `None` for occurrences without one.
    #[must_use]
    pub const fn goal(&self) -> Option<Uuid> {
        match self {
            Self::GoalCompleted { goal, .. } | Self::VisitorConverted { goal, .. } => *goal,
            _ => None,
        }
    }

    /// The member `data` of a request's body.
    fn data(&self, event: &Event) -> Value {
        let visitor = visitor_name(event.visitor);
        let record = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
        match self {
            // As documented, to the letter.
            Self::VisitorHighValue { score, current_page, time_on_site_seconds } => json!({
                "visitor_id": visitor, "score": score, "current_page": current_page, "time_on_site": time_on_site_seconds
            }),
            Self::EventTracked { name, properties, value } => json!({
                "visitor_id": visitor, "website_id": event.website, "event_id": event.id, "name": &**name,
                "page": &*event.path, "properties": record(properties), "value": value.as_ref().map(Amount::json)
            }),
            Self::VisitorIdentified { properties } => json!({
                "visitor_id": visitor, "website_id": event.website, "event_id": event.id, "page": &*event.path,
                "traits": record(properties)
            }),
            Self::GoalCompleted { goal, name, value } => json!({
                "visitor_id": visitor, "website_id": event.website, "event_id": event.id, "goal_id": goal,
                "goal": &**name, "page": &*event.path, "value": value.as_ref().map(Amount::json)
            }),
            Self::VisitorConverted { goal, name } => json!({
                "visitor_id": visitor, "website_id": event.website, "event_id": event.id, "goal_id": goal,
                "goal": &**name, "page": &*event.path
            }),
        }
    }

    /// The member `data` of a test: an example of an event.
    #[must_use]
    pub fn example(event: WebhookEvent) -> Value {
        let visitor = visitor_name(0);
        let goal = json!({ "visitor_id": visitor, "website_id": Uuid::nil(), "event_id": Uuid::nil(),
            "goal_id": Uuid::nil(), "goal": "Example", "page": "/pricing" });
        match event {
            WebhookEvent::VisitorHighValue => {
                json!({ "visitor_id": visitor, "score": 92, "current_page": "/pricing", "time_on_site": 420 })
            }
            WebhookEvent::EventTracked => {
                json!({ "visitor_id": visitor, "website_id": Uuid::nil(), "event_id": Uuid::nil(),
                "name": "example", "page": "/pricing", "properties": {}, "value": null })
            }
            WebhookEvent::VisitorIdentified => json!({ "visitor_id": visitor, "website_id": Uuid::nil(),
                "event_id": Uuid::nil(), "page": "/pricing", "traits": { "user_id": "example" } }),
            WebhookEvent::GoalCompleted | WebhookEvent::VisitorConverted => goal,
        }
    }

    /// The body of a request that reports it: compact JSON. `event`: the one it follows from.
    #[must_use]
    pub fn body(&self, event: &Event) -> String {
        body(self.event(), event.time_ms, self.data(event))
    }
}

/// The body of a request: compact JSON with the members `event`, `timestamp` and `data`.
#[must_use]
pub fn body(event: WebhookEvent, time_ms: i64, data: Value) -> String {
    let timestamp = DateTime::from_timestamp_millis(time_ms).unwrap_or_default();
    let timestamp = timestamp.to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({ "event": event.name(), "timestamp": timestamp, "data": data }).to_string()
}

/// The visitor's ID in webhooks: `vis_` and the hexadecimal digits of the UUID that visitor lists show.
#[must_use]
pub fn visitor_name(visitor: u64) -> String {
    format!("vis_{}", visitor_uuid(visitor).simple())
}

/// What a webhook wants to hear of one website.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    /// ID of the webhook.
    pub webhook: Uuid,
    /// The events: the sum of their bits.
    pub events: u8,
    /// Names of tracked events; empty for all.
    pub event_names: HashSet<String>,
    /// Goals; empty for all.
    pub goals: HashSet<Uuid>,
}

impl Subscription {
    /// The subscription of a webhook.
    #[must_use]
    pub fn from_row(row: &webhook::Model) -> Self {
        Self {
            webhook: row.id,
            events: u8::try_from(row.events).unwrap_or_default(),
            event_names: serde_json::from_str(&row.event_names).unwrap_or_default(),
            goals: serde_json::from_str(&row.goals).unwrap_or_default(),
        }
    }

    /// Whether it asks for an occurrence.
    #[must_use]
    pub fn wants(&self, occurrence: &Occurrence) -> bool {
        let named = match occurrence {
            Occurrence::EventTracked { name, .. } => self.event_names.is_empty() || self.event_names.contains(&**name),
            _ => true,
        };
        let is_about_goal =
            matches!(occurrence, Occurrence::GoalCompleted { .. } | Occurrence::VisitorConverted { .. });
        let is_wanted = || occurrence.goal().is_some_and(|goal| self.goals.contains(&goal));
        let goal = !is_about_goal || self.goals.is_empty() || is_wanted();
        self.events & occurrence.event().bit() != 0 && named && goal
    }
}

/// A message to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Its ID: the same for every attempt.
    pub id: Uuid,
    /// ID of the webhook.
    pub webhook: Uuid,
    /// ID of the website.
    pub website: Uuid,
    /// The visitor; messages of one visitor to one webhook are delivered in order.
    pub visitor: u64,
    /// What it reports.
    pub event: WebhookEvent,
    /// Time of the event, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// The body of the request.
    pub body: String,
}

/// Messages to store with a group of events.
#[derive(Debug, Default)]
pub struct Outbox(Vec<OutboxMessage>);

impl Outbox {
    /// Adds the messages to those who want to hear of an occurrence. `event`: the one it follows from. Bots are not reported.
    pub fn report(&mut self, event: &Event, occurrence: &Occurrence, subscriptions: &[Subscription]) {
        if !event.bot.is_empty() {
            return;
        }
        let mut body: Option<String> = None;
        for subscription in subscriptions.iter().filter(|subscription| subscription.wants(occurrence)) {
            let body = body.get_or_insert_with(|| occurrence.body(event));
            self.0.push(OutboxMessage {
                id: message_id(event, occurrence, subscription.webhook),
                webhook: subscription.webhook,
                website: event.website,
                visitor: event.visitor,
                event: occurrence.event(),
                time_ms: event.time_ms,
                body: body.clone(),
            });
        }
    }

    /// The messages, in the order of their events.
    #[must_use]
    pub fn messages(&self) -> &[OutboxMessage] {
        &self.0
    }
}

/// A UUID that follows from website, event, occurrence and webhook.
fn message_id(event: &Event, occurrence: &Occurrence, webhook: Uuid) -> Uuid {
    let whole: [u8; 32] = Sha256::new_with_prefix(b"webhook")
        .chain_update(event.website)
        .chain_update(event.id)
        .chain_update([occurrence.event().number()])
        .chain_update(occurrence.goal().unwrap_or_default())
        .chain_update(webhook)
        .finalize()
        .into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&whole[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::event::shared;

    const WEBSITE: Uuid = Uuid::from_u128(1);

    fn event(kind: EventKind, name: &str) -> Event {
        let mut event = Event::new(WEBSITE, Uuid::from_u128(2), 1_737_387_000_000, 0xabc123, kind);
        (event.name, event.path) = (shared(name), shared("/pricing"));
        event
    }

    fn to(webhook: u128, events: &[WebhookEvent]) -> Subscription {
        let events = events.iter().map(|event| event.bit()).sum();
        Subscription { webhook: Uuid::from_u128(webhook), events, ..Subscription::default() }
    }

    #[test]
    fn a_high_value_visitor_is_reported_as_documented() {
        let occurrence =
            Occurrence::VisitorHighValue { score: 92, current_page: "/pricing".into(), time_on_site_seconds: 420 };
        let body = occurrence.body(&event(EventKind::Pageview, ""));
        let visitor = visitor_name(0xabc123);
        assert_eq!(
            body,
            format!(
                "{{\"event\":\"visitor.high_value\",\"timestamp\":\"2025-01-20T15:30:00Z\",\"data\":{{\"visitor_id\":\"{visitor}\",\
                 \"score\":92,\"current_page\":\"/pricing\",\"time_on_site\":420}}}}"
            )
        );
        assert!(visitor.starts_with("vis_") && visitor.len() == 36, "{visitor}");
    }

    #[test]
    fn what_counts_as_an_event_is_tracked_and_page_views_are_not() {
        let of = |kind| Occurrence::from_event(&event(kind, "signup")).map(|occurrence| occurrence.event());
        for kind in [EventKind::Custom, EventKind::Goal, EventKind::Revenue, EventKind::Scroll] {
            assert_eq!(of(kind), Some(WebhookEvent::EventTracked), "{kind:?}");
        }
        assert_eq!(of(EventKind::Identify), Some(WebhookEvent::VisitorIdentified));
        assert_eq!((of(EventKind::Pageview), of(EventKind::Heartbeat)), (None, None));
    }

    #[test]
    fn each_subscriber_gets_what_it_asks_for_under_an_id_of_its_own_that_stays() {
        let signup = event(EventKind::Custom, "signup");
        let occurrence = Occurrence::from_event(&signup).unwrap();
        let mut named = to(3, &[WebhookEvent::EventTracked]);
        named.event_names.insert("purchase".to_owned());
        let all = [
            to(1, &WebhookEvent::ALL),
            to(2, &[WebhookEvent::GoalCompleted]),
            named,
            to(4, &[WebhookEvent::EventTracked]),
        ];
        let report = || {
            let mut outbox = Outbox::default();
            outbox.report(&signup, &occurrence, &all);
            outbox.messages().iter().map(|message| (message.id, message.webhook.as_u128())).collect::<Vec<_>>()
        };
        let first = report();
        assert_eq!(first.iter().map(|(_, webhook)| *webhook).collect::<Vec<_>>(), [1, 4]);
        assert_ne!(first[0].0, first[1].0);
        assert_eq!(first, report());
    }

    #[test]
    fn goals_of_one_event_make_different_messages_and_bots_none() {
        let subscriptions = [to(1, &WebhookEvent::ALL)];
        let goal =
            |goal| Occurrence::GoalCompleted { goal: Some(Uuid::from_u128(goal)), name: "Goal".into(), value: None };
        let mut outbox = Outbox::default();
        let mut page = event(EventKind::Pageview, "");
        outbox.report(&page, &goal(1), &subscriptions);
        outbox.report(&page, &goal(2), &subscriptions);
        assert_eq!(outbox.messages().iter().map(|message| message.id).collect::<HashSet<_>>().len(), 2);
        page.bot = shared("crawler");
        outbox.report(&page, &goal(3), &subscriptions);
        assert_eq!(outbox.messages().len(), 2);
    }

    #[test]
    fn stored_numbers_stay() {
        let names = WebhookEvent::ALL.map(WebhookEvent::name);
        let stored =
            ["visitor.identified", "visitor.high_value", "event.tracked", "goal.completed", "visitor.converted"];
        assert_eq!(names, stored);
        assert!(WebhookEvent::ALL.iter().all(|event| WebhookEvent::from_number(event.number()) == Some(*event)));
    }
}
