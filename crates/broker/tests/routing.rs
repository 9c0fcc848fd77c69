//! Exchanges, bindings and queues: what may be declared, where messages go, what a restart keeps.

mod support;

use broker::{Address, Composite, Settings};
use broker_api::{
    Command, DeclareQueue, DeleteIf, Event, IfExists, IfMissing, Refusal, Reply, SettleMode,
};
use model::{
    Arguments, Durability, ExchangeKind, HashOn, Lifetime, QueueDefinition, QueueName, QueueRules,
    ShardId, Value,
};
use support::calls::{
    alternate, as_pattern, auto_delete, bind, bind_exchange, declare_queue, delete_exchange,
    delete_queue, delete_queue_if, exchange, exchange_name, exclusive, internal, name, presettled,
    settings, subscribe, transient, with_rules,
};
use support::{Client, Node, message, queue, topic};

/// A node with queues `a`, `b` and `c`, which live in shards 1, 2 and 3.
fn with_queues() -> (Node, Client) {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    (node, client)
}

fn publish(client: &mut Client, node: &mut Node, exchange: &'static str, key: &str, number: u32) {
    let draft = message(key, number).to(exchange).persistent();
    client.publish_safely(node, draft).expect("it is taken");
}

#[test]
fn a_queue_may_have_a_name_that_begins_as_asked_and_that_nobody_guesses() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let declare = |start: &[u8]| {
        Command::DeclareQueue(Box::new(DeclareQueue {
            name: Some(QueueName::new(start).expect("a name")),
            definition: exclusive(QueueRules::PLAIN),
            if_exists: IfExists::Another,
            if_missing: IfMissing::Create,
        }))
    };
    let mut named = |start: &[u8]| match client.call(&mut node, declare(start)) {
        Ok(Reply::Queue(status)) => Ok(status.name),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal),
    };
    let (one, two) = (named(b"amq.x."), named(b"amq.x."));
    let names = [one.expect("it is made"), two.expect("it is made")];
    assert_ne!(names[0], names[1]);
    for name in &names {
        assert!(name.as_bytes().starts_with(b"amq.x.") && name.as_bytes().len() == 38);
    }
    assert!(matches!(named(&[b'n'; 250]), Err(Refusal::Invalid(_))));
    // Others may not choose such a name.
    let chosen = node.connect().call(
        &mut node,
        Command::DeclareQueue(Box::new(DeclareQueue {
            name: Some(QueueName::new(b"amq.x.y").expect("a name")),
            definition: QueueDefinition::DURABLE,
            if_exists: IfExists::MustEqual,
            if_missing: IfMissing::Create,
        })),
    );
    assert!(matches!(chosen, Err(Refusal::AccessRefused(_))));
}

#[test]
fn every_kind_of_exchange_routes_by_its_rule() {
    let (mut node, mut client) = with_queues();
    client.declare_exchange(&mut node, exchange("d", ExchangeKind::Direct));
    client.declare_exchange(&mut node, exchange("f", ExchangeKind::Fanout));
    client.declare_exchange(&mut node, exchange("t", ExchangeKind::Topic));
    client.declare_exchange(&mut node, exchange("h", ExchangeKind::Headers));
    client.declare_exchange(&mut node, exchange("r", ExchangeKind::Random));
    let hash = ExchangeKind::ConsistentHash(HashOn::RoutingKey);
    client.declare_exchange(&mut node, exchange("c", hash));
    client.bind(&mut node, bind("d", "a", "k"));
    client.bind(&mut node, bind("f", "a", ""));
    client.bind(&mut node, bind("f", "b", ""));
    client.bind(&mut node, bind("t", "b", "x.*.#"));
    let mut by_header = bind("h", "c", "");
    by_header.arguments = Arguments::from_iter([("color", Value::text("red"))]);
    client.bind(&mut node, by_header);
    client.bind(&mut node, bind("r", "c", ""));
    client.bind(&mut node, bind("c", "a", "1"));
    publish(&mut client, &mut node, "d", "k", 1);
    publish(&mut client, &mut node, "d", "other", 2);
    publish(&mut client, &mut node, "f", "any", 3);
    publish(&mut client, &mut node, "t", "x.y", 4);
    publish(&mut client, &mut node, "t", "x", 5);
    for (number, color) in [(6, "red"), (7, "blue")] {
        let draft = message("", number).to("h").header("color", color);
        client
            .publish_safely(&mut node, draft)
            .expect("it is taken");
    }
    publish(&mut client, &mut node, "r", "", 8);
    publish(&mut client, &mut node, "c", "k", 9);
    assert_eq!(node.contents("a"), [1, 3, 9]);
    assert_eq!(node.contents("b"), [3, 4]);
    assert_eq!(node.contents("c"), [6, 8]);
}

#[test]
fn bindings_between_exchanges_and_alternates_are_followed() {
    let (mut node, mut client) = with_queues();
    client.declare_exchange(&mut node, exchange("lost", ExchangeKind::Fanout));
    client.declare_exchange(
        &mut node,
        alternate(exchange("d", ExchangeKind::Direct), "lost"),
    );
    client.declare_exchange(&mut node, internal(exchange("inner", ExchangeKind::Topic)));
    client.bind(&mut node, bind("lost", "c", ""));
    client.bind(&mut node, bind_exchange("d", "inner", "k"));
    client.bind(&mut node, bind("inner", "a", "#"));
    publish(&mut client, &mut node, "d", "k", 1);
    publish(&mut client, &mut node, "d", "other", 2);
    assert_eq!(node.contents("a"), [1]);
    assert_eq!(node.contents("c"), [2]);
    let refusal = client.publish_safely(&mut node, message("k", 3).to("inner"));
    assert!(
        matches!(refusal, Err(Refusal::AccessRefused(_))),
        "{refusal:?}"
    );
    let refusal = client.publish_safely(&mut node, message("k", 3).to("none"));
    assert_eq!(
        refusal,
        Err(Refusal::ExchangeNotFound(exchange_name("none")))
    );
}

#[test]
fn what_goes_nowhere_is_returned_and_then_confirmed() {
    let (mut node, mut client) = with_queues();
    let id = client.publish_returnable(&node, message("nowhere", 7).queued());
    client.run(&mut node);
    let events = client.others();
    assert!(
        matches!(&events[..], [Event::Returned(one, _), Event::Confirmed(two)] if *one == id && *two == id),
        "{events:?}"
    );
    let id = client.publish_returnable(&node, message("a", 7).queued());
    client.run(&mut node);
    let events = client.others();
    assert!(
        matches!(&events[..], [Event::Confirmed(one)] if *one == id),
        "{events:?}"
    );
}

#[test]
fn a_second_declaration_must_be_the_same() {
    let (mut node, mut client) = with_queues();
    let differs = |refusal: Refusal| {
        let Refusal::Inequivalent { what, field, .. } = refusal else {
            panic!("{refusal:?}")
        };
        (what, field)
    };
    let with_ttl = with_rules(QueueRules {
        message_ttl_ms: Some(5),
        ..QueueRules::PLAIN
    });
    let refusal = client.refused(&mut node, declare_queue("a", with_ttl));
    assert_eq!(differs(refusal), ("queue", "x-message-ttl"));
    let until_unused = QueueDefinition {
        lifetime: Lifetime::UntilUnused,
        ..QueueDefinition::DURABLE
    };
    let refusal = client.refused(&mut node, declare_queue("a", until_unused));
    assert_eq!(differs(refusal), ("queue", "auto-delete"));
    let plain = || exchange("d", ExchangeKind::Direct);
    client.declare_exchange(&mut node, plain());
    client.declare_exchange(&mut node, plain());
    for (declare, field) in [
        (exchange("d", ExchangeKind::Topic), "type"),
        (alternate(plain(), "x"), "alternate-exchange"),
        (internal(plain()), "internal"),
        (transient(plain()), "durable"),
        (auto_delete(plain()), "auto-delete"),
    ] {
        let command = Command::DeclareExchange(Box::new(declare));
        assert_eq!(
            differs(client.refused(&mut node, command)),
            ("exchange", field)
        );
    }
    let passive = DeclareQueue {
        if_missing: IfMissing::Refuse,
        ..DeclareQueue::durable(name("none"))
    };
    let refusal = client.refused(&mut node, Command::DeclareQueue(Box::new(passive)));
    assert_eq!(refusal, Refusal::QueueNotFound(name("none")));
    let mut passive = exchange("none", ExchangeKind::Direct);
    passive.if_missing = IfMissing::Refuse;
    let refusal = client.refused(&mut node, Command::DeclareExchange(Box::new(passive)));
    assert_eq!(refusal, Refusal::ExchangeNotFound(exchange_name("none")));
}

#[test]
fn reserved_and_predeclared_names_are_protected() {
    let (mut node, mut client) = with_queues();
    let commands = [
        declare_queue("amq.mine", QueueDefinition::DURABLE),
        declare_queue("amq.mine", exclusive(QueueRules::PLAIN)),
        Command::DeclareExchange(Box::new(exchange("amq.mine", ExchangeKind::Direct))),
        delete_exchange("amq.topic", false),
        delete_exchange("", false),
        Command::Bind(Box::new(bind("", "a", "k"))),
        Command::Unbind(Box::new(bind("", "a", "k"))),
    ];
    for command in commands {
        let text = format!("{command:?}");
        let refusal = client.refused(&mut node, command);
        assert!(
            matches!(refusal, Refusal::AccessRefused(_)),
            "{text}: {refusal:?}"
        );
    }
    let exchanges = client.exchanges(&mut node);
    let names: Vec<_> = exchanges
        .iter()
        .map(|listed| listed.name.as_bytes())
        .collect();
    for known in [
        "",
        "amq.direct",
        "amq.fanout",
        "amq.headers",
        "amq.match",
        "amq.topic",
    ] {
        assert!(names.contains(&known.as_bytes()), "{known}");
    }
    client.declare_exchange(&mut node, exchange("amq.topic", ExchangeKind::Topic));
}

#[test]
fn deletions_can_be_on_a_condition() {
    let (mut node, mut client) = with_queues();
    publish(&mut client, &mut node, "", "a", 1);
    let if_empty = DeleteIf {
        empty: true,
        unused: false,
    };
    let if_unused = DeleteIf {
        empty: false,
        unused: true,
    };
    let refusal = client.refused(&mut node, delete_queue_if("a", if_empty));
    assert_eq!(refusal, Refusal::QueueNotEmpty(name("a")));
    client.subscribed(&mut node, subscribe(1, queue("b")));
    let refusal = client.refused(&mut node, delete_queue_if("b", if_unused));
    assert_eq!(refusal, Refusal::QueueInUse(name("b")));
    assert_eq!(client.ok(&mut node, delete_queue("a")), Reply::Count(1));
    assert_eq!(client.ok(&mut node, delete_queue("a")), Reply::Count(0));
    assert!(!client.has_queue(&mut node, "a"));
    client.declare_exchange(&mut node, exchange("d", ExchangeKind::Direct));
    client.bind(&mut node, bind("d", "b", "k"));
    let refusal = client.refused(&mut node, delete_exchange("d", true));
    assert_eq!(refusal, Refusal::ExchangeInUse(exchange_name("d")));
    client.ok(&mut node, delete_exchange("d", false));
    assert!(client.bindings(&mut node).is_empty());
    client.ok(&mut node, delete_exchange("d", true));
}

#[test]
fn a_binding_is_the_same_however_its_key_is_spelled() {
    let (mut node, mut client) = with_queues();
    client.bind(&mut node, bind("amq.topic", "a", "x.#"));
    client.bind(&mut node, as_pattern(bind("amq.topic", "a", "x.#")));
    assert_eq!(client.bindings(&mut node).len(), 1);
    let unbind = as_pattern(bind("amq.topic", "a", "x.#"));
    client.ok(&mut node, Command::Unbind(Box::new(unbind)));
    assert!(client.bindings(&mut node).is_empty());
    client.bind(&mut node, as_pattern(bind("amq.topic", "b", "y.*")));
    let mut node = node.restarted();
    let mut client = node.connect();
    assert_eq!(client.bindings(&mut node).len(), 1);
    let unbind = bind("amq.topic", "b", "y.*");
    client.ok(&mut node, Command::Unbind(Box::new(unbind)));
    let mut node = node.restarted();
    let mut client = node.connect();
    assert!(client.bindings(&mut node).is_empty());
    // Nothing is counted twice: as many can be made again.
    client.bind(&mut node, bind("amq.topic", "b", "y.*"));
}

#[test]
fn an_exchange_that_leads_to_itself_is_counted_once() {
    let (mut node, mut client) = with_queues();
    client.declare_exchange(&mut node, exchange("loop", ExchangeKind::Fanout));
    client.bind(&mut node, bind_exchange("loop", "loop", ""));
    client.bind(&mut node, bind("loop", "a", ""));
    publish(&mut client, &mut node, "loop", "", 1);
    client.ok(&mut node, delete_exchange("loop", false));
    assert!(client.bindings(&mut node).is_empty());
    client.bind(&mut node, bind("amq.topic", "a", "x"));
    assert_eq!(node.contents("a"), [1]);
}

#[test]
fn an_exchange_ends_with_its_last_binding() {
    let (mut node, mut client) = with_queues();
    client.declare_exchange(
        &mut node,
        auto_delete(exchange("one", ExchangeKind::Fanout)),
    );
    client.declare_exchange(
        &mut node,
        auto_delete(exchange("two", ExchangeKind::Fanout)),
    );
    client.bind(&mut node, bind_exchange("one", "two", ""));
    client.bind(&mut node, bind("two", "a", ""));
    client.bind(&mut node, bind("two", "b", ""));
    client.ok(&mut node, Command::Unbind(Box::new(bind("two", "a", ""))));
    assert!(client.has_exchange(&mut node, "two"));
    client.ok(&mut node, delete_queue("b"));
    assert!(!client.has_exchange(&mut node, "two"));
    assert!(
        !client.has_exchange(&mut node, "one"),
        "its only binding led there"
    );
    let mut node = node.restarted();
    let mut client = node.connect();
    assert!(!client.has_exchange(&mut node, "one") && !client.has_exchange(&mut node, "two"));
}

#[test]
fn an_exchange_is_used_by_bindings_of_a_connections_own() {
    let (mut node, mut client) = with_queues();
    let mut owner = node.connect();
    client.declare_exchange(&mut node, auto_delete(exchange("x", ExchangeKind::Fanout)));
    owner.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    owner.bind(&mut node, bind("x", "own", ""));
    client.bind(&mut node, bind("x", "a", ""));
    client.ok(&mut node, Command::Unbind(Box::new(bind("x", "a", ""))));
    assert!(
        client.has_exchange(&mut node, "x"),
        "the exclusive queue is bound"
    );
    let refusal = client.refused(&mut node, delete_exchange("x", true));
    assert_eq!(refusal, Refusal::ExchangeInUse(exchange_name("x")));
    publish(&mut client, &mut node, "x", "", 1);
    owner.subscribed(&mut node, subscribe(1, queue("own")));
    assert_eq!(owner.numbers(&mut node), [1]);
    // What was not bound has not been unbound.
    owner.ok(
        &mut node,
        Command::Unbind(Box::new(bind("x", "own", "other"))),
    );
    assert!(client.has_exchange(&mut node, "x"));
    owner.close(&node);
    node.settle_down();
    assert!(
        !client.has_exchange(&mut node, "x"),
        "the connection took the last binding with it"
    );
    assert!(client.bindings(&mut node).is_empty());
}

#[test]
fn unbinding_what_is_not_bound_ends_nothing() {
    let (mut node, mut client) = with_queues();
    let mut owner = node.connect();
    client.declare_exchange(&mut node, auto_delete(exchange("x", ExchangeKind::Fanout)));
    owner.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    owner.ok(&mut node, Command::Unbind(Box::new(bind("x", "own", ""))));
    client.ok(&mut node, Command::Unbind(Box::new(bind("x", "a", ""))));
    assert!(client.has_exchange(&mut node, "x"));
    // A subscription whose exchange was replaced does not end the other.
    let from = broker_api::Source::Exchange {
        exchange: exchange_name("x"),
        key: model::BindingKey::Exact((*b"").into()),
        arguments: Arguments::default(),
    };
    owner.subscribed(&mut node, presettled(subscribe(1, from)));
    client.ok(&mut node, delete_exchange("x", false));
    client.declare_exchange(&mut node, auto_delete(exchange("x", ExchangeKind::Fanout)));
    owner.ok(&mut node, Command::Cancel(model::SubscriptionId(1)));
    assert!(client.has_exchange(&mut node, "x"));
}

#[test]
fn a_queue_ends_with_its_last_subscription_but_not_with_a_browser() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let until_unused = |definition| QueueDefinition {
        lifetime: Lifetime::UntilUnused,
        ..definition
    };
    client.declare_as(&mut node, "q", until_unused(QueueDefinition::DURABLE));
    client.declare_as(&mut node, "own", until_unused(exclusive(QueueRules::PLAIN)));
    assert!(node.contents("q").is_empty());
    assert!(client.has_queue(&mut node, "q"), "a browser is no user");
    let browse = support::calls::sharing(subscribe(1, queue("own")), broker_api::Sharing::Browse);
    client.subscribed(&mut node, browse);
    client.run(&mut node);
    client.ok(&mut node, Command::Cancel(model::SubscriptionId(1)));
    client.subscribed(&mut node, subscribe(2, queue("q")));
    client.subscribed(&mut node, subscribe(3, queue("own")));
    client.ok(&mut node, Command::Cancel(model::SubscriptionId(2)));
    client.ok(&mut node, Command::Cancel(model::SubscriptionId(3)));
    assert!(!client.has_queue(&mut node, "q"));
    let again = Command::Subscribe(Box::new(subscribe(4, queue("own"))));
    assert_eq!(
        client.refused(&mut node, again),
        Refusal::QueueNotFound(name("own"))
    );
}

#[test]
fn a_queue_ends_for_want_of_use() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let expires = |definition| QueueDefinition {
        expires_ms: Some(1000),
        ..definition
    };
    client.declare_as(&mut node, "q", expires(QueueDefinition::DURABLE));
    node.advance_ms(999);
    client.declare_as(&mut node, "q", expires(QueueDefinition::DURABLE));
    node.advance_ms(999);
    assert!(client.has_queue(&mut node, "q"), "it was declared again");
    client.subscribed(&mut node, subscribe(1, queue("q")));
    node.advance_ms(5000);
    assert!(client.has_queue(&mut node, "q"), "it is used");
    client.ok(&mut node, Command::Cancel(model::SubscriptionId(1)));
    node.advance_ms(999);
    assert!(node.contents("q").is_empty());
    node.advance_ms(1001);
    assert!(!client.has_queue(&mut node, "q"));
    // After a restart it has its full time again.
    client.declare_as(&mut node, "q", expires(QueueDefinition::DURABLE));
    node.advance_ms(900);
    let mut node = node.restarted();
    let mut client = node.connect();
    node.advance_ms(900);
    assert!(client.has_queue(&mut node, "q"));
    node.advance_ms(100);
    assert!(!client.has_queue(&mut node, "q"));
    let mut node = node.restarted();
    let mut client = node.connect();
    assert!(!client.has_queue(&mut node, "q"));
    // An exclusive one, too.
    client.declare_as(&mut node, "own", expires(exclusive(QueueRules::PLAIN)));
    client.run(&mut node);
    assert_eq!(client.deadline(), Some(node.now.plus_millis(1000)));
    node.advance_ms(1000);
    client.run(&mut node);
    let missing = Command::Subscribe(Box::new(subscribe(1, queue("own"))));
    assert_eq!(
        client.refused(&mut node, missing),
        Refusal::QueueNotFound(name("own"))
    );
}

#[test]
fn an_exclusive_queue_is_its_connections_own() {
    let (mut node, mut client) = with_queues();
    let mut owner = node.connect();
    owner.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    let locked = Refusal::QueueLocked(name("own"));
    let commands = [
        declare_queue("own", exclusive(QueueRules::PLAIN)),
        declare_queue("own", QueueDefinition::DURABLE),
        delete_queue("own"),
        Command::PurgeQueue(name("own")),
        Command::Bind(Box::new(bind("amq.topic", "own", "k"))),
        Command::Unbind(Box::new(bind("amq.topic", "own", "k"))),
        Command::Subscribe(Box::new(subscribe(1, queue("own")))),
    ];
    for command in commands {
        assert_eq!(client.refused(&mut node, command), locked);
    }
    owner.bind(&mut node, bind("amq.topic", "own", "k"));
    publish(&mut client, &mut node, "", "own", 1);
    publish(&mut client, &mut node, "amq.topic", "k", 2);
    owner.subscribed(&mut node, subscribe(1, queue("own")));
    assert_eq!(owner.numbers(&mut node), [1, 2]);
    assert!(
        !client.has_queue(&mut node, "own"),
        "it is nobody else's business"
    );
    owner.close(&node);
    client.declare_as(&mut node, "own", QueueDefinition::DURABLE);
    publish(&mut client, &mut node, "amq.topic", "k", 3);
    assert!(node.contents("own").is_empty(), "its bindings went with it");
}

#[test]
fn a_name_is_taken_by_one_of_two_that_declare_it_at_once() {
    let mut node = Node::new(settings());
    let mut shared = node.connect();
    let mut owner = node.connect();
    let mut publisher = node.connect();
    let first = shared.send(&node, declare_queue("q", QueueDefinition::DURABLE));
    node.step_executors();
    // It is decided and not durable; nobody knows it yet.
    let second = owner.send(&node, declare_queue("q", exclusive(QueueRules::PLAIN)));
    assert!(matches!(owner.answer(&mut node, second), Some(Ok(_))));
    let answer = shared.answer(&mut node, first);
    assert_eq!(answer, Some(Err(Refusal::QueueLocked(name("q")))));
    publish(&mut publisher, &mut node, "", "q", 1);
    owner.subscribed(&mut node, subscribe(1, queue("q")));
    assert_eq!(owner.numbers(&mut node), [1]);
    owner.close(&node);
    node.settle_down();
    shared.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    let mut node = node.restarted();
    let mut client = node.connect();
    assert_eq!(client.queues(&mut node).len(), 1);
}

#[test]
fn bindings_do_not_outlive_the_queue_they_were_made_for() {
    let (mut node, mut client) = with_queues();
    client.bind(&mut node, bind("amq.topic", "a", "k"));
    let mut owner = node.connect();
    let deleted = client.send(&node, delete_queue("a"));
    // Its host has ended it, and shard 0 has not said so yet.
    node.step_executor(1);
    let declared = owner.send(&node, declare_queue("a", exclusive(QueueRules::PLAIN)));
    assert!(matches!(owner.answer(&mut node, declared), Some(Ok(_))));
    assert!(matches!(client.answer(&mut node, deleted), Some(Ok(_))));
    publish(&mut client, &mut node, "amq.topic", "k", 1);
    owner.subscribed(&mut node, subscribe(1, queue("a")));
    assert!(owner.numbers(&mut node).is_empty());
}

#[test]
fn names_that_the_broker_makes_up_are_unique_also_after_a_restart() {
    let mut node = Node::new(settings());
    let mut names = Vec::new();
    for _ in 0..2 {
        for definition in [QueueDefinition::DURABLE, exclusive(QueueRules::PLAIN)] {
            let mut client = node.connect();
            for _ in 0..3 {
                let reply = client.ok(&mut node, declare_queue("", definition.clone()));
                let Reply::Queue(status) = reply else {
                    panic!("{reply:?}")
                };
                names.push(status.name.clone());
            }
        }
        node = node.restarted();
        // A process that has the same seed and counts its connections from the same number.
        node = Node::open_at(settings(), node.store.clone(), node.now);
    }
    assert!(
        names
            .iter()
            .all(|name| name.as_bytes().starts_with(b"amq.gen-"))
    );
    // Those of exclusive queues have ended with the first process.
    let count = names.len();
    names.sort();
    names.dedup();
    assert!(names.len() >= count - 3, "{names:?}");
    let mut client = node.connect();
    assert_eq!(client.queues(&mut node).len(), 6);
}

#[test]
fn ids_of_transient_queues_are_not_given_out_again() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let short_lived = QueueDefinition {
        durability: Durability::Transient,
        ..QueueDefinition::DURABLE
    };
    // The shards that they live in tell the ids apart, up to the number of shards.
    client.declare_as(&mut node, "one", short_lived.clone());
    let shard_of = |client: &mut Client, node: &mut Node| client.queues(node)[0].shard;
    let first = shard_of(&mut client, &mut node);
    for snapshot in [false, true] {
        if snapshot {
            node.snapshot();
        }
        node = node.crashed(|_, _| 0);
        let mut client = node.connect();
        assert!(client.queues(&mut node).is_empty());
        client.declare_as(&mut node, "two", short_lived.clone());
        assert_ne!(shard_of(&mut client, &mut node), first);
        client.ok(&mut node, delete_queue("two"));
    }
}

#[test]
fn a_restart_keeps_exactly_what_is_durable() {
    for by_snapshot in [false, true] {
        let (mut node, mut client) = with_queues();
        client.declare_exchange(&mut node, exchange("d", ExchangeKind::Direct));
        client.declare_exchange(&mut node, transient(exchange("t", ExchangeKind::Direct)));
        client.declare_exchange(
            &mut node,
            alternate(internal(exchange("i", ExchangeKind::Topic)), "d"),
        );
        let short_lived = QueueDefinition {
            durability: Durability::Transient,
            ..QueueDefinition::DURABLE
        };
        client.declare_as(&mut node, "s", short_lived);
        client.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
        for binding in [
            bind("d", "a", "k"),
            bind("d", "s", "k"),
            bind("t", "a", "k"),
            bind("d", "own", "k"),
            bind_exchange("d", "i", "k"),
            bind_exchange("d", "t", "k"),
            bind("amq.topic", "b", "x.#"),
        ] {
            client.bind(&mut node, binding);
        }
        publish(&mut client, &mut node, "d", "k", 1);
        assert_eq!(client.bindings(&mut node).len(), 7);
        if by_snapshot {
            node.snapshot();
        }
        let mut node = node.crashed(|_, _| 0);
        let mut client = node.connect();
        assert!(client.has_exchange(&mut node, "d") && client.has_exchange(&mut node, "i"));
        assert!(!client.has_exchange(&mut node, "t"));
        let queues = client.queues(&mut node);
        let names: Vec<_> = queues
            .iter()
            .map(|listed| listed.status.name.to_string())
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
        let mut bindings = client.bindings(&mut node);
        bindings.sort_by_key(|bind| format!("{bind:?}"));
        let mut expected = vec![
            as_pattern(bind("amq.topic", "b", "x.#")),
            bind("d", "a", "k"),
            bind_exchange("d", "i", "k"),
        ];
        expected.sort_by_key(|bind| format!("{bind:?}"));
        assert_eq!(bindings, expected);
        assert_eq!(node.contents("a"), [1]);
        let refusal = client.publish_safely(&mut node, message("k", 3).to("i"));
        assert!(matches!(refusal, Err(Refusal::AccessRefused(_))));
    }
}

#[test]
fn queues_of_virtual_topics_are_bound_by_their_names() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in [
        "Consumer.A.VirtualTopic.Orders",
        "Consumer.B.VirtualTopic.>",
        "Consumer.A.Other",
    ] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    publish(
        &mut client,
        &mut node,
        "amq.topic",
        "VirtualTopic.Orders",
        1,
    );
    publish(&mut client, &mut node, "amq.topic", "VirtualTopic.Bills", 2);
    let mut node = node.restarted();
    let mut client = node.connect();
    publish(
        &mut client,
        &mut node,
        "amq.topic",
        "VirtualTopic.Orders",
        3,
    );
    assert_eq!(node.contents("Consumer.A.VirtualTopic.Orders"), [1, 3]);
    assert_eq!(node.contents("Consumer.B.VirtualTopic.>"), [1, 2, 3]);
    assert!(node.contents("Consumer.A.Other").is_empty());
}

#[test]
fn a_composite_stands_for_others_each_of_which_gets_the_message_once() {
    let to = |exchange: &str, key: &str| Address {
        exchange: exchange_name(exchange),
        key: key.into(),
    };
    let mut node = Node::new(Settings {
        composites: vec![Composite {
            from: to("", "all"),
            to: vec![
                to("", "a"),
                to("amq.topic", "x"),
                to("amq.topic", "y"),
                to("", "all"),
            ],
        }],
        ..settings()
    });
    let mut client = node.connect();
    for name in ["a", "b", "all", "dying"] {
        let mut rules = support::calls::dead_letters_to("", Some("all"));
        if name != "dying" {
            rules = QueueRules::PLAIN;
        }
        client.declare_as(&mut node, name, with_rules(rules));
    }
    client.bind(&mut node, bind("amq.topic", "a", "#"));
    client.bind(&mut node, bind("amq.topic", "b", "x"));
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    publish(&mut client, &mut node, "", "all", 1);
    assert_eq!(
        reader.numbers(&mut node),
        [1],
        "two of the others lead to it"
    );
    // A dead letter, likewise.
    publish(&mut client, &mut node, "", "dying", 2);
    client.subscribed(&mut node, subscribe(1, queue("dying")));
    client.run(&mut node);
    let reject = support::calls::settle(1, &[1], model::Outcome::Reject);
    client.ok(&mut node, Command::Settle(reject));
    assert_eq!(reader.numbers(&mut node), [2]);
    for name in ["a", "b", "all"] {
        assert_eq!(node.contents(name), [1, 2], "{name}");
    }
}

#[test]
fn a_message_to_several_shards_is_confirmed_once_all_are_durable() {
    let (mut node, mut client) = with_queues();
    for name in ["a", "b", "c"] {
        client.bind(&mut node, bind("amq.fanout", name, ""));
    }
    let draft = || message("", 1).to("amq.fanout").persistent();
    for last in 1..=3 {
        let id = client.publish_returnable(&node, draft());
        node.step_executors();
        for shard in (1..=3).filter(|shard| *shard != last) {
            node.store.round_of(ShardId(shard));
            node.step_executors();
            assert_eq!(
                client.confirmed(&mut node),
                0,
                "shard {last} is not durable"
            );
        }
        node.store.round_of(ShardId(last));
        node.step_executors();
        assert_eq!(client.confirmed(&mut node), 1);
        assert_eq!(client.answer(&mut node, id), None, "once");
    }
    let mut node = node.crashed(|_, _| 0);
    for name in ["a", "b", "c"] {
        assert_eq!(node.contents(name), [1, 1, 1]);
    }
}

#[test]
fn a_message_that_one_of_several_queues_refuses_is_refused_once() {
    let (mut node, mut client) = with_queues();
    let rules = QueueRules {
        length_max: Some(0),
        overflow: model::Overflow::RejectPublish,
        ..QueueRules::PLAIN
    };
    client.declare_as(&mut node, "full", with_rules(rules));
    for name in ["a", "b", "full"] {
        client.bind(&mut node, bind("amq.fanout", name, ""));
    }
    let id = client.publish_returnable(&node, message("", 1).to("amq.fanout").persistent());
    client.run(&mut node);
    let events = client.others();
    let refusal = Refusal::QueueFull(name("full"));
    assert!(
        matches!(&events[..], [Event::Done(one, Err(why))] if *one == id && *why == refusal),
        "{events:?}"
    );
    assert_eq!(node.contents("a"), [1]);
}

#[test]
fn a_deleted_queue_tells_its_subscribers_and_every_cancel_is_answered() {
    let (mut node, mut client) = with_queues();
    let mut other = node.connect();
    client.subscribed(&mut node, subscribe(1, queue("a")));
    client.subscribe(&mut node, 2, queue("a"), SettleMode::Presettled);
    client.run(&mut node);
    client.others();
    other.ok(&mut node, delete_queue("a"));
    // The client has not heard of it yet.
    let cancel = client.send(&node, Command::Cancel(model::SubscriptionId(1)));
    assert_eq!(client.answer(&mut node, cancel), Some(Ok(Reply::Nothing)));
    let events = client.others();
    let deleted = Refusal::QueueDeleted(name("a"));
    assert!(
        matches!(&events[..], [Event::Ended(id, why)] if id.0 == 2 && *why == deleted),
        "{events:?}"
    );
}

#[test]
fn a_queue_that_is_declared_again_is_another_one() {
    let (mut node, mut client) = with_queues();
    let mut other = node.connect();
    publish(&mut client, &mut node, "", "a", 1);
    let deleted = client.send(&node, delete_queue("a"));
    node.step_executor(1);
    let declared = other.send(&node, declare_queue("a", QueueDefinition::DURABLE));
    assert!(matches!(other.answer(&mut node, declared), Some(Ok(_))));
    assert_eq!(client.answer(&mut node, deleted), Some(Ok(Reply::Count(1))));
    publish(&mut other, &mut node, "", "a", 2);
    assert_eq!(node.contents("a"), [2]);
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(node.contents("a"), [2]);
}
