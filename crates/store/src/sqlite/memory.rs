//! De-duplication keys in memory: exact, bounded by time, rebuilt at open from an append-ordered
//! table. A random-key index on disk would cost half the throughput.

use std::collections::{BTreeMap, HashMap};

use postroom_core::id::KeyHash;

use crate::hash::Map;

/// Shared numbers by name: the value and until when it counts, in milliseconds since 1970.
pub(super) type Numbers = HashMap<String, (i64, i64)>;

/// How long keys that expire close together are kept together.
const BUCKET_MS: i64 = 600_000;

/// Keys seen, each with the id that had it first.
#[derive(Debug, Default)]
pub(super) struct Keys {
    seen: Map<KeyHash, ([u8; 16], i64)>,
    expiring: BTreeMap<i64, Vec<KeyHash>>,
}

impl Keys {
    /// The id that had the key first, if it has not expired.
    pub fn get(&self, key: KeyHash, now_ms: i64) -> Option<[u8; 16]> {
        self.seen.get(&key).filter(|(_, until_ms)| *until_ms > now_ms).map(|(target, _)| *target)
    }

    /// Remembers a key until `until_ms`.
    pub fn insert(&mut self, key: KeyHash, target: [u8; 16], until_ms: i64) {
        self.seen.insert(key, (target, until_ms));
        self.expiring.entry(until_ms.div_euclid(BUCKET_MS)).or_default().push(key);
    }

    /// Forgets what expired some time before `now_ms`.
    pub fn sweep(&mut self, now_ms: i64) {
        let keep = self.expiring.split_off(&now_ms.div_euclid(BUCKET_MS));
        for key in std::mem::replace(&mut self.expiring, keep).into_values().flatten() {
            if self.seen.get(&key).is_some_and(|(_, until_ms)| *until_ms <= now_ms) {
                self.seen.remove(&key);
            }
        }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Makes room for keys about to be inserted.
    pub fn reserve(&mut self, count: usize) {
        self.seen.reserve(count);
    }
}
