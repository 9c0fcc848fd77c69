use crate::scripted_broker::{Driven, assert_error, message};
use broker_api::Refusal;
use model::{QueueName, SubscriptionId};
use proto_stomp::Limits;

const BEGIN: &str = "BEGIN\ntransaction:t\n\n\0";
const COMMIT: &str = "COMMIT\ntransaction:t\nreceipt:c\n\n\0";
const ABORT: &str = "ABORT\ntransaction:t\nreceipt:a\n\n\0";
const COMMITTED: &str = "RECEIPT\nreceipt-id:c\n\n^@";

/// A client with four unsettled deliveries, of sequences 1 to 4, and room for six more.
fn subscribed(ack: &str, destination: &str) -> Driven {
    let mut driven = Driven::connected("1.2");
    driven.ready = (0..4).map(|_| message("", "x")).collect();
    driven.talk(&format!(
        "SUBSCRIBE\nid:s\ndestination:{destination}\nack:{ack}\nprefetch-count:10\n\n\0"
    ));
    driven.log.clear();
    driven
}

#[test]
fn all_of_it_is_one_command() {
    let mut driven = subscribed("client", "/queue/a");
    let wire = driven.talk(&format!(
        "{BEGIN}SEND\ntransaction:t\ndestination:/queue/b\nreceipt:r\n\none\0\
         ACK\nid:7-1-2\ntransaction:t\n\n\0NACK\nid:7-1-3\ntransaction:t\nrequeue:false\n\n\0\
         SEND\ntransaction:t\ndestination:x,topic://y\n\ntwo\0"
    ));
    assert_eq!(wire, "RECEIPT\nreceipt-id:r\n\n^@", "it is kept");
    assert_eq!(driven.take_log(), ["DeclareQueue(b)", "DeclareQueue(x)"]);
    assert!(driven.granted.is_empty());
    assert_eq!(driven.talk(COMMIT), COMMITTED);
    assert_eq!(
        driven.take_log(),
        ["Commit(publish one, publish two, publish two, Accept 1/[1, 2], Reject 1/[3])"]
    );
    assert_eq!(driven.granted[&SubscriptionId(1)], 13);
}

#[test]
fn nothing_behind_a_commit_is_read_until_it_is_answered() {
    let mut driven = Driven::connected("1.2");
    let behind = "SEND\ndestination:/topic/a\n\nbehind\0";
    driven
        .input
        .extend_from_slice(format!("{BEGIN}{COMMIT}{behind}").as_bytes());
    let now = driven.now;
    broker_api::Session::handle_input(&mut driven.session, now, &mut driven.input, &mut driven.out);
    assert_eq!(driven.input, behind.as_bytes());
    assert!(driven.out.is_held());
    assert_eq!(driven.talk(""), COMMITTED);
    assert_eq!(driven.log[0], "Commit()");
    assert_eq!(driven.published.len(), 1);
}

#[test]
fn an_abort_forgets_and_deliveries_can_be_settled_again() {
    let mut driven = subscribed("client-individual", "/queue/a");
    let ack = "ACK\nid:7-1-2\ntransaction:t\nreceipt:k\n\n\0";
    let wire = driven.talk(&format!(
        "{BEGIN}SEND\ntransaction:t\ndestination:/topic/b\n\nlost\0{ack}{ABORT}"
    ));
    assert_eq!(
        wire,
        "RECEIPT\nreceipt-id:k\n\n^@RECEIPT\nreceipt-id:a\n\n^@"
    );
    assert!(driven.published.is_empty() && driven.log.is_empty());
    driven.talk("ACK\nid:7-1-1\n\n\0ACK\nid:7-1-2\n\n\0");
    assert_eq!(driven.take_log(), ["Accept 1/1", "Accept 1/2"]);
    assert_eq!(driven.granted[&SubscriptionId(1)], 12);
    driven.talk(&format!(
        "{BEGIN}ACK\nid:7-1-4\ntransaction:t\n\n\0{COMMIT}"
    ));
    assert_eq!(driven.take_log(), ["Commit(Accept 1/[4])"]);
}

#[test]
fn a_delivery_is_settled_in_one_place_only() {
    let ack = "ACK\nid:7-1-1\ntransaction:t\n\n\0";
    for again in [ack, "ACK\nid:7-1-1\n\n\0", "NACK\nid:7-1-1\n\n\0"] {
        let mut driven = subscribed("client", "/queue/a");
        let wire = driven.talk(&format!("{BEGIN}{ack}{again}"));
        assert_error(&wire, "message not found", "'7-1-1'");
        assert!(driven.log.is_empty());
    }
}

#[test]
fn names_are_those_of_open_transactions() {
    let check = |frames: &str, summary: &str, detail: &str| {
        let mut driven = subscribed("client", "/queue/a");
        let wire = driven.talk(frames);
        assert_error(&wire, summary, detail);
        assert!(driven.out.is_closing() && driven.published.is_empty());
    };
    let none = "there is no transaction 't'";
    check(COMMIT, "Bad transaction", none);
    check(ABORT, "Bad transaction", none);
    check(
        "SEND\ntransaction:t\ndestination:/topic/a\n\n\0",
        "Bad transaction",
        none,
    );
    check(
        "ACK\ntransaction:t\nid:7-1-1\n\n\0",
        "Bad transaction",
        none,
    );
    check(&[BEGIN, ABORT, ABORT].concat(), "Bad transaction", none);
    check(&[BEGIN, COMMIT, COMMIT].concat(), "Bad transaction", none);
    let twice = "there is a transaction 't' on this connection already";
    check(&[BEGIN, BEGIN].concat(), "Bad transaction", twice);
    for command in ["BEGIN", "COMMIT", "ABORT"] {
        let detail = format!("a {command} frame needs the header 'transaction'");
        check(&format!("{command}\n\n\0"), "missing header", &detail);
    }
}

#[test]
fn a_name_may_be_used_again_and_several_are_open_at_a_time() {
    let mut driven = Driven::connected("1.1");
    let send = |name: &str, body: &str| {
        format!("SEND\ntransaction:{name}\ndestination:/topic/a\n\n{body}\0")
    };
    let other = "BEGIN\ntransaction:o\\c\nreceipt:b\n\n\0";
    let frames = [
        BEGIN,
        other,
        &send("t", "1"),
        &send("o\\c", "2"),
        &send("t", "3"),
        COMMIT,
        BEGIN,
        &send("t", "4"),
        COMMIT,
        "COMMIT\ntransaction:o\\c\n\n\0",
    ];
    let wire = driven.talk(&frames.concat());
    assert_eq!(
        wire,
        format!("RECEIPT\nreceipt-id:b\n\n^@{COMMITTED}{COMMITTED}")
    );
    assert_eq!(
        driven.take_log(),
        [
            "Commit(publish 1, publish 3)",
            "Commit(publish 4)",
            "Commit(publish 2)"
        ]
    );
}

#[test]
fn number_and_bytes_are_limited() {
    let limited = || {
        let mut driven = Driven::with_limits(Limits {
            transactions_max: 2,
            transaction_bytes_max: 2_000,
            ..Limits::default()
        });
        driven.talk("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
        driven
    };
    let mut driven = limited();
    let begin = |name: &str| format!("BEGIN\ntransaction:{name}\n\n\0");
    let wire = driven.talk(&[begin("1"), begin("2"), begin("3")].concat());
    assert_error(&wire, "too many transactions", "has 2 transactions");

    let body = "x".repeat(700);
    let send = format!("SEND\ntransaction:t\ndestination:/topic/a\n\n{body}\0");
    let mut driven = limited();
    assert_eq!(driven.talk(&[BEGIN, &send, &send].concat()), "");
    assert_error(
        &driven.talk(&send),
        "Transaction too large",
        "more than 2000 bytes",
    );

    // What has ended makes room.
    let mut driven = limited();
    let wire = driven.talk(&[BEGIN, &send, &send, ABORT, BEGIN, &send, &send, COMMIT].concat());
    assert!(wire.ends_with(COMMITTED), "{wire}");
}

#[test]
fn a_refused_commit_ends_the_connection() {
    let mut driven = Driven::connected("1.2");
    let full = Refusal::QueueFull(QueueName::new(b"a").unwrap());
    driven.refusals.push(("Commit", full));
    let wire = driven.talk(&[BEGIN, COMMIT].concat());
    assert_error(&wire, "queue full", "the queue 'a' is full");
    assert!(wire.contains("receipt-id:c\n"), "{wire}");
    assert!(driven.out.is_closing());
}

#[test]
fn disconnect_aborts() {
    let mut driven = subscribed("client", "/queue/a");
    let wire = driven.talk(&format!(
        "{BEGIN}SEND\ntransaction:t\ndestination:/topic/a\n\nlost\0ACK\ntransaction:t\nid:7-1-4\n\n\0\
         DISCONNECT\nreceipt:d\n\n\0"
    ));
    assert_eq!(wire, "RECEIPT\nreceipt-id:d\n\n^@");
    assert_eq!(driven.take_log(), ["Cancel(1)"]);
    assert!(driven.published.is_empty());
}

#[test]
fn a_subscription_that_a_transaction_needs_leaves_when_that_has_ended() {
    for (end, ended) in [
        (COMMIT, &["Commit(Accept 1/[2])", "Cancel(1)"][..]),
        (ABORT, &["Cancel(1)"]),
    ] {
        let mut driven = subscribed("client-individual", "/queue/a");
        let wire = driven.talk(&format!(
            "{BEGIN}ACK\ntransaction:t\nid:7-1-2\n\n\0UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0"
        ));
        assert_eq!(wire, "RECEIPT\nreceipt-id:u\n\n^@");
        assert_eq!(
            driven.take_log(),
            ["Release 1/1", "Release 1/3", "Release 1/4"]
        );
        assert_eq!(driven.granted[&SubscriptionId(1)], 4, "no more");
        driven.deliver(1, 5, &message("", "crossed"));
        assert_eq!(driven.take_wire(), "");
        assert_eq!(driven.take_log(), ["Release 1/5"]);
        driven.talk(end);
        assert_eq!(driven.take_log(), ended);
        assert_eq!(
            driven
                .talk("SUBSCRIBE\nid:s\ndestination:/topic/a\n\n\0")
                .matches("MESSAGE")
                .count(),
            4
        );
    }
}

#[test]
fn what_waits_for_a_commit_waits_for_its_answer() {
    let held = "ACK\ntransaction:t\nid:7-1-2\n\n\0";
    let leave = "UNSUBSCRIBE\nid:s\n\n\0";
    let asked = |frames: String| {
        let mut driven = subscribed("client-individual", "/queue/a");
        driven.talk(&frames);
        let limit = driven.granted.get(&SubscriptionId(1)).copied();
        driven.log.clear();
        driven.read_once(COMMIT.as_bytes());
        assert_eq!(driven.take_log(), ["Commit(Accept 1/[2])"]);
        assert_eq!(driven.granted.get(&SubscriptionId(1)).copied(), limit);
        driven
    };
    let mut driven = asked(format!("{BEGIN}{held}"));
    driven.answer_all();
    assert_eq!(driven.granted[&SubscriptionId(1)], 11);
    assert_eq!(driven.take_wire(), COMMITTED);

    let mut driven = asked(format!("{BEGIN}{held}{leave}"));
    driven.answer_all();
    assert_eq!(driven.take_log(), ["Cancel(1)"]);

    // A refused one leaves all as it was; the end of the connection releases it.
    let mut driven = asked(format!("{BEGIN}{held}{leave}"));
    driven.refusals.push(("Commit", Refusal::StoreFailed));
    driven.answer_all();
    assert!(driven.log.is_empty() && driven.out.is_closing());
}
