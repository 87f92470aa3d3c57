//! Lines of a source: plain or gzip (detected by its first bytes), counted, of bounded length.

use std::{
    io::{self, BufRead, BufReader, Chain, Cursor, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

/// Maximum length of a line, in bytes; servers limit a request line to 8 KiB. Longer lines are malformed.
pub(super) const MAX_LINE: usize = 64 * 1024;

const BUFFER: usize = 256 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads lines.
pub(super) struct Lines<R: Read> {
    text: Text<R>,
    bytes: Arc<AtomicU64>,
    line: Vec<u8>,
}

type Raw<R> = BufReader<Chain<Cursor<Vec<u8>>, Counted<R>>>;

enum Text<R: Read> {
    Plain(Raw<R>),
    // gzip files may be joined end to end, as log rotation and `cat a.gz b.gz` do.
    Gzip(Box<BufReader<MultiGzDecoder<Raw<R>>>>),
}

impl<R: Read> Lines<R> {
    /// Examines the first two bytes. Errors: those of the source.
    pub(super) fn open(source: R) -> io::Result<Self> {
        let bytes = Arc::new(AtomicU64::new(0));
        let mut source = Counted { source, bytes: Arc::clone(&bytes) };
        let mut head = Vec::with_capacity(GZIP.len());
        source.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
        let packed = head == GZIP;
        let raw = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(source));
        let text = if packed {
            Text::Gzip(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw))))
        } else {
            Text::Plain(raw)
        };
        Ok(Self { text, bytes, line: Vec::with_capacity(1024) })
    }

    /// Whether the source is compressed, so that an error may mean a damaged archive.
    pub(super) fn is_gzip(&self) -> bool {
        matches!(self.text, Text::Gzip(_))
    }

    /// Bytes read from the source so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The next line without its line end (`\n` or `\r\n`); `None` at the end. Lines longer than [`MAX_LINE`] are cut.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let more = match &mut self.text {
            Text::Plain(text) => take_line(text, &mut self.line)?,
            Text::Gzip(text) => take_line(text, &mut self.line)?,
        };
        if !more {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

fn take_line(text: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let limit = MAX_LINE as u64 + 1;
    let skipped = skip_zeros(text)?;
    if text.by_ref().take(limit).read_until(b'\n', line)? == 0 {
        return Ok(skipped);
    }
    if line.len() > MAX_LINE && !line.ends_with(b"\n") {
        text.skip_until(b'\n')?;
    }
    Ok(true)
}

/// Skips any number of zero bytes, with which a log begins after a rotation that truncates it. Returns whether there
/// were any.
fn skip_zeros(text: &mut impl BufRead) -> io::Result<bool> {
    let mut skipped = false;
    loop {
        let held = text.fill_buf()?;
        let zeros = held.iter().take_while(|byte| **byte == 0).count();
        let is_over = zeros < held.len() || held.is_empty();
        text.consume(zeros);
        skipped |= zeros > 0;
        if is_over {
            return Ok(skipped);
        }
    }
}

/// Counts the bytes that pass through.
struct Counted<R> {
    source: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn all(source: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Lines::open(source)?;
        let mut found = Vec::new();
        while let Some(line) = lines.next()? {
            found.push(line.to_vec());
        }
        assert_eq!(lines.bytes(), source.len() as u64);
        Ok(found)
    }

    #[test]
    fn plain_and_packed_lines_are_the_same() {
        let text = b"one\r\ntwo\n\nlast without end";
        let expected: [&[u8]; 4] = [b"one", b"two", b"", b"last without end"];
        assert_eq!(all(text).unwrap(), expected);
        assert_eq!(all(&gzip(text)).unwrap(), expected);
        assert_eq!(all(&[gzip(b"one\ntw"), gzip(b"o\n\nlast without end")].concat()).unwrap(), expected);
        assert!(all(b"").unwrap().is_empty());
        assert_eq!(all(b"x").unwrap(), [b"x"]);
    }

    #[test]
    fn zeros_before_a_line_are_no_part_of_it() {
        let text = [vec![0; 3 * MAX_LINE], b"one\n\0two\n".to_vec()].concat();
        assert_eq!(all(&text).unwrap(), [b"one", b"two"]);
        assert_eq!(all(&gzip(&text)).unwrap(), [b"one", b"two"]);
        assert_eq!(all(&[0; 9]).unwrap(), [b""]);
    }

    #[test]
    fn a_cut_archive_is_an_error() {
        let packed = gzip(&b"some line\n".repeat(1000));
        for cut in [3, packed.len() / 2, packed.len() - 1] {
            assert!(all(&packed[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_found() {
        let text = [vec![b'x'; 3 * MAX_LINE], b"\nnext\n".to_vec()].concat();
        let lines = all(&text).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), MAX_LINE + 1);
        assert_eq!(lines[1], b"next");
    }
}
