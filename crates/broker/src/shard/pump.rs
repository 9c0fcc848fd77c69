//! What queues do when they are looked at: deliver, and what they have to do by themselves.

use super::{EXPIRED_MAX, Pressure, Shard, Turn};
use crate::entry;
use model::{Instant, QueueId};
use queue::{Left, Port, Queue, Stop};

impl Shard {
    /// The queue, to be pumped at the end of the step.
    pub(crate) fn touch(&mut self, id: QueueId) -> Option<&mut Queue> {
        let hosted = self.queues.get_mut(&id)?;
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
        Some(&mut hosted.queue)
    }

    /// Notes that messages may have come back to the queue.
    pub(super) fn touch_released(&mut self, id: QueueId) {
        if self.has_passed_over() {
            self.reconsider_one(id);
        }
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        if hosted.is_durable()
            && hosted.queue.has_unlogged()
            && !std::mem::replace(&mut hosted.is_riding, true)
        {
            self.riding.push(id);
        }
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
    }

    /// When a queue has something to do by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let first = self.deadlines.first().map(|(deadline, _)| *deadline);
        let pages = [
            self.pages.retry_at,
            self.pages.rewrite_at,
            self.bodies.due_at,
            self.shrinking.due_at,
        ];
        let others = [self.memory.reconsider_at, self.kept.deadline()];
        let later = pages.into_iter().chain(others);
        first.into_iter().chain(later.flatten()).min()
    }

    /// Does what queues have to do by themselves by now: messages expire or become ready, unused queues end.
    /// Returns whether there is more to do at once.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let mut due = Vec::new();
        while let Some((deadline, id)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            due.push(id);
        }
        let mut has_more = self.expire_retained(now);
        for id in due {
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            hosted.deadline = None;
            if hosted.is_ending() {
                continue;
            }
            self.publish_due_will(now, id);
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            if hosted.ends_at().is_some_and(|at| at <= now) {
                if !hosted.queue.awaits_bodies() {
                    self.end(now, id, None);
                    continue;
                }
                // What was rejected goes out first.
                hosted.unused_since = Some(now);
            }
            has_more |= hosted.queue.tick(now, EXPIRED_MAX, &mut self.left);
            self.handle_moved(now, id);
            self.touch(id);
        }
        has_more
    }

    /// Delivers what can be delivered from the queues that were touched, and reserves delivery marks
    /// ahead of it. Returns whether there is more to do at once.
    pub(crate) fn pump(&mut self, now: Instant, port: &mut impl Port) -> bool {
        self.release_held(now);
        self.shrinking.bytes = 0;
        let (mut busy, mut held) = (Vec::new(), Vec::new());
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if let Some(hosted) = self.queues.get_mut(&id) {
                hosted.is_touched = false;
            }
            match self.pump_queue(now, id, port) {
                Turn::Done => self.go_on_draining(id),
                Turn::Busy => busy.push(id),
                Turn::Held => held.push(id),
            }
        }
        if held.is_empty() {
            self.shrinking.due_at = None;
        }
        // What was touched meanwhile stays so; its place is kept for the next step.
        touched.append(&mut self.touched);
        self.touched = touched;
        for id in busy.iter().chain(&held) {
            self.touch(*id);
        }
        !busy.is_empty()
    }

    /// The same for one queue.
    pub(crate) fn pump_queue(&mut self, now: Instant, id: QueueId, port: &mut impl Port) -> Turn {
        let committed = self.log.committed();
        let Some(mut hosted) = self.queues.get_mut(&id) else {
            return Turn::Done;
        };
        let is_shrinking = hosted.queue.is_shrinking();
        if is_shrinking {
            if let Some(turn) = self.holds_shrinking_back(now) {
                self.note(id);
                return turn;
            }
            match self.queues.get_mut(&id) {
                Some(again) => hosted = again,
                None => return Turn::Done,
            }
        }
        let stop = hosted.queue.pump(now, committed, port, &mut self.left);
        if is_shrinking {
            let left = self.left.iter().map(Left::cost_bytes);
            self.shrinking.bytes += left.sum::<usize>();
        }
        if let Some(mark) = hosted.queue.wanted_mark() {
            let batch = self.batch.get_or_insert_with(|| self.log.batch());
            let index = batch.push(entry::MARKED, |to| entry::encode_marked(to, id, mark));
            hosted.queue.mark_logged(mark, index);
            if !std::mem::replace(&mut hosted.is_in_batch, true) {
                self.batch_queues.push(id);
            }
        }
        if self.pressure >= Pressure::High {
            // Or what is read for subscribers that settle nothing would fill memory while others are saved.
            hosted.queue.strip_hands();
        }
        self.handle_moved(now, id);
        self.note_pages(now, id, self.pressure);
        self.note(id);
        if stop == Stop::Busy {
            Turn::Busy
        } else if is_shrinking && self.is_shrinking(id) {
            Turn::Held
        } else {
            Turn::Done
        }
    }

    /// Notes for others what a queue holds.
    pub(crate) fn note_held(&self, id: QueueId) {
        if let Some(hosted) = self.queues.get(&id) {
            hosted.shared.note(&hosted.queue);
        }
    }

    /// Notes for others what a queue holds, and when it is to be looked at again.
    pub(super) fn note(&mut self, id: QueueId) {
        self.note_memory(id);
        self.note_freed_pages(id);
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        hosted.shared.note(&hosted.queue);
        let deadline = hosted.next_deadline();
        if deadline == hosted.deadline {
            return;
        }
        if let Some(old) = std::mem::replace(&mut hosted.deadline, deadline) {
            self.deadlines.remove(&(old, id));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, id));
        }
    }
}
