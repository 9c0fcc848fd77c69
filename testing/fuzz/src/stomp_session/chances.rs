//! What the broker and the clock do by chance, and the messages that it delivers.

use super::Driven;
use crate::input::Chance;
use broker_api::{Delivery, Event, Refusal, Session, SettleMode};
use model::{
    Death, DeathReason, Deaths, ExchangeName, Message, Parts, QueueName, Sequence, SubscriptionId,
};
use proto_stomp::Limits;
use std::sync::OnceLock;

impl Driven {
    /// Does something that a broker or the clock may do.
    pub(super) fn act(&mut self, chance: &mut Chance) {
        match chance.below(64) {
            0..16 => {
                if let Some((id, answer)) = self.unanswered.pop_front() {
                    self.answer(id, answer);
                }
            }
            16..24 => self.answer_all(),
            24..48 => {
                for _ in 0..=chance.below(4) {
                    self.deliver(chance);
                }
            }
            48..52 => {
                self.now = self.now + std::time::Duration::from_millis(900);
                self.pass();
            }
            52 => {
                self.now = self.session.deadline().unwrap_or(self.now);
                self.pass();
            }
            53 => {
                if let Some((id, _)) = self.unanswered.pop_front() {
                    self.tell(Event::Done(id, Err(refusal(chance))));
                }
            }
            54 => {
                if let Some(id) = self.some_subscription(chance) {
                    if self.subscriptions[&id].browses {
                        self.end(id);
                    }
                    self.tell(Event::Drained(id));
                }
            }
            55 if chance.below(4) == 0 => {
                if let Some(id) = self.some_subscription(chance) {
                    self.end(id);
                    self.tell(Event::Ended(id, refusal(chance)));
                }
            }
            56 if chance.below(8) == 0 => self.tell(Event::Disconnect(refusal(chance))),
            _ => {}
        }
    }

    fn pass(&mut self) {
        if self
            .session
            .deadline()
            .is_some_and(|deadline| deadline <= self.now)
        {
            self.call(0, |session, now, _, out| session.handle_deadline(now, out));
            let next = self.session.deadline();
            assert!(next.is_none_or(|next| next > self.now), "it would spin");
        }
    }

    /// The broker ends a subscription.
    fn end(&mut self, id: SubscriptionId) {
        self.subscriptions.remove(&id);
        self.ended.insert(id);
    }

    fn some_subscription(&self, chance: &mut Chance) -> Option<SubscriptionId> {
        let ready = self.subscriptions.iter().filter(|(_, it)| it.is_ready);
        let ready: Vec<SubscriptionId> = ready.map(|(id, _)| *id).collect();
        (!ready.is_empty()).then(|| ready[chance.below(ready.len())])
    }

    fn deliver(&mut self, chance: &mut Chance) {
        let Some(id) = self.some_subscription(chance) else {
            return;
        };
        let message = self.messages[chance.below(self.messages.len())].clone();
        let subscribed = self.subscriptions.get_mut(&id).expect("it was just found");
        if subscribed.delivered >= subscribed.granted {
            return;
        }
        subscribed.delivered += 1;
        let sequence = match subscribed.mode {
            SettleMode::Presettled => Sequence(0),
            SettleMode::Explicit => Sequence(subscribed.delivered),
        };
        if subscribed.mode == SettleMode::Explicit {
            subscribed.unsettled.insert(sequence);
        }
        self.tell(Event::Delivery(Delivery {
            subscription: id,
            sequence,
            redelivered: chance.below(2) == 0,
            delivery_count: u32::try_from(chance.below(3)).unwrap_or_default(),
            acquired_count: 0,
            expires_at: None,
            message,
        }));
    }
}

fn refusal(chance: &mut Chance) -> Refusal {
    let queue = || QueueName::new(b"a\nb\0\xff:\\").expect("it is short");
    let exchange = || ExchangeName::new(b"x\r\ny\xff").expect("it is short");
    match chance.below(12) {
        0 => Refusal::Stalled,
        1 => Refusal::StoreFailed,
        2 => Refusal::SubscriptionNotFound(SubscriptionId(3)),
        3 => Refusal::QueueNotFound(queue()),
        4 => Refusal::ExchangeNotFound(exchange()),
        5 => Refusal::QueueLocked(queue()),
        6 => Refusal::QueueFull(queue()),
        7 => Refusal::QueueDeleted(queue()),
        8 => Refusal::Invalid("a\nb\0\u{1F600}".to_owned()),
        9 => Refusal::Inequivalent {
            what: "queue",
            name: "a\nb".into(),
            field: "x-max-length",
        },
        10 => Refusal::LimitReached {
            what: "queues",
            limit: u64::MAX,
        },
        _ => Refusal::LoginFailed {
            user: "a\nb\0\u{1F600}".to_owned(),
        },
    }
}

/// Messages of clients of all versions, and their dead letters.
pub(super) fn messages() -> &'static [Message] {
    static MESSAGES: OnceLock<Vec<Message>> = OnceLock::new();
    MESSAGES.get_or_init(|| {
        let mut messages = Vec::new();
        for version in ["1.0", "1.1", "1.2"] {
            let mut publisher = Driven::new(Limits::default());
            publisher.feed(format!("CONNECT\naccept-version:{version}\nhost:h\n\n\0").as_bytes());
            publisher.feed(
                b"SEND\ndestination:/topic/t\na:1\\n\\c:\npersistent:true\nb:\xc3\xa9\n\nbody\0",
            );
            publisher.feed(b"SEND\ndestination:/queue/q\ncontent-length:3\n\n\0\0\n\0");
            messages.extend(publisher.messages);
        }
        assert_eq!(messages.len(), 6);
        let letters: Vec<_> = messages.iter().map(dead_letter).collect();
        messages.extend(letters);
        messages
    })
}

/// The message as it comes out of a dead-letter queue.
fn dead_letter(message: &Message) -> Message {
    let mut deaths = Deaths::default();
    for reason in [DeathReason::Expired, DeathReason::Rejected] {
        deaths.add(Death {
            queue: b"a\"\n\\".to_vec(),
            reason,
            count: 1,
            time_ms: 7,
            exchange: message.exchange().to_vec(),
            key: message.key().to_vec(),
            further_keys: Vec::new(),
        });
    }
    Message::new(&Parts {
        envelope: message.envelope(),
        exchange: b"",
        key: b"dead",
        annotations: &deaths.encode(),
        head: &[message.head()],
        body: message.body(),
    })
}
