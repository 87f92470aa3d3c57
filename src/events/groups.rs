//! A batch by visitor: whose events they are, in the order of time.

use schema::analytics::event::Event;
use uuid::Uuid;

/// A visitor of a website.
pub type Who = (Uuid, u64);

/// Events of a batch by whose they are, each one's in the order of time.
pub struct Groups<'a>(Vec<&'a Event>);

impl<'a> Groups<'a> {
    /// Of events that are in the order of time.
    #[must_use]
    pub fn of(events: &'a [Event]) -> Self {
        let mut order: Vec<&Event> = events.iter().collect();
        order.sort_by_key(|event| (event.website, event.visitor));
        Self(order)
    }

    /// Each with their events.
    pub fn iter(&self) -> impl Iterator<Item = (Who, &[&'a Event])> {
        let runs = self.0.chunk_by(|a, b| (a.website, a.visitor) == (b.website, b.visitor));
        runs.filter_map(|run| run.first().map(|event| ((event.website, event.visitor), run)))
    }

    /// All events.
    pub fn all(&self) -> impl Iterator<Item = &'a Event> {
        self.0.iter().copied()
    }

    /// One visitor's events.
    pub fn get(&self, who: Who) -> &[&'a Event] {
        let of = |event: &&Event| (event.website, event.visitor);
        let (from, until) =
            (self.0.partition_point(|event| of(event) < who), self.0.partition_point(|event| of(event) <= who));
        self.0.get(from..until).unwrap_or_default()
    }
}
