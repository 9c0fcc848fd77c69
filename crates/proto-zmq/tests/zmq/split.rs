//! Any split of the input gives the same; any input is survived.

use crate::stage::{heads, made, settings, shown};
use broker_api::{Command, Event, Out, Reply, Session as _};
use bytes::BytesMut;
use model::Instant;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proto_zmq::{Settings, Zmq};
use std::sync::Arc;

/// What a socket sends that is let in.
fn conversation(socket_type: &str, is_plain: bool, frames: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\x01".to_vec();
    bytes.extend_from_slice(if is_plain { b"PLAIN" } else { b"NULL\0" });
    bytes.resize(zmtp::GREETING_BYTES, 0);
    let mut properties = b"\x0BSocket-Type\0\0\0".to_vec();
    properties.push(u8::try_from(socket_type.len()).unwrap());
    properties.extend_from_slice(socket_type.as_bytes());
    let mut command = |name: &[u8], data: &[u8]| {
        let len = u8::try_from(name.len() + data.len()).unwrap();
        bytes.extend_from_slice(&[4, len]);
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(data);
    };
    if is_plain {
        command(b"\x05HELLO", b"\x03ann\x06secret");
        command(b"\x08INITIATE", &properties);
    } else {
        command(b"\x05READY", &properties);
    }
    for (more, body) in frames {
        bytes.extend_from_slice(&[u8::from(*more), u8::try_from(body.len()).unwrap()]);
        bytes.extend_from_slice(body);
    }
    bytes
}

/// All that a session says and asks, if its input comes in these pieces.
fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<String>, bool) {
    let now = Instant::from_millis(1);
    let limited = Settings {
        message_bytes_max: 60,
        frames_max: 4,
        prefix_bytes_max: 20,
        ..settings()
    };
    let mut session = Zmq::new(now, Arc::new(limited), heads);
    let (mut input, mut out) = (BytesMut::new(), Out::new());
    let (mut said, mut asked) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            if !out.is_held() {
                session.handle_input(now, &mut input, &mut out);
            }
            said.extend(out.wire.take());
            let commands = std::mem::take(&mut out.commands);
            let was_held = out.is_held();
            for it in commands {
                asked.push(shown(&it.command));
                let reply = match &it.command {
                    Command::Connect(_) => Reply::Nothing,
                    Command::DeclareQueue(declare) => {
                        let name = declare.name.as_ref().map(|name| name.as_bytes());
                        made(name.unwrap_or(b"own"))
                    }
                    _ => continue,
                };
                session.handle_event(now, Event::Done(it.id, Ok(reply)), &mut out);
            }
            said.extend(out.wire.take());
            if !was_held || out.is_closing() {
                break;
            }
        }
    }
    (said, asked, out.is_closing())
}

fn types() -> impl Strategy<Value = &'static str> {
    select(vec![
        "PUB", "XPUB", "SUB", "XSUB", "PUSH", "PULL", "REQ", "DEALER", "REP", "ROUTER",
    ])
}

fn frames() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let body = prop_oneof![
        vec(any::<u8>(), 0..30),
        "\u{1}[ab]\\.[ab]?".prop_map(String::into_bytes),
        "\u{0}[ab]\\.[ab]?".prop_map(String::into_bytes),
    ];
    vec((any::<bool>(), body), 0..12)
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        socket_type in types(),
        is_plain: bool,
        frames in frames(),
        damage in proptest::option::of((0_usize..400, any::<u8>())),
        mut cuts in vec(0_usize..400, 0..20),
    ) {
        let mut bytes = conversation(socket_type, is_plain, &frames);
        if let Some((at, byte)) = damage
            && let Some(place) = bytes.get_mut(at)
        {
            *place = byte;
        }
        let whole = run(std::iter::once(&bytes[..]));
        let bytewise = run(bytes.chunks(1));
        cuts.retain(|cut| *cut < bytes.len());
        cuts.sort_unstable();
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let pieces = starts.zip(ends).map(|(from, to)| &bytes[from..to]);
        prop_assert_eq!(&run(pieces.filter(|it| !it.is_empty())), &whole);
        prop_assert_eq!(&bytewise, &whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300)) {
        run(std::iter::once(&bytes[..]));
    }
}
