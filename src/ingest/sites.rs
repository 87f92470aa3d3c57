//! The rules of every website in memory: one immutable snapshot, swapped when settings change.
//!
//! - A beacon asks the control plane nothing. Changes made here are seen by the next beacon; those of another process
//!   (the command line beside a running server) within a second.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use schema::{Ports, access::Operator, changes::Moment, error::Result, traffic};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::rules::Site;

#[derive(Default)]
struct Snapshot {
    moment: Option<Moment>,
    by_code: HashMap<String, Arc<Site>>,
    by_id: HashMap<Uuid, Arc<Site>>,
}

/// Finds websites by what pages and servers call them.
#[derive(Clone)]
pub struct Sites {
    ports: Ports,
    operator: Operator,
    snapshot: Arc<RwLock<Arc<Snapshot>>>,
    reading: Arc<Mutex<()>>,
}

impl Sites {
    /// Over this control plane.
    #[must_use]
    pub fn new(ports: Ports) -> Self {
        Self { ports, operator: Operator::holding_the_data_folder(), snapshot: Arc::default(), reading: Arc::default() }
    }

    /// The website with this tracking code.
    ///
    /// # Errors
    /// Whatever the control plane refuses when it has to be read.
    pub async fn by_code(&self, code: &str) -> Result<Option<Arc<Site>>> {
        Ok(self.now().await?.by_code.get(code).cloned())
    }

    /// The website with this id.
    ///
    /// # Errors
    /// As [`Sites::by_code`].
    pub async fn by_id(&self, id: Uuid) -> Result<Option<Arc<Site>>> {
        Ok(self.now().await?.by_id.get(&id).cloned())
    }

    async fn now(&self) -> Result<Arc<Snapshot>> {
        let moment = self.ports.changes.moment(self.ports.clock.now());
        let known = self.known();
        if known.moment == Some(moment) {
            return Ok(known);
        }
        // One reads, the others wait for what it finds.
        let _reading = self.reading.lock().await;
        let known = self.known();
        if known.moment == Some(moment) {
            return Ok(known);
        }
        let mut fresh = Snapshot { moment: Some(moment), ..Snapshot::default() };
        for rules in traffic::rules(&self.ports, &self.operator).await? {
            // An unchanged website keeps its compiled rules.
            let site = match known.by_id.get(&rules.website) {
                Some(site) if site.rules == rules => Arc::clone(site),
                _ => Arc::new(Site::new(rules)),
            };
            fresh.by_id.insert(site.rules.website, Arc::clone(&site));
            fresh.by_code.insert(site.rules.tracking_code.clone(), site);
        }
        let fresh = Arc::new(fresh);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    fn known(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }
}
