//! ACK and NACK.

use super::delivery_id::DeliveryId;
use super::open::{Open, receipt_of};
use super::receipt::Receipt;
use super::subscriptions::{Subscription, SubscriptionName, Unsettled, broker_id};
use super::transaction::Held;
use super::{Link, Step};
use crate::Version;
use crate::frame::{ClientCommand, Frame, HeaderName};
use crate::translate::{AckMode, invalid};
use crate::violation::{Excerpt, Violation};
use broker_api::{Command, Confirm, Out, Settle, SettleRun};
use model::{Outcome, Sequence, SubscriptionId};

/// Settlements of one piece of input, gathered so that many ACKs make one command.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Neighbors with the same subscription and outcome.
    run: SettleRun,
    /// Subscriptions with a bound that have room again; each is told once.
    pub(super) granted: Vec<SubscriptionId>,
}

impl Settling {
    /// Adds a settlement behind all that came before.
    fn add(
        &mut self,
        link: &mut Link,
        out: &mut Out,
        subscription: SubscriptionId,
        outcome: Outcome,
        sequence: Sequence,
    ) {
        if let Some(before) = self.run.add(subscription, outcome, sequence) {
            link.submit(out, before);
        }
    }

    /// Sends the run that was gathered, if any.
    pub(super) fn flush_run(&mut self, link: &mut Link, out: &mut Out) {
        if let Some(run) = self.run.take() {
            link.submit(out, run);
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
        let is_in_transaction = self.transactions.is_in_one(frame)?;
        let outcome = outcome_of(frame)?;
        let DeliveryId {
            subscription, tag, ..
        } = self.delivery_of(link, frame)?;
        if is_in_transaction {
            return self.hold(frame, subscription, tag, outcome, out);
        }
        match receipt_of(frame) {
            None => self.settle(link, subscription, tag, outcome, out),
            Some(receipt) => self.settle_confirmed(link, subscription, tag, outcome, receipt, out),
        }
        Ok(Step::Taken)
    }

    fn settle(
        &mut self,
        link: &mut Link,
        id: SubscriptionId,
        tag: u64,
        outcome: Outcome,
        out: &mut Out,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        while let Some((_, delivery)) = take_settled(subscription, tag) {
            let broker_id = broker_id(id, delivery.member);
            if subscription.handle_settled(delivery.member) {
                self.settling.granted.push(broker_id);
            }
            self.settling
                .add(link, out, broker_id, outcome, delivery.sequence);
            if subscription.ack == AckMode::ClientIndividual {
                break;
            }
        }
    }

    /// As [`settle`](Self::settle), with a receipt when all of it is safe.
    fn settle_confirmed(
        &mut self,
        link: &mut Link,
        id: SubscriptionId,
        tag: u64,
        outcome: Outcome,
        receipt: Receipt,
        out: &mut Out,
    ) {
        self.settling.flush_run(link, out);
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        // One for each destination of a list.
        let mut settles: Vec<Settle> = Vec::new();
        while let Some((_, delivery)) = take_settled(subscription, tag) {
            let broker_id = broker_id(id, delivery.member);
            if subscription.handle_settled(delivery.member) {
                self.settling.granted.push(broker_id);
            }
            match settles.iter_mut().find(|it| it.subscription == broker_id) {
                Some(settle) => settle.sequences.push(delivery.sequence),
                None => settles.push(Settle {
                    subscription: broker_id,
                    sequences: vec![delivery.sequence],
                    outcome,
                    confirm: Confirm::Wanted,
                }),
            }
        }
        let mut commands = None;
        for settle in settles {
            let command = link.submit(out, Command::Settle(settle));
            commands = Some((commands.map_or(command, |(first, _)| first), command));
        }
        if let Some((first, last)) = commands {
            self.outstanding.insert_all(first, last, Some(receipt));
        }
    }

    /// Keeps a settlement for the transaction that the frame names. Its receipt says that it is kept.
    fn hold(
        &mut self,
        frame: &Frame<'_>,
        id: SubscriptionId,
        tag: u64,
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            while let Some((tag, delivery)) = take_settled(subscription, tag) {
                subscription.held += 1;
                let held = Held {
                    subscription: id,
                    tag,
                    delivery,
                    outcome,
                };
                self.transactions.add_held(frame, held)?;
            }
        }
        if let Some(receipt) = receipt_of(frame) {
            receipt.put(out);
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
        None | Some(b"true") => Ok(Outcome::Fail),
        Some(b"false") => Ok(Outcome::Reject),
        Some(value) => Err(invalid(frame, HeaderName::Requeue, value, "true or false")),
    }
}

/// Takes the next delivery that an ACK or NACK with this tag settles.
fn take_settled(subscription: &mut Subscription, tag: u64) -> Option<(u64, Unsettled)> {
    match subscription.ack {
        // STOMP 1.2 "SUBSCRIBE ack Header": the one named and all sent before it.
        AckMode::Client => {
            let (first, _) = subscription.unsettled.first()?;
            if first > tag {
                return None;
            }
            subscription.unsettled.pop_first()
        }
        AckMode::ClientIndividual | AckMode::Auto => subscription
            .unsettled
            .remove(tag)
            .map(|delivery| (tag, delivery)),
    }
}
