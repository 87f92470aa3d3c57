//! The control plane through its schema: real SQLite files, a clock and ids that tests move.

mod app;

mod access;
mod accounts;
mod keys;
mod lists;
mod shape;
mod websites;
