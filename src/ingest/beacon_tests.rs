//! Tests the beacon parser with what real trackers send, and with nonsense.

use serde_json::json;

use super::*;

fn base() -> Value {
    json!({
        "type": "pageview", "session_id": "b1d0c9f2-3344", "url": "https://Shop.Example:8443/pricing?utm_source=x#top",
        "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": "Mozilla/5.0",
        "title": "Pricing", "referrer": "https://search.example/", "screen_resolution": "1920x1080", "language": "nl-NL",
        "timestamp": 1_772_600_000_000_i64
    })
}

fn with(changes: Value) -> Result<Beacon> {
    let mut body = base();
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    read(body.to_string().as_bytes())
}

#[test]
fn a_page_view_is_read_whole() {
    let beacon = with(json!({})).unwrap();
    let page = Page {
        host: "shop.example".into(),
        path: "/pricing".into(),
        query: "utm_source=x".into(),
        fragment: "top".into(),
    };
    assert_eq!((beacon.kind, beacon.page), (EventKind::Pageview, page));
    assert_eq!(
        (beacon.title.as_str(), beacon.screen.as_str(), beacon.language.as_str()),
        ("Pricing", "1920x1080", "nl-NL")
    );
    assert_eq!(beacon.at_ms, Some(1_772_600_000_000));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (changes, field) in [
        (json!({ "session_id": "absent" }), "session_id"),
        (json!({ "session_id": "short" }), "session_id"),
        (json!({ "session_id": 12_345_678 }), "session_id"),
        (json!({ "url": "absent" }), "url"),
        (json!({ "url": "/pricing" }), "url"),
        (json!({ "url": "ftp://shop.example/" }), "url"),
        (json!({ "url": "https://" }), "url"),
        (json!({ "url": "https://a b/" }), "url"),
        (json!({ "device_type": "absent" }), "device_type"),
        (json!({ "device_type": "fridge" }), "device_type"),
        (json!({ "browser": "absent" }), "browser"),
        (json!({ "os": "absent" }), "os"),
        (json!({ "user_agent": "absent" }), "user_agent"),
        (json!({ "user_agent": ["x"] }), "user_agent"),
        (json!({ "timestamp": "yesterday" }), "timestamp"),
        (json!({ "data": [1] }), "data"),
        (json!({ "event_id": "short" }), "event_id"),
        (json!({ "visitor_id": "v".repeat(65) }), "visitor_id"),
        (json!({ "type": "event" }), "name"),
        (json!({ "type": "goal", "name": " " }), "name"),
        (json!({ "type": "revenue" }), "amount"),
        (json!({ "type": "revenue", "data": { "amount": 1.1e11 } }), "amount"),
        (json!({ "type": "revenue", "data": { "amount": -1.1e11 } }), "amount"),
        (json!({ "type": "revenue", "data": { "amount": 1e300 } }), "amount"),
        (json!({ "type": "goal", "name": "Order", "data": { "value": 1e15 } }), "value"),
        (json!({ "type": "revenue", "data": { "amount": 5, "currency": "euros" } }), "currency"),
        (json!({ "type": "identify", "data": { "plan": "pro" } }), "data"),
    ] {
        let error = with(changes.clone()).unwrap_err();
        assert_eq!(error.field(), Some(field), "{changes} {}", error.message());
        assert!(error.message().len() <= 250, "{changes} {}", error.message());
    }
    for body in [&b""[..], b"[]", b"null", b"{", b"\xff\xfe", b"\"x\"", br#"{"url":"\ud800"}"#] {
        assert_eq!(read(body).unwrap_err().field(), Some("body"), "{body:?}");
    }
    let deep = format!("{}1{}", "{\"data\":".repeat(10_000), "}".repeat(10_000));
    assert_eq!(
        read(deep.as_bytes()).unwrap_err().field(),
        Some("device_type"),
        "depth alone is read past, without a stack"
    );
}

#[test]
fn properties_have_a_limit_of_bytes() {
    let data = |texts: usize, length: usize| {
        let all: Map<String, Value> =
            (0..texts).map(|number| (format!("p{number:02}"), "x".repeat(length).into())).collect();
        json!({ "type": "event", "name": "a", "data": all })
    };
    // 16 * (3 + 1,021) bytes are the limit.
    assert_eq!(with(data(16, 1_021)).unwrap().properties.sent_bytes, 16_384);
    for (texts, length, bytes) in [(16, 1_022, 16_400), (50, 1_000, 50_150), (1, 20_000, 20_003)] {
        let error = with(data(texts, length)).unwrap_err();
        let expected = format!("data: must have at most 16384 bytes of names and values (got {bytes})");
        assert_eq!((error.status(), error.message()), (400, expected));
    }
}

#[test]
fn kinds_and_names_of_every_generation() {
    for (changes, kind, name) in [
        (json!({ "type": "absent" }), EventKind::Pageview, ""),
        (json!({ "type": "event", "name": "signup" }), EventKind::Custom, "signup"),
        (json!({ "type": "absent", "name": "signup" }), EventKind::Custom, "signup"),
        (json!({ "type": "absent", "event_type": "video_progress" }), EventKind::Custom, "video_progress"),
        (
            json!({ "type": "event", "name": "scroll_milestone", "data": { "depth": 50 } }),
            EventKind::Scroll,
            "scroll_milestone",
        ),
        (json!({ "type": "goal", "name": "Order" }), EventKind::Goal, "Order"),
        (json!({ "type": "revenue", "data": { "amount": "29.90" } }), EventKind::Revenue, "revenue"),
        (json!({ "type": "identify", "data": { "email": "a@b.example" } }), EventKind::Identify, "identify"),
    ] {
        let beacon = with(changes.clone()).unwrap();
        assert_eq!((beacon.kind, beacon.name.as_str()), (kind, name), "{changes}");
    }
    let paid =
        with(json!({ "type": "revenue", "data": { "amount": 29.9, "currency": "eur", "items": [{ "id": 1 }] } }))
            .unwrap();
    assert_eq!(paid.money, Some(Money { micros: 29_900_000, currency: "EUR".into() }));
    let goal = |data: Value| with(json!({ "type": "goal", "name": "Order", "data": data })).unwrap().money;
    assert_eq!(goal(json!({ "plan": "pro" })), None);
    let value = goal(json!({ "value": "29.90" }));
    assert_eq!(value, Some(Money { micros: 29_900_000, currency: String::new() }), "in the website's own currency");
    assert_eq!(value.unwrap().or_in("EUR").currency, "EUR");
    assert_eq!(goal(json!({ "value": -1, "currency": "usd" })).unwrap().or_in("EUR").currency, "USD");
    let known =
        with(json!({ "type": "identify", "data": { "email": "a@b.example", "user_id": "u1", "name": "A" } })).unwrap();
    assert_eq!(known.properties.json(), r#"{"user_id":"u1"}"#, "no address and no name is kept");
}

#[test]
fn a_heartbeat_keeps_what_it_measures() {
    let body = json!({ "session_id": "12345678", "url": "http://a.example/x", "duration": 31.4, "scroll_depth": 140, "had_interaction": true });
    let beat = read_heartbeat(body.to_string().as_bytes()).unwrap();
    assert_eq!(beat.kind, EventKind::Heartbeat);
    assert_eq!(beat.properties.json(), r#"{"duration":31,"scroll_depth":100,"had_interaction":true}"#);
    assert_eq!(read_heartbeat(b"{}").unwrap_err().field(), Some("session_id"));
}

/// A fixed sequence of numbers, so that failures are reproducible.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

#[test]
fn nothing_that_is_sent_makes_the_reader_panic_or_keep_too_much() {
    const PIECES: &[&[u8]] = &[
        b"\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
        b"\xc3\x28",
        b"https://",
        b"://",
        b"#",
        b"?",
        b"@",
        b"[::1]",
        b"%",
        b"\"data\":{}",
        b"\"type\":\"revenue\"",
        b"\"amount\":1e308",
    ];
    let seeds = [
        base().to_string(),
        json!({ "session_id": "12345678", "url": "http://a.example/x", "duration": 31.4, "data": { "a": 1 } }).to_string(),
        json!({ "type": "revenue", "session_id": "12345678", "url": "http://a/", "data": { "amount": "5", "items": [{}] } }).to_string(),
    ];
    let mut random = Random(7);
    for _ in 0..200_000 {
        let mut body = seeds[random.below(seeds.len())].clone().into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.below(body.len() + 1);
            match random.below(3) {
                0 => body.truncate(at),
                1 => {
                    let until = at + random.below(body.len() - at + 1).min(8);
                    body.drain(at..until);
                }
                _ => {
                    let piece = PIECES[random.below(PIECES.len())];
                    body.splice(at..at, piece.iter().copied());
                }
            }
        }
        for beacon in [read(&body), read_heartbeat(&body)].into_iter().flatten() {
            assert!(beacon.page.path.len() <= schema::analytics::path::MAX_PATH && beacon.name.chars().count() <= 200);
            assert!(!beacon.page.path.chars().chain(beacon.title.chars()).any(char::is_control));
        }
        let _ = (code_in(&body), crate::ingest::crawler::read(&body));
    }
}

#[test]
fn a_name_of_white_space_and_control_characters_is_none() {
    let body = |name: &str| {
        serde_json::json!({ "type": "goal", "name": name, "session_id": "session-1234", "url": "https://shop.example/",
            "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": "Mozilla" })
        .to_string()
    };
    assert!(read(body("\0 \0").as_bytes()).is_err());
    assert_eq!(read(body(" \u{1b}Order\t").as_bytes()).unwrap().name, "Order");
    assert_eq!(code_in(b"[\"ZV_x\"]"), None);
}

#[test]
fn hash_routes_are_part_of_the_path_and_anchors_are_not() {
    for (url, path) in [
        ("https://a.example/app#/orders", "/app#/orders"),
        ("https://a.example/app?x=1#!/orders?page=2", "/app#!/orders"),
        ("https://a.example#/", "/#/"),
        ("https://a.example/app#top", "/app"),
        ("https://a.example/app#!top", "/app"),
        ("https://a.example/app#token=/x", "/app"),
        ("https://a.example/app#", "/app"),
    ] {
        assert_eq!(Page::parse(url).unwrap().path, path, "{url}");
    }
}

#[test]
fn an_automated_browser_says_so() {
    assert!(!with(json!({})).unwrap().webdriver);
    assert!(with(json!({ "webdriver": true })).unwrap().webdriver);
    assert_eq!(with(json!({ "webdriver": "yes" })).unwrap_err().field(), Some("webdriver"));
}

#[test]
fn one_page_has_one_path_and_a_long_url_is_cut() {
    for url in ["https://shop.example/caf%C3%A9", "https://shop.example/caf%c3%a9#x", "https://shop.example/café?y"] {
        assert_eq!(Page::parse(url).unwrap().path, "/caf%C3%A9", "{url}");
    }
    for url in ["https://shop.example/a?x=", "https://shop.example/a#"] {
        let page = Page::parse(&format!("{url}{}", "é".repeat(9_000))).unwrap();
        assert_eq!(page.path, "/a");
        assert!(page.query.len() + page.fragment.len() <= MAX_URL);
    }
    assert!(
        Page::parse(&format!("https://shop.example/{}", "é".repeat(9_000))).unwrap().path.len()
            <= schema::analytics::path::MAX_PATH
    );
}
