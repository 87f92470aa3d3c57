//! Tests referrers, sources and channels with examples.

use super::*;

fn came(referrer: &str, query: &str) -> [String; 3] {
    let acquisition = acquire(referrer_host(referrer, "shop.example"), Campaign::of_query(query));
    [acquisition.referrer, acquisition.source, acquisition.channel]
}

#[test]
fn every_line_of_the_list_is_read() {
    let lines = include_str!("sources.txt").lines().filter(|line| !line.starts_with('#')).count();
    let names: std::collections::HashSet<_> =
        SOURCES.hosts.values().chain(SOURCES.labels.values()).map(|it| it.name).collect();
    assert_eq!(names.len(), lines);
}

#[test]
fn referrers_have_sources_and_channels() {
    for (referrer, expected) in [
        ("", ["", "", "Direct"]),
        ("-", ["", "", "Direct"]),
        ("https://www.google.co.uk/search?q=x", ["google.co.uk", "Google", "Organic Search"]),
        ("http://www.google.com.br/url?sa=t", ["google.com.br", "Google", "Organic Search"]),
        ("https://gemini.google.com/", ["gemini.google.com", "Gemini", "AI Assistants"]),
        ("https://mail.google.com/mail/u/0/", ["mail.google.com", "Gmail", "Email"]),
        ("https://google.evil.example/", ["google.evil.example", "google.evil.example", "Referral"]),
        ("https://chatgpt.com/", ["chatgpt.com", "ChatGPT", "AI Assistants"]),
        ("https://t.co/abc", ["t.co", "X", "Organic Social"]),
        ("https://old.reddit.com/r/rust", ["old.reddit.com", "Reddit", "Organic Social"]),
        ("https://m.youtube.com/watch", ["m.youtube.com", "YouTube", "Organic Video"]),
        ("https://www.amazon.de/", ["amazon.de", "Amazon", "Organic Shopping"]),
        ("android-app://com.google.android.gm/", ["com.google.android.gm", "Gmail", "Email"]),
        ("https://Blog.Example.org:8443/post", ["blog.example.org", "blog.example.org", "Referral"]),
        ("https://notbing.com/", ["notbing.com", "notbing.com", "Referral"]),
        ("https://www.Bücher.example/", ["xn--bcher-kva.example", "xn--bcher-kva.example", "Referral"]),
        ("https://xn--bcher-kva.example/", ["xn--bcher-kva.example", "xn--bcher-kva.example", "Referral"]),
    ] {
        assert_eq!(came(referrer, ""), expected, "{referrer}");
    }
}

#[test]
fn the_own_host_is_no_referrer() {
    for own in
        ["https://shop.example/", "https://www.shop.example/a", "http://SHOP.example:80", "https://de.shop.example/x"]
    {
        assert_eq!(came(own, ""), ["", "", "Direct"], "{own}");
    }
    assert_eq!(came("https://notshop.example/", "")[2], "Referral");
    assert!(is_own("shop.example", "www.Shop.Example"));
    assert!(!is_own("example", "shop.example"));
}

#[test]
fn campaigns_win_over_referrers() {
    for (referrer, query, expected) in [
        ("https://www.google.com/", "gclid=abc", ["google.com", "Google", "Paid Search"]),
        ("", "utm_source=google&utm_medium=cpc", ["", "Google", "Paid Search"]),
        ("", "utm_source=facebook&utm_medium=paid_social", ["", "Facebook", "Paid Social"]),
        ("", "fbclid=1", ["", "Facebook", "Organic Social"]),
        ("", "utm_source=newsletter&utm_campaign=march", ["", "newsletter", "Email"]),
        (
            "https://mail.google.com/",
            "utm_source=Weekly%20News&utm_medium=email",
            ["mail.google.com", "Weekly News", "Email"],
        ),
        ("", "utm_source=adnet&utm_medium=banner", ["", "adnet", "Display"]),
        ("", "utm_source=adnet&utm_medium=cpc", ["", "adnet", "Paid Other"]),
        (
            "https://partner.example.net/",
            "utm_source=partner&utm_medium=affiliate",
            ["partner.example.net", "partner", "Affiliates"],
        ),
        ("", "utm_source=youtube&utm_medium=cpv", ["", "YouTube", "Paid Video"]),
        ("", "utm_source=chatgpt.com", ["", "ChatGPT", "AI Assistants"]),
        ("", "utm_source=flyer&utm_medium=print", ["", "flyer", "Other Campaigns"]),
        ("", "page=2&sort=asc", ["", "", "Direct"]),
    ] {
        assert_eq!(came(referrer, query), expected, "{referrer} {query}");
    }
}

#[test]
fn parameters_are_decoded_and_the_first_counts() {
    let campaign = Campaign::of_query(
        "utm_source=a%2Bb&utm_source=second&UTM_Medium=x+y&utm_term=100%&utm_content=%e4%b8%ad&utm_campaign=%ff",
    );
    assert_eq!(campaign.source, "a+b");
    assert_eq!(campaign.medium, "x y");
    assert_eq!(campaign.term, "100%");
    assert_eq!(campaign.content, "中");
    assert_eq!(campaign.campaign, "\u{fffd}");
    assert_eq!(Campaign::of_query(&format!("utm_source={}", "é".repeat(400))).source.len(), 254);
    assert_eq!(Campaign::of_query(""), Campaign::default());
    assert!(!Campaign::is_in("page=2") && Campaign::is_in("a=1&utm_source=x"));
}

#[test]
fn hosts_of_strange_urls() {
    for (url, host) in [
        ("http://user:secret@host.example/", Some("host.example")),
        ("http://[2001:db8::1]:8080/", Some("2001:db8::1")),
        ("https://example.org.", Some("example.org")),
        (r"http://\xe4\xe5.\xf0\xf4/", Some(r"\xe4\xe5.\xf0\xf4")),
        ("http:///path", None),
        ("example.org/path", None),
        ("a b://x", None),
        ("://x", None),
    ] {
        assert_eq!(url_host(url).as_deref(), host, "{url}");
    }
}

#[test]
fn a_campaign_is_found_however_its_names_are_spelled_and_holds_no_control_characters() {
    for query in ["UTM_SOURCE=news", "a=b&Utm_Source=news", "%75tm_source=news", "utm_source=%00news%1b"] {
        assert!(Campaign::is_in(query), "{query}");
        assert_eq!(Campaign::of_query(query).source, "news", "{query}");
    }
    assert!(Campaign::is_in("GCLID=x"));
    assert!(!Campaign::is_in("a=utm_source&q=gclid"));
}

#[test]
fn every_channel_is_one_that_filters_take() {
    let mut met = std::collections::BTreeSet::new();
    let hosts = ["", "google.com", "chatgpt.com", "t.co", "youtube.com", "amazon.de", "mail.google.com", "a.example"];
    let mediums =
        ["", "cpc", "banner", "affiliate", "sms", "audio", "email", "push", "organic", "social", "video", "referral"];
    for host in hosts {
        for medium in mediums.into_iter().chain(["paid_social", "paid_search"]) {
            for campaign in ["", "&utm_campaign=x", "&gclid=1"] {
                let query = format!("utm_medium={medium}{campaign}");
                met.insert(acquire(host.to_owned(), Campaign::of_query(&query)).channel);
            }
        }
    }
    let known: std::collections::BTreeSet<String> =
        schema::analytics::event::CHANNELS.iter().map(ToString::to_string).collect();
    assert_eq!(met, known);
}
