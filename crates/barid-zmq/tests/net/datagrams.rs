//! RADIO and DISH by datagrams, against plain UDP and each other.

use crate::LONG;
use barid_zmq::{
    BindError, ConnectError, Context, Dish, Endpoint, Hwm, Pub, Radio, ReceiveError, Sub,
};
use std::net::UdpSocket;
use std::time::Duration;

fn dish(endpoint: &str, groups: &[&'static str]) -> (Dish, Endpoint) {
    let dish = Dish::new(&Context::new());
    let endpoint = dish.bind(endpoint).unwrap();
    for group in groups {
        assert!(dish.join(*group).unwrap());
    }
    (dish, endpoint)
}

fn radio(endpoint: impl barid_zmq::ToEndpoint) -> Radio {
    let radio = Radio::new(&Context::new());
    radio.connect(endpoint).unwrap();
    radio
}

fn address(endpoint: &Endpoint) -> String {
    endpoint.to_string().trim_start_matches("udp://").to_owned()
}

#[track_caller]
fn recv(dish: &Dish) -> (Vec<u8>, Vec<u8>) {
    let message = dish.blocking().recv_group_timeout(LONG).unwrap();
    (message.group.to_vec(), message.body.to_vec())
}

#[test]
fn a_radio_sends_datagrams() {
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    listener.set_read_timeout(Some(LONG)).unwrap();
    let radio = radio(format!("udp://{}", listener.local_addr().unwrap()));
    assert_eq!(radio.subscribers("any"), 1);
    radio.blocking().send_group("news", "body").unwrap();
    radio.blocking().send_group("", "").unwrap();
    let mut datagram = [0; 100];
    let len = listener.recv(&mut datagram).unwrap();
    assert_eq!(datagram[..len], *b"\x04newsbody");
    let len = listener.recv(&mut datagram).unwrap();
    assert_eq!(datagram[..len], *b"\0");
    // The longest that libzmq takes, and one that is longer.
    radio.blocking().send_group("g", vec![1; 8191]).unwrap();
    radio.blocking().send_group("g", vec![1; 8190]).unwrap();
    let mut datagram = [0; 10_000];
    assert_eq!(listener.recv(&mut datagram).unwrap(), 8192);
    assert_eq!(radio.counters().dropped_sends, 1);
}

#[test]
fn a_dish_takes_what_it_has_joined_and_drops_what_is_malformed() {
    let (dish, endpoint) = dish("udp://127.0.0.1:*", &["news", "x"]);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = address(&endpoint);
    let long = [&b"\x01x"[..], &[7; 8190]].concat();
    for datagram in [
        &b"\x04newsbody"[..],
        b"\x05other",
        b"",
        b"\x09too",
        b"\x01y",
        &long,
        &[&long[..], b"!"].concat(),
    ] {
        sender.send_to(datagram, &address).unwrap();
    }
    sender.send_to(b"\x01xend", &address).unwrap();
    assert_eq!(recv(&dish), (b"news".to_vec(), b"body".to_vec()));
    assert_eq!(recv(&dish), (b"x".to_vec(), vec![7; 8190]));
    assert_eq!(recv(&dish), (b"x".to_vec(), b"end".to_vec()));
    // Three are malformed, two are of groups that it has not joined.
    assert_eq!(dish.counters().dropped_receives, 5);
    assert!(dish.leave("x"));
    sender.send_to(b"\x01xlate", &address).unwrap();
    sender.send_to(b"\x04newslater", &address).unwrap();
    assert_eq!(recv(&dish), (b"news".to_vec(), b"later".to_vec()));
}

#[test]
fn a_radio_reaches_a_dish_and_one_by_tcp_at_once() {
    let (by_udp, endpoint) = dish("udp://127.0.0.1:*", &["g"]);
    let (by_tcp, tcp) = dish("tcp://127.0.0.1:*", &["g"]);
    let radio = radio(&endpoint);
    radio.connect(&tcp).unwrap();
    assert!(radio.blocking().wait_subscribed("g", 2, LONG).unwrap());
    assert_eq!(radio.subscribers("other"), 1);
    radio.blocking().send_group("g", "to all").unwrap();
    assert_eq!(recv(&by_udp).1, b"to all");
    assert_eq!(recv(&by_tcp).1, b"to all");
    assert!(radio.disconnect(&endpoint).unwrap());
    assert_eq!(radio.subscribers("g"), 1);
}

#[test]
fn a_group_of_the_network_reaches_all_who_listen() {
    // A free port, which is not taken by anybody else while both listen.
    let (first, endpoint) = dish("udp://127.0.0.1;239.255.42.17:*", &["g"]);
    let (second, again) = dish(&endpoint.to_string(), &["g"]);
    assert_eq!(endpoint, again);
    let radio = radio(&endpoint);
    radio.blocking().send_group("g", "to all").unwrap();
    assert_eq!(recv(&first).1, b"to all");
    assert_eq!(recv(&second).1, b"to all");
}

/// Whoever listens to a group on one interface is not open to whoever reaches another.
#[test]
fn what_is_sent_to_the_host_is_not_sent_to_a_group() {
    let (dish, endpoint) = dish("udp://127.0.0.1;239.255.42.21:*", &["g"]);
    let address = address(&endpoint);
    let (_, port) = address.rsplit_once(':').unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sent = sender.send_to(b"\x01gto the host", format!("127.0.0.1:{port}"));
    assert_eq!(sent.unwrap(), 13);
    radio(&endpoint)
        .blocking()
        .send_group("g", "to the group")
        .unwrap();
    assert_eq!(recv(&dish).1, b"to the group");
}

#[test]
fn a_group_that_cannot_be_joined_is_told() {
    let dish = Dish::new(&Context::new());
    // No interface has that address.
    for _ in 0..2 {
        let bound = dish.bind("udp://192.0.2.1;239.255.42.22:5555");
        assert!(matches!(bound, Err(BindError::Io(_))), "{bound:?}");
    }
}

#[test]
fn a_full_dish_leaves_datagrams_to_the_system() {
    let dish = Dish::builder(&Context::new())
        .receive_hwm(Hwm::messages(2))
        .build();
    let endpoint = dish.bind("udp://127.0.0.1:*").unwrap();
    dish.join("g").unwrap();
    let radio = radio(&endpoint);
    for index in 0..20_u8 {
        radio.blocking().send_group("g", vec![index]).unwrap();
    }
    for index in 0..20 {
        assert_eq!(recv(&dish).1, [index]);
    }
}

#[test]
fn what_was_sent_goes_out_though_the_socket_closes_and_the_port_is_free_then() {
    let (receiver, endpoint) = dish("udp://127.0.0.1:*", &["g"]);
    let radio = radio(&endpoint);
    radio.blocking().send_group("g", "last").unwrap();
    assert_eq!(radio.blocking().close().messages, 0);
    assert_eq!(recv(&receiver).1, b"last");
    assert_eq!(receiver.blocking().close().messages, 0);
    let (again, _) = dish(&endpoint.to_string(), &["g"]);
    let timeout = Duration::from_millis(1);
    let found = again.blocking().recv_group_timeout(timeout);
    assert_eq!(found.err(), Some(ReceiveError::Empty));
    assert!(again.unbind(&endpoint).unwrap());
}

#[test]
fn only_a_radio_connects_and_only_a_dish_binds() {
    let context = Context::new();
    let (radio, dish) = (Radio::new(&context), Dish::new(&context));
    let (publisher, subscriber) = (Pub::new(&context), Sub::new(&context));
    let secret = Radio::builder(&context)
        .plain_client("anna", "secret")
        .unwrap()
        .build();
    let at = "udp://127.0.0.1:9";
    for refused in [
        radio.bind(at).unwrap_err(),
        publisher.bind(at).unwrap_err(),
        subscriber.bind(at).unwrap_err(),
    ] {
        assert!(matches!(refused, BindError::Unsuitable(_)), "{refused}");
    }
    for refused in [
        dish.connect(at).unwrap_err(),
        publisher.connect(at).unwrap_err(),
        subscriber.connect(at).unwrap_err(),
        secret.connect(at).unwrap_err(),
    ] {
        assert!(matches!(refused, ConnectError::Unsuitable(_)), "{refused}");
    }
    assert!(matches!(
        radio.connect("udp://*:9"),
        Err(ConnectError::Open(_))
    ));
}
