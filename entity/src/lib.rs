//! Rows of the control plane: one file per table.
//!
//! - Instants are UTC, kept to the millisecond, so that both databases order and compare them alike.
//! - Identifiers are UUIDv7; SQLite keeps them as 16-byte blobs, so they are never written by hand in SQL.

pub mod api_key;
pub mod audit_entry;
pub mod conversation;
pub mod conversation_message;
pub mod departure;
pub mod email_link;
pub mod erasure;
pub mod goal;
pub mod idempotency_key;
pub mod invitation;
pub mod ip_exclusion;
pub mod known_network;
pub mod membership;
pub mod notification_preferences;
pub mod onboarding;
pub mod ownership_offer;
pub mod password_reset;
pub mod path_exclusion;
pub mod session;
pub mod team;
pub mod usage_warning;
pub mod user;
pub mod webhook;
pub mod webhook_delivery;
pub mod website;
