//! What time does.

use crate::Queue;
use crate::page::earlier;
use crate::placement::{LeaveReason, Left};
use crate::ready::Ended;
use model::Instant;

impl Queue {
    /// Lets messages leave whose time is over, wherever they wait, and makes delayed ones ready, as of `now`:
    /// at most `count_max` altogether. Returns whether there is more to do at once.
    ///
    /// Costs by what is due. Where messages may come that have no time to wait at all, pump first: a pump at
    /// the same time still delivers them.
    pub fn tick(&mut self, now: Instant, count_max: usize, left: &mut Vec<Left>) -> bool {
        if self.holdings.is_damaged() {
            return false;
        }
        let pages = self.holdings.pages.as_ref();
        if pages.is_some_and(|pages| pages.owes_drops) {
            self.drop_heads(left);
        }
        let mut spots = Vec::new();
        for _ in 0..count_max {
            if let Some(spot) = self.ready.expired(now) {
                self.leave_from(spot, LeaveReason::Expired, left);
                continue;
            }
            match self.ready.end_delay(now) {
                Some(Ended::Ready(spot)) => spots.push(spot),
                Some(Ended::Away(spot, entry)) => {
                    self.holdings.sink(&entry);
                    spots.push(spot);
                }
                None => break,
            }
        }
        self.look_again(&spots);
        let deadline = self.ready.deadline();
        deadline.is_some_and(|deadline| deadline <= now)
    }

    /// When [`tick`](Self::tick) or [`wanted_pages`](Self::wanted_pages) has something to do next: a waiting
    /// message expires, or a delayed one becomes ready. Pages are not counted while any is being read; call both.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.holdings.is_damaged() {
            return None;
        }
        let pages = self.holdings.pages.as_ref();
        earlier(
            self.ready.deadline(),
            pages.and_then(|pages| pages.deadline()),
        )
    }
}
