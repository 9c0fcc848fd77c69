//! One subscription to a queue and what it has not settled.

use crate::entry::Entry;
use crate::gate::{Budget, Gate, Passage};
use crate::groups::Groups;
use crate::pages::Pages;
use crate::port::{Stop, SubscriberId};
use crate::ready::{Ready, Spot};
use model::{Message, Sequence, SequenceMap};
use std::fmt;
use std::sync::Arc;

/// Which messages a subscription is for. The answer for a message is always the same.
pub trait Filter: Send + Sync {
    /// Whether the subscription is for this message, and what it cost to find out.
    fn ask(&self, message: &Message) -> Answer;
}

/// What a filter says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the subscription is for it.
    pub is_match: bool,
    /// What it cost, in units of about ten nanoseconds: a pump ends when its filters have cost too much. A filter
    /// itself bounds what one answer may cost.
    pub work: u64,
}

/// How a subscription shares the queue with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each message goes to one of those that compete: those of the highest priority that can take it, in turn.
    Competing {
        /// Higher ones go first.
        priority: i32,
    },
    /// No other may subscribe, but to browse.
    Exclusive,
    /// It gets copies of what is there as it comes, then ends.
    Browse,
    /// It takes one message, if there is any for it, ahead of all others, and [steps aside](crate::Queue::step_aside). It
    /// has credit for one, and no filter.
    Get,
}

/// What a subscription is made with.
#[derive(Clone)]
pub struct SubscriptionOptions {
    /// Deliveries that it may receive since it began.
    pub granted_total: u64,
    /// Which messages it is for; all, without one.
    pub filter: Option<Arc<dyn Filter>>,
    /// How it shares the queue.
    pub sharing: Sharing,
}

impl SubscriptionOptions {
    /// A subscription that competes with others for all messages.
    #[must_use]
    pub const fn competing(granted_total: u64) -> Self {
        Self {
            granted_total,
            filter: None,
            sharing: Sharing::Competing { priority: 0 },
        }
    }
}

impl fmt::Debug for SubscriptionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionOptions")
            .field("granted_total", &self.granted_total)
            .field("is_filtered", &self.filter.is_some())
            .field("sharing", &self.sharing)
            .finish()
    }
}

/// An exclusive subscription is there, or others are where an exclusive one is asked for, or one is to get a message of
/// which only one other is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse;

/// Why a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelCause {
    /// It was asked for: what it has not settled goes back as [released](model::Outcome::Release).
    Asked,
    /// Its connection broke: what it has not settled goes back as [failed](model::Outcome::Fail).
    ConnectionLost,
}

/// What a subscription is for.
#[derive(Clone)]
pub(crate) struct Choice(Option<Arc<dyn Filter>>);

impl Choice {
    pub(crate) fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it is for the message; what a filter costs counts against the budget.
    pub(crate) fn matches(&self, message: &Message, budget: &mut Budget) -> bool {
        self.0.as_ref().is_none_or(|filter| {
            let answer = filter.ask(message);
            budget.charge(answer.work);
            answer.is_match
        })
    }
}

impl From<Option<Arc<dyn Filter>>> for Choice {
    fn from(filter: Option<Arc<dyn Filter>>) -> Self {
        Self(filter)
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_any() { "any" } else { "filtered" })
    }
}

/// What a subscription may receive and has received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Deliveries since it began.
    delivered_count: u64,
    /// Deliveries that it is granted since it began.
    granted_total: u64,
}

impl Allowance {
    pub(crate) fn new(granted_total: u64) -> Self {
        Self {
            delivered_count: 0,
            granted_total,
        }
    }

    pub(crate) fn grant(&mut self, total: u64) {
        self.granted_total = total;
    }

    /// Takes away what is granted and not used.
    pub(crate) fn use_up(&mut self) {
        self.granted_total = self.granted_total.min(self.delivered_count);
    }

    pub(crate) fn use_one(&mut self) {
        self.delivered_count += 1;
    }

    pub(crate) fn left(&self) -> u64 {
        self.granted_total.saturating_sub(self.delivered_count)
    }
}

/// Whether a subscription takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It does.
    Taking,
    /// It takes one, and does not count as a subscription.
    Getting,
    /// It has what it has not settled, and no more. It does not count.
    Aside,
}

/// One subscription to a queue, unless it browses.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) allowance: Allowance,
    pub(crate) priority: i32,
    pub(crate) is_exclusive: bool,
    pub(crate) stance: Stance,
    /// Which subscription of the queue it is, by when it began.
    pub(crate) nth: u64,
    pub(crate) choice: Choice,
    /// What was delivered and is not settled, by sequence.
    pub(crate) unsettled: SequenceMap<Entry>,
    /// How far each lane is known not to be for it; none before anyone looked.
    cursors: Box<[Cursor]>,
}

/// How far a lane is known not to be for a subscription.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// No ready message below is for it.
    at: Sequence,
    /// Whether the filter is known to match the message that stands there.
    is_match: bool,
}

/// What a subscription finds when it looks for its next message.
pub(crate) enum Found {
    /// This one, which may be delivered now.
    Next(Spot),
    /// This one's time is over: it must leave before the look goes on.
    Expired(Spot),
    /// Nothing that may be delivered now, for this reason.
    Nothing(Stop),
}

impl Subscription {
    pub(crate) fn new(nth: u64, priority: i32, options: SubscriptionOptions) -> Self {
        Self {
            allowance: Allowance::new(options.granted_total),
            priority,
            is_exclusive: options.sharing == Sharing::Exclusive,
            stance: if options.sharing == Sharing::Get {
                Stance::Getting
            } else {
                Stance::Taking
            },
            nth,
            choice: options.filter.into(),
            unsettled: SequenceMap::new(),
            cursors: Box::default(),
        }
    }

    #[inline]
    pub(crate) fn hold(&mut self, entry: Entry) {
        self.allowance.use_one();
        let previous = self.unsettled.insert(entry.sequence.0, entry);
        assert!(
            previous.is_none(),
            "a message is with one subscription once"
        );
    }

    /// Messages came to a lane, the first of them here: they must be looked at.
    pub(crate) fn look_again(&mut self, lane: u8, from: Sequence) {
        if let Some(cursor) = self.cursors.get_mut(usize::from(lane))
            && cursor.at > from
        {
            *cursor = Cursor {
                at: from,
                is_match: false,
            };
        }
    }

    /// From where on it looks for messages in a lane.
    pub(crate) fn cursor(&self, lane: u8) -> Sequence {
        let cursor = self.cursors.get(usize::from(lane));
        cursor.map_or(Sequence(0), |cursor| cursor.at)
    }

    /// What is for it may have changed: all must be looked at.
    pub(crate) fn look_at_all_again(&mut self) {
        self.cursors = Box::default();
    }

    /// Looks for the next message that is for it: by lane, the highest first, then by sequence. A message
    /// that is for it and must wait holds back what is behind it in its lane, for this subscription; and so does
    /// one that is to be read, whomever it is for.
    pub(crate) fn look(
        &mut self,
        id: SubscriberId,
        (ready, pages): (&Ready, Option<&Pages>),
        groups: &Groups,
        gate: &Gate,
        budget: &mut Budget,
    ) -> Found {
        if self.cursors.is_empty() {
            self.cursors = ready.lanes().iter().map(|_| Cursor::default()).collect();
        }
        let mut stop = Stop::NoTaker;
        for ((number, lane), cursor) in ready.by_lane().zip(self.cursors.iter_mut().rev()) {
            let cold = pages.and_then(|pages| pages.first_cold_from(number, cursor.at));
            loop {
                let entry = lane.first_from(cursor.at);
                if let Some(cold) = cold
                    && entry.is_none_or(|entry| cold.sequence < entry.sequence)
                {
                    stop = stop.or(Stop::Cold);
                    break;
                }
                let Some(entry) = entry else {
                    break;
                };
                let sequence = entry.sequence;
                if cursor.at != sequence {
                    *cursor = Cursor {
                        at: sequence,
                        is_match: false,
                    };
                }
                let passage = gate.passage(entry);
                if passage == Passage::Expired {
                    return Found::Expired(ready.spot(sequence, entry.message()));
                }
                let owner = entry.group().and_then(|group| groups.owner(group));
                let is_others = owner.is_some_and(|owner| owner != id);
                if is_others || !cursor.is_match {
                    if !budget.take() {
                        return Found::Nothing(Stop::Busy);
                    }
                    if is_others || !self.choice.matches(entry.message(), budget) {
                        cursor.at = sequence.next();
                        cursor.is_match = false;
                        continue;
                    }
                    cursor.is_match = true;
                }
                match passage {
                    Passage::Open => {
                        return Found::Next(Spot {
                            lane: number,
                            sequence,
                        });
                    }
                    Passage::Held(held) => {
                        if held == Stop::Unmarked {
                            budget.mark_needed = budget.mark_needed.max(sequence);
                        }
                        stop = stop.or(held);
                    }
                    Passage::Expired => {}
                }
                break;
            }
        }
        Found::Nothing(stop)
    }
}
