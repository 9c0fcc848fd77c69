//! Queues and their subscriptions: they come, are used, and end.

use super::held::Then;
use super::memory::Noted;
use super::{Effect, Hosted, Shard, Subscribing};
use crate::entry;
use crate::mailbox::Control;
use crate::shared_queue::SharedQueue;
use crate::topology::Request;
use crate::transaction::Asker;
use broker_api::{DeleteIf, Event, Refusal, Reply};
use model::{Instant, Lifetime, QueueId};
use queue::{CancelCause, InUse, Queue, SubscriberId, SubscriptionOptions};
use std::sync::Arc;

impl Shard {
    /// Hosts a queue from now on, unless it does.
    pub(crate) fn host(&mut self, now: Instant, shared: &Arc<SharedQueue>, queue: Queue) {
        let id = shared.target.queue;
        self.queues.entry(id).or_insert_with(|| {
            Box::new(Hosted {
                shared: Arc::clone(shared),
                queue,
                unused_since: Some(now),
                deadline: None,
                is_touched: false,
                is_in_batch: false,
                is_riding: false,
                noted: Noted::default(),
                estate: None,
            })
        });
        self.note(id);
        self.touch(id);
    }

    /// A queue was declared again.
    pub(crate) fn use_queue(&mut self, now: Instant, id: QueueId) {
        if let Some(hosted) = self.queues.get_mut(&id) {
            hosted.unused_since = hosted.unused_since.map(|_| now);
            self.touch(id);
        }
    }

    /// Adds a subscription to a queue.
    pub(crate) fn subscribe(
        &mut self,
        now: Instant,
        id: QueueId,
        subscriber: SubscriberId,
        options: SubscriptionOptions,
    ) -> Result<(), Subscribing> {
        if let Some(refusal) = self.damage_of(id) {
            return Err(Subscribing::Refused(refusal));
        }
        let hosted = self.queues.get_mut(&id).ok_or(Subscribing::NoQueue)?;
        if hosted.is_ending() {
            return Err(Subscribing::NoQueue);
        }
        match hosted.queue.subscribe(subscriber, options) {
            Ok(()) => {
                hosted.unused_since = if hosted.is_used() { None } else { Some(now) };
                self.touch(id);
                Ok(())
            }
            Err(InUse) => Err(Subscribing::InUse(Arc::clone(&hosted.shared))),
        }
    }

    /// How long subscribers of a queue may keep a delivery that they have not settled.
    pub(crate) fn settle_ms(&self, id: QueueId) -> Option<u64> {
        self.queues.get(&id)?.queue.rules().settle_ms
    }

    /// Ends a subscription; what it has not settled goes back to the queue. The queue may end with it.
    pub(crate) fn cancel(
        &mut self,
        now: Instant,
        id: QueueId,
        subscriber: SubscriberId,
        cause: CancelCause,
    ) {
        if self.cancel_subscription(now, id, subscriber, cause) {
            self.end_unused(now, id);
        }
    }

    /// Ends a subscription but for what it has not settled. The queue may end with it.
    pub(crate) fn step_aside(&mut self, now: Instant, id: QueueId, subscriber: SubscriberId) {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let was_used = hosted.is_used();
        hosted.queue.step_aside(subscriber);
        let is_unused = was_used && !hosted.is_used();
        if is_unused {
            hosted.unused_since = Some(now);
        }
        self.touch(id);
        self.note_gone(now, id, subscriber);
        if is_unused {
            self.end_unused(now, id);
        }
    }

    /// Ends a queue that nobody uses any more, if it is to end with that, unless nobody can use it.
    fn end_unused(&mut self, now: Instant, id: QueueId) {
        let hosted = self.in_service(id);
        let lifetime = hosted.map(|hosted| hosted.shared.definition.lifetime);
        if lifetime == Some(Lifetime::UntilUnused) {
            let condition = DeleteIf {
                unused: true,
                empty: false,
            };
            self.end_if(now, id, condition, None);
        }
    }

    /// The same, whatever becomes of the queue. Returns whether it was the last.
    pub(super) fn cancel_subscription(
        &mut self,
        now: Instant,
        id: QueueId,
        subscriber: SubscriberId,
        cause: CancelCause,
    ) -> bool {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return false;
        };
        let (left, returned) = (&mut self.left, &mut self.returned);
        let was_used = hosted.is_used();
        hosted.queue.cancel(now, subscriber, cause, left, returned);
        let is_unused = was_used && !hosted.is_used();
        if is_unused {
            hosted.unused_since = Some(now);
        }
        self.handle_moved(now, id);
        self.touch_released(id);
        self.note_gone(now, id, subscriber);
        is_unused
    }

    /// No other queue keeps this one any more: it may end with that.
    pub(crate) fn let_go(&mut self, now: Instant, id: QueueId) {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        if hosted.is_used() {
            return;
        }
        hosted.unused_since = Some(now);
        self.touch(id);
        self.end_unused(now, id);
    }

    /// Ends a queue if the condition holds: its messages are gone, its subscriptions end. The rest of the
    /// node is told so by shard 0, which then answers whoever asked. Messages that are about to become dead letters do so
    /// first.
    pub(crate) fn end_if(
        &mut self,
        now: Instant,
        id: QueueId,
        condition: DeleteIf,
        asker: Option<Asker>,
    ) {
        let hosted = self.queues.get(&id);
        let leaving = hosted.map(|hosted| hosted.queue.leaving());
        let leaving = leaving.into_iter().flatten();
        let leaving = leaving.map(|sequence| (id, sequence)).collect();
        let queue = id;
        let then = Then::End {
            queue,
            condition,
            asker,
        };
        self.when_here(now, leaving, then);
    }

    pub(super) fn end_checked(
        &mut self,
        now: Instant,
        id: QueueId,
        condition: DeleteIf,
        asker: Option<Asker>,
    ) {
        let answer = match self.queues.get(&id) {
            None => self.damage_of(id).map_or(Ok(()), Err),
            Some(hosted) if condition.unused && hosted.is_used() => {
                Err(Refusal::QueueInUse(hosted.shared.name.clone()))
            }
            Some(hosted) if condition.empty && hosted.queue.ready_count() > 0 => {
                Err(Refusal::QueueNotEmpty(hosted.shared.name.clone()))
            }
            Some(_) => {
                self.end(now, id, asker);
                return;
            }
        };
        if let Some(asker) = asker {
            let done = answer.map(|()| Reply::Count(0));
            asker
                .outbox
                .push(&mut vec![Event::Done(asker.command, done)]);
        }
    }

    /// Ends a queue, once the will that is left with it is durable.
    pub(super) fn end(&mut self, now: Instant, id: QueueId, asker: Option<Asker>) {
        if self.awaits_last_will(now, id)
            && let Some(hosted) = self.queues.get(&id)
        {
            let queue = Arc::clone(&hosted.shared);
            let executor = queue.target.executor;
            let condition = DeleteIf::default();
            let control = Control::End {
                queue,
                condition,
                asker,
            };
            self.batch_effects.push(Effect::Tell { executor, control });
            return;
        }
        // What it has freed by itself is not among its pages any more.
        self.note_freed_pages(id);
        let Some(hosted) = self.queues.remove(&id) else {
            return;
        };
        hosted.shared.end();
        self.damaged.remove(&id);
        self.forget_memory(id, hosted.noted);
        self.forget_estate(&hosted);
        self.pages.end(id, &hosted.queue);
        self.note_ended(id);
        if let Some(deadline) = hosted.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        let refusal = Refusal::QueueDeleted(hosted.shared.name.clone());
        let ended = hosted.queue.subscribers();
        self.ended
            .extend(ended.map(|subscriber| (subscriber, refusal.clone())));
        let request = Request::RemoveQueue {
            message_count: hosted.queue.ready_count() as u64,
            queue: hosted.shared,
        };
        let control = Control::Topology(Box::new(request), asker);
        self.node.mailboxes[0].post(&mut vec![control]);
    }

    /// Takes the ready messages out of a queue; answered when that is durable.
    pub(crate) fn purge(&mut self, now: Instant, id: QueueId, asker: Asker) {
        if let Some(refusal) = self.damage_of(id) {
            let done = Event::Done(asker.command, Err(refusal));
            asker.outbox.push(&mut vec![done]);
            return;
        }
        let mut count = 0;
        if let Some(hosted) = self.queues.get_mut(&id) {
            let before = hosted.queue.len();
            let mut purged = Vec::new();
            hosted.queue.purge(&mut self.left, &mut purged);
            count = (before - hosted.queue.len()) as u64;
            let is_durable = hosted.is_durable();
            for page in purged.iter().filter(|_| is_durable) {
                self.append(entry::PAGE_LEFT, |to| entry::encode_page_left(to, id, page));
            }
            self.handle_moved(now, id);
            self.touch(id);
        }
        self.log_settled();
        let Asker {
            outbox, command, ..
        } = asker;
        let event = Event::Done(command, Ok(Reply::Count(count)));
        self.batch_effects.push(Effect::Answer { outbox, event });
    }
}
