//! Who is told that an end of a pipe has something to do.

use crate::gate::{Gate, Signal};
use crate::peers::PeerId;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

/// Who is told that an end of a pipe has something to do.
pub(crate) enum Bell {
    /// A socket, once it is known, and which of its peers this is (`u64::MAX` before it has a number).
    Socket(OnceLock<Arc<Gate>>, AtomicU64),
    /// The task of a connection.
    Task(Task),
}

/// Does the work of a connection's task on another thread.
pub(crate) trait Carry: Send + Sync {
    /// Writes what was put in. False if the task has to be woken.
    fn carry_now(&self) -> bool;
}

#[derive(Default)]
pub(crate) struct Task {
    waker: AtomicWaker,
    carrier: Mutex<Option<Weak<dyn Carry>>>,
}

impl Task {
    fn ring(&self) {
        let carrier = self.carrier.lock().as_ref().and_then(Weak::upgrade);
        if !carrier.is_some_and(|carrier| carrier.carry_now()) {
            self.waker.wake();
        }
    }
}

impl Bell {
    pub(crate) fn socket(gate: Arc<Gate>) -> Self {
        Self::Socket(OnceLock::from(gate), AtomicU64::new(u64::MAX))
    }

    /// That of a socket which is not there yet.
    pub(crate) const fn later() -> Self {
        Self::Socket(OnceLock::new(), AtomicU64::new(u64::MAX))
    }

    pub(crate) fn task() -> Self {
        Self::Task(Task::default())
    }

    pub(super) fn ring(&self, signal: fn(PeerId) -> Signal) {
        match self {
            // Without a number the socket has not looked yet, and it looks when it gives one.
            Self::Socket(gate, peer) => {
                if let Some(peer) = PeerId::unpack(peer.load(Ordering::SeqCst))
                    && let Some(gate) = gate.get()
                {
                    gate.push(signal(peer));
                }
            }
            Self::Task(task) => task.ring(),
        }
    }

    pub(super) fn set_gate(&self, found: &Arc<Gate>) {
        match self {
            Self::Socket(gate, _) => {
                // One that is known already stays.
                let _known: Result<(), _> = gate.set(Arc::clone(found));
            }
            Self::Task(_) => {}
        }
    }

    pub(super) fn set_peer(&self, id: PeerId) {
        match self {
            Self::Socket(_, peer) => peer.store(id.pack(), Ordering::SeqCst),
            Self::Task(_) => {}
        }
    }

    pub(super) fn register(&self, waker: &Waker) {
        match self {
            Self::Socket(..) => {}
            Self::Task(task) => task.waker.register(waker),
        }
    }

    pub(super) fn set_carrier(&self, carrier: Weak<dyn Carry>) {
        match self {
            Self::Socket(..) => {}
            Self::Task(task) => *task.carrier.lock() = Some(carrier),
        }
    }
}
