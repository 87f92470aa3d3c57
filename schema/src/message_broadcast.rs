//! Broadcasts conversation messages to subscribers.
//!
//! - Each message is sent once, in order, after it was committed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use entity::conversation_message as message;
use tokio::sync::{OwnedMutexGuard, broadcast};
use uuid::Uuid;

/// Maximum number of messages that a subscriber can be behind.
const BEHIND: usize = 256;

/// What a subscriber receives.
pub(crate) type Heard = broadcast::Receiver<Arc<message::Model>>;

/// The subscribers of each conversation. One per process.
#[derive(Debug, Default)]
pub struct Told {
    turn: Arc<tokio::sync::Mutex<()>>,
    listening: Mutex<HashMap<Uuid, broadcast::Sender<Arc<message::Model>>>>,
}

impl Told {
    fn listening(&self) -> MutexGuard<'_, HashMap<Uuid, broadcast::Sender<Arc<message::Model>>>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serializes appends: each one is committed and broadcast before the next begins.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Subscribes to messages appended from now on.
    pub(crate) fn listen(&self, conversation: Uuid) -> Heard {
        let mut listening = self.listening();
        listening.retain(|_, told| told.receiver_count() > 0);
        listening.entry(conversation).or_insert_with(|| broadcast::channel(BEHIND).0).subscribe()
    }

    /// Broadcasts a message that was committed.
    pub(crate) fn tell(&self, row: &message::Model) {
        if let Some(told) = self.listening().get(&row.conversation_id) {
            // No subscribers are left.
            let _ = told.send(Arc::new(row.clone()));
        }
    }

    /// Ends the streams of a deleted conversation.
    pub(crate) fn end(&self, conversation: Uuid) {
        self.listening().remove(&conversation);
    }
}
