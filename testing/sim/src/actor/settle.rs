//! What consumers do: settle what they hold, and leave.

use super::{Ack, Actor, Awaited, Habit, Held, Role, Script, Verdict};
use crate::history::{Event, History, Spot};
use crate::scene::{Place, Scene};
use crate::world::World;
use client::Frame;
use fastrand::Rng;

impl Actor {
    /// Acknowledges everything that it holds, each by itself. In AMQP that cannot be done beside a transaction, which is
    /// given up.
    pub fn settle_all(&mut self, history: &mut History) {
        if self.line.is_amqp() && self.role.reading().is_some() && !self.has_left {
            self.abort(history);
        }
        for held in std::mem::take(&mut self.held) {
            let keys = vec![held.key];
            self.settle(Verdict::Accept, &held.frame, keys, true, history);
        }
    }

    pub(super) fn acknowledge(&mut self, rng: &mut Rng, history: &mut History) {
        if self.role.habit() == Habit::Hoards && !self.lets_go(rng) {
            return;
        }
        let kept = usize::from(self.role.habit() == Habit::KeepsOne);
        if self.held.len() <= kept {
            return;
        }
        let may_recover = self.line.is_amqp() && self.open.is_none() && kept == 0;
        if may_recover && rng.u32(..60) == 0 {
            return self.recover(history);
        }
        let nth = rng.usize(kept..self.held.len());
        let taken: Vec<Held> = match self.role.ack() {
            Ack::Cumulative => self.held.drain(..=nth).collect(),
            Ack::Individual | Ack::Auto => vec![self.held.remove(nth)],
        };
        let keys: Vec<_> = taken.iter().map(|held| held.key).collect();
        let verdict = if self.is_letting_go && rng.u32(..4) > 0 && is_dead_lettered(&keys, history)
        {
            Verdict::Reject
        } else {
            verdict(rng, &keys, history)
        };
        let Some(last) = taken.last() else { return };
        // In AMQP, a transaction has all that is settled while it is open.
        if self.open.is_some() && (self.line.is_amqp() || rng.u32(..5) > 0) {
            let frame = last.frame.clone();
            self.settle_in_transaction(verdict, &frame, keys, taken, history);
            return;
        }
        let wants_receipt = rng.u32(..3) == 0;
        let frame = last.frame.clone();
        self.settle(verdict, &frame, keys, wants_receipt, history);
    }

    /// Whether who hoards has enough.
    fn lets_go(&mut self, rng: &mut Rng) -> bool {
        if self.held.is_empty() {
            self.is_letting_go = false;
        } else if self.held.len() > 60 || rng.u32(..80) == 0 {
            self.is_letting_go = true;
        }
        self.is_letting_go
    }

    /// Gives back all that it holds.
    fn recover(&mut self, history: &mut History) {
        self.line.push(&Frame::new("RECOVER", &[]));
        let client = self.number();
        let held = std::mem::take(&mut self.held).into_iter();
        history
            .events
            .extend(held.map(|held| Event::Returned(held.key, client)));
    }

    fn settle(
        &mut self,
        verdict: Verdict,
        message: &Frame,
        keys: Vec<Spot>,
        wants_receipt: bool,
        history: &mut History,
    ) {
        if self.line.is_amqp() && self.line.confirms_settlements() {
            self.note_commit(history);
        }
        let mut frame = frame_of(verdict, message);
        let client = self.number();
        let event = |key| match verdict {
            Verdict::Accept | Verdict::Reject => Event::Settled(key, client),
            Verdict::Return => Event::Returned(key, client),
        };
        history.events.extend(keys.iter().copied().map(event));
        match verdict {
            Verdict::Accept => history.acked.extend(keys.iter().copied()),
            Verdict::Reject => history.rejected.extend(keys.iter().copied()),
            Verdict::Return => {}
        }
        if wants_receipt && self.line.confirms_settlements() {
            let awaited = match verdict {
                Verdict::Accept | Verdict::Reject => Awaited::Settled(keys, verdict),
                Verdict::Return => Awaited::Done,
            };
            self.ask_for_receipt(&mut frame, awaited);
        }
        self.line.push(&frame);
    }

    fn settle_in_transaction(
        &mut self,
        verdict: Verdict,
        message: &Frame,
        keys: Vec<Spot>,
        taken: Vec<Held>,
        history: &mut History,
    ) {
        let Some(open) = &mut self.open else { return };
        let transaction = history.transactions.get_mut(&open.name);
        let transaction = transaction.expect("it was begun");
        match verdict {
            Verdict::Accept => transaction.acked.extend(keys),
            Verdict::Reject => transaction.rejected.extend(keys),
            Verdict::Return => {}
        }
        open.held.extend(taken);
        let mut frame = frame_of(verdict, message);
        let number = open.name.number.to_string();
        frame.headers.push(("transaction".into(), number));
        self.line.push(&frame);
    }

    /// Its connection ends at once.
    pub fn cut(&mut self, world: &World, life: u32, history: &mut History) {
        world.disconnect(self.line.wire_mut());
        self.read(life, history);
        history.events.push(Event::Left(self.number()));
    }

    /// Its connection ends, and nothing more is heard of it.
    pub fn vanish(self, history: &mut History) {
        history.events.push(Event::Left(self.number()));
    }

    /// Goes, in one of the ways that clients go. Returns whether it is still to be heard of.
    pub(super) fn leave(
        &mut self,
        rng: &mut Rng,
        world: &World,
        life: u32,
        script: &mut Script,
        history: &mut History,
    ) -> bool {
        let can_reopen =
            self.line.is_amqp() && matches!(self.role, Role::Consumer { .. }) && !self.is_doomed;
        let way = rng.u32(..if can_reopen { 7 } else { 4 });
        if way >= 4 {
            self.line.push(&Frame::new("REOPEN", &[]));
            self.held.clear();
            history.events.push(Event::Left(self.number()));
            return true;
        }
        if way == 0 || self.is_doomed {
            self.cut(world, life, history);
            return false;
        }
        if way == 1
            && let Some(reading) = self.role.reading()
        {
            let id = Scene::subscription_id(reading);
            self.line.push(&Frame::new("UNSUBSCRIBE", &[("id", &id)]));
            if matches!(self.role, Role::Processor { .. }) && self.is_whole(history) {
                self.commit(rng, script, history);
            }
        }
        if way < 3 {
            self.say_good_bye();
        } else {
            self.line.push(&Frame::new("DISCONNECT", &[]));
            self.has_left = true;
        }
        self.held.clear();
        history.events.push(Event::Left(self.number()));
        true
    }
}

/// What to say of deliveries: mostly good. What has no dead letters is seldom rejected.
fn verdict(rng: &mut Rng, keys: &[Spot], history: &History) -> Verdict {
    let is_dead_lettered = is_dead_lettered(keys, history);
    let is_dead = keys
        .iter()
        .any(|(_, place)| matches!(place, Place::Dead(_)));
    match rng.u32(..30) {
        0..5 => Verdict::Return,
        5..9 if is_dead_lettered => Verdict::Reject,
        5 if !is_dead => Verdict::Reject,
        _ => Verdict::Accept,
    }
}

/// Whether all of them come from queues with dead letters.
fn is_dead_lettered(keys: &[Spot], history: &History) -> bool {
    keys.iter().all(|(_, place)| match place {
        Place::At(source) => history.rules(*source).dead_letter,
        Place::Dead(_) => false,
    })
}

fn frame_of(verdict: Verdict, message: &Frame) -> Frame {
    let id = message.header("ack");
    let id = id.expect("a MESSAGE to be acknowledged says how");
    match verdict {
        Verdict::Accept => Frame::new("ACK", &[("id", id)]),
        Verdict::Return => Frame::new("NACK", &[("id", id)]),
        Verdict::Reject => Frame::new("NACK", &[("id", id), ("requeue", "false")]),
    }
}
