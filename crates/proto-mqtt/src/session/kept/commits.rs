//! PUBLISH packets of the client with QoS 2: published and noted together, so that they are published once whatever
//! crashes. [MQTT-4.3.3-10]
//!
//! Of a transaction that is refused each packet is tried by itself, and what came behind must not overtake it: the next one
//! is not sent before it has been answered. What comes with the same read as one that waits for that is gathered with it;
//! then nothing is read. [MQTT-4.6.0-5]

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
    /// What will be a transaction each, in order.
    gathered: VecDeque<Gathered>,
    /// Those that are not answered, in order.
    sent: VecDeque<Sent>,
}

#[derive(Debug, Default)]
struct Gathered {
    messages: Vec<(PacketId, Message)>,
    bytes: usize,
    /// Whether the session itself gets them.
    own_messages: OwnMessages,
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.messages.len() >= GATHERED_MAX || self.bytes >= GATHERED_BYTES_MAX
    }
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
        let mut gathered = self.gathered.iter().flat_map(|it| &it.messages);
        gathered.any(|(gathered, _)| *gathered == id)
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
        let last = self.gathered.back();
        if last.is_some_and(|last| last.is_full() || last.own_messages != own_messages) {
            self.flush(link, subscription, confirms, out);
        }
        let last = self.gathered.back_mut();
        let bytes = message.cost_bytes();
        match last.filter(|last| last.own_messages == own_messages) {
            Some(last) => {
                last.bytes += bytes;
                last.messages.push((id, message));
            }
            None => self.gathered.push_back(Gathered {
                messages: vec![(id, message)],
                bytes,
                own_messages,
            }),
        }
        // So much is enough until the answer has come.
        let is_enough = self.gathered.len() > 1 || self.gathered.iter().any(Gathered::is_full);
        if is_enough && self.is_waiting() {
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
        if !self.sent.is_empty() {
            return;
        }
        let Some(gathered) = self.gathered.pop_front() else {
            return;
        };
        let Gathered {
            messages,
            own_messages,
            ..
        } = gathered;
        let command = self.send(link, subscription, messages, own_messages, out);
        let sent = self.sent.back().into_iter().flat_map(|it| &it.messages);
        for (id, _) in sent {
            confirms.push(command, *id, Answer::Pubrec);
        }
    }

    /// Publishes all that was gathered: the connection ends, and nothing is tried again.
    pub(in crate::session) fn flush_all(
        &mut self,
        link: &mut Link,
        subscription: SubscriptionId,
        out: &mut Out,
    ) {
        for gathered in std::mem::take(&mut self.gathered) {
            let Gathered {
                messages,
                own_messages,
                ..
            } = gathered;
            self.send(link, subscription, messages, own_messages, out);
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
            returns: Vec::new(),
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
