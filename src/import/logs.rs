//! Identifies a log file: one that was imported before and may have grown since, or a new one.
//!
//! - A file that begins with all page views of an imported log is that log, whatever its name and compression.
//! - Page views of bots count here, so that a log stays the same whether or not bots are included.

use std::collections::HashMap;

use schema::ports::ImportedLog;
use sha2::{Digest, Sha256};

/// Compares a file's page views with those of the known logs.
pub(super) struct LogFinder {
    /// By the number of their page views.
    known: HashMap<u64, Vec<ImportedLog>>,
    page_views: u64,
    hash: Sha256,
    found: Option<ImportedLog>,
}

impl LogFinder {
    pub(super) fn new(logs: &[ImportedLog]) -> Self {
        let mut known: HashMap<u64, Vec<ImportedLog>> = HashMap::new();
        for log in logs {
            known.entry(log.page_views).or_default().push(*log);
        }
        Self { known, page_views: 0, hash: Sha256::new(), found: None }
    }

    /// Adds the next page view, by its line's digest.
    pub(super) fn take(&mut self, line: &[u8; 16]) {
        self.hash.update(line);
        self.page_views += 1;
        if let Some(logs) = self.known.get(&self.page_views) {
            let digest = self.digest();
            // The longest one is the last one found.
            self.found = logs.iter().copied().find(|log| log.digest == digest).or(self.found);
        }
    }

    fn digest(&self) -> [u8; 16] {
        let whole: [u8; 32] = self.hash.clone().finalize().into();
        let mut digest = [0; 16];
        digest.copy_from_slice(&whole[..16]);
        digest
    }

    /// The identity of the whole file, and whether it must be recorded: a known log with a new length, or a new log.
    pub(super) fn finish(self) -> (ImportedLog, bool) {
        let digest = self.digest();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        let log = self.found.map_or(u64::from_le_bytes([a, b, c, d, e, f, g, h]), |found| found.log);
        let whole = ImportedLog { log, page_views: self.page_views, digest };
        // A file without page views says nothing about the next one.
        (whole, self.page_views > 0 && self.found != Some(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(known: &[ImportedLog], lines: &[u8]) -> (ImportedLog, bool) {
        let mut finder = LogFinder::new(known);
        for line in lines {
            finder.take(&[*line; 16]);
        }
        finder.finish()
    }

    #[test]
    fn a_file_that_begins_with_a_whole_log_is_that_log() {
        let (first, is_new) = find(&[], &[1, 2, 3]);
        assert!(is_new);
        assert_eq!(find(&[first], &[1, 2, 3]), (first, false), "the same file");
        let (grown, is_new) = find(&[first], &[1, 2, 3, 4, 5]);
        assert_eq!((grown.log, grown.page_views, is_new), (first.log, 5, true), "a new length of it");
        assert_eq!(find(&[first, grown], &[1, 2, 3, 4, 5, 6]).0.log, first.log);
        for other in [&[1, 2][..], &[2, 3], &[1, 3, 2], &[0, 1, 2, 3]] {
            let (log, is_new) = find(&[first, grown], other);
            assert!(is_new && log.log != first.log, "{other:?}");
        }
        assert!(!find(&[], &[]).1);
    }
}
