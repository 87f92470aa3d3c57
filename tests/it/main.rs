//! The front door: one installation per test, real SQLite, DuckDB and HTTP; stories send what users send and ask what users ask.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a story that cannot go on fails")]

mod access;
mod analytics;
mod app;
mod command_line;
mod conformance;
mod conversations;
mod cors;
mod crash;
mod exclusions;
mod ingest;
mod live;
mod log;
mod members;
mod onboarding;
mod refusals;
mod rest;
mod schema;
mod teams;
mod tidy;
mod tracker;
