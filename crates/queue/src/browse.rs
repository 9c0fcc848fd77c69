//! Subscriptions that look and take nothing.

use crate::Queue;
use crate::gate::{Budget, Gate};
use crate::lane::Lane;
use crate::pages::Pages;
use crate::port::{Port, Stop, SubscriberId};
use crate::ready::Ready;
use crate::subscription::{Allowance, Choice, SubscriptionOptions};
use model::Sequence;

/// A subscription that gets copies of what is ready: of each message that came before it, if it is ready when
/// the browser gets there, in the order of delivery. Then it ends.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) allowance: Allowance,
    choice: Choice,
    /// It sees what is below.
    end: Sequence,
    /// The lanes that it has not been through; the highest of them is where it is.
    lanes: usize,
    /// Where in that lane it is.
    at: Sequence,
    /// Whether the filter is known to match the message that stands there.
    is_match: bool,
}

impl Browser {
    pub(crate) fn new(end: Sequence, lanes: usize, options: SubscriptionOptions) -> Self {
        Self {
            allowance: Allowance::new(options.granted_total),
            choice: options.filter.into(),
            end,
            lanes,
            at: Sequence(0),
            is_match: false,
        }
    }

    /// The lane where it is.
    fn lane<'a>(&self, ready: &'a Ready) -> Option<(u8, &'a Lane)> {
        let number = self.lanes.checked_sub(1)?;
        let lane = ready.lanes().get(number)?;
        Some((u8::try_from(number).ok()?, lane))
    }

    /// From where on, in which lane, it looks for messages below which sequence.
    pub(crate) fn place(&self) -> Option<(u8, Sequence, Sequence)> {
        let lane = u8::try_from(self.lanes.checked_sub(1)?).ok()?;
        Some((lane, self.at, self.end))
    }

    /// Hands over what there is; says why it stops, or that all is seen.
    fn browse(
        &mut self,
        id: SubscriberId,
        (ready, pages): (&Ready, Option<&Pages>),
        gate: &Gate,
        budget: &mut Budget,
        port: &mut impl Port,
    ) -> Option<Stop> {
        while let Some((number, lane)) = self.lane(ready) {
            let entry = lane
                .first_from(self.at)
                .filter(|entry| entry.sequence < self.end);
            let cold = pages.and_then(|pages| pages.first_cold_from(number, self.at));
            if let Some(cold) = cold
                && cold.sequence < entry.map_or(self.end, |entry| entry.sequence)
            {
                return Some(Stop::Cold);
            }
            let Some(entry) = entry else {
                (self.lanes, self.at, self.is_match) = (self.lanes - 1, Sequence(0), false);
                continue;
            };
            self.is_match &= self.at == entry.sequence;
            self.at = entry.sequence;
            if !self.is_match || gate.is_over(entry) {
                if !budget.take() {
                    return Some(Stop::Busy);
                }
                if gate.is_over(entry) || !self.choice.matches(entry.message(), budget) {
                    (self.at, self.is_match) = (entry.sequence.next(), false);
                    continue;
                }
                self.is_match = true;
            }
            if let Some(index) = gate.uncommitted(entry) {
                return Some(Stop::Uncommitted(index));
            }
            if self.allowance.left() == 0 || !port.has_room(id) {
                return Some(Stop::NoTaker);
            }
            self.allowance.use_one();
            (self.at, self.is_match) = (entry.sequence.next(), false);
            port.deliver(id, entry.handover());
        }
        None
    }
}

impl Queue {
    /// Serves those that browse, and ends those that have seen all. Says what one of them waits for.
    pub(crate) fn browse(
        &mut self,
        gate: &Gate,
        budget: &mut Budget,
        port: &mut impl Port,
    ) -> Stop {
        let mut stop = Stop::Empty;
        let ready = (&self.ready, self.holdings.pages.as_deref());
        self.browsers.retain(
            |id, browser| match browser.browse(*id, ready, gate, budget, port) {
                Some(waits) => {
                    stop = stop.or(waits);
                    true
                }
                None => {
                    port.browsed(*id);
                    false
                }
            },
        );
        stop
    }
}
