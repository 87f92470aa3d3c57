//! Equal strings once: each gets a number, so that a record of a million lines stays small.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use schema::error::{Error, Result};

/// Strings by number. The hash is keyed: a log is full of strings that strangers chose.
#[derive(Default)]
pub(super) struct Strings<S: BuildHasher = RandomState> {
    numbers: HashMap<Arc<str>, u32, S>,
    all: Vec<Arc<str>>,
}

impl Strings {
    /// The string's number, and whether it is new. Errors: `TooLarge` at four billion distinct strings.
    pub(super) fn number(&mut self, text: &str) -> Result<(u32, bool)> {
        if let Some(number) = self.numbers.get(text) {
            return Ok((*number, false));
        }
        let number = next(self.all.len())?;
        let text: Arc<str> = text.into();
        self.all.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        Ok((number, true))
    }

    /// The strings in order of their numbers; the numbering itself is given up.
    pub(super) fn into_list(self) -> Vec<Arc<str>> {
        self.all
    }
}

/// The number after `count` others. Errors: `TooLarge` where 32 bits do not hold it.
pub(super) fn next(count: usize) -> Result<u32> {
    u32::try_from(count)
        .map_err(|_| Error::TooLarge { limit: "an import takes 4 billion different values at most".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_have_one_number() {
        let mut strings = Strings::default();
        assert_eq!(strings.number("a").unwrap(), (0, true));
        assert_eq!(strings.number("b").unwrap(), (1, true));
        assert_eq!(strings.number("a").unwrap(), (0, false));
        assert_eq!(strings.into_list().iter().map(|text| &**text).collect::<Vec<_>>(), ["a", "b"]);
    }
}
