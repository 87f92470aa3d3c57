//! Logs in the event store, imported in every order, whole, split, grown, twice and interrupted, compared with a
//! recount by plain loops over their lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Write as _},
    time::Duration,
};

use async_trait::async_trait;
use flate2::{Compression, write::GzEncoder};
use schema::{
    analytics::{
        event::Event,
        plan::{Answer, Plan},
    },
    ports::{Appended, Events, ImportedLog, StoredVisit},
};

use super::{
    memory::Memory,
    tests::{importer, line, target},
    *,
};
use crate::events::{Store, duckdb::Budget};

/// First and last second, page views, entry and exit page of a visit.
type Facts = (i64, i64, u64, String, String);

fn store() -> Arc<Store> {
    let budget = Budget { memory_mib: 256, threads: 2 };
    Arc::new(Store::open(None, budget, Duration::from_secs(60)).unwrap())
}

async fn import(store: &Arc<Store>, log: &str) -> Summary {
    import_bytes(Arc::clone(store) as Arc<dyn Imports>, log.as_bytes().to_vec()).await.unwrap()
}

async fn import_bytes(events: Arc<dyn Imports>, log: Vec<u8>) -> Result<Summary> {
    let importer = Importer { events, ..importer(&Arc::new(Memory::default())) };
    importer.import(Cursor::new(log), target(), Options::default(), |_| {}).await
}

/// The store's visits, and their number of visitors.
fn stored(store: &Store) -> (Vec<Facts>, usize) {
    let reader = store.reader().unwrap();
    let visits = "SELECT start_ms // 1000, end_ms // 1000, pageviews, entry_page, exit_page FROM visits ORDER BY ALL";
    let facts = reader
        .prepare(visits)
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .unwrap()
        .collect::<::duckdb::Result<Vec<Facts>>>()
        .unwrap();
    let count = |text: &str| reader.query_row(text, [], |row| row.get::<_, i64>(0)).unwrap();
    let of_visits = count("SELECT count(DISTINCT visitor) FROM visits");
    assert_eq!(count("SELECT count(DISTINCT visitor) FROM events"), of_visits);
    (facts, usize::try_from(of_visits).unwrap())
}

/// One request: who, second, path.
type Request = (u8, i64, String);

fn text(requests: &[Request]) -> String {
    let line = |(who, second, path): &Request| {
        let at = chrono::DateTime::from_timestamp(*second, 0).unwrap();
        line(&format!("192.0.2.{who}"), &at.format("%d/%b/%Y:%H:%M:%S").to_string(), path)
    };
    requests.iter().map(line).collect()
}

/// Visits and visitors by definition: a visit ends after thirty minutes, and its visitor belongs to the day on which it
/// began.
fn recount(logs: &[&[Request]]) -> (Vec<Facts>, usize) {
    let mut by_client: BTreeMap<u8, Vec<(i64, usize, &str)>> = BTreeMap::new();
    for log in logs {
        let mut at_once: BTreeMap<(u8, i64), usize> = BTreeMap::new();
        for (who, second, path) in *log {
            let before = at_once.entry((*who, *second)).or_default();
            by_client.entry(*who).or_default().push((*second, *before, path));
            *before += 1;
        }
    }
    let (mut facts, mut visitors) = (Vec::new(), BTreeSet::new());
    for (who, mut requests) in by_client {
        requests.sort_unstable();
        for visit in requests.chunk_by(|one, next| next.0 - one.0 <= 30 * 60) {
            let (first, last) = (visit[0], visit[visit.len() - 1]);
            visitors.insert((who, first.0.div_euclid(86_400)));
            facts.push((first.0, last.0, visit.len() as u64, first.2.to_owned(), last.2.to_owned()));
        }
    }
    facts.sort();
    (facts, visitors.len())
}

const MIDNIGHT: i64 = 1_431_907_200;

/// Four days of a few people: some around midnights, one who never pauses, one whose visits span two servers.
fn requests() -> Vec<Request> {
    let mut state = 11_u64;
    let mut dice = move |sides: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    };
    let mut requests = Vec::new();
    let mut second = MIDNIGHT - 2 * 86_400;
    let mut number = 0;
    while second < MIDNIGHT + 2 * 86_400 {
        // Most of what happens is near midnight.
        let hour = (second.rem_euclid(86_400)) / 3_600;
        second += i64::try_from(dice(if matches!(hour, 23 | 0 | 1) { 400 } else { 4_000 })).unwrap();
        let who = u8::try_from(dice(9)).unwrap();
        number += 1;
        requests.push((who, second, format!("/{number}")));
    }
    let constant = (0..).map(|step| MIDNIGHT - 86_400 * 2 + step * 1_500).take_while(|at| *at < MIDNIGHT + 2 * 86_400);
    requests.extend(constant.map(|at| (99, at, format!("/always/{at}"))));
    requests.sort_by_key(|request| request.1);
    requests
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let put = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(put).collect()
}

#[tokio::test]
async fn the_order_of_imports_changes_no_number() {
    let requests = requests();
    let day = |from: i64, until: i64| -> Vec<Request> {
        requests.iter().filter(|request| (from..until).contains(&request.1)).cloned().collect()
    };
    let days = [
        day(i64::MIN, MIDNIGHT - 86_400),
        day(MIDNIGHT - 86_400, MIDNIGHT),
        day(MIDNIGHT, MIDNIGHT + 86_400),
        day(MIDNIGHT + 86_400, i64::MAX),
    ];
    let servers: [Vec<Request>; 3] = std::array::from_fn(|server| {
        requests.iter().enumerate().filter(|(at, _)| at % 3 == server).map(|(_, request)| request.clone()).collect()
    });
    for logs in [&days[..], &servers[..]] {
        let all: Vec<&[Request]> = logs.iter().map(Vec::as_slice).collect();
        let expected = recount(&all);
        assert!(expected.0.iter().any(|visit| visit.0 < MIDNIGHT && visit.1 > MIDNIGHT));
        for order in orders(logs.len()) {
            let store = store();
            for at in &order {
                import(&store, &text(&logs[*at])).await;
            }
            assert_eq!(stored(&store), expected, "{order:?} of {}", logs.len());
        }
    }
}

#[tokio::test]
async fn newest_first_is_one_visit_and_no_bounce() {
    let today = text(&[(1, MIDNIGHT + 300, "/exit".into()), (1, MIDNIGHT + 7_200, "/again".into())]);
    let yesterday = text(&[(1, MIDNIGHT - 300, "/entry".into())]);
    let store = store();
    import(&store, &today).await;
    import(&store, &yesterday).await;
    let over = (MIDNIGHT - 300, MIDNIGHT + 300, 2, "/entry".to_owned(), "/exit".to_owned());
    let again = (MIDNIGHT + 7_200, MIDNIGHT + 7_200, 1, "/again".to_owned(), "/again".to_owned());
    assert_eq!(stored(&store), (vec![over, again], 2));
}

#[tokio::test]
async fn entry_and_exit_of_one_second_do_not_depend_on_the_order() {
    let one: [Request; 2] = [(1, MIDNIGHT, "/b".into()), (1, MIDNIGHT, "/a".into())];
    let two: [Request; 2] = [(1, MIDNIGHT, "/a".into()), (1, MIDNIGHT, "/c".into())];
    let mut found = Vec::new();
    for logs in [[&one, &two], [&two, &one]] {
        let store = store();
        for log in logs {
            import(&store, &text(log)).await;
        }
        found.push(stored(&store).0);
    }
    assert_eq!((found[0].len(), found[0][0].2), (1, 4));
    assert_ne!(found[0][0].3, "/c", "the line that is first in its log is the entry");
    assert_ne!(found[0][0].4, "/b", "the line that is last in its log is the exit");
    assert_eq!(found[0], found[1]);
    // Within one log the lines' order decides.
    let store = store();
    import(&store, &text(&one)).await;
    assert_eq!(stored(&store), recount(&[&one]));
}

/// This many requests, a few seconds apart, of which every `equal`th is identical on both servers; the others differ in
/// their seconds.
fn server(name: &str, count: i64, equal: i64) -> Vec<Request> {
    let path = |at: i64| if at % equal == equal - 1 { "/both".to_owned() } else { format!("/{name}/{at}") };
    let second = |at: i64| MIDNIGHT + at * 3 + i64::from(name == "two" && at % equal != equal - 1);
    (0..count).map(|at| (u8::try_from(at % 40).unwrap(), second(at), path(at))).collect()
}

#[tokio::test]
async fn equal_lines_of_two_servers_are_two_requests() {
    for (count, equal) in [(4, 4), (30, 7), (600, 50), (600, 3), (600, 2)] {
        let (one, two) = (server("one", count, equal), server("two", count, equal));
        let store = store();
        import(&store, &text(&one)).await;
        let summary = import(&store, &text(&two)).await;
        assert_eq!((summary.stored, summary.duplicates), (count as u64, 0), "{count} {equal}");
        for log in [&one, &two] {
            assert_eq!(import(&store, &text(log)).await.stored, 0, "each again: {count} {equal}");
        }
        assert_eq!(stored(&store).0, recount(&[&one, &two]).0, "{count} {equal}");
    }
}

#[tokio::test]
async fn a_log_counts_once_however_it_comes_again() {
    let requests = server("one", 400, 5);
    let (log, other) = (text(&requests), text(&server("two", 400, 5)));
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(log.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    for cut in [1, 30, 399] {
        let store = store();
        import(&store, &lines[..cut].concat()).await;
        import(&store, &other).await;
        let grown = import(&store, &log.replace('\n', "\r\n")).await;
        assert_eq!((grown.stored, grown.duplicates), (400 - cut as u64, cut as u64), "grown after {cut} lines");
        let rotated = import_bytes(Arc::clone(&store) as Arc<dyn Imports>, packed.clone()).await.unwrap();
        assert_eq!((rotated.stored, rotated.duplicates), (0, 400));
        for copy in [lines[100..300].concat(), lines[..cut].concat(), format!("{other}{log}"), format!("{log}{other}")]
        {
            assert_eq!(import(&store, &copy).await.stored, 0, "what is cut or joined holds nothing new");
        }
        let more = text(&[(1, MIDNIGHT + 90_000, "/later".into())]);
        assert_eq!(import(&store, &format!("{}{more}", lines[200..].concat())).await.stored, 1, "a cut one that grew");
    }
}

#[tokio::test]
async fn equal_lines_of_one_log_all_count() {
    let requests: Vec<Request> = (0..300).map(|at| (1, MIDNIGHT + at / 100, "/same".into())).collect();
    let store = store();
    assert_eq!(import(&store, &text(&requests)).await.stored, 300);
    assert_eq!(import(&store, &text(&requests)).await.stored, 0);
    let grown: Vec<Request> = requests.iter().cloned().chain([requests[299].clone()]).collect();
    assert_eq!(import(&store, &text(&grown)).await.stored, 1);
    assert_eq!(stored(&store), recount(&[&grown]));
}

/// Stores a number of batches and then refuses, like a process that ends.
struct Ends {
    store: Arc<Store>,
    left: std::sync::Mutex<u64>,
}

#[async_trait]
impl Events for Ends {
    async fn ask(&self, plan: &Plan) -> Result<Vec<Answer>> {
        self.store.ask(plan).await
    }
    async fn first_event(&self, website: Uuid) -> Result<Option<i64>> {
        self.store.first_event(website).await
    }
    async fn count_since(&self, websites: &[Uuid], since_ms: i64) -> Result<u64> {
        self.store.count_since(websites, since_ms).await
    }
    async fn append(&self, events: Vec<Event>, settled_ms: i64) -> Result<Appended> {
        self.store.append(events, settled_ms).await
    }
}

#[async_trait]
impl Imports for Ends {
    async fn imported_logs(&self, website: Uuid) -> Result<Vec<ImportedLog>> {
        self.store.imported_logs(website).await
    }
    async fn remember_log(&self, website: Uuid, log: ImportedLog) -> Result<()> {
        self.store.remember_log(website, log).await
    }
    async fn visits_between(&self, website: Uuid, from_ms: i64, until_ms: i64) -> Result<Vec<StoredVisit>> {
        self.store.visits_between(website, from_ms, until_ms).await
    }
    async fn import(&self, batch: ImportBatch) -> Result<Appended> {
        let left = {
            let mut left = self.left.lock().unwrap();
            *left = left.saturating_sub(1);
            *left
        };
        if left == 0 { Err(Error::broken("the process ends")) } else { self.store.import(batch).await }
    }
}

#[tokio::test]
async fn a_log_that_was_half_imported_is_counted_once() {
    // Lines of both servers are equal, and more than one batch.
    let (one, two) = (server("one", 60_000, 3), server("two", 60_000, 3));
    let store = store();
    import(&store, &text(&one)).await;
    let log = text(&two);
    for batches in [2, 3] {
        let ends: Arc<dyn Imports> = Arc::new(Ends { store: Arc::clone(&store), left: std::sync::Mutex::new(batches) });
        assert!(import_bytes(ends, log.clone().into_bytes()).await.is_err());
    }
    let rest = import(&store, &log).await;
    assert_eq!((rest.stored, rest.duplicates), (10_000, 50_000));
    assert_eq!(stored(&store).0, recount(&[&one, &two]).0);
}
