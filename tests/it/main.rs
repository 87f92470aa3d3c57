//! The front door: one installation per test, real SQLite or PostgreSQL, DuckDB and HTTP; stories send what users send and ask what users ask.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a story that cannot go on fails")]

mod access;
mod analytics;
mod api_keys;
mod app;
mod auth;
mod changes;
mod command_line;
mod conformance;
mod connections;
mod constraints;
mod conversations;
mod cors;
mod crash;
mod deletion;
mod docs;
mod domains;
mod email;
mod examples;
mod exclusions;
mod first_hour;
mod health;
mod ingest;
mod invitations;
mod live;
mod log;
mod mail;
mod matrix;
mod members;
mod numbers;
mod onboarding;
mod playground;
mod postgres;
mod prices;
mod public_dashboard;
mod reference;
mod refusals;
mod rest;
mod schema;
mod settings;
mod teams;
mod tidy;
mod tokens;
mod tracker;
mod users;
