//! `basic.qos` with `global`: one bound for all consumers of a channel together.
//!
//! Each has a share of what is free. Who has used its share up has all shares cut anew, and so has who settles: what
//! others do not use is theirs then. Where less is free than there are consumers, each has one all the same; and a share
//! may be used when it is about to be cut. So more may come than is free: that waits in the channel until there is room,
//! never more than what was on its way to the connection when shares were cut.

use super::Link;
use super::consume::hand_out;
use super::open::Open;
use broker_api::{Command, Out};
use model::{Sequence, SubscriptionId};

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
        for id in self.consumers.of_channel(number) {
            let Some(consumer) = self.consumers.get_mut(id) else {
                continue;
            };
            consumer.forget_grant();
            if was_shared && pool.is_none() && consumer.is_sharing() {
                let grant = consumer.take_grant();
                link.submit(out, Command::Grant(id, grant));
            }
        }
        self.hand_out_waiting(link, number, out);
        self.share_out(link, number, out);
    }

    /// Gives each consumer of a channel its share of what is free, if they share that.
    pub(super) fn share_out(&mut self, link: &mut Link, number: u16, out: &mut Out) {
        let channel = self.channels.get(&number);
        let Some(free) = channel.and_then(|channel| channel.free()) else {
            return;
        };
        let mut ids = self.consumers.of_channel(number);
        ids.retain(|id| {
            let consumer = self.consumers.get_mut(*id);
            consumer.is_some_and(|consumer| consumer.is_sharing())
        });
        let count = ids.len() as u64;
        for (nth, id) in (0..).zip(ids) {
            let Some(consumer) = self.consumers.get_mut(id) else {
                continue;
            };
            let share = free / count + u64::from(nth < free % count);
            if let Some(grant) = consumer.take_share(share.max(free.min(1))) {
                link.submit(out, Command::Grant(id, grant));
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
            if let Some(consumer) = self.consumers.get_mut(delivery.subscription) {
                self.timeouts.note_delivery();
                hand_out(link, consumer, channel, &delivery, out);
            }
        }
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
