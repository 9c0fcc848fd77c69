//! ACK and NACK.

use super::delivery_id::DeliveryId;
use super::open::{Open, receipt_of};
use super::subscriptions::{AckMode, SubscriptionName};
use super::{Link, Step};
use crate::Version;
use crate::frame::{ClientCommand, Frame, HeaderName};
use crate::violation::{Excerpt, Violation};
use broker_api::{Command, Confirm, Out, Settle};
use model::{Outcome, Sequence, SubscriptionId};

/// Settlements of one piece of input, gathered so that many ACKs make one command.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Neighbors with the same subscription and outcome.
    run: Option<Run>,
    /// Subscriptions with a bound that have room again; each is told once.
    pub(super) granted: Vec<SubscriptionId>,
}

#[derive(Debug)]
struct Run {
    subscription: SubscriptionId,
    outcome: Outcome,
    sequences: Vec<Sequence>,
}

impl Settling {
    /// The list to add to, behind all settlements that came before.
    fn run_of(
        &mut self,
        link: &mut Link,
        out: &mut Out,
        subscription: SubscriptionId,
        outcome: Outcome,
    ) -> &mut Vec<Sequence> {
        let continues = self
            .run
            .as_ref()
            .is_some_and(|run| run.subscription == subscription && run.outcome == outcome);
        if !continues {
            self.flush_run(link, out);
        }
        &mut self
            .run
            .get_or_insert_with(|| Run {
                subscription,
                outcome,
                sequences: Vec::new(),
            })
            .sequences
    }

    /// Sends the run that was gathered, if any.
    pub(super) fn flush_run(&mut self, link: &mut Link, out: &mut Out) {
        if let Some(Run {
            subscription,
            outcome,
            sequences,
        }) = self.run.take()
        {
            let confirm = Confirm::Unwanted;
            link.submit(
                out,
                Command::Settle(Settle {
                    subscription,
                    sequences,
                    outcome,
                    confirm,
                }),
            );
        }
    }
}

impl Open {
    pub(super) fn handle_settlement(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        if frame.spelled(HeaderName::Transaction).is_some() {
            return Err(Violation::Transaction(frame.command));
        }
        let outcome = outcome_of(frame)?;
        let DeliveryId {
            subscription: id,
            tag,
            ..
        } = self.delivery_of(link, frame)?;
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return Ok(Step::Taken);
        };
        if subscription.prefetch.is_some() && !subscription.is_grant_due {
            subscription.is_grant_due = true;
            self.settling.granted.push(id);
        }
        let receipt = receipt_of(frame);
        if receipt.is_some() {
            self.settling.flush_run(link, out);
        }
        let sequences = self.settling.run_of(link, out, id, outcome);
        match subscription.ack {
            // STOMP 1.2 "SUBSCRIBE ack Header": the one named and all sent before it.
            AckMode::Client => {
                while subscription
                    .unsettled
                    .first()
                    .is_some_and(|(first, _)| first <= tag)
                {
                    sequences.extend(subscription.unsettled.pop_first().map(|(_, it)| it));
                }
            }
            AckMode::ClientIndividual | AckMode::Auto => {
                sequences.extend(subscription.unsettled.remove(tag));
            }
        }
        if let Some(receipt) = receipt {
            let sequences = std::mem::take(sequences);
            self.settling.run = None;
            let confirm = Confirm::Wanted;
            let settle = Settle {
                subscription: id,
                sequences,
                outcome,
                confirm,
            };
            let command = link.submit(out, Command::Settle(settle));
            self.outstanding.insert(command, Some(receipt));
        }
        Ok(Step::Taken)
    }

    /// The delivery that a frame names, which is unsettled.
    fn delivery_of(&mut self, link: &Link, frame: &Frame<'_>) -> Result<DeliveryId, Violation> {
        let (header, name) = match self.version {
            Version::V12 => (HeaderName::Id, "id"),
            Version::V10 | Version::V11 => (HeaderName::MessageId, "message-id"),
        };
        let text = frame.value(header).ok_or(Violation::MissingHeader {
            command: frame.command,
            header: name,
        })?;
        let not_found = || Violation::DeliveryNotFound {
            command: frame.command,
            id: Excerpt::of(&text),
        };
        let id = DeliveryId::parse(&text)
            .filter(|id| id.connection == link.connection)
            .ok_or_else(not_found)?;
        // 1.1 names the subscription as well; it must be the delivery's.
        if self.version == Version::V11
            && let Some(value) = frame.value(HeaderName::Subscription)
            && self
                .subscriptions
                .id_of(&SubscriptionName::Id((&*value).into()))
                != Some(id.subscription)
        {
            return Err(not_found());
        }
        self.subscriptions
            .get_mut(id.subscription)
            .is_some_and(|subscription| subscription.unsettled.get(id.tag).is_some())
            .then_some(id)
            .ok_or_else(not_found)
    }
}

fn outcome_of(frame: &Frame<'_>) -> Result<Outcome, Violation> {
    if frame.command == ClientCommand::Ack {
        return Ok(Outcome::Accept);
    }
    match frame.value(HeaderName::Requeue).as_deref() {
        None | Some(b"true") => Ok(Outcome::Release),
        Some(b"false") => Ok(Outcome::Reject),
        Some(value) => Err(Violation::HeaderValue {
            header: "requeue",
            value: Excerpt::of(value),
            expected: "true or false",
        }),
    }
}
