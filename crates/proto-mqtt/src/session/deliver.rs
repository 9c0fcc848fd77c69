//! What the client is sent: PUBLISH and its answers.

use super::in_flight::{Awaits, Sent};
use super::open::Open;
use super::subscriptions::Reader;
use super::{Link, put};
use crate::frame::{
    Ack, Packet, PublishQos, PublishReason, Qos, ReleaseReason, SubscriptionIdentifier,
};
use crate::translate::{Outgoing, PublishedAs, is_hidden, put_publish};
use broker_api::{Command, Delivery, Out};
use model::{Instant, Message, Outcome, Retain, Sequence, SubscriptionId};

/// How a delivery is sent.
pub(super) struct Sending<'a> {
    /// What the client is to answer, if it is.
    pub(super) awaits: Option<Awaits>,
    /// Whether it may have been sent before.
    pub(super) is_again: bool,
    pub(super) retain: bool,
    /// What is left of the message's life, in seconds.
    pub(super) message_expiry: Option<u32>,
    pub(super) identifiers: &'a [SubscriptionIdentifier],
}

/// What a client answers to this quality first, if anything.
pub(super) const fn awaits(qos: Qos) -> Option<Awaits> {
    match qos {
        Qos::AtMostOnce => None,
        Qos::AtLeastOnce => Some(Awaits::Puback),
        Qos::ExactlyOnce => Some(Awaits::Pubrec),
    }
}

/// The retain flag of what is sent. [MQTT-3.3.1-8], [MQTT-3.3.1-9], [MQTT-3.3.1-12], [MQTT-3.3.1-13]
pub(super) fn retain(message: &Message, as_published: bool) -> bool {
    match message.envelope().retain {
        Retain::Shown => true,
        Retain::No | Retain::Keep => as_published,
    }
}

impl Open {
    pub(super) fn handle_delivery(&mut self, link: &mut Link, delivery: Delivery, out: &mut Out) {
        // One that crossed its UNSUBSCRIBE is released by the broker.
        let Some(subscription) = self.subscriptions.get_mut(delivery.subscription) else {
            return;
        };
        subscription.handle_delivered();
        // What is retained may come before what the earlier one has still to bring.
        if delivery.message.envelope().retain != Retain::Shown
            && let Some(before) = subscription.replaces.take()
        {
            self.subscriptions.remove(before);
            link.submit(out, Command::Cancel(before));
        }
        self.send_or_keep(link, delivery, out);
        if self.settling.is_due(self.in_flight.limit().get()) {
            self.flush(link, out);
        }
    }

    /// Sends a delivery, or keeps it behind others that the client has no room for. Order within a
    /// subscription is that of the broker. [MQTT-4.6.0-5]
    fn send_or_keep(&mut self, link: &mut Link, delivery: Delivery, out: &mut Out) {
        let is_settled_here = delivery.sequence != Sequence(0);
        if is_settled_here && !self.waiting.is_empty() {
            self.waiting.push_back(delivery);
        } else if let Err(delivery) = self.send(link, delivery, out) {
            self.waiting.push_back(delivery);
        }
    }

    /// Sends deliveries that were kept, as far as the client has room.
    pub(super) fn send_waiting(&mut self, link: &mut Link, out: &mut Out) {
        while let Some(delivery) = self.waiting.pop_front() {
            if let Err(delivery) = self.send(link, delivery, out) {
                self.waiting.push_front(delivery);
                return;
            }
        }
    }

    /// Sends a delivery. Gives it back if the client has no room.
    fn send(&mut self, link: &mut Link, delivery: Delivery, out: &mut Out) -> Result<(), Delivery> {
        let kept = self.kept.as_ref().map(|kept| kept.subscription);
        if kept == Some(delivery.subscription) {
            return self.send_kept(link, delivery, out);
        }
        let Some(subscription) = self.subscriptions.get_mut(delivery.subscription) else {
            return Ok(());
        };
        let message = &delivery.message;
        let Some(message_expiry) = seconds_left(&delivery, link.now) else {
            // [MQTT-3.3.2-5]
            self.settle_unsent(link, &delivery, out);
            return Ok(());
        };
        // [MQTT-4.7.2-1]
        if subscription.skips_hidden && is_hidden(message.key()) {
            self.settle_unsent(link, &delivery, out);
            return Ok(());
        }
        let published = PublishedAs::of(message, link.heads);
        // [MQTT-4.3.1-1]: a member may have been sent it before, and it is not sent twice.
        if published.qos == Qos::AtMostOnce && delivery.redelivered {
            self.settle_unsent(link, &delivery, out);
            return Ok(());
        }
        let identifier = subscription.identifier;
        let sending = Sending {
            awaits: awaits(subscription.qos.min(published.qos)),
            is_again: false,
            retain: retain(
                message,
                subscription.retain_as_published && published.retain,
            ),
            message_expiry,
            identifiers: identifier.as_slice(),
        };
        self.put_delivery(link, delivery, &sending, out)
    }

    /// Sends a delivery as it is said. Gives it back if the client has no room, or its identifier is in use.
    pub(super) fn put_delivery(
        &mut self,
        link: &mut Link,
        delivery: Delivery,
        sending: &Sending<'_>,
        out: &mut Out,
    ) -> Result<(), Delivery> {
        let mut packet_id = None;
        if let Some(awaits) = sending.awaits {
            let sent = Sent {
                subscription: delivery.subscription,
                sequence: delivery.sequence,
                awaits,
            };
            let Some(id) = self.in_flight.insert(sent) else {
                return Err(delivery);
            };
            packet_id = Some((id, awaits));
        }
        let message = &delivery.message;
        let outgoing = Outgoing {
            version: self.version,
            heads: link.heads,
            // [MQTT-3.3.1-1], [MQTT-3.3.1-2]
            dup: sending.is_again && packet_id.is_some(),
            qos: match packet_id {
                None => PublishQos::AtMostOnce,
                Some((id, Awaits::Puback)) => PublishQos::AtLeastOnce(id),
                Some((
                    id,
                    Awaits::Pubrec | Awaits::Noting | Awaits::Pubcomp | Awaits::Forgetting,
                )) => PublishQos::ExactlyOnce(id),
            },
            retain: sending.retain,
            message_expiry: sending.message_expiry,
            subscription_ids: sending.identifiers,
            alias: self.given_aliases.of(message.key()),
            packet_bytes_max: self.packet_bytes_max,
        };
        let told = put_publish(&mut out.wire, &outgoing, message, &mut self.scratch);
        let is_sent = told.is_some();
        if let Some(told) = told {
            self.given_aliases.note_told(message.key(), told);
        }
        match packet_id {
            Some(_) if is_sent => {}
            // [MQTT-3.1.2-25]: as if it had been sent.
            Some((id, awaits)) => {
                self.in_flight.finish(id, awaits);
                self.settle_unsent(link, &delivery, out);
            }
            None => self.settle_unsent(link, &delivery, out),
        }
        Ok(())
    }

    /// Settles what the client need not answer; a direct delivery is settled already.
    pub(super) fn settle_unsent(&mut self, link: &mut Link, delivery: &Delivery, out: &mut Out) {
        let bytes = delivery.message.cost_bytes();
        let settled = (delivery.subscription, delivery.sequence);
        self.settle(link, settled, Outcome::Accept, bytes, out);
    }

    pub(super) fn settle(
        &mut self,
        link: &mut Link,
        (id, sequence): (SubscriptionId, Sequence),
        outcome: Outcome,
        bytes: usize,
        out: &mut Out,
    ) {
        // One that has ended has given back what was not settled.
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        if !subscription.is_explicit() {
            return;
        }
        if subscription.handle_settled() {
            self.settling.granted.push(id);
        }
        self.settling.add(link, out, (id, sequence), outcome, bytes);
    }

    /// The client has answered, and has room for another.
    fn finish(&mut self, link: &mut Link, sent: Sent, outcome: Outcome, out: &mut Out) {
        let settled = (sent.subscription, sent.sequence);
        self.settle(link, settled, outcome, 0, out);
        self.send_waiting(link, out);
    }

    /// The session ends: what the client was sent with QoS 2 by a shared subscription, and may have, is not for the
    /// other members. [MQTT-4.8.2-5]
    pub(super) fn keep_from_others(&mut self, link: &mut Link, out: &mut Out) {
        let sent: Vec<_> = self.in_flight.sent().collect();
        for sent in sent {
            let subscription = self.subscriptions.get_mut(sent.subscription);
            let is_shared = subscription.is_some_and(|it| it.reader == Reader::Group);
            if is_shared && sent.awaits != Awaits::Puback {
                let settled = (sent.subscription, sent.sequence);
                self.settle(link, settled, Outcome::Accept, 0, out);
            }
        }
    }

    /// [MQTT-4.3.2-3]
    pub(super) fn handle_puback(
        &mut self,
        link: &mut Link,
        ack: &Ack<'_, PublishReason>,
        out: &mut Out,
    ) {
        if let Some(sent) = self.in_flight.finish(ack.packet_id, Awaits::Puback) {
            self.finish(link, sent, outcome_of(ack.reason), out);
        }
    }

    /// [MQTT-4.3.3-4]
    pub(super) fn handle_pubrec(
        &mut self,
        link: &mut Link,
        ack: &Ack<'_, PublishReason>,
        out: &mut Out,
    ) {
        if ack.reason.is_error() {
            // §4.3.3: the exchange is over.
            if let Some(sent) = self.in_flight.finish(ack.packet_id, Awaits::Pubrec) {
                self.finish(link, sent, Outcome::Reject, out);
            }
            return;
        }
        if self.is_kept() {
            self.release_kept(ack.packet_id, out);
            return;
        }
        let sent = self.in_flight.get_mut(ack.packet_id);
        let reason = match sent.filter(|sent| sent.awaits != Awaits::Puback) {
            Some(sent) => {
                sent.awaits = Awaits::Pubcomp;
                ReleaseReason::Success
            }
            None => ReleaseReason::PacketIdentifierNotFound,
        };
        let ack = Ack::new(ack.packet_id, reason);
        put(self.version, &Packet::Pubrel(ack), out);
    }

    pub(super) fn handle_pubcomp(
        &mut self,
        link: &mut Link,
        ack: &Ack<'_, ReleaseReason>,
        out: &mut Out,
    ) {
        if self.is_kept() {
            self.complete_kept(link, ack.packet_id, out);
        } else if let Some(sent) = self.in_flight.finish(ack.packet_id, Awaits::Pubcomp) {
            self.finish(link, sent, Outcome::Accept, out);
        }
    }
}

const fn outcome_of(reason: PublishReason) -> Outcome {
    if reason.is_error() {
        Outcome::Reject
    } else {
        Outcome::Accept
    }
}

/// What is left of a message's life, in whole seconds begun, if it has an end; none if that has come.
/// [MQTT-3.3.2-6]
#[expect(
    clippy::option_option,
    reason = "the outer one tells whether there is something to send"
)]
pub(super) fn seconds_left(delivery: &Delivery, now: Instant) -> Option<Option<u32>> {
    let Some(ttl_ms) = delivery.message.envelope().ttl_ms else {
        return Some(None);
    };
    let left_ms = match delivery.expires_at {
        Some(at) if at <= now => return None,
        Some(at) => u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX),
        // It has waited for nothing but its transport.
        None => ttl_ms,
    };
    let seconds = left_ms.min(ttl_ms).div_ceil(1000);
    Some(Some(u32::try_from(seconds).unwrap_or(u32::MAX)))
}
