//! Choices that a seed repeats. Knows numbers; what is chosen is left to others.

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to choose.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// From `MOAT_SEED`, or a new one; printed, so that a run can be repeated.
    pub(crate) fn seeded(what: &str) -> Self {
        let given = std::env::var("MOAT_SEED").ok();
        let seed = given.map_or_else(
            || {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                now.map_or(1, |since| since.as_nanos() as u64)
            },
            |text| text.parse().expect("MOAT_SEED is a number"),
        );
        println!("{what}: MOAT_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Less than `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
