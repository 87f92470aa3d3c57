//! Event IDs, remembered on disk for a week: a repeated ID is a duplicate, even after a restart.
//!
//! - The newest IDs are in memory; the journal stores them in the transaction of their events, so that a crash loses
//!   neither.
//! - When they are many, or the day is over, they become a [`Generation`]: a file that is written in the background.
//!   Only then does the journal drop them. Generations of one day are merged, so that there are few.
//! - A key is 64 bits of a hash of website and ID. With a hundred million remembered IDs, one new ID in 10^11 is
//!   mistaken for another.

mod generation;

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustc_hash::FxHashSet;
use tokio::task::JoinHandle;
use uuid::Uuid;

use self::generation::Generation;

/// Number of days with events whose IDs are kept: the current one, the seven before it, and two for a wrong clock that
/// is corrected. Days are counted, not subtracted: a clock that jumps a month ahead ages everything by one day only.
const MAX_DAYS: usize = 10;

/// Delay before retrying a generation that could not be written.
const RETRY: Duration = Duration::from_secs(5);

/// Limits of remembered IDs.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Number of IDs that become a generation.
    pub ids: usize,
    /// Number of journal rows that become a generation: they are read at start.
    pub rows: usize,
    /// Number of IDs above which a generation is not merged any more.
    pub merged: u64,
    /// Memory limit of all filters, in bytes. Older generations have none; each lookup reads one page of each.
    pub filter_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A hash set of so many keys has just not grown to its next size (9 MiB).
        Self { ids: 900_000, rows: 50_000, merged: 64_000_000, filter_bytes: 64 << 20 }
    }
}

/// The key of an event's ID, which is already a hash of the website and the sender's ID.
#[must_use]
pub fn key_of(id: Uuid) -> u64 {
    // The bits that tell a UUID's version and variant lie in different places of the halves.
    let (high, low) = id.as_u64_pair();
    high ^ low
}

/// A generation that is being written.
struct Sealing {
    keys: Arc<FxHashSet<u64>>,
    /// The last row of the journal with one of them.
    row: i64,
    task: JoinHandle<io::Result<Vec<Generation>>>,
}

/// The accepted IDs.
pub struct Seen {
    folder: PathBuf,
    limits: Limits,
    recent: FxHashSet<u64>,
    /// The UTC day of the recent ones, in days since 1970.
    day: i64,
    /// Rows of the journal that hold them.
    rows: usize,
    generations: Vec<Generation>,
    sealing: Option<Sealing>,
    failed: Option<Instant>,
    /// The last row of the journal whose IDs are in generations, and which still exists; 0 for none.
    sealed_row: i64,
}

impl Seen {
    /// Opens the folder (created with mode 0700 if missing). `recent`: the journal's IDs, by row: day and keys.
    ///
    /// # Errors
    /// When the folder cannot be created or read.
    pub fn open(folder: &Path, recent: Vec<(i64, Vec<u64>)>, limits: Limits) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut generations = Generation::open_all(folder)?;
        bound_filters(&mut generations, limits.filter_bytes);
        let (day, rows) = (recent.last().map_or(0, |(day, _)| *day), recent.len());
        Ok(Self {
            folder: folder.to_path_buf(),
            limits,
            recent: recent.into_iter().flat_map(|(_, keys)| keys).collect(),
            day,
            rows,
            generations,
            sealing: None,
            failed: None,
            sealed_row: 0,
        })
    }

    /// Whether a key was accepted before.
    #[must_use]
    pub fn has(&self, key: u64) -> bool {
        self.recent.contains(&key)
            || self.sealing.as_ref().is_some_and(|sealing| sealing.keys.contains(&key))
            || self.generations.iter().rev().any(|generation| {
                generation.has(key).unwrap_or_else(|error| {
                    tracing::error!(error.source = %error, "cannot read the IDs of earlier events");
                    false
                })
            })
    }

    /// Adds a key. It must be in the journal before it is acknowledged.
    pub fn insert(&mut self, key: u64) {
        self.recent.insert(key);
    }

    /// Removes a key of this group, which was not written.
    pub fn remove(&mut self, key: u64) {
        self.recent.remove(&key);
    }

    /// The journal has one more row.
    pub fn written(&mut self) {
        self.rows += 1;
    }

    /// The UTC day of accepted IDs, in days since 1970.
    #[must_use]
    pub fn day(&self) -> i64 {
        self.day
    }

    /// The last row of the journal whose IDs need not stay there; 0 for none.
    #[must_use]
    pub fn sealed_row(&self) -> i64 {
        self.sealed_row
    }

    /// The journal has deleted these rows.
    pub fn trimmed(&mut self, row: i64) {
        if self.sealed_row == row {
            self.sealed_row = 0;
        }
    }

    /// Whether no more IDs fit until a generation can be written, such as after a full disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.failed.is_some() && self.recent.len() >= 2 * self.limits.ids
    }

    /// Whether [`Seen::seal`] is due on this UTC day.
    #[must_use]
    pub fn is_due(&self, today: i64) -> bool {
        let is_much = self.recent.len() >= self.limits.ids || self.rows >= self.limits.rows;
        (is_much || self.day != today) && self.failed.is_none_or(|failed| failed.elapsed() >= RETRY)
    }

    /// Starts the day and writes a generation of all recent IDs in the background; `row`: the journal's last row of
    /// them.
    pub async fn seal(&mut self, today: i64, row: i64) {
        // One at a time: what is sent faster than it can be written waits here.
        self.settle(true).await;
        let day = std::mem::replace(&mut self.day, today);
        if self.recent.is_empty() || self.failed.is_some_and(|failed| failed.elapsed() < RETRY) {
            return;
        }
        let keys = Arc::new(std::mem::take(&mut self.recent));
        self.rows = 0;
        let (folder, generations, limits, job) =
            (self.folder.clone(), self.generations.clone(), self.limits, Arc::clone(&keys));
        let task = tokio::task::spawn_blocking(move || sealed(&folder, generations, day, &job, limits));
        self.sealing = Some(Sealing { keys, row, task });
    }

    /// Adopts a generation that was written; `wait`: also one still being written.
    pub async fn settle(&mut self, wait: bool) {
        if let Some(sealing) = self.sealing.take_if(|sealing| wait || sealing.task.is_finished()) {
            match sealing.task.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(generations) => {
                    self.generations = generations;
                    self.sealed_row = sealing.row;
                    self.failed = None;
                }
                Err(error) => {
                    tracing::error!(error.source = %error, "cannot write event IDs; they stay in memory and in the journal");
                    self.recent.extend(sealing.keys.iter());
                    self.rows = self.limits.rows;
                    self.failed = Some(Instant::now());
                }
            }
        }
    }
}

/// Writes a generation, merges it with those of its day that are not much larger, and removes those that are too old.
fn sealed(
    folder: &Path,
    mut generations: Vec<Generation>,
    day: i64,
    keys: &FxHashSet<u64>,
    limits: Limits,
) -> io::Result<Vec<Generation>> {
    let mut sorted: Vec<u64> = keys.iter().copied().collect();
    sorted.sort_unstable();
    let (mut total, mut kept) = (sorted.len() as u64, generations.len());
    for generation in generations.iter().rev() {
        let fits = generation.day == day
            && generation.count <= 2 * total
            && generation.count.saturating_add(total) <= limits.merged;
        if !fits {
            break;
        }
        total += generation.count;
        kept -= 1;
    }
    let number = generations.last().map_or(1, |last| last.number + 1);
    let mut gone = generations.split_off(kept);
    generations.push(Generation::write(folder, number, day, &sorted, &gone)?);
    let mut days = HashSet::new();
    let old = generations.iter().rev().position(|generation| {
        days.insert(generation.day);
        days.len() > MAX_DAYS
    });
    if let Some(young) = old {
        gone.extend(generations.drain(..generations.len() - young));
    }
    for generation in gone {
        if let Err(error) = generation.remove() {
            tracing::warn!(error.source = %error, "cannot delete an obsolete file of event IDs");
        }
    }
    bound_filters(&mut generations, limits.filter_bytes);
    Ok(generations)
}

/// Keeps the filters of the newest generations within the memory limit.
fn bound_filters(generations: &mut [Generation], bytes: usize) {
    let mut taken = 0;
    for generation in generations.iter_mut().rev() {
        taken += generation.filter_bytes();
        if taken > bytes {
            generation.drop_filter();
        }
    }
}

#[cfg(test)]
#[path = "seen/tests.rs"]
mod tests;
