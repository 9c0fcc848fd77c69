//! What is out of service because the disk did not keep it.

use super::{Hosted, Shard};
use crate::shared_queue::SharedQueue;
use crate::transaction::Part;
use broker_api::Refusal;
use model::{Instant, PageNumber, QueueId};
use queue::CancelCause;
use std::sync::Arc;

impl Shard {
    /// Puts the shard out of service: its log is damaged.
    pub(crate) fn put_out_of_service(&mut self, reason: &str) {
        self.refused = Some(Arc::from(reason));
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Why the shard is out of service, if it is.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let reason = self.refused.as_ref()?;
        Some(Refusal::Damaged {
            what: format!("shard {}", self.id).into(),
            reason: Box::from(&**reason),
        })
    }

    /// A queue of a shard that is out of service: known, but nobody can use it.
    pub(crate) fn host_damaged(&mut self, shared: &Arc<SharedQueue>) {
        shared.set_damaged(self.refused.as_deref().unwrap_or_default());
        self.damaged.insert(shared.target.queue, Arc::clone(shared));
    }

    /// Why a queue is out of service, if it is.
    pub(super) fn damage_of(&self, id: QueueId) -> Option<Refusal> {
        self.damaged.get(&id).and_then(|shared| shared.damage())
    }

    /// The queue, if it is there and in service.
    pub(super) fn in_service(&self, id: QueueId) -> Option<&Hosted> {
        if !self.damaged.is_empty() && self.damaged.contains_key(&id) {
            return None;
        }
        self.queues.get(&id).map(|hosted| &**hosted)
    }

    /// Whether the queue is there and in service.
    pub(crate) fn has_queue(&self, id: QueueId) -> bool {
        self.in_service(id).is_some()
    }

    /// Whether all queues that a transaction has to do with are in service.
    pub(super) fn check_part(&self, part: &Part) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let damage = part.settles.iter().find_map(|it| self.damage_of(it.queue));
        damage.map_or(Ok(()), Err)
    }

    /// A page of a queue is not what was written: the queue is out of service. What stands in it stays.
    pub(super) fn handle_damage(&mut self, now: Instant, page: PageNumber, reason: &str) {
        let merging = || self.merges.end(page);
        let Some(id) = self.pages.forget(page).or_else(merging) else {
            return;
        };
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let mut given_up = Vec::new();
        if !hosted.queue.page_damaged(page, &mut given_up) {
            return;
        }
        let subscribers: Vec<_> = hosted.queue.subscribers().collect();
        for subscriber in &subscribers {
            let (left, returned) = (&mut self.left, &mut self.returned);
            let cause = CancelCause::Asked;
            hosted.queue.cancel(now, *subscriber, cause, left, returned);
        }
        self.put_queue_out_of_service(id, reason);
        self.handle_moved(now, id);
        self.touch_released(id);
        for subscriber in &subscribers {
            self.note_gone(now, id, *subscriber);
        }
        if let Some(refusal) = self.damage_of(id) {
            self.note_here(id, &given_up, Some(&refusal));
            let ended = subscribers.into_iter();
            self.ended
                .extend(ended.map(|subscriber| (subscriber, refusal.clone())));
        }
    }

    /// Pages of a queue that was just recovered are not there: the queue is out of service. What stands in its other
    /// pages stays, and so does what is known of these.
    pub(crate) fn lose_pages(&mut self, id: QueueId, lost: &[PageNumber]) {
        let (Some(first), Some(hosted)) = (lost.first(), self.queues.get_mut(&id)) else {
            return;
        };
        // Nothing awaits a body yet.
        let mut given_up = Vec::new();
        for page in lost {
            hosted.queue.page_damaged(*page, &mut given_up);
        }
        let reason = match lost.len() - 1 {
            0 => format!("its page {first} is missing"),
            others => format!("its page {first} is missing, and {others} others"),
        };
        self.put_queue_out_of_service(id, &reason);
    }

    fn put_queue_out_of_service(&mut self, id: QueueId, reason: &str) {
        let Some(hosted) = self.queues.get(&id) else {
            return;
        };
        let shared = &hosted.shared;
        shared.set_damaged(reason);
        tracing::error!("the queue '{}' is out of service: {reason}", shared.name);
        self.damaged.insert(id, Arc::clone(shared));
    }
}
