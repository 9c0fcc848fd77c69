//! Commands on whose answer all input waits, and what their answers tell the client.

use super::consume::in_exclusive_use;
use super::failure::Failure;
use super::open::Open;
use super::queue::put_answer;
use super::{Link, put};
use crate::{Method, MethodId, ReplyCode};
use broker_api::{Command, Out, Refusal, Reply};
use model::{CommandId, SubscriptionId};
use std::time::Duration;

/// A command on whose answer a method waits.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) command: CommandId,
    pub(super) channel: u16,
    /// Of the channel.
    pub(super) serial: u64,
    method: MethodId,
    pub(super) purpose: Purpose,
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
    /// That the channel is closed.
    ClosingChannel,
    /// That the consumer has begun.
    Consuming {
        id: SubscriptionId,
        /// The client does not wait.
        no_wait: bool,
    },
    /// Nothing yet: the queue of the channel's answers is to be consumed from.
    PreparingReplies {
        id: SubscriptionId,
        /// The client does not wait.
        no_wait: bool,
    },
    /// That the queue of some channel's answers is there.
    FindingReplies {
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

    pub(super) fn handle_answer(
        &mut self,
        link: &mut Link,
        awaited: &Awaited,
        result: Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let asked = (awaited.channel, awaited.method);
        let reply = match result {
            result if let Purpose::FindingReplies { no_wait } = awaited.purpose => {
                return self.finish_finding(asked, no_wait, result, out);
            }
            Ok(reply) => reply,
            // The connection's own: the password is not the user's.
            Err(refusal) if awaited.channel == 0 => {
                let text = refusal.to_string();
                return Err(Failure::new(ReplyCode::NotAllowed, awaited.method, text));
            }
            Err(refusal) => return self.handle_refusal(link, awaited, &refusal, out),
        };
        match awaited.purpose {
            Purpose::Nothing | Purpose::FindingReplies { .. } => Ok(()),
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
            Purpose::ClosingChannel => {
                self.close_channel(link, awaited.channel, out);
                Ok(())
            }
            Purpose::Consuming { id, no_wait } => {
                if !no_wait {
                    self.put_consume_ok(awaited.channel, id, out);
                }
                self.share_out(link, awaited.channel, out);
                if let Reply::SettleWithin(ms) = reply {
                    self.set_settle_within(link, asked, id, Duration::from_millis(ms))?;
                }
                Ok(())
            }
            Purpose::PreparingReplies { id, no_wait } => {
                self.consume_replies(link, asked, (id, no_wait), reply, out)
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
            (Purpose::ClosingChannel, _) => {
                self.close_channel(link, awaited.channel, out);
                return Ok(());
            }
            (
                Purpose::Consuming { id, .. }
                | Purpose::PreparingReplies { id, .. }
                | Purpose::Getting { id },
                _,
            ) => {
                self.forget_consumer(id);
                // Who is asked may know it, though its queue does not.
                link.submit(out, Command::Cancel(id));
                if let Refusal::QueueInUse(name) = refusal {
                    return Err(in_exclusive_use(name, awaited.method));
                }
            }
            (
                Purpose::Nothing
                | Purpose::FindingReplies { .. }
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
