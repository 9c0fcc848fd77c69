//! Counters that many threads increment and one reads now and then.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, on cache lines of its own.
///
/// Two lines, as processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`. Orders nothing else in memory.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds one. Orders nothing else in memory.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// The sum so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Everything that is counted since the process started. Made by the binary, shared by all.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
        }

        /// The values of [`Counters`] at about one moment.
        ///
        /// Each value is exact; two of them may be some events apart.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Reads every counter once.
            #[must_use]
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.value(),)* }
            }
        }

        impl Snapshot {
            /// Every value with its name, in the order of the fields.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Messages taken from publishers.
    messages_published,
    /// Messages confirmed to their publishers.
    messages_confirmed,
    /// Deliveries put into an outbox; a message that three subscribers get counts three times.
    messages_delivered,
    /// Deliveries among them of a message that may have been delivered before.
    messages_redelivered,
    /// Deliveries dropped because the subscriber was stalled.
    messages_dropped_stalled,
    /// Times that a subscriber became stalled.
    subscribers_stalled,
    /// Connections accepted.
    connections_opened,
    /// Connections among them that ended.
    connections_closed,
    /// Connections closed on arrival because there were too many.
    connections_refused,
}

impl Snapshot {
    /// Connections that are open.
    #[must_use]
    pub const fn connections_open(&self) -> u64 {
        // The two were not read at the same moment.
        self.connections_opened
            .saturating_sub(self.connections_closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_every_counter() {
        let counters = Counters::default();
        counters.messages_published.add(40);
        counters.messages_published.add(2);
        counters.connections_opened.add(3);
        counters.connections_closed.increment();
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.messages_published, 42);
        assert_eq!(snapshot.connections_open(), 2);
        let listed: Vec<_> = snapshot.iter().filter(|(_, value)| *value > 0).collect();
        let expected = [
            ("messages_published", 42),
            ("connections_opened", 3),
            ("connections_closed", 1),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn counters_share_no_cache_line() {
        assert_eq!(size_of::<Counter>(), 128);
        assert_eq!(align_of::<Counters>(), 128);
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        counters.messages_delivered.increment();
                    }
                });
            }
        });
        assert_eq!(counters.snapshot().messages_delivered, 40_000);
    }
}
