//! What selectors may cost others: memory by connection, work by message. Counted, not timed.

mod support;

use broker_api::{Command, Refusal, Subscribe};
use model::{QueueDefinition, SubscriptionId};
use support::calls::{number_of, presettled, selecting, settings, subscribe};
use support::{Client, Node, message, queue, topic};

const HEADER_BYTES: usize = 8 * 1024;

/// As many LIKE as a selector may have, none of which matches the costly header.
fn costly() -> String {
    let like = "zz LIKE '%x_y%' OR ";
    format!("{}n = 1", like.repeat(48))
}

fn costly_header() -> String {
    "x".repeat(HEADER_BYTES)
}

fn topic_subscription(id: u32, selector: &str) -> Subscribe {
    presettled(selecting(subscribe(id, topic("t")), selector))
}

fn dropped(node: &Node) -> u64 {
    node.broker.counters().totals().dropped
}

fn subscriptions(client: &mut Client, node: &mut Node) -> Vec<u32> {
    let delivered = client.delivered(node);
    delivered
        .iter()
        .map(|(subscription, _)| *subscription)
        .collect()
}

#[test]
fn filters_of_a_connection_that_cost_too_much_miss_the_message_and_others_do_not() {
    let mut node = Node::new(settings());
    let (mut greedy, mut modest) = (node.connect(), node.connect());
    let mut publisher = node.connect();
    let expected: Vec<u32> = (1..=50).collect();
    for id in 1..=50 {
        // They alternate, so that whoever came later is not at a disadvantage by that.
        greedy.subscribed(&mut node, topic_subscription(id, &costly()));
        modest.subscribed(&mut node, topic_subscription(id, "n > 0"));
    }
    greedy.subscribed(&mut node, presettled(subscribe(51, topic("t"))));
    for number in 1..=3 {
        let draft = message("t", number).header("zz", &costly_header());
        let draft = draft.header("n", "1");
        publisher
            .publish_safely(&mut node, draft)
            .expect("it is taken");
        let mut got = subscriptions(&mut modest, &mut node);
        got.sort_unstable();
        assert_eq!(got, expected, "all of the modest one's");
        let got = subscriptions(&mut greedy, &mut node);
        assert!(got.contains(&51), "who has no filter costs nothing");
        // Each costs as much as one evaluation may, and then does not match.
        assert_eq!(got, [51]);
    }
    let asked = 3 * 50 - dropped(&node);
    assert!((3..=9).contains(&asked), "{asked} asked");
    // A message that costs little reaches all, in one batch with one that does not.
    for header in ["", &costly_header(), ""] {
        let draft = message("t", 9).header("zz", header).header("n", "1");
        publisher.publish(&node, draft);
    }
    let got = subscriptions(&mut greedy, &mut node);
    assert_eq!(got.len(), 2 * 51 + 1);
}

#[test]
fn selectors_of_a_connection_take_so_much_memory_and_no_more() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    let next = |id: u32| {
        let source = if id.is_multiple_of(2) {
            topic("t")
        } else {
            queue("q")
        };
        Command::Subscribe(Box::new(selecting(subscribe(id, source), &costly())))
    };
    let mut refused = 1;
    let refusal = loop {
        match client.call(&mut node, next(refused)) {
            Ok(_) => refused += 1,
            Err(refusal) => break refusal,
        }
    };
    assert!((60..300).contains(&refused), "{refused}");
    let limit = Refusal::LimitReached {
        what: "bytes of all selectors of a connection",
        limit: 1 << 20,
    };
    assert_eq!(refusal, limit);
    let plain = subscribe(refused, topic("t"));
    client.subscribed(&mut node, plain);
    client.ok(&mut node, Command::Cancel(SubscriptionId(1)));
    client.ok(&mut node, next(refused + 1));
    assert_eq!(client.refused(&mut node, next(refused + 2)), limit);
    let mut other = node.connect();
    other.ok(&mut node, next(1));
}

#[test]
fn costly_selectors_on_a_queue_are_interrupted_and_finish() {
    let mut node = Node::new(settings());
    let (mut reader, mut publisher) = (node.connect(), node.connect());
    publisher.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    for number in 1..=300 {
        let header = if number == 300 {
            String::new()
        } else {
            costly_header()
        };
        let draft = message("q", number)
            .queued()
            .header("zz", &header)
            .header("n", "1");
        publisher.publish(&node, draft);
    }
    publisher.run(&mut node);
    reader.subscribed(&mut node, selecting(subscribe(1, queue("q")), &costly()));
    let delivered = reader.deliveries(&mut node);
    let numbers: Vec<_> = delivered
        .iter()
        .map(|one| number_of(&one.message))
        .collect();
    assert_eq!(numbers, [300]);
}
