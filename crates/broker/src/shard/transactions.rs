//! A shard's part in transactions, and its work as their coordinator. `crate::transaction` draws the way.

use super::bodies::Awaited;
use super::held::Then;
use super::{Effect, Shard, answer};
use crate::dead_letter;
use crate::entry::{self, Group};
use crate::mailbox::{Control, Decided};
use crate::retained::Setting;
use crate::transaction::{
    Asker, Decision, OfferId, Part, Prepared, PreparedPublish, PreparedSettle, TransactionId,
};
use broker_api::Refusal;
use model::{Instant, LogIndex, Message, Outcome, QueueId, Sequence, ShardId};
use queue::Placement;
use std::collections::{BTreeMap, BTreeSet};

/// What a shard has prepared, and what it coordinates.
pub(super) struct Transactions {
    pub(super) next: u64,
    pub(super) prepared: BTreeMap<TransactionId, Prepared>,
    /// What is to be prepared, and stands in no log yet.
    offered: BTreeMap<OfferId, Prepared>,
    coordinated: BTreeMap<u64, Coordinated>,
}

/// A transaction at its coordinator.
struct Coordinated {
    shards: Vec<ShardId>,
    /// Those that have not voted, or not applied.
    waiting: BTreeSet<ShardId>,
    state: State,
    asker: Option<Asker>,
}

/// How far it is.
enum State {
    /// Votes come in; the first refusal is kept.
    Preparing(Result<(), Refusal>),
    /// It is decided, and those that have not applied it are told. An abort stands in no log of the
    /// coordinator's.
    Applying(Decision),
}

impl Default for Transactions {
    fn default() -> Self {
        Self {
            next: 1,
            prepared: BTreeMap::new(),
            offered: BTreeMap::new(),
            coordinated: BTreeMap::new(),
        }
    }
}

impl Transactions {
    /// Decided to be committed, and not finished.
    pub(super) fn decided(&self) -> impl Iterator<Item = (u64, &[ShardId])> {
        self.coordinated
            .iter()
            .filter(|(_, coordinated)| {
                matches!(coordinated.state, State::Applying(Decision::Commit))
            })
            .map(|(number, coordinated)| (*number, &coordinated.shards[..]))
    }
}

/// What a coordinator knows of a transaction after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is to be committed; the coordinator says so again.
    Decided,
    /// Nothing, so it never was decided.
    Aborted,
    /// The coordinator is out of service: what was prepared stays so.
    Unknown,
}

/// Messages with their places, by queue, in order.
type Placed = Vec<(Message, Vec<(QueueId, Placement)>)>;

impl Shard {
    /// Takes back what was prepared or decided before a crash. `fate` says what its coordinator knows of a
    /// transaction that was prepared here.
    pub(crate) fn recover_transactions(
        &mut self,
        next: u64,
        prepared: BTreeMap<TransactionId, Prepared>,
        decided: BTreeMap<u64, Vec<ShardId>>,
        fate: impl Fn(TransactionId) -> Fate,
    ) {
        self.transactions.next = next;
        for (id, prepared) in prepared {
            for settle in &prepared.settles {
                if let Some(hosted) = self.queues.get_mut(&settle.queue) {
                    hosted.queue.prepare_ready(&settle.sequences);
                }
            }
            let fate = fate(id);
            self.hold_notes(&prepared.notes);
            if fate == Fate::Unknown {
                self.note_undecided(&prepared.notes);
            }
            self.transactions.prepared.insert(id, prepared);
            match fate {
                Fate::Aborted => self.tell_decision(self.id, id, Decision::Abort),
                Fate::Decided | Fate::Unknown => {}
            }
        }
        for (number, shards) in decided {
            let id = self.transaction_id(number);
            for shard in &shards {
                self.tell_decision(*shard, id, Decision::Commit);
            }
            let coordinated = Coordinated {
                waiting: shards.iter().copied().collect(),
                shards,
                state: State::Applying(Decision::Commit),
                asker: None,
            };
            self.transactions.coordinated.insert(number, coordinated);
        }
    }

    /// A coordinator out of service refuses, under numbers that stand nowhere yet.
    pub(crate) fn recover_refused(&mut self, next: u64) {
        self.transactions.next = next;
    }

    fn transaction_id(&self, number: u64) -> TransactionId {
        TransactionId {
            coordinator: self.id,
            number,
        }
    }

    fn tell_decision(&self, shard: ShardId, id: TransactionId, decision: Decision) {
        let executor = self.node.executor_of(shard);
        let decided = Decided {
            shard,
            id,
            decision,
            settings: Vec::new(),
        };
        let control = Control::Decided(Box::new(decided));
        self.node.mailboxes[executor].post(&mut vec![control]);
    }

    /// A transaction on this shard alone: one record.
    pub(crate) fn transact(&mut self, now: Instant, part: Part, asker: Asker) {
        let check = self.check_part(&part);
        if let Err(refusal) = check.and_then(|()| self.check_room(&part.publishes)) {
            answer(&self.node, now, &asker, Err(refusal), Vec::new());
            return;
        }
        let prepared = self.take_part(part);
        match self.fetch_bodies(&prepared) {
            Ok((awaited, bytes)) => {
                let then = Then::Transact {
                    prepared,
                    bytes,
                    asker,
                };
                self.when_here(now, awaited, then);
            }
            Err(refusal) => self.finish_transact(now, prepared, asker, Err(refusal)),
        }
    }

    /// The same, with what was settled taken out of its subscriptions' hands. Others may have filled the queues
    /// since there was room.
    pub(super) fn finish_transact(
        &mut self,
        now: Instant,
        prepared: Prepared,
        asker: Asker,
        check: Result<(), Refusal>,
    ) {
        let check = check.and_then(|()| self.check_room(&prepared.publishes));
        if let Err(refusal) = check.and_then(|()| self.check_notes(&prepared.notes)) {
            self.release_prepared(now, &prepared);
            answer(&self.node, now, &asker, Err(refusal), Vec::new());
            return;
        }
        self.apply(now, prepared, None, Vec::new());
        let result = Ok(());
        let then = Vec::new();
        self.batch_effects.push(Effect::Decide {
            asker,
            result,
            then,
        });
    }

    /// Coordinates a transaction over several shards.
    pub(crate) fn begin(&mut self, shards: Vec<ShardId>, offer: OfferId, asker: Asker) {
        let number = self.transactions.next;
        self.transactions.next = number + 1;
        let id = self.transaction_id(number);
        for shard in shards.iter().copied() {
            let executor = self.node.executor_of(shard);
            let control = Control::Prepare { shard, id, offer };
            self.node.mailboxes[executor].post(&mut vec![control]);
        }
        let coordinated = Coordinated {
            waiting: shards.iter().copied().collect(),
            shards,
            state: State::Preparing(Ok(())),
            asker: Some(asker),
        };
        self.transactions.coordinated.insert(number, coordinated);
    }

    /// Takes a part as the connection sends it, ahead of its end and of that of its subscriptions: these
    /// would else give back what the transaction settles, before the coordinator asks for it.
    pub(crate) fn offer(&mut self, offer: OfferId, part: Part) {
        let prepared = self.take_part(part);
        self.transactions.offered.insert(offer, prepared);
    }

    /// Prepares what was offered, once it has all bodies: votes when that is durable, or that it cannot be.
    pub(crate) fn prepare(&mut self, now: Instant, id: TransactionId, offer: OfferId) {
        let prepared = self.transactions.offered.remove(&offer);
        let prepared = prepared.expect("a connection offers the parts before it begins");
        match self.fetch_bodies(&prepared) {
            Ok((awaited, bytes)) => {
                self.bodies.note_reserved(id, bytes);
                self.when_here(now, awaited, Then::Vote { id, prepared });
            }
            Err(refusal) => self.vote(now, id, prepared, Err(refusal)),
        }
    }

    pub(super) fn vote(
        &mut self,
        now: Instant,
        id: TransactionId,
        prepared: Prepared,
        check: Result<(), Refusal>,
    ) {
        let vote = self.refusal().map_or(check, Err);
        let vote = vote.and_then(|()| self.check_room(&prepared.publishes));
        let vote = vote.and_then(|()| self.check_notes(&prepared.notes));
        if vote.is_ok() {
            let mut payload = Vec::new();
            let kind = encode_prepared(&mut payload, id, &prepared);
            self.append(kind, |to| to.extend_from_slice(&payload));
            self.hold_notes(&prepared.notes);
            self.transactions.prepared.insert(id, prepared);
        } else {
            self.release_letters(id);
            self.release_prepared(now, &prepared);
        }
        let executor = self.node.executor_of(id.coordinator);
        let by = self.id;
        let control = Control::Voted { id, by, vote };
        self.batch_effects.push(Effect::Tell { executor, control });
    }

    /// Whether the queues take what a transaction publishes, all of it.
    fn check_room(&self, publishes: &[PreparedPublish]) -> Result<(), Refusal> {
        let mut counts: BTreeMap<QueueId, u64> = BTreeMap::new();
        for publish in publishes {
            for id in &publish.queues {
                if let Some(refusal) = self.damage_of(*id) {
                    return Err(refusal);
                }
                let Some(hosted) = self.queues.get(id) else {
                    continue;
                };
                let count = counts.entry(*id).or_default();
                *count += 1;
                if hosted.queue.check_room(&publish.message).is_err() || hosted.refuses(*count) {
                    return Err(Refusal::QueueFull(hosted.shared.name.clone()));
                }
            }
        }
        Ok(())
    }

    /// Takes deliveries that a transaction ends out of their subscriptions' hands.
    fn take_part(&mut self, part: Part) -> Prepared {
        let mut settles = Vec::new();
        for settle in part.settles {
            let Some(hosted) = self.queues.get_mut(&settle.queue) else {
                continue;
            };
            let sequences = hosted.queue.prepare(settle.subscriber, &settle.sequences);
            settles.push(PreparedSettle {
                queue: settle.queue,
                outcome: settle.outcome,
                sequences,
            });
        }
        Prepared {
            publishes: part.publishes,
            settles,
            notes: part.notes,
        }
    }

    /// Gives back what was taken.
    fn release_prepared(&mut self, now: Instant, prepared: &Prepared) {
        for settle in &prepared.settles {
            if let Some(hosted) = self.queues.get_mut(&settle.queue) {
                let (left, returned) = (&mut self.left, &mut self.returned);
                let sequences = &settle.sequences;
                let outcome = Outcome::Release;
                hosted
                    .queue
                    .settle_prepared(now, sequences, outcome, left, returned);
            }
            self.handle_moved(now, settle.queue);
            self.touch_released(settle.queue);
        }
    }

    /// A shard has prepared its part, or cannot.
    pub(crate) fn handle_vote(
        &mut self,
        id: TransactionId,
        by: ShardId,
        vote: Result<(), Refusal>,
    ) {
        let Some(coordinated) = self.transactions.coordinated.get_mut(&id.number) else {
            return;
        };
        let State::Preparing(result) = &mut coordinated.state else {
            return;
        };
        coordinated.waiting.remove(&by);
        if result.is_ok() {
            *result = vote;
        }
        if coordinated.waiting.is_empty() {
            let result = result.clone();
            self.decide(id, result);
        }
    }

    /// All have voted.
    fn decide(&mut self, id: TransactionId, result: Result<(), Refusal>) {
        let Some(coordinated) = self.transactions.coordinated.get_mut(&id.number) else {
            return;
        };
        let decision = match result {
            Ok(()) => Decision::Commit,
            Err(_) => Decision::Abort,
        };
        coordinated.state = State::Applying(decision);
        coordinated.waiting = coordinated.shards.iter().copied().collect();
        let asker = coordinated.asker.take();
        let shards = coordinated.shards.clone();
        if decision == Decision::Commit {
            self.append(entry::DECIDED, |to| {
                entry::encode_decided(to, id.number, shards.iter().copied());
            });
        }
        let asker = asker.expect("it is taken when it is decided, which happens once");
        let then = shards.into_iter().map(|shard| Decided {
            shard,
            id,
            decision,
            settings: Vec::new(),
        });
        self.batch_effects.push(Effect::Decide {
            asker,
            result,
            then: then.collect(),
        });
    }

    /// Does as decided with what was prepared. Says so again if that was done before.
    pub(crate) fn handle_decision(&mut self, now: Instant, decided: Decided) {
        let Decided {
            id,
            decision,
            settings,
            ..
        } = decided;
        // After a crash, bodies that become dead letters may have to be read again.
        let prepared = self.transactions.prepared.remove(&id);
        if let Some(prepared) = prepared {
            let awaited = match decision {
                Decision::Commit => self.await_bodies(&prepared),
                Decision::Abort => Awaited::new(),
            };
            self.transactions.prepared.insert(id, prepared);
            if !awaited.is_empty() {
                return self.when_here(now, awaited, Then::Commit { id, settings });
            }
        }
        self.carry_out(now, id, decision, settings);
    }

    pub(super) fn carry_out(
        &mut self,
        now: Instant,
        id: TransactionId,
        decision: Decision,
        settings: Vec<Setting>,
    ) {
        self.release_letters(id);
        if let Some(prepared) = self.transactions.prepared.remove(&id) {
            let noted: Vec<_> = prepared.notes.iter().map(|notes| notes.queue).collect();
            match decision {
                Decision::Commit => self.apply(now, prepared, Some(id), settings),
                Decision::Abort => {
                    self.append(entry::ABORTED, |to| entry::encode_transaction(to, id));
                    self.release_prepared(now, &prepared);
                }
            }
            if !noted.is_empty() {
                self.release_notes(&noted);
            }
        }
        let executor = self.node.executor_of(id.coordinator);
        let control = Control::Applied { id, by: self.id };
        self.batch_effects.push(Effect::Tell { executor, control });
    }

    /// A shard has done as decided.
    pub(crate) fn handle_applied(&mut self, id: TransactionId, by: ShardId) {
        let Some(coordinated) = self.transactions.coordinated.get_mut(&id.number) else {
            return;
        };
        coordinated.waiting.remove(&by);
        if !coordinated.waiting.is_empty() {
            return;
        }
        let was_logged = matches!(coordinated.state, State::Applying(Decision::Commit));
        self.transactions.coordinated.remove(&id.number);
        if was_logged {
            self.append(entry::FINISHED, |to| entry::encode_finished(to, id.number));
        }
    }

    /// Lets a transaction take effect here, as one record: what it settles leaves its queues (to others, as
    /// dead letters), what it publishes takes its places. What of it is retained has been set already if there are
    /// `settings`.
    fn apply(
        &mut self,
        now: Instant,
        prepared: Prepared,
        id: Option<TransactionId>,
        settings: Vec<Setting>,
    ) {
        // What rides along is older than what this says of the same messages.
        self.log_settled();
        let mut group = Group::default();
        for settle in prepared.settles {
            self.settle_in_group(now, &settle, &mut group);
        }
        for notes in prepared.notes {
            group.push(entry::NOTED, |to| {
                entry::encode_noted(to, notes.queue, &notes.entries);
            });
            self.apply_notes(notes);
        }
        let to_be_retained = |publish: &PreparedPublish| publish.queues.is_empty();
        let (retained, publishes): (Vec<_>, Vec<_>) =
            prepared.publishes.into_iter().partition(to_be_retained);
        let mut settings = settings.into_iter();
        for publish in &retained {
            self.retain_in_group(now, &publish.message, settings.next(), &mut group);
        }
        let placed = self.place(now, publishes);
        for (message, places) in &placed {
            let durable: Vec<_> = places
                .iter()
                .filter(|(queue, _)| self.is_durable(*queue))
                .copied()
                .collect();
            if !durable.is_empty() {
                group.push(entry::ENQUEUED, |to| {
                    entry::encode_enqueued(to, &durable, message);
                });
            }
        }
        let index = match id {
            None => self.append(entry::TRANSACTED, |to| group.encode(to)),
            Some(id) => self.append(entry::COMMITTED, |to| {
                entry::encode_transaction(to, id);
                group.encode(to);
            }),
        };
        self.enqueue_placed(now, placed, index);
    }

    fn is_durable(&self, queue: QueueId) -> bool {
        self.queues
            .get(&queue)
            .is_some_and(|hosted| hosted.is_durable())
    }

    /// Gives each message of a transaction its places.
    fn place(&self, now: Instant, publishes: Vec<PreparedPublish>) -> Placed {
        let mut taken: BTreeMap<QueueId, Sequence> = BTreeMap::new();
        let mut placed = Vec::with_capacity(publishes.len());
        for PreparedPublish { queues, message } in publishes {
            let mut places = Vec::with_capacity(queues.len());
            for queue in queues {
                let Some(hosted) = self.queues.get(&queue) else {
                    continue;
                };
                let mut place = hosted.queue.placement(now, &message);
                if let Some(last) = taken.get(&queue) {
                    place.sequence = last.next();
                }
                taken.insert(queue, place.sequence);
                places.push((queue, place));
            }
            placed.push((message, places));
        }
        placed
    }

    fn enqueue_placed(&mut self, now: Instant, placed: Placed, index: LogIndex) {
        for (message, places) in placed {
            for (queue, place) in places {
                let logged = self.is_durable(queue).then_some(index);
                self.enqueue(now, queue, message.clone(), place, logged);
            }
        }
    }

    /// Ends prepared deliveries, and puts what the log must know of it into the group.
    pub(super) fn settle_in_group(
        &mut self,
        now: Instant,
        settle: &PreparedSettle,
        group: &mut Group,
    ) {
        let id = settle.queue;
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let (left, returned) = (&mut self.left, &mut self.returned);
        let sequences = &settle.sequences;
        hosted
            .queue
            .settle_prepared(now, sequences, settle.outcome, left, returned);
        let mut settled = Vec::new();
        for left in std::mem::take(&mut self.left) {
            let death = dead_letter::reason(left.reason);
            let dead = death.zip(left.message.as_ref());
            let letter =
                dead.and_then(|(reason, message)| self.dead_letter(now, id, message, reason));
            if let Some((message, to)) = letter {
                let source = left.is_logged.then_some((id, left.sequence));
                let forwarded = self.new_forward(source, message, to);
                group.push(entry::FORWARDED, |to| {
                    entry::encode_forwarded(to, &forwarded);
                });
                self.send_with_batch(forwarded);
            } else if left.is_logged {
                settled.push(left.sequence);
            }
        }
        for returned in self.returned.drain(..) {
            group.push(entry::RETURNED, |to| {
                entry::encode_returned(to, id, &returned);
            });
        }
        if !settled.is_empty() {
            settled.sort_unstable();
            group.push(entry::SETTLED, |to| {
                entry::encode_settled(to, id, &settled);
            });
        }
        self.touch_released(id);
    }
}

/// Encodes what is prepared. Returns the record's kind.
pub(super) fn encode_prepared(to: &mut Vec<u8>, id: TransactionId, prepared: &Prepared) -> u8 {
    if prepared.notes.is_empty() {
        entry::encode_prepared(to, id, prepared);
        return entry::PREPARED;
    }
    entry::encode_prepared_with_notes(to, id, prepared);
    entry::PREPARED_WITH_NOTES
}
