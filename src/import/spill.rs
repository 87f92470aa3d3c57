//! Page views in chronological order, in any number: those that do not fit in memory are sorted in runs and wait in a
//! file.
//!
//! - The file is unnamed and disappears with the process: it contains addresses of visitors.
//! - Views with equal times stay in insertion order.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use schema::error::{Error, Result};

/// Memory limit of page views, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// Bytes of a run that are read at once.
const READ: usize = 64 << 10;

/// The number of a text that a view contains itself.
pub(super) const UNNUMBERED: u32 = u32::MAX;

/// One page view between reading and storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View<'a> {
    pub(super) time_ms: i64,
    /// SHA-256 of website and line, truncated to 128 bits.
    pub(super) digest: [u8; 16],
    /// Number of the user agent, or [`UNNUMBERED`].
    pub(super) user_agent: u32,
    /// Number of the acquisition, or [`UNNUMBERED`].
    pub(super) arrival: u32,
    pub(super) address: &'a str,
    pub(super) path: &'a str,
    /// Empty if it has a number.
    pub(super) user_agent_text: &'a str,
    /// Empty if the arrival has a number.
    pub(super) referrer: &'a str,
    /// Empty if the arrival has a number.
    pub(super) query: &'a str,
}

const TEXTS: usize = 5;
const HEAD: usize = 8 + 16 + 4 + 4 + TEXTS * 4;

impl<'a> View<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        let texts = [self.address, self.path, self.user_agent_text, self.referrer, self.query];
        out.extend_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(&self.user_agent.to_le_bytes());
        out.extend_from_slice(&self.arrival.to_le_bytes());
        for text in texts {
            // No line is longer than 32 bits tell.
            out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        for text in texts {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Length of the view that begins here, in bytes, if it can be determined.
    fn length(bytes: &[u8]) -> Option<usize> {
        let lengths = bytes.get(HEAD - TEXTS * 4..HEAD)?;
        let texts = lengths.as_chunks::<4>().0.iter().map(|length| u32::from_le_bytes(*length) as usize).sum::<usize>();
        Some(HEAD + texts)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (time_ms, rest) = bytes.split_first_chunk::<8>()?;
        let (digest, rest) = rest.split_first_chunk::<16>()?;
        let (user_agent, rest) = rest.split_first_chunk::<4>()?;
        let (arrival, rest) = rest.split_first_chunk::<4>()?;
        let (lengths, mut rest) = rest.split_at_checked(TEXTS * 4)?;
        let mut texts = [""; TEXTS];
        for (slot, length) in texts.iter_mut().zip(lengths.as_chunks::<4>().0) {
            let (text, after) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            (*slot, rest) = (std::str::from_utf8(text).ok()?, after);
        }
        let [address, path, user_agent_text, referrer, query] = texts;
        Some(Self {
            time_ms: i64::from_le_bytes(*time_ms),
            digest: *digest,
            user_agent: u32::from_le_bytes(*user_agent),
            arrival: u32::from_le_bytes(*arrival),
            address,
            path,
            user_agent_text,
            referrer,
            query,
        })
    }
}

/// Takes page views in any order.
pub(super) struct Sorter {
    folder: PathBuf,
    max_bytes: usize,
    bytes: Vec<u8>,
    /// Time and position in `bytes` of each view.
    places: Vec<(i64, u32)>,
    file: Option<File>,
    runs: Vec<Run>,
    /// How many were added.
    pub(super) count: u64,
}

/// A sorted range of the file.
#[derive(Debug, Clone, Copy)]
struct Run {
    from: u64,
    until: u64,
}

impl Sorter {
    /// `folder`: location of the file, if one is needed.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            max_bytes: MAX_BYTES,
            bytes: Vec::new(),
            places: Vec::new(),
            file: None,
            runs: Vec::new(),
            count: 0,
        }
    }

    /// Adds a view. Errors: `Unavailable` if the file cannot be written.
    pub(super) fn add(&mut self, view: &View<'_>) -> Result<()> {
        let place = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        view.write(&mut self.bytes);
        self.places.push((view.time_ms, place));
        self.count += 1;
        if self.bytes.len() + self.places.len() * size_of::<(i64, u32)>() >= self.max_bytes {
            self.spill()?;
        }
        Ok(())
    }

    /// Writes the views in memory to the file, as one more run.
    fn spill(&mut self) -> Result<()> {
        self.places.sort_unstable();
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.folder).map_err(|error| no_room(&self.folder, &error))?);
        }
        let from = self.runs.last().map_or(0, |run| run.until);
        if let Some(file) = &self.file {
            let mut out = BufWriter::with_capacity(READ, file);
            let written = self.places.iter().try_for_each(|(_, place)| out.write_all(view_at(&self.bytes, *place)));
            written.and_then(|()| out.flush()).map_err(|error| no_room(&self.folder, &error))?;
        }
        self.runs.push(Run { from, until: from + self.bytes.len() as u64 });
        self.bytes.clear();
        self.places.clear();
        Ok(())
    }

    /// All views in chronological order. Errors: as [`Sorter::add`].
    pub(super) fn sorted(mut self) -> Result<Sorted> {
        if self.file.is_some() {
            self.spill()?;
        }
        let Some(file) = self.file else {
            self.places.sort_unstable();
            return Ok(Sorted::Held { bytes: self.bytes, places: self.places.into_iter() });
        };
        let mut merge = Merge { file, runs: Vec::new(), next: BinaryHeap::new(), last: None };
        // What is read at once must stay small, however many runs there are.
        let read = (self.max_bytes / self.runs.len().max(1)).clamp(4 << 10, READ);
        for run in self.runs {
            merge.runs.push(Reader { run, read, buffer: Vec::new(), at: 0, length: 0 });
            merge.advance(merge.runs.len() - 1)?;
        }
        Ok(Sorted::Merged(merge))
    }
}

fn view_at(bytes: &[u8], place: u32) -> &[u8] {
    let rest = bytes.get(place as usize..).unwrap_or_default();
    View::length(rest).and_then(|length| rest.get(..length)).unwrap_or_default()
}

fn no_room(folder: &Path, error: &std::io::Error) -> Error {
    tracing::warn!(error.source = %error, "cannot write the temporary file of an import");
    let why =
        format!("Cannot write the temporary file of the import to {}; free some disk space there.", folder.display());
    Error::Unavailable { retry_after: 60, why }
}

/// Page views in chronological order.
pub(super) enum Sorted {
    /// They all fit in memory.
    Held {
        /// The views.
        bytes: Vec<u8>,
        /// Positions of the views, in chronological order.
        places: std::vec::IntoIter<(i64, u32)>,
    },
    /// Runs of a file.
    Merged(Merge),
}

impl Sorted {
    /// The next view, or `None` at the end. Errors: `Internal` if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<View<'_>>> {
        let bytes = match self {
            Self::Held { bytes, places } => places.next().map(|(_, place)| view_at(bytes, place)),
            Self::Merged(merge) => merge.next()?,
        };
        bytes.map(|bytes| View::read(bytes).ok_or_else(damaged)).transpose()
    }
}

fn damaged() -> Error {
    Error::broken("the temporary file of an import is not what was written")
}

/// Runs that are being merged.
pub(super) struct Merge {
    file: File,
    runs: Vec<Reader>,
    /// Time and run of each run's first view.
    next: BinaryHeap<Reverse<(i64, usize)>>,
    /// The run whose first view was returned.
    last: Option<usize>,
}

struct Reader {
    /// The part that is not in the buffer yet.
    run: Run,
    read: usize,
    buffer: Vec<u8>,
    /// Position and length of the first view in the buffer; length 0 at the end.
    at: usize,
    length: usize,
}

impl Reader {
    /// Advances to the next view. Returns its time.
    fn advance(&mut self, file: &File) -> Result<Option<i64>> {
        self.at += self.length;
        self.length = 0;
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(length) = View::length(rest).filter(|length| *length <= rest.len()) {
                self.length = length;
                return Ok(rest.first_chunk::<8>().map(|time| i64::from_le_bytes(*time)));
            }
            let left = self.run.until - self.run.from;
            if left == 0 {
                return if rest.is_empty() { Ok(None) } else { Err(damaged()) };
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            let (held, more) = (self.buffer.len(), usize::try_from(left).unwrap_or(usize::MAX).min(self.read));
            self.buffer.resize(held + more, 0);
            file.read_exact_at(self.buffer.get_mut(held..).unwrap_or_default(), self.run.from)
                .map_err(Error::internal)?;
            self.run.from += more as u64;
        }
    }
}

impl Merge {
    fn advance(&mut self, run: usize) -> Result<()> {
        if let Some(reader) = self.runs.get_mut(run)
            && let Some(time_ms) = reader.advance(&self.file)?
        {
            self.next.push(Reverse((time_ms, run)));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<&[u8]>> {
        if let Some(run) = self.last.take() {
            self.advance(run)?;
        }
        let Some(Reverse((_, run))) = self.next.pop() else { return Ok(None) };
        self.last = Some(run);
        Ok(self.runs.get(run).and_then(|reader| reader.buffer.get(reader.at..reader.at + reader.length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds views whose times repeat and run backwards, and reads them back: time and path of each.
    fn round(count: i64, max_bytes: usize) -> (usize, Vec<(i64, String)>) {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter { max_bytes, ..Sorter::new(folder.path()) };
        for number in 0..count {
            let path = format!("/{number}");
            let long = "x".repeat(usize::try_from(number).unwrap() % 7 * 1_000);
            sorter
                .add(&View {
                    time_ms: (count - number) / 3 % 50,
                    digest: [7; 16],
                    user_agent: 1,
                    arrival: UNNUMBERED,
                    address: "8.8.8.8",
                    path: &path,
                    user_agent_text: "",
                    referrer: &long,
                    query: "q",
                })
                .unwrap();
        }
        assert_eq!(sorter.count, u64::try_from(count).unwrap());
        let runs = sorter.runs.len();
        let mut sorted = sorter.sorted().unwrap();
        let mut found = Vec::new();
        while let Some(view) = sorted.next().unwrap() {
            assert_eq!((view.address, view.query, view.digest, view.arrival), ("8.8.8.8", "q", [7; 16], UNNUMBERED));
            let number: usize = view.path[1..].parse().unwrap();
            assert_eq!(view.referrer.len(), number % 7 * 1_000);
            found.push((view.time_ms, view.path.to_owned()));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
        (runs, found)
    }

    #[test]
    fn runs_in_a_file_give_what_memory_gives() {
        let (runs, held) = round(3_000, usize::MAX);
        assert_eq!((runs, held.len()), (0, 3_000));
        assert!(held.is_sorted_by_key(|(time, _)| *time));
        let number = |path: &str| path[1..].parse::<u32>().unwrap();
        assert!(
            held.windows(2).all(|pair| pair[0].0 < pair[1].0 || number(&pair[0].1) < number(&pair[1].1)),
            "ties in order"
        );
        for max_bytes in [1, 100_000, 1 << 20] {
            let (runs, merged) = round(3_000, max_bytes);
            assert!(runs > 1, "{max_bytes}");
            assert_eq!(merged, held, "{max_bytes}");
        }
        assert_eq!(round(0, usize::MAX).1, []);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told() {
        let mut sorter = Sorter { max_bytes: 1, ..Sorter::new(Path::new("/nonexistent/folder")) };
        let view = View {
            time_ms: 0,
            digest: [0; 16],
            user_agent: 0,
            arrival: 0,
            address: "",
            path: "/",
            user_agent_text: "",
            referrer: "",
            query: "",
        };
        let error = sorter.add(&view).unwrap_err();
        assert!(error.message().contains("/nonexistent/folder"), "{}", error.message());
    }
}
