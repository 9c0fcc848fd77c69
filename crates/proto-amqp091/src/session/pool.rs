//! `basic.qos` with `global`: one bound for all consumers of a channel together.
//!
//! Each has a share of what is free. Who has used its share up has all shares cut anew, and so has who settles: what
//! others do not use is theirs then. Where less is free than there are consumers, each has one all the same; and a share
//! may be used when it is about to be cut. So more may come than is free: that is released, and never counts.

use super::Link;
use super::open::Open;
use broker_api::{Command, Confirm, Delivery, Out, Settle};
use model::Outcome;

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

    /// Whether a delivery is more than the consumers of its channel may have together.
    pub(super) fn is_too_much(&mut self, delivery: &Delivery) -> bool {
        let Some(consumer) = self.consumers.get_mut(delivery.subscription) else {
            return false;
        };
        let channel = self.channels.get(&consumer.channel);
        !consumer.no_ack && channel.and_then(|channel| channel.free()) == Some(0)
    }

    /// Gives back a delivery that is too much.
    pub(super) fn release(&mut self, link: &mut Link, delivery: &Delivery, out: &mut Out) {
        let id = delivery.subscription;
        let Some(consumer) = self.consumers.get_mut(id) else {
            return;
        };
        consumer.add_released();
        let number = consumer.channel;
        // Or it would come again at once.
        self.share_out(link, number, out);
        let settle = Settle {
            subscription: id,
            sequences: vec![delivery.sequence],
            outcome: Outcome::Release,
            confirm: Confirm::Unwanted,
        };
        link.submit(out, Command::Settle(settle));
    }
}
