//! The books of the queue beside those of the naive model.

use super::naive::{Known, State};
use super::property::Pair;
use super::store::memory_bytes;
use crate::Placement;

impl Pair {
    /// The books are right.
    pub(super) fn check(&mut self) {
        self.look();
        self.keep_owed();
        let (queue, naive) = (&self.queue, &self.naive);
        let waiting = naive.waiting().count();
        assert_eq!(queue.len(), naive.messages.len());
        assert_eq!(queue.is_empty(), naive.messages.is_empty());
        assert_eq!(queue.ready_count(), waiting);
        assert_eq!(queue.unsettled_count(), naive.messages.len() - waiting);
        assert_eq!(queue.next_sequence(), naive.next);
        assert_eq!(queue.delivery_mark(), naive.reserved.0);
        self.check_deadline();
        let counted = naive.subscribers.values().filter(|one| one.counts());
        assert_eq!(queue.subscription_count(), counted.count());
        let any_taker = naive.takers_with_room_or_not().next().is_some();
        assert!(
            any_taker || queue.wanted_mark().is_none(),
            "nobody to mark for"
        );
        let leaving = naive.messages.iter();
        let leaving = leaving.filter(|known| matches!(known.state, State::Leaving(_)));
        let leaving: Vec<_> = leaving.map(|known| known.sequence).collect();
        assert_eq!(queue.leaving(), leaving);
        let unlogged = naive.waiting().any(|known| known.logged.is_none());
        assert!(queue.has_unlogged() || !unlogged);
        self.check_messages();
    }

    pub(super) fn check_messages(&self) {
        let (queue, naive) = (&self.queue, &self.naive);
        let mut held: Vec<_> = queue.messages().collect();
        held.sort_by_key(|held| held.placement.sequence);
        let costs = naive
            .messages
            .iter()
            .map(|known| known.draft.message().cost_bytes());
        if self.store.is_exact {
            assert_eq!(queue.bytes(), costs.sum());
        }
        assert_eq!(queue.resident_bytes(), memory_bytes(queue));
        let here = |known: &&Known| !self.store.homes.contains_key(&known.sequence);
        assert_eq!(held.len(), naive.messages.iter().filter(here).count());
        for (held, known) in held.iter().zip(naive.messages.iter().filter(here)) {
            let placement = Placement {
                sequence: known.sequence,
                expires_at: known.expires_at,
                available_at: known.available_at,
            };
            assert_eq!(held.placement, placement);
            assert_eq!(held.is_logged, known.logged.is_some());
            assert_eq!(held.delivery_count, known.delivery_count);
            assert_eq!(held.message, &known.draft.message());
        }
    }
}
