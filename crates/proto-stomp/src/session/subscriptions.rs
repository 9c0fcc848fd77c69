//! The subscriptions of a connection.

use crate::translate::Opening;
use broker_api::Grant;
use model::{Sequence, SequenceMap, SubscriptionId};
use std::collections::BTreeMap;

/// What a client calls a subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SubscriptionName {
    /// By the `id` header.
    Id(Box<[u8]>),
    /// By the destination, which 1.0 allows.
    Destination(Box<[u8]>),
}

impl SubscriptionName {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Id(bytes) | Self::Destination(bytes) => bytes,
        }
    }
}

/// The `ack` header of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckMode {
    /// Nobody settles.
    Auto,
    /// An ACK settles all deliveries up to the one it names.
    Client,
    /// An ACK settles the delivery it names.
    ClientIndividual,
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) name: SubscriptionName,
    pub(super) opening: Opening,
    pub(super) ack: AckMode,
    /// How many deliveries may be unsettled; none if there is no bound.
    pub(super) prefetch: Option<u64>,
    /// The tag of the last delivery, which is their number.
    pub(super) last_tag: u64,
    /// By tag: deliveries that the client has not settled.
    pub(super) unsettled: SequenceMap<Sequence>,
    /// Whether a settlement has made room since the last grant.
    pub(super) is_grant_due: bool,
}

impl Subscription {
    /// Numbers a delivery and keeps it if the client is to settle it.
    pub(super) fn add_delivery(&mut self, sequence: Sequence) -> u64 {
        self.last_tag += 1;
        if self.ack != AckMode::Auto {
            self.unsettled.insert(self.last_tag, sequence);
        }
        self.last_tag
    }

    /// What the broker may deliver now.
    pub(super) fn grant(&self) -> Grant {
        self.prefetch.map_or(Grant::UNLIMITED, |prefetch| Grant {
            count: self.last_tag,
            limit: prefetch.saturating_sub(self.unsettled.len() as u64),
            drain: false,
        })
    }
}

/// The subscriptions of a connection, by the broker's id and by the client's name.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_id: SequenceMap<Subscription>,
    by_name: BTreeMap<SubscriptionName, SubscriptionId>,
    last_id: u32,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn id_of(&self, name: &SubscriptionName) -> Option<SubscriptionId> {
        self.by_name.get(name).copied()
    }

    /// The id for the next subscription; ids are never used twice.
    pub(super) fn next_id(&self) -> SubscriptionId {
        SubscriptionId(self.last_id + 1)
    }

    /// Adds a subscription under [`next_id`](Self::next_id).
    pub(super) fn insert(&mut self, subscription: Subscription) -> SubscriptionId {
        let id = self.next_id();
        self.last_id = id.0;
        self.by_name.insert(subscription.name.clone(), id);
        self.by_id.insert(u64::from(id.0), subscription);
        id
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = SubscriptionId> {
        self.by_name.values().copied()
    }

    pub(super) fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.by_id.get_mut(u64::from(id.0))
    }

    pub(super) fn remove(&mut self, name: &SubscriptionName) -> Option<SubscriptionId> {
        let id = self.by_name.remove(name)?;
        self.by_id.remove(u64::from(id.0));
        Some(id)
    }
}
