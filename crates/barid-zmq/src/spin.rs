//! A short look out before a thread lies down.
//!
//! To put a thread to sleep and to wake it takes longer than most answers within a process. So a thread that has to wait
//! looks for a signal for some sixty microseconds first. Where that is in vain it is done ever more rarely, so that who waits
//! long does not pay for it.
//!
//! It lasts longer than to wake the other side takes: two that wait for each other would else both look in vain for one that
//! is being woken, and never meet awake. But what comes so late is not worth to look for again and again: only a few
//! times, in which the other side may find this one awake, and from then on both are quick.

use crate::gate::Gate;
use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};

/// Looks, of some 25 nanoseconds each: as long as a processor pauses.
const LOOKS: u32 = 2500;
/// A signal that comes within so many, some 25 microseconds, is worth to be looked for.
const QUICK: u32 = 1000;
/// Later ones that are looked for one after the other.
const SLOW_MAX: u32 = 8;
/// A signal that comes within so many looks is followed by more: who reads on at once takes them one by one, and is
/// signaled for each. So much longer they are left to gather.
const SOON: u32 = 8;
const GATHERING: u32 = 40;
/// Waits that go by without a look at most, as a power of two.
const PATIENCE_MAX: u32 = 7;

/// How much that was worth on one socket.
#[derive(Default)]
pub(crate) struct Spin {
    /// Looks in vain since the last that was not; the next is tried after so many waits, to the power of two.
    failures: AtomicU32,
    /// Waits since the last look.
    waits: AtomicU32,
    /// Looks that took long, the last of all.
    slow: AtomicU32,
}

impl Spin {
    /// Looks for a signal; false if there was none, or looking is not worth while.
    pub(crate) fn look(&self, gate: &Gate) -> bool {
        if !self.is_due() {
            return false;
        }
        let look = (0..LOOKS).find(|_| {
            let is_there = gate.has_signals();
            if !is_there {
                hint::spin_loop();
            }
            is_there
        });
        self.note(look);
        if look.is_some_and(|look| look < SOON) {
            (0..GATHERING).for_each(|_| hint::spin_loop());
        }
        look.is_some()
    }

    fn is_due(&self) -> bool {
        let waits = self.waits.load(Ordering::Relaxed) + 1;
        let is_due = self.slow.load(Ordering::Relaxed) > 0
            || waits >= 1 << self.failures.load(Ordering::Relaxed);
        self.waits
            .store(if is_due { 0 } else { waits }, Ordering::Relaxed);
        is_due
    }

    /// Takes note of when a signal came, if one did.
    fn note(&self, look: Option<u32>) {
        let failures = self.failures.load(Ordering::Relaxed);
        let slow = self.slow.load(Ordering::Relaxed) + 1;
        let (failures, slow) = match look {
            Some(look) if look < QUICK => (0, 0),
            Some(_) if slow < SLOW_MAX => (failures, slow),
            Some(_) => (PATIENCE_MAX, 0),
            None => ((failures + 1).min(PATIENCE_MAX), 0),
        };
        self.failures.store(failures, Ordering::Relaxed);
        self.slow.store(slow, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Signal;

    #[test]
    fn in_vain_it_is_done_ever_more_rarely() {
        let (spin, gate) = (Spin::default(), Gate::default());
        let looks: Vec<u32> = (0..1000)
            .filter(|_| {
                assert!(!spin.look(&gate));
                spin.waits.load(Ordering::Relaxed) == 0
            })
            .collect();
        assert_eq!(looks[..5], [0, 2, 6, 14, 30]);
        assert!(looks.len() < 16, "{looks:?}");
        gate.push(Signal::Attached);
        let found = (0..128).position(|_| spin.look(&gate));
        assert!(found.is_some());
        assert!(spin.look(&gate), "and at once again from then on");
    }

    #[test]
    fn what_comes_late_is_looked_for_a_few_times() {
        let spin = Spin::default();
        let mut looks = 0;
        for _ in 0..1000 {
            if spin.is_due() {
                looks += 1;
                spin.note(Some(QUICK));
            }
        }
        // Eight, then each time after 128 waits.
        assert_eq!(looks, 8 * 8);
        while !spin.is_due() {}
        spin.note(Some(QUICK - 1));
        assert!(spin.is_due());
    }
}
