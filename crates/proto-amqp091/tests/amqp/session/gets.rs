//! Messages that are got one by one.

use super::consumers::{ack, consume, deliver, message, nack, start};
use super::{Driven, short};
use broker_api::{Event, Refusal};
use model::{QueueName, SubscriptionId};
use proto_amqp091::{Method, basic, channel};

fn get(no_ack: bool) -> Method<'static> {
    Method::BasicGet(basic::Get {
        queue: short("q"),
        no_ack,
    })
}

/// One with so many messages to get.
fn with_ready(count: usize) -> Driven {
    let mut driven = Driven::with_channel();
    driven.take_log();
    driven.ready.extend((0..count).map(|_| message(b"m")));
    driven
}

fn asked(subscription: u32, settle_mode: &str) -> String {
    format!(
        "1 Get(Get {{ subscription: SubscriptionId({subscription}), queue: \"q\", settle_mode: {settle_mode} }})"
    )
}

fn get_ok(tag: u64, message_count: u32) -> String {
    format!(
        "1 BasicGetOk(GetOk {{ delivery_tag: {tag}, redelivered: true, exchange: \"amq.topic\", routing_key: \
         \"a.b\", message_count: {message_count} }})"
    )
}

const EMPTY: &str = "1 BasicGetEmpty(GetEmpty)";

#[test]
fn tell_how_many_are_left() {
    let mut driven = with_ready(2);
    let answers = driven.send(1, &get(false));
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!(answers[0], get_ok(1, 1));
    assert_eq!(answers[2], "1 \"m\"");
    assert_eq!(driven.take_log(), [asked(1, "Explicit")]);
    // Tags are those of the channel.
    start(&mut driven, consume("t"));
    assert!(deliver(&mut driven, 2, 1, b"")[0].contains("delivery_tag: 2"));
    driven.take_log();
    assert_eq!(driven.send(1, &get(false))[0], get_ok(3, 0));
    driven.take_log();
    assert_eq!(driven.send(1, &get(false)), [EMPTY]);
    let ended = "0 Cancel(SubscriptionId(4))".to_owned();
    assert_eq!(driven.take_log(), [asked(4, "Explicit"), ended]);
}

#[test]
fn are_settled_as_deliveries_are() {
    let settled = |outcome: &str| {
        [
            format!(
                "0 Settle(Settle {{ subscription: SubscriptionId(1), sequences: [Sequence(20)], outcome: \
                 {outcome}, confirm: Unwanted }})"
            ),
            "0 Cancel(SubscriptionId(1))".to_owned(),
        ]
    };
    for (method, outcome) in [
        (ack(1, false), "Accept"),
        (ack(0, true), "Accept"),
        (nack(1, true), "Fail"),
    ] {
        let mut driven = with_ready(1);
        driven.send(1, &get(false));
        driven.take_log();
        assert_eq!(driven.send(1, &method), [""; 0]);
        assert_eq!(driven.take_log(), settled(outcome));
    }
    // Or not at all.
    let mut driven = with_ready(1);
    driven.send(1, &get(true));
    let ended = "0 Cancel(SubscriptionId(1))".to_owned();
    assert_eq!(driven.take_log(), [asked(1, "Presettled"), ended]);
    let answers = driven.send(1, &ack(1, false));
    assert!(answers[0].contains("unknown delivery tag 1"), "{answers:?}");
}

#[test]
fn end_with_their_channel() {
    let mut driven = with_ready(1);
    driven.send(1, &get(false));
    driven.take_log();
    let close = channel::Close {
        reply_code: 200,
        reply_text: short(""),
        class_id: 0,
        method_id: 0,
    };
    driven.send(1, &Method::ChannelClose(close));
    assert_eq!(driven.take_log(), ["0 Cancel(SubscriptionId(1))"]);
}

#[test]
fn end_with_their_queue() {
    let mut driven = with_ready(1);
    driven.send(1, &get(false));
    driven.take_log();
    let name = QueueName::new(b"q").unwrap();
    driven.handle_event(Event::Ended(SubscriptionId(1), Refusal::QueueDeleted(name)));
    assert_eq!(driven.read(), [""; 0]);
    assert_eq!(driven.send(1, &ack(1, false)), [""; 0]);
    assert!(driven.take_log().is_empty());
}

#[test]
fn that_are_refused_close_the_channel() {
    let name = || QueueName::new(b"q").unwrap();
    let in_use = "403, reply_text: \"ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use\"";
    let locked =
        "405, reply_text: \"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q'";
    let missing = "404, reply_text: \"NOT_FOUND - no queue 'q' in vhost '/'\"";
    for (refusal, expected) in [
        (Refusal::QueueInUse(name()), in_use),
        (Refusal::QueueLocked(name()), locked),
        (Refusal::QueueNotFound(name()), missing),
    ] {
        let mut driven = with_ready(1);
        driven.refusals = vec![("Get", refusal)];
        let answers = driven.send(1, &get(false));
        assert!(answers[0].starts_with("1 ChannelClose("), "{answers:?}");
        assert!(answers[0].contains(expected), "{answers:?}");
        let ended = "0 Cancel(SubscriptionId(1))".to_owned();
        assert_eq!(driven.take_log(), [asked(1, "Explicit"), ended]);
    }
    let mut driven = Driven::with_channel();
    let nameless = Method::BasicGet(basic::Get {
        queue: short(""),
        no_ack: false,
    });
    let answers = driven.send(1, &nameless);
    assert!(
        answers[0].contains("no previously declared queue"),
        "{answers:?}"
    );
}
