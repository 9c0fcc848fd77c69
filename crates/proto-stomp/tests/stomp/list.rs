//! One subscription of the client to several destinations.

use crate::scripted_broker::{Driven, assert_error, message};
use broker_api::{Event, Refusal};
use model::{QueueName, SubscriptionId};
use proto_stomp::Limits;

fn subscribed(ack: &str) -> Driven {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk(&format!(
        "SUBSCRIBE\nid:s\ndestination:queue://a,topic://b.>,c\nack:{ack}\nprefetch-count:2\n\
         receipt:r\n\n\0"
    ));
    assert_eq!(wire, "RECEIPT\nreceipt-id:r\n\n^@");
    driven
}

fn deliver(driven: &mut Driven, subscription: u32, sequence: u64) -> String {
    driven.deliver(subscription, sequence, &message("", "x"));
    driven.take_wire()
}

#[test]
fn has_a_subscription_of_the_broker_for_each() {
    let mut driven = subscribed("client");
    assert_eq!(
        driven.take_log(),
        [
            "DeclareQueue(a)",
            "DeclareQueue(c)",
            "Subscribe(1, queue a, Explicit, limit 2)",
            "Subscribe(2, amq.topic pattern b.#, Explicit, limit 2)",
            "Subscribe(3, queue c, Explicit, limit 2)",
        ]
    );
    let wire = driven.talk("SUBSCRIBE\nid:n\ndestination:/topic/n\nack:client\n\n\0");
    assert_eq!(wire, "");
    assert!(
        driven.log[0].starts_with("Subscribe(4,"),
        "{:?}",
        driven.log
    );
}

#[test]
fn an_ack_settles_in_the_order_of_delivery_to_the_client() {
    let mut driven = subscribed("client");
    assert!(deliver(&mut driven, 2, 11).contains("\nmessage-id:7-1-1\nack:7-1-1\n"));
    assert!(deliver(&mut driven, 1, 12).contains("subscription:s\nmessage-id:7-1-2\n"));
    assert!(deliver(&mut driven, 2, 13).contains("message-id:7-1-3\n"));
    assert!(deliver(&mut driven, 3, 14).contains("message-id:7-1-4\n"));
    driven.log.clear();
    driven.talk("ACK\nid:7-1-3\n\n\0");
    assert_eq!(
        driven.take_log(),
        ["Accept 2/11", "Accept 1/12", "Accept 2/13"]
    );
    let total = |id: u32| driven.granted.get(&SubscriptionId(id)).copied();
    assert_eq!([total(1), total(2), total(3)], [Some(3), Some(4), None]);
}

#[test]
fn a_receipt_comes_when_all_are_safe() {
    let mut driven = subscribed("client");
    deliver(&mut driven, 2, 11);
    deliver(&mut driven, 1, 12);
    deliver(&mut driven, 2, 13);
    driven.log.clear();
    driven.feed(b"ACK\nid:7-1-3\nreceipt:k\n\n\0");
    assert_eq!(driven.take_wire(), "");
    driven.answer_all();
    assert_eq!(driven.take_wire(), "RECEIPT\nreceipt-id:k\n\n^@");
    assert_eq!(
        driven.take_log(),
        ["Accept 2/[11, 13] confirmed", "Accept 1/[12] confirmed"]
    );
}

#[test]
fn a_transaction_settles_over_all() {
    let mut driven = subscribed("client-individual");
    deliver(&mut driven, 3, 11);
    deliver(&mut driven, 1, 12);
    driven.log.clear();
    driven.talk(
        "BEGIN\ntransaction:t\n\n\0ACK\nid:7-1-2\ntransaction:t\n\n\0\
         NACK\nid:7-1-1\ntransaction:t\n\n\0COMMIT\ntransaction:t\n\n\0",
    );
    assert_eq!(driven.take_log(), ["Commit(Accept 1/[12], Fail 3/[11])"]);
    assert_eq!(driven.granted[&SubscriptionId(3)], 3);
}

#[test]
fn unsubscribe_ends_all() {
    let mut driven = subscribed("auto");
    driven.log.clear();
    let wire = driven.talk("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0");
    assert_eq!(wire, "RECEIPT\nreceipt-id:u\n\n^@");
    assert_eq!(driven.take_log(), ["Cancel(1)", "Cancel(2)", "Cancel(3)"]);
    for id in 1..=3 {
        assert_eq!(deliver(&mut driven, id, 1), "");
    }
    let mut driven = subscribed("auto");
    driven.log.clear();
    driven.talk("DISCONNECT\n\n\0");
    assert_eq!(driven.take_log(), ["Cancel(1)", "Cancel(2)", "Cancel(3)"]);
}

#[test]
fn the_end_of_one_is_the_end_of_all() {
    let mut driven = subscribed("auto");
    let deleted = Refusal::QueueDeleted(QueueName::new(b"c").unwrap());
    driven.handle_event(Event::Ended(SubscriptionId(3), deleted));
    assert_error(
        &driven.take_wire(),
        "Server cancelled subscription",
        "'s' has ended",
    );

    let mut driven = Driven::connected("1.2");
    let locked = Refusal::QueueLocked(QueueName::new(b"b").unwrap());
    driven.refusals.push(("Subscribe(1", locked));
    let wire = driven.talk("SUBSCRIBE\nid:s\ndestination:a,b\nreceipt:r\n\n\0");
    assert_error(&wire, "resource_locked", "the queue 'b'");
    assert!(
        wire.contains("receipt-id:r\n") && !wire.contains("RECEIPT"),
        "{wire}"
    );
}

#[test]
fn each_counts_against_the_limit() {
    let mut driven = Driven::with_limits(Limits {
        subscriptions_max: 3,
        ..Limits::default()
    });
    driven.talk("CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\nid:1\ndestination:a,b\n\n\0");
    let wire = driven.talk("SUBSCRIBE\nid:2\ndestination:c,d\n\n\0");
    assert_error(&wire, "too many subscriptions", "3 subscriptions");
    let long = ["a"; 33].join(",");
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk(&format!("SUBSCRIBE\nid:2\ndestination:{long}\n\n\0"));
    assert_error(
        &wire,
        "invalid destination",
        "lists more than 32 destinations",
    );
}
