//! Ingest: from what a request says to an event, without keeping who said it.
//!
//! - The address is used by `enrich` and `identity` and does not exist in an event.

pub mod agent;
pub mod bots;
pub mod channel;
pub mod enrich;
pub mod identity;
pub mod place;
