//! What peers tell a socket, and who waits for it.
//!
//! The gate is the only part of a socket that others touch, and its lock is the innermost: nothing else
//! is locked, and nobody woken, while it is held. The socket takes the signals at the beginning of each operation.
//!
//! Who has to wait asks how many signals there ever were, tries once more, and leaves its waker only if there were none
//! since: one that comes in between is never missed, not even if somebody else takes it.

use crate::attachment::Attachment;
use crate::peers::PeerId;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// Something that a peer did.
pub(crate) enum Signal {
    /// It has written after its pipe was found empty, or it has gone.
    Readable(PeerId),
    /// It has read after its pipe was found full, or it has gone.
    Writable(PeerId),
    /// It is new.
    Attach(Box<Attachment>),
    /// It is new, and in its place already: who waits has to look again.
    Attached,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// A message.
    Receive,
    /// Room for a message.
    Send,
    /// Any change.
    Change,
}

#[derive(Default)]
struct State {
    signals: Vec<Signal>,
    /// How many there ever were, and wake-ups without one.
    count: u64,
    is_closed: bool,
    next_key: u64,
    waiters: [Vec<(u64, Waker)>; 3],
}

#[derive(Default)]
pub(crate) struct Gate {
    /// Signals wait; looked at without the lock at the beginning of each operation.
    has_signals: AtomicBool,
    state: Mutex<State>,
}

type Wakers = SmallVec<[Waker; 4]>;

impl Gate {
    pub(crate) fn push(&self, signal: Signal) {
        let interests: &[Interest] = match signal {
            Signal::Readable(_) => &[Interest::Receive, Interest::Change],
            Signal::Writable(_) => &[Interest::Send, Interest::Change],
            Signal::Attach(_) | Signal::Attached => {
                &[Interest::Receive, Interest::Send, Interest::Change]
            }
        };
        let mut state = self.state.lock();
        if state.is_closed {
            // The attachment, if it is one, is dropped without the lock: its pipes ring bells.
            drop(state);
            return;
        }
        state.signals.push(signal);
        state.count += 1;
        self.has_signals.store(true, Ordering::Release);
        let wakers = state.take_wakers(interests);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether there are signals.
    #[inline]
    pub(crate) fn has_signals(&self) -> bool {
        self.has_signals.load(Ordering::Acquire)
    }

    /// Moves all signals to an empty list.
    pub(crate) fn take(&self, signals: &mut Vec<Signal>) {
        let mut state = self.state.lock();
        self.has_signals.store(false, Ordering::Relaxed);
        std::mem::swap(&mut state.signals, signals);
    }

    /// How many signals there ever were.
    pub(crate) fn count(&self) -> u64 {
        self.state.lock().count
    }

    /// Leaves a waker, in the place of the one under this key. False if there was a signal since there were so many.
    #[must_use]
    pub(crate) fn wait(
        &self,
        interest: Interest,
        key: &mut Option<u64>,
        waker: &Waker,
        count: u64,
    ) -> bool {
        let mut state = self.state.lock();
        if state.is_closed || state.count != count {
            return false;
        }
        let next_key = state.next_key;
        let waiters = &mut state.waiters[interest as usize];
        let known = key.and_then(|key| waiters.iter_mut().find(|(found, _)| *found == key));
        if let Some((_, known)) = known {
            known.clone_from(waker);
            return true;
        }
        waiters.push((next_key, waker.clone()));
        *key = Some(next_key);
        state.next_key += 1;
        true
    }

    /// Leaves a waker for the changes of a closed socket's connections.
    pub(crate) fn wait_closed(&self, waker: &Waker) {
        let mut state = self.state.lock();
        let key = state.next_key;
        state.next_key += 1;
        let waiters = &mut state.waiters[Interest::Change as usize];
        waiters.retain(|(_, known)| !known.will_wake(waker));
        waiters.push((key, waker.clone()));
    }

    /// Takes a waker away.
    pub(crate) fn forget(&self, interest: Interest, key: u64) {
        let mut state = self.state.lock();
        let waiters = &mut state.waiters[interest as usize];
        let found = waiters.iter().position(|(found, _)| *found == key);
        let waiter = found.map(|index| waiters.swap_remove(index));
        drop(state);
        drop(waiter);
    }

    /// Wakes those who wait for one of these, as a signal does.
    pub(crate) fn wake(&self, interests: &[Interest]) {
        let mut state = self.state.lock();
        state.count += 1;
        let wakers = state.take_wakers(interests);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes no signals from here on, and wakes everybody.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let signals = std::mem::take(&mut state.signals);
        let wakers = state.take_wakers(&[Interest::Receive, Interest::Send, Interest::Change]);
        drop(state);
        drop(signals);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn take_wakers(&mut self, interests: &[Interest]) -> Wakers {
        let mut wakers = Wakers::new();
        for interest in interests {
            let waiters = &mut self.waiters[*interest as usize];
            wakers.extend(waiters.drain(..).map(|(_, waker)| waker));
        }
        wakers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_somebody_else_has_taken_is_not_missed() {
        let gate = Gate::default();
        let count = gate.count();
        gate.push(Signal::Attached);
        let mut taken = Vec::new();
        gate.take(&mut taken);
        let (mut key, waker) = (None, Waker::noop());
        assert!(!gate.wait(Interest::Receive, &mut key, waker, count));
        assert!(gate.wait(Interest::Receive, &mut key, waker, gate.count()));
        gate.close();
        assert!(!gate.wait(Interest::Receive, &mut key, waker, gate.count()));
    }
}
