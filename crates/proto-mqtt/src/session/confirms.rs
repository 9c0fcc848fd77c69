//! PUBLISH packets with QoS 1 and 2 that wait for the broker.

use crate::Version;
use crate::frame::{Ack, Packet, PacketId, PublishReason};
use broker_api::Out;
use model::CommandId;
use std::collections::VecDeque;

/// PUBLISH packets with QoS 1 and 2 that wait for the broker, in the order in which they came, which is that
/// of their answers. [MQTT-4.6.0-2], [MQTT-4.6.0-3]
///
/// One entry for each. The driver stops reading when they take too much memory, which
/// [`bytes`](Self::bytes) tells.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    /// By ascending command, but for those that were reassigned.
    queue: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    command: CommandId,
    packet_id: PacketId,
    answer: Answer,
    /// Nobody was there to get it.
    is_returned: bool,
    /// Set once the broker has answered.
    reason: Option<PublishReason>,
}

/// How a PUBLISH is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// By PUBACK: QoS 1.
    Puback,
    /// By PUBREC: QoS 2.
    Pubrec,
}

/// A PUBLISH that has been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) packet_id: PacketId,
    pub(super) answer: Answer,
    pub(super) reason: PublishReason,
}

impl Confirms {
    pub(super) fn push(&mut self, command: CommandId, packet_id: PacketId, answer: Answer) {
        self.queue.push_back(Pending {
            command,
            packet_id,
            answer,
            is_returned: false,
            reason: None,
        });
    }

    /// What they take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.queue.len() * size_of::<Pending>()
    }

    /// Whether an answer of the client waits for this command.
    pub(super) fn awaits(&self, command: CommandId) -> bool {
        self.find(command).is_some()
    }

    /// Whether the PUBREC of this PUBLISH is still to come.
    pub(super) fn awaits_pubrec(&self, id: PacketId) -> bool {
        let mut pending = self.queue.iter();
        pending.any(|it| it.answer == Answer::Pubrec && it.packet_id == id)
    }

    pub(super) fn note_returned(&mut self, command: CommandId) {
        if let Some(pending) = self.find(command).and_then(|at| self.queue.get_mut(at)) {
            pending.is_returned = true;
        }
    }

    /// The broker has answered.
    pub(super) fn note_answer(&mut self, command: CommandId, refused: Option<PublishReason>) {
        let Some(first) = self.find(command) else {
            return;
        };
        // A transaction answers for several, which stand side by side.
        for pending in self.queue.range_mut(first..) {
            if pending.command != command {
                break;
            }
            pending.reason = Some(match (refused, pending.is_returned) {
                (Some(refused), _) => refused,
                (None, true) => PublishReason::NoMatchingSubscribers,
                (None, false) => PublishReason::Success,
            });
        }
    }

    /// One of those that a command was for is another command's from now on.
    pub(super) fn reassign(&mut self, command: CommandId, id: PacketId, to: CommandId) {
        let mut pending = self.queue.iter_mut();
        let found = pending.find(|it| it.command == command && it.packet_id == id);
        if let Some(pending) = found {
            pending.command = to;
        }
    }

    /// Takes out the first, if the broker has answered it, and appends its answer.
    pub(super) fn pop(&mut self, version: Version, out: &mut Out) -> Option<Answered> {
        let reason = self.queue.front()?.reason?;
        let Pending {
            packet_id, answer, ..
        } = self.queue.pop_front()?;
        let ack = Ack::new(packet_id, reason);
        super::put(
            version,
            &match answer {
                Answer::Puback => Packet::Puback(ack),
                Answer::Pubrec => Packet::Pubrec(ack),
            },
            out,
        );
        Some(Answered {
            packet_id,
            answer,
            reason,
        })
    }

    /// Where the first of a command stands.
    fn find(&self, command: CommandId) -> Option<usize> {
        // Most are answered in their order.
        if self.queue.front()?.command == command {
            return Some(0);
        }
        let ascending = self
            .queue
            .partition_point(|pending| pending.command < command);
        if self.queue.get(ascending).map(|it| it.command) == Some(command) {
            return Some(ascending);
        }
        // What was reassigned is not in order.
        let mut all = self.queue.iter();
        all.position(|pending| pending.command == command)
    }
}
