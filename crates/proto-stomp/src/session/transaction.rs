//! BEGIN, COMMIT, ABORT: what transactions gather.

use super::awaited::Purpose;
use super::open::{Open, receipt_of};
use super::subscriptions::{Unsettled, broker_id};
use super::{Link, Step};
use crate::frame::{Frame, HeaderName};
use crate::violation::{Excerpt, Violation};
use broker_api::{Command, Confirm, Out, Settle, Transaction};
use model::{Message, Outcome, SubscriptionId};
use std::collections::BTreeMap;

/// What a delivery that a transaction is to settle is charged with, in bytes.
const HELD_BYTES: usize = size_of::<Held>();

/// What an open transaction is charged with beside its name, in bytes.
const OPEN_BYTES: usize = size_of::<Gathered>();

/// The open transactions of a connection, by the client's name for them. Bounded in number and in bytes.
#[derive(Debug)]
pub(super) struct Transactions {
    open: BTreeMap<Box<[u8]>, Gathered>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

/// What one transaction has gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    publishes: Vec<Message>,
    /// In the order of the ACKs and NACKs.
    held: Vec<Held>,
    bytes: usize,
}

/// A delivery that waits for its transaction to settle it.
#[derive(Debug)]
pub(super) struct Held {
    /// The client's subscription.
    pub(super) subscription: SubscriptionId,
    pub(super) tag: u64,
    pub(super) delivery: Unsettled,
    pub(super) outcome: Outcome,
}

impl Transactions {
    pub(super) const fn new(count_max: usize, bytes_max: usize) -> Self {
        Self {
            open: BTreeMap::new(),
            bytes: 0,
            count_max,
            bytes_max,
        }
    }

    /// Whether a frame is part of a transaction; an error if there is none of that name.
    pub(super) fn is_in_one(&self, frame: &Frame<'_>) -> Result<bool, Violation> {
        match frame.value(HeaderName::Transaction) {
            None => Ok(false),
            Some(name) if self.open.contains_key(&*name) => Ok(true),
            Some(name) => Err(Violation::TransactionNotFound(Excerpt::of(&name))),
        }
    }

    /// Adds messages to the transaction that a frame names, if it names one.
    pub(super) fn add_message(
        &mut self,
        frame: &Frame<'_>,
        message: Message,
    ) -> Result<(), Violation> {
        let bytes = message.cost_bytes();
        self.charge(frame, bytes)?.publishes.push(message);
        Ok(())
    }

    /// Adds a delivery to be settled.
    pub(super) fn add_held(&mut self, frame: &Frame<'_>, held: Held) -> Result<(), Violation> {
        self.charge(frame, HELD_BYTES)?.held.push(held);
        Ok(())
    }

    /// Whether there is room for this many bytes more.
    pub(super) const fn check_room(&self, bytes: usize) -> Result<(), Violation> {
        if self.bytes.saturating_add(bytes) > self.bytes_max {
            return Err(Violation::TransactionTooLarge {
                limit: self.bytes_max,
            });
        }
        Ok(())
    }

    fn charge(&mut self, frame: &Frame<'_>, bytes: usize) -> Result<&mut Gathered, Violation> {
        self.check_room(bytes)?;
        let name = frame.value(HeaderName::Transaction).unwrap_or_default();
        let gathered = self
            .open
            .get_mut(&*name)
            .ok_or_else(|| Violation::TransactionNotFound(Excerpt::of(&name)))?;
        gathered.bytes += bytes;
        self.bytes += bytes;
        Ok(gathered)
    }

    fn begin(&mut self, name: &[u8]) -> Result<(), Violation> {
        if self.open.contains_key(name) {
            return Err(Violation::TransactionExists(Excerpt::of(name)));
        }
        if self.open.len() >= self.count_max {
            return Err(Violation::TooManyTransactions {
                limit: self.count_max,
            });
        }
        let bytes = OPEN_BYTES + name.len();
        self.check_room(bytes)?;
        let gathered = Gathered {
            bytes,
            ..Gathered::default()
        };
        self.bytes += bytes;
        self.open.insert(name.into(), gathered);
        Ok(())
    }

    fn end(&mut self, name: &[u8]) -> Result<Gathered, Violation> {
        let gathered = self
            .open
            .remove(name)
            .ok_or_else(|| Violation::TransactionNotFound(Excerpt::of(name)))?;
        self.bytes -= gathered.bytes;
        Ok(gathered)
    }
}

impl Open {
    pub(super) fn handle_begin(
        &mut self,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        self.transactions.begin(&name_in(frame)?)?;
        if let Some(receipt) = receipt_of(frame) {
            receipt.put(out);
        }
        Ok(Step::Taken)
    }

    /// Asks the broker to do all of it. Nothing behind it is read until that is answered, so that what
    /// follows finds what it did.
    pub(super) fn handle_commit(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let gathered = self.transactions.end(&name_in(frame)?)?;
        let transaction = Transaction {
            publishes: gathered.publishes,
            settles: settles_of(&gathered.held),
            ..Transaction::default()
        };
        let command = Command::Commit(Box::new(transaction));
        let purpose = Purpose::Commit(gathered.held);
        self.barrier(link, out, command, purpose, receipt_of(frame));
        Ok(Step::Taken)
    }

    /// The broker has done all of a transaction that was to settle these.
    pub(super) fn handle_committed(&mut self, link: &mut Link, committed: &[Held], out: &mut Out) {
        for held in committed {
            if let Some(subscription) = self.subscriptions.get_mut(held.subscription) {
                subscription.held -= 1;
                // As in RabbitMQ, only now is there room for more.
                if subscription.handle_settled(held.delivery.member) {
                    let id = broker_id(held.subscription, held.delivery.member);
                    self.settling.granted.push(id);
                }
            }
        }
        self.release_leaving(link, committed, out);
        self.flush(link, out);
    }

    /// Forgets all of it: what it was to settle can be settled again.
    pub(super) fn handle_abort(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let gathered = self.transactions.end(&name_in(frame)?)?;
        for held in &gathered.held {
            if let Some(subscription) = self.subscriptions.get_mut(held.subscription) {
                subscription.held -= 1;
                subscription.unsettled.insert(held.tag, held.delivery);
            }
        }
        self.release_leaving(link, &gathered.held, out);
        if let Some(receipt) = receipt_of(frame) {
            receipt.put(out);
        }
        Ok(Step::Taken)
    }

    /// Ends subscriptions that the client has left and that waited for this transaction.
    fn release_leaving(&mut self, link: &mut Link, held: &[Held], out: &mut Out) {
        for held in held {
            let id = held.subscription;
            let is_done = self
                .subscriptions
                .get_mut(id)
                .is_some_and(|subscription| subscription.is_leaving && subscription.held == 0);
            if is_done {
                self.cancel(link, id, None, out);
            }
        }
    }
}

fn name_in<'a>(frame: &Frame<'a>) -> Result<std::borrow::Cow<'a, [u8]>, Violation> {
    frame
        .value(HeaderName::Transaction)
        .ok_or(Violation::MissingHeader {
            command: frame.command,
            header: "transaction",
        })
}

/// Neighbors of the same subscription and outcome together.
fn settles_of(held: &[Held]) -> Vec<Settle> {
    let mut settles: Vec<Settle> = Vec::new();
    for held in held {
        let subscription = broker_id(held.subscription, held.delivery.member);
        match settles.last_mut() {
            Some(last) if last.subscription == subscription && last.outcome == held.outcome => {
                last.sequences.push(held.delivery.sequence);
            }
            _ => settles.push(Settle {
                subscription,
                sequences: vec![held.delivery.sequence],
                outcome: held.outcome,
                confirm: Confirm::Unwanted,
            }),
        }
    }
    settles
}
