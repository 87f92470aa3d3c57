//! Recounts a real log (10,000 requests of one site in May 2015, one cut short) by other means, and compares.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
};

use chrono::DateTime;
use flate2::read::GzDecoder;
use regex::Regex;
use schema::analytics::event::Event;

use super::{
    memory::{Memory, visits},
    tests::importer,
    *,
};

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/apache_access.log.gz");

/// One page view in the recount: client, time (seconds), path, referring host, browser.
struct Seen {
    who: (String, String),
    at: i64,
    path: String,
    referrer: String,
}

fn recount() -> (Vec<Seen>, u64) {
    let mut text = String::new();
    GzDecoder::new(File::open(LOG).unwrap()).read_to_string(&mut text).unwrap();
    let line =
        Regex::new(r#"^(\S+) \S+ \S+ \[([^\]]+)\] "([^ "]+) ([^ "]+) [^"]*" (\d+) \S+ "([^"]*)" "([^"]*)"$"#).unwrap();
    let page = Regex::new(r"(?i)^([^.]*|.*\.(html?|xhtml|php|aspx?|jsp))$").unwrap();
    let host = Regex::new(r"^[a-z]+://(?:www\.)?([^/:?#]+)").unwrap();
    let (mut seen, mut broken) = (Vec::new(), 0);
    for text in text.lines() {
        let Some(found) = line.captures(text) else {
            broken += 1;
            continue;
        };
        let path = found[4].split(['?', '#']).next().unwrap().to_owned();
        let counts = &found[3] == "GET" && (found[5].starts_with('2') || &found[5] == "304");
        if !counts || !page.is_match(path.rsplit('/').next().unwrap()) {
            continue;
        }
        let at = DateTime::parse_from_str(&found[2], "%d/%b/%Y:%H:%M:%S %z").unwrap().timestamp();
        let referrer = host.captures(&found[6].to_lowercase()).map(|host| host[1].to_owned()).unwrap_or_default();
        let own = referrer == "semicomplete.com" || referrer.ends_with(".semicomplete.com");
        seen.push(Seen {
            who: (found[1].to_owned(), found[7].to_owned()),
            at,
            path,
            referrer: if own { String::new() } else { referrer },
        });
    }
    (seen, broken)
}

/// Visits as lists of times in seconds, and the number of visitors: a visit belongs to its first event's day.
fn recount_visits(seen: &[Seen]) -> (Vec<Vec<i64>>, usize) {
    let mut times: BTreeMap<&(String, String), Vec<i64>> = BTreeMap::new();
    for seen in seen {
        times.entry(&seen.who).or_default().push(seen.at);
    }
    let (mut found, mut visitors) = (Vec::new(), std::collections::HashSet::new());
    for (who, mut times) in times {
        times.sort_unstable();
        for visit in times.chunk_by(|before, after| after - before <= 30 * 60) {
            visitors.insert((who, visit[0].div_euclid(86_400)));
            found.push(visit.to_vec());
        }
    }
    (found, visitors.len())
}

fn tally<T: Ord>(keys: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    keys.fold(BTreeMap::new(), |mut tally, key| {
        *tally.entry(key).or_default() += 1;
        tally
    })
}

async fn imported(keep_bots: bool) -> (Summary, Vec<Event>) {
    let store = Arc::new(Memory::default());
    let target = Target { website: Uuid::from_u128(1), domain: "semicomplete.com".to_owned() };
    let log = File::open(LOG).unwrap();
    let summary = importer(&store).import(log, target, Options { keep_bots }, |_| {}).await.unwrap();
    let events = std::mem::take(&mut *store.events.lock().unwrap());
    (summary, events)
}

#[tokio::test]
async fn a_real_log_gives_what_a_recount_gives() {
    let (summary, events) = imported(true).await;
    let (seen, broken) = recount();
    assert_eq!((summary.lines, summary.broken, broken), (10_000, 1, 1));
    assert_eq!(summary.first_broken[0].number, 8899);
    assert_eq!(summary.stored, seen.len() as u64);
    assert_eq!(events.len(), seen.len());
    let (visits_seen, visitors_seen) = recount_visits(&seen);
    let mut found: Vec<Vec<i64>> =
        visits(&events).into_iter().map(|(_, times)| times.iter().map(|ms| ms / 1000).collect()).collect();
    let mut expected = visits_seen;
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "visits");
    assert_eq!(tally(events.iter().map(|event| event.visitor)).len(), visitors_seen, "visitors");
    let day = |seconds: i64| seconds.div_euclid(86_400);
    assert_eq!(
        tally(events.iter().map(|event| day(event.time_ms / 1000))),
        tally(seen.iter().map(|seen| day(seen.at))),
        "days"
    );
    assert_eq!(
        tally(events.iter().map(|event| &*event.path)),
        tally(seen.iter().map(|seen| seen.path.as_str())),
        "pages"
    );
    assert_eq!(
        tally(events.iter().map(|event| event.acquisition.referrer.as_str())),
        tally(seen.iter().map(|seen| seen.referrer.as_str())),
        "referrers"
    );
    // Each event carries the agent of its own line.
    let agents = crate::ingest::agent::Agents::default();
    let mut by_line: HashMap<(i64, &str), Vec<String>> = HashMap::new();
    for seen in &seen {
        by_line.entry((seen.at, &seen.path)).or_default().push(agents.known(&seen.who.1).agent.browser.clone());
    }
    assert!(events.iter().all(|event| by_line[&(event.time_ms / 1000, &*event.path)].contains(&event.agent.browser)));
}

#[tokio::test]
async fn bots_are_dropped_and_everything_adds_up() {
    let (summary, events) = imported(false).await;
    let dropped: u64 = summary.dropped.iter().map(|dropped| dropped.count).sum();
    assert_eq!(summary.stored + summary.duplicates + dropped + summary.broken, summary.lines);
    let bots = summary.dropped.iter().find(|dropped| dropped.reason == Reason::Bot).unwrap().count;
    assert!(bots > 800, "{bots}");
    assert_eq!(events.len() as u64 + bots, imported(true).await.0.stored);
}

#[tokio::test]
async fn browsers_are_those_that_another_reader_of_the_rules_finds() {
    // Counted with Python's ua-parser (its plain resolver) over the same regexes.yaml.
    let (_, events) = imported(true).await;
    let found = tally(events.iter().map(|event| event.agent.browser.as_str()));
    for (browser, count) in [
        ("", 831),
        ("Firefox", 769),
        ("Googlebot", 437),
        ("Chrome", 381),
        ("Tiny Tiny RSS", 198),
        ("IE", 170),
        ("archive.org_bot", 156),
        ("Yahoo! Slurp", 81),
        ("Baiduspider", 75),
        ("Chrome Frame", 74),
        ("msnbot", 69),
        ("YandexBot", 56),
    ] {
        assert_eq!(found.get(browser), Some(&count), "{browser}");
    }
}
