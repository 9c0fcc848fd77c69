//! PUBLISH packets of the client with QoS 2: published and noted together, so that they are published once whatever
//! crashes. [MQTT-4.3.3-10]
//!
//! Of a transaction that is refused each packet is tried by itself, and what came behind must not overtake it: the next one
//! is not sent before it has been answered, and nothing is read once something waits for that. [MQTT-4.6.0-5]

use super::received;
use crate::frame::{PacketId, PublishReason};
use crate::refusal;
use crate::session::Link;
use crate::session::confirms::{Answer, Confirms};
use broker_api::{Command, Notes, Out, OwnMessages, Refusal, Transaction};
use model::{CommandId, Message, SubscriptionId};
use std::collections::VecDeque;

/// So much is published together at most.
const GATHERED_MAX: usize = 1024;
const GATHERED_BYTES_MAX: usize = 1024 * 1024;

/// PUBLISH packets with QoS 2 on their way to the broker: those of one read batch are one transaction.
#[derive(Debug, Default)]
pub(in crate::session) struct Commits {
    gathered: Vec<(PacketId, Message)>,
    gathered_bytes: usize,
    /// Whether the session itself gets those that are gathered.
    own_messages: OwnMessages,
    /// Those that are not answered, in order.
    sent: VecDeque<Sent>,
}

#[derive(Debug)]
struct Sent {
    command: CommandId,
    messages: Vec<(PacketId, Message)>,
    own_messages: OwnMessages,
}

/// What has become of a transaction.
pub(in crate::session) enum Outcome {
    /// It is none of these.
    Unknown,
    /// Its packets are answered with this.
    Answered(Option<PublishReason>),
    /// Each of its packets is tried by itself.
    Split,
}

impl Commits {
    /// Whether a PUBLISH with this identifier is gathered.
    pub(in crate::session) fn has(&self, id: PacketId) -> bool {
        self.gathered.iter().any(|(gathered, _)| *gathered == id)
    }

    /// Adds a PUBLISH behind all that came before.
    pub(in crate::session) fn add(
        &mut self,
        (link, out): (&mut Link, &mut Out),
        subscription: SubscriptionId,
        (id, message): (PacketId, Message),
        own_messages: OwnMessages,
        confirms: &mut Confirms,
    ) {
        let is_full =
            self.gathered.len() >= GATHERED_MAX || self.gathered_bytes >= GATHERED_BYTES_MAX;
        if is_full || self.own_messages != own_messages {
            self.flush(link, subscription, confirms, out);
        }
        self.own_messages = own_messages;
        self.gathered_bytes += message.cost_bytes();
        self.gathered.push((id, message));
        if self.is_waiting() {
            out.hold();
        }
    }

    /// Whether some wait until others have been answered.
    pub(in crate::session) fn is_waiting(&self) -> bool {
        !self.gathered.is_empty() && !self.sent.is_empty()
    }

    /// Publishes what was gathered, once all before it has been answered.
    pub(in crate::session) fn flush(
        &mut self,
        link: &mut Link,
        subscription: SubscriptionId,
        confirms: &mut Confirms,
        out: &mut Out,
    ) {
        if self.gathered.is_empty() || !self.sent.is_empty() {
            return;
        }
        self.gathered_bytes = 0;
        let messages = std::mem::take(&mut self.gathered);
        let own_messages = self.own_messages;
        let command = self.send(link, subscription, messages, own_messages, out);
        let sent = self.sent.back().into_iter().flat_map(|it| &it.messages);
        for (id, _) in sent {
            confirms.push(command, *id, Answer::Pubrec);
        }
    }

    fn send(
        &mut self,
        link: &mut Link,
        subscription: SubscriptionId,
        messages: Vec<(PacketId, Message)>,
        own_messages: OwnMessages,
        out: &mut Out,
    ) -> CommandId {
        let entries = messages.iter().map(|(id, _)| received(*id, true));
        let transaction = Transaction {
            publishes: messages
                .iter()
                .map(|(_, message)| message.clone())
                .collect(),
            settles: Vec::new(),
            notes: vec![Notes {
                subscription,
                entries: entries.collect(),
                accepted: Vec::new(),
            }],
            own_messages,
        };
        let command = link.submit(out, Command::Commit(Box::new(transaction)));
        self.sent.push_back(Sent {
            command,
            messages,
            own_messages,
        });
        command
    }

    /// The broker has answered. One message that is refused does not take others with it.
    pub(in crate::session) fn handle_done(
        &mut self,
        link: &mut Link,
        subscription: SubscriptionId,
        (command, refused): (CommandId, Option<&Refusal>),
        confirms: &mut Confirms,
        out: &mut Out,
    ) -> Outcome {
        let Some(at) = self.sent.iter().position(|sent| sent.command == command) else {
            return Outcome::Unknown;
        };
        let Some(sent) = self.sent.remove(at) else {
            return Outcome::Unknown;
        };
        let Some(refusal) = refused else {
            return Outcome::Answered(None);
        };
        if sent.messages.len() <= 1 {
            return Outcome::Answered(Some(refusal::publish(refusal)));
        }
        for message in sent.messages {
            let id = message.0;
            let alone = vec![message];
            let again = self.send(link, subscription, alone, sent.own_messages, out);
            confirms.reassign(command, id, again);
        }
        Outcome::Split
    }
}
