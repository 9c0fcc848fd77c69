//! One subscription to a queue and what it has not settled.

use crate::machine::Entry;
use model::{Sequence, SequenceMap};

/// One subscription to a queue.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Deliveries since it began.
    delivered_count: u64,
    /// Deliveries that it is granted since it began.
    granted_total: u64,
    /// What was delivered and is not settled, by sequence.
    unsettled: SequenceMap<Entry>,
}

impl Subscription {
    pub(crate) fn new(granted_total: u64) -> Self {
        Self {
            delivered_count: 0,
            granted_total,
            unsettled: SequenceMap::new(),
        }
    }

    pub(crate) fn grant(&mut self, total: u64) {
        self.granted_total = total;
    }

    /// Takes away what is granted and not used.
    pub(crate) fn use_up_grant(&mut self) {
        self.granted_total = self.granted_total.min(self.delivered_count);
    }

    pub(crate) fn credit(&self) -> u64 {
        self.granted_total.saturating_sub(self.delivered_count)
    }

    pub(crate) fn hold(&mut self, entry: Entry) {
        self.delivered_count += 1;
        let previous = self.unsettled.insert(entry.sequence.0, entry);
        assert!(
            previous.is_none(),
            "a message is with one subscription once"
        );
    }

    pub(crate) fn settle(&mut self, sequence: Sequence) -> Option<Entry> {
        self.unsettled.remove(sequence.0)
    }

    pub(crate) fn unsettled(&self) -> impl Iterator<Item = &Entry> {
        self.unsettled.iter().map(|(_, entry)| entry)
    }

    pub(crate) fn into_unsettled(mut self) -> Vec<Entry> {
        self.unsettled.drain().map(|(_, entry)| entry).collect()
    }
}
