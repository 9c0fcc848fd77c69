//! `basic.publish` and its content, `basic.return`.

use super::confirms::Confirms;
use super::failure::Failure;
use super::open::Open;
use super::{Link, put};
use crate::content::{Assembler, Content, Progress};
use crate::encode::{put_body_frames, put_content_header};
use crate::frame::Payload;
use crate::translate::{message_of, shown_properties};
use crate::{Method, MethodId, ReplyCode, ShortStr, basic};
use broker_api::{Command, Confirm, Out, Publishing, Refusal, Unroutable};
use bytes::BytesMut;
use model::{CommandId, Message};
use std::collections::VecDeque;

/// Runs of publishes that are remembered. What the broker refuses it refuses at once, so those of one piece of
/// input are enough.
const RUNS_MAX: usize = 8_192;

/// A channel from its opening to its end: numbers of channels are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChannelId {
    pub(super) number: u16,
    /// Ascending on the connection.
    pub(super) serial: u64,
}

/// Which channel the last publishes came from that are not confirmed.
#[derive(Debug, Default)]
pub(super) struct Publishes {
    /// By ascending command.
    runs: VecDeque<Run>,
}

/// Publishes of one channel whose commands follow each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: CommandId,
    last: CommandId,
    channel: ChannelId,
}

impl Publishes {
    pub(super) fn push(&mut self, command: CommandId, channel: ChannelId) {
        if let Some(run) = self.runs.back_mut()
            && run.channel == channel
            && run.last.0 + 1 == command.0
        {
            run.last = command;
            return;
        }
        if self.runs.len() == RUNS_MAX {
            self.runs.pop_front();
        }
        self.runs.push_back(Run {
            first: command,
            last: command,
            channel,
        });
    }

    pub(super) fn channel(&self, command: CommandId) -> Option<ChannelId> {
        let at = self.runs.partition_point(|run| run.last < command);
        let run = self.runs.get(at)?;
        (run.first <= command).then_some(run.channel)
    }
}

impl Open {
    /// Whether a channel takes a publish with its content at once: it is open, and has no content under way. With so many
    /// bytes beside its body it must also be within the bound of all that are.
    pub(super) fn takes_whole(&self, link: &Link, number: u16, head_bytes: usize) -> bool {
        let channel = self.channels.get(&number);
        let is_free = channel.is_some_and(|it| !it.is_closing() && it.assembler.is_none());
        is_free && self.held_bytes + head_bytes <= held_bytes_max(link)
    }

    /// Takes a publish with its content. What closes the channel is dealt with; what is returned closes the connection.
    pub(super) fn handle_publish(
        &mut self,
        link: &mut Link,
        number: u16,
        content: &Content<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        self.awaited_confirms.forget_last_ack();
        let result = self.publish(link, number, content, out);
        self.settle_failure(link, number, result, out)
    }

    /// Whether the content of a method is under way on a channel.
    pub(super) fn is_assembling(&self, number: u16) -> bool {
        let channel = self.channels.get(&number);
        let assembler = channel.and_then(|it| it.assembler.as_ref());
        assembler.is_some_and(|it| !it.is_idle())
    }

    /// Takes a frame of a method with a content.
    pub(super) fn handle_content(
        &mut self,
        link: &mut Link,
        number: u16,
        payload: Payload<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let limit = link.limits.body_bytes_max;
        let Some(channel) = self.channels.get_mut(&number) else {
            let text = "a content came on a channel that is not open";
            return Err(Failure::new(ReplyCode::ChannelError, MethodId::NONE, text));
        };
        let assembler = channel.assembler.take();
        let mut assembler = assembler.unwrap_or_else(|| Box::new(Assembler::new(limit)));
        self.held_bytes -= assembler.held_bytes();
        let id = assembler.method_id();
        let result = match assembler.take(payload) {
            Ok(Progress::Content(content)) => self.publish(link, number, &content, out),
            Ok(Progress::Method(_) | Progress::More) => Ok(()),
            Ok(Progress::TooLarge { len, limit }) => Err(Failure::new(
                ReplyCode::PreconditionFailed,
                id,
                format_args!("message size {len} is larger than configured max size {limit}"),
            )),
            Err(error) => Err(Failure::new(error.reply_code(), id, error)),
        };
        // Between contents a channel keeps no room: there may be thousands.
        if !assembler.is_idle()
            && let Some(channel) = self.channels.get_mut(&number)
        {
            self.held_bytes += assembler.held_bytes();
            channel.assembler = Some(assembler);
        }
        result?;
        if self.held_bytes > held_bytes_max(link) {
            let text = "too many contents are under way at a time";
            return Err(Failure::new(ReplyCode::ResourceError, id, text));
        }
        Ok(())
    }

    fn publish(
        &mut self,
        link: &mut Link,
        number: u16,
        content: &Content<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let (Method::BasicPublish(publish), Some(channel)) =
            (content.method, self.channels.get_mut(&number))
        else {
            return Ok(());
        };
        let failed = |code, text: String| Failure::new(code, basic::Publish::ID, text);
        if publish.immediate {
            return Err(failed(ReplyCode::NotImplemented, "immediate=true".into()));
        }
        if let Some(user) = content.properties.user_id()
            && *user.as_bytes() != *self.user
        {
            let own = String::from_utf8_lossy(&self.user);
            let text =
                format!("user_id property set to '{user}' but authenticated user was '{own}'");
            return Err(failed(ReplyCode::PreconditionFailed, text));
        }
        let mut properties = BytesMut::new();
        let asking = channel.with_replies(content, &mut properties);
        let message = message_of(&publish, asking.as_ref().unwrap_or(content))?;
        let unroutable = if publish.mandatory {
            Unroutable::Return
        } else {
            Unroutable::Drop
        };
        if let Some(transaction) = &mut channel.transaction {
            let limit = link.limits.transaction_bytes_max;
            let bound = (&mut self.gathered_bytes, limit);
            return transaction.publish(message, unroutable, bound);
        }
        channel.has_published = true;
        let id = channel.id(number);
        let tag = channel.confirms.as_mut().map(Confirms::publish);
        let publishing = Publishing {
            unroutable,
            ..Publishing::new(match tag {
                Some(_) => Confirm::Wanted,
                None => Confirm::Unwanted,
            })
        };
        let submission = link.next(number, Command::Publish(message, publishing));
        match tag {
            Some(tag) => self.awaited_confirms.push(submission.id, id, tag),
            None => self.publishes.push(submission.id, id),
        }
        out.submit(submission);
        Ok(())
    }

    /// The broker gives back what went nowhere.
    pub(super) fn handle_returned(
        &mut self,
        link: &mut Link,
        command: CommandId,
        message: &Message,
        out: &mut Out,
    ) {
        let confirmed = self.awaited_confirms.channel(command);
        let published = confirmed.or_else(|| self.publishes.channel(command));
        let Some(id) = published.or_else(|| self.awaited_channel(command)) else {
            return;
        };
        if !self.is_open(id) {
            return;
        }
        let returned = basic::Return {
            reply_code: ReplyCode::NoRoute.number(),
            reply_text: ShortStr::cut(ReplyCode::NoRoute.name()),
            exchange: ShortStr::new(message.exchange()).unwrap_or(ShortStr::EMPTY),
            routing_key: ShortStr::start_of(message.key()),
        };
        put(out, id.number, &Method::BasicReturn(returned));
        // It is this client's own.
        let properties = shown_properties(&mut link.scratch, message, link.frame_bytes_max);
        let (buffer, body) = (out.wire.buffer(), message.body());
        put_content_header(buffer, id.number, body.len(), properties);
        put_body_frames(buffer, id.number, link.frame_bytes_max, body);
    }

    /// The channel whose method waits for this command's answer.
    fn awaited_channel(&self, command: CommandId) -> Option<ChannelId> {
        let awaited = self.awaited.as_ref().filter(|it| it.command == command)?;
        let (number, serial) = (awaited.channel, awaited.serial);
        Some(ChannelId { number, serial })
    }

    /// The broker has refused a command that was not waited for; if it was a publish, that closes its channel, or is
    /// told by a nack.
    pub(super) fn handle_refused_publish(
        &mut self,
        link: &mut Link,
        command: CommandId,
        refusal: &Refusal,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let channel = match self.awaited_confirms.take(command) {
            Some(awaited) if !closes_channel(refusal) => {
                self.put_nack(awaited, out);
                return Ok(());
            }
            Some(awaited) => Some(awaited.channel),
            None => self.publishes.channel(command),
        };
        match channel {
            Some(id) if self.is_open(id) => {
                let failure = Failure::refused(refusal, basic::Publish::ID);
                self.settle_failure(link, id.number, Err(failure), out)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a channel is still the one that it was, and not about to close.
    pub(super) fn is_open(&self, id: ChannelId) -> bool {
        let channel = self.channels.get(&id.number);
        channel.is_some_and(|it| it.serial == id.serial && !it.is_closing())
    }
}

/// What may be held of contents under way: as much as two of the largest size, on however many channels.
const fn held_bytes_max(link: &Link) -> usize {
    link.limits.body_bytes_max.saturating_mul(2)
}

/// Whether a message was refused for what its publisher asked; else it is for want of room, or of a store.
const fn closes_channel(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::ExchangeNotFound(_)
            | Refusal::AccessRefused(_)
            | Refusal::Invalid(_)
            | Refusal::NotConnected
    )
}
