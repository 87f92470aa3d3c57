//! The control plane through its schema: real SQLite files, a clock and ids that tests move.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails")]

mod app;

mod access;
mod accounts;
mod exclusions;
mod keys;
mod list_sizes;
mod lists;
mod realtime;
mod shape;
mod websites;
