//! What peers may take of a socket's memory and time, whatever they do.

use crate::{LONG, bound, recv, send};
use barid_zmq::{Context, Counters, Dealer, Dish, Heartbeat, Hwm, Kind, MonitorEvent};
use barid_zmq::{Message, Pub, Pull, Push, Radio, Socket, Stream, Sub, kinds};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long a transport must take nothing to count as one that does not.
const STUCK: Duration = Duration::from_millis(500);
/// More than the system keeps of a connection for both sides.
const FLOOD_BYTES: usize = 64 << 20;

/// A peer that has shaken hands, and does then as it likes.
fn raw(endpoint: &barid_zmq::Endpoint, socket_type: &str) -> TcpStream {
    let address = endpoint.to_string();
    let mut stream = TcpStream::connect(address.trim_start_matches("tcp://")).unwrap();
    stream.set_write_timeout(Some(STUCK)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    shake_hands(&mut stream, socket_type);
    stream
}

fn shake_hands(stream: &mut TcpStream, socket_type: &str) {
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xFF, 0x7F, 3, 1);
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    let mut ready = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
    let len = |bytes: usize| u8::try_from(bytes).unwrap();
    ready.push(len(socket_type.len()));
    ready.extend_from_slice(socket_type.as_bytes());
    stream.write_all(&[4, len(ready.len())]).unwrap();
    stream.write_all(&ready).unwrap();
    let mut theirs = [0; 64];
    stream.read_exact(&mut theirs).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut rest = vec![0; head[1].into()];
    stream.read_exact(&mut rest).unwrap();
    assert!(rest.starts_with(b"\x05READY"), "{rest:?}");
}

/// Writes the same again and again, until the other side takes no more.
#[track_caller]
fn flood(stream: &mut TcpStream, piece: &[u8]) {
    let pieces = piece.repeat(1 + 65_536 / piece.len());
    let mut sent = 0;
    loop {
        match stream.write(&pieces) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < FLOOD_BYTES, "somebody keeps it all");
    }
}

#[test]
fn who_asks_and_does_not_read_is_not_read_from() {
    let (pull, endpoint) = bound::<kinds::Pull>("tcp://127.0.0.1:*");
    let mut stream = raw(&endpoint, "PUSH");
    flood(&mut stream, b"\x04\x17\x04PING\x00\x000123456789abcdef");
    assert_eq!(pull.connected(), 1);
    let push: Push = crate::connected(&endpoint);
    send(&push, "fine");
    assert_eq!(recv(&pull), "fine".into());
}

#[test]
fn a_closed_socket_that_still_sends_keeps_nothing_of_what_comes() {
    let dealer = Dealer::builder(&Context::new())
        .receive_hwm(Hwm::messages(10))
        .linger(None)
        .build();
    let endpoint = dealer.bind("tcp://127.0.0.1:*").unwrap();
    let mut stream = raw(&endpoint, "DEALER");
    // Until the transport takes no more: some of it is left when the socket is dropped.
    while dealer
        .blocking()
        .send_timeout(vec![0; 1 << 20], STUCK)
        .is_ok()
    {}
    drop(dealer);
    let mut message = vec![2, 0, 0, 0, 0, 0, 0, 3, 232];
    message.resize(9 + 1000, b'x');
    flood(&mut stream, &message);
}

#[test]
fn nor_does_a_closed_stream() {
    let socket = Stream::builder(&Context::new())
        .receive_hwm(Hwm::messages(10))
        .linger(None)
        .build();
    let endpoint = socket.bind("tcp://127.0.0.1:*").unwrap();
    let address = endpoint.to_string();
    let mut stream = TcpStream::connect(address.trim_start_matches("tcp://")).unwrap();
    stream.set_write_timeout(Some(STUCK)).unwrap();
    let id = recv(&socket).into_frames().remove(0);
    for _ in 0..50 {
        let piece = Message::from(vec![id.clone(), vec![0; 1 << 20].into()]);
        if socket.blocking().send_timeout(piece, STUCK).is_err() {
            break;
        }
    }
    drop(socket);
    flood(&mut stream, &[b'x'; 1000]);
}

#[test]
fn a_peer_whose_messages_wait_for_the_socket_is_not_dead() {
    let heartbeat = Heartbeat {
        interval: Duration::from_millis(10),
        timeout: Duration::from_millis(20),
        ttl: None,
    };
    let pull = Pull::builder(&Context::new())
        .receive_hwm(Hwm::messages(1))
        .heartbeat(Some(heartbeat))
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let push = Push::builder(&Context::new())
        .send_hwm(Hwm::messages(1))
        .reconnect(None)
        .build();
    push.connect(&endpoint).unwrap();
    let mut sent = 0;
    while push
        .blocking()
        .send_timeout(vec![0; 1 << 20], STUCK)
        .is_ok()
    {
        sent += 1;
    }
    assert_eq!(pull.connected(), 1, "behind {sent} messages");
    for _ in 0..sent {
        assert_eq!(recv(&pull).byte_count(), 1 << 20);
    }
}

#[test]
fn a_file_that_another_socket_has_made_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let endpoint = format!("ipc://{}", path.display());
    let (first, _) = bound::<kinds::Pull>(&endpoint);
    std::fs::remove_file(&path).unwrap();
    let (second, endpoint) = bound::<kinds::Pull>(&endpoint);
    first.blocking().close();
    let push: Push = crate::connected(&endpoint);
    send(&push, "here");
    assert_eq!(recv(&second), "here".into());
    second.blocking().close();
    assert!(!path.exists(), "its own it takes along");
}

/// Who has no pause to speak of, and none at all.
#[test]
fn any_pause_can_be_set() {
    let reconnect = barid_zmq::Reconnect {
        first: Duration::MAX,
        max: Duration::MAX,
    };
    let push = Push::builder(&Context::new())
        .reconnect(Some(reconnect))
        .build();
    let mut events = push.monitor();
    // Nobody listens where somebody did.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    push.connect(format!("tcp://{address}")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let event = runtime.block_on(events.next());
    assert!(
        matches!(event, Some(MonitorEvent::ConnectRetried { .. })),
        "{event:?}"
    );
}

/// Looks until it is as it should be; gives up after about a minute.
#[track_caller]
fn wait(mut is_so: impl FnMut() -> bool) {
    let looks = (0..50_000_000).find(|_| {
        let is_over = is_so();
        std::thread::yield_now();
        is_over
    });
    assert!(looks.is_some(), "it does not come to that");
}

/// Waits until something was counted.
#[track_caller]
fn wait_counted<K: Kind>(socket: &Socket<K>, count: impl Fn(Counters) -> u64, expected: u64) {
    wait(|| count(socket.counters()) >= expected);
    assert_eq!(count(socket.counters()), expected);
}

#[track_caller]
fn wait_gone<K: Kind>(socket: &Socket<K>, left: usize) {
    wait(|| socket.connected() <= left);
}

#[test]
fn as_many_peers_are_let_in_as_may_be() {
    let pull = Pull::builder(&Context::new()).connections_max(2).build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let [first, second]: [Push; 2] = std::array::from_fn(|_| crate::connected(&endpoint));
    assert!(pull.blocking().wait_connected(2, LONG).unwrap());
    let third: Push = crate::connected(&endpoint);
    send(&third, "third");
    wait_counted(&pull, |it| it.accept_pauses, 1);
    assert_eq!((pull.connected(), third.connected()), (2, 0));
    for push in [&first, &second] {
        send(push, "in");
        assert_eq!(recv(&pull), "in".into());
    }
    first.blocking().close();
    assert_eq!(recv(&pull), "third".into());
}

/// Who sends, goes and comes again does not fill the memory of who does not receive.
#[test]
fn what_peers_have_left_counts_until_it_is_received() {
    let pull = Pull::builder(&Context::new())
        .departed_max(Hwm::messages(4))
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let comes_and_goes = || {
        let push: Push = crate::connected(&endpoint);
        assert!(push.blocking().wait_connected(1, LONG).unwrap());
        send(&push, "1");
        send(&push, "2");
        assert_eq!(push.blocking().close().messages, 0);
        wait_gone(&pull, 0);
    };
    comes_and_goes();
    comes_and_goes();
    let third: Push = crate::connected(&endpoint);
    send(&third, "3");
    wait_counted(&pull, |it| it.accept_pauses, 1);
    assert_eq!(third.connected(), 0);
    let received: Vec<_> = (0..5).map(|_| recv(&pull)).collect();
    assert_eq!(received.last(), Some(&"3".into()));
    third.blocking().close();
    // All room is there again.
    wait_gone(&pull, 0);
    comes_and_goes();
    comes_and_goes();
    assert_eq!(pull.counters().accept_pauses, 1);
}

#[test]
fn who_only_connects_makes_room_for_who_comes() {
    let pull = Pull::builder(&Context::new())
        .handshakes_max(2)
        .handshake_timeout(None)
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let address = endpoint.to_string();
    let silent = || {
        let stream = TcpStream::connect(address.trim_start_matches("tcp://")).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    };
    let mut streams = [silent(), silent(), silent()];
    wait_counted(&pull, |it| it.cut_handshakes, 1);
    let mut rest = Vec::new();
    streams[0].read_to_end(&mut rest).unwrap();
    let push: Push = crate::connected(&endpoint);
    send(&push, "in");
    assert_eq!(recv(&pull), "in".into());
    wait_counted(&pull, |it| it.cut_handshakes, 2);
    // Who has shaken hands is not among them.
    let _more = [silent(), silent(), silent()];
    wait_counted(&pull, |it| it.cut_handshakes, 4);
    send(&push, "still in");
    assert_eq!(recv(&pull), "still in".into());
}

#[test]
fn a_subscriber_may_want_so_much() {
    let publisher = Pub::builder(&Context::new())
        .subscriptions_max(10, 100)
        .build();
    let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap();
    let subscriber = || {
        let sub = Sub::builder(&Context::new()).reconnect(None).build();
        sub.connect(&endpoint).unwrap();
        sub
    };
    let (fine, many, long) = (subscriber(), subscriber(), subscriber());
    assert!(publisher.blocking().wait_connected(3, LONG).unwrap());
    for number in 0..10 {
        // Twice the same is one, and one that is canceled is none.
        let topic = format!("topic{number}");
        fine.subscribe("canceled");
        fine.unsubscribe("canceled");
        fine.subscribe(topic.clone());
        many.subscribe(topic);
        if number == 5 {
            fine.subscribe("topic5");
        }
    }
    let is_subscribed = publisher
        .blocking()
        .wait_subscribed("topic8", 2, LONG)
        .unwrap();
    assert!(is_subscribed);
    many.subscribe("more");
    long.subscribe(vec![b'x'; 101]);
    wait_counted(&publisher, |it| it.cut_subscribers, 2);
    wait_gone(&publisher, 1);
    assert_eq!(publisher.subscribers("topic8"), 1);
    send(&publisher, "topic8 is there");
    assert_eq!(recv(&fine), "topic8 is there".into());
}

#[test]
fn a_dish_may_join_so_many_groups() {
    let radio = Radio::builder(&Context::new())
        .subscriptions_max(2, 100)
        .build();
    let endpoint = radio.bind("tcp://127.0.0.1:*").unwrap();
    let dish = Dish::builder(&Context::new()).reconnect(None).build();
    dish.connect(&endpoint).unwrap();
    for group in ["a", "b"] {
        dish.join(group).unwrap();
    }
    assert!(radio.blocking().wait_subscribed("b", 1, LONG).unwrap());
    dish.join("c").unwrap();
    wait_counted(&radio, |it| it.cut_subscribers, 1);
    wait_gone(&radio, 0);
    assert_eq!(radio.subscribers("a"), 0);
}

/// One that is connected to, sends, and goes again and again.
#[test]
fn what_a_server_has_left_counts_until_it_is_received() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pull = Pull::builder(&Context::new())
        .immediate(true)
        .reconnect(Some(barid_zmq::Reconnect {
            first: Duration::ZERO,
            max: Duration::ZERO,
        }))
        .departed_max(Hwm::messages(2))
        .build();
    pull.connect(format!("tcp://{}", listener.local_addr().unwrap()))
        .unwrap();
    let serve = || {
        let (mut stream, _) = listener.accept().unwrap();
        shake_hands(&mut stream, "PUSH");
        stream.write_all(&b"\0\x01x".repeat(2)).unwrap();
    };
    for round in 1..=3 {
        serve();
        wait_counted(&pull, |it| it.accept_pauses, round);
        for _ in 0..2 {
            assert_eq!(recv(&pull), "x".into());
        }
    }
}

/// A peer that has sent 2 MiB of a message that goes on; false if it was disconnected for that.
fn begin_message(stream: &mut TcpStream) -> bool {
    let mut frame = vec![3, 0, 0, 0, 0, 0, 32, 0, 0];
    frame.resize(9 + (2 << 20), b'x');
    frame.extend(b"\x04\x0a\x04PING\0\0end");
    let _may_be_cut = stream.write_all(&frame);
    let mut pong = [0; 10];
    match stream.read_exact(&mut pong) {
        Ok(()) => {
            assert_eq!(pong, *b"\x04\x08\x04PONGend");
            true
        }
        Err(error) => {
            let ends = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
            assert!(ends.contains(&error.kind()), "{error}");
            false
        }
    }
}

#[test]
fn messages_that_never_end_have_a_limit_together() {
    let pull = Pull::builder(&Context::new())
        .unfinished_max(4 << 20)
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let mut streams = [(); 2].map(|()| raw(&endpoint, "PUSH"));
    for stream in &mut streams {
        assert!(begin_message(stream));
    }
    assert!(!begin_message(&mut raw(&endpoint, "PUSH")));
    // What becomes whole makes room, and so does who goes.
    let [first, second] = &mut streams;
    first.write_all(b"\0\0").unwrap();
    assert_eq!(recv(&pull).byte_count(), 2 << 20);
    let mut third = raw(&endpoint, "PUSH");
    assert!(begin_message(&mut third));
    second.shutdown(std::net::Shutdown::Both).unwrap();
    wait(|| begin_message(&mut raw(&endpoint, "PUSH")));
}
