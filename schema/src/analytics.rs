//! Analytics: the query, its meaning and its result.

pub mod closed;
pub mod compare;
pub mod country;
pub mod event;
pub mod event_kind;
pub mod path;
pub mod plan;
pub mod query;
pub mod query_input;
pub mod report;
pub mod zone;
