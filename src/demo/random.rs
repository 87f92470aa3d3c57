//! A small deterministic generator (SplitMix64): the same seed gives the same traffic on every machine and release.

/// Draws numbers. Not for secrets.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// An independent stream for each combination of parts.
    pub(super) fn new(parts: &[u64]) -> Self {
        Self(parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| mix(state ^ mix(*part))))
    }

    /// Any 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 to 1, exclusive.
    pub(super) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let unit = (self.bits() >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }

    /// Below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the multiplication is below 2^-32 for the small bounds of a demo.
        u64::try_from((u128::from(self.bits()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Exponentially distributed around `mean`, never below 0: the time that people take.
    pub(super) fn around(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// One of the items, by weight; `None` of an empty list.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> u64) -> Option<&'a T> {
        let mut at = self.below(items.iter().map(&weight).sum());
        items.iter().find(|item| match at.checked_sub(weight(item)) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        })
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |parts: &[u64]| -> Vec<u64> {
            let mut random = Random::new(parts);
            (0..4).map(|_| random.bits()).collect()
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1]), draw(&[1, 0]));
    }

    #[test]
    fn weights_and_bounds_hold() {
        let mut random = Random::new(&[7]);
        let items = [("rare", 1), ("never", 0), ("often", 9)];
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            let picked = random.pick(&items, |item| item.1).unwrap();
            counts[items.iter().position(|item| item == picked).unwrap()] += 1;
            assert!(random.below(3) < 3);
            assert!((0.0..1.0).contains(&random.unit()));
        }
        assert!((800..1200).contains(&counts[0]), "{counts:?}");
        assert_eq!(counts[1], 0);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick(&[0_u8; 0], |_| 1), None);
    }
}
