//! Headers that have a say in where and when a message goes.

use super::consumers::{consume, start};
use super::publishing::{content, publish};
use super::{Driven, short};
use broker_api::{AskedDelay, Delivery, Event, Field, HeadReader};
use model::{Message, Sequence, SubscriptionId};
use proto_amqp091::{AmqpHeads, FieldValue, Properties, PropertyList, TableBuf};

/// An array of texts.
fn array<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> TableBuf {
    let mut array = TableBuf::new();
    for text in texts {
        array.push_value(&FieldValue::LongString(text));
    }
    array
}

/// Publishes with these headers to the exchange `e`.
fn publish_with(driven: &mut Driven, headers: &TableBuf) {
    let list = PropertyList {
        content_type: Some(short("t")),
        headers: Some(headers.as_table().unwrap()),
        cluster_id: Some(short("c")),
        ..PropertyList::default()
    };
    driven.feed(&content(&publish("e", false), &list, b"x"));
}

fn keys_of(message: &Message) -> Vec<String> {
    let mut keys = Vec::new();
    AmqpHeads.further_keys(message, &mut |key| {
        keys.push(String::from_utf8_lossy(key).into_owned());
    });
    keys
}

fn names_of(message: &Message) -> Vec<String> {
    let mut names = Vec::new();
    AmqpHeads.fields(message, &mut |field| {
        if let Field::Header(name, _) = field {
            names.push(String::from_utf8_lossy(&name).into_owned());
        }
    });
    names
}

/// A message with a key in `CC`, one in `BCC`, and a header.
fn copied(driven: &mut Driven) -> Message {
    let (open, blind) = (array([&b"a"[..], b"b"]), array([&b"c"[..]]));
    let mut headers = TableBuf::new();
    let blind = FieldValue::Array(blind.as_array().unwrap());
    headers.push(short("BCC"), &blind);
    headers.push(short("h"), &FieldValue::Boolean(true));
    let open = FieldValue::Array(open.as_array().unwrap());
    headers.push(short("CC"), &open);
    publish_with(driven, &headers);
    driven.published.last().unwrap().1.clone()
}

#[test]
fn cc_and_bcc_are_further_keys() {
    let mut driven = Driven::with_channel();
    let message = copied(&mut driven);
    assert!(message.envelope().head_routes);
    assert_eq!(keys_of(&message), ["a", "b", "c"]);
    let mut shown = Vec::new();
    AmqpHeads.shown_further_keys(&message, &mut |key| shown.push(key.to_vec()));
    assert_eq!(shown, [b"a", b"b"]);
    // Without any they have no say.
    let mut headers = TableBuf::new();
    let empty = TableBuf::new();
    let empty = FieldValue::Array(empty.as_array().unwrap());
    headers.push(short("CC"), &empty);
    publish_with(&mut driven, &headers);
    let message = &driven.published.last().unwrap().1;
    assert!(!message.envelope().head_routes);
    assert_eq!(keys_of(message), [""; 0]);
}

#[test]
fn they_go_when_the_message_goes_by_another_key() {
    let mut driven = Driven::with_channel();
    let message = copied(&mut driven);
    let head = AmqpHeads.without_further_keys(&message);
    let letter = Message::new(&model::Parts {
        envelope: message.envelope(),
        exchange: b"",
        key: b"q",
        annotations: &[],
        head: &[&head],
        body: b"x",
    });
    assert_eq!(keys_of(&letter), [""; 0]);
    assert_eq!(names_of(&letter), ["h"]);
    let text = AmqpHeads.property(&letter, model::Property::ContentType);
    assert_eq!(text, Some(model::Value::text("t")));
}

#[test]
fn bcc_is_shown_to_nobody() {
    let mut driven = Driven::with_channel();
    start(&mut driven, consume("t"));
    let message = copied(&mut driven);
    assert_eq!(names_of(&message), ["h", "CC"]);
    assert_eq!(AmqpHeads.header(&message, b"BCC"), None);
    assert!(AmqpHeads.header(&message, b"CC").is_some());
    driven.handle_event(Event::Delivery(Delivery {
        subscription: SubscriptionId(1),
        sequence: Sequence(1),
        redelivered: false,
        delivery_count: 0,
        acquired_count: 0,
        expires_at: None,
        message,
    }));
    let found = driven.read();
    let cc = "\"CC\": Array([LongString([97]), LongString([98])])";
    let shown = format!("headers: Some({{\"h\": Boolean(true), {cc}}})");
    assert!(found[1].contains(&shown), "{found:?}");
    assert!(
        found[1].contains("content_type: Some(\"t\")")
            && found[1].contains("cluster_id: Some(\"c\")"),
        "{found:?}"
    );
}

#[test]
fn bcc_of_a_dead_letter_is_shown_to_nobody() {
    let mut driven = Driven::with_channel();
    start(&mut driven, consume("t"));
    let message = copied(&mut driven);
    let mut deaths = model::Deaths::default();
    deaths.add(model::Death {
        queue: b"q".to_vec(),
        reason: model::DeathReason::Rejected,
        count: 1,
        time_ms: 1_000,
        exchange: Vec::new(),
        key: b"k".to_vec(),
        further_keys: Vec::new(),
    });
    let message = Message::new(&model::Parts {
        envelope: message.envelope(),
        exchange: b"",
        key: b"q",
        annotations: &deaths.encode(),
        head: &[message.head()],
        body: b"x",
    });
    driven.handle_event(Event::Delivery(Delivery {
        subscription: SubscriptionId(1),
        sequence: Sequence(1),
        redelivered: false,
        delivery_count: 0,
        acquired_count: 0,
        expires_at: None,
        message,
    }));
    let found = driven.read();
    assert!(found[1].contains("x-death"), "{found:?}");
    assert!(found[1].contains("\"CC\""), "{found:?}");
    assert!(!found[1].contains("BCC"), "{found:?}");
}

#[test]
fn others_than_texts_are_passed_over() {
    let mut driven = Driven::with_channel();
    let mut mixed = array([&b"a"[..]]);
    mixed.push_value(&FieldValue::SignedInt(1));
    mixed.push_value(&FieldValue::Bytes(b"b"));
    let mut headers = TableBuf::new();
    headers.push(short("CC"), &FieldValue::Array(mixed.as_array().unwrap()));
    publish_with(&mut driven, &headers);
    assert_eq!(keys_of(&driven.published[0].1), ["a"]);
}

#[test]
fn further_keys_are_some_texts() {
    let refused = |name, value: &FieldValue<'_>| {
        let mut driven = Driven::with_channel();
        let mut headers = TableBuf::new();
        headers.push(short(name), value);
        publish_with(&mut driven, &headers);
        assert!(driven.published.is_empty());
        driven.read().remove(0)
    };
    let expect = |answer: String, text: &str| {
        let expected = format!("406, reply_text: \"PRECONDITION_FAILED - {text}");
        assert!(answer.contains(&expected), "{answer}");
    };
    let text = FieldValue::LongString(b"a");
    let expected = "the header 'CC' must be an array";
    expect(refused("CC", &text), expected);
    let many = array(std::iter::repeat_n(&b"k"[..], 257));
    let many = FieldValue::Array(many.as_array().unwrap());
    let expected = "the headers 'CC' and 'BCC' have 257 routing keys, the limit is 256";
    expect(refused("CC", &many), expected);
    // Together they may have no more.
    let (half, one) = (
        array(std::iter::repeat_n(&b"k"[..], 255)),
        array([&b"k"[..]]),
    );
    let mut headers = TableBuf::new();
    let half = FieldValue::Array(half.as_array().unwrap());
    let one = FieldValue::Array(one.as_array().unwrap());
    headers.push(short("CC"), &half);
    headers.push(short("BCC"), &one);
    let mut driven = Driven::with_channel();
    publish_with(&mut driven, &headers);
    assert_eq!(keys_of(&driven.published[0].1).len(), 256);
    headers.push(short("BCC"), &one);
    publish_with(&mut driven, &headers);
    let expected = "the headers 'CC' and 'BCC' have 257 routing keys";
    expect(driven.read().remove(0), expected);
}

/// A message with such a delay, and what it asks for.
fn asking(value: &FieldValue<'_>) -> (Message, Option<AskedDelay>) {
    let mut driven = Driven::with_channel();
    let mut headers = TableBuf::new();
    headers.push(short("h"), &FieldValue::Boolean(true));
    headers.push(short("x-delay"), value);
    headers.push(short("i"), &FieldValue::Void);
    publish_with(&mut driven, &headers);
    let message = driven.published.remove(0).1;
    let asked = AmqpHeads.asked_delay(&message);
    assert_eq!(message.envelope().head_routes, asked.is_some());
    (message, asked)
}

#[test]
fn x_delay_asks_for_a_delay() {
    let ms = |value| asking(&value).1.map(|it| it.ms);
    assert_eq!(ms(FieldValue::SignedInt(5_000)), Some(5_000));
    assert_eq!(ms(FieldValue::SignedByte(1)), Some(1));
    assert_eq!(ms(FieldValue::UnsignedInt(u32::MAX)), Some(u32::MAX.into()));
    assert_eq!(
        ms(FieldValue::SignedLong(4_294_967_295)),
        Some(u32::MAX.into())
    );
    assert_eq!(ms(FieldValue::LongString(b"70")), Some(70));
    assert_eq!(ms(FieldValue::Double(12.9)), Some(12));
    for vain in [
        FieldValue::SignedInt(0),
        FieldValue::SignedInt(-5_000),
        FieldValue::SignedLong(4_294_967_296),
        FieldValue::LongString(b"soon"),
        FieldValue::Double(f64::NAN),
        FieldValue::Boolean(true),
        FieldValue::Void,
    ] {
        assert_eq!(ms(vain), None, "{vain:?}");
    }
}

#[test]
fn a_delay_that_is_granted_is_told_as_a_negative_number() {
    for (value, told) in [
        (FieldValue::UnsignedShort(7), "SignedInt(-7)"),
        (FieldValue::UnsignedInt(u32::MAX), "SignedLong(-4294967295)"),
    ] {
        let (message, asked) = asking(&value);
        let head = asked.unwrap().head;
        let list = Properties::new(&head).unwrap().fields();
        let fields: Vec<_> = list.headers.unwrap().iter().collect();
        let texts: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{} {value:?}", String::from_utf8_lossy(name)))
            .collect();
        let delay = format!("x-delay {told}");
        assert_eq!(texts, ["h Boolean(true)", &*delay, "i Void"]);
        assert_eq!(list.content_type, Some(short("t")));
        // It does not ask again.
        let later = Message::new(&model::Parts {
            envelope: message.envelope(),
            exchange: b"",
            key: b"q",
            annotations: &[],
            head: &[&head],
            body: b"x",
        });
        assert_eq!(AmqpHeads.asked_delay(&later), None);
    }
}
