//! `basic.get`.

use super::awaited::Purpose;
use super::consume::{check_count, put_content};
use super::consumers::{Consumer, Unsettled};
use super::failure::Failure;
use super::open::Open;
use super::replies::check_readable;
use super::{Link, put};
use crate::{Method, MethodId, ShortStr, basic};
use broker_api::{Command, Delivery, Get, Out, Reply, SettleMode};
use model::SubscriptionId;

impl Open {
    /// Gets one message of a queue. What has it is a consumer that the client does not know, as long as it has it.
    pub(super) fn handle_get(
        &mut self,
        link: &mut Link,
        number: u16,
        get: &basic::Get<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let method = basic::Get::ID;
        let Some(channel) = self.channels.get(&number) else {
            return Ok(());
        };
        let queue = channel.queue(get.queue, method)?;
        check_readable(&queue, method)?;
        check_count(&self.consumers, link, method)?;
        let consumer = Consumer::getting(number, get.no_ack);
        let id = self.consumers.insert(consumer);
        let command = Command::Get(Get {
            subscription: id,
            queue,
            settle_mode: if get.no_ack {
                SettleMode::Presettled
            } else {
                SettleMode::Explicit
            },
        });
        let purpose = Purpose::Getting { id };
        self.ask(link, (number, method), command, purpose, out);
        Ok(())
    }

    /// Tells the client what it has got.
    pub(super) fn finish_get(
        &mut self,
        link: &mut Link,
        (number, method): (u16, MethodId),
        id: SubscriptionId,
        reply: &Reply,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let delivery = self.got.take();
        let (Reply::Got(ready_count), true) = (reply, self.channels.contains_key(&number)) else {
            return Err(Failure::internal(method));
        };
        let got = ready_count.zip(delivery);
        let added = got.and_then(|(ready_count, delivery)| {
            let (tag, no_ack) = self.add_got(number, &delivery)?;
            Some((ready_count, delivery, tag, no_ack))
        });
        let Some((ready_count, delivery, delivery_tag, no_ack)) = added else {
            self.consumers.remove(id);
            link.submit(out, Command::Cancel(id));
            put(out, number, &Method::BasicGetEmpty(basic::GetEmpty));
            return Ok(());
        };
        let message = &delivery.message;
        let get_ok = basic::GetOk {
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: ShortStr::new(message.exchange()).unwrap_or(ShortStr::EMPTY),
            routing_key: ShortStr::start_of(message.key()),
            message_count: u32::try_from(ready_count).unwrap_or(u32::MAX),
        };
        put(out, number, &Method::BasicGetOk(get_ok));
        put_content(link, number, (message, delivery.delivery_count), out);
        if no_ack {
            self.consumers.remove(id);
            link.submit(out, Command::Cancel(id));
        }
        Ok(())
    }

    /// Gives what was got the next tag of its channel; also says whether it is settled by that.
    fn add_got(&mut self, number: u16, delivery: &Delivery) -> Option<(u64, bool)> {
        let id = delivery.subscription;
        let consumer = self.consumers.get_mut(id)?;
        consumer.add_delivery();
        let unsettled = Unsettled {
            subscription: id,
            sequence: delivery.sequence,
            is_got: true,
        };
        let channel = self.channels.get_mut(&number)?;
        let tag = channel.add_delivery((!consumer.no_ack).then_some(unsettled));
        if !consumer.no_ack {
            self.timeouts.note_delivery();
        }
        Some((tag, consumer.no_ack))
    }
}
