//! Topics that only the broker itself publishes to, and what it counts to tell there.

mod support;

use broker::Settings;
use broker_api::{
    Attachment, Command, Confirm, Connect, Event, Peer, Publishing, Refusal, SettleMode,
    Submission, Transaction,
};
use model::{CommandId, ConnectionId, ConversationId, Instant, Retain};
use std::net::{IpAddr, Ipv4Addr};
use support::calls::{settings, subscribe, with_retained};
use support::{Client, Node, message, queue, topic};

fn house() -> Node {
    Node::new(Settings {
        own_topics: b"$SYS".to_vec(),
        ..settings()
    })
}

/// Publishes as an operator what is to be retained.
fn tell(node: &Node, key: &str, number: u32) {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut operator = node
        .broker
        .attach_operator(ConnectionId(0), Peer { address });
    let connect = Command::Connect(Box::new(Connect {
        login: None,
        vhost: Vec::new(),
        identity: None,
    }));
    let publishing = Publishing::new(Confirm::Unwanted);
    let message = message(key, number).build();
    let mut envelope = message.envelope();
    envelope.retain = Retain::Keep;
    let publish = Command::Publish(message.with_envelope(envelope), publishing);
    let submit = |(id, command)| Submission {
        id: CommandId(id),
        conversation: ConversationId(0),
        command,
    };
    let mut submissions: Vec<_> = [(1, connect), (2, publish)].map(submit).into();
    operator.submit(Instant::default(), &mut submissions);
}

fn refusals(client: &mut Client, node: &mut Node) -> usize {
    let events = client.take(node);
    let is_refused =
        |event: &&Event| matches!(event, Event::Done(_, Err(Refusal::AccessRefused(_))));
    events.iter().filter(is_refused).count()
}

#[test]
fn only_the_broker_publishes_there() {
    let mut node = house();
    let mut listener = node.connect();
    listener.subscribe(&mut node, 1, topic("#"), SettleMode::Presettled);
    listener.take(&mut node);
    let mut client = node.connect();
    for key in ["$SYS", "$SYS.broker.uptime", "$SYS."] {
        client.publish(&node, message(key, 1));
        assert_eq!(refusals(&mut client, &mut node), 1, "{key}");
        let publish = message(key, 1).build();
        let transaction = Transaction {
            publishes: vec![message("t", 1).build(), publish],
            ..Transaction::default()
        };
        let refused = client.refused(&mut node, Command::Commit(Box::new(transaction)));
        assert!(matches!(refused, Refusal::AccessRefused(_)), "{key}");
    }
    assert_eq!(listener.take_numbers(&mut node), [0; 0]);
    tell(&node, "$SYS.broker.uptime", 7);
    assert_eq!(listener.take_numbers(&mut node), [7]);
    // All others are everybody's, and so is that name elsewhere.
    for (number, key) in (1..).zip(["$SYSTEM", "$", "a.$SYS", "$sys.broker"]) {
        client.publish(&node, message(key, number));
    }
    assert_eq!(refusals(&mut client, &mut node), 0);
    assert_eq!(listener.take_numbers(&mut node), [1, 2, 3, 4]);
    client.declare(&mut node, "$SYS");
    client
        .publish_safely(&mut node, message("$SYS", 5).queued())
        .expect("a queue's name");
    // Where none are the broker's own, these are not either.
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.publish(&node, message("$SYS.broker", 1));
    assert_eq!(refusals(&mut client, &mut node), 0);
}

/// What a new subscription is shown.
fn shown(node: &mut Node) -> Vec<u32> {
    let mut later = node.connect();
    later.subscribed(node, with_retained(subscribe(1, topic("$SYS.#"))));
    later.run(node);
    later.numbers(node)
}

#[test]
fn what_the_broker_tells_is_retained_in_memory_alone() {
    let mut node = Node::new(Settings {
        retained_count: 0,
        own_topics: b"$SYS".to_vec(),
        ..settings()
    });
    for (key, number) in [("$SYS.a", 1), ("$SYS.b", 2), ("$SYS.a", 3)] {
        tell(&node, key, number);
    }
    assert_eq!(shown(&mut node), [3, 2]);
    assert_eq!(node.broker.retained_count(), 2);
    node.snapshot();
    let mut node = node.restarted();
    assert_eq!(shown(&mut node), [0; 0]);
    assert_eq!(node.broker.retained_count(), 0);
}

#[test]
fn what_is_there_is_counted() {
    let mut node = house();
    let broker = node.broker.clone();
    assert_eq!((broker.subscription_count(), broker.queued()), (0, (0, 0)));
    let mut client = node.connect();
    client.declare(&mut node, "q");
    client.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    client.subscribe(&mut node, 2, topic("t.*"), SettleMode::Explicit);
    client.subscribe_with(&mut node, 3, queue("q"), SettleMode::Explicit, 1);
    client.run(&mut node);
    assert_eq!(broker.subscription_count(), 3);
    for number in 0..3 {
        client.publish(&node, message("q", number).queued());
    }
    client.run(&mut node);
    let (count, bytes) = broker.queued();
    assert_eq!(count, 3, "what is delivered and not settled, too");
    assert!(bytes > 0);
    client.submit(&node, Command::Cancel(model::SubscriptionId(1)));
    client.run(&mut node);
    assert_eq!(broker.subscription_count(), 2);
    let mut other = node.connect();
    other.subscribe(&mut node, 1, topic("u"), SettleMode::Presettled);
    assert_eq!(broker.subscription_count(), 3);
    other.close(&node);
    client.close(&node);
    assert_eq!(broker.subscription_count(), 0);
}
