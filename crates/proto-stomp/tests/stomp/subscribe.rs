use crate::scripted_broker::{Driven, assert_error, message};
use broker_api::{Delivery, Event, Refusal};
use model::{ExchangeName, QueueName, Sequence, SubscriptionId};
use proto_stomp::Limits;

#[test]
fn subscribes_to_queues_and_topics() {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk(
        "SUBSCRIBE\nid:q\ndestination:/queue/a\nack:client\nprefetch-count:5\nreceipt:1\nmine:x\n\n\0\
         SUBSCRIBE\nid:t\ndestination:/topic/a.*\nprefetch-count:5\nreceipt:2\n\n\0",
    );
    assert_eq!(
        wire,
        "RECEIPT\nreceipt-id:1\n\n^@RECEIPT\nreceipt-id:2\n\n^@"
    );
    assert_eq!(
        driven.take_log(),
        [
            "DeclareQueue(a)",
            "Subscribe(1, queue a, Explicit, limit 5)",
            "Subscribe(2, amq.topic pattern a.*, Presettled)",
        ]
    );
}

#[test]
fn messages_carry_the_subscription_as_it_is_spelled() {
    let hello = message("f:1\n", "hello");
    let check = |version: &str, headers: &str, expected: &str| {
        let mut driven = Driven::connected(version);
        driven.ready.push(hello.clone());
        let wire = driven.talk(&format!("SUBSCRIBE\ndestination:/topic/t\n{headers}\n\0"));
        assert_eq!(
            wire,
            format!("MESSAGE\n{expected}destination:/topic/t\nf:1\n\nhello^@")
        );
    };
    check(
        "1.2",
        "id:a\\cb\n",
        "subscription:a\\cb\nmessage-id:7-1-1\ncontent-length:5\n",
    );
    check(
        "1.2",
        "id:a:b\nack:client\n",
        "subscription:a\\cb\nmessage-id:7-1-1\nack:7-1-1\ncontent-length:5\n",
    );
    check(
        "1.1",
        "id:0\nack:client\n",
        "subscription:0\nmessage-id:7-1-1\ncontent-length:5\n",
    );
    check(
        "1.0",
        "ack:client\n",
        "message-id:7-1-1\ncontent-length:5\n",
    );
}

#[test]
fn what_is_wrong_or_not_implemented_is_refused() {
    let check = |version: &str, headers: &str, summary: &str, detail: &str| {
        let mut driven = Driven::connected(version);
        let wire = driven.talk(&format!("SUBSCRIBE\n{headers}\nreceipt:r\n\n\0"));
        assert_error(&wire, summary, detail);
        assert!(wire.contains("receipt-id:r\n"), "{wire}");
        assert!(driven.log.is_empty());
    };
    let queue = "destination:/queue/a\nid:1";
    let topic = "destination:/topic/a\nid:1";
    check("1.2", "id:1", "missing header", "'destination'");
    check(
        "1.2",
        "destination:/queue/a",
        "missing header",
        "a SUBSCRIBE frame needs the header 'id'",
    );
    check("1.1", "destination:/queue/a", "missing header", "'id'");
    check(
        "1.2",
        "id:1\ndestination:/stream/a",
        "destination not implemented",
        "'/stream/a'",
    );
    check(
        "1.2",
        &format!("{queue}\nack:x"),
        "invalid header value",
        "the header 'ack' is 'x'",
    );
    for value in ["", "-1", "+1", "x", "99999999999999999999"] {
        let headers = format!("{queue}\nprefetch-count:{value}");
        check("1.2", &headers, "invalid header value", "'prefetch-count'");
    }
    for (destination, header) in [
        (queue, "x-stream-offset:first"),
        (queue, "x-queue-type:stream"),
        (topic, "x-consumer-timeout:5"),
        (topic, "activemq.retroactive:true"),
        (topic, "activemq.maximumPendingMessageLimit:5"),
        (queue, "activemq.unknown:x"),
    ] {
        let (name, value) = header.split_once(':').unwrap();
        let detail = format!("the header '{name}' with the value '{value}' on SUBSCRIBE is not");
        check(
            "1.2",
            &format!("{destination}\n{header}"),
            "header not implemented",
            &detail,
        );
    }
    let in_vain = [
        (topic, "browser:true", "'browser'", "but one queue"),
        (
            "destination:a,b\nid:1",
            "browser:true",
            "'browser'",
            "but one queue",
        ),
        (queue, "no-local:true", "'no-local'", "topics and exchanges"),
        (
            queue,
            "activemq.noLocal:true",
            "'activemq.noLocal'",
            "topics and exchanges",
        ),
        (
            queue,
            "x-queue-name:q",
            "'x-queue-name'",
            "topics and exchanges",
        ),
        (
            queue,
            "activemq.subscriptionName:n",
            "'activemq.subscriptionName'",
            "topics and",
        ),
        (
            topic,
            "activemq.exclusive:true",
            "'activemq.exclusive'",
            "a queue",
        ),
        (
            "destination:/amq/queue/a\nid:1",
            "x-expires:5",
            "'x-expires'",
            "a queue that it makes",
        ),
        (
            topic,
            "durable:true\nselector:a=1",
            "'selector'",
            "a queue of its own",
        ),
        (
            topic,
            "x-expires:5\nno-local:true",
            "'no-local'",
            "a queue of its own",
        ),
        (
            "destination:topic://a?consumer.exclusive=true\nid:1",
            "a:b",
            "'exclusive'",
            "a queue",
        ),
    ];
    for (destination, header, name, only_for) in in_vain {
        let headers = format!("{destination}\n{header}");
        check(
            "1.2",
            &headers,
            "invalid header",
            &format!("{name} means something only for"),
        );
        check("1.2", &headers, "invalid header", only_for);
    }
    for header in [
        "browser:x",
        "no-local:1",
        "durable:x",
        "auto-delete:",
        "exclusive:no",
    ] {
        let (name, value) = header.split_once(':').unwrap();
        let detail = format!("the header '{name}' is '{value}', but must be true or false");
        check(
            "1.2",
            &format!("{topic}\n{header}"),
            "invalid header value",
            &detail,
        );
    }
    let headers = format!("{queue}\nx-priority:high");
    check(
        "1.2",
        &headers,
        "invalid header value",
        "'x-priority' is 'high'",
    );
    check(
        "1.2",
        "destination:/queue/a\nid:/temp-queue/a",
        "Invalid id",
        "cannot begin with",
    );
    let headers = "destination:queue://a?consumer.x=1\nid:1";
    check("1.2", headers, "option not implemented", "'consumer.x'");
    let headers = "destination:queue://a?consumer.prefetchSize=x\nid:1";
    check(
        "1.2",
        headers,
        "invalid option value",
        "'consumer.prefetchSize' is 'x'",
    );
}

#[test]
fn every_form_has_its_source() {
    let check = |destination: &str, expected: &[&str]| {
        let mut driven = Driven::connected("1.2");
        driven.talk(&format!("SUBSCRIBE\nid:1\ndestination:{destination}\n\n\0"));
        assert_eq!(driven.take_log(), expected, "{destination}");
    };
    let queue = "Subscribe(1, queue a, Presettled)";
    check("/queue/a", &["DeclareQueue(a)", queue]);
    check("queue://a", &["DeclareQueue(a)", queue]);
    check("a", &["DeclareQueue(a)", queue]);
    check("/amq/queue/a", &[queue]);
    check("/reply-queue/a", &[queue]);
    let pattern = "Subscribe(1, amq.topic pattern a.#, Presettled)";
    check("/topic/a.#", &[pattern]);
    check("topic://a.>", &[pattern]);
    check("/exchange/x", &["Subscribe(1, x key , Presettled)"]);
    check(
        "/exchange/x/a.*/b",
        &["Subscribe(1, x key a.*/b, Presettled)"],
    );
}

#[test]
fn what_is_not_there_is_told() {
    let queue = QueueName::new(b"a").unwrap();
    let exchange = ExchangeName::new(b"x").unwrap();
    let rows = [
        (
            "/amq/queue/a",
            Refusal::QueueNotFound(queue.clone()),
            "not_found",
            "no queue 'a'",
        ),
        (
            "/exchange/x",
            Refusal::ExchangeNotFound(exchange),
            "not_found",
            "no exchange 'x'",
        ),
        (
            "/amq/queue/a",
            Refusal::QueueLocked(queue.clone()),
            "resource_locked",
            "is exclusive",
        ),
        (
            "/amq/queue/a",
            Refusal::QueueInUse(queue),
            "precondition_failed",
            "is in use",
        ),
        (
            "/topic/a",
            Refusal::Invalid("bad selector".into()),
            "precondition_failed",
            "bad sel",
        ),
        (
            "/topic/a",
            Refusal::AccessRefused("no".into()),
            "access_refused",
            "no",
        ),
    ];
    for (destination, refusal, summary, detail) in rows {
        let mut driven = Driven::connected("1.2");
        driven.refusals.push(("Subscribe", refusal));
        let wire = driven.talk(&format!(
            "SUBSCRIBE\nid:1\nreceipt:r\ndestination:{destination}\n\n\0"
        ));
        assert_error(&wire, summary, detail);
        assert!(wire.contains("receipt-id:r\n"), "{wire}");
    }
}

#[test]
fn options_are_asked_of_the_broker() {
    let check = |headers: &str, expected: &str| {
        let mut driven = Driven::connected("1.2");
        driven.talk(&format!("SUBSCRIBE\nid:1\n{headers}\n\n\0"));
        assert_eq!(driven.log.last().unwrap(), expected, "{headers}");
    };
    let queue = "destination:/queue/a";
    let topic = "destination:/topic/a";
    let of_queue = |more: &str| format!("Subscribe(1, queue a, Presettled{more})");
    let of_topic = |more: &str| format!("Subscribe(1, amq.topic pattern a, Presettled{more})");
    check(
        &format!("{queue}\nselector:a = 1"),
        &of_queue(", selector a = 1"),
    );
    check(
        &format!("{topic}\nselector:a\\cb"),
        &of_topic(", selector a:b"),
    );
    check(&format!("{topic}\nselector: "), &of_topic(""));
    check(
        &format!("{queue}\nexclusive:true"),
        &of_queue(", Exclusive"),
    );
    check(
        &format!("{queue}\nactivemq.exclusive:true"),
        &of_queue(", Exclusive"),
    );
    check(&format!("{queue}\nx-priority:5"), &of_queue(", priority 5"));
    check(
        &format!("{queue}\nactivemq.priority:-5"),
        &of_queue(", priority -5"),
    );
    check(&format!("{topic}\nx-priority:5"), &of_topic(""));
    check(&format!("{topic}\nno-local:true"), &of_topic(", not own"));
    check(
        &format!("{topic}\nactivemq.noLocal:true"),
        &of_topic(", not own"),
    );
    check(&format!("{topic}\nactivemq.dispatchAsync:x"), &of_topic(""));
    check(
        &format!("{topic}\nactivemq.retroactive:false"),
        &of_topic(""),
    );
    let options = "destination:queue://a?consumer.priority=3&consumer.selector=a%3D1";
    check(options, &of_queue(", priority 3, selector a=1"));
    check(
        &format!("{options}\nselector:b=1"),
        &of_queue(", priority 3, selector b=1"),
    );
    let prefetch = "destination:queue://a?consumer.prefetchSize=7\nack:client";
    check(prefetch, "Subscribe(1, queue a, Explicit, limit 7)");
}

#[test]
fn queue_arguments_of_a_subscription_are_declared() {
    let mut driven = Driven::connected("1.2");
    driven.talk(
        "SUBSCRIBE\nid:1\ndestination:/queue/a\nx-message-ttl:5\n\n\0\
         SUBSCRIBE\nid:2\ndestination:/queue/b\ndurable:false\nauto-delete:false\nexclusive:true\n\n\0",
    );
    assert_eq!(
        driven.take_log(),
        [
            "DeclareQueue(a, Durable, ttl 5, equal)",
            "Subscribe(1, queue a, Presettled)",
            "DeclareQueue(b, Transient, Exclusive, equal)",
            "Subscribe(2, queue b, Presettled)",
        ]
    );
}

#[test]
fn a_queue_that_ended_with_its_subscription_is_declared_again() {
    let mut driven = Driven::connected("1.2");
    driven.talk(
        "SUBSCRIBE\nid:1\ndestination:/queue/a\nauto-delete:true\n\n\0UNSUBSCRIBE\nid:1\n\n\0\
         SEND\ndestination:/queue/a\n\n\0",
    );
    let declared = driven.log.iter().filter(|it| it.starts_with("Declare"));
    assert_eq!(declared.count(), 2);
}

#[test]
fn browsing_ends_with_a_message() {
    let mut driven = Driven::connected("1.2");
    driven.ready.push(message("", "x"));
    let browse = "SUBSCRIBE\nid:1\ndestination:/queue/a\nbrowser:true\nack:client\nreceipt:r\n\n\0";
    let expected = "RECEIPT\nreceipt-id:r\n\n^@MESSAGE\nsubscription:1\nmessage-id:7-1-1\n\
                    content-length:1\ndestination:/topic/t\n\nx^@MESSAGE\nsubscription:1\nbrowser:end\n\
                    message-id:0\ndestination:/queue/a\ncontent-length:0\n\n^@";
    assert_eq!(driven.talk(browse), expected);
    assert_eq!(
        driven.take_log(),
        [
            "DeclareQueue(a)",
            "Subscribe(1, queue a, Presettled, Browse)",
            "Cancel(1)"
        ]
    );
    assert_eq!(
        driven.talk("UNSUBSCRIBE\nid:1\nreceipt:u\n\n\0"),
        "RECEIPT\nreceipt-id:u\n\n^@"
    );
    assert!(driven.log.is_empty());

    // The name is free without an UNSUBSCRIBE, too, and the broker may have ended it before.
    let gone = Refusal::SubscriptionNotFound(SubscriptionId(2));
    driven.refusals.push(("Cancel", gone));
    assert!(driven.talk(browse).ends_with("content-length:0\n\n^@"));
    assert!(driven.talk(browse).ends_with("content-length:0\n\n^@"));
}

#[test]
fn a_browser_at_its_end_is_there_no_more() {
    let mut driven = Driven::with_limits(Limits {
        subscriptions_max: 1,
        ..Limits::default()
    });
    driven.talk("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
    let unsubscribe = |id: u32| format!("UNSUBSCRIBE\nid:{id}\nreceipt:u\n\n\0");
    for id in 0..65 {
        let browse = format!("SUBSCRIBE\nid:{id}\ndestination:/queue/a\nbrowser:true\n\n\0");
        let wire = driven.talk(&browse);
        assert!(wire.contains("browser:end"), "{wire}");
    }
    driven.log.clear();
    for id in [1, 64] {
        assert_eq!(driven.talk(&unsubscribe(id)), "RECEIPT\nreceipt-id:u\n\n^@");
    }
    // Some are remembered, each for one UNSUBSCRIBE; and none ends what has the name since.
    driven.talk("SUBSCRIBE\nid:3\ndestination:/topic/a\n\n\0");
    driven.talk(&unsubscribe(3));
    assert_eq!(driven.log.last().unwrap(), "Cancel(66)");
    assert_error(
        &driven.talk(&unsubscribe(0)),
        "subscription not found",
        "'0'",
    );
}

#[test]
fn a_queue_that_is_deleted_cancels_its_subscription() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:s\\c1\ndestination:/queue/a\n\n\0");
    let deleted = Refusal::QueueDeleted(QueueName::new(b"a").unwrap());
    driven.handle_event(Event::Ended(SubscriptionId(1), deleted));
    let wire = driven.take_wire();
    assert_error(
        &wire,
        "Server cancelled subscription",
        "the queue 'a' was deleted",
    );
    assert!(wire.contains("\nsubscription:s\\c1\n"), "{wire}");
    assert!(driven.out.is_closing());
}

#[test]
fn deliveries_tell_what_is_known_of_them() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0");
    driven.handle_event(Event::Delivery(Delivery {
        subscription: SubscriptionId(1),
        sequence: Sequence(1),
        redelivered: true,
        delivery_count: 3,
        acquired_count: 3,
        expires_at: None,
        message: message("", "x"),
    }));
    let wire = driven.take_wire();
    assert!(
        wire.contains("\nredelivered:true\nx-delivery-count:3\n"),
        "{wire}"
    );
}

#[test]
fn activemq_spells_the_prefetch_count_in_its_own_way() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\nactivemq.prefetchSize:3\n\n\0");
    assert!(driven.log[0].ends_with("limit 3)"), "{:?}", driven.log);
}

#[test]
fn options_that_ask_for_what_is_done_anyway_are_taken() {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk(
        "SUBSCRIBE\nid:1\ndestination:/queue/a\ndurable:true\nauto-delete:false\nexclusive:false\n\n\0\
         SUBSCRIBE\nid:2\ndestination:/topic/a\ndurable:false\nauto-delete:true\nbrowser:false\n\n\0",
    );
    assert_eq!(wire, "");
}

#[test]
fn ids_are_unique_while_in_use() {
    let mut driven = Driven::connected("1.2");
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0";
    assert_eq!(driven.talk(subscribe), "");
    let wire = driven.talk("UNSUBSCRIBE\nid:1\nreceipt:u\n\n\0");
    assert_eq!(wire, "RECEIPT\nreceipt-id:u\n\n^@");
    driven.log.clear();
    assert_eq!(driven.talk(subscribe), "");
    assert!(driven.log[0].starts_with("Subscribe(2,"));
    let wire = driven.talk(subscribe);
    assert_error(
        &wire,
        "duplicate subscription identifier",
        "a subscription '1'",
    );
}

#[test]
fn unsubscribe_names_what_there_is() {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk("UNSUBSCRIBE\nid:1\n\n\0");
    assert_error(&wire, "subscription not found", "no subscription '1'");

    let mut driven = Driven::connected("1.0");
    driven.talk("SUBSCRIBE\ndestination:/topic/a\n\n\0");
    let wire = driven.talk("UNSUBSCRIBE\ndestination:/topic/a\nreceipt:1\n\n\0");
    assert_eq!(wire, "RECEIPT\nreceipt-id:1\n\n^@");
    assert_eq!(driven.log.last().unwrap(), "Cancel(1)");
    driven.deliver(1, 0, &message("", "late"));
    assert_eq!(driven.take_wire(), "");
}

#[test]
fn a_connection_has_a_limit_of_subscriptions() {
    let mut driven = Driven::with_limits(Limits {
        subscriptions_max: 1,
        ..Limits::default()
    });
    let wire = driven.talk(
        "CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0\
         SUBSCRIBE\nid:2\ndestination:/topic/a\n\n\0",
    );
    assert_error(
        &wire,
        "too many subscriptions",
        "has 1 subscriptions, which is the limit",
    );
}

#[test]
fn a_subscription_that_the_broker_ends_ends_the_connection() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:s\ndestination:/topic/a\n\n\0");
    driven.handle_event(Event::Ended(SubscriptionId(9), Refusal::Stalled));
    assert_eq!(driven.take_wire(), "");
    driven.handle_event(Event::Ended(SubscriptionId(1), Refusal::Stalled));
    assert_error(
        &driven.take_wire(),
        "subscriber too slow",
        "subscription 's' has ended: the",
    );
    assert!(driven.out.is_closing());
}
