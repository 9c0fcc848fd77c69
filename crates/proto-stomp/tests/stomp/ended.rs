//! Queues that a session has made and that have ended since.

use crate::scripted_broker::{Driven, assert_error, message};
use broker_api::Refusal;
use model::QueueName;

/// A client that has used these queues, which then ended.
fn ended(names: &[&str]) -> Driven {
    let mut driven = Driven::connected("1.2");
    for name in names {
        driven.talk(&format!("SEND\ndestination:/queue/{name}\n\nfirst\0"));
        driven.ended.insert(name.as_bytes().to_vec());
    }
    driven.log.clear();
    driven.published.clear();
    driven
}

fn bodies(driven: &Driven) -> Vec<String> {
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    driven.published.iter().map(|it| text(it.body())).collect()
}

fn declared(driven: &Driven) -> Vec<&str> {
    let log = driven.log.iter().map(String::as_str);
    log.filter(|it| it.starts_with("Declare")).collect()
}

fn send(destination: &str, receipt: &str, body: &str) -> String {
    format!("SEND\ndestination:{destination}\npersistent:true\n{receipt}\n{body}\0")
}

#[test]
fn what_comes_back_is_published_again_before_its_receipt() {
    for form in ["/queue/a", "queue://a", "a"] {
        let mut driven = ended(&["a"]);
        driven.read_once(send(form, "receipt:1\n", "x").as_bytes());
        driven.answer_once();
        assert_eq!(driven.take_wire(), "", "it is not safe yet");
        assert_eq!(declared(&driven), ["DeclareQueue(a)"]);
        driven.answer_once();
        assert_eq!(driven.take_wire(), "");
        driven.answer_once();
        assert_eq!(driven.take_wire(), "RECEIPT\nreceipt-id:1\n\n^@");
        assert_eq!(bodies(&driven), ["x"]);
    }
    // Without a receipt, too; and what a frame asked the queue to be, it is again.
    let mut driven = Driven::connected("1.2");
    let asking = "SEND\ndestination:/queue/a\nx-message-ttl:5\n\nx\0";
    driven.talk(asking);
    driven.ended.insert(b"a".to_vec());
    driven.log.clear();
    driven.talk(&[&send("/queue/a", "", "y"), asking].concat());
    assert_eq!(bodies(&driven), ["x", "y", "x"]);
    assert_eq!(declared(&driven)[0], "DeclareQueue(a, Durable, ttl 5)");
}

#[test]
fn what_comes_back_keeps_its_order_and_goes_before_what_follows() {
    let mut driven = ended(&["a", "b"]);
    let frames = [
        send("/queue/a", "receipt:1\n", "1"),
        send("/queue/b", "", "2"),
        send("/queue/a", "", "3"),
        send("a,topic://t,b", "receipt:2\n", "4"),
    ];
    driven.read_once(frames.concat().as_bytes());
    driven.answer_once();
    let behind = send("/queue/a", "", "behind");
    driven.read_once(behind.as_bytes());
    assert_eq!(driven.input, behind.as_bytes(), "nothing is read meanwhile");
    let wire = driven.talk("");
    assert_eq!(
        wire,
        "RECEIPT\nreceipt-id:1\n\n^@RECEIPT\nreceipt-id:2\n\n^@"
    );
    assert_eq!(declared(&driven), ["DeclareQueue(a)", "DeclareQueue(b)"]);
    let to = |queue: &[u8]| -> Vec<_> {
        let of_queue = driven.published.iter().filter(|it| it.key() == queue);
        of_queue.map(|it| it.body().to_vec()).collect()
    };
    assert_eq!(to(b"a"), [&b"1"[..], b"3", b"4", b"behind"]);
    assert_eq!(to(b"b"), [b"2", b"4"]);
}

#[test]
fn what_cannot_be_made_again_is_told() {
    let mut driven = ended(&["a"]);
    driven.refusals.push(("Declare", Refusal::StoreFailed));
    let wire = driven.talk(&send("a,a", "receipt:1\n", "x"));
    assert_error(&wire, "store failed", "the store failed");
    assert!(wire.contains("receipt-id:1\n"), "{wire}");
}

#[test]
fn disconnect_waits_for_what_comes_back() {
    let mut driven = ended(&["a"]);
    let frames = [
        &send("/queue/a", "receipt:1\n", "x"),
        "DISCONNECT\nreceipt:2\n\n\0",
    ];
    assert_eq!(
        driven.talk(&frames.concat()),
        "RECEIPT\nreceipt-id:1\n\n^@RECEIPT\nreceipt-id:2\n\n^@"
    );
    assert_eq!(bodies(&driven), ["x"]);
}

#[test]
fn only_what_the_session_makes_is_made_again() {
    for form in ["/amq/queue/a", "/reply-queue/a", "/remote-temp-queue/a"] {
        let mut driven = ended(&["a"]);
        driven.talk(&send(form, "receipt:1\n", "x"));
        assert_eq!(declared(&driven), [""; 0]);
        assert_eq!(bodies(&driven), [""; 0]);
    }
}

#[test]
fn a_subscription_to_it_makes_it_again() {
    let subscribe = "SUBSCRIBE\nid:s\ndestination:/queue/a\nreceipt:1\n\n\0";
    let gone = || Refusal::QueueNotFound(QueueName::new(b"a").unwrap());
    let deleted = || Refusal::QueueDeleted(QueueName::new(b"a").unwrap());
    for refusal in [gone(), deleted()] {
        let mut driven = ended(&["a"]);
        driven.ready.push(message("", "x"));
        driven.refusals.push(("Subscribe", refusal));
        let wire = driven.talk(subscribe);
        let expected = "RECEIPT\nreceipt-id:1\n\n^@MESSAGE\nsubscription:s\nmessage-id:7-2-1\n";
        assert!(wire.starts_with(expected), "{wire}");
        assert_eq!(
            driven.take_log(),
            [
                "Subscribe(1, queue a, Presettled)",
                "DeclareQueue(a)",
                "Subscribe(2, queue a, Presettled)",
            ]
        );
        driven.talk("UNSUBSCRIBE\nid:s\n\n\0");
        assert_eq!(driven.take_log(), ["Cancel(2)"]);
    }
    // Once.
    let mut driven = ended(&["a"]);
    driven.refusals = vec![("Subscribe", gone()), ("Subscribe", gone())];
    assert_error(&driven.talk(subscribe), "not_found", "no queue 'a'");
    // Others are as they are.
    for (destination, known) in [("/amq/queue/a", &[][..]), ("a,b", &["a"])] {
        let mut driven = ended(known);
        driven.refusals.push(("Subscribe", gone()));
        let wire = driven.talk(&format!("SUBSCRIBE\nid:s\ndestination:{destination}\n\n\0"));
        assert_error(&wire, "not_found", "no queue 'a'");
    }
}
