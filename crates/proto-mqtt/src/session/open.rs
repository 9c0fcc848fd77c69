//! After CONNACK: packets become commands, events become packets.

use super::aliases::Aliases;
use super::authentication::Authentication;
use super::confirms::Confirms;
use super::ending::Ending;
use super::given_aliases::GivenAliases;
use super::in_flight::InFlight;
use super::keep_alive::KeepAlive;
use super::kept::Kept;
use super::received::Received;
use super::settle::Settling;
use super::subscribe::Awaited;
use super::subscriptions::Subscriptions;
use super::{Link, Step, put};
use crate::frame::{Disconnect, DisconnectReason, Packet, PublishQos};
use crate::{Version, refusal};
use broker_api::{Command, Confirm, Delivery, Event, Out, Publishing, Refusal};
use bytes::BytesMut;
use model::{CommandId, Message};
use std::collections::VecDeque;
use std::num::NonZeroU16;

/// What CONNECT and CONNACK have settled.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) version: Version,
    /// In seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// PUBLISH packets with QoS 1 and 2 that the client may have to answer at a time.
    pub(super) send_max: NonZeroU16,
    /// The longest packet that the client takes.
    pub(super) packet_bytes_max: usize,
    /// Topic aliases that the client may be given.
    pub(super) topic_alias_max: u16,
    /// CONNECT asked for a session that ends with the connection.
    pub(super) ends_with_connection: bool,
    /// How the client has shown who it is, if CONNECT named a method.
    pub(super) authentication: Option<Authentication>,
    /// What the session publishes itself when it ends, which is with its connection.
    pub(super) will: Option<Message>,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) version: Version,
    pub(super) keep_alive: KeepAlive,
    pub(super) packet_bytes_max: usize,
    ends_with_connection: bool,
    /// Mostly none, so in a box.
    pub(super) authentication: Option<Box<Authentication>>,
    /// What is published when the session ends, unless the client says good-bye.
    will: Option<Message>,
    /// What of the session outlives the connection, if it does.
    pub(super) kept: Option<Box<Kept>>,
    pub(super) aliases: Aliases,
    pub(super) given_aliases: GivenAliases,
    /// PUBLISH packets of the client that wait for the broker.
    pub(super) confirms: Confirms,
    /// PUBLISH packets of the client with QoS 2 that wait for their PUBREL.
    pub(super) received: Received,
    /// PUBLISH packets with QoS 1 and 2 of the client whose exchange is not over.
    pub(super) receiving: u16,
    pub(super) subscriptions: Subscriptions,
    /// The commands of the SUBSCRIBE or UNSUBSCRIBE that the next packet waits for. Mostly none, so in a box.
    pub(super) awaited: Option<Box<Awaited>>,
    pub(super) in_flight: InFlight,
    /// Deliveries that the client has no room for, in order. Their queues hold them too, and count them.
    pub(super) waiting: VecDeque<Delivery>,
    pub(super) settling: Settling,
    /// Where a key is put together.
    pub(super) key: Vec<u8>,
    /// Where the properties of a message of another protocol are put together.
    pub(super) scratch: BytesMut,
}

impl Open {
    pub(super) fn new(link: &Link, terms: Terms) -> Self {
        Self {
            version: terms.version,
            keep_alive: KeepAlive::new(link.now, terms.keep_alive),
            packet_bytes_max: terms.packet_bytes_max,
            ends_with_connection: terms.ends_with_connection,
            authentication: terms.authentication.map(Box::new),
            will: terms.will,
            kept: None,
            aliases: Aliases::default(),
            given_aliases: GivenAliases::new(terms.topic_alias_max),
            confirms: Confirms::default(),
            received: Received::default(),
            receiving: 0,
            subscriptions: Subscriptions::default(),
            awaited: None,
            in_flight: InFlight::new(terms.send_max),
            waiting: VecDeque::new(),
            settling: Settling::default(),
            key: Vec::new(),
            scratch: BytesMut::new(),
        }
    }

    /// Whether nothing is read until the broker answers.
    pub(super) fn is_waiting(&self) -> bool {
        let kept = self.kept.as_ref();
        self.awaited.is_some() || kept.is_some_and(|kept| kept.commits.is_waiting())
    }

    /// Takes the barrier away, unless something else waits for the broker.
    pub(super) fn release_barrier(&self, out: &mut Out) {
        if !self.is_waiting() {
            out.release_barrier();
        }
    }

    /// Whether this packet stays where it is until the broker has answered: it would overtake PUBLISH packets that wait for
    /// that. Another of those is gathered with them.
    pub(super) fn waits(&self, link: &Link, packet: &Packet<'_>) -> bool {
        let is_gathered = || {
            matches!(packet, Packet::Publish(publish)
                if matches!(publish.qos, PublishQos::ExactlyOnce(_)) && !self.is_refused(link, publish))
        };
        self.is_waiting() && !is_gathered()
    }

    /// What is kept for answers that the client waits for, in bytes.
    pub(super) fn unanswered_bytes(&self) -> usize {
        let kept = self.kept.as_ref();
        self.confirms.bytes() + kept.map_or(0, |kept| kept.noting.bytes())
    }

    pub(super) fn handle_packet(
        &mut self,
        link: &mut Link,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<Step, Ending> {
        match packet {
            Packet::Publish(publish) => self.handle_publish(link, publish, out)?,
            Packet::Puback(ack) => self.handle_puback(link, ack, out),
            Packet::Pubrec(ack) => self.handle_pubrec(link, ack, out),
            Packet::Pubrel(ack) => self.handle_pubrel(ack, out),
            Packet::Pubcomp(ack) => self.handle_pubcomp(link, ack, out),
            Packet::Subscribe(subscribe) => self.handle_subscribe(link, subscribe, out)?,
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(link, unsubscribe, out)?,
            Packet::Pingreq => put(self.version, &Packet::Pingresp, out),
            Packet::Disconnect(disconnect) => {
                return self.handle_disconnect(link, disconnect, out);
            }
            Packet::Auth(auth) => self.handle_auth(link, auth, out)?,
            // The codec does not let them through.
            Packet::Connect(_)
            | Packet::Connack(_)
            | Packet::Suback(_)
            | Packet::Unsuback(_)
            | Packet::Pingresp => return Err(Ending::Unexpected),
        }
        Ok(Step::Taken)
    }

    fn handle_disconnect(
        &mut self,
        link: &mut Link,
        disconnect: &Disconnect<'_>,
        out: &mut Out,
    ) -> Result<Step, Ending> {
        let expiry = disconnect.properties.session_expiry_interval();
        if self.ends_with_connection && expiry.unwrap_or(0) > 0 {
            return Err(Ending::SessionProlonged);
        }
        // [MQTT-3.1.2-10], [MQTT-3.14.4-3]
        if disconnect.reason == DisconnectReason::NormalDisconnection {
            self.will = None;
        }
        let is_normal = disconnect.reason == DisconnectReason::NormalDisconnection;
        self.bequeath_at_end(link, is_normal, expiry, out);
        Ok(Step::Disconnected)
    }

    pub(super) fn handle_event(
        &mut self,
        link: &mut Link,
        event: Event,
        out: &mut Out,
    ) -> Result<(), Ending> {
        match event {
            Event::Delivery(delivery) => {
                self.handle_delivery(link, delivery, out);
                Ok(())
            }
            Event::Confirmed(id) => {
                self.handle_published(id, None, out);
                Ok(())
            }
            Event::Returned(id, _) => {
                self.confirms.note_returned(id);
                Ok(())
            }
            Event::Done(id, result) if self.authenticates(id) => {
                self.handle_authenticated(result, out)
            }
            Event::Done(id, result) => self.handle_done(link, id, result.err(), out),
            Event::Ended(id, refusal) => match self.subscriptions.get_mut(id) {
                Some(_) => Err(Ending::Refused(refusal)),
                // It crossed the client's own UNSUBSCRIBE.
                None => Ok(()),
            },
            // Nothing browses. MQTT has no words for publishes that wait: PUBACK comes later.
            Event::Drained(_) | Event::Blocked(_) | Event::Unblocked => Ok(()),
            Event::Disconnect(refusal) => Err(Ending::Refused(refusal)),
        }
    }

    fn handle_done(
        &mut self,
        link: &mut Link,
        id: CommandId,
        refused: Option<Refusal>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if self.awaited.as_ref().is_some_and(|it| it.covers(id)) {
            return self.handle_awaited(link, id, refused.as_ref(), out);
        }
        if let Some(is_noted) = self.handle_kept_done(link, id, refused.as_ref(), out) {
            return is_noted;
        }
        // A subscription that was replaced has ended, a PUBLISH with QoS 0 was refused: nobody is told.
        let Some(refusal) = refused else {
            return Ok(());
        };
        // 3.x cannot say it, and must not say the opposite.
        if self.confirms.awaits(id) && !self.version.has_properties() {
            return Err(Ending::PublishRefused(refusal));
        }
        let reason = refusal::publish(&refusal);
        self.handle_published(id, Some(reason), out);
        Ok(())
    }

    /// Sends what was gathered: settlements, and the grants that they make room for.
    pub(super) fn flush(&mut self, link: &mut Link, out: &mut Out) {
        self.flush_commit(link, out);
        if let Some(kept) = &mut self.kept {
            kept.noting.flush(link, kept.subscription, out);
        }
        self.settling.flush(link, out);
        let window = self.in_flight.limit();
        for id in self.settling.granted.drain(..) {
            if let Some(subscription) = self.subscriptions.get_mut(id) {
                let grant = subscription.grant(window);
                link.submit(out, Command::Grant(id, grant));
            }
        }
    }

    /// The session ends: what was settled before counts, and the will is published.
    pub(super) fn end(&mut self, link: &mut Link, out: &mut Out) {
        self.keep_from_others(link, out);
        if let Some(kept) = &mut self.kept {
            kept.commits.flush_all(link, kept.subscription, out);
        }
        self.flush(link, out);
        if let Some(will) = self.will.take() {
            let publishing = Publishing::new(Confirm::Unwanted);
            link.submit(out, Command::Publish(will, publishing));
        }
    }
}
