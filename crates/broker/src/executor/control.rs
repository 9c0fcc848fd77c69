//! What an executor is asked, beside publishes.

use super::Executor;
use crate::get::subscribed;
use crate::mailbox::{Control, Subscribing};
use crate::outbox::Outbox;
use crate::routes::QueueTarget;
use crate::shard::{self, Turn};
use broker_api::{Event, Grant, Refusal, Reply};
use model::{CommandId, Instant};
use queue::{CancelCause, Queue, Sharing, SubscriberId};
use std::sync::Arc;

impl Executor {
    pub(super) fn control(&mut self, now: Instant, control: Control) {
        match control {
            Control::Subscribe(subscribing) => self.subscribe(now, subscribing),
            Control::Cancel {
                outbox,
                subscriber,
                target,
                command,
            } => {
                let cause = CancelCause::Asked;
                self.shard(target.shard)
                    .cancel(now, target.queue, subscriber, cause);
                self.deliveries.end_get(subscriber);
                self.deliveries.forget(subscriber);
                self.answer_end(&outbox, subscriber, command);
            }
            Control::StepAside {
                outbox,
                subscriber,
                target,
                command,
            } => {
                self.shard(target.shard)
                    .step_aside(now, target.queue, subscriber);
                self.deliveries.end_get(subscriber);
                self.answer_end(&outbox, subscriber, command);
            }
            Control::Grant {
                subscriber,
                target,
                grant,
            } => self.grant(now, subscriber, target, grant),
            Control::Drain { subscriber, target } => self.drain(now, subscriber, target),
            Control::Settle(settlement) => {
                self.shard(settlement.target.shard).settle(now, settlement);
            }
            Control::Note(noting) => {
                self.shard(noting.target.shard).change_notes(now, noting);
            }
            Control::Recall {
                subscriber,
                target,
                asker,
            } => self
                .shard(target.shard)
                .recall(target.queue, subscriber, asker),
            Control::Bequeath(bequeathing) => {
                self.shard(bequeathing.target.shard).bequeath(*bequeathing);
            }
            Control::Keep(keeping) => self.shard(keeping.target.shard).ask_to_keep(*keeping),
            Control::Room(connection) => {
                for target in self.deliveries.handle_room(connection) {
                    self.shard(target.shard).touch(target.queue);
                }
            }
            Control::Closed(connection) => {
                let cause = CancelCause::ConnectionLost;
                for (subscriber, target) in self.deliveries.remove(connection) {
                    self.shard(target.shard)
                        .cancel(now, target.queue, subscriber, cause);
                }
            }
            Control::Topology(request, asker) => {
                if let (Some(topology), Some(shard)) = (&mut self.topology, self.shards.first_mut())
                {
                    topology.handle(shard, *request, asker);
                    topology.handle_committed(shard.log.committed());
                }
            }
            Control::Adopt(shared) => {
                let target = shared.target;
                let rules = self.node.rules_of(&shared);
                let seed = self.node.settings.seed ^ target.queue.0;
                let queue = Queue::new(rules, seed);
                self.shard(target.shard).host(now, &shared, queue);
            }
            Control::FreePages(target) => self.shard(target.shard).free_pages_of(target.queue),
            Control::LetGo(target) => self.shard(target.shard).let_go(now, target.queue),
            Control::Declared { queue, asker } => {
                let target = queue.target;
                self.shard(target.shard).use_queue(now, target.queue);
                self.declared.push((queue, asker));
            }
            Control::End {
                queue,
                condition,
                asker,
            } => {
                let target = queue.target;
                self.shard(target.shard)
                    .end_if(now, target.queue, condition, asker);
            }
            Control::Purge { target, asker } => {
                self.shard(target.shard).purge(now, target.queue, asker);
            }
            Control::Fill(filling) => self.begin_fill(*filling),
            Control::Forward(..)
            | Control::Forwarded { .. }
            | Control::Transact { .. }
            | Control::Offer { .. }
            | Control::Begin { .. }
            | Control::Prepare { .. }
            | Control::Voted { .. }
            | Control::Decided(_)
            | Control::Applied { .. } => self.control_between_shards(now, control),
        }
    }

    fn control_between_shards(&mut self, now: Instant, control: Control) {
        match control {
            Control::Forward(forward) => self.shard(forward.shard).receive(now, *forward),
            Control::Forwarded { from, id, by } => self.shard(from).handle_forwarded(id, by),
            Control::Transact { shard, part, asker } => {
                self.shard(shard).transact(now, *part, asker);
            }
            Control::Offer { shard, offer, part } => self.shard(shard).offer(offer, *part),
            Control::Begin {
                coordinator,
                shards,
                offer,
                asker,
            } => self.shard(coordinator).begin(shards, offer, asker),
            Control::Prepare { shard, id, offer } => self.shard(shard).prepare(now, id, offer),
            Control::Voted { id, by, vote } => {
                self.shard(id.coordinator).handle_vote(id, by, vote);
            }
            Control::Decided(decided) => {
                self.shard(decided.shard).handle_decision(now, *decided);
            }
            Control::Applied { id, by } => self.shard(id.coordinator).handle_applied(id, by),
            Control::Subscribe(_)
            | Control::Cancel { .. }
            | Control::StepAside { .. }
            | Control::Grant { .. }
            | Control::Drain { .. }
            | Control::Settle(_)
            | Control::Note(_)
            | Control::Recall { .. }
            | Control::Bequeath(_)
            | Control::Keep(_)
            | Control::Room(_)
            | Control::Closed(_)
            | Control::Topology(..)
            | Control::Adopt(_)
            | Control::Declared { .. }
            | Control::LetGo(_)
            | Control::FreePages(_)
            | Control::End { .. }
            | Control::Fill(_)
            | Control::Purge { .. } => unreachable!("these are of one shard"),
        }
    }

    /// Answers who has asked for the end of a subscription, behind what it was delivered.
    fn answer_end(&mut self, outbox: &Arc<Outbox>, subscriber: SubscriberId, command: CommandId) {
        let done = Event::Done(command, Ok(Reply::Nothing));
        if let Err(done) = self.deliveries.answer(subscriber.connection, done) {
            // Its queue has ended before.
            outbox.push(&mut vec![done]);
        }
    }

    fn subscribe(&mut self, now: Instant, subscribing: Subscribing) {
        let Subscribing {
            outbox,
            subscriber,
            target,
            name,
            options,
            drain,
            takes_over,
            command,
        } = subscribing;
        self.deliveries.add(outbox, subscriber, target);
        let is_get = options.sharing == Sharing::Get;
        let shard = self.shard(target.shard);
        let done = if let Some(user) = takes_over {
            shard.take_over(now, target.queue, (subscriber, &user), options)
        } else {
            shard.subscribe(now, target.queue, subscriber, options)
        };
        let is_ok = done.is_ok();
        let settle_ms = shard.settle_ms(target.queue);
        let done = done.map(|()| subscribed(settle_ms));
        let done = done.map_err(|error| match error {
            shard::Subscribing::NoQueue => Refusal::QueueDeleted(name.clone()),
            shard::Subscribing::Refused(refusal) => refusal,
            shard::Subscribing::InUse(shared) => Refusal::QueueInUse(shared.name.clone()),
        });
        if is_get && is_ok {
            self.deliveries.await_get(subscriber, command);
            return;
        }
        self.deliveries.tell(subscriber, Event::Done(command, done));
        if !is_ok {
            self.deliveries.forget(subscriber);
        }
        if drain && is_ok {
            self.drain(now, subscriber, target);
        }
    }

    fn grant(&mut self, now: Instant, subscriber: SubscriberId, target: QueueTarget, grant: Grant) {
        let Some(queue) = self.shard(target.shard).touch(target.queue) else {
            return;
        };
        queue.grant(subscriber, grant.total());
        if grant.drain {
            self.drain(now, subscriber, target);
        }
    }

    /// Delivers what is ready and takes the rest of a grant away.
    fn drain(&mut self, now: Instant, subscriber: SubscriberId, target: QueueTarget) {
        let count = self.node.mailboxes.len();
        let shard = &mut self.shards[usize::from(target.shard.0) / count];
        match shard.pump_queue(now, target.queue, &mut self.deliveries) {
            Turn::Done => {}
            Turn::Busy => {
                // There is more to look at: others have their turn first.
                let drain = Control::Drain { subscriber, target };
                self.mailbox.post(&mut vec![drain]);
                return;
            }
            Turn::Held => {
                shard.touch(target.queue);
                shard.hold_drain(subscriber, target);
                return;
            }
        }
        if let Some(queue) = shard.touch(target.queue) {
            queue.use_up_grant(subscriber);
        }
        let drained = Event::Drained(subscriber.subscription);
        self.deliveries.tell(subscriber, drained);
    }
}
