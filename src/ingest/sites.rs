//! The rules of every website in memory; only websites that changed are read again.
//!
//! - A beacon causes no control-plane query. Changes by this process take effect with the next beacon; those of another
//!   process (the command line beside a running server) within a second.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use schema::{
    Ports,
    access::Operator,
    error::Result,
    website::ingest_rules::{self, State, Which},
};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::rules::Site;

/// The rules, and until when they are valid.
#[derive(Default)]
struct Table {
    /// The version of the websites and the second; `None` before the first reading.
    holds: Option<(u64, i64)>,
    state: State,
    by_code: HashMap<String, Arc<Site>>,
    by_id: HashMap<Uuid, Arc<Site>>,
}

impl Table {
    fn insert(&mut self, site: Arc<Site>) {
        self.remove(site.rules.website);
        self.by_code.insert(site.rules.tracking_code.clone(), Arc::clone(&site));
        self.by_id.insert(site.rules.website, site);
    }

    fn remove(&mut self, website: Uuid) {
        if let Some(old) = self.by_id.remove(&website) {
            self.by_code.remove(&old.rules.tracking_code);
        }
    }
}

/// Website lookup by tracking code and ID.
#[derive(Clone)]
pub struct Sites {
    ports: Ports,
    operator: Operator,
    table: Arc<RwLock<Table>>,
    reading: Arc<Mutex<()>>,
    read: Arc<AtomicU64>,
}

impl Sites {
    /// Over this control plane.
    #[must_use]
    pub fn new(ports: Ports, operator: Operator) -> Self {
        Self { ports, operator, table: Arc::default(), reading: Arc::default(), read: Arc::default() }
    }

    /// How often rules were read, over all websites.
    #[must_use]
    pub fn rules_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The website with this tracking code.
    ///
    /// # Errors
    /// Errors of the control plane when it must be read.
    pub async fn by_code(&self, code: &str) -> Result<Option<Arc<Site>>> {
        self.find(|table| table.by_code.get(code).cloned()).await
    }

    /// The website with this ID.
    ///
    /// # Errors
    /// As [`Sites::by_code`].
    pub async fn by_id(&self, id: Uuid) -> Result<Option<Arc<Site>>> {
        self.find(|table| table.by_id.get(&id).cloned()).await
    }

    async fn find<T>(&self, find: impl Fn(&Table) -> T) -> Result<T> {
        let now = self.now();
        {
            let table = self.table();
            if table.holds == Some(now) {
                return Ok(find(&table));
            }
        }
        // One request reads, the others wait for its result.
        let _reading = self.reading.lock().await;
        let now = self.now();
        if self.table().holds != Some(now) {
            self.refresh(now).await?;
        }
        Ok(find(&self.table()))
    }

    /// The version of the websites, taken before anything is read, and the second.
    fn now(&self) -> (u64, i64) {
        (self.ports.changes.websites_version(), self.ports.clock.now().timestamp())
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what has changed since the last reading.
    async fn refresh(&self, now: (u64, i64)) -> Result<()> {
        let state = ingest_rules::state(&self.ports, &self.operator).await?;
        let (holds, known) = {
            let table = self.table();
            (table.holds, table.state)
        };
        let changed = holds.and_then(|(version, _)| self.ports.changes.websites_after(version));
        let (Some(websites), Some(since)) = (changed, known.newest) else { return self.read_all(now, state).await };
        let rules = if websites.is_empty() && state == known {
            Vec::new()
        } else {
            ingest_rules::rules(&self.ports, &self.operator, Which::Changed { websites: &websites, since }).await?
        };
        let is_complete = {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            // One that is not found again is gone.
            websites.iter().for_each(|website| table.remove(*website));
            self.read.fetch_add(rules.len() as u64, Ordering::Relaxed);
            for rules in rules {
                // An unchanged website keeps its compiled rules.
                if table.by_id.get(&rules.website).is_none_or(|site| site.rules != rules) {
                    table.insert(Arc::new(Site::new(rules)));
                }
            }
            table.state = state;
            table.holds = Some(now);
            table.by_id.len() as u64 == state.count
        };
        // Another process deleted one, or one came or went while this was read.
        if is_complete { Ok(()) } else { self.read_all(now, state).await }
    }

    async fn read_all(&self, now: (u64, i64), state: State) -> Result<()> {
        let rules = ingest_rules::rules(&self.ports, &self.operator, Which::All).await?;
        self.read.fetch_add(rules.len() as u64, Ordering::Relaxed);
        let mut fresh = Table { holds: Some(now), state, ..Table::default() };
        {
            let table = self.table();
            for rules in rules {
                fresh.insert(match table.by_id.get(&rules.website) {
                    Some(site) if site.rules == rules => Arc::clone(site),
                    _ => Arc::new(Site::new(rules)),
                });
            }
        }
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}
