//! Acquisition: referrer host, source name and channel.
//!
//! - A site's own host and its subdomains are not referrers.
//! - Campaign parameters take precedence over the referrer: the link was tagged on purpose.
//! - Sources are one readable list, `sources.txt`.

use std::{collections::HashMap, sync::LazyLock};

use schema::{analytics::event::Acquisition, host};

use super::properties::clean;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Search,
    Assistant,
    Social,
    Video,
    Shopping,
    Mail,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    name: &'static str,
    kind: Kind,
}

/// Sources by host (`bing.com`), by first label (`google.*`) and by what `utm_source` calls them (`fb`).
#[derive(Default)]
struct Sources {
    hosts: HashMap<&'static str, Source>,
    labels: HashMap<&'static str, Source>,
    tags: HashMap<String, Source>,
}

static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let mut sources = Sources::default();
    for line in include_str!("sources.txt").lines() {
        let mut columns = line.split('|').map(str::trim);
        let (Some(kind), Some(name), Some(words)) = (columns.next(), columns.next(), columns.next()) else { continue };
        let kind = match kind {
            "search" => Kind::Search,
            "ai" => Kind::Assistant,
            "social" => Kind::Social,
            "video" => Kind::Video,
            "shopping" => Kind::Shopping,
            "mail" => Kind::Mail,
            _ => continue,
        };
        let source = Source { name, kind };
        sources.tags.insert(name.to_lowercase(), source);
        for word in words.split_whitespace() {
            if let Some(label) = word.strip_suffix(".*") {
                sources.labels.insert(label, source);
            } else if word.contains('.') {
                sources.hosts.insert(word, source);
            } else {
                sources.tags.insert(word.to_owned(), source);
            }
        }
    }
    sources
});

impl Sources {
    /// The source of a host: the longest listed host that it equals or is a subdomain of.
    fn of_host(&self, host: &str) -> Option<Source> {
        let mut rest = host;
        loop {
            if let Some(source) = self.hosts.get(rest) {
                return Some(*source);
            }
            let (label, parent) = rest.split_once('.')?;
            if let Some(source) = self.labels.get(label)
                && is_country_suffix(parent)
            {
                return Some(*source);
            }
            rest = parent;
        }
    }

    /// The source for a `utm_source`: a listed word, name or host.
    fn of_tag(&self, tag: &str) -> Option<Source> {
        let tag = tag.trim().to_lowercase();
        self.tags.get(&tag).copied().or_else(|| if tag.contains('.') { self.of_host(&tag) } else { None })
    }
}

/// `com`, `de`, `co.uk`: what may follow `google.`, so that `google.evil.example` is not Google.
fn is_country_suffix(suffix: &str) -> bool {
    match suffix.split_once('.') {
        None => matches!(suffix.len(), 2..=3) || suffix == "info",
        Some((second, country)) => matches!(second, "co" | "com" | "org" | "net" | "ne") && country.len() == 2,
    }
}

/// Campaign parameters of a landing page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Campaign {
    /// `utm_source` as sent.
    pub source: String,
    /// `utm_medium` as sent.
    pub medium: String,
    /// `utm_campaign` as sent.
    pub campaign: String,
    /// `utm_term` as sent.
    pub term: String,
    /// `utm_content` as sent.
    pub content: String,
    /// The advertising network whose click ID is in the URL, and whether only paid clicks have it.
    click: Option<(&'static str, bool)>,
}

/// Click IDs of advertising networks. Facebook adds its own to unpaid links as well.
const CLICKS: &[(&str, (&str, bool))] = &[
    ("gclid", ("google", true)),
    ("gbraid", ("google", true)),
    ("wbraid", ("google", true)),
    ("msclkid", ("bing", true)),
    ("yclid", ("yandex", true)),
    ("ttclid", ("tiktok", true)),
    ("twclid", ("x", true)),
    ("li_fat_id", ("linkedin", true)),
    ("epik", ("pinterest", true)),
    ("rdt_cid", ("reddit", true)),
    ("fbclid", ("facebook", false)),
    ("igshid", ("instagram", false)),
];

/// Maximum length of a campaign value, in bytes.
const MAX_BYTES: usize = 255;

impl Campaign {
    /// Whether a query may contain anything for [`Campaign::of_query`]; cheap, without false negatives.
    #[must_use]
    pub fn is_in(query: &str) -> bool {
        let is_read = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default();
            name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("utm_"))
                || CLICKS.iter().any(|(known, _)| name.eq_ignore_ascii_case(known))
        };
        query.contains('%') || query.split('&').any(is_read)
    }

    /// Reads a query string, without its `?`. The first value of a repeated parameter counts.
    #[must_use]
    pub fn of_query(query: &str) -> Self {
        let mut campaign = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let name = name.to_ascii_lowercase();
            let slot = match name.as_str() {
                "utm_source" => &mut campaign.source,
                "utm_medium" => &mut campaign.medium,
                "utm_campaign" => &mut campaign.campaign,
                "utm_term" => &mut campaign.term,
                "utm_content" => &mut campaign.content,
                _ => {
                    if campaign.click.is_none() && !value.is_empty() {
                        campaign.click = CLICKS.iter().find(|(known, _)| *known == name).map(|(_, click)| *click);
                    }
                    continue;
                }
            };
            if slot.is_empty() {
                let value = clean(&value, MAX_BYTES);
                let value = value.trim();
                value.get(..value.floor_char_boundary(MAX_BYTES)).unwrap_or(value).clone_into(slot);
            }
        }
        campaign
    }
}

/// The host of a URL, as [`host::from_authority`] returns it, without `www.`; `None` if there is no host.
#[must_use]
pub fn url_host(url: &str) -> Option<String> {
    let (scheme, rest) = url.trim().split_once("://")?;
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return None;
    }
    let host = host::from_authority(rest.split(['/', '?', '#']).next()?)?;
    let host = host.strip_prefix("www.").unwrap_or(&host);
    (!host.is_empty()).then(|| host.to_owned())
}

/// Whether `host` (from [`url_host`]) is the site's own domain or a subdomain.
#[must_use]
pub fn is_own(host: &str, domain: &str) -> bool {
    let domain = domain.trim_end_matches('.').to_lowercase();
    let domain = domain.strip_prefix("www.").unwrap_or(&domain);
    host.strip_suffix(domain).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
}

/// The referring host of a page view: empty without a referrer and for the site's own pages.
#[must_use]
pub fn referrer_host(referrer: &str, domain: &str) -> String {
    url_host(referrer).filter(|host| !is_own(host, domain)).unwrap_or_default()
}

/// Source and channel of an arrival; `referrer` is the result of [`referrer_host`].
#[must_use]
pub fn acquire(referrer: String, campaign: Campaign) -> Acquisition {
    let tag =
        if campaign.source.is_empty() { campaign.click.map_or("", |(network, _)| network) } else { &campaign.source };
    let known = if tag.is_empty() { SOURCES.of_host(&referrer) } else { SOURCES.of_tag(tag) };
    let source = match known {
        Some(source) => source.name.to_owned(),
        None if tag.is_empty() => referrer.clone(),
        None => tag.trim().to_owned(),
    };
    let channel = channel(&campaign, known.map(|source| source.kind), &source, &referrer).to_owned();
    let Campaign { source: utm_source, medium, campaign, term, content, click: _ } = campaign;
    Acquisition {
        referrer,
        source,
        channel,
        utm_source,
        utm_medium: medium,
        utm_campaign: campaign,
        utm_term: term,
        utm_content: content,
    }
}

/// The channel, by the usual grouping: paid traffic first, then the tag, then the source.
fn channel(campaign: &Campaign, kind: Option<Kind>, source: &str, referrer: &str) -> &'static str {
    let medium = campaign.medium.to_lowercase();
    let medium = medium.as_str();
    let tag = campaign.source.to_lowercase();
    let is_email = |word: &str| matches!(word, "email" | "e-mail" | "e_mail" | "e mail" | "newsletter" | "mail");
    let bought = medium.contains("cpc")
        || medium.contains("cpv")
        || medium.contains("cpa")
        || medium.starts_with("paid")
        || matches!(medium, "ppc" | "cp" | "sem" | "retargeting" | "remarketing");
    let bought = bought || campaign.click.is_some_and(|(_, only_paid)| only_paid);

    if matches!(medium, "display" | "banner" | "expandable" | "interstitial" | "cpm") {
        return "Display";
    }
    if bought {
        return match kind {
            Some(Kind::Search) => "Paid Search",
            Some(Kind::Social) => "Paid Social",
            Some(Kind::Video) => "Paid Video",
            Some(Kind::Shopping) => "Paid Shopping",
            _ if medium.contains("social") => "Paid Social",
            _ if medium.contains("search") => "Paid Search",
            _ => "Paid Other",
        };
    }
    match medium {
        "affiliate" | "affiliates" => return "Affiliates",
        "sms" => return "SMS",
        "audio" | "podcast" => return "Audio",
        _ if is_email(medium) || is_email(&tag) => return "Email",
        _ if medium.ends_with("push") || medium == "notification" => return "Push Notifications",
        "organic" => return "Organic Search",
        "social" | "social-network" | "social-media" | "social network" | "social media" | "sm" => {
            return "Organic Social";
        }
        "video" => return "Organic Video",
        _ => {}
    }
    match kind {
        Some(Kind::Search) => "Organic Search",
        Some(Kind::Assistant) => "AI Assistants",
        Some(Kind::Social) => "Organic Social",
        Some(Kind::Video) => "Organic Video",
        Some(Kind::Shopping) => "Organic Shopping",
        Some(Kind::Mail) => "Email",
        None if matches!(medium, "referral" | "link" | "app") || !referrer.is_empty() => "Referral",
        None if source.is_empty() && medium.is_empty() && campaign.campaign.is_empty() => "Direct",
        None => "Other Campaigns",
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
