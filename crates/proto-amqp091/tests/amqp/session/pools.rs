//! One bound for all consumers of a channel together.

use super::Driven;
use super::consumers::{ack, cancel, consume, deliver, message, qos, start};
use super::short;
use broker_api::{Event, Refusal, Reply};
use model::{QueueName, SubscriptionId};
use proto_amqp091::{Method, basic, tx};

pub(super) fn global(prefetch_count: u16) -> Method<'static> {
    Method::BasicQos(basic::Qos {
        prefetch_size: 0,
        prefetch_count,
        global: true,
    })
}

fn grant(subscription: u32, count: u64, limit: u64) -> String {
    format!(
        "0 Grant(SubscriptionId({subscription}), Grant {{ count: {count}, limit: {limit}, drain: false }})"
    )
}

/// One with consumers of these tags, from 1, that share a bound.
fn sharing(bound: u16, tags: &[&'static str]) -> Driven {
    let mut driven = Driven::with_channel();
    assert_eq!(driven.send(1, &global(bound)), ["1 BasicQosOk(QosOk)"]);
    for tag in tags {
        start(&mut driven, consume(tag));
    }
    driven.take_log();
    driven
}

/// Whether the client reads it.
fn is_delivered(driven: &mut Driven, subscription: u32, sequence: u64) -> bool {
    !deliver(driven, subscription, sequence, b"").is_empty()
}

#[test]
fn are_cut_into_shares() {
    let mut driven = sharing(5, &[]);
    start(&mut driven, consume("t"));
    let log = driven.take_log();
    assert!(log[0].contains("limit: 0, drain"), "{log:?}");
    assert_eq!(log[1], grant(1, 0, 5));
    start(&mut driven, consume("u"));
    assert_eq!(driven.take_log()[1..], [grant(1, 0, 2), grant(2, 0, 2)]);
    // What one does not use is the other's.
    assert!(is_delivered(&mut driven, 1, 1));
    assert_eq!(driven.take_log(), [grant(1, 1, 2)]);
    assert!(is_delivered(&mut driven, 1, 2));
    assert!(driven.take_log().is_empty());
    assert!(is_delivered(&mut driven, 1, 3));
    assert_eq!(driven.take_log(), [grant(1, 3, 1), grant(2, 0, 1)]);
    assert!(is_delivered(&mut driven, 1, 4));
    assert_eq!(driven.take_log(), [grant(1, 4, 1)]);
    assert!(is_delivered(&mut driven, 1, 5));
    // The other may still use what it has: that waits for room, in order, and counts as a delivery.
    assert!(!is_delivered(&mut driven, 2, 1));
    assert!(driven.take_log().is_empty());
    let read = driven.send(1, &ack(1, false));
    assert!(read[0].contains("delivery_tag: 6"), "{read:?}");
    assert_eq!(driven.take_log().len(), 1);
    driven.send(1, &ack(0, true));
    let log = driven.take_log();
    assert!(log.ends_with(&[grant(1, 5, 2), grant(2, 1, 2)]), "{log:?}");
}

#[test]
fn what_waits_for_room_ends_with_its_consumer() {
    let mut driven = sharing(1, &["t", "u"]);
    assert!(is_delivered(&mut driven, 1, 1));
    assert!(!is_delivered(&mut driven, 1, 2));
    assert!(!is_delivered(&mut driven, 2, 3));
    driven.take_log();
    driven.send(1, &cancel("t", false));
    let log = driven.take_log();
    assert!(
        log[0].contains("sequences: [Sequence(2)], outcome: Release"),
        "{log:?}"
    );
    assert!(log[1].contains("StepAside(SubscriptionId(1))"), "{log:?}");
    let name = QueueName::new(b"q").unwrap();
    driven.handle_event(Event::Ended(SubscriptionId(2), Refusal::QueueDeleted(name)));
    let read = driven.send(1, &ack(1, false));
    assert!(read.is_empty(), "{read:?}");
}

#[test]
fn nothing_comes_behind_a_cancel() {
    // What it has in hand is still to be settled.
    let mut driven = sharing(1, &["t", "u"]);
    assert!(is_delivered(&mut driven, 1, 1));
    driven.send_unanswered(1, &cancel("t", false));
    let canceling = driven.last_asked.unwrap();
    driven.take_log();
    assert!(!is_delivered(&mut driven, 1, 2));
    let log = driven.take_log();
    let expected = "sequences: [Sequence(2)], outcome: Release";
    assert!(log[0].contains(expected), "{log:?}");
    driven.handle_event(Event::Done(canceling, Ok(Reply::Nothing)));
    assert!(driven.read()[0].contains("CancelOk"));
    assert_eq!(driven.send(1, &ack(1, false)), Vec::<String>::new());
    let log = driven.take_log();
    assert!(log[1].contains("Cancel(SubscriptionId(1))"), "{log:?}");
    // It has nothing in hand: that goes back with it.
    driven.send_unanswered(1, &cancel("u", false));
    let canceling = driven.last_asked.unwrap();
    driven.take_log();
    assert!(!is_delivered(&mut driven, 2, 3));
    driven.handle_event(Event::Done(canceling, Ok(Reply::Nothing)));
    assert!(driven.read()[0].contains("CancelOk"));
    assert_eq!(driven.take_log(), Vec::<String>::new());
}

#[test]
fn what_waits_for_room_is_not_kept_from_others_for_long() {
    let mut driven = sharing(1, &["t", "u", "v"]);
    assert!(is_delivered(&mut driven, 1, 1));
    assert!(!is_delivered(&mut driven, 2, 2));
    assert!(!is_delivered(&mut driven, 3, 3));
    driven.take_log();
    driven.wait_for_deadline();
    assert!(driven.take_log().is_empty(), "they have just come");
    // What waited has room.
    assert!(driven.send(1, &ack(1, false))[0].contains("delivery_tag: 2"));
    assert!(!is_delivered(&mut driven, 1, 4));
    driven.take_log();
    let now = driven.wait_for_deadline();
    assert_eq!(now, Some(1_000));
    let log = driven.take_log();
    assert!(
        log.len() == 1 && log[0].contains("[Sequence(3)], outcome: Release"),
        "{log:?}"
    );
    driven.wait_for_deadline();
    let log = driven.take_log();
    assert!(
        log.len() == 1 && log[0].contains("[Sequence(4)], outcome: Release"),
        "{log:?}"
    );
    // Then there is nothing to look for, and nothing comes before there is room.
    assert!(driven.wait_for_deadline() > Some(10_000));
    assert!(driven.take_log().iter().all(|it| !it.contains("Grant")));
    let read = driven.send(1, &ack(2, false));
    assert_eq!(read, Vec::<String>::new());
    let log = driven.take_log();
    let grants = [grant(1, 2, 1), grant(2, 1, 1), grant(3, 1, 1)];
    assert_eq!(log[1..], grants, "{log:?}");
}

#[test]
fn make_few_grants_however_many_consumers_there_are() {
    const COUNT: u32 = 200;
    let names: Vec<String> = (0..COUNT).map(|it| format!("t{it}")).collect();
    let mut driven = Driven::with_channel();
    driven.send(1, &global(1));
    for name in &names {
        start(&mut driven, consume(name));
        assert_eq!(driven.take_log().len(), 2);
    }
    assert!(is_delivered(&mut driven, 1, 1));
    assert!(driven.take_log().is_empty());
    for id in 2..=COUNT {
        assert!(!is_delivered(&mut driven, id, 1));
        assert!(driven.take_log().is_empty());
    }
    // What waits has room; the last makes room for all.
    for tag in 1..u64::from(COUNT) {
        assert!(!driven.send(1, &ack(tag, false)).is_empty());
        assert_eq!(driven.take_log().len(), 1);
    }
    driven.send(1, &ack(COUNT.into(), false));
    assert_eq!(driven.take_log().len(), 1 + COUNT as usize);
    // One that is busy.
    for (nth, tag) in (2..).zip(u64::from(COUNT) + 1..).take(10) {
        assert!(is_delivered(&mut driven, 1, nth));
        driven.send(1, &ack(tag, false));
        let log = driven.take_log();
        assert_eq!(log[1..], [grant(1, nth, 1)], "{log:?}");
    }
}

#[test]
fn a_wider_bound_makes_room() {
    let mut driven = sharing(1, &["t"]);
    assert!(is_delivered(&mut driven, 1, 1));
    for sequence in 2..=4 {
        assert!(!is_delivered(&mut driven, 1, sequence));
    }
    let tags = |read: Vec<String>| {
        let deliveries = read.iter().filter(|it| it.contains("BasicDeliver"));
        deliveries.count()
    };
    assert_eq!(tags(driven.send(1, &global(2))), 1);
    assert_eq!(tags(driven.send(1, &global(0))), 2);
    assert!(is_delivered(&mut driven, 1, 5));
}

#[test]
fn are_beside_the_bound_of_each_consumer() {
    let mut driven = sharing(10, &["t"]);
    driven.send(1, &qos(2));
    start(&mut driven, consume("u"));
    assert_eq!(driven.take_log()[1..], [grant(1, 0, 5), grant(2, 0, 2)]);
    assert!(is_delivered(&mut driven, 2, 1));
    assert!(is_delivered(&mut driven, 2, 2));
    assert!(driven.take_log().is_empty());
    driven.send(1, &ack(1, false));
    let log = driven.take_log();
    assert_eq!(log[1..], [grant(2, 2, 1)], "{log:?}");
}

#[test]
fn count_only_what_consumers_are_to_settle() {
    let mut driven = sharing(1, &["t"]);
    let no_ack = basic::Consume {
        no_ack: true,
        ..consume("u")
    };
    start(&mut driven, no_ack);
    assert!(driven.take_log()[0].contains("limit: 18446744073709551615"));
    driven.ready.push_back(message(b""));
    let get = Method::BasicGet(basic::Get {
        queue: short("q"),
        no_ack: false,
    });
    driven.send(1, &get);
    assert!(is_delivered(&mut driven, 2, 1));
    assert!(is_delivered(&mut driven, 1, 1), "nothing else counts");
    assert!(!is_delivered(&mut driven, 1, 2));
    assert!(is_delivered(&mut driven, 2, 2));
    driven.take_log();
    driven.send(1, &ack(1, false));
    assert!(
        !is_delivered(&mut driven, 1, 3),
        "what was got never counted"
    );
}

#[test]
fn are_cut_anew_when_a_consumer_ends() {
    let mut driven = sharing(4, &["t", "u"]);
    assert!(is_delivered(&mut driven, 1, 1));
    driven.send(1, &cancel("t", false));
    driven.take_log();
    // It still has one in hand.
    assert!(is_delivered(&mut driven, 2, 1));
    assert_eq!(driven.take_log(), [grant(2, 1, 2)]);
    driven.send(1, &ack(1, false));
    assert!(is_delivered(&mut driven, 2, 2));
    assert!(driven.take_log().ends_with(&[grant(2, 2, 2)]));
    let mut driven = sharing(4, &["t", "u"]);
    let name = QueueName::new(b"q").unwrap();
    driven.handle_event(Event::Ended(SubscriptionId(1), Refusal::QueueDeleted(name)));
    assert!(is_delivered(&mut driven, 2, 1));
    assert_eq!(driven.take_log(), [grant(2, 1, 3)]);
}

#[test]
fn come_and_go_while_there_are_consumers() {
    let mut driven = Driven::with_channel();
    start(&mut driven, consume("t"));
    assert!(is_delivered(&mut driven, 1, 1));
    assert!(is_delivered(&mut driven, 1, 2));
    driven.take_log();
    driven.send(1, &global(1));
    assert_eq!(driven.take_log(), [grant(1, 2, 0)]);
    driven.send(1, &ack(0, true));
    assert_eq!(driven.take_log()[1..], [grant(1, 2, 1)]);
    driven.send(1, &global(0));
    assert_eq!(driven.take_log(), [grant(1, 0, u64::MAX)]);
    assert!(is_delivered(&mut driven, 1, 3));
    assert!(is_delivered(&mut driven, 1, 4));
    assert!(driven.take_log().is_empty());
}

#[test]
fn have_room_again_with_the_commit_of_what_is_settled() {
    let mut driven = sharing(1, &["t"]);
    driven.send(1, &Method::TxSelect(tx::Select));
    assert!(is_delivered(&mut driven, 1, 1));
    driven.take_log();
    driven.send(1, &ack(1, false));
    assert!(driven.take_log().is_empty(), "it is in hand");
    assert!(!is_delivered(&mut driven, 1, 2));
    driven.take_log();
    driven.send(1, &Method::TxRollback(tx::Rollback));
    assert!(driven.take_log().is_empty(), "it still is");
    driven.send(1, &ack(1, false));
    driven.send(1, &Method::TxCommit(tx::Commit));
    let log = driven.take_log();
    assert!(log[0].contains("Commit"), "{log:?}");
    // What waited for room has it.
    assert_eq!(driven.send(1, &ack(2, false)), Vec::<String>::new());
}

/// It changes the bound of its consumers under way.
#[test]
fn are_what_py_amqp_means_by_a_prefetch() {
    let of_each = |count| {
        Method::BasicQos(basic::Qos {
            prefetch_size: 0,
            prefetch_count: count,
            global: false,
        })
    };
    let granted = |product: &str| {
        let mut driven = Driven::opened_by(product);
        driven.send(1, &of_each(1));
        start(&mut driven, consume("t"));
        assert!(is_delivered(&mut driven, 1, 1));
        driven.take_log();
        driven.send(1, &of_each(2));
        driven.take_log()
    };
    assert_eq!(granted("py-amqp"), [grant(1, 1, 1)]);
    assert!(granted("pika").is_empty());
}
