//! PUB, SUB, XPUB, XSUB, RADIO, DISH.

use crate::{all, assert_empty, bound, connected, hwm, next, refused};
use barid_zmq::{
    Context, Dish, LongGroup, Message, OnFull, Pub, Radio, ReceiveError, SendRefusal, Sub,
    Subscriptions, XPub, XSub,
};

#[test]
fn subscribers_get_what_begins_as_they_want() {
    let context = Context::new();
    let publisher: Pub = bound(&context, "p");
    let topics = [vec![""], vec!["a"], vec!["ab", "a", "c"], vec![]];
    let subs = topics.map(|topics| {
        let sub: Sub = connected(&context, "p");
        for topic in topics {
            sub.subscribe(topic);
        }
        sub
    });
    for topic in ["a", "abc", "b", "c"] {
        publisher.try_send(topic).unwrap();
    }
    publisher.try_send(Message::from_iter(["x", "a"])).unwrap();
    let found = subs.each_ref().map(|sub| all(sub).join(" "));
    assert_eq!(found, ["a abc b c x|a", "a abc", "a abc c", ""]);
    assert_eq!(publisher.subscribers("abc"), 3);
    assert_eq!(publisher.subscribers(""), 1);
}

#[test]
fn a_subscription_ends_when_it_was_ended_as_often_as_made() {
    let context = Context::new();
    let publisher: Pub = bound(&context, "counted");
    let sub: Sub = connected(&context, "counted");
    sub.subscribe("a");
    sub.subscribe("a");
    assert!(sub.unsubscribe("a"));
    publisher.try_send("a1").unwrap();
    assert!(sub.unsubscribe("a"));
    assert!(!sub.unsubscribe("a"));
    publisher.try_send("a2").unwrap();
    assert_eq!(publisher.subscribers("a"), 0);
    // It is not wanted any more, though it was sent before that was said.
    assert_empty(&sub);
    assert_eq!(sub.counters().dropped_receives, 1);
}

#[test]
fn subscriptions_are_told_to_publishers_that_come_later() {
    let context = Context::new();
    let sub = Sub::new(&context);
    sub.subscribe("a");
    sub.connect("inproc://later-1").unwrap();
    sub.bind("inproc://later-2").unwrap();
    let publishers: [Pub; 2] = [bound(&context, "later-1"), connected(&context, "later-2")];
    for publisher in &publishers {
        publisher.try_send("a").unwrap();
        assert_eq!(next(&sub), ["a"]);
    }
}

#[test]
fn a_full_subscriber_loses_messages_alone() {
    let context = Context::new();
    let publisher = Pub::builder(&context).send_hwm(hwm(2)).build();
    publisher.bind("inproc://slow").unwrap();
    let slow = Sub::builder(&context).receive_hwm(hwm(2)).build();
    slow.connect("inproc://slow").unwrap();
    let quick: Sub = connected(&context, "slow");
    slow.subscribe("");
    quick.subscribe("");
    for index in 0..6 {
        publisher.try_send(index.to_string()).unwrap();
    }
    assert_eq!(all(&slow), ["0", "1", "2", "3"]);
    assert_eq!(all(&quick).len(), 6);
    assert_eq!(publisher.counters().dropped_sends, 2);
    publisher.try_send("6").unwrap();
    assert_eq!(all(&slow), ["6"]);
}

#[test]
fn a_publisher_may_wait_for_its_subscribers() {
    let context = Context::new();
    let publisher = XPub::builder(&context)
        .send_hwm(hwm(1))
        .on_full(OnFull::Block)
        .build();
    publisher.bind("inproc://blocking").unwrap();
    publisher.try_send("to nobody").unwrap();
    let slow = Sub::builder(&context).receive_hwm(hwm(1)).build();
    slow.connect("inproc://blocking").unwrap();
    let quick: Sub = connected(&context, "blocking");
    slow.subscribe("");
    quick.subscribe("");
    publisher.try_send("0").unwrap();
    publisher.try_send("1").unwrap();
    assert_eq!(refused(&publisher, "2"), SendRefusal::Full);
    assert_eq!(all(&quick), ["0", "1"], "nobody gets what not all can have");
    assert_eq!(all(&slow), ["0", "1"]);
    publisher.try_send("2").unwrap();
    publisher.try_send("3").unwrap();
    drop(slow);
    publisher.try_send("4").unwrap();
    assert_eq!(all(&quick), ["2", "3", "4"]);
}

fn told(publisher: &XPub) -> Vec<String> {
    let next = || {
        let message = publisher.try_recv().ok()?;
        let (first, topic) = message.first().split_first()?;
        Some(format!("{first}{}", String::from_utf8_lossy(topic)))
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn an_xpub_hands_out_the_subscriptions_that_are_asked_for() {
    let rows = [
        (Subscriptions::New, vec!["1a", "0a"]),
        (Subscriptions::Verbose, vec!["1a", "1a", "0a"]),
        (Subscriptions::Verboser, vec!["1a", "1a", "0a", "0a"]),
        (Subscriptions::Manual, vec!["1a", "1a", "0a", "0a"]),
    ];
    for (subscriptions, expected) in rows {
        let context = Context::new();
        let publisher = XPub::builder(&context).subscriptions(subscriptions).build();
        publisher.bind("inproc://xpub").unwrap();
        let subs: [Sub; 2] = std::array::from_fn(|_| connected(&context, "xpub"));
        for sub in &subs {
            sub.subscribe("a");
            assert_eq!(publisher.subscribers("-"), 0);
        }
        for sub in &subs {
            assert!(sub.unsubscribe("a"));
            assert_eq!(publisher.subscribers("-"), 0);
        }
        assert_eq!(told(&publisher), expected, "{subscriptions:?}");
    }
}

#[test]
fn the_end_of_a_subscriber_is_the_end_of_its_subscriptions() {
    for subscriptions in [
        Subscriptions::New,
        Subscriptions::Verboser,
        Subscriptions::Manual,
    ] {
        let context = Context::new();
        let publisher = XPub::builder(&context).subscriptions(subscriptions).build();
        publisher.bind("inproc://end").unwrap();
        let (first, second): (Sub, Sub) = (connected(&context, "end"), connected(&context, "end"));
        first.subscribe("a");
        first.subscribe("b");
        second.subscribe("b");
        assert_eq!(
            told(&publisher).len(),
            if subscriptions == Subscriptions::New {
                2
            } else {
                3
            }
        );
        drop(first);
        // Who hears of every beginning hears of every end.
        let ends: &[&str] = match subscriptions {
            Subscriptions::New => &["0a"],
            Subscriptions::Verbose | Subscriptions::Verboser | Subscriptions::Manual => {
                &["0a", "0b"]
            }
        };
        assert_eq!(told(&publisher), ends, "{subscriptions:?}");
        drop(second);
        assert_eq!(told(&publisher), ["0b"]);
    }
}

#[test]
fn in_manual_mode_the_user_decides() {
    let context = Context::new();
    let publisher = XPub::builder(&context)
        .subscriptions(Subscriptions::Manual)
        .build();
    publisher.bind("inproc://manual").unwrap();
    let sub: XSub = connected(&context, "manual");
    assert!(!publisher.grant("x"), "nobody has asked");
    sub.subscribe("a");
    assert_eq!(publisher.try_recv().unwrap().first(), b"\x01a");
    publisher.try_send("a").unwrap();
    assert_empty(&sub);
    assert!(publisher.grant("b"));
    publisher.try_send("a").unwrap();
    publisher.try_send("b").unwrap();
    assert_eq!(all(&sub), ["b"]);
    assert!(publisher.revoke("b"));
    publisher.try_send("b").unwrap();
    assert_empty(&sub);
}

#[test]
fn a_welcome_reaches_who_wants_it() {
    let context = Context::new();
    let publisher = XPub::builder(&context).welcome("hello").build();
    publisher.bind("inproc://welcome").unwrap();
    let subs: [Sub; 2] = std::array::from_fn(|_| Sub::new(&context));
    subs[0].subscribe("hello");
    subs[1].subscribe("other");
    for sub in &subs {
        sub.connect("inproc://welcome").unwrap();
    }
    publisher.try_send("-").unwrap();
    assert_eq!(subs.each_ref().map(|sub| all(sub).len()), [1, 0]);
}

#[test]
fn an_xsub_subscribes_by_messages_and_speaks_upstream() {
    let context = Context::new();
    let publisher: XPub = bound(&context, "xsub");
    let sub: XSub = connected(&context, "xsub");
    sub.try_send("\x01a").unwrap();
    sub.try_send("upstream").unwrap();
    sub.try_send("\x01a").unwrap();
    assert_eq!(publisher.try_recv().unwrap().first(), b"\x01a");
    assert_eq!(next(&publisher), ["upstream"]);
    assert_empty(&publisher);
    publisher.try_send("a").unwrap();
    assert_eq!(next(&sub), ["a"]);
    // It was subscribed to twice.
    sub.try_send("\x00a").unwrap();
    assert_empty(&publisher);
    sub.try_send("\x00a").unwrap();
    assert_eq!(publisher.try_recv().unwrap().first(), b"\x00a");
}

#[test]
fn the_newest_of_a_topic_is_kept_where_that_is_asked_for() {
    let context = Context::new();
    let publisher: Pub = bound(&context, "conflate");
    let sub = Sub::builder(&context).conflate(true).build();
    sub.connect("inproc://conflate").unwrap();
    sub.subscribe("");
    for index in 0..2000 {
        publisher.try_send(index.to_string()).unwrap();
    }
    assert_eq!(all(&sub), ["1999"]);
}

#[test]
fn groups_are_exact() {
    let context = Context::new();
    let radio: Radio = bound(&context, "radio");
    let dishes: [Dish; 2] = std::array::from_fn(|_| connected(&context, "radio"));
    assert!(dishes[0].join("movies").unwrap());
    assert!(!dishes[0].join("movies").unwrap());
    dishes[1].join("movies").unwrap();
    dishes[1].join("news").unwrap();
    for (group, body) in [
        ("movies", "m"),
        ("news", "n"),
        ("movie", "x"),
        ("moviestar", "y"),
    ] {
        radio.try_send_group(group, body).unwrap();
    }
    let bodies = |dish: &Dish| {
        let next = || dish.try_recv_group().ok().map(|message| message.body);
        std::iter::from_fn(next).collect::<Vec<_>>()
    };
    assert_eq!(dishes.each_ref().map(bodies), [vec!["m"], vec!["m", "n"]]);
    assert!(dishes[0].leave("movies"));
    assert!(!dishes[0].leave("movies"));
    assert_eq!(radio.subscribers("movies"), 1);
    radio.try_send_group("movies", "m").unwrap();
    assert_eq!(dishes[0].try_recv_group(), Err(ReceiveError::Empty));
    assert!(matches!(dishes[0].join(vec![b'x'; 256]), Err(LongGroup(_))));
    let error = radio.try_send_group(vec![b'x'; 256], "y").unwrap_err();
    assert_eq!(error.reason, SendRefusal::LongGroup);
}

#[test]
fn what_waits_for_the_user_of_an_xpub_has_its_limit() {
    let context = Context::new();
    let publisher: XPub = bound(&context, "all");
    let subscriber: XSub = connected(&context, "all");
    for _ in 0..80 {
        subscriber.try_send(vec![b'x'; 1 << 20]).unwrap();
    }
    let dropped = publisher.counters().dropped_receives;
    let received = all(&publisher).len();
    assert!(received <= 64, "{received} MiB wait");
    assert_eq!(
        u64::try_from(received).unwrap() + publisher.counters().dropped_receives,
        80,
        "{dropped} before"
    );
    // Room comes back.
    subscriber.try_send("x").unwrap();
    assert_eq!(next(&publisher), ["x"]);
}

#[test]
fn in_manual_mode_nothing_is_granted_to_who_is_gone() {
    let context = Context::new();
    let publisher = XPub::builder(&context)
        .subscriptions(Subscriptions::Manual)
        .build();
    publisher.bind("inproc://manual").unwrap();
    let subscriber: XSub = connected(&context, "manual");
    subscriber.subscribe("a");
    assert_eq!(publisher.subscribers("a"), 0);
    drop(subscriber);
    assert_eq!(next(&publisher), ["\u{1}a"]);
    assert!(!publisher.grant("a"));
    assert_eq!(publisher.subscribers("a"), 0);
}
