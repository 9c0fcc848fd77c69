//! Peers that break the protocol harm nobody but themselves.

use crate::{LONG, bound, connected, recv, send};
use barid_zmq::{Context, Heartbeat, Hwm, Pull, Push};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn address(endpoint: &barid_zmq::Endpoint) -> String {
    endpoint.to_string().trim_start_matches("tcp://").to_owned()
}

#[test]
fn garbage_is_answered_by_the_end_of_the_connection() {
    let (pull, endpoint) = bound::<barid_zmq::kinds::Pull>("tcp://127.0.0.1:*");
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xFF; 200], &[0; 3]] {
        let mut stream = TcpStream::connect(address(&endpoint)).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // It may be reset while its last bytes are on their way.
        let _is_read = stream.read_to_end(&mut rest);
    }
    let push: Push = connected(&endpoint);
    send(&push, "fine");
    assert_eq!(recv(&pull), "fine".into());
}

#[test]
fn a_message_over_the_limit_ends_its_sender_alone() {
    let pull = Pull::builder(&Context::new())
        .message_bytes_max(1000)
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let once = || {
        let push = Push::builder(&Context::new()).reconnect(None).build();
        push.connect(&endpoint).unwrap();
        push
    };
    let (large, many) = (once(), once());
    send(&large, vec![0; 1001]);
    send(&many, (0..50).map(|_| "").collect::<barid_zmq::Message>());
    let fine: Push = connected(&endpoint);
    send(&fine, vec![0; 1000]);
    assert_eq!(recv(&pull).byte_count(), 1000);
    while pull.connected() > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn a_peer_that_does_not_shake_hands_is_cut() {
    let pull = Pull::builder(&Context::new())
        .handshake_timeout(Some(Duration::from_millis(20)))
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let mut stream = TcpStream::connect(address(&endpoint)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() <= 64);
}

#[test]
fn a_silent_peer_is_found_by_heartbeats() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let heartbeat = Heartbeat {
        interval: Duration::from_millis(10),
        timeout: Duration::from_millis(20),
        ttl: None,
    };
    let push = Push::builder(&Context::new())
        .heartbeat(Some(heartbeat))
        .reconnect(None)
        .build();
    push.connect(format!("tcp://{}", listener.local_addr().unwrap()))
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut greeting = [0; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    stream
        .write_all(b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PULL")
        .unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let ping = all
        .windows(5)
        .filter(|window| window == b"\x04PING")
        .count();
    assert!(ping >= 1, "it was asked first");
}

#[test]
fn a_reader_that_stops_holds_its_sender_and_not_its_memory() {
    let pull = Pull::builder(&Context::new())
        .receive_hwm(Hwm::messages(10))
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let push = Push::builder(&Context::new())
        .send_hwm(Hwm::messages(10))
        .system_buffers(Some(64 << 10), None)
        .build();
    push.connect(&endpoint).unwrap();
    let mut sent = 0;
    while push
        .blocking()
        .send_timeout(vec![0; 100_000], Duration::from_millis(300))
        .is_ok()
    {
        sent += 1;
        assert!(sent < 1000, "somebody keeps it all");
    }
    for _ in 0..sent {
        assert_eq!(recv(&pull).byte_count(), 100_000);
    }
}
