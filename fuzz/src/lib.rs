//! The readers of beacons, of logs and of GraphQL requests, taken from the server's own source files and out of the server.

#[path = "../../src/ingest/address.rs"]
pub mod address;
#[path = "../../src/ingest/beacon.rs"]
pub mod beacon;
#[path = "../../src/ingest/channel.rs"]
pub mod channel;
#[path = "../../src/ingest/crawler.rs"]
pub mod crawler;
#[path = "../../src/ingest/fields.rs"]
pub mod fields;
#[path = "../../src/form_encoding.rs"]
pub mod form_encoding;
#[path = "../../src/ingest/page.rs"]
pub mod page;
#[path = "../../src/ingest/properties.rs"]
pub mod properties;
#[path = "../../src/ingest/traits.rs"]
pub mod traits;
pub mod http;
#[path = "../../src/import/alb.rs"]
pub mod alb;
#[path = "../../src/import/clf.rs"]
pub mod clf;
#[path = "../../src/import/format.rs"]
pub mod format;
#[path = "../../src/import/json.rs"]
pub mod json;
#[path = "../../src/import/record.rs"]
pub mod record;
#[path = "../../src/import/time.rs"]
pub mod time;
#[path = "../../src/variable_defaults.rs"]
pub mod variable_defaults;
#[path = "../../src/import/w3c.rs"]
pub mod w3c;

/// Where the readers of logs find their neighbours.
pub mod ingest {
    pub use crate::address;
}
