//! The goals of a website arranged by what can complete them, so that an event is compared with few of them.

use std::{collections::HashMap, sync::Arc};

use super::{Completion, GoalDefinition, Goals, Rule, completion, is_named_event, path_pattern::PathPattern};
use crate::analytics::event::Event;

/// Places of goals in [`Goals::all`].
type Places = Vec<usize>;

/// Goals by what can complete them.
#[derive(Debug, Clone, Default)]
pub struct GoalIndex {
    goals: Goals,
    /// By the path of the page.
    pages: HashMap<Arc<str>, Places>,
    /// With other patterns of paths.
    page_patterns: Places,
    /// By the name of the event.
    events: HashMap<Arc<str>, Places>,
    /// By the name in the call, disabled ones included.
    calls: HashMap<Arc<str>, Places>,
}

impl GoalIndex {
    /// Arranges goals.
    #[must_use]
    pub fn new(goals: Goals) -> Self {
        let mut index = Self::default();
        for (place, goal) in goals.all().iter().enumerate() {
            match &goal.rule {
                Rule::Call(name) => index.calls.entry(Arc::clone(name)).or_default().push(place),
                _ if !goal.is_enabled => {}
                Rule::Event { name, .. } => index.events.entry(Arc::clone(name)).or_default().push(place),
                Rule::Page(PathPattern::Exact(path)) => index.pages.entry(Arc::clone(path)).or_default().push(place),
                Rule::Page(_) => index.page_patterns.push(place),
            }
        }
        Self { goals, ..index }
    }

    /// The goals that an event completes, in the order they were made; empty for most events.
    #[must_use]
    pub fn completed_by<V>(&self, event: &Event<V>) -> Vec<Completion> {
        let none: &[usize] = &[];
        let named = |by_name: &HashMap<Arc<str>, Places>| by_name.get(&event.name).map_or_else(Vec::new, Clone::clone);
        let candidates = if event.kind.is_pageview() {
            let exact = self.pages.get(&event.path).map_or(none, Vec::as_slice);
            let mut both: Places = exact.iter().chain(&self.page_patterns).copied().collect();
            both.sort_unstable();
            both
        } else if event.kind.is_conversion() {
            if !self.calls.contains_key(&event.name) {
                return vec![completion(None, event)];
            }
            named(&self.calls)
        } else if is_named_event(event.kind) {
            named(&self.events)
        } else {
            return Vec::new();
        };
        let goals = candidates.into_iter().filter_map(|place| self.goals.all().get(place));
        goals
            .filter(|goal: &&GoalDefinition| goal.is_completed_by(event))
            .map(|goal| completion(Some(goal), event))
            .collect()
    }
}
