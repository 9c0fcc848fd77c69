//! PUSH, PULL, SCATTER, GATHER, PAIR, CHANNEL.

use crate::{all, assert_empty, bound, connected, hwm, next, refused};
use barid_zmq::{
    Channel, Context, Gather, Hwm, Message, OnFull, Pair, Pull, Push, Scatter, SendRefusal,
};

#[test]
fn messages_go_to_peers_in_turn_and_stay_in_order() {
    let context = Context::new();
    let pulls: [Pull; 3] = ["a", "b", "c"].map(|name| bound(&context, name));
    let push = Push::new(&context);
    for name in ["a", "b", "c"] {
        push.connect(format!("inproc://{name}")).unwrap();
    }
    for index in 0..6 {
        push.try_send(index.to_string()).unwrap();
    }
    assert_eq!(
        pulls.each_ref().map(all),
        [["0", "3"], ["1", "4"], ["2", "5"]]
    );
}

#[test]
fn a_peer_without_room_is_left_out_until_it_has_some() {
    let context = Context::new();
    let slow = Pull::builder(&context).receive_hwm(hwm(1)).build();
    slow.bind("inproc://slow").unwrap();
    let quick: Pull = bound(&context, "quick");
    let push = Push::builder(&context).send_hwm(hwm(1)).build();
    push.connect("inproc://slow").unwrap();
    push.connect("inproc://quick").unwrap();
    for index in 0..8 {
        push.try_send(index.to_string()).unwrap();
    }
    // Two have room with the slow one: one on each side.
    assert_eq!(all(&quick), ["1", "3", "4", "5", "6", "7"]);
    assert_eq!(all(&slow), ["0", "2"]);
    push.try_send("8").unwrap();
    push.try_send("9").unwrap();
    let (slow, quick) = (all(&slow), all(&quick));
    assert_eq!((slow.len(), quick.len()), (1, 1), "{slow:?} {quick:?}");
}

#[test]
fn empty_frames_take_room() {
    let context = Context::new();
    let small = Hwm {
        messages: 0,
        bytes: 1 << 20,
    };
    let pull = Pull::builder(&context).receive_hwm(small).build();
    pull.bind("inproc://small").unwrap();
    let push = Push::builder(&context).send_hwm(small).build();
    push.connect("inproc://small").unwrap();
    let empty = Message::from_iter([""; 1000]);
    let sent = (0..100).take_while(|_| push.try_send(empty.clone()).is_ok());
    // Each counts 64,000 bytes, and there is room on both sides.
    assert_eq!(sent.count(), 33);
}

#[test]
fn without_a_peer_or_room_sending_is_refused_or_drops() {
    let context = Context::new();
    let push = Push::new(&context);
    let error = push.try_send("kept").unwrap_err();
    assert_eq!(
        (error.reason, error.message),
        (SendRefusal::Full, Message::from("kept"))
    );
    let dropping = Push::builder(&context).on_full(OnFull::Drop).build();
    dropping.try_send("gone").unwrap();
    assert_eq!(dropping.counters().dropped_sends, 1);
}

#[test]
fn messages_wait_for_who_binds_later() {
    let context = Context::new();
    let push = Push::builder(&context).send_hwm(hwm(3)).build();
    push.connect("inproc://later").unwrap();
    for index in 0..3 {
        push.try_send(index.to_string()).unwrap();
    }
    assert_eq!(refused(&push, "3"), SendRefusal::Full);
    assert_eq!(push.connected(), 0);
    let pull: Pull = bound(&context, "later");
    assert_eq!(all(&pull), ["0", "1", "2"]);
    assert_eq!((push.connected(), pull.connected()), (1, 1));
    push.try_send("4").unwrap();
    assert_eq!(all(&pull), ["4"]);
}

#[test]
fn messages_come_from_peers_fairly() {
    let context = Context::new();
    let pull: Pull = bound(&context, "sink");
    let pushes: [Push; 3] = std::array::from_fn(|_| connected(&context, "sink"));
    for (index, push) in pushes.iter().enumerate() {
        for round in 0..3 {
            push.try_send(format!("{index}{round}")).unwrap();
        }
    }
    let found = all(&pull);
    for round in 0..3 {
        let mut one: Vec<_> = found[3 * round..3 * round + 3].to_vec();
        one.sort();
        let expected = [0, 1, 2].map(|index| format!("{index}{round}"));
        assert_eq!(one, expected, "{found:?}");
    }
}

#[test]
fn many_parts_are_one_message() {
    let context = Context::new();
    let pull: Pull = bound(&context, "parts");
    let push: Push = connected(&context, "parts");
    push.try_send(Message::from_iter(["a", "", "c"])).unwrap();
    push.try_send(Message::new()).unwrap();
    assert_eq!(next(&pull), ["a", "", "c"]);
    assert_eq!(next(&pull), [""]);
    assert_empty(&pull);
}

#[test]
fn the_newest_message_is_kept_where_that_is_asked_for() {
    let context = Context::new();
    let pull = Pull::builder(&context).conflate(true).build();
    pull.bind("inproc://newest").unwrap();
    let push: Push = connected(&context, "newest");
    for index in 0..3000 {
        push.try_send(index.to_string()).unwrap();
    }
    assert_eq!(all(&pull), ["2999"]);
}

#[test]
fn scatter_and_gather_have_one_frame() {
    let context = Context::new();
    let gather: Gather = bound(&context, "one");
    let scatter: Scatter = connected(&context, "one");
    assert_eq!(
        refused(&scatter, Message::from_iter(["a", "b"])),
        SendRefusal::ManyFrames
    );
    scatter.try_send("a").unwrap();
    assert_eq!(next(&gather), ["a"]);
}

#[test]
fn a_pair_has_one_peer() {
    let context = Context::new();
    let left: Pair = bound(&context, "pair");
    let right: Pair = connected(&context, "pair");
    left.try_send("l").unwrap();
    right.try_send("r").unwrap();
    assert_eq!(
        (next(&left), next(&right)),
        (vec!["r".to_owned()], vec!["l".to_owned()])
    );
    let third: Pair = connected(&context, "pair");
    assert_eq!(
        refused(&third, "no"),
        SendRefusal::Full,
        "it was turned away"
    );
    left.try_send("still").unwrap();
    assert_eq!(next(&right), ["still"]);
    // What the peer has left is read, and the next one is let in.
    right.try_send("last").unwrap();
    drop(right);
    let next_peer: Pair = connected(&context, "pair");
    next_peer.try_send("first").unwrap();
    assert_eq!(next(&left), ["last"]);
    assert_eq!(next(&left), ["first"]);
    left.try_send("hello").unwrap();
    assert_eq!(next(&next_peer), ["hello"]);
}

#[test]
fn a_channel_is_a_pair_of_one_frame() {
    let context = Context::new();
    let left: Channel = bound(&context, "channel");
    let right: Channel = connected(&context, "channel");
    assert_eq!(
        refused(&left, Message::from_iter(["a", "b"])),
        SendRefusal::ManyFrames
    );
    left.try_send("l").unwrap();
    assert_eq!(next(&right), ["l"]);
}
