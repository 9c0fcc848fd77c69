//! How deliveries end.

use crate::Queue;
use crate::entry::Entry;
use crate::placement::{LeaveReason, Left, Returned};
use crate::port::SubscriberId;
use crate::ready::Spot;
use model::{Instant, Outcome, Redelivery, Sequence, SequenceMap};

/// How messages go back to the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GoneBack {
    /// Nothing is counted against them.
    Released,
    /// Their deliveries failed, now.
    Failed(Instant),
}

impl Queue {
    /// Ends deliveries. Messages leave, told to `left`, or go back to their places. One that goes back leaves
    /// instead if its deliveries failed too often, or a newer message about the same has come. A delivery that
    /// is not unsettled there is passed over.
    ///
    /// One that is to leave as a dead letter may have to wait for its body: [`awaited`](Self::awaited) tells.
    pub fn settle(
        &mut self,
        now: Instant,
        id: SubscriberId,
        sequences: &[Sequence],
        outcome: Outcome,
        left: &mut Vec<Left>,
        returned: &mut Vec<Returned>,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let ended = ended(&mut subscription.unsettled, sequences);
        let back = match outcome {
            Outcome::Accept => {
                ended
                    .for_each(|entry| left.push(self.holdings.leave(entry, LeaveReason::Accepted)));
                return;
            }
            Outcome::Reject => {
                let entries: Vec<_> = ended.collect();
                for entry in entries {
                    self.depart(entry, LeaveReason::Rejected, left);
                }
                return;
            }
            Outcome::Release => GoneBack::Released,
            Outcome::Fail => GoneBack::Failed(now),
        };
        let entries = ended.collect();
        self.go_back(entries, back, left, returned);
    }

    /// Takes deliveries out of a subscription's hands, to be settled together with others later. Returns those
    /// that were unsettled there. They count as unsettled until they are settled or released, whatever becomes
    /// of the subscription.
    pub fn prepare(&mut self, id: SubscriberId, sequences: &[Sequence]) -> Vec<Sequence> {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return Vec::new();
        };
        let mut prepared = Vec::new();
        for entry in ended(&mut subscription.unsettled, sequences) {
            prepared.push(entry.sequence);
            self.prepared.insert(entry.sequence.0, entry);
        }
        prepared
    }

    /// Ends deliveries that were prepared, as [`settle`](Self::settle) does. Those that become dead letters do so at
    /// once only if their bodies are here: see [`await_bodies`](Self::await_bodies).
    pub fn settle_prepared(
        &mut self,
        now: Instant,
        sequences: &[Sequence],
        outcome: Outcome,
        left: &mut Vec<Left>,
        returned: &mut Vec<Returned>,
    ) {
        let entries = self.end_prepared(sequences);
        let reason = match outcome {
            Outcome::Accept => LeaveReason::Accepted,
            Outcome::Reject => LeaveReason::Rejected,
            Outcome::Release => return self.go_back(entries, GoneBack::Released, left, returned),
            Outcome::Fail => return self.go_back(entries, GoneBack::Failed(now), left, returned),
        };
        for entry in entries {
            self.depart(entry, reason, left);
        }
    }

    /// Puts prepared deliveries back to their places, as released. All stay in the queue, even if a newer message about
    /// the same has come; [`settle_prepared`](Self::settle_prepared) with `Release` makes those leave.
    pub fn release_prepared(&mut self, sequences: &[Sequence]) {
        let mut entries = self.end_prepared(sequences);
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.sequence));
        let mut spots = Vec::new();
        for mut entry in entries {
            entry.come_back();
            self.put_back(entry, &mut spots);
        }
        self.look_again(&spots);
    }

    /// Puts messages back whose deliveries end.
    pub(crate) fn go_back(
        &mut self,
        mut entries: Vec<Entry>,
        back: GoneBack,
        left: &mut Vec<Left>,
        returned: &mut Vec<Returned>,
    ) {
        // The last first: so each goes to the front of its lane.
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.sequence));
        let mut spots = Vec::new();
        for mut entry in entries {
            entry.come_back();
            if let GoneBack::Failed(now) = back
                && self.count_failure(now, &mut entry)
            {
                self.depart(entry, LeaveReason::DeliveryLimit, left);
                continue;
            }
            let sequence = entry.sequence;
            let values = &self.holdings.values;
            if entry
                .value()
                .is_some_and(|value| values.is_superseded(value, sequence))
            {
                left.push(self.holdings.leave(entry, LeaveReason::Superseded));
                continue;
            }
            if let GoneBack::Failed(_) = back
                && entry.is_logged()
            {
                returned.push(Returned {
                    sequence,
                    delivery_count: entry.delivery_count(),
                    available_at: entry.available_at(),
                });
            }
            self.put_back(entry, &mut spots);
        }
        self.look_again(&spots);
    }

    /// Puts a message back; notes where it is ready, if anyone has to know.
    pub(crate) fn put_back(&mut self, entry: Entry, spots: &mut Vec<Spot>) {
        let is_ready = entry.available_at().is_none();
        let spot = if entry.message_here().is_some() {
            self.put(entry)
        } else {
            self.put_back_away(entry)
        };
        if is_ready && self.has_cursors {
            spots.push(spot);
        }
    }

    /// Whether a delivery of it that fails is one too many.
    pub(crate) fn is_last_failure(&self, entry: &Entry) -> bool {
        let limit = self.rules.delivery_limit;
        limit.is_some_and(|limit| entry.delivery_count() >= limit)
    }

    /// Says whether a delivery that failed was one too many. If not, it counts, and the message may have to wait.
    fn count_failure(&self, now: Instant, entry: &mut Entry) -> bool {
        if self.is_last_failure(entry) {
            return true;
        }
        let sequence = entry.sequence;
        let rare = entry.rare_mut();
        rare.delivery_count = rare.delivery_count.saturating_add(1);
        let count = rare.delivery_count;
        if let Some(redelivery) = &self.rules.redelivery {
            let delay_ms = delay_ms(redelivery, self.seed, sequence, count);
            rare.available_at = (delay_ms > 0).then(|| now.plus_millis(delay_ms));
        }
        false
    }
}

/// Takes deliveries out of where they are unsettled.
pub(crate) fn ended(
    unsettled: &mut SequenceMap<Entry>,
    sequences: &[Sequence],
) -> impl Iterator<Item = Entry> {
    let sequences = sequences.iter();
    sequences.filter_map(|sequence| unsettled.remove(sequence.0))
}

/// How long a message waits after this many deliveries that failed.
fn delay_ms(redelivery: &Redelivery, seed: u64, sequence: Sequence, count: u32) -> u64 {
    // In millionths, so that a small multiplier is not lost in rounding.
    const SCALE: u128 = 1_000_000;
    let max = u128::from(redelivery.delay_ms_max) * SCALE;
    let mut delay = (u128::from(redelivery.delay_ms) * SCALE).min(max);
    for _ in 1..count {
        let previous = delay;
        delay = (delay * u128::from(redelivery.multiplier_percent) / 100).min(max);
        if delay == previous {
            break;
        }
    }
    let delay = u64::try_from(delay / SCALE).unwrap_or(u64::MAX);
    let percent = u64::from(redelivery.jitter_percent.min(100));
    let span = delay / 100 * percent + delay % 100 * percent / 100;
    let width = span.saturating_mul(2).saturating_add(1);
    let offset = mix(mix(seed ^ mix(sequence.0)) ^ u64::from(count)) % width;
    (delay - span).saturating_add(offset)
}

/// A number that looks random, but is the same for the same (the finalizer of `SplitMix64`).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redelivery(multiplier_percent: u32, jitter_percent: u8) -> Redelivery {
        Redelivery {
            delay_ms: 1000,
            multiplier_percent,
            delay_ms_max: 10_000,
            jitter_percent,
        }
    }

    #[test]
    fn delays_grow_to_their_bound() {
        let delays = |multiplier| {
            let redelivery = redelivery(multiplier, 0);
            [1, 2, 3, 4, 5, u32::MAX].map(|count| delay_ms(&redelivery, 7, Sequence(1), count))
        };
        assert_eq!(delays(200), [1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(delays(100), [1000; 6]);
        assert_eq!(delays(50), [1000, 500, 250, 125, 62, 0]);
        assert_eq!(delays(101)[..3], [1000, 1010, 1020]);
    }

    #[test]
    fn jitter_stays_within_its_span_and_depends_on_seed_and_message() {
        let redelivery = redelivery(100, 20);
        let delays: Vec<_> = (1..200)
            .map(|sequence| delay_ms(&redelivery, 7, Sequence(sequence), 1))
            .collect();
        assert!(delays.iter().all(|delay| (800..=1200).contains(delay)));
        assert!(
            delays.iter().any(|delay| *delay < 850) && delays.iter().any(|delay| *delay > 1150)
        );
        let again = (1..200).map(|sequence| delay_ms(&redelivery, 7, Sequence(sequence), 1));
        assert!(again.eq(delays.iter().copied()));
        let other = (1..200).map(|sequence| delay_ms(&redelivery, 8, Sequence(sequence), 1));
        assert!(!other.eq(delays));
    }
}
