//! Public widgets: small pages of numbers for an iframe, drawn on the server.

pub mod chart;
pub mod look;
pub mod page;
pub mod routes;
pub mod words;
