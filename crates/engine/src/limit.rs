//! Rate limits per connection: several windows at once, exact in each: a call goes when the call
//! `requests` before it is a whole window old. A call that may not go yet gets a place in line, so
//! that a crowd of parked runs comes back one by one instead of all at once.

use std::collections::{BTreeMap, HashMap, VecDeque};

use parking_lot::Mutex;
use postroom_core::RunId;
use postroom_core::run::Spot;

use crate::project::Project;

/// The limits of every connection.
pub(crate) struct Limits {
    lines: BTreeMap<String, Mutex<Line>>,
}

/// One connection's limits and who waits for them.
struct Line {
    windows: Vec<Window>,
    /// Calls that were given a time and have not come back yet.
    promised: HashMap<(RunId, Place), i64>,
}

/// Which call of which step. Calls of one step take their places one after the other.
pub(crate) type Place = (Spot, usize);

/// One window: at most `requests` calls in any `window_ms`.
struct Window {
    requests: usize,
    window_ms: i64,
    /// When the last `requests` calls went or will go, oldest first.
    last_ms: VecDeque<i64>,
}

/// Promises nobody claimed are dropped after this long.
const PROMISE_KEPT_MS: i64 = 600_000;

impl Limits {
    pub fn new(project: &Project) -> Self {
        let line = |connection: &crate::Connection| Line {
            windows: connection
                .limits
                .iter()
                .map(|limit| Window {
                    requests: limit.requests.max(1) as usize,
                    window_ms: i64::try_from(limit.window_ms).unwrap_or(i64::MAX).max(1),
                    last_ms: VecDeque::new(),
                })
                .collect(),
            promised: HashMap::new(),
        };
        let lines = project.connections.iter();
        Self { lines: lines.map(|(name, c)| (name.clone(), Mutex::new(line(c)))).collect() }
    }

    /// When a call of a step on a connection may go, in milliseconds since 1970. A time not
    /// after `now_ms` means now, and counts; a later one is a promise to be claimed then.
    pub fn take(&self, connection: &str, run: RunId, place: Place, now_ms: i64) -> i64 {
        let Some(line) = self.lines.get(connection) else { return now_ms };
        let mut line = line.lock();
        if line.windows.is_empty() {
            return now_ms;
        }
        if let Some(due_ms) = line.promised.get(&(run, place)).copied() {
            if due_ms <= now_ms {
                line.promised.remove(&(run, place));
            }
            return due_ms;
        }
        let due_ms = line.windows.iter().map(|w| w.next_ms(now_ms)).max().unwrap_or(now_ms);
        line.windows.iter_mut().for_each(|window| window.reserve(due_ms));
        if due_ms > now_ms {
            line.promised.retain(|_, promised| *promised + PROMISE_KEPT_MS > now_ms);
            line.promised.insert((run, place), due_ms);
        }
        due_ms
    }
}

impl Window {
    /// When the next call may go.
    fn next_ms(&self, now_ms: i64) -> i64 {
        match self.last_ms.front() {
            Some(oldest) if self.last_ms.len() == self.requests => {
                now_ms.max(oldest.saturating_add(self.window_ms))
            }
            _ => now_ms,
        }
    }

    /// Notes a call at `due_ms`.
    fn reserve(&mut self, due_ms: i64) {
        if self.last_ms.len() == self.requests {
            self.last_ms.pop_front();
        }
        // A clock set back must not break the order.
        let due_ms = self.last_ms.back().map_or(due_ms, |last| due_ms.max(*last));
        self.last_ms.push_back(due_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_allowed_in_any_window() {
        let mut window = Window { requests: 100, window_ms: 1000, last_ms: VecDeque::new() };
        let mut times = Vec::new();
        for n in 0..1000 {
            let due_ms = window.next_ms(50_000 + n / 7);
            window.reserve(due_ms);
            times.push(due_ms);
        }
        for pair in times.windows(101) {
            assert!(pair[100] - pair[0] >= 1000, "{pair:?}");
        }
        let last = times.last().unwrap() - times[0];
        assert!((9_000..=9_014).contains(&last), "1000 calls took {last} ms");
    }
}
