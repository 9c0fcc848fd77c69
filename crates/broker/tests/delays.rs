//! Exchanges that grant the delays which messages ask for.

mod support;

use broker_api::{Command, Event, Refusal, Transaction};
use model::{Deaths, Delays, ExchangeKind, Outcome, QueueDefinition, QueueRules};
use support::calls::{
    alternate, bind, bind_exchange, dead_letters_to, delaying, exchange, exclusive, presettled,
    settings, settle, subscribe, with_rules,
};
use support::{Client, Draft, Node, message, queue, topic};

/// A node with queues `a`, `b` and `c`, an exchange `late` that grants delays, and one `soon` that does not; both are bound
/// to `a` by the key `k`.
fn node() -> (Node, Client) {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    client.declare_exchange(&mut node, delaying(exchange("late", ExchangeKind::Direct)));
    client.declare_exchange(&mut node, exchange("soon", ExchangeKind::Direct));
    client.bind(&mut node, bind("late", "a", "k"));
    client.bind(&mut node, bind("soon", "a", "k"));
    (node, client)
}

fn publish(client: &mut Client, node: &mut Node, draft: Draft) {
    client
        .publish_safely(node, draft.persistent())
        .expect("it is taken");
}

fn late(number: u32, ms: u64) -> Draft {
    message("k", number).to("late").asking_for_delay(ms)
}

/// Number and head of each delivery.
fn heads(client: &mut Client, node: &mut Node) -> Vec<String> {
    let deliveries = client.deliveries(node);
    let head = |it: &broker_api::Delivery| String::from_utf8_lossy(it.message.head()).into_owned();
    deliveries.iter().map(head).collect()
}

#[test]
fn a_message_waits_as_long_as_it_asks_for() {
    let (mut node, mut client) = node();
    let mut reader = node.connect();
    reader.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    reader.bind(&mut node, bind("late", "own", "k"));
    reader.subscribed(&mut node, subscribe(1, queue("a")));
    reader.subscribed(&mut node, presettled(subscribe(2, queue("own"))));
    publish(&mut client, &mut node, late(1, 100));
    publish(&mut client, &mut node, late(2, 50));
    publish(&mut client, &mut node, message("k", 3).to("late"));
    assert_eq!(reader.delivered(&mut node), [(1, 3), (2, 3)]);
    node.advance_ms(49);
    assert_eq!(reader.delivered(&mut node), []);
    node.advance_ms(1);
    assert_eq!(heads(&mut reader, &mut node), ["delay:-50\n"; 2]);
    node.advance_ms(49);
    assert_eq!(reader.delivered(&mut node), []);
    node.advance_ms(1);
    assert_eq!(reader.delivered(&mut node), [(1, 1), (2, 1)]);
}

#[test]
fn so_it_does_for_who_is_pushed_to_directly() {
    let (mut node, mut client) = node();
    let topics = delaying(exchange("topics", ExchangeKind::Topic));
    client.declare_exchange(&mut node, topics);
    client.bind(&mut node, bind_exchange("topics", "amq.topic", "#"));
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("x.*"))));
    let draft = message("x.y", 1).to("topics").asking_for_delay(20);
    publish(&mut client, &mut node, draft);
    assert_eq!(reader.numbers(&mut node), [0; 0]);
    node.advance_ms(20);
    assert_eq!(heads(&mut reader, &mut node), ["delay:-20\n"]);
}

#[test]
fn elsewhere_it_asks_in_vain() {
    let (mut node, mut client) = node();
    client.bind(&mut node, bind_exchange("soon", "late", "other"));
    client.bind(&mut node, bind("late", "a", "other"));
    let mut reader = node.connect();
    reader.subscribed(&mut node, subscribe(1, queue("a")));
    let asking = |number, key| message(key, number).to("soon").asking_for_delay(100);
    publish(&mut client, &mut node, asking(1, "k"));
    assert_eq!(heads(&mut reader, &mut node), ["delay:100\n"]);
    // It counts where it is published to, not where it comes by.
    publish(&mut client, &mut node, asking(2, "other"));
    assert_eq!(reader.numbers(&mut node), [2]);
    publish(
        &mut client,
        &mut node,
        message("a", 3).queued().asking_for_delay(100),
    );
    assert_eq!(reader.numbers(&mut node), [3]);
}

#[test]
fn further_keys_and_an_alternate_count_as_ever() {
    let (mut node, mut client) = node();
    client.declare_exchange(&mut node, exchange("lost", ExchangeKind::Fanout));
    let with_alternate = delaying(alternate(exchange("d", ExchangeKind::Direct), "lost"));
    client.declare_exchange(&mut node, with_alternate);
    client.bind(&mut node, bind("lost", "c", ""));
    client.bind(&mut node, bind("d", "b", "k"));
    let draft = |number| message("none", number).to("d").asking_for_delay(10);
    publish(&mut client, &mut node, draft(1).keys(&["k"]));
    publish(&mut client, &mut node, draft(2));
    let ready = |node: &mut Node| ["a", "b", "c"].map(|name| node.contents(name));
    assert_eq!(ready(&mut node), [[0; 0]; 3]);
    node.advance_ms(10);
    assert_eq!(ready(&mut node), [vec![], vec![1], vec![2]]);
}

#[test]
fn what_goes_nowhere_comes_back_as_it_was() {
    let (mut node, mut client) = node();
    let draft = message("none", 1).to("late").asking_for_delay(10);
    let expected = message("none", 1).to("late").asking_for_delay(10).build();
    let id = client.publish_returnable(&node, draft);
    assert!(client.answer(&mut node, id).is_some_and(|it| it.is_ok()));
    let events = client.others();
    let [Event::Returned(_, returned)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(*returned, expected);
}

#[test]
fn in_a_transaction_it_waits_from_the_commit_on() {
    let (mut node, mut client) = node();
    let mut reader = node.connect();
    reader.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    reader.bind(&mut node, bind("late", "own", "k"));
    client.bind(&mut node, bind("late", "b", "k"));
    reader.subscribed(&mut node, presettled(subscribe(1, queue("own"))));
    let none = message("none", 2).to("late").asking_for_delay(10);
    let transaction = Transaction {
        publishes: vec![late(1, 30).persistent().build(), none.build()],
        returns: vec![1],
        ..Transaction::default()
    };
    client.ok(&mut node, Command::Commit(Box::new(transaction)));
    let events = client.others();
    let [Event::Returned(_, returned)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(returned.head(), b"delay:10\n");
    assert_eq!(reader.numbers(&mut node), [0; 0]);
    let ready = |node: &mut Node| ["a", "b"].map(|name| node.contents(name));
    assert_eq!(ready(&mut node), [[0; 0]; 2]);
    node.advance_ms(30);
    assert_eq!(heads(&mut reader, &mut node), ["delay:-30\n"]);
    assert_eq!(ready(&mut node), [[1], [1]]);
}

#[test]
fn a_dead_letter_is_delayed_once() {
    for definition in [with_rules, exclusive] {
        let (mut node, mut client) = node();
        client.declare_as(
            &mut node,
            "q",
            definition(dead_letters_to("late", Some("k"))),
        );
        client.bind(&mut node, bind("late", "q", "q"));
        let reject = |client: &mut Client, node: &mut Node, sequence| {
            assert_eq!(client.deliveries(node).len(), 1);
            let settle = settle(1, &[sequence], Outcome::Reject);
            client.ok(node, Command::Settle(settle));
            client.run(node);
        };
        client.subscribed(&mut node, subscribe(1, queue("q")));
        // It has not been delayed before.
        let draft = message("q", 1).queued().asking_for_delay(40);
        publish(&mut client, &mut node, draft);
        reject(&mut client, &mut node, 1);
        assert_eq!(node.contents("a"), [0; 0]);
        node.advance_ms(40);
        assert_eq!(node.contents("a"), [1]);
        // It has.
        let draft = message("q", 2).to("late").asking_for_delay(40);
        publish(&mut client, &mut node, draft);
        node.advance_ms(40);
        reject(&mut client, &mut node, 2);
        assert_eq!(node.contents("a"), [1, 2]);
    }
}

#[test]
fn its_life_begins_when_the_delay_is_over() {
    let (mut node, mut client) = node();
    let rules = QueueRules {
        message_ttl_ms: Some(20),
        ..QueueRules::PLAIN
    };
    client.declare_as(&mut node, "short", with_rules(rules));
    client.bind(&mut node, bind("late", "short", "k"));
    publish(&mut client, &mut node, late(1, 100).ttl(10));
    let ready = |node: &mut Node| ["a", "short"].map(|name| node.contents(name));
    node.advance_ms(109);
    assert_eq!(ready(&mut node), [[1], [1]]);
    node.advance_ms(1);
    assert_eq!(ready(&mut node), [[0; 0]; 2]);
    publish(&mut client, &mut node, late(2, 100));
    node.advance_ms(119);
    assert_eq!(ready(&mut node), [[2], [2]]);
    node.advance_ms(1);
    assert_eq!(ready(&mut node), [vec![2], vec![]]);
}

#[test]
fn what_expires_then_had_the_life_that_it_was_given() {
    let (mut node, mut client) = node();
    let rules = dead_letters_to("", Some("b"));
    client.declare_as(&mut node, "q", with_rules(rules));
    client.bind(&mut node, bind("late", "q", "q"));
    let draft = message("q", 1).to("late").asking_for_delay(100).ttl(10);
    publish(&mut client, &mut node, draft);
    node.advance_ms(110);
    client.subscribed(&mut node, subscribe(1, queue("b")));
    let letter = &client.deliveries(&mut node)[0].message;
    let deaths = Deaths::decode(letter.annotations()).expect("it died");
    assert_eq!(deaths.original_ttl_ms(), Some(10));
}

#[test]
fn a_restart_forgets_neither_the_exchange_nor_who_waits() {
    for by_snapshot in [false, true] {
        let (mut node, mut client) = node();
        publish(&mut client, &mut node, late(1, 1_000));
        if by_snapshot {
            node.snapshot();
        }
        let mut node = node.crashed(|_, _| 0);
        let mut client = node.connect();
        let exchanges = client.exchanges(&mut node);
        let delaying = exchanges
            .iter()
            .filter(|it| it.definition.delays == Delays::Granted);
        let names: Vec<_> = delaying.map(|it| it.name.to_string()).collect();
        assert_eq!(names, ["late"]);
        publish(&mut client, &mut node, late(2, 10));
        assert_eq!(node.contents("a"), [0; 0]);
        node.advance_ms(10);
        assert_eq!(node.contents("a"), [2]);
        node.advance_ms(1_000);
        assert_eq!(node.contents("a"), [1, 2]);
    }
}

#[test]
fn one_that_does_not_grant_them_is_another() {
    let (mut node, mut client) = node();
    client.declare_exchange(&mut node, delaying(exchange("late", ExchangeKind::Direct)));
    for declare in [
        exchange("late", ExchangeKind::Direct),
        delaying(exchange("late", ExchangeKind::Topic)),
        delaying(exchange("soon", ExchangeKind::Direct)),
    ] {
        let refused = client.refused(&mut node, Command::DeclareExchange(Box::new(declare)));
        assert!(
            matches!(refused, Refusal::Inequivalent { field: "type", .. }),
            "{refused:?}"
        );
    }
}
