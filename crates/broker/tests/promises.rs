//! What is promised of messages in shared queues, over rounds, crashes and restarts.

mod support;

use broker::{Executor, Settings, Step};
use broker_api::{
    Attachment, Command, Confirm, Connect, Event, Peer, Refusal, Settle, SettleMode, Submission,
};
use model::{
    CommandId, ConnectionId, ConversationId, Outcome, QueueName, Sequence, ShardId, SubscriptionId,
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use support::{Client, Draft, Node, cost, message, queue, queued_cost, topic};

const MIB: usize = 1 << 20;

/// A waker that remembers that it was called.
#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn persistent(name: &str, number: u32) -> Draft {
    message(name, number).queued().persistent()
}

fn transient(name: &str, number: u32) -> Draft {
    message(name, number).queued()
}

fn publish_confirmed(client: &mut Client, node: &Node, draft: Draft) {
    client.submit(
        node,
        Command::Publish(draft.build(), broker_api::Publishing::new(Confirm::Wanted)),
    );
}

fn settle(client: &mut Client, node: &Node, sequence: u64, outcome: Outcome, confirm: Confirm) {
    let settle = Settle {
        subscription: SubscriptionId(1),
        sequences: vec![Sequence(sequence)],
        outcome,
        confirm,
    };
    client.submit(node, Command::Settle(settle));
}

/// Number and mark of each delivery, from a consumer of its own, which leaves with them unsettled.
fn contents(node: &mut Node, name: &str) -> Vec<(u32, bool)> {
    let mut consumer = node.connect();
    consumer.subscribe(node, 1, queue(name), SettleMode::Explicit);
    node.settle_down();
    let mut contents = Vec::new();
    loop {
        let events = consumer.take(node);
        let marks = events.iter().filter_map(|event| match event {
            Event::Delivery(delivery) => Some(delivery.redelivered),
            Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Done(..)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Disconnect(_) => None,
        });
        contents.extend(support::numbers(&events).into_iter().zip(marks));
        node.settle_down();
        if events.is_empty() {
            consumer.close(node);
            node.settle_down();
            return contents;
        }
    }
}

/// The same after power is lost: what no round has committed is gone.
fn crash(node: &Node, settings: Settings) -> Node {
    Node::open(settings, node.store.clone())
}

/// The same after a stop as the binary makes it: executors run dry, then log what they hold.
fn restart(mut node: Node, settings: Settings) -> Node {
    node.step_executors();
    flush(&mut node.executors);
    node.settle_down();
    crash(&node, settings)
}

fn flush(executors: &mut [Executor]) {
    for executor in executors {
        executor.flush().expect("the store works");
    }
}

/// Lets what rides along wait until it is logged.
fn ride(node: &mut Node) {
    for _ in 0..3 {
        node.pass(Settings::default().ride_delay);
        node.settle_down();
    }
}

#[test]
fn a_confirm_waits_for_the_log_of_its_own_shard() {
    let mut node = Node::new(Settings::default());
    let mut publisher = node.connect();
    for name in ["a", "b", "c"] {
        publisher.declare(&mut node, name);
    }
    // Queues live in shards 1, 2 and 3; 1 and 3 share an executor.
    publish_confirmed(&mut publisher, &node, persistent("a", 1));
    node.step_executors();
    publisher.publish(&node, persistent("c", 2));
    node.step_executors();
    assert_eq!(node.store.round_of(ShardId(3)), 1);
    node.step_executors();
    assert_eq!(
        publisher.confirmed(&mut node),
        0,
        "another shard is durable, not this"
    );
    assert_eq!(node.store.round_of(ShardId(1)), 1);
    node.step_executors();
    assert_eq!(publisher.confirmed(&mut node), 1);
}

#[test]
fn a_confirmed_settlement_survives_a_crash() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    client.subscribe(&mut node, 1, queue("q"), SettleMode::Explicit);
    (1..=3).for_each(|number| client.publish(&node, persistent("q", number)));
    node.settle_down();
    assert_eq!(client.take_numbers(&mut node), [1, 2, 3]);
    settle(&mut client, &node, 2, Outcome::Accept, Confirm::Wanted);
    node.step_executors();
    assert_eq!(client.confirmed(&mut node), 0, "its record is not durable");
    node.store.round();
    node.step_executors();
    assert_eq!(client.confirmed(&mut node), 1);
    let mut node = crash(&node, Settings::default());
    assert_eq!(contents(&mut node, "q"), [(1, true), (3, true)]);
}

#[test]
fn a_failed_store_confirms_nothing_and_ends_the_executors() {
    let mut node = Node::new(Settings::default());
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    publish_confirmed(&mut publisher, &node, persistent("q", 1));
    node.step_executors();
    node.store.fail();
    let cx = Context::from_waker(Waker::noop());
    let now = node.now;
    let mut steps = node.executors.iter_mut().map(|e| e.step(now, &cx));
    assert!(steps.all(|step| step.is_err()));
    assert_eq!(publisher.confirmed(&mut node), 0);
}

#[test]
fn what_came_back_before_it_was_logged_is_marked_after_a_restart() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    client.subscribe_with(&mut node, 1, queue("q"), SettleMode::Explicit, 1);
    (1..=2).for_each(|number| client.publish(&node, transient("q", number)));
    node.settle_down();
    assert_eq!(client.take_numbers(&mut node), [1]);
    settle(&mut client, &node, 1, Outcome::Release, Confirm::Unwanted);
    ride(&mut node);
    let mut node = crash(&node, Settings::default());
    assert_eq!(contents(&mut node, "q"), [(1, true), (2, false)]);
}

#[test]
fn a_snapshot_keeps_what_is_unsettled_and_what_is_marked() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    client.subscribe_with(&mut node, 1, queue("q"), SettleMode::Explicit, 2);
    (1..=3).for_each(|number| client.publish(&node, persistent("q", number)));
    node.settle_down();
    assert_eq!(client.take_numbers(&mut node), [1, 2]);
    for shard in 0..4 {
        node.store.want_snapshot(ShardId(shard));
    }
    node.settle_down();
    node.store.round();
    let mut node = crash(&node, Settings::default());
    // The mark is reserved ahead of deliveries, so it covers the third, too.
    let expected = [(1, true), (2, true), (3, true)];
    assert_eq!(contents(&mut node, "q"), expected);
}

#[test]
fn a_snapshot_keeps_a_queue_that_is_being_declared() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    let name = QueueName::new(b"q").expect("a name");
    client.submit(
        &node,
        Command::DeclareQueue(Box::new(broker_api::DeclareQueue::durable(name))),
    );
    node.step_executors();
    node.store.want_snapshot(ShardId(0));
    node.settle_down();
    node.store.round();
    client.publish(&node, persistent("q", 1));
    node.settle_down();
    let mut node = crash(&node, Settings::default());
    assert_eq!(contents(&mut node, "q"), [(1, false)]);
}

#[test]
fn a_queue_is_announced_once_it_is_durable() {
    let mut node = Node::new(Settings::default());
    let mut clients = [node.connect(), node.connect()];
    for client in &mut clients {
        let name = QueueName::new(b"q").expect("a name");
        client.submit(
            &node,
            Command::DeclareQueue(Box::new(broker_api::DeclareQueue::durable(name))),
        );
        node.step_executors();
    }
    let mut other = node.connect();
    other.subscribe(&mut node, 1, queue("q"), SettleMode::Explicit);
    node.step_executors();
    let found = other.take(&mut node);
    assert!(
        matches!(found[..], [Event::Done(_, Err(Refusal::QueueNotFound(_)))]),
        "{found:?}"
    );
    for client in &mut clients {
        let early = client.take(&mut node);
        assert!(early.is_empty(), "{early:?} before the round");
    }
    node.store.round();
    node.step_executors();
    for client in &mut clients {
        let done = client.take(&mut node);
        assert!(matches!(done[..], [Event::Done(_, Ok(_))]), "{done:?}");
    }
    other.subscribe(&mut node, 2, queue("q"), SettleMode::Explicit);
    node.step_executors();
    let done = other.take(&mut node);
    assert!(matches!(done[..], [Event::Done(_, Ok(_))]), "{done:?}");
}

#[test]
fn a_queue_declared_after_a_restart_is_another_one() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "old");
    client.publish(&node, persistent("old", 1));
    node.settle_down();
    let mut node = crash(&node, Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "new");
    client.publish(&node, persistent("new", 2));
    node.settle_down();
    let mut node = crash(&node, Settings::default());
    assert_eq!(contents(&mut node, "old"), [(1, false)]);
    assert_eq!(contents(&mut node, "new"), [(2, false)]);
}

#[test]
fn a_clean_restart_keeps_transient_messages() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    (1..=3).for_each(|number| client.publish(&node, transient("q", number)));
    let mut node = restart(node, Settings::default());
    assert_eq!(
        contents(&mut node, "q"),
        [(1, false), (2, false), (3, false)]
    );
}

#[test]
fn a_transient_message_that_stays_is_logged() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    client.publish(&node, transient("q", 1));
    node.settle_down();
    let deadlines = node.executors.iter().filter_map(Executor::deadline);
    assert_eq!(
        deadlines.min(),
        Some(node.now + Settings::default().ride_delay),
        "somebody wants to log it by then"
    );
    ride(&mut node);
    let mut node = crash(&node, Settings::default());
    assert_eq!(contents(&mut node, "q"), [(1, false)]);
}

#[test]
fn a_transient_message_that_was_returned_is_logged() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    client.subscribe_with(&mut node, 1, queue("q"), SettleMode::Explicit, 1);
    client.publish(&node, transient("q", 1));
    node.settle_down();
    assert_eq!(client.take_numbers(&mut node), [1]);
    ride(&mut node);
    settle(&mut client, &node, 1, Outcome::Release, Confirm::Unwanted);
    let mut node = restart(node, Settings::default());
    assert_eq!(contents(&mut node, "q"), [(1, true)]);
}

/// Publishes messages of a MiB until some of them are parked, with the executors at rest.
fn park(publisher: &mut Client, node: &Node) -> u32 {
    let mut count = 0;
    while publisher.is_admitted(node) {
        publisher.publish(node, persistent("q", count).of_bytes(MIB));
        count += 1;
        assert!(count < 20, "nothing holds the publisher");
    }
    count
}

fn parking() -> Settings {
    Settings {
        parked_bytes: 3 * MIB,
        ..Settings::default()
    }
}

#[test]
fn parked_publishes_keep_their_order() {
    let mut node = Node::new(parking());
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    let count = park(&mut publisher, &node);
    assert!(!publisher.is_admitted(&node), "refused once more, in order");
    node.step_executors();
    // The mailbox has room, but others were here before.
    publisher.publish(&node, persistent("q", count));
    for _ in 0..3 {
        publisher.is_admitted(&node);
        node.settle_down();
    }
    let numbers: Vec<_> = contents(&mut node, "q").into_iter().map(|c| c.0).collect();
    assert_eq!(numbers, (0..=count).collect::<Vec<_>>());
}

#[test]
fn what_is_parked_is_not_lost_with_its_connection() {
    let mut node = Node::new(parking());
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    let count = park(&mut publisher, &node);
    publisher.close(&node);
    node.settle_down();
    let numbers: Vec<_> = contents(&mut node, "q").into_iter().map(|c| c.0).collect();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
}

#[test]
fn publishes_wait_while_the_journal_is_behind() {
    let mut node = Node::new(Settings {
        parked_bytes: 0,
        ..Settings::default()
    });
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    let mut count = 0;
    while publisher.is_admitted(&node) {
        publisher.publish(&node, persistent("q", count).of_bytes(MIB));
        node.step_executors();
        count += 1;
        assert!(count < 50, "nothing holds the publisher");
    }
    assert!(count > 8, "{count} MiB are not too much");
    node.settle_down();
    assert!(publisher.is_admitted(&node), "the journal has caught up");
    node.settle_down();
    assert_eq!(contents(&mut node, "q").len(), count as usize);
}

#[test]
fn recovered_messages_count_against_the_memory() {
    let mut node = Node::new(Settings::default());
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    (0..4).for_each(|number| publisher.publish(&node, persistent("q", number)));
    node.settle_down();
    let settings = Settings {
        queued_bytes: 4 * queued_cost(),
        ..Settings::default()
    };
    let mut node = crash(&node, settings);
    node.store.refuse_pages(true);
    let mut publisher = node.connect();
    publish_confirmed(&mut publisher, &node, persistent("q", 4));
    node.settle_down();
    assert_eq!(
        publisher.confirmed(&mut node),
        0,
        "there is no memory left, and no place on the disk"
    );
    let mut consumer = node.connect();
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    for _ in 0..3 {
        node.settle_down();
        consumer.take(&mut node);
    }
    assert_eq!(publisher.confirmed(&mut node), 1);
}

/// Steps one executor until it is idle, with this waker.
fn run(executor: &mut Executor, node_now: model::Instant, flag: &Arc<Flag>) {
    let waker = Waker::from(Arc::clone(flag));
    let cx = Context::from_waker(&waker);
    while executor.step(node_now, &cx).expect("the store works") == Step::Worked {}
}

#[test]
fn executors_are_woken_when_memory_is_free_again() {
    let mut node = Node::new(Settings {
        queued_bytes: 4 * queued_cost(),
        ..Settings::default()
    });
    let mut client = node.connect();
    // In shards 1 and 2, so on executors 1 and 0.
    client.declare(&mut node, "full");
    client.declare(&mut node, "other");
    (0..4).for_each(|number| client.publish(&node, transient("full", number)));
    node.settle_down();
    let mut publisher = node.connect();
    publish_confirmed(&mut publisher, &node, transient("other", 9));
    let flags = [Arc::new(Flag::default()), Arc::new(Flag::default())];
    let now = node.now;
    run(&mut node.executors[0], now, &flags[0]);
    assert_eq!(publisher.confirmed(&mut node), 0);
    client.subscribe(&mut node, 1, queue("full"), SettleMode::Presettled);
    flags[0].take();
    for _ in 0..2 {
        run(&mut node.executors[1], now, &flags[1]);
        client.take(&mut node);
    }
    assert!(flags[0].take(), "the executor that waits is woken");
    run(&mut node.executors[0], now, &flags[0]);
    assert_eq!(publisher.confirmed(&mut node), 1);
}

#[test]
fn a_held_publisher_is_woken_when_there_is_room() {
    let mut node = Node::new(Settings {
        outbox_bytes: 10 * cost(),
        ..Settings::default()
    });
    let mut subscriber = node.connect();
    subscriber.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    let peer = Peer {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let mut publisher = node.broker.attach(ConnectionId(99), peer);
    let connect = Command::Connect(Box::new(Connect {
        login: None,
        vhost: Vec::new(),
        identity: None,
    }));
    let publishes = (0..11).map(|number| {
        Command::Publish(
            message("t", number).build(),
            broker_api::Publishing::new(Confirm::Unwanted),
        )
    });
    let mut submissions = std::iter::once(connect)
        .chain(publishes)
        .zip(1..)
        .map(|(command, id)| Submission {
            id: CommandId(id),
            conversation: ConversationId(0),
            command,
        })
        .collect();
    publisher.submit(node.now, &mut submissions);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);
    assert!(publisher.poll_admission(node.now, &mut cx).is_pending());
    assert!(!flag.take());
    node.pass(Duration::from_millis(1));
    subscriber.take(&mut node);
    assert!(flag.take(), "there is room");
    assert!(publisher.poll_admission(node.now, &mut cx).is_ready());
}

#[test]
fn a_transient_message_whose_consumer_left_is_logged() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    let mut consumer = node.connect();
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Explicit);
    client.publish(&node, transient("q", 1));
    node.settle_down();
    assert_eq!(consumer.take_numbers(&mut node), [1]);
    ride(&mut node);
    consumer.close(&node);
    node.settle_down();
    let mut node = restart(node, Settings::default());
    assert_eq!(contents(&mut node, "q"), [(1, true)]);
}

#[test]
fn a_transient_message_whose_subscription_was_cancelled_is_logged() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    client.declare(&mut node, "q");
    client.subscribe(&mut node, 1, queue("q"), SettleMode::Explicit);
    client.publish(&node, transient("q", 1));
    node.settle_down();
    assert_eq!(client.take_numbers(&mut node), [1]);
    ride(&mut node);
    client.submit(&node, Command::Cancel(SubscriptionId(1)));
    node.settle_down();
    let mut node = restart(node, Settings::default());
    assert_eq!(contents(&mut node, "q"), [(1, true)]);
}

#[test]
fn all_executors_are_woken_when_the_journal_has_caught_up() {
    let mut node = Node::new(Settings::default());
    let mut client = node.connect();
    // In shards 1 and 2, so on executors 1 and 0.
    client.declare(&mut node, "busy");
    client.declare(&mut node, "other");
    for number in 0..40 {
        client.publish(&node, persistent("busy", number).of_bytes(MIB));
        node.step_executors();
    }
    let mut publisher = node.connect();
    publish_confirmed(&mut publisher, &node, persistent("other", 1));
    let flags = [Arc::new(Flag::default()), Arc::new(Flag::default())];
    let now = node.now;
    for (executor, flag) in node.executors.iter_mut().zip(&flags) {
        run(executor, now, flag);
        flag.take();
    }
    for _ in 0..10 {
        node.store.round();
        for (executor, flag) in node.executors.iter_mut().zip(&flags) {
            if flag.take() {
                run(executor, now, flag);
            }
        }
    }
    assert_eq!(publisher.confirmed(&mut node), 1, "stepped only when woken");
}

#[test]
fn an_unsubscribe_does_not_accept_what_was_not_sent() {
    let mut node = Node::new(Settings::default());
    let mut first = node.connect();
    first.declare(&mut node, "q");
    first.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    first.publish(&node, persistent("q", 1));
    node.settle_down();
    assert_eq!(support::numbers(&first.drain(&mut node)), [1]);
    // Not sent yet; the peer's UNSUBSCRIBE is read, and then the connection breaks.
    first.submit(&node, Command::Cancel(SubscriptionId(1)));
    node.settle_down();
    first.close(&node);
    node.settle_down();
    assert_eq!(contents(&mut node, "q"), [(1, true)]);
}
