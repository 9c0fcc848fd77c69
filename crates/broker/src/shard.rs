//! One shard: its log, its queues, and what they have for each other.

mod bodies;
mod damage;
mod estates;
mod forwards;
mod held;
mod leaving;
mod lifecycle;
mod memory;
mod merges;
mod pages;
mod publish;
mod retained;
mod riders;
mod snapshot;
mod transactions;

use crate::Node;
use crate::entry;
use crate::estate::Estate;
use crate::follow::{Left as LeftPushes, Pushing, Sets};
use crate::head;
use crate::mailbox::{Control, Decided, Settlement};
use crate::outbox::Outbox;
use crate::retained::Setting;
use crate::shared_queue::SharedQueue;
use crate::transaction::Asker;
use bodies::Bodies;
use broker_api::{Event, Refusal, Reply};
use forwards::Forwards;
pub use forwards::OnItsWay;
use held::{Holds, Then};
use leaving::Shrinking;
pub(crate) use leaving::Turn;
use log_store::{Batch, ShardLog, StoreFailed};
pub(crate) use memory::Pressure;
use memory::{Memory, Noted};
use merges::Merges;
use model::{
    CommandId, Durability, Instant, LogIndex, Message, Overflow, QueueId, QueueRules, Sequence,
    ShardId,
};
use pages::Pages;
use queue::{Keys, Left, Placement, Port, Queue, Returned, Stop, SubscriberId};
use retained::Kept;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
pub(crate) use transactions::Fate;
use transactions::Transactions;

/// Settlements that wait to ride along are logged at the latest when they are this many.
const SETTLED_MAX: usize = 8192;

/// So many messages of one queue expire at once, before others have their turn.
const EXPIRED_MAX: usize = 1024;

/// What happens once something is durable.
pub(crate) enum Effect {
    /// Commands of one connection are confirmed together.
    Confirm {
        outbox: Arc<Outbox>,
        commands: Vec<CommandId>,
    },
    /// A connection is answered.
    Answer { outbox: Arc<Outbox>, event: Event },
    /// A transaction is decided.
    Decide {
        asker: Asker,
        result: Result<(), Refusal>,
        /// The shards that are to do as decided; none where one has done it alone.
        then: Vec<Decided>,
    },
    /// An executor is told.
    Tell { executor: usize, control: Control },
}

/// One shard: a log, and the queues whose entries stand in it.
///
/// An entry takes effect in the machine when it is pushed into the open batch; its effects (confirms,
/// deliveries, what other shards are told) are released when the log says that it is durable.
pub(crate) struct Shard {
    node: Arc<Node>,
    id: ShardId,
    pub(crate) log: Box<dyn ShardLog>,
    /// Boxed: nodes of a map have room for eleven.
    queues: BTreeMap<QueueId, Box<Hosted>>,
    /// What this step appends.
    batch: Option<Batch>,
    /// What happens once the open batch is durable.
    batch_effects: Vec<Effect>,
    /// Queues that may go on once the open batch is durable.
    batch_queues: Vec<QueueId>,
    /// The same for batches that were submitted, in order.
    waiting_effects: VecDeque<(LogIndex, Effect)>,
    waiting_queues: VecDeque<(LogIndex, QueueId)>,
    waiting_bytes: VecDeque<(LogIndex, usize)>,
    /// The bytes of batches that were submitted and are not durable.
    uncommitted_bytes: usize,
    /// Queues to be pumped in this step.
    touched: Vec<QueueId>,
    /// Logged messages that left their queues; their records ride along with the next batch.
    settled: Vec<(QueueId, Sequence)>,
    /// Logged messages that came back with a count; likewise.
    returns: Vec<(QueueId, Returned)>,
    /// Queues with messages that stand in no log yet.
    riding: Vec<QueueId>,
    /// When which queue has something to do by itself.
    deadlines: BTreeSet<(Instant, QueueId)>,
    forwards: Forwards,
    transactions: Transactions,
    /// Who waits for notes that prepared transactions may change.
    recalls: Vec<(QueueId, SubscriberId, Asker)>,
    holds: Holds,
    bodies: Bodies,
    memory: Memory,
    pages: Pages,
    merges: Merges,
    shrinking: Shrinking,
    /// The last messages of keys whose records stand in this log.
    kept: Kept,
    /// How short memory was when this was last told.
    pressure: Pressure,
    /// Set where the log is damaged: the shard is out of service.
    refused: Option<Arc<str>>,
    /// Queues that are out of service.
    damaged: BTreeMap<QueueId, Arc<SharedQueue>>,
    /// Subscriptions that have ended with their queues, and why.
    ended: Vec<(SubscriberId, Refusal)>,
    /// What has come and gone in this step, as charged to memory.
    added_bytes: usize,
    freed_bytes: usize,
    /// Lent to the machine.
    left: Vec<Left>,
    returned: Vec<Returned>,
    /// Where the sequences of one record are put together.
    run: Vec<Sequence>,
}

/// A queue in its shard.
struct Hosted {
    shared: Arc<SharedQueue>,
    queue: Queue,
    /// Since when nobody has used it.
    unused_since: Option<Instant>,
    /// When it stands in the shard's deadlines.
    deadline: Option<Instant>,
    is_touched: bool,
    is_in_batch: bool,
    is_riding: bool,
    noted: Noted,
    /// What is kept for whoever takes it over, once somebody has.
    estate: Option<Box<Estate>>,
}

impl Hosted {
    fn is_durable(&self) -> bool {
        self.shared.definition.durability == Durability::Durable
    }

    /// Whether so many more messages are too many, where that is refused.
    fn refuses(&self, count: u64) -> bool {
        let rules = self.queue.rules();
        let is_over = |max| self.queue.ready_count() as u64 + count > max;
        rules.overflow.unwrap_or_default() != Overflow::DropHead
            && rules.length_max.is_some_and(is_over)
    }

    /// Whether anybody has subscribed, but to browse, or another queue keeps it.
    fn is_used(&self) -> bool {
        self.queue.subscription_count() > 0 || self.shared.is_kept()
    }

    /// Whether a look at it can lead to anything: a message waits, or its body is to be read, or somebody browses.
    fn has_work(&self) -> bool {
        self.queue.ready_count() > 0 || self.queue.has_browsers() || self.queue.awaits_bodies()
    }

    /// When it is to be looked at even if nobody asks for it.
    fn next_deadline(&self) -> Option<Instant> {
        if self.is_ending() {
            return None;
        }
        let will_at = self.estate.as_ref().and_then(|estate| estate.will_at());
        let deadlines = self.queue.deadline().into_iter();
        deadlines.chain(self.ends_at()).chain(will_at).min()
    }

    /// When it ends for want of use: as its owner said, or else as it was declared, or sooner as policies say. Not while
    /// nobody can use it: what can be repaired of it is kept.
    fn ends_at(&self) -> Option<Instant> {
        if self.shared.is_kept() || self.shared.is_damaged() {
            return None;
        }
        let bequest = self.estate.as_ref().and_then(|estate| estate.bequest());
        let expires_ms = match bequest {
            Some(bequest) => bequest.expires_ms,
            None => self.shared.definition.expires_ms,
        };
        let unused = self.unused_since.zip(self.shared.expires_ms(expires_ms));
        unused.map(|(since, expires_ms)| since.plus_millis(expires_ms))
    }

    /// Whether it is about to end, when its will is durable.
    fn is_ending(&self) -> bool {
        self.estate
            .as_ref()
            .is_some_and(|estate| estate.ending.is_some())
    }

    /// The keys of a message, if it has any that matter here.
    fn keys(&self, node: &Node, message: &Message) -> Keys {
        keys(node, self.queue.rules(), message)
    }
}

/// The keys of a message, if it has any that matter to a queue with these rules.
fn keys(node: &Node, rules: &QueueRules, message: &Message) -> Keys {
    if message.envelope().is_grouped || rules.last_value_header.is_some() {
        head::keys(node.settings.heads, rules, message)
    } else {
        Keys::default()
    }
}

impl Shard {
    pub(crate) fn new(node: &Arc<Node>, log: Box<dyn ShardLog>) -> Self {
        Self {
            node: Arc::clone(node),
            id: log.shard(),
            log,
            queues: BTreeMap::new(),
            batch: None,
            batch_effects: Vec::new(),
            batch_queues: Vec::new(),
            waiting_effects: VecDeque::new(),
            waiting_queues: VecDeque::new(),
            waiting_bytes: VecDeque::new(),
            uncommitted_bytes: 0,
            touched: Vec::new(),
            settled: Vec::new(),
            returns: Vec::new(),
            riding: Vec::new(),
            deadlines: BTreeSet::new(),
            forwards: Forwards::default(),
            transactions: Transactions::default(),
            recalls: Vec::new(),
            holds: Holds::default(),
            bodies: Bodies::default(),
            memory: Memory::default(),
            pages: Pages::new(node.settings.queued_bytes),
            merges: Merges::default(),
            shrinking: Shrinking::default(),
            kept: Kept::default(),
            pressure: Pressure::None,
            refused: None,
            damaged: BTreeMap::new(),
            ended: Vec::new(),
            added_bytes: 0,
            freed_bytes: 0,
            left: Vec::new(),
            returned: Vec::new(),
            run: Vec::new(),
        }
    }

    /// The queue, to be pumped at the end of the step.
    pub(crate) fn touch(&mut self, id: QueueId) -> Option<&mut Queue> {
        let hosted = self.queues.get_mut(&id)?;
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
        Some(&mut hosted.queue)
    }

    /// The bytes that were submitted and are not durable.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    /// What has come and gone since the last call, as charged to memory.
    pub(crate) fn take_moved_bytes(&mut self) -> (usize, usize) {
        let moved = (self.added_bytes, self.freed_bytes);
        (self.added_bytes, self.freed_bytes) = (0, 0);
        moved
    }

    /// Subscriptions that have ended with their queues.
    pub(crate) fn take_ended(&mut self) -> Vec<(SubscriberId, Refusal)> {
        std::mem::take(&mut self.ended)
    }

    /// Confirms the command when the open batch is durable.
    pub(crate) fn confirm_with_batch(&mut self, outbox: &Arc<Outbox>, command: CommandId) {
        match self.batch_effects.last_mut() {
            Some(Effect::Confirm {
                outbox: last,
                commands,
            }) if Arc::ptr_eq(last, outbox) => commands.push(command),
            _ => {
                let outbox = Arc::clone(outbox);
                let commands = vec![command];
                self.batch_effects
                    .push(Effect::Confirm { outbox, commands });
            }
        }
    }

    /// Ends deliveries.
    pub(crate) fn settle(&mut self, now: Instant, settlement: Settlement) {
        let Settlement {
            subscriber,
            target,
            sequences,
            outcome,
            confirm,
        } = settlement;
        if let Some(hosted) = self.queues.get_mut(&target.queue) {
            let (left, returned) = (&mut self.left, &mut self.returned);
            hosted
                .queue
                .settle(now, subscriber, &sequences, outcome, left, returned);
            let has_work = hosted.has_work();
            self.handle_moved(now, target.queue);
            if has_work {
                self.touch_released(target.queue);
            } else {
                self.note(target.queue);
            }
        }
        if let Some((outbox, command)) = confirm {
            if let Some(refusal) = self.damage_of(target.queue) {
                // What it had is in the queue again.
                outbox.push(&mut vec![Event::Done(command, Err(refusal))]);
                return;
            }
            self.log_settled();
            let awaited = self.awaited(target.queue, &sequences);
            self.when_here(now, awaited, Then::Confirm { outbox, command });
        }
    }

    /// Those of these messages that await their bodies.
    fn awaited(&self, id: QueueId, sequences: &[Sequence]) -> Vec<(QueueId, Sequence)> {
        let hosted = self.queues.get(&id);
        let awaited = hosted.map(|hosted| hosted.queue.awaited(sequences));
        let awaited = awaited.into_iter().flatten();
        awaited.map(|sequence| (id, sequence)).collect()
    }

    /// Notes that messages may have come back to the queue.
    fn touch_released(&mut self, id: QueueId) {
        if self.has_passed_over() {
            self.reconsider_one(id);
        }
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        if hosted.is_durable()
            && hosted.queue.has_unlogged()
            && !std::mem::replace(&mut hosted.is_riding, true)
        {
            self.riding.push(id);
        }
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
    }

    /// Appends a record.
    pub(crate) fn append(&mut self, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> LogIndex {
        self.batch
            .get_or_insert_with(|| self.log.batch())
            .push(kind, encode)
    }

    /// Appends the record of a message that has come to queues.
    fn append_enqueued(&mut self, places: &[(QueueId, Placement)], message: &Message) -> LogIndex {
        self.batch
            .get_or_insert_with(|| self.log.batch())
            .push_with_content(entry::ENQUEUED, message, |to| {
                entry::encode_enqueued_before_content(to, places, message);
            })
    }

    /// When a queue has something to do by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let first = self.deadlines.first().map(|(deadline, _)| *deadline);
        let pages = [
            self.pages.retry_at,
            self.pages.rewrite_at,
            self.bodies.due_at,
            self.shrinking.due_at,
        ];
        let others = [self.memory.reconsider_at, self.kept.deadline()];
        let later = pages.into_iter().chain(others);
        first.into_iter().chain(later.flatten()).min()
    }

    /// Does what queues have to do by themselves by now: messages expire or become ready, unused queues end.
    /// Returns whether there is more to do at once.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let mut due = Vec::new();
        while let Some((deadline, id)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            due.push(id);
        }
        let mut has_more = self.expire_retained(now);
        for id in due {
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            hosted.deadline = None;
            if hosted.is_ending() {
                continue;
            }
            self.publish_due_will(now, id);
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            if hosted.ends_at().is_some_and(|at| at <= now) {
                if !hosted.queue.awaits_bodies() {
                    self.end(now, id, None);
                    continue;
                }
                // What was rejected goes out first.
                hosted.unused_since = Some(now);
            }
            has_more |= hosted.queue.tick(now, EXPIRED_MAX, &mut self.left);
            self.handle_moved(now, id);
            self.touch(id);
        }
        has_more
    }

    /// Delivers what can be delivered from the queues that were touched, and reserves delivery marks
    /// ahead of it. Returns whether there is more to do at once.
    pub(crate) fn pump(&mut self, now: Instant, port: &mut impl Port) -> bool {
        self.release_held(now);
        self.shrinking.bytes = 0;
        let (mut busy, mut held) = (Vec::new(), Vec::new());
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if let Some(hosted) = self.queues.get_mut(&id) {
                hosted.is_touched = false;
            }
            match self.pump_queue(now, id, port) {
                Turn::Done => self.go_on_draining(id),
                Turn::Busy => busy.push(id),
                Turn::Held => held.push(id),
            }
        }
        if held.is_empty() {
            self.shrinking.due_at = None;
        }
        // What was touched meanwhile stays so; its place is kept for the next step.
        touched.append(&mut self.touched);
        self.touched = touched;
        for id in busy.iter().chain(&held) {
            self.touch(*id);
        }
        !busy.is_empty()
    }

    /// The same for one queue.
    pub(crate) fn pump_queue(&mut self, now: Instant, id: QueueId, port: &mut impl Port) -> Turn {
        let committed = self.log.committed();
        let Some(mut hosted) = self.queues.get_mut(&id) else {
            return Turn::Done;
        };
        let is_shrinking = hosted.queue.is_shrinking();
        if is_shrinking {
            if let Some(turn) = self.holds_shrinking_back(now) {
                self.note(id);
                return turn;
            }
            match self.queues.get_mut(&id) {
                Some(again) => hosted = again,
                None => return Turn::Done,
            }
        }
        let stop = hosted.queue.pump(now, committed, port, &mut self.left);
        if is_shrinking {
            let left = self.left.iter().map(Left::cost_bytes);
            self.shrinking.bytes += left.sum::<usize>();
        }
        if let Some(mark) = hosted.queue.wanted_mark() {
            let batch = self.batch.get_or_insert_with(|| self.log.batch());
            let index = batch.push(entry::MARKED, |to| entry::encode_marked(to, id, mark));
            hosted.queue.mark_logged(mark, index);
            if !std::mem::replace(&mut hosted.is_in_batch, true) {
                self.batch_queues.push(id);
            }
        }
        if self.pressure >= Pressure::High {
            // Or what is read for subscribers that settle nothing would fill memory while others are saved.
            hosted.queue.strip_hands();
        }
        self.handle_moved(now, id);
        self.note_pages(now, id, self.pressure);
        self.note(id);
        if stop == Stop::Busy {
            Turn::Busy
        } else if is_shrinking && self.is_shrinking(id) {
            Turn::Held
        } else {
            Turn::Done
        }
    }

    /// Notes for others what a queue holds.
    pub(crate) fn note_held(&self, id: QueueId) {
        if let Some(hosted) = self.queues.get(&id) {
            hosted.shared.note(&hosted.queue);
        }
    }

    /// Notes for others what a queue holds, and when it is to be looked at again.
    fn note(&mut self, id: QueueId) {
        self.note_memory(id);
        self.note_freed_pages(id);
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        hosted.shared.note(&hosted.queue);
        let deadline = hosted.next_deadline();
        if deadline == hosted.deadline {
            return;
        }
        if let Some(old) = std::mem::replace(&mut hosted.deadline, deadline) {
            self.deadlines.remove(&(old, id));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, id));
        }
    }

    /// Submits what this step appends. What waits to ride along rides along.
    pub(crate) fn submit(&mut self, news: &mut Vec<Effect>) -> Result<(), StoreFailed> {
        if self.is_refused() {
            // Nothing of it stands in the log: it refuses what others ask, and may say so at once.
            news.append(&mut self.batch_effects);
            return Ok(());
        }
        if self.batch.is_some() || self.settled.len() + self.returns.len() >= SETTLED_MAX {
            self.log_settled();
        }
        if self.settled.is_empty() && self.returns.is_empty() {
            self.pages.told_is_logged();
        }
        let Some(batch) = self.batch.take() else {
            // What needs no record of its own may still rest on one that is on its way.
            let last = LogIndex(self.log.next_index().0 - 1);
            self.pages.submitted(last);
            self.handle_pages_committed(self.log.committed());
            if last <= self.log.committed() {
                news.append(&mut self.batch_effects);
            } else {
                let effects = self.batch_effects.drain(..).map(|effect| (last, effect));
                self.waiting_effects.extend(effects);
            }
            return Ok(());
        };
        let bytes = batch.size_bytes();
        let last = self.log.submit(batch)?;
        self.pages.submitted(last);
        self.waiting_bytes.push_back((last, bytes));
        self.uncommitted_bytes += bytes;
        let effects = self.batch_effects.drain(..).map(|effect| (last, effect));
        self.waiting_effects.extend(effects);
        for id in self.batch_queues.drain(..) {
            if let Some(hosted) = self.queues.get_mut(&id) {
                hosted.is_in_batch = false;
                self.waiting_queues.push_back((last, id));
            }
        }
        Ok(())
    }

    /// Releases the effects of what has become durable.
    pub(crate) fn handle_committed(&mut self, news: &mut Vec<Effect>) -> Result<(), StoreFailed> {
        if self.is_refused() {
            return Ok(());
        }
        if self.log.is_failed() {
            return Err(StoreFailed);
        }
        let committed = self.log.committed();
        while let Some((index, _)) = self.waiting_effects.front()
            && *index <= committed
        {
            news.extend(self.waiting_effects.pop_front().map(|(_, effect)| effect));
        }
        while let Some((index, bytes)) = self.waiting_bytes.front().copied()
            && index <= committed
        {
            self.waiting_bytes.pop_front();
            self.uncommitted_bytes -= bytes;
        }
        while let Some((index, id)) = self.waiting_queues.front().copied()
            && index <= committed
        {
            self.waiting_queues.pop_front();
            self.touch(id);
        }
        self.handle_pages_committed(committed);
        self.note_committed();
        Ok(())
    }

    /// Whether everything submitted is durable and nothing waits to be.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_refused()
            || !self.has_riders() && LogIndex(self.log.committed().0 + 1) >= self.log.next_index()
    }
}

/// Why a subscription cannot begin.
pub(crate) enum Subscribing {
    /// The queue has ended.
    NoQueue,
    /// It is out of service, or there are too many.
    Refused(Refusal),
    /// It, or another subscription, is to be the only one.
    InUse(Arc<SharedQueue>),
}

/// What became of a publish in the queues of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// In the queues and in the open batch, which its confirm waits for.
    InBatch,
    /// In the queues, or they are gone; confirmed at once.
    AtOnce,
    /// A queue has no place for it.
    Refused(Refusal),
}

/// Lets the effects happen.
pub(crate) fn tell(node: &Node, now: Instant, news: &mut Vec<Effect>) {
    for effect in news.drain(..) {
        match effect {
            Effect::Confirm { outbox, commands } => outbox.confirm(&commands),
            Effect::Answer { outbox, event } => outbox.push(&mut vec![event]),
            Effect::Decide {
                asker,
                result,
                then,
            } => answer(node, now, &asker, result, then),
            Effect::Tell { executor, control } => {
                node.mailboxes[executor].post(&mut vec![control]);
            }
        }
    }
}

/// Answers who waits for a transaction, once the shards have been told. What follows is pushed before if nobody else does
/// it.
pub(crate) fn answer(
    node: &Node,
    now: Instant,
    asker: &Asker,
    result: Result<(), Refusal>,
    then: Vec<Decided>,
) {
    let follow = asker.follow.as_ref();
    let left = follow.map(|follow| follow.decide(result.is_ok()));
    let LeftPushes { pushes, keys } = left.unwrap_or_default();
    let sets = if then.is_empty() {
        Sets::Shard
    } else {
        Sets::Pusher
    };
    let mut pushing = Pushing::new(node, now, asker.outbox.connection(), sets);
    pushes.into_iter().for_each(|push| pushing.push(push));
    let mut settings = pushing.settings;
    for mut decided in then {
        let is_here =
            |setting: &mut Setting| node.retained.shard_of(setting.message.key()) == decided.shard;
        decided.settings = settings.extract_if(.., is_here).collect();
        let executor = node.executor_of(decided.shard);
        let control = Control::Decided(Box::new(decided));
        node.mailboxes[executor].post(&mut vec![control]);
    }
    // Whoever sets them next comes behind this in all queues.
    drop(keys);
    follow
        .into_iter()
        .for_each(|follow| follow.hold(std::mem::take(&mut pushing.held_by)));
    let done = result.map(|()| Reply::Nothing);
    asker
        .outbox
        .push(&mut vec![Event::Done(asker.command, done)]);
}
