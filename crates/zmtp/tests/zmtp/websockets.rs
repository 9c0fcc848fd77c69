//! ZWS: between a WebSocket and a connection.

use crate::pair::{End, mechanisms, settings};
use bytes::{Buf as _, BytesMut};
use proptest::prelude::*;
use zmtp::zws::{Control, Inbound, Outbound, Side, WebSocketError};
use zmtp::{
    Authentication, Frame, Identity, Mechanism, MechanismName, SocketType, Version, decode,
};

const LIMIT: usize = 1000;
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// What comes behind the greeting, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    bytes: Vec<u8>,
    controls: Vec<Control>,
    error: Option<WebSocketError>,
    left: usize,
}

fn inbound(side: Side) -> Inbound {
    let mut greeting = BytesMut::new();
    let inbound = Inbound::new(side, MechanismName::NULL, LIMIT, &mut greeting);
    assert_eq!(greeting.len(), zmtp::GREETING_BYTES);
    inbound
}

fn read(mut inbound: Inbound, pieces: &[&[u8]]) -> Read {
    let (mut held, mut out) = (BytesMut::new(), BytesMut::new());
    let mut read = Read::default();
    'pieces: for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match inbound.read(&held, &mut out) {
                Ok((taken, control)) => {
                    held.advance(taken);
                    let is_all = control.is_none();
                    read.controls.extend(control);
                    if is_all {
                        break;
                    }
                }
                Err(error) => {
                    read.error = Some(error);
                    break 'pieces;
                }
            }
        }
    }
    read.left = held.len();
    read.bytes = out.to_vec();
    read
}

fn write(side: Side, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut outbound, mut out) = (Outbound::new(side), BytesMut::new());
    outbound.write(&[0; zmtp::GREETING_BYTES], &mut out, &mut || MASK);
    for piece in pieces {
        outbound.write(piece, &mut out, &mut || MASK);
    }
    assert!(outbound.is_between());
    out.to_vec()
}

#[test]
fn a_frame_is_a_message_with_an_octet_before_it() {
    // Of a server; a client's begins with the mask, by which all is changed.
    let rows: [(&[u8], &[u8]); 4] = [
        (b"\x00\x05hello", b"\x82\x06\x00hello"),
        (b"\x01\x00", b"\x82\x01\x01"),
        (b"\x04\x06\x05READY", b"\x82\x07\x02\x05READY"),
        (
            &[[0, 200].as_slice(), &[b'x'; 200]].concat(),
            &[b"\x82\x7e\x00\xc9\x00".as_slice(), &[b'x'; 200]].concat(),
        ),
    ];
    for (frame, message) in rows {
        assert_eq!(write(Side::Server, &[frame]), message);
        let found = read(inbound(Side::Client), &[message]);
        assert_eq!((&found.bytes[..], found.error), (frame, None));
        let masked = write(Side::Client, &[frame]);
        let found = read(inbound(Side::Server), &[&masked]);
        assert_eq!(
            (&found.bytes[..], found.error, found.left),
            (frame, None, 0)
        );
    }
    let masked = write(Side::Client, &[b"\x00\x05hello"]);
    assert_eq!(masked, b"\x82\x86\x37\xfa\x21\x3d\x37\x92\x44\x51\x5b\x95");
    let long = [b'x'; 70_000];
    let mut frame = BytesMut::new();
    zmtp::put_frame(&mut frame, zmtp::Framing::V3, Frame::more(&long));
    let message = write(Side::Server, &[&frame]);
    assert_eq!(message[..11], *b"\x82\x7f\0\0\0\0\0\x01\x11\x71\x01");
    assert_eq!(message[11..], long);
}

#[test]
fn fragments_are_one_message_and_control_frames_stand_between_them() {
    let bytes =
        b"\x02\x03\x01ab\x89\x02hi\x00\x00\x8a\x00\x80\x02cd\x82\x01\x00\x88\x00\x82\x01\x00";
    let found = read(inbound(Side::Client), &[bytes]);
    assert_eq!(found.bytes, b"\x01\x04abcd\x00\x00\x00\x00");
    let controls = [Control::Ping(b"hi".to_vec()), Control::Pong, Control::Close];
    assert_eq!(found.controls, controls);
    assert_eq!(found.error, None);
}

#[test]
fn control_frames_are_written() {
    let mut out = BytesMut::new();
    let server = Outbound::new(Side::Server);
    server.put_ping(&mut out, &mut || MASK);
    server.put_pong(&mut out, b"hi", &mut || MASK);
    server.put_close(&mut out, 1000, &mut || MASK);
    assert_eq!(out[..], *b"\x89\x00\x8a\x02hi\x88\x02\x03\xe8");
    out.clear();
    Outbound::new(Side::Client).put_pong(&mut out, b"hi", &mut || MASK);
    assert_eq!(out[..], *b"\x8a\x82\x37\xfa\x21\x3d\x5f\x93");
}

#[test]
fn breaches_of_the_rules_are_refused() {
    let rows: [(&[u8], WebSocketError, u16); 14] = [
        (b"\xc2\x01\x00", WebSocketError::ReservedBit, 1002),
        (b"\x83\x01\x00", WebSocketError::Opcode(3), 1002),
        (b"\x82\x81\x00", WebSocketError::Mask, 1002),
        (b"\x09\x00", WebSocketError::Control, 1002),
        (b"\x89\x7e", WebSocketError::Control, 1002),
        (b"\x82\x7e\x00\x7d", WebSocketError::Length, 1002),
        (
            b"\x82\x7f\0\0\0\0\0\0\xff\xff",
            WebSocketError::Length,
            1002,
        ),
        (
            b"\x82\x7f\x80\0\0\0\0\x01\0\0",
            WebSocketError::Length,
            1002,
        ),
        (b"\x80\x01\x00", WebSocketError::Fragments, 1002),
        (b"\x02\x01\x00\x82", WebSocketError::Fragments, 1002),
        (b"\x81\x01\x00", WebSocketError::NotBinary, 1003),
        (b"\x82\x00", WebSocketError::NotZws, 1008),
        (b"\x82\x01\x03", WebSocketError::NotZws, 1008),
        (b"\x02\x00\x80\x00", WebSocketError::NotZws, 1008),
    ];
    for (bytes, error, code) in rows {
        let mut bytes = bytes.to_vec();
        // Enough for any head.
        bytes.extend_from_slice(b"\x01\x00\x00\x00\x00\x00\x00");
        let found = read(inbound(Side::Client), &[&bytes]);
        assert_eq!(found.error, Some(error), "{bytes:?}");
        assert_eq!(error.close_code(), code);
    }
    let found = read(inbound(Side::Server), &[b"\x82\x01\x00"]);
    assert_eq!(found.error, Some(WebSocketError::Mask));
}

#[test]
fn the_limit_is_looked_at_before_a_message_comes() {
    for head in [
        &b"\x82\x7e\x07\x00\x00"[..],
        b"\x82\x7f\x7f\xff\0\0\0\0\0\0\x00",
        b"\x02\x7e\x07\x00\x00",
    ] {
        let found = read(inbound(Side::Client), &[head]);
        assert!(
            matches!(found.error, Some(WebSocketError::TooLarge { .. })),
            "{found:?}"
        );
        assert!(found.bytes.is_empty());
    }
    // All fragments together.
    let part = [b"\x02\x7e\x03\x00".as_slice(), &[0; 768]].concat();
    let next = b"\x00\x7e\x03\x00";
    let found = read(inbound(Side::Client), &[&part, next]);
    assert!(matches!(found.error, Some(WebSocketError::TooLarge { .. })));
}

/// Fragments are collected before anybody knows whose they are.
#[test]
fn who_has_not_shaken_hands_has_little_collected() {
    const PART: &[u8] = b"\x02\x7e\x60\x00\x00";
    let command = b"\x82\x03\x02\x01X";
    for (mechanism, commands) in [
        (MechanismName::NULL, 1),
        (MechanismName::PLAIN, 2),
        (MechanismName::CURVE, 2),
    ] {
        for count in 0..=commands {
            let mut greeting = BytesMut::new();
            let inbound = Inbound::new(Side::Client, mechanism, 1 << 20, &mut greeting);
            // The last of them is in fragments itself.
            let mut bytes = command.repeat(count);
            if count == commands {
                bytes.truncate((count - 1) * command.len());
                bytes.extend(b"\x02\x01\x02\x80\x02\x01X");
            }
            let found = read(inbound, &[&bytes, PART]);
            let is_refused = matches!(found.error, Some(WebSocketError::TooLarge { .. }));
            assert_eq!(is_refused, count < commands, "{mechanism} {count}");
        }
    }
}

/// A connection behind a WebSocket.
struct Wrapped {
    end: End,
    inbound: Inbound,
    outbound: Outbound,
    out: BytesMut,
    held: BytesMut,
}

impl Wrapped {
    fn new(side: Side, settings: zmtp::Settings, identifies: bool) -> Self {
        let (mut greeting, mut out) = (BytesMut::new(), BytesMut::new());
        let name = settings.mechanism.name();
        let socket_type = settings.socket_type;
        let identity = settings.identity.as_bytes().clone();
        let (inbound, outbound) = if identifies {
            (
                Inbound::identifying(side, socket_type, LIMIT, &mut greeting),
                Outbound::identifying(side, &identity, &mut out, &mut || MASK),
            )
        } else {
            (
                Inbound::new(side, name, LIMIT, &mut greeting),
                Outbound::new(side),
            )
        };
        let mut end = End::new(settings);
        end.feed(&greeting);
        Self {
            end,
            inbound,
            outbound,
            out,
            held: BytesMut::new(),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let mut decoded = BytesMut::new();
        let (taken, _) = self.inbound.read(&self.held, &mut decoded).unwrap();
        self.held.advance(taken);
        self.end.feed(&decoded);
    }

    fn take_out(&mut self) -> BytesMut {
        let written = self.end.out.split();
        self.outbound.write(&written, &mut self.out, &mut || MASK);
        self.out.split()
    }
}

fn run(a: &mut Wrapped, b: &mut Wrapped) {
    loop {
        let (to_b, to_a) = (a.take_out(), b.take_out());
        if to_a.is_empty() && to_b.is_empty() {
            break;
        }
        b.feed(&to_b);
        a.feed(&to_a);
    }
    assert_eq!((&a.end.error, &b.end.error), (&None, &None));
}

#[test]
fn peers_speak_by_each_subprotocol() {
    for number in 0..mechanisms().len() {
        for identifies in [false, true] {
            let [mechanism, ..] = &mut mechanisms()[number..] else {
                continue;
            };
            let null = || Mechanism::Null(Authentication::NotAsked);
            let (client, server) = std::mem::replace(mechanism, (null(), null()));
            // Only that of no mechanism has an identity first.
            if identifies && client.name() != MechanismName::NULL {
                continue;
            }
            let mut dealer = crate::pair::with(SocketType::Dealer, client);
            dealer.identity = Identity::new("anna").unwrap();
            let router = crate::pair::with(SocketType::Router, server);
            let mut a = Wrapped::new(Side::Client, dealer, identifies);
            let mut b = Wrapped::new(Side::Server, router, identifies);
            run(&mut a, &mut b);
            assert!(a.end.connection.is_open() && b.end.connection.is_open());
            assert_eq!(b.end.connection.version(), Some(Version::V3_0));
            assert_eq!(b.end.peer().identity.as_bytes()[..], *b"anna");
            b.end.take_told();
            for frame in [Frame::more(b"one"), Frame::last(&[7; 400])] {
                let end = &mut a.end;
                end.connection.put_frame(&mut end.out, frame).unwrap();
            }
            run(&mut a, &mut b);
            let told = b.end.take_told();
            assert_eq!((told.len(), &told[0][..]), (2, "more one"));
        }
    }
}

#[test]
fn subscriptions_are_messages() {
    let mut a = Wrapped::new(Side::Client, settings(SocketType::Sub), false);
    let mut b = Wrapped::new(Side::Server, settings(SocketType::XPub), false);
    run(&mut a, &mut b);
    b.end.take_told();
    a.end
        .connection
        .put_subscribe(&mut a.end.out, b"topic")
        .unwrap();
    let out = a.end.out.clone();
    assert_eq!(out[..], *b"\x00\x06\x01topic");
    run(&mut a, &mut b);
    assert_eq!(b.end.take_told(), ["subscribe topic"]);
}

#[test]
fn an_identity_comes_first_where_there_is_no_mechanism() {
    let asked = || {
        let mut out = BytesMut::new();
        Inbound::identifying(Side::Client, SocketType::Router, LIMIT, &mut out)
    };
    let found = read(asked(), &[b"\x82\x05\x00anna\x82\x02\x00x"]);
    assert!(
        found.bytes.ends_with(b"\x00\x00\x00\x04anna\x00\x01x"),
        "{found:?}"
    );
    for (bytes, error) in [
        (&b"\x82\x02\x01x"[..], WebSocketError::Identity),
        (b"\x82\x02\x02x", WebSocketError::Identity),
        (b"\x82\x00", WebSocketError::NotZws),
    ] {
        assert_eq!(read(asked(), &[bytes]).error, Some(error));
    }
    let found = read(asked(), &[b"\x82\x7e\x01\x01\x00"]);
    assert!(matches!(found.error, Some(WebSocketError::TooLarge { .. })));
    let null = Mechanism::Null(Authentication::NotAsked);
    assert_eq!(null.name(), MechanismName::NULL);
}

proptest! {
    #[test]
    fn any_split_of_what_was_written_gives_the_same(
        frames in prop::collection::vec((0..3_u8, prop_oneof![0..130_usize, 250..260_usize, 500..1000_usize]), 1..8),
        cuts in prop::collection::vec(1..60_usize, 1..20),
    ) {
        let mut input = Vec::new();
        for (kind, len) in frames {
            let head = match kind {
                0 => zmtp::FrameHead::message(zmtp::Framing::V3, false, len),
                1 => zmtp::FrameHead::message(zmtp::Framing::V3, true, len),
                _ => zmtp::FrameHead::command(len),
            };
            input.extend_from_slice(head.as_bytes());
            input.extend((0..len).map(|index| u8::try_from(index % 251).unwrap()));
        }
        for (writes, reads) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
            let whole = write(writes, &[&input]);
            let cut_up = write(writes, &pieces(&input, &cuts));
            prop_assert!(whole == cut_up);
            let found = read(inbound(reads), &pieces(&whole, &cuts));
            prop_assert!(found.bytes == input && found.error.is_none() && found.left == 0);
        }
    }

    #[test]
    fn any_bytes_of_a_websocket_are_survived(
        bytes in prop::collection::vec(prop_oneof![Just(0x82), Just(0x02), Just(0x80), Just(0x89), 0..20_u8, any::<u8>()], 0..300),
        cuts in prop::collection::vec(1..20_usize, 1..20),
    ) {
        let whole = read(inbound(Side::Client), &[&bytes]);
        let cut_up = read(inbound(Side::Client), &pieces(&bytes, &cuts));
        prop_assert_eq!(&whole.error, &cut_up.error);
        prop_assert_eq!(&whole.controls, &cut_up.controls);
        prop_assert_eq!(&whole.bytes, &cut_up.bytes);
        // Each frame of it is one of 3.0.
        let mut rest = &whole.bytes[..];
        while let Ok(zmtp::Decoded::Frame(_, body)) = decode(zmtp::Framing::V3, rest, LIMIT + 100) {
            rest = &rest[body.end..];
        }
        prop_assert!(whole.bytes.len() <= bytes.len() * 9 + 9);
    }
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, left) = rest.split_at((*cut).min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}
