//! What goes through, for each type of socket.

use crate::{LONG, TRANSPORTS, bound, connected, message, recv, send};
use barid_zmq::{
    Channel, Client, Context, Dealer, Dish, Frame, Gather, Hwm, Message, Pair, Peer, Pub, Pull,
    Push, Radio, Rep, Req, Router, Scatter, Server, Sub, XPub, XSub,
};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

#[test]
fn messages_of_every_size_arrive_whole_and_in_order() {
    let sizes = [
        0,
        1,
        54,
        55,
        255,
        256,
        1023,
        1024,
        8191,
        8192,
        65_535,
        65_536,
        1 << 20,
    ];
    for transport in TRANSPORTS {
        let (pull, endpoint) = bound::<barid_zmq::kinds::Pull>(transport);
        let push: Push = connected(&endpoint);
        let sender = thread::spawn(move || {
            for (index, size) in sizes.into_iter().enumerate() {
                let byte = u8::try_from(index).unwrap();
                send(&push, vec![byte; size]);
                send(
                    &push,
                    Message::from_iter([vec![byte; size], vec![], vec![byte; 3]]),
                );
            }
            push.blocking().close()
        });
        for (index, size) in sizes.into_iter().enumerate() {
            let byte = u8::try_from(index).unwrap();
            assert!(recv(&pull) == Message::from(vec![byte; size]), "{size}");
            assert!(
                recv(&pull) == Message::from_iter([vec![byte; size], vec![], vec![byte; 3]]),
                "{size}"
            );
        }
        assert_eq!(sender.join().unwrap().messages, 0);
    }
}

#[test]
fn many_messages_pass_a_narrow_pipe() {
    for transport in TRANSPORTS {
        let pull = Pull::builder(&Context::new())
            .receive_hwm(Hwm::messages(3))
            .build();
        let endpoint = pull.bind(transport).unwrap();
        let push = Push::builder(&Context::new())
            .send_hwm(Hwm::messages(2))
            .build();
        push.connect(&endpoint).unwrap();
        let sender = thread::spawn(move || {
            for index in 0..20_000_u32 {
                send(&push, index.to_be_bytes().as_slice());
            }
            push.blocking().close()
        });
        for index in 0..20_000_u32 {
            assert_eq!(recv(&pull), Message::from(index.to_be_bytes().as_slice()));
        }
        sender.join().unwrap();
    }
}

#[test]
fn large_messages_follow_each_other_though_nothing_else_happens() {
    for transport in TRANSPORTS {
        let (pull, endpoint) = bound::<barid_zmq::kinds::Pull>(transport);
        let push: Push = connected(&endpoint);
        for _ in 0..20 {
            send(&push, vec![0; 1 << 20]);
        }
        for _ in 0..20 {
            assert_eq!(recv(&pull).byte_count(), 1 << 20);
        }
        drop(push);
    }
}

#[test]
fn connections_of_several_threads_meet_in_one_socket() {
    for transport in TRANSPORTS {
        let pull = Pull::new(&Context::with_io_threads(3));
        let endpoint = pull.bind(transport).unwrap();
        let context = Context::with_io_threads(2);
        let senders: Vec<_> = (0..6_usize)
            .map(|sender| {
                let push = Push::new(&context);
                push.connect(&endpoint).unwrap();
                thread::spawn(move || {
                    for index in 0..2000_usize {
                        send(&push, format!("{sender} {index}"));
                    }
                    push.blocking().close()
                })
            })
            .collect();
        let mut next = [0; 6];
        let (mut batch, mut count) = (Vec::new(), 0);
        while count < 12_000 {
            count += pull.blocking().recv_many(&mut batch, 100).unwrap();
            for message in batch.drain(..) {
                let text = String::from_utf8(message.first().to_vec()).unwrap();
                let (sender, index) = text.split_once(' ').unwrap();
                let next = &mut next[sender.parse::<usize>().unwrap()];
                assert_eq!(index.parse(), Ok(*next), "each sender's are in order");
                *next += 1;
            }
        }
        for sender in senders {
            assert_eq!(sender.join().unwrap().messages, 0);
        }
    }
}

#[test]
fn requests_are_replied_to() {
    for transport in TRANSPORTS {
        let (rep, endpoint) = bound::<barid_zmq::kinds::Rep>(transport);
        let rep: Rep = rep;
        let req: Req = connected(&endpoint);
        for _ in 0..100 {
            send(&req, message(&["a", "b"]));
            assert_eq!(recv(&rep), message(&["a", "b"]));
            send(&rep, "c");
            assert_eq!(recv(&req), Message::from("c"));
        }
    }
}

/// More than the system takes at once, which the thread that sends begins to write and the connection goes on with.
#[test]
fn requests_and_replies_of_every_size_are_written_whole() {
    for transport in TRANSPORTS {
        let (rep, endpoint) = bound(transport);
        let rep: Rep = rep;
        let sizes = [1, 8_000_000, 70_000, 3, 600_000, 0, 8_192];
        thread::scope(|scope| {
            for client in 0..3_u8 {
                let endpoint = &endpoint;
                scope.spawn(move || {
                    let req: Req = connected(endpoint);
                    for size in sizes {
                        let request = vec![client; size];
                        send(&req, request.clone());
                        let reply = recv(&req);
                        assert_eq!(reply.len(), 2);
                        assert!(reply.frames()[0] == request, "{size} of {client}");
                        assert!(reply.frames()[1] == request, "{size} of {client}");
                    }
                });
            }
            for _ in 0..3 * sizes.len() {
                let request = recv(&rep).pop_front().unwrap();
                send(&rep, Message::from_iter([request.clone(), request]));
            }
        });
    }
}

/// Of those that send, and the connection that reads, each finds another one writing again and again: what it leaves to that
/// one is written, though nothing comes after it.
#[test]
fn requests_of_several_threads_are_all_written() {
    const ROUNDS: usize = 2000;
    for transport in TRANSPORTS {
        let (router, endpoint) = bound(transport);
        let router: Router = router;
        let req = Req::builder(&Context::new()).relaxed(true).build();
        req.connect(&endpoint).unwrap();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for sender in 0..3_u8 {
                let (req, start) = (&req, &start);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        start.wait();
                        send(req, vec![sender; 5 + 300 * usize::from(sender)]);
                    }
                });
            }
            for round in 0..ROUNDS {
                start.wait();
                let mut senders = BTreeSet::new();
                for _ in 0..3 {
                    let request = recv(&router);
                    senders.insert(request.frames()[2][0]);
                    // Nobody waits for it, but to read it wakes the connection.
                    if round % 2 == 0 {
                        router.try_send(request).unwrap();
                    }
                }
                assert_eq!(senders.len(), 3);
            }
        });
    }
}

#[test]
fn a_router_is_told_names_on_the_wire() {
    for transport in TRANSPORTS {
        let (router, endpoint) = bound::<barid_zmq::kinds::Router>(transport);
        let dealer = Dealer::builder(&Context::new())
            .routing_id("anna")
            .unwrap()
            .build();
        dealer.connect(&endpoint).unwrap();
        send(&dealer, message(&["", "q"]));
        assert_eq!(recv(&router), message(&["anna", "", "q"]));
        send(&router, message(&["anna", "", "r"]));
        assert_eq!(recv(&dealer), message(&["", "r"]));
        let nameless: Dealer = connected(&endpoint);
        send(&nameless, "x");
        let mut found = recv(&router);
        let id = found.pop_front().unwrap();
        assert_eq!((id.len(), id[0]), (5, 0));
        send(&router, Message::from(vec![id, Frame::from("y")]));
        assert_eq!(recv(&nameless), Message::from("y"));
    }
}

#[test]
fn routers_know_those_that_they_connect_to_by_what_they_say() {
    let context = Context::new();
    let left = Router::builder(&context)
        .routing_id("left")
        .unwrap()
        .build();
    let endpoint = left.bind("tcp://127.0.0.1:*").unwrap();
    let right = Router::builder(&Context::new())
        .routing_id("right")
        .unwrap()
        .mandatory(true)
        .build();
    right.connect(&endpoint).unwrap();
    assert!(left.blocking().wait_connected(1, LONG).unwrap());
    assert!(right.blocking().wait_connected(1, LONG).unwrap());
    send(&right, message(&["left", "hi"]));
    assert_eq!(recv(&left), message(&["right", "hi"]));
    send(&left, message(&["right", "ho"]));
    assert_eq!(recv(&right), message(&["left", "ho"]));
    let given = Router::new(&Context::new());
    given.connect_as(&endpoint, "given").unwrap();
    send(&given, message(&["given", "hi"]));
    assert_eq!(recv(&left).frames()[1], "hi");
}

#[test]
fn subscriptions_reach_publishers_that_bind_and_that_connect() {
    for transport in TRANSPORTS {
        let (publisher, endpoint) = bound::<barid_zmq::kinds::Pub>(transport);
        let publisher: Pub = publisher;
        let sub: Sub = connected(&endpoint);
        sub.subscribe("a");
        assert!(publisher.blocking().wait_subscribed("a", 1, LONG).unwrap());
        publisher.try_send("b1").unwrap();
        publisher.try_send(message(&["a1", "x"])).unwrap();
        assert_eq!(recv(&sub), message(&["a1", "x"]));
        sub.subscribe("b");
        assert!(publisher.blocking().wait_subscribed("b", 1, LONG).unwrap());
        sub.unsubscribe("a");
        while publisher.subscribers("a") > 0 {
            thread::yield_now();
        }
        publisher.try_send("a2").unwrap();
        publisher.try_send("b2").unwrap();
        assert_eq!(recv(&sub), Message::from("b2"));

        let (sub, endpoint) = bound::<barid_zmq::kinds::Sub>(transport);
        sub.subscribe("");
        let publisher: Pub = connected(&endpoint);
        assert!(publisher.blocking().wait_subscribed("x", 1, LONG).unwrap());
        publisher.try_send("x").unwrap();
        assert_eq!(recv(&sub), Message::from("x"));
    }
}

#[test]
fn an_xpub_hears_subscriptions_and_messages() {
    let (publisher, endpoint) = bound::<barid_zmq::kinds::XPub>("tcp://127.0.0.1:*");
    let publisher: XPub = publisher;
    let sub: XSub = connected(&endpoint);
    send(&sub, "\x01a");
    assert_eq!(recv(&publisher), Message::from("\x01a"));
    send(&sub, "upstream");
    assert_eq!(recv(&publisher), Message::from("upstream"));
    send(&publisher, "a");
    assert_eq!(recv(&sub), Message::from("a"));
    drop(sub);
    assert_eq!(recv(&publisher), Message::from("\x00a"));
}

#[test]
fn pairs_and_channels_go_both_ways() {
    for transport in TRANSPORTS {
        let (left, endpoint) = bound::<barid_zmq::kinds::Pair>(transport);
        let right: Pair = connected(&endpoint);
        send(&right, "r");
        assert_eq!(recv(&left), Message::from("r"));
        send(&left, message(&["l", "l"]));
        assert_eq!(recv(&right), message(&["l", "l"]));
        let (left, endpoint) = bound::<barid_zmq::kinds::Channel>(transport);
        let right: Channel = connected(&endpoint);
        send(&right, "r");
        assert_eq!(recv(&left), Message::from("r"));
        send(&left, "l");
        assert_eq!(recv(&right), Message::from("l"));
    }
}

#[test]
fn the_newer_types_speak() {
    for transport in TRANSPORTS {
        let (server, endpoint) = bound::<barid_zmq::kinds::Server>(transport);
        let server: Server = server;
        let client: Client = connected(&endpoint);
        send(&client, "q");
        let (from, body) = server.blocking().recv_from_timeout(LONG).unwrap();
        assert_eq!(body, "q");
        server.try_send_to(from, "r").unwrap();
        assert_eq!(recv(&client), Message::from("r"));

        let (gather, endpoint) = bound::<barid_zmq::kinds::Gather>(transport);
        let gather: Gather = gather;
        let scatter: Scatter = connected(&endpoint);
        send(&scatter, "s");
        assert_eq!(recv(&gather), Message::from("s"));

        let (radio, endpoint) = bound::<barid_zmq::kinds::Radio>(transport);
        let radio: Radio = radio;
        let dish: Dish = connected(&endpoint);
        dish.join("movies").unwrap();
        assert!(radio.blocking().wait_subscribed("movies", 1, LONG).unwrap());
        radio.try_send_group("news", "n").unwrap();
        radio.try_send_group("movies", vec![7; 20_000]).unwrap();
        let found = dish.blocking().recv_group_timeout(LONG).unwrap();
        assert_eq!(found.group, "movies");
        assert!(found.body == [7; 20_000]);

        let (left, endpoint) = bound::<barid_zmq::kinds::Peer>(transport);
        let left: Peer = left;
        let right = Peer::new(&Context::new());
        let number = right.connect_peer(&endpoint).unwrap();
        right.try_send_to(number, "hi").unwrap();
        let (from, body) = left.blocking().recv_from_timeout(LONG).unwrap();
        assert_eq!(body, "hi");
        left.try_send_to(from, "ho").unwrap();
        assert_eq!(
            right.blocking().recv_from_timeout(LONG).unwrap(),
            (number, "ho".into())
        );
    }
}

#[test]
fn a_name_that_is_no_file_is_a_place_too() {
    let name = format!("ipc://@barid-zmq-test-{}", std::process::id());
    let (pull, endpoint) = bound::<barid_zmq::kinds::Pull>(&name);
    let push: Push = connected(&endpoint);
    send(&push, "a");
    assert_eq!(recv(&pull), Message::from("a"));
}

#[tokio::test]
async fn tasks_of_another_runtime_wait_for_sockets() {
    let (rep, endpoint) = bound::<barid_zmq::kinds::Rep>("tcp://127.0.0.1:*");
    let req: Req = connected(&endpoint);
    let server = tokio::spawn(async move {
        while let Ok(request) = rep.recv().await {
            rep.send(request).await.unwrap();
        }
    });
    for index in 0..500 {
        req.send(index.to_string()).await.unwrap();
        assert_eq!(req.recv().await.unwrap(), Message::from(index.to_string()));
    }
    server.abort();
}
