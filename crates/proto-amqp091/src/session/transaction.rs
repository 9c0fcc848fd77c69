//! `tx`: what a channel publishes and settles takes effect together.

use super::awaited::Purpose;
use super::consumers::Unsettled;
use super::failure::Failure;
use super::open::Open;
use super::{Link, put};
use crate::{Method, MethodId, ReplyCode, basic, confirm, tx};
use broker_api::{Command, Confirm, Out, Settle, Transaction, Unroutable};
use model::{Message, Outcome};

/// What a settlement is charged with, in bytes.
const HELD_BYTES: usize = size_of::<Held>();

/// What a channel has gathered since the last commit. Bounded in bytes.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    publishes: Vec<Message>,
    /// Places of those that are to be returned if they go nowhere.
    returns: Vec<usize>,
    held: Vec<Held>,
    bytes: usize,
}

/// A delivery that is settled with the commit.
#[derive(Clone, Copy, Debug)]
struct Held {
    tag: u64,
    unsettled: Unsettled,
    outcome: Outcome,
}

impl Gathered {
    /// What it takes, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// `bound` is what all channels of the connection have gathered, and how much they may.
    pub(super) fn publish(
        &mut self,
        message: Message,
        unroutable: Unroutable,
        bound: (&mut usize, usize),
    ) -> Result<(), Failure> {
        self.charge(message.cost_bytes(), bound, basic::Publish::ID)?;
        match unroutable {
            Unroutable::Return => self.returns.push(self.publishes.len()),
            Unroutable::Drop => {}
        }
        self.publishes.push(message);
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        (tag, unsettled): (u64, Unsettled),
        outcome: Outcome,
        bound: (&mut usize, usize),
        method: MethodId,
    ) -> Result<(), Failure> {
        self.charge(HELD_BYTES, bound, method)?;
        self.held.push(Held {
            tag,
            unsettled,
            outcome,
        });
        Ok(())
    }

    fn charge(
        &mut self,
        bytes: usize,
        (all, limit): (&mut usize, usize),
        method: MethodId,
    ) -> Result<(), Failure> {
        self.bytes += bytes;
        *all += bytes;
        if *all <= limit {
            return Ok(());
        }
        let text = format!(
            "a transaction is larger than what is left of the connection's limit of {limit} bytes"
        );
        Err(Failure::new(ReplyCode::PreconditionFailed, method, text))
    }

    /// What is settled, neighbors with the same subscription and outcome together.
    fn settles(&self) -> Vec<Settle> {
        let mut settles: Vec<Settle> = Vec::new();
        for held in &self.held {
            let subscription = held.unsettled.subscription;
            let sequence = held.unsettled.sequence;
            match settles.last_mut() {
                Some(last) if (last.subscription, last.outcome) == (subscription, held.outcome) => {
                    last.sequences.push(sequence);
                }
                Some(_) | None => settles.push(Settle {
                    subscription,
                    sequences: vec![sequence],
                    outcome: held.outcome,
                    confirm: Confirm::Unwanted,
                }),
            }
        }
        settles
    }
}

impl Open {
    pub(super) fn handle_confirm_select(
        &mut self,
        number: u16,
        select: confirm::Select,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Some(channel) = self.channels.get_mut(&number) else {
            return Ok(());
        };
        if channel.transaction.is_some() {
            let text = "cannot switch from tx to confirm mode";
            let code = ReplyCode::PreconditionFailed;
            return Err(Failure::new(code, confirm::Select::ID, text));
        }
        channel.confirms.get_or_insert_default();
        if !select.no_wait {
            put(out, number, &Method::ConfirmSelectOk(confirm::SelectOk));
        }
        Ok(())
    }

    pub(super) fn handle_tx_select(&mut self, number: u16, out: &mut Out) -> Result<(), Failure> {
        let Some(channel) = self.channels.get_mut(&number) else {
            return Ok(());
        };
        if channel.confirms.is_some() {
            let text = "cannot switch from confirm to tx mode";
            let code = ReplyCode::PreconditionFailed;
            return Err(Failure::new(code, tx::Select::ID, text));
        }
        channel.transaction.get_or_insert_default();
        put(out, number, &Method::TxSelectOk(tx::SelectOk));
        Ok(())
    }

    /// Does all that was gathered, or, if the broker refuses, closes the channel.
    pub(super) fn handle_tx_commit(
        &mut self,
        link: &mut Link,
        number: u16,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let mut gathered = self.take_gathered(number, tx::Commit::ID)?;
        // Of what the broker has ended there is nothing to settle.
        let channel = &mut self.channels.get_mut(&number);
        gathered.held.retain(|it| {
            let is_there = self.consumers.has(it.unsettled.subscription);
            if !is_there && let Some(channel) = channel {
                channel.leave_hand(&it.unsettled);
            }
            is_there
        });
        self.committing = gathered.held.iter().map(|it| it.unsettled).collect();
        let transaction = Transaction {
            settles: gathered.settles(),
            publishes: gathered.publishes,
            returns: gathered.returns,
            ..Transaction::default()
        };
        let asked = (number, tx::Commit::ID);
        let command = Command::Commit(Box::new(transaction));
        self.ask(link, asked, command, Purpose::Committing, out);
        Ok(())
    }

    /// The broker has done all of it.
    pub(super) fn finish_commit(&mut self, link: &mut Link, number: u16, out: &mut Out) {
        for settled in std::mem::take(&mut self.committing) {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.leave_hand(&settled);
            }
            self.note_settled(settled.subscription);
        }
        self.settling.note_room(number);
        self.flush(link, out);
        put(out, number, &Method::TxCommitOk(tx::CommitOk));
    }

    /// Forgets what was gathered: what was to be settled is not.
    pub(super) fn handle_tx_rollback(&mut self, number: u16, out: &mut Out) -> Result<(), Failure> {
        let gathered = self.take_gathered(number, tx::Rollback::ID)?;
        self.timeouts.note_delivery();
        if let Some(channel) = self.channels.get_mut(&number) {
            for held in gathered.held {
                channel.put_back(held.tag, held.unsettled);
            }
        }
        put(out, number, &Method::TxRollbackOk(tx::RollbackOk));
        Ok(())
    }

    fn take_gathered(&mut self, number: u16, method: MethodId) -> Result<Gathered, Failure> {
        let channel = self.channels.get_mut(&number);
        let transaction = channel.and_then(|it| it.transaction.as_mut());
        let gathered = transaction.map(std::mem::take).ok_or_else(|| {
            let text = "channel is not transactional";
            Failure::new(ReplyCode::PreconditionFailed, method, text)
        })?;
        self.gathered_bytes -= gathered.bytes;
        Ok(gathered)
    }
}
