//! An in-memory event store for tests: records batches, reports duplicates by ID, finds open visits by counting.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Mutex,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schema::{
    analytics::{
        event::{Event, VISIT_GAP_MS},
        plan::{Answer, Plan},
    },
    error::{Error, Result},
    ports::{Appended, Clock, Events, ImportBatch, ImportedLog, Imports, StoredVisit},
};
use uuid::Uuid;

use crate::events::copies::Stored;

/// Records everything.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) settled: Mutex<Vec<i64>>,
    pub(crate) full: bool,
    pub(crate) logs: Mutex<Vec<ImportedLog>>,
}

/// Visits as (visitor, times of events), by the thirty-minute rule alone.
pub(crate) fn visits(events: &[Event]) -> Vec<(u64, Vec<i64>)> {
    let mut times: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for event in events {
        times.entry(event.visitor).or_default().push(event.time_ms);
    }
    let mut found: Vec<(u64, Vec<i64>)> = Vec::new();
    for (visitor, mut times) in times {
        times.sort_unstable();
        for time in times {
            match found.last_mut() {
                Some((last, visit)) if *last == visitor && time - visit[visit.len() - 1] <= VISIT_GAP_MS => {
                    visit.push(time)
                }
                _ => found.push((visitor, vec![time])),
            }
        }
    }
    found
}

#[async_trait]
impl Events for Memory {
    async fn ask(&self, _: &Plan) -> Result<Vec<Answer>> {
        Err(Error::broken("the memory store answers no questions"))
    }

    async fn first_event(&self, website: Uuid) -> Result<Option<i64>> {
        let events = self.events.lock().unwrap();
        Ok(events.iter().filter(|event| event.website == website).map(|event| event.time_ms).min())
    }

    async fn count_since(&self, websites: &[Uuid], since_ms: i64) -> Result<u64> {
        let events = self.events.lock().unwrap();
        let of_people = |event: &&Event| event.bot.is_empty() && event.kind.is_activity();
        let counted = events.iter().filter(of_people).filter(|event| event.time_ms >= since_ms);
        Ok(counted.filter(|event| websites.contains(&event.website)).count() as u64)
    }

    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended> {
        if self.full {
            return Err(Error::Unavailable { retry_after: 60, why: "The disk is full.".to_owned() });
        }
        let mut stored = self.events.lock().unwrap();
        let mut known: HashSet<_> = stored.iter().map(|event| (event.website, event.id, event.time_ms)).collect();
        let mut appended = Appended::default();
        for event in events {
            if known.insert((event.website, event.id, event.time_ms)) {
                appended.stored += 1;
                stored.push(event);
            } else {
                appended.duplicates += 1;
            }
        }
        self.settled.lock().unwrap().push(settled_ms);
        Ok(appended)
    }
}

#[async_trait]
impl Imports for Memory {
    async fn imported_logs(&self, _: Uuid) -> Result<Vec<ImportedLog>> {
        Ok(self.logs.lock().unwrap().clone())
    }

    async fn remember_log(&self, _: Uuid, log: ImportedLog) -> Result<()> {
        self.logs.lock().unwrap().push(log);
        Ok(())
    }

    async fn visits_between(&self, website: Uuid, from_ms: i64, until_ms: i64) -> Result<Vec<StoredVisit>> {
        let events: Vec<Event> =
            self.events.lock().unwrap().iter().filter(|event| event.website == website).cloned().collect();
        Ok(visits(&events)
            .into_iter()
            .map(|(visitor, times)| StoredVisit { visitor, start_ms: times[0], end_ms: times[times.len() - 1] })
            .filter(|visit| visit.start_ms <= until_ms && visit.end_ms >= from_ms)
            .collect())
    }

    async fn import(&self, batch: ImportBatch) -> Result<Appended> {
        let (page_views, mut known) = (batch.page_views.len() as u64, Stored::default());
        for event in self.events.lock().unwrap().iter_mut() {
            known.add(event.website, event.time_ms, event.id);
            let is_moved = |visit: &StoredVisit| {
                event.visitor == visit.visitor && (visit.start_ms..=visit.end_ms).contains(&event.time_ms)
            };
            if let Some(moved) = batch.moves.iter().find(|moved| is_moved(&moved.visit)) {
                event.visitor = moved.visitor;
            }
        }
        let new = self.append(known.leave_out(batch.page_views), batch.settled_ms).await?;
        Ok(Appended { stored: new.stored, duplicates: page_views - new.stored })
    }
}

/// A fixed clock.
pub(crate) struct Still(pub(crate) DateTime<Utc>);

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}
