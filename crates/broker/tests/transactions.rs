//! Transactions: all or nothing, in order, whatever crashes.

mod support;

use broker_api::{Command, Event, Refusal, Reply, Settle, Transaction};
use model::{CommandId, Outcome, Overflow, QueueDefinition, QueueRules, SubscriptionId};
use support::calls::{
    bind, dead_letters_to, deaths_of, exclusive, limited, name, number_of, presettled, settings,
    settle, subscribe, with_rules,
};
use support::crashes::crash_at_every_step;
use support::{Client, Draft, Node, message, queue, topic};

/// A node with queues `a`, `b` and `c` in shards 1, 2 and 3, and a consumer of `a` that has 1 and 2 in hand.
fn node() -> (Node, Client) {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        client.bind(&mut node, bind("amq.fanout", name, ""));
    }
    for number in [1, 2] {
        client
            .publish_safely(&mut node, to("a", number))
            .expect("it is taken");
    }
    client.subscribed(&mut node, limited(subscribe(1, queue("a")), 2));
    assert_eq!(client.numbers(&mut node), [1, 2]);
    (node, client)
}

fn to(queue: &str, number: u32) -> Draft {
    message(queue, number).queued().persistent()
}

fn accept(sequences: &[u64]) -> Vec<Settle> {
    vec![settle(1, sequences, Outcome::Accept)]
}

fn done(client: &mut Client, node: &mut Node, id: CommandId) -> Result<Reply, Refusal> {
    client.answer(node, id).expect("it is decided")
}

#[test]
fn publishes_and_settlements_take_effect_together() {
    for queues in [vec!["a"], vec!["a", "b"], vec!["b", "c"]] {
        let (mut node, mut client) = node();
        let publishes: Vec<_> = queues.iter().map(|name| to(name, 7)).collect();
        let id = client.commit(&node, publishes, accept(&[1]));
        assert_eq!(done(&mut client, &mut node, id), Ok(Reply::Nothing));
        let mut node = node.crashed(|_, _| 0);
        for name in ["a", "b", "c"] {
            let mut expected = if name == "a" { vec![2] } else { Vec::new() };
            expected.extend(queues.contains(&name).then_some(7));
            assert_eq!(node.contents(name), expected, "{queues:?}, {name}");
        }
    }
}

#[test]
fn a_refused_transaction_has_done_nothing() {
    let full = QueueRules {
        length_max: Some(1),
        overflow: Some(Overflow::RejectPublish),
        ..QueueRules::PLAIN
    };
    type Refused = (Vec<Draft>, fn(&Refusal) -> bool);
    let is_full =
        |refusal: &Refusal| matches!(refusal, Refusal::QueueFull(queue) if *queue == name("d"));
    let cases: Vec<Refused> = vec![
        (vec![to("b", 7), to("d", 8), to("d", 9)], is_full),
        (vec![to("d", 8), to("d", 9)], is_full),
        (vec![to("b", 7), to("c", 7).to("missing")], |refusal| {
            matches!(refusal, Refusal::ExchangeNotFound(_))
        }),
    ];
    for (publishes, is_expected) in cases {
        let (mut node, mut client) = node();
        client.declare_as(&mut node, "d", with_rules(full.clone()));
        let mut reader = node.connect();
        reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
        let topical = message("k", 7).persistent();
        let publishes = publishes.into_iter().chain([topical]).collect();
        let id = client.commit(&node, publishes, accept(&[1, 2]));
        let refusal = done(&mut client, &mut node, id).expect_err("it is refused");
        assert!(is_expected(&refusal), "{refusal:?}");
        assert!(reader.numbers(&mut node).is_empty());
        for name in ["b", "c", "d"] {
            assert!(node.contents(name).is_empty(), "{name}");
        }
        client.ok(&mut node, Command::Cancel(SubscriptionId(1)));
        assert_eq!(node.contents("a"), [1, 2], "they went back");
        assert_eq!(client.counts(&mut node, "a"), (2, 0));
        // A crash finds nothing prepared.
        let mut node = node.crashed(|_, _| 0);
        assert_eq!(node.contents("a"), [1, 2]);
    }
}

#[test]
fn a_full_queue_takes_a_transaction_that_just_fits() {
    let (mut node, mut client) = node();
    let rules = QueueRules {
        length_max: Some(2),
        overflow: Some(Overflow::RejectPublish),
        ..QueueRules::PLAIN
    };
    client.declare_as(&mut node, "d", with_rules(rules));
    let id = client.commit(&node, vec![to("d", 1), to("d", 2)], Vec::new());
    assert!(done(&mut client, &mut node, id).is_ok());
    assert_eq!(node.contents("d"), [1, 2]);
}

#[test]
fn order_is_kept_around_a_transaction() {
    // All at once, without waiting for anything, but for what comes behind the last commit.
    let (mut node, mut client) = node();
    client.publish(&node, to("b", 1));
    let first = client.commit(&node, vec![to("b", 2), to("c", 2), to("b", 3)], Vec::new());
    client.publish(&node, to("c", 3));
    let second = client.commit(&node, vec![to("b", 4)], Vec::new());
    let third = client.commit(&node, vec![to("b", 5), to("c", 5)], accept(&[1]));
    for id in [first, second, third] {
        assert!(done(&mut client, &mut node, id).is_ok());
    }
    client.publish(&node, to("b", 6));
    node.settle_down();
    assert_eq!(node.contents("b"), [1, 2, 3, 4, 5, 6]);
    let mut in_c = node.contents("c");
    assert_eq!(in_c.last(), Some(&5));
    in_c.sort_unstable();
    assert_eq!(in_c, [2, 3, 5]);
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(node.contents("b"), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn several_commits_of_one_read_batch_are_all_answered_in_order() {
    use broker_api::{Attachment as _, Publishing, Submission, Transaction};
    let (mut node, mut client) = node();
    let submission = |id: u64, command| Submission {
        id: CommandId(id),
        conversation: model::ConversationId(0),
        command,
    };
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    let publishing = Publishing::new(broker_api::Confirm::Unwanted);
    let mut batch = Vec::new();
    for round in 0..3_u32 {
        let id = 1000 + u64::from(round) * 10;
        let (one, two) = (round * 10, round * 10 + 1);
        batch.push(submission(
            id,
            Command::Publish(to("b", one).build(), publishing),
        ));
        let topical = message("k", one).persistent().build();
        batch.push(submission(id + 1, Command::Publish(topical, publishing)));
        let transaction = Transaction {
            publishes: vec![to("b", two).build(), message("k", two).build()],
            ..Transaction::default()
        };
        batch.push(submission(id + 2, Command::Commit(Box::new(transaction))));
        // One that goes nowhere else.
        let transaction = Transaction {
            publishes: vec![message("k", two + 1).build()],
            ..Transaction::default()
        };
        batch.push(submission(id + 3, Command::Commit(Box::new(transaction))));
    }
    let now = node.now;
    client.attachment().submit(now, &mut batch);
    client.run(&mut node);
    let answered: Vec<_> = client
        .others()
        .into_iter()
        .filter_map(|event| {
            let Event::Done(id, Ok(_)) = event else {
                return None;
            };
            Some(id.0)
        })
        .collect();
    assert_eq!(answered, [1002, 1003, 1012, 1013, 1022, 1023]);
    let mut in_b = node.contents("b");
    assert_eq!(in_b.len(), 6);
    in_b.retain(|number| number % 10 == 1);
    assert_eq!(in_b, [1, 11, 21]);
    let mut told = reader.numbers(&mut node);
    told.retain(|number| number % 10 > 0);
    assert_eq!(told, [1, 2, 11, 12, 21, 22]);
}

#[test]
fn what_is_pushed_in_a_transaction_comes_behind_what_was_pushed_before() {
    use broker_api::{Attachment as _, Publishing, Submission, Transaction};
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    let publishing = Publishing::new(broker_api::Confirm::Unwanted);
    let transaction = Transaction {
        publishes: vec![message("k", 2).build()],
        ..Transaction::default()
    };
    let commands = [
        Command::Publish(message("k", 1).build(), publishing),
        Command::Commit(Box::new(transaction)),
        Command::Publish(message("k", 3).build(), publishing),
    ];
    let submission = |(id, command)| Submission {
        id: CommandId(id),
        conversation: model::ConversationId(0),
        command,
    };
    let mut batch = (100..).zip(commands).map(submission).collect();
    client.attachment().submit(node.now, &mut batch);
    assert_eq!(reader.numbers(&mut node), [1, 2, 3]);
}

#[test]
fn topics_and_private_queues_follow_the_decision() {
    let (mut node, mut client) = node();
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    reader.subscribed(&mut node, subscribe(2, topic("#")));
    client.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    client
        .publish_safely(&mut node, to("own", 5))
        .expect("it is taken");
    client.subscribed(&mut node, subscribe(2, queue("own")));
    assert_eq!(client.numbers(&mut node), [5]);
    let settles = vec![
        settle(1, &[1], Outcome::Accept),
        settle(2, &[1], Outcome::Release),
    ];
    let publishes = vec![message("k", 8).persistent(), to("b", 9), to("own", 10)];
    let id = client.commit(&node, publishes, settles);
    node.step_executors();
    client.take(&mut node);
    assert!(
        reader.take_numbers(&mut node).is_empty(),
        "it is not durable yet"
    );
    assert!(done(&mut client, &mut node, id).is_ok());
    assert_eq!(reader.delivered(&mut node), [(1, 8), (2, 8)]);
    assert_eq!(
        client.numbers(&mut node),
        [5, 10],
        "one came back, one came"
    );
    assert_eq!(node.contents("b"), [9]);
}

#[test]
fn what_is_rejected_in_a_transaction_is_dead_lettered() {
    for other in ["q", "b"] {
        let (mut node, mut client) = node();
        client.declare_as(&mut node, "q", with_rules(dead_letters_to("", Some("c"))));
        client
            .publish_safely(&mut node, to("q", 5))
            .expect("it is taken");
        client.subscribed(&mut node, limited(subscribe(2, queue("q")), 1));
        client.numbers(&mut node);
        let settles = vec![settle(2, &[1], Outcome::Reject)];
        let id = client.commit(&node, vec![to(other, 6)], settles);
        assert!(done(&mut client, &mut node, id).is_ok());
        let mut node = node.crashed(|_, _| 0);
        let mut client = node.connect();
        client.subscribed(&mut node, subscribe(1, queue("c")));
        let deliveries = client.deliveries(&mut node);
        assert_eq!(
            deaths_of(&deliveries[0].message),
            [("q".to_owned(), "rejected", 1)]
        );
        assert_eq!(deliveries.len(), 1);
        assert_eq!(node.contents(other), [6]);
    }
}

#[test]
fn a_connection_that_leaves_before_the_decision_leaves_it_to_the_shards() {
    // Closed at once, after the shards have prepared, after the decision.
    for steps in 0..8 {
        let (mut node, client) = node();
        client.close(&node);
        // One that has published nothing else, so that its parts leave at once.
        let mut client = node.connect();
        client.subscribed(&mut node, limited(subscribe(1, queue("a")), 2));
        client.run(&mut node);
        client.commit(&node, vec![to("b", 7), to("c", 7)], accept(&[1]));
        for step in 0..steps {
            if step % 2 == 0 {
                node.step_executors();
            } else {
                node.store.round();
            }
        }
        client.close(&node);
        node.settle_down();
        assert_eq!(node.contents("b"), [7]);
        assert_eq!(node.contents("c"), [7]);
        assert_eq!(node.contents("a"), [2], "the other went back");
        let mut client = node.connect();
        assert_eq!(client.counts(&mut node, "a"), (1, 0));
        let mut node = node.crashed(|_, _| 0);
        assert_eq!(node.contents("a"), [2]);
    }
}

#[test]
fn a_transaction_of_transient_messages_waits_for_the_log_all_the_same() {
    let (mut node, mut client) = node();
    let id = client.commit(&node, vec![message("b", 7).queued()], Vec::new());
    node.step_executors();
    assert!(client.take(&mut node).is_empty());
    assert!(done(&mut client, &mut node, id).is_ok());
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(node.contents("b"), [7]);
}

#[test]
fn memory_is_free_again_after_transactions() {
    let (mut node, mut client) = node();
    let before = node.broker.queued_bytes();
    let id = client.commit(&node, vec![to("b", 7), to("c", 7)], Vec::new());
    assert!(done(&mut client, &mut node, id).is_ok());
    assert!(node.broker.queued_bytes() > before);
    let settles = accept(&[1, 2]);
    let id = client.commit(&node, vec![to("b", 8)], settles);
    assert!(done(&mut client, &mut node, id).is_ok());
    for name in ["b", "c"] {
        client.ok(&mut node, Command::PurgeQueue(support::calls::name(name)));
    }
    assert_eq!(node.broker.queued_bytes(), 0);
}

fn all_or_nothing(node: &mut Node, what: &str, heard: &[Event], queues: &[&str]) {
    let was_told = heard
        .iter()
        .any(|event| matches!(event, Event::Done(_, Ok(_))));
    let of_a = node.contents("a");
    let is_done = !of_a.contains(&1);
    assert!(is_done || !was_told, "{what}: it was promised");
    assert!(of_a.contains(&2), "{what}");
    for name in queues {
        let count = node
            .contents(name)
            .iter()
            .filter(|number| **number == 7)
            .count();
        assert_eq!(count, usize::from(is_done), "{what}, {name}");
    }
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        assert_eq!(
            client.counts(node, name).1,
            0,
            "{what}: nothing stays prepared"
        );
    }
    // Another transaction is not mistaken for this one.
    let id = client.commit(node, vec![to("b", 99), to("c", 99)], Vec::new());
    assert!(matches!(client.answer(node, id), Some(Ok(_))), "{what}");
    for name in ["b", "c"] {
        assert_eq!(node.contents(name).last(), Some(&99), "{what}, {name}");
    }
}

#[test]
fn a_crash_anywhere_leaves_all_of_it_or_nothing() {
    let queues = ["b", "c"];
    let start = || {
        let (mut node, client) = node();
        client.close(&node);
        node.settle_down();
        node
    };
    let act = |node: &mut Node| {
        let mut client = node.connect();
        client.subscribed(node, subscribe(1, queue("a")));
        client.run(node);
        client.commit(node, vec![to("b", 7), to("c", 7)], accept(&[1]));
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        all_or_nothing(node, what, heard, &queues);
    };
    crash_at_every_step(start, act, check);
}

#[test]
fn a_crash_anywhere_with_snapshots_leaves_all_of_it_or_nothing() {
    let start = || {
        let (mut node, client) = node();
        client.close(&node);
        node.settle_down();
        node
    };
    let act = |node: &mut Node| {
        let mut client = node.connect();
        client.subscribed(node, subscribe(1, queue("a")));
        client.run(node);
        client.commit(node, vec![to("c", 7)], accept(&[1]));
        // The parts are prepared and in no log yet; the snapshots are of that.
        node.step_executor(1);
        for shard in 0..4 {
            node.store.want_snapshot(model::ShardId(shard));
        }
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        all_or_nothing(node, what, heard, &["c"]);
    };
    crash_at_every_step(start, act, check);
}

#[test]
fn a_crash_anywhere_in_a_transaction_on_one_shard_leaves_all_of_it_or_nothing() {
    let start = || {
        let (mut node, client) = node();
        client.close(&node);
        node.settle_down();
        node
    };
    let act = |node: &mut Node| {
        let mut client = node.connect();
        client.subscribed(node, limited(subscribe(1, queue("a")), 2));
        client.run(node);
        client.commit(node, vec![to("a", 7), to("a", 8)], accept(&[1]));
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        let contents = node.contents("a");
        let was_told = heard
            .iter()
            .any(|event| matches!(event, Event::Done(_, Ok(_))));
        assert!(
            contents == [2, 7, 8] || (!was_told && contents == [1, 2]),
            "{what}: {contents:?}"
        );
    };
    crash_at_every_step(start, act, check);
}

#[test]
fn a_transaction_waits_for_publishes_that_are_parked() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.declare_as(&mut node, "b", QueueDefinition::DURABLE);
    for number in 0..8 {
        client.publish(&node, to("b", number).of_bytes(1 << 20));
    }
    assert!(!client.is_admitted(&node), "some are parked");
    let first = client.commit(&node, vec![to("b", 8)], Vec::new());
    let second = client.commit(&node, vec![to("b", 9)], Vec::new());
    for id in [first, second] {
        assert!(done(&mut client, &mut node, id).is_ok());
    }
    assert_eq!(node.contents("b"), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_slow_subscriber_holds_who_publishes_in_transactions_too() {
    let mut node = Node::new(broker::Settings {
        outbox_bytes: 10 * support::cost(),
        ..settings()
    });
    let mut client = node.connect();
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("t"))));
    let publishes = (0..12).map(|number| message("t", number)).collect();
    let id = client.commit(&node, publishes, Vec::new());
    assert!(!client.is_admitted(&node));
    reader.take(&mut node);
    assert!(client.is_admitted(&node));
    assert!(done(&mut client, &mut node, id).is_ok());
}

#[test]
fn what_is_asked_behind_a_commit_waits_for_it() {
    for also in ["b", "c"] {
        let (mut node, mut client) = node();
        // The commit has to wait until this has reached its queue.
        client.publish(&node, to("c", 5));
        let commit = client.commit(&node, vec![to(also, 7)], accept(&[1]));
        let cancel = client.send(&node, Command::Cancel(SubscriptionId(1)));
        client.publish(&node, to(also, 8));
        assert_eq!(done(&mut client, &mut node, commit), Ok(Reply::Nothing));
        assert_eq!(client.answer(&mut node, cancel), Some(Ok(Reply::Nothing)));
        assert_eq!(node.contents("a"), [2], "the settlement took effect");
        let mut both = node.contents("b");
        both.extend(node.contents("c"));
        both.retain(|number| *number != 5);
        assert_eq!(both, [7, 8], "and order is kept");
    }
}

#[test]
fn a_commit_that_settles_for_nobody_is_refused() {
    let (mut node, mut client) = node();
    let settles = vec![settle(9, &[1], Outcome::Accept)];
    let id = client.commit(&node, vec![to("b", 7)], settles);
    let refusal = Refusal::SubscriptionNotFound(SubscriptionId(9));
    assert_eq!(done(&mut client, &mut node, id), Err(refusal));
    assert!(node.contents("b").is_empty());
}

#[test]
fn what_goes_nowhere_is_given_back_with_the_commit() {
    let (mut node, mut client) = node();
    let drafts = |queue: &str| {
        vec![
            to("none", 3),
            to("none", 4),
            to(queue, 5),
            message("x", 6).retained(),
            to("other", 7),
        ]
    };
    let commit = |client: &mut Client, node: &Node, queue| {
        let publishes = drafts(queue).into_iter().map(Draft::build).collect();
        let transaction = Transaction {
            publishes,
            returns: vec![1, 2, 3, 4],
            settles: accept(&[1]),
            ..Transaction::default()
        };
        client.send(node, Command::Commit(Box::new(transaction)))
    };
    let returned = |event: &Event| match event {
        Event::Returned(id, message) => Some((*id, number_of(message))),
        Event::Done(..)
        | Event::Confirmed(_)
        | Event::Delivery(_)
        | Event::Drained(_)
        | Event::Ended(..)
        | Event::Blocked(_)
        | Event::Unblocked
        | Event::Disconnect(_) => None,
    };
    // To no queue at all, to one shard, to two of them.
    for queue in ["nowhere", "a", "b"] {
        let id = commit(&mut client, &node, queue);
        client.run(&mut node);
        let events = client.others();
        let mut expected = vec![(id, 4), (id, 7)];
        if queue == "nowhere" {
            expected.insert(1, (id, 5));
        }
        let [given_back @ .., Event::Done(done, Ok(Reply::Nothing))] = &events[..] else {
            panic!("{queue}: {events:?}");
        };
        assert_eq!(*done, id);
        let given_back: Vec<_> = given_back.iter().filter_map(returned).collect();
        assert_eq!(given_back, expected, "{queue}");
    }
    assert_eq!(node.contents("b"), [5]);
    // Of a transaction that is refused nothing is.
    let transaction = Transaction {
        publishes: vec![to("none", 8).build(), to("b", 9).to("missing").build()],
        returns: vec![0, 1],
        ..Transaction::default()
    };
    let refused = client.refused(&mut node, Command::Commit(Box::new(transaction)));
    assert!(matches!(refused, Refusal::ExchangeNotFound(_)));
    assert_eq!(client.others().len(), 0);
}
