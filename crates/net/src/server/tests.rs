//! The server over real sockets with free ports.

use super::*;
use crate::toy::Toy;
use crate::{Bound, Endpoint, Messages, Stopper, bind, bind_unix};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

struct Setup {
    addresses: Vec<SocketAddr>,
    stopper: Stopper,
    counters: Arc<Counters>,
    toy: Toy,
    serving: JoinHandle<io::Result<()>>,
}

/// What carries a protocol.
type Carrying = fn(&Protocol) -> Transport;

fn plain(protocol: &Protocol) -> Transport {
    Transport::Plain(protocol.clone())
}

fn start(limits: Limits) -> Setup {
    start_over(plain, limits)
}

fn start_over(transport: Carrying, limits: Limits) -> Setup {
    let Bound { listeners, .. } = bind(&Endpoint::parse_list("localhost:0").unwrap()).unwrap();
    serve(listeners, transport, limits)
}

fn serve(listeners: Vec<Listener>, transport: Carrying, limits: Limits) -> Setup {
    let addresses = listeners.iter().filter_map(|l| l.address().tcp()).collect();
    let (stopper, signal) = Stopper::new();
    let counters = Arc::new(Counters::default());
    let toy = Toy::default();
    let (one, two) = (toy.clone(), toy.clone());
    let protocol = Protocol {
        name: "lines",
        session: Arc::new(move |_, _, _| one.session()),
        attach: Arc::new(move |_, _, peer| {
            assert!(peer.address.is_loopback());
            two.attachment()
        }),
    };
    let server = Server::new(Clock::start(), limits, signal);
    let counted = Arc::clone(&counters);
    let serving =
        tokio::spawn(async move { server.serve(listeners, transport(&protocol), counted).await });
    Setup {
        addresses,
        stopper,
        counters,
        toy,
        serving,
    }
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn serves_all_listeners_until_it_stops() {
    let setup = start(Limits::default());
    let mut sockets = Vec::new();
    for address in &setup.addresses {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"hello\n").await.unwrap();
        let mut answer = [0; 6];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello\n");
        sockets.push(socket);
    }
    let count = sockets.len() as u64;
    assert_eq!(setup.counters.open(), count);
    setup.stopper.stop();
    for mut socket in sockets {
        assert_eq!(read_all(&mut socket).await, "the broker is stopping\n");
    }
    setup.serving.await.unwrap().unwrap();
    assert_eq!(setup.counters.open(), 0);
    assert_eq!(setup.counters.accepted.load(Ordering::Relaxed), count);
    assert_eq!(setup.counters.open_max.load(Ordering::Relaxed), count);
    assert_eq!(setup.counters.bytes_in.load(Ordering::Relaxed), 6 * count);
    assert_eq!(setup.counters.bytes_out.load(Ordering::Relaxed), 29 * count);
    // Nothing listens any more.
    assert!(TcpStream::connect(setup.addresses[0]).await.is_err());
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let setup = start(limits);
    let mut first = TcpStream::connect(setup.addresses[0]).await.unwrap();
    first.write_all(b"a\n").await.unwrap();
    first.read_u16().await.unwrap();
    let mut second = TcpStream::connect(setup.addresses[0]).await.unwrap();
    assert_eq!(read_all(&mut second).await, "");
    assert_eq!(setup.counters.refused.load(Ordering::Relaxed), 1);
    // Its end makes room.
    first.write_all(b"close\n").await.unwrap();
    assert_eq!(read_all(&mut first).await, "bye\n");
    drop(first);
    while setup.counters.open() > 0 {
        tokio::task::yield_now().await;
    }
    let mut third = TcpStream::connect(setup.addresses[0]).await.unwrap();
    third.write_all(b"b\n").await.unwrap();
    assert_eq!(third.read_u16().await.unwrap(), u16::from_be_bytes(*b"b\n"));
}

#[tokio::test]
async fn a_peer_that_goes_on_writing_sees_the_last_answer() {
    let setup = start(Limits::default());
    let mut socket = TcpStream::connect(setup.addresses[0]).await.unwrap();
    let mut input = b"close\n".to_vec();
    input.resize(1024 * 1024, b'x');
    socket.write_all(&input).await.unwrap();
    assert_eq!(read_all(&mut socket).await, "bye\n");
}

#[tokio::test]
async fn a_reset_ends_the_session() {
    let setup = start(Limits::default());
    let mut socket = TcpStream::connect(setup.addresses[0]).await.unwrap();
    socket.write_all(b"a\n").await.unwrap();
    socket.read_u16().await.unwrap();
    socket.set_zero_linger().unwrap();
    drop(socket);
    while setup.counters.closed.load(Ordering::Acquire) == 0 {
        tokio::task::yield_now().await;
    }
    let log = setup.toy.log();
    assert_eq!(log, ["handle_close", "command 1", "attachment closed"]);
}

#[tokio::test]
async fn a_unix_socket_is_served_and_its_file_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = bind_unix(&path).unwrap();
    let setup = serve(vec![listener], plain, Limits::default());
    let mut socket = UnixStream::connect(&path).await.unwrap();
    socket.write_all(b"hello\n").await.unwrap();
    let mut answer = [0; 6];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello\n");
    assert_eq!(setup.counters.open(), 1);
    setup.stopper.stop();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "the broker is stopping\n");
    setup.serving.await.unwrap().unwrap();
    assert!(!path.exists());
}

fn websocket(protocol: &Protocol) -> Transport {
    let rules = WebSocketRules {
        paths: &["/ws"],
        subprotocols: &[],
        frame_bytes: |slices| slices.first().map(|slice| slice.len()),
        message_bytes_max: 1000,
        messages: Messages::TextIfPossible,
    };
    // The first is not at this path.
    let elsewhere = WebSocketRules {
        paths: &["/other"],
        ..rules
    };
    let carried = [elsewhere, rules].map(|rules| Carried {
        rules: Arc::new(rules),
        protocol: protocol.clone(),
    });
    Transport::WebSocket(Arc::new(carried))
}

#[tokio::test]
async fn a_session_is_served_over_a_websocket() {
    let setup = start_over(websocket, Limits::default());
    let address = setup.addresses[0];
    let socket = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/ws");
    let (mut client, _) = tokio_tungstenite::client_async(&url, socket).await.unwrap();
    client.send("hello\n".into()).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), "hello\n".into());
    setup.stopper.stop();
    let last = client.next().await.unwrap().unwrap();
    assert_eq!(last, "the broker is stopping\n".into());
    assert!(client.next().await.unwrap().unwrap().is_close());
    assert!(client.next().await.is_none());
    setup.serving.await.unwrap().unwrap();
    assert_eq!(setup.counters.open(), 0);
}

#[tokio::test]
async fn a_handshake_has_a_place_and_does_not_outlive_the_broker() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let setup = start_over(websocket, limits);
    let mut first = TcpStream::connect(setup.addresses[0]).await.unwrap();
    first.write_all(b"GET /ws").await.unwrap();
    while setup.counters.open() == 0 {
        tokio::task::yield_now().await;
    }
    let mut second = TcpStream::connect(setup.addresses[0]).await.unwrap();
    assert_eq!(read_all(&mut second).await, "");
    setup.stopper.stop();
    setup.serving.await.unwrap().unwrap();
    assert_eq!(setup.counters.open(), 0);
    // No session was made for it.
    assert!(setup.toy.log().is_empty());
}

#[test]
fn a_connection_task_is_small() {
    let bytes = size_of::<Connection<TcpStream>>();
    assert!(bytes < 768, "{bytes} bytes");
    let bytes = size_of::<Connection<websocket::WebSocket<TcpStream>>>();
    assert!(bytes < 1280, "{bytes} bytes");
}
