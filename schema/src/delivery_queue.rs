//! Webhooks whose messages changed: requests leave them here for the job that delivers.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use uuid::Uuid;

/// Webhooks to look at. A webhook is listed once, however often it changed.
#[derive(Debug, Default)]
pub struct DeliveryQueue {
    changed: Mutex<HashSet<Uuid>>,
    notify: Notify,
}

impl DeliveryQueue {
    fn changed(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists webhooks that have something to deliver now.
    pub fn wake(&self, webhooks: impl IntoIterator<Item = Uuid>) {
        self.changed().extend(webhooks);
        self.notify.notify_one();
    }

    /// The listed webhooks, which are listed no longer. Waits until there are some.
    pub async fn woken(&self) -> HashSet<Uuid> {
        loop {
            let changed = std::mem::take(&mut *self.changed());
            if !changed.is_empty() {
                return changed;
            }
            self.notify.notified().await;
        }
    }
}
