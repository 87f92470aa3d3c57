//! A generation of IDs: a file of sorted 64-bit keys that never changes once it has its name.
//!
//! - Most lookups are for keys that are not present: a Bloom filter in memory answers them. The others read one page.
//! - Layout, little endian: the keys, the first key of each page, the filter, then the counts of keys and filter blocks and [`MAGIC`].

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Keys of one page: 4 KiB.
const PAGE: usize = 512;

/// Bytes of one key.
const KEY: usize = 8;

/// Last bytes of each file: name and version of the format.
const MAGIC: u64 = u64::from_le_bytes(*b"ff-ids-1");

/// Bytes after the filter.
const TRAILER: usize = 3 * KEY;

/// Extension of complete files.
const EXTENSION: &str = "ids";

/// Extension of a file that is being written.
const UNFINISHED: &str = "new";

/// Bits of the filter for each key: about one lookup in a hundred of a missing key reads a page.
const BITS: u64 = 10;

/// Bits that a key sets.
const PROBES: u32 = 6;

/// One cache line of the filter.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Block([u64; 8]);

const BLOCK_BITS: u64 = 512;

/// A Bloom filter whose bits of one key share a cache line.
struct Filter(Vec<Block>);

impl Filter {
    fn with_room_for(keys: u64) -> Self {
        let blocks = usize::try_from((keys * BITS).div_ceil(BLOCK_BITS)).unwrap_or(usize::MAX);
        Self(vec![Block::default(); blocks.max(1)])
    }

    fn position(&self, key: u64) -> usize {
        // Keys are hashes: the part of the whole range where a key lies tells its block.
        usize::try_from((u128::from(key) * self.0.len() as u128) >> 64).unwrap_or_default()
    }

    /// The bits that a key sets in its block.
    fn mask(key: u64) -> Block {
        let mut mask = Block::default();
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for probe in 0..PROBES {
            let bit = (mixed >> (64 - 9 * (probe + 1))) % BLOCK_BITS;
            if let Some(word) = usize::try_from(bit / 64).ok().and_then(|word| mask.0.get_mut(word)) {
                *word |= 1 << (bit % 64);
            }
        }
        mask
    }

    fn insert(&mut self, key: u64) {
        let at = self.position(key);
        if let Some(block) = self.0.get_mut(at) {
            for (word, bits) in block.0.iter_mut().zip(Self::mask(key).0) {
                *word |= bits;
            }
        }
    }

    fn may_hold(&self, key: u64) -> bool {
        let block = self.0.get(self.position(key)).copied().unwrap_or_default();
        block.0.iter().zip(Self::mask(key).0).all(|(word, bits)| word & bits == bits)
    }
}

/// An open generation. Copies share the file and the filter.
#[derive(Clone)]
pub struct Generation {
    /// Grows from each generation to the next.
    pub number: u64,
    /// UTC day on which its IDs arrived, by the server's clock (days since 1970).
    pub day: i64,
    /// How many keys it holds.
    pub count: u64,
    path: PathBuf,
    file: Arc<File>,
    /// The first key of each page.
    fences: Arc<[u64]>,
    /// `None` if memory is short: each lookup reads a page then.
    filter: Option<Arc<Filter>>,
}

impl Generation {
    /// Writes keys (sorted, unique) and those of other generations to a new file. It is on disk when this returns.
    ///
    /// # Errors
    /// Disk errors; a file with its final name is complete.
    pub fn write(folder: &Path, number: u64, day: i64, keys: &[u64], merged: &[Self]) -> io::Result<Self> {
        let path = folder.join(format!("{number:016x}-{day}.{EXTENSION}"));
        let unfinished = path.with_extension(UNFINISHED);
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        let mut filter = Filter::with_room_for(keys.len() as u64 + merged.iter().map(|it| it.count).sum::<u64>());
        let (mut fences, mut count) = (Vec::new(), 0_u64);
        let mut runs = vec![Run::begun(Box::new(keys.iter().copied().map(Ok)))?];
        for generation in merged {
            runs.push(Run::begun(Box::new(generation.keys()))?);
        }
        while let Some(key) = runs.iter().filter_map(|run| run.next).min() {
            for run in runs.iter_mut().filter(|run| run.next == Some(key)) {
                run.advance()?;
            }
            if count.is_multiple_of(PAGE as u64) {
                fences.push(key);
            }
            count += 1;
            filter.insert(key);
            out.write_all(&key.to_le_bytes())?;
        }
        drop(runs);
        let words = filter.0.iter().flat_map(|block| block.0);
        for word in fences.iter().copied().chain(words).chain([count, filter.0.len() as u64, MAGIC]) {
            out.write_all(&word.to_le_bytes())?;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(folder)?.sync_all()?;
        let file = Arc::new(File::open(&path)?);
        Ok(Self { number, day, count, path, file, fences: fences.into(), filter: Some(Arc::new(filter)) })
    }

    /// Opens the generations of a folder, in order. Deletes unfinished files; warns about unreadable ones.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open_all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut generations = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(UNFINISHED) => fs::remove_file(&path)?,
                Some(EXTENSION) => match Self::open(path.clone()) {
                    Ok(generation) => generations.push(generation),
                    Err(error) => tracing::warn!(
                        error.source = %error,
                        "cannot read {}; events whose IDs it contains may be counted again",
                        path.display()
                    ),
                },
                _ => {}
            }
        }
        generations.sort_by_key(|generation| generation.number);
        Ok(generations)
    }

    fn open(path: PathBuf) -> io::Result<Self> {
        let broken = || io::Error::other("the file is incomplete");
        let name = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.split_once('-'));
        let (number, day) = name.ok_or_else(broken)?;
        let number = u64::from_str_radix(number, 16).map_err(io::Error::other)?;
        let day = day.parse().map_err(io::Error::other)?;
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let trailer = words(&file, length.checked_sub(TRAILER as u64).ok_or_else(broken)?, 3)?;
        let [count, blocks, MAGIC] = trailer[..] else { return Err(broken()) };
        let pages = count.div_ceil(PAGE as u64);
        let total = count.checked_add(pages).and_then(|all| all.checked_add(blocks.checked_mul(8)?));
        let total = total.and_then(|words| words.checked_mul(KEY as u64)?.checked_add(TRAILER as u64));
        if total != Some(length) {
            return Err(broken());
        }
        let fences = words(&file, count * KEY as u64, pages)?;
        let filter = words(&file, (count + pages) * KEY as u64, blocks * 8)?;
        let (filter, _) = filter.as_chunks();
        let filter = Some(Arc::new(Filter(filter.iter().copied().map(Block).collect())));
        Ok(Self { number, day, count, path, file: Arc::new(file), fences: fences.into(), filter })
    }

    /// Whether it holds a key.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub fn has(&self, key: u64) -> io::Result<bool> {
        if self.filter.as_ref().is_some_and(|filter| !filter.may_hold(key)) {
            return Ok(false);
        }
        let Some(page) = self.fences.partition_point(|first| *first <= key).checked_sub(1) else { return Ok(false) };
        let first = (page * PAGE) as u64;
        let keys = usize::try_from(self.count - first).map_or(PAGE, |left| left.min(PAGE));
        let mut bytes = [0; PAGE * KEY];
        let page = bytes.get_mut(..keys * KEY).ok_or_else(|| io::Error::other("a page is longer than a page"))?;
        self.file.read_exact_at(page, first * KEY as u64)?;
        let (page, _) = page.as_chunks();
        Ok(page.binary_search_by_key(&key, |bytes| u64::from_le_bytes(*bytes)).is_ok())
    }

    /// Memory of the filter, in bytes.
    #[must_use]
    pub fn filter_bytes(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| filter.0.len() * size_of::<Block>())
    }

    /// Frees the filter's memory.
    pub fn drop_filter(&mut self) {
        self.filter = None;
    }

    /// Deletes the file. Open handles stay readable.
    ///
    /// # Errors
    /// Disk errors.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    /// Its keys in order.
    fn keys(&self) -> impl Iterator<Item = io::Result<u64>> + use<> {
        let mut file = BufReader::with_capacity(1 << 18, Cursor { file: Arc::clone(&self.file), at: 0 });
        (0..self.count).map(move |_| {
            let mut bytes = [0; KEY];
            file.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        })
    }
}

/// Reads an open file from its beginning, independently of other readers.
struct Cursor {
    file: Arc<File>,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn words(file: &File, from: u64, count: u64) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; usize::try_from(count).map_err(io::Error::other)? * KEY];
    file.read_exact_at(&mut bytes, from)?;
    let (words, _) = bytes.as_chunks();
    Ok(words.iter().copied().map(u64::from_le_bytes).collect())
}

/// Sorted keys that are being merged.
struct Run<'a> {
    next: Option<u64>,
    rest: Box<dyn Iterator<Item = io::Result<u64>> + 'a>,
}

impl<'a> Run<'a> {
    fn begun(mut rest: Box<dyn Iterator<Item = io::Result<u64>> + 'a>) -> io::Result<Self> {
        Ok(Self { next: rest.next().transpose()?, rest })
    }

    fn advance(&mut self) -> io::Result<()> {
        self.next = self.rest.next().transpose()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys as hashes are: spread over the whole range.
    fn key(number: u64) -> u64 {
        (number + 1).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(31).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn sorted(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut keys: Vec<u64> = numbers.map(key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn keys_are_found_again_with_and_without_the_filter() {
        let folder = tempfile::tempdir().unwrap();
        Generation::write(folder.path(), 3, 20_000, &sorted(0..5_000), &[]).unwrap();
        std::fs::write(folder.path().join("0000000000000004-20000.new"), "half").unwrap();
        std::fs::write(folder.path().join("0000000000000005-20000.ids"), "broken").unwrap();
        let mut all = Generation::open_all(folder.path()).unwrap();
        assert_eq!(all.len(), 1);
        assert!(!folder.path().join("0000000000000004-20000.new").exists());
        let generation = &mut all[0];
        assert_eq!((generation.number, generation.day, generation.count), (3, 20_000, 5_000));
        let maybe =
            (5_000..105_000).filter(|number| generation.filter.as_ref().unwrap().may_hold(key(*number))).count();
        assert!(maybe < 2_500, "{maybe} of 100,000 missing keys need a look at the disk");
        for _ in 0..2 {
            assert!((0..5_000).all(|number| generation.has(key(number)).unwrap()));
            assert!(!(5_000..20_000).any(|number| generation.has(key(number)).unwrap()));
            assert!(!generation.has(0).unwrap() && !generation.has(u64::MAX).unwrap());
            generation.drop_filter();
        }
    }

    #[test]
    fn merged_generations_hold_the_keys_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let a = Generation::write(folder.path(), 1, 5, &sorted(0..1_000), &[]).unwrap();
        let b = Generation::write(folder.path(), 2, 5, &sorted(900..1_500), &[]).unwrap();
        let merged = Generation::write(folder.path(), 3, 5, &sorted(1_400..1_600), &[a.clone(), b]).unwrap();
        assert_eq!(merged.count, 1_600, "a key of two generations is one");
        assert!((0..1_600).all(|number| merged.has(key(number)).unwrap()));
        a.remove().unwrap();
        assert!(a.has(key(7)).unwrap(), "an open file stays readable");
        let numbers: Vec<u64> =
            Generation::open_all(folder.path()).unwrap().iter().map(|generation| generation.number).collect();
        assert_eq!(numbers, [2, 3]);
    }
}
