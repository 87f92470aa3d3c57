//! Footfall: one binary that serves the schema.

pub mod events;
