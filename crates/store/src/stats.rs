//! Counts and timings of a store, for metrics and the overview.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use postroom_core::run::RunState;

/// What a store says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Runs by the state last committed, as lists show them.
    pub runs: BTreeMap<RunState, u64>,
    /// Runs under an owner now, whatever state they were last committed in.
    pub at_work: u64,
    /// When the longest-waiting due run fell due.
    pub oldest_due_ms: Option<i64>,
    /// De-duplication keys remembered, about.
    pub dedupe_keys: u64,
    /// Bytes on disk, all files together.
    pub disk_bytes: u64,
    /// How many requests a commit carried.
    pub group_size: Histogram,
    /// How long a commit took, in microseconds.
    pub commit_us: Histogram,
    /// Whether the last write failed.
    pub failing: Option<String>,
}

/// A histogram with fixed bounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds of the buckets.
    pub bounds: &'static [u64],
    /// Observations in each bucket; the last is above every bound.
    pub counts: Vec<u64>,
    /// The sum of all observations.
    pub sum: u64,
}

/// A histogram being filled.
#[derive(Debug)]
pub struct Meter {
    bounds: &'static [u64],
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Meter {
    /// An empty histogram with these upper bounds.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Adds an observation.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was observed so far.
    #[must_use]
    pub fn read(&self) -> Histogram {
        Histogram {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}
