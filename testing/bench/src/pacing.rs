//! How many messages a publisher may send at a moment: arithmetic, and nothing else.
//!
//! Several publishers share what one would have: each has its part of what may be in flight, and at a fixed rate they
//! send in turn.

use crate::load::{Load, Pace, due_count, due_ns};

/// Most messages in flight to the slowest subscriber.
const WINDOW_COUNT: u64 = 10_000;

/// Most deliveries in flight to all subscribers together, so that a run is not mostly the wait
/// for what was sent before it. No subscriber gets less than a tenth of [`WINDOW_COUNT`].
const FAN_OUT_COUNT: u64 = 10 * WINDOW_COUNT;

/// Most body bytes in flight to the slowest subscriber.
const WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// The bounds of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pacing {
    pace: Pace,
    publishers: u64,
    /// Of one publisher.
    in_flight_max: u64,
}

/// How far one publisher is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Its number.
    pub(crate) publisher: u64,
    /// Messages sent.
    pub(crate) sent: u64,
    /// Those of them that the slowest subscriber has not received.
    pub(crate) in_flight: u64,
    /// Those of them that are to be confirmed and are not.
    pub(crate) unconfirmed: u64,
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// So many messages.
    pub(crate) count: u64,
    /// Whether the broker keeps up, where the rate is fixed.
    pub(crate) rate_held: bool,
}

impl Pacing {
    /// The bounds that follow from a load.
    pub(crate) fn of(load: &Load) -> Self {
        let publishers = load.publishers as u64;
        let in_flight_max = match load.pace {
            Pace::Full | Pace::Outstanding(_) => {
                let share = FAN_OUT_COUNT / load.subscribers as u64;
                let count = share.clamp(WINDOW_COUNT / 10, WINDOW_COUNT);
                count.min(WINDOW_BYTES / load.body_bytes as u64)
            }
            // A broker that is a second behind does not hold the rate.
            Pace::Rate(per_second) => per_second,
        };
        Self {
            pace: load.pace,
            publishers,
            in_flight_max: (in_flight_max / publishers).max(1),
        }
    }

    /// What a publisher may send when the run is `elapsed_ns` old.
    pub(crate) fn allowance(&self, progress: &Progress, elapsed_ns: u64) -> Allowance {
        let free = self.in_flight_max.saturating_sub(progress.in_flight);
        let count = match self.pace {
            Pace::Full => free,
            Pace::Outstanding(count) => {
                let most = (count / self.publishers).max(1);
                free.min(most.saturating_sub(progress.unconfirmed))
            }
            Pace::Rate(per_second) => {
                let due = due_count(elapsed_ns, per_second) + self.publishers - 1;
                let due = (due - progress.publisher) / self.publishers;
                // What a full socket has not let out yet is late as well.
                let unsent = due.saturating_sub(progress.sent);
                let unanswered = progress.in_flight.max(progress.unconfirmed);
                return Allowance {
                    count: unsent.min(self.in_flight_max.saturating_sub(unanswered)),
                    rate_held: unsent + unanswered < self.in_flight_max.max(2),
                };
            }
        };
        Allowance {
            count,
            rate_held: true,
        }
    }

    /// When a message of a publisher is due, in nanoseconds after the first of all.
    pub(crate) fn due_ns(&self, publisher: u64, sequence: u64, per_second: u64) -> u64 {
        due_ns(sequence * self.publishers + publisher, per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacing(pace: Pace, publishers: usize, subscribers: usize, body_bytes: usize) -> Pacing {
        Pacing::of(&Load {
            pace,
            publishers,
            subscribers,
            body_bytes,
            ..Load::example()
        })
    }

    fn progress(sent: u64, in_flight: u64, unconfirmed: u64) -> Progress {
        Progress {
            publisher: 0,
            sent,
            in_flight,
            unconfirmed,
        }
    }

    #[test]
    fn the_window_is_shared_by_publishers_and_shrinks_with_subscribers_and_bodies() {
        for (publishers, subscribers, body_bytes, expect) in [
            (1, 1, 16, 10_000),
            (1, 10, 100, 10_000),
            (1, 100, 100, 1000),
            (1, 1, 1024, 8192),
            (1, 1, 1 << 20, 8),
            (1, 1, 1 << 24, 1),
            (100, 1, 100, 100),
            (100, 100, 1 << 20, 1),
        ] {
            let pacing = pacing(Pace::Full, publishers, subscribers, body_bytes);
            assert_eq!(
                pacing.in_flight_max, expect,
                "{publishers} to {subscribers}, {body_bytes} B"
            );
        }
    }

    #[test]
    fn nothing_is_sent_beyond_the_window_or_the_receipts() {
        let check = |pace, publishers, progress, expect| {
            let pacing = pacing(pace, publishers, 1, 100);
            let allowance = pacing.allowance(&progress, 5);
            assert_eq!((allowance.count, allowance.rate_held), (expect, true));
        };
        check(Pace::Full, 1, progress(50, 0, 0), 10_000);
        check(Pace::Full, 1, progress(20_000, 9_999, 0), 1);
        check(Pace::Full, 1, progress(20_000, 10_000, 0), 0);
        check(Pace::Outstanding(1000), 1, progress(900, 0, 900), 100);
        check(Pace::Outstanding(1000), 1, progress(9_990, 9_990, 0), 10);
        check(Pace::Outstanding(1000), 100, progress(9, 9, 9), 1);
        check(Pace::Outstanding(1000), 100, progress(10, 0, 10), 0);
        check(Pace::Outstanding(10), 100, progress(0, 0, 0), 1);
    }

    #[test]
    fn publishers_at_a_fixed_rate_send_in_turn_what_one_would() {
        for publishers in [1, 3, 100] {
            let pacing = pacing(Pace::Rate(1000), publishers, 1, 100);
            for total in [0, 1, 2, 99, 100, 101, 300] {
                let elapsed_ns = total * 1_000_000;
                let counts = (0..publishers as u64).map(|publisher| {
                    let progress = Progress {
                        publisher,
                        ..progress(0, 0, 0)
                    };
                    pacing.allowance(&progress, elapsed_ns).count
                });
                let due = due_count(elapsed_ns, 1000);
                let bound = pacing.in_flight_max * publishers as u64;
                assert_eq!(counts.sum::<u64>(), due.min(bound), "{publishers}, {total}");
            }
            let due = (0..3).map(|turn| pacing.due_ns(0, turn, 1000));
            let apart = publishers as u64 * 1_000_000;
            assert!(due.eq([0, apart, 2 * apart]), "{publishers}");
        }
    }

    #[test]
    fn a_broker_that_is_a_second_behind_does_not_hold_the_rate() {
        let pacing = pacing(Pace::Rate(1000), 1, 1, 100);
        let held = |sent, in_flight| {
            let progress = progress(sent, in_flight, 0);
            pacing.allowance(&progress, 2_000_000_000).rate_held
        };
        assert!(held(2001, 999));
        assert!(!held(2001, 1000));
        assert!(held(1500, 400));
        assert!(!held(1500, 499));
    }
}
