//! Beacons of browsers and servers: parsed from JSON and checked field by field, not yet trusted.
//!
//! - Every error names its field. Names of older generations are accepted in addition to the current ones (CONTRACT 9.2).
//! - Texts lose control characters and are cut to their maximum length; only what would change the meaning is refused.

use std::{borrow::Cow, fmt};

use schema::{
    analytics::event_kind::{Amount, EventKind, Naming},
    error::{Error, Result},
    people::traits::IDS,
};
use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::{Map, Value};

use super::{
    fields::{BEACON, Fields},
    page::{MAX_URL, Page},
    properties::{MAX_PROPERTIES, MAX_TRAITS, Properties, clean},
    traits::traits_of,
};

/// The script's event for a click on a link to another host.
pub const OUTBOUND_LINK: &str = "outbound_link";

/// The script's event for a click on a link to a file.
pub const FILE_DOWNLOAD: &str = "file_download";

/// Events that the tracker sends automatically; their `url` is the link's.
const AUTOMATIC: &[&str] = &[OUTBOUND_LINK, FILE_DOWNLOAD];

/// Maximum absolute amount of one event, in units: a large order in the smallest currencies (rial, dong).
const MAX_AMOUNT: f64 = 1e11;

/// Revenue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Money {
    /// Millionths of a unit.
    pub micros: i64,
    /// ISO 4217 code, upper case; empty for the website's currency.
    pub currency: String,
}

impl Money {
    /// The same with this currency if none was given.
    #[must_use]
    pub fn or_in(self, currency: &str) -> Self {
        if self.currency.is_empty() { Self { currency: currency.to_owned(), ..self } } else { self }
    }
}

/// One event as sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Beacon {
    /// What it is.
    pub kind: EventKind,
    /// Name of an event or goal; empty for the rest.
    pub name: String,
    /// Event ID given by the sender.
    pub event_id: Option<String>,
    /// Visitor ID kept by the sender, if any.
    pub visitor_id: Option<String>,
    /// Visit ID given by the browser; empty for servers.
    pub session: String,
    /// Where it happened.
    pub page: Page,
    /// Title of the page.
    pub title: String,
    /// URL of the referring page.
    pub referrer: String,
    /// User agent of the visitor, if the sender gives it.
    pub user_agent: Option<String>,
    /// Whether the browser reports automation (`navigator.webdriver`).
    pub webdriver: bool,
    /// `desktop`, `mobile` or `tablet`, if the sender gives it.
    pub device: String,
    /// `WIDTHxHEIGHT`.
    pub screen: String,
    /// BCP 47 tag.
    pub language: String,
    /// Time of the event by the sender's clock, in milliseconds since 1970 UTC.
    pub at_ms: Option<i64>,
    /// Send time by the same clock, which reveals how wrong that clock is.
    pub sent_ms: Option<i64>,
    /// Other properties.
    pub properties: Properties,
    /// Traits of an identification as a flat JSON object; empty for other events.
    pub traits: String,
    /// Revenue.
    pub money: Option<Money>,
}

/// A text of the JSON, copied only where it has escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsItIs;
        impl<'de> Visitor<'de> for AsItIs {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(AsItIs)
    }
}

impl Text<'_> {
    fn owned(text: Option<Self>) -> Option<String> {
        text.map(|text| text.0.into_owned())
    }

    fn or_empty(text: &Option<Self>) -> &str {
        text.as_ref().map_or("", |text| &text.0)
    }
}

/// The JSON as it comes.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    event_type: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    event_id: Option<Text<'a>>,
    #[serde(borrow)]
    session_id: Option<Text<'a>>,
    #[serde(borrow)]
    visitor_id: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    referrer: Option<Text<'a>>,
    #[serde(borrow)]
    user_agent: Option<Text<'a>>,
    #[serde(borrow)]
    device_type: Option<Text<'a>>,
    #[serde(borrow)]
    browser: Option<Text<'a>>,
    #[serde(borrow)]
    os: Option<Text<'a>>,
    #[serde(borrow)]
    screen_resolution: Option<Text<'a>>,
    #[serde(borrow)]
    language: Option<Text<'a>>,
    timestamp: Option<f64>,
    sent_at: Option<f64>,
    data: Option<Properties>,
    event_data: Option<Properties>,
    duration: Option<f64>,
    scroll_depth: Option<f64>,
    had_interaction: Option<bool>,
    webdriver: Option<bool>,
}

/// Fields of [`Wire`] by type.
const TEXTS: &[&str] = &[
    "type",
    "event_type",
    "name",
    "event_id",
    "session_id",
    "visitor_id",
    "url",
    "title",
    "referrer",
    "user_agent",
    "device_type",
    "browser",
    "os",
    "screen_resolution",
    "language",
];
const NUMBERS: &[&str] = &["timestamp", "sent_at", "duration", "scroll_depth"];
const RECORDS: &[&str] = &["data", "event_data"];

/// Parses a beacon of `/e/:code`. Errors: `Invalid`, naming the field.
pub fn read(body: &[u8]) -> Result<Beacon> {
    let wire = parse(body)?;
    for (field, value) in [
        ("device_type", &wire.device_type),
        ("browser", &wire.browser),
        ("os", &wire.os),
        ("user_agent", &wire.user_agent),
    ] {
        if value.is_none() {
            return Err(Error::invalid(field, "is missing"));
        }
    }
    checked(wire)
}

/// Parses a heartbeat of `/e/heartbeat/:code`. Errors: `Invalid`, naming the field.
pub fn read_heartbeat(body: &[u8]) -> Result<Beacon> {
    let wire = parse(body)?;
    let (duration, scroll_depth, had_interaction) = (wire.duration, wire.scroll_depth, wire.had_interaction);
    let mut beacon =
        checked(Wire { kind: Some(Text(Cow::Borrowed("heartbeat"))), event_type: None, name: None, ..wire })?;
    beacon.properties = Properties::default();
    for (name, value, most) in [("duration", duration, 86_400.0), ("scroll_depth", scroll_depth, 100.0)] {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            #[expect(clippy::cast_possible_truncation, reason = "clamped")]
            beacon.properties.set(name, value.clamp(0.0, most).round() as i64);
        }
    }
    if let Some(had) = had_interaction {
        beacon.properties.set("had_interaction", had);
    }
    Ok(beacon)
}

/// The tracking code in the body of an alias path.
#[must_use]
pub fn code_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Coded {
        #[serde(alias = "trackingCode", alias = "website_id", alias = "site_id")]
        tracking_code: Option<String>,
    }
    if !is_object(body) {
        return None;
    }
    serde_json::from_slice::<Coded>(body).ok()?.tracking_code
}

/// Whether a body can be an object: serde also reads a struct from an array.
#[must_use]
pub fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

fn parse(body: &[u8]) -> Result<Wire<'_>> {
    let wire = if is_object(body) { serde_json::from_slice(body).ok() } else { None };
    wire.ok_or_else(|| diagnosis(body))
}

/// Explains why a body is not a beacon.
fn diagnosis(body: &[u8]) -> Error {
    let fields: Map<String, Value> = match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Error::invalid("body", "must be one JSON object"),
        Err(_) => return Error::invalid("body", "is not valid JSON in UTF-8"),
    };
    let wrong = |names: &[&str], fits: fn(&Value) -> bool, what: &str| {
        let name =
            names.iter().find(|name| fields.get(**name).is_some_and(|value| !value.is_null() && !fits(value)))?;
        Some(Error::invalid(*name, format!("must be {what}")))
    };
    wrong(TEXTS, Value::is_string, "a string")
        .or_else(|| wrong(NUMBERS, Value::is_number, "a number"))
        .or_else(|| wrong(RECORDS, Value::is_object, "an object of strings, numbers and booleans"))
        .or_else(|| wrong(&["had_interaction", "webdriver"], Value::is_boolean, "true or false"))
        .unwrap_or_else(|| Error::invalid("body", "must contain each field only once"))
}

fn checked(wire: Wire<'_>) -> Result<Beacon> {
    let session = wire.session_id.ok_or_else(|| Error::invalid("session_id", "is missing"))?;
    if !(8..=128).contains(&session.0.chars().count()) {
        return Err(Error::invalid("session_id", "must have 8 to 128 characters"));
    }
    let url = wire.url.ok_or_else(|| Error::invalid("url", "is missing"))?;
    let page = Page::parse(&url.0)?;
    let properties = wire.data.or(wire.event_data).unwrap_or_default();
    if let Some(device) = &wire.device_type
        && !matches!(&*device.0, "desktop" | "mobile" | "tablet")
    {
        return Err(Error::invalid("device_type", "must be desktop, mobile or tablet"));
    }
    Thing {
        fields: BEACON,
        kind: Text::owned(wire.kind.or(wire.event_type)).unwrap_or_default(),
        name: Text::owned(wire.name).unwrap_or_default(),
        event_id: Text::owned(wire.event_id),
        visitor_id: Text::owned(wire.visitor_id),
        page,
        properties,
    }
    .into_beacon(|beacon| Beacon {
        title: clean(Text::or_empty(&wire.title), 300),
        referrer: clean(Text::or_empty(&wire.referrer), MAX_URL),
        session: session.0.into_owned(),
        user_agent: Text::owned(wire.user_agent),
        webdriver: wire.webdriver.unwrap_or_default(),
        device: Text::owned(wire.device_type).unwrap_or_default(),
        screen: screen_of(Text::or_empty(&wire.screen_resolution)),
        language: language_of(Text::or_empty(&wire.language)),
        at_ms: wire.timestamp.and_then(whole),
        sent_ms: wire.sent_at.and_then(whole),
        ..beacon
    })
}

/// Fields shared by beacons of browsers and events of servers, unchecked.
pub struct Thing {
    /// Names of its fields in errors.
    pub fields: Fields,
    /// Type of the event, as sent.
    pub kind: String,
    /// Name of an event or goal.
    pub name: String,
    /// Event ID given by the sender.
    pub event_id: Option<String>,
    /// Visitor ID kept by the sender.
    pub visitor_id: Option<String>,
    /// Where it happened.
    pub page: Page,
    /// Other properties.
    pub properties: Properties,
}

impl Thing {
    /// Checks it and creates a beacon, whose other fields are added by `complete`. Errors: `Invalid`, naming the field.
    pub fn into_beacon(self, complete: impl FnOnce(Beacon) -> Beacon) -> Result<Beacon> {
        let fields = self.fields;
        let (event_id, visitor_id) = (fields.event_id(self.event_id)?, fields.visitor_id(self.visitor_id)?);
        let is_identification = EventKind::from_type(self.kind.trim()) == Some(EventKind::Identify);
        fields.check_properties(&self.properties, if is_identification { MAX_TRAITS } else { MAX_PROPERTIES })?;
        let (kind, name) = kind_of(&self.kind, &self.name)?;
        let mut properties = self.properties;
        let mut traits = String::new();
        if kind == EventKind::Identify {
            let missing = || Error::invalid(fields.properties, "must contain user_id, customer_id or email");
            traits = traits_of(&properties).ok_or_else(missing)?;
            // Names and addresses of people must not become event properties, which anyone could break down by.
            properties = properties.only(&IDS);
        }
        if !AUTOMATIC.contains(&name.as_str()) {
            properties.strip_reserved();
        }
        let money = match kind.row().amount {
            Some(amount) if amount.is_required || properties.number(amount.property).is_some() => {
                Some(money_of(&properties, amount)?)
            }
            _ => None,
        };
        Ok(complete(Beacon {
            kind,
            name,
            event_id,
            visitor_id,
            page: self.page,
            properties,
            traits,
            money,
            title: String::new(),
            referrer: String::new(),
            session: String::new(),
            user_agent: None,
            webdriver: false,
            device: String::new(),
            screen: String::new(),
            language: String::new(),
            at_ms: None,
            sent_ms: None,
        }))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "bounded before")]
fn whole(number: f64) -> Option<i64> {
    (number.is_finite() && number.abs() < 9e15).then_some(number as i64)
}

/// The kind for a type, and the name of the event. Errors: an event or goal without a name.
fn kind_of(sent: &str, name: &str) -> Result<(EventKind, String)> {
    let (sent, mut name) = (sent.trim(), name_of(name));
    let kind = match EventKind::from_type(sent) {
        Some(EventKind::Custom) => EventKind::from_name(&name),
        Some(kind) => kind,
        None if sent.is_empty() && name.is_empty() => EventKind::Pageview,
        None => {
            if name.is_empty() {
                // Older trackers put the event's name here.
                name = name_of(sent);
            }
            EventKind::from_name(&name)
        }
    };
    let name = match kind.row().name {
        Naming::Unnamed => String::new(),
        Naming::Required if name.is_empty() => return Err(Error::invalid("name", "is missing")),
        Naming::Default(usual) if name.is_empty() => usual.to_owned(),
        Naming::Required | Naming::Default(_) => name,
        Naming::Fixed(fixed) | Naming::OfCustom(fixed) => fixed.to_owned(),
    };
    Ok((kind, name))
}

/// A name without surrounding white space and control characters; `None` if blank.
fn name_of(text: &str) -> String {
    clean(text.trim_matches(|c: char| c.is_whitespace() || c.is_control()), 200)
}

/// The amount of an event. Errors: `Invalid`, naming the field.
fn money_of(properties: &Properties, of_kind: Amount) -> Result<Money> {
    let field = of_kind.property;
    let amount = properties.number(field).ok_or_else(|| Error::invalid(field, "must be a number, such as 29.00"))?;
    if amount.abs() > MAX_AMOUNT {
        return Err(Error::invalid(field, format!("must be between -{MAX_AMOUNT} and {MAX_AMOUNT}")));
    }
    let currency = match properties.text("currency") {
        None => of_kind.currency.to_owned(),
        Some(named) => {
            let code = named.trim().to_ascii_uppercase();
            if code.len() != 3 || !code.bytes().all(|letter| letter.is_ascii_uppercase()) {
                return Err(Error::invalid("currency", "must be an ISO 4217 code such as EUR"));
            }
            code
        }
    };
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let micros = (amount * 1e6).round() as i64;
    Ok(Money { micros, currency })
}

/// `1920x1080`, or empty if it is invalid.
fn screen_of(text: &str) -> String {
    let size = text.split_once(['x', 'X', '×']).and_then(|(width, height)| {
        let side = |text: &str| text.trim().parse::<u32>().ok().filter(|side| (1..=32_767).contains(side));
        Some((side(width)?, side(height)?))
    });
    size.map(|(width, height)| format!("{width}x{height}")).unwrap_or_default()
}

/// A tag such as `en-US`, or empty if it is invalid.
pub(super) fn language_of(text: &str) -> String {
    let tag = text.split([',', ';']).next().unwrap_or_default().trim();
    let plain = (2..=35).contains(&tag.len()) && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if plain { tag.to_owned() } else { String::new() }
}

#[cfg(test)]
#[path = "beacon_tests.rs"]
mod tests;
