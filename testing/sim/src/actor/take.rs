//! What clients make of what comes.

use super::{Ack, Actor, Awaited, Held, Role, Verdict};
use crate::history::{Event, Fate, History, Name, Seen, Spot, Stamp};
use crate::scene::{Overflow, Place, Reading, Scene, Source};
use client::Frame;

impl Actor {
    /// Takes in all that the transport has.
    ///
    /// # Panics
    /// As [`carry`](Self::carry).
    pub fn read(&mut self, life: u32, history: &mut History) {
        while let Some(frame) = self.line.read() {
            self.take(frame, life, history);
        }
    }

    fn take(&mut self, frame: Frame, life: u32, history: &mut History) {
        match frame.command.as_str() {
            "CONNECTED" => {}
            "RECEIPT" => {
                let id = frame.header("receipt-id").expect("a RECEIPT says which");
                let awaited = self.awaited.remove(id);
                answered(awaited.expect("a receipt that was asked for"), history);
            }
            // It has given up what it holds; what was on its way comes again to somebody else.
            "MESSAGE" if self.has_left && self.role.ack() != Ack::Auto => {}
            "MESSAGE" => self.take_message(frame, life, history),
            "ERROR" => self.take_error(&frame, history),
            "REFUSED" => self.take_refused(&frame, history),
            "COMMITTED" => {
                self.commits.pop_front();
                history.events.push(Event::CommitDone(self.number()));
            }
            "ANSWERED" => history.answers += 1,
            "GONE" => self.awaited.clear(),
            other => panic!("the broker sent {other}: {}", frame.text()),
        }
    }

    /// The broker refuses something, and the connection ends.
    fn take_error(&mut self, frame: &Frame, history: &mut History) {
        let text = frame.text();
        if text.contains("is damaged on the disk") {
            history.refused += 1;
            history.refusal.clone_from(&text);
            if let (
                Some(reading),
                Role::Consumer { .. } | Role::Drain(_) | Role::Probe(_) | Role::Browser(_),
            ) = (self.role.reading(), self.role)
            {
                history.tainted.insert(reading);
            }
        } else if text.contains("is full") && self.publishes() {
            history.full += 1;
        } else {
            panic!("the broker sent an ERROR: {text}");
        }
        if frame.header("refused").is_some() {
            self.take_refused_commit(history);
        }
        self.awaited.clear();
        self.held.clear();
        self.open = None;
        self.has_left = true;
        history.events.push(Event::Left(self.number()));
    }

    /// What it has got since it has sent the commit may have been others' when it came.
    fn take_refused_commit(&mut self, history: &mut History) {
        let client = self.number();
        history.events.push(Event::CommitRefused(client));
        let sent = self.commits.pop_front().expect("it was sent");
        let since = history.seen[sent..].iter_mut();
        since
            .filter(|seen| seen.client == client)
            .for_each(|seen| seen.crossed = Some(sent));
    }

    /// The broker refuses a message, and nothing else happens.
    fn take_refused(&mut self, frame: &Frame, history: &mut History) {
        let (message, _) = name(frame);
        if let Some(id) = frame.header("receipt-id") {
            self.awaited.remove(id).expect("it was asked for");
        }
        let sent = &history.sent[&message];
        let may_be_full = |source: &Source| match history.rules(*source).length_max {
            Some((_, Overflow::Reject | Overflow::RejectDeadLetter)) => true,
            Some((_, Overflow::DropHead)) | None => false,
        };
        if sent.to.iter().any(may_be_full) {
            history.full += 1;
        } else {
            // Something is out of service.
            history.refused += 1;
            history.refusal = format!("{message:?} is refused");
        }
    }

    pub(super) const fn publishes(&self) -> bool {
        matches!(self.role, Role::Publisher(_) | Role::Processor { .. })
    }

    fn take_message(&mut self, frame: Frame, life: u32, history: &mut History) {
        if frame.header("browser") == Some("end") {
            self.has_left = true;
            return;
        }
        let (message, stamp) = name(&frame);
        let place = match self.role.reading() {
            Some(Reading::From(source)) => Place::At(source),
            Some(Reading::DeadLetters) => Place::Dead(dead_from(&frame)),
            None => panic!("who reads nothing gets no messages"),
        };
        let seen = Seen {
            message,
            place,
            stamp,
            client: self.number(),
            redelivered: frame.header("redelivered") == Some("true"),
            life,
            at: history.now,
            crossed: None,
        };
        let key = (message, place);
        if let Role::Browser(_) = self.role {
            let was_settled = self.settled_before.contains(&key);
            history.browsed.push((seen, was_settled));
            return;
        }
        // It was given back while it was on its way, and others may have had it meanwhile.
        let is_returned = frame.header("returned").is_some();
        if is_returned && self.role.ack() != Ack::Auto {
            return;
        }
        history.seen.push(seen);
        history.gets += u32::from(frame.header("got").is_some());
        if self.role.ack() == Ack::Auto {
            history.acked.insert(key);
            // What it gets behind its UNSUBSCRIBE may come again to others.
            if !self.has_left && !is_returned {
                history.events.push(Event::GotForGood(key, self.number()));
            }
        } else {
            history.events.push(Event::Got(key, self.number()));
            let nth = history.seen.len();
            self.held.push(Held { key, frame, nth });
        }
    }
}

fn answered(awaited: Awaited, history: &mut History) {
    match awaited {
        Awaited::Done => {}
        Awaited::Sent(name) => {
            let sent = history.sent.get_mut(&name).expect("it was sent");
            sent.is_confirmed = true;
            sent.confirmed_at = Some(history.now);
        }
        Awaited::Settled(keys, verdict) => settled(keys, verdict, history),
        Awaited::Committed(name) => {
            let transaction = history.transactions.get_mut(&name).expect("it was begun");
            if let Fate::Asked(count) = transaction.fate {
                transaction.fate = Fate::Confirmed(count);
            }
            let transaction = transaction.clone();
            for name in transaction.messages {
                let sent = history.sent.get_mut(&name).expect("it was sent");
                sent.is_confirmed = true;
                sent.confirmed_at = Some(history.now);
            }
            settled(transaction.acked, Verdict::Accept, history);
            settled(transaction.rejected, Verdict::Reject, history);
        }
    }
}

fn settled(keys: Vec<Spot>, verdict: Verdict, history: &mut History) {
    let count = history.seen.len();
    if verdict == Verdict::Accept {
        history.accepted.extend(keys.iter().copied());
    }
    history
        .settled
        .extend(keys.into_iter().map(|key| (key, count)));
}

fn name(frame: &Frame) -> (Name, Option<Stamp>) {
    let text = frame.text();
    let words = text.split(' ').map(str::parse).take(4);
    let Ok(numbers) = words.collect::<Result<Vec<u32>, _>>() else {
        panic!("a message that nobody sent: {text}");
    };
    let [publisher, number, transaction, size] = numbers[..] else {
        panic!("a message that nobody sent: {text}");
    };
    let stamp = Stamp {
        number: transaction,
        size,
    };
    (
        Name { publisher, number },
        (transaction > 0).then_some(stamp),
    )
}

fn dead_from(frame: &Frame) -> Source {
    let queue = frame.header("x-first-death-queue");
    let source = queue.and_then(Scene::source_of);
    source.expect("a dead letter says where it comes from")
}
