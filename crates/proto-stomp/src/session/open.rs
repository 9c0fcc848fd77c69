//! After CONNECTED: frames become commands, events become frames.

use super::awaited::Awaited;
use super::closing::Closing;
use super::known_queues::KnownQueues;
use super::receipt::{Outstanding, Receipt};
use super::returned::Returned;
use super::settle::Settling;
use super::subscriptions::{Subscriptions, broker_id};
use super::temporary::Temporaries;
use super::transaction::Transactions;
use super::{Failure, Link, Step};
use crate::frame::{ClientCommand, Frame, HeaderName};
use crate::translate::{LIST_LEN_MAX, put_message};
use crate::violation::{Excerpt, Violation};
use crate::{Limits, Version};
use broker_api::{Command, Confirm, Delivery, Event, Out, Refusal, Settle};
use model::{CommandId, Outcome, QueueName, SubscriptionId};

/// A connection in use.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) version: Version,
    /// What CONNECT said of the client.
    pub(super) client_id: Box<[u8]>,
    pub(super) queues: KnownQueues,
    pub(super) subscriptions: Subscriptions,
    pub(super) outstanding: Outstanding,
    pub(super) settling: Settling,
    pub(super) transactions: Transactions,
    pub(super) temporaries: Temporaries,
    /// What has been made for the SUBSCRIBE that is kept.
    pub(super) own_queues: Vec<OwnQueue>,
    /// How far the SUBSCRIBE that is kept has come.
    pub(super) subscribing: Subscribing,
    /// The commands that the next frame waits for.
    pub(super) awaited: Option<Awaited>,
    pub(super) returned: Returned,
    /// Where a head is put together that does not lie in one piece.
    pub(super) scratch: Vec<u8>,
}

/// How far a SUBSCRIBE has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subscribing {
    /// It is tried for the first time.
    First,
    /// Its queue had ended; it is tried for the last time.
    Last,
    /// It is done; the frame is still to be taken.
    Done,
}

/// A queue that a SUBSCRIBE to an exchange reads from.
#[derive(Debug)]
pub(super) struct OwnQueue {
    /// For which of its destinations.
    pub(super) at: usize,
    pub(super) name: QueueName,
    pub(super) is_bound: bool,
}

impl Open {
    pub(super) fn new(version: Version, client_id: Box<[u8]>, limits: &Limits) -> Self {
        let Limits {
            transactions_max,
            transaction_bytes_max,
            ..
        } = *limits;
        Self {
            version,
            client_id,
            queues: KnownQueues::new(limits.queue_names_max, LIST_LEN_MAX),
            transactions: Transactions::new(transactions_max, transaction_bytes_max),
            temporaries: Temporaries::default(),
            own_queues: Vec::new(),
            subscribing: Subscribing::First,
            subscriptions: Subscriptions::default(),
            outstanding: Outstanding::default(),
            settling: Settling::default(),
            awaited: None,
            returned: Returned::default(),
            scratch: Vec::new(),
        }
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Whether nothing is read until the broker answers.
    pub(super) const fn is_waiting(&self) -> bool {
        self.awaited.is_some() || !self.returned.is_empty()
    }

    /// What is kept for answers that the client waits for, in bytes.
    pub(super) const fn unanswered_bytes(&self) -> usize {
        self.outstanding.bytes() + self.returned.bytes()
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
            ClientCommand::Begin => self.handle_begin(frame, out),
            ClientCommand::Commit => self.handle_commit(link, frame, out),
            ClientCommand::Abort => self.handle_abort(link, frame, out),
            ClientCommand::Connect | ClientCommand::Stomp => {
                Err(Violation::AlreadyConnected(frame.command))
            }
        }
    }

    pub(super) fn handle_event(
        &mut self,
        link: &mut Link,
        event: Event,
        out: &mut Out,
    ) -> Result<(), Failure> {
        match event {
            Event::Delivery(delivery) => {
                self.handle_delivery(link, &delivery, out);
                Ok(())
            }
            Event::Confirmed(id) => {
                self.outstanding.handle_answer(id, out);
                Ok(())
            }
            Event::Done(id, result) => {
                if self.awaited.as_ref().is_some_and(|it| it.covers(id)) {
                    return self.handle_awaited(link, result, out);
                }
                if self.returned.awaits(id) {
                    let (queues, outstanding) = (&mut self.queues, &mut self.outstanding);
                    self.returned
                        .handle_done(link, id, result, queues, outstanding, out)?;
                    self.release_barrier(out);
                    return Ok(());
                }
                match result {
                    Ok(_) => {
                        self.outstanding.handle_answer(id, out);
                        Ok(())
                    }
                    Err(refusal) => self.outstanding.handle_refusal(id, &refusal),
                }
            }
            Event::Drained(id) => {
                self.handle_drained(link, id, out);
                Ok(())
            }
            Event::Returned(id, message) => {
                let (queues, outstanding) = (&mut self.queues, &mut self.outstanding);
                self.returned
                    .add(link, id, message, queues, outstanding, out);
                Ok(())
            }
            Event::Ended(id, refusal) => self.handle_ended(id, &refusal),
            // STOMP has no words for it: receipts come later.
            Event::Blocked(_) | Event::Unblocked => Ok(()),
            Event::Disconnect(refusal) => Err(Failure::refused(&refusal, None)),
        }
    }

    fn handle_delivery(&mut self, link: &mut Link, delivery: &Delivery, out: &mut Out) {
        let id = delivery.subscription;
        // A delivery that crossed its UNSUBSCRIBE is released by the broker.
        let Some((_, member, subscription)) = self.subscriptions.member_mut(id) else {
            return;
        };
        if subscription.is_leaving {
            let settle = Settle {
                subscription: id,
                sequences: vec![delivery.sequence],
                outcome: Outcome::Release,
                confirm: Confirm::Unwanted,
            };
            link.submit(out, Command::Settle(settle));
            return;
        }
        let tag = subscription.add_delivery(member, delivery.sequence);
        let wire = &mut out.wire;
        let opening = &subscription.opening;
        put_message(wire, self.version, link.heads, opening, tag, delivery);
    }

    /// A subscription that browses has seen all; no other asks for a drain.
    fn handle_drained(&mut self, link: &mut Link, id: SubscriptionId, out: &mut Out) {
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        let Some(end) = &subscription.browser_end else {
            return;
        };
        out.wire.put(end.as_bytes());
        self.subscriptions.end_browsing(id);
        let command = link.submit(out, Command::Cancel(id));
        // The broker may have ended it by itself.
        self.outstanding.insert_forgiven(command);
    }

    fn handle_ended(&mut self, id: SubscriptionId, refusal: &Refusal) -> Result<(), Failure> {
        let Some((_, _, subscription)) = self.subscriptions.member_mut(id) else {
            // It crossed the client's own UNSUBSCRIBE.
            return Ok(());
        };
        if subscription.is_leaving {
            return Ok(());
        }
        let mut failure = Failure::refused(refusal, None);
        let name = subscription.name.as_bytes();
        failure.detail = format!("subscription '{}' has ended: {refusal}", Excerpt::of(name));
        failure.subscription = Some(name.into());
        Err(failure)
    }

    /// Sends a command, behind the settlements gathered before it.
    pub(super) fn submit(&mut self, link: &mut Link, out: &mut Out, command: Command) -> CommandId {
        self.settling.flush_run(link, out);
        link.submit(out, command)
    }

    /// Ends one of the client's subscriptions, with a receipt when the broker has.
    pub(super) fn cancel(
        &mut self,
        link: &mut Link,
        id: SubscriptionId,
        receipt: Option<Receipt>,
        out: &mut Out,
    ) {
        let Some(subscription) = self.subscriptions.remove(id) else {
            return;
        };
        self.queues.forget_fleeting();
        let mut commands = None;
        for member in subscription.members() {
            let command = self.submit(link, out, Command::Cancel(broker_id(id, member)));
            commands = Some((commands.map_or(command, |(first, _)| first), command));
        }
        if let Some((first, last)) = commands {
            self.outstanding.insert_all(first, last, receipt);
        }
    }

    /// Sends what was gathered: settlements, and the grants that they make room for.
    pub(super) fn flush(&mut self, link: &mut Link, out: &mut Out) {
        self.settling.flush_run(link, out);
        for id in self.settling.granted.drain(..) {
            if let Some((_, member, subscription)) = self.subscriptions.member_mut(id) {
                subscription.counts_mut(member).is_grant_due = false;
                if !subscription.is_leaving {
                    link.submit(out, Command::Grant(id, subscription.grant(member)));
                }
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
        for id in self.subscriptions.broker_ids() {
            link.submit(out, Command::Cancel(id));
        }
        Closing::new(self.outstanding, self.queues, receipt)
    }
}

/// The receipt that a frame asks for.
pub(super) fn receipt_of(frame: &Frame<'_>) -> Option<Receipt> {
    frame.spelled(HeaderName::Receipt).map(Receipt::new)
}
