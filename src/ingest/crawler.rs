//! The crawler beacon, version 3 (CONTRACT 9.7): a site's own middleware reports which bot requested which page.

use std::net::IpAddr;

use schema::error::{Error, Result};
use serde::Deserialize;

use super::{
    address::address_of,
    beacon::{Beacon, Thing, is_object},
    fields::BEACON,
    page::Page,
    properties::{Properties, clean},
};

/// The reason for a bot that no rule matches: the middleware detected it.
pub const UNNAMED: &str = "crawler beacon";

#[derive(Deserialize)]
struct Wire {
    u: Option<String>,
    ua: Option<String>,
    ip: Option<String>,
    r: Option<String>,
    #[expect(dead_code, reason = "says who sends; only its type is checked")]
    src: Option<String>,
}

/// A bot's visit to a page.
pub struct Crawl {
    /// The page view.
    pub beacon: Beacon,
    /// The bot's user agent.
    pub user_agent: String,
    /// The bot's IP address, if the middleware knows it.
    pub address: Option<IpAddr>,
}

/// Parses the body. Errors: `Invalid`, naming the field.
pub fn read(body: &[u8]) -> Result<Crawl> {
    let wire: Option<Wire> = if is_object(body) { serde_json::from_slice(body).ok() } else { None };
    let wire = wire.ok_or_else(|| {
        Error::invalid(
            "body",
            "must be one JSON object with the strings u (URL), ua (user agent), ip, r (referrer) and src (who sends)",
        )
    })?;
    let url = wire.u.ok_or_else(|| Error::invalid("u", "is missing"))?;
    let user_agent = wire.ua.filter(|ua| !ua.trim().is_empty()).ok_or_else(|| Error::invalid("ua", "is missing"))?;
    let page =
        Page::parse(&url).map_err(|_| Error::invalid("u", "must be absolute, such as https://shop.example/pricing"))?;
    let thing = Thing {
        fields: BEACON,
        kind: "pageview".to_owned(),
        name: String::new(),
        event_id: None,
        visitor_id: None,
        page,
        properties: Properties::default(),
    };
    let referrer = clean(wire.r.as_deref().unwrap_or_default(), 2_000);
    let beacon = thing.into_beacon(|beacon| Beacon { referrer, ..beacon })?;
    Ok(Crawl { beacon, user_agent, address: wire.ip.as_deref().and_then(address_of) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middlewares_body_is_read() {
        let crawl = read(br#"{"u":"https://shop.example/robots.txt?x=1","ua":"GPTBot/1.0","ip":"203.0.113.9","r":"https://a.example/","src":"middleware"}"#).unwrap();
        assert_eq!((crawl.beacon.page.path.as_str(), crawl.user_agent.as_str()), ("/robots.txt", "GPTBot/1.0"));
        assert_eq!(crawl.address.unwrap().to_string(), "203.0.113.9");
        for (body, field) in [
            (&b"{}"[..], "u"),
            (br#"{"u":"https://a.example/"}"#, "ua"),
            (br#"{"u":"/x","ua":"GPTBot"}"#, "u"),
            (br#"{"u":5,"ua":"GPTBot"}"#, "body"),
            (br#"{"u":"https://a.example/","ua":"GPTBot","src":{}}"#, "body"),
            (b"[", "body"),
        ] {
            assert_eq!(read(body).err().unwrap().field(), Some(field));
        }
    }
}
