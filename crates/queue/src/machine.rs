//! The machine itself.

use crate::ready::Ready;
use crate::subscription::Subscription;
use model::{ConnectionId, LogIndex, Message, Outcome, Sequence, SubscriptionId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The delivery mark is reserved this far ahead of what is delivered next.
const MARK_AHEAD: u64 = 4096;
/// It is reserved anew when less than this is left.
const MARK_LEFT_MIN: u64 = MARK_AHEAD / 2;

/// Who subscribed: a subscription of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId {
    /// The connection.
    pub connection: ConnectionId,
    /// The subscription, unique on it.
    pub subscription: SubscriptionId,
}

impl SubscriberId {
    /// At or below all others.
    const MIN: Self = Self {
        connection: ConnectionId(0),
        subscription: SubscriptionId(0),
    };
}

/// A message in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    /// Where its record stands in the log, if it has one.
    pub(crate) logged: Option<LogIndex>,
    /// Whether it may have been delivered before.
    pub(crate) redelivered: bool,
    pub(crate) message: Message,
}

/// What a delivery carries.
#[derive(Clone, Debug)]
pub struct Handover {
    /// The message's place in the queue.
    pub sequence: Sequence,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// The message.
    pub message: Message,
}

/// Where a queue's deliveries go.
pub trait Port {
    /// Whether the subscriber's transport takes another delivery now. If not, the port sees to it
    /// that the queue is pumped again when it does.
    fn has_room(&mut self, subscriber: SubscriberId) -> bool;

    /// Takes a delivery; only called after `has_room` said yes.
    fn deliver(&mut self, subscriber: SubscriberId, handover: Handover);
}

/// Why a queue does not deliver more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is ready.
    Empty,
    /// No subscription has both credit and room.
    NoTaker,
    /// The first message waits for its record to be durable.
    Uncommitted(LogIndex),
    /// The first message waits for a delivery mark to be logged.
    Unmarked,
}

/// A message that stands in no log yet.
#[derive(Debug)]
pub struct Unlogged<'a> {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// The message.
    pub message: &'a Message,
}

/// The delivery mark: up to where messages may have been delivered, as the log knows it.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Durable up to here.
    durable: Sequence,
    /// Reserved up to here by the record at this index.
    reserved: Sequence,
    reserved_at: LogIndex,
}

/// A queue: messages in the order of their arrival, each with one subscription at a time.
///
/// Invariants:
/// - `ready` ascends by sequence; a released message goes back to its place.
/// - A message is either ready or unsettled at one subscription.
/// - A message that stands in the log is delivered only when its record is durable and the durable
///   delivery mark covers it; nothing overtakes one that waits.
/// - A subscription has never more deliveries than it was granted.
#[derive(Debug, Default)]
pub struct Queue {
    next: Sequence,
    ready: Ready,
    subscriptions: BTreeMap<SubscriberId, Subscription>,
    /// Those with credit.
    takers: BTreeSet<SubscriberId>,
    /// The subscription that was served last; the turn is the next one's.
    served: Option<SubscriberId>,
    mark: Mark,
    /// No entry below this that is ready lacks a record.
    unlogged_from: Sequence,
    /// Entries at or above this came after the last call of `log_unlogged`.
    young_from: Sequence,
    bytes: usize,
    count: usize,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::recovered(Sequence(1), Sequence(0), std::iter::empty())
    }

    pub(crate) fn recovered(
        next: Sequence,
        mark: Sequence,
        messages: impl Iterator<Item = (u64, Message)>,
    ) -> Self {
        let ready: std::collections::VecDeque<_> = messages
            .map(|(sequence, message)| Entry {
                sequence: Sequence(sequence),
                logged: Some(LogIndex(0)),
                redelivered: sequence <= mark.0,
                message,
            })
            .collect();
        Self {
            next,
            bytes: ready.iter().map(|entry| entry.message.cost_bytes()).sum(),
            count: ready.len(),
            ready: Ready::new(ready),
            mark: Mark {
                durable: mark,
                reserved: mark,
                reserved_at: LogIndex(0),
            },
            unlogged_from: next,
            young_from: next,
            ..Self::default()
        }
    }

    /// The messages, ready and unsettled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What its messages are charged with.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The sequence that the next message gets.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// Up to where messages may have been delivered, as the log knows it or will.
    #[must_use]
    pub fn delivery_mark(&self) -> Sequence {
        self.mark.reserved
    }

    /// Appends a message. `logged` says where its record stands, if it has one yet.
    pub fn enqueue(&mut self, message: Message, logged: Option<LogIndex>) -> Sequence {
        let sequence = self.next;
        self.next = sequence.next();
        self.bytes += message.cost_bytes();
        self.count += 1;
        if logged.is_none() && self.unlogged_from > sequence {
            self.unlogged_from = sequence;
        }
        self.ready.push(Entry {
            sequence,
            logged,
            redelivered: false,
            message,
        });
        sequence
    }

    /// Adds a subscription.
    ///
    /// # Panics
    /// When the id has a subscription already.
    pub fn subscribe(&mut self, id: SubscriberId, granted_total: u64) {
        let previous = self
            .subscriptions
            .insert(id, Subscription::new(granted_total));
        assert!(previous.is_none(), "{id:?} subscribes a second time");
        self.note_credit(id);
    }

    /// Ends a subscription; what it has not settled is ready again. Returns whether it was there.
    pub fn cancel(&mut self, id: SubscriberId) -> bool {
        let Some(subscription) = self.subscriptions.remove(&id) else {
            return false;
        };
        self.takers.remove(&id);
        self.release(subscription.into_unsettled());
        true
    }

    /// Sets what a subscription may receive in total. Returns whether it was there.
    pub fn grant(&mut self, id: SubscriberId, total: u64) -> bool {
        let granted = self
            .subscriptions
            .get_mut(&id)
            .map(|subscription| subscription.grant(total));
        self.note_credit(id);
        granted.is_some()
    }

    /// Takes away what a subscription is granted and has not used.
    pub fn use_up_grant(&mut self, id: SubscriberId) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.use_up_grant();
        }
        self.note_credit(id);
    }

    /// Ends deliveries. Those that make their messages leave the queue are told to `settled`; the
    /// others are ready again. A delivery that is not unsettled there is passed over.
    pub fn settle(
        &mut self,
        id: SubscriberId,
        sequences: &[Sequence],
        outcome: Outcome,
        mut settled: impl FnMut(Settled),
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return;
        };
        let ended = sequences
            .iter()
            .filter_map(|sequence| subscription.settle(*sequence));
        match outcome {
            Outcome::Release => {
                let mut entries: Vec<_> = ended.collect();
                entries.sort_unstable_by_key(|entry| entry.sequence);
                self.release(entries);
            }
            Outcome::Accept | Outcome::Reject => {
                for Entry {
                    sequence,
                    logged,
                    message,
                    ..
                } in ended
                {
                    self.bytes -= message.cost_bytes();
                    self.count -= 1;
                    settled(Settled {
                        sequence,
                        is_logged: logged.is_some(),
                        message,
                    });
                }
            }
        }
    }

    /// Takes the oldest ready message away: for a private queue over its budget.
    pub fn drop_oldest(&mut self) -> Option<Message> {
        let entry = self.ready.pop_first()?;
        self.bytes -= entry.message.cost_bytes();
        self.count -= 1;
        Some(entry.message)
    }

    /// Delivers what can be delivered and says why it stopped.
    pub fn pump(&mut self, committed: LogIndex, port: &mut impl Port) -> Stop {
        if self.mark.reserved_at <= committed {
            self.mark.durable = self.mark.reserved;
        }
        loop {
            let Some(first) = self.ready.first() else {
                return Stop::Empty;
            };
            if let Some(index) = first.logged {
                if index > committed {
                    return Stop::Uncommitted(index);
                }
                if first.sequence > self.mark.durable {
                    return self.wait_for_mark();
                }
            }
            let Some(taker) = self.taker(port) else {
                return Stop::NoTaker;
            };
            let Some(entry) = self.ready.pop_first() else {
                return Stop::Empty;
            };
            let handover = Handover {
                sequence: entry.sequence,
                redelivered: entry.redelivered,
                message: entry.message.clone(),
            };
            if let Some(subscription) = self.subscriptions.get_mut(&taker) {
                subscription.hold(entry);
                if subscription.credit() == 0 {
                    self.takers.remove(&taker);
                }
            }
            port.deliver(taker, handover);
        }
    }

    /// The mark that is to be logged now, if deliveries are about to reach the one there is. The
    /// caller logs it and says where with [`mark_logged`](Self::mark_logged).
    #[must_use]
    pub fn wanted_mark(&self) -> Option<Sequence> {
        if self.takers.is_empty() {
            return None;
        }
        let first = self.ready.first().map_or(self.next, |entry| entry.sequence);
        let left = self.mark.reserved.0.saturating_sub(first.0);
        let ends = [self.ready.first(), self.ready.last()];
        let has_logged = ends.iter().flatten().any(|entry| entry.logged.is_some());
        (has_logged && left < MARK_LEFT_MIN).then_some(Sequence(first.0 + MARK_AHEAD))
    }

    /// The mark stands in the log at `index`.
    pub fn mark_logged(&mut self, mark: Sequence, index: LogIndex) {
        self.mark.reserved = mark;
        self.mark.reserved_at = index;
    }

    /// Whether ready messages wait to be logged.
    #[must_use]
    pub fn has_unlogged(&self) -> bool {
        self.unlogged_from < self.next
    }

    /// The mark that must stand in the log before what [`log_unlogged`](Self::log_unlogged) is about to
    /// log: a message that was delivered and came back would else be unmarked after a crash.
    #[must_use]
    pub fn mark_for_unlogged(&self, age: Age) -> Option<Sequence> {
        let until = self.unlogged_until(age);
        self.ready
            .behind(self.unlogged_from)
            .take_while(|entry| entry.sequence < until)
            .filter(|entry| entry.logged.is_none() && entry.redelivered)
            .map(|entry| entry.sequence)
            .max()
            .filter(|sequence| *sequence > self.mark.reserved)
    }

    /// Hands ready messages that stand in no log to `log`, which says where each stands now.
    pub fn log_unlogged(&mut self, age: Age, mut log: impl FnMut(Unlogged<'_>) -> LogIndex) {
        let until = self.unlogged_until(age);
        let ready = self.ready.behind_mut(self.unlogged_from);
        for entry in ready.take_while(|entry| entry.sequence < until) {
            if entry.logged.is_none() {
                let unlogged = Unlogged {
                    sequence: entry.sequence,
                    message: &entry.message,
                };
                entry.logged = Some(log(unlogged));
            }
        }
        self.unlogged_from = self.unlogged_from.max(until);
        self.young_from = self.next;
    }

    fn unlogged_until(&self, age: Age) -> Sequence {
        match age {
            Age::Known => self.young_from,
            Age::Any => self.next,
        }
    }

    /// All messages, ready and unsettled, in no particular order, with whether each stands in a log.
    pub fn messages(&self) -> impl Iterator<Item = (Sequence, &Message, bool)> {
        let unsettled = self
            .subscriptions
            .values()
            .flat_map(Subscription::unsettled);
        self.ready
            .iter()
            .chain(unsettled)
            .map(|entry| (entry.sequence, &entry.message, entry.logged.is_some()))
    }

    fn wait_for_mark(&self) -> Stop {
        // A mark that is on its way may cover it; then its commit pumps the queue.
        match self.ready.first() {
            Some(first) if first.sequence <= self.mark.reserved => {
                Stop::Uncommitted(self.mark.reserved_at)
            }
            _ if self.takers.is_empty() => Stop::NoTaker,
            _ => Stop::Unmarked,
        }
    }

    /// The next subscription, in turn, with credit and room.
    fn taker(&mut self, port: &mut impl Port) -> Option<SubscriberId> {
        let after = self.served.map_or(Bound::Unbounded, Bound::Excluded);
        let up_to = self
            .served
            .map_or(Bound::Excluded(SubscriberId::MIN), Bound::Included);
        let behind = self.takers.range((after, Bound::Unbounded));
        let taker = behind
            .chain(self.takers.range((Bound::Unbounded, up_to)))
            .copied()
            .find(|id| port.has_room(*id))?;
        self.served = Some(taker);
        Some(taker)
    }

    /// Puts entries, which ascend by sequence, back to their places.
    fn release(&mut self, mut entries: Vec<Entry>) {
        for entry in &mut entries {
            entry.redelivered = true;
            if entry.logged.is_none() {
                self.unlogged_from = self.unlogged_from.min(entry.sequence);
            }
        }
        self.ready.put_back(entries);
    }

    /// Sees to it that the subscription is among the takers if it has credit, and only then.
    fn note_credit(&mut self, id: SubscriberId) {
        if self
            .subscriptions
            .get(&id)
            .is_some_and(|subscription| subscription.credit() > 0)
        {
            self.takers.insert(id);
        } else {
            self.takers.remove(&id);
        }
    }
}

/// Which unlogged messages are to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Those that were there at the call before: most messages leave before they need a record.
    Known,
    /// All.
    Any,
}

/// A message that has left the queue.
#[derive(Debug)]
pub struct Settled {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// The message.
    pub message: Message,
    /// Whether it stands in the log, so that its end must stand there too.
    pub is_logged: bool,
}

#[cfg(test)]
mod tests;
