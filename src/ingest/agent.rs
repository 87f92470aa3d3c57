//! Parsing of user agents: browser, operating system and device type.
//!
//! - Names are uap-core's family names, unchanged, except that its "Other" is an empty string.
//! - The rules are compiled once, when the first string is parsed or [`Agents::warm`] is called.

use std::sync::{Arc, LazyLock};

use schema::analytics::event::Agent;

use super::bots;
use ua_parser::{Regexes, os, user_agent};

/// uap-core's rules, embedded so that the binary runs from any folder.
const RULES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/.vendor/node_modules/uap-core/regexes.yaml"));

/// Approximate memory limit of the cache, in bytes; a busy site sees a few thousand strings.
const REMEMBERED: u64 = 8 << 20;

/// Maximum length of a user agent that is parsed, in bytes; no browser comes close to it.
const MAX_USER_AGENT: usize = 1_024;

struct Rules {
    browser: user_agent::Extractor<'static>,
    system: os::Extractor<'static>,
}

impl Rules {
    fn compile() -> Result<Self, Box<dyn std::error::Error>> {
        let mut rules: Regexes<'static> = serde_yaml_ng::from_str(RULES)?;
        let bounds = Bounds::new()?;
        for rule in &mut rules.user_agent_parsers {
            rule.regex = bounds.keep(&rule.regex).into();
        }
        for rule in &mut rules.os_parsers {
            rule.regex = bounds.keep(&rule.regex).into();
        }
        Ok(Self {
            browser: user_agent::Builder::new().push_all(rules.user_agent_parsers)?.build()?,
            system: os::Builder::new().push_all(rules.os_parsers)?.build()?,
        })
    }
}

/// Rewrites long repetitions so that they keep their bound.
///
/// The parser crate turns `.{0,200}` into `.*` to save memory, which finds a `360Spider` behind 200 characters of an
/// old Internet Explorer where uap-core's own rules, and all other implementations, find `IE`. It keeps bounds of two
/// digits, so `.{0,200}` becomes `(?:[ -~]{0,20}){0,10}`. Headers consist of printable ASCII; restricting the dot to
/// that keeps the rules at a tenth of the memory, and other characters in such a range leave the string to a later
/// rule.
struct Bounds {
    repetition: regex::Regex,
}

impl Bounds {
    fn new() -> Result<Self, regex::Error> {
        Ok(Self { repetition: regex::Regex::new(r"(\\?\.|\[[^\]]*\])\{([01]),([1-9])00\}(\??)")? })
    }

    fn keep(&self, rule: &str) -> String {
        let replaced = self.repetition.replace_all(rule, |found: &regex::Captures<'_>| {
            let (atom, lazy) = (if &found[1] == "." { "[ -~]" } else { &found[1] }, &found[4]);
            let twenties = found[3].parse::<u32>().unwrap_or(1) * 5;
            match &found[2] {
                "0" => format!("(?:{atom}{{0,20}}{lazy}){{0,{twenties}}}{lazy}"),
                _ => format!("{atom}(?:{atom}{{0,20}}{lazy}){{0,{}}}{lazy}{atom}{{0,19}}{lazy}", twenties - 1),
            }
        });
        replaced.into_owned()
    }
}

static COMPILED: LazyLock<Option<Rules>> = LazyLock::new(|| match Rules::compile() {
    Ok(rules) => Some(rules),
    Err(error) => {
        // The rules are part of the binary and a test compiles them, so this is a broken build, not bad input.
        tracing::error!(error.source = %error, "cannot compile the embedded user agent rules; browsers will be unknown");
        None
    }
});

/// Parses user agents and caches the results.
pub struct Agents {
    known: moka::sync::Cache<Box<str>, Known>,
}

/// The result for a user agent. Equal strings share one value.
#[derive(Clone)]
pub struct Known {
    /// Browser, operating system and device.
    pub agent: Arc<Agent>,
    /// Reason for classifying it as a bot; `None` for an apparently human browser.
    pub machine: Option<&'static str>,
}

impl Default for Agents {
    fn default() -> Self {
        #[expect(clippy::borrowed_box, reason = "the cache hands over its own keys and values")]
        let weigher = |text: &Box<str>, _: &Known| u32::try_from(text.len() + 300).unwrap_or(u32::MAX);
        Self { known: moka::sync::Cache::builder().weigher(weigher).max_capacity(REMEMBERED).build() }
    }
}

impl Agents {
    /// Compiles the rules now (some tenths of a second), so that no visitor waits for it.
    pub fn warm() {
        LazyLock::force(&COMPILED);
        bots::warm();
    }

    /// The result for the string.
    #[must_use]
    pub fn known(&self, user_agent: &str) -> Known {
        let user_agent = cut(user_agent);
        if let Some(known) = self.known.get(user_agent) {
            return known;
        }
        let known = Known { agent: Arc::new(read(user_agent)), machine: bots::machine(user_agent) };
        self.known.insert(user_agent.into(), known.clone());
        known
    }
}

/// The part of a user agent that is parsed and that distinguishes visitors.
#[must_use]
pub fn cut(user_agent: &str) -> &str {
    user_agent.get(..user_agent.floor_char_boundary(MAX_USER_AGENT)).unwrap_or(user_agent)
}

fn read(user_agent: &str) -> Agent {
    let user_agent = cut(user_agent);
    let Some(rules) = COMPILED.as_ref() else { return Agent::default() };
    let (browser, browser_version) = match rules.browser.extract(user_agent) {
        Some(found) => (family(&found.family), version(found.major, found.minor)),
        None => Default::default(),
    };
    let (os, os_version) = match rules.system.extract(user_agent) {
        Some(found) => (family(&found.os), version(found.major.as_deref(), found.minor.as_deref())),
        None => Default::default(),
    };
    let device = device(user_agent, &os).to_owned();
    Agent { device, browser, browser_version, os, os_version }
}

fn family(name: &str) -> String {
    if name == "Other" { String::new() } else { name.to_owned() }
}

fn version(major: Option<&str>, minor: Option<&str>) -> String {
    match (major.filter(|part| !part.is_empty()), minor.filter(|part| !part.is_empty())) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        (Some(major), None) => major.to_owned(),
        (None, _) => String::new(),
    }
}

/// Desktop operating systems; the families of uap-core begin with these words.
const DESKTOPS: &[&str] = &[
    "Windows",
    "Mac OS",
    "Linux",
    "Ubuntu",
    "Debian",
    "Fedora",
    "Red Hat",
    "CentOS",
    "SUSE",
    "Arch Linux",
    "Gentoo",
    "Mint",
    "Kubuntu",
    "Mandriva",
    "Slackware",
    "Puppy",
    "Mageia",
    "Chrome OS",
    "FreeBSD",
    "OpenBSD",
    "NetBSD",
    "Solaris",
    "DragonFly",
];

/// `desktop`, `mobile`, `tablet`, or empty if the string does not reveal it. In this order:
///
/// 1. a television is none of the three;
/// 2. `iPad`, `Tablet` (but not Windows' `Tablet PC`), `PlayBook`, `Kindle`, and Silk or Android without `Mobile` are tablets;
/// 3. `Mobile`, `Mobi`, `iPhone`, `iPod`, `Android`, and the phones before them are mobile;
/// 4. a desktop operating system is a desktop.
fn device(user_agent: &str, os: &str) -> &'static str {
    let says = |word: &str| user_agent.contains(word);
    if says("SmartTV") || says("SMART-TV") || says("AppleTV") || says("Android TV") || says("HbbTV") {
        return "";
    }
    let android = says("Android");
    let mobile = says("Mobile");
    let tablet = says("iPad")
        || (says("Tablet") && !says("Tablet PC"))
        || says("PlayBook")
        || says("Kindle")
        || (says("Silk/") && !mobile)
        || (android && !mobile && !says("Mobi"));
    if tablet {
        return "tablet";
    }
    let phone = mobile
        || android
        || [
            "Mobi",
            "iPhone",
            "iPod",
            "Windows Phone",
            "BlackBerry",
            "Opera Mini",
            "Symbian",
            "SymbOS",
            "J2ME",
            "MIDP",
            "webOS",
        ]
        .iter()
        .any(|word| says(word));
    if phone {
        return "mobile";
    }
    if DESKTOPS.iter().any(|name| os.starts_with(name)) { "desktop" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(user_agent: &str) -> [String; 5] {
        let agent = read(user_agent);
        [agent.device, agent.browser, agent.browser_version, agent.os, agent.os_version]
    }

    #[test]
    fn browsers_of_today_are_named_as_uap_core_names_them() {
        assert_eq!(
            told(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
            ),
            ["desktop", "Chrome", "120.0", "Windows", "10"]
        );
        assert_eq!(
            told(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1"
            ),
            ["mobile", "Mobile Safari", "17.2", "iOS", "17.2"]
        );
        assert_eq!(
            told(
                "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36"
            ),
            ["tablet", "Chrome", "119.0", "Android", "13"]
        );
        assert_eq!(
            told("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"),
            ["desktop", "Firefox", "121.0", "Ubuntu", ""]
        );
    }

    #[test]
    fn a_tablet_pc_is_a_desktop_and_a_television_is_neither() {
        let windows = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)";
        assert_eq!(told(windows)[..2], ["desktop", "IE"]);
        assert_eq!(
            read("Mozilla/5.0 (Linux; Android 9; BRAVIA Android TV) AppleWebKit/537.36 Chrome/90.0 Safari/537.36")
                .device,
            ""
        );
    }

    #[test]
    fn long_repetitions_keep_their_bound() {
        let bounds = Bounds::new().unwrap();
        assert_eq!(bounds.keep("a.{0,100}b"), "a(?:[ -~]{0,20}){0,5}b");
        assert_eq!(bounds.keep(r"\.{1,200}?[a-z]{0,50}"), r"\.(?:\.{0,20}?){0,9}?\.{0,19}?[a-z]{0,50}");
        for (rule, least) in [("^x{0,300}$", 0), ("^[x]{1,100}$", 1)] {
            let most = if least == 0 { 300 } else { 100 };
            let kept = regex::Regex::new(&bounds.keep(&rule.replace('x', if least == 0 { "." } else { "x" }))).unwrap();
            for length in 0..=most + 1 {
                assert_eq!(kept.is_match(&"x".repeat(length)), (least..=most).contains(&length), "{rule} of {length}");
            }
        }
        let far = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; SLCC2; .NET CLR 2.0.50727; .NET CLR 3.5.30729; \
                   .NET CLR 3.0.30729; Media Center PC 6.0; MDDR; .NET4.0C; .NET4.0E; .NET CLR 1.1.4322; Tablet PC 2.0); 360Spider";
        assert_eq!(told(far)[1..3], ["IE", "8.0"]);
    }

    #[test]
    fn no_rule_repeats_without_the_bound_it_was_written_with() {
        // A bound of three digits in another form than the rewriting knows would be loosened again.
        let bounds = Bounds::new().unwrap();
        let rules: Regexes<'_> = serde_yaml_ng::from_str(RULES).unwrap();
        let long = regex::Regex::new(r"\{[01],[0-9]{3,}\}").unwrap();
        let all = rules
            .user_agent_parsers
            .iter()
            .map(|rule| &rule.regex)
            .chain(rules.os_parsers.iter().map(|rule| &rule.regex));
        for rule in all {
            assert!(!long.is_match(&bounds.keep(rule)), "{rule}");
        }
    }

    #[test]
    fn nonsense_is_unknown_and_harmless() {
        assert_eq!(told(""), [""; 5]);
        assert_eq!(told("\u{fffd}\"'; drop"), [""; 5]);
        // A multi-byte character across the cut must not panic.
        assert_eq!(read(&"é".repeat(5_000)).browser, "");
    }

    #[test]
    fn equal_strings_share_one_value() {
        let agents = Agents::default();
        let text = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0";
        assert!(Arc::ptr_eq(&agents.known(text).agent, &agents.known(text).agent));
    }

    #[test]
    fn memory_of_long_strings_is_bounded() {
        let agents = Agents::default();
        for number in 0..8_000 {
            let _ = agents.known(&format!("{number} {}", "x".repeat(60_000)));
        }
        agents.known.run_pending_tasks();
        let bytes: usize = agents.known.iter().map(|(text, _)| text.len()).sum();
        assert!(bytes <= 8 << 20, "{bytes}");
    }
}
