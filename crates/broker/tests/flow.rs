//! Budgets, holds, stalls and credit, seen from connections, in virtual time.

mod support;

use broker::{Settings, StalledPolicy};
use broker_api::{Attachment as _, Command, Confirm, Delivery, Event, Publishing, SettleMode};
use model::{Overflow, QueueRules, SubscriptionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use support::calls::{exclusive, with_rules};
use support::{Draft, Node, cost, message, queue, topic};

fn settings() -> Settings {
    Settings {
        outbox_bytes: 10 * cost(),
        ..Settings::default()
    }
}

#[test]
fn a_slow_subscriber_holds_its_publisher_and_then_loses_the_oldest() {
    let mut node = Node::new(settings());
    let mut slow = node.connect();
    let mut fast = node.connect();
    let mut publisher = node.connect();
    slow.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    fast.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    for number in 0..10 {
        publisher.publish(&node, message("t", number));
        fast.take(&mut node);
    }
    assert!(
        publisher.is_admitted(&node),
        "the budget is not exceeded yet"
    );
    publisher.publish(&node, message("t", 10));
    assert!(
        !publisher.is_admitted(&node),
        "over the budget, the publisher waits"
    );
    assert_eq!(
        publisher.deadline(),
        Some(node.now + Duration::from_millis(100))
    );

    node.pass(Duration::from_millis(99));
    assert!(!publisher.is_admitted(&node));
    node.pass(Duration::from_millis(1));
    assert!(publisher.is_admitted(&node), "the allowance is used up");
    assert_eq!(node.broker.counters().totals().dropped, 1);

    publisher.publish(&node, message("t", 11));
    assert!(
        publisher.is_admitted(&node),
        "it does not hold again within the window"
    );
    assert_eq!(slow.take_numbers(&mut node), (2..12).collect::<Vec<_>>());
    assert_eq!(
        fast.take_numbers(&mut node),
        [10, 11],
        "its neighbor lost nothing"
    );

    node.pass(Duration::from_secs(10));
    (0..11).for_each(|number| publisher.publish(&node, message("t", number)));
    assert!(
        !publisher.is_admitted(&node),
        "the allowance is back after the window"
    );
}

#[test]
fn a_subscriber_that_drains_frees_its_publisher() {
    let mut node = Node::new(settings());
    let mut subscriber = node.connect();
    let mut publisher = node.connect();
    subscriber.subscribe(&mut node, 1, topic("#"), SettleMode::Presettled);
    (0..11).for_each(|number| publisher.publish(&node, message("t", number)));
    assert!(!publisher.is_admitted(&node));
    assert_eq!(
        subscriber.take_numbers(&mut node),
        (0..11).collect::<Vec<_>>()
    );
    assert!(publisher.is_admitted(&node));
    assert_eq!(node.broker.counters().totals().dropped, 0);
}

#[test]
fn what_a_stalled_subscriber_loses_is_its_policy() {
    let run = |when_stalled| {
        let mut node = Node::new(Settings {
            when_stalled,
            hold: Duration::ZERO,
            ..settings()
        });
        let mut subscriber = node.connect();
        let mut publisher = node.connect();
        subscriber.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
        (0..15).for_each(|number| publisher.publish(&node, message("t", number)));
        let events = subscriber.take(&mut node);
        let ended = subscriber.is_cut();
        (support::numbers(&events), ended)
    };
    assert_eq!(run(StalledPolicy::DropOldest), ((5..15).collect(), false));
    assert_eq!(run(StalledPolicy::DropNewest), ((0..10).collect(), false));
    let (_, ended) = run(StalledPolicy::Disconnect);
    assert!(ended);
}

#[test]
fn a_private_queue_is_bounded_by_the_budget() {
    let mut node = Node::new(settings());
    let mut subscriber = node.connect();
    let mut publisher = node.connect();
    subscriber.subscribe_with(&mut node, 1, topic("t"), SettleMode::Explicit, 2);
    let mut seen = Vec::new();
    for number in 0..30 {
        publisher.publish(&node, message("t", number));
        seen.extend(subscriber.take_numbers(&mut node));
    }
    assert_eq!(seen, [0, 1], "no more than was granted");
    assert_eq!(
        node.broker.counters().totals().dropped,
        20,
        "2 unsettled and 8 waiting are left"
    );
    subscriber.settle(&mut node, 1, &[1, 2]);
    subscriber.grant(&mut node, 1, 100);
    assert_eq!(
        subscriber.take_numbers(&mut node),
        (22..30).collect::<Vec<_>>()
    );
}

#[test]
fn what_passes_a_private_queue_counts_until_it_is_sent() {
    let mut node = Node::new(settings());
    let mut owner = node.connect();
    let mut publisher = node.connect();
    owner.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    owner.subscribe(&mut node, 1, queue("own"), SettleMode::Presettled);
    let own = |number| message("own", number).queued();
    (0..10).for_each(|number| publisher.publish(&node, own(number)));
    let taken = owner.drain(&mut node);
    assert_eq!(support::numbers(&taken), (0..10).collect::<Vec<_>>());
    publisher.publish(&node, own(10));
    assert!(!publisher.is_admitted(&node), "nothing was sent yet");
    owner.sent(&node);
    assert!(publisher.is_admitted(&node));
    assert_eq!(owner.take_numbers(&mut node), [10]);
}

#[test]
fn nothing_passes_what_waits_in_a_private_queue() {
    let mut node = Node::new(settings());
    let mut owner = node.connect();
    let mut publisher = node.connect();
    owner.declare_as(&mut node, "own", exclusive(QueueRules::PLAIN));
    let own = |number| message("own", number).queued();
    (0..2).for_each(|number| publisher.publish(&node, own(number)));
    assert_eq!(owner.take_numbers(&mut node), []);
    owner.subscribe_with(&mut node, 1, queue("own"), SettleMode::Presettled, 3);
    (2..4).for_each(|number| publisher.publish(&node, own(number)));
    assert_eq!(owner.take_numbers(&mut node), [0, 1, 2]);
    publisher.publish(&node, own(4));
    assert_eq!(
        owner.take_numbers(&mut node),
        [],
        "no more than was granted"
    );
    owner.grant(&mut node, 1, 9);
    publisher.publish(&node, own(5));
    assert_eq!(owner.take_numbers(&mut node), [3, 4, 5]);
    publisher.publish(&node, own(6));
    assert_eq!(owner.take_numbers(&mut node), [6]);
}

#[test]
fn a_queue_delivers_no_more_than_the_outbox_has_room_for() {
    let mut node = Node::new(settings());
    let mut consumer = node.connect();
    let mut publisher = node.connect();
    consumer.declare(&mut node, "q");
    (0..40).for_each(|number| publisher.publish(&node, message("q", number).queued()));
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Explicit);
    node.settle_down();
    let first = consumer.drain(&mut node);
    let fits = (10 * cost()).div_ceil(support::queued_cost());
    let fits = u32::try_from(fits).expect("few");
    assert_eq!(support::numbers(&first), (0..fits).collect::<Vec<_>>());
    assert_eq!(
        support::numbers(&consumer.drain(&mut node)),
        [],
        "nothing was sent yet"
    );
    consumer.sent(&node);
    let mut seen = Vec::new();
    for _ in 0..10 {
        node.settle_down();
        seen.extend(consumer.take_numbers(&mut node));
    }
    assert_eq!(seen, (fits..40).collect::<Vec<_>>());
}

#[test]
fn presettled_deliveries_that_were_not_sent_go_back() {
    let mut node = Node::new(settings());
    let mut first = node.connect();
    let mut publisher = node.connect();
    first.declare(&mut node, "q");
    first.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    (0..3).for_each(|number| publisher.publish(&node, message("q", number).queued()));
    node.settle_down();
    assert_eq!(support::numbers(&first.drain(&mut node)), [0, 1, 2]);
    first.sent(&node);
    (3..5).for_each(|number| publisher.publish(&node, message("q", number).queued()));
    node.settle_down();
    assert_eq!(support::numbers(&first.drain(&mut node)), [3, 4]);
    first.close(&node);
    let mut second = node.connect();
    second.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    node.settle_down();
    assert_eq!(second.take_numbers(&mut node), [3, 4]);
}

#[test]
fn publishes_wait_while_the_queues_hold_too_much() {
    let mut node = Node::new(Settings {
        queued_bytes: 100 * cost(),
        parked_bytes: 0,
        ..Settings::default()
    });
    let mut consumer = node.connect();
    let mut publisher = node.connect();
    consumer.declare(&mut node, "q");
    let big = |number| message("q", number).queued().of_bytes(1 << 20);
    let mut count = 0;
    while publisher.is_admitted(&node) {
        publisher.publish(&node, big(count));
        node.settle_down();
        count += 1;
        assert!(count < 20, "nothing holds the publisher");
    }
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    let mut seen = Vec::new();
    for _ in 0..100 {
        node.settle_down();
        seen.extend(consumer.take_numbers(&mut node));
        // It is told that it waits, and then that it does not.
        publisher.take(&mut node);
        publisher.is_admitted(&node);
    }
    assert_eq!(seen, (0..count).collect::<Vec<_>>(), "nothing is lost");
    assert!(publisher.is_admitted(&node));
}

#[test]
fn confirms_say_what_the_table_says() {
    let mut node = Node::new(Settings::default());
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    publisher.submit(
        &node,
        Command::Publish(
            message("q", 1).queued().build(),
            Publishing::new(Confirm::Wanted),
        ),
    );
    node.step_executors();
    assert_eq!(
        publisher.confirmed(&mut node),
        1,
        "transient: it is in the queue"
    );
    let persistent = message("q", 2).queued().persistent();
    publisher.submit(
        &node,
        Command::Publish(persistent.build(), Publishing::new(Confirm::Wanted)),
    );
    node.step_executors();
    assert_eq!(
        publisher.confirmed(&mut node),
        0,
        "persistent: not before the round"
    );
    node.store.round();
    node.step_executors();
    assert_eq!(publisher.confirmed(&mut node), 1);
    publisher.submit(
        &node,
        Command::Publish(message("t", 3).build(), Publishing::new(Confirm::Wanted)),
    );
    assert_eq!(
        publisher.confirmed(&mut node),
        1,
        "direct: nobody is present"
    );
}

#[test]
fn nothing_is_delivered_before_it_is_durable() {
    let mut node = Node::new(Settings::default());
    let mut publisher = node.connect();
    let mut consumer = node.connect();
    consumer.declare(&mut node, "q");
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    publisher.publish(&node, message("q", 1).queued().persistent());
    publisher.publish(&node, message("q", 2).queued());
    node.step_executors();
    assert_eq!(
        consumer.take_numbers(&mut node),
        [],
        "and nothing overtakes it"
    );
    node.settle_down();
    assert_eq!(consumer.take_numbers(&mut node), [1, 2]);
}

#[test]
fn an_allowance_comes_back_with_time() {
    let mut node = Node::new(settings());
    let mut slow = node.connect();
    let mut publisher = node.connect();
    slow.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    (0..11).for_each(|number| publisher.publish(&node, message("t", number)));
    assert!(!publisher.is_admitted(&node));
    node.pass(Duration::from_millis(100));
    assert!(publisher.is_admitted(&node), "the allowance is used up");
    slow.take(&mut node);

    node.pass(Duration::from_secs(5));
    (0..11).for_each(|number| publisher.publish(&node, message("t", number)));
    assert!(!publisher.is_admitted(&node), "half of it is back");
    let half = Duration::from_millis(50);
    assert_eq!(publisher.deadline(), Some(node.now + half));
    node.pass(half);
    assert!(publisher.is_admitted(&node), "and used up again");
}

#[test]
fn a_cancel_does_not_accept_what_was_not_sent() {
    let mut node = Node::new(Settings::default());
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    (0..2).for_each(|number| publisher.publish(&node, message("q", number).queued().persistent()));
    let mut consumer = node.connect();
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    node.settle_down();
    assert_eq!(support::numbers(&consumer.drain(&mut node)), [0, 1]);
    consumer.submit(&node, Command::Cancel(SubscriptionId(1)));
    node.settle_down();
    consumer.close(&node);
    let mut second = node.connect();
    second.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    node.settle_down();
    assert_eq!(second.take_numbers(&mut node), [0, 1]);
}

#[test]
fn a_cancel_takes_effect_once_what_was_given_is_sent() {
    let mut node = Node::new(Settings::default());
    let mut consumer = node.connect();
    consumer.declare(&mut node, "q");
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    (0..2).for_each(|number| consumer.publish(&node, message("q", number).queued()));
    node.settle_down();
    assert_eq!(support::numbers(&consumer.drain(&mut node)), [0, 1]);
    consumer.submit(&node, Command::Cancel(SubscriptionId(1)));
    consumer.publish(&node, message("q", 2).queued());
    node.settle_down();
    assert_eq!(
        support::numbers(&consumer.take(&mut node)),
        [],
        "it takes no more"
    );
    node.settle_down();
    let events = consumer.take(&mut node);
    assert!(matches!(events[..], [Event::Done(_, Ok(_))]), "{events:?}");
    let mut second = node.connect();
    second.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    node.settle_down();
    assert_eq!(
        second.take_numbers(&mut node),
        [2],
        "what was sent counts as accepted"
    );
}

#[test]
fn a_transient_message_that_came_back_survives_an_orderly_stop() {
    let mut node = Node::new(Settings::default());
    let mut publisher = node.connect();
    let mut consumer = node.connect();
    publisher.declare(&mut node, "q");
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Explicit);
    publisher.publish(&node, message("q", 5).queued());
    node.settle_down();
    assert_eq!(consumer.take_numbers(&mut node), [5]);
    node.pass(Duration::from_secs(5));
    node.settle_down();
    consumer.close(&node);
    node.settle_down();
    node.executors
        .iter_mut()
        .for_each(|executor| executor.flush().expect("the store works"));
    node.settle_down();
    let store = node.store.clone();
    drop((publisher, node));
    let mut node = Node::open(Settings::default(), store);
    let mut reader = node.connect();
    reader.subscribe(&mut node, 1, queue("q"), SettleMode::Explicit);
    node.settle_down();
    assert_eq!(reader.take_numbers(&mut node), [5]);
}

#[test]
fn a_topic_is_not_starved_by_a_queue_on_the_same_connection() {
    let mut node = Node::new(Settings {
        outbox_bytes: 64 << 10,
        ..Settings::default()
    });
    let mut publisher = node.connect();
    publisher.declare(&mut node, "q");
    for number in 0..2000 {
        publisher.publish(&node, message("q", number).queued().of_bytes(1000));
    }
    node.settle_down();
    let mut consumer = node.connect();
    consumer.subscribe(&mut node, 1, queue("q"), SettleMode::Presettled);
    consumer.subscribe(&mut node, 2, topic("t"), SettleMode::Presettled);
    node.settle_down();
    publisher.publish(&node, message("t", 0).of_bytes(1000));
    let mut queued_first = 0;
    let mut is_seen = false;
    while !is_seen && queued_first < 2000 {
        let mut cx = Context::from_waker(Waker::noop());
        let mut handle = |event| match event {
            Event::Delivery(Delivery {
                subscription: SubscriptionId(2),
                ..
            }) => is_seen = true,
            Event::Delivery(_) => queued_first += 1,
            Event::Done(..)
            | Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Disconnect(_) => {}
        };
        let now = node.now;
        let polled = consumer
            .attachment()
            .poll_events(now, &mut cx, 8 << 10, &mut handle);
        assert!(polled.is_ready());
        consumer.sent(&node);
        node.settle_down();
    }
    assert!(
        is_seen && queued_first < 20,
        "it waited for {queued_first} messages of the queue"
    );
}

#[test]
fn two_executors_share_one_budget() {
    let settings = Settings {
        outbox_bytes: 1 << 20,
        executors: 2,
        ..Settings::default()
    };
    let mut node = Node::new(settings);
    let mut consumer = node.connect();
    for (id, name) in [(1, "a"), (2, "b")] {
        consumer.declare(&mut node, name);
        consumer.subscribe(&mut node, id, queue(name), SettleMode::Explicit);
        node.settle_down();
        consumer.take(&mut node);
    }
    node.settle_down();
    consumer.take(&mut node);
    for number in 0..3000 {
        for name in ["a", "b"] {
            consumer.publish(&node, message(name, number).queued().of_bytes(1000));
        }
        node.settle_down();
    }
    let count = consumer.drain(&mut node).len();
    let bytes = count * message("a", 0).queued().of_bytes(1000).build().cost_bytes();
    assert!(bytes < (1 << 20) + 4000, "{bytes} bytes are on their way");
}

#[test]
fn a_publisher_that_leaves_while_held_costs_no_more_than_the_allowance() {
    let mut node = Node::new(settings());
    let mut slow = node.connect();
    let mut publisher = node.connect();
    slow.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    (0..11).for_each(|number| publisher.publish(&node, message("t", number)));
    assert!(!publisher.is_admitted(&node));
    publisher.close(&node);
    node.pass(Duration::from_secs(3600));
    slow.take(&mut node);
    node.pass(Duration::from_secs(10));
    let mut publisher = node.connect();
    (0..11).for_each(|number| publisher.publish(&node, message("t", number)));
    assert!(
        !publisher.is_admitted(&node),
        "the allowance is back after the window"
    );
    assert_eq!(node.broker.counters().totals().dropped, 0);
}

#[test]
fn a_connection_that_is_to_be_cut_is_woken() {
    let when_stalled = StalledPolicy::Disconnect;
    let mut node = Node::new(Settings {
        when_stalled,
        ..settings()
    });
    let mut stalled = node.connect();
    let mut publisher = node.connect();
    stalled.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    (0..12).for_each(|number| publisher.publish(&node, message("t", number)));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert!(stalled.attachment().poll_disconnect(&mut cx).is_pending());
    assert!(!publisher.is_admitted(&node));
    node.pass(Duration::from_millis(100));
    assert!(publisher.is_admitted(&node), "it waits no longer");
    assert!(
        woken.0.load(Ordering::Relaxed),
        "the connection waits for its transport"
    );
    assert!(stalled.is_cut());
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn answers_that_are_not_taken_hold_back_who_asks() {
    for (exchange, body_bytes, count_max) in [("amq.direct", 10_000, 200), ("nowhere", 4, 20_000)] {
        let mut node = Node::new(Settings::default());
        let mut publisher = node.connect();
        let mut count = 0;
        while publisher.is_admitted(&node) {
            // What comes back, or is refused, is told at once.
            let draft = message("nobody", count).to(exchange).of_bytes(body_bytes);
            publisher.publish_returnable(&node, draft);
            count += 1;
            assert!(count < count_max, "{count} answers are kept");
        }
        assert!(count > 50);
        let events = publisher.drain(&mut node);
        assert!(events.len() >= count as usize);
        assert!(publisher.is_admitted(&node));
    }
}

#[test]
fn answers_of_executors_that_are_not_taken_hold_back_who_asks() {
    let full = "f".repeat(200);
    let refusing = with_rules(QueueRules {
        length_max: Some(0),
        overflow: Some(Overflow::RejectPublish),
        ..QueueRules::PLAIN
    });
    let confirmed = |name| move |number| message(name, number).queued();
    let check = |draft: &dyn Fn(u32) -> Draft, count_max| {
        let mut node = Node::new(Settings {
            parked_bytes: 64 << 10,
            ..Settings::default()
        });
        let mut publisher = node.connect();
        publisher.declare(&mut node, "q");
        publisher.declare_as(&mut node, &full, refusing.clone());
        node.settle_down();
        publisher.take(&mut node);
        // What was taken leaves no less room for more.
        for _ in 0..2 {
            let mut count = 0;
            while publisher.is_admitted(&node) {
                let publishing = Publishing::new(Confirm::Wanted);
                let command = Command::Publish(draft(count).build(), publishing);
                publisher.submit(&node, command);
                if count % 50 == 0 {
                    node.settle_down();
                }
                count += 1;
                assert!(count < count_max, "{count} answers are kept");
            }
            assert!(count > count_max * 3 / 4, "{count} are too many already");
            node.settle_down();
            assert_eq!(publisher.take(&mut node).len(), count as usize);
            assert!(publisher.is_admitted(&node), "all was taken");
        }
    };
    check(&confirmed("nobody"), 1100);
    check(&confirmed("q"), 1100);
    check(&|number| confirmed("q")(number).persistent(), 1100);
    check(&confirmed(&full), 300);
}
