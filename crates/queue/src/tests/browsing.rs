//! Subscriptions that look and take nothing, beside the naive model.

use super::naive::Known;
use super::property::Pair;
use crate::SubscriberId;
use model::Sequence;
use std::cmp::Reverse;
use std::collections::BTreeSet;

impl Pair {
    pub(super) fn check_browsed(
        &mut self,
        id: SubscriberId,
        sequence: Sequence,
        marks: (bool, (u32, u32)),
    ) {
        let ready = self.naive.ready().into_iter();
        let known = ready.clone().find(|known| known.sequence == sequence);
        let known = known.expect("it is ready");
        let place = (Reverse(self.naive.lane(known)), sequence);
        let is_durable = known.logged.is_none_or(|at| at <= self.naive.committed);
        assert!(is_durable && !self.naive.is_over(known));
        assert!(!self.naive.cold.contains(&sequence));
        let counts = (known.delivery_count, known.acquired_count);
        assert_eq!((known.redelivered, counts), marks);
        let one = &self.naive.subscribers[&id];
        assert!(one.is_for(known) && sequence < one.end && one.has_credit());
        assert!(one.last.is_none_or(|last| last < place), "out of order");
        let one = self.naive.subscribers.get_mut(&id).expect("it is there");
        one.last = Some(place);
        one.owed.remove(&sequence);
        one.delivered += 1;
    }

    /// Nobody ended who was owed something; who has not ended waits for something.
    pub(super) fn check_browsers(&mut self, browsed: &[SubscriberId]) {
        self.keep_owed();
        let naive = &self.naive;
        let ready = naive.ready().into_iter();
        let ready: Vec<_> = ready.filter(|known| !naive.is_over(known)).collect();
        let is_durable = |known: &&Known| known.logged.is_none_or(|at| at <= naive.committed);
        let all_durable = ready.iter().all(is_durable) && naive.cold.is_empty();
        for (id, one) in naive.subscribers.iter().filter(|(_, one)| one.is_browser()) {
            let is_owed = |known: &&Known| one.owed.contains(&known.sequence);
            let owed = ready.iter().copied().find(is_owed);
            if browsed.contains(id) {
                assert!(owed.is_none(), "ended, but was owed {owed:?}");
                continue;
            }
            let any = |known: &&Known| known.sequence < one.end && one.is_for(known);
            assert!(
                ready.iter().copied().any(|known| any(&known)) || !naive.cold.is_empty(),
                "waits for nothing"
            );
            let is_served = one.has_credit() && !naive.full.contains(id) && all_durable;
            assert!(!is_served, "it could be served");
        }
        for id in browsed {
            self.naive.subscribers.remove(id);
            self.naive.full.retain(|full| full != id);
        }
    }

    /// What is not ready is not owed any more.
    pub(super) fn keep_owed(&mut self) {
        let ready = self.naive.ready().into_iter();
        let ready = ready.filter(|known| !self.naive.is_over(known));
        let ready: BTreeSet<_> = ready.map(|known| known.sequence).collect();
        for one in self.naive.subscribers.values_mut() {
            one.owed.retain(|sequence| ready.contains(sequence));
        }
    }
}
