//! What an event brings about that webhooks can hear of.

use schema::{
    analytics::event::Event,
    goal_rule::{Completion, GoalValue},
    occurrence::{Amount, Occurrence},
};

use super::open_visit::Heard;

/// The occurrences that follow from an event, in order: the event itself, the goals it completed, the conversion of the
/// visit, and its high value.
pub fn occurrences(event: &Event, completed: Vec<Completion>, heard: Heard) -> Vec<Occurrence> {
    let mut all: Vec<Occurrence> = Occurrence::from_event(event).into_iter().collect();
    let first = completed.first().filter(|_| heard.converted);
    let converted = first.map(|first| Occurrence::VisitorConverted { goal: first.goal, name: first.name.clone() });
    let amount = |value: GoalValue| Amount { micros: value.micros, currency: value.currency };
    all.extend(completed.into_iter().map(|Completion { goal, name, value }| Occurrence::GoalCompleted {
        goal,
        name,
        value: value.map(amount),
    }));
    all.extend(converted);
    all.extend(heard.high_value.map(|(score, seconds)| Occurrence::VisitorHighValue {
        score,
        current_page: event.path.to_string(),
        time_on_site_seconds: seconds,
    }));
    all
}

#[cfg(test)]
mod tests {
    use schema::{analytics::event::EventKind, occurrence::WebhookEvent};
    use uuid::Uuid;

    use super::*;

    fn events(kind: EventKind, goals: &[u128], heard: Heard) -> Vec<(WebhookEvent, Option<u128>)> {
        let event = Event::new(Uuid::nil(), Uuid::nil(), 0, 0, kind);
        let goal = |goal: &u128| Completion { goal: Some(Uuid::from_u128(*goal)), name: "Goal".into(), value: None };
        occurrences(&event, goals.iter().map(goal).collect(), heard)
            .iter()
            .map(|occurrence| (occurrence.event(), occurrence.goal().map(|goal| goal.as_u128())))
            .collect()
    }

    #[test]
    fn an_event_reports_itself_its_goals_and_what_they_change_in_the_visit() {
        let nothing = Heard::default();
        assert_eq!(events(EventKind::Pageview, &[], nothing), []);
        assert_eq!(events(EventKind::Custom, &[], nothing), [(WebhookEvent::EventTracked, None)]);
        let heard = Heard { converted: true, high_value: Some((81, 60)) };
        assert_eq!(
            events(EventKind::Pageview, &[7, 8], heard),
            [
                (WebhookEvent::GoalCompleted, Some(7)),
                (WebhookEvent::GoalCompleted, Some(8)),
                (WebhookEvent::VisitorConverted, Some(7)),
                (WebhookEvent::VisitorHighValue, None),
            ]
        );
        assert_eq!(events(EventKind::Pageview, &[7], nothing), [(WebhookEvent::GoalCompleted, Some(7))]);
    }
}
