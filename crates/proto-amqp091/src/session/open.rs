//! After `connection.open-ok`: methods become commands, answers become methods.

use super::channel::Channel;
use super::confirms::AwaitedConfirms;
use super::consume::in_exclusive_use;
use super::consumers::{Consumers, Unsettled};
use super::exchange::exchange_command;
use super::failure::Failure;
use super::login::with_secret;
use super::publish::{ChannelId, Publishes};
use super::queue::{put_answer, queue_command};
use super::server_properties::ClientCapabilities;
use super::settle::Settling;
use super::transaction::Gathered;
use super::{Behind, Link, Step, put};
use crate::frame::{Frame, Payload};
use crate::{Method, MethodId, ReplyCode, ShortStr, access, basic, channel, connection};
use broker_api::{BlockCause, Command, Delivery, Event, Out, Refusal, Reply};
use model::{CommandId, Outcome, SubscriptionId};
use std::collections::BTreeMap;

/// A connection in use.
#[derive(Debug)]
pub(super) struct Open {
    /// Who the client has shown to be.
    pub(super) user: Box<[u8]>,
    channels_max: u16,
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
    /// What is held of contents that have not come to their end, in bytes.
    pub(super) held_bytes: usize,
    /// What all transactions have gathered, in bytes.
    pub(super) gathered_bytes: usize,
    last_serial: u64,
    /// The command that all input waits for.
    awaited: Option<Awaited>,
}

/// A command on whose answer a method waits.
#[derive(Debug)]
struct Awaited {
    command: CommandId,
    channel: u16,
    /// Of the channel.
    serial: u64,
    method: MethodId,
    purpose: Purpose,
}

/// What the client is told once the command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nothing: it does not wait.
    Nothing,
    /// This, which says no more than that.
    Answer(Method<'static>),
    /// The queue.
    DeclaredQueue {
        /// The client does not wait.
        no_wait: bool,
    },
    /// How many messages went with the queue.
    DeletedQueue,
    /// How many messages went out of the queue.
    PurgedQueue,
    /// That the transaction is done.
    Committing,
    /// That the consumer has begun.
    Consuming {
        id: SubscriptionId,
        /// The client does not wait.
        no_wait: bool,
    },
    /// The message that was got, or that there is none.
    Getting { id: SubscriptionId },
    /// That the consumer has ended.
    Canceling {
        id: SubscriptionId,
        /// The client does not wait.
        no_wait: bool,
    },
}

impl Purpose {
    /// Tells this, if the client waits.
    pub(super) const fn unless(no_wait: bool, answer: Self) -> Self {
        if no_wait { Self::Nothing } else { answer }
    }
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
            held_bytes: 0,
            gathered_bytes: 0,
            last_serial: 0,
            awaited: None,
        }
    }

    /// Whether nothing is read until the broker answers.
    pub(super) const fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// Whether the client waits for the end of this consumer.
    pub(super) fn awaits_end(&self, id: SubscriptionId) -> bool {
        let no_wait = false;
        let ending = Purpose::Canceling { id, no_wait };
        self.awaited.as_ref().is_some_and(|it| it.purpose == ending)
    }

    /// Whether this is for the one message that the client gets.
    pub(super) fn is_getting(&self, id: SubscriptionId) -> bool {
        let getting = Purpose::Getting { id };
        self.awaited
            .as_ref()
            .is_some_and(|it| it.purpose == getting)
    }

    /// Takes a frame. What closes a channel is dealt with; what is returned closes the connection.
    pub(super) fn handle_frame(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        behind: &mut Behind<'_>,
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
                let result = self.handle_channel_frame(link, (number, *payload), behind, out);
                self.settle_failure(link, number, result, out)?;
                Ok(Step::Taken)
            }
        }
    }

    fn handle_channel_frame(
        &mut self,
        link: &mut Link,
        (number, payload): (u16, Payload<'_>),
        behind: &mut Behind<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let channel = self.channels.get(&number);
        let is_closing = channel.is_some_and(Channel::is_closing);
        let is_open = channel.is_some() && !is_closing;
        match payload {
            Payload::Method(_) if self.is_assembling(number) => {
                self.handle_content(link, number, payload, out)
            }
            Payload::Method(method @ Method::BasicPublish(_)) if is_open => {
                self.handle_publish(link, (number, method), behind, out)
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
    fn uncount(&mut self, number: u16) {
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

    fn handle_channel_method(
        &mut self,
        link: &mut Link,
        number: u16,
        method: &Method<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let id = method.id();
        let Some(channel) = self.channels.get_mut(&number) else {
            return self.open_channel(number, id, out);
        };
        if channel.is_closing() {
            self.handle_closing(number, id, out);
            return Ok(());
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other methods are not there yet, or make no sense on a channel"
        )]
        match method {
            Method::ChannelOpen(_) => Err(Failure::new(
                ReplyCode::ChannelError,
                id,
                "second 'channel.open' seen",
            )),
            Method::ChannelClose(_) => {
                self.end_consumers(link, number, out);
                self.uncount(number);
                self.channels.remove(&number);
                put(out, number, &Method::ChannelCloseOk(channel::CloseOk));
                Ok(())
            }
            Method::ChannelFlow(flow) if flow.active => {
                let flow_ok = channel::FlowOk { active: true };
                put(out, number, &Method::ChannelFlowOk(flow_ok));
                Ok(())
            }
            Method::AccessRequest(_) => {
                let request_ok = access::RequestOk { ticket: 1 };
                put(out, number, &Method::AccessRequestOk(request_ok));
                Ok(())
            }
            Method::ConfirmSelect(select) => self.handle_confirm_select(number, *select, out),
            Method::TxSelect(_) => self.handle_tx_select(number, out),
            Method::TxCommit(_) => self.handle_tx_commit(link, number, out),
            Method::TxRollback(_) => self.handle_tx_rollback(number, out),
            _ if id.class_id == basic::CLASS_ID => self.handle_basic(link, number, method, out),
            _ => {
                let asked = match exchange_command(method)? {
                    Some(asked) => Some(asked),
                    None => queue_command(channel, method)?,
                };
                let (command, purpose) = asked.ok_or_else(|| Failure::not_implemented(id))?;
                self.ask(link, (number, id), command, purpose, out);
                Ok(())
            }
        }
    }

    fn handle_basic(
        &mut self,
        link: &mut Link,
        number: u16,
        method: &Method<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let asked = (number, method.id());
        let rejected = |requeue| {
            if requeue {
                Outcome::Fail
            } else {
                Outcome::Reject
            }
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other methods are not there yet"
        )]
        match method {
            Method::BasicQos(qos) => self.handle_qos(link, number, *qos, out),
            Method::BasicGet(get) => self.handle_get(link, number, get, out),
            Method::BasicConsume(consume) => self.handle_consume(link, number, consume, out),
            Method::BasicCancel(cancel) => {
                self.handle_cancel(link, number, *cancel, out);
                Ok(())
            }
            // The answer to the server's own.
            Method::BasicCancelOk(_) => Ok(()),
            Method::BasicAck(ack) => {
                let tags = (ack.delivery_tag, ack.multiple);
                self.settle(link, asked, tags, Outcome::Accept, out)
            }
            Method::BasicNack(nack) => {
                let tags = (nack.delivery_tag, nack.multiple);
                self.settle(link, asked, tags, rejected(nack.requeue), out)
            }
            Method::BasicReject(reject) => {
                let tags = (reject.delivery_tag, false);
                self.settle(link, asked, tags, rejected(reject.requeue), out)
            }
            Method::BasicRecover(recover) if recover.requeue => {
                self.settle(link, asked, (0, true), Outcome::Release, out)?;
                put(out, number, &Method::BasicRecoverOk(basic::RecoverOk));
                Ok(())
            }
            Method::BasicRecoverAsync(recover) if recover.requeue => {
                self.settle(link, asked, (0, true), Outcome::Release, out)
            }
            _ => Err(Failure::not_implemented(method.id())),
        }
    }

    fn open_channel(
        &mut self,
        number: u16,
        method: MethodId,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if method != channel::Open::ID {
            let text = "expected 'channel.open'";
            return Err(Failure::new(ReplyCode::ChannelError, method, text));
        }
        let (count, max) = (self.channels.len(), self.channels_max);
        if count >= usize::from(max) {
            return Err(Failure::new(
                ReplyCode::NotAllowed,
                method,
                format_args!(
                    "number of channels opened ({count}) has reached the negotiated channel_max ({max})"
                ),
            ));
        }
        self.last_serial += 1;
        self.channels.insert(number, Channel::new(self.last_serial));
        put(out, number, &Method::ChannelOpenOk(channel::OpenOk));
        Ok(())
    }

    /// Passes over what comes behind `channel.close`, but for its answer, and for one that crossed it.
    fn handle_closing(&mut self, number: u16, method: MethodId, out: &mut Out) {
        match method {
            channel::CloseOk::ID => {
                self.channels.remove(&number);
            }
            // The answer to ours is still to come.
            channel::Close::ID => put(out, number, &Method::ChannelCloseOk(channel::CloseOk)),
            _ => {}
        }
    }

    /// Asks the broker; nothing is read before its answer.
    pub(super) fn ask(
        &mut self,
        link: &mut Link,
        (channel, method): (u16, MethodId),
        command: Command,
        purpose: Purpose,
        out: &mut Out,
    ) {
        self.flush(link, out);
        let serial = self.channels.get(&channel).map_or(0, |it| it.serial);
        self.awaited = Some(Awaited {
            serial,
            command: link.barrier(out, channel, command),
            channel,
            method,
            purpose,
        });
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

    fn handle_answer(
        &mut self,
        link: &mut Link,
        awaited: &Awaited,
        result: Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let reply = match result {
            Ok(reply) => reply,
            // The connection's own: the password is not the user's.
            Err(refusal) if awaited.channel == 0 => {
                let text = refusal.to_string();
                return Err(Failure::new(ReplyCode::NotAllowed, awaited.method, text));
            }
            Err(refusal) => return self.handle_refusal(link, awaited, &refusal, out),
        };
        let asked = (awaited.channel, awaited.method);
        match awaited.purpose {
            Purpose::Nothing => Ok(()),
            Purpose::Answer(answer) => {
                put(out, awaited.channel, &answer);
                Ok(())
            }
            Purpose::DeclaredQueue { .. } | Purpose::DeletedQueue | Purpose::PurgedQueue => {
                let channel = self.channels.get_mut(&awaited.channel);
                put_answer(channel, asked, awaited.purpose, reply, out)
            }
            Purpose::Committing => {
                self.finish_commit(link, awaited.channel, out);
                Ok(())
            }
            Purpose::Consuming { id, no_wait } => {
                if !no_wait {
                    self.put_consume_ok(awaited.channel, id, out);
                }
                self.share_out(link, awaited.channel, out);
                Ok(())
            }
            Purpose::Getting { id } => self.finish_get(link, asked, id, &reply, out),
            Purpose::Canceling { id, no_wait } => {
                self.finish_cancel(awaited.channel, id, no_wait, out);
                self.flush(link, out);
                Ok(())
            }
        }
    }

    fn handle_refusal(
        &mut self,
        link: &mut Link,
        awaited: &Awaited,
        refusal: &Refusal,
        out: &mut Out,
    ) -> Result<(), Failure> {
        match (awaited.purpose, refusal) {
            // The broker has ended it by itself.
            (Purpose::Canceling { id, no_wait }, _) => {
                self.finish_cancel(awaited.channel, id, no_wait, out);
                return Ok(());
            }
            (Purpose::Consuming { id, .. } | Purpose::Getting { id }, _) => {
                self.forget_consumer(id);
                // Who is asked may know it, though its queue does not.
                link.submit(out, Command::Cancel(id));
                if let Refusal::QueueInUse(name) = refusal {
                    return Err(in_exclusive_use(name, awaited.method));
                }
            }
            (
                Purpose::Nothing
                | Purpose::Answer(_)
                | Purpose::Committing
                | Purpose::DeclaredQueue { .. }
                | Purpose::DeletedQueue
                | Purpose::PurgedQueue,
                _,
            ) => {}
        }
        Err(Failure::refused(refusal, awaited.method))
    }
}
