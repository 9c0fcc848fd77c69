//! What is still sent when a socket closes, and for how long.

use crate::{LONG, bound, connected, recv, send};
use barid_zmq::{Context, Hwm, Push};
use std::io::Read as _;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

#[test]
fn what_was_sent_arrives_though_the_socket_closes_at_once() {
    let (pull, endpoint) = bound::<barid_zmq::kinds::Pull>("tcp://127.0.0.1:*");
    let push: Push = connected(&endpoint);
    for index in 0..900 {
        send(&push, vec![u8::try_from(index % 256).unwrap(); 1000]);
    }
    drop(push);
    for index in 0..900 {
        assert_eq!(recv(&pull).first()[0], u8::try_from(index % 256).unwrap());
    }
}

#[test]
fn closing_says_what_nobody_took() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let push = Push::builder(&Context::new())
        .linger(Some(Duration::from_millis(20)))
        .build();
    push.connect(format!("tcp://{address}")).unwrap();
    for _ in 0..7 {
        send(&push, "unsent");
    }
    assert_eq!(push.blocking().close().messages, 7);
}

#[test]
fn a_peer_that_does_not_read_holds_a_closing_socket_no_longer_than_its_linger_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let push = Push::builder(&Context::new())
        .linger(Some(Duration::from_millis(50)))
        .send_hwm(Hwm::UNLIMITED)
        .build();
    push.connect(format!("tcp://{address}")).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    // It shakes hands as a PULL of 3.0 does, and then reads no more.
    let greeting = shake_hands_as_pull(&mut stream);
    assert_eq!(greeting[0], 0xFF);
    assert!(push.blocking().wait_connected(1, LONG).unwrap());
    for _ in 0..200 {
        send(&push, vec![0; 100_000]);
    }
    assert!(push.blocking().close().messages > 0);
}

fn shake_hands_as_pull(stream: &mut std::net::TcpStream) -> [u8; 64] {
    use std::io::Write as _;
    let mut greeting = [0; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    let mut ready = vec![4, 0, 5];
    ready.extend(b"READY");
    ready.push(11);
    ready.extend(b"Socket-Type");
    ready.extend([0, 0, 0, 4]);
    ready.extend(b"PULL");
    ready[1] = u8::try_from(ready.len() - 2).unwrap();
    stream.write_all(&ready).unwrap();
    let mut theirs = [0; 64];
    stream.read_exact(&mut theirs).unwrap();
    theirs
}

#[test]
fn threads_end_with_the_last_socket() {
    let io_threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("zmq-io-9")).count()
    };
    let context = Context::with_io_threads(10);
    for _ in 0..10 {
        Push::new(&context).bind("tcp://127.0.0.1:*").unwrap();
    }
    // A thread gives itself its name.
    while io_threads() != 1 {
        thread::yield_now();
    }
    drop(context);
    while io_threads() > 0 {
        thread::yield_now();
    }
}

/// Each attempt to connect is short, and so is each pause.
#[test]
fn the_linger_time_is_one_however_often_it_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let pause = Duration::from_millis(20);
    let push = Push::builder(&Context::new())
        .reconnect(Some(barid_zmq::Reconnect {
            first: pause,
            max: pause,
        }))
        .linger(Some(Duration::from_millis(200)))
        .build();
    push.connect(format!("tcp://{address}")).unwrap();
    send(&push, "to nobody");
    let (done, closed) = std::sync::mpsc::channel();
    thread::spawn(move || done.send(push.blocking().close()));
    let unsent = closed.recv_timeout(LONG).unwrap();
    assert_eq!(unsent.messages, 1);
}
