//! After `connection.open-ok`: methods become commands, answers become methods.

use super::awaited::{Awaited, Purpose};
use super::channel::Channel;
use super::confirms::AwaitedConfirms;
use super::consumers::{Consumers, Unsettled};
use super::failure::Failure;
use super::login::with_secret;
use super::pool::Waits;
use super::publish::{ChannelId, Publishes};
use super::server_properties::ClientCapabilities;
use super::settle::Settling;
use super::timeouts::Timeouts;
use super::transaction::Gathered;
use super::{Link, Step, put};
use crate::frame::{Frame, Payload};
use crate::{Method, MethodId, ReplyCode, ShortStr, channel, connection};
use broker_api::{BlockCause, Command, Delivery, Event, Out};
use std::collections::BTreeMap;

/// A connection in use.
#[derive(Debug)]
pub(super) struct Open {
    /// Who the client has shown to be.
    pub(super) user: Box<[u8]>,
    pub(super) channels_max: u16,
    pub(super) capabilities: ClientCapabilities,
    /// By their number.
    pub(super) channels: BTreeMap<u16, Channel>,
    pub(super) consumers: Consumers,
    pub(super) settling: Settling,
    /// The message that was got last, until it is known how many more there are.
    pub(super) got: Option<Delivery>,
    pub(super) publishes: Publishes,
    pub(super) awaited_confirms: AwaitedConfirms,
    /// What the transaction settles that is being committed.
    pub(super) committing: Vec<Unsettled>,
    pub(super) timeouts: Timeouts,
    pub(super) waits: Waits,
    /// What is held of contents that have not come to their end, in bytes.
    pub(super) held_bytes: usize,
    /// What all transactions have gathered, in bytes.
    pub(super) gathered_bytes: usize,
    pub(super) last_serial: u64,
    /// The command that all input waits for.
    pub(super) awaited: Option<Awaited>,
}

impl Open {
    pub(super) fn new(
        user: Box<[u8]>,
        channels_max: u16,
        capabilities: ClientCapabilities,
    ) -> Self {
        Self {
            user,
            channels_max,
            capabilities,
            channels: BTreeMap::new(),
            consumers: Consumers::default(),
            settling: Settling::default(),
            got: None,
            publishes: Publishes::default(),
            awaited_confirms: AwaitedConfirms::default(),
            committing: Vec::new(),
            timeouts: Timeouts::default(),
            waits: Waits::default(),
            held_bytes: 0,
            gathered_bytes: 0,
            last_serial: 0,
            awaited: None,
        }
    }

    /// Takes a frame. What closes a channel is dealt with; what is returned closes the connection.
    pub(super) fn handle_frame(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Failure> {
        let number = frame.channel;
        self.awaited_confirms.forget_last_ack();
        match &frame.payload {
            Payload::Heartbeat => Ok(Step::Taken),
            Payload::Method(method) if number == 0 => {
                self.handle_connection_method(link, method, out)
            }
            payload @ (Payload::Method(_) | Payload::Header(_) | Payload::Body(_)) => {
                let result = self.handle_channel_frame(link, (number, *payload), out);
                self.settle_failure(link, number, result, out)?;
                Ok(Step::Taken)
            }
        }
    }

    fn handle_channel_frame(
        &mut self,
        link: &mut Link,
        (number, payload): (u16, Payload<'_>),
        out: &mut Out,
    ) -> Result<(), Failure> {
        let channel = self.channels.get(&number);
        let is_closing = channel.is_some_and(Channel::is_closing);
        let is_open = channel.is_some() && !is_closing;
        match payload {
            Payload::Method(_) if self.is_assembling(number) => {
                self.handle_content(link, number, payload, out)
            }
            Payload::Method(Method::BasicPublish(_)) if is_open => {
                self.handle_content(link, number, payload, out)
            }
            Payload::Method(method) => self.handle_channel_method(link, number, &method, out),
            // What crossed the end of its channel is passed over.
            Payload::Header(_) | Payload::Body(_) if is_closing => Ok(()),
            Payload::Header(_) | Payload::Body(_) => {
                self.handle_content(link, number, payload, out)
            }
            Payload::Heartbeat => Ok(()),
        }
    }

    /// A soft failure closes the channel, a hard one is for the connection.
    pub(super) fn settle_failure(
        &mut self,
        link: &mut Link,
        number: u16,
        result: Result<(), Failure>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Err(failure) = result else {
            return Ok(());
        };
        if failure.code.is_hard() {
            return Err(failure);
        }
        self.end_consumers(link, number, out);
        self.uncount(number);
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.start_closing();
            let close = channel::Close {
                reply_code: failure.code.number(),
                reply_text: failure.text(),
                class_id: failure.method.class_id,
                method_id: failure.method.method_id,
            };
            put(out, number, &Method::ChannelClose(close));
        }
        Ok(())
    }

    /// What a channel holds goes with it.
    pub(super) fn uncount(&mut self, number: u16) {
        if let Some(channel) = self.channels.get(&number) {
            let assembler = channel.assembler.as_ref();
            self.held_bytes -= assembler.map_or(0, |it| it.held_bytes());
            self.gathered_bytes -= channel.transaction.as_ref().map_or(0, Gathered::bytes);
        }
    }

    fn handle_connection_method(
        &mut self,
        link: &mut Link,
        method: &Method<'_>,
        out: &mut Out,
    ) -> Result<Step, Failure> {
        let id = method.id();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other methods are none of an open connection's"
        )]
        match method {
            Method::ConnectionClose(_) => {
                put(out, 0, &Method::ConnectionCloseOk(connection::CloseOk));
                Ok(Step::Closed)
            }
            Method::ConnectionUpdateSecret(update) => {
                let step = with_secret(&self.user, update.new_secret.0);
                let command = Command::Authenticate(Box::new(step));
                let answer = Method::ConnectionUpdateSecretOk(connection::UpdateSecretOk);
                self.ask(link, (0, id), command, Purpose::Answer(answer), out);
                Ok(Step::Taken)
            }
            _ => Err(Failure::new(
                ReplyCode::CommandInvalid,
                id,
                format_args!("{id} makes no sense on an open connection"),
            )),
        }
    }

    pub(super) fn handle_event(
        &mut self,
        link: &mut Link,
        event: Event,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if !matches!(event, Event::Confirmed(_)) {
            self.awaited_confirms.forget_last_ack();
        }
        match event {
            Event::Done(id, result) => {
                let Some(awaited) = self.awaited.take_if(|it| it.command == id) else {
                    return match result {
                        Ok(_) => Ok(()),
                        Err(refusal) => self.handle_refused_publish(link, id, &refusal, out),
                    };
                };
                out.release_barrier();
                let (number, serial) = (awaited.channel, awaited.serial);
                // A publish before it may have closed the channel.
                if number != 0 && !self.is_open(ChannelId { number, serial }) {
                    self.got = None;
                    self.forget_prepared(link, &awaited, result, out);
                    if awaited.purpose == Purpose::ClosingChannel {
                        put(out, number, &Method::ChannelCloseOk(channel::CloseOk));
                        if let Some(channel) = self.channels.get_mut(&number) {
                            channel.cross();
                        }
                    }
                    return Ok(());
                }
                let result = self.handle_answer(link, &awaited, result, out);
                if number == 0 {
                    return result;
                }
                self.settle_failure(link, number, result, out)
            }
            Event::Delivery(delivery) => {
                self.handle_delivery(link, delivery, out);
                Ok(())
            }
            Event::Ended(id, _) => {
                self.handle_ended(id, out);
                self.flush(link, out);
                Ok(())
            }
            Event::Blocked(cause) => {
                if self.capabilities.connection_blocked {
                    let reason = ShortStr::cut(match cause {
                        BlockCause::Memory => "low on memory",
                        BlockCause::Disk => "low on disk",
                    });
                    let blocked = connection::Blocked { reason };
                    put(out, 0, &Method::ConnectionBlocked(blocked));
                }
                Ok(())
            }
            Event::Unblocked => {
                if self.capabilities.connection_blocked {
                    put(out, 0, &Method::ConnectionUnblocked(connection::Unblocked));
                }
                Ok(())
            }
            Event::Disconnect(refusal) => Err(Failure::refused(&refusal, MethodId::NONE)),
            Event::Confirmed(id) => {
                self.handle_confirmed(id, out);
                Ok(())
            }
            Event::Returned(id, message) => {
                self.handle_returned(link, id, &message, out);
                Ok(())
            }
            // Nothing is drained.
            Event::Drained(_) => Ok(()),
        }
    }
}
