//! Every website switch at every ingest endpoint: what it changes there. A switch or an endpoint without its cell fails.

use std::collections::BTreeSet;

use footfall::ingest::endpoints::IngestEndpoint;
use reqwest::Method;
use schema::schema_index::named_type;
use serde_json::{Value, json};

use crate::{
    exclusions::send,
    ingest::{Sent, Shop, shop},
};

/// What becomes of an event before a switch is moved, and after.
type Cell = (&'static str, &'static str);

/// A switch, how it is moved from its default, and its cells in the order of [`IngestEndpoint::ALL`].
type Row = (&'static str, Move, [Cell; IngestEndpoint::ALL.len()]);

enum Move {
    /// A field of `WebsiteUpdateGeneralInput`: its new and its former value.
    General(fn() -> (Value, Value)),
    /// An exclusion: the last part of its path, and its body.
    Exclusion(&'static str, &'static str, &'static str),
}

/// Type and name of a page view.
const VIEW: (&str, Option<&str>) = ("pageview", None);

const UNCHANGED: Cell = ("stored", "stored");

fn flipped(name: &'static str, to: bool) -> (Value, Value) {
    let input = |value: bool| match name.strip_prefix("settings.") {
        Some(name) => json!({ "settings": { name: value } }),
        None => json!({ name: value }),
    };
    (input(to), input(!to))
}

const TABLE: &[Row] = &[
    ("isActive", Move::General(|| flipped("isActive", false)), [("stored", "paused"); 4]),
    (
        "allowLocalhost",
        Move::General(|| flipped("allowLocalhost", true)),
        // Crawlers and servers are known by code and key, not by a page.
        [("403", "stored"), ("403", "stored"), UNCHANGED, UNCHANGED],
    ),
    (
        "allowedDomains",
        Move::General(|| (json!({ "allowedDomains": ["else.example"] }), json!({ "allowedDomains": [] }))),
        [("stored", "403"), ("stored", "403"), UNCHANGED, UNCHANGED],
    ),
    (
        "settings.trackOutboundLinks",
        Move::General(|| flipped("settings.trackOutboundLinks", false)),
        // Heartbeats and crawlers' page views have no name.
        [("stored", "nottracked"), UNCHANGED, UNCHANGED, ("stored", "nottracked")],
    ),
    (
        "settings.trackDownloads",
        Move::General(|| flipped("settings.trackDownloads", false)),
        [("stored", "nottracked"), UNCHANGED, UNCHANGED, ("stored", "nottracked")],
    ),
    (
        "settings.cookieless",
        Move::General(|| flipped("settings.cookieless", true)),
        // The visitor is another one than that of the event before, until IDs are ignored. Crawlers have no IDs.
        [("stored", "duplicate"), ("novisit", "stored"), UNCHANGED, ("novisit", "stored")],
    ),
    ("exclusions.ip", Move::Exclusion("ip", "ip_address", "127.0.0.1"), [("stored", "excludedip"); 4]),
    ("exclusions.path", Move::Exclusion("path", "path_pattern", "/probe/*"), [("stored", "excludedpath"); 4]),
    // Of readers and of the script, not of ingest.
    ("publicDashboard", Move::General(|| flipped("publicDashboard", true)), [UNCHANGED; 4]),
    ("publicRealtime", Move::General(|| flipped("publicRealtime", false)), [UNCHANGED; 4]),
    ("publicDetails", Move::General(|| flipped("publicDetails", true)), [UNCHANGED; 4]),
    ("settings.sessionReplay", Move::General(|| flipped("settings.sessionReplay", true)), [UNCHANGED; 4]),
    ("settings.heatmaps", Move::General(|| flipped("settings.heatmaps", false)), [UNCHANGED; 4]),
    ("settings.debugOverlay", Move::General(|| flipped("settings.debugOverlay", true)), [UNCHANGED; 4]),
];

/// The switches that the schema has: fields of this type of an input.
fn switches_of(input: &str, prefix: &str) -> BTreeSet<String> {
    let index = schema::index().unwrap();
    let fields = index.input(input).unwrap().fields.iter();
    let switches = fields.filter(|(_, field)| named_type(&field.ty) == "Boolean");
    switches.map(|(name, _)| format!("{prefix}{name}")).collect()
}

#[test]
fn the_table_has_every_switch() {
    let mut expected = switches_of("WebsiteUpdateGeneralInput", "");
    expected.extend(switches_of("WebsiteSettingsInput", "settings."));
    assert!(expected.len() > 10, "{expected:?}");
    let missing: Vec<_> = expected.iter().filter(|name| TABLE.iter().all(|row| row.0 != *name)).collect();
    assert!(missing.is_empty(), "no cells for {missing:?}");
}

/// Sends events that this switch may concern; each visitor of the test has a browser of its own.
struct Probe<'a> {
    shop: &'a Shop,
    bearer: &'a str,
    switch: &'a str,
    /// Number of the visitor.
    visitor: u32,
    user_agent: String,
}

impl Probe<'_> {
    async fn post(&self, path: &str, body: Value) -> Sent {
        let origin = match self.switch {
            "allowLocalhost" => "http://localhost:3000",
            _ => "https://shop.example",
        };
        let headers = [("origin", origin), ("user-agent", self.user_agent.as_str()), ("authorization", self.bearer)];
        self.shop.post(path, body.to_string(), &headers).await
    }

    async fn beacon(&self, visitor: &str, (kind, name): (&str, Option<&str>)) -> String {
        let body = json!({
            "type": kind, "name": name, "session_id": "session-1234", "visitor_id": visitor, "url": self.url(),
            "device_type": "desktop", "browser": "Firefox", "os": "Linux", "user_agent": self.user_agent
        });
        outcome(&self.post(&format!("/e/{}", self.shop.code), body).await)
    }

    async fn heartbeat(&self, visitor: &str) -> String {
        let body = json!({ "session_id": "session-1234", "visitor_id": visitor, "url": self.url(), "duration": 15 });
        outcome(&self.post(&format!("/e/heartbeat/{}", self.shop.code), body).await)
    }

    async fn crawler(&self) -> String {
        let body = json!({ "u": self.url(), "ua": "GPTBot/1.0", "ip": "127.0.0.1", "src": "middleware" });
        outcome(&self.post(&format!("/c/{}", self.shop.code), body).await)
    }

    async fn batch(&self, visitor: &str) -> String {
        let (kind, name) = self.event();
        let body = json!({
            "trackingCode": self.shop.code,
            "events": [{ "type": kind, "name": name, "visitorId": visitor, "props": { "url": self.url() } }],
            "serverContext": { "clientIp": "127.0.0.1", "userAgent": self.user_agent }
        });
        let sent = self.post("/api/v1/events", body).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
        let reason = sent.body["data"]["rejected"][0]["reason"].as_str();
        reason.map_or("stored".into(), |reason| reason.replace('_', ""))
    }

    /// A page view, or a click if the switch is about clicks.
    fn event(&self) -> (&str, Option<&str>) {
        match self.switch {
            "settings.trackOutboundLinks" => ("event", Some("outbound_link")),
            "settings.trackDownloads" => ("event", Some("file_download")),
            _ => VIEW,
        }
    }

    fn url(&self) -> String {
        "https://shop.example/probe/1".to_owned()
    }

    /// What becomes of this endpoint's event. Where IDs matter, the same page was seen under another ID before.
    async fn at(&self, endpoint: IngestEndpoint) -> String {
        let by_id = self.switch == "settings.cookieless";
        let (visitor, before) = (format!("visitor-{}", self.visitor), format!("visitor-before-{}", self.visitor));
        match endpoint {
            IngestEndpoint::Beacon => {
                if by_id {
                    self.beacon(&before, VIEW).await;
                }
                self.beacon(&visitor, self.event()).await
            }
            IngestEndpoint::Heartbeat => {
                self.beacon(if by_id { &before } else { &visitor }, VIEW).await;
                self.heartbeat(&visitor).await
            }
            IngestEndpoint::Crawler => self.crawler().await,
            IngestEndpoint::Batch => {
                let outcome = self.batch(&visitor).await;
                // A batch merges nothing: a heartbeat tells whose visit its event opened.
                if by_id { self.heartbeat(&before).await } else { outcome }
            }
        }
    }
}

fn outcome(sent: &Sent) -> String {
    match sent.status.as_u16() {
        200 => sent.dropped.as_deref().unwrap_or("stored").to_ascii_lowercase(),
        status => status.to_string(),
    }
}

#[tokio::test]
async fn every_endpoint_obeys_every_switch() {
    let shop = shop().await;
    let bearer = format!("Bearer {}", shop.app.api_key(&shop.owner, None).await);
    let caller = shop.app.token(&shop.owner.token);
    let general = async |input: Value| {
        let mutation = "mutation($id: ID!, $input: WebsiteUpdateGeneralInput!) {
            websiteUpdateGeneral(websiteId: $id, input: $input) { website { id } } }";
        let answer = caller.gql(mutation, json!({ "id": shop.id, "input": input })).await;
        assert!(answer["errors"].is_null(), "{answer}");
    };
    let mut visitors = 1_000;
    let mut probed = async |switch: &str| {
        let mut outcomes = Vec::new();
        for endpoint in IngestEndpoint::ALL {
            visitors += 1;
            let user_agent = format!("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.{visitors}");
            let probe = Probe { shop: &shop, bearer: &bearer, switch, visitor: visitors, user_agent };
            outcomes.push(probe.at(endpoint).await);
        }
        outcomes
    };
    for (switch, how, cells) in TABLE {
        let before = probed(switch).await;
        let after = match how {
            Move::General(values) => {
                let (to, from) = values();
                general(to).await;
                let after = probed(switch).await;
                general(from).await;
                after
            }
            Move::Exclusion(kind, field, value) => {
                let path = format!("/api/websites/{}/exclusions/{kind}", shop.id);
                let (status, made) = send(&caller, Method::POST, &path, Some(json!({ *field: value }))).await;
                assert_eq!(status, 201, "{made}");
                let after = probed(switch).await;
                let path = format!("{path}/{}", made["data"]["id"].as_str().unwrap());
                assert_eq!(send(&caller, Method::DELETE, &path, None).await.0, 200);
                after
            }
        };
        for (at, endpoint) in IngestEndpoint::ALL.into_iter().enumerate() {
            assert_eq!((before[at].as_str(), after[at].as_str()), cells[at], "{switch} at {endpoint:?}");
        }
    }
}
