//! Public widgets: small pages with live numbers for an iframe, rendered on the server.

pub mod chart;
pub mod look;
pub mod page;
pub mod routes;
pub mod words;
