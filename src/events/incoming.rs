//! A batch to store, part of which may be stored already.

use duckdb::Connection;
use schema::{analytics::event::Event, ports::ImportedPageView};

use super::{
    copies,
    duplicates::{leave_out_stored, leave_out_stored_orders},
};

/// Events ordered by website and time.
pub enum Incoming {
    /// Events that may be sent again.
    Sent(Vec<Event>),
    /// Events of the journal, up to a position.
    Journal(i64, Vec<Event>),
    /// Page views of a log.
    Log(Vec<ImportedPageView>),
}

impl Incoming {
    /// How many there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::Sent(events) | Self::Journal(_, events) => events.len(),
            Self::Log(page_views) => page_views.len(),
        }
    }

    /// The position up to which the journal is delivered with them.
    pub const fn position(&self) -> Option<i64> {
        match self {
            Self::Journal(position, _) => Some(*position),
            Self::Sent(_) | Self::Log(_) => None,
        }
    }

    /// Retains those for which `keep` is true.
    pub fn retain(&mut self, keep: impl Fn(&Event) -> bool) {
        match self {
            Self::Sent(events) | Self::Journal(_, events) => events.retain(keep),
            Self::Log(page_views) => page_views.retain(|view| keep(&view.event)),
        }
    }

    /// Those that are not stored.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn new_events(self, connection: &Connection) -> duckdb::Result<Vec<Event>> {
        match self {
            // The journal's events come once: the intake knows their ids of a week, and its position moves in this transaction.
            Self::Journal(_, mut events) => {
                leave_out_stored_orders(connection, &mut events)?;
                Ok(events)
            }
            Self::Sent(mut events) => {
                leave_out_stored(connection, &mut events)?;
                Ok(events)
            }
            Self::Log(page_views) => Ok(copies::stored(connection, &page_views)?.leave_out(page_views)),
        }
    }
}
