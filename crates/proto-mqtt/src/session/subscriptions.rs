//! The subscriptions of a connection.

use super::kept::Subscribed;
use crate::frame::{Qos, SubscriptionIdentifier, SubscriptionOptions};
use broker_api::{Grant, OwnMessages, SettleMode};
use model::{SequenceMap, SoloMap, SubscriptionId};
use std::num::NonZeroU16;
use std::sync::Arc;

/// One subscription of the client, which is one of the broker's.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The highest that messages are sent with.
    pub(super) qos: Qos,
    /// Whether the client gets what it publishes itself.
    pub(super) own_messages: OwnMessages,
    /// What deliveries carry, at most one.
    pub(super) identifier: Option<SubscriptionIdentifier>,
    /// Whether messages are sent with the RETAIN that they were published with.
    pub(super) retain_as_published: bool,
    /// Whether topics that begin with `$` are not for it.
    pub(super) skips_hidden: bool,
    /// Whether deliveries are settled by us. Then they may need an answer of the client.
    pub(super) settle_mode: SettleMode,
    pub(super) reader: Reader,
    /// An earlier one to the same filter that could not be changed into this one. It ends when this one
    /// has its first delivery: until then, what was published before this one began may come by that.
    pub(super) replaces: Option<SubscriptionId>,
    /// Set as it is inserted.
    filter: Option<Arc<str>>,
    way: Way,
    /// All deliveries.
    delivered: u64,
    /// Those that are not settled.
    in_hand: u64,
    /// Whether a settlement has made room since the last grant.
    is_grant_due: bool,
}

/// How what a filter matches comes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By a subscription of the broker.
    Broker,
    /// By the session's queue, which the filter is bound to.
    Queue,
}

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// This client.
    Client,
    /// One of those that share the subscription.
    Group,
}

impl Subscription {
    pub(super) const fn new(
        options: SubscriptionOptions,
        identifier: Option<SubscriptionIdentifier>,
        skips_hidden: bool,
    ) -> Self {
        let qos = options.qos;
        Self {
            qos,
            own_messages: own_messages(options),
            identifier,
            retain_as_published: options.retain_as_published,
            skips_hidden,
            settle_mode: match qos {
                Qos::AtMostOnce => SettleMode::Presettled,
                Qos::AtLeastOnce | Qos::ExactlyOnce => SettleMode::Explicit,
            },
            reader: Reader::Client,
            replaces: None,
            filter: None,
            way: Way::Broker,
            delivered: 0,
            in_hand: 0,
            is_grant_due: false,
        }
    }

    /// One that competes with those of other clients. It is settled here whatever its quality: what the client is
    /// sent is the client's.
    pub(super) const fn shared(
        options: SubscriptionOptions,
        identifier: Option<SubscriptionIdentifier>,
        skips_hidden: bool,
    ) -> Self {
        let mut subscription = Self::new(options, identifier, skips_hidden);
        subscription.settle_mode = SettleMode::Explicit;
        subscription.reader = Reader::Group;
        subscription
    }

    /// Whether it can be changed into one with these options. One that is settled here can send what need not be
    /// answered, but not the other way round.
    pub(super) fn can_be(&self, options: SubscriptionOptions) -> bool {
        let is_explicit = self.is_explicit() || options.qos == Qos::AtMostOnce;
        self.own_messages == own_messages(options) && is_explicit
    }

    pub(super) const fn change(
        &mut self,
        options: SubscriptionOptions,
        identifier: Option<SubscriptionIdentifier>,
    ) {
        self.qos = options.qos;
        self.identifier = identifier;
        self.retain_as_published = options.retain_as_published;
    }

    /// The same, but bound to the session's queue.
    pub(super) fn bound(self) -> Self {
        Self {
            way: Way::Queue,
            ..self
        }
    }

    /// Whether it is none of the broker's: its filter is bound to the session's queue.
    pub(super) const fn is_bound(&self) -> bool {
        matches!(self.way, Way::Queue)
    }

    pub(super) const fn is_explicit(&self) -> bool {
        matches!(self.settle_mode, SettleMode::Explicit)
    }

    /// 1 if it is bound and leaves out what the client publishes itself.
    fn skips_own(&self) -> usize {
        usize::from(self.is_bound() && self.own_messages == OwnMessages::Skip)
    }

    pub(super) const fn handle_delivered(&mut self) {
        if self.is_explicit() {
            self.delivered += 1;
            self.in_hand += 1;
        }
    }

    /// A delivery is settled. Returns whether a grant is due that was not.
    pub(super) const fn handle_settled(&mut self) -> bool {
        self.in_hand -= 1;
        let becomes_due = !self.is_grant_due;
        self.is_grant_due = true;
        becomes_due
    }

    /// What the broker may deliver now, if the client takes so many in all.
    pub(super) fn grant(&mut self, window: NonZeroU16) -> Grant {
        self.is_grant_due = false;
        if !self.is_explicit() {
            return Grant::UNLIMITED;
        }
        Grant {
            count: self.delivered,
            limit: u64::from(window.get()).saturating_sub(self.in_hand),
            drain: false,
        }
    }
}

const fn own_messages(options: SubscriptionOptions) -> OwnMessages {
    match options.no_local {
        true => OwnMessages::Skip,
        false => OwnMessages::Deliver,
    }
}

/// The subscriptions of a connection, by the broker's id and by filter.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_id: SequenceMap<Subscription>,
    by_filter: SoloMap<Arc<str>, SubscriptionId>,
    /// What all filters take.
    filter_bytes: usize,
    /// The levels that they have together.
    filter_levels: u32,
    last_id: u32,
    /// Those to the session's queue: one, or none.
    queue_count: usize,
    /// Those that are bound and leave out what the client publishes itself.
    no_local_count: usize,
}

/// The levels of a filter.
pub(super) fn levels_of(filter: &str) -> u32 {
    u32::try_from(filter.split('/').count()).unwrap_or(u32::MAX)
}

impl Subscriptions {
    /// How many there are, those that are being replaced included.
    pub(super) fn len(&self) -> usize {
        self.by_id.len() - self.queue_count
    }

    /// The levels of all filters together.
    pub(super) const fn filter_levels(&self) -> u32 {
        self.filter_levels
    }

    pub(super) const fn filter_bytes(&self) -> usize {
        self.filter_bytes
    }

    pub(super) fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.by_id.get_mut(u64::from(id.0))
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.by_id.get(u64::from(id.0))
    }

    /// Adds the subscription to the session's queue, whose id is above all before.
    pub(super) fn insert_queue(&mut self, id: SubscriptionId, subscription: Subscription) {
        self.last_id = id.0;
        self.queue_count = 1;
        self.by_id.insert(u64::from(id.0), subscription);
    }

    /// Whether there is a subscription to the filter that is bound to the session's queue.
    pub(super) fn is_bound(&self, filter: &str) -> bool {
        let found = self.id_of(filter).and_then(|id| self.get(id));
        found.is_some_and(Subscription::is_bound)
    }

    /// Those that are bound to the session's queue.
    pub(super) fn bound(&self) -> impl Iterator<Item = (&str, SubscriptionId)> {
        let all = self.by_filter.iter();
        all.filter(|(_, id)| self.get(**id).is_some_and(Subscription::is_bound))
            .map(|(filter, id)| (&**filter, *id))
    }

    /// Whether any that is bound leaves out what the client publishes itself.
    pub(super) const fn has_no_local(&self) -> bool {
        self.no_local_count > 0
    }

    /// Changes one that is bound.
    pub(super) fn change_bound(&mut self, id: SubscriptionId, it: &Subscribed) {
        let Some(subscription) = self.by_id.get_mut(u64::from(id.0)) else {
            return;
        };
        self.no_local_count -= subscription.skips_own();
        subscription.change(it.options, it.identifier);
        subscription.own_messages = own_messages(it.options);
        self.no_local_count += subscription.skips_own();
    }

    /// The filter that leads to a subscription.
    pub(super) fn filter_of(&self, id: SubscriptionId) -> Option<Box<str>> {
        let filter = self.get(id)?.filter.as_deref()?;
        (self.id_of(filter) == Some(id)).then(|| filter.into())
    }

    /// The filter leads to another subscription from now on.
    pub(super) fn lead_to(&mut self, filter: &str, id: SubscriptionId) {
        if let Some(at) = self.by_filter.get_mut(filter) {
            *at = id;
        }
    }

    pub(super) fn id_of(&self, filter: &str) -> Option<SubscriptionId> {
        self.by_filter.get(filter).copied()
    }

    /// Adds a subscription; the filter leads to it from now on. Ids are never used twice.
    pub(super) fn insert(
        &mut self,
        filter: &str,
        mut subscription: Subscription,
    ) -> SubscriptionId {
        self.last_id += 1;
        let id = SubscriptionId(self.last_id);
        self.no_local_count += subscription.skips_own();
        let shared: Arc<str> = filter.into();
        subscription.filter = Some(Arc::clone(&shared));
        self.by_id.insert(u64::from(id.0), subscription);
        match self.by_filter.get_mut(filter) {
            Some(before) => *before = id,
            None => {
                self.filter_bytes += filter.len();
                self.filter_levels += levels_of(filter);
                self.by_filter.insert(shared, id);
            }
        }
        id
    }

    /// Gives a subscription that the broker does not know another id: the broker is told of them in ascending order.
    pub(super) fn renew(&mut self, id: SubscriptionId, filter: &str) -> Option<SubscriptionId> {
        let subscription = self.remove(id)?;
        Some(self.insert(filter, subscription))
    }

    /// Takes a subscription out that no filter leads to.
    pub(super) fn remove(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let removed = self.by_id.remove(u64::from(id.0))?;
        self.no_local_count -= removed.skips_own();
        Some(removed)
    }

    /// Takes a subscription out that the broker has refused. Its filter leads to the one that it was to
    /// replace again, if there was one.
    pub(super) fn forget(&mut self, id: SubscriptionId) {
        let Some(filter) = self.filter_of(id) else {
            self.remove(id);
            return;
        };
        match self.remove(id).and_then(|it| it.replaces) {
            Some(before) => self.lead_to(&filter, before),
            None => {
                self.filter_bytes -= filter.len();
                self.filter_levels -= levels_of(&filter);
                self.by_filter.remove(&*filter);
            }
        }
    }

    /// Takes the subscription to a filter out.
    pub(super) fn remove_filter(&mut self, filter: &str) -> Option<(SubscriptionId, Subscription)> {
        let id = self.by_filter.remove(filter)?;
        self.filter_bytes -= filter.len();
        self.filter_levels -= levels_of(filter);
        Some((id, self.remove(id)?))
    }
}
