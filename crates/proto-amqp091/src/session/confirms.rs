//! `confirm.select`: `basic.ack` and `basic.nack` of the broker.

use super::open::Open;
use super::publish::ChannelId;
use super::put;
use crate::{Method, basic};
use broker_api::Out;
use model::{CommandId, SequenceMap};

/// The publishes of a channel that has asked for confirms.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    last_tag: u64,
    /// What the broker has not answered.
    unanswered: SequenceMap<()>,
}

impl Confirms {
    /// The tag of the next publish.
    pub(super) fn publish(&mut self) -> u64 {
        self.last_tag += 1;
        self.unanswered.insert(self.last_tag, ());
        self.last_tag
    }

    /// Whether all up to a tag have been answered.
    fn is_complete(&self, tag: u64) -> bool {
        self.unanswered
            .first()
            .is_none_or(|(first, ())| first > tag)
    }
}

/// A publish that the broker is to confirm.
#[derive(Clone, Copy, Debug)]
pub(super) struct AwaitedConfirm {
    pub(super) channel: ChannelId,
    tag: u64,
}

/// All publishes that the broker is to confirm, by their command. The driver stops reading when they take too much
/// memory, which [`bytes`](Self::bytes) tells.
#[derive(Debug, Default)]
pub(super) struct AwaitedConfirms {
    by_command: SequenceMap<AwaitedConfirm>,
    /// The ack that was written last, if nothing has been written since.
    last_ack: Option<LastAck>,
}

/// An ack at the end of what is to be sent.
#[derive(Clone, Copy, Debug)]
struct LastAck {
    channel: ChannelId,
    tag: u64,
    /// Of all that is to be sent, with it, in bytes.
    wire_len: usize,
    /// Of the ack, in bytes.
    len: usize,
}

impl AwaitedConfirms {
    pub(super) fn push(&mut self, command: CommandId, channel: ChannelId, tag: u64) {
        let awaited = AwaitedConfirm { channel, tag };
        self.by_command.insert(command.0, awaited);
    }

    pub(super) fn take(&mut self, command: CommandId) -> Option<AwaitedConfirm> {
        self.by_command.remove(command.0)
    }

    pub(super) fn channel(&self, command: CommandId) -> Option<ChannelId> {
        self.by_command.get(command.0).map(|it| it.channel)
    }

    /// Something else happens than a confirm.
    pub(super) const fn forget_last_ack(&mut self) {
        self.last_ack = None;
    }

    /// What they take, in bytes: here, and on their channel.
    pub(super) fn bytes(&self) -> usize {
        self.by_command.len() * (size_of::<AwaitedConfirm>() + size_of::<u64>())
    }
}

impl Open {
    /// The broker has confirmed a publish. Acks that follow each other become one where that says the same.
    pub(super) fn handle_confirmed(&mut self, command: CommandId, out: &mut Out) {
        let Some(AwaitedConfirm { channel: id, tag }) = self.awaited_confirms.take(command) else {
            return;
        };
        let last = self.awaited_confirms.last_ack.take();
        let Some(confirms) = self.confirms_of(id) else {
            return;
        };
        confirms.unanswered.remove(tag);
        let mut ack = basic::Ack {
            delivery_tag: tag,
            multiple: false,
        };
        if let Some(last) = last
            && last.channel == id
            && last.wire_len == out.wire.len()
        {
            let up_to = tag.max(last.tag);
            let buffer = out.wire.buffer();
            if confirms.is_complete(up_to) && buffer.len() >= last.len {
                buffer.truncate(buffer.len() - last.len);
                ack.delivery_tag = up_to;
                ack.multiple = true;
            }
        }
        let before = out.wire.buffer().len();
        put(out, id.number, &Method::BasicAck(ack));
        self.awaited_confirms.last_ack = Some(LastAck {
            channel: id,
            tag: ack.delivery_tag,
            wire_len: out.wire.len(),
            len: out.wire.buffer().len() - before,
        });
    }

    /// Tells that a publish is refused.
    pub(super) fn put_nack(&mut self, awaited: AwaitedConfirm, out: &mut Out) {
        let AwaitedConfirm { channel: id, tag } = awaited;
        if let Some(confirms) = self.confirms_of(id) {
            confirms.unanswered.remove(tag);
            let nack = basic::Nack {
                delivery_tag: tag,
                multiple: false,
                requeue: false,
            };
            put(out, id.number, &Method::BasicNack(nack));
        }
    }

    fn confirms_of(&mut self, id: ChannelId) -> Option<&mut Confirms> {
        if !self.is_open(id) {
            return None;
        }
        self.channels.get_mut(&id.number)?.confirms.as_mut()
    }
}
