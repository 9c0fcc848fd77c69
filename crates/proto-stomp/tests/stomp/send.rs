use crate::scripted_broker::{Driven, assert_error};
use broker_api::Refusal;
use model::{Dialect, Exchange, Persistence, QueueName};

#[test]
fn declares_a_queue_once_and_publishes() {
    let mut driven = Driven::connected("1.2");
    let frame = "SEND\ndestination:/queue/a%2fb\n\nx\0";
    assert_eq!(driven.talk(&frame.repeat(2)), "");
    let log = driven.take_log();
    assert_eq!(log.len(), 3);
    assert_eq!(log[0], "DeclareQueue(\"a/b\")");
    assert!(log[1].starts_with("Publish(") && log[1].ends_with("Unwanted)"));
    let message = &driven.published[1];
    assert_eq!(message.key(), b"a/b");
    assert_eq!(message.envelope().exchange, Exchange::Default);
    assert_eq!(message.envelope().persistence, Persistence::Transient);
    assert_eq!(message.envelope().dialect, Dialect::Stomp12);
    assert_eq!(message.head(), b"destination:/queue/a%2fb\n");
    assert_eq!(message.body(), b"x");
}

#[test]
fn a_topic_needs_no_declaration() {
    let mut driven = Driven::connected("1.0");
    let wire = driven.talk("SEND\ndestination: /topic/a.*.#\npersistent: true\nreceipt:r\n\n\0");
    assert_eq!(wire, "RECEIPT\nreceipt-id:r\n\n^@");
    let message = &driven.published[0];
    assert_eq!(message.key(), b"a.*.#");
    assert_eq!(message.envelope().exchange, Exchange::Topic);
    assert_eq!(message.envelope().persistence, Persistence::Persistent);
    assert_eq!(
        message.head(),
        b"destination: /topic/a.*.#\npersistent: true\n"
    );
}

#[test]
fn receipts_come_back_as_they_were_spelled() {
    let mut driven = Driven::connected("1.2");
    let long = "r".repeat(100);
    for receipt in ["", "a\\cb", "a:b", &long] {
        let wire = driven.talk(&format!(
            "SEND\ndestination:/topic/a\nreceipt:{receipt}\n\n\0"
        ));
        assert_eq!(wire, format!("RECEIPT\nreceipt-id:{receipt}\n\n^@"));
    }
}

#[test]
fn what_is_not_implemented_is_refused() {
    let check = |headers: &str, summary: &str, detail: &str| {
        let mut driven = Driven::connected("1.2");
        let wire = driven.talk(&format!("SEND\nreceipt:r\n{headers}\n\n\0"));
        assert_error(&wire, summary, detail);
        assert!(wire.contains("receipt-id:r\n"), "{wire}");
        assert!(driven.out.is_closing());
        assert!(driven.published.is_empty());
    };
    check(
        "a:b",
        "missing header",
        "a SEND frame needs the header 'destination'",
    );
    check(
        "destination:/exchange/x",
        "destination not implemented",
        "the destination '/exchange/x' has a form that is not implemented yet; supported are \
         /queue/NAME, /topic/KEY, queue://NAME, topic://KEY and NAME",
    );
    check(
        "destination:queue://a,topic://b",
        "destination not implemented",
        "'queue://a,topic://b'",
    );
    check(
        "destination:/a",
        "unknown destination",
        "'/a' has no known form",
    );
    check(
        "destination:/queue/",
        "invalid destination",
        "a queue's name cannot be empty",
    );
    check(
        "destination:/queue/a\ntransaction:t",
        "transactions are not implemented",
        "SEND asked for one",
    );
    check(
        "destination:/queue/a\nx-message-ttl:5",
        "header not implemented",
        "the header 'x-message-ttl' with the value '5' on SEND",
    );
    check(
        "destination:/queue/a\nreply-to:/temp-queue/r",
        "header not implemented",
        "'reply-to' with the value '/temp-queue/r'",
    );
    for command in ["BEGIN", "COMMIT", "ABORT"] {
        let mut driven = Driven::connected("1.2");
        let wire = driven.talk(&format!("{command}\ntransaction:t\n\n\0"));
        assert_error(&wire, "transactions are not implemented", command);
    }
}

#[test]
fn a_refusal_ends_the_connection() {
    let mut driven = Driven::connected("1.2");
    driven.refusals.push(("Declare", Refusal::StoreFailed));
    let wire = driven.talk("SEND\ndestination:/queue/a\nreceipt:r\n\n\0");
    assert_error(&wire, "store failed", "the store failed");
    assert!(wire.contains("receipt-id:r\n"));
    assert!(driven.published.is_empty());

    for receipt in ["", "receipt:r\n"] {
        let mut driven = Driven::connected("1.2");
        let name = QueueName::new(b"a").unwrap();
        driven
            .refusals
            .push(("Publish", Refusal::QueueNotFound(name)));
        let wire = driven.talk(&format!("SEND\ndestination:/queue/a\n{receipt}\n\0"));
        assert_error(&wire, "queue not found", "no queue 'a'");
        assert_eq!(wire.contains("receipt-id:r\n"), !receipt.is_empty());
        assert!(driven.out.is_closing());
    }
}
