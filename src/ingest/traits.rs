//! Traits of an identification: what of the properties sent is kept of the person.

use schema::people::traits::{EMAIL, IDS, MAX_NAME, USER_ID};
use serde_json::{Map, Value};

use super::properties::{Properties, clean};

/// Maximum length of an ID, in characters.
const MAX_ID: usize = 200;

/// Maximum length of an e-mail address, in characters.
const MAX_EMAIL: usize = 254;

/// Traits as a flat JSON object, with the person's ID as `user_id`; `None` without an ID and e-mail address.
#[must_use]
pub fn traits_of(properties: &Properties) -> Option<String> {
    let id = IDS.iter().find_map(|name| Some((*name, properties.identifier(name)?)));
    let email = properties.text(EMAIL).map(|email| clean(email.trim(), MAX_EMAIL).to_lowercase());
    let email = email.filter(|email| !email.is_empty());
    if id.is_none() && email.is_none() {
        return None;
    }
    let mut traits = Map::new();
    for (name, value) in properties.iter() {
        traits.insert(clean(name, MAX_NAME), value.clone());
    }
    traits.remove(EMAIL);
    if let Some((name, id)) = id {
        traits.remove(name);
        traits.insert(USER_ID.to_owned(), Value::String(clean(&id, MAX_ID)));
    }
    if let Some(email) = email {
        traits.insert(EMAIL.to_owned(), Value::String(email));
    }
    Some(Value::Object(traits).to_string())
}

#[cfg(test)]
mod tests {
    use schema::people::traits::Traits;
    use serde_json::json;

    use super::*;

    fn of(sent: &Value) -> Option<Value> {
        let traits = traits_of(&serde_json::from_value(sent.clone()).unwrap())?;
        Some(serde_json::from_str(&traits).unwrap())
    }

    #[test]
    fn an_identification_has_one_id_and_a_lower_case_e_mail_address() {
        for (sent, kept) in [
            (json!({ "user_id": "u1", "plan": "pro" }), json!({ "user_id": "u1", "plan": "pro" })),
            (json!({ "id": 7, "vip": true }), json!({ "user_id": "7", "vip": true })),
            (json!({ "customer_id": " c1 " }), json!({ "user_id": "c1" })),
            (json!({ "user_id": "u1", "customer_id": "c1" }), json!({ "user_id": "u1", "customer_id": "c1" })),
            (json!({ "email": " Ann@Shop.Example " }), json!({ "email": "ann@shop.example" })),
            (json!({ "user_id": "", "email": "a@b.example" }), json!({ "user_id": "", "email": "a@b.example" })),
            (json!({ "user_id": "u1", "city": "Ulm", "no": null }), json!({ "user_id": "u1", "city": "Ulm" })),
        ] {
            assert_eq!(of(&sent), Some(kept), "{sent}");
        }
        for sent in [json!({}), json!({ "plan": "pro" }), json!({ "email": " ", "id": "" })] {
            assert_eq!(of(&sent), None, "{sent}");
        }
    }

    #[test]
    fn names_and_values_are_cut_to_their_limits() {
        let kept = of(&json!({ "user_id": "i".repeat(999), "n".repeat(99): "v".repeat(2_000) })).unwrap();
        let traits = Traits::sent(&kept.to_string(), 0);
        assert_eq!(traits.text(USER_ID).unwrap().len(), MAX_ID);
        assert_eq!(traits.text(&"n".repeat(MAX_NAME)).unwrap().len(), schema::people::traits::MAX_VALUE);
    }
}
