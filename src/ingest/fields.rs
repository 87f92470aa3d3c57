//! Names and size limits of the fields shared by browsers' beacons and servers' events.

use std::ops::RangeInclusive;

use schema::error::{Error, Result};

use super::properties::{MAX_BYTES, Properties};

/// Names of the fields, for errors.
pub struct Fields {
    /// The id of the event.
    pub event_id: &'static str,
    /// Length of an event ID, in characters.
    pub event_id_length: RangeInclusive<usize>,
    /// The id of the visitor.
    pub visitor_id: &'static str,
    /// The properties.
    pub properties: &'static str,
}

/// Fields of a beacon.
pub const BEACON: Fields =
    Fields { event_id: "event_id", event_id_length: 8..=64, visitor_id: "visitor_id", properties: "data" };

impl Fields {
    /// Errors: an event ID that is too short or too long.
    pub fn event_id(&self, id: Option<String>) -> Result<Option<String>> {
        within(self.event_id, id, &self.event_id_length)
    }

    /// Errors: a visitor ID that is too short or too long.
    pub fn visitor_id(&self, id: Option<String>) -> Result<Option<String>> {
        within(self.visitor_id, id, &(8..=64))
    }

    /// Errors: more than this many properties, or too much text in total.
    pub fn check_properties(&self, properties: &Properties, most: usize) -> Result<()> {
        let (sent, bytes) = (properties.sent, properties.sent_bytes);
        if sent > most {
            let why = format!("must have at most {most} properties (got {sent})");
            return Err(Error::invalid(self.properties, why));
        }
        if bytes > MAX_BYTES {
            let why = format!("must have at most {MAX_BYTES} bytes of names and values (got {bytes})");
            return Err(Error::invalid(self.properties, why));
        }
        Ok(())
    }
}

fn within(field: &str, id: Option<String>, length: &RangeInclusive<usize>) -> Result<Option<String>> {
    match id.as_ref().map(|id| id.chars().count()) {
        Some(got) if !length.contains(&got) => {
            let why = format!("must have {} to {} characters (got {got})", length.start(), length.end());
            Err(Error::invalid(field, why))
        }
        _ => Ok(id),
    }
}
