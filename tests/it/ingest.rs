//! Beacons go in over HTTP, answers come out of GraphQL.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    command_line::{Server, footfall, set_up},
};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";

/// A website with its code, and who owns it.
pub struct Shop {
    pub app: TestApp,
    pub owner: Person,
    pub id: String,
    pub code: String,
}

pub async fn shop_with(adjust: impl FnOnce(&mut footfall::config::Flags)) -> Shop {
    let app = TestApp::with(adjust).await;
    let owner = app.sign_up("owner@shop.example").await;
    let id = app.website(&owner, "shop.example", "UTC").await;
    let answer =
        app.token(&owner.token).gql(&format!("{{ website(id: \"{id}\") {{ trackingCode }} }}"), json!({})).await;
    let code = answer["data"]["website"]["trackingCode"].as_str().unwrap().to_owned();
    Shop { app, owner, id, code }
}

pub async fn shop() -> Shop {
    shop_with(|_| {}).await
}

pub fn view(path: &str) -> Value {
    json!({
        "type": "pageview", "session_id": "session-1234", "url": format!("https://shop.example{path}"),
        "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": FIREFOX
    })
}

pub fn with(mut body: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub struct Sent {
    pub status: StatusCode,
    pub dropped: Option<String>,
    pub body: Value,
}

impl Shop {
    pub async fn post(&self, path: &str, body: String, headers: &[(&str, &str)]) -> Sent {
        let mut request = self.app.anon().request(Method::POST, path).body(body);
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        for (name, value) in
            [("content-type", "application/json"), ("origin", "https://shop.example"), ("user-agent", FIREFOX)]
        {
            if !names.contains(&name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        Sent {
            status: response.status(),
            dropped: response.headers().get("x-footfall-dropped").map(|it| it.to_str().unwrap().to_owned()),
            body: response.json().await.unwrap_or_default(),
        }
    }

    pub async fn send(&self, body: Value) -> Sent {
        self.post(&format!("/e/{}", self.code), body.to_string(), &[]).await
    }

    /// Asks until the answer fits: an event is visible within a second of its answer.
    pub async fn until(&self, arguments: &str, selection: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let answer = self.app.token(&self.owner.token).analytics(&self.id, arguments, selection).await;
            if fits(&answer) || tokio::time::Instant::now() > deadline {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub async fn totals(&self, pageviews: u64) -> Value {
        self.totals_with(pageviews, 0).await
    }

    pub async fn totals_with(&self, pageviews: u64, events: u64) -> Value {
        let selection = "totals { visitors visits pageviews events bounceRate }";
        self.until("range: { preset: LAST_24_HOURS }", selection, |answer| {
            answer["totals"]["pageviews"] == pageviews && answer["totals"]["events"].as_u64() >= Some(events)
        })
        .await["totals"]
            .clone()
    }

    pub async fn ledger(&self) -> Value {
        let query = format!(
            "{{ website(id: \"{}\") {{ ingest {{ received accepted duplicates dropped {{ reason count }} warnings }} }} }}",
            self.id
        );
        self.app.token(&self.owner.token).gql(&query, json!({})).await["data"]["website"]["ingest"].clone()
    }
}

#[tokio::test]
async fn a_visit_is_counted_as_it_happened() {
    let shop = shop().await;
    let land = with(
        view("/?utm_source=newsletter&utm_medium=email"),
        json!({ "referrer": "https://www.google.com/", "title": "Home" }),
    );
    let sent = shop.send(land).await;
    assert_eq!((sent.status, sent.dropped, sent.body), (StatusCode::OK, None, json!({ "success": true })));
    assert_eq!(shop.send(view("/pricing")).await.status, StatusCode::OK);
    let event = with(view("/pricing"), json!({ "type": "event", "name": "signup", "data": { "plan": "pro" } }));
    assert_eq!(
        shop.post(&format!("/e/{}", shop.code), event.to_string(), &[("content-type", "text/plain;charset=UTF-8")])
            .await
            .status,
        200
    );
    let totals = shop.totals_with(2, 1).await;
    assert_eq!(totals, json!({ "visitors": 1, "visits": 1, "pageviews": 2, "events": 1, "bounceRate": 0.0 }));
    let told = shop
        .until(
            "range: { preset: LAST_24_HOURS }",
            "page: breakdown(by: PAGE) { nodes { value } } source: breakdown(by: CHANNEL) { nodes { value } } \
             browser: breakdown(by: BROWSER) { nodes { value } } plan: breakdown(by: EVENT, property: \"plan\") { nodes { value } }",
            |answer| answer["plan"]["nodes"] != json!([]),
        )
        .await;
    assert_eq!(told["page"]["nodes"], json!([{ "value": "/" }, { "value": "/pricing" }]));
    assert_eq!(told["source"]["nodes"], json!([{ "value": "Email" }]));
    assert_eq!(told["browser"]["nodes"], json!([{ "value": "Firefox" }]));
    assert_eq!(told["plan"]["nodes"], json!([{ "value": "pro" }]));
}

#[tokio::test]
async fn who_may_not_send_hears_why() {
    let shop = shop().await;
    let (path, body) = (format!("/e/{}", shop.code), view("/").to_string());
    for (headers, status, code) in [
        (&[("origin", "https://evil.example")][..], 403, "FORBIDDEN"),
        (&[("origin", "")], 403, "FORBIDDEN"),
        (&[("origin", "http://localhost:3000")], 403, "FORBIDDEN"),
        (&[("content-type", "application/x-www-form-urlencoded")], 415, "UNSUPPORTED_MEDIA_TYPE"),
    ] {
        let sent = shop.post(&path, body.clone(), headers).await;
        assert_eq!((sent.status.as_u16(), sent.body["error"]["code"].as_str()), (status, Some(code)), "{headers:?}");
    }
    let referred = shop.post(&path, body.clone(), &[("origin", ""), ("referer", "https://www.shop.example/x")]).await;
    assert_eq!(referred.status, 200);
    let unknown = shop.post("/e/ZV_unknown", body.clone(), &[]).await;
    assert_eq!((unknown.status, unknown.body["success"].clone()), (StatusCode::UNAUTHORIZED, json!(false)));
    let wrong = shop.app.anon().get(&path).await;
    assert_eq!(wrong.0, StatusCode::METHOD_NOT_ALLOWED);
    let missing = shop.send(with(view("/"), json!({ "url": null }))).await;
    assert_eq!(missing.status, 400);
    assert!(missing.body["error"]["message"].as_str().unwrap().contains("url"), "{}", missing.body);
    let large = shop.send(with(view("/"), json!({ "title": "x".repeat(70_000) }))).await;
    assert_eq!(large.status, 413);
}

#[tokio::test]
async fn what_was_sent_before_counts_once() {
    let shop = shop().await;
    let first = with(view("/a"), json!({ "event_id": "11111111-2222" }));
    for dropped in [None, Some("Duplicate")] {
        let sent = shop.send(first.clone()).await;
        assert_eq!((sent.status.as_u16(), sent.dropped.as_deref()), (200, dropped));
    }
    // The automatic and the manual page view of one route.
    assert_eq!(shop.send(view("/a")).await.dropped.as_deref(), Some("Duplicate"));
    assert_eq!(shop.send(view("/a#b")).await.dropped, None, "another address");
    let event = with(view("/a"), json!({ "type": "event", "name": "click", "event_id": "11111111-2223" }));
    for dropped in [None, Some("Duplicate")] {
        assert_eq!(shop.send(event.clone()).await.dropped.as_deref(), dropped);
    }
    assert_eq!(shop.totals_with(2, 1).await["events"], 1);
}

#[tokio::test]
async fn a_key_of_a_batch_has_any_1_to_200_characters_and_counts_once_at_any_time() {
    let shop = shop().await;
    let bearer = format!("Bearer {}", shop.app.api_key(&shop.owner, None).await);
    let now = 1_772_600_767_000_i64;
    let send = async |events: Value| {
        let body = json!({ "trackingCode": shop.code, "events": events }).to_string();
        let sent = shop.post("/api/v1/events", body, &[("authorization", bearer.as_str()), ("origin", "")]).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        sent.body["data"].clone()
    };
    let event = |key: &str, ts: i64| json!({ "type": "event", "name": "order", "ts": ts, "visitorId": "visitor-1234", "idempotencyKey": key });
    let keys = ["7", "order 17/ü", &"k".repeat(200)];
    let first = send(keys.iter().map(|key| event(key, now - 1_000)).collect()).await;
    assert_eq!((&first["accepted"], first["rejected"].as_array().unwrap().len()), (&json!(3), 0), "{first}");
    let again = send(keys.iter().map(|key| event(key, now - 5 * 86_400_000)).collect()).await;
    assert_eq!(again["accepted"], 0);
    assert!(again["rejected"].as_array().unwrap().iter().all(|it| it["reason"] == "duplicate"), "{again}");
    assert_eq!(shop.ledger().await["duplicates"], 3);
    for (event, message) in [
        (event("", now), "idempotencyKey: must have 1 to 200 characters (got 0)"),
        (event(&"k".repeat(201), now), "idempotencyKey: must have 1 to 200 characters (got 201)"),
        (with(event("8", now), json!({ "visitorId": "short" })), "visitorId: must have 8 to 64 characters (got 5)"),
        (
            with(event("9", now), json!({ "props": { "text": "x".repeat(20_000) } })),
            "props: must have at most 16384 bytes of names and values (got 20004)",
        ),
    ] {
        let refused = send(json!([event])).await;
        assert_eq!((&refused["accepted"], &refused["rejected"][0]["message"]), (&json!(0), &json!(message)));
    }
    assert_eq!(shop.totals_with(0, 3).await["events"], 3);
}

#[tokio::test]
async fn machines_are_kept_apart_and_heartbeats_only_lengthen() {
    let shop = shop().await;
    let bot = with(view("/"), json!({ "user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)" }));
    let sent = shop.send(bot).await;
    assert_eq!((sent.status.as_u16(), sent.dropped.as_deref()), (200, Some("Bot")));
    let beat = json!({ "session_id": "session-1234", "url": "https://shop.example/", "duration": 15, "scroll_depth": 50, "had_interaction": true });
    let path = format!("/e/heartbeat/{}", shop.code);
    assert_eq!(shop.post(&path, beat.to_string(), &[]).await.dropped.as_deref(), Some("NoVisit"));
    assert_eq!(shop.send(view("/")).await.dropped, None);
    assert_eq!(shop.post(&path, beat.to_string(), &[]).await.dropped, None);
    let crawl =
        json!({ "u": "https://shop.example/robots.txt", "ua": "GPTBot/1.0", "ip": "203.0.113.9", "src": "middleware" });
    let crawled = shop.post(&format!("/c/{}", shop.code), crawl.to_string(), &[("origin", "")]).await;
    assert_eq!((crawled.status.as_u16(), crawled.dropped), (200, None));
    let people = shop.totals(1).await;
    assert_eq!(people, json!({ "visitors": 1, "visits": 1, "pageviews": 1, "events": 0, "bounceRate": 1.0 }));
    let everybody = "range: { preset: LAST_24_HOURS }, includeBots: true";
    let all = shop.until(everybody, "totals { pageviews visitors }", |answer| answer["totals"]["pageviews"] == 3).await;
    assert_eq!(all["totals"], json!({ "pageviews": 3, "visitors": 3 }));
}

#[tokio::test]
async fn what_comes_from_a_data_centre_is_a_machines() {
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), "# hosters\n198.51.100.0/24\n").unwrap();
    let shop = shop_with(|flags| {
        flags.trusted_proxies = Some(vec!["127.0.0.1".into()]);
        flags.datacentres = Some(list.path().to_owned());
    })
    .await;
    let path = format!("/e/{}", shop.code);
    for (address, dropped) in [("198.51.100.9", Some("Bot")), ("198.51.101.9", None)] {
        let sent = shop.post(&path, view("/").to_string(), &[("x-forwarded-for", address)]).await;
        assert_eq!((sent.status.as_u16(), sent.dropped.as_deref()), (200, dropped), "{address}");
    }
    assert_eq!(shop.totals(1).await["visitors"], 1);
    let everybody = "range: { preset: LAST_24_HOURS }, includeBots: true";
    let all = shop.until(everybody, "totals { pageviews }", |answer| answer["totals"]["pageviews"] == 2).await;
    assert_eq!(all["totals"]["pageviews"], 2);
}

#[tokio::test]
async fn a_batch_has_a_verdict_for_each_event() {
    let shop = shop().await;
    let key = shop.app.api_key(&shop.owner, None).await;
    let now = 1_772_600_767_000_i64;
    let visitor = "6c1e1a36-0000-4000-8000-000000000001";
    let event = |changes: Value| {
        with(
            json!({ "type": "pageview", "ts": now - 60_000, "visitorId": visitor, "sessionId": visitor, "props": { "url": "https://shop.example/a", "referrer": "https://bing.com/" } }),
            changes,
        )
    };
    let body = json!({
        "trackingCode": shop.code,
        "events": [
            event(json!({ "idempotencyKey": "order-0001" })),
            event(json!({ "idempotencyKey": "order-0001" })),
            event(json!({ "type": "purchase", "ts": now, "props": { "amount": 49, "currency": "EUR" } })),
            event(json!({ "ts": -5 })),
            event(json!({ "props": { "url": "relative" } })),
            event(json!({ "visitorId": 5 })),
            "no object",
        ],
        "serverContext": { "clientIp": "203.0.113.9", "userAgent": FIREFOX, "acceptLanguage": "nl-NL,nl;q=0.9" }
    });
    let bearer = format!("Bearer {key}");
    let send =
        async |body: &Value, headers: &[(&str, &str)]| shop.post("/api/v1/events", body.to_string(), headers).await;
    let sent = send(&body, &[("authorization", bearer.as_str()), ("origin", "")]).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert_eq!(sent.body["data"]["accepted"], 2);
    let reasons: Vec<_> = sent.body["data"]["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["index"].as_u64().unwrap(), it["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(reasons, [(1, "duplicate"), (3, "bad_time"), (4, "malformed"), (5, "malformed"), (6, "malformed")]);
    let opted_out = send(&body, &[("authorization", bearer.as_str()), ("sec-gpc", "1")]).await;
    assert_eq!(
        (opted_out.body["data"]["accepted"].as_u64(), opted_out.body["data"]["rejected"][0]["reason"].as_str()),
        (Some(0), Some("gpc_opted_out"))
    );
    assert_eq!(send(&body, &[]).await.status, 401);
    let many = json!({ "trackingCode": shop.code, "events": vec![event(json!({})); 1_001] });
    let too_many = send(&many, &[("authorization", bearer.as_str())]).await;
    assert_eq!(too_many.status, 400);
    assert!(too_many.body["error"]["message"].as_str().unwrap().starts_with("events:"), "{}", too_many.body);
    let stranger = shop.app.sign_up("other@other.example").await;
    let theirs = format!("Bearer {}", shop.app.api_key(&stranger, None).await);
    assert_eq!(send(&body, &[("authorization", theirs.as_str())]).await.status, 403);
    let unknown = json!({ "trackingCode": "ZV_none", "events": [] });
    assert_eq!(send(&unknown, &[("authorization", bearer.as_str())]).await.status, 404);
    let totals = shop.totals_with(1, 1).await;
    assert_eq!((totals["visitors"].clone(), totals["events"].clone()), (json!(1), json!(1)));
}

#[tokio::test]
async fn cookieless_events_of_a_batch_belong_to_the_day_they_happened() {
    let shop = shop().await;
    let key = shop.app.api_key(&shop.owner, None).await;
    let now = 1_772_600_767_000_i64;
    let at =
        |ts: i64| json!({ "type": "pageview", "ts": ts, "props": { "url": format!("https://shop.example/{ts}") } });
    let yesterday = now - 24 * 60 * 60 * 1_000;
    let body = json!({
        "trackingCode": shop.code,
        "events": [at(yesterday), at(yesterday + 60_000), at(now - 60_000), at(now)],
        "serverContext": { "clientIp": "203.0.113.9", "userAgent": FIREFOX }
    });
    let bearer = format!("Bearer {key}");
    let sent =
        shop.post("/api/v1/events", body.to_string(), &[("authorization", bearer.as_str()), ("origin", "")]).await;
    assert_eq!(sent.body["data"]["accepted"], 4, "{}", sent.body);
    let answer = shop
        .until("range: { preset: LAST_7_DAYS }", "totals { visitors visits pageviews }", |answer| {
            answer["totals"]["pageviews"] == 4
        })
        .await;
    assert_eq!(answer["totals"], json!({ "visitors": 2, "visits": 2, "pageviews": 4 }));
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_the_server_goes_on() {
    let shop = shop().await;
    let path = format!("/e/{}", shop.code);
    let many: Vec<String> = (0..100_000).map(|n| format!("\"p{n}\":1")).collect();
    for body in [
        format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("{{\"data\":{{{}}}}}", many[..5_000].join(",")),
        "{\"url\":\"\\ud800\"}".to_owned(),
        "null".to_owned(),
        // Fields by place instead of by name.
        format!("[{}]", ["\"pageview\""; 22].join(",")),
        String::new(),
    ] {
        let sent = shop.post(&path, body, &[]).await;
        assert_eq!(sent.status, 400);
    }
    for title in ["\u{0}a\u{0}", "'; DROP TABLE events; --", "<script>alert(1)</script>", "\u{202e}x", "%_"] {
        let url = format!("https://shop.example/{}", title.len());
        let sent = shop
            .send(with(view("/"), json!({ "title": title, "url": url, "referrer": format!("https://{title}/") })))
            .await;
        assert_eq!(sent.status, 200, "{title}");
    }
    for time in [json!(-1), json!(9e15), json!(1e300), json!(0)] {
        let url = format!("https://shop.example/t{time}");
        assert_eq!(shop.send(with(view("/"), json!({ "timestamp": time, "url": url }))).await.status, 200);
    }
    let forged =
        shop.post(&path, view("/forged").to_string(), &[("x-forwarded-for", "8.8.8.8"), ("sec-gpc", "1")]).await;
    assert_eq!(forged.status, 200);
    let totals = shop.totals(10).await;
    assert_eq!(
        (totals["pageviews"].clone(), totals["visitors"].clone()),
        (json!(10), json!(1)),
        "one address, one visitor"
    );
}

#[tokio::test]
async fn no_address_is_kept_on_disk() {
    let shop = shop_with(|flags| flags.trusted_proxies = Some(vec!["127.0.0.1".into()])).await;
    let path = format!("/e/{}", shop.code);
    let address = "203.0.113.177";
    let sent = shop.post(&path, view("/").to_string(), &[("x-forwarded-for", address)]).await;
    assert_eq!(sent.status, 200);
    shop.totals(1).await;
    let mut looked = 0;
    for entry in std::fs::read_dir(shop.app.data()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        looked += 1;
        let raw: std::net::Ipv4Addr = address.parse().unwrap();
        assert!(!bytes.windows(address.len()).any(|window| window == address.as_bytes()), "{}", path.display());
        assert!(
            !bytes.windows(8).any(|window| window[..4] == raw.octets() && window[4..] == [0; 4]),
            "{}",
            path.display()
        );
    }
    assert!(looked >= 5);
}

#[tokio::test]
async fn the_ledger_counts_every_outcome_and_names_a_wrong_set_up() {
    let shop = shop().await;
    let path = format!("/e/{}", shop.code);
    for (status, headers) in
        [(200, &[][..]), (403, &[("origin", "https://evil.example")]), (403, &[("origin", "http://localhost")])]
    {
        assert_eq!(shop.post(&path, view("/a").to_string(), headers).await.status, status);
    }
    let exclude = "mutation($id: ID!) { websiteExcludePath(websiteId: $id, input: { pathPattern: \"/admin/*\" }) { pathExclusion { pathPattern } } }";
    let answer = shop.app.token(&shop.owner.token).gql(exclude, json!({ "id": shop.id })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(
        shop.send(view("/admin/users")).await.dropped.as_deref(),
        Some("ExcludedPath"),
        "from the next beacon on"
    );
    assert_eq!(shop.send(view("/a")).await.dropped.as_deref(), Some("Duplicate"));
    assert_eq!(shop.send(json!({})).await.status, 400);
    // Counts of refusals are written with the next event.
    assert_eq!(shop.send(view("/b")).await.status, 200);
    shop.totals(2).await;
    let ledger = shop.ledger().await;
    assert_eq!(
        (ledger["received"].clone(), ledger["accepted"].clone(), ledger["duplicates"].clone()),
        (json!(7), json!(2), json!(1)),
        "{ledger}"
    );
    let mut dropped: Vec<_> = ledger["dropped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["reason"].as_str().unwrap(), it["count"].as_u64().unwrap()))
        .collect();
    dropped.sort_unstable();
    assert_eq!(dropped, [("EXCLUDED_PATH", 1), ("FOREIGN_ORIGIN", 1), ("LOCAL_ORIGIN", 1), ("MALFORMED", 1)]);
    let warnings = ledger["warnings"].to_string();
    assert!(warnings.contains("evil.example") && warnings.contains("allowLocalhost"), "{warnings}");
    assert!(warnings.contains(r#"[\"shop.example\", \"evil.example\"]"#), "the complete list: {warnings}");
    // A warning ends when its cause does.
    let query = "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { allowLocalhost: true, allowedDomains: [\"shop.example\", \"evil.example\"] }) { website { id } } }";
    let answer = shop.app.token(&shop.owner.token).gql(query, json!({ "id": shop.id })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(shop.ledger().await["warnings"], json!([]));
}

/// The most talkative log there is, and everything in the data folder, after beacons that were taken, refused and malformed.
#[tokio::test]
async fn no_address_is_in_the_log_nor_in_a_data_folder_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let (site, key) = set_up(&data);
    let mut command = footfall(&data);
    command.arg("serve").env("FOOTFALL_LOG", "trace").env("FOOTFALL_TRUSTED_PROXIES", "127.0.0.1");
    let mut server = Server::start(command.stderr(std::fs::File::create(&log).unwrap()));
    let client = reqwest::Client::new();
    let query = format!("{{ website(id: \"{site}\") {{ trackingCode }} }}");
    let ask =
        client.post(format!("{}/graphql", server.base)).header("x-api-key", &key).json(&json!({ "query": query }));
    let answer: Value = ask.send().await.unwrap().json().await.unwrap();
    let url = format!("{}/e/{}", server.base, answer["data"]["website"]["trackingCode"].as_str().unwrap());
    let address = "203.0.113.177";
    for (origin, body, status) in [
        ("https://shop.example", view("/"), 200),
        ("https://evil.example", view("/"), 403),
        ("https://shop.example", json!({}), 400),
        ("https://shop.example", with(view("/b"), json!({ "user_agent": "curl/8" })), 200),
    ] {
        let request = client.post(&url).header("origin", origin).header("x-forwarded-for", address).json(&body);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    server.stop();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("journal"), "it does talk");
    assert!(!said.contains(address), "the log names the visitor");
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        assert!(!bytes.windows(address.len()).any(|window| window == address.as_bytes()), "{}", path.display());
    }
}
