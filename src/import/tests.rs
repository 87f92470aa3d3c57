//! Tests whole imports with an in-memory store.

use std::{collections::HashSet, io::Cursor};

use flate2::{Compression, write::GzEncoder};
use schema::analytics::event::Event;

use super::{
    memory::{Memory, Still, visits},
    *,
};

const SITE: Uuid = Uuid::from_u128(0xf00d);

pub(crate) fn importer(store: &Arc<Memory>) -> Importer {
    Importer {
        events: Arc::clone(store) as Arc<dyn Imports>,
        clock: Arc::new(Still(chrono::DateTime::from_timestamp_millis(1_700_000_000_000).unwrap())),
        enricher: Arc::new(Enricher::new(None, None).unwrap()),
        secret: Secret::new([9; 32]),
        scratch: std::env::temp_dir(),
        turn: Arc::default(),
    }
}

pub(super) fn target() -> Target {
    Target { website: SITE, domain: "Site.example".to_owned() }
}

async fn run(store: &Arc<Memory>, log: impl Into<Vec<u8>>, keep_bots: bool) -> Result<Summary> {
    importer(store).import(Cursor::new(log.into()), target(), Options { keep_bots }, |_| {}).await
}

pub(super) fn line(address: &str, time: &str, path: &str) -> String {
    format!(
        "{address} - - [{time} +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0\"\n"
    )
}

fn dropped(summary: &Summary, reason: Reason) -> u64 {
    summary.dropped.iter().find(|dropped| dropped.reason == reason).unwrap().count
}

fn shape(store: &Memory) -> Vec<(i64, u64, String)> {
    let mut shape: Vec<_> = store
        .events
        .lock()
        .unwrap()
        .iter()
        .map(|event| (event.time_ms, event.visitor, event.path.to_string()))
        .collect();
    shape.sort();
    shape
}

#[tokio::test]
async fn page_views_are_stored_and_everything_else_is_counted() {
    let browser = "\"Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0\"";
    let at = "[17/May/2015:10:05:03 +0000]";
    let log = [
        format!("8.8.8.8 - - {at} \"GET /a?utm_source=google&utm_medium=cpc#x HTTP/1.1\" 200 5 \"https://www.google.com/\" {browser}"),
        format!("8.8.8.8 - - {at} \"GET /b.html HTTP/1.1\" 304 - \"https://www.site.example/a\" {browser}"),
        format!("8.8.8.8 - - {at} \"GET http://site.example/c?x HTTP/1.1\" 206 5 \"-\" {browser}"),
        format!("8.8.8.8 - - {at} \"POST /a HTTP/1.1\" 200 5 \"-\" {browser}"),
        format!("8.8.8.8 - - {at} \"HEAD /a HTTP/1.1\" 200 5 \"-\" {browser}"),
        format!("8.8.8.8 - - {at} \"GET /a HTTP/1.1\" 404 5 \"-\" {browser}"),
        format!("8.8.8.8 - - {at} \"GET /a HTTP/1.1\" 301 5 \"-\" {browser}"),
        format!("8.8.8.8 - - {at} \"GET /style.css HTTP/1.1\" 200 5 \"-\" {browser}"),
        format!("8.8.8.8 - - {at} \"GET /a HTTP/1.1\" 200 5 \"-\" \"Googlebot/2.1\""),
        format!("8.8.8.8 - - {at} \"GET /a HTTP/1.1\" 200 5 \"-\" \"-\""),
        format!("8.8.8.8 - - {at} \"GET /common HTTP/1.1\" 200 5"),
        "broken".to_owned(),
        String::new(),
    ]
    .join("\n");
    let store = Arc::new(Memory::default());
    let summary = run(&store, log, false).await.unwrap();
    assert_eq!((summary.lines, summary.stored, summary.duplicates, summary.broken), (12, 4, 0, 1));
    assert_eq!(summary.first_broken[0].number, 12);
    assert_eq!(Reason::ALL.map(|reason| dropped(&summary, reason)), [2, 2, 1, 2]);

    let events = store.events.lock().unwrap();
    let paths: Vec<_> = events.iter().map(|event| &*event.path).collect();
    assert_eq!(paths, ["/a", "/b.html", "/c", "/common"]);
    let first = &events[0];
    assert_eq!((&*first.hostname, first.time_ms), ("site.example", 1_431_857_103_000));
    assert_eq!(
        (first.acquisition.referrer.as_str(), first.acquisition.channel.as_str()),
        ("google.com", "Paid Search")
    );
    assert_eq!((first.agent.browser.as_str(), first.agent.device.as_str()), ("Firefox", "desktop"));
    assert_eq!(first.place.country, "US");
    assert_eq!(events[1].acquisition.referrer, "", "own pages are no referrer");
    assert_ne!(events[3].visitor, first.visitor, "another user agent is another visitor");
    assert_eq!(*store.settled.lock().unwrap(), [1_431_857_103_000, 1_700_000_000_000]);
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_equal_lines_all_count() {
    let twice =
        line("192.0.2.1", "17/May/2015:10:05:03", "/a").repeat(3) + &line("192.0.2.1", "17/May/2015:10:05:03", "/b");
    let store = Arc::new(Memory::default());
    let first = run(&store, twice.clone(), false).await.unwrap();
    assert_eq!((first.stored, first.duplicates), (4, 0));
    let before = shape(&store);
    let second = run(&store, twice.clone(), false).await.unwrap();
    assert_eq!((second.stored, second.duplicates), (0, 4));
    assert_eq!(shape(&store), before);
    let grown = twice + &line("192.0.2.1", "17/May/2015:10:05:03", "/a");
    let third = run(&store, grown.replace('\n', "\r\n"), false).await.unwrap();
    assert_eq!((third.stored, third.duplicates), (1, 4), "a fourth equal line is new; line ends do not matter");
}

#[tokio::test]
async fn order_in_the_file_does_not_matter_for_visits() {
    let mut lines: Vec<String> = Vec::new();
    for minute in 0..59 {
        lines.push(line("192.0.2.1", &format!("17/May/2015:23:{minute:02}:00"), &format!("/{minute}")));
        lines.push(line("192.0.2.1", &format!("18/May/2015:00:{minute:02}:30"), &format!("/n{minute}")));
    }
    let sorted = Arc::new(Memory::default());
    lines.sort_by_key(|line| line[15..40].to_owned());
    run(&sorted, lines.concat(), false).await.unwrap();
    let reversed = Arc::new(Memory::default());
    lines.reverse();
    run(&reversed, lines.concat(), false).await.unwrap();
    assert_eq!(shape(&sorted), shape(&reversed));
    let found = visits(&sorted.events.lock().unwrap());
    assert_eq!(found.len(), 1, "one visit over midnight");
    let times: Vec<_> = reversed.events.lock().unwrap().iter().map(|event| event.time_ms).collect();
    assert!(times.is_sorted(), "stored in order of time");
}

#[tokio::test]
async fn cutting_a_log_in_two_anywhere_gives_the_same_visits() {
    // Three people around two midnights, one of whom never pauses.
    let mut lines = Vec::new();
    for step in 0..190 {
        let minute = step * 17;
        let time = format!("{:02}/May/2015:{:02}:{:02}:00", 17 + minute / 1440, minute / 60 % 24, minute % 60);
        lines.push(line("192.0.2.1", &time, "/always"));
        if step % 3 == 0 {
            lines.push(line("192.0.2.2", &time, "/often"));
        }
        if (82..88).contains(&step) || step == 84 + 5 {
            lines.push(line("192.0.2.3", &time, "/midnight"));
        }
    }
    let whole = Arc::new(Memory::default());
    run(&whole, lines.concat(), false).await.unwrap();
    for cut in (1..lines.len()).step_by(7) {
        let store = Arc::new(Memory::default());
        run(&store, lines[..cut].concat(), false).await.unwrap();
        run(&store, lines[cut..].concat(), false).await.unwrap();
        assert_eq!(shape(&store), shape(&whole), "cut before line {cut}");
        // A log that was read half-written and again when complete.
        let store = Arc::new(Memory::default());
        run(&store, lines[..cut].concat(), false).await.unwrap();
        let again = run(&store, lines.concat(), false).await.unwrap();
        assert_eq!(again.duplicates, cut as u64);
        assert_eq!(shape(&store), shape(&whole), "grown after line {cut}");
    }
}

#[tokio::test]
async fn logs_of_two_servers_share_a_visit_over_midnight() {
    let store = Arc::new(Memory::default());
    let one = line("192.0.2.1", "16/May/2015:09:00:00", "/early") + &line("192.0.2.1", "17/May/2015:23:50:00", "/a");
    let two = line("192.0.2.9", "16/May/2015:09:00:00", "/other") + &line("192.0.2.1", "18/May/2015:00:10:00", "/b");
    run(&store, one, false).await.unwrap();
    run(&store, two, false).await.unwrap();
    let shape = shape(&store);
    assert_eq!(shape[2].1, shape[3].1);
}

#[tokio::test]
async fn what_is_no_log_is_refused_and_stores_nothing() {
    let store = Arc::new(Memory::default());
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut packed, line("192.0.2.1", "17/May/2015:10:05:03", "/a").repeat(500).as_bytes())
        .unwrap();
    let packed = packed.finish().unwrap();
    for (log, says) in [
        (Vec::new(), "it is empty"),
        (b"hello\nworld\n".to_vec(), "all of its 2 lines are malformed (line 1: hello)"),
        (vec![0; 300_000], "its only line"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "must be an access log"),
        (packed[..packed.len() - 9].to_vec(), "damaged or ends early"),
    ] {
        let error = run(&store, log, false).await.unwrap_err();
        let message = error.message();
        assert_eq!(error.field(), Some("file"));
        assert!(message.contains(says), "{message}");
    }
    assert!(store.events.lock().unwrap().is_empty());
    assert!(store.settled.lock().unwrap().is_empty(), "not even an empty batch");
    assert_eq!(run(&store, packed, false).await.unwrap().stored, 500);
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let store = Arc::new(Memory { full: true, ..Memory::default() });
    let log = line("192.0.2.1", "17/May/2015:10:05:03", "/a").repeat(200_000);
    assert_eq!(run(&store, log, false).await.unwrap_err().code(), "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn batches_ids_and_progress_add_up() {
    let store = Arc::new(Memory::default());
    let log: String = (0..120_000)
        .map(|n| line("192.0.2.1", &format!("17/May/2015:10:{:02}:{:02}", n / 60 % 60, n % 60), &format!("/{n}")))
        .collect();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let length = log.len() as u64;
    let reports = Arc::clone(&seen);
    let summary = importer(&store)
        .import(Cursor::new(log.into_bytes()), target(), Options::default(), move |at| reports.lock().unwrap().push(at))
        .await
        .unwrap();
    assert_eq!(summary.stored, 120_000);
    assert_eq!(store.settled.lock().unwrap().len(), 6, "five batches and the closing one");
    let ids: HashSet<_> = store.events.lock().unwrap().iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 120_000);
    let seen = seen.lock().unwrap();
    assert_eq!(
        *seen.last().unwrap(),
        Progress { bytes: length, lines: 120_000, page_views: 120_000, handled: 120_000 }
    );
    assert!(seen.windows(2).all(|pair| pair[0].lines <= pair[1].lines && pair[0].handled <= pair[1].handled));
}

/// Imports a log of the repository.
async fn case(name: &str) -> (Arc<Memory>, Summary) {
    let log = std::fs::read(format!("{}/tests/data/logs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let store = Arc::new(Memory::default());
    let summary = run(&store, log, false).await.unwrap();
    (store, summary)
}

/// Visitors, visits and countries of what was stored.
fn facts(store: &Memory) -> (usize, usize, Vec<String>) {
    let events = store.events.lock().unwrap();
    let visitors: HashSet<_> = events.iter().map(|event| event.visitor).collect();
    let countries: HashSet<_> = events.iter().map(|event| event.place.country.clone()).collect();
    let mut countries: Vec<_> = countries.into_iter().collect();
    countries.sort();
    (visitors.len(), visits(&events).len(), countries)
}

#[tokio::test]
async fn one_client_is_one_visitor_however_the_log_spells_it() {
    let countries = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    for (name, visitors, visits, codes) in [
        ("ip-with-port.log", 3, 3, &["AU", "NL", "US"][..]),
        ("forwarded-for-first.log", 2, 2, &["NL", "US"]),
        ("one-address-two-spellings.log", 2, 2, &["NL", "US"]),
        ("leading-nuls.log", 1, 1, &["US"]),
    ] {
        let (store, summary) = case(name).await;
        assert_eq!(facts(&store), (visitors, visits, countries(codes)), "{name}");
        assert_eq!((summary.broken, summary.stored), (0, summary.lines), "{name}");
    }
}

#[tokio::test]
async fn a_field_between_size_and_referrer_hides_no_bot() {
    let (store, summary) = case("host-before-referrer.log").await;
    assert_eq!((summary.stored, dropped(&summary, Reason::Bot)), (3, 1));
    let events = store.events.lock().unwrap();
    assert!(events.iter().all(|event| event.agent.browser == "Chrome" && event.acquisition.referrer == "google.com"));
}

#[tokio::test]
async fn health_checks_are_bots_and_one_page_has_one_path() {
    let (_, summary) = case("health-checks.log").await;
    assert_eq!((summary.stored, dropped(&summary, Reason::Bot)), (0, 8));
    let (store, summary) = case("one-page-three-spellings.log").await;
    assert_eq!(summary.stored, 3);
    assert!(store.events.lock().unwrap().iter().all(|event| &*event.path == "/caf%C3%A9"));
}

#[tokio::test]
async fn logs_of_other_servers_tell_the_same() {
    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0";
    let w3c = browser.replace(' ', "+");
    let cloudfront = browser.replace(' ', "%20");
    let logs = [
        format!(
            "8.8.8.8 - - [10/Mar/2026:10:00:00 +0000] \"GET /a?utm_source=x HTTP/1.1\" 200 5 \"https://www.google.com/\" \"{browser}\"\n"
        ),
        format!(
            "{{\"time_iso8601\":\"2026-03-10T10:00:00+00:00\",\"remote_addr\":\"8.8.8.8\",\"request\":\"GET /a?utm_source=x HTTP/1.1\",\"status\":\"200\",\"http_referer\":\"https://www.google.com/\",\"http_user_agent\":\"{browser}\"}}\n"
        ),
        format!(
            "#Software: Microsoft Internet Information Services 10.0\r\n#Fields: date time cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) cs(Referer) sc-status\r\n2026-03-10 10:00:00 GET /a utm_source=x 8.8.8.8 {w3c} https://www.google.com/ 200\r\n"
        ),
        format!(
            "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query\n2026-03-10\t10:00:00\t8.8.8.8\tGET\t/a\t200\thttps://www.google.com/\t{cloudfront}\tutm_source=x\n"
        ),
        format!(
            "h2 2026-03-10T10:00:00.000000Z app/shop/1 8.8.8.8:2817 10.0.0.1:80 0.1 0.1 0.1 200 200 0 57 \"GET https://shop.example:443/a?utm_source=x HTTP/2.0\" \"{browser}\" - -\n"
        ),
    ];
    for log in logs {
        let store = Arc::new(Memory::default());
        let summary = run(&store, log.clone(), false).await.unwrap();
        assert_eq!((summary.lines, summary.stored, summary.broken), (1, 1, 0), "{log}");
        let no_referrer = log.starts_with("h2");
        assert_eq!(summary.warnings, if no_referrer { vec![Warning::NoReferrer] } else { Vec::new() }, "{log}");
        let event = store.events.lock().unwrap()[0].clone();
        assert_eq!(
            (event.time_ms, &*event.path, event.place.country.as_str()),
            (1_773_136_800_000, "/a", "US"),
            "{log}"
        );
        assert_eq!((event.agent.browser.as_str(), event.acquisition.utm_source.as_str()), ("Firefox", "x"), "{log}");
        assert_eq!(event.acquisition.referrer, if no_referrer { "" } else { "google.com" }, "{log}");
    }
}

#[tokio::test]
async fn what_nearly_all_lines_lack_is_told() {
    let store = Arc::new(Memory::default());
    let common = "10.0.0.1 - - [10/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n".repeat(3);
    let summary = run(&store, common, false).await.unwrap();
    assert_eq!(summary.warnings, [Warning::NoUserAgent, Warning::NoReferrer, Warning::NoCountry]);
    let whole = line("8.8.8.8", "17/May/2015:10:05:03", "/a").replace("\"-\"", "\"https://r.example/\"");
    assert_eq!(run(&store, whole, false).await.unwrap().warnings, []);
}

#[tokio::test]
async fn a_log_larger_than_memory_is_stored_in_order_of_time() {
    // The lines run backwards in time, and each is of another visitor, page and referrer.
    let at = |n: u64| chrono::DateTime::from_timestamp(1_773_136_800 - i64::try_from(n).unwrap(), 0).unwrap();
    let (page, host) = ("x".repeat(300), "x".repeat(220));
    let log: String = (0..40_000)
        .map(|n| {
            format!(
                "8.{}.{}.8 - - [{} +0000] \"GET /{n}{page} HTTP/1.1\" 200 5 \"https://r{n}.{host}.example/\" \"Mozilla/5.0\"\n",
                n % 256,
                n / 256,
                at(n).format("%d/%b/%Y:%H:%M:%S")
            )
        })
        .collect();
    let store = Arc::new(Memory::default());
    let summary = run(&store, log, false).await.unwrap();
    assert_eq!((summary.lines, summary.stored), (40_000, 40_000));
    let events = store.events.lock().unwrap();
    assert!(events.is_sorted_by_key(|event| event.time_ms));
    let fits = |(n, event): (usize, &Event)| {
        *event.path == *format!("/{n}{page}") && event.acquisition.referrer == format!("r{n}.{host}.example")
    };
    assert!(events.iter().rev().enumerate().all(fits));
    assert_eq!(events.iter().map(|event| event.visitor).collect::<HashSet<_>>().len(), 40_000);
}

#[tokio::test]
async fn user_agents_that_get_no_number_tell_people_apart_all_the_same() {
    let long = "x".repeat(60_000);
    let log: String = (0..350)
        .map(|n| {
            line("8.8.8.8", "17/May/2015:10:05:03", &format!("/{n}"))
                .replace("Firefox/121.0", &format!("Firefox/{n}.0 {long}"))
        })
        .collect();
    let store = Arc::new(Memory::default());
    assert_eq!(run(&store, log, false).await.unwrap().stored, 350);
    let events = store.events.lock().unwrap();
    assert_eq!(events.iter().map(|event| event.visitor).collect::<HashSet<_>>().len(), 350);
    assert!(events.iter().enumerate().all(|(n, event)| event.agent.browser_version == format!("{n}.0")));
}
