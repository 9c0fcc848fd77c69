//! Messages whose heads name further routing keys: they go by all of them, to each queue once.

mod support;

use broker::{Address, Composite, Settings};
use broker_api::{Command, Confirm, Event, Publishing, Refusal, Reply, SettleMode, Transaction};
use model::{Death, Deaths, ExchangeKind, Outcome, QueueDefinition, QueueRules};
use support::calls::{
    alternate, bind, dead_letters_to, delete_queue, exchange, exchange_name, exclusive,
    name as name_of, presettled, settings, settle, subscribe, with_retained, with_rules,
};
use support::{Client, Draft, Node, message, queue, topic};

/// A node with queues `a`, `b` and `c`, which live in shards 1, 2 and 3.
fn with_queues() -> (Node, Client) {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    (node, client)
}

fn publish(client: &mut Client, node: &mut Node, draft: Draft) {
    client
        .publish_safely(node, draft.persistent())
        .expect("it is taken");
}

fn contents(node: &mut Node) -> [Vec<u32>; 3] {
    ["a", "b", "c"].map(|name| node.contents(name))
}

#[test]
fn each_key_leads_to_its_queues_which_get_the_message_once() {
    let (mut node, mut client) = with_queues();
    client.declare_exchange(&mut node, exchange("d", ExchangeKind::Direct));
    client.declare_exchange(&mut node, exchange("f", ExchangeKind::Fanout));
    client.bind(&mut node, bind("d", "a", "x"));
    client.bind(&mut node, bind("d", "a", "y"));
    client.bind(&mut node, bind("d", "b", "y"));
    client.bind(&mut node, bind("amq.topic", "c", "t.*"));
    client.bind(&mut node, bind("amq.topic", "b", "u.#"));
    client.bind(&mut node, bind("f", "c", ""));
    let drafts = [
        message("a", 1).queued().keys(&["b", "none", "a"]),
        message("x", 2).to("d").keys(&["y"]),
        message("t.1", 3).keys(&["t.2", "u"]),
        message("none", 4).to("d").keys(&["none", "x"]),
        message("1", 5).to("f").keys(&["2"]),
        // What the others' keys are is nothing to it.
        message("x", 6).to("d"),
        message("x", 7).to("d").keys(&[]),
        message("a", 8).queued(),
    ];
    for draft in drafts {
        publish(&mut client, &mut node, draft);
    }
    assert_eq!(
        contents(&mut node),
        [vec![1, 2, 4, 6, 7, 8], vec![1, 2, 3], vec![3, 5]]
    );
}

#[test]
fn it_is_unroutable_only_if_no_key_leads_anywhere() {
    let (mut node, mut client) = with_queues();
    client.declare_exchange(&mut node, exchange("lost", ExchangeKind::Fanout));
    let with_alternate = alternate(exchange("d", ExchangeKind::Direct), "lost");
    client.declare_exchange(&mut node, with_alternate);
    client.bind(&mut node, bind("lost", "c", ""));
    client.bind(&mut node, bind("d", "a", "x"));
    let mut is_returned = |draft: Draft| {
        let id = client.publish_returnable(&node, draft);
        assert_eq!(client.answer(&mut node, id), Some(Ok(Reply::Nothing)));
        matches!(client.others()[..], [Event::Returned(returned, _)] if returned == id)
    };
    assert!(!is_returned(message("none", 1).queued().keys(&["a"])));
    assert!(is_returned(message("none", 2).queued().keys(&["other"])));
    assert!(!is_returned(message("none", 3).to("d").keys(&["x"])));
    assert!(!is_returned(message("none", 4).to("d").keys(&["other"])));
    assert_eq!(contents(&mut node), [vec![1, 3], vec![], vec![4]]);
}

#[test]
fn private_queues_and_direct_subscribers_get_it_too() {
    let (mut node, mut client) = with_queues();
    let mut reader = node.connect();
    reader.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    reader.subscribed(&mut node, subscribe(1, queue("own")));
    reader.subscribed(&mut node, presettled(subscribe(2, topic("y"))));
    reader.subscribed(&mut node, subscribe(3, topic("z.#")));
    publish(
        &mut client,
        &mut node,
        message("a", 1).queued().keys(&["own"]),
    );
    publish(
        &mut client,
        &mut node,
        message("x", 2).keys(&["y", "z", "z.z"]),
    );
    let mut delivered = reader.delivered(&mut node);
    delivered.sort_unstable();
    assert_eq!(delivered, [(1, 1), (2, 2), (3, 2)]);
    assert_eq!(node.contents("a"), [1]);
}

#[test]
fn in_a_transaction_all_keys_count() {
    let (mut node, mut client) = with_queues();
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("y"))));
    let publishes = vec![
        message("a", 1).queued().persistent().keys(&["b", "c"]),
        message("x", 2).keys(&["y"]),
        message("x", 3).retained().keys(&["y"]),
    ];
    let id = client.commit(&node, publishes, Vec::new());
    assert!(client.answer(&mut node, id).expect("it is decided").is_ok());
    assert_eq!(contents(&mut node), [[1], [1], [1]]);
    assert_eq!(reader.numbers(&mut node), [2, 3]);
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(contents(&mut node), [[1], [1], [1]]);
}

#[test]
fn it_is_retained_under_its_own_key_alone() {
    let (mut node, mut client) = with_queues();
    client.bind(&mut node, bind("amq.topic", "a", "y"));
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("y"))));
    publish(
        &mut client,
        &mut node,
        message("x", 1).retained().keys(&["y"]),
    );
    assert_eq!(reader.numbers(&mut node), [1]);
    assert_eq!(node.contents("a"), [1]);
    let mut shown = |pattern| {
        let mut later = node.connect();
        let subscribe = with_retained(subscribe(1, topic(pattern)));
        later.subscribed(&mut node, subscribe);
        later.numbers(&mut node)
    };
    assert_eq!(shown("x"), [1]);
    assert_eq!(shown("y"), [0; 0]);
}

/// A queue `q` with these rules for dead letters.
fn dying(
    client: &mut Client,
    node: &mut Node,
    rules: QueueRules,
    definition: fn(QueueRules) -> QueueDefinition,
) {
    client.declare_as(node, "q", definition(rules));
    client.subscribed(node, subscribe(1, queue("q")));
}

#[test]
fn a_dead_letter_goes_by_all_keys_or_by_the_one_it_is_given() {
    for definition in [with_rules, exclusive] {
        for (key, expected) in [
            (None, [true, true, false]),
            (Some("c"), [false, false, true]),
        ] {
            let (mut node, mut client) = with_queues();
            let rules = dead_letters_to("", key);
            dying(&mut client, &mut node, rules, definition);
            let draft = message("q", 1).queued().header("h", "v").keys(&["a", "b"]);
            publish(&mut client, &mut node, draft);
            for name in ["a", "b"] {
                client.ok(&mut node, Command::PurgeQueue(name_of(name)));
            }
            assert_eq!(client.numbers(&mut node), [1]);
            client.ok(&mut node, Command::Settle(settle(1, &[1], Outcome::Reject)));
            client.run(&mut node);
            let expected = expected.map(|is_there| if is_there { vec![1] } else { Vec::new() });
            assert_eq!(contents(&mut node), expected, "{key:?}");
            // What stands in the letter is what it goes by from now on.
            let mut reader = node.connect();
            let at = if key.is_some() { "c" } else { "a" };
            reader.subscribed(&mut node, subscribe(1, queue(at)));
            let letter = &reader.deliveries(&mut node)[0].message;
            let head = if key.is_some() {
                "h:v\n"
            } else {
                "h:v\nkey:a\nkey:b\n"
            };
            assert_eq!(String::from_utf8_lossy(letter.head()), head);
        }
    }
}

#[test]
fn a_restart_forgets_no_key() {
    let (mut node, mut client) = with_queues();
    client.declare_as(
        &mut node,
        "q",
        with_rules(dead_letters_to("amq.direct", None)),
    );
    client.bind(&mut node, bind("amq.direct", "b", "k"));
    publish(
        &mut client,
        &mut node,
        message("q", 1).queued().keys(&["k"]),
    );
    let mut node = node.crashed(|_, _| 0);
    let mut client = node.connect();
    client.subscribed(&mut node, subscribe(1, queue("q")));
    assert_eq!(client.deliveries(&mut node).len(), 1);
    client.ok(&mut node, Command::Settle(settle(1, &[1], Outcome::Reject)));
    assert_eq!(node.contents("b"), [1]);
    // It says by which keys it had come.
    client.subscribed(&mut node, subscribe(2, queue("b")));
    let letters = client.deliveries(&mut node);
    let deaths = Deaths::decode(letters[0].message.annotations()).expect("it has died");
    let keys = deaths.iter().flat_map(Death::keys);
    assert_eq!(keys.collect::<Vec<_>>(), [b"q", b"k"]);
}

#[test]
fn a_key_may_be_a_composite() {
    let at = |exchange: &str, key: &str| Address {
        exchange: exchange_name(exchange),
        key: key.into(),
    };
    let mut node = Node::new(Settings {
        composites: vec![
            Composite {
                from: at("", "both"),
                to: vec![at("", "a"), at("", "b")],
            },
            Composite {
                from: at("amq.topic", "all"),
                to: vec![at("amq.topic", "x"), at("amq.topic", "y")],
            },
        ],
        ..settings()
    });
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    publish(
        &mut client,
        &mut node,
        message("b", 1).queued().keys(&["both", "c"]),
    );
    publish(
        &mut client,
        &mut node,
        message("both", 2).queued().keys(&["b"]),
    );
    assert_eq!(contents(&mut node), [vec![1, 2], vec![1, 2], vec![1]]);
    // Who is pushed to gets it once, too.
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    publish(&mut client, &mut node, message("z", 3).keys(&["all", "x"]));
    publish(&mut client, &mut node, message("all", 4).keys(&["z"]));
    assert_eq!(reader.numbers(&mut node), [3, 4]);
}

#[test]
fn no_key_leads_to_the_brokers_own_topics() {
    let mut node = Node::new(Settings {
        own_topics: b"$SYS".to_vec(),
        ..settings()
    });
    let mut listener = node.connect();
    listener.subscribe(&mut node, 1, topic("$SYS.#"), SettleMode::Presettled);
    listener.take(&mut node);
    let mut client = node.connect();
    let hidden = || message("t", 1).keys(&["u", "$SYS.broker"]);
    let refused = client.publish_safely(&mut node, hidden());
    assert!(
        matches!(refused, Err(Refusal::AccessRefused(_))),
        "{refused:?}"
    );
    let transaction = Transaction {
        publishes: vec![hidden().build()],
        ..Transaction::default()
    };
    let refused = client.refused(&mut node, Command::Commit(Box::new(transaction)));
    assert!(matches!(refused, Refusal::AccessRefused(_)), "{refused:?}");
    client
        .publish_safely(&mut node, message("t", 2).keys(&["$SYSTEM"]))
        .expect("others are everybody's");
    assert_eq!(listener.take_numbers(&mut node), [0; 0]);
}

/// Ends a queue at its host, before anybody else knows.
fn begin_to_end(node: &mut Node, client: &mut Client, name: &str) {
    client.send(node, delete_queue(name));
    for executor in 0..node.executors.len() {
        node.step_executor(executor);
    }
}

#[test]
fn of_a_queue_that_ends_meanwhile_only_who_named_it_alone_is_told() {
    let (mut node, mut client) = with_queues();
    let mut other = node.connect();
    let wanted = |draft: Draft| {
        let publishing = Publishing::new(Confirm::Wanted);
        Command::Publish(draft.persistent().build(), publishing)
    };
    begin_to_end(&mut node, &mut other, "a");
    let id = client.send(&node, wanted(message("none", 1).queued().keys(&["a"])));
    assert_eq!(client.answer(&mut node, id), Some(Ok(Reply::Nothing)));
    begin_to_end(&mut node, &mut other, "b");
    let id = client.send(&node, wanted(message("b", 2).queued()));
    let deleted = Refusal::QueueDeleted(name_of("b"));
    assert_eq!(client.answer(&mut node, id), Some(Err(deleted)));
}

#[test]
fn who_asks_for_a_delay_or_repeats_the_key_is_told_too() {
    for further in [
        |draft: Draft| draft.asking_for_delay(10),
        |draft: Draft| draft.keys(&["b"]),
    ] {
        let (mut node, mut client) = with_queues();
        let mut other = node.connect();
        begin_to_end(&mut node, &mut other, "b");
        let draft = further(message("b", 1).queued()).persistent();
        let publishing = Publishing::new(Confirm::Wanted);
        let id = client.send(&node, Command::Publish(draft.build(), publishing));
        let deleted = Refusal::QueueDeleted(name_of("b"));
        assert_eq!(client.answer(&mut node, id), Some(Err(deleted)));
    }
}

#[test]
fn dead_letters_of_many_keys_do_not_multiply() {
    for definition in [with_rules, exclusive] {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        let names: Vec<_> = (0..12).map(|number| format!("q{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for name in &names {
            let rules = QueueRules {
                message_ttl_ms: Some(1),
                ..dead_letters_to("", None)
            };
            client.declare_as(&mut node, name, definition(rules));
        }
        client.declare_as(&mut node, "sink", QueueDefinition::DURABLE);
        let draft = message("sink", 1).queued().keys(&names);
        publish(&mut client, &mut node, draft);
        for _ in 0..names.len() + 1 {
            node.advance_ms(2);
            client.run(&mut node);
        }
        // It, a letter of each queue, and one of each letter in each of the others, which has the own key only.
        assert_eq!(node.contents("sink").len(), 1 + 12 + 12 * 11);
    }
}

#[test]
fn a_letter_that_is_rejected_in_between_keeps_its_keys() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in ["wait", "work"] {
        client.declare_exchange(&mut node, exchange(name, ExchangeKind::Direct));
    }
    let rules = QueueRules {
        message_ttl_ms: Some(1),
        ..dead_letters_to("work", None)
    };
    client.declare_as(&mut node, "a", with_rules(rules));
    client.declare_as(&mut node, "q", with_rules(dead_letters_to("wait", None)));
    client.bind(&mut node, bind("wait", "a", "later"));
    client.bind(&mut node, bind("work", "q", "now"));
    client.subscribed(&mut node, subscribe(1, queue("q")));
    let draft = message("q", 1).queued().keys(&["later", "now"]);
    publish(&mut client, &mut node, draft);
    for round in 1..=5 {
        assert_eq!(client.numbers(&mut node), [1], "{round}");
        let reject = settle(1, &[round], Outcome::Reject);
        client.ok(&mut node, Command::Settle(reject));
        node.advance_ms(2);
    }
}
