//! After CONNECTED: frames become commands, events become frames.

use super::closing::Closing;
use super::known_queues::KnownQueues;
use super::receipt::{Outstanding, Receipt};
use super::settle::Settling;
use super::subscriptions::Subscriptions;
use super::{Failure, Link, Step};
use crate::frame::{ClientCommand, Frame, HeaderName};
use crate::translate::put_message;
use crate::violation::{Excerpt, Violation};
use crate::{Limits, Version};
use broker_api::{Command, Delivery, Event, Out};
use model::{CommandId, QueueName};

/// A connection in use.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) version: Version,
    pub(super) queues: KnownQueues,
    pub(super) subscriptions: Subscriptions,
    pub(super) outstanding: Outstanding,
    pub(super) settling: Settling,
    /// The command that the next frame waits for.
    pub(super) awaited: Option<Awaited>,
    /// Where a head is put together that does not lie in one piece.
    pub(super) scratch: Vec<u8>,
}

/// A command behind which nothing is read until it is answered.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) id: CommandId,
    pub(super) purpose: Purpose,
    /// Of the frame that needs the answer.
    pub(super) receipt: Option<Receipt>,
}

/// Why a command is waited for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The frame that is kept needs this queue.
    Declare(QueueName),
    /// A SUBSCRIBE has effect before the frames behind it.
    Subscribe,
}

impl Open {
    pub(super) fn new(version: Version, limits: &Limits) -> Self {
        Self {
            version,
            queues: KnownQueues::new(limits.queue_names_max),
            subscriptions: Subscriptions::default(),
            outstanding: Outstanding::default(),
            settling: Settling::default(),
            awaited: None,
            scratch: Vec::new(),
        }
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Whether nothing is read until the broker answers.
    pub(super) const fn is_waiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// What is kept for answers that the client waits for, in bytes.
    pub(super) const fn unanswered_bytes(&self) -> usize {
        self.outstanding.bytes()
    }

    pub(super) fn handle_frame(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        match frame.command {
            ClientCommand::Send => self.handle_send(link, frame, out),
            ClientCommand::Ack | ClientCommand::Nack => self.handle_settlement(link, frame, out),
            ClientCommand::Subscribe => self.handle_subscribe(link, frame, out),
            ClientCommand::Unsubscribe => self.handle_unsubscribe(link, frame, out),
            ClientCommand::Disconnect => Ok(Step::Disconnected(receipt_of(frame))),
            ClientCommand::Begin | ClientCommand::Commit | ClientCommand::Abort => {
                Err(Violation::Transaction(frame.command))
            }
            ClientCommand::Connect | ClientCommand::Stomp => {
                Err(Violation::AlreadyConnected(frame.command))
            }
        }
    }

    pub(super) fn handle_event(&mut self, event: Event, out: &mut Out) -> Result<(), Failure> {
        match event {
            Event::Delivery(delivery) => {
                self.handle_delivery(&delivery, out);
                Ok(())
            }
            Event::Confirmed(id) => {
                self.outstanding.handle_answer(id, out);
                Ok(())
            }
            Event::Done(id, result) => match self.awaited.take_if(|awaited| awaited.id == id) {
                Some(awaited) => self.handle_awaited(awaited, result, out),
                None => match result {
                    Ok(()) => {
                        self.outstanding.handle_answer(id, out);
                        Ok(())
                    }
                    Err(refusal) => Err(self.outstanding.handle_refusal(id, &refusal)),
                },
            },
            // A drain is never asked for.
            Event::Drained(_) => Ok(()),
            Event::Ended(id, refusal) => match self.subscriptions.get_mut(id) {
                Some(subscription) => {
                    let mut failure = Failure::refused(&refusal, None);
                    let name = Excerpt::of(subscription.name.as_bytes());
                    failure.detail = format!("subscription '{name}' has ended: {refusal}");
                    Err(failure)
                }
                // It crossed the client's own UNSUBSCRIBE.
                None => Ok(()),
            },
            Event::Disconnect(refusal) => Err(Failure::refused(&refusal, None)),
        }
    }

    fn handle_awaited(
        &mut self,
        awaited: Awaited,
        result: Result<(), broker_api::Refusal>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        out.release_barrier();
        let Awaited {
            purpose, receipt, ..
        } = awaited;
        if let Err(refusal) = result {
            return Err(Failure::refused(&refusal, receipt));
        }
        match purpose {
            // The frame that is kept is read again now, and asks for its receipt itself.
            Purpose::Declare(name) => self.queues.insert(name.as_bytes().into()),
            Purpose::Subscribe => {
                if let Some(receipt) = receipt {
                    receipt.put(out);
                }
            }
        }
        Ok(())
    }

    fn handle_delivery(&mut self, delivery: &Delivery, out: &mut Out) {
        // A delivery that crossed its UNSUBSCRIBE is released by the broker.
        if let Some(subscription) = self.subscriptions.get_mut(delivery.subscription) {
            let tag = subscription.add_delivery(delivery.sequence);
            let Delivery {
                redelivered,
                message,
                ..
            } = delivery;
            put_message(
                &mut out.wire,
                self.version,
                &subscription.opening,
                tag,
                *redelivered,
                message,
            );
        }
    }

    /// Sends a command, behind the settlements gathered before it.
    pub(super) fn submit(&mut self, link: &mut Link, out: &mut Out, command: Command) -> CommandId {
        self.settling.flush_run(link, out);
        link.submit(out, command)
    }

    /// Sends a command whose answer the input behind it needs.
    pub(super) fn barrier(
        &mut self,
        link: &mut Link,
        out: &mut Out,
        command: Command,
        purpose: Purpose,
        receipt: Option<Receipt>,
    ) {
        self.settling.flush_run(link, out);
        let id = link.barrier(out, command);
        self.awaited = Some(Awaited {
            id,
            purpose,
            receipt,
        });
    }

    /// Sends what was gathered: settlements, and the grants that they make room for.
    pub(super) fn flush(&mut self, link: &mut Link, out: &mut Out) {
        self.settling.flush_run(link, out);
        for id in self.settling.granted.drain(..) {
            if let Some(subscription) = self.subscriptions.get_mut(id) {
                subscription.is_grant_due = false;
                link.submit(out, Command::Grant(id, subscription.grant()));
            }
        }
    }

    pub(super) fn into_closing(
        mut self: Box<Self>,
        link: &mut Link,
        receipt: Option<Receipt>,
        out: &mut Out,
    ) -> Closing {
        self.flush(link, out);
        // What is delivered from now on must not count as received: the client has said that it takes
        // no more.
        for id in self.subscriptions.ids() {
            link.submit(out, Command::Cancel(id));
        }
        Closing::new(self.outstanding, receipt)
    }
}

/// The receipt that a frame asks for.
pub(super) fn receipt_of(frame: &Frame<'_>) -> Option<Receipt> {
    frame.spelled(HeaderName::Receipt).map(Receipt::new)
}
