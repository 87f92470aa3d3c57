//! The two salts for hashing cookieless visitors: today's and yesterday's. Older ones are destroyed.
//!
//! - Without its salt, not even the operator can identify a day's visitors.
//! - They are stored in the data folder (mode 0600), so that a restart keeps today's visitors.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::identity::{DAY_MS, Secret};
use crate::data_folder::write_private;

/// The salts of one moment.
#[derive(Clone)]
pub struct Pair {
    /// The UTC day (since 1970) of `today`.
    pub day: i64,
    /// Today's.
    pub today: Secret,
    /// Yesterday's, if the server ran then.
    pub yesterday: Option<Secret>,
}

impl Pair {
    /// The salt for a UTC day (since 1970), or today's if that one is destroyed or never existed.
    #[must_use]
    pub fn of(&self, day: i64) -> &Secret {
        self.yesterday.as_ref().filter(|_| day == self.day - 1).unwrap_or(&self.today)
    }
}

/// Stores the salts, and creates each day's.
pub struct Salts {
    path: PathBuf,
    pair: Mutex<Option<Arc<Pair>>>,
}

impl Salts {
    /// Stores them in this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, pair: Mutex::new(None) }
    }

    /// The salts at an instant (milliseconds since 1970 UTC); creates, stores and destroys those due.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn at(&self, now_ms: i64) -> io::Result<Arc<Pair>> {
        let day = now_ms.div_euclid(DAY_MS);
        let mut pair = self.pair.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = pair.as_ref().filter(|pair| pair.day >= day) {
            return Ok(Arc::clone(pair));
        }
        let mut kept = read(&self.path)?;
        kept.retain(|known, _| (day - 1..=day).contains(known));
        let today = match kept.get(&day) {
            Some(salt) => *salt,
            None => {
                let mut salt = [0; 32];
                getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
                kept.insert(day, salt);
                write(&self.path, &kept)?;
                salt
            }
        };
        let fresh = Arc::new(Pair {
            day,
            today: Secret::new(today),
            yesterday: kept.get(&(day - 1)).copied().map(Secret::new),
        });
        *pair = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

/// A line per day: its number and 64 hexadecimal digits.
fn read(path: &Path) -> io::Result<BTreeMap<i64, [u8; 32]>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    // A damaged line costs one day's continuity, not the start of the server.
    let line = |line: &str| {
        let (day, digits) = line.split_once(' ')?;
        let mut salt = [0; 32];
        hex::decode_to_slice(digits.get(..64)?, &mut salt).ok()?;
        Some((day.parse().ok()?, salt))
    };
    Ok(text.lines().filter_map(line).collect())
}

fn write(path: &Path, salts: &BTreeMap<i64, [u8; 32]>) -> io::Result<()> {
    let text: String = salts.iter().map(|(day, salt)| format!("{day} {}\n", hex::encode(salt))).collect();
    write_private(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ingest::identity::Identity;

    fn key(secret: &Secret) -> u64 {
        Identity::new(secret, Uuid::nil()).visitor("192.0.2.1", "Firefox", 0)
    }

    #[test]
    fn a_salt_lives_two_days_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Salts::new(folder.path().join("salts"));
        let salts = open();
        let first = salts.at(100 * DAY_MS).unwrap();
        assert!(first.yesterday.is_none());
        assert_eq!(key(&first.today), key(&open().at(100 * DAY_MS + 5).unwrap().today));
        let second = salts.at(101 * DAY_MS).unwrap();
        assert_eq!(key(second.yesterday.as_ref().unwrap()), key(&first.today));
        assert_ne!(key(&second.today), key(&first.today));
        assert_eq!(key(second.of(100)), key(&first.today), "what happened yesterday has yesterday's salt");
        assert_eq!(key(second.of(101)), key(&second.today));
        assert_eq!(key(second.of(99)), key(&second.today), "that day's is gone");
        assert_eq!(key(&salts.at(101 * DAY_MS - 1).unwrap().today), key(&second.today), "clocks that step back");
        salts.at(102 * DAY_MS).unwrap();
        let text = fs::read_to_string(folder.path().join("salts")).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains("100 "), "the day before yesterday cannot be told any more");
        fs::write(folder.path().join("salts"), "nonsense\n101 zz\n").unwrap();
        assert_ne!(key(&open().at(101 * DAY_MS).unwrap().today), key(&second.today));
    }
}
