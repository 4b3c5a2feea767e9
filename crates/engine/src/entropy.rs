//! Ids and chance. Ids grow strictly within a process, so that tables on them grow at their end.

use std::sync::atomic::{AtomicU64, Ordering};

use postroom_core::EventId;
use ring::rand::{SecureRandom, SystemRandom};

/// A source of ids and of random numbers for jitter. Not for secrets.
pub(crate) struct Entropy {
    seed: u64,
    drawn: AtomicU64,
    /// Milliseconds and, in the low 12 bits, a counter within the millisecond.
    tick: AtomicU64,
}

impl Entropy {
    /// From a seed, so that the same is drawn again, or from the system's chance.
    pub fn new(seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(Self::seed);
        Self { seed, drawn: AtomicU64::new(0), tick: AtomicU64::new(0) }
    }

    fn seed() -> u64 {
        let mut seed = [0; 8];
        // Without system randomness the address of a local still tells processes apart.
        if SystemRandom::new().fill(&mut seed).is_err() {
            seed = (std::ptr::from_ref(&seed) as usize as u64).to_ne_bytes();
        }
        u64::from_ne_bytes(seed)
    }

    /// The next 64 random bits (splitmix64 over a random start).
    fn draw(&self) -> u64 {
        let n = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut z = self.seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number between 0 and 1.
    #[allow(clippy::cast_precision_loss)]
    pub fn chance(&self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A new event id, greater than every one before.
    pub fn event_id(&self, now_ms: i64) -> EventId {
        let now = u64::try_from(now_ms).unwrap_or(0) << 12;
        let step = |last: u64| Some(now.max(last + 1));
        let last = self.tick.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let tick = now.max(last.unwrap_or(0) + 1);
        let mut random = [0; 10];
        let counter = (tick & 0xfff) as u16;
        random[..2].copy_from_slice(&counter.to_be_bytes());
        random[2..].copy_from_slice(&self.draw().to_be_bytes());
        EventId::from_parts(tick >> 12, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_does_not() {
        let entropy = Entropy::new(None);
        let mut last = entropy.event_id(1_795_437_345_000);
        for n in 0..10_000 {
            let next = entropy.event_id(1_795_437_345_000 - n % 3);
            assert!(next > last, "{next} after {last}");
            last = next;
        }
        assert!((0..1000).map(|_| entropy.chance()).all(|c| (0.0..1.0).contains(&c)));
    }
}
