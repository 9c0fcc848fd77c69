//! UNSUBSCRIBE.

use super::awaited::Purpose;
use super::open::{Open, receipt_of};
use super::subscriptions::broker_id;
use super::{Link, Step};
use crate::frame::{Frame, HeaderName};
use crate::translate::boolean;
use crate::violation::{Excerpt, Violation};
use broker_api::{Command, Confirm, DeleteIf, DeleteQueue, Out, Settle};
use model::{Outcome, SubscriptionId};

impl Open {
    pub(super) fn handle_unsubscribe(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let name = self.subscription_name(frame)?;
        let is_for_good = boolean(frame, HeaderName::Durable)? == Some(true)
            || boolean(frame, HeaderName::Persistent)? == Some(true)
            || frame.has(HeaderName::SubscriptionName);
        if self.subscriptions.forget_browsed(&name) {
            if let Some(receipt) = receipt_of(frame) {
                receipt.put(out);
            }
            return Ok(Step::Taken);
        }
        let not_found = || Violation::SubscriptionNotFound(Excerpt::of(name.as_bytes()));
        let id = self
            .subscriptions
            .forget_name(&name)
            .ok_or_else(not_found)?;
        let subscription = self.subscriptions.get_mut(id).ok_or_else(not_found)?;
        let receipt = receipt_of(frame);
        let queues = std::mem::take(&mut subscription.durable_queues);
        if is_for_good && !queues.is_empty() {
            self.cancel(link, id, None, out);
            let delete = |name| {
                Command::DeleteQueue(DeleteQueue {
                    name,
                    condition: DeleteIf::default(),
                })
            };
            let commands = queues.into_iter().map(delete);
            self.barrier_all(link, out, commands, Purpose::Receipt, receipt);
            return Ok(Step::Taken);
        }
        if subscription.held > 0 {
            self.leave(link, id, out);
            if let Some(receipt) = receipt {
                receipt.put(out);
            }
            return Ok(Step::Taken);
        }
        self.cancel(link, id, receipt, out);
        Ok(Step::Taken)
    }

    /// Stops a subscription of which a transaction holds deliveries. The broker must know it until these
    /// are settled; all else is given back.
    fn leave(&mut self, link: &mut Link, id: SubscriptionId, out: &mut Out) {
        self.settling.flush_run(link, out);
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        subscription.is_leaving = true;
        for member in subscription.members() {
            let grant = subscription.last_grant(member);
            link.submit(out, Command::Grant(broker_id(id, member), grant));
        }
        let mut settles: Vec<Settle> = Vec::new();
        for (_, delivery) in subscription.unsettled.drain() {
            let subscription = broker_id(id, delivery.member);
            match settles
                .iter_mut()
                .find(|it| it.subscription == subscription)
            {
                Some(settle) => settle.sequences.push(delivery.sequence),
                None => settles.push(Settle {
                    subscription,
                    sequences: vec![delivery.sequence],
                    outcome: Outcome::Release,
                    confirm: Confirm::Unwanted,
                }),
            }
        }
        for settle in settles {
            link.submit(out, Command::Settle(settle));
        }
    }
}
