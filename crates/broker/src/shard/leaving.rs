//! What happens to messages that leave a queue, or come back to it.

use super::Shard;
use crate::dead_letter;
use model::{Instant, QueueId};

impl Shard {
    /// Lets go of what is too much in queues whose bounds policies say, and may say otherwise than when it came.
    pub(crate) fn keep_to_policies(&mut self, now: Instant) {
        let queues = self.queues.iter();
        let bounded = queues.filter(|(_, hosted)| hosted.shared.applied.bounds_length());
        // What is out of service stays as it is.
        let bounded = bounded.filter(|(_, hosted)| !hosted.shared.is_damaged());
        let bounded: Vec<_> = bounded.map(|(id, _)| *id).collect();
        for id in bounded {
            if let Some(hosted) = self.queues.get_mut(&id) {
                hosted.queue.drop_excess(&mut self.left);
            }
            self.handle_moved(now, id);
            self.touch(id);
        }
    }

    /// Takes what the machine has told: messages that left, and those that came back with a count.
    pub(super) fn handle_moved(&mut self, now: Instant, id: QueueId) {
        if !self.left.is_empty() {
            let mut left = std::mem::take(&mut self.left);
            let forwards = self
                .queues
                .get(&id)
                .is_some_and(|hosted| hosted.queue.rules().dead_letter.is_some());
            for left in left.drain(..) {
                let death = forwards.then(|| dead_letter::reason(left.reason)).flatten();
                match death {
                    Some(reason) => self.forward_left(now, id, &left, reason),
                    None if left.is_logged => self.settled.push((id, left.sequence)),
                    None => {}
                }
            }
            self.left = left;
        }
        let returned = self.returned.drain(..).map(|returned| (id, returned));
        self.returns.extend(returned);
    }
}
