//! The demo's visitors: where they live and which devices they use. They stay the same when they return.

use std::sync::Arc;

use schema::analytics::event::{Agent, Place};

use super::{random::Random, sites::Website};

/// One person: a key and its attributes.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) visitor: u64,
    pub(super) place: Arc<Place>,
    pub(super) language: Arc<str>,
    pub(super) agent: Arc<Agent>,
    pub(super) screen: Arc<str>,
}

struct Home {
    /// Weight for websites at home in Europe, in America, in Britain.
    weights: [u64; 3],
    place: Arc<Place>,
    language: Arc<str>,
}

struct Kit {
    weight: u64,
    agent: Arc<Agent>,
    screens: Vec<Arc<str>>,
}

/// Homes: weights by the website's zone, country, region, city, language.
type HomeRow = ([u64; 3], &'static str, &'static str, &'static str, &'static str);

const HOMES: &[HomeRow] = &[
    ([20, 2, 2], "DE", "BE", "Berlin", "de-DE"),
    ([16, 2, 1], "DE", "BY", "Munich", "de-DE"),
    ([13, 1, 1], "DE", "HH", "Hamburg", "de-DE"),
    ([12, 1, 1], "DE", "NW", "Cologne", "de-DE"),
    ([10, 0, 1], "AT", "9", "Vienna", "de-AT"),
    ([8, 1, 1], "CH", "ZH", "Zurich", "de-CH"),
    ([4, 2, 3], "NL", "NH", "Amsterdam", "nl-NL"),
    ([3, 2, 3], "FR", "IDF", "Paris", "fr-FR"),
    ([2, 1, 2], "IT", "25", "Milan", "it-IT"),
    ([2, 2, 2], "PL", "14", "Warsaw", "pl-PL"),
    ([1, 2, 2], "ES", "MD", "Madrid", "es-ES"),
    ([2, 5, 26], "GB", "ENG", "London", "en-GB"),
    ([1, 2, 10], "GB", "ENG", "Manchester", "en-GB"),
    ([0, 1, 7], "GB", "SCT", "Edinburgh", "en-GB"),
    ([1, 1, 5], "IE", "L", "Dublin", "en-IE"),
    ([1, 13, 7], "US", "NY", "New York", "en-US"),
    ([1, 15, 6], "US", "CA", "San Francisco", "en-US"),
    ([0, 9, 4], "US", "WA", "Seattle", "en-US"),
    ([0, 8, 3], "US", "TX", "Austin", "en-US"),
    ([0, 6, 2], "US", "IL", "Chicago", "en-US"),
    ([0, 6, 3], "CA", "ON", "Toronto", "en-CA"),
    ([0, 8, 3], "IN", "KA", "Bengaluru", "en-IN"),
    ([0, 3, 1], "BR", "SP", "São Paulo", "pt-BR"),
    ([0, 3, 1], "JP", "13", "Tokyo", "ja-JP"),
    ([0, 2, 3], "AU", "NSW", "Sydney", "en-AU"),
    ([0, 1, 1], "NZ", "AUK", "Auckland", "en-NZ"),
    ([1, 2, 1], "SE", "AB", "Stockholm", "sv-SE"),
    ([0, 1, 1], "SG", "", "Singapore", "en-SG"),
    ([0, 1, 1], "ZA", "WC", "Cape Town", "en-ZA"),
];

/// Kits: weight, device, browser, version, system, version, screens. Names as uap-core has them.
type KitRow = (u64, &'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const KITS: &[KitRow] = &[
    (34, "desktop", "Chrome", "142.0", "Windows", "10", &["1920x1080", "1536x864", "2560x1440", "1366x768"]),
    (10, "desktop", "Chrome", "141.0", "Windows", "10", &["1920x1080", "1366x768"]),
    (14, "desktop", "Edge", "142.0", "Windows", "10", &["1920x1080", "1536x864"]),
    (15, "desktop", "Chrome", "142.0", "Mac OS X", "10.15", &["1512x982", "1440x900", "1728x1117"]),
    (12, "desktop", "Safari", "18.5", "Mac OS X", "10.15", &["1512x982", "1440x900", "2560x1440"]),
    (7, "desktop", "Firefox", "144.0", "Windows", "10", &["1920x1080", "1536x864"]),
    (4, "desktop", "Firefox", "144.0", "Ubuntu", "", &["1920x1080", "2560x1440"]),
    (3, "desktop", "Chrome", "142.0", "Linux", "", &["1920x1080", "3840x2160"]),
    (1, "desktop", "Opera", "122.0", "Windows", "10", &["1920x1080"]),
    (40, "mobile", "Mobile Safari", "18.5", "iOS", "18.5", &["390x844", "393x852", "430x932"]),
    (14, "mobile", "Mobile Safari", "17.6", "iOS", "17.6", &["390x844", "375x812"]),
    (30, "mobile", "Chrome Mobile", "142.0", "Android", "15", &["412x915", "360x800", "384x832"]),
    (10, "mobile", "Chrome Mobile", "141.0", "Android", "14", &["412x915", "360x780"]),
    (7, "mobile", "Samsung Internet", "28.0", "Android", "15", &["384x854", "360x780"]),
    (3, "mobile", "Chrome Mobile iOS", "142.0", "iOS", "18.5", &["390x844"]),
    (3, "mobile", "Firefox Mobile", "144.0", "Android", "14", &["412x915"]),
    (8, "tablet", "Mobile Safari", "18.5", "iOS", "18.5", &["820x1180", "1024x1366"]),
    (3, "tablet", "Chrome", "142.0", "Android", "14", &["800x1280"]),
];

/// All potential visitors of a website.
pub(super) struct Crowd {
    stream: [u64; 2],
    mobile: u64,
    /// The column of weights for this website.
    zone: usize,
    homes: Vec<Home>,
    kits: [Vec<Kit>; 3],
}

impl Crowd {
    pub(super) fn new(site: &Website, stream: [u64; 2]) -> Self {
        let homes = HOMES.iter().map(|&(weights, country, region, city, language)| Home {
            weights,
            place: Arc::new(Place { country: country.to_owned(), region: region.to_owned(), city: city.to_owned() }),
            language: language.into(),
        });
        let kits = ["desktop", "mobile", "tablet"].map(|wanted| {
            let rows = KITS.iter().filter(|row| row.1 == wanted);
            rows.map(|&(weight, device, browser, browser_version, os, os_version, screens)| Kit {
                weight,
                agent: Arc::new(Agent {
                    device: device.to_owned(),
                    browser: browser.to_owned(),
                    browser_version: browser_version.to_owned(),
                    os: os.to_owned(),
                    os_version: os_version.to_owned(),
                }),
                screens: screens.iter().map(|screen| (*screen).into()).collect(),
            })
            .collect()
        });
        let zone = match site.timezone {
            "Europe/Berlin" => 0,
            "America/New_York" => 1,
            _ => 2,
        };
        Self { stream, mobile: site.mobile, zone, homes: homes.collect(), kits }
    }

    /// The person who first visited as the `number`th of a day, always the same.
    pub(super) fn person(&self, day: i64, number: u64) -> Option<Person> {
        let [seed, site] = self.stream;
        let mut random = Random::new(&[seed, site, day.unsigned_abs(), number, 1]);
        let home = random.pick(&self.homes, |home| home.weights.get(self.zone).copied().unwrap_or_default())?;
        let percent = random.below(100);
        let [desktop, mobile, tablet] = &self.kits;
        let kits = match percent {
            _ if percent < self.mobile => mobile,
            _ if percent < self.mobile + 3 => tablet,
            _ => desktop,
        };
        let kit = random.pick(kits, |kit| kit.weight)?;
        let screen = random.pick(&kit.screens, |_| 1)?;
        Some(Person {
            visitor: random.bits(),
            place: Arc::clone(&home.place),
            language: Arc::clone(&home.language),
            agent: Arc::clone(&kit.agent),
            screen: Arc::clone(screen),
        })
    }
}
