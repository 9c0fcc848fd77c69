//! The methods of a channel: each leads to who does it.

use super::awaited::Purpose;
use super::channel::Channel;
use super::exchange::exchange_command;
use super::failure::Failure;
use super::open::Open;
use super::queue::queue_command;
use super::replies::is_about_replies;
use super::{Link, put};
use crate::{Method, MethodId, ReplyCode, access, basic, channel};
use broker_api::{Command, Out};
use model::{Outcome, SubscriptionId};

impl Open {
    pub(super) fn handle_channel_method(
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
            return self.handle_closing(number, id, out);
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
            // Whether what it published may be is told before, or the client would never know.
            Method::ChannelClose(_) if channel.has_published => {
                // Refused at once, behind what is refused of the publishes; it does not wait for room for them.
                let nobody = Command::Cancel(SubscriptionId(0));
                self.ask(link, (number, id), nobody, Purpose::ClosingChannel, out);
                Ok(())
            }
            Method::ChannelClose(_) => {
                self.close_channel(link, number, out);
                Ok(())
            }
            // The answer for the one that had its number, which the client had closed at the same time.
            Method::ChannelCloseOk(_) => Ok(()),
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
                    None if is_about_replies(channel, method) => {
                        return self.handle_replies_method(link, number, method, out);
                    }
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

    /// Passes over what comes behind `channel.close`, but for its answer, and for one that crossed it: behind that the
    /// number is the client's again.
    fn handle_closing(
        &mut self,
        number: u16,
        method: MethodId,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let channel = self.channels.get_mut(&number);
        let is_crossed = channel.as_ref().is_some_and(|it| it.is_crossed());
        match method {
            channel::CloseOk::ID => {
                self.channels.remove(&number);
            }
            channel::Close::ID => {
                if let Some(channel) = channel {
                    channel.cross();
                }
                put(out, number, &Method::ChannelCloseOk(channel::CloseOk));
            }
            channel::Open::ID if is_crossed => {
                self.channels.remove(&number);
                return self.open_channel(number, method, out);
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends a channel as its client asked.
    pub(super) fn close_channel(&mut self, link: &mut Link, number: u16, out: &mut Out) {
        self.end_consumers(link, number, out);
        self.uncount(number);
        self.channels.remove(&number);
        put(out, number, &Method::ChannelCloseOk(channel::CloseOk));
    }
}
