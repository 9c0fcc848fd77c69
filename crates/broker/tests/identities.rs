//! At most one connection has an identity at a time.

mod support;

use broker_api::{Command, Connect, Event, Refusal, Reply, SettleMode};
use support::calls::settings;
use support::{Client, Node, message, topic};

fn connect_as(node: &mut Node, identity: &str) -> Client {
    let mut client = node.connect();
    let connect = Connect {
        login: None,
        vhost: Vec::new(),
        identity: Some(identity.as_bytes().into()),
    };
    let reply = client.ok(node, Command::Connect(Box::new(connect)));
    assert_eq!(reply, Reply::Nothing);
    client
}

fn is_told(client: &mut Client, node: &mut Node) -> bool {
    client.run(node);
    let others = client.others();
    let is_told = |event: &Event| matches!(event, Event::Disconnect(Refusal::TakenOver));
    others.iter().any(is_told)
}

#[test]
fn the_older_connection_is_told_to_end() {
    let mut node = Node::new(settings());
    let mut first = connect_as(&mut node, "a");
    let mut other = connect_as(&mut node, "b");
    let mut second = connect_as(&mut node, "a");
    assert!(is_told(&mut first, &mut node));
    assert!(first.is_cut());
    assert!(!is_told(&mut other, &mut node));
    assert!(!is_told(&mut second, &mut node));
    // The end of the first does not free the identity, for it is the second's.
    first.close(&node);
    let third = connect_as(&mut node, "a");
    assert!(is_told(&mut second, &mut node));
    second.close(&node);
    third.close(&node);
    // Nobody has it any more.
    let mut fourth = connect_as(&mut node, "a");
    assert!(!is_told(&mut fourth, &mut node));
}

#[test]
fn who_takes_nothing_more_is_told_all_the_same() {
    let mut node = Node::new(settings());
    let mut first = connect_as(&mut node, "a");
    first.subscribe(&mut node, 1, topic("t"), SettleMode::Presettled);
    let mut publisher = node.connect();
    (0..100).for_each(|number| publisher.publish(&node, message("t", number)));
    assert!(!first.is_cut());
    let _second = connect_as(&mut node, "a");
    assert!(first.is_cut(), "whatever waits for its transport");
    // Nothing more is kept for it.
    publisher.publish(&node, message("t", 100));
    assert!(publisher.is_admitted(&node));
}

#[test]
fn an_identity_is_no_bar_to_connect_again() {
    let mut node = Node::new(settings());
    let mut client = connect_as(&mut node, "a");
    let connect = Connect {
        login: None,
        vhost: Vec::new(),
        identity: Some(b"a".as_slice().into()),
    };
    client.ok(&mut node, Command::Connect(Box::new(connect)));
    assert!(!is_told(&mut client, &mut node));
}
