//! Subscriptions to exchanges with a queue of their own.

use crate::scripted_broker::{Driven, assert_error};
use broker_api::{Refusal, Session};
use model::ExchangeName;

fn check(frame: &str, expected: &[&str]) {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk(frame);
    assert!(!wire.contains("ERROR"), "{wire}");
    assert_eq!(driven.take_log(), expected, "{frame}");
}

#[test]
fn a_durable_one_is_declared_bound_and_subscribed_to() {
    let name = "stomp-subscription-s1@amq.topic/a.*";
    for header in ["durable:true", "persistent:true"] {
        check(
            &format!("SUBSCRIBE\nid:s1\ndestination:/topic/a.*\n{header}\nack:client\n\n\0"),
            &[
                &format!("DeclareQueue({name}, equal)"),
                &format!("Bind({name}, amq.topic pattern a.*)"),
                &format!("Subscribe(1, queue {name}, Explicit)"),
            ],
        );
    }
    let name = "stomp-subscription-a%2F%40%3A@x/k";
    check(
        "SUBSCRIBE\nid:a/@\\c\ndestination:/exchange/x/k\ndurable:true\nauto-delete:true\n\
         exclusive:true\nx-message-ttl:9\n\n\0",
        &[
            &format!("DeclareQueue({name}, Durable, UntilUnused, ttl 9, equal)"),
            &format!("Bind({name}, x key k)"),
            &format!("Subscribe(1, queue {name}, Presettled, Exclusive)"),
        ],
    );
}

#[test]
fn its_queue_is_the_same_after_each_reconnect_and_another_for_another() {
    let name = |connect: &str, subscribe: &str| {
        let mut driven = Driven::new();
        driven.talk(&format!(
            "CONNECT\naccept-version:1.2\nhost:h\n{connect}\n\0"
        ));
        driven.log.clear();
        driven.talk(&format!("SUBSCRIBE\n{subscribe}\n\n\0"));
        let declared = driven.log.swap_remove(0);
        declared.split(',').next().unwrap().to_owned()
    };
    let long = "k".repeat(250);
    let names = [
        name("", "id:1\ndestination:/topic/a\ndurable:true"),
        name("", "id:2\ndestination:/topic/a\ndurable:true"),
        name("", "id:1\ndestination:/topic/b\ndurable:true"),
        name("", "id:1\ndestination:/topic/a.#\ndurable:true"),
        name("", "id:1\ndestination:topic://a.#\ndurable:true"),
        name(
            "",
            "id:1\ndestination:topic://a\nactivemq.subscriptionName:1",
        ),
        name(
            "client-id:c\n",
            "id:1\ndestination:topic://a\nactivemq.subscriptionName:1",
        ),
        name(
            "client-id:c\n",
            "id:2\ndestination:topic://a\nactivemq.subscriptionName:2",
        ),
        name(
            "",
            &format!("id:1\ndestination:/topic/{long}\ndurable:true"),
        ),
        name(
            "",
            &format!("id:2\ndestination:/topic/{long}\ndurable:true"),
        ),
    ];
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
    assert!(
        names[8].starts_with("DeclareQueue(stomp-subscription-sha256-"),
        "{}",
        names[8]
    );
    // The id of the subscription means nothing where ActiveMQ's name is given.
    let again = name(
        "client-id:c\n",
        "id:9\ndestination:topic://a\nactivemq.subcriptionName:2",
    );
    assert_eq!(again, names[7]);
    let exchange = name("", "id:1\ndestination:/exchange/amq.topic/a\ndurable:true");
    assert_eq!(exchange, names[0], "it is the same binding");
}

#[test]
fn a_name_can_be_asked_for() {
    check(
        "SUBSCRIBE\nid:1\ndestination:/topic/a\nx-queue-name:mine\ndurable:true\n\n\0",
        &[
            "DeclareQueue(mine, equal)",
            "Bind(mine, amq.topic pattern a)",
            "Subscribe(1, queue mine, Presettled)",
        ],
    );
    check(
        "SUBSCRIBE\nid:1\ndestination:/exchange/x\nx-queue-name:mine\n\n\0",
        &[
            "DeclareQueue(mine, Transient, Exclusive, UntilUnused, equal)",
            "Bind(mine, x key )",
            "Subscribe(1, queue mine, Presettled)",
        ],
    );
    check(
        "SUBSCRIBE\nid:1\ndestination:/topic/a\nx-queue-name:mine\nexclusive:false\nauto-delete:false\n\n\0",
        &[
            "DeclareQueue(mine, Transient, equal)",
            "Bind(mine, amq.topic pattern a)",
            "Subscribe(1, queue mine, Presettled)",
        ],
    );
}

#[test]
fn arguments_alone_make_a_queue_for_the_connection() {
    check(
        "SUBSCRIBE\nid:1\ndestination:/topic/a\nx-message-ttl:7\n\n\0",
        &[
            "DeclareQueue(?, Transient, Exclusive, UntilUnused, ttl 7, equal)",
            "Bind(amq.gen-1, amq.topic pattern a)",
            "Subscribe(1, queue amq.gen-1, Presettled)",
        ],
    );
    let mut driven = Driven::connected("1.2");
    let wire = driven
        .talk("SUBSCRIBE\nid:1\ndestination:/topic/a\nexclusive:false\nauto-delete:false\n\n\0");
    assert_error(&wire, "missing header", "needs the header 'x-queue-name'");
}

#[test]
fn the_receipt_comes_when_it_is_subscribed() {
    let mut driven = Driven::connected("1.2");
    let frame = b"SUBSCRIBE\nid:1\ndestination:/topic/a\ndurable:true\nreceipt:r\n\n\0";
    driven.input.extend_from_slice(frame);
    let now = driven.now;
    Session::handle_input(&mut driven.session, now, &mut driven.input, &mut driven.out);
    let asked = driven.out.commands.len();
    assert_eq!(asked, 1, "each step waits for the one before");
    assert_eq!(driven.talk(""), "RECEIPT\nreceipt-id:r\n\n^@");
    assert_eq!(driven.log.len(), 3);

    let missing = Refusal::ExchangeNotFound(ExchangeName::known(b"x"));
    let mut driven = Driven::connected("1.2");
    driven.refusals.push(("Bind", missing));
    let wire =
        driven.talk("SUBSCRIBE\nid:1\ndestination:/exchange/x\ndurable:true\nreceipt:r\n\n\0");
    assert_error(&wire, "not_found", "no exchange 'x'");
    assert!(wire.contains("receipt-id:r\n"), "{wire}");
}

#[test]
fn a_queue_that_cannot_be_bound_is_not_left_behind() {
    for (headers, is_deleted) in [
        ("durable:true", true),
        ("durable:true\nx-queue-name:somebodys", false),
        ("x-message-ttl:5", false),
    ] {
        let missing = Refusal::ExchangeNotFound(ExchangeName::known(b"x"));
        let mut driven = Driven::connected("1.2");
        driven.refusals.push(("Bind", missing));
        let frame = format!("SUBSCRIBE\nid:1\ndestination:/exchange/x\n{headers}\n\n\0");
        assert_error(&driven.talk(&frame), "not_found", "no exchange 'x'");
        let deleted = driven.log.iter().filter(|it| it.starts_with("Delete"));
        let expected =
            "DeleteQueue(stomp-subscription-1@x/, DeleteIf { unused: true, empty: true })";
        let expected = is_deleted.then_some(expected);
        assert_eq!(deleted.collect::<Vec<_>>(), Vec::from_iter(expected));
    }
}

#[test]
fn unsubscribe_keeps_or_deletes_its_queue() {
    let queue = "stomp-subscription-1@amq.topic/a";
    let subscribed = || {
        let mut driven = Driven::connected("1.2");
        driven.talk("SUBSCRIBE\nid:1\ndestination:/topic/a\ndurable:true\n\n\0");
        driven.log.clear();
        driven
    };
    let mut driven = subscribed();
    driven.talk("UNSUBSCRIBE\nid:1\n\n\0");
    assert_eq!(driven.take_log(), ["Cancel(1)"]);
    for header in [
        "durable:true",
        "persistent:true",
        "activemq.subscriptionName:1",
    ] {
        let mut driven = subscribed();
        let wire = driven.talk(&format!("UNSUBSCRIBE\nid:1\n{header}\nreceipt:u\n\n\0"));
        assert_eq!(wire, "RECEIPT\nreceipt-id:u\n\n^@");
        assert_eq!(
            driven.take_log(),
            ["Cancel(1)", &format!("DeleteQueue({queue})")]
        );
    }
    // Others have no queue that a subscription could take with it.
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0UNSUBSCRIBE\nid:1\ndurable:true\n\n\0");
    assert_eq!(driven.log.last().unwrap(), "Cancel(1)");
}

#[test]
fn a_durable_one_needs_a_name() {
    let mut driven = Driven::connected("1.0");
    let wire = driven.talk("SUBSCRIBE\ndestination:/topic/a\ndurable:true\n\n\0");
    assert_error(
        &wire,
        "missing header",
        "a SUBSCRIBE frame needs the header 'id'",
    );
}
