//! Messages on their way from a queue to queues of other shards: dead letters, and wills.
//!
//! ```text
//!  source: FORWARDED (left the queue), synced ──message──▶ target: RECEIVED, synced
//!          FORWARDS_DONE ◀───────────────has it──────────────────┘
//! ```
//! After a crash the source sends again what is not done; the target knows what it has received by the
//! highest id of each source, for ids ascend on their way. So a message arrives once, wherever a crash
//! falls. What stands in no log (a transient message) is sent once and forgotten.

use super::{Effect, Shard};
use crate::dead_letter;
use crate::entry::{self, Forwarded};
use crate::mailbox::{Control, Forward};
use crate::retained::{Limit, Setting};
use crate::routes::{self, FilterWork, Found};
use model::{DeathReason, Instant, Message, Persistence, QueueId, Sequence, ShardId};
use queue::Left;
use std::collections::{BTreeMap, BTreeSet};

/// Spreads what is drawn by.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Stands for a queue where a message is to be retained in the log of the shard instead. Written to disk.
pub(super) const RETAINED_THERE: QueueId = QueueId(u64::MAX >> 1);

/// What a shard has sent to others and they have not taken yet, and what it has taken.
pub(super) struct Forwards {
    pub(super) next: u64,
    pub(super) outgoing: BTreeMap<u64, Outgoing>,
    /// What those are charged with.
    pub(super) outgoing_bytes: usize,
    /// Done, and not logged as such.
    done: Vec<u64>,
    /// The highest id that was taken from each shard.
    pub(super) received: BTreeMap<ShardId, u64>,
    /// Grows with every dead letter.
    drawn: u64,
}

/// A message that others are to take.
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) to: Vec<(ShardId, QueueId)>,
    /// Shards that have not said that they have it.
    waiting: BTreeSet<ShardId>,
}

/// A message on its way to a shard, which has not said that it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnItsWay {
    from: ShardId,
    id: u64,
    to: ShardId,
    /// What it will be charged with where it goes.
    pub cost_bytes: usize,
}

impl Default for Forwards {
    fn default() -> Self {
        Self {
            next: 1,
            outgoing: BTreeMap::new(),
            outgoing_bytes: 0,
            done: Vec::new(),
            received: BTreeMap::new(),
            drawn: 0,
        }
    }
}

impl Forwards {
    pub(super) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    fn insert(&mut self, id: u64, outgoing: Outgoing) {
        self.outgoing_bytes += outgoing.message.cost_bytes();
        self.outgoing.insert(id, outgoing);
    }
}

impl Outgoing {
    pub(super) fn new(message: Message, to: Vec<(ShardId, QueueId)>) -> Self {
        let waiting = to.iter().map(|(shard, _)| *shard).collect();
        Self {
            message,
            to,
            waiting,
        }
    }

    /// What each shard is to take.
    fn parts(&self, from: Option<(ShardId, u64)>) -> impl Iterator<Item = Forward> {
        self.waiting.iter().map(move |shard| Forward {
            shard: *shard,
            queues: self
                .to
                .iter()
                .filter(|(to, _)| to == shard)
                .map(|(_, queue)| *queue)
                .collect(),
            message: self.message.clone(),
            setting: None,
            from,
        })
    }
}

impl Shard {
    /// What is on its way to others.
    pub(crate) fn on_their_way(&self) -> impl Iterator<Item = OnItsWay> {
        let from = self.id;
        self.forwards.outgoing.iter().flat_map(move |(id, it)| {
            it.waiting.iter().map(move |shard| OnItsWay {
                from,
                id: *id,
                to: *shard,
                cost_bytes: it.message.cost_bytes()
                    * it.to.iter().filter(|(to, _)| to == shard).count(),
            })
        })
    }

    /// Whether it has taken in a message that is on its way to it.
    pub(crate) fn has_received(&self, one: &OnItsWay) -> bool {
        let received = self.forwards.received.get(&one.from);
        one.to == self.id && received.is_some_and(|received| *received >= one.id)
    }

    /// Takes back what was on its way before a crash, and sends it again.
    pub(crate) fn recover_forwards(
        &mut self,
        next: u64,
        outgoing: BTreeMap<u64, (Message, Vec<(ShardId, QueueId)>)>,
        received: BTreeMap<ShardId, u64>,
    ) {
        self.forwards.next = next;
        self.forwards.received = received;
        for (id, (message, to)) in outgoing {
            let outgoing = Outgoing::new(message, to);
            for part in outgoing.parts(Some((self.id, id))) {
                self.send(part);
            }
            self.forwards.insert(id, outgoing);
        }
    }

    /// A message has left a queue and goes to its dead-letter exchange.
    pub(super) fn forward_left(
        &mut self,
        now: Instant,
        queue: QueueId,
        left: &Left,
        reason: DeathReason,
    ) {
        let place = left.is_logged.then_some((queue, left.sequence));
        let message = left.message.as_ref();
        match message.and_then(|message| self.dead_letter(now, queue, message, reason)) {
            Some((message, to)) if left.is_logged => self.keep_and_send(place, message, to),
            Some((message, to)) => self.send_once(message, to),
            None => self.settled.extend(place),
        }
    }

    /// A queue has refused a message, which goes to its dead-letter exchange. Its publisher is told that it
    /// was refused: nothing is promised.
    pub(super) fn forward_refused(&mut self, now: Instant, queue: QueueId, message: &Message) {
        if let Some((message, to)) = self.dead_letter(now, queue, message, DeathReason::MaxLength) {
            self.send_once(message, to);
        }
    }

    /// The dead letter that a message becomes, and the shared queues that it goes to, if any. Who is
    /// pushed to directly gets it at once.
    pub(super) fn dead_letter(
        &mut self,
        now: Instant,
        queue: QueueId,
        message: &Message,
        reason: DeathReason,
    ) -> Option<(Message, Vec<(ShardId, QueueId)>)> {
        let hosted = self.queues.get(&queue)?;
        let to = hosted.queue.rules().dead_letter.as_ref()?;
        let (heads, name) = (self.node.settings.heads, hosted.shared.name.as_bytes());
        let (message, deaths) = dead_letter::of(heads, now, name, message, to, reason);
        let random = self.draw();
        let found = dead_letter::resolve(&self.node, &message, &deaths, random);
        let later = routes::delayed(&self.node, &self.node.routes.load(), &message);
        let message = later.unwrap_or(message);
        self.push_found(now, found, message)
    }

    /// Another number for each message.
    pub(super) fn draw(&mut self) -> u64 {
        self.forwards.drawn = self.forwards.drawn.wrapping_add(1);
        self.forwards.drawn.wrapping_mul(SPREAD) ^ self.node.settings.seed
    }

    /// Pushes a message to who is pushed to directly. Returns it with the shared queues that it goes to, if any.
    pub(super) fn push_found(
        &self,
        now: Instant,
        found: Found,
        message: Message,
    ) -> Option<(Message, Vec<(ShardId, QueueId)>)> {
        let mut work = FilterWork::new(&self.node.counters);
        for target in found.direct {
            if target.takes(model::ConnectionId(0), (0, &message), &mut work) {
                let messages = std::slice::from_ref(&message);
                target
                    .outbox
                    .push_direct(&self.node, now, target.to, messages);
            }
        }
        let queues = found.shared.iter();
        let queues: Vec<_> = queues
            .map(|shared| (shared.target.shard, shared.target.queue))
            .collect();
        (!queues.is_empty()).then_some((message, queues))
    }

    /// Logs that a message is on its way, and sends it once that is durable.
    fn keep_and_send(
        &mut self,
        source: Option<(QueueId, Sequence)>,
        message: Message,
        to: Vec<(ShardId, QueueId)>,
    ) {
        let forwarded = self.new_forward(source, message, to);
        self.append(entry::FORWARDED, |to| {
            entry::encode_forwarded(to, &forwarded);
        });
        self.send_with_batch(forwarded);
    }

    /// Numbers a message that is to be forwarded.
    pub(super) fn new_forward(
        &mut self,
        source: Option<(QueueId, Sequence)>,
        message: Message,
        to: Vec<(ShardId, QueueId)>,
    ) -> Forwarded {
        let id = self.forwards.next;
        self.forwards.next = id + 1;
        Forwarded {
            id,
            source,
            to,
            message,
        }
    }

    /// Sends what the open batch says is on its way, once that is durable.
    pub(super) fn send_with_batch(&mut self, forwarded: Forwarded) {
        self.send_set_with_batch(forwarded, None);
    }

    /// The same of a message that has been set as the last of its key.
    pub(super) fn send_set_with_batch(
        &mut self,
        forwarded: Forwarded,
        mut setting: Option<Box<Setting>>,
    ) {
        let Forwarded {
            id, message, to, ..
        } = forwarded;
        let outgoing = Outgoing::new(message, to);
        for mut part in outgoing.parts(Some((self.id, id))) {
            if part.queues.contains(&RETAINED_THERE) {
                part.setting = setting.take();
            }
            let executor = self.node.executor_of(part.shard);
            let control = Control::Forward(Box::new(part));
            self.batch_effects.push(Effect::Tell { executor, control });
        }
        self.forwards.insert(id, outgoing);
    }

    fn send_once(&self, message: Message, to: Vec<(ShardId, QueueId)>) {
        for part in Outgoing::new(message, to).parts(None) {
            self.send(part);
        }
    }

    fn send(&self, part: Forward) {
        let executor = self.node.executor_of(part.shard);
        let control = Control::Forward(Box::new(part));
        self.node.mailboxes[executor].post(&mut vec![control]);
    }

    /// A message has come from another shard. It is taken whatever the queues hold: a dead letter is never
    /// refused.
    pub(crate) fn receive(&mut self, now: Instant, forward: Forward) {
        let Forward {
            queues,
            message,
            setting,
            from,
            ..
        } = forward;
        if self.is_refused() {
            // Whoever sent it keeps it, and sends it again after a restart.
            if setting.is_some() {
                self.node.retained.logged(message.key());
            }
            return;
        }
        let is_new = from.is_none_or(|(shard, id)| {
            let received = self.forwards.received.entry(shard).or_default();
            let is_new = id > *received;
            *received = id.max(*received);
            is_new
        });
        if is_new {
            if queues.contains(&RETAINED_THERE) {
                self.retain_received(now, &message, setting);
            }
            self.take_in(now, &queues, &message, from);
        }
        if let Some((from, id)) = from {
            let by = self.id;
            let executor = self.node.executor_of(from);
            let control = Control::Forwarded { from, id, by };
            self.batch_effects.push(Effect::Tell { executor, control });
        }
    }

    /// A message that is to be retained in this shard's log has come: as it was set, or, after a crash, it is set again.
    fn retain_received(&mut self, now: Instant, message: &Message, setting: Option<Box<Setting>>) {
        let settings = &self.node.settings;
        let setting = setting.map_or_else(
            || {
                let passed = Limit::Passed;
                self.node.retained.set(settings, now, message, None, passed)
            },
            |setting| Ok(*setting),
        );
        if let Ok(setting) = setting {
            self.retain(setting);
        }
    }

    fn take_in(
        &mut self,
        now: Instant,
        queues: &[QueueId],
        message: &Message,
        from: Option<(ShardId, u64)>,
    ) {
        let is_kept = from.is_some() || message.envelope().persistence == Persistence::Persistent;
        let mut places = Vec::new();
        for id in queues {
            let Some(hosted) = self.queues.get(id) else {
                continue;
            };
            let place = hosted.queue.placement(now, message);
            if is_kept && hosted.is_durable() {
                places.push((*id, place));
            } else {
                self.enqueue(now, *id, message.clone(), place, None);
            }
        }
        if places.is_empty() {
            if let Some((shard, id)) = from.filter(|_| queues.contains(&RETAINED_THERE)) {
                self.append(entry::RECEIVED, |to| {
                    entry::encode_received(to, shard, id, None);
                });
            }
            return;
        }
        let index = match from {
            Some((shard, id)) => self.append(entry::RECEIVED, |to| {
                entry::encode_received(to, shard, id, Some((&places, message)));
            }),
            None => self.append_enqueued(&places, message),
        };
        for (id, place) in places {
            self.enqueue(now, id, message.clone(), place, Some(index));
        }
    }

    /// A shard has what was sent to it.
    pub(crate) fn handle_forwarded(&mut self, id: u64, by: ShardId) {
        let Some(outgoing) = self.forwards.outgoing.get_mut(&id) else {
            return;
        };
        outgoing.waiting.remove(&by);
        if outgoing.waiting.is_empty() {
            self.forwards.outgoing_bytes -= outgoing.message.cost_bytes();
            self.forwards.outgoing.remove(&id);
            self.forwards.done.push(id);
        }
    }

    /// Logs what all others have taken.
    pub(super) fn log_forwards_done(&mut self) {
        if self.forwards.done.is_empty() {
            return;
        }
        let done = std::mem::take(&mut self.forwards.done);
        self.append(entry::FORWARDS_DONE, |to| {
            entry::encode_forwards_done(to, &done);
        });
    }
}
