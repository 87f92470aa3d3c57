//! Bot detection by user agent, and the rule that matched.
//!
//! - An empty user agent is a bot: every browser has one.
//! - Words are matched in lower case, anywhere in the string; then the maintained list of crawlers is searched.
//! - Every browser begins with `Mozilla/` or `Opera/`; anything else is a bot. Bots that impersonate a browser are not
//!   detected here.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::Regex;
use serde::Deserialize;

/// No user agent: the header is empty or `-`.
const NAMELESS: &str = "empty user agent";
/// Identifies itself as a bot, or contains a contact address as crawlers do.
const CRAWLER: &str = "crawler";
/// A program that fetches for its owner: a library, a command line tool.
const LIBRARY: &str = "HTTP library or tool";
/// A headless browser.
const HEADLESS: &str = "headless browser";
/// A browser that reports automation.
pub const AUTOMATED: &str = "automated browser (navigator.webdriver)";
/// A feed reader, link preview or uptime monitor.
const FETCHER: &str = "feed reader, preview or monitor";

/// Does not begin like a browser.
pub const UNLIKE_BROWSERS: &str = "not a browser";

/// The maintained list of crawlers (npm `crawler-user-agents`, MIT), embedded so that the binary runs from any folder.
const CRAWLERS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/.vendor/node_modules/crawler-user-agents/crawler-user-agents.json"
));

/// Maximum length of a user agent that is parsed, in bytes; no browser comes close to it.
const MAX_LENGTH: usize = 1_024;

/// The list, compiled: nearly all of its patterns are plain texts.
struct Crawlers {
    texts: AhoCorasick,
    patterns: Regex,
}

impl Crawlers {
    fn compile() -> Result<Self, Box<dyn std::error::Error>> {
        #[derive(Deserialize)]
        struct Entry {
            pattern: String,
        }
        let entries: Vec<Entry> = serde_json::from_str(CRAWLERS)?;
        let (mut texts, mut patterns) = (Vec::new(), Vec::new());
        for Entry { pattern } in entries {
            match plain(&pattern) {
                Some(text) => texts.push(text),
                None => patterns.push(format!("(?:{pattern})")),
            }
        }
        Ok(Self { texts: AhoCorasick::new(texts)?, patterns: Regex::new(&patterns.join("|"))? })
    }

    fn knows(&self, user_agent: &str) -> bool {
        self.texts.is_match(user_agent) || self.patterns.is_match(user_agent)
    }
}

/// The text that a pattern matches, if there is only one.
fn plain(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // An escaped letter or digit is a class (`\d`).
            '\\' => text.push(letters.next().filter(|escaped| !escaped.is_alphanumeric())?),
            '[' | ']' | '(' | ')' | '{' | '}' | '|' | '*' | '+' | '?' | '^' | '$' | '.' => return None,
            _ => text.push(letter),
        }
    }
    (!text.is_empty()).then_some(text)
}

static COMPILED: LazyLock<Option<Crawlers>> = LazyLock::new(|| match Crawlers::compile() {
    Ok(crawlers) => Some(crawlers),
    Err(error) => {
        // The list is part of the binary and a test compiles it, so this is a broken build, not bad input.
        tracing::error!(error.source = %error, "cannot compile the embedded list of crawlers; bots are detected by words only");
        None
    }
});

/// Compiles the list now (some milliseconds), so that no visitor waits for it.
pub fn warm() {
    LazyLock::force(&COMPILED);
}

/// Words with the rule they stand for; the first match decides.
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

/// Reason for classifying the user agent as a bot; `None` for an apparently human browser.
#[must_use]
pub fn machine(user_agent: &str) -> Option<&'static str> {
    let trimmed = user_agent.trim();
    if trimmed.is_empty() || trimmed == "-" {
        return Some(NAMELESS);
    }
    let trimmed = trimmed.get(..trimmed.floor_char_boundary(MAX_LENGTH)).unwrap_or(trimmed);
    // `CUBOT` is a brand of phones, not a robot.
    let lower = trimmed.to_ascii_lowercase().replace("cubot", "");
    let by_word = WORDS.iter().find(|(_, words)| words.iter().any(|word| lower.contains(word)));
    if let Some((rule, _)) = by_word {
        return Some(rule);
    }
    if COMPILED.as_ref().is_some_and(|crawlers| crawlers.knows(trimmed)) {
        return Some(CRAWLER);
    }
    (!lower.starts_with("mozilla/") && !lower.starts_with("opera/")).then_some(UNLIKE_BROWSERS)
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
    fn every_crawler_of_the_list_is_a_machine() {
        #[derive(Deserialize)]
        struct Entry {
            pattern: String,
            #[serde(default)]
            instances: Vec<String>,
        }
        let entries: Vec<Entry> = serde_json::from_str(CRAWLERS).unwrap();
        let crawlers = Crawlers::compile().unwrap();
        let mut known = 0;
        for entry in &entries {
            for user_agent in &entry.instances {
                assert!(crawlers.knows(user_agent), "{} of {}", user_agent, entry.pattern);
                assert!(machine(user_agent).is_some(), "{user_agent}");
                known += 1;
            }
        }
        assert!(known > 2_000, "{known} crawlers");
        assert!(crawlers.texts.memory_usage() < 1 << 20, "{} bytes", crawlers.texts.memory_usage());
    }

    #[test]
    fn browsers_of_real_people_pass() {
        // The distinct strings of npm `user-agents` 2.1.198 (BSD-2-Clause): browsers seen on real sites.
        let packed = include_bytes!("../../tests/data/browsers.txt.gz");
        let browsers = std::io::read_to_string(flate2::read::GzDecoder::new(&packed[..])).unwrap();
        assert!(browsers.lines().count() > 900);
        for user_agent in browsers.lines() {
            assert_eq!(machine(user_agent), None, "{user_agent}");
        }
    }

    #[test]
    fn what_does_not_begin_as_browsers_do_is_a_machine() {
        for user_agent in [
            "kube-probe/1.27",
            "GoogleHC/1.0",
            "Amazon-Route53-Health-Check-Service (ref 0; report http://amzn.to/1vsZADi)",
            "Elastic-Heartbeat/8.11.0 (linux; amd64)",
            "Blackbox Exporter/0.24.0",
            "Consul Health Check",
            "Prometheus/2.40.5",
            "updown.io daemon 2.11",
            "anything else",
        ] {
            assert!(machine(user_agent).is_some(), "{user_agent}");
        }
        assert_eq!(machine("anything else"), Some(UNLIKE_BROWSERS));
        assert_eq!(machine(&format!("Mozilla/5.0 {}", "é".repeat(5_000))), None);
    }

    #[test]
    fn patterns_that_stand_for_one_text_are_told() {
        for (pattern, text) in [(r"Googlebot\/", Some("Googlebot/")), (r"grub\.org", Some("grub.org"))] {
            assert_eq!(plain(pattern).as_deref(), text);
        }
        for pattern in [r"a\d", "^curl", "[wW]get", "a.b", "", r"a\"] {
            assert_eq!(plain(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn words_are_written_in_lower_case() {
        assert!(WORDS.iter().flat_map(|(_, words)| *words).all(|word| *word == word.to_ascii_lowercase()));
    }
}
