//! A queue that lives and dies with one connection.

use crate::Node;
use crate::counters;
use crate::dead_letter;
use crate::deliver::delivery;
use crate::get;
use crate::head;
use broker_api::{Event, Heads, QueueStatus, Reply, SettleMode};
use model::{
    Applied, CommandId, Deaths, Instant, LogIndex, Message, Outcome, Overflow, QueueDefinition,
    QueueName, Sequence, SubscriptionId,
};
use queue::{
    CancelCause, Handover, InUse, Keys, LeaveReason, Left, Port, Queue, SubscriberId,
    SubscriptionOptions,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A queue of a connection's own: an exclusive queue, or that of a subscription to an exchange that settles
/// its deliveries itself. The queue machine, run by the connection, without a log.
///
/// What all private queues of a connection hold, unsettled deliveries included, is bounded by the
/// subscriber's budget: over it, the oldest message that waits in the queue that grew is dropped.
pub(crate) struct PrivateQueue {
    /// What others know it by; none for a subscription's own.
    pub(crate) name: Option<QueueName>,
    pub(crate) definition: Arc<QueueDefinition>,
    /// How long it may be unused.
    expires_ms: Option<u64>,
    queue: Queue,
    settle_modes: BTreeMap<SubscriptionId, SettleMode>,
    /// Those of them that get one message, by what is answered then.
    gets: BTreeMap<SubscriptionId, CommandId>,
    /// Since when nobody has used it.
    unused_since: Option<Instant>,
    /// It waits for its turn to deliver.
    pub(crate) is_queued: bool,
    left: Vec<Left>,
}

impl PrivateQueue {
    pub(crate) fn new(
        now: Instant,
        name: Option<QueueName>,
        definition: Arc<QueueDefinition>,
        applied: &Applied,
        seed: u64,
    ) -> Self {
        let rules = Arc::new(applied.rules(&definition));
        Self {
            name,
            queue: Queue::new(rules, seed),
            expires_ms: applied.expires_ms(definition.expires_ms),
            definition,
            settle_modes: BTreeMap::new(),
            gets: BTreeMap::new(),
            unused_since: Some(now),
            is_queued: false,
            left: Vec::new(),
        }
    }

    /// How long its subscribers may keep a delivery that they have not settled.
    pub(crate) fn settle_ms(&self) -> Option<u64> {
        self.queue.rules().settle_ms
    }

    /// What it holds is charged with.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    pub(crate) fn status(&self, name: QueueName) -> QueueStatus {
        QueueStatus {
            name,
            ready_count: self.queue.ready_count() as u64,
            unsettled_count: self.queue.unsettled_count() as u64,
            bytes: self.queue.bytes() as u64,
            subscription_count: self.queue.subscription_count() as u64,
        }
    }

    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = SubscriptionId> {
        self.settle_modes.keys().copied()
    }

    /// It was declared again.
    pub(crate) fn note_use(&mut self, now: Instant) {
        self.unused_since = self.unused_since.map(|_| now);
    }

    /// Whether nobody has used it for so long that it ends.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.unused_until().is_some_and(|until| until <= now)
    }

    fn unused_until(&self) -> Option<Instant> {
        let unused = self.unused_since.zip(self.expires_ms);
        unused.map(|(since, expires_ms)| since.plus_millis(expires_ms))
    }

    pub(crate) fn subscribe(
        &mut self,
        now: Instant,
        id: SubscriberId,
        settle_mode: SettleMode,
        options: SubscriptionOptions,
    ) -> Result<(), InUse> {
        self.queue.subscribe(id, options)?;
        self.settle_modes.insert(id.subscription, settle_mode);
        self.note_use(now);
        if self.queue.subscription_count() > 0 {
            self.unused_since = None;
        }
        Ok(())
    }

    /// Ends a subscription. Returns whether it was the last; those that browse do not count.
    pub(crate) fn cancel(&mut self, now: Instant, id: SubscriberId) -> bool {
        let mut returned = Vec::new();
        let cause = CancelCause::Asked;
        let was_used = self.queue.subscription_count() > 0;
        self.queue
            .cancel(now, id, cause, &mut self.left, &mut returned);
        self.settle_modes.remove(&id.subscription);
        let was_last = was_used && self.queue.subscription_count() == 0;
        if was_last {
            self.unused_since = Some(now);
        }
        was_last
    }

    /// Adds one that gets one message; the command is answered when it has, or there is none.
    pub(crate) fn get(
        &mut self,
        now: Instant,
        id: SubscriberId,
        settle_mode: SettleMode,
        command: CommandId,
    ) -> Result<(), InUse> {
        self.subscribe(now, id, settle_mode, get::options())?;
        self.gets.insert(id.subscription, command);
        Ok(())
    }

    /// Those that wait for their message no more, by what is answered: one subscription, or all.
    pub(crate) fn take_gets(&mut self, of: Option<SubscriptionId>) -> Vec<CommandId> {
        let is_of = |id: &SubscriptionId| of.is_none_or(|of| of == *id);
        let gets = self.gets.extract_if(.., |id, _| is_of(id));
        gets.map(|(_, command)| command).collect()
    }

    /// Ends a subscription but for what it has not settled. Returns whether it was the last that counts.
    pub(crate) fn step_aside(&mut self, now: Instant, id: SubscriberId) -> bool {
        let was_used = self.queue.subscription_count() > 0;
        self.queue.step_aside(id);
        let was_last = was_used && self.queue.subscription_count() == 0;
        if was_last {
            self.unused_since = Some(now);
        }
        was_last
    }

    /// Takes a message in; `others` is what the connection's other private queues hold. The only
    /// message of a connection is kept whatever its size.
    pub(crate) fn enqueue(&mut self, now: Instant, message: Message, others: usize, node: &Node) {
        if let Some(name) = &self.name {
            let is_cycle = |deaths: Deaths| deaths.is_cycle(name.as_bytes());
            let deaths = message.annotations();
            if !deaths.is_empty() && Deaths::decode(deaths).is_some_and(is_cycle) {
                return;
            }
        }
        let place = self.queue.placement(now, &message);
        let rules = self.queue.rules();
        if self.queue.check_room(&message).is_err() {
            if rules.overflow == Some(Overflow::RejectPublishDeadLetter) {
                self.left.push(Left {
                    sequence: place.sequence,
                    away_bytes: 0,
                    message: Some(message),
                    is_logged: false,
                    reason: LeaveReason::MaxLength,
                });
            }
            return;
        }
        let keys = if message.envelope().is_grouped || rules.last_value_header.is_some() {
            head::keys(node.settings.heads, rules, &message)
        } else {
            Keys::default()
        };
        self.queue
            .enqueue(message, place, None, keys, &mut self.left);
        let mut dropped_count = 0;
        while others + self.queue.bytes() > node.settings.outbox_bytes
            && (others > 0 || self.queue.len() > 1)
            && self.queue.drop_oldest().is_some()
        {
            dropped_count += 1;
        }
        counters::add(&node.counters.dropped, dropped_count);
    }

    /// Passes a message on that need not be kept: its subscription settles nothing, and nothing is ahead of it. Returns
    /// the delivery, if it is one.
    pub(crate) fn pass(&mut self, message: &Message) -> Option<(SubscriptionId, Sequence)> {
        // Whether one that has died comes round is looked at when it is taken in.
        if !message.annotations().is_empty() {
            return None;
        }
        let settle_modes = &self.settle_modes;
        let is_presettled =
            |id: SubscriberId| settle_modes.get(&id.subscription) == Some(&SettleMode::Presettled);
        let (id, sequence) = self.queue.pass(message, is_presettled)?;
        Some((id.subscription, sequence))
    }

    pub(crate) fn grant(&mut self, id: SubscriberId, total: u64) {
        self.queue.grant(id, total);
    }

    /// Takes away what is granted and not used.
    pub(crate) fn use_up_grant(&mut self, id: SubscriberId) {
        self.queue.use_up_grant(id);
    }

    pub(crate) fn settle(
        &mut self,
        now: Instant,
        id: SubscriberId,
        sequences: &[Sequence],
        outcome: Outcome,
    ) {
        let mut returned = Vec::new();
        self.queue
            .settle(now, id, sequences, outcome, &mut self.left, &mut returned);
    }

    /// Takes the ready messages out; returns how many.
    pub(crate) fn purge(&mut self) -> u64 {
        let before = self.queue.len();
        // Its messages are all in memory.
        self.queue.purge(&mut self.left, &mut Vec::new());
        (before - self.queue.len()) as u64
    }

    /// Lets messages expire and delayed ones become ready.
    pub(crate) fn tick(&mut self, now: Instant) {
        while self.queue.tick(now, usize::MAX, &mut self.left) {}
    }

    /// When it has something to do by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queue
            .deadline()
            .into_iter()
            .chain(self.unused_until())
            .min()
    }

    /// Hands over what may be delivered, while `bytes_left` lasts. Returns whether there is more to look at.
    pub(crate) fn pump(
        &mut self,
        now: Instant,
        bytes_left: &mut usize,
        handle: &mut dyn FnMut(Event),
    ) -> bool {
        let mut transport = Transport {
            settle_modes: &self.settle_modes,
            gets: &mut self.gets,
            presettled: Vec::new(),
            bytes_left,
            handle,
        };
        let stop = self
            .queue
            .pump(now, LogIndex(0), &mut transport, &mut self.left);
        let presettled = transport.presettled;
        for run in presettled.chunk_by(|one, two| one.0 == two.0) {
            let sequences: Vec<_> = run.iter().map(|(_, sequence)| *sequence).collect();
            if let [(id, _), ..] = run {
                self.settle(now, *id, &sequences, Outcome::Accept);
            }
        }
        stop == queue::Stop::Busy
    }

    /// The dead letters that have become of messages since the last call.
    pub(crate) fn take_letters(&mut self, heads: Heads, now: Instant, letters: &mut Vec<Message>) {
        for left in self.left.drain(..) {
            let Some(reason) = dead_letter::reason(left.reason) else {
                continue;
            };
            let letter = self.queue.rules().dead_letter.as_ref();
            if let (Some(to), Some(name), Some(message)) = (letter, &self.name, &left.message) {
                let name = name.as_bytes();
                letters.push(dead_letter::of(heads, now, name, message, to, reason).0);
            }
        }
    }
}

/// Hands deliveries on, as far as bytes are left.
struct Transport<'a> {
    settle_modes: &'a BTreeMap<SubscriptionId, SettleMode>,
    gets: &'a mut BTreeMap<SubscriptionId, CommandId>,
    presettled: Vec<(SubscriberId, Sequence)>,
    bytes_left: &'a mut usize,
    handle: &'a mut dyn FnMut(Event),
}

impl Port for Transport<'_> {
    fn has_room(&mut self, _: SubscriberId) -> bool {
        *self.bytes_left > 0
    }

    fn deliver(&mut self, id: SubscriberId, handover: Handover) {
        *self.bytes_left = self
            .bytes_left
            .saturating_sub(handover.message.cost_bytes());
        if self.settle_modes.get(&id.subscription) == Some(&SettleMode::Presettled) {
            self.presettled.push((id, handover.sequence));
        }
        (self.handle)(delivery(id.subscription, handover));
    }

    fn browsed(&mut self, id: SubscriberId) {
        (self.handle)(Event::Drained(id.subscription));
    }

    fn got(&mut self, id: SubscriberId, ready_count: Option<usize>) {
        if let Some(command) = self.gets.remove(&id.subscription) {
            let got = Reply::Got(ready_count.map(|count| count as u64));
            (self.handle)(Event::Done(command, Ok(got)));
        }
    }
}
