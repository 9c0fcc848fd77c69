//! `basic.qos` with `global`: one bound for all consumers of a channel together.
//!
//! Each has a share of what is free. Who has used half of its share up has more of what nobody has a share of; if that is
//! less than an even share, those that have more than one are cut to it. So what others do not use is soon theirs that do,
//! and most settlements and deliveries make no grant, or one.
//!
//! Where less is free than there are consumers, each has a share of one all the same, and keeps it until it is used: nobody
//! knows which of their queues has something. So more may come than is free, one for each consumer. That waits in the channel
//! until there is room, but not for long: then it goes back to its queue, for who else consumes from that. Those that it came to
//! have used their shares up, and nothing more comes to them before there is room.

use super::Link;
use super::channel::Channel;
use super::consume::{hand_out, released};
use super::consumers::Consumers;
use super::open::Open;
use broker_api::{Command, Out};
use model::{Instant, Sequence, SubscriptionId};
use std::time::Duration;

/// What waits for room is looked for so often; what was there the last time goes back.
const INTERVAL: Duration = Duration::from_millis(500);

/// When it is looked for what waits.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Whether there may be something.
    is_needed: bool,
    next: Option<Instant>,
}

impl Waits {
    pub(super) const fn note_waiting(&mut self) {
        self.is_needed = true;
    }

    /// Sees to it that it is looked, where there is something to look for.
    #[inline]
    pub(super) fn start(&mut self, now: Instant) {
        if self.is_needed && self.next.is_none() {
            self.next = Some(now + INTERVAL);
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

/// What the consumers of a channel have that share its bound.
#[derive(Debug)]
struct Shares {
    count: u64,
    /// What is left of all shares.
    left: u64,
    /// How many of them want more.
    wanting: u64,
    /// The least that is left to one of those.
    least: u64,
}

impl Shares {
    fn of(consumers: &Consumers, channel: &Channel) -> Self {
        let all = channel
            .consumers
            .values()
            .filter_map(|id| consumers.get(*id));
        let mut shares = Self {
            count: 0,
            left: 0,
            wanting: 0,
            least: u64::MAX,
        };
        for consumer in all.filter(|it| it.is_sharing()) {
            let left = consumer.share_left();
            shares.count += 1;
            shares.left += left;
            if consumer.wants_share() {
                shares.wanting += 1;
                shares.least = shares.least.min(left);
            }
        }
        shares
    }

    /// What of so much that is free is each consumer's; one is where that is too little.
    fn even(&self, free: u64) -> u64 {
        free.checked_div(self.count).unwrap_or(0).max(1)
    }
}

impl Open {
    /// Sets the bound, or none.
    pub(super) fn set_pool(
        &mut self,
        link: &mut Link,
        number: u16,
        pool: Option<u64>,
        out: &mut Out,
    ) {
        self.flush(link, out);
        let Some(channel) = self.channels.get_mut(&number) else {
            return;
        };
        let was_shared = std::mem::replace(&mut channel.pool, pool).is_some();
        self.hand_out_waiting(link, number, out);
        let Some(channel) = self.channels.get(&number) else {
            return;
        };
        let shares = Shares::of(&self.consumers, channel);
        let free = channel.free().filter(|free| *free > 0);
        let share = free.map_or(0, |free| shares.even(free));
        for id in channel.consumers.values() {
            let Some(consumer) = self.consumers.get_mut(*id).filter(|it| it.is_sharing()) else {
                continue;
            };
            consumer.forget_share();
            let grant = match pool {
                Some(_) => consumer.take_share(share),
                None => was_shared.then(|| consumer.take_grant()),
            };
            if let Some(grant) = grant {
                link.submit(out, Command::Grant(*id, grant));
            }
        }
    }

    /// Gives those consumers of a channel more that want more, if they share its bound and there is room.
    pub(super) fn share_out(&mut self, link: &mut Link, number: u16, out: &mut Out) {
        let Some(channel) = self.channels.get(&number) else {
            return;
        };
        let Some(free) = channel.free().filter(|_| !channel.is_full()) else {
            return;
        };
        let shares = Shares::of(&self.consumers, channel);
        let Some(more) = free.saturating_sub(shares.left).checked_div(shares.wanting) else {
            return;
        };
        let even = shares.even(free);
        let is_cut = shares.least + more < even;
        for id in channel.consumers.values() {
            let Some(consumer) = self.consumers.get_mut(*id).filter(|it| it.is_sharing()) else {
                continue;
            };
            let left = consumer.share_left();
            let share = if consumer.wants_share() {
                even.max(left + more)
            } else if is_cut {
                even.min(left)
            } else {
                continue;
            };
            if let Some(grant) = consumer.take_share(share) {
                link.submit(out, Command::Grant(*id, grant));
            }
        }
    }

    /// Hands out what waits in a channel, as far as there is room.
    pub(super) fn hand_out_waiting(&mut self, link: &mut Link, number: u16, out: &mut Out) {
        let Some(channel) = self.channels.get_mut(&number) else {
            return;
        };
        while channel.free() != Some(0)
            && let Some(delivery) = channel.waiting.pop_front()
        {
            channel.waited = channel.waited.saturating_sub(1);
            if let Some(consumer) = self.consumers.get_mut(delivery.subscription) {
                self.timeouts.note_delivery();
                hand_out(link, consumer, channel, &delivery, out);
            }
        }
    }

    /// Gives back what has waited for room since it was looked last, if it is time to look.
    pub(super) fn release_waiting(&mut self, link: &mut Link, now: Instant, out: &mut Out) {
        if self.waits.next.is_none_or(|next| now < next) {
            return;
        }
        self.waits = Waits::default();
        for channel in self.channels.values_mut() {
            let waited = channel.waited.min(channel.waiting.len());
            for delivery in channel.waiting.drain(..waited) {
                let id = delivery.subscription;
                if let Some(consumer) = self.consumers.get_mut(id) {
                    consumer.give_back(1);
                    let settle = released(id, vec![delivery.sequence]);
                    link.submit(out, Command::Settle(settle));
                }
            }
            channel.waited = channel.waiting.len();
            self.waits.is_needed |= channel.waited > 0;
        }
        self.waits.start(now);
    }

    /// Takes back what waits for room and is a consumer's, which ends.
    pub(super) fn take_waiting(&mut self, number: u16, id: SubscriptionId) -> Vec<Sequence> {
        let mut sequences = Vec::new();
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.waiting.retain(|delivery| {
                let is_taken = delivery.subscription == id;
                if is_taken {
                    sequences.push(delivery.sequence);
                }
                !is_taken
            });
        }
        sequences
    }
}
