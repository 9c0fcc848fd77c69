use crate::scripted_broker::{Driven, assert_error};
use broker_api::Refusal;
use model::{Dialect, Persistence, QueueName};

#[test]
fn declares_a_queue_once_and_publishes() {
    let mut driven = Driven::connected("1.2");
    let frame = "SEND\ndestination:/queue/a%2fb\n\nx\0";
    assert_eq!(driven.talk(&frame.repeat(2)), "");
    let log = driven.take_log();
    assert_eq!(log.len(), 3);
    assert_eq!(log[0], "DeclareQueue(a/b)");
    assert!(log[1].starts_with("Publish(") && log[1].ends_with("Unwanted)"));
    let message = &driven.published[1];
    assert_eq!(message.key(), b"a/b");
    assert_eq!(message.exchange(), b"");
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
    assert_eq!(message.exchange(), b"amq.topic");
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
        "destination:/stream/x",
        "destination not implemented",
        "the destination '/stream/x' leads to a stream, and streams are not implemented",
    );
    check(
        "destination:/temp-queue/x",
        "invalid destination",
        "'/temp-queue/x' can only stand in reply-to",
    );
    check(
        "destination:/exchange/",
        "invalid destination",
        "'/exchange/' names no exchange",
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
        "destination:a?consumer.unknown=1",
        "option not implemented",
        "the destination's option 'consumer.unknown' is not implemented",
    );
    check(
        "destination:/queue/a\nx-message-ttl:soon",
        "invalid header value",
        "the header 'x-message-ttl' is 'soon', but must be a number of milliseconds",
    );
    check(
        "destination:/queue/a\nexclusive:true",
        "missing header",
        "the header 'exclusive:true' needs the header 'durable:false'",
    );
    check(
        "destination:/topic/a\nAMQ_SCHEDULED_CRON:* * * * *",
        "header not implemented",
        "'AMQ_SCHEDULED_CRON' with the value '* * * * *' on SEND",
    );
    check(
        "destination:/topic/a\npriority:high",
        "invalid header value",
        "the header 'priority' is 'high', but must be a number from 0 to 255",
    );
    check(
        "destination:/topic/a\nreply-to:/temp-queue/",
        "invalid destination",
        "a queue's name cannot be empty",
    );
}

#[test]
fn every_form_has_its_exchange_and_key() {
    let check = |destination: &str, exchange: &str, key: &str, declared: &str| {
        let mut driven = Driven::connected("1.2");
        driven.talk(&format!("SEND\ndestination:{destination}\n\n\0"));
        let message = &driven.published[0];
        assert_eq!(message.exchange(), exchange.as_bytes(), "{destination}");
        assert_eq!(message.key(), key.as_bytes(), "{destination}");
        let declared = (!declared.is_empty()).then(|| format!("DeclareQueue({declared})"));
        let log = driven.take_log();
        let found = log.iter().filter(|it| it.starts_with("Declare"));
        assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(&declared));
    };
    check("/queue/a", "", "a", "a");
    check("queue://a", "", "a", "a");
    check("a", "", "a", "a");
    check("/amq/queue/a%2F", "", "a/", "");
    check("/reply-queue/amq.gen-7", "", "amq.gen-7", "");
    check("/remote-temp-queue/amq.gen-7", "", "amq.gen-7", "");
    check("/topic/a.b", "amq.topic", "a.b", "");
    check("topic://a.b", "amq.topic", "a.b", "");
    check("/remote-temp-topic/t.1", "amq.topic", "t.1", "");
    check("/exchange/x", "x", "", "");
    check("/exchange/x/k/l%20m", "x", "k/l m", "");
    check("/exchange/amq.fanout/", "amq.fanout", "", "");
    check("queue://a?consumer.priority=1", "", "a", "a");
}

#[test]
fn queue_arguments_are_declared_once_for_each_set() {
    let mut driven = Driven::connected("1.2");
    let plain = "SEND\ndestination:/queue/a\n\n\0";
    let five = "SEND\ndestination:/queue/a\nx-message-ttl:5\n\n\0";
    let six = "SEND\ndestination:/queue/a\nx-message-ttl:6\n\n\0";
    driven.talk(&[plain, plain, five, five, plain, six, six].concat());
    let mut log = driven.take_log();
    log.retain(|it| it.starts_with("Declare"));
    assert_eq!(
        log,
        [
            "DeclareQueue(a)",
            "DeclareQueue(a, Durable, ttl 5, equal)",
            "DeclareQueue(a, Durable, ttl 6, equal)",
        ]
    );
    let fleeting = "SEND\ndestination:/queue/b\ndurable:false\n\n\0";
    driven.talk(fleeting);
    let expected = "DeclareQueue(b, Transient, Exclusive, UntilUnused, equal)";
    assert_eq!(driven.log[0], expected);
    driven.refusals.push((
        "Declare",
        Refusal::Inequivalent {
            what: "queue",
            name: "c".into(),
            field: "x-message-ttl",
        },
    ));
    let wire = driven.talk("SEND\ndestination:/queue/c\nx-message-ttl:1\n\n\0");
    assert_error(
        &wire,
        "precondition_failed",
        "the queue 'c' is there with another",
    );
}

#[test]
fn headers_tell_the_broker_and_go_out_unchanged() {
    let mut driven = Driven::connected("1.2");
    let headers = "priority:9\nexpiration:60\nx-delay:5\nJMSXGroupID:g\ncorrelation-id:c\n";
    driven.talk(&format!("SEND\ndestination:/topic/a\n{headers}\n\0"));
    let envelope = driven.published[0].envelope();
    assert_eq!(envelope.priority, 9);
    assert_eq!(envelope.ttl_ms, Some(60));
    assert_eq!(envelope.delay_ms, 5);
    assert!(envelope.is_grouped);
    let head = format!("destination:/topic/a\n{headers}");
    assert_eq!(driven.published[0].head(), head.as_bytes());
}

#[test]
fn an_absolute_expiry_counts_from_now() {
    let mut driven = Driven::connected("1.2");
    driven.wait(std::time::Duration::from_secs(10));
    driven.talk("SEND\ndestination:/topic/a\nexpires:10250\n\n\0");
    driven.talk("SEND\ndestination:/topic/a\nexpires:1\n\n\0");
    let ttls: Vec<_> = driven
        .published
        .iter()
        .map(|it| it.envelope().ttl_ms)
        .collect();
    assert_eq!(ttls, [Some(250), Some(0)]);
}

#[test]
fn a_list_is_published_to_each_and_confirmed_once() {
    let mut driven = Driven::connected("1.2");
    driven.feed(b"SEND\ndestination:queue://a,topic://b,c\nreceipt:r\n\nx\0");
    assert_eq!(driven.take_wire(), "");
    let routes: Vec<_> = driven
        .published
        .iter()
        .map(|it| (it.exchange().to_vec(), it.key().to_vec()))
        .collect();
    let route = |exchange: &str, key: &str| (exchange.into(), key.into());
    assert_eq!(
        routes,
        [route("", "a"), route("amq.topic", "b"), route("", "c")]
    );
    driven.answer_all();
    assert_eq!(driven.take_wire(), "RECEIPT\nreceipt-id:r\n\n^@");

    let mut driven = Driven::connected("1.2");
    let full = Refusal::QueueFull(QueueName::new(b"b").unwrap());
    driven.refusals.push((
        "Publish(Message { envelope: Envelope { dialect: Stomp12",
        full,
    ));
    let wire = driven.talk("SEND\ndestination:a,b\nreceipt:r\n\nx\0");
    assert_error(&wire, "queue full", "the queue 'b' is full");
    assert!(wire.contains("receipt-id:r\n"), "{wire}");
}

#[test]
fn a_list_fits_even_where_few_names_are_remembered() {
    let mut driven = Driven::with_limits(proto_stomp::Limits {
        queue_names_max: 1,
        ..proto_stomp::Limits::default()
    });
    let list: Vec<String> = (0..32).map(|n| format!("q{n}")).collect();
    driven.talk(&format!(
        "CONNECT\naccept-version:1.2\nhost:h\n\n\0SEND\ndestination:/queue/x\n\n\0\
         SEND\ndestination:{}\nreceipt:r\n\n\0",
        list.join(",")
    ));
    assert_eq!(driven.published.len(), 33);
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
        assert_error(&wire, "not_found", "no queue 'a'");
        assert_eq!(wire.contains("receipt-id:r\n"), !receipt.is_empty());
        assert!(driven.out.is_closing());
    }
}
