//! Messages into the queues of a shard.

use super::{Enqueued, Shard};
use crate::head::Head;
use crate::routes::QueueTarget;
use broker_api::{Heads, Refusal};
use model::{Instant, LogIndex, Message, Overflow, Persistence, QueueId, QueueName};
use queue::Placement;

impl Shard {
    /// Enqueues a message in one queue. Says when its confirm is due.
    pub(crate) fn publish_one(&mut self, now: Instant, id: QueueId, message: Message) -> Enqueued {
        let Some(hosted) = self.in_service(id) else {
            return self.missing(id, &message);
        };
        if hosted.queue.check_room(&message).is_err() {
            return self.refuse(now, id, &message);
        }
        let place = hosted.queue.placement(now, &message);
        if message.envelope().persistence == Persistence::Persistent && hosted.is_durable() {
            let index = self.append_enqueued(&[(id, place)], &message);
            self.enqueue(now, id, message, place, Some(index));
            Enqueued::InBatch
        } else {
            self.enqueue(now, id, message, place, None);
            Enqueued::AtOnce
        }
    }

    /// What becomes of a message for a queue that is not in service.
    fn missing(&self, id: QueueId, message: &Message) -> Enqueued {
        match self.damage_of(id) {
            Some(refusal) => Enqueued::Refused(refusal),
            None => gone(self.node.settings.heads, message),
        }
    }

    /// A queue has no place for a message.
    pub(super) fn refuse(&mut self, now: Instant, id: QueueId, message: &Message) -> Enqueued {
        let Some(hosted) = self.queues.get(&id) else {
            return Enqueued::AtOnce;
        };
        let name = hosted.shared.name.clone();
        if hosted.queue.rules().overflow == Some(Overflow::RejectPublishDeadLetter) {
            self.forward_refused(now, id, message);
        }
        Enqueued::Refused(Refusal::QueueFull(name))
    }

    /// Enqueues a message in several queues of this shard. Says when its confirm is due.
    pub(crate) fn publish(
        &mut self,
        now: Instant,
        targets: &[QueueTarget],
        message: &Message,
    ) -> Enqueued {
        let mut places = Vec::new();
        let mut enqueued = Enqueued::AtOnce;
        let is_persistent = message.envelope().persistence == Persistence::Persistent;
        for target in targets {
            let id = target.queue;
            let Some(hosted) = self.in_service(id) else {
                if let Some(refusal) = self.damage_of(id) {
                    enqueued = Enqueued::Refused(refusal);
                }
                continue;
            };
            if hosted.queue.check_room(message).is_err() {
                enqueued = self.refuse(now, id, message);
                continue;
            }
            let place = hosted.queue.placement(now, message);
            if is_persistent && hosted.is_durable() {
                places.push((id, place));
            } else {
                self.enqueue(now, id, message.clone(), place, None);
            }
        }
        if places.is_empty() {
            return enqueued;
        }
        let index = self.append_enqueued(&places, message);
        for (id, place) in places {
            self.enqueue(now, id, message.clone(), place, Some(index));
        }
        match enqueued {
            Enqueued::AtOnce | Enqueued::InBatch => Enqueued::InBatch,
            Enqueued::Refused(refusal) => Enqueued::Refused(refusal),
        }
    }

    /// Puts a message into a queue, whose record, if it has one, was appended at `logged`.
    pub(super) fn enqueue(
        &mut self,
        now: Instant,
        id: QueueId,
        message: Message,
        place: Placement,
        logged: Option<LogIndex>,
    ) {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let keys = hosted.keys(&self.node, &message);
        hosted
            .queue
            .enqueue(message, place, logged, keys, &mut self.left);
        if logged.is_some() {
            if !std::mem::replace(&mut hosted.is_in_batch, true) {
                self.batch_queues.push(id);
            }
        } else if hosted.is_durable() && !std::mem::replace(&mut hosted.is_riding, true) {
            self.riding.push(id);
        }
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
        if !self.left.is_empty() {
            self.handle_moved(now, id);
        }
    }
}

/// The queue has ended while the message was on its way: its publisher is not to take it for safe, if it was for that
/// queue alone.
fn gone(heads: Heads, message: &Message) -> Enqueued {
    let is_for_one = message.exchange().is_empty() && !Head::of(heads, message).has_further_keys();
    match QueueName::new(message.key()) {
        Ok(name) if is_for_one => Enqueued::Refused(Refusal::QueueDeleted(name)),
        Ok(_) | Err(_) => Enqueued::AtOnce,
    }
}
