//! How messages are delivered.

use crate::Queue;
use crate::entry::Entry;
use crate::gate::{Budget, Gate, Passage};
use crate::pages::Pages;
use crate::placement::{LeaveReason, Left};
use crate::port::{Port, Stop, SubscriberId};
use crate::ready::Spot;
use crate::subscription::Found;
use model::{Instant, LogIndex};

/// What goes next.
enum Next<T> {
    /// This message.
    Deliver(T),
    /// No message before this one leaves, whose time is over.
    Expired(Spot),
    /// Nothing.
    Stop(Stop),
}

/// A message, and whose turn it is: a subscription of a level.
struct Turn {
    spot: Spot,
    level: usize,
    taker: SubscriberId,
}

impl Queue {
    /// Delivers what can be delivered and says why it stopped. A message whose time is over is not delivered;
    /// it leaves if it is met.
    ///
    /// Where the queue is plain, the turn's subscription gets the first message. Where a subscription has a
    /// filter, or a ready message belongs to a group, the first subscription in turn for which there is anything
    /// gets the first message that is for it; the first message of a group that has no owner makes it the owner.
    pub fn pump(
        &mut self,
        now: Instant,
        committed: LogIndex,
        port: &mut impl Port,
        left: &mut Vec<Left>,
    ) -> Stop {
        if self.holdings.is_damaged() {
            return Stop::Cold;
        }
        let gate = self.mark.gate(now, committed);
        let pages = self.holdings.pages.as_ref();
        if pages.is_some_and(|pages| pages.owes_drops) {
            self.drop_heads(left);
        }
        // Who looks comes before who takes, and ends as soon as nothing is left to be seen.
        let mut browse_budget = Budget::new();
        if !self.browsers.is_empty() {
            self.browse(&gate, &mut browse_budget, port);
        }
        let mut budget = Budget::new();
        let is_plain = self.filtered_count == 0 && !self.ready.has_grouped();
        let stop = if is_plain {
            self.pump_first(&gate, &mut budget, port, left)
        } else {
            self.pump_chosen(&gate, &mut budget, port, left)
        };
        if !self.bystanders.getting.is_empty() {
            self.answer_getting(&gate, &mut budget, (is_plain, stop), port);
        }
        if self.browsers.is_empty() {
            stop
        } else {
            stop.or(self.browse(&gate, &mut browse_budget, port))
        }
    }

    fn pump_first(
        &mut self,
        gate: &Gate,
        budget: &mut Budget,
        port: &mut impl Port,
        left: &mut Vec<Left>,
    ) -> Stop {
        if self.takers.is_empty() && self.is_cold() {
            return Stop::NoTaker;
        }
        loop {
            let spot = match self.first(gate) {
                Next::Deliver(spot) => spot,
                Next::Expired(spot) => {
                    if !budget.take() {
                        return Stop::Busy;
                    }
                    self.leave_from(spot, LeaveReason::Expired, left);
                    continue;
                }
                Next::Stop(Stop::Unmarked | Stop::Cold) if self.takers.is_empty() => {
                    return Stop::NoTaker;
                }
                Next::Stop(stop) => return stop,
            };
            let Some((level, taker)) = self.takers.find(|id| port.has_room(id)) else {
                return Stop::NoTaker;
            };
            self.takers.serve(level, taker);
            let plain = self.ready.pop_plain(spot);
            let Some(entry) = plain.or_else(|| self.take(spot)) else {
                return Stop::Empty;
            };
            self.hand_over(taker, entry, port);
        }
    }

    /// Whether there are messages that only pages have, and none in memory that may expire: where nobody takes any,
    /// there is no need to look which of them is first.
    fn is_cold(&self) -> bool {
        let pages = self.holdings.pages.as_deref();
        pages.is_some_and(Pages::has_cold) && !self.ready.has_expiring()
    }

    /// The first message that may go, the highest lane first.
    fn first(&self, gate: &Gate) -> Next<Spot> {
        let mut stop = Stop::Empty;
        let pages = self
            .holdings
            .pages
            .as_deref()
            .filter(|pages| pages.has_cold());
        for (lane, messages) in self.ready.by_lane() {
            let first = messages.first();
            if let Some(cold) = pages.and_then(|pages| pages.first_cold(lane))
                && first.is_none_or(|first| cold.sequence < first.sequence)
            {
                stop = stop.or(Stop::Cold);
                continue;
            }
            let Some(first) = first else {
                continue;
            };
            let sequence = first.sequence;
            match gate.passage(first) {
                Passage::Open => return Next::Deliver(Spot { lane, sequence }),
                Passage::Expired => return Next::Expired(Spot { lane, sequence }),
                Passage::Held(held) => stop = stop.or(held),
            }
        }
        Next::Stop(stop)
    }

    fn pump_chosen(
        &mut self,
        gate: &Gate,
        budget: &mut Budget,
        port: &mut impl Port,
        left: &mut Vec<Left>,
    ) -> Stop {
        self.has_cursors = true;
        loop {
            match self.choose(gate, budget, port) {
                Next::Deliver(Turn { spot, level, taker }) => {
                    self.takers.serve(level, taker);
                    let Some(entry) = self.take(spot) else {
                        return Stop::Empty;
                    };
                    // Who gets one message is not given those behind it.
                    if let Some(group) = entry.group()
                        && !self.bystanders.getting.contains(&taker)
                    {
                        self.holdings.groups.bind(group, taker);
                    }
                    if entry.is_logged() {
                        self.mark.reach(spot.sequence);
                    }
                    self.hand_over(taker, entry, port);
                }
                Next::Expired(spot) => {
                    if !budget.take() {
                        return Stop::Busy;
                    }
                    self.leave_from(spot, LeaveReason::Expired, left);
                }
                Next::Stop(stop) => return stop,
            }
        }
    }

    /// The first in turn that finds something and has room for it.
    fn choose(&mut self, gate: &Gate, budget: &mut Budget, port: &mut impl Port) -> Next<Turn> {
        let pages = self.holdings.pages.as_deref();
        if self.ready.is_empty() && pages.is_none_or(|pages| !pages.has_cold()) {
            return Next::Stop(Stop::Empty);
        }
        let mut stop = Stop::NoTaker;
        let mut found = None;
        let taker = self.takers.find(|id| {
            let Some(subscription) = self.subscriptions.get_mut(&id) else {
                return false;
            };
            let groups = &self.holdings.groups;
            match subscription.look(id, (&self.ready, pages), groups, gate, budget) {
                Found::Nothing(held) => stop = stop.or(held),
                Found::Next(spot) if port.has_room(id) => found = Some((spot, Passage::Open)),
                Found::Next(_) => {}
                Found::Expired(spot) => found = Some((spot, Passage::Expired)),
            }
            found.is_some() || stop == Stop::Busy
        });
        self.mark.reach(budget.mark_needed);
        match (found, taker) {
            (Some((spot, Passage::Expired)), _) => Next::Expired(spot),
            (Some((spot, _)), Some((level, taker))) => Next::Deliver(Turn { spot, level, taker }),
            (_, None) | (None, _) => Next::Stop(stop),
        }
    }

    /// Tells those that get a message what has come of it: they have it, or there is none for them. The others wait, until
    /// what goes next is read or durable, or they have room.
    #[cold]
    #[inline(never)]
    fn answer_getting(
        &mut self,
        gate: &Gate,
        budget: &mut Budget,
        (is_plain, stop): (bool, Stop),
        port: &mut impl Port,
    ) {
        let mut answered = Vec::new();
        for id in &self.bystanders.getting {
            let Some(subscription) = self.subscriptions.get_mut(id) else {
                continue;
            };
            let is_served = subscription.allowance.left() == 0;
            // What is ready may belong to others.
            let mut is_in_vain = || {
                stop == Stop::Empty
                    || !is_plain && {
                        let ready = (&self.ready, self.holdings.pages.as_deref());
                        let groups = &self.holdings.groups;
                        let found = subscription.look(*id, ready, groups, gate, budget);
                        matches!(found, Found::Nothing(Stop::NoTaker))
                    }
            };
            if is_served {
                answered.push((*id, Some(self.ready_count())));
            } else if is_in_vain() {
                answered.push((*id, None));
            }
        }
        for (id, ready_count) in answered {
            self.step_aside(id);
            port.got(id, ready_count);
        }
    }

    /// A subscription gets a message.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: the hot path, and small")]
    fn hand_over(&mut self, taker: SubscriberId, entry: Entry, port: &mut impl Port) {
        let handover = entry.handover();
        if entry.page().is_some() {
            self.hold_paged(taker, entry);
        } else {
            self.hold(taker, entry);
        }
        port.deliver(taker, handover);
    }

    /// A subscription has a message in its hands whose body is let go of if its page has it. Where it may be needed
    /// again, that is done [only if memory is short](Self::strip_hands).
    #[cold]
    #[inline(never)]
    fn hold_paged(&mut self, taker: SubscriberId, mut entry: Entry) {
        if self.rules.dead_letter.is_none() {
            self.holdings.strip(&mut entry);
        }
        if let Some((pages, page)) = self.holdings.pages.as_mut().zip(entry.page())
            && entry.message_here().is_some()
        {
            pages.in_hands.insert(page);
        }
        self.hold(taker, entry);
    }

    /// A subscription has a message in its hands.
    #[inline]
    fn hold(&mut self, taker: SubscriberId, entry: Entry) {
        if let Some(subscription) = self.subscriptions.get_mut(&taker) {
            subscription.hold(entry);
            if subscription.allowance.left() == 0 {
                self.takers.remove(subscription.priority, taker);
            }
        }
    }
}
