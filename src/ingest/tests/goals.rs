//! Goals on arrival: what is reported of them, once per visit, also across a restart.

use schema::{
    goal_rule::Completion,
    occurrence::{Subscription, WebhookEvent},
};

use super::*;
use crate::ingest::journal::outbox::OutboxReader;

/// A page view that completes this many goals, so many minutes ago.
fn completing(number: u128, minutes: i64, goals: u128) -> Enriched {
    let mut event = event(number);
    event.time_ms -= minutes * 60_000;
    event.goals = u8::try_from(goals).unwrap();
    let all = WebhookEvent::ALL.iter().map(|event| event.bit()).sum();
    let subscription = Subscription { webhook: Uuid::from_u128(9), events: all, ..Subscription::default() };
    let goal = |goal| Completion { goal: Some(Uuid::from_u128(goal)), name: "Goal".into(), value: None };
    Enriched {
        completed: (1..=goals).map(goal).collect(),
        subscriptions: Some(vec![subscription].into()),
        ..named(event)
    }
}

async fn send(works: &Works, enriched: Enriched) {
    let submission = Submission { events: vec![enriched], dropped: Vec::new() };
    assert_eq!(works.intake.take(submission).await.unwrap(), [Outcome::Accepted]);
}

/// What was reported so far, in order.
async fn reported(folder: &Path) -> Vec<WebhookEvent> {
    let mut outbox = OutboxReader::open(&folder.join("journal.sqlite")).await.unwrap();
    outbox.oldest(1_000).await.unwrap().0.iter().map(|(_, message)| message.event).collect()
}

#[tokio::test]
async fn a_visit_converts_once_whatever_restarts_in_between() {
    use WebhookEvent::{GoalCompleted as Completed, VisitorConverted as Converted};
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    send(&works, completing(1, 100, 0)).await;
    send(&works, completing(2, 90, 2)).await;
    assert_eq!(reported(folder.path()).await, [Completed, Completed, Converted]);
    send(&works, completing(3, 80, 1)).await;
    assert_eq!(reported(folder.path()).await.split_off(3), [Completed]);
    works.stop(true).await;
    let works = start(folder.path(), 1 << 30).await;
    send(&works, completing(4, 70, 1)).await;
    assert_eq!(reported(folder.path()).await.split_off(4), [Completed], "the same visit");
    send(&works, completing(5, 30, 1)).await;
    assert_eq!(reported(folder.path()).await.split_off(5), [Completed, Converted], "the next visit");
}

#[tokio::test]
async fn a_visit_is_of_high_value_once_and_bots_never_are() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    for bot in ["", "crawler"] {
        for number in 0..30 {
            let mut enriched = completing(number + bot.len() as u128 * 100, 60 - number as i64, 1);
            enriched.event.kind = if number % 2 == 0 { EventKind::Pageview } else { EventKind::Custom };
            enriched.event.scroll = 100;
            enriched.event.bot = bot.into();
            let submission = Submission { events: vec![enriched], dropped: Vec::new() };
            works.intake.take(submission).await.unwrap();
        }
    }
    let high: Vec<_> =
        reported(folder.path()).await.into_iter().filter(|event| *event == WebhookEvent::VisitorHighValue).collect();
    assert_eq!(high.len(), 1);
}
