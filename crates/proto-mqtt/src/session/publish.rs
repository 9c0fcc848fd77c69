//! What the client publishes: PUBLISH and its answers.

use super::confirms::Answer;
use super::ending::Ending;
use super::open::Open;
use super::{Link, put};
use crate::frame::{
    Ack, Packet, PacketId, PayloadFormat, Publish, PublishQos, PublishReason, ReleaseReason,
};
use crate::translate::{message_of, put_key};
use broker_api::{Command, Confirm, Out, OwnMessages, Publishing, Unroutable};
use model::{CommandId, Message};

impl Open {
    pub(super) fn handle_publish(
        &mut self,
        link: &mut Link,
        publish: &Publish<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if self.is_refused(link, publish) {
            return self.refuse_payload(link, publish, out);
        }
        match publish.qos {
            PublishQos::AtMostOnce => {
                let message = self.message_of(link, publish)?;
                let publishing = Publishing {
                    own_messages: self.own_messages_of(),
                    ..Publishing::new(Confirm::Unwanted)
                };
                self.flush_commit(link, out);
                link.submit(out, Command::Publish(message, publishing));
            }
            PublishQos::AtLeastOnce(id) => {
                self.take_in(link)?;
                self.publish_confirmed(link, publish, (id, Answer::Puback), out)?;
            }
            PublishQos::ExactlyOnce(id) if self.received.has(id) => {
                // [MQTT-4.3.3-10]: it has been published. Aliases it sets count all the same.
                self.resolve_key(link, publish)?;
                let kept = self.kept.as_ref();
                let is_gathered = kept.is_some_and(|kept| kept.commits.has(id));
                if !is_gathered && !self.confirms.awaits_pubrec(id) {
                    let ack = Ack::new(id, PublishReason::Success);
                    put(self.version, &Packet::Pubrec(ack), out);
                }
            }
            PublishQos::ExactlyOnce(id) => {
                self.take_in(link)?;
                self.received.insert(id);
                if self.is_kept() {
                    return self.publish_kept(link, publish, id, out);
                }
                self.publish_confirmed(link, publish, (id, Answer::Pubrec), out)?;
            }
        }
        Ok(())
    }

    /// Whether its payload is not what it says, and that matters.
    pub(super) fn is_refused(&self, link: &Link, publish: &Publish<'_>) -> bool {
        link.limits.validate_payload_utf8 && is_mislabeled(publish) && !self.has_come(publish)
    }

    /// Whether it has come before, with QoS 2.
    fn has_come(&self, publish: &Publish<'_>) -> bool {
        matches!(publish.qos, PublishQos::ExactlyOnce(id) if self.received.has(id))
    }

    /// Refuses a PUBLISH whose payload is not what it says; aliases that it sets count all the same. §3.3.2.3.2
    fn refuse_payload(
        &mut self,
        link: &mut Link,
        publish: &Publish<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        self.resolve_key(link, publish)?;
        let (id, answer) = match publish.qos {
            PublishQos::AtMostOnce => return Err(Ending::PayloadFormat),
            PublishQos::AtLeastOnce(id) => (id, Answer::Puback),
            PublishQos::ExactlyOnce(id) => {
                self.received.insert(id);
                (id, Answer::Pubrec)
            }
        };
        self.take_in(link)?;
        // In its turn among the answers. [MQTT-4.6.0-3]
        self.flush_commit(link, out);
        let command = link.skip();
        self.confirms.push(command, id, answer);
        self.handle_published(command, Some(PublishReason::PayloadFormatInvalid), out);
        Ok(())
    }

    /// Counts an exchange that begins. [MQTT-3.3.4-7]
    fn take_in(&mut self, link: &Link) -> Result<(), Ending> {
        let limit = link.limits.receive_max.get();
        if self.version.has_properties() && self.receiving >= limit {
            return Err(Ending::ReceiveMaximum { limit });
        }
        self.receiving = self.receiving.saturating_add(1);
        Ok(())
    }

    fn publish_confirmed(
        &mut self,
        link: &mut Link,
        publish: &Publish<'_>,
        (id, answer): (PacketId, Answer),
        out: &mut Out,
    ) -> Result<(), Ending> {
        let message = self.message_of(link, publish)?;
        // Only 5.0 can say that there was nobody.
        let unroutable = match self.version.has_properties() {
            true => Unroutable::Return,
            false => Unroutable::Drop,
        };
        let publishing = Publishing {
            unroutable,
            own_messages: self.own_messages_of(),
            ..Publishing::new(Confirm::Wanted)
        };
        self.flush_commit(link, out);
        let command = link.submit(out, Command::Publish(message, publishing));
        self.confirms.push(command, id, answer);
        Ok(())
    }

    /// Publishes with QoS 2 in a session that outlives its connection.
    fn publish_kept(
        &mut self,
        link: &mut Link,
        publish: &Publish<'_>,
        id: PacketId,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let message = self.message_of(link, publish)?;
        let own_messages = self.own_messages_of();
        if let Some(kept) = &mut self.kept {
            let confirms = &mut self.confirms;
            let message = (id, message);
            kept.commits.add(
                (link, out),
                kept.subscription,
                message,
                own_messages,
                confirms,
            );
        }
        Ok(())
    }

    /// Publishes what was gathered, so that what comes now stands behind it.
    pub(super) fn flush_commit(&mut self, link: &mut Link, out: &mut Out) {
        if let Some(kept) = &mut self.kept {
            kept.commits
                .flush(link, kept.subscription, &mut self.confirms, out);
        }
    }

    /// Whether the session's own queue is to get what is published to the key that was put together.
    fn own_messages_of(&mut self) -> OwnMessages {
        let kept = self.kept.as_mut();
        let skips = kept.is_some_and(|kept| kept.filters.skips_own(&self.subscriptions, &self.key));
        if skips {
            OwnMessages::Skip
        } else {
            OwnMessages::Deliver
        }
    }

    fn message_of(&mut self, link: &Link, publish: &Publish<'_>) -> Result<Message, Ending> {
        self.resolve_key(link, publish)?;
        Ok(message_of(self.version, publish, &self.key))
    }

    /// Puts the key of a PUBLISH together, and keeps it if it gets an alias.
    fn resolve_key(&mut self, link: &Link, publish: &Publish<'_>) -> Result<(), Ending> {
        self.key.clear();
        let limit = link.limits.topic_alias_max;
        match (publish.topic, publish.properties.topic_alias()) {
            (Some(topic), None) => put_key(topic.as_bytes(), &mut self.key),
            (Some(topic), Some(alias)) => {
                put_key(topic.as_bytes(), &mut self.key);
                self.aliases.set(alias, limit, &self.key)?;
            }
            (None, Some(alias)) => self.key.extend_from_slice(self.aliases.key(alias, limit)?),
            // The codec does not let it through.
            (None, None) => return Err(Ending::Unexpected),
        }
        Ok(())
    }

    /// The broker has answered a publish: those that come first are answered, in order.
    pub(super) fn handle_published(
        &mut self,
        id: CommandId,
        refused: Option<PublishReason>,
        out: &mut Out,
    ) {
        self.confirms.note_answer(id, refused);
        while let Some(answered) = self.confirms.pop(self.version, out) {
            let is_over = match answered.answer {
                Answer::Puback => true,
                // §4.3.3: with an error the identifier is free again.
                Answer::Pubrec => {
                    answered.reason.is_error() && self.received.remove(answered.packet_id)
                }
            };
            self.receiving = self.receiving.saturating_sub(u16::from(is_over));
        }
    }

    /// [MQTT-4.3.3-11]
    pub(super) fn handle_pubrel(&mut self, ack: &Ack<'_, ReleaseReason>, out: &mut Out) {
        if self.is_kept() && self.received.has(ack.packet_id) {
            self.complete_received(ack.packet_id);
            return;
        }
        let was_there = self.received.remove(ack.packet_id);
        self.receiving = self.receiving.saturating_sub(u16::from(was_there));
        let reason = match was_there {
            true => ReleaseReason::Success,
            false => ReleaseReason::PacketIdentifierNotFound,
        };
        let ack = Ack::new(ack.packet_id, reason);
        put(self.version, &Packet::Pubcomp(ack), out);
    }
}

/// Whether a payload says that it is UTF-8 and is not.
fn is_mislabeled(publish: &Publish<'_>) -> bool {
    let format = publish.properties.payload_format_indicator();
    format == Some(PayloadFormat::Text) && str::from_utf8(publish.payload).is_err()
}
