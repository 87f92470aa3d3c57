//! One way to serve the schema: HTTP, REST mapping, ingest, event stores, jobs.

pub mod events;
pub mod import;
pub mod ingest;
