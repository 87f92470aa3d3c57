//! Footfall: self-hosted web analytics whose product is its GraphQL schema; this crate is one way to serve it.

pub mod events;
pub mod http;
pub mod import;
pub mod ingest;
pub mod rest;
