//! The queue as a plain list of messages, searched from its start for everything.

use super::{Draft, Seen};
use crate::{LeaveReason, Returned, Sharing, SubscriberId};
use model::{Instant, LogIndex, Outcome, Overflow, QueueRules, Sequence};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Waiting,
    With(SubscriberId),
    Prepared,
    /// It leaves once its body is here.
    Leaving(LeaveReason),
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) sequence: Sequence,
    pub(super) draft: Draft,
    pub(super) expires_at: Option<Instant>,
    pub(super) available_at: Option<Instant>,
    pub(super) logged: Option<LogIndex>,
    pub(super) redelivered: bool,
    pub(super) delivery_count: u32,
    pub(super) acquired_count: u32,
    pub(super) state: State,
}

#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) granted: u64,
    pub(super) delivered: u64,
    pub(super) filter: Option<u8>,
    pub(super) sharing: Sharing,
    pub(super) nth: usize,
    /// It takes nothing more.
    pub(super) is_aside: bool,
    /// What a browser will surely get: what was ready when it came, and has been since.
    pub(super) owed: BTreeSet<Sequence>,
    /// What a browser may get stands below.
    pub(super) end: Sequence,
    /// What a browser got last: lane and sequence.
    pub(super) last: Option<(Reverse<u8>, Sequence)>,
}

impl Subscriber {
    pub(super) fn is_for(&self, known: &Known) -> bool {
        self.filter
            .is_none_or(|tags| tags & (1 << known.draft.tag) != 0)
    }

    pub(super) fn has_credit(&self) -> bool {
        self.granted > self.delivered
    }

    pub(super) fn is_browser(&self) -> bool {
        self.sharing == Sharing::Browse
    }

    pub(super) fn priority(&self) -> i32 {
        match self.sharing {
            Sharing::Competing { priority } => priority,
            Sharing::Exclusive | Sharing::Browse => 0,
            Sharing::Get => i32::MAX,
        }
    }

    pub(super) fn grant(&mut self, total: u64) {
        if self.sharing != Sharing::Get {
            self.granted = total;
        }
    }

    /// Whether it waits for its one message.
    pub(super) fn is_getting(&self) -> bool {
        self.sharing == Sharing::Get && !self.is_aside
    }

    /// Whether it counts as a subscription.
    pub(super) fn counts(&self) -> bool {
        !self.is_aside && !self.is_browser() && !self.is_getting()
    }
}

/// What left, and why.
pub(super) type Gone = (Sequence, bool, LeaveReason);

pub(super) struct Naive {
    pub(super) rules: QueueRules,
    pub(super) messages: Vec<Known>,
    pub(super) next: Sequence,
    pub(super) subscribers: BTreeMap<SubscriberId, Subscriber>,
    pub(super) owners: BTreeMap<u8, SubscriberId>,
    served: BTreeMap<i32, SubscriberId>,
    pub(super) full: Vec<SubscriberId>,
    pub(super) committed: LogIndex,
    /// The mark that is durable, and the one that is reserved and where.
    pub(super) durable: Sequence,
    pub(super) reserved: (Sequence, LogIndex),
    pub(super) young_from: Sequence,
    pub(super) now: Instant,
    /// What the machine must read before it can go, and of that what is delayed.
    pub(super) cold: BTreeSet<Sequence>,
    pub(super) shut: BTreeSet<Sequence>,
    /// What else only pages have the bodies of.
    pub(super) away: BTreeSet<Sequence>,
}

impl Naive {
    pub(super) fn new(rules: QueueRules) -> Self {
        Self {
            rules,
            messages: Vec::new(),
            next: Sequence(1),
            subscribers: BTreeMap::new(),
            owners: BTreeMap::new(),
            served: BTreeMap::new(),
            full: Vec::new(),
            committed: LogIndex(0),
            durable: Sequence(0),
            reserved: (Sequence(0), LogIndex(0)),
            young_from: Sequence(1),
            now: Instant::from_millis(0),
            cold: BTreeSet::new(),
            shut: BTreeSet::new(),
            away: BTreeSet::new(),
        }
    }

    pub(super) fn lane(&self, known: &Known) -> u8 {
        known.draft.priority.min(self.rules.priority_max)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Known> {
        let messages = self.messages.iter();
        messages.filter(|known| known.state == State::Waiting)
    }

    /// The ready ones in the order of delivery.
    pub(super) fn ready(&self) -> Vec<&Known> {
        let ready = self.waiting().filter(|known| known.available_at.is_none());
        let mut ready: Vec<_> = ready.collect();
        ready.sort_by_key(|known| (Reverse(self.lane(known)), known.sequence));
        ready
    }

    pub(super) fn is_over(&self, known: &Known) -> bool {
        known.expires_at.is_some_and(|at| at < self.now)
    }

    pub(super) fn is_full_for(&self, draft: &Draft) -> bool {
        let bytes: usize = self.waiting().map(|known| known.draft.body_len).sum();
        let count = self.waiting().count() as u64;
        self.rules.overflow.unwrap_or_default() != Overflow::DropHead
            && (self.rules.length_max.is_some_and(|max| count + 1 > max)
                || self
                    .rules
                    .bytes_max
                    .is_some_and(|max| (bytes + draft.body_len) as u64 > max))
    }

    pub(super) fn leave(&mut self, sequence: Sequence, reason: LeaveReason) -> Gone {
        let at = self.messages.iter().position(|k| k.sequence == sequence);
        let known = self.messages.remove(at.expect("it is in the queue"));
        (sequence, known.logged.is_some(), reason)
    }

    /// The same, unless it is to be a dead letter and has no body: then it is out of reach.
    pub(super) fn depart(&mut self, sequence: Sequence, reason: LeaveReason) -> Option<Gone> {
        let is_letter = self.rules.dead_letter.is_some() && reason.is_death();
        if !is_letter || !self.away.contains(&sequence) {
            return Some(self.leave(sequence, reason));
        }
        let mut all = self.messages.iter_mut();
        let known = all.find(|known| known.sequence == sequence);
        known.expect("it is in the queue").state = State::Leaving(reason);
        None
    }

    pub(super) fn enqueue(&mut self, draft: &Draft, logged: Option<LogIndex>) -> Vec<Gone> {
        let mut gone = Vec::new();
        let has_values = self.rules.last_value_header.is_some();
        let same = |known: &&Known| {
            has_values && draft.value.is_some() && known.draft.value == draft.value
        };
        let older: Vec<_> = self.waiting().filter(same).map(|k| k.sequence).collect();
        for sequence in older {
            gone.push(self.leave(sequence, LeaveReason::Superseded));
        }
        let rule = self.rules.message_ttl_ms;
        let ttls = [rule.map(|ttl| ttl + draft.delay_ms), draft.ttl_ms];
        let ttl = ttls.into_iter().flatten().min();
        self.messages.push(Known {
            sequence: self.next,
            draft: draft.clone(),
            expires_at: ttl.map(|ttl| self.now.plus_millis(ttl)),
            available_at: (draft.delay_ms > 0).then(|| self.now.plus_millis(draft.delay_ms)),
            logged,
            redelivered: false,
            delivery_count: 0,
            acquired_count: 0,
            state: State::Waiting,
        });
        self.next = self.next.next();
        gone
    }

    /// Whether it is to drop its head.
    pub(super) fn is_too_long(&self) -> bool {
        let bytes: usize = self.waiting().map(|known| known.draft.body_len).sum();
        let is_over = |max: Option<u64>, is: usize| max.is_some_and(|max| is as u64 > max);
        self.rules.overflow.unwrap_or_default() == Overflow::DropHead
            && (is_over(self.rules.length_max, self.waiting().count())
                || is_over(self.rules.bytes_max, bytes))
    }

    pub(super) fn known(&self, sequence: Sequence) -> Option<&Known> {
        self.messages
            .iter()
            .find(|known| known.sequence == sequence)
    }

    pub(super) fn least(&self) -> Option<Sequence> {
        self.waiting()
            .min_by_key(|known| (self.lane(known), known.sequence))
            .map(|known| known.sequence)
    }

    pub(super) fn may_subscribe(&self, sharing: Sharing) -> bool {
        let mut others = self.subscribers.values().filter(|other| other.counts());
        match sharing {
            Sharing::Browse => true,
            Sharing::Exclusive => others.next().is_none(),
            Sharing::Get if self.rules.single_active => others.next().is_none(),
            Sharing::Competing { .. } | Sharing::Get => {
                !others.any(|one| one.sharing == Sharing::Exclusive)
            }
        }
    }

    pub(super) fn cancel(&mut self, id: SubscriberId, fails: bool) -> (Vec<Gone>, Vec<Returned>) {
        self.step_aside(id);
        self.subscribers.remove(&id);
        self.full.retain(|full| *full != id);
        let held = self.messages.iter().filter(|k| k.state == State::With(id));
        let held: Vec<_> = held.map(|known| known.sequence).collect();
        let outcome = if fails {
            Outcome::Fail
        } else {
            Outcome::Release
        };
        self.end(&held, outcome)
    }

    /// It takes nothing more.
    pub(super) fn step_aside(&mut self, id: SubscriberId) {
        let one = self.subscribers.get_mut(&id).expect("it is there");
        one.is_aside |= !one.is_browser();
        let priority = one.priority();
        self.owners.retain(|_, owner| *owner != id);
        let mut others = self.subscribers.values();
        if !others.any(|it| !it.is_browser() && !it.is_aside && it.priority() == priority) {
            self.served.remove(&priority);
        }
    }

    /// Deliveries end; the newest goes back first.
    pub(super) fn end(
        &mut self,
        sequences: &[Sequence],
        outcome: Outcome,
    ) -> (Vec<Gone>, Vec<Returned>) {
        let (mut gone, mut returned) = (Vec::new(), Vec::new());
        let mut sequences = sequences.to_vec();
        sequences.sort_unstable_by_key(|sequence| Reverse(*sequence));
        for sequence in sequences {
            match outcome {
                Outcome::Accept => gone.push(self.leave(sequence, LeaveReason::Accepted)),
                Outcome::Reject => gone.extend(self.depart(sequence, LeaveReason::Rejected)),
                Outcome::Release | Outcome::Fail => {
                    self.go_back(sequence, outcome == Outcome::Fail, &mut gone, &mut returned);
                }
            }
        }
        (gone, returned)
    }

    fn go_back(
        &mut self,
        sequence: Sequence,
        fails: bool,
        gone: &mut Vec<Gone>,
        returned: &mut Vec<Returned>,
    ) {
        let (now, rules) = (self.now, self.rules.clone());
        let has_newer = rules.last_value_header.is_some() && {
            let own = self.messages.iter().find(|k| k.sequence == sequence);
            let value = own.expect("it is in the queue").draft.value;
            let mut all = self.messages.iter();
            value.is_some() && all.any(|k| k.sequence > sequence && k.draft.value == value)
        };
        let mut all = self.messages.iter_mut();
        let known = all.find(|k| k.sequence == sequence).expect("it is there");
        known.redelivered = true;
        known.acquired_count += 1;
        if fails {
            let count = known.delivery_count + 1;
            if rules.delivery_limit.is_some_and(|limit| count > limit) {
                gone.extend(self.depart(sequence, LeaveReason::DeliveryLimit));
                return;
            }
            known.delivery_count = count;
            if let Some(redelivery) = rules.redelivery {
                let doublings = if redelivery.multiplier_percent == 200 {
                    count - 1
                } else {
                    0
                };
                let delay = (redelivery.delay_ms << doublings).min(redelivery.delay_ms_max);
                known.available_at = (delay > 0).then(|| now.plus_millis(delay));
            }
        }
        known.state = State::Waiting;
        let told = Returned {
            sequence,
            delivery_count: known.delivery_count,
            available_at: known.available_at,
        };
        let is_told = fails && known.logged.is_some();
        if has_newer {
            gone.push(self.leave(sequence, LeaveReason::Superseded));
        } else if is_told {
            returned.push(told);
        }
    }

    pub(super) fn tick(&mut self) -> Vec<Gone> {
        let now = self.now;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let is_here = |known: &&Known| !self.cold.contains(&known.sequence);
        let expired = self.waiting().filter(is_here);
        let expired = expired.filter(|known| is_due(known.expires_at));
        let expired: Vec<_> = expired.map(|known| known.sequence).collect();
        for known in &mut self.messages {
            if self.shut.contains(&known.sequence) {
                continue;
            }
            if known.state == State::Waiting && is_due(known.available_at) {
                known.available_at = None;
            }
        }
        let expired = expired.into_iter();
        expired
            .filter_map(|sequence| self.depart(sequence, LeaveReason::Expired))
            .collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let is_here = |known: &&Known| !self.cold.contains(&known.sequence);
        self.waiting()
            .filter(is_here)
            .flat_map(|known| [known.expires_at, known.available_at])
            .flatten()
            .min()
    }

    fn active(&self) -> Option<SubscriberId> {
        let subscribers = self.subscribers.iter().filter(|(_, one)| one.counts());
        subscribers
            .min_by_key(|(_, one)| (Reverse(one.priority()), one.nth))
            .map(|(id, _)| *id)
    }

    /// Those that may be delivered to, if they have room.
    pub(super) fn takers_with_room_or_not(
        &self,
    ) -> impl Iterator<Item = (&SubscriberId, &Subscriber)> {
        let active = self.active();
        self.subscribers.iter().filter(move |(id, one)| {
            !one.is_browser()
                && !one.is_aside
                && one.has_credit()
                && (!self.rules.single_active || active == Some(**id) || one.is_getting())
        })
    }

    /// Those that may be delivered to, in turn.
    pub(super) fn takers(&self) -> Vec<SubscriberId> {
        let mut takers: Vec<_> = self
            .takers_with_room_or_not()
            .filter(|(id, _)| !self.full.contains(id))
            .map(|(id, one)| {
                let served = self.served.get(&one.priority());
                let had_turn = served.is_some_and(|served| id <= served);
                (Reverse(one.priority()), had_turn, *id)
            })
            .collect();
        takers.sort();
        takers.into_iter().map(|(.., id)| id).collect()
    }

    /// What a subscription would get next. `passes` says whether a message that waits for the log may go.
    pub(super) fn next_for(
        &self,
        id: SubscriberId,
        passes: impl Fn(&Known) -> bool,
    ) -> Option<Sequence> {
        let one = &self.subscribers[&id];
        let mut held_lanes = BTreeSet::new();
        for known in self.ready() {
            if self.cold.contains(&known.sequence) {
                held_lanes.insert(self.lane(known));
            }
            let is_for = self.may_have(id, one, known);
            if !is_for || self.is_over(known) || held_lanes.contains(&self.lane(known)) {
                continue;
            }
            if passes(known) {
                return Some(known.sequence);
            }
            held_lanes.insert(self.lane(known));
        }
        None
    }

    pub(super) fn may_have(&self, id: SubscriberId, one: &Subscriber, known: &Known) -> bool {
        let owner = known.draft.group.and_then(|group| self.owners.get(&group));
        owner.is_none_or(|owner| *owner == id) && one.is_for(known)
    }

    /// Whether whoever is next gets the first that is ready, whatever it is.
    pub(super) fn is_first_come(&self) -> bool {
        let mut competing = self.subscribers.values();
        let is_choosing = |one: &Subscriber| one.counts() && one.filter.is_some();
        let mut ready = self.ready().into_iter();
        !competing.any(is_choosing)
            && ready.all(|known| known.draft.group.is_none() || self.cold.contains(&known.sequence))
    }

    /// A delivery, where it is not clear whose turn it is: who looks for messages may have looked at some before they
    /// went to a page, and may pass those.
    pub(super) fn take(&mut self, seen: &Seen) {
        let (id, sequence, redelivered, counts) = *seen;
        assert!(self.takers().contains(&id), "{id:?} takes nothing");
        let one = &self.subscribers[&id];
        let known = self.known(sequence).expect("it is in the queue");
        let (lane, priority) = (self.lane(known), one.priority());
        let is_ready = known.state == State::Waiting && known.available_at.is_none();
        assert!(
            is_ready && self.passes(known) && !self.is_over(known),
            "{known:?}"
        );
        assert!(!self.cold.contains(&sequence) && self.may_have(id, one, known));
        assert_eq!(redelivered, known.redelivered);
        assert_eq!(counts, (known.delivery_count, known.acquired_count));
        for other in self.ready() {
            let is_passed = self.lane(other) == lane && other.sequence < sequence;
            assert!(
                !is_passed || self.is_over(other) || !self.may_have(id, one, other),
                "{other:?} is passed"
            );
        }
        let next = self.next_for(id, |known| self.passes(known));
        let next = next.and_then(|next| self.known(next));
        assert!(next.is_none_or(|next| next.sequence == sequence || self.lane(next) < lane));
        for other in self.takers() {
            let is_higher = self.subscribers[&other].priority() > priority;
            let next = || self.next_for(other, |known| self.passes(known));
            assert!(!is_higher || next().is_none(), "{other:?} goes first");
        }
        self.deliver(id, sequence);
    }

    fn deliver(&mut self, id: SubscriberId, sequence: Sequence) {
        let mut all = self.messages.iter_mut();
        let known = all.find(|k| k.sequence == sequence).expect("it is there");
        known.state = State::With(id);
        let one = self.subscribers.get_mut(&id).expect("it is there");
        if let Some(group) = known.draft.group
            && !one.is_getting()
        {
            self.owners.entry(group).or_insert(id);
        }
        one.delivered += 1;
        let priority = one.priority();
        self.served.insert(priority, id);
    }

    pub(super) fn note_mark(&mut self) {
        if self.reserved.1 <= self.committed {
            self.durable = self.reserved.0;
        }
    }

    pub(super) fn passes(&self, known: &Known) -> bool {
        known
            .logged
            .is_none_or(|index| index <= self.committed && known.sequence <= self.durable)
    }

    /// What a pump delivers.
    pub(super) fn pump(&mut self) -> Vec<Seen> {
        self.note_mark();
        let mut seen = Vec::new();
        while let Some((id, sequence)) = self.takers().into_iter().find_map(|id| {
            let next = self.next_for(id, |known| self.passes(known));
            Some((id, next?))
        }) {
            let known = self.known(sequence).expect("it is there");
            let counts = (known.delivery_count, known.acquired_count);
            seen.push((id, sequence, known.redelivered, counts));
            self.deliver(id, sequence);
        }
        seen
    }

    /// All subscriptions end, and what is in the queue is what the log says; what was prepared still is.
    pub(super) fn restart(&mut self, mark: Sequence) {
        self.messages.retain(|known| known.logged.is_some());
        for known in &mut self.messages {
            if known.state != State::Prepared {
                known.state = State::Waiting;
            }
            known.logged = Some(LogIndex(0));
            known.redelivered = known.sequence <= mark || known.delivery_count > 0;
            known.acquired_count = 0;
        }
        self.subscribers.clear();
        self.owners.clear();
        self.served.clear();
        self.full.clear();
        self.next = self.next.max(mark.next());
        (self.durable, self.reserved) = (mark, (mark, LogIndex(0)));
        self.young_from = self.next;
    }
}
