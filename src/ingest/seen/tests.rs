//! Tests the memory of IDs with many of them, many days, clock jumps, and failing disks.

use super::*;

fn key(number: u64) -> u64 {
    key_of(crate::ingest::chain::id_of(Uuid::from_u128(1), &format!("id-{number}")))
}

fn small() -> Limits {
    Limits { ids: 100, rows: 1_000, merged: 1_000, filter_bytes: 1 << 20 }
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Takes keys in on a day, in groups of ten, as the intake does.
async fn take(seen: &mut Seen, day: i64, numbers: std::ops::Range<u64>) {
    for number in numbers {
        if number.is_multiple_of(10) {
            seen.settle(false).await;
            if seen.is_due(day) {
                seen.seal(day, i64::try_from(number).unwrap()).await;
            }
        }
        assert!(!seen.has(key(number)), "{number}");
        seen.insert(key(number));
        seen.written();
    }
}

#[tokio::test]
async fn every_id_is_remembered_across_generations_merges_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Seen::open(folder.path(), Vec::new(), small()).unwrap();
    seen.seal(5, 0).await;
    take(&mut seen, 5, 0..5_000).await;
    seen.seal(5, 5_000).await;
    assert!((0..5_000).all(|number| seen.has(key(number))), "also while a generation is being written");
    seen.settle(true).await;
    assert_eq!(seen.sealed_row(), 5_000);
    assert!((0..5_000).all(|number| seen.has(key(number))));
    assert!(files(folder.path()) <= 20, "{} files", files(folder.path()));
    // The memory for filters is short: the answers are the same.
    let limits = Limits { filter_bytes: 1_000, ..small() };
    let mut seen = Seen::open(folder.path(), vec![(5, vec![key(5_000)]), (5, vec![key(5_001)])], limits).unwrap();
    assert!((0..5_002).all(|number| seen.has(key(number))));
    assert!(!(5_002..9_000).any(|number| seen.has(key(number))));
    take(&mut seen, 5, 5_002..6_000).await;
    assert!((0..6_000).all(|number| seen.has(key(number))));
}

#[tokio::test]
async fn days_are_counted_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Seen::open(folder.path(), Vec::new(), small()).unwrap();
    // Seven days later, with a clock that was wrong for a while by a month and by half a century.
    let days = [100, 101, 130, 101, 102, 0, 103, 104, 105, 106, 107];
    for (number, day) in (0..).zip(days) {
        take(&mut seen, day, number * 10..number * 10 + 1).await;
    }
    assert!((0..11).all(|number| seen.has(key(number * 10))), "the first one is seven days old");
    for (number, day) in (11..40).zip(108..) {
        take(&mut seen, day, number * 10..number * 10 + 1).await;
    }
    seen.settle(true).await;
    assert_eq!(files(folder.path()), MAX_DAYS);
    assert!(!seen.has(key(0)));
    assert!((30..40).all(|number| seen.has(key(number * 10))));
}

#[tokio::test]
async fn a_disk_that_refuses_loses_nothing_and_bounds_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("ids");
    let mut seen = Seen::open(&inner, Vec::new(), small()).unwrap();
    seen.seal(5, 0).await;
    take(&mut seen, 5, 0..150).await;
    seen.settle(true).await;
    fs::remove_dir_all(&inner).unwrap();
    take(&mut seen, 5, 150..350).await;
    seen.settle(true).await;
    assert!(seen.is_full() && !seen.is_due(5), "it is tried again later");
    assert!((0..350).all(|number| seen.has(key(number))));
    fs::create_dir(&inner).unwrap();
    seen.failed = seen.failed.and_then(|failed| failed.checked_sub(RETRY));
    assert!(seen.is_due(5));
    seen.seal(5, 350).await;
    seen.settle(true).await;
    assert!(!seen.is_full() && seen.recent.is_empty());
    assert!((0..350).all(|number| seen.has(key(number))), "the first ones are held open");
}
