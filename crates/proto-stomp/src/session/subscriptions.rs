//! The subscriptions of a connection.

use crate::translate::{AckMode, BrowserEnd, Opening};
use broker_api::Grant;
use model::{QueueName, Sequence, SequenceMap, SubscriptionId};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

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

/// A delivery that the client has not settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsettled {
    pub(super) sequence: Sequence,
    /// From which of the client's subscription's destinations it came.
    pub(super) member: Member,
}

/// Which destination of a list; the first if there is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member(NonZeroU16);

impl Member {
    /// The first, or only one.
    const FIRST: Self = Self(NonZeroU16::MIN);

    /// The one at this place from 0.
    fn at(place: u32) -> Self {
        let number = u16::try_from(place.saturating_add(1)).ok();
        Self(number.and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MAX))
    }

    /// Its place from 0.
    const fn place(self) -> u16 {
        self.0.get() - 1
    }
}

/// What has been delivered from one destination.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// All deliveries.
    delivered: u64,
    /// Those that the client is to settle and that are not settled, a transaction's included.
    in_hand: u64,
    /// Whether a settlement has made room since the last grant.
    pub(super) is_grant_due: bool,
}

/// How many names of subscriptions that have browsed to their end are kept.
const BROWSED_MAX: usize = 64;

/// One subscription of the client: one of the broker's, or several for a list of destinations.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) name: SubscriptionName,
    pub(super) opening: Opening,
    pub(super) ack: AckMode,
    /// How many deliveries of each destination may be unsettled; none if there is no bound.
    pub(super) prefetch: Option<u64>,
    /// The tag of the last delivery, which is their number.
    last_tag: u64,
    /// By tag: deliveries that the client has not settled and no transaction holds.
    pub(super) unsettled: SequenceMap<Unsettled>,
    /// Of the first destination.
    first: Counts,
    /// Of the others of a list.
    others: Vec<Counts>,
    /// Deliveries that a transaction is to settle.
    pub(super) held: u64,
    /// The client has unsubscribed, and a transaction still holds deliveries: nothing is delivered.
    pub(super) is_leaving: bool,
    /// What it ends with, if it browses.
    pub(super) browser_end: Option<BrowserEnd>,
    /// Queues that were made for it and outlive the connection.
    pub(super) durable_queues: Vec<QueueName>,
}

impl Subscription {
    /// A subscription at its beginning, to this number of destinations.
    pub(super) fn new(name: SubscriptionName, opening: Opening, members: usize) -> Self {
        Self {
            name,
            opening,
            ack: AckMode::Auto,
            prefetch: None,
            last_tag: 0,
            unsettled: SequenceMap::new(),
            first: Counts::default(),
            others: (1..members).map(|_| Counts::default()).collect(),
            held: 0,
            is_leaving: false,
            browser_end: None,
            durable_queues: Vec::new(),
        }
    }

    /// Numbers a delivery and keeps it if the client is to settle it.
    pub(super) fn add_delivery(&mut self, member: Member, sequence: Sequence) -> u64 {
        self.last_tag += 1;
        let tag = self.last_tag;
        let is_kept = self.ack != AckMode::Auto;
        let counts = self.counts_mut(member);
        counts.delivered += 1;
        if is_kept {
            counts.in_hand += 1;
            self.unsettled.insert(tag, Unsettled { sequence, member });
        }
        tag
    }

    /// A delivery of this destination is settled. Returns whether a grant is due that was not.
    pub(super) fn handle_settled(&mut self, member: Member) -> bool {
        let has_bound = self.prefetch.is_some();
        let counts = self.counts_mut(member);
        counts.in_hand -= 1;
        let becomes_due = has_bound && !counts.is_grant_due;
        counts.is_grant_due |= has_bound;
        becomes_due
    }

    /// What the broker may deliver from this destination now.
    pub(super) fn grant(&self, member: Member) -> Grant {
        let counts = self.counts(member);
        self.prefetch.map_or(Grant::UNLIMITED, |prefetch| Grant {
            count: counts.delivered,
            limit: prefetch.saturating_sub(counts.in_hand),
            drain: false,
        })
    }

    /// No more than there was.
    pub(super) fn last_grant(&self, member: Member) -> Grant {
        Grant {
            count: self.counts(member).delivered,
            limit: 0,
            drain: false,
        }
    }

    /// All destinations.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> + use<> {
        (0..=u32::try_from(self.others.len()).unwrap_or(u32::MAX)).map(Member::at)
    }

    pub(super) fn counts_mut(&mut self, member: Member) -> &mut Counts {
        match usize::from(member.place()).checked_sub(1) {
            None => &mut self.first,
            Some(at) => &mut self.others[at],
        }
    }

    fn counts(&self, member: Member) -> &Counts {
        match usize::from(member.place()).checked_sub(1) {
            None => &self.first,
            Some(at) => &self.others[at],
        }
    }
}

/// The subscriptions of a connection, by the broker's id and by the client's name.
///
/// A list of destinations has as many of the broker's ids, one behind the other; the first is that of
/// the client's subscription.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_id: SequenceMap<Subscription>,
    by_name: BTreeMap<SubscriptionName, SubscriptionId>,
    /// From the ids of a list but the first to the first.
    firsts: BTreeMap<SubscriptionId, SubscriptionId>,
    /// Names of those that have browsed to their end, the oldest first: they are there no more, but an
    /// UNSUBSCRIBE may still come.
    browsed: VecDeque<SubscriptionName>,
    last_id: u32,
}

impl Subscriptions {
    /// How many there are, those of lists counted each.
    pub(super) fn len(&self) -> usize {
        self.by_id.len() + self.firsts.len()
    }

    pub(super) fn id_of(&self, name: &SubscriptionName) -> Option<SubscriptionId> {
        self.by_name.get(name).copied()
    }

    /// The id for the next subscription; ids are never used twice.
    pub(super) fn next_id(&self) -> SubscriptionId {
        SubscriptionId(self.last_id + 1)
    }

    /// Adds a subscription under [`next_id`](Self::next_id), and the ids behind it for a list.
    pub(super) fn insert(&mut self, subscription: Subscription) -> SubscriptionId {
        let first = self.next_id();
        for member in subscription.members() {
            let id = broker_id(first, member);
            if id != first {
                self.firsts.insert(id, first);
            }
            self.last_id = id.0;
        }
        self.by_name.insert(subscription.name.clone(), first);
        self.by_id.insert(u64::from(first.0), subscription);
        first
    }

    /// The broker's ids of all subscriptions.
    pub(super) fn broker_ids(&self) -> impl Iterator<Item = SubscriptionId> {
        self.by_id.iter().flat_map(|(first, subscription)| {
            let first = SubscriptionId(u32::try_from(first).unwrap_or(u32::MAX));
            let members = subscription.members();
            members.map(move |member| broker_id(first, member))
        })
    }

    /// The subscription with this id, which is the first of its own.
    pub(super) fn get_mut(&mut self, first: SubscriptionId) -> Option<&mut Subscription> {
        self.by_id.get_mut(u64::from(first.0))
    }

    /// The subscription that one of the broker's belongs to, and which of its destinations that is.
    pub(super) fn member_mut(
        &mut self,
        id: SubscriptionId,
    ) -> Option<(SubscriptionId, Member, &mut Subscription)> {
        let (first, member) = if self.firsts.is_empty() {
            (id, Member::FIRST)
        } else {
            let first = self.firsts.get(&id).copied().unwrap_or(id);
            (first, Member::at(id.0 - first.0))
        };
        let subscription = self.by_id.get_mut(u64::from(first.0))?;
        Some((first, member, subscription))
    }

    /// Takes a subscription out that has browsed to its end.
    pub(super) fn end_browsing(&mut self, first: SubscriptionId) {
        let Some(subscription) = self.remove(first) else {
            return;
        };
        // Its name is free already if it was unsubscribed meanwhile.
        if self.by_name.remove(&subscription.name).is_some() {
            if self.browsed.len() >= BROWSED_MAX {
                self.browsed.pop_front();
            }
            self.browsed.push_back(subscription.name);
        }
    }

    /// Forgets that a subscription of this name has browsed to its end; whether that was known.
    pub(super) fn forget_browsed(&mut self, name: &SubscriptionName) -> bool {
        let at = self.browsed.iter().position(|it| it == name);
        at.and_then(|at| self.browsed.remove(at)).is_some()
    }

    /// Frees the client's name of a subscription.
    pub(super) fn forget_name(&mut self, name: &SubscriptionName) -> Option<SubscriptionId> {
        self.by_name.remove(name)
    }

    /// Takes a subscription out, with all the broker's ids of it.
    pub(super) fn remove(&mut self, first: SubscriptionId) -> Option<Subscription> {
        let subscription = self.by_id.remove(u64::from(first.0))?;
        for member in subscription.members() {
            self.firsts.remove(&broker_id(first, member));
        }
        Some(subscription)
    }
}

/// The broker's id for one destination of a subscription.
pub(super) fn broker_id(first: SubscriptionId, member: Member) -> SubscriptionId {
    SubscriptionId(first.0 + u32::from(member.place()))
}
