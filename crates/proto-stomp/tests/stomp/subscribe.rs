use crate::scripted_broker::{Driven, assert_error, message};
use broker_api::{Event, Refusal};
use model::SubscriptionId;
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
            "DeclareQueue(\"a\")",
            "Subscribe(Subscribe { subscription: SubscriptionId(1), source: Queue(\"a\"), \
             settle_mode: Explicit, grant: Grant { count: 0, limit: 5, drain: false } })",
            "Subscribe(Subscribe { subscription: SubscriptionId(2), source: Topic(Pattern { levels: \
             [Word([97]), One] }), settle_mode: Presettled, grant: Grant { count: 0, \
             limit: 18446744073709551615, drain: false } })",
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
        (queue, "selector:a=1"),
        (queue, "browser:true"),
        (queue, "durable:false"),
        (topic, "durable:true"),
        (topic, "persistent:true"),
        (topic, "auto-delete:false"),
        (queue, "exclusive:true"),
        (topic, "x-queue-name:q"),
        (queue, "x-stream-offset:first"),
        (queue, "activemq.exclusive:true"),
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
}

#[test]
fn activemq_spells_the_prefetch_count_in_its_own_way() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\nactivemq.prefetchSize:3\n\n\0");
    assert!(driven.log[0].contains("limit: 3,"), "{:?}", driven.log);
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
    assert!(driven.log[0].contains("SubscriptionId(2)"));
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
    assert_eq!(driven.log.last().unwrap(), "Cancel(SubscriptionId(1))");
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
