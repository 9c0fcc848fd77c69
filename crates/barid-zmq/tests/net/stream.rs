//! STREAM against plain TCP, and against itself.

use crate::{LONG, bound, connected, message, recv, send};
use barid_zmq::{
    BindError, ConnectError, Context, Endpoint, Frame, Hwm, Message, SendRefusal, Stream, kinds,
};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

fn dial(endpoint: &Endpoint) -> TcpStream {
    let text = endpoint.to_string();
    let stream = TcpStream::connect(text.strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// The routing id of a peer that has just come, as the socket tells it.
#[track_caller]
fn came(socket: &Stream) -> Frame {
    let told = recv(socket);
    assert_eq!(told.len(), 2);
    assert!(told.frames()[1].is_empty(), "{told:?}");
    told.into_frames().remove(0)
}

/// As many bytes of a peer, which may come in any pieces.
#[track_caller]
fn read(socket: &Stream, id: &Frame, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let piece = recv(socket);
        assert_eq!(piece.len(), 2);
        assert_eq!(piece.first(), &id[..]);
        assert!(!piece.frames()[1].is_empty(), "it went after {bytes:?}");
        bytes.extend_from_slice(&piece.frames()[1]);
    }
    bytes
}

fn to(id: &Frame, bytes: impl Into<Frame>) -> Message {
    Message::from(vec![id.clone(), bytes.into()])
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

#[test]
fn peers_come_and_go_and_say_what_they_say() {
    let (socket, endpoint) = bound::<kinds::Stream>("tcp://127.0.0.1:*");
    let mut first = dial(&endpoint);
    let id = came(&socket);
    assert_eq!((id.len(), id[0]), (5, 0));
    let second = dial(&endpoint);
    let other = came(&socket);
    assert_ne!(id, other);

    first.write_all(b"question").unwrap();
    assert_eq!(read(&socket, &id, 8), b"question");
    send(&socket, to(&id, "answer"));
    let mut answer = [0; 6];
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");

    first.write_all(b"bye").unwrap();
    drop(first);
    assert_eq!(read(&socket, &id, 3), b"bye");
    assert_eq!(came(&socket), id, "it has gone");
    let refused = socket.try_send(to(&id, "late")).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::Unroutable);
    assert_eq!(refused.message, to(&id, "late"));
    drop(second);
    assert_eq!(came(&socket), other);
}

#[test]
fn large_and_small_pieces_arrive_in_order() {
    let (socket, endpoint) = bound::<kinds::Stream>("tcp://127.0.0.1:*");
    let mut peer = dial(&endpoint);
    let id = came(&socket);
    let mut all = Vec::new();
    for (index, len) in [1, 100_000, 3, 8191, 8192, 1_000_000, 0x7FFF, 2]
        .into_iter()
        .enumerate()
    {
        let piece = vec![u8::try_from(index).unwrap(); len];
        all.extend_from_slice(&piece);
        send(&socket, to(&id, piece));
    }
    let mut echoing = peer.try_clone().unwrap();
    let expected = all.clone();
    let echo = std::thread::spawn(move || {
        let mut found = vec![0; expected.len()];
        peer.read_exact(&mut found).unwrap();
        assert!(found == expected);
        echoing.write_all(&found).unwrap();
    });
    assert!(read(&socket, &id, all.len()) == all);
    echo.join().unwrap();
}

#[test]
fn an_empty_frame_closes_a_connection_behind_what_was_sent() {
    let (socket, endpoint) = bound::<kinds::Stream>("tcp://127.0.0.1:*");
    let mut peer = dial(&endpoint);
    let id = came(&socket);
    send(&socket, to(&id, vec![7; 300_000]));
    send(&socket, to(&id, ""));
    let refused = socket.try_send(to(&id, "x")).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::Unroutable);
    let mut found = Vec::new();
    peer.read_to_end(&mut found).unwrap();
    assert_eq!(found.len(), 300_000);
    // Who closes is not told.
    let _next = dial(&endpoint);
    assert_ne!(came(&socket), id);
}

#[test]
fn a_message_has_a_routing_id_and_bytes() {
    let (socket, endpoint) = bound::<kinds::Stream>("tcp://127.0.0.1:*");
    let _peer = dial(&endpoint);
    let id = came(&socket);
    for frames in [vec![id.clone()], vec![id, "a".into(), "b".into()]] {
        let refused = socket.try_send(Message::from(frames)).unwrap_err();
        assert_eq!(refused.reason, SendRefusal::ManyFrames);
    }
    let refused = socket.try_send(message(&["nobody", "x"])).unwrap_err();
    assert_eq!(refused.reason, SendRefusal::Unroutable);
}

#[test]
fn connecting_gives_the_routing_id_which_stays_over_reconnects() {
    let (listener, endpoint) = listener();
    let socket = Stream::new(&Context::new());
    let id = Frame::from(socket.connect_peer(&endpoint).unwrap());
    assert_eq!((id.len(), id[0]), (5, 0));
    // It waits for the peer.
    send(&socket, to(&id, "hello"));
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(came(&socket), id);
    let mut hello = [0; 5];
    peer.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
    drop(peer);
    assert_eq!(came(&socket), id, "it has gone");
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(came(&socket), id, "it has come again");
    peer.write_all(b"again").unwrap();
    assert_eq!(read(&socket, &id, 5), b"again");
    send(&socket, to(&id, ""));
    assert_eq!(peer.read(&mut hello).unwrap(), 0);
}

#[test]
fn a_routing_id_may_be_given_once() {
    let (listener, endpoint) = listener();
    let socket = Stream::new(&Context::new());
    socket.connect_as(&endpoint, "anna").unwrap();
    let again = socket.connect_as(&endpoint, "anna");
    assert!(matches!(again, Err(ConnectError::RoutingIdInUse)));
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(&came(&socket)[..], b"anna");
    send(&socket, message(&["anna", "hi"]));
    let mut found = [0; 2];
    peer.read_exact(&mut found).unwrap();
    assert_eq!(&found, b"hi");
}

#[test]
fn nobody_is_told_of_peers_who_does_not_want_to_be() {
    let socket = Stream::builder(&Context::new()).notify(false).build();
    let endpoint = socket.bind("tcp://127.0.0.1:*").unwrap();
    let mut peer = dial(&endpoint);
    peer.write_all(b"first").unwrap();
    drop(peer);
    let found = recv(&socket);
    assert_eq!(&found.frames()[1][..], b"first");
    let mut peer = dial(&endpoint);
    peer.write_all(b"second").unwrap();
    assert_eq!(&recv(&socket).frames()[1][..], b"second");
}

#[test]
fn two_of_them_carry_bytes_over_both_transports() {
    for transport in ["tcp://127.0.0.1:*", "ipc://*"] {
        let (server, endpoint) = bound::<kinds::Stream>(transport);
        let client: Stream = connected(&endpoint);
        let (at_client, at_server) = (came(&client), came(&server));
        send(&client, to(&at_client, "ping"));
        assert_eq!(read(&server, &at_server, 4), b"ping");
        send(&server, to(&at_server, "pong"));
        assert_eq!(read(&client, &at_client, 4), b"pong");
        drop(client);
        assert_eq!(came(&server), at_server);
    }
}

#[test]
fn a_peer_is_not_read_further_than_the_limit() {
    let socket = Stream::builder(&Context::new())
        .receive_hwm(Hwm {
            messages: 1000,
            bytes: 100_000,
        })
        .build();
    let endpoint = socket.bind("tcp://127.0.0.1:*").unwrap();
    let peer = dial(&endpoint);
    let id = came(&socket);
    peer.set_nonblocking(true).unwrap();
    let (mut sent, mut peer) = (0, peer);
    // Until the system takes no more: what is behind the limit stays there.
    let mut rests = 0;
    while rests < 1000 {
        match peer.write(&[1; 65_536]) {
            Ok(count) => (sent, rests) = (sent + count, 0),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                rests += 1;
                std::thread::yield_now();
            }
        }
        assert!(sent < 64 << 20, "it is read without a limit");
    }
    assert_eq!(read(&socket, &id, sent).len(), sent);
}

#[test]
fn it_speaks_with_nobody_by_another_way() {
    let context = Context::new();
    let socket = Stream::new(&context);
    for endpoint in ["inproc://x", "ws://127.0.0.1:*"] {
        assert!(matches!(
            socket.bind(endpoint),
            Err(BindError::Unsuitable(_))
        ));
    }
    for endpoint in ["inproc://x", "ws://127.0.0.1:9"] {
        assert!(matches!(
            socket.connect(endpoint),
            Err(ConnectError::Unsuitable(_))
        ));
    }
    let secret = Stream::builder(&context)
        .plain_client("anna", "secret")
        .unwrap()
        .build();
    secret.bind("tcp://127.0.0.1:*").unwrap_err();
    secret.connect("tcp://127.0.0.1:9").unwrap_err();
}
