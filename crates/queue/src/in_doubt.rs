//! Deliveries that were prepared before a crash.

use crate::Queue;
use model::Sequence;
use std::collections::BTreeSet;

impl Queue {
    /// Takes recovered messages out of everybody's reach, as [`prepare`](Self::prepare) did with their deliveries
    /// before a crash. One that is not waiting is passed over. Costs what the queue holds.
    pub fn prepare_ready(&mut self, sequences: &[Sequence]) {
        let sequences: BTreeSet<_> = sequences.iter().collect();
        let waiting = self.ready.iter();
        let spots: Vec<_> = waiting
            .filter(|entry| sequences.contains(&entry.sequence))
            .map(|entry| self.ready.spot(entry.sequence, &entry.message))
            .collect();
        for spot in spots {
            if let Some(entry) = self.take(spot) {
                self.prepared.insert(entry.sequence.0, entry);
            }
        }
    }
}
