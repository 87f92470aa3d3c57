//! Hostile bodies against the readers of beacons: nothing panics, and what is kept is what the readers promise.

#![no_main]

use std::net::IpAddr;

use footfall_fuzz::{
    beacon::{self, Beacon, Money},
    channel::{self, Campaign},
    crawler::{self, Crawl},
    properties::{MAX_PROPERTIES, Properties},
};
use libfuzzer_sys::fuzz_target;
use schema::{
    analytics::event_kind::{EventKind, Naming},
    error::{Error, Result},
};
use serde_json::{Map, Value};

/// Every field that a refusal may name.
const FIELDS: &[&str] = &[
    "body",
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
    "timestamp",
    "sent_at",
    "duration",
    "scroll_depth",
    "had_interaction",
    "data",
    "event_data",
    "amount",
    "value",
    "currency",
];

/// Names that no property has, but in events that the tracker makes by itself.
const RESERVED: &[&str] = &["url", "referrer", "screen_size", "browser", "os", "country", "city"];
const AUTOMATIC: &[&str] = &["outbound_link", "file_download"];

/// Longest URL, in bytes.
const MAX_URL: usize = 8_192;

/// The most money, in millionths of a unit.
const MAX_MICROS: u64 = 1_000_000_000_000_000_000;

/// The website that referrers are held against.
const DOMAIN: &str = "shop.example";

fuzz_target!(|body: &[u8]| {
    let sent = twice(body, beacon::read);
    let beat = twice(body, beacon::read_heartbeat);
    if let Ok(sent) = &sent {
        check_beacon(sent);
        check_event(sent);
        let beat = beat.as_ref().expect("a heartbeat asks for less than a beacon");
        assert_eq!((&beat.page, &beat.title, &beat.referrer), (&sent.page, &sent.title, &sent.referrer));
        assert_eq!((beat.at_ms, beat.sent_ms), (sent.at_ms, sent.sent_ms));
    }
    if let Ok(beat) = &beat {
        check_beacon(beat);
        check_heartbeat(beat);
    }
    let crawl = check_crawl(body);
    let code = beacon::code_in(body);
    assert_eq!(code, beacon::code_in(body));
    if sent.is_ok() || beat.is_ok() || crawl || code.is_some() {
        assert_eq!(body.trim_ascii_start().first(), Some(&b'{'), "a body is one JSON object");
    }
});

/// Reads a body two times, which must tell the same, and checks a refusal.
fn twice(body: &[u8], read: fn(&[u8]) -> Result<Beacon>) -> Result<Beacon> {
    let (first, second) = (read(body), read(body));
    match (&first, &second) {
        (Ok(first), Ok(second)) => assert_eq!(first, second),
        (Err(first), Err(second)) => assert_eq!(first, second),
        _ => panic!("{first:?} and then {second:?}"),
    }
    if let Err(error) = &first {
        check_refusal(error, FIELDS);
    }
    first
}

fn check_refusal(error: &Error, fields: &[&str]) {
    let Error::Invalid { field, why } = error else { panic!("{error:?} is a fault of the server") };
    assert!(fields.contains(&field.as_str()), "{error:?} names no field");
    check_text(why, 200);
    assert!(!why.is_empty());
}

fn check_text(text: &str, most: usize) {
    assert!(!text.chars().any(char::is_control), "{text:?} has a control character");
    assert!(text.chars().count() <= most, "{text:?} is longer than {most} characters");
}

fn check_beacon(beacon: &Beacon) {
    let page = &beacon.page;
    check_text(&page.host, 253);
    assert!(!page.host.is_empty());
    assert_eq!(page.host, page.host.to_lowercase());
    check_text(&page.path, 2_000);
    assert!(page.path.starts_with('/') && !page.path.contains(['?', '#']), "{:?}", page.path);
    assert!(!page.query.contains('#') && page.query.len() + page.fragment.len() < MAX_URL);
    check_text(&beacon.title, 300);
    check_text(&beacon.referrer, MAX_URL);
    check_text(&beacon.name, 200);
    for id in [&beacon.event_id, &beacon.visitor_id].into_iter().flatten() {
        assert!((8..=64).contains(&id.chars().count()), "{id:?}");
    }
    assert!(matches!(beacon.device.as_str(), "" | "desktop" | "mobile" | "tablet"), "{:?}", beacon.device);
    if !beacon.screen.is_empty() {
        let (width, height) = beacon.screen.split_once('x').expect("WIDTHxHEIGHT");
        for side in [width, height] {
            let pixels: u32 = side.parse().expect("a number");
            assert!((1..=32_767).contains(&pixels) && side == pixels.to_string(), "{:?}", beacon.screen);
        }
    }
    if !beacon.language.is_empty() {
        check_text(&beacon.language, 35);
        assert!(beacon.language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    }
    for time in [beacon.at_ms, beacon.sent_ms].into_iter().flatten() {
        assert!(time.unsigned_abs() < 9_000_000_000_000_000, "{time}");
    }
    if let Some(Money { micros, currency }) = &beacon.money {
        assert!(micros.unsigned_abs() <= MAX_MICROS, "{micros}");
        // Empty: the website's.
        let is_code = currency.len() == 3 && currency.bytes().all(|letter| letter.is_ascii_uppercase());
        assert!(is_code || currency.is_empty(), "{currency:?}");
    }
    check_properties(&beacon.properties, &beacon.name);
    check_acquisition(beacon);
}

/// What the kind of a beacon says about the rest of it.
fn check_event(beacon: &Beacon) {
    assert!(beacon.user_agent.is_some() && !beacon.device.is_empty(), "both are asked for");
    let name = beacon.name.as_str();
    let row = beacon.kind.row();
    let fits = match row.name {
        Naming::Unnamed => name.is_empty(),
        Naming::Required | Naming::Default(_) => !name.trim().is_empty(),
        Naming::Fixed(fixed) | Naming::OfCustom(fixed) => name == fixed,
    };
    assert!(fits, "{:?} with the name {name:?}", beacon.kind);
    assert!(beacon.kind != EventKind::Custom || EventKind::from_name(name) == EventKind::Custom, "{name:?}");
    let pays =
        row.amount.is_some_and(|amount| amount.is_required || beacon.properties.number(amount.property).is_some());
    assert_eq!(beacon.money.is_some(), pays);
    if beacon.kind == EventKind::Identify {
        let known = ["user_id", "id", "customer_id"];
        assert!(record(&beacon.properties).keys().all(|name| known.contains(&name.as_str())));
    }
}

fn check_heartbeat(beacon: &Beacon) {
    assert_eq!((beacon.kind, beacon.name.as_str(), &beacon.money), (EventKind::Heartbeat, "", &None));
    for (name, value) in record(&beacon.properties) {
        let fits = match name.as_str() {
            "duration" => value.as_u64().is_some_and(|seconds| seconds <= 86_400),
            "scroll_depth" => value.as_u64().is_some_and(|percent| percent <= 100),
            "had_interaction" => value.is_boolean(),
            _ => false,
        };
        assert!(fits, "{name} {value}");
    }
}

fn check_properties(properties: &Properties, event: &str) {
    let values = record(properties);
    assert!(properties.sent <= MAX_PROPERTIES && values.len() <= MAX_PROPERTIES);
    for (name, value) in &values {
        check_text(name, 100);
        assert!(!name.is_empty());
        assert!(AUTOMATIC.contains(&event) || !RESERVED.contains(&name.as_str()), "{name} is reserved");
        match value {
            Value::String(text) => check_text(text, 1_000),
            Value::Number(_) | Value::Bool(_) => {}
            _ => panic!("{name} is {value}, which is neither a string nor a number nor a boolean"),
        }
    }
    assert!(values.keys().all(|name| properties.number(name).is_none_or(f64::is_finite)));
}

/// Properties as they are stored.
fn record(properties: &Properties) -> Map<String, Value> {
    match properties.json().as_str() {
        "" => Map::new(),
        json => serde_json::from_str(json).expect("properties are stored as an object"),
    }
}

/// What the page's query and the referrer become.
fn check_acquisition(beacon: &Beacon) {
    let campaign = Campaign::of_query(&beacon.page.query);
    assert!(Campaign::is_in(&beacon.page.query) || campaign == Campaign::default(), "a campaign is overlooked");
    for text in [&campaign.source, &campaign.medium, &campaign.campaign, &campaign.term, &campaign.content] {
        check_text(text, 255);
        assert!(text.len() <= 255);
    }
    let referrer = channel::referrer_host(&beacon.referrer, DOMAIN);
    assert_eq!(referrer, referrer.to_lowercase());
    assert!(referrer.is_empty() || !channel::is_own(&referrer, DOMAIN));
    let acquisition = channel::acquire(referrer.clone(), campaign.clone());
    assert_eq!(acquisition, channel::acquire(referrer, campaign));
    check_text(&acquisition.source, MAX_URL);
    check_text(&acquisition.channel, 20);
    assert!(!acquisition.channel.is_empty());
}

/// Whether the body is a crawler's, which is checked.
fn check_crawl(body: &[u8]) -> bool {
    let read = crawler::read(body);
    match (&read, &crawler::read(body)) {
        (Ok(first), Ok(second)) => {
            let facts = |crawl: &Crawl| (crawl.beacon.clone(), crawl.user_agent.clone(), crawl.address);
            assert_eq!(facts(first), facts(second));
        }
        (Err(first), Err(second)) => assert_eq!(first, second),
        _ => panic!("one body is read in two ways"),
    }
    match &read {
        Ok(Crawl { beacon, user_agent, address }) => {
            check_beacon(beacon);
            check_text(&beacon.referrer, 2_000);
            assert_eq!((beacon.kind, beacon.name.as_str()), (EventKind::Pageview, ""));
            assert_eq!(beacon.properties, Properties::default());
            assert!(!user_agent.trim().is_empty());
            assert_eq!(*address, address.map(|address: IpAddr| address.to_canonical()));
        }
        Err(error) => check_refusal(error, &["body", "u", "ua"]),
    }
    read.is_ok()
}
