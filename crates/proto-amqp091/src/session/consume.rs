//! `basic.qos`, `consume`, `cancel`; deliveries.

use super::consumers::{Consumer, Unsettled};
use super::failure::Failure;
use super::open::{Open, Purpose};
use super::{Link, put};
use crate::encode::{put_body_frames, put_body_head, put_content_header};
use crate::frame::{FRAME_END, FRAME_OVERHEAD_BYTES};
use crate::properties::Properties;
use crate::translate::put_foreign_properties;
use crate::{FieldValue, Method, MethodId, ReplyCode, ShortStr, Table, basic};
use broker_api::{Command, Confirm, Delivery, Out, Settle, SettleMode, Sharing, Source, Subscribe};
use bytes::BufMut;
use model::{Dialect, Message, Outcome, SubscriptionId};

impl Open {
    /// How much the consumers may have in hand that begin from now on.
    pub(super) fn handle_qos(
        &mut self,
        number: u16,
        qos: basic::Qos,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let method = basic::Qos::ID;
        let problem = if qos.prefetch_size != 0 {
            format!("prefetch_size!=0 ({})", qos.prefetch_size)
        } else if qos.global {
            "one prefetch for a whole channel (global) is not implemented".to_owned()
        } else {
            let prefetch = Some(u64::from(qos.prefetch_count)).filter(|it| *it > 0);
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.prefetch = prefetch;
            }
            put(out, number, &Method::BasicQosOk(basic::QosOk));
            return Ok(());
        };
        Err(Failure::new(ReplyCode::NotImplemented, method, problem))
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
        let limit = link.limits.consumers_max;
        if self.consumers.len() >= limit {
            let text = format!("too many consumers, the limit is {limit}");
            return Err(Failure::new(ReplyCode::ResourceError, method, text));
        }
        let sharing = sharing(consume)?;
        let prefetch = channel.prefetch.filter(|_| !consume.no_ack);
        channel.consumers.insert(tag.clone(), id);
        let mut consumer = Consumer::new(tag, number, consume.no_ack, prefetch);
        let settle_mode = if consume.no_ack {
            SettleMode::Presettled
        } else {
            SettleMode::Explicit
        };
        let grant = consumer.take_grant();
        self.consumers.insert(consumer);
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
        }
        Some(consumer)
    }

    /// Ends a consumer. What it has in hand may still be settled: its subscription ends when all of that is.
    pub(super) fn handle_cancel(
        &mut self,
        link: &mut Link,
        number: u16,
        cancel: basic::Cancel<'_>,
        out: &mut Out,
    ) {
        let consumer_tag = cancel.consumer_tag;
        let channel = self.channels.get_mut(&number);
        let id = channel.and_then(|it| it.consumers.remove(consumer_tag.as_bytes()));
        let consumer = id.and_then(|id| Some((id, self.consumers.get_mut(id)?)));
        let Some((id, consumer)) = consumer else {
            // One that is not there is canceled, as in RabbitMQ.
            return put_cancel_ok(number, &cancel, out);
        };
        consumer.is_leaving = true;
        if consumer.has_in_hand() {
            let grant = consumer.take_grant();
            self.flush(link, out);
            link.submit(out, Command::Grant(id, grant));
            return put_cancel_ok(number, &cancel, out);
        }
        let no_wait = cancel.no_wait;
        let purpose = Purpose::Canceling { id, no_wait };
        let asked = (number, basic::Cancel::ID);
        self.ask(link, asked, Command::Cancel(id), purpose, out);
    }

    /// The broker has ended a consumer that was canceled with nothing in hand.
    pub(super) fn finish_cancel(
        &mut self,
        number: u16,
        id: SubscriptionId,
        no_wait: bool,
        out: &mut Out,
    ) {
        if let Some(consumer) = self.consumers.remove(id) {
            let consumer_tag = ShortStr::new(&consumer.tag).unwrap_or(ShortStr::EMPTY);
            let cancel = basic::Cancel {
                consumer_tag,
                no_wait,
            };
            put_cancel_ok(number, &cancel, out);
        }
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
        if self.capabilities.consumer_cancel_notify && !consumer.is_leaving {
            let cancel = basic::Cancel {
                consumer_tag: ShortStr::new(&consumer.tag).unwrap_or(ShortStr::EMPTY),
                no_wait: true,
            };
            put(out, consumer.channel, &Method::BasicCancel(cancel));
        }
    }

    pub(super) fn handle_delivery(&mut self, link: &mut Link, delivery: &Delivery, out: &mut Out) {
        let id = delivery.subscription;
        // What crossed the end of its subscription is released by the broker.
        let Some(consumer) = self.consumers.get_mut(id) else {
            return;
        };
        if consumer.is_leaving && !consumer.no_ack {
            let settle = Settle {
                subscription: id,
                sequences: vec![delivery.sequence],
                outcome: Outcome::Release,
                confirm: Confirm::Unwanted,
            };
            link.submit(out, Command::Settle(settle));
            return;
        }
        let number = consumer.channel;
        let Some(channel) = self.channels.get_mut(&number) else {
            return;
        };
        consumer.add_delivery();
        channel.last_tag += 1;
        let delivery_tag = channel.last_tag;
        if !consumer.no_ack {
            let unsettled = Unsettled {
                subscription: id,
                sequence: delivery.sequence,
            };
            channel.unsettled.insert(delivery_tag, unsettled);
        }
        let message = &delivery.message;
        let deliver = basic::Deliver {
            consumer_tag: ShortStr::new(&consumer.tag).unwrap_or(ShortStr::EMPTY),
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: ShortStr::new(message.exchange()).unwrap_or(ShortStr::EMPTY),
            routing_key: ShortStr::start_of(message.key()),
        };
        put(out, number, &Method::BasicDeliver(deliver));
        put_content(link, number, message, out);
    }
}

fn put_cancel_ok(number: u16, cancel: &basic::Cancel<'_>, out: &mut Out) {
    if !cancel.no_wait {
        let consumer_tag = cancel.consumer_tag;
        let cancel_ok = basic::CancelOk { consumer_tag };
        put(out, number, &Method::BasicCancelOk(cancel_ok));
    }
}

/// Appends properties and body of a message.
fn put_content(link: &mut Link, number: u16, message: &Message, out: &mut Out) {
    let properties = match message.envelope().dialect {
        // As they came.
        Dialect::Amqp091 => Properties::checked(message.head()),
        Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Mqtt3
        | Dialect::Mqtt5 => {
            link.scratch.clear();
            put_foreign_properties(&mut link.scratch, link.heads, message);
            Properties::checked(&link.scratch)
        }
    };
    let body = message.body();
    let buffer = out.wire.buffer();
    put_content_header(buffer, number, body.len(), properties);
    if body.is_empty() {
        return;
    }
    if body.len() + FRAME_OVERHEAD_BYTES > link.frame_bytes_max {
        return put_body_frames(buffer, number, link.frame_bytes_max, body);
    }
    // Large ones are shared.
    put_body_head(buffer, number, body.len());
    out.wire.put_body(message);
    out.wire.buffer().put_u8(FRAME_END);
}

/// How a consumer shares its queue.
fn sharing(consume: &basic::Consume<'_>) -> Result<Sharing, Failure> {
    let method = basic::Consume::ID;
    let priority = priority(consume.arguments).ok_or_else(|| {
        let text = "invalid arg 'x-priority': it must be a number of 32 bits";
        Failure::new(ReplyCode::PreconditionFailed, method, text)
    })?;
    Ok(if consume.exclusive {
        Sharing::Exclusive
    } else {
        Sharing::Competing { priority }
    })
}

fn priority(arguments: Table<'_>) -> Option<i32> {
    match arguments.find(b"x-priority") {
        None => Some(0),
        Some(value) => match value {
            FieldValue::SignedByte(it) => Some(it.into()),
            FieldValue::UnsignedByte(it) => Some(it.into()),
            FieldValue::SignedShort(it) => Some(it.into()),
            FieldValue::UnsignedShort(it) => Some(it.into()),
            FieldValue::SignedInt(it) => Some(it),
            FieldValue::UnsignedInt(it) => i32::try_from(it).ok(),
            FieldValue::SignedLong(it) => i32::try_from(it).ok(),
            FieldValue::Boolean(_)
            | FieldValue::Float(_)
            | FieldValue::Double(_)
            | FieldValue::Decimal { .. }
            | FieldValue::LongString(_)
            | FieldValue::Bytes(_)
            | FieldValue::Timestamp(_)
            | FieldValue::Table(_)
            | FieldValue::Array(_)
            | FieldValue::Void => None,
        },
    }
}

/// The refusal of a second consumer where one is to be the only one.
pub(super) fn in_exclusive_use(queue: &dyn std::fmt::Display, method: MethodId) -> Failure {
    let text = format!("queue '{queue}' in vhost '/' in exclusive use");
    Failure::new(ReplyCode::AccessRefused, method, text)
}
