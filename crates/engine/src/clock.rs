//! Time, passed in so that tests can hold it still.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time and waits for one.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// Ends at `due_ms`, or at once if that is past.
    fn sleep_until(&self, due_ms: i64) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn sleep_until(&self, due_ms: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let wait = u64::try_from(due_ms.saturating_sub(self.now_ms())).unwrap_or(0);
        // A clock set back or forth meanwhile is noticed within a minute.
        Box::pin(tokio::time::sleep(Duration::from_millis(wait.min(60_000))))
    }
}
