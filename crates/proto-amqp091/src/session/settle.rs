//! `basic.ack`, `nack`, `reject`, `recover`.

use super::Link;
use super::consumers::{Consumers, Unsettled};
use super::failure::Failure;
use super::open::Open;
use crate::{MethodId, ReplyCode};
use broker_api::{Command, Confirm, Out, Settle};
use model::{Outcome, Sequence, SubscriptionId};

/// Settlements of one piece of input, gathered so that many acks make one command.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Neighbors with the same subscription and outcome.
    run: Option<(SubscriptionId, Outcome, Vec<Sequence>)>,
    /// Subscriptions that have room again, or that end; each is there once.
    due: Vec<SubscriptionId>,
}

impl Settling {
    /// Adds a settlement behind all that came before.
    fn add(&mut self, link: &mut Link, out: &mut Out, settled: Unsettled, outcome: Outcome) {
        match &mut self.run {
            Some((subscription, of_run, sequences))
                if (*subscription, *of_run) == (settled.subscription, outcome) =>
            {
                sequences.push(settled.sequence);
            }
            Some(_) | None => {
                self.flush_run(link, out);
                self.run = Some((settled.subscription, outcome, vec![settled.sequence]));
            }
        }
    }

    /// Sends the run that was gathered, if any.
    fn flush_run(&mut self, link: &mut Link, out: &mut Out) {
        if let Some((subscription, outcome, sequences)) = self.run.take() {
            let settle = Settle {
                subscription,
                sequences,
                outcome,
                confirm: Confirm::Unwanted,
            };
            link.submit(out, Command::Settle(settle));
        }
    }

    /// Sends all that was gathered: settlements, what they make room for, and the ends of consumers that
    /// have nothing in hand any more.
    pub(super) fn flush(&mut self, link: &mut Link, consumers: &mut Consumers, out: &mut Out) {
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
                link.submit(out, Command::Grant(id, grant));
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
        if !multiple {
            let settled = channel.unsettled.remove(tag);
            let settled = settled.ok_or_else(|| unknown_tag(tag, method))?;
            self.settle_one(link, settled, outcome, out);
            return Ok(());
        }
        if tag != 0 && channel.unsettled.get(tag).is_none() {
            return Err(unknown_tag(tag, method));
        }
        let last = if tag == 0 { u64::MAX } else { tag };
        while let Some(channel) = self.channels.get_mut(&number)
            && channel.unsettled.first().is_some_and(|(it, _)| it <= last)
            && let Some((_, settled)) = channel.unsettled.pop_first()
        {
            self.settle_one(link, settled, outcome, out);
        }
        Ok(())
    }

    fn settle_one(&mut self, link: &mut Link, settled: Unsettled, outcome: Outcome, out: &mut Out) {
        let id = settled.subscription;
        // Of one that the broker has ended there is nothing to settle.
        let Some(consumer) = self.consumers.get_mut(id) else {
            return;
        };
        let is_due = consumer.handle_settled();
        self.settling.add(link, out, settled, outcome);
        if is_due {
            self.settling.due.push(id);
        }
    }

    /// Sends what was gathered.
    pub(super) fn flush(&mut self, link: &mut Link, out: &mut Out) {
        self.settling.flush(link, &mut self.consumers, out);
    }
}

fn unknown_tag(tag: u64, method: MethodId) -> Failure {
    let text = format!("unknown delivery tag {tag}");
    Failure::new(ReplyCode::PreconditionFailed, method, text)
}
