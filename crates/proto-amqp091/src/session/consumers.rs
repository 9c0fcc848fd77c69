//! The consumers of a connection, and what each has in hand.

use broker_api::Grant;
use model::{Sequence, SequenceMap, SubscriptionId};
use std::time::Duration;

/// A delivery that the client has not settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsettled {
    pub(super) subscription: SubscriptionId,
    pub(super) sequence: Sequence,
    /// Whether it was got, which counts against no bound.
    pub(super) is_got: bool,
}

/// One consumer, which is one of the broker's subscriptions.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) tag: Box<[u8]>,
    pub(super) channel: u16,
    /// Whether the broker settles.
    pub(super) no_ack: bool,
    /// How many deliveries may be unsettled; none if there is no bound.
    pub(super) prefetch: Option<u64>,
    /// Within which time it is to settle a delivery, if that is not the same for it as for others.
    pub(super) settle_within: Option<Duration>,
    /// All deliveries.
    delivered: u64,
    /// The deliveries up to which it was granted last, where it shares a bound with others.
    granted: Option<u64>,
    /// How many that were beyond those it had.
    share: u64,
    /// Those that the client is to settle, or will be once there is room for them.
    in_hand: u64,
    /// Whether a settlement has made room since the last grant.
    is_grant_due: bool,
    /// Nothing more is delivered, but what is unsettled may still be settled: the client has canceled it, or it is
    /// for one message only.
    pub(super) is_leaving: bool,
}

impl Consumer {
    pub(super) const fn new(
        tag: Box<[u8]>,
        channel: u16,
        no_ack: bool,
        prefetch: Option<u64>,
    ) -> Self {
        Self {
            tag,
            channel,
            no_ack,
            prefetch,
            settle_within: None,
            delivered: 0,
            granted: None,
            share: 0,
            in_hand: 0,
            is_grant_due: false,
            is_leaving: false,
        }
    }

    /// What has the one message that the client gets.
    pub(super) fn getting(channel: u16, no_ack: bool) -> Self {
        Self {
            is_leaving: true,
            ..Self::new(Box::default(), channel, no_ack, None)
        }
    }

    /// Whether it shares the bound of its channel.
    pub(super) const fn is_sharing(&self) -> bool {
        !self.no_ack && !self.is_leaving
    }

    /// These go back without having reached the client.
    pub(super) const fn give_back(&mut self, count: u64) {
        self.in_hand = self.in_hand.saturating_sub(count);
    }

    /// What is left of its share.
    pub(super) fn share_left(&self) -> u64 {
        self.granted.unwrap_or(0).saturating_sub(self.delivered)
    }

    /// Whether it has used up half of its share and may have more by its own bound.
    pub(super) fn wants_share(&self) -> bool {
        let left = self.share_left();
        left <= self.share / 2 && self.own_room() > left
    }

    /// What it may have by its own bound.
    fn own_room(&self) -> u64 {
        self.prefetch
            .map_or(u64::MAX, |it| it.saturating_sub(self.in_hand))
    }

    /// It shares nothing.
    pub(super) const fn forget_share(&mut self) {
        (self.granted, self.share) = (None, 0);
    }

    /// What it may have of what it shares with others, if that is not what it was granted already.
    pub(super) fn take_share(&mut self, share: u64) -> Option<Grant> {
        let limit = share.min(self.own_room());
        let granted = Some(self.delivered + limit);
        self.share = limit;
        (std::mem::replace(&mut self.granted, granted) != granted).then_some(Grant {
            count: self.delivered,
            limit,
            drain: false,
        })
    }

    /// Counts a delivery.
    pub(super) const fn add_delivery(&mut self) {
        self.delivered += 1;
        if !self.no_ack {
            self.in_hand += 1;
        }
    }

    pub(super) const fn has_in_hand(&self) -> bool {
        self.in_hand > 0
    }

    /// A delivery is settled. Returns whether something is to be said about that which was not before: a grant,
    /// or the end of one that is leaving.
    pub(super) const fn handle_settled(&mut self) -> bool {
        self.in_hand = self.in_hand.saturating_sub(1);
        let is_last = self.is_leaving && self.in_hand == 0;
        let becomes_due = self.prefetch.is_some() && !self.is_leaving && !self.is_grant_due;
        self.is_grant_due |= becomes_due;
        is_last || becomes_due
    }

    /// What the broker may deliver now.
    pub(super) fn take_grant(&mut self) -> Grant {
        self.is_grant_due = false;
        let Some(prefetch) = self.prefetch else {
            return Grant::UNLIMITED;
        };
        Grant {
            count: self.delivered,
            limit: prefetch.saturating_sub(self.in_hand),
            drain: false,
        }
    }
}

/// The consumers of a connection, by the broker's id.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    by_id: SequenceMap<Consumer>,
    last_id: u32,
}

impl Consumers {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The id of the next one; ids are never used twice.
    pub(super) const fn next_id(&self) -> SubscriptionId {
        SubscriptionId(self.last_id + 1)
    }

    /// Adds one under [`next_id`](Self::next_id).
    pub(super) fn insert(&mut self, consumer: Consumer) -> SubscriptionId {
        let id = self.next_id();
        self.last_id = id.0;
        self.by_id.insert(id.0.into(), consumer);
        id
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Option<&Consumer> {
        self.by_id.get(id.0.into())
    }

    pub(super) fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Consumer> {
        self.by_id.get_mut(id.0.into())
    }

    pub(super) fn has(&self, id: SubscriptionId) -> bool {
        self.by_id.get(id.0.into()).is_some()
    }

    pub(super) fn remove(&mut self, id: SubscriptionId) -> Option<Consumer> {
        self.by_id.remove(id.0.into())
    }

    /// Those of a channel.
    pub(super) fn of_channel(&self, channel: u16) -> Vec<SubscriptionId> {
        let all = self.by_id.iter();
        let of_channel = all.filter(|(_, it)| it.channel == channel);
        let id = |(id, _)| SubscriptionId(u32::try_from(id).unwrap_or(u32::MAX));
        of_channel.map(id).collect()
    }
}
