//! A batch by visitor, in chronological order.

use schema::analytics::event::Event;
use uuid::Uuid;

/// Identifies a run of visits: a website, a visitor, and whether it is a bot.
pub type Who = (Uuid, u64, bool);

/// The run that an event belongs to.
#[must_use]
pub fn who(event: &Event) -> Who {
    (event.website, event.visitor, !event.bot.is_empty())
}

/// Events of a batch by run, each in chronological order.
pub struct Groups<'a>(Vec<&'a Event>);

impl<'a> Groups<'a> {
    /// Of events that are in the order of time.
    #[must_use]
    pub fn new(events: &'a [Event]) -> Self {
        let mut order: Vec<&Event> = events.iter().collect();
        order.sort_by_key(|event| who(event));
        Self(order)
    }

    /// Each with their events.
    pub fn iter(&self) -> impl Iterator<Item = (Who, &[&'a Event])> {
        let runs = self.0.chunk_by(|a, b| who(a) == who(b));
        runs.filter_map(|run| run.first().map(|event| (who(event), run)))
    }
}
