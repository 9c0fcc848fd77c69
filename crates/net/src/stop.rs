//! The wish that the broker stop, told to everyone at once.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Says once that the broker stops. To drop it says the same.
#[derive(Debug)]
pub struct Stopper(Arc<Shared>);

/// The other end of a [`Stopper`]: cheap to clone, heard by every clone.
#[derive(Clone, Debug)]
pub struct StopSignal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_stopping: AtomicBool,
    waiting: Mutex<Waiting>,
}

/// Who is to be woken. A place each, for there is one per connection: a few bytes in a list are less than a future.
#[derive(Debug, Default)]
struct Waiting {
    places: Vec<Option<Waker>>,
    /// Places with nothing in them.
    free: Vec<usize>,
}

impl Stopper {
    /// A stopper and what hears it.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let shared = Arc::<Shared>::default();
        (Self(Arc::clone(&shared)), StopSignal(shared))
    }

    /// Tells everyone to stop.
    pub fn stop(&self) {
        // Before the lock: who takes a place after it sees this.
        self.0.is_stopping.store(true, Ordering::Release);
        let mut waiting = self.0.lock();
        let wakers: Vec<_> = waiting.places.iter_mut().filter_map(Option::take).collect();
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No call leaves the list half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take_place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }
}

impl StopSignal {
    /// Whether the broker stops. Costs one atomic load.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Acquire)
    }

    /// Waits until the broker stops.
    pub async fn stopped(&self) {
        let mut watch = StopWatch::new(self.clone());
        poll_fn(|cx| {
            if watch.poll_stopping(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// A [`StopSignal`] as a hand-written future asks it: at each poll, for one atomic load.
pub(crate) struct StopWatch {
    signal: StopSignal,
    /// Whom the place is for.
    registered: Option<(Waker, usize)>,
}

impl StopWatch {
    pub(crate) fn new(signal: StopSignal) -> Self {
        Self {
            signal,
            registered: None,
        }
    }

    /// Whether the broker stops; if not, the task is woken when it does.
    pub(crate) fn poll_stopping(&mut self, cx: &mut Context<'_>) -> bool {
        if self.signal.is_stopping() {
            return true;
        }
        // Registering takes a lock that all connections share, so it is done once per waker.
        if let Some((waker, _)) = &self.registered
            && waker.will_wake(cx.waker())
        {
            return false;
        }
        let mut waiting = self.signal.0.lock();
        if self.signal.is_stopping() {
            return true;
        }
        let place = match self.registered {
            Some((_, place)) => place,
            None => waiting.take_place(),
        };
        waiting.places[place] = Some(cx.waker().clone());
        self.registered = Some((cx.waker().clone(), place));
        false
    }
}

impl Drop for StopWatch {
    fn drop(&mut self) {
        if let Some((_, place)) = self.registered {
            let mut waiting = self.signal.0.lock();
            let waker = waiting.places[place].take();
            waiting.free.push(place);
            drop(waiting);
            // It may be the last of its task, which is not to be let go of under the lock.
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn poll(self: &Arc<Self>, watch: &mut StopWatch) -> bool {
            let waker = Waker::from(Arc::clone(self));
            watch.poll_stopping(&mut Context::from_waker(&waker))
        }

        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn everyone_who_waits_is_woken_once_by_the_last_waker() {
        let (stopper, signal) = Stopper::new();
        let [first, second, third] = [(); 3].map(|()| Arc::<Woken>::default());
        let [mut one, mut other] = [(); 2].map(|()| StopWatch::new(signal.clone()));
        assert!(!first.poll(&mut one));
        assert!(!first.poll(&mut one));
        assert!(!second.poll(&mut one));
        assert!(!third.poll(&mut other));
        stopper.stop();
        assert_eq!([&first, &second, &third].map(|it| it.count()), [0, 1, 1]);
        assert!(second.poll(&mut one) && third.poll(&mut other));
        drop(stopper);
        assert_eq!([&first, &second, &third].map(|it| it.count()), [0, 1, 1]);
    }

    #[test]
    fn a_place_is_used_again() {
        let (stopper, signal) = Stopper::new();
        let woken = Arc::<Woken>::default();
        for _ in 0..100 {
            let mut watch = StopWatch::new(signal.clone());
            assert!(!woken.poll(&mut watch));
        }
        let waiting = signal.0.lock();
        assert_eq!((waiting.places.len(), waiting.free.len()), (1, 1));
        drop(waiting);
        drop(stopper);
        assert!(signal.is_stopping());
        assert_eq!(woken.count(), 0, "nobody waits any more");
        assert!(woken.poll(&mut StopWatch::new(signal)));
    }
}
