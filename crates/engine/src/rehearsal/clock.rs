//! A clock that jumps to the next time somebody waits for as soon as nothing else happens, and the
//! loop that notices this. There is no runtime: whatever a rehearsal awaits is in this process, so
//! a future that is pending and was not woken waits for time and for nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

use crate::clock::Clock;

/// The most turns of a rehearsal; more than any that ends takes.
const TURNS: usize = 10_000_000;

/// Why a future did not come to an end.
pub(super) enum Idle {
    /// It waits, and not for a time.
    Stuck,
    /// It went on for too long.
    Endless,
}

/// A clock that jumps.
pub(super) struct Jumping(Arc<Mutex<State>>);

struct State {
    now_ms: i64,
    /// Who waits, by time and turn.
    waiting: BTreeMap<(i64, u64), Waker>,
    turns: u64,
}

impl Jumping {
    /// A clock that stands at a time.
    pub fn from(now_ms: i64) -> Self {
        Self(Arc::new(Mutex::new(State { now_ms, waiting: BTreeMap::new(), turns: 0 })))
    }

    /// Plays a future to its end; whenever it waits for a time, that time has come.
    pub fn play<F: Future>(&self, future: F) -> Result<F::Output, Idle> {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        // A runtime around us must not ration what is polled here: it would count as waiting.
        let mut future = pin!(tokio::task::unconstrained(future));
        for _ in 0..TURNS {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            if !woken.0.swap(false, Ordering::Relaxed) && !self.jump() {
                return Err(Idle::Stuck);
            }
        }
        Err(Idle::Endless)
    }

    /// Jumps to the next time somebody waits for; `false` if nobody waits for any.
    fn jump(&self) -> bool {
        let mut state = self.0.lock();
        let Some(&(due_ms, _)) = state.waiting.keys().next() else { return false };
        if due_ms == i64::MAX {
            return false;
        }
        state.now_ms = state.now_ms.max(due_ms);
        while let Some(first) = state.waiting.first_entry().filter(|e| e.key().0 <= due_ms) {
            first.remove().wake();
        }
        true
    }
}

impl Clock for Jumping {
    fn now_ms(&self) -> i64 {
        self.0.lock().now_ms
    }

    fn sleep_until(&self, due_ms: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut state = self.0.lock();
        state.turns += 1;
        Box::pin(Sleep { clock: Arc::clone(&self.0), key: (due_ms, state.turns) })
    }
}

struct Sleep {
    clock: Arc<Mutex<State>>,
    key: (i64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.now_ms >= self.key.0 {
            return Poll::Ready(());
        }
        state.waiting.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.lock().waiting.remove(&self.key);
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_only_while_everybody_waits() {
        let clock = Jumping::from(1_000);
        let played = clock.play(async {
            tokio::select! {
                () = clock.sleep_until(90_000) => panic!("the earlier one first"),
                () = clock.sleep_until(5_000) => {}
            }
            let early = clock.now_ms();
            clock.sleep_until(3_000).await;
            (early, clock.now_ms())
        });
        assert_eq!(played.ok(), Some((5_000, 5_000)));
        assert!(clock.0.lock().waiting.is_empty());
        assert!(matches!(clock.play(std::future::pending::<()>()), Err(Idle::Stuck)));
        assert!(matches!(clock.play(clock.sleep_until(i64::MAX)), Err(Idle::Stuck)));
    }
}
