//! Checks of scalars in a body, so that an error names the field as spelled by the caller; the schema checks again.

use async_graphql::{InputType, Pos, Value};
use schema::scalars::{BigInt, Date, EmailAddress, HexColor, Instant, TimeZone, Url};

/// The error for an invalid scalar value; `None` if it is valid, or the scalar accepts anything.
#[must_use]
pub fn fault(scalar: &str, value: &Value) -> Option<String> {
    match scalar {
        "BigInt" => fault_of::<BigInt>(value),
        "Date" => fault_of::<Date>(value),
        "DateTime" => fault_of::<Instant>(value),
        "EmailAddress" => fault_of::<EmailAddress>(value),
        "HexColor" => fault_of::<HexColor>(value),
        "TimeZone" => fault_of::<TimeZone>(value),
        "URL" => fault_of::<Url>(value),
        _ => None,
    }
}

fn fault_of<T: InputType>(value: &Value) -> Option<String> {
    let error = T::parse(Some(value.clone())).err()?.into_server_error(Pos::default());
    // The framework's message about a value of the wrong type reveals too much of the schema.
    let ours = error.message.strip_prefix("Failed to parse \"").and_then(|rest| rest.split_once("\": "));
    let kind = if T::type_name() == "BigInt" { "must be an integer" } else { "must be a string" };
    Some(ours.map_or(kind, |(_, why)| why).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_would_be_right() {
        let zone = "must be an IANA time zone such as Europe/Vienna or UTC";
        assert_eq!(fault("TimeZone", &"Europe/Atlantis".into()).unwrap(), zone);
        assert_eq!(fault("TimeZone", &7.into()).unwrap(), "must be a string");
        assert_eq!(fault("HexColor", &"red".into()).unwrap(), "must be a color such as #1a2b3c");
        assert_eq!(fault("HexColor", &"#1a2b3c".into()), None);
        assert_eq!(fault("JSON", &"anything".into()), None);
    }
}
