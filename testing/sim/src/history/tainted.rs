//! What of a history is left when something of it has lost what the disk did not keep.

use super::{History, Name, Spot, Transaction};
use crate::scene::{Place, Reading, Source};
use std::collections::BTreeSet;

impl History {
    /// The same without what a damaged queue, or a shard's damaged log, may have lost: what was sent to it, its
    /// dead letters, and all that has to do with a transaction that it had a part in.
    #[must_use]
    pub fn without_tainted(&self) -> Self {
        let mut left = self.clone();
        if self.tainted.is_empty() {
            return left;
        }
        let lost = Lost::of(self);
        left.transactions.retain(|_, it| !lost.has_part(self, it));
        for transaction in left.transactions.values_mut() {
            transaction.acked.retain(|spot| !lost.has(*spot));
            transaction.rejected.retain(|spot| !lost.has(*spot));
            transaction
                .messages
                .retain(|name| !lost.names.contains(name));
        }
        left.sent.retain(|name, _| !lost.names.contains(name));
        for sent in left.sent.values_mut() {
            sent.to.retain(|source| !lost.sources.contains(source));
        }
        left.seen.clear();
        // What is settled counts deliveries that were seen before: all that are left.
        let mut before = vec![0; self.seen.len() + 1];
        for (index, seen) in self.seen.iter().enumerate() {
            if !lost.has((seen.message, seen.place)) {
                left.seen.push(*seen);
            }
            before[index + 1] = left.seen.len();
        }
        let crossed = left.seen.iter_mut().filter_map(|it| it.crossed.as_mut());
        crossed.for_each(|count| *count = before[*count]);
        left.settled.retain(|spot, _| !lost.has(*spot));
        left.settled
            .values_mut()
            .for_each(|count| *count = before[*count]);
        for transaction in left.transactions.values_mut() {
            transaction.fate.recount(|count| before[count]);
        }
        for spots in [&mut left.accepted, &mut left.acked, &mut left.rejected] {
            spots.retain(|spot| !lost.has(*spot));
        }
        let of = |(seen, _): &(super::Seen, bool)| (seen.message, seen.place);
        left.browsed.retain(|browsed| !lost.has(of(browsed)));
        left.events
            .retain(|event| event.spot().is_none_or(|spot| !lost.has(spot)));
        left
    }
}

/// What nothing is known of.
struct Lost {
    sources: BTreeSet<Source>,
    dead_letters: bool,
    names: BTreeSet<Name>,
}

impl Lost {
    fn of(history: &History) -> Self {
        let dead_letters = history.tainted.contains(&Reading::DeadLetters);
        let mut lost = Self {
            sources: BTreeSet::new(),
            dead_letters,
            names: BTreeSet::new(),
        };
        for reading in history.scene.readings() {
            if let Reading::From(source) = reading
                && (history.tainted.contains(&reading)
                    || dead_letters && history.rules(source).dead_letter)
            {
                lost.sources.insert(source);
            }
        }
        for transaction in history.transactions.values() {
            if lost.has_part(history, transaction) {
                lost.names.extend(transaction.messages.iter().copied());
                let settled = transaction.acked.iter().chain(&transaction.rejected);
                lost.names.extend(settled.map(|(name, _)| *name));
            }
        }
        lost
    }

    fn has(&self, (name, place): Spot) -> bool {
        self.names.contains(&name)
            || self.sources.contains(&place.source())
            || self.dead_letters && matches!(place, Place::Dead(_))
    }

    /// Whether a transaction had to do with anything that is lost.
    fn has_part(&self, history: &History, transaction: &Transaction) -> bool {
        let sent = transaction
            .messages
            .iter()
            .filter_map(|name| history.sent.get(name));
        let mut to = sent.flat_map(|sent| &sent.to);
        let mut settled = transaction.acked.iter().chain(&transaction.rejected);
        to.any(|source| self.sources.contains(source))
            || settled.any(|(_, place)| {
                self.sources.contains(&place.source())
                    || self.dead_letters && matches!(place, Place::Dead(_))
            })
    }
}
