//! Queues and topics of the connection's own.

use crate::scripted_broker::{Driven, assert_error, message};
use proto_stomp::Limits;

fn head(driven: &Driven, at: usize) -> String {
    String::from_utf8_lossy(driven.published[at].head()).into_owned()
}

#[test]
fn a_reply_queue_is_made_once_and_its_messages_come_unasked() {
    let mut driven = Driven::connected("1.2");
    let send = "SEND\ndestination:/queue/a\nreply-to:/temp-queue/r\n\nx\0";
    assert_eq!(driven.talk(&send.repeat(2)), "");
    let mut log = driven.take_log();
    log.retain(|it| !it.starts_with("Publish"));
    assert_eq!(
        log,
        [
            "DeclareQueue(a)",
            "DeclareQueue(?, Transient, Exclusive, UntilUnused, equal)",
            "Subscribe(1, queue amq.gen-1, Presettled)",
        ]
    );
    for at in 0..2 {
        assert_eq!(
            head(&driven, at),
            "destination:/queue/a\nreply-to:/reply-queue/amq.gen-1\n"
        );
    }
    driven.deliver(1, 1, &message("", "answer"));
    let wire = driven.take_wire();
    assert!(
        wire.starts_with("MESSAGE\nsubscription:/temp-queue/r\nmessage-id:7-1-1\n"),
        "{wire}"
    );
    driven.talk("SEND\ndestination:/queue/a\nreply-to:/temp-queue/other\n\nx\0");
    assert!(head(&driven, 2).ends_with("reply-to:/reply-queue/amq.gen-2\n"));
}

#[test]
fn a_reply_queue_is_for_reply_to_only() {
    for frame in [
        "SEND\ndestination:/temp-queue/r\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:/temp-queue/r\n\n\0",
    ] {
        let mut driven = Driven::connected("1.2");
        let wire = driven.talk(frame);
        assert_error(&wire, "invalid destination", "can only stand in reply-to");
    }
    let mut driven = Driven::connected("1.2");
    driven.talk("SEND\ndestination:/topic/a\nreply-to:/temp-queue/r\n\nx\0");
    let wire = driven.talk("UNSUBSCRIBE\nid:/temp-queue/r\n\n\0");
    assert_error(&wire, "Invalid id", "cannot begin with /temp-queue/");
}

#[test]
fn any_other_reply_to_goes_out_as_it_is() {
    let mut driven = Driven::connected("1.2");
    for text in [
        "/queue/b",
        "/reply-queue/q",
        "temp-queue://",
        "temp-a",
        "whatever",
    ] {
        driven.talk(&format!(
            "SEND\ndestination:/topic/a\nreply-to:{text}\n\nx\0"
        ));
        let message = driven.published.pop().unwrap();
        let expected = format!("destination:/topic/a\nreply-to:{text}\n");
        assert_eq!(message.head(), expected.as_bytes());
    }
}

#[test]
fn others_reach_a_temporary_queue_through_reply_to() {
    let mut driven = Driven::connected("1.1");
    driven.talk(
        "SUBSCRIBE\nid:1\ndestination:temp-queue://r\nack:client\n\n\0\
         SEND\ndestination:queue://a\nreply-to:temp-queue://r\n\nx\0\
         SEND\ndestination:temp-queue://r\n\nown\0",
    );
    let mut log = driven.take_log();
    log.retain(|it| !it.starts_with("Publish"));
    assert_eq!(
        log,
        [
            "DeclareQueue(?, Transient, Exclusive, equal)",
            "Subscribe(1, queue amq.gen-1, Explicit)",
            "DeclareQueue(a)",
        ]
    );
    let reply_to = "/remote-temp-queue/amq.gen-1";
    assert!(head(&driven, 0).ends_with(&format!("reply-to:{reply_to}\n")));
    assert_eq!(driven.published[1].key(), b"amq.gen-1");
    let mut other = Driven::connected("1.2");
    other.talk(&format!("SEND\ndestination:{reply_to}\n\nx\0"));
    assert_eq!(other.log.len(), 1, "it is not declared");
    assert_eq!(other.published[0].exchange(), b"");
    assert_eq!(other.published[0].key(), b"amq.gen-1");
}

#[test]
fn a_temporary_topic_has_a_key_of_its_own() {
    let mut driven = Driven::connected("1.2");
    driven.talk(
        "SUBSCRIBE\nid:1\ndestination:temp-topic://#\n\n\0\
         SEND\ndestination:/topic/a\nreply-to:/temp-topic/#\n\nx\0\
         SEND\ndestination:temp-topic://other\n\nx\0",
    );
    let mut log = driven.take_log();
    log.retain(|it| !it.starts_with("Publish"));
    assert_eq!(
        log,
        [
            "DeclareQueue(?, Transient, Exclusive, UntilUnused, equal)",
            "DeleteQueue(amq.gen-1)",
            "Subscribe(1, amq.topic key stomp-temp.1.1, Presettled)",
        ],
        "only a name is wanted, once"
    );
    assert!(head(&driven, 0).ends_with("reply-to:/remote-temp-topic/stomp-temp.1.1\n"));
    assert_eq!(driven.published[1].key(), b"stomp-temp.1.2");
    driven.talk("SEND\ndestination:/remote-temp-topic/stomp-temp.9.1\n\nx\0");
    assert_eq!(driven.published[2].exchange(), b"amq.topic");
    assert_eq!(driven.published[2].key(), b"stomp-temp.9.1");
}

#[test]
fn their_number_is_limited() {
    let mut driven = Driven::with_limits(Limits {
        subscriptions_max: 2,
        ..Limits::default()
    });
    driven.talk("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
    let send = |name: &str| format!("SEND\ndestination:temp-topic://{name}\n\n\0");
    assert_eq!(driven.talk(&[send("1"), send("2"), send("1")].concat()), "");
    let wire = driven.talk(&send("3"));
    assert_error(&wire, "too many subscriptions", "2 subscriptions");
}
