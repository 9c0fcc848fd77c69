//! Queues that are taken over: who owns them, what is kept for the next owner, and the wills of those who have gone.
//!
//! ```text
//!  owner ──note──▶ NOTED, synced ─▶ answered          gone ─▶ will due ─▶ TRANSACTED { BEQUEATHED (without it), FORWARDED }
//!  owner ──bequeath─▶ BEQUEATHED, synced ─▶ answered        └▶ queue ends: the same, synced, and then it ends
//! ```
//! A will leaves the estate and is on its way to its queues with one record, as a dead letter leaves its queue
//! (`forwards`): so it is published once, wherever a crash falls. Who owns a queue stands in no log: after a crash nobody does.

use super::forwards::RETAINED_THERE;
use super::{Effect, Hosted, Shard, Subscribing};
use crate::Node;
use crate::counters;
use crate::entry::{self, Group};
use crate::estate::{Bequeathed, Estate, EstateBytes, encode_bequest, of_user};
use crate::mailbox::{Bequeathing, Control, Keeping, Noting};
use crate::retained::{Limit, Retained, Setting, Turn};
use crate::routes;
use crate::topology::Request;
use crate::transaction::{Asker, PreparedNotes, PreparedSettle};
use broker_api::{Event, Note, Refusal, Reply};
use model::{Instant, LogIndex, Message, Outcome, QueueId, Sequence};
use queue::{CancelCause, SubscriberId, SubscriptionOptions};
use std::sync::Arc;

/// What a note of one accepted delivery is charged with at most, to be kept whatever else is.
const ANSWER_BYTES: usize = 128;

impl Shard {
    /// Takes back what was kept beside a queue that was just recovered. Its owner has gone with the broker.
    pub(crate) fn recover_estate(&mut self, now: Instant, id: QueueId, estate: Option<Estate>) {
        let hosted = self.queues.get_mut(&id);
        if let (Some(hosted), Some(mut estate)) = (hosted, estate) {
            estate.gone_since = Some(now);
            self.node.estates.change(0, estate.bytes());
            if let Some(user) = estate.user() {
                let _counted = self.node.kept_queues.add(user, usize::MAX);
            }
            hosted.estate = Some(Box::new(estate));
            self.note(id);
        }
    }

    /// Adds a subscription of a user that ends all others and owns the queue from now on.
    pub(crate) fn take_over(
        &mut self,
        now: Instant,
        id: QueueId,
        (subscriber, user): (SubscriberId, &str),
        options: SubscriptionOptions,
    ) -> Result<(), Subscribing> {
        if let Some(refusal) = self.damage_of(id) {
            return Err(Subscribing::Refused(refusal));
        }
        let hosted = self.queues.get(&id).filter(|hosted| !hosted.is_ending());
        let hosted = hosted.ok_or(Subscribing::NoQueue)?;
        let before = hosted.estate.as_ref().and_then(|estate| estate.user());
        let is_new = hosted.is_durable() && before != Some(user);
        if is_new {
            let max = self.node.settings.kept_queues;
            let added = self.node.kept_queues.add(user, max);
            added.map_err(Subscribing::Refused)?;
        }
        let others: Vec<_> = hosted.queue.subscribers().collect();
        // It may have come due without a step in between: whoever left it went with the last life of the broker.
        self.publish_due_will(now, id);
        for other in others {
            self.cancel_subscription(now, id, other, CancelCause::Asked);
            self.ended.push((other, Refusal::TakenOver));
        }
        let subscribed = self.subscribe(now, id, subscriber, options);
        if is_new {
            match &subscribed {
                Ok(()) => self.keep_for(id, user),
                Err(_) => self.node.kept_queues.remove(user),
            }
        }
        subscribed?;
        if let Some(hosted) = self.queues.get_mut(&id) {
            let estate = hosted.estate.get_or_insert_default();
            estate.take_over(subscriber);
        }
        Ok(())
    }

    /// Notes that a queue is kept for a user, who has been counted.
    fn keep_for(&mut self, id: QueueId, user: &str) {
        let hosted = self.queues.get(&id);
        let estate = hosted.and_then(|hosted| hosted.estate.as_ref());
        if let Some(before) = estate.and_then(|estate| estate.user()) {
            self.node.kept_queues.remove(before);
        }
        let entries = vec![of_user(user)];
        self.append(entry::NOTED, |to| entry::encode_noted(to, id, &entries));
        self.apply_notes(PreparedNotes {
            queue: id,
            subscriber: None,
            entries,
        });
    }

    /// Changes notes; answered when that is durable.
    pub(crate) fn change_notes(&mut self, now: Instant, noting: Noting) {
        let Noting {
            subscriber,
            target,
            entries,
            accepted,
            asker,
        } = noting;
        let notes = PreparedNotes {
            queue: target.queue,
            subscriber: Some(subscriber),
            entries,
        };
        let is_brief = match self.owned(notes.queue, subscriber) {
            Ok(estate) => estate.growth(&notes.entries) <= accepted.len() * ANSWER_BYTES,
            Err(_) => false,
        };
        // An answer to a delivery is always kept: it ends what the queue holds, and there are no more of them than
        // deliveries in the owner's hands.
        let checked = match is_brief {
            true => Ok(()),
            false => self.check_notes(std::slice::from_ref(&notes)),
        };
        if let Err(refusal) = checked {
            refuse(&asker, refusal);
            return;
        }
        if accepted.is_empty() {
            self.append(entry::NOTED, |to| {
                entry::encode_noted(to, notes.queue, &notes.entries);
            });
            self.apply_notes(notes);
        } else {
            self.accept_with_notes(now, subscriber, &accepted, notes);
        }
        self.answer_with_batch(asker, Reply::Nothing);
    }

    /// Changes notes and accepts deliveries, with one record.
    fn accept_with_notes(
        &mut self,
        now: Instant,
        subscriber: SubscriberId,
        accepted: &[Sequence],
        notes: PreparedNotes,
    ) {
        let queue = notes.queue;
        // What rides along is older than what this says of the same messages.
        self.log_settled();
        let mut group = Group::default();
        if let Some(hosted) = self.queues.get_mut(&queue) {
            let sequences = hosted.queue.prepare(subscriber, accepted);
            let outcome = Outcome::Accept;
            let settle = PreparedSettle {
                queue,
                outcome,
                sequences,
            };
            self.settle_in_group(now, &settle, &mut group);
        }
        group.push(entry::NOTED, |to| {
            entry::encode_noted(to, queue, &notes.entries);
        });
        self.append(entry::TRANSACTED, |to| group.encode(to));
        self.apply_notes(notes);
    }

    /// Whether these notes may be changed: by whom they are, and for what they take.
    pub(super) fn check_notes(&self, notes: &[PreparedNotes]) -> Result<(), Refusal> {
        for notes in notes {
            let subscriber = notes.subscriber;
            let Some(estate) = subscriber
                .map(|it| self.owned(notes.queue, it))
                .transpose()?
            else {
                continue;
            };
            let growth = estate.growth(&notes.entries);
            let max = self.node.settings.notes_bytes;
            if growth > 0 && estate.notes_bytes() + growth > max {
                return too_much("bytes of notes beside a queue", max);
            }
            let max = EstateBytes::max(self.node.settings.queued_bytes);
            if growth > 0 && self.node.estates.get() + growth > max {
                return too_much("bytes of notes and wills", max);
            }
        }
        Ok(())
    }

    /// Changes notes whose record has been appended.
    pub(super) fn apply_notes(&mut self, notes: PreparedNotes) {
        if let Some(hosted) = self.queues.get_mut(&notes.queue) {
            let estate = hosted.estate.get_or_insert_default();
            let before = estate.bytes();
            estate.note(notes.entries);
            self.node.estates.change(before, estate.bytes());
        }
    }

    /// Tells all notes once they are durable and no prepared transaction may change them any more.
    pub(crate) fn recall(&mut self, id: QueueId, subscriber: SubscriberId, asker: Asker) {
        match self.owned(id, subscriber) {
            Err(refusal) => refuse(&asker, refusal),
            Ok(estate) if estate.is_undecided => {
                let refusal = self.undecided(id);
                refuse(&asker, refusal);
            }
            Ok(estate) if estate.pending > 0 => self.recalls.push((id, subscriber, asker)),
            Ok(estate) => {
                let notes = Reply::Notes(estate.recall());
                self.answer_with_batch(asker, notes);
            }
        }
    }

    fn undecided(&self, id: QueueId) -> Refusal {
        let name = self
            .queues
            .get(&id)
            .map(|hosted| hosted.shared.name.clone());
        let what = name.map(|name| format!("the queue '{name}'"));
        let reason = "a transaction that changes what is kept beside it is not decided while another shard is out of service";
        Refusal::Damaged {
            what: what.unwrap_or_default().into(),
            reason: reason.into(),
        }
    }

    /// A prepared transaction may change these notes until it is carried out.
    pub(super) fn hold_notes(&mut self, notes: &[PreparedNotes]) {
        for notes in notes {
            if let Some(hosted) = self.queues.get_mut(&notes.queue) {
                hosted.estate.get_or_insert_default().pending += 1;
            }
        }
    }

    /// It will not be decided before the operator has repaired another shard.
    pub(super) fn note_undecided(&mut self, notes: &[PreparedNotes]) {
        for notes in notes {
            if let Some(hosted) = self.queues.get_mut(&notes.queue) {
                hosted.estate.get_or_insert_default().is_undecided = true;
            }
        }
    }

    /// A transaction that was prepared is over. Who waits for the notes of these queues is told.
    pub(super) fn release_notes(&mut self, queues: &[QueueId]) {
        for id in queues {
            let hosted = self.queues.get_mut(id);
            if let Some(estate) = hosted.and_then(|hosted| hosted.estate.as_mut()) {
                estate.pending -= 1;
            }
        }
        let waiting = std::mem::take(&mut self.recalls);
        for (id, subscriber, asker) in waiting {
            self.recall(id, subscriber, asker);
        }
    }

    /// Keeps what is to happen once the owner is gone; answered when that is durable.
    pub(crate) fn bequeath(&mut self, bequeathing: Bequeathing) {
        let Bequeathing {
            subscriber,
            target,
            expires_ms,
            will,
            asker,
        } = bequeathing;
        let id = target.queue;
        let bytes = will.as_ref().map_or(0, |will| will.message.cost_bytes());
        let max = EstateBytes::max_with_wills(self.node.settings.queued_bytes);
        let check = match self.owned(id, subscriber) {
            Ok(_) if bytes > 0 && self.node.estates.get() + bytes > max => {
                too_much("bytes of notes and wills", max)
            }
            Ok(_) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = check {
            refuse(&asker, refusal);
            return;
        }
        self.append(entry::BEQUEATHED, |to| {
            entry::encode_bequeathed(to, id, expires_ms, will.as_ref());
        });
        if let Some(hosted) = self.queues.get_mut(&id) {
            let estate = hosted.estate.get_or_insert_default();
            let before = estate.bytes();
            estate.bequeath(Bequeathed { expires_ms, will });
            self.node.estates.change(before, estate.bytes());
        }
        self.answer_with_batch(asker, Reply::Nothing);
    }

    /// Asks shard 0 to have a queue kept by this one, or not any more, if that is the subscription's: so what an earlier
    /// owner asks comes there before what this one does, or not at all.
    pub(crate) fn ask_to_keep(&self, keeping: Keeping) {
        let Keeping {
            subscriber,
            target,
            queue,
            wish,
            asker,
        } = keeping;
        let hosted = self.queues.get(&target.queue);
        match (self.owned(target.queue, subscriber), hosted) {
            (Ok(_), Some(hosted)) => {
                let keeper = Arc::clone(&hosted.shared);
                let request = Request::Keep {
                    queue,
                    keeper,
                    wish,
                };
                let control = Control::Topology(Box::new(request), Some(asker));
                self.node.mailboxes[0].post(&mut vec![control]);
            }
            (Err(refusal), _) => refuse(&asker, refusal),
            (Ok(_), None) => refuse(&asker, Refusal::TakenOver),
        }
    }

    /// The estate of a durable queue, if it is the subscription's.
    fn owned(&self, id: QueueId, subscriber: SubscriberId) -> Result<&Estate, Refusal> {
        if let Some(refusal) = self.refusal().or_else(|| self.damage_of(id)) {
            return Err(refusal);
        }
        let hosted = self.queues.get(&id).filter(|hosted| !hosted.is_ending());
        let estate = hosted.and_then(|hosted| hosted.estate.as_deref());
        match (hosted, estate) {
            (Some(hosted), Some(_)) if !hosted.is_durable() => {
                let text = "nothing is kept beside a queue that is not durable".to_owned();
                Err(Refusal::Invalid(text))
            }
            (Some(_), Some(estate)) if estate.owner == Some(subscriber) => Ok(estate),
            _ => Err(Refusal::TakenOver),
        }
    }

    /// A subscription has ended: what its owner has bequeathed begins to count.
    pub(super) fn note_gone(&mut self, now: Instant, id: QueueId, subscriber: SubscriberId) {
        let hosted = self.queues.get_mut(&id);
        let estate = hosted.and_then(|hosted| hosted.estate.as_mut());
        if let Some(estate) = estate.filter(|estate| estate.owner == Some(subscriber)) {
            estate.owner = None;
            estate.gone_since = Some(now);
            self.publish_due_will(now, id);
        }
    }

    /// Publishes the will of who has gone, if it is time.
    pub(super) fn publish_due_will(&mut self, now: Instant, id: QueueId) {
        let estate = self.queues.get(&id).and_then(|it| it.estate.as_ref());
        let will_at = estate.and_then(|estate| estate.will_at());
        if will_at.is_some_and(|at| at <= now) {
            let _published = self.publish_will(now, id);
        }
    }

    /// Publishes a will, with one record, if there is one.
    fn publish_will(&mut self, now: Instant, id: QueueId) -> Option<LogIndex> {
        let estate = self.queues.get_mut(&id)?.estate.as_mut()?;
        let before = estate.bytes();
        let will = estate.take_will()?;
        self.node.estates.change(before, estate.bytes());
        let mut group = Group::default();
        group.push(entry::BEQUEATHED, |to| encode_bequest(to, id, estate));
        let random = self.draw();
        let node = Arc::clone(&self.node);
        // One that is to be retained is set and then routed, as by any publisher.
        let (_turn, setting) = set_retained(&node, now, &will.message);
        let found = routes::resolve(&node, &node.routes.load(), &will.message, random);
        counters::add(&node.counters.published, 1);
        let message = will.message.clone();
        let mut to = match self.push_found(now, found, message) {
            Some((_, to)) => to,
            None => Vec::new(),
        };
        if setting.is_some() {
            to.push((node.retained.shard_of(will.message.key()), RETAINED_THERE));
        }
        if !to.is_empty() {
            let forwarded = self.new_forward(None, will.message, to);
            group.push(entry::FORWARDED, |to| {
                entry::encode_forwarded(to, &forwarded);
            });
            self.send_set_with_batch(forwarded, setting);
        }
        Some(self.append(entry::TRANSACTED, |to| group.encode(to)))
    }

    /// Publishes the will of a queue that ends. Returns whether that must become durable first: until it is, nobody can
    /// take the queue over.
    pub(super) fn awaits_last_will(&mut self, now: Instant, id: QueueId) -> bool {
        let published = self.publish_will(now, id);
        let hosted = self.queues.get_mut(&id);
        let Some(estate) = hosted.and_then(|hosted| hosted.estate.as_mut()) else {
            return false;
        };
        estate.ending = estate.ending.or(published);
        estate.ending.is_some_and(|at| at > self.log.committed())
    }

    /// A queue has ended with what was kept beside it.
    pub(super) fn forget_estate(&self, hosted: &Hosted) {
        let bytes = hosted.estate.as_ref().map_or(0, |estate| estate.bytes());
        self.node.estates.change(bytes, 0);
        let estate = hosted.estate.as_ref();
        if let Some(user) = estate.and_then(|estate| estate.user()) {
            self.node.kept_queues.remove(user);
        }
    }

    fn answer_with_batch(&mut self, asker: Asker, reply: Reply) {
        let Asker {
            outbox, command, ..
        } = asker;
        let event = Event::Done(command, Ok(reply));
        self.batch_effects.push(Effect::Answer { outbox, event });
    }

    /// What of an estate stands in a snapshot.
    pub(super) fn snapshot_estate(id: QueueId, hosted: &Hosted, records: &mut Vec<(u8, Vec<u8>)>) {
        let Some(estate) = &hosted.estate else { return };
        if estate.has_notes() {
            let mut record = Vec::new();
            let notes: Vec<Note> = estate.noted();
            entry::encode_noted(&mut record, id, &notes);
            records.push((entry::NOTED, record));
        }
        if estate.bequest().is_some() {
            let mut record = Vec::new();
            encode_bequest(&mut record, id, estate);
            records.push((entry::BEQUEATHED, record));
        }
    }
}

/// Sets a will as the last message of its key, if it is to be retained and there is room: the key's turn lasts until it
/// has been pushed.
fn set_retained<'n>(
    node: &'n Node,
    now: Instant,
    message: &Message,
) -> (Option<Turn<'n>>, Option<Box<Setting>>) {
    if !Retained::takes(message) {
        return (None, None);
    }
    let turn = node.retained.turn(message.key());
    let checked = Limit::Checked;
    let set = node
        .retained
        .set(&node.settings, now, message, None, checked);
    if set.is_err() {
        counters::add(&node.counters.not_retained, 1);
    }
    (Some(turn), set.ok().map(Box::new))
}

fn refuse(asker: &Asker, refusal: Refusal) {
    let done = Event::Done(asker.command, Err(refusal));
    Arc::clone(&asker.outbox).push(&mut vec![done]);
}

fn too_much(what: &'static str, limit: usize) -> Result<(), Refusal> {
    let limit = limit as u64;
    Err(Refusal::LimitReached { what, limit })
}
