//! Which user agents are machines, and by what rule.
//!
//! - An empty user agent is a machine: every browser names itself.
//! - Words are matched in lower case, anywhere in the string; a machine that dresses as a browser is not found here.

/// A machine without a name: the header is empty or `-`.
const NAMELESS: &str = "empty user agent";
/// It says so itself, or leaves a contact address as crawlers do.
const CRAWLER: &str = "crawler";
/// A program that fetches for its owner: a library, a command line tool.
const LIBRARY: &str = "HTTP library or tool";
/// A browser without a person in front of it.
const HEADLESS: &str = "headless browser";
/// A browser that says itself that a program drives it.
pub const AUTOMATED: &str = "automated browser (navigator.webdriver)";
/// Reads feeds, makes link previews, watches whether a site is up.
const FETCHER: &str = "feed reader, preview or monitor";

/// Words with the rule they stand for; the first that occurs decides.
const WORDS: &[(&str, &[&str])] = &[
    (
        HEADLESS,
        &[
            "headless",
            "phantomjs",
            "slimerjs",
            "puppeteer",
            "playwright",
            "selenium",
            "electron-prerender",
            "prerender",
        ],
    ),
    (
        FETCHER,
        &[
            "feedfetcher",
            "feedburner",
            "feedparser",
            "feedly",
            "commafeed",
            "feedbin",
            "theoldreader",
            "newsify/",
            "reeder/",
            "feed parser",
            "livejournal.com (",
            "subscribers",
            "feedvalidator",
            "feed reader",
            "tiny tiny rss",
            "newsblur",
            "simplepie",
            "magpierss",
            "netvibes",
            "bloglines",
            "yahoo pipes",
            " rss",
            "rss/",
            "rssreader",
            "facebookexternalhit",
            "facebookcatalog",
            "whatsapp/",
            "embedly",
            "web preview",
            "link preview",
            "iframely",
            "google-read-aloud",
            "appinsights",
            "pingdom",
            "uptime",
            "statuscake",
            "site24x7",
            "newrelicpinger",
            "monitor",
            "lighthouse",
            "gtmetrix",
            "pagespeed",
            "chrome-lighthouse",
            "validator",
            "w3c_",
            "checker",
            "skypeuripreview",
            "snapchat/preview",
            "favicon",
        ],
    ),
    (
        CRAWLER,
        &[
            "bot",
            "crawl",
            "spider",
            "slurp",
            "archive.org",
            "ia_archiver",
            "heritrix",
            "nutch",
            "mediapartners",
            "scrapy",
            "scrap",
            "teoma",
            "baidu transcoder",
            "sogou",
            "yeti/",
            "panscient",
            "sistrix",
            "screaming frog",
            "ahrefs",
            "semrush",
            "mj12",
            "dotbot",
            "wotbox",
            "grapeshot",
            "proximic",
            "netcraft",
            "zgrab",
            "masscan",
            "nmap",
            "censys",
            "nikto",
            "sqlmap",
            "wpscan",
            "expanse",
            "internetmeasurement",
            "dataprovider",
            "80legs",
            "findlinks",
            "genieo",
            "gptbot",
            "chatgpt-user",
            "oai-search",
            "anthropic-ai",
            "claude-web",
            "claude-user",
            "perplexity-user",
            "cohere-ai",
            "bytespider",
            "meta-externalagent",
            "meta-externalfetcher",
            "google-extended",
            "googleother",
            "google-inspectiontool",
            "adsbot",
            "apis-google",
            "duckassist",
            "diffbot",
            "omgili",
            "+http",
            "search engine",
            "linkcheck",
            "link sleuth",
            "ezooms",
            "siteexplorer",
            "portscout",
            "links (",
            "indexer",
        ],
    ),
    (
        LIBRARY,
        &[
            "curl",
            "wget",
            "python",
            "urllib",
            "aiohttp",
            "httpx",
            "libwww",
            "lwp-",
            "lwp::",
            "perl",
            "java/",
            "jakarta",
            "httpclient",
            "http-client",
            "http_client",
            "okhttp",
            "apache-http",
            "go-http",
            "go http",
            "ruby",
            "faraday",
            "rest-client",
            "node-fetch",
            "axios",
            "undici",
            "got (",
            "php/",
            "guzzle",
            "winhttp",
            "winhttrack",
            "httrack",
            "wininet",
            "powershell",
            "postman",
            "insomnia",
            "httpie",
            "aria2",
            "libcurl",
            "pycurl",
            "mechanize",
            "dart:io",
            "reqwest",
            "hyper/",
            "libfetch",
            "http_request",
            "indy library",
            "irssiurllog",
            "apachebench",
            "siege",
            "jmeter",
            "k6/",
            "vegeta",
            "hey/",
            "jigsaw",
            "offline explorer",
            "teleport",
            "webcopier",
            "microsoft office",
            "ms-office",
            "microsoft-webdav",
            "davclnt",
            "svn/",
            "git/",
            "nagios",
            "check_http",
            "zabbix",
        ],
    ),
];

/// Why this user agent is a machine, or `None` for what seems to be a person's browser.
#[must_use]
pub fn machine(user_agent: &str) -> Option<&'static str> {
    let trimmed = user_agent.trim();
    if trimmed.is_empty() || trimmed == "-" {
        return Some(NAMELESS);
    }
    // `CUBOT` is a brand of phones, not a robot.
    let lower = trimmed.to_ascii_lowercase().replace("cubot", "");
    WORDS.iter().find(|(_, words)| words.iter().any(|word| lower.contains(word))).map(|(rule, _)| *rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_by_rule() {
        for (user_agent, rule) in [
            ("", NAMELESS),
            ("-", NAMELESS),
            ("  ", NAMELESS),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", CRAWLER),
            ("Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)", CRAWLER),
            ("Baiduspider+(+http://www.baidu.com/search/spider.htm)", CRAWLER),
            ("curl/8.5.0", LIBRARY),
            ("Wget/1.13.4 (linux-gnu)", LIBRARY),
            ("python-requests/2.31.0", LIBRARY),
            ("Go-http-client/1.1", LIBRARY),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
                HEADLESS,
            ),
            ("UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/", FETCHER),
            ("Tiny Tiny RSS/1.11 (http://tt-rss.org/)", FETCHER),
            ("facebookexternalhit/1.1", FETCHER),
        ] {
            assert_eq!(machine(user_agent), Some(rule), "{user_agent}");
        }
    }

    #[test]
    fn people_pass() {
        for user_agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 12; CUBOT X50) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36",
            "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.16",
            "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)",
        ] {
            assert_eq!(machine(user_agent), None, "{user_agent}");
        }
    }

    #[test]
    fn words_are_written_in_lower_case() {
        assert!(WORDS.iter().flat_map(|(_, words)| *words).all(|word| *word == word.to_ascii_lowercase()));
    }
}
