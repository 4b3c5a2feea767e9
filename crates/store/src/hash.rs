//! Maps over ids and key hashes. Their bytes are random or digests already, so a few shifts are all
//! the hashing they need; nobody outside can choose them to collide.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map from sixteen random bytes.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fold>>;

/// A set of sixteen random bytes.
pub(crate) type Set<K> = HashSet<K, BuildHasherDefault<Fold>>;

/// Folds bytes, eight at a time.
#[derive(Default)]
pub(crate) struct Fold(u64);

impl Fold {
    fn add(&mut self, word: u64) {
        // The multiplier of splitmix64 spreads the low bits, by which maps choose a place.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.add(u64::from(*byte)));
    }

    fn write_usize(&mut self, length: usize) {
        // Lengths are always the same.
        let _ = length;
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
