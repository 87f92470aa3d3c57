//! A hash map by visitor, for millions of visitors.
//!
//! - It consists of parts of different sizes, which grow one after another: a single table would need three times its
//!   size while it grows, and be half empty afterwards.

use rustc_hash::FxHashMap as HashMap;

/// Ends of the parts in the upper 16 bits of a key, except for the last: part `n` is 2^(n/16) times as large as part 0.
const ENDS: [u16; 15] = [
    2_902, 5_932, 9_096, 12_400, 15_850, 19_454, 23_216, 27_146, 31_249, 35_534, 40_009, 44_682, 49_562, 54_658, 59_979,
];

/// Halves of a key, which need no alignment of eight bytes.
type Halves = [u32; 2];

/// Values by key of a visitor. Keys are hashes: their bits must be evenly distributed.
#[derive(Debug)]
pub struct VisitorMap<V> {
    first: HashMap<Halves, V>,
    others: [HashMap<Halves, V>; ENDS.len()],
}

impl<V> Default for VisitorMap<V> {
    fn default() -> Self {
        Self { first: HashMap::default(), others: Default::default() }
    }
}

const fn halves(key: u64) -> Halves {
    let [a, b, c, d, e, f, g, h] = key.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// The index among the other parts of the one that holds a key; none for the first part.
fn part_of(key: u64) -> Option<usize> {
    ENDS.partition_point(|end| u64::from(*end) <= key >> 48).checked_sub(1)
}

impl<V> VisitorMap<V> {
    fn part(&self, key: u64) -> &HashMap<Halves, V> {
        part_of(key).and_then(|at| self.others.get(at)).unwrap_or(&self.first)
    }

    fn part_mut(&mut self, key: u64) -> &mut HashMap<Halves, V> {
        part_of(key).and_then(|at| self.others.get_mut(at)).unwrap_or(&mut self.first)
    }

    fn parts_mut(&mut self) -> impl Iterator<Item = &mut HashMap<Halves, V>> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: u64) -> Option<&V> {
        self.part(key).get(&halves(key))
    }

    /// The value of a key; inserts this one if there is none.
    pub fn or_insert(&mut self, key: u64, value: V) -> &mut V {
        self.part_mut(key).entry(halves(key)).or_insert(value)
    }

    /// Sets the value of a key. Returns the value before.
    pub fn insert(&mut self, key: u64, value: V) -> Option<V> {
        self.part_mut(key).insert(halves(key), value)
    }

    /// Removes a key. Returns its value.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        self.part_mut(key).remove(&halves(key))
    }

    /// Retains the values for which `keep` is true, and returns memory if most are gone.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        for part in self.parts_mut() {
            part.retain(|_, value| keep(value));
            if part.len() < part.capacity() / 4 {
                part.shrink_to_fit();
            }
        }
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        std::iter::once(&self.first).chain(&self.others).flat_map(HashMap::values)
    }

    /// All values, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.parts_mut().flat_map(HashMap::values_mut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers with evenly distributed bits.
    fn key(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn keys_are_found_in_whichever_part_they_are() {
        let mut map = VisitorMap::default();
        for number in 0..10_000 {
            assert_eq!(map.insert(key(number), number), None);
        }
        for edge in [0, u64::MAX, u64::from(ENDS[0]) << 48, (u64::from(ENDS[0]) << 48) - 1] {
            assert_eq!(*map.or_insert(edge, 77), if edge == 0 { 0 } else { 77 });
            assert_eq!((map.remove(edge), map.get(edge)), (Some(if edge == 0 { 0 } else { 77 }), None));
        }
        assert!((1..10_000).all(|number| map.get(key(number)) == Some(&number)));
        for value in map.values_mut() {
            *value += 1;
        }
        map.retain(|value| value % 2 == 0);
        assert_eq!(map.values().count(), 5_000);
        assert_eq!((map.get(key(1)), map.get(key(2))), (Some(&2), None));
    }

    #[test]
    fn parts_grow_one_after_another() {
        let mut map = VisitorMap::default();
        let capacity = |map: &VisitorMap<u64>| {
            std::iter::once(&map.first).chain(&map.others).map(HashMap::capacity).collect::<Vec<_>>()
        };
        for number in 0..100_000 {
            let before = capacity(&map);
            map.insert(key(number), number);
            let grown: usize = before.iter().zip(capacity(&map)).map(|(before, now)| now - before).sum();
            assert!(number < 10_000 || grown * 8 < before.iter().sum(), "grew by {grown} of {before:?}");
        }
        let all: usize = capacity(&map).iter().sum();
        assert!(all < 160_000, "{all} places for 100,000 keys");
    }
}
