//! A WebSocket over a pipe in memory, in virtual time. The client is either that of another maker or
//! these bytes written by hand.

use super::frame::apply_mask;
use super::upgrade::{HEAD_BYTES_MAX, UpgradeError};
use super::*;
use crate::driver::End;
use crate::limits::Limits;
use crate::toy::{Run, settle};
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const PIPE_BYTES: usize = 64 * 1024;
const MESSAGE_BYTES_MAX: usize = 100_000;

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: barid\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The protocol of the toy session: its frames are lines.
pub(super) fn rules() -> WebSocketRules {
    WebSocketRules {
        paths: &["/", "/ws"],
        subprotocols: &["v2.lines", "v1.lines"],
        frame_bytes: line_bytes,
        message_bytes_max: MESSAGE_BYTES_MAX,
        messages: Messages::TextIfPossible,
    }
}

fn line_bytes(slices: &[IoSlice<'_>]) -> Option<usize> {
    let mut bytes = slices.iter().flat_map(|slice| slice.iter());
    bytes.position(|byte| *byte == b'\n').map(|at| at + 1)
}

type Client = WebSocketStream<DuplexStream>;

/// A connected client of another maker, and the driver that serves it.
async fn connect(run: &Run, pipe_bytes: usize) -> (Client, JoinHandle<End>) {
    let (client, server) = duplex(pipe_bytes);
    let handshake = client_async("ws://barid/ws", client);
    let rules = Arc::new(rules());
    let offers = [&rules];
    let upgrade = upgrade(server, &offers, &run.environment.limits);
    let (client, server) = tokio::join!(handshake, upgrade);
    (client.unwrap().0, run.spawn(server.unwrap().0))
}

/// The same behind a handshake, through a pipe of any size.
async fn connect_through(run: &Run, pipe_bytes: usize) -> (Client, JoinHandle<End>) {
    let (client, server) = duplex(pipe_bytes);
    let server = WebSocket::new(server, Arc::new(rules()), BytesMut::new());
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    (client, run.spawn(server))
}

/// A client that writes its frames by hand, behind its handshake.
fn connect_by_hand(run: &Run) -> (DuplexStream, JoinHandle<End>) {
    let (client, server) = duplex(PIPE_BYTES);
    let server = WebSocket::new(server, Arc::new(rules()), BytesMut::new());
    (client, run.spawn(server))
}

/// A client's frame. `first` is its first byte.
fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    let at = bytes.len();
    bytes.extend_from_slice(payload);
    apply_mask(&mut bytes[at..], mask, 0);
    bytes
}

/// A masked final frame.
fn whole(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | opcode, payload, [0x12, 0x34, 0x56, 0x78])
}

async fn next(client: &mut Client) -> Message {
    client.next().await.unwrap().unwrap()
}

/// The texts of messages that come, a `<binary>` for each that is none.
async fn texts(client: &mut Client, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let message = next(client).await;
        assert!(message.is_text() || message.is_binary(), "{message:?}");
        let is_text = message.is_text();
        let text = message.into_text().ok().filter(|_| is_text);
        texts.push(text.map_or_else(|| "<binary>".to_owned(), |text| text.to_string()));
    }
    texts
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_maker_is_served() {
    let run = Run::new();
    let (mut client, driver) = connect(&run, PIPE_BYTES).await;
    client.send("hel".into()).await.unwrap();
    client
        .send(Message::binary(b"lo\nwor".to_vec()))
        .await
        .unwrap();
    client.send("ld\nlast\n".into()).await.unwrap();
    assert_eq!(
        texts(&mut client, 3).await,
        ["hello\n", "world\n", "last\n"]
    );
    assert_eq!(run.bytes_in(), 17);
    client.send("close\n".into()).await.unwrap();
    assert_eq!(texts(&mut client, 1).await, ["bye\n"]);
    let Message::Close(Some(frame)) = next(&mut client).await else {
        panic!("no close frame")
    };
    assert_eq!(frame.code, CloseCode::Normal);
    assert!(client.next().await.is_none());
    assert_eq!(driver.await.unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn each_frame_is_a_message_and_text_if_it_can_be() {
    let run = Run::new();
    let (mut client, _driver) = connect(&run, PIPE_BYTES).await;
    let input = b"a\n\nfr\xc3\xbch\n\xff\xfe\n\xc3\nz\n".to_vec();
    client.send(Message::binary(input)).await.unwrap();
    let expected = ["a\n", "\n", "früh\n", "<binary>", "<binary>", "z\n"];
    assert_eq!(texts(&mut client, 6).await, expected);
    // More of them than one write takes.
    client.send("x\n".repeat(1000).into()).await.unwrap();
    assert!(
        texts(&mut client, 1000)
            .await
            .iter()
            .all(|text| text == "x\n")
    );
}

#[tokio::test(start_paused = true)]
async fn lengths_of_every_form_go_both_ways_through_any_pipe() {
    let lens = [0, 124, 125, 126, 65_534, 65_535, 65_536];
    for (pipe_bytes, lens) in [(1, &lens[..4]), (7, &lens[..4]), (4096, &lens)] {
        let run = Run::new();
        let (mut client, _driver) = connect_through(&run, pipe_bytes).await;
        for len in lens {
            let line = format!("{}\n", "x".repeat(*len));
            client.send(line.clone().into()).await.unwrap();
            assert_eq!(texts(&mut client, 1).await, [line]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn large_bodies_are_messages() {
    let run = Run::new();
    let (mut client, _driver) = connect_through(&run, 1000).await;
    for body in [[b'x'; 50_000], [0xFF; 50_000]] {
        run.toy.deliver(&[&body, &b"\n"[..]].concat());
    }
    run.toy.deliver(b"end\n");
    assert_eq!(next(&mut client).await.len(), 50_001);
    assert!(next(&mut client).await.is_binary());
    assert_eq!(texts(&mut client, 1).await, ["end\n"]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_whose_end_is_not_there_goes_out_nevertheless() {
    let run = Run::new();
    let (mut client, _driver) = connect(&run, PIPE_BYTES).await;
    client.send("=5\n".into()).await.unwrap();
    assert_eq!(next(&mut client).await, Message::binary(b"xxxxx".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered() {
    let run = Run::new();
    let (mut client, _driver) = connect(&run, PIPE_BYTES).await;
    for payload in [vec![], vec![7; 125]] {
        client
            .send(Message::Ping(payload.clone().into()))
            .await
            .unwrap();
        assert_eq!(next(&mut client).await, Message::Pong(payload.into()));
    }
    client.send(Message::Pong(vec![1].into())).await.unwrap();
    client.send("well\n".into()).await.unwrap();
    assert_eq!(texts(&mut client, 1).await, ["well\n"]);
}

#[tokio::test(start_paused = true)]
async fn pings_of_a_client_that_does_not_read_take_no_memory() {
    let run = Run::new();
    let (mut client, server) = duplex(100);
    let server = WebSocket::new(server, Arc::new(rules()), BytesMut::new());
    run.spawn(server);
    client.write_all(&whole(0x2, b"=100000\n")).await.unwrap();
    for count in 0..100_u8 {
        client.write_all(&whole(0x9, &[count; 100])).await.unwrap();
        settle().await;
    }
    // All of the message first, then a pong, for the last of the pings.
    let mut head = [0; 10];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(head, [0x82, 127, 0, 0, 0, 0, 0, 1, 0x86, 0xA0]);
    let mut body = vec![0; 100_000];
    client.read_exact(&mut body).await.unwrap();
    let mut pong = [0; 102];
    client.read_exact(&mut pong).await.unwrap();
    assert_eq!((&pong[..2], &pong[2..]), (&[0x8A, 100][..], &[99; 100][..]));
    settle().await;
    client.write_all(&whole(0x1, b"on\n")).await.unwrap();
    let mut on = [0; 5];
    client.read_exact(&mut on).await.unwrap();
    assert_eq!(on, *b"\x81\x03on\n");
}

#[tokio::test(start_paused = true)]
async fn a_close_is_answered_with_its_code() {
    let run = Run::new();
    let (mut client, driver) = connect(&run, PIPE_BYTES).await;
    let close = CloseFrame {
        code: CloseCode::Iana(3000),
        reason: "enough".into(),
    };
    client.close(Some(close)).await.unwrap();
    let Message::Close(Some(frame)) = next(&mut client).await else {
        panic!("no close frame")
    };
    assert_eq!(frame.code, CloseCode::Iana(3000));
    assert!(matches!(
        client.next().await,
        None | Some(Err(Error::ConnectionClosed))
    ));
    assert_eq!(driver.await.unwrap(), End::PeerClosed);
    let log = run.toy.log();
    assert_eq!(log, ["handle_close", "command 1", "attachment closed"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_close_ends_the_session() {
    let run = Run::new();
    let (mut client, driver) = connect_by_hand(&run);
    client.write_all(&whole(0x1, b"half")[..7]).await.unwrap();
    drop(client);
    // Its end may be seen by reading or by writing.
    let end = driver.await.unwrap();
    assert!(matches!(end, End::PeerClosed | End::Failed(_)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_protocol_may_want_binary_messages() {
    let run = Run::new();
    let (client, server) = duplex(PIPE_BYTES);
    let rules = WebSocketRules {
        messages: Messages::Binary,
        ..rules()
    };
    let server = WebSocket::new(server, Arc::new(rules), BytesMut::new());
    let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let driver = run.spawn(server);
    client.send(Message::binary("one\n")).await.unwrap();
    assert_eq!(next(&mut client).await, Message::binary("one\n"));
    client.send("two\n".into()).await.unwrap();
    let Message::Close(Some(frame)) = next(&mut client).await else {
        panic!("no close frame")
    };
    assert_eq!(frame.code, CloseCode::Unsupported);
    driver.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_breaks_the_rules_is_told_so() {
    let long = [b'x'; MESSAGE_BYTES_MAX / 2 + 1];
    let rows: [(&str, Vec<u8>, u16); 15] = [
        ("reserved bit", frame(0xC1, b"", [0; 4]), 1002),
        ("unknown opcode", whole(0x3, b""), 1002),
        ("unknown control opcode", whole(0xB, b""), 1002),
        ("not masked", vec![0x81, 0x00], 1002),
        ("control in fragments", frame(0x09, b"", [0; 4]), 1002),
        ("control too long", whole(0x9, &[0; 126]), 1002),
        (
            "length in 2 bytes",
            vec![0x81, 0xFE, 0, 125, 0, 0, 0, 0],
            1002,
        ),
        (
            "length in 8 bytes",
            vec![0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0],
            1002,
        ),
        (
            "length negative",
            vec![0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            1002,
        ),
        ("nothing to continue", whole(0x0, b""), 1002),
        (
            "message in message",
            [frame(0x01, b"a", [0; 4]), whole(0x1, b"b")].concat(),
            1002,
        ),
        ("close of one byte", whole(0x8, &[3]), 1002),
        (
            "close with a code that is not sent",
            whole(0x8, &1005_u16.to_be_bytes()),
            1002,
        ),
        ("no UTF-8", whole(0x1, b"a\xff"), 1007),
        ("half a character", whole(0x1, b"a\xc3"), 1007),
    ];
    let huge = [&[0x82, 0xFF][..], &(1_u64 << 62).to_be_bytes(), &[0; 4]].concat();
    let fragments = [frame(0x02, &long, [0; 4]), frame(0x00, &long, [0; 4])].concat();
    let limits = [
        ("too long", huge, 1009),
        ("too long in fragments", fragments, 1009),
    ];
    for (what, bytes, code) in rows.into_iter().chain(limits) {
        let run = Run::new();
        let (mut client, driver) = connect_by_hand(&run);
        client.write_all(&whole(0x1, b"before\n")).await.unwrap();
        client.write_all(&bytes).await.unwrap();
        // What comes behind is not heard.
        client.write_all(&whole(0x1, b"behind\n")).await.unwrap();
        let mut got = Vec::new();
        let mut expected = b"\x81\x07before\n\x88\x02".to_vec();
        expected.extend_from_slice(&code.to_be_bytes());
        while got.len() < expected.len() {
            assert_ne!(
                client.read_buf(&mut got).await.unwrap(),
                0,
                "{what}: {got:?}"
            );
        }
        assert_eq!(got, expected, "{what}");
        // The end is not waited for without limit, whether it comes or not.
        let start = tokio::time::Instant::now();
        assert_eq!(driver.await.unwrap(), End::PeerClosed, "{what}");
        assert!(start.elapsed() <= run.environment.limits.linger, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let run = Run::new();
    let (mut client, _driver) = connect(&run, PIPE_BYTES).await;
    let line = format!("{}\n", "x".repeat(MESSAGE_BYTES_MAX - 1));
    client.send(line.clone().into()).await.unwrap();
    client.send(line.clone().into()).await.unwrap();
    assert_eq!(texts(&mut client, 2).await, [line.clone(), line.clone()]);
    client.send(format!("x{line}").into()).await.unwrap();
    let Message::Close(Some(frame)) = next(&mut client).await else {
        panic!("no close frame")
    };
    assert_eq!(frame.code, CloseCode::Size);
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_the_request_is_not_lost() {
    let run = Run::new();
    let (mut client, server) = duplex(PIPE_BYTES);
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    client.write_all(&whole(0x1, b"early\n")).await.unwrap();
    let rules = Arc::new(rules());
    let (server, _) = upgrade(server, &[&rules], &Limits::default())
        .await
        .unwrap();
    run.spawn(server);
    let mut got = Vec::new();
    while !got.ends_with(b"\x81\x06early\n") {
        client.read_buf(&mut got).await.unwrap();
    }
    assert!(got.starts_with(b"HTTP/1.1 101 "));
}

/// What a client gets that writes `request` and nothing more, and how long that took.
async fn refused(request: &[u8]) -> (String, Duration) {
    let (mut client, server) = duplex(PIPE_BYTES);
    let start = tokio::time::Instant::now();
    let limits = Limits::default();
    let rules = Arc::new(rules());
    let offers = [&rules];
    let serve = upgrade(server, &offers, &limits);
    let ask = async {
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        drop(client);
        answer
    };
    let (served, answer) = tokio::join!(serve, ask);
    assert!(matches!(served, Err(UpgradeError::Refused(_))), "{answer}");
    (answer, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_answered() {
    let long = format!("GET /ws HTTP/1.1\r\nx: {}", "x".repeat(HEAD_BYTES_MAX));
    let rows = [
        (&b"CONNECT\naccept-version:1.2\n\n\0"[..], "400"),
        (b"\x16\x03\x01\x00\xf8\x01\x00\x00\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: barid\r\n\r\n", "426"),
        (b"GET /favicon.ico HTTP/1.1\r\nHost: barid\r\n\r\n", "404"),
        (long.as_bytes(), "431"),
    ];
    for (request, status) in rows {
        let (answer, waited) = refused(request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(waited, Duration::ZERO);
    }
    let (answer, waited) = refused(b"GET / HTTP/1.1\r\nHost:").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(waited.abs_diff(Limits::default().handshake_timeout) < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_trickles_in_is_given_up() {
    let (mut client, server) = duplex(PIPE_BYTES);
    let start = tokio::time::Instant::now();
    let limits = Limits::default();
    let trickle = async {
        for byte in REQUEST.bytes().cycle() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if client.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let rules = Arc::new(rules());
    let offers = [&rules];
    let (served, ()) = tokio::join!(upgrade(server, &offers, &limits), trickle);
    assert!(served.is_err());
    assert!(start.elapsed() < limits.handshake_timeout + limits.linger);
}

/// A message in fragments, with a ping behind some of them.
#[derive(Clone, Debug)]
struct Sent {
    is_text: bool,
    fragments: Vec<(String, [u8; 4], bool)>,
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, (payload, mask, has_ping)) in self.fragments.iter().enumerate() {
            let opcode = match (index, self.is_text) {
                (0, true) => 0x1,
                (0, false) => 0x2,
                _ => 0x0,
            };
            let is_last = index + 1 == self.fragments.len();
            let first = opcode | if is_last { 0x80 } else { 0 };
            bytes.extend(frame(first, payload.as_bytes(), *mask));
            if *has_ping {
                bytes.extend(frame(0x89, b"ping", *mask));
            }
        }
        bytes
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let fragment = ("[a-zß€𝄞]{0,150}", any::<[u8; 4]>(), any::<bool>());
    (any::<bool>(), prop::collection::vec(fragment, 1..4))
        .prop_map(|(is_text, fragments)| Sent { is_text, fragments })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_bytes(
        messages in prop::collection::vec(sent(), 0..5),
        pieces in prop::collection::vec(1_usize..200, 1..50),
    ) {
        let raw: Vec<u8> = messages.iter().flat_map(Sent::bytes).collect();
        let fragments = messages.iter().flat_map(|message| &message.fragments);
        let expected: String = fragments.map(|(payload, ..)| payload.as_str()).collect();
        let mut incoming = Incoming::new(MESSAGE_BYTES_MAX, Messages::TextIfPossible);
        let (mut got, mut rest) = (Vec::new(), &raw[..]);
        for piece in pieces.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*piece));
            let mut piece = piece.to_vec();
            let decoded = incoming.decode(&mut piece);
            prop_assert_eq!(decoded.ending, None);
            got.extend_from_slice(&piece[..decoded.payload_bytes]);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(String::from_utf8(got).unwrap(), expected);
    }

    #[test]
    fn no_bytes_make_it_panic_or_keep_much(
        raw in prop::collection::vec(any::<u8>(), 0..600),
        piece in 1_usize..40,
    ) {
        let mut incoming = Incoming::new(100, Messages::TextIfPossible);
        for piece in raw.chunks(piece) {
            let mut piece = piece.to_vec();
            let decoded = incoming.decode(&mut piece);
            prop_assert!(decoded.payload_bytes <= piece.len());
            prop_assert!(decoded.ping.is_none_or(|ping| ping.len() <= 125));
            if decoded.ending.is_some() {
                break;
            }
        }
    }
}
