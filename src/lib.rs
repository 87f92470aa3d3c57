//! Footfall: one binary that serves the schema.

pub mod ambient;
pub mod database;
pub mod passwords;
pub mod tokens;
