//! Footfall: self-hosted web analytics whose product is its GraphQL schema; this crate is one way to serve it.

pub mod http;
