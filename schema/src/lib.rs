//! Footfall's GraphQL schema: the product. `src` of the root crate is one way to serve it.
//!
//! Imports point one way: `error, scalars -> access -> nouns -> lib`.

pub mod analytics;
pub mod error;
pub mod ports;
pub mod scalars;
