//! Custom properties of an event: a flat record of strings, numbers and booleans (CONTRACT 9.4).
//!
//! - Nested values and nulls are dropped, as are reserved names except in events that the tracker sends automatically.
//! - Control characters are removed, and long texts are cut. Only too many properties, or too much text in total, are
//!   refused.

use std::fmt;

use schema::people::traits::{MAX_OTHERS, NAMED};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Maximum number of properties in one event.
pub const MAX_PROPERTIES: usize = 50;

/// Maximum number of traits in one identification.
pub const MAX_TRAITS: usize = MAX_OTHERS + NAMED.len();

/// Maximum number of values that are read; more are only counted.
const MAX_SENT: usize = if MAX_TRAITS > MAX_PROPERTIES { MAX_TRAITS } else { MAX_PROPERTIES };

/// Maximum size of names and values in one event, in bytes as sent.
pub const MAX_BYTES: usize = 16 * 1024;

/// Maximum length of names and texts, in characters.
const MAX_NAME: usize = 100;
const MAX_TEXT: usize = 1_000;

/// Names that would shadow built-in fields.
const RESERVED: &[&str] = &["url", "referrer", "screen_size", "browser", "os", "country", "city"];

/// Properties of an event, as sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    values: Map<String, Value>,
    /// Number of properties sent, including nested ones.
    pub sent: usize,
    /// Bytes of the names and texts sent.
    pub sent_bytes: usize,
}

impl Properties {
    /// The text under a name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    /// The number under a name; a numeric text counts.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        let value = self.values.get(name)?;
        value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number| number.is_finite())
    }

    /// The text or number under a name, as text without surrounding white space; `None` if it is empty.
    #[must_use]
    pub fn identifier(&self, name: &str) -> Option<String> {
        let text = match self.values.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }

    /// Sets a property of the server.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Drops names that would shadow built-in fields.
    pub fn strip_reserved(&mut self) {
        self.values.retain(|name, _| !RESERVED.contains(&name.as_str()));
    }

    /// Only the given names.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let kept = self.values.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let values = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { values, sent: self.sent, sent_bytes: self.sent_bytes }
    }

    /// A flat JSON object; empty if there are none.
    #[must_use]
    pub fn json(&self) -> String {
        if self.values.is_empty() { String::new() } else { Value::Object(self.values.clone()).to_string() }
    }
}

/// Text as stored: without control characters, cut to this many characters.
#[must_use]
pub fn clean(text: &str, most: usize) -> String {
    let is_plain = text.len() <= most && !text.chars().any(char::is_control);
    if is_plain { text.to_owned() } else { text.chars().filter(|c| !c.is_control()).take(most).collect() }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Record)
    }
}

struct Record;

impl<'de> Visitor<'de> for Record {
    type Value = Properties;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings, numbers and booleans")
    }

    fn visit_unit<E>(self) -> Result<Properties, E> {
        Ok(Properties::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
        let mut properties = Properties::default();
        while let Some(name) = map.next_key::<String>()? {
            properties.sent += 1;
            if properties.sent > MAX_SENT {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Flat { value, bytes } = map.next_value::<Flat>()?;
            properties.sent_bytes += name.len() + bytes;
            let name = clean(&name, MAX_NAME);
            if let Some(value) = value
                && !name.is_empty()
            {
                properties.values.insert(name, value);
            }
        }
        Ok(properties)
    }
}

/// A string, number or boolean.
struct Flat {
    /// `None` for anything else.
    value: Option<Value>,
    /// How long a text was, in bytes.
    bytes: usize,
}

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlatVisitor)
    }
}

struct FlatVisitor;

impl FlatVisitor {
    fn short<E>(value: impl Into<Value>) -> Result<Flat, E> {
        Ok(Flat { value: Some(value.into()), bytes: size_of::<f64>() })
    }

    fn nothing<E>() -> Result<Flat, E> {
        Ok(Flat { value: None, bytes: 0 })
    }
}

impl<'de> Visitor<'de> for FlatVisitor {
    type Value = Flat;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Flat, E> {
        Self::short(value)
    }
    fn visit_i64<E>(self, value: i64) -> Result<Flat, E> {
        Self::short(value)
    }
    fn visit_u64<E>(self, value: u64) -> Result<Flat, E> {
        Self::short(value)
    }
    fn visit_f64<E>(self, value: f64) -> Result<Flat, E> {
        Number::from_f64(value).map_or_else(Self::nothing, Self::short)
    }
    fn visit_str<E>(self, value: &str) -> Result<Flat, E> {
        Ok(Flat { value: Some(Value::String(clean(value, MAX_TEXT))), bytes: value.len() })
    }
    fn visit_unit<E>(self) -> Result<Flat, E> {
        Self::nothing()
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Flat, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Self::nothing()
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Self::nothing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Properties {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn flat_values_stay_and_nothing_else() {
        let text = r#"{"plan":"pro","n":3,"f":1.5,"yes":true,"no":null,"list":[1,{"a":2}],"deep":{"a":[1]},"url":"x","city":"y"}"#;
        let mut record = read(text);
        record.strip_reserved();
        assert_eq!(record.json(), r#"{"plan":"pro","n":3,"f":1.5,"yes":true}"#);
        assert_eq!(read("null").json(), "");
        assert_eq!(read("{}").json(), "");
        serde_json::from_str::<Properties>("[1]").unwrap_err();
        serde_json::from_str::<Properties>("\"x\"").unwrap_err();
    }

    #[test]
    fn too_many_are_counted_and_long_ones_cut() {
        let many: Vec<String> = (0..100_000).map(|n| format!("\"p{n}\":{n}")).collect();
        let read_all = read(&format!("{{{}}}", many.join(",")));
        assert_eq!((read_all.sent, read_all.values.len()), (100_000, MAX_SENT));
        let long = read(&format!(r#"{{"a":"{}","{}":1}}"#, "é".repeat(5_000), "k".repeat(500)));
        assert_eq!(long.text("a").unwrap().chars().count(), MAX_TEXT);
        assert!(long.values.contains_key(&"k".repeat(MAX_NAME)));
        assert_eq!(long.sent_bytes, 1 + 10_000 + 500 + 8, "as sent, not as kept");
        assert_eq!(read(r#"{"a":"x\u0000y\u0007z"}"#).text("a"), Some("xyz"));
    }
}
