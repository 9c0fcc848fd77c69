//! What time does.

use crate::Queue;
use crate::placement::{LeaveReason, Left};
use model::Instant;

impl Queue {
    /// Lets messages leave whose time is over, wherever they wait, and makes delayed ones ready, as of `now`:
    /// at most `count_max` altogether. Returns whether there is more to do at once.
    ///
    /// Costs by what is due. Where messages may come that have no time to wait at all, pump first: a pump at
    /// the same time still delivers them.
    pub fn tick(&mut self, now: Instant, count_max: usize, left: &mut Vec<Left>) -> bool {
        let mut spots = Vec::new();
        for _ in 0..count_max {
            if let Some(spot) = self.ready.expired(now) {
                self.leave_from(spot, LeaveReason::Expired, left);
            } else if let Some(spot) = self.ready.end_delay(now) {
                spots.push(spot);
            } else {
                break;
            }
        }
        self.look_again(&spots);
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// When [`tick`](Self::tick) has something to do next: a waiting message expires, or a delayed one becomes
    /// ready.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.ready.deadline()
    }
}
