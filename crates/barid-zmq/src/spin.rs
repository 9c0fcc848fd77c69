//! A short look out before a thread lies down.
//!
//! To put a thread to sleep and to wake it takes longer than most answers within a process. So a thread that has to wait
//! looks for a signal for some microseconds first. Where that is in vain it is done ever more rarely, so that who waits
//! long does not pay for it.

use crate::gate::Gate;
use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};

/// Looks, of some ten nanoseconds each.
const LOOKS: u32 = 500;
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
}

impl Spin {
    /// Looks for a signal; false if there was none, or looking is not worth while.
    pub(crate) fn look(&self, gate: &Gate) -> bool {
        let failures = self.failures.load(Ordering::Relaxed);
        let waits = self.waits.load(Ordering::Relaxed) + 1;
        if waits < 1 << failures {
            self.waits.store(waits, Ordering::Relaxed);
            return false;
        }
        self.waits.store(0, Ordering::Relaxed);
        for look in 0..LOOKS {
            if gate.has_signals() {
                self.failures.store(0, Ordering::Relaxed);
                if look < SOON {
                    (0..GATHERING).for_each(|_| hint::spin_loop());
                }
                return true;
            }
            hint::spin_loop();
        }
        let failures = (failures + 1).min(PATIENCE_MAX);
        self.failures.store(failures, Ordering::Relaxed);
        false
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
}
