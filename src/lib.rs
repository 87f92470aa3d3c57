//! One way to serve the schema: HTTP, REST mapping, ingest, event stores, jobs.

pub mod demo;
pub mod import;
pub mod ingest;
