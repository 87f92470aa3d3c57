//! The encoding of a journal row: the number of its format, then its events one after the other.

use schema::{
    analytics::event::Event,
    error::{Error, Result},
};
use serde::{Deserialize, Deserializer, de::Visitor, forward_to_deserialize_any};

/// Fields of an event in format 1. Each field since adds one to the format, so it says how many an event has.
const FIRST_FIELDS: usize = 18;

/// First byte of a row: the format in which events are written.
#[expect(clippy::cast_possible_truncation, reason = "an event has few fields")]
const FORMAT: u8 = (<Event>::FIELDS - FIRST_FIELDS + 1) as u8;

/// A row for events; empty without any.
pub fn encoded(events: &[Event]) -> Result<Vec<u8>> {
    if events.is_empty() { Ok(Vec::new()) } else { postcard::to_stdvec(&(FORMAT, events)).map_err(Error::internal) }
}

/// The events of a row. Errors: a row of a later version, or a damaged one.
pub fn decoded(row: &[u8]) -> Result<Vec<Event>> {
    match row {
        [] => Ok(Vec::new()),
        [FORMAT, events @ ..] => postcard::from_bytes(events).map_err(Error::internal),
        [format, events @ ..] if (1..FORMAT).contains(format) => {
            decoded_earlier(events, FIRST_FIELDS + usize::from(*format) - 1).map_err(Error::internal)
        }
        [format, ..] => {
            Err(Error::broken(format!("the journal has a row of format {format}, which this version cannot read")))
        }
    }
}

/// Reads a list of structures that had only this many fields when they were written; the others get their default.
fn decoded_earlier<'de, T: Deserialize<'de>>(bytes: &'de [u8], fields: usize) -> postcard::Result<Vec<T>> {
    let mut reader = postcard::Deserializer::from_bytes(bytes);
    let count = usize::deserialize(&mut reader)?;
    (0..count).map(|_| T::deserialize(Earlier { reader: &mut reader, fields })).collect()
}

/// Ends the outermost structure after the fields that it had.
struct Earlier<R> {
    reader: R,
    fields: usize,
}

impl<'de, R: Deserializer<'de>> Deserializer<'de> for Earlier<R> {
    type Error = R::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.reader.deserialize_tuple(self.fields, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.reader.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schema::analytics::event::{Acquisition, Agent, EventKind, Place};
    use serde::Serialize;
    use uuid::Uuid;

    use super::*;

    /// A row of format 1 as the first version wrote it.
    const FIRST: &str = "010110000000000000000000000000000000011000000000000000000000000000000002a6cae9f39667ef9bafcdf8acd191\
        01060870757263686173650c73686f702e6578616d706c65072f7468616e6b73065468616e6b730a676f6f676c652e636f6d\
        06476f6f676c650e4f7267616e6963205365617263680000000003726564024e4c000755747265636874066d6f62696c6500\
        00000431372e310738303078363030056e6c2d4e4c0e7b22706c616e223a2270726f227dbfa7cb2f034555520a7573657220\
        6167656e74";

    #[test]
    fn rows_of_the_first_version_are_read() {
        let event = Event {
            name: "purchase".into(),
            hostname: "shop.example".into(),
            path: "/thanks".into(),
            title: "Thanks".into(),
            acquisition: Arc::new(Acquisition {
                referrer: "google.com".into(),
                source: "Google".into(),
                channel: "Organic Search".into(),
                utm_content: "red".into(),
                ..Acquisition::default()
            }),
            place: Arc::new(Place { country: "NL".into(), city: "Utrecht".into(), ..Place::default() }),
            agent: Arc::new(Agent { device: "mobile".into(), os_version: "17.1".into(), ..Agent::default() }),
            screen: "800x600".into(),
            language: "nl-NL".into(),
            properties: r#"{"plan":"pro"}"#.into(),
            amount_micros: -49_900_000,
            currency: "EUR".into(),
            bot: "user agent".into(),
            ..Event::new(
                Uuid::from_u128(1),
                Uuid::from_u128(2),
                1_772_600_767_123,
                0x0123_4567_89ab_cdef,
                EventKind::Identify,
            )
        };
        assert_eq!(decoded(&hex::decode(FIRST).unwrap()).unwrap(), [event]);
    }

    #[test]
    fn fields_that_an_earlier_version_lacked_are_empty() {
        #[derive(Serialize)]
        struct Before {
            id: u64,
            name: String,
        }
        #[derive(Deserialize, Debug, PartialEq)]
        struct Now {
            id: u64,
            name: String,
            #[serde(default)]
            plan: String,
        }
        let before = ["a", "b"].map(|name| Before { id: 7, name: name.into() });
        let bytes = postcard::to_stdvec(before.as_slice()).unwrap();
        let now = ["a", "b"].map(|name| Now { id: 7, name: name.into(), plan: String::new() });
        assert_eq!(decoded_earlier::<Now>(&bytes, 2).unwrap(), now);
        assert!(decoded_earlier::<Now>(&bytes[..bytes.len() - 1], 2).is_err(), "a damaged row");
    }

    #[test]
    fn a_row_of_a_later_version_is_an_error() {
        let event = Event::new(Uuid::nil(), Uuid::nil(), 0, 0, EventKind::Pageview);
        let mut row = encoded(&[event]).unwrap();
        row[0] = FORMAT + 1;
        assert!(decoded(&row).unwrap_err().message().len() > 1);
    }
}
