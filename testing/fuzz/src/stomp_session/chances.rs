//! What the broker and the clock do by chance, and the messages that it delivers.

use super::{StompBroker, driven};
use crate::driven::Driven;
use crate::input::Chance;
use broker_api::{Event, Refusal, Session as _};
use model::{Death, DeathReason, Deaths, ExchangeName, Message, Parts, QueueName, SubscriptionId};
use proto_stomp::Limits;
use std::sync::OnceLock;

/// Does something that a broker or the clock may do.
pub(super) fn act(driven: &mut Driven<StompBroker>, chance: &mut Chance) {
    match chance.below(64) {
        0..16 => {
            if let Some((id, answer)) = driven.unanswered.pop_front() {
                driven.answer(id, answer);
            }
        }
        16..24 => driven.answer_all(),
        24..48 => {
            for _ in 0..=chance.below(4) {
                deliver(driven, chance);
            }
        }
        48..52 => driven.pass(driven.now + std::time::Duration::from_millis(900)),
        52 => driven.pass(driven.session.deadline().unwrap_or(driven.now)),
        53 => {
            if let Some((id, _)) = driven.unanswered.pop_front() {
                driven.tell(Event::Done(id, Err(refusal(chance))));
            }
        }
        54 => {
            if let Some(id) = driven.broker.subscriptions.some_ready(chance) {
                if driven.broker.browsers.contains(&id) {
                    driven.broker.subscriptions.end(id);
                }
                driven.tell(Event::Drained(id));
            }
        }
        55 if chance.below(4) == 0 => {
            if let Some(id) = driven.broker.subscriptions.some_ready(chance) {
                driven.broker.subscriptions.end(id);
                driven.tell(Event::Ended(id, refusal(chance)));
            }
        }
        56 if chance.below(8) == 0 => driven.tell(Event::Disconnect(refusal(chance))),
        _ => {}
    }
}

fn deliver(driven: &mut Driven<StompBroker>, chance: &mut Chance) {
    let broker = &mut driven.broker;
    let Some(id) = broker.subscriptions.some_ready(chance) else {
        return;
    };
    let Some(message) = broker.messages.some(chance) else {
        return;
    };
    if let Some(mut delivery) = broker.subscriptions.deliver(id, message) {
        delivery.redelivered = chance.below(2) == 0;
        delivery.delivery_count = u32::try_from(chance.below(3)).unwrap_or_default();
        driven.tell(Event::Delivery(delivery));
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
            let mut publisher = driven(Limits::default());
            publisher.feed(format!("CONNECT\naccept-version:{version}\nhost:h\n\n\0").as_bytes());
            publisher.feed(
                b"SEND\ndestination:/topic/t\na:1\\n\\c:\npersistent:true\nb:\xc3\xa9\n\nbody\0",
            );
            publisher.feed(b"SEND\ndestination:/queue/q\ncontent-length:3\n\n\0\0\n\0");
            messages.extend(publisher.broker.messages.iter().cloned());
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
