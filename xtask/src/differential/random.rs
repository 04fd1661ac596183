//! Choices that follow from a seed.

/// [SplitMix64](https://prng.di.unimi.it/splitmix64.c): small, and the same on every machine and in every release.
pub(super) struct Random(u64);

impl Random {
    /// The choices of one case.
    pub(super) fn of(seed: u64, subject: &str, number: usize) -> Self {
        // FNV-1a, so that near numbers are far apart.
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        let bytes = seed.to_le_bytes().into_iter().chain(subject.bytes()).chain((number as u64).to_le_bytes());
        for byte in bytes {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(state)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0, below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A number out of a few.
    pub(super) fn number(&mut self, from: &[i64]) -> i64 {
        from[self.below(from.len())]
    }
}
