//! Numbers that look random and are the same for the same seed: splitmix64.

pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one case: of one kind, by its number, under a seed.
    pub(crate) fn of(seed: u64, kind: &str, number: u64) -> Self {
        let mut random = Self(seed);
        for byte in kind.bytes().chain(number.to_le_bytes()) {
            random.0 = random.next() ^ u64::from(byte);
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
