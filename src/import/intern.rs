//! Deduplicates values: each gets a number, as long as they fit, so that a record of a million lines stays small.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

/// Approximate memory limit of the values in one list, in bytes. Further values are not numbered.
const MAX_BYTES: usize = 16 << 20;

/// Approximate overhead of a value besides its text, in bytes.
const OVERHEAD: usize = 128;

/// Values by number. The hash is keyed, because a log contains many strings chosen by strangers.
pub(super) struct Numbered<K, V> {
    numbers: HashMap<K, u32>,
    all: Vec<V>,
    bytes: usize,
}

impl<K, V> Default for Numbered<K, V> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), all: Vec::new(), bytes: 0 }
    }
}

impl<K: Hash + Eq, V> Numbered<K, V> {
    /// The key's number, if it has one.
    pub(super) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.numbers.get(key).copied()
    }

    /// Numbers a new key with a text of this length; `None` if there is no room.
    pub(super) fn add(&mut self, key: K, value: V, bytes: usize) -> Option<u32> {
        let number = u32::try_from(self.all.len()).ok()?;
        if self.bytes > MAX_BYTES {
            return None;
        }
        self.bytes += bytes + OVERHEAD;
        self.all.push(value);
        self.numbers.insert(key, number);
        Some(number)
    }

    /// The value with a number.
    pub(super) fn get(&self, number: u32) -> Option<&V> {
        self.all.get(number as usize)
    }

    /// The values in the order of their numbers; drops the numbering.
    pub(super) fn into_list(self) -> Vec<V> {
        self.all
    }
}

/// Deduplicates texts of nearby records.
#[derive(Default)]
pub(super) struct Shared(HashSet<Arc<str>>);

impl Shared {
    /// Maximum number of remembered texts.
    const MAX: usize = 32_768;

    /// The text, shared with an equal remembered one.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        if self.0.len() >= Self::MAX {
            self.0.clear();
        }
        let text: Arc<str> = text.into();
        self.0.insert(Arc::clone(&text));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number_until_there_is_no_room() {
        let mut numbered = Numbered::<Box<str>, char>::default();
        assert_eq!(numbered.find("a"), None);
        assert_eq!(numbered.add("a".into(), 'A', 1), Some(0));
        assert_eq!(numbered.add("b".into(), 'B', MAX_BYTES), Some(1));
        assert_eq!(numbered.add("c".into(), 'C', 1), None);
        assert_eq!((numbered.find("a"), numbered.find("b"), numbered.find("c")), (Some(0), Some(1), None));
        assert_eq!(numbered.get(1), Some(&'B'));
        assert_eq!(numbered.into_list(), ['A', 'B']);
    }

    #[test]
    fn texts_are_shared_and_forgotten() {
        let mut shared = Shared::default();
        let first = shared.text("/");
        assert!(Arc::ptr_eq(&first, &shared.text("/")));
        for number in 0..=Shared::MAX {
            shared.text(&number.to_string());
        }
        assert!(shared.0.len() <= Shared::MAX);
        assert_eq!(shared.text("/"), first);
    }
}
