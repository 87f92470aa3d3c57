//! Who is there now: kept in memory, told to subscribers, rebuilt at start from the last half hour of events.
//!
//! - Only events that can no longer be lost come here.
//! - A visitor is there for five minutes after the last event or heartbeat (CONTRACT 14).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use rustc_hash::{FxHashMap as HashMap, FxHashSet};
use schema::{
    analytics::event::{Event, EventKind},
    ports::{Clock, Live},
    traffic::LiveFigures,
};
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

/// How long a visitor is there after the last sign of life, in milliseconds.
const PRESENT_MS: i64 = 5 * 60 * 1000;

/// Minutes of [`LiveFigures::minutes`].
const MINUTES: i64 = 30;

/// How far back events matter here, in milliseconds.
pub const MEMORY_MS: i64 = MINUTES * 60 * 1000;

/// Paths of [`LiveFigures::pages`].
const PAGES: usize = 20;

/// Events a subscriber may be behind before it misses some.
const BEHIND: usize = 1_024;

/// Time between two figures of one subscription.
const PACE: Duration = Duration::from_millis(200);

struct Present {
    last_ms: i64,
    country: Arc<str>,
    path: Arc<str>,
}

/// One website's crowd.
#[derive(Default)]
struct Crowd {
    present: HashMap<u64, Present>,
    /// By last sign of life, the longest silent first.
    silence: BTreeSet<(i64, u64)>,
    /// Page views by second.
    views: VecDeque<(i64, u64)>,
    /// Who was heard of, by minute.
    heard: BTreeMap<i64, FxHashSet<u64>>,
}

struct Site {
    crowd: Mutex<Crowd>,
    version: AtomicU64,
    changed: Notify,
    told: broadcast::Sender<Arc<Event>>,
    /// The last figures, with the version and the second they hold for: thousands of subscribers ask at once.
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

/// The crowds of all websites.
#[derive(Clone)]
pub struct Hub {
    clock: Arc<dyn Clock>,
    sites: Arc<RwLock<HashMap<Uuid, Arc<Site>>>>,
    version: Arc<AtomicU64>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crowd {
    fn take(&mut self, event: &Event) {
        if event.kind == EventKind::Pageview {
            let second = event.time_ms.div_euclid(1000);
            // Late ones find their second among the last few.
            let at = self.views.iter().rposition(|(known, _)| *known <= second);
            match at.and_then(|at| self.views.get_mut(at)) {
                Some((known, count)) if *known == second => *count += 1,
                _ => self.views.insert(at.map_or(0, |at| at + 1), (second, 1)),
            }
        }
        self.heard.entry(event.time_ms.div_euclid(60_000)).or_default().insert(event.visitor);
        let present = self.present.entry(event.visitor).or_insert_with(|| Present {
            last_ms: i64::MIN,
            country: event.place.country.as_str().into(),
            path: Arc::clone(&event.path),
        });
        if event.time_ms >= present.last_ms {
            self.silence.remove(&(present.last_ms, event.visitor));
            self.silence.insert((event.time_ms, event.visitor));
            present.last_ms = event.time_ms;
            present.path = Arc::clone(&event.path);
        }
    }

    /// Forgets who has gone.
    fn prune(&mut self, now_ms: i64) {
        while let Some((last_ms, visitor)) = self.silence.first().copied() {
            if last_ms > now_ms - PRESENT_MS {
                break;
            }
            self.silence.pop_first();
            self.present.remove(&visitor);
        }
        while self.views.front().is_some_and(|(second, _)| *second < (now_ms - MEMORY_MS) / 1000 - 60) {
            self.views.pop_front();
        }
        self.heard = self.heard.split_off(&(now_ms.div_euclid(60_000) - MINUTES + 1));
    }

    fn figures(&self, now_ms: i64) -> LiveFigures {
        let minute = now_ms.div_euclid(60_000);
        let mut minutes = vec![0; usize::try_from(MINUTES).unwrap_or(0)];
        let mut pageviews = 0;
        for (second, count) in &self.views {
            let back = minute - second.div_euclid(60);
            if let Some(slot) = usize::try_from(MINUTES - 1 - back).ok().and_then(|at| minutes.get_mut(at)) {
                *slot += count;
            }
            if second * 1000 > now_ms - PRESENT_MS {
                pageviews += count;
            }
        }
        let visitor_minutes = (minute - MINUTES + 1..=minute)
            .map(|minute| self.heard.get(&minute).map_or(0, |visitors| visitors.len() as u64))
            .collect();
        let mut countries: HashMap<&str, u64> = HashMap::default();
        let mut pages: HashMap<&Arc<str>, u64> = HashMap::default();
        for present in self.present.values() {
            *countries.entry(&present.country).or_default() += 1;
            *pages.entry(&present.path).or_default() += 1;
        }
        let mut countries: Vec<(String, u64)> =
            countries.into_iter().map(|(code, count)| (code.to_owned(), count)).collect();
        countries.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        let mut pages: Vec<(Arc<str>, u64)> =
            pages.into_iter().map(|(path, count)| (Arc::clone(path), count)).collect();
        pages.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        pages.truncate(PAGES);
        LiveFigures { visitors: self.present.len() as u64, pageviews, minutes, visitor_minutes, countries, pages }
    }
}

impl Hub {
    /// A hub that nobody is at.
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

    /// Forgets who was on a website. Whoever watches it sees nobody.
    pub fn forget(&self, website: Uuid) {
        let gone = self.sites.write().unwrap_or_else(PoisonError::into_inner).remove(&website);
        if let Some(site) = gone {
            *locked(&site.crowd) = Crowd::default();
            site.version.fetch_add(1, Ordering::Release);
            self.version.fetch_add(1, Ordering::Release);
            site.changed.notify_waiters();
        }
    }

    /// Takes events that can no longer be lost. Machines are nobody.
    pub fn take(&self, events: &[Event]) {
        let now_ms = self.now_ms();
        let mut touched: HashMap<Uuid, Vec<&Event>> = HashMap::default();
        for event in events.iter().filter(|event| event.bot.is_empty()) {
            touched.entry(event.website).or_default().push(event);
        }
        for (website, events) in touched {
            let site = self.site(website);
            let mut crowd = locked(&site.crowd);
            for event in events.iter().filter(|event| event.time_ms > now_ms - MEMORY_MS) {
                crowd.take(event);
            }
            crowd.prune(now_ms);
            drop(crowd);
            site.version.fetch_add(1, Ordering::Release);
            self.version.fetch_add(1, Ordering::Release);
            site.changed.notify_waiters();
            if site.told.receiver_count() > 0 {
                for event in events {
                    // Nobody listens any more: nobody misses it.
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
            crowd.present.len() as u64
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
