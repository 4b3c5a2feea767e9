//! Lines that a child process writes, gathered as they come, and waited for.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use super::PATIENCE;

/// Everything a stream has said so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Gathered>, Condvar)>);

#[derive(Default)]
struct Gathered {
    lines: Vec<String>,
    closed: bool,
}

impl Lines {
    /// Gathers the lines of a stream until it ends.
    pub fn gather(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let gathering = lines.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                line.clear();
                gathering.0.0.lock().lines.push(text);
                gathering.0.1.notify_all();
            }
            gathering.0.0.lock().closed = true;
            gathering.0.1.notify_all();
        });
        lines
    }

    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().lines.clone()
    }

    pub fn text(&self) -> String {
        self.all().join("\n")
    }

    /// Lines that hold a text.
    pub fn having(&self, text: &str) -> Vec<String> {
        self.all().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// Log lines with this message, as JSON.
    pub fn messages(&self, message: &str) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str::<Value>(line).ok();
        self.all().iter().filter_map(parse).filter(|line| line["message"] == message).collect()
    }

    /// The first line that fits, when it has come; `None` if the stream ended without one.
    pub fn wait_for(&self, what: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
        self.wait_for_nth(1, what, fits)
    }

    /// The line that is the `nth` to fit, counted from 1.
    pub fn wait_for_nth(
        &self,
        nth: usize,
        what: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut gathered = self.0.0.lock();
        loop {
            if let Some(line) = gathered.lines.iter().filter(|line| fits(line)).nth(nth - 1) {
                return Some(line.clone());
            }
            if gathered.closed {
                return None;
            }
            let timed_out = self.0.1.wait_until(&mut gathered, deadline).timed_out();
            assert!(!timed_out, "{what} did not come; so far:\n{}", gathered.lines.join("\n"));
        }
    }

    /// Waits until the stream has ended: its process is gone.
    pub fn wait_for_end(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut gathered = self.0.0.lock();
        while !gathered.closed {
            let timed_out = self.0.1.wait_until(&mut gathered, deadline).timed_out();
            assert!(!timed_out, "the process goes on:\n{}", gathered.lines.join("\n"));
        }
    }

    /// Returns at the next line, at the end, or after a moment.
    pub fn pause(&self) {
        let mut gathered = self.0.0.lock();
        if !gathered.closed {
            let _ = self.0.1.wait_for(&mut gathered, Duration::from_millis(10));
        }
    }
}
