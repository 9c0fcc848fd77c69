//! The wish that the broker stop, told to everyone at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use tokio::sync::watch;

/// Says once that the broker stops. To drop it says the same.
#[derive(Debug)]
pub struct Stopper(watch::Sender<()>);

/// The other end of a [`Stopper`]: cheap to clone, heard by every clone.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<()>);

impl Stopper {
    /// A stopper and what hears it.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(());
        (Self(sender), StopSignal(receiver))
    }

    /// Tells everyone to stop.
    pub fn stop(&self) {
        self.0.send_replace(());
    }
}

impl StopSignal {
    /// Whether the broker stops. Costs one atomic load.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        // Nobody ever marks the change as seen, so it stays one.
        !matches!(self.0.has_changed(), Ok(false))
    }

    /// Waits until the broker stops.
    pub async fn stopped(&self) {
        let mut receiver = self.0.clone();
        // An error means that the stopper is gone, which says the same.
        let _changed = receiver.changed().await;
    }
}

/// A [`StopSignal`] as a hand-written future asks it: at each poll, for one atomic load.
pub(crate) struct StopWatch {
    signal: StopSignal,
    wait: Option<(Waker, Wait)>,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

impl StopWatch {
    pub(crate) fn new(signal: StopSignal) -> Self {
        Self { signal, wait: None }
    }

    /// Whether the broker stops; if not, the task is woken when it does.
    pub(crate) fn poll_stopping(&mut self, cx: &mut Context<'_>) -> bool {
        if self.signal.is_stopping() {
            return true;
        }
        // Registering takes a lock that all connections share, so it is done once per waker.
        if let Some((waker, _)) = &self.wait
            && waker.will_wake(cx.waker())
        {
            return false;
        }
        let signal = self.signal.clone();
        let mut wait: Wait = Box::pin(async move { signal.stopped().await });
        let stopping = wait.as_mut().poll(cx).is_ready();
        self.wait = Some((cx.waker().clone(), wait));
        stopping
    }
}
