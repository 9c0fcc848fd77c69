//! A broker that answers every command, and the driver between it and a session.

use broker_api::{Command, Confirm, Delivery, Event, Out, Refusal, Session, Settle, Submission};
use bytes::BytesMut;
use model::{CommandId, ConnectionId, Instant, Message, Sequence, SubscriptionId};
use proto_stomp::{Limits, Stomp};
use std::collections::BTreeMap;
use std::time::Duration;

/// A session with its driver; the broker behind it does only what a test asks for.
///
/// Commands are answered when nothing can be read before, or when a test says so: thus the outcome
/// depends on the bytes that the client sent and not on how they were cut.
pub(crate) struct Driven {
    pub(crate) session: Stomp,
    pub(crate) out: Out,
    pub(crate) input: BytesMut,
    pub(crate) now: Instant,
    /// All bytes to the client.
    pub(crate) wire: Vec<u8>,
    /// All commands, as text; settlements that nobody confirms one by one, without grants.
    pub(crate) log: Vec<String>,
    /// By subscription that is not canceled: what the last grant allows in all.
    pub(crate) granted: BTreeMap<SubscriptionId, u64>,
    /// What was published, in order.
    pub(crate) published: Vec<Message>,
    /// Deliveries made to each new subscription.
    pub(crate) ready: Vec<Message>,
    /// How the next commands are refused, by the beginning of their text.
    pub(crate) refusals: Vec<(&'static str, Refusal)>,
    unanswered: Vec<(CommandId, Answer, String)>,
}

#[derive(Clone, Copy)]
enum Answer {
    Done,
    Subscribed(SubscriptionId),
    Confirmed,
    OnlyRefusal,
}

impl Driven {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        let now = Instant::default();
        Self {
            session: Stomp::new(now, ConnectionId(7), limits),
            out: Out::new(),
            input: BytesMut::new(),
            now,
            wire: Vec::new(),
            log: Vec::new(),
            granted: BTreeMap::new(),
            published: Vec::new(),
            ready: Vec::new(),
            refusals: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// A session that has been connected with this version, its CONNECTED read.
    pub(crate) fn connected(version: &str) -> Self {
        let mut driven = Self::new();
        driven.feed(format!("CONNECT\naccept-version:{version}\nhost:h\n\n\0").as_bytes());
        driven.answer_all();
        assert!(driven.take_wire().starts_with("CONNECTED\n"));
        driven.log.clear();
        driven
    }

    /// Gives bytes to the session, answering only what it waits for.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        loop {
            self.session
                .handle_input(self.now, &mut self.input, &mut self.out);
            self.collect();
            if self.out.is_closing() || !self.out.is_held() {
                return;
            }
            self.answer_all();
        }
    }

    /// Gives text to the session, answers everything, and returns what the client reads.
    pub(crate) fn talk(&mut self, text: &str) -> String {
        self.feed(text.as_bytes());
        self.answer_all();
        self.take_wire()
    }

    pub(crate) fn take_wire(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.wire))
            .unwrap()
            .replace('\0', "^@")
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub(crate) fn handle_event(&mut self, event: Event) {
        self.session.handle_event(self.now, event, &mut self.out);
        self.collect();
    }

    pub(crate) fn deliver(&mut self, subscription: u32, sequence: u64, message: &Message) {
        self.handle_event(Event::Delivery(Delivery {
            subscription: SubscriptionId(subscription),
            sequence: Sequence(sequence),
            redelivered: false,
            message: message.clone(),
        }));
    }

    /// Moves the clock to the session's own deadline and calls it; returns the time in milliseconds.
    pub(crate) fn wait_for_deadline(&mut self) -> Option<u128> {
        self.now = self.session.deadline()?;
        self.session.handle_deadline(self.now, &mut self.out);
        self.collect();
        Some(self.now.elapsed().as_millis())
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Answers all commands in their order.
    pub(crate) fn answer_all(&mut self) {
        while !self.unanswered.is_empty() {
            for (id, answer, text) in std::mem::take(&mut self.unanswered) {
                self.answer(id, answer, &text);
            }
        }
    }

    fn answer(&mut self, id: CommandId, answer: Answer, text: &str) {
        let refusal = self
            .refusals
            .iter()
            .position(|(start, _)| text.starts_with(start));
        if let Some(at) = refusal {
            let (_, refusal) = self.refusals.remove(at);
            return self.handle_event(Event::Done(id, Err(refusal)));
        }
        match answer {
            Answer::Done => self.handle_event(Event::Done(id, Ok(()))),
            Answer::Confirmed => self.handle_event(Event::Confirmed(id)),
            Answer::OnlyRefusal => {}
            Answer::Subscribed(subscription) => {
                self.handle_event(Event::Done(id, Ok(())));
                for (sequence, message) in (1..).zip(self.ready.clone()) {
                    self.deliver(subscription.0, sequence, &message);
                }
            }
        }
    }

    fn collect(&mut self) {
        self.wire.extend(self.out.wire.take());
        for Submission { id, command, .. } in std::mem::take(&mut self.out.commands) {
            let (answer, text) = self.note(command);
            self.unanswered.push((id, answer, text));
        }
    }

    fn note(&mut self, command: Command) -> (Answer, String) {
        let text = format!("{command:?}");
        let answer = match command {
            Command::Connect(_) | Command::DeclareQueue(_) => Answer::Done,
            Command::Cancel(subscription) => {
                self.granted.remove(&subscription);
                Answer::Done
            }
            Command::Subscribe(subscribe) => Answer::Subscribed(subscribe.subscription),
            Command::Grant(subscription, grant) => {
                self.granted.insert(subscription, grant.total());
                return (Answer::Done, text);
            }
            Command::Publish(message, confirm) => {
                self.published.push(message);
                answer_to(confirm)
            }
            Command::Settle(Settle {
                subscription,
                sequences,
                outcome,
                confirm,
            }) => {
                if confirm == Confirm::Unwanted {
                    let entry = |it: &Sequence| format!("{outcome:?} {subscription}/{it}");
                    self.log.extend(sequences.iter().map(entry));
                    return (Answer::OnlyRefusal, text);
                }
                let list: Vec<u64> = sequences.iter().map(|it| it.0).collect();
                self.log
                    .push(format!("{outcome:?} {subscription}/{list:?} confirmed"));
                return (Answer::Confirmed, text);
            }
        };
        self.log.push(text.clone());
        (answer, text)
    }
}

const fn answer_to(confirm: Confirm) -> Answer {
    match confirm {
        Confirm::Wanted => Answer::Confirmed,
        Confirm::Unwanted => Answer::OnlyRefusal,
    }
}

/// A message published by a 1.2 client with this head, to be delivered.
pub(crate) fn message(headers: &str, body: &str) -> Message {
    let mut publisher = Driven::connected("1.2");
    publisher.talk(&format!("SEND\ndestination:/topic/t\n{headers}\n{body}\0"));
    publisher.published.pop().unwrap()
}

/// Checks that the client is told this error.
#[track_caller]
pub(crate) fn assert_error(wire: &str, summary: &str, detail: &str) {
    assert!(wire.contains("ERROR\n"), "{wire}");
    assert!(wire.contains(&format!("\nmessage:{summary}\n")), "{wire}");
    assert!(wire.contains(detail), "{wire}");
}
