//! The compiled ingest rules of a website: which hosts may send, and what is excluded.

use std::net::IpAddr;

use schema::{
    analytics::{event::EventKind, path},
    goal_rule::index::GoalIndex,
    traffic::{Outcome, Rules, Senders},
};

use super::{
    address::{Network, is_private},
    beacon::{FILE_DOWNLOAD, OUTBOUND_LINK},
    page::page_host,
};

/// One website's rules.
#[derive(Debug)]
pub struct Site {
    /// As in the control plane.
    pub rules: Rules,
    excluded: Vec<Network>,
    /// Patterns in the normalized form of paths.
    excluded_paths: Vec<String>,
    /// The goals, arranged by what completes them.
    pub(super) goals: GoalIndex,
}

/// The page that a browser reports: `Origin`, else `Referer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Neither header was sent.
    Missing,
    /// `null`: the page's policy or sandbox hides it, and the URL in the body determines the host.
    Hidden,
    /// The host of the page, as sent; empty for an invalid URL.
    Host(&'a str),
}

impl<'a> Origin<'a> {
    /// Reads both headers.
    #[must_use]
    pub fn new(origin: Option<&'a str>, referrer: Option<&'a str>) -> Self {
        match origin.map(str::trim).or(referrer) {
            None | Some("") => Self::Missing,
            Some("null") => referrer.map_or(Self::Hidden, |referrer| Self::new(None, Some(referrer))),
            Some(url) => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                Self::Host(rest.split(['/', '?', '#']).next().unwrap_or_default())
            }
        }
    }
}

impl Site {
    /// Compiles rules. An excluded address that cannot be parsed excludes nothing.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            excluded: rules.excluded_ips.iter().filter_map(|text| text.parse().ok()).collect(),
            excluded_paths: rules.excluded_paths.iter().map(|pattern| path::comparable(pattern).into_owned()).collect(),
            goals: GoalIndex::new(rules.goals.clone()),
            rules,
        }
    }

    /// Errors: why a browser's page may not send for this website. A hidden origin is checked by [`Site::admits_page`].
    pub fn admits(&self, origin: Origin<'_>) -> Result<(), Outcome> {
        match origin {
            Origin::Missing => Err(Outcome::MissingOrigin),
            Origin::Hidden => Ok(()),
            Origin::Host(authority) => self.admits_page(&page_host(authority).ok_or(Outcome::ForeignOrigin)?),
        }
    }

    /// Errors: why a page of this host (lower case) may not send for this website.
    pub fn admits_page(&self, host: &str) -> Result<(), Outcome> {
        may_send(host, &self.rules.senders)
    }

    /// Errors: that the website does not record this event of the script.
    pub(super) fn records(&self, kind: EventKind, name: &str) -> Result<(), Outcome> {
        // A goal may have any name.
        let recorded = match (kind, name) {
            (EventKind::Custom, OUTBOUND_LINK) => self.rules.track_outbound_links,
            (EventKind::Custom, FILE_DOWNLOAD) => self.rules.track_downloads,
            _ => true,
        };
        if recorded { Ok(()) } else { Err(Outcome::NotTracked) }
    }

    /// Errors: why an event of this page is not counted. `address`: the visitor's, if known.
    pub(super) fn counts(&self, address: Option<IpAddr>, path: &str) -> Result<(), Outcome> {
        if !self.rules.is_active {
            return Err(Outcome::Paused);
        }
        if address.is_some_and(|address| self.excluded.iter().any(|network| network.holds(address))) {
            return Err(Outcome::ExcludedIp);
        }
        if !self.excluded_paths.is_empty() {
            let path = path::comparable(path);
            // A pattern for a page holds for its hash routes too.
            let page = path.split('#').next().unwrap_or_default();
            if self.excluded_paths.iter().any(|pattern| path::fits(pattern, &path) || path::fits(pattern, page)) {
                return Err(Outcome::ExcludedPath);
            }
        }
        Ok(())
    }
}

/// Whether pages of a host (lower case) may send events. Errors: why they may not.
pub(super) fn may_send(host: &str, senders: &Senders) -> Result<(), Outcome> {
    // The setting is the only authority, whatever the website's own domain is.
    if is_local(host) {
        return if senders.allow_localhost { Ok(()) } else { Err(Outcome::LocalOrigin) };
    }
    let is_allowed = if senders.allowed_domains.is_empty() {
        is_or_under(host, &senders.domain)
    } else {
        senders.allowed_domains.iter().any(|allowed| match allowed.strip_prefix("*.") {
            Some(domain) => host != domain && is_or_under(host, domain),
            None => is_or_under(host, allowed),
        })
    };
    if is_allowed { Ok(()) } else { Err(Outcome::ForeignOrigin) }
}

/// Whether a host is a domain or one of its subdomains; `www.shop.example` includes `shop.example`.
fn is_or_under(host: &str, domain: &str) -> bool {
    domain.strip_prefix("www.") == Some(host)
        || host.strip_suffix(domain).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
}

/// Hosts that exist only on this machine or its network.
fn is_local(host: &str) -> bool {
    match host.parse() {
        Ok(address) => is_private(address),
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local"),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn site(change: impl FnOnce(&mut Rules)) -> Site {
        let mut rules = Rules {
            payments: None,
            events_per_month: None,
            website: Uuid::nil(),
            team: Uuid::nil(),
            tracking_code: "ZV_x".into(),
            senders: Senders { domain: "shop.example".into(), allowed_domains: Vec::new(), allow_localhost: false },
            is_active: true,
            public_realtime: true,
            track_outbound_links: true,
            track_downloads: true,
            cookieless: false,
            excluded_ips: Vec::new(),
            excluded_paths: Vec::new(),
            currency: "EUR".into(),
            timezone: chrono_tz::Tz::UTC,
            subscriptions: None,
            goals: Default::default(),
        };
        change(&mut rules);
        Site::new(rules)
    }

    fn from(site: &Site, origin: &str) -> Result<(), Outcome> {
        site.admits(Origin::new(Some(origin), None))
    }

    #[test]
    fn the_domain_and_what_lies_under_it_may_send() {
        let shop = site(|_| {});
        for good in [
            "https://shop.example",
            "http://shop.example:8080",
            "https://www.shop.example",
            "https://a.b.SHOP.example.",
        ] {
            assert_eq!(from(&shop, good), Ok(()), "{good}");
        }
        for bad in ["https://notshop.example", "https://shop.example.evil.example", "https://", "evil", "nul"] {
            assert_eq!(from(&shop, bad), Err(Outcome::ForeignOrigin), "{bad}");
        }
        assert_eq!(shop.admits(Origin::new(None, None)), Err(Outcome::MissingOrigin));
        assert_eq!(shop.admits(Origin::new(None, Some("https://shop.example/page?x=1"))), Ok(()));
        for (referrer, expected) in [
            (None, Origin::Hidden),
            (Some("https://evil.example/"), Origin::Host("evil.example")),
            (Some("https://shop.example/x"), Origin::Host("shop.example")),
        ] {
            assert_eq!(Origin::new(Some("null"), referrer), expected, "{referrer:?}");
        }
        assert_eq!(shop.admits_page("evil.example"), Err(Outcome::ForeignOrigin));
        assert_eq!(shop.admits_page("localhost"), Err(Outcome::LocalOrigin));
        assert_eq!(
            shop.admits(Origin::new(Some("https://evil.example"), Some("https://shop.example/"))),
            Err(Outcome::ForeignOrigin),
            "the origin counts where both are sent"
        );
    }

    #[test]
    fn a_list_replaces_the_domain() {
        let shop = site(|rules| rules.senders.allowed_domains = vec!["app.example".into(), "*.cdn.example".into()]);
        for good in ["https://app.example", "https://x.app.example", "https://a.cdn.example", "https://b.a.cdn.example"]
        {
            assert_eq!(from(&shop, good), Ok(()), "{good}");
        }
        for bad in ["https://shop.example", "https://cdn.example"] {
            assert_eq!(from(&shop, bad), Err(Outcome::ForeignOrigin), "{bad}");
        }
    }

    #[test]
    fn www_is_no_difference() {
        let www = site(|rules| rules.senders.domain = "www.shop.example".into());
        let listed = site(|rules| rules.senders.allowed_domains = vec!["www.shop.example".into()]);
        for good in ["https://shop.example", "https://www.shop.example", "https://a.www.shop.example"] {
            assert_eq!(from(&www, good), Ok(()), "{good}");
            assert_eq!(from(&listed, good), Ok(()), "{good}");
        }
        for bad in ["https://other.shop.example", "https://example", "https://wwwshop.example"] {
            assert_eq!(from(&www, bad), Err(Outcome::ForeignOrigin), "{bad}");
        }
    }

    #[test]
    fn local_hosts_need_the_setting() {
        let locals = [
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:80",
            "http://app.localhost",
            "http://192.168.1.5",
        ];
        let strict = site(|rules| rules.senders.domain = "localhost".into());
        let open = site(|rules| rules.senders.allow_localhost = true);
        for local in locals {
            assert_eq!(from(&strict, local), Err(Outcome::LocalOrigin), "{local}");
            assert_eq!(from(&open, local), Ok(()), "{local}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_counted() {
        let shop = site(|rules| {
            rules.excluded_ips = vec!["192.0.2.0/24".into(), "2001:db8::1".into(), "nonsense".into()];
            rules.excluded_paths =
                ["/admin/*", "/a*z", "/straße", "/staff", "/app*secret*"].map(str::to_owned).to_vec();
        });
        let ask = |ip: &str, path: &str| shop.counts(Some(ip.parse().unwrap()), path);
        assert_eq!(ask("192.0.2.9", "/"), Err(Outcome::ExcludedIp));
        assert_eq!(ask("2001:db8::1", "/"), Err(Outcome::ExcludedIp));
        assert_eq!(ask("192.0.3.9", "/admin/users/1"), Err(Outcome::ExcludedPath));
        assert_eq!(ask("192.0.3.9", "/abcz"), Err(Outcome::ExcludedPath));
        for path in ["//admin/x", "/%61dmin/x", "/admin//x", "/x/../admin/y", "/stra%c3%9fe", "/straße"] {
            assert_eq!(ask("192.0.3.9", path), Err(Outcome::ExcludedPath), "{path}");
        }
        for path in ["/staff", "/staff#/orders", "/app#/secret/1", "/admin/#/"] {
            assert_eq!(ask("192.0.3.9", path), Err(Outcome::ExcludedPath), "{path}");
        }
        for path in ["/admin", "/x/admin/", "/abc", "/", "/app", "/app#/open", "/x#/staff"] {
            assert_eq!(ask("192.0.3.9", path), Ok(()), "{path}");
        }
        let paused = site(|rules| rules.is_active = false);
        assert_eq!(paused.counts(None, "/"), Err(Outcome::Paused));
    }

    #[test]
    fn clicks_are_recorded_where_the_website_wants_them() {
        let all = site(|_| {});
        let custom = EventKind::Custom;
        assert!(["outbound_link", "file_download", "signup", ""].iter().all(|name| all.records(custom, name).is_ok()));
        let none = site(|rules| (rules.track_outbound_links, rules.track_downloads) = (false, false));
        assert_eq!(none.records(custom, "outbound_link"), Err(Outcome::NotTracked));
        assert_eq!(none.records(custom, "file_download"), Err(Outcome::NotTracked));
        assert_eq!(none.records(custom, "signup"), Ok(()));
        assert_eq!(none.records(EventKind::Goal, "outbound_link"), Ok(()), "a goal of that name");
    }
}
