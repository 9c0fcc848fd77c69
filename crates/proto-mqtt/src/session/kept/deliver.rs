//! Deliveries from the session's queue, and what the client answers to them.
//!
//! The packet identifier of a delivery is a function of its message's place in the queue, which is durable: so a PUBLISH
//! that is sent again, after whatever crash, has the identifier that it had. [MQTT-4.4.0-1]

use super::{Then, completed, received, released};
use crate::frame::{Ack, Packet, PacketId, Qos, ReleaseReason, SubscriptionIdentifier};
use crate::session::deliver::{Sending, awaits, retain, seconds_left};
use crate::session::in_flight::Awaits;
use crate::session::open::Open;
use crate::session::subscriptions::Subscription;
use crate::session::{Link, put};
use crate::translate::PublishedAs;
use broker_api::{Delivery, Out};

/// What the subscriptions that a message is for ask together.
struct Wanted {
    qos: Qos,
    identifiers: Vec<SubscriptionIdentifier>,
    retain_as_published: bool,
}

impl Open {
    /// What is wanted of a message from the session's queue; none if no subscription is there for it any more.
    /// [MQTT-3.3.4-2], [MQTT-3.3.4-4]
    fn wanted(&mut self, delivery: &Delivery) -> Option<Wanted> {
        let kept = self.kept.as_mut()?;
        let matching = kept
            .filters
            .matching(&self.subscriptions, delivery.message.key());
        let mut matching = matching
            .iter()
            .filter_map(|id| self.subscriptions.get(*id))
            .peekable();
        if matching.peek().is_none() {
            // [MQTT-3.10.4-3]: what the client may have been sent before is sent to its end.
            return delivery.redelivered.then_some(Wanted {
                qos: Qos::ExactlyOnce,
                identifiers: Vec::new(),
                retain_as_published: false,
            });
        }
        let mut wanted = Wanted {
            qos: Qos::AtMostOnce,
            identifiers: Vec::new(),
            retain_as_published: false,
        };
        for subscription in matching {
            wanted.qos = wanted.qos.max(subscription.qos);
            wanted.identifiers.extend(subscription.identifier);
            wanted.retain_as_published |= subscription.retain_as_published;
        }
        Some(wanted)
    }

    /// Sends a delivery from the session's queue. Gives it back if the client has no room, or its identifier is in use.
    pub(in crate::session) fn send_kept(
        &mut self,
        link: &mut Link,
        delivery: Delivery,
        out: &mut Out,
    ) -> Result<(), Delivery> {
        let wanted = self.wanted(&delivery);
        let left = seconds_left(&delivery, link.now);
        let (Some(wanted), Some(message_expiry)) = (wanted, left) else {
            self.settle_unsent(link, &delivery, out);
            return Ok(());
        };
        let published = PublishedAs::of(&delivery.message, link.heads);
        let qos = wanted.qos.min(published.qos);
        // [MQTT-4.3.1-1]: it may have been sent before, and is not sent twice.
        if qos == Qos::AtMostOnce && delivery.redelivered {
            self.settle_unsent(link, &delivery, out);
            return Ok(());
        }
        let as_published = wanted.retain_as_published && published.retain;
        let sending = Sending {
            awaits: awaits(qos),
            is_again: delivery.redelivered,
            retain: retain(&delivery.message, as_published),
            message_expiry,
            identifiers: &wanted.identifiers,
        };
        self.put_delivery(link, delivery, &sending, out)
    }

    /// PUBREC without an error: it is noted that the client has it, and settled with that; then it is released.
    /// [MQTT-4.3.3-4]
    pub(in crate::session) fn release_kept(&mut self, id: PacketId, out: &mut Out) {
        let awaits = self.in_flight.get_mut(id).map(|sent| sent.awaits);
        let reason = match awaits {
            Some(Awaits::Pubrec) => {
                if let Some(sent) = self.in_flight.change(id, Awaits::Pubrec, Awaits::Noting)
                    && let Some(kept) = &mut self.kept
                {
                    let note = released(id, sent.sequence);
                    kept.noting.accept(note, sent.sequence, Then::Release(id));
                }
                return;
            }
            // PUBREL is to come.
            Some(Awaits::Noting) => return,
            Some(Awaits::Pubcomp) => ReleaseReason::Success,
            Some(Awaits::Puback | Awaits::Forgetting) | None => {
                ReleaseReason::PacketIdentifierNotFound
            }
        };
        put(self.version, &Packet::Pubrel(Ack::new(id, reason)), out);
    }

    /// PUBCOMP: the client has room for another; the identifier is free once that is noted.
    pub(in crate::session) fn complete_kept(
        &mut self,
        link: &mut Link,
        id: PacketId,
        out: &mut Out,
    ) {
        let changed = self
            .in_flight
            .change(id, Awaits::Pubcomp, Awaits::Forgetting);
        if changed.is_some()
            && let Some(kept) = &mut self.kept
        {
            kept.noting.add(completed(id), Some(Then::Free(id)));
            self.send_waiting(link, out);
        }
    }

    /// PUBREL of the client: answered once it is noted, for the identifier may be another message's then.
    /// [MQTT-4.3.3-11], [MQTT-4.3.3-12]
    pub(in crate::session) fn complete_received(&mut self, id: PacketId) {
        if let Some(kept) = &mut self.kept {
            kept.noting
                .add(received(id, false), Some(Then::Complete(id)));
        }
    }

    /// Notes are durable.
    pub(in crate::session) fn handle_noted(
        &mut self,
        link: &mut Link,
        then: Vec<Then>,
        out: &mut Out,
    ) {
        for then in then {
            match then {
                Then::Release(id) => {
                    self.in_flight.change(id, Awaits::Noting, Awaits::Pubcomp);
                    self.note_settled();
                    let ack = Ack::new(id, ReleaseReason::Success);
                    put(self.version, &Packet::Pubrel(ack), out);
                }
                Then::Complete(id) => {
                    let was_there = self.received.remove(id);
                    self.receiving = self.receiving.saturating_sub(u16::from(was_there));
                    let ack = Ack::new(id, ReleaseReason::Success);
                    put(self.version, &Packet::Pubcomp(ack), out);
                }
                Then::Free(id) => {
                    self.in_flight.finish(id, Awaits::Forgetting);
                }
            }
        }
        self.send_waiting(link, out);
        self.flush(link, out);
    }

    /// A delivery from the session's queue has been settled: it has room for another.
    fn note_settled(&mut self) {
        let Some(kept) = &self.kept else { return };
        let id = kept.subscription;
        let subscription = self.subscriptions.get_mut(id);
        if subscription.is_some_and(Subscription::handle_settled) {
            self.settling.granted.push(id);
        }
    }

    /// What the client is told to release as its session goes on. [MQTT-4.4.0-1]
    pub(in crate::session) fn put_released(&self, out: &mut Out) {
        for id in self.in_flight.released() {
            let ack = Ack::new(id, ReleaseReason::Success);
            put(self.version, &Packet::Pubrel(ack), out);
        }
    }

    pub(in crate::session) const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }
}
