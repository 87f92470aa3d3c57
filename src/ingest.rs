//! Ingest: from a request to an event that does not identify the person.
//!
//! - The IP address is used by `enrich` and `identity` and is not part of an event.

pub mod address;
pub mod admission;
pub mod agent;
pub mod beacon;
pub mod bots;
pub mod chain;
pub mod channel;
pub mod crawler;
pub mod datacentre;
pub mod delivery;
pub mod endpoints;
pub mod enrich;
pub mod fields;
pub mod handoff_buffer;
pub mod identity;
pub mod intake;
pub mod journal;
pub mod ledger;
pub mod limiter;
pub mod memory;
mod occurrences;
mod open_visit;
pub mod page;
pub mod place;
pub mod progress;
pub mod properties;
pub mod quotas;
pub mod read_your_writes;
pub mod rules;
pub mod salts;
pub mod seen;
pub mod session_agents;
pub mod sites;
pub mod submission;
pub mod traits;

#[cfg(test)]
mod tests;
