//! The control plane through its schema: real databases, a clock and ids that tests move.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails")]

mod app;
#[path = "../../../tests/it/postgres.rs"]
mod postgres;

mod access;
mod accounts;
mod exclusions;
mod keys;
mod list_sizes;
mod lists;
mod realtime;
mod shape;
mod transactions;
mod websites;
