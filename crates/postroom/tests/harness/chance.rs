//! Random numbers that can be had again: a test that fails by its seed fails again.

/// A sequence of numbers that follows from its seed (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// One of these, if there is any.
    pub fn take<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        let len = u64::try_from(from.len()).expect("a length");
        (len > 0).then(|| from.swap_remove(self.index(len)))
    }

    /// The same numbers as places of a list of this length.
    pub fn index(&mut self, len: u64) -> usize {
        usize::try_from(self.below(len)).expect("a place of a list")
    }
}
