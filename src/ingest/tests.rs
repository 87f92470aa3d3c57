//! Journal, writer and delivery together, over a real event store that is temporarily unavailable.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schema::{
    analytics::event::{Event, EventKind},
    error::{Error, Result},
    ports::{Appended, Clock, Events, Forgotten, RecentEvent, Sink, Subject},
    traffic::Outcome,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    delivery::Delivery,
    intake::{Intake, Sequencer},
    journal,
    read_your_writes::{ReadYourWrites, YOUNG},
    seen::{Limits, Seen},
    submission::{Enriched, Submission, VisitorKey},
};
use crate::{
    events::{Store, duckdb::Budget},
    jobs::supervisor::{Run, Stop, Watch},
    live::Hub,
    system::SystemClock,
};

mod goals;

/// A store that refuses everything while it is unavailable.
struct Flaky {
    store: Store,
    is_away: AtomicBool,
    refusals: AtomicU64,
    panics: AtomicBool,
}

#[async_trait]
impl Sink for Flaky {
    async fn deliver(&self, events: Vec<Event>, settled_ms: i64, position: i64) -> Result<Appended> {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "the store panics once");
        if self.is_away.load(Ordering::SeqCst) {
            self.refusals.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Unavailable { retry_after: 1, why: "away".into() });
        }
        self.store.deliver(events, settled_ms, position).await
    }
    async fn delivered(&self) -> Result<i64> {
        self.store.delivered().await
    }
    async fn erase(&self, website: Uuid) -> Result<u64> {
        self.store.erase(website).await
    }
    async fn forget(&self, website: Uuid, subject: &Subject) -> Result<Forgotten> {
        self.store.forget(website, subject).await
    }
    async fn expire(&self, website: Uuid, before_ms: i64) -> Result<u64> {
        self.store.expire(website, before_ms).await
    }
    async fn compact(&self) -> Result<u64> {
        self.store.compact().await
    }
    async fn since(&self, time_ms: i64) -> Result<Vec<RecentEvent>> {
        self.store.since(time_ms).await
    }
}

struct Works {
    sink: Arc<Flaky>,
    intake: Intake,
    stop_intake: watch::Sender<()>,
    taking: tokio::task::JoinHandle<()>,
    stop_delivery: watch::Sender<()>,
    delivering: tokio::task::JoinHandle<Delivery>,
}

/// A clock that tests move.
struct Moved(AtomicI64);

impl Moved {
    fn ahead() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(0)))
    }

    fn by_hours(&self, hours: i64) {
        self.0.fetch_add(hours, Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + chrono::Duration::hours(self.0.load(Ordering::SeqCst))
    }
}

async fn start(folder: &Path, most_bytes: u64) -> Works {
    start_with(folder, most_bytes, Arc::new(SystemClock), Limits::default()).await
}

async fn start_with(folder: &Path, most_bytes: u64, clock: Arc<dyn Clock>, limits: Limits) -> Works {
    let budget = Budget { memory_mib: 128, threads: 1 };
    let store = Store::open(Some(&folder.join("events.duckdb")), budget, Duration::from_secs(20)).unwrap();
    let sink = Arc::new(Flaky {
        store,
        is_away: AtomicBool::new(false),
        refusals: AtomicU64::new(0),
        panics: AtomicBool::new(false),
    });
    let (mut writer, reader) = journal::open(&folder.join("journal.sqlite")).await.unwrap();
    let position = sink.delivered().await.unwrap();
    writer.begin_after(position).await.unwrap();
    let mut delivery = Delivery { sink: sink.clone(), clock: clock.clone(), journal: reader, state: Arc::default() };
    delivery.state.delivered.store(position, Ordering::SeqCst);
    let position = delivery.catch_up().await.unwrap();
    let recent = sink.since(0).await.unwrap();
    let seen = Seen::open(&folder.join("ids"), writer.recent_ids().await.unwrap(), limits).unwrap();
    let (sequencer, state) = Sequencer::new(clock.clone(), Hub::new(clock), most_bytes, &recent, seen, position);
    delivery.state = state;
    let (intake, mut task) = sequencer.open(writer);
    let (stop_intake, stop) = Stop::new();
    let mut run = Run { stop, watch: Watch::default() };
    let taking = tokio::spawn(async move { task.run(&mut run).await });
    let (stop_delivery, stop) = Stop::new();
    let mut run = Run { stop, watch: Watch::default() };
    let delivering = tokio::spawn(async move {
        delivery.run(&mut run).await;
        delivery
    });
    Works { sink, intake, stop_intake, taking, stop_delivery, delivering }
}

impl Works {
    async fn stop(self, drains: bool) {
        drop(self.stop_intake);
        self.taking.await.unwrap();
        drop(self.stop_delivery);
        let mut delivery = self.delivering.await.unwrap();
        if drains {
            delivery.catch_up().await.unwrap();
        }
    }

    async fn stored(&self) -> usize {
        self.sink.since(0).await.unwrap().len()
    }

    /// The store as queries see it.
    fn fresh(&self) -> ReadYourWrites {
        ReadYourWrites { events: Arc::new(self.sink.store.clone()), state: self.intake.state() }
    }

    /// Waits until something is committed that a query must include.
    async fn until_old_enough(&self) {
        while self.intake.state().waiting_for(YOUNG).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_stored(&self, count: usize) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while self.stored().await != count {
            assert!(tokio::time::Instant::now() < deadline, "{} of {count}", self.stored().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A page view of now.
pub fn event(number: u128) -> Event {
    let now_ms = SystemClock.now().timestamp_millis();
    Event {
        path: format!("/{number}").into(),
        ..Event::new(Uuid::from_u128(1), Uuid::from_u128(number), now_ms, 7, EventKind::Pageview)
    }
}

/// The event as the chain hands it over, with an ID of its sender.
fn named(event: Event) -> Enriched {
    let visitor = VisitorKey::Known(event.visitor);
    Enriched {
        event: event.with_visitor(visitor),
        collapse: None,
        is_named: true,
        completed: Vec::new(),
        subscriptions: None,
        quota: None,
    }
}

fn incoming(number: u128) -> Submission {
    Submission { events: vec![named(event(number))], dropped: Vec::new() }
}

/// A named event dated this many minutes back, with properties of this many bytes.
fn sent(number: u128, minutes: i64, bytes: usize) -> Enriched {
    let mut event = event(number);
    event.time_ms -= minutes * 60_000;
    event.properties = "x".repeat(bytes).into();
    named(event)
}

impl Works {
    async fn send(&self, number: u128, minutes: i64) -> Outcome {
        let submission = Submission { events: vec![sent(number, minutes, 0)], dropped: Vec::new() };
        self.intake.take(submission).await.unwrap()[0]
    }
}

#[tokio::test]
async fn an_id_counts_once_within_a_week_whatever_happens_in_between() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Moved::ahead());
    let limits = Limits { ids: 20_000, rows: 50, ..Limits::default() };
    let again = || start_with(folder.path(), 1 << 30, clock.clone(), limits);
    let works = again().await;
    assert_eq!(works.send(1, 0).await, Outcome::Accepted);
    assert_eq!(works.send(1, 90).await, Outcome::Duplicate, "with another time");
    works.stop(false).await;
    let works = again().await;
    assert_eq!(works.send(1, 0).await, Outcome::Duplicate, "after a restart");
    for thousand in 1..=120 {
        let others = (0..1_000).map(|number| sent(thousand * 1_000 + number, 0, 0)).collect();
        let outcomes = works.intake.take(Submission { events: others, dropped: Vec::new() }).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Accepted));
    }
    assert_eq!(works.send(1, 0).await, Outcome::Duplicate, "after 120,000 others");
    works.stop(false).await;
    let mut works = again().await;
    for day in 1..=6 {
        clock.by_hours(24);
        assert_eq!(works.send(1_000_000 + day, 0).await, Outcome::Accepted);
        assert_eq!(works.send(1, 10 * 60).await, Outcome::Duplicate, "{day} days later");
        if day == 3 {
            works.stop(true).await;
            works = again().await;
        }
    }
    clock.by_hours(23);
    for hours in [0, 30 * 24, -30 * 24, -60 * 24, 60 * 24] {
        clock.by_hours(hours);
        for number in [1, 1_000, 120_999, 1_000_003] {
            assert_eq!(works.send(number, 5).await, Outcome::Duplicate, "{number}, the clock moved by {hours} hours");
        }
    }
    works.stop(true).await;
    assert_eq!(again().await.fresh().count_since(&[Uuid::from_u128(1)], 0).await.unwrap(), 120_007);
}

#[tokio::test]
async fn a_retry_of_a_repeated_page_view_is_a_repetition() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    let view = |number, time_ms| {
        let event = Event { time_ms, ..event(number) };
        let repeated = Enriched { collapse: Some(5), ..named(event) };
        Submission { events: vec![repeated], dropped: Vec::new() }
    };
    let now_ms = SystemClock.now().timestamp_millis();
    assert_eq!(works.intake.take(view(1, now_ms)).await.unwrap(), [Outcome::Accepted]);
    assert_eq!(works.intake.take(view(2, now_ms)).await.unwrap(), [Outcome::Duplicate]);
    works.stop(false).await;
    let works = start(folder.path(), 1 << 30).await;
    assert_eq!(works.intake.take(view(2, now_ms + 60_000)).await.unwrap(), [Outcome::Duplicate]);
}

#[tokio::test]
async fn the_journal_counts_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 20).await;
    works.sink.is_away.store(true, Ordering::SeqCst);
    let mut taken = 0;
    let large = |number| Submission { events: vec![sent(number, 0, 16_000)], dropped: Vec::new() };
    while works.intake.take(large(taken)).await.is_ok() {
        taken += 1;
    }
    assert!((55..=66).contains(&taken), "{taken} of 16 kB in 1 MiB");
    assert_eq!(works.send(1_000, 0).await, Outcome::Accepted, "a small one still fits");
    works.sink.is_away.store(false, Ordering::SeqCst);
    works.until_stored(usize::try_from(taken).unwrap() + 1).await;
    works.intake.take(large(taken)).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_bounded_by_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    // Nothing is awaited, so that nothing is written meanwhile.
    let mut answers = Vec::new();
    let refused = loop {
        let events = (0..100).map(|number| sent(answers.len() as u128 * 100 + number, 0, 16_000)).collect();
        match works.intake.submit(Submission { events, dropped: Vec::new() }) {
            Ok(answer) => answers.push(answer),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.status(), 503);
    assert!((8..=11).contains(&answers.len()), "{} of 1.6 MB in 16 MiB", answers.len());
    for answer in answers {
        answer.outcomes().await.unwrap();
    }
    assert_eq!(works.send(1_000_000, 0).await, Outcome::Accepted);
}

#[tokio::test]
async fn a_store_that_is_away_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    for number in 0..50 {
        assert_eq!(works.intake.take(incoming(number)).await.unwrap(), [Outcome::Accepted]);
    }
    works.until_stored(50).await;
    works.sink.is_away.store(true, Ordering::SeqCst);
    for number in 40..300 {
        let expected = if number < 50 { Outcome::Duplicate } else { Outcome::Accepted };
        assert_eq!(works.intake.take(incoming(number)).await.unwrap(), [expected], "answers go on");
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while works.sink.refusals.load(Ordering::SeqCst) < 3 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(works.stored().await, 50);
    works.sink.is_away.store(false, Ordering::SeqCst);
    works.until_stored(300).await;
    // The process ends while the store is away: what waits is delivered by the next one.
    works.sink.is_away.store(true, Ordering::SeqCst);
    for number in 300..400 {
        works.intake.take(incoming(number)).await.unwrap();
    }
    works.stop(false).await;
    let works = start(folder.path(), 1 << 30).await;
    assert_eq!(works.stored().await, 400);
    assert_eq!(works.intake.take(incoming(399)).await.unwrap(), [Outcome::Duplicate], "also across a restart");
    works.intake.take(incoming(400)).await.unwrap();
    works.stop(true).await;
    assert_eq!(start(folder.path(), 1 << 30).await.stored().await, 401);
}

#[tokio::test]
async fn a_delivery_that_panics_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    works.sink.panics.store(true, Ordering::SeqCst);
    works.intake.take(incoming(1)).await.unwrap();
    works.until_stored(1).await;
    assert!(!works.sink.panics.load(Ordering::SeqCst), "it panicked");
    works.stop(true).await;
}

/// A clock that panics on its nth call; 0: never.
struct Panicking(AtomicU64);

impl Clock for Panicking {
    fn now(&self) -> DateTime<Utc> {
        let left = self.0.load(Ordering::SeqCst);
        self.0.store(left.saturating_sub(1), Ordering::SeqCst);
        assert_ne!(left, 1, "the clock panics");
        SystemClock.now()
    }
}

/// The intake reads the clock once before it commits a group, and the live figures once afterwards.
#[tokio::test]
async fn an_intake_that_panics_goes_on_and_has_seen_what_is_on_disk() {
    for (asked, then) in [(1, Outcome::Accepted), (2, Outcome::Duplicate)] {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Panicking(AtomicU64::new(0)));
        let works = start_with(folder.path(), 1 << 30, clock.clone(), Limits::default()).await;
        clock.0.store(asked, Ordering::SeqCst);
        assert_eq!(works.intake.take(incoming(1)).await.unwrap_err().status(), 503, "{asked}");
        assert_eq!(works.intake.take(incoming(1)).await.unwrap(), [then], "{asked}");
        assert_eq!(works.intake.take(incoming(2)).await.unwrap(), [Outcome::Accepted]);
        works.until_stored(2).await;
        works.stop(true).await;
    }
}

#[tokio::test]
async fn a_full_journal_refuses_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 10_000).await;
    works.sink.is_away.store(true, Ordering::SeqCst);
    let mut taken = 0;
    let refused = loop {
        match works.intake.take(incoming(taken)).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 10_000);
    };
    assert_eq!(refused.status(), 503);
    works.sink.is_away.store(false, Ordering::SeqCst);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while works.intake.take(incoming(taken)).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    works.until_stored(usize::try_from(taken).unwrap() + 1).await;
}

#[tokio::test]
async fn a_journal_younger_than_the_store_begins_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    for number in 0..20 {
        works.intake.take(incoming(number)).await.unwrap();
    }
    works.until_stored(20).await;
    works.stop(true).await;
    for file in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    let works = start(folder.path(), 1 << 30).await;
    works.intake.take(incoming(20)).await.unwrap();
    works.until_stored(21).await;
}

#[tokio::test]
async fn a_question_sees_what_was_answered_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    let fresh = works.fresh();
    let website = [Uuid::from_u128(1)];
    for number in 0..3 {
        works.intake.take(incoming(number)).await.unwrap();
        works.until_old_enough().await;
        // There is no other query, so delivery alone would leave it for seconds.
        assert_eq!(fresh.count_since(&website, 0).await.unwrap(), u64::try_from(number).unwrap() + 1);
        assert_eq!(works.intake.state().waiting_for(Duration::ZERO), None);
    }
}

#[tokio::test]
async fn a_question_is_answered_while_the_store_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let works = start(folder.path(), 1 << 30).await;
    let fresh = works.fresh();
    let website = [Uuid::from_u128(1)];
    works.sink.is_away.store(true, Ordering::SeqCst);
    works.intake.take(incoming(0)).await.unwrap();
    works.until_old_enough().await;
    assert_eq!(fresh.count_since(&website, 0).await.unwrap(), 0);
    // This is already known, and is not waited for a second time.
    assert!(works.intake.state().is_away.load(Ordering::SeqCst));
    let soon = tokio::time::timeout(Duration::from_secs(1), fresh.count_since(&website, 0)).await;
    assert_eq!(soon.unwrap().unwrap(), 0);
    works.sink.is_away.store(false, Ordering::SeqCst);
    works.until_stored(1).await;
    assert_eq!(fresh.count_since(&website, 0).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_left_is_measured_from_the_newest_row() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, mut reader) = super::journal::open(&folder.path().join("journal.sqlite")).await.unwrap();
    for number in 1..=3 {
        let group = super::journal::Group { events: &[event(number)], ..Default::default() };
        writer.commit(&group).await.unwrap();
    }
    let (all, last) = (reader.bytes_after(0).await.unwrap(), reader.bytes_after(2).await.unwrap());
    assert!(last > 0 && all > 2 * last && reader.bytes_after(3).await.unwrap() == 0);
    for (position, bytes, expected) in [(0, all, 0), (0, all - 1, 1), (0, last, 2), (0, 0, 3), (1, all, 1)] {
        assert_eq!(reader.before_newest(position, bytes).await.unwrap(), expected, "{position} {bytes}");
    }
}
