//! Live visitors of the demo: the same people as in its past.

use std::{convert::Infallible, sync::Arc, time::Duration};

use chrono::{DateTime, Datelike, Utc};
use schema::{analytics::event::Event, ports::Clock};
use uuid::Uuid;

use super::{random::Random, sites::Website, traffic::Stream};
use crate::ingest::{
    intake::Intake,
    submission::{Enriched, Submission, VisitorKey},
};

/// Maximum number of concurrent visits over all websites.
const CROWD: usize = 24;

/// Generates visitors, one event every few seconds, until the task is dropped.
///
/// `sites` maps each website to its ID. Errors of the event store are logged, and the next step tries again.
pub async fn trickle(
    sites: Vec<(&'static Website, Uuid)>,
    seed: u64,
    intake: Intake,
    clock: Arc<dyn Clock>,
) -> Infallible {
    let mut live = Live::new(&sites, seed, clock.now());
    loop {
        let now = clock.now();
        let batch = live.step(now);
        let enriched = |event: Event| {
            let visitor = VisitorKey::Known(event.visitor);
            Enriched {
                event: event.with_visitor(visitor),
                collapse: None,
                is_named: false,
                completed: Vec::new(),
                subscriptions: None,
                quota: None,
            }
        };
        let events: Vec<Enriched> = batch.into_iter().map(enriched).collect();
        if !events.is_empty()
            && let Err(error) = intake.take(Submission { events, dropped: Vec::new() }).await
        {
            tracing::warn!(error.code = error.code(), "cannot store a live visitor of the demo");
        }
        let pause = Duration::from_millis(600 + live.random.below(1_800));
        tokio::time::sleep(pause).await;
    }
}

struct Live {
    streams: Vec<Stream>,
    random: Random,
    /// Future events.
    planned: Vec<Event>,
    visits: u64,
}

impl Live {
    fn new(sites: &[(&'static Website, Uuid)], seed: u64, now: DateTime<Utc>) -> Self {
        Self {
            streams: sites.iter().map(|(site, website)| Stream::new(site, *website, seed)).collect(),
            // A restarted demo goes on with other visits, not with the same ids again.
            random: Random::new(&[seed, now.timestamp_millis().unsigned_abs(), 3]),
            planned: Vec::new(),
            visits: 0,
        }
    }

    /// The events up to `now`, in chronological order. Starts a visit whenever there is room and nothing else is due.
    fn step(&mut self, now: DateTime<Utc>) -> Vec<Event> {
        let now_ms = now.timestamp_millis();
        let waiting = self.planned.iter().filter(|event| event.time_ms > now_ms).count();
        if waiting < CROWD && (waiting == self.planned.len() || self.random.chance(0.5)) {
            self.begin(now);
        }
        self.planned.sort_by_key(|event| event.time_ms);
        let due = self.planned.partition_point(|event| event.time_ms <= now_ms);
        let later = self.planned.split_off(due);
        std::mem::replace(&mut self.planned, later)
    }

    fn begin(&mut self, now: DateTime<Utc>) {
        let Some(stream) = self.random.pick(&self.streams, |_| 1) else { return };
        let day = i64::from(now.date_naive().num_days_from_ce());
        self.visits += 1;
        // Numbers beyond those of past days, so that no visitor is active twice at once.
        let number = 1_000_000 + self.visits;
        let Some(person) = stream.visitor(&mut self.random, day, number) else { return };
        self.planned.extend(stream.scene.play(&mut self.random, &person, now.timestamp_millis(), false));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::demo::{SEED, websites};

    #[test]
    fn somebody_is_always_there_and_time_never_runs_back() {
        let sites: Vec<_> = (1..).zip(websites()).map(|(id, site)| (site, Uuid::from_u128(id))).collect();
        let begin = DateTime::from_timestamp_millis(1_790_000_000_000).unwrap();
        let mut live = Live::new(&sites, SEED, begin);
        let mut all = Vec::new();
        for second in 0..1_800 {
            let now = begin + chrono::Duration::seconds(second);
            let events = live.step(now);
            assert!(events.is_sorted_by_key(|event| event.time_ms));
            assert!(
                events
                    .iter()
                    .all(|event| (now.timestamp_millis() - 1_000..=now.timestamp_millis()).contains(&event.time_ms))
            );
            all.extend(events);
        }
        assert!((400..2_000).contains(&all.len()), "{}", all.len());
        assert_eq!(all.iter().map(|event| event.website).collect::<HashSet<_>>().len(), 3);
        assert_eq!(all.iter().map(|event| event.id).collect::<HashSet<_>>().len(), all.len());
        assert!(live.planned.len() < 200, "{}", live.planned.len());
    }

    #[test]
    fn without_websites_nothing_happens() {
        let now = DateTime::from_timestamp_millis(0).unwrap();
        assert!(Live::new(&[], SEED, now).step(now).is_empty());
    }
}
