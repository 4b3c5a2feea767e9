//! Rate limits per connection: several windows at once, exact in each: a call goes when the call
//! `requests` before it is a whole window old. A call that may not go yet gets a place in line, so
//! that a crowd of parked runs comes back one by one instead of all at once.

use std::collections::{BTreeMap, HashMap, VecDeque};

use parking_lot::{Mutex, RwLock};
use postroom_adapters::RateLimit;
use postroom_core::RunId;
use postroom_core::run::Spot;

use crate::project::{Connection, Project};

/// The limits of every connection.
pub(crate) struct Limits {
    lines: RwLock<BTreeMap<String, Mutex<Line>>>,
}

/// One connection's limits and who waits for them.
struct Line {
    windows: Vec<Window>,
    /// The provider takes nothing before.
    paused_until_ms: i64,
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
        let limits = Self { lines: RwLock::default() };
        limits.adopt(project);
        limits
    }

    /// Goes on with the limits of a changed project. Those that stay as they were remember their
    /// calls and promises; others begin anew.
    pub fn adopt(&self, project: &Project) {
        let mut lines = self.lines.write();
        let mut before = std::mem::take(&mut *lines);
        for (name, connection) in &project.connections {
            let new = Line::of(connection);
            let kept = before.remove(name).filter(|line| line.lock().same_bounds(&new));
            lines.insert(name.clone(), kept.unwrap_or_else(|| Mutex::new(new)));
        }
    }

    /// When a call of a step on a connection may go, in milliseconds since 1970. A time not
    /// after `now_ms` means now, and counts; a later one is a promise to be claimed then.
    pub fn take(&self, connection: &Connection, run: RunId, place: Place, now_ms: i64) -> i64 {
        self.with(connection, |line| line.take(run, place, now_ms))
    }

    /// The provider takes nothing on this connection until then. Whoever waits gets a new place.
    pub fn pause(&self, connection: &Connection, now_ms: i64, until_ms: i64) {
        self.with(connection, |line| {
            if until_ms > line.paused_until_ms {
                line.paused_until_ms = until_ms;
                line.promised.clear();
                line.windows.iter_mut().for_each(|window| window.give_back(now_ms));
            }
        });
    }

    fn with<T>(&self, connection: &Connection, act: impl FnOnce(&mut Line) -> T) -> T {
        if let Some(line) = self.lines.read().get(&connection.name) {
            return act(&mut line.lock());
        }
        // No workflow of the project uses it, but a run of an earlier version does.
        let mut lines = self.lines.write();
        let line = lines.entry(connection.name.clone());
        act(line.or_insert_with(|| Mutex::new(Line::of(connection))).get_mut())
    }
}

impl Line {
    /// When a call may go; a time not after now counts.
    fn take(&mut self, run: RunId, place: Place, now_ms: i64) -> i64 {
        if self.windows.is_empty() {
            return now_ms.max(self.paused_until_ms);
        }
        if let Some(due_ms) = self.promised.get(&(run, place)).copied() {
            if due_ms <= now_ms {
                self.promised.remove(&(run, place));
            }
            return due_ms;
        }
        let from_ms = now_ms.max(self.paused_until_ms);
        let due_ms = self.windows.iter().map(|w| w.next_ms(from_ms)).max().unwrap_or(from_ms);
        self.windows.iter_mut().for_each(|window| window.reserve(due_ms));
        if due_ms > now_ms {
            self.promised.retain(|_, promised| *promised + PROMISE_KEPT_MS > now_ms);
            self.promised.insert((run, place), due_ms);
        }
        due_ms
    }

    fn of(connection: &Connection) -> Self {
        let window = |limit: &RateLimit| Window {
            requests: limit.requests.max(1) as usize,
            window_ms: i64::try_from(limit.window_ms).unwrap_or(i64::MAX).max(1),
            last_ms: VecDeque::new(),
        };
        let windows = connection.limits.iter().map(window).collect();
        Self { windows, paused_until_ms: 0, promised: HashMap::new() }
    }

    fn same_bounds(&self, other: &Self) -> bool {
        let bounds = |line: &Self| -> Vec<(usize, i64)> {
            line.windows.iter().map(|window| (window.requests, window.window_ms)).collect()
        };
        bounds(self) == bounds(other)
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

    /// Forgets the calls that have not gone.
    fn give_back(&mut self, now_ms: i64) {
        self.last_ms.retain(|last_ms| *last_ms <= now_ms);
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
    #[test]
    fn a_limit_that_stays_remembers_its_calls() {
        let connection = |requests| {
            std::sync::Arc::new(Connection {
                name: "shop".to_owned(),
                adapter: "local".to_owned(),
                base_url: None,
                config: postroom_core::Json::null(),
                credentials: BTreeMap::new(),
                oauth: None,
                allow: Vec::new(),
                authority: None,
                limits: vec![RateLimit { requests, window_ms: 1000 }],
                mode: postroom_core::definition::Mode::Live,
            })
        };
        let project = |requests| {
            let catalog = std::sync::Arc::new(postroom_adapters::Catalog::builtin());
            let connections = [("shop".to_owned(), connection(requests))];
            Project::new(Vec::new(), catalog, connections.into()).unwrap()
        };
        let run: RunId = "run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b".parse().unwrap();
        let limits = Limits::new(&project(1));
        assert_eq!(limits.take(&connection(1), run, (Spot::step(0), 0), 5_000), 5_000);
        limits.adopt(&project(1));
        assert_eq!(
            limits.take(&connection(1), run, (Spot::step(0), 1), 5_000),
            6_000,
            "the call before still counts"
        );
        limits.adopt(&project(2));
        assert_eq!(
            limits.take(&connection(1), run, (Spot::step(0), 1), 5_000),
            5_000,
            "another limit begins anew"
        );
    }
}
