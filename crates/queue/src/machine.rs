//! The machine itself: what it holds, and how messages come and go.

use crate::browse::Browser;
use crate::entry::Entry;
use crate::groups::Groups;
use crate::mark::{Mark, Riders};
use crate::paged::PurgedPage;
use crate::pages::Pages;
use crate::placement::{Full, Held, Keys, LeaveReason, Left, Placement};
use crate::port::SubscriberId;
use crate::ready::{Ready, Spot};
use crate::subscription::Subscription;
use crate::takers::Takers;
use crate::values::Values;
use model::{Instant, LogIndex, Message, Overflow, QueueRules, Sequence, SequenceMap, SoloMap};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A queue: messages by priority and in the order of their arrival, each with one subscription at a time.
///
/// ```text
///               enqueue ──────► delayed ──tick──► ready ──pump──► unsettled ──prepare──► prepared
///                   └────────────────────────────►  ▲               │                       │
///                                                   └──── goes back ┴───────────────────────┘
/// ```
/// A message goes back with [`Release`](model::Outcome::Release), or with [`Fail`](model::Outcome::Fail),
/// which counts and may delay it; it leaves with another outcome. Those that are ready or delayed *wait*:
/// they may also leave because they expire, the queue is full, or a newer message replaces them.
///
/// One that is to leave as a dead letter and whose body only a page has is on its way out, counted as unsettled and
/// out of everybody's reach, until the [page is read](Self::next_body_page).
///
/// Invariants:
/// - A message is in one of these states, and in that of a subscription at most at one.
/// - Of the messages of one priority, an older one goes first; one that went back has its old place.
///   Higher priorities go first.
/// - A message that stands in the log is delivered only when its record is durable and the durable
///   delivery mark covers it. One that waits for this holds back what is behind it in its priority, from
///   those subscriptions that it is for; other priorities pass it.
/// - A subscription has never more deliveries than it was granted.
///
/// Time comes as an argument and does not go back.
#[derive(Debug)]
pub struct Queue {
    pub(crate) rules: Arc<QueueRules>,
    /// Of the jitter of delays.
    pub(crate) seed: u64,
    pub(crate) next: Sequence,
    pub(crate) ready: Ready,
    pub(crate) holdings: Holdings,
    pub(crate) subscriptions: SoloMap<SubscriberId, Box<Subscription>>,
    /// All that ever subscribed, but to browse.
    pub(crate) subscribed_count: u64,
    /// The subscriptions that have a filter.
    pub(crate) filtered_count: usize,
    /// Whether a subscription may have looked at more than the first of each lane.
    pub(crate) has_cursors: bool,
    pub(crate) browsers: BTreeMap<SubscriberId, Browser>,
    /// Those with credit that may be delivered to.
    pub(crate) takers: Takers,
    /// The one that is delivered to, where only one is.
    pub(crate) active: Option<SubscriberId>,
    /// Those that do not count.
    pub(crate) bystanders: Bystanders,
    /// Taken out of the hands of their subscriptions, and those that leave once their bodies have been read.
    pub(crate) prepared: SequenceMap<Entry>,
    pub(crate) mark: Mark,
    pub(crate) riders: Riders,
}

/// The subscriptions that do not count as such.
#[derive(Debug, Default)]
pub(crate) struct Bystanders {
    pub(crate) count: usize,
    /// Those of them that wait for their one message.
    pub(crate) getting: BTreeSet<SubscriberId>,
}

/// What is known of all messages in the queue, in whatever state.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) bytes: usize,
    pub(crate) count: usize,
    pub(crate) groups: Groups,
    pub(crate) values: Values,
    /// Those that hold messages of the queue, if there were ever any.
    pub(crate) pages: Option<Box<Pages>>,
}

impl Holdings {
    /// A message, which does not wait, leaves the queue.
    #[inline]
    pub(crate) fn leave(&mut self, entry: Entry, reason: LeaveReason) -> Left {
        self.bytes -= entry.cost_bytes();
        self.count -= 1;
        if let Some(page) = entry.page() {
            self.leave_page(page, &entry);
        }
        if let Some(rare) = entry.rare() {
            if let Some(group) = rare.group {
                self.groups.leave(group);
            }
            if let Some(value) = &rare.value {
                self.values.leave(value, entry.sequence);
            }
        }
        entry.left(reason)
    }

    /// The messages that only pages have.
    pub(crate) fn paged_count(&self) -> usize {
        self.pages.as_ref().map_or(0, |pages| pages.count)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.pages.as_ref().is_some_and(|pages| pages.is_damaged)
    }

    pub(crate) fn paged_body_bytes(&self) -> u64 {
        self.pages.as_ref().map_or(0, |pages| pages.body_bytes)
    }
}

impl Queue {
    /// An empty queue with these rules. Equal seeds give equal jitter.
    #[must_use]
    pub fn new(rules: Arc<QueueRules>, seed: u64) -> Self {
        Self::recovered(rules, seed, Sequence(1), Sequence(0))
    }

    /// A queue without messages that goes on where another ended.
    pub(crate) fn recovered(
        rules: Arc<QueueRules>,
        seed: u64,
        next: Sequence,
        mark: Sequence,
    ) -> Self {
        Self {
            ready: Ready::new(&rules),
            rules,
            seed,
            next,
            holdings: Holdings::default(),
            subscriptions: SoloMap::default(),
            subscribed_count: 0,
            filtered_count: 0,
            has_cursors: false,
            browsers: BTreeMap::new(),
            takers: Takers::default(),
            active: None,
            bystanders: Bystanders::default(),
            prepared: SequenceMap::new(),
            mark: Mark::new(mark),
            riders: Riders::new(next),
        }
    }

    /// The rules that it keeps.
    #[must_use]
    pub fn rules(&self) -> &QueueRules {
        &self.rules
    }

    /// The messages, in whatever state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.holdings.count
    }

    /// Whether it holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holdings.count == 0
    }

    /// What its messages are charged with, wherever they are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.holdings.bytes
    }

    /// The sequence that the next message gets.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// The messages that wait, ready or delayed.
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.ready.len() + self.holdings.paged_count()
    }

    /// The messages that are delivered and not settled, or prepared.
    #[must_use]
    pub fn unsettled_count(&self) -> usize {
        self.holdings.count - self.ready_count()
    }

    /// The subscriptions, without those that browse, get one message, or have stepped aside.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len() - self.bystanders.count
    }

    /// Whether somebody browses.
    #[must_use]
    pub fn has_browsers(&self) -> bool {
        !self.browsers.is_empty()
    }

    /// All subscriptions, those that browse last.
    pub fn subscribers(&self) -> impl Iterator<Item = SubscriberId> {
        self.subscriptions
            .keys()
            .chain(self.browsers.keys())
            .copied()
    }

    /// Whether the queue takes another message. Where a full queue drops others instead, it always does.
    ///
    /// What waits is counted, ready or delayed. A message that would replace another about the same counts
    /// as one more.
    ///
    /// # Errors
    /// When the message would be more than the most that may wait.
    pub fn check_room(&self, message: &Message) -> Result<(), Full> {
        match self.rules.overflow.unwrap_or_default() {
            Overflow::DropHead => return Ok(()),
            Overflow::RejectPublish | Overflow::RejectPublishDeadLetter => {}
        }
        let count = self.ready_count() as u64 + 1;
        let body_bytes = message.body().len() as u64;
        let bytes = self.waiting_body_bytes().saturating_add(body_bytes);
        let is_over = self.rules.length_max.is_some_and(|max| count > max)
            || self.rules.bytes_max.is_some_and(|max| bytes > max);
        if is_over { Err(Full) } else { Ok(()) }
    }

    /// Where and until when a message that comes now would be kept.
    #[must_use]
    pub fn placement(&self, now: Instant, message: &Message) -> Placement {
        let envelope = message.envelope();
        // The queue's own begins when the message may be delivered.
        let rule = self.rules.message_ttl_ms;
        let rule = rule.map(|ttl| ttl.saturating_add(envelope.delay_ms));
        let ttls = [rule, envelope.ttl_ms];
        let ttl = ttls.into_iter().flatten().min();
        Placement {
            sequence: self.next,
            expires_at: ttl.map(|ttl| now.plus_millis(ttl)),
            available_at: (envelope.delay_ms > 0).then(|| now.plus_millis(envelope.delay_ms)),
        }
    }

    /// Appends a message where [`placement`](Self::placement) said. `logged` says where its record stands,
    /// if it has one yet.
    ///
    /// Older messages about the same that wait leave. If the queue is too full then and drops its head, the
    /// oldest of the lowest priority leave, ready or delayed, until it is not; this one may be among them. Where
    /// the one to go stands in a page only, it is dropped when the page is read and the queue
    /// [pumped](Self::pump).
    ///
    /// # Panics
    /// When the sequence is below [`next_sequence`](Self::next_sequence).
    pub fn enqueue(
        &mut self,
        message: Message,
        placement: Placement,
        logged: Option<LogIndex>,
        keys: Keys,
        left: &mut Vec<Left>,
    ) {
        assert!(
            placement.sequence >= self.next,
            "{} comes behind {}",
            placement.sequence,
            self.next
        );
        self.next = placement.sequence.next();
        let mut entry = Entry::placed(placement, logged, message);
        self.note_keys(keys, &mut entry);
        if let Some(value) = entry.value() {
            for spot in self.holdings.values.waiting(value) {
                self.leave_from(spot, LeaveReason::Superseded, left);
            }
        }
        self.admit(entry);
        self.drop_excess(left);
    }

    /// Drops what is too much, if that is what a full queue does: for one whose rules are not those that its messages
    /// came under.
    #[inline]
    pub fn drop_excess(&mut self, left: &mut Vec<Left>) {
        let has_bound = self.rules.length_max.is_some() || self.rules.bytes_max.is_some();
        if has_bound && self.rules.overflow.unwrap_or_default() == Overflow::DropHead {
            self.drop_heads(left);
        }
    }

    /// Makes all waiting messages leave, ready and delayed ones. Those that only pages have leave as a whole,
    /// page by page, without being read; they are not told to `left`.
    pub fn purge(&mut self, left: &mut Vec<Left>, purged: &mut Vec<PurgedPage>) {
        while let Some(spot) = self.ready.least() {
            self.leave_from(spot, LeaveReason::Purged, left);
        }
        self.purge_pages(purged);
    }

    /// Takes the oldest waiting message of the lowest priority away: for a private queue over its budget. Those that
    /// only pages have are passed over.
    pub fn drop_oldest(&mut self) -> Option<Message> {
        let entry = self.take(self.ready.least()?)?;
        self.holdings.leave(entry, LeaveReason::MaxLength).message
    }

    /// The messages in memory that do not stand in a saved page: ready, delayed, unsettled and prepared, in no
    /// particular order. For a snapshot, [`page_states`](Self::page_states) has the others.
    pub fn messages(&self) -> impl Iterator<Item = Held<'_>> {
        let subscriptions = self.subscriptions.values();
        let unsettled = subscriptions.flat_map(|subscription| subscription.unsettled.iter());
        let elsewhere = unsettled
            .chain(self.prepared.iter())
            .map(|(_, entry)| entry);
        let all = self.ready.iter().chain(elsewhere);
        all.filter(|entry| !self.holdings.is_in_saved_page(entry))
            .filter_map(Entry::held)
    }

    /// Notes what a message's head says, as far as the rules and the envelope care.
    pub(crate) fn note_keys(&mut self, keys: Keys, entry: &mut Entry) {
        if let Some(group) = keys.group
            && entry.message().envelope().is_grouped
        {
            entry.rare_mut().group = Some(self.holdings.groups.enter(group));
        }
        if let Some(value) = keys.value
            && self.rules.last_value_header.is_some()
        {
            entry.rare_mut().value = Some(self.holdings.values.intern(value));
        }
    }

    /// A message comes into the queue.
    #[inline]
    pub(crate) fn admit(&mut self, entry: Entry) {
        self.holdings.bytes += entry.cost_bytes();
        self.holdings.count += 1;
        self.put(entry);
    }

    /// Puts a message among those that wait.
    #[inline]
    pub(crate) fn put(&mut self, entry: Entry) -> Spot {
        self.riders.note(&entry);
        if let Some(value) = entry.value() {
            let spot = self.ready.spot(entry.sequence, entry.message());
            self.holdings.values.wait(value, spot);
        }
        self.ready.insert(entry)
    }

    /// Messages came to their places in the lanes, not behind all that did: whoever has looked there looks
    /// again.
    pub(crate) fn look_again(&mut self, spots: &[Spot]) {
        if !self.has_cursors {
            return;
        }
        let mut lowest = BTreeMap::new();
        for spot in spots {
            let sequence = lowest.entry(spot.lane).or_insert(spot.sequence);
            *sequence = spot.sequence.min(*sequence);
        }
        for subscription in self.subscriptions.values_mut() {
            for (lane, sequence) in &lowest {
                subscription.look_again(*lane, *sequence);
            }
        }
    }

    /// Takes a message from among those that wait.
    pub(crate) fn take(&mut self, spot: Spot) -> Option<Entry> {
        let entry = self.ready.take(spot)?;
        self.note_taken(&entry);
        Some(entry)
    }

    /// Makes a message that waits leave.
    pub(crate) fn leave_from(&mut self, spot: Spot, reason: LeaveReason, left: &mut Vec<Left>) {
        if let Some(entry) = self.take(spot) {
            self.depart(entry, reason, left);
        }
    }

    #[inline]
    fn note_taken(&mut self, entry: &Entry) {
        if let Some(value) = entry.value() {
            let spot = self.ready.spot(entry.sequence, entry.message());
            self.holdings.values.take(value, spot);
        }
    }

    /// Drops what is too much, oldest first, up to one that only its page has.
    pub(crate) fn drop_heads(&mut self, left: &mut Vec<Left>) {
        if self.holdings.is_damaged() {
            return;
        }
        let length_max = self.rules.length_max.unwrap_or(u64::MAX);
        let bytes_max = self.rules.bytes_max.unwrap_or(u64::MAX);
        let mut owes_drops = false;
        while self.ready_count() as u64 > length_max || self.waiting_body_bytes() > bytes_max {
            let here = self.ready.least();
            let pages = self.holdings.pages.as_ref();
            let paged = pages.and_then(|pages| pages.least()).map(|(spot, _)| spot);
            let is_here = paged.is_none_or(|paged| here.is_some_and(|here| here < paged));
            owes_drops = !is_here;
            match here.filter(|_| is_here) {
                Some(spot) => self.leave_from(spot, LeaveReason::MaxLength, left),
                None => break,
            }
        }
        if let Some(pages) = &mut self.holdings.pages {
            pages.owes_drops = owes_drops;
        }
    }

    fn waiting_body_bytes(&self) -> u64 {
        let in_memory = self.ready.body_bytes();
        in_memory.saturating_add(self.holdings.paged_body_bytes())
    }
}
