//! What a session was told of its subscriptions.

use crate::input::Chance;
use broker_api::{Delivery, Grant, SettleMode};
use model::{Message, Sequence, SubscriptionId};
use std::collections::{BTreeMap, BTreeSet};

/// All subscriptions of a session.
#[derive(Default)]
pub(crate) struct Subscriptions {
    open: BTreeMap<SubscriptionId, Subscribed>,
    /// Those that have ended: what they still held belongs to nobody.
    ended: BTreeSet<SubscriptionId>,
}

/// What the session was told of one.
struct Subscribed {
    mode: SettleMode,
    /// What the last grant allows in all.
    granted: u64,
    delivered: u64,
    unsettled: BTreeSet<Sequence>,
    /// Whether the session has been told that it is there.
    is_ready: bool,
}

impl Subscriptions {
    /// Opens one that is granted so much.
    pub(crate) fn open(&mut self, id: SubscriptionId, mode: SettleMode, granted: u64) {
        let subscribed = Subscribed {
            mode,
            granted,
            delivered: 0,
            unsettled: BTreeSet::new(),
            is_ready: false,
        };
        let known = self.open.insert(id, subscribed);
        assert!(known.is_none(), "subscription {id} is used twice");
    }

    /// Whether it has not ended.
    pub(crate) fn is_open(&self, id: SubscriptionId) -> bool {
        self.open.contains_key(&id)
    }

    /// Nothing if it has ended.
    fn find(&mut self, id: SubscriptionId) -> Option<&mut Subscribed> {
        let found = self.open.get_mut(&id);
        assert!(
            found.is_some() || self.ended.contains(&id),
            "{id} was not subscribed"
        );
        found
    }

    /// Ends one, of which the session may not know yet.
    pub(crate) fn end(&mut self, id: SubscriptionId) {
        self.find(id);
        self.open.remove(&id);
        self.ended.insert(id);
    }

    /// Ends one, of which the session says no more.
    pub(crate) fn forget(&mut self, id: SubscriptionId) {
        self.open.remove(&id);
    }

    /// Lets deliveries come.
    pub(crate) fn make_ready(&mut self, id: SubscriptionId) {
        if let Some(subscribed) = self.open.get_mut(&id) {
            subscribed.is_ready = true;
        }
    }

    pub(crate) fn grant(&mut self, id: SubscriptionId, grant: Grant) {
        if let Some(subscribed) = self.find(id) {
            assert!(grant.count <= subscribed.delivered, "it was not given that");
            subscribed.granted = grant.total();
        }
    }

    /// Takes what it may still receive back.
    pub(crate) fn step_aside(&mut self, id: SubscriptionId) {
        if let Some(subscribed) = self.find(id) {
            assert!(!subscribed.unsettled.is_empty(), "it has nothing in hand");
            subscribed.granted = 0;
        }
    }

    pub(crate) fn settle(&mut self, id: SubscriptionId, sequences: &[Sequence]) {
        if let Some(subscribed) = self.find(id) {
            assert_eq!(subscribed.mode, SettleMode::Explicit);
            for sequence in sequences {
                let was = subscribed.unsettled.remove(sequence);
                assert!(was, "{id}/{sequence} is settled and was not delivered");
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// One of them, if there are any.
    pub(crate) fn some(&self, chance: &mut Chance) -> Option<SubscriptionId> {
        let at = chance.below(self.count().max(1));
        self.open.keys().nth(at).copied()
    }

    /// One of those that deliveries may come for.
    pub(crate) fn some_ready(&self, chance: &mut Chance) -> Option<SubscriptionId> {
        let ready = self.open.iter().filter(|(_, it)| it.is_ready);
        let ready: Vec<SubscriptionId> = ready.map(|(id, _)| *id).collect();
        (!ready.is_empty()).then(|| ready[chance.below(ready.len())])
    }

    /// The next delivery, if there may be one.
    pub(crate) fn deliver(&mut self, id: SubscriptionId, message: Message) -> Option<Delivery> {
        let subscribed = self.open.get_mut(&id)?;
        if !subscribed.is_ready || subscribed.delivered >= subscribed.granted {
            return None;
        }
        subscribed.delivered += 1;
        let sequence = match subscribed.mode {
            SettleMode::Presettled => Sequence(0),
            SettleMode::Explicit => Sequence(subscribed.delivered),
        };
        if subscribed.mode == SettleMode::Explicit {
            subscribed.unsettled.insert(sequence);
        }
        Some(Delivery {
            subscription: id,
            sequence,
            redelivered: false,
            delivery_count: 0,
            acquired_count: 0,
            expires_at: None,
            message,
        })
    }
}
