//! `basic.ack`, `nack`, `reject`, `recover`.

use super::Link;
use super::channel::Channel;
use super::consumers::{Consumer, Consumers, Unsettled};
use super::failure::Failure;
use super::open::Open;
use crate::{MethodId, ReplyCode};
use broker_api::{Command, Out, SettleRun};
use model::{Outcome, SubscriptionId};

/// Settlements of one piece of input, gathered so that many acks make one command.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Neighbors with the same subscription and outcome.
    run: SettleRun,
    /// Subscriptions that have room again, or that end; each is there once.
    due: Vec<SubscriptionId>,
    /// Channels whose consumers may have room together.
    roomy: Vec<u16>,
}

impl Settling {
    /// Adds a settlement behind all that came before.
    fn add(&mut self, link: &mut Link, out: &mut Out, settled: Unsettled, outcome: Outcome) {
        let Unsettled {
            subscription,
            sequence,
            ..
        } = settled;
        if let Some(before) = self.run.add(subscription, outcome, sequence) {
            link.submit(out, before);
        }
    }

    /// The consumers of a channel may have room again.
    pub(super) fn note_room(&mut self, number: u16) {
        if self.roomy.last() != Some(&number) {
            self.roomy.push(number);
        }
    }

    /// Sends the run that was gathered, if any.
    fn flush_run(&mut self, link: &mut Link, out: &mut Out) {
        if let Some(run) = self.run.take() {
            link.submit(out, run);
        }
    }

    /// Sends all that was gathered: settlements, what they make room for, and the ends of consumers that
    /// have nothing in hand any more.
    pub(super) fn flush(
        &mut self,
        link: &mut Link,
        consumers: &mut Consumers,
        is_shared: impl Fn(u16) -> bool,
        out: &mut Out,
    ) {
        self.flush_run(link, out);
        for id in self.due.drain(..) {
            let Some(consumer) = consumers.get_mut(id) else {
                continue;
            };
            if consumer.is_leaving {
                consumers.remove(id);
                link.submit(out, Command::Cancel(id));
            } else {
                let grant = consumer.take_grant();
                if !is_shared(consumer.channel) {
                    link.submit(out, Command::Grant(id, grant));
                }
            }
        }
    }
}

impl Open {
    /// Ends one delivery, or all up to it; with the tag 0, all there are.
    pub(super) fn settle(
        &mut self,
        link: &mut Link,
        (number, method): (u16, MethodId),
        (tag, multiple): (u64, bool),
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Some(channel) = self.channels.get_mut(&number) else {
            return Ok(());
        };
        if tag != 0 && !channel.has_unsettled(tag) || tag == 0 && !multiple {
            return Err(unknown_tag(tag, method));
        }
        self.settling.note_room(number);
        // What is to be delivered again is not part of a transaction.
        let is_gathered = channel.transaction.is_some() && outcome != Outcome::Release;
        let last = if tag == 0 { u64::MAX } else { tag };
        loop {
            let settled = if multiple {
                channel.take_first_unsettled(last)
            } else {
                channel.take_unsettled(tag).map(|settled| (tag, settled))
            };
            let Some((tag, settled)) = settled else {
                return Ok(());
            };
            // Of a consumer that the broker has ended there is nothing to settle.
            if is_gathered {
                let limit = link.limits.transaction_bytes_max;
                let bound = (&mut self.gathered_bytes, limit);
                gather(channel, (tag, settled), outcome, bound, method)?;
            } else if let Some(consumer) = self.consumers.get_mut(settled.subscription) {
                self.settling.add(link, out, settled, outcome);
                if consumer.handle_settled() {
                    self.settling.due.push(settled.subscription);
                }
            }
            if !multiple {
                return Ok(());
            }
        }
    }

    /// A delivery is settled, which may make room for others.
    pub(super) fn note_settled(&mut self, id: SubscriptionId) {
        let consumer = self.consumers.get_mut(id);
        if consumer.is_some_and(Consumer::handle_settled) {
            self.settling.due.push(id);
        }
    }

    /// Sends what was gathered.
    pub(super) fn flush(&mut self, link: &mut Link, out: &mut Out) {
        let channels = &self.channels;
        let is_shared = |number| {
            let channel = channels.get(&number);
            channel.is_some_and(|channel| channel.pool.is_some())
        };
        self.settling
            .flush(link, &mut self.consumers, is_shared, out);
        for number in std::mem::take(&mut self.settling.roomy) {
            self.hand_out_waiting(link, number, out);
            self.share_out(link, number, out);
        }
    }
}

/// Makes a settlement part of what a channel's transaction gathers.
fn gather(
    channel: &mut Channel,
    settled: (u64, Unsettled),
    outcome: Outcome,
    bound: (&mut usize, usize),
    method: MethodId,
) -> Result<(), Failure> {
    channel.in_hand += u64::from(!settled.1.is_got);
    match &mut channel.transaction {
        Some(transaction) => transaction.settle(settled, outcome, bound, method),
        None => Ok(()),
    }
}

fn unknown_tag(tag: u64, method: MethodId) -> Failure {
    let text = format!("unknown delivery tag {tag}");
    Failure::new(ReplyCode::PreconditionFailed, method, text)
}
