//! `basic.qos`, `consume`, `cancel`; deliveries.

use super::awaited::Purpose;
use super::channel::Channel;
use super::consumers::{Consumer, Consumers, Unsettled};
use super::failure::Failure;
use super::open::Open;
use super::replies::check_readable;
use super::server_properties::PrefetchScope;
use super::{Link, put};
use crate::encode::{put_body_frames, put_body_head, put_content_header, put_deliver};
use crate::frame::{FRAME_END, FRAME_OVERHEAD_BYTES};
use crate::properties::Properties;
use crate::translate::{
    DIRECT_REPLY_TO, MILLISECONDS_MAX, put_foreign_properties_within, shown_properties, value_of,
    with_delivery_count,
};
use crate::{FieldValue, Method, MethodId, ReplyCode, ShortStr, basic};
use broker_api::{Command, Confirm, Delivery, Out, Settle, SettleMode, Sharing, Source, Subscribe};
use bytes::{BufMut, BytesMut};
use model::{Dialect, Message, Outcome, Sequence, SubscriptionId, Value};
use std::time::Duration;

impl Open {
    /// How much the consumers may have in hand that begin from now on.
    pub(super) fn handle_qos(
        &mut self,
        link: &mut Link,
        number: u16,
        qos: basic::Qos,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let method = basic::Qos::ID;
        if qos.prefetch_size != 0 {
            let problem = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(Failure::new(ReplyCode::NotImplemented, method, problem));
        }
        let prefetch = Some(u64::from(qos.prefetch_count)).filter(|it| *it > 0);
        if qos.global || self.capabilities.prefetch == PrefetchScope::Channel {
            self.set_pool(link, number, prefetch, out);
        } else if let Some(channel) = self.channels.get_mut(&number) {
            channel.prefetch = prefetch;
        }
        put(out, number, &Method::BasicQosOk(basic::QosOk));
        Ok(())
    }

    pub(super) fn handle_consume(
        &mut self,
        link: &mut Link,
        number: u16,
        consume: &basic::Consume<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let method = basic::Consume::ID;
        let Some(channel) = self.channels.get_mut(&number) else {
            return Ok(());
        };
        let queue = channel.queue(consume.queue, method)?;
        check_readable(&queue, method)?;
        let is_of_replies = queue.as_bytes() == DIRECT_REPLY_TO;
        let id = self.consumers.next_id();
        let tag: Box<[u8]> = if consume.consumer_tag.is_empty() {
            format!("amq.ctag-{id}").into_bytes().into()
        } else {
            consume.consumer_tag.as_bytes().into()
        };
        if channel.consumers.contains_key(&tag) {
            let text = format!("attempt to reuse consumer tag '{}'", consume.consumer_tag);
            return Err(Failure::new(ReplyCode::NotAllowed, method, text));
        }
        check_count(&self.consumers, link, method)?;
        if is_of_replies {
            return self.handle_consume_replies(link, number, (tag, consume), out);
        }
        let sharing = sharing(consume)?;
        let settle_within = settle_within(consume)?;
        let prefetch = channel.prefetch.filter(|_| !consume.no_ack);
        channel.consumers.insert(tag.clone(), id);
        let mut consumer = Consumer::new(tag, number, consume.no_ack, prefetch);
        let settle_mode = if consume.no_ack {
            SettleMode::Presettled
        } else {
            SettleMode::Explicit
        };
        let mut grant = consumer.take_grant();
        if channel.pool.is_some() && consumer.is_sharing() {
            // Its share comes when it has begun.
            grant.limit = 0;
        }
        self.consumers.insert(consumer);
        if let Some(limit) = settle_within {
            self.set_settle_within(link, (number, method), id, limit)?;
        }
        let subscribe = Subscribe {
            sharing,
            ..Subscribe::new(id, Source::Queue(queue), settle_mode, grant)
        };
        let no_wait = consume.no_wait;
        let purpose = Purpose::Consuming { id, no_wait };
        let command = Command::Subscribe(Box::new(subscribe));
        self.ask(link, (number, method), command, purpose, out);
        Ok(())
    }

    /// Tells the client the tag of its consumer.
    pub(super) fn put_consume_ok(&mut self, number: u16, id: SubscriptionId, out: &mut Out) {
        if let Some(consumer) = self.consumers.get_mut(id) {
            let consumer_tag = ShortStr::new(&consumer.tag).unwrap_or(ShortStr::EMPTY);
            let consume_ok = basic::ConsumeOk { consumer_tag };
            put(out, number, &Method::BasicConsumeOk(consume_ok));
        }
    }

    /// Takes a consumer out of its channel and of the connection.
    pub(super) fn forget_consumer(&mut self, id: SubscriptionId) -> Option<Consumer> {
        let consumer = self.consumers.remove(id)?;
        if let Some(channel) = self.channels.get_mut(&consumer.channel) {
            channel.consumers.remove(&consumer.tag);
            channel.forget_replies(id);
        }
        Some(consumer)
    }

    /// Ends a consumer. What it has in hand may still be settled: it steps aside until all of that is.
    pub(super) fn handle_cancel(
        &mut self,
        link: &mut Link,
        number: u16,
        cancel: basic::Cancel<'_>,
        out: &mut Out,
    ) {
        let consumer_tag = cancel.consumer_tag;
        self.flush(link, out);
        let channel = self.channels.get_mut(&number);
        let id = channel.and_then(|channel| {
            let id = channel.consumers.remove(consumer_tag.as_bytes())?;
            channel.forget_replies(id);
            Some(id)
        });
        let consumer = id.and_then(|id| Some((id, self.consumers.get_mut(id)?)));
        let Some((id, consumer)) = consumer else {
            // One that is not there is canceled, as in RabbitMQ.
            return put_cancel_ok(number, &cancel, out);
        };
        consumer.is_leaving = true;
        let waiting = self.take_waiting(number, id);
        let has_in_hand = self.consumers.get_mut(id).is_some_and(|consumer| {
            consumer.give_back(waiting.len() as u64);
            consumer.has_in_hand()
        });
        if has_in_hand && !waiting.is_empty() {
            link.submit(out, Command::Settle(released(id, waiting)));
        }
        let command = if has_in_hand {
            Command::StepAside(id)
        } else {
            Command::Cancel(id)
        };
        let no_wait = cancel.no_wait;
        let purpose = Purpose::Canceling { id, no_wait };
        self.ask(link, (number, basic::Cancel::ID), command, purpose, out);
    }

    /// The broker has ended a consumer that was canceled, but for what it has in hand.
    pub(super) fn finish_cancel(
        &mut self,
        number: u16,
        id: SubscriptionId,
        no_wait: bool,
        out: &mut Out,
    ) {
        let Some(consumer) = self.consumers.get_mut(id) else {
            return;
        };
        put_cancel_ok(number, &canceled(consumer, no_wait), out);
        if !consumer.has_in_hand() {
            self.consumers.remove(id);
        }
        self.settling.note_room(number);
    }

    /// Ends all consumers of a channel; what they have in hand goes back.
    pub(super) fn end_consumers(&mut self, link: &mut Link, number: u16, out: &mut Out) {
        self.flush(link, out);
        for id in self.consumers.of_channel(number) {
            self.consumers.remove(id);
            link.submit(out, Command::Cancel(id));
        }
    }

    /// The broker has ended a consumer: its queue is gone.
    pub(super) fn handle_ended(&mut self, id: SubscriptionId, out: &mut Out) {
        let Some(consumer) = self.forget_consumer(id) else {
            return;
        };
        let number = consumer.channel;
        self.take_waiting(number, id);
        self.settling.note_room(number);
        if self.awaits_end(id) {
            // It was gone before it could be canceled.
            put_cancel_ok(number, &canceled(&consumer, false), out);
        } else if self.capabilities.consumer_cancel_notify && !consumer.is_leaving {
            let cancel = canceled(&consumer, true);
            put(out, number, &Method::BasicCancel(cancel));
        }
    }

    pub(super) fn handle_delivery(&mut self, link: &mut Link, delivery: Delivery, out: &mut Out) {
        if self.is_getting(delivery.subscription) {
            self.got = Some(delivery);
            return;
        }
        let Some(consumer) = self.consumers.get_mut(delivery.subscription) else {
            return;
        };
        let number = consumer.channel;
        let Some(channel) = self.channels.get_mut(&number) else {
            return;
        };
        if consumer.is_leaving && !consumer.no_ack {
            // It crossed `basic.cancel`. If nothing is in hand, all goes back with the subscription.
            if consumer.has_in_hand() {
                let settle = released(delivery.subscription, vec![delivery.sequence]);
                link.submit(out, Command::Settle(settle));
            }
            return;
        }
        consumer.add_delivery();
        if !consumer.no_ack {
            self.timeouts.note_delivery();
        }
        let wants_share = channel.pool.is_some() && consumer.is_sharing() && consumer.wants_share();
        if !consumer.no_ack && channel.is_full() {
            channel.waiting.push_back(delivery);
            self.waits.note_waiting();
        } else {
            hand_out(link, consumer, channel, &delivery, out);
        }
        if wants_share {
            self.share_out(link, number, out);
        }
    }
}

/// Tells the client what a consumer has been delivered, under the next tag of its channel.
pub(super) fn hand_out(
    link: &mut Link,
    consumer: &Consumer,
    channel: &mut Channel,
    delivery: &Delivery,
    out: &mut Out,
) {
    let number = consumer.channel;
    let unsettled = Unsettled {
        subscription: delivery.subscription,
        sequence: delivery.sequence,
        is_got: false,
    };
    let delivery_tag = channel.add_delivery((!consumer.no_ack).then_some(unsettled));
    let message = &delivery.message;
    let deliver = basic::Deliver {
        consumer_tag: ShortStr::new(&consumer.tag).unwrap_or(ShortStr::EMPTY),
        delivery_tag,
        redelivered: delivery.redelivered,
        exchange: ShortStr::new(message.exchange()).unwrap_or(ShortStr::EMPTY),
        routing_key: ShortStr::start_of(message.key()),
    };
    let frame_bytes_max = link.frame_bytes_max;
    let properties = properties_of(link, message);
    let counted = counted(properties, delivery.delivery_count);
    let properties = counted.as_deref().map_or(properties, Properties::checked);
    let body_len = message.body().len();
    put_deliver(out.wire.buffer(), number, &deliver, body_len, properties);
    put_body(frame_bytes_max, number, message, out);
}

/// What gives back deliveries that the client has not been told of.
pub(super) const fn released(subscription: SubscriptionId, sequences: Vec<Sequence>) -> Settle {
    Settle {
        subscription,
        sequences,
        outcome: Outcome::Release,
        confirm: Confirm::Unwanted,
    }
}

/// What says that a consumer is to end, or has.
fn canceled(consumer: &Consumer, no_wait: bool) -> basic::Cancel<'_> {
    basic::Cancel {
        consumer_tag: ShortStr::new(&consumer.tag).unwrap_or(ShortStr::EMPTY),
        no_wait,
    }
}

fn put_cancel_ok(number: u16, cancel: &basic::Cancel<'_>, out: &mut Out) {
    if !cancel.no_wait {
        let consumer_tag = cancel.consumer_tag;
        let cancel_ok = basic::CancelOk { consumer_tag };
        put(out, number, &Method::BasicCancelOk(cancel_ok));
    }
}

/// Appends properties and body of a message of which so many deliveries have failed.
pub(super) fn put_content(
    link: &mut Link,
    number: u16,
    (message, delivery_count): (&Message, u32),
    out: &mut Out,
) {
    let frame_bytes_max = link.frame_bytes_max;
    let properties = properties_of(link, message);
    let counted = counted(properties, delivery_count);
    let properties = counted.as_deref().map_or(properties, Properties::checked);
    let body_len = message.body().len();
    put_content_header(out.wire.buffer(), number, body_len, properties);
    put_body(frame_bytes_max, number, message, out);
}

/// What is said of a message, perhaps put together in the scratch.
#[inline]
fn properties_of<'a>(link: &'a mut Link, message: &'a Message) -> Properties<'a> {
    let frame_bytes_max = link.frame_bytes_max;
    match message.envelope().dialect {
        Dialect::Amqp091 => shown_properties(&mut link.scratch, message, frame_bytes_max),
        Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Mqtt3
        | Dialect::Mqtt5
        | Dialect::Zmq => {
            link.scratch.clear();
            let (scratch, heads) = (&mut link.scratch, link.heads);
            put_foreign_properties_within(scratch, heads, message, frame_bytes_max);
            Properties::checked(&link.scratch)
        }
    }
}

/// What is said of a message of which deliveries have failed; none if none has, which is what most are.
#[inline]
fn counted(properties: Properties<'_>, delivery_count: u32) -> Option<BytesMut> {
    (delivery_count > 0).then(|| with_delivery_count(properties, delivery_count))
}

/// Appends the body of a message, in as many frames as it takes.
#[inline]
fn put_body(frame_bytes_max: usize, number: u16, message: &Message, out: &mut Out) {
    let (body, buffer) = (message.body(), out.wire.buffer());
    if body.is_empty() {
        return;
    }
    if body.len() + FRAME_OVERHEAD_BYTES > frame_bytes_max {
        return put_body_frames(buffer, number, frame_bytes_max, body);
    }
    // Large ones are shared.
    put_body_head(buffer, number, body.len());
    out.wire.put_body(message);
    out.wire.buffer().put_u8(FRAME_END);
}

/// Whether there may be one more consumer.
pub(super) fn check_count(
    consumers: &Consumers,
    link: &Link,
    method: MethodId,
) -> Result<(), Failure> {
    let limit = link.limits.consumers_max;
    if consumers.len() < limit {
        return Ok(());
    }
    let text = format!("too many consumers, the limit is {limit}");
    Err(Failure::new(ReplyCode::ResourceError, method, text))
}

/// How a consumer shares its queue.
fn sharing(consume: &basic::Consume<'_>) -> Result<Sharing, Failure> {
    let method = basic::Consume::ID;
    let value = consume.arguments.find(b"x-priority");
    let priority = value.map_or(Some(0), |value| i32::try_from(number(&value)?).ok());
    let priority = priority.ok_or_else(|| {
        let text = "invalid arg 'x-priority': it must be a number of 32 bits";
        Failure::new(ReplyCode::PreconditionFailed, method, text)
    })?;
    Ok(if consume.exclusive {
        Sharing::Exclusive
    } else {
        Sharing::Competing { priority }
    })
}

/// Within which time it is to settle a delivery, if it says so.
fn settle_within(consume: &basic::Consume<'_>) -> Result<Option<Duration>, Failure> {
    let Some(value) = consume.arguments.find(b"x-consumer-timeout") else {
        return Ok(None);
    };
    let ms = number(&value).and_then(|number| u64::try_from(number).ok());
    let ms = ms.filter(|ms| *ms <= MILLISECONDS_MAX).ok_or_else(|| {
        let text =
            "invalid arg 'x-consumer-timeout': it must be a number of milliseconds, 0 to 315360000000";
        Failure::new(ReplyCode::PreconditionFailed, basic::Consume::ID, text)
    })?;
    Ok(Some(Duration::from_millis(ms)))
}

fn number(value: &FieldValue<'_>) -> Option<i128> {
    if let FieldValue::Timestamp(_) = value {
        return None;
    }
    match value_of(value) {
        Value::Integer(number) => Some(number),
        Value::Void | Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Opaque(_) => None,
    }
}

/// The refusal of a second consumer where one is to be the only one.
pub(super) fn in_exclusive_use(queue: &dyn std::fmt::Display, method: MethodId) -> Failure {
    let text = format!("queue '{queue}' in vhost '/' in exclusive use");
    Failure::new(ReplyCode::AccessRefused, method, text)
}
