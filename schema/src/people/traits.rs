//! Traits of people: which of an identification are kept, whom they identify, and how those of one person are merged.
//!
//! - Each trait keeps the time it was set, so that the latest value wins whatever the order of arrival.
//! - A person has at most [`MAX_OTHERS`] traits beside [`NAMED`], and [`MAX_BYTES`] in total; the oldest ones make room.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// The application's ID of the person.
pub const USER_ID: &str = "user_id";

/// Names of the application's ID in an identification. The first one that has a value counts.
pub const IDS: [&str; 3] = [USER_ID, "id", "customer_id"];

/// E-mail address of the person, lower case.
pub const EMAIL: &str = "email";

/// Traits with a field of their own.
pub const NAMED: [&str; 5] = [USER_ID, EMAIL, "name", "company", "plan"];

/// Maximum number of traits beside [`NAMED`].
pub const MAX_OTHERS: usize = 50;

/// Maximum length of a trait's name, in characters.
pub const MAX_NAME: usize = 64;

/// Maximum length of a trait's value, in characters.
pub const MAX_VALUE: usize = 1_000;

/// Maximum size of all names and values of one person, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// Traits of one person: values and the times they were set, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traits(BTreeMap<String, (Value, i64)>);

/// A value as text; empty for anything but a string, number or boolean.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// UUID of the person that an application calls `user_id`.
#[must_use]
pub fn person_of_user(website: Uuid, user_id: &str) -> Uuid {
    person(website, USER_ID, user_id)
}

/// UUID of the person of whom only an e-mail address (lower case) is known.
#[must_use]
pub fn person_of_email(website: Uuid, email: &str) -> Uuid {
    person(website, EMAIL, email)
}

fn person(website: Uuid, name: &str, value: &str) -> Uuid {
    let whole: [u8; 32] = Sha256::new_with_prefix(b"person")
        .chain_update(website.as_bytes())
        .chain_update(name)
        .chain_update([0])
        .chain_update(value)
        .finalize()
        .into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&whole[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

impl Traits {
    /// The traits of one identification, a flat JSON object; none for anything else.
    #[must_use]
    pub fn sent(object: &str, time_ms: i64) -> Self {
        let values: Map<String, Value> = serde_json::from_str(object).unwrap_or_default();
        Self(values.into_iter().map(|(name, value)| (name, (value, time_ms))).collect())
    }

    /// Reverses [`Traits::stored`]; none for anything else.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// The form in which the event store keeps them: an object of values with their times, `{"plan":["pro",1772600000000]}`.
    #[must_use]
    pub fn stored(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// The value of a trait as text; `None` if it is missing or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|(value, _)| text_of(value)).filter(|text| !text.is_empty())
    }

    /// All values by name.
    #[must_use]
    pub fn values(&self) -> Map<String, Value> {
        self.0.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect()
    }

    /// UUID of the person they identify on a website: by user ID, or by e-mail address if there is none.
    #[must_use]
    pub fn person(&self, website: Uuid) -> Option<Uuid> {
        match (self.text(USER_ID), self.text(EMAIL)) {
            (Some(user_id), _) => Some(person_of_user(website, &user_id)),
            (None, Some(email)) => Some(person_of_email(website, &email)),
            (None, None) => None,
        }
    }

    /// Adds the traits of another identification of the same person. The later value of each trait wins; of two of the same
    /// time, the one that is added.
    pub fn merge(&mut self, other: Self) {
        for (name, (value, time_ms)) in other.0 {
            if self.0.get(&name).is_none_or(|(_, known_ms)| *known_ms <= time_ms) {
                self.0.insert(name, (value, time_ms));
            }
        }
        self.make_room();
    }

    /// Drops the oldest traits beyond the limits. Those of [`NAMED`] stay: together they are smaller than the limit.
    fn make_room(&mut self) {
        let is_named = |name: &str| NAMED.contains(&name);
        let size = |name: &str, value: &Value| name.len() + text_of(value).len();
        let mut bytes: usize = self.0.iter().map(|(name, (value, _))| size(name, value)).sum();
        let mut others: Vec<(i64, String)> = self
            .0
            .iter()
            .filter(|(name, _)| !is_named(name))
            .map(|(name, (_, time_ms))| (*time_ms, name.clone()))
            .collect();
        others.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        while others.len() > MAX_OTHERS || bytes > MAX_BYTES {
            let Some((_, oldest)) = others.pop() else { return };
            if let Some((value, _)) = self.0.remove(&oldest) {
                bytes = bytes.saturating_sub(size(&oldest, &value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(object: &Value, time_ms: i64) -> Traits {
        Traits::sent(&object.to_string(), time_ms)
    }

    #[test]
    fn the_latest_value_of_each_trait_wins_in_any_order_of_arrival() {
        let sent = [
            traits(&serde_json::json!({ "user_id": "u1", "plan": "free", "seats": 1 }), 1_000),
            traits(&serde_json::json!({ "user_id": "u1", "plan": "pro", "company": "Shop" }), 3_000),
            traits(&serde_json::json!({ "user_id": "u1", "plan": "trial", "vip": true }), 2_000),
        ];
        let expected =
            serde_json::json!({ "user_id": "u1", "plan": "pro", "seats": 1, "company": "Shop", "vip": true });
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1]] {
            let mut merged = Traits::default();
            for at in order {
                merged.merge(sent[at].clone());
            }
            assert_eq!(Value::Object(merged.values()), expected, "{order:?}");
            assert_eq!(Traits::from_stored(&merged.stored()), merged);
        }
    }

    #[test]
    fn a_person_has_bounded_traits_of_which_the_oldest_make_room() {
        let mut merged = traits(&serde_json::json!({ "user_id": "u1", "name": "Ann" }), 1);
        for number in 0..200_i64 {
            merged.merge(traits(&serde_json::json!({ "user_id": "u1", format!("t{number:03}"): number }), number + 2));
        }
        let values = merged.values();
        assert_eq!(values.len(), MAX_OTHERS + 2);
        assert!(values.contains_key("name") && values.contains_key("t199") && values.contains_key("t150"));
        assert!(!values.contains_key("t149"));
        for number in 0..50_i64 {
            let long = "x".repeat(MAX_VALUE);
            merged.merge(traits(&serde_json::json!({ "user_id": "u1", format!("l{number:02}"): long }), 500 + number));
        }
        let bytes: usize = merged.values().iter().map(|(name, value)| name.len() + text_of(value).len()).sum();
        assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES - 1_100, "{bytes}");
    }

    #[test]
    fn a_person_is_one_per_website_and_user_id_and_one_with_an_e_mail_only_is_another() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of = |object: Value, website| traits(&object, 0).person(website);
        let known = of(serde_json::json!({ "user_id": 7, "email": "a@b.example" }), a).unwrap();
        assert_eq!(Some(known), of(serde_json::json!({ "user_id": "7" }), a));
        assert_ne!(Some(known), of(serde_json::json!({ "user_id": "7" }), b));
        assert_eq!(of(serde_json::json!({ "email": "a@b.example" }), a), Some(person_of_email(a, "a@b.example")));
        assert_ne!(of(serde_json::json!({ "email": "7" }), a), Some(known));
        assert_eq!(of(serde_json::json!({ "plan": "pro", "email": "" }), a), None);
    }
}
