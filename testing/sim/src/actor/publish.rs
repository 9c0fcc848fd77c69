//! What publishers do: messages, and transactions around them.

use super::{Actor, Awaited, Open, Script};
use crate::history::{Event, Fate, History, Name, Sent, Stamp, Transaction};
use crate::scene::Target;
use client::Frame;
use fastrand::Rng;

impl Actor {
    pub(super) fn publish_some(
        &mut self,
        rng: &mut Rng,
        publisher: u32,
        script: &mut Script,
        history: &mut History,
    ) {
        if self.open.is_some() {
            return self.go_on(rng, publisher, script, history);
        }
        let chance = match self.role.reading() {
            Some(_) => 2,
            None => script.transaction_chance,
        };
        if chance > 0 && rng.u32(..chance) == 0 {
            return self.begin(rng, publisher, script, history);
        }
        // Who reads sends in transactions only.
        if self.role.reading().is_none() {
            self.send(rng, publisher, None, script, history);
        }
    }

    fn begin(&mut self, rng: &mut Rng, publisher: u32, script: &mut Script, history: &mut History) {
        let last = script.last.entry(publisher).or_default();
        if last.message >= script.messages_max {
            return;
        }
        last.transaction += 1;
        let name = Name {
            publisher,
            number: last.transaction,
        };
        let size = rng.u32(..5).min(script.messages_max - last.message);
        let transaction = Transaction {
            fate: Fate::Open,
            messages: Vec::new(),
            acked: Vec::new(),
            rejected: Vec::new(),
        };
        history.transactions.insert(name, transaction);
        self.open = Some(Open {
            name,
            size,
            held: Vec::new(),
        });
        let number = name.number.to_string();
        self.line
            .push(&Frame::new("BEGIN", &[("transaction", &number)]));
    }

    /// The next of what the open transaction has to do.
    fn go_on(&mut self, rng: &mut Rng, publisher: u32, script: &mut Script, history: &mut History) {
        let Some(open) = &self.open else { return };
        let (name, size) = (open.name, open.size);
        let sent = history.transactions[&name].messages.len();
        if rng.u32(..20) == 0 {
            return self.abort(history);
        }
        if sent < size as usize {
            let stamp = Stamp {
                number: name.number,
                size,
            };
            return self.send(rng, publisher, Some(stamp), script, history);
        }
        match rng.u32(..8) {
            0 => self.abort(history),
            1..6 if self.role.reading().is_some() => {}
            _ => {
                self.commit(rng, script, history);
                self.is_doomed = rng.u32(..4) == 0;
            }
        }
    }

    /// Whether the open transaction has all its messages.
    pub(super) fn is_whole(&self, history: &History) -> bool {
        self.open.as_ref().is_some_and(|open| {
            history.transactions[&open.name].messages.len() == open.size as usize
        })
    }

    pub(super) fn commit(&mut self, rng: &mut Rng, script: &mut Script, history: &mut History) {
        let Some(open) = self.open.take() else { return };
        if self.line.is_amqp() {
            self.note_commit(history);
        }
        let client = self.number();
        let held = open.held.iter();
        history
            .events
            .extend(held.map(|held| Event::Returned(held.key, client)));
        let number = open.name.number.to_string();
        let mut frame = Frame::new("COMMIT", &[("transaction", &number)]);
        if rng.u32(..4) > 0 {
            self.ask_for_receipt(&mut frame, Awaited::Committed(open.name));
        }
        self.line.push(&frame);
        let seen = history.seen.len();
        let transaction = history.transactions.get_mut(&open.name);
        let transaction = transaction.expect("it was begun");
        transaction.fate = Fate::Asked(seen);
        for name in &transaction.messages {
            let last = script.last.entry(name.publisher).or_default();
            last.turn += 1;
            let sent = history.sent.get_mut(name).expect("it was sent");
            sent.turn = Some(last.turn);
        }
    }

    /// It sends a commit, which may be refused.
    pub(super) fn note_commit(&mut self, history: &mut History) {
        self.commits.push_back(history.seen.len());
        history.events.push(Event::CommitSent(self.number()));
    }

    pub(super) fn abort(&mut self, history: &mut History) {
        let Some(open) = self.open.take() else { return };
        let number = open.name.number.to_string();
        self.line
            .push(&Frame::new("ABORT", &[("transaction", &number)]));
        let transaction = history.transactions.get_mut(&open.name);
        transaction.expect("it was begun").fate = Fate::Aborted;
        self.held.extend(open.held);
        self.held.sort_by_key(|held| held.nth);
    }

    fn send(
        &mut self,
        rng: &mut Rng,
        publisher: u32,
        stamp: Option<Stamp>,
        script: &mut Script,
        history: &mut History,
    ) {
        let last = script.last.entry(publisher).or_default();
        if last.message >= script.messages_max && stamp.is_none() {
            return;
        }
        last.message += 1;
        last.turn += u32::from(stamp.is_none());
        let message = Name {
            publisher,
            number: last.message,
        };
        let scene = &history.scene;
        let target = scene.target(rng);
        let to = scene.receivers(target);
        let is_dead_lettered = to.iter().all(|source| scene.rules(*source).dead_letter);
        let sent = Sent {
            ttl_ms: (script.expires && rng.u32(..if is_dead_lettered { 6 } else { 40 }) == 0)
                .then(|| rng.u64(..2000)),
            // AMQP has no word for it.
            delay_ms: (rng.u32(..script.delay_chance) == 0)
                .then(|| rng.u64(1..2000))
                .filter(|_| !self.line.is_amqp()),
            at: history.now,
            confirmed_at: None,
            to,
            is_persistent: rng.u32(..5) > 0,
            priority: if rng.bool() { 0 } else { rng.u8(..6) },
            stamp,
            is_confirmed: false,
            client: self.number(),
            turn: stamp.is_none().then_some(last.turn),
        };
        let mut frame = Frame::new("SEND", &[]);
        let mut put = |name: &str, value: String| frame.headers.push((name.into(), value));
        match target {
            Target::Queue(queue) => {
                put("destination", format!("/queue/q{queue}"));
                let is_said = rng.bool();
                let rules = scene.queues[queue as usize].headers();
                let rules = rules.into_iter().filter(|_| is_said);
                rules.for_each(|(name, value)| put(&name, value));
            }
            Target::Topic(topic) => put("destination", format!("/topic/t.{topic}")),
        }
        if sent.is_persistent {
            put("persistent", "true".into());
        }
        if sent.priority > 0 {
            put("priority", sent.priority.to_string());
        }
        put("color", message.color().into());
        if let Some(ttl_ms) = sent.ttl_ms {
            put("expiration", ttl_ms.to_string());
        }
        if let Some(delay_ms) = sent.delay_ms {
            put("x-delay", delay_ms.to_string());
        }
        if let Some(stamp) = stamp {
            put("transaction", stamp.number.to_string());
            let name = Name {
                publisher,
                number: stamp.number,
            };
            let transaction = history.transactions.get_mut(&name);
            transaction.expect("it was begun").messages.push(message);
        } else if rng.u32(..5) > 0 {
            self.ask_for_receipt(&mut frame, Awaited::Sent(message));
        }
        history.sent.insert(message, sent);
        let padding = "x".repeat(rng.usize(..script.body_bytes_max));
        let (number, size) = stamp.map_or((0, 0), |stamp| (stamp.number, stamp.size));
        let body = format!("{publisher} {} {number} {size} {padding}", message.number);
        frame.body = body.into_bytes();
        self.line.push(&frame);
    }
}
