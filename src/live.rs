//! Live figures: kept in memory, sent to subscribers, rebuilt at start from the last half hour of events.
//!
//! - Only durable events are added.
//! - A visitor is current for five minutes after the last event or heartbeat (CONTRACT 14).

mod crowd;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use rustc_hash::FxHashMap as HashMap;
use schema::{
    analytics::event::Event,
    ports::{Clock, Live, RecentEvent},
    traffic::LiveFigures,
};
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use self::crowd::{Crowd, MINUTES, Sign};

pub use self::crowd::MEMORY_MS;

/// How many events a subscriber may be behind before it misses some.
const BEHIND: usize = 1_024;

/// Minimum interval between two updates of one subscription.
const PACE: Duration = Duration::from_millis(200);

struct Site {
    crowd: Mutex<Crowd>,
    version: AtomicU64,
    changed: Notify,
    told: broadcast::Sender<Arc<Event>>,
    /// The last figures, with the version and the second they are valid for: thousands of subscribers request them at
    /// once.
    figures: Mutex<Option<(u64, i64, LiveFigures)>>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            crowd: Mutex::default(),
            version: AtomicU64::new(1),
            changed: Notify::new(),
            told: broadcast::channel(BEHIND).0,
            figures: Mutex::new(None),
        }
    }
}

/// The visitors of all websites.
#[derive(Clone)]
pub struct Hub {
    clock: Arc<dyn Clock>,
    sites: Arc<RwLock<HashMap<Uuid, Arc<Site>>>>,
    version: Arc<AtomicU64>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// An empty hub.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, sites: Arc::default(), version: Arc::default() }
    }

    fn known(&self, website: Uuid) -> Option<Arc<Site>> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner).get(&website).cloned()
    }

    fn site(&self, website: Uuid) -> Arc<Site> {
        if let Some(site) = self.known(website) {
            return site;
        }
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sites.entry(website).or_default())
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// Drops a website's visitors. Its subscribers see zero.
    pub fn forget(&self, website: Uuid) {
        let gone = self.sites.write().unwrap_or_else(PoisonError::into_inner).remove(&website);
        if let Some(site) = gone {
            *locked(&site.crowd) = Crowd::default();
            site.version.fetch_add(1, Ordering::Release);
            self.version.fetch_add(1, Ordering::Release);
            site.changed.notify_waiters();
        }
    }

    /// Drops these visitors of a website.
    pub fn forget_visitors(&self, website: Uuid, visitors: &[u64]) {
        if let Some(site) = self.known(website) {
            locked(&site.crowd).forget(visitors);
            *locked(&site.figures) = None;
            site.version.fetch_add(1, Ordering::Release);
            self.version.fetch_add(1, Ordering::Release);
            site.changed.notify_waiters();
        }
    }

    /// Adds events restored at start. Bots are skipped.
    pub fn recall(&self, events: &[RecentEvent]) {
        let now_ms = self.now_ms();
        let mut pages: HashMap<&str, Arc<str>> = HashMap::default();
        for event in events.iter().filter(|event| !event.is_bot && event.time_ms > now_ms - MEMORY_MS) {
            let path = pages.entry(&event.path).or_insert_with(|| event.path.as_str().into());
            locked(&self.site(event.website).crowd).take(&Sign {
                visitor: event.visitor,
                time_ms: event.time_ms,
                kind: event.kind,
                country: &event.country,
                path,
            });
        }
    }

    /// Adds durable events. Bots are skipped.
    pub fn take(&self, events: &[Event]) {
        let now_ms = self.now_ms();
        let mut touched: HashMap<Uuid, Vec<&Event>> = HashMap::default();
        for event in events.iter().filter(|event| event.bot.is_empty()) {
            touched.entry(event.website).or_default().push(event);
        }
        for (website, events) in touched {
            let site = self.site(website);
            let mut crowd = locked(&site.crowd);
            crowd.prune(now_ms);
            for event in events.iter().filter(|event| event.time_ms > now_ms - MEMORY_MS) {
                crowd.take(&Sign {
                    visitor: event.visitor,
                    time_ms: event.time_ms,
                    kind: event.kind,
                    country: &event.place.country,
                    path: &event.path,
                });
            }
            drop(crowd);
            site.version.fetch_add(1, Ordering::Release);
            self.version.fetch_add(1, Ordering::Release);
            site.changed.notify_waiters();
            if site.told.receiver_count() > 0 {
                for event in events {
                    // No subscribers are left.
                    let _ = site.told.send(Arc::new(event.clone()));
                }
            }
        }
    }
}

impl Live for Hub {
    fn figures(&self, website: Uuid) -> LiveFigures {
        let now_ms = self.now_ms();
        match self.known(website) {
            Some(site) => {
                let (version, second) = (site.version.load(Ordering::Acquire), now_ms.div_euclid(1000));
                let mut last = locked(&site.figures);
                if let Some((of_version, of_second, figures)) = last.as_ref()
                    && (*of_version, *of_second) == (version, second)
                {
                    return figures.clone();
                }
                let mut crowd = locked(&site.crowd);
                crowd.prune(now_ms);
                let figures = crowd.figures(now_ms);
                drop(crowd);
                *last = Some((version, second, figures.clone()));
                figures
            }
            None => {
                let none = vec![0; usize::try_from(MINUTES).unwrap_or(0)];
                LiveFigures { minutes: none.clone(), visitor_minutes: none, ..LiveFigures::default() }
            }
        }
    }

    fn visitors(&self, website: Uuid) -> u64 {
        let now_ms = self.now_ms();
        self.known(website).map_or(0, |site| {
            let mut crowd = locked(&site.crowd);
            crowd.prune(now_ms);
            crowd.present
        })
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn changes(&self, website: Uuid) -> BoxStream<'static, LiveFigures> {
        let site = self.site(website);
        let hub = self.clone();
        // The figures now, then whenever they differ: after an event, or when somebody has gone.
        unfold((hub, site, None::<LiveFigures>), move |(hub, site, last)| async move {
            loop {
                // Armed before the figures are read, so that no change falls between.
                let changed = site.changed.notified();
                let figures = hub.figures(website);
                if last.as_ref() != Some(&figures) {
                    if last.is_some() {
                        tokio::time::sleep(PACE).await;
                        let settled = hub.figures(website);
                        return Some((settled.clone(), (hub.clone(), Arc::clone(&site), Some(settled))));
                    }
                    return Some((figures.clone(), (hub.clone(), Arc::clone(&site), Some(figures))));
                }
                // People also leave without a sign.
                let _ = tokio::time::timeout(Duration::from_secs(5), changed).await;
            }
        })
        .boxed()
    }

    fn events(&self, website: Uuid) -> BoxStream<'static, Arc<Event>> {
        let listening = self.site(website).told.subscribe();
        unfold(listening, |mut listening| async move {
            loop {
                match listening.recv().await {
                    Ok(event) => return Some((event, listening)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
