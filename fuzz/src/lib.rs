//! The readers of beacons, taken from the server's own source files and out of the server.

#[path = "../../src/ingest/address.rs"]
pub mod address;
#[path = "../../src/ingest/beacon.rs"]
pub mod beacon;
#[path = "../../src/ingest/channel.rs"]
pub mod channel;
#[path = "../../src/ingest/crawler.rs"]
pub mod crawler;
#[path = "../../src/ingest/properties.rs"]
pub mod properties;
