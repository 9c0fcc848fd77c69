//! What the core counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the core counts, since the start. Counted once per batch, not per message.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// The counters now.
            #[must_use]
            pub fn totals(&self) -> Totals {
                Totals { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Messages published.
    published,
    /// Messages handed to transports.
    delivered,
    /// Messages dropped because their subscriber had stalled, or its connection's selectors cost too much.
    dropped,
    /// Messages that were to be retained and were not, for want of room, and whose publishers did not ask.
    not_retained,
    /// Times that a subscriber used up its hold.
    stalls,
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    if count > 0 {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One part of it has changed.
    pub(crate) fn change(&self, before: usize, now: usize) {
        // Most have not.
        if now > before {
            self.0.fetch_add(now - before, Ordering::Relaxed);
        } else if now < before {
            self.0.fetch_sub(before - now, Ordering::Relaxed);
        }
    }
}
