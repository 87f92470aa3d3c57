//! Footfall's server: one way to serve the schema.

pub mod rest;
