//! Latencies in buckets that grow with the value: 32 to each doubling, so 3 % wide at most.
//!
//! Recording is one addition to an array; nothing is sampled and nothing is lost.

use std::time::Duration;

/// Buckets to each doubling, as a power of two.
const PRECISION_BITS: u32 = 5;
const STEPS: usize = 1 << PRECISION_BITS;
/// Values from 2^40 ns (18 minutes) on share the last bucket.
const MAX_BITS: u32 = 40;
const BUCKETS: usize = (MAX_BITS - PRECISION_BITS + 1) as usize * STEPS;

/// Counts of latencies.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// Adds all latencies of another.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// How many latencies were recorded.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that `share` (0 to 1) of all do not exceed, in milliseconds, as the middle of
    /// its bucket; 0 when nothing was recorded.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return (lower_bound(index) + lower_bound(index + 1)) as f64 / 2.0 / 1e6;
            }
        }
        0.0
    }
}

/// Below 32 ns every value has its own bucket; above, the five bits after the first choose it.
fn bucket(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    if bits <= PRECISION_BITS {
        return nanos as usize;
    }
    let shift = bits - PRECISION_BITS - 1;
    let step = (nanos >> shift) as usize & (STEPS - 1);
    ((shift as usize + 1) * STEPS + step).min(BUCKETS - 1)
}

/// The smallest value of a bucket.
fn lower_bound(index: usize) -> u64 {
    let (row, step) = (index / STEPS, (index % STEPS) as u64);
    if row == 0 { step } else { (STEPS as u64 + step) << (row - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_starts_at_its_lower_bound() {
        for index in 0..BUCKETS - 1 {
            assert_eq!(bucket(lower_bound(index)), index);
            assert_eq!(bucket(lower_bound(index + 1) - 1), index);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_three_per_cent() {
        let mut histogram = Histogram::new();
        for micros in 1..=10_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, expected) in [(0.5, 5.0), (0.99, 9.9), (1.0, 10.0)] {
            let found = histogram.quantile_ms(share);
            assert!((found / expected - 1.0).abs() < 0.03, "{share}: {found} is not {expected}");
        }
    }

    #[test]
    fn merging_is_recording_both() {
        let (mut left, mut right) = (Histogram::new(), Histogram::new());
        left.record(Duration::from_millis(1));
        right.record(Duration::from_millis(100));
        left.merge(&right);
        assert_eq!(left.total(), 2);
        assert!(left.quantile_ms(0.5) < 1.1 && left.quantile_ms(1.0) > 95.0);
        assert_eq!(Histogram::new().quantile_ms(0.5), 0.0);
    }
}
