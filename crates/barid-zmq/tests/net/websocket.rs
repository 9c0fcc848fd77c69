//! ZWS against peers made by hand.

use crate::{LONG, bound, connected, message, recv, send};
use barid_zmq::{Context, Dealer, Endpoint, Heartbeat, Pull, Push, Router, Sub, XPub, kinds};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A client of which every byte is in the test.
struct Client(TcpStream);

impl Client {
    /// Asks for a WebSocket; returns the answer's head, too.
    fn ask(endpoint: &Endpoint, subprotocols: &str) -> (Self, String) {
        let text = endpoint.to_string();
        let authority = text.strip_prefix("ws://").unwrap();
        let (authority, _) = authority.split_at(authority.find('/').unwrap());
        Self::ask_on(
            TcpStream::connect(authority).unwrap(),
            endpoint,
            subprotocols,
        )
    }

    /// The same on a connection that is there.
    fn ask_on(mut stream: TcpStream, endpoint: &Endpoint, subprotocols: &str) -> (Self, String) {
        let text = endpoint.to_string();
        let authority = text.strip_prefix("ws://").unwrap();
        let (authority, path) = authority.split_at(authority.find('/').unwrap());
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {subprotocols}\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream);
        (Self(stream), head)
    }

    fn new(endpoint: &Endpoint, subprotocol: &str) -> Self {
        let (client, head) = Self::ask(endpoint, subprotocol);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let head = head.to_ascii_lowercase();
        // [RFC 6455 1.3]
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
        let chosen = subprotocol.to_ascii_lowercase();
        assert!(
            head.contains(&format!("sec-websocket-protocol: {chosen}\r\n")),
            "{head}"
        );
        client
    }

    /// Sends a frame with a short payload.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
        self.0.write_all(&bytes).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, bytes: &[u8]) {
        let mut found = vec![0; bytes.len()];
        self.0.read_exact(&mut found).unwrap();
        assert_eq!(
            found.escape_ascii().to_string(),
            bytes.escape_ascii().to_string()
        );
    }

    #[track_caller]
    fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // It may be a reset.
        let _is_read = self.0.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// What a DEALER called anna says by NULL.
const READY: &[u8] = b"\x02\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x04anna";

#[test]
fn every_octet_of_a_dialogue_by_null() {
    let (router, endpoint) = bound::<kinds::Router>("ws://127.0.0.1:*/path");
    let mut client = Client::new(&endpoint, "ZWS2.0/NULL");
    client.send(0x82, READY);
    client.expect(b"\x82\x2a\x02\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0");
    client.send(0x82, b"\x01hello");
    client.send(0x82, b"\x00world");
    assert_eq!(recv(&router), message(&["anna", "hello", "world"]));
    send(&router, message(&["anna", "so", "long"]));
    client.expect(b"\x82\x03\x01so\x82\x05\x00long");
    // In fragments, with a ping between them.
    client.send(0x02, b"\x00in ");
    client.send(0x89, b"there?");
    client.expect(b"\x8a\x06there?");
    client.send(0x80, b"pieces");
    assert_eq!(recv(&router), message(&["anna", "in pieces"]));
    client.send(0x88, b"\x03\xe8");
    client.expect(b"\x88\x02\x03\xe8");
    client.expect_end();
}

#[test]
fn every_octet_of_a_dialogue_without_a_mechanism() {
    let (router, endpoint) = bound::<kinds::Router>("ws://127.0.0.1:*");
    let mut client = Client::new(&endpoint, "ZWS2.0");
    client.expect(b"\x82\x01\x00");
    client.send(0x82, b"\x00anna");
    client.send(0x82, b"\x00hello");
    assert_eq!(recv(&router), message(&["anna", "hello"]));
    send(&router, message(&["anna", "hi"]));
    client.expect(b"\x82\x03\x00hi");
    drop(router);
    client.expect(b"\x88\x02\x03\xe8");
    client.expect_end();
}

#[test]
fn subscriptions_are_messages_that_begin_with_an_octet() {
    let (publisher, endpoint) = bound::<kinds::XPub>("ws://127.0.0.1:*");
    let publisher: XPub = publisher;
    let mut client = Client::new(&endpoint, "ZWS2.0");
    client.expect(b"\x82\x01\x00");
    client.send(0x82, b"\x00");
    client.send(0x82, b"\x00\x01a");
    assert_eq!(recv(&publisher), "\x01a".into());
    send(&publisher, message(&["a", "x"]));
    client.expect(b"\x82\x02\x01a\x82\x02\x00x");
}

#[test]
fn the_first_subprotocol_that_is_known_is_taken() {
    let (_router, endpoint) = bound::<kinds::Router>("ws://127.0.0.1:*");
    for (asked, chosen) in [
        ("mqtt, ZWS2.0/CURVE, ZWS2.0, ZWS2.0/NULL", "ZWS2.0"),
        ("ZWS2.0/NULL,ZWS2.0", "ZWS2.0/NULL"),
    ] {
        let (_client, head) = Client::ask(&endpoint, asked);
        let head = head.to_ascii_lowercase();
        let chosen = chosen.to_ascii_lowercase();
        assert!(
            head.contains(&format!("sec-websocket-protocol: {chosen}\r\n")),
            "{head}"
        );
    }
    for asked in ["ZWS2.0/PLAIN", "zws", ""] {
        let (_client, head) = Client::ask(&endpoint, asked);
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    }
    let secret = Router::builder(&Context::new())
        .plain_server(|_: &barid_zmq::Applicant<'_>| barid_zmq::Verdict::SUCCESS)
        .build();
    let endpoint = secret.bind("ws://127.0.0.1:*").unwrap();
    let (_client, head) = Client::ask(&endpoint, "ZWS2.0/NULL,ZWS2.0");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[test]
fn who_breaks_the_rules_is_told_and_harms_nobody_else() {
    let pull = Pull::builder(&Context::new())
        .message_bytes_max(1000)
        .build();
    let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
    let rows: [(&[u8], &[u8]); 4] = [
        (b"\x81\x80\0\0\0\0", b"\x03\xeb"),
        (b"\x82\x01\x00", b"\x03\xea"),
        (b"\x82\xff\x7f\0\0\0\0\0\0\0\0\0\0\0", b"\x03\xea"),
        (b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0\0", b"\x03\xf1"),
    ];
    for (bytes, code) in rows {
        let mut client = Client::new(&endpoint, "ZWS2.0");
        client.expect(b"\x82\x01\x00");
        client.send(0x82, b"\x00");
        client.0.write_all(bytes).unwrap();
        let mut close = b"\x88\x02".to_vec();
        close.extend(code);
        if code == b"\x03\xea" && bytes.len() > 10 {
            // A length that is far too long is one that is too large.
            close[3] = 0xF1;
        }
        client.expect(&close);
        client.expect_end();
    }
    let push: Push = connected(&endpoint);
    send(&push, "fine");
    assert_eq!(recv(&pull), "fine".into());
}

#[test]
fn a_request_has_its_time_and_its_length() {
    let pull = Pull::builder(&Context::new())
        .handshake_timeout(Some(Duration::from_millis(20)))
        .build();
    let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
    let text = endpoint.to_string();
    let authority = text.strip_prefix("ws://").unwrap().trim_end_matches('/');
    let mut silent = Client(TcpStream::connect(authority).unwrap());
    silent.0.set_read_timeout(Some(LONG)).unwrap();
    silent.expect_end();

    let (_pull, endpoint) = bound::<kinds::Pull>("ws://127.0.0.1:*");
    let text = endpoint.to_string();
    let authority = text.strip_prefix("ws://").unwrap().trim_end_matches('/');
    let mut long = Client(TcpStream::connect(authority).unwrap());
    long.0.set_read_timeout(Some(LONG)).unwrap();
    long.0.write_all(b"GET / HTTP/1.1\r\nA: ").unwrap();
    // It is cut before all that is written.
    let _is_written = long.0.write_all(&vec![b'a'; 4 << 20]);
    long.expect_end();
}

/// Answers one client as a server by hand does.
fn answer(listener: &TcpListener, subprotocol: &str, behind: &[u8]) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = read_head(&mut stream);
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let accept = accept_key(key);
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    )
    .into_bytes();
    response.extend_from_slice(behind);
    stream.write_all(&response).unwrap();
    (stream, head)
}

fn accept_key(key: &str) -> String {
    tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes())
}

/// A short frame of a client, without its mask.
fn read_masked(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 6];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[1] & 0x80, 0x80, "a client masks");
    let mut payload = vec![0; usize::from(head[1] & 0x7F)];
    stream.read_exact(&mut payload).unwrap();
    for (byte, mask) in payload.iter_mut().zip(head[2..].iter().cycle()) {
        *byte ^= mask;
    }
    (head[0], payload)
}

#[test]
fn a_client_asks_masks_and_reads_what_comes_with_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap();
    let dealer = Dealer::builder(&Context::new())
        .routing_id("anna")
        .unwrap()
        .build();
    dealer.connect(format!("ws://{authority}/a?b")).unwrap();
    let behind = b"\x82\x04\x00bob\x82\x06\x00early";
    let (mut stream, head) = answer(&listener, "ZWS2.0", behind);
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("Host: {authority}\r\n")), "{head}");
    assert!(
        head.contains("Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0\r\n"),
        "{head}"
    );
    assert_eq!(recv(&dealer), "early".into());
    assert_eq!(read_masked(&mut stream), (0x82, b"\x00anna".to_vec()));
    send(&dealer, message(&["a", "b"]));
    assert_eq!(read_masked(&mut stream), (0x82, b"\x01a".to_vec()));
    assert_eq!(read_masked(&mut stream), (0x82, b"\x00b".to_vec()));
    // It connects again.
    drop(stream);
    let (mut stream, _) = answer(&listener, "ZWS2.0", b"\x82\x01\x00");
    assert_eq!(read_masked(&mut stream), (0x82, b"\x00anna".to_vec()));
}

#[test]
fn an_answer_that_is_none_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sub = Sub::new(&Context::new());
    sub.connect(format!("ws://{}", listener.local_addr().unwrap()))
        .unwrap();
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: wrong\r\nSec-WebSocket-Protocol: ZWS2.0\r\n\r\n",
    ] {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        Client(stream).expect_end();
    }
    let _peer = answer(&listener, "ZWS2.0", b"\x82\x01\x00");
    assert!(sub.blocking().wait_connected(1, LONG).unwrap());
}

#[test]
fn a_dead_peer_is_found_by_pings() {
    let pull = Pull::builder(&Context::new())
        .heartbeat(Some(Heartbeat {
            interval: Duration::from_millis(10),
            timeout: Duration::from_millis(10_000),
            ttl: None,
        }))
        .build();
    let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
    let mut client = Client::new(&endpoint, "ZWS2.0");
    client.expect(b"\x82\x01\x00");
    client.send(0x82, b"\x00");
    for _ in 0..3 {
        client.expect(b"\x89\x00");
        client.send(0x8A, b"");
    }
    let strict = Pull::builder(&Context::new())
        .heartbeat(Some(Heartbeat {
            interval: Duration::from_millis(10),
            timeout: Duration::from_millis(10),
            ttl: None,
        }))
        .build();
    let endpoint = strict.bind("ws://127.0.0.1:*").unwrap();
    let mut client = Client::new(&endpoint, "ZWS2.0");
    client.expect(b"\x82\x01\x00");
    client.send(0x82, b"\x00");
    client.expect(b"\x89\x00");
    client.expect_end();
}

#[test]
fn fragments_of_all_peers_have_a_limit_together() {
    // Each may have 512 KiB, and what is beyond that counts in steps of 256 KiB: with its last octet the third is one too many.
    let pull = Pull::builder(&Context::new())
        .unfinished_max(17 << 18)
        .build();
    let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
    let mut fragment = b"\x02\xff\0\0\0\0\0\x1c\0\x01\0\0\0\0".to_vec();
    fragment.resize(14 + (7 << 18) + 1, 0);
    let begin = || {
        let mut client = Client::new(&endpoint, "ZWS2.0");
        client.expect(b"\x82\x01\x00");
        client.send(0x82, b"\x00");
        client.0.write_all(&fragment).unwrap();
        client
    };
    let mut clients = [(); 2].map(|()| begin());
    for client in &mut clients {
        client.send(0x89, b"read");
        client.expect(b"\x8a\x04read");
    }
    begin().expect(b"\x88\x02\x03\xf5");
    clients[0].send(0x80, b"");
    assert_eq!(recv(&pull).byte_count(), 7 << 18);
    let mut third = begin();
    third.send(0x89, b"read");
    third.expect(b"\x8a\x04read");
}

/// A stream with little room for what is not read.
fn narrow(endpoint: &Endpoint) -> TcpStream {
    let text = endpoint.to_string();
    let authority = text.strip_prefix("ws://").unwrap().trim_end_matches('/');
    let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
    let socket = socket2::Socket::new(domain, kind, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let address: std::net::SocketAddr = authority.parse().unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    socket.into()
}

#[test]
fn who_takes_no_answers_does_not_hold_a_socket_that_closes() {
    let router = Router::builder(&Context::new())
        .linger(None)
        .system_buffers(Some(1), None)
        .build();
    let endpoint = router.bind("ws://127.0.0.1:*").unwrap();
    let (mut client, _) = Client::ask_on(narrow(&endpoint), &endpoint, "ZWS2.0/NULL");
    client.send(0x82, READY);
    for _ in 0..10_000 {
        client.send(0x89, &[b'x'; 125]);
    }
    // It has been read up to here.
    client.send(0x82, b"\x00end");
    assert_eq!(recv(&router), message(&["anna", "end"]));
    let (closed, is_closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || closed.send(router.blocking().close()));
    assert_eq!(is_closed.recv_timeout(LONG).unwrap().messages, 0);
}
