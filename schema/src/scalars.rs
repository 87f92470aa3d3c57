//! Scalars of this API: instants with milliseconds and `Z`, dates, time zones, 64-bit integers and checked strings.
//!
//! Invalid values are refused during argument coercion, so that rules only see valid ones.

use async_graphql::{InputType, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Timelike as _, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

/// Input coercion of a scalar.
trait Coerce: InputType {
    /// What a valid value is, as messages say it.
    const EXPECTED: &'static str;

    /// The value; `None` if it is not valid.
    fn coerce(value: &Value) -> Option<Self>;

    /// Like [`Coerce::coerce`], for the library.
    fn read(value: Value) -> InputValueResult<Self> {
        Self::coerce(&value).ok_or_else(|| InputValueError::custom(Self::EXPECTED))
    }

    /// Why the value is not valid.
    fn fault(value: &Value) -> Option<&'static str> {
        match Self::coerce(value) {
            Some(_) => None,
            None if text(value).is_none() && Self::type_name() != "BigInt" => Some("must be a string"),
            None => Some(Self::EXPECTED),
        }
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Input coercion of a value other than null for the scalar of this name: `Some` with what would be valid, if it is not. A
/// test holds that every scalar of the schema is known here.
#[must_use]
pub fn coercion_fault(scalar: &str, value: &Value) -> Option<&'static str> {
    let wrong = |is_valid: bool, expected| (!is_valid).then_some(expected);
    let number = |value: &Value| match value {
        Value::Number(number) => Some(number.clone()),
        _ => None,
    };
    match scalar {
        "Int" => {
            let is_valid = number(value).is_some_and(|it| it.as_i64().is_some_and(|it| i32::try_from(it).is_ok()));
            wrong(is_valid, "must be an integer of at most 32 bits")
        }
        "Float" => wrong(number(value).is_some(), "must be a number"),
        "String" => wrong(text(value).is_some(), "must be a string"),
        "Boolean" => wrong(matches!(value, Value::Boolean(_)), "must be true or false"),
        "ID" => {
            let is_valid = text(value).is_some() || number(value).is_some_and(|number| number.is_i64());
            wrong(is_valid, "must be an ID")
        }
        "UUID" => wrong(
            text(value).is_some_and(|text| Uuid::try_parse(text).is_ok()),
            "must be a UUID such as 5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6",
        ),
        "BigInt" => BigInt::fault(value),
        "Date" => Date::fault(value),
        "DateTime" => Instant::fault(value),
        "Decimal" => Decimal::fault(value),
        "EmailAddress" => EmailAddress::fault(value),
        "HexColor" => HexColor::fault(value),
        "JSON" => None,
        "TimeZone" => TimeZone::fault(value),
        "URL" => Url::fault(value),
        _ => Some("must be of a known scalar"),
    }
}

/// A point in time in RFC 3339 format, UTC, with milliseconds, such as `2026-03-04T05:06:07.000Z`. Input can have any
/// offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(pub DateTime<Utc>);

impl Instant {
    /// The instant of a time in milliseconds since 1970 UTC.
    pub(crate) fn from_millis(ms: i64) -> Self {
        Self(DateTime::from_timestamp_millis(ms).unwrap_or_default())
    }
}

/// A point in time in RFC 3339 format, UTC, with milliseconds, such as `2026-03-04T05:06:07.000Z`. Input can have any
/// offset.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html")]
impl ScalarType for Instant {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Coerce for Instant {
    const EXPECTED: &'static str = "must be an instant such as 2026-03-04T05:06:07Z";

    fn coerce(value: &Value) -> Option<Self> {
        DateTime::parse_from_rfc3339(text(value)?)
            .ok()
            .map(|instant| instant.with_timezone(&Utc))
            // Output must be valid input: four-digit years, no leap seconds.
            .filter(|instant| (0..=9999).contains(&instant.year()) && instant.nanosecond() < 1_000_000_000)
            .map(Self)
    }
}

/// A calendar day in the format `YYYY-MM-DD`, in the time zone that the field specifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(pub NaiveDate);

/// A calendar day in the format `YYYY-MM-DD`, in the time zone that the field specifies.
#[Scalar(name = "Date", specified_by_url = "https://scalars.graphql.org/andimarek/local-date.html")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.format("%Y-%m-%d").to_string())
    }
}

impl Coerce for Date {
    const EXPECTED: &'static str = "must be a date such as 2026-03-04";

    fn coerce(value: &Value) -> Option<Self> {
        let text = text(value).filter(|text| text.len() == 10)?;
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self)
    }
}

/// A 64-bit signed integer as a JSON number. JavaScript rounds numbers above 9,007,199,254,740,991.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BigInt(pub i64);

impl BigInt {
    /// A count.
    #[must_use]
    pub fn from_u64(count: u64) -> Self {
        Self(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// A 64-bit signed integer as a JSON number. JavaScript rounds numbers above 9,007,199,254,740,991.
#[Scalar(name = "BigInt", specified_by_url = "https://scalars.graphql.org/jakobmerrild/long.html")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

impl Coerce for BigInt {
    const EXPECTED: &'static str = "must be an integer of at most 64 bits";

    fn coerce(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().map(Self),
            _ => None,
        }
    }
}

/// An exact decimal number as a string, such as `49.9`, with at most six decimals, no exponent and no trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Decimal {
    millionths: i128,
}

impl Decimal {
    /// The number of this many millionths.
    #[must_use]
    pub const fn from_millionths(millionths: i128) -> Self {
        Self { millionths }
    }

    /// The number in millionths.
    #[must_use]
    pub const fn millionths(self) -> i128 {
        self.millionths
    }

    fn exact(text: &str) -> Option<Self> {
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |unsigned| (-1, unsigned));
        let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(decimals) || decimals.len() > 6 {
            return None;
        }
        let millionths: i128 = format!("{whole}{decimals:0<6}").parse().ok()?;
        Some(Self { millionths: sign * millionths })
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unsigned = self.millionths.unsigned_abs();
        let text = format!("{}.{:06}", unsigned / 1_000_000, unsigned % 1_000_000);
        let sign = if self.millionths < 0 { "-" } else { "" };
        write!(out, "{sign}{}", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// An exact decimal number as a string, such as `49.9`, with at most six decimals, no exponent and no trailing zeros.
#[Scalar(name = "Decimal", specified_by_url = "https://www.w3.org/TR/xmlschema11-2/#decimal")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Coerce for Decimal {
    const EXPECTED: &'static str = "must be a decimal number in a string, such as \"49.9\"";

    fn coerce(value: &Value) -> Option<Self> {
        Self::exact(text(value)?)
    }
}

/// Any JSON value, stored unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub Value);

/// Any JSON value, stored unchanged.
#[Scalar(name = "JSON", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

/// An IANA time zone name, such as `Europe/Vienna` or `UTC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeZone(pub Tz);

/// An IANA time zone name, such as `Europe/Vienna` or `UTC`.
#[Scalar(name = "TimeZone", specified_by_url = "https://www.iana.org/time-zones")]
impl ScalarType for TimeZone {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.name().to_owned())
    }
}

impl Coerce for TimeZone {
    const EXPECTED: &'static str = "must be an IANA time zone such as Europe/Vienna or UTC";

    fn coerce(value: &Value) -> Option<Self> {
        text(value)?.parse().ok().map(Self)
    }
}

/// An e-mail address, such as `ada@shop.example`. Not case-sensitive; results are lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Checks and lower-cases an address; `None` when it is not one.
    #[must_use]
    pub fn checked(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, host) = text.rsplit_once('@')?;
        let plain = |part: &str| part.chars().all(|c| !c.is_whitespace() && !c.is_control());
        let sound = !local.is_empty()
            && local.len() <= 64
            && plain(local)
            && !local.contains('@')
            && text.len() <= 254
            && host.contains('.')
            && host.split('.').all(|label| {
                !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-') && !label.starts_with('-')
            });
        sound.then(|| Self(text.to_lowercase()))
    }

    /// An address from a row, which was checked when it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The address, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address, such as `ada@shop.example`. Not case-sensitive; results are lower case.
#[Scalar(
    name = "EmailAddress",
    specified_by_url = "https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address"
)]
impl ScalarType for EmailAddress {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl Coerce for EmailAddress {
    const EXPECTED: &'static str = "must be an e-mail address such as ada@shop.example";

    fn coerce(value: &Value) -> Option<Self> {
        Self::checked(text(value)?)
    }
}

/// An absolute URL with scheme `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url(String);

impl Url {
    /// Checks a URL; `None` if it is not an absolute `http` or `https` URL of at most 2,048 characters.
    #[must_use]
    pub fn checked(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let host = rest.split(['/', '?', '#']).next()?;
        let sound = !host.is_empty()
            && text.len() <= 2048
            && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"' | '\\'));
        sound.then(|| Self(text.to_owned()))
    }

    /// An address from a row, which was checked when it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An absolute URL with scheme `http` or `https`.
#[Scalar(name = "URL", specified_by_url = "https://url.spec.whatwg.org/")]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl Coerce for Url {
    const EXPECTED: &'static str = "must be an absolute URL such as https://shop.example/a";

    fn coerce(value: &Value) -> Option<Self> {
        Self::checked(text(value)?)
    }
}

/// A color in the format `#RRGGBB`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HexColor(String);

impl HexColor {
    /// Checks a color; `None` if it is not `#` and six hexadecimal digits.
    #[must_use]
    pub fn checked(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        (digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| Self(text.to_owned()))
    }

    /// A color from a row, which was checked when it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The color, as entered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A color in the format `#RRGGBB`.
#[Scalar(name = "HexColor", specified_by_url = "https://www.w3.org/TR/css-color-4/#hex-notation")]
impl ScalarType for HexColor {
    fn parse(value: Value) -> InputValueResult<Self> {
        Coerce::read(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl Coerce for HexColor {
    const EXPECTED: &'static str = "must be a color such as #1a2b3c";

    fn coerce(value: &Value) -> Option<Self> {
        Self::checked(text(value)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_in_their_shortest_form() {
        for (millionths, text) in [
            (0, "0"),
            (49_900_000, "49.9"),
            (-29_500_000, "-29.5"),
            (1, "0.000001"),
            (-1, "-0.000001"),
            (100_000_000, "100"),
            (9_007_199_254_740_993_000_001, "9007199254740993.000001"),
        ] {
            assert_eq!(Decimal::from_millionths(millionths).to_string(), text);
            assert_eq!(Decimal::exact(text), Some(Decimal::from_millionths(millionths)));
        }
        for bad in ["", "-", ".", "1.", ".5", "1e3", "+1", "1,5", "0.0000001", " 1", "--1"] {
            assert_eq!(Decimal::exact(bad), None, "{bad}");
        }
    }

    #[test]
    fn checked_strings_take_what_holds_and_nothing_else() {
        for good in ["Ada@Shop.Example", "a.b+c@x-y.example"] {
            assert!(EmailAddress::checked(good).is_some(), "{good}");
        }
        for bad in ["", "ada", "@x.example", "ada@", "ada@localhost", "a b@x.example", "a@b@x.example", "a@x..example"]
        {
            assert!(EmailAddress::checked(bad).is_none(), "{bad}");
        }
        assert_eq!(EmailAddress::checked(" Ada@Shop.Example ").unwrap().as_str(), "ada@shop.example");
        assert!(HexColor::checked("#12aBcF").is_some());
        for bad in ["12abcf", "#12abc", "#12abcg", "#12abcf0"] {
            assert!(HexColor::checked(bad).is_none(), "{bad}");
        }
        assert!(Url::checked("https://shop.example/a?b").is_some());
        for bad in ["ftp://x", "javascript:alert(1)", "https://", "https:// x"] {
            assert!(Url::checked(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_instant_is_one_that_can_be_written_again() {
        assert!(<Instant as ScalarType>::parse("9999-12-31T23:59:59+14:00".into()).is_ok());
        for bad in ["9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00+14:00", "2026-11-23T23:59:60Z"] {
            assert!(<Instant as ScalarType>::parse(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_and_zones_and_numbers_keep_their_form() {
        assert_eq!(
            ScalarType::to_value(&<Date as ScalarType>::parse(Value::from("2026-03-04")).unwrap()),
            Value::from("2026-03-04")
        );
        for bad in ["2026-3-4", "2026-02-30", "04.03.2026"] {
            assert!(<Date as ScalarType>::parse(Value::from(bad)).is_err(), "{bad}");
        }
        assert!(<TimeZone as ScalarType>::parse(Value::from("Europe/Atlantis")).is_err());
        assert_eq!(<BigInt as ScalarType>::parse(Value::from(5_000_000_000_i64)).unwrap().0, 5_000_000_000);
        assert!(<BigInt as ScalarType>::parse(Value::from("5")).is_err());
        let instant = <Instant as ScalarType>::parse(Value::from("2026-03-04T05:06:07+01:00")).unwrap();
        assert_eq!(ScalarType::to_value(&instant), Value::from("2026-03-04T04:06:07.000Z"));
    }
}
