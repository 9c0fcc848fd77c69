//! What a message says that has died.

use super::consumers::{Talkative, consume, message_of, start};
use super::{Driven, short};
use broker_api::{Delivery, Event, Field, HeadReader};
use bytes::BytesMut;
use model::{
    Death, DeathReason, Deaths, Dialect, Envelope, Message, Parts, Persistence, Property, Sequence,
    SubscriptionId, Value,
};
use proto_amqp091::{AmqpHeads, FieldValue, Method, PropertyList, TableBuf, basic};

/// Died in `work`, then in `retry`, then in `work` again.
fn deaths() -> Vec<u8> {
    let mut deaths = Deaths::default();
    let all = [
        ("work", DeathReason::Rejected, "x", "k"),
        ("retry", DeathReason::Expired, "dlx", "k.retry"),
        ("work", DeathReason::Rejected, "", "work"),
    ];
    for (nth, (queue, reason, exchange, key)) in (1..).zip(all) {
        deaths.add(Death {
            queue: queue.into(),
            reason,
            count: 1,
            time_ms: 1_700_000_000_900 + nth * 1_000,
            exchange: exchange.into(),
            key: key.into(),
            further_keys: Vec::new(),
        });
    }
    deaths.note_ttl_ms(5);
    deaths.encode()
}

/// Published by AMQP with an expiration, a header `a`, and headers that tell of other deaths.
fn published(annotations: &[u8], ttl_ms: Option<u64>) -> Message {
    let mut headers = TableBuf::new();
    headers.push(short("x-death"), &FieldValue::LongString(b"forged"));
    headers.push(short("a"), &FieldValue::SignedInt(1));
    headers.push(
        short("x-last-death-queue"),
        &FieldValue::LongString(b"forged"),
    );
    let list = PropertyList {
        headers: Some(headers.as_table().unwrap()),
        expiration: Some(short("5")),
        message_id: Some(short("m")),
        ..PropertyList::default()
    };
    let mut head = BytesMut::new();
    list.put(&mut head);
    message_of(
        Envelope {
            ttl_ms,
            ..Envelope::new(Dialect::Amqp091, Persistence::Transient)
        },
        annotations,
        &head,
    )
}

fn delivered(driven: &mut Driven, message: Message) -> String {
    start(driven, consume("t"));
    driven.handle_event(Event::Delivery(Delivery {
        subscription: SubscriptionId(1),
        sequence: Sequence(1),
        redelivered: false,
        delivery_count: 0,
        acquired_count: 0,
        expires_at: None,
        message,
    }));
    driven.read().remove(1)
}

fn text(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|it| it.to_string()).collect();
    format!("LongString([{}])", bytes.join(", "))
}

/// The headers that tell of [`deaths`].
fn told() -> String {
    let table = |expiration: &str, count: u64, [reason, queue, exchange, key]: [&str; 4], time| {
        format!(
            "Table({{{expiration}\"count\": SignedLong({count}), \"reason\": {}, \"queue\": {}, \"time\": \
             Timestamp({time}), \"exchange\": {}, \"routing-keys\": Array([{}])}})",
            text(reason),
            text(queue),
            text(exchange),
            text(key)
        )
    };
    let expiration = format!("\"original-expiration\": {}, ", text("5"));
    let work = ["rejected", "work", "x", "k"];
    let retry = ["expired", "retry", "dlx", "k.retry"];
    let all = [
        table(&expiration, 2, work, 1_700_000_001),
        table("", 1, retry, 1_700_000_002),
    ];
    let summaries = [
        ("x-first-death-queue", "work"),
        ("x-first-death-reason", "rejected"),
        ("x-first-death-exchange", "x"),
        ("x-last-death-queue", "work"),
        ("x-last-death-reason", "rejected"),
        ("x-last-death-exchange", ""),
    ]
    .map(|(name, value)| format!("\"{name}\": {}", text(value)));
    format!(
        "\"x-death\": Array([{}]), {}",
        all.join(", "),
        summaries.join(", ")
    )
}

#[test]
fn tell_how_they_died() {
    let mut driven = Driven::with_channel();
    let header = delivered(&mut driven, published(&deaths(), None));
    let expected = format!("headers: Some({{\"a\": SignedInt(1), {}}})", told());
    assert!(header.contains(&expected), "{header}\n{expected}");
    assert!(header.contains("expiration: None, message_id: Some(\"m\")"));
    // So do those that are got.
    let mut driven = Driven::with_channel();
    driven.ready.push_back(published(&deaths(), None));
    let get = Method::BasicGet(basic::Get {
        queue: short("q"),
        no_ack: true,
    });
    assert_eq!(driven.send(1, &get)[1], header);
}

#[test]
fn of_other_protocols_tell_it_too() {
    let mut driven = Driven::with_channel();
    driven.use_heads(|_| &Talkative);
    let envelope = Envelope::new(Dialect::Mqtt5, Persistence::Transient);
    let header = delivered(&mut driven, message_of(envelope, &deaths(), b""));
    let expected = format!("\"nothing\": Void, {}}})", told());
    assert!(header.contains(&expected), "{header}\n{expected}");
    assert!(header.contains("expiration: None"), "{header}");
}

#[test]
fn are_not_what_clients_call_so() {
    let mut driven = Driven::with_channel();
    let header = delivered(&mut driven, published(&[], Some(5)));
    let expected = format!(
        "headers: Some({{\"x-death\": {0}, \"a\": SignedInt(1), \"x-last-death-queue\": {0}}})",
        text("forged")
    );
    assert!(header.contains(&expected), "{header}");
    assert!(header.contains("expiration: Some(\"5\")"), "{header}");
}

#[test]
fn do_not_expire_for_readers_of_other_protocols() {
    let said = |message: &Message| {
        let mut said = Vec::new();
        AmqpHeads.fields(message, &mut |field| {
            said.push(match field {
                Field::Header(name, _) => String::from_utf8_lossy(&name).into_owned(),
                Field::Property(property, _) => format!("{property:?}"),
            });
        });
        said
    };
    let living = published(&[], Some(5));
    let expected = [
        "Expiration",
        "MessageId",
        "x-death",
        "a",
        "x-last-death-queue",
    ];
    assert_eq!(said(&living), expected);
    assert_eq!(AmqpHeads.header(&living, b"x-first-death-reason"), None);
    let dead = published(&deaths(), None);
    assert_eq!(said(&dead), ["MessageId", "a"]);
    assert_eq!(AmqpHeads.property(&dead, Property::Expiration), None);
    for (name, value) in [
        (&b"x-first-death-reason"[..], Some(Value::text("rejected"))),
        (b"x-last-death-queue", Some(Value::text("work"))),
        (b"x-death", None),
        (b"a", Some(Value::Integer(1))),
    ] {
        assert_eq!(AmqpHeads.header(&dead, name), value);
    }
}

#[test]
fn whose_history_cannot_be_read_are_delivered_without() {
    let mut driven = Driven::with_channel();
    let header = delivered(&mut driven, published(b"\xff", None));
    assert!(
        header.contains("headers: Some({\"a\": SignedInt(1)})"),
        "{header}"
    );
    let parts = Parts {
        envelope: Envelope::new(Dialect::Amqp091, Persistence::Transient),
        exchange: b"",
        key: b"q",
        annotations: b"\xff",
        head: &[&[0, 0]],
        body: b"",
    };
    let mut driven = Driven::with_channel();
    let header = delivered(&mut driven, Message::new(&parts));
    assert!(header.contains("headers: None"), "{header}");
}

/// A content header cannot be split.
#[test]
fn tell_as_much_as_the_frame_has_room_for() {
    let mut deaths = Deaths::default();
    for nth in 0..64_u8 {
        deaths.add(Death {
            queue: format!("q{nth}").into(),
            reason: DeathReason::Expired,
            count: 1,
            time_ms: 0,
            exchange: vec![b'e'; 255],
            key: vec![b'k'; 255],
            further_keys: Vec::new(),
        });
    }
    let mut head = BytesMut::new();
    PropertyList::default().put(&mut head);
    for dialect in [Dialect::Amqp091, Dialect::Stomp12] {
        let envelope = Envelope::new(dialect, Persistence::Transient);
        let message = message_of(envelope, &deaths.encode(), &head);
        let mut driven = Driven::opened_in_frames_of(4_096);
        start(&mut driven, consume("t"));
        driven.handle_event(Event::Delivery(Delivery {
            subscription: SubscriptionId(1),
            sequence: Sequence(1),
            redelivered: false,
            delivery_count: 1,
            acquired_count: 0,
            expires_at: None,
            message,
        }));
        assert!(driven.longest_frame() <= 4_096);
        let header = driven.read().remove(1);
        // Those are left out which are neither the latest nor the first.
        let told = |nth: u8| {
            let queue = format!("q{nth}").into_bytes();
            header.contains(&format!("\"queue\": LongString({queue:?})"))
        };
        let all: Vec<u8> = (0..64).rev().filter(|nth| told(*nth)).collect();
        assert_eq!(all, [63, 62, 61, 60, 0]);
    }
}

#[test]
fn tell_the_further_keys_as_far_as_there_is_room() {
    let mut deaths = Deaths::default();
    let mut add = |queue: &str, key_len: usize| {
        deaths.add(Death {
            queue: queue.into(),
            reason: DeathReason::Rejected,
            count: 1,
            time_ms: 0,
            exchange: Vec::new(),
            key: b"k".to_vec(),
            further_keys: vec![vec![b'c'; key_len], b"d".to_vec()],
        });
    };
    add("a", 2);
    add("b", 4_000);
    let mut head = BytesMut::new();
    PropertyList::default().put(&mut head);
    let envelope = Envelope::new(Dialect::Amqp091, Persistence::Transient);
    let message = message_of(envelope, &deaths.encode(), &head);
    let keys = |frame_bytes: u32, message: &Message| {
        let mut driven = Driven::opened_in_frames_of(frame_bytes);
        let header = delivered(&mut driven, message.clone());
        assert!(driven.longest_frame() <= frame_bytes as usize);
        let keys = header.split("\"routing-keys\": ").skip(1);
        keys.filter_map(|it| it.split("])])").next())
            .map(|it| it.matches("LongString").count())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(131_072, &message), [3, 3]);
    assert_eq!(keys(4_096, &message), [1, 3]);
}
