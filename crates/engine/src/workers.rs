//! Workers: how many runs may be at work at once, and who of those that wait comes next. It is the
//! one whose place in the queue is the first, not the one that asked first: many are claimed ahead,
//! and one with a priority must not wait behind all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::RunId;
use tokio::sync::oneshot;

/// Every worker.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Who waits, in the order in which they come; of equals, in the order in which they asked.
    waiting: BTreeMap<(i64, RunId, u64), oneshot::Sender<Worker>>,
    asked: u64,
}

/// A worker for a run. The next one has it when this is dropped.
pub(crate) struct Worker(Workers);

impl Workers {
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: count, waiting: BTreeMap::new(), asked: 0 })))
    }

    /// Waits for a worker. `place_ms` is where a run stands in the queue, in milliseconds since
    /// 1970.
    pub async fn get(&self, place_ms: i64, run: RunId) -> Worker {
        let given = {
            let mut state = self.0.lock();
            if state.free > 0 {
                state.free -= 1;
                return Worker(self.clone());
            }
            state.asked += 1;
            let place = (place_ms, run, state.asked);
            let (give, given) = oneshot::channel();
            state.waiting.insert(place, give);
            given
        };
        given.await.expect("whoever waits is given a worker before the list is dropped")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.0.lock();
            let next = state.waiting.pop_first();
            state.free += usize::from(next.is_none());
            next
        };
        if let Some((_, give)) = next {
            // One that waits no more drops it, and so gives it to the one after.
            let _ = give.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn run(n: u8) -> RunId {
        RunId([n; 16])
    }

    #[test]
    fn the_first_in_the_queue_comes_next_whoever_asked_first() {
        let workers = Workers::new(1);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(worker) = pin!(workers.get(9, run(9))).as_mut().poll(&mut context) else {
            panic!("there is a free one");
        };
        let mut late = pin!(workers.get(300, run(1)));
        let mut early = pin!(workers.get(100, run(2)));
        let mut equal = pin!(workers.get(100, run(1)));
        for waiting in [&mut late, &mut early, &mut equal] {
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        {
            // It is first and goes away again.
            let mut gone = Box::pin(workers.get(1, run(3)));
            assert!(gone.as_mut().poll(&mut context).is_pending());
        }
        drop(worker);
        assert!(late.as_mut().poll(&mut context).is_pending());
        assert!(early.as_mut().poll(&mut context).is_pending());
        let Poll::Ready(worker) = equal.as_mut().poll(&mut context) else { panic!("its turn") };
        drop(worker);
        assert!(late.as_mut().poll(&mut context).is_pending());
        let Poll::Ready(worker) = early.as_mut().poll(&mut context) else { panic!("its turn") };
        drop(worker);
        let Poll::Ready(worker) = late.as_mut().poll(&mut context) else { panic!("its turn") };
        assert_eq!(workers.0.lock().free, 0);
        drop(worker);
        assert_eq!(workers.0.lock().free, 1);
    }

    #[test]
    fn a_worker_given_to_nobody_is_free_again() {
        let workers = Workers::new(1);
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(workers.get(1, run(1)));
        let Poll::Ready(worker) = first.as_mut().poll(&mut context) else { panic!("free") };
        let mut waiting = Box::pin(workers.get(2, run(2)));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(worker);
        // It was given, and never taken.
        assert_eq!(workers.0.lock().free, 0);
        drop(waiting);
        assert_eq!(workers.0.lock().free, 1);
    }
}
